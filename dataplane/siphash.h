// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for everything an attacker may choose, so that
// collisions cannot be prepared. Also keys what is shown of passwords: equal ones are seen to be equal,
// and nothing else is.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t siphash_rotl(uint64_t x, int b) {
	return (x << b) | (x >> (64 - b));
}

static inline void siphash_round(uint64_t v[4]) {
	v[0] += v[1];
	v[1] = siphash_rotl(v[1], 13) ^ v[0];
	v[0] = siphash_rotl(v[0], 32);
	v[2] += v[3];
	v[3] = siphash_rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = siphash_rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = siphash_rotl(v[1], 17) ^ v[2];
	v[2] = siphash_rotl(v[2], 32);
}

static inline void siphash_word(uint64_t v[4], uint64_t word) {
	v[3] ^= word;
	siphash_round(v);
	siphash_round(v);
	v[0] ^= word;
}

static inline void siphash_begin(uint64_t v[4], const uint64_t key[2]) {
	v[0] = key[0] ^ 0x736f6d6570736575ull;
	v[1] = key[1] ^ 0x646f72616e646f6dull;
	v[2] = key[0] ^ 0x6c7967656e657261ull;
	v[3] = key[1] ^ 0x7465646279746573ull;
}

static inline uint64_t siphash_end(uint64_t v[4]) {
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

// The 64-bit hash of size bytes under a 128-bit key.
static inline uint64_t siphash(const uint64_t key[2], const void *data, size_t size) {
	const uint8_t *p = data;
	uint64_t v[4], word, tail = (uint64_t)size << 56;
	size_t left = size;

	siphash_begin(v, key);
	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, 8);
		siphash_word(v, word);
	}
	if (left >= 4) { // two words that overlap
		uint32_t low, high;
		memcpy(&low, p, 4);
		memcpy(&high, p + left - 4, 4);
		tail |= low | (uint64_t)high << (8 * (left - 4));
	} else if (left > 0) {
		tail |= p[0] | (uint64_t)p[left / 2] << (8 * (left / 2))
			| (uint64_t)p[left - 1] << (8 * (left - 1));
	}
	siphash_word(v, tail);
	return siphash_end(v);
}

// Those of data, whole words, with a word behind it that is 0 and 1: what they have in common is read once.
static inline void
siphash_pair(const uint64_t key[2], const void *data, size_t size, uint64_t hash[2]) {
	const uint8_t *p = data;
	uint64_t v[4], end[4], word;

	siphash_begin(v, key);
	for (size_t i = 0; i < size; i += 8) {
		memcpy(&word, p + i, 8);
		siphash_word(v, word);
	}
	for (uint64_t last = 0; last < 2; last++) {
		memcpy(end, v, sizeof(end));
		siphash_word(end, last);
		siphash_word(end, (uint64_t)(size + 8) << 56);
		hash[last] = siphash_end(end);
	}
}
