// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: a text in any character set gives the same UTF-8 whole and in pieces, no more of it than
// charset.h allows, and converters come back. The first line of the input names the set, the byte behind
// it how long the pieces are.

#include "mime/charset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 12 };

struct slice {
	const uint8_t *data;
	size_t size;
};

// Converts in pieces, each in a block of its size. Returns the size of *out_r, or -1: not known.
static long
convert(struct charsets *sets, struct slice name, struct slice text, size_t n, uint8_t **out_r) {
	struct charset set;
	size_t used = 0,
	       room = CHARSET_GROWTH * text.size + (text.size / n + 3) * CHARSET_EXTRA_MAX;
	bool is_known = charset_begin(&set, sets, (const char *)name.data, name.size);

	*out_r = malloc(room);
	for (size_t at = 0; at < text.size; at += n) {
		size_t piece = n < text.size - at ? n : text.size - at;
		uint8_t *in = malloc(piece),
			*out = malloc(CHARSET_GROWTH * piece + CHARSET_EXTRA_MAX);
		memcpy(in, text.data + at, piece);
		size_t got = charset_data(&set, in, piece, out);
		memcpy(*out_r + used, out, got);
		used += got;
		free(in);
		free(out);
	}
	used += charset_end(&set, *out_r + used);
	return is_known ? (long)used : -1;
}

static void check_charset(struct charsets *sets, struct slice name, struct slice text, size_t n) {
	uint8_t *whole, *cut;
	long whole_size = convert(sets, name, text, text.size ? text.size : 1, &whole);
	long cut_size = convert(sets, name, text, n, &cut);

	if (whole_size != cut_size || (whole_size > 0 && memcmp(whole, cut, whole_size) != 0))
		abort();
	free(whole);
	free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct charsets *sets;
	const uint8_t *end = memchr(data, '\n', size);

	if (sets == NULL)
		sets = charsets_open("windows-1250");
	if (end == NULL || data + size - end < 2 || size > ROOM)
		return 0;
	check_charset(
		sets,
		(struct slice){data, (size_t)(end - data)},
		(struct slice){end + 2, (size_t)(data + size - end - 2)},
		1 + end[1] % 16
	);
	return 0;
}
