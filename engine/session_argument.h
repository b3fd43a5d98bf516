// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// For rules: a command's argument that comes in pieces (lines and literals): put together up to LINE_SIZE_MAX, what is
// beyond is left out. Nothing is kept when no rule wants it. Zeroed: empty.

#pragma once

#include "session.h"

#include <stddef.h>
#include <stdint.h>

struct session_argument {
	uint8_t *data; // the slab's
	uint32_t cap, size;
};

// More of it, up to LINE_SIZE_MAX bytes in all; nothing is kept when no rule looks at arguments.
void session_argument_add(
	struct session *s,
	struct session_argument *argument,
	const void *data,
	size_t size
);
// It is whole: rules look at it, and it is given back.
void session_argument_end(struct session *s, struct session_argument *argument, uint64_t now_ns);
void session_argument_free(struct session *s, struct session_argument *argument);
