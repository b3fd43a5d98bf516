// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Lines of a file, a pipe or a terminal, with something else to do while none comes.

#pragma once

#include <stddef.h>

struct lines;

// path: "-" is standard input. NULL and errno.
struct lines *lines_open(const char *path);
// The next line without its end, borrowed until the next call; the last one needs none.
enum lines_result {
	LINES_ONE,
	LINES_LONG, // one of more than LINE_READ_SIZE_MAX bytes; they were passed over
	LINES_NONE, // within wait_ms (−1: ever)
	LINES_END,
	LINES_FAILED, // errno
};
enum lines_result lines_next(struct lines *lines, int wait_ms, char **line_r, size_t *size_r);
// Accepts NULL.
void lines_close(struct lines *lines);
