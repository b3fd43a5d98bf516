// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// struct activity as a JSON line and back (schema/activity.schema.json).

#pragma once

#include "activity.h"

#include <stddef.h>

// Without a line end; buffer ≥ ACTIVITY_LINE_SIZE_MAX. Returns its length.
size_t activity_json_write(const struct activity *activity, char *buffer, size_t size);
// Reads one line. 0, or -1 and what is wrong in error: one line, the member and what it is not, as
// "mailboxes[0].bodies: not a UID set like 1:9,12". Unknown members are ignored; a member of a
// wrong type is an error; what does not fit is cut as the engine would.
int activity_json_read(
	const char *line,
	size_t size,
	struct activity *activity,
	char *error,
	int error_size
);
