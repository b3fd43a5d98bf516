// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Well-formed UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above
// U+10FFFF. Shared by everything that writes or cuts text from the wire.

#pragma once

#include <stddef.h>
#include <stdint.h>

// Looks at the character at text, of which left ≥ 1 bytes are there. Returns its length (1 … 4), or
// minus the number of bytes (1 … 3) that are the beginning of a character and do not become one:
// those are shown as one U+FFFD.
static inline int utf8_next(const uint8_t *text, size_t left) {
	uint8_t first = text[0], low = 0x80, high = 0xbf;
	int len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (len == 1)
		return 1;
	if (len == 0 || first > 0xf4)
		return -1;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	for (int i = 1; i < len; i++) {
		if ((size_t)i == left || text[i] < low || text[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

// The character itself, where utf8_next() has returned len > 0.
static inline uint32_t utf8_value(const uint8_t *text, int len) {
	static const uint8_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t value = text[0] & mask[len];

	for (int i = 1; i < len; i++)
		value = value << 6 | (text[i] & 0x3f);
	return value;
}

// Characters that act on a terminal or split and reorder a line instead of being shown: C0, DEL and C1
// controls, line and paragraph separators, direction overrides and isolates.
static inline int utf8_is_control(uint32_t value) {
	return value < 0x20 || (value >= 0x7f && value < 0xa0)
		|| (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
}

// The longest beginning of text that has at most max bytes and does not end inside a character.
static inline size_t utf8_cut(const char *text, size_t size, size_t max) {
	size_t cut = size;

	if (cut <= max)
		return cut;
	cut = max;
	while (cut > 0 && max - cut < 3 && ((uint8_t)text[cut] & 0xc0) == 0x80)
		cut--;
	return cut;
}
