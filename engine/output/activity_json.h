// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// struct activity as a JSON line and back (schema/activity.schema.json).

#pragma once

#include "account_name.h"
#include "activity.h"

#include <stddef.h>

// Without a line end; buffer ≥ ACTIVITY_LINE_SIZE_MAX. Returns its length.
size_t activity_json_write(const struct activity *activity, char *buffer, size_t size);

// Who reads lines, of whatever program. All but take may be NULL.
struct activity_reader {
	// Hears of each activity of a line: one, or more where its lists are longer than an activity has
	// room for. Borrowed until it returns.
	void (*take)(void *ctx, const struct activity *activity);
	// Hears of what is wrong in a line: the member, as "mailboxes[0].bodies" ("line": all of it), and
	// what about it, as "not a UID set like 1:9,12". Each is harmless and without a line end.
	void (*wrong)(void *ctx, const char *member, const char *what);
	void *ctx;
	const struct account_names *names; // makes one of an account's spellings; NULL: as written
};

// Reads one line, with or without its end. Returns how many activities were taken; 0 for an empty line
// and for one that is none (no JSON object, of another kind, without a time), which wrong hears of.
// Nothing else costs a line: a member of a wrong type is left out, a number that is too large is the
// largest, a list loses those elements alone, and what is not UTF-8 is taken for Latin-1. Unknown members
// are ignored; texts that do not fit are cut as the engine would.
int activity_json_read(const struct activity_reader *reader, const char *line, size_t size);
