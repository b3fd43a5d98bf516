// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/json_line.h"

#include "output/utf8.h"

#include <pthread.h>
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

// jansson calls a want of memory a syntax error as often as not; and a text that has outgrown its buffer then goes on
// without the byte that did not fit.
static _Thread_local bool is_short_of_memory;

static void *take(size_t size) {
	void *block = malloc(size);

	is_short_of_memory |= !block;
	return block;
}

static void take_over(void) {
	json_set_alloc_funcs(take, free);
}

// What JSON forbids and what can be read all the same is told, and read. NULL: it cannot.
static json_t *
parse(const char *line, size_t size, void (*wrong)(void *ctx, const char *what), void *ctx) {
	size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	json_error_t error = {0};
	char *repaired = NULL, what[WHAT_SIZE];
	json_t *root;

	for (;;) {
		is_short_of_memory = false;
		root = json_loadb(line, size, flags, &error);
		if (is_short_of_memory) {
			json_decref(root);
			root = NULL;
			break;
		}
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
		wrong(ctx, is_short_of_memory ? "no memory to read it" : what);
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
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, take_over);
	trim(&line, &size);
	return size > 0 ? parse(line, size, wrong, ctx) : NULL;
}
