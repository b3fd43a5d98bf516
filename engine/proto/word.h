// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Comparing bytes of the wire with words of a protocol, in any case of ASCII letters. A word that is a
// literal becomes one or two comparisons of whole machine words, without a call: parsers ask for many
// words in a row.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

// n ≤ 8 bytes from at, the first one lowest.
static inline __attribute__((always_inline)) uint64_t word_load(const uint8_t *at, size_t n) {
	uint64_t word = 0;

	memcpy(&word, at, n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

// Which bits of the bytes count. A letter's case is one bit, which no other character's comparison may
// leave out: '[' and '{' differ in it, too.
static inline __attribute__((always_inline)) uint64_t
word_mask(const char *word, size_t n, size_t i) {
	bool is_letter = i < n
		&& ((word[i] >= 'a' && word[i] <= 'z') || (word[i] >= 'A' && word[i] <= 'Z'));

	return (uint64_t)(i >= n ? 0 : is_letter ? 0xdf : 0xff) << (8 * i);
}

static inline __attribute__((always_inline)) uint64_t
word_byte(const char *word, size_t n, size_t i) {
	return i < n ? (uint64_t)(uint8_t)word[i] << (8 * i) : 0;
}

// Eight times one of these, without a loop: compilers make a number of it.
#define WORD_ALL(of, word, n)                                                                      \
	(of(word, n, 0) | of(word, n, 1) | of(word, n, 2) | of(word, n, 3) | of(word, n, 4)        \
	 | of(word, n, 5) | of(word, n, 6) | of(word, n, 7))

// Whether n ≤ 8 bytes are those of the literal.
static inline __attribute__((always_inline)) bool
word_piece_is(const uint8_t *at, const char *word, size_t n) {
	uint64_t mask = WORD_ALL(word_mask, word, n);

	return (word_load(at, n) & mask) == (WORD_ALL(word_byte, word, n) & mask);
}

// Whether the bytes at at, of which there are as many as word has, are word.
static inline __attribute__((always_inline)) bool word_is(const uint8_t *at, const char *word) {
	size_t size = strlen(word);

	if (!__builtin_constant_p(size) || size > 16)
		return strncasecmp((const char *)at, word, size) == 0;
	if (size > 8)
		return word_piece_is(at, word, 8)
			&& word_piece_is(at + size - 8, word + size - 8, 8);
	// Machines load 1, 2, 4 and 8 bytes: what is between is loaded as two that overlap.
	if (size == 3)
		return word_piece_is(at, word, 2) && word_piece_is(at + 1, word + 1, 2);
	if (size > 4 && size < 8)
		return word_piece_is(at, word, 4)
			&& word_piece_is(at + size - 4, word + size - 4, 4);
	return word_piece_is(at, word, size);
}

// Whether the bytes from at to end begin with word.
static inline __attribute__((always_inline)) bool
word_starts(const uint8_t *at, const uint8_t *end, const char *word) {
	return (size_t)(end - at) >= strlen(word) && word_is(at, word);
}
