// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: whatever a header field holds (RFC 2047, 2231), what is read of it is UTF-8, within its room, and
// the same each time. First byte: how much room there is; the rest is a field.

#include "mime/header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 14 };

static void check_utf8(const uint8_t *text, size_t size) {
	for (size_t i = 0; i < size;) {
		uint8_t c = text[i++];
		int n = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
		uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

		if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || (size_t)n > size - i)
			abort();
		for (; n > 0; n--, low = 0x80, high = 0xbf)
			if (text[i] < low || text[i++] > high)
				abort();
	}
}

static void check_field(struct charsets *sets, struct header_slice field, size_t room) {
	static const char *const params[] = {"name", "filename", "charset"};
	struct header_slice name, value = field;
	uint32_t flaws = 0, again = 0;
	uint8_t *out = malloc(room), *twice = malloc(room);

	header_split(field, &name, &value, &flaws);
	size_t n = header_text(sets, value, out, room, &flaws);
	if (n > room || header_text(sets, value, twice, room, &again) != n
	    || memcmp(out, twice, n) != 0)
		abort();
	check_utf8(out, n);
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		int got = header_param(sets, value, params[i], out, room, &flaws);
		if (got > (int)room || got < -1)
			abort();
		check_utf8(out, got > 0 ? got : 0);
	}
	free(out);
	free(twice);
}

static void check_words(struct header_slice value) {
	uint32_t flaws = 0;
	int64_t seconds;

	for (int has_params = 0; has_params < 2; has_params++)
		if (memchr(header_first(value, has_params, &flaws).text, 0, HEADER_WORD_MAX)
		    == NULL)
			abort();
	header_date(value, &seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct charsets *sets;

	if (sets == NULL)
		sets = charsets_open("windows-1250");
	if (size == 0 || size > ROOM / 4)
		return 0;
	uint8_t *field = malloc(size);
	struct header_slice rest = {field, size - 1};

	memcpy(field, data + 1, size - 1);
	check_field(sets, rest, 1 + data[0] * 8);
	check_field(sets, rest, ROOM);
	check_words(rest);
	free(field);
	return 0;
}
