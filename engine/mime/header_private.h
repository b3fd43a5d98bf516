// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the readers of a header field share: a cursor over it (header.c), and text on its way out
// (header_text.c), where whatever comes becomes UTF-8.

#pragma once

#include "mime/header.h"

struct cursor {
	const uint8_t *at, *end;
};

static inline bool header_is_space(uint8_t c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

// Past blanks and comments (RFC 5322 3.2.2). They nest by a counter.
void header_comments_skip(struct cursor *at, uint32_t *flaws);

enum { HEADER_PIECE = 256 }; // bytes converted at once

struct text {
	struct charsets *charsets; // NULL: nothing is converted
	uint8_t *out;
	size_t n, size;
	uint32_t *flaws;
	bool is_octets; // bytes go out as they are
	uint8_t n_carry;
	uint8_t carry[4]; // the beginning of a character
	struct charset charset; // of the last word, while further words may continue its text
	struct header_slice charset_name;
};

// Bytes that are said to be UTF-8: what is none becomes U+FFFD.
void header_put(struct text *text, const uint8_t *data, size_t size);
// Bytes without a label, of a value that is UTF-8 as a whole, or else (is_raw) in the set of what says none.
void header_put_plain(struct text *text, const uint8_t *data, size_t size, bool is_raw);
// Whether a value is no UTF-8; that is a flaw.
bool header_is_raw(struct text *text, struct header_slice value);
// Bytes in the character set that is begun, at most HEADER_PIECE + TRANSFER_EXTRA_MAX.
void header_put_coded(struct text *text, const uint8_t *data, size_t size);
// The same of bytes written as a mark and two hexadecimal digits: "=" in encoded words of Q, where blank ("_") is a
// blank; "%" in parameters (RFC 2231). flaw: told when a mark has none.
void header_put_escaped(
	struct text *text,
	struct header_slice in,
	char mark,
	char blank,
	uint32_t flaw
);
void header_charset_leave(struct text *text);
// Unstructured text with its encoded words.
void header_put_words(struct text *text, struct header_slice value);
// Nothing more comes. Returns how many bytes went out.
size_t header_text_end(struct text *text);
