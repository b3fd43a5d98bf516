// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One header field, whole and unfolded, read as RFC 5322, 2045, 2047 and 2231 say and as far as they
// are kept to. Pure functions over the field; what is off the grammar is said and the rest is read all
// the same. Linear in the field's size.

#pragma once

#include "mime/charset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HEADER_WORD_MAX = 100, // of a type, an encoding, a character set's name
	HEADER_NAME_SIZE_MAX = 1024, // of a file's name, in UTF-8
	HEADER_PARAMS_MAX = 64, // looked at in one field; of RFC 2231's pieces as many
};

struct header_slice {
	const uint8_t *data;
	size_t size;
};

// What is wrong with a field; bits.
enum header_flaw {
	HEADER_OFF_GRAMMAR = 1 << 0, // readers differ in what it says
	HEADER_BAD_WORD
	= 1 << 1, // an encoded word that cannot be decoded: its bytes stand as they are
	HEADER_BAD_PARAM = 1 << 2, // RFC 2231 pieces missing, doubled, out of order or mixed
	HEADER_TWICE = 1 << 3, // a parameter comes twice and says different things
	HEADER_CUT = 1 << 4, // more than a limit allows
};

// Splits "Name: value". 1: *name, *value (blanks around them taken off); -1: no field.
// *flaws gets HEADER_OFF_GRAMMAR for blanks before the colon.
int header_split(
	struct header_slice field,
	struct header_slice *name,
	struct header_slice *value,
	uint32_t *flaws
);
bool header_is(struct header_slice name, const char *word); // any case

// Unstructured text as UTF-8, always: encoded words decoded, those side by side joined; what is none in the
// set it claims becomes U+FFFD; a value with bytes of no label that is no UTF-8 is HEADER_OFF_GRAMMAR, and
// read as Windows-1250. At most out_size bytes, whole characters; returns how many.
size_t header_text(
	struct charsets *charsets,
	struct header_slice value,
	uint8_t *out,
	size_t out_size,
	uint32_t *flaws
);

// A lower-case word with its final NUL, cut.
struct header_word {
	char text[HEADER_WORD_MAX];
};

// The first word of a value without comments, such as "base64" or "attachment"; empty when there is none.
// What stands behind it is HEADER_OFF_GRAMMAR, but for parameters where they are allowed.
struct header_word header_first(struct header_slice value, bool has_params, uint32_t *flaws);
// The parameter of that name out of "word; name=value; …", as UTF-8: quotes, comments, RFC 2231's pieces
// and character sets and (for files' names) RFC 2047's words undone; bytes without a label as in
// header_text(). A boundary alone comes as the bytes it is, which its lines are compared with. Returns
// bytes, or -1: it has none.
int header_param(
	struct charsets *charsets,
	struct header_slice value,
	const char *name,
	uint8_t *out,
	size_t out_size,
	uint32_t *flaws
);

// Date: of RFC 5322, also the obsolete forms. False: none. Seconds since 1970.
bool header_date(struct header_slice value, int64_t *seconds);
