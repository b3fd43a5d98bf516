// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "hash.h"

#include <string.h>

const uint64_t HASH_PUBLIC[2] = {0x506f737465726e20, 0x6e616d6573206974};

static uint64_t rotate(uint64_t x, unsigned by) {
	return x << by | x >> (64 - by);
}

static inline void round_once(uint64_t v[4]) {
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

// Little-endian whatever the machine, so that names are the same everywhere.
static uint64_t word(const uint8_t *at) {
	uint64_t w;
	memcpy(&w, at, sizeof(w));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? w : __builtin_bswap64(w);
}

static inline void absorb(uint64_t v[4], uint64_t w) {
	v[3] ^= w;
	round_once(v);
	round_once(v);
	v[0] ^= w;
}

uint64_t hash_bytes(const uint64_t key[2], const void *data, size_t size) {
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	const uint8_t *at = data;
	size_t left = size;
	for (; left >= 8; left -= 8, at += 8)
		absorb(v, word(at));
	absorb(v, hash_load_end(at, left, size) | (uint64_t)size << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_once(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
