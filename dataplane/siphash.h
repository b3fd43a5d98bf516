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

// The 64-bit hash of size bytes under a 128-bit key.
static inline uint64_t siphash(const uint64_t key[2], const void *data, size_t size) {
	const uint8_t *p = data;
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575ull,
		key[1] ^ 0x646f72616e646f6dull,
		key[0] ^ 0x6c7967656e657261ull,
		key[1] ^ 0x7465646279746573ull,
	};
	uint64_t word, tail = (uint64_t)size << 56;
	size_t left = size;

	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, 8);
		siphash_word(v, word);
	}
	for (size_t i = 0; i < left; i++)
		tail |= (uint64_t)p[i] << (8 * i);
	siphash_word(v, tail);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
