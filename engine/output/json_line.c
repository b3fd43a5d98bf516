// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/json_line.h"

#include "output/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHAT_SIZE = 200 };

// What stands in no UTF-8 as if it were Latin-1: what it was meant to be is not known, but two names stay
// two. The caller frees it.
static char *from_latin1(const char *line, size_t size, size_t *size_r) {
	char *text = malloc(2 * size + 1), *to = text;
	int len;

	for (size_t i = 0; text && i < size; i += (size_t)(len < 0 ? -len : len)) {
		len = utf8_next((const uint8_t *)line + i, size - i);
		if (len > 0) {
			memcpy(to, line + i, (size_t)len);
			to += len;
			continue;
		}
		for (int k = 0; k < -len; k++) {
			uint8_t byte = (uint8_t)line[i + (size_t)k];
			*to++ = (char)(0xc0 | byte >> 6);
			*to++ = (char)(0x80 | (byte & 0x3f));
		}
	}
	*size_r = text ? (size_t)(to - text) : 0;
	return text;
}

// What JSON forbids and what can be read all the same is told, and read. NULL: it cannot.
static json_t *
parse(const char *line, size_t size, void (*wrong)(void *ctx, const char *what), void *ctx) {
	size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	json_error_t error = {0};
	char *repaired = NULL, what[WHAT_SIZE];
	bool no_memory;
	json_t *root;

	for (;;) {
		errno = 0;
		root = json_loadb(line, size, flags, &error);
		// jansson calls that a syntax error as often as not.
		no_memory = !root && errno == ENOMEM;
		if (no_memory)
			break;
		enum json_error_code code = root ? json_error_unknown : json_error_code(&error);
		if (code == json_error_invalid_utf8 && !repaired
		    && (repaired = from_latin1(line, size, &size))) {
			line = repaired;
			wrong(ctx, "not UTF-8: such bytes are taken for Latin-1");
		} else if (code == json_error_duplicate_key && flags & JSON_REJECT_DUPLICATES) {
			flags &= ~(size_t)JSON_REJECT_DUPLICATES;
			snprintf(what, sizeof(what), "%s: the last one counts", error.text);
			wrong(ctx, what);
		} else if (code == json_error_numeric_overflow && !(flags & JSON_DECODE_INT_AS_REAL)) {
			flags |= JSON_DECODE_INT_AS_REAL;
		} else {
			break;
		}
	}
	free(repaired);
	snprintf(what, sizeof(what), "not JSON: %s", error.text);
	if (!root)
		wrong(ctx, no_memory ? "no memory to read it" : what);
	return root;
}

// Without a byte order mark in front (files that begin with one) and without white space around.
static void trim(const char **line, size_t *size) {
	static const char mark[3] = "\xef\xbb\xbf";

	if (*size >= sizeof(mark) && memcmp(*line, mark, sizeof(mark)) == 0) {
		*line += sizeof(mark);
		*size -= sizeof(mark);
	}
	while (*size > 0 && strchr(" \t\r\n", (*line)[*size - 1]) && (*line)[*size - 1])
		--*size;
}

json_t *json_line_read(
	const char *line,
	size_t size,
	void (*wrong)(void *ctx, const char *what),
	void *ctx
) {
	trim(&line, &size);
	return size > 0 ? parse(line, size, wrong, ctx) : NULL;
}
