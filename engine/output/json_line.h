// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One line of JSON of whatever program, parsed by jansson: what JSON forbids and what can be read all the
// same is told, and read.

#pragma once

#include <jansson.h>
#include <stddef.h>

// The line's value, which the caller drops (json_decref); NULL when there is none: it is empty (which is
// nothing wrong), or no JSON. A byte order mark in front and white space are passed over; of members that
// stand twice the last one counts; what is not UTF-8 is taken for Latin-1. wrong hears of each, in words
// that may quote the line. Strings may have NUL characters in them.
json_t *json_line_read(
	const char *line,
	size_t size,
	void (*wrong)(void *ctx, const char *what),
	void *ctx
);
