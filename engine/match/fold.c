// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One table of letters; one pass over the pattern.

#include "match/fold.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The second bytes of U+0301, U+0302, U+0308, U+030A, U+030C.
enum { ACUTE = 0x81, CIRCUMFLEX = 0x82, DIAERESIS = 0x88, RING = 0x8a, CARON = 0x8c };

// All letters here take two bytes in UTF-8.
struct letter {
	const char *capital, *small; // UTF-8
	char plain; // capital
	unsigned char
		mark; // the combining one, 0xcc and this: decomposed, as macOS writes names and texts
	unsigned char latin2[2], cp1250[2]; // capital, small
};

static const struct letter letters[] = {
	{"Á", "á", 'A', ACUTE, {0xc1, 0xe1}, {0xc1, 0xe1}},
	{"Ä", "ä", 'A', DIAERESIS, {0xc4, 0xe4}, {0xc4, 0xe4}},
	{"Č", "č", 'C', CARON, {0xc8, 0xe8}, {0xc8, 0xe8}},
	{"Ď", "ď", 'D', CARON, {0xcf, 0xef}, {0xcf, 0xef}},
	{"É", "é", 'E', ACUTE, {0xc9, 0xe9}, {0xc9, 0xe9}},
	{"Ě", "ě", 'E', CARON, {0xcc, 0xec}, {0xcc, 0xec}},
	{"Í", "í", 'I', ACUTE, {0xcd, 0xed}, {0xcd, 0xed}},
	{"Ĺ", "ĺ", 'L', ACUTE, {0xc5, 0xe5}, {0xc5, 0xe5}},
	{"Ľ", "ľ", 'L', CARON, {0xa5, 0xb5}, {0xbc, 0xbe}},
	{"Ň", "ň", 'N', CARON, {0xd2, 0xf2}, {0xd2, 0xf2}},
	{"Ó", "ó", 'O', ACUTE, {0xd3, 0xf3}, {0xd3, 0xf3}},
	{"Ô", "ô", 'O', CIRCUMFLEX, {0xd4, 0xf4}, {0xd4, 0xf4}},
	{"Ŕ", "ŕ", 'R', ACUTE, {0xc0, 0xe0}, {0xc0, 0xe0}},
	{"Ř", "ř", 'R', CARON, {0xd8, 0xf8}, {0xd8, 0xf8}},
	{"Š", "š", 'S', CARON, {0xa9, 0xb9}, {0x8a, 0x9a}},
	{"Ť", "ť", 'T', CARON, {0xab, 0xbb}, {0x8d, 0x9d}},
	{"Ú", "ú", 'U', ACUTE, {0xda, 0xfa}, {0xda, 0xfa}},
	{"Ů", "ů", 'U', RING, {0xd9, 0xf9}, {0xd9, 0xf9}},
	{"Ý", "ý", 'Y', ACUTE, {0xdd, 0xfd}, {0xdd, 0xfd}},
	{"Ž", "ž", 'Z', CARON, {0xae, 0xbe}, {0x8e, 0x9e}},
};

enum { LETTERS = sizeof(letters) / sizeof(letters[0]), EXPANDED_SIZE = 128 };

// A letter at p in one of its two forms in UTF-8. *size_r: of how many bytes.
static const struct letter *letter_find(const char *p, bool *is_small_r, size_t *size_r) {
	bool is_decomposed = p[0] != '\0' && (unsigned char)p[1] == 0xcc;

	for (int i = 0; i < LETTERS; i++) {
		const struct letter *letter = &letters[i];

		*size_r = is_decomposed ? 3 : 2;
		if (is_decomposed) {
			*is_small_r = p[0] == (letter->plain | 0x20);
			if ((*is_small_r || p[0] == letter->plain)
			    && (unsigned char)p[2] == letter->mark)
				return letter;
			continue;
		}
		*is_small_r = strncmp(p, letter->small, 2) == 0;
		if (*is_small_r || strncmp(p, letter->capital, 2) == 0)
			return letter;
	}
	return NULL;
}

static int one_case(const struct letter *letter, int small, char *out, size_t size) {
	const unsigned char *utf8
		= (const unsigned char *)(small ? letter->small : letter->capital);
	char plain = (char)(letter->plain | (small ? 0x20 : 0));

	return snprintf(
		out,
		size,
		"%c|%c\\xcc\\x%02x|\\x%02x|\\x%02x|\\x%02x\\x%02x",
		plain,
		plain,
		letter->mark,
		letter->latin2[small],
		letter->cp1250[small],
		utf8[0],
		utf8[1]
	);
}

static size_t letter_expand(const struct letter *letter, bool is_small, char *out, size_t size) {
	size_t used = (size_t)snprintf(out, size, "(?:");

	used += (size_t)one_case(letter, 0, out + used, size - used);
	if (is_small) {
		used += (size_t)snprintf(out + used, size - used, "|");
		used += (size_t)one_case(letter, 1, out + used, size - used);
	}
	return used + (size_t)snprintf(out + used, size - used, ")");
}

char *fold_pattern(const char *pattern, int *at_r) {
	size_t used = 0;
	char *out = malloc(strlen(pattern) / 2 * EXPANDED_SIZE + EXPANDED_SIZE);
	bool in_class = false, is_small;
	size_t size;

	*at_r = -1;
	if (out == NULL)
		return NULL;
	for (const char *p = pattern; *p != '\0'; p++) {
		const struct letter *letter = letter_find(p, &is_small, &size);

		if (letter != NULL && in_class) {
			*at_r = (int)(p - pattern);
			free(out);
			return NULL;
		}
		if (letter != NULL) {
			used += letter_expand(letter, is_small, out + used, EXPANDED_SIZE);
			p += size - 1;
			continue;
		}
		if (*p == '\\' && p[1] != '\0')
			out[used++] = *p++;
		else if (*p == '[')
			in_class = true;
		else if (*p == ']')
			in_class = false;
		out[used++] = *p;
	}
	out[used] = '\0';
	return out;
}
