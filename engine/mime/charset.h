// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Text in any character set that iconv knows, as UTF-8; streaming and total: what is not text in that
// set becomes U+FFFD. Sets of one byte per character (ISO 8859, Windows-125x, KOI8 …) are tables;
// others need a converter of iconv for as long as a text is open.
//
// iconv_open() allocates and may load a module. It is never called per packet: the sets that mail
// has are opened at start, another one when it is first met, at most CHARSETS_MAX of them and
// CHARSET_CONVERTERS_MAX converters in a worker's life; beyond, text passes as it is.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	// Bytes of UTF-8 that one byte can become, and what a text's beginning may add.
	CHARSET_GROWTH = 4,
	CHARSET_EXTRA_MAX = 64,
	CHARSET_CARRY_MAX = 8, // bytes of a character that is not whole
};

struct charsets; // of one worker

// Whether a set is known by that name. Asks iconv: not per packet.
bool charset_is_known(const char *name, size_t name_size);
// raw: what bytes are read as that say no set and are no UTF-8; one that is known. NULL: no memory.
struct charsets *charsets_open(const char *raw);
void charsets_close(struct charsets *charsets); // accepts NULL

// One text being converted. All zero: bytes pass as they are.
struct charset {
	struct charsets *charsets;
	const uint8_t (*table)[4]; // by byte: UTF-8 and its length, or NULL
	struct charset_converter *converter; // or NULL
	uint8_t n_carry;
	uint8_t carry[CHARSET_CARRY_MAX];
};

// Begins a text in the named set. False: not known, or no converter is free: bytes pass as they are. They
// also do, and true is returned, for UTF-8 and US-ASCII.
bool charset_begin(
	struct charset *charset,
	struct charsets *charsets,
	const char *name,
	size_t name_size
);
// The same in the set of what says none.
bool charset_begin_raw(struct charset *charset, struct charsets *charsets);
// Whether that is one whose letters rules look for in bytes as they are (match/fold.h), or UTF-8.
bool charset_raw_is_usual(const struct charsets *charsets);
// Converts size bytes to out, which has room for CHARSET_GROWTH * size + CHARSET_EXTRA_MAX. Returns how
// many it wrote.
size_t charset_data(struct charset *charset, const uint8_t *data, size_t size, uint8_t *out);
// Bytes are missing here.
void charset_gap(struct charset *charset);
// The end; a character that is not whole goes to out (room for CHARSET_EXTRA_MAX). Must be called for
// each text begun. Returns how many bytes it wrote.
size_t charset_end(struct charset *charset, uint8_t *out);
