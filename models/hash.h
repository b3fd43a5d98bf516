// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012): with a secret key nobody outside can aim at
// a bucket of a table. With HASH_PUBLIC it names things: the same name in every replay.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The key of everything that must not differ between two runs over the same input.
extern const uint64_t HASH_PUBLIC[2];

// For what an attacker may choose: SipHash under the key.
uint64_t hash_bytes(const uint64_t key[2], const void *data, size_t size);
// For names that nobody gains by aiming at (a client's, a network's, within one account): a tenth of
// the instructions. The same in every replay.
static inline uint64_t hash_quick(const void *data, size_t size);

// ---- In line, because most names are short and of a size that is known

static inline uint64_t hash_load(const uint8_t *at, size_t size) {
	uint64_t word = 0;
	memcpy(&word, at, size);
	return word;
}

// The last bytes, fewer than eight, of size, as a little-endian word: in one load that looks back into those
// before, or in at most three.
static inline uint64_t hash_load_end(const uint8_t *at, size_t left, size_t size) {
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	uint64_t word = 0;
	unsigned shift = 0;
	if (left == 0)
		return 0;
	if (little && size >= 8)
		return hash_load(at + left - 8, 8) >> (64 - 8 * left);
	if (left & 4) {
		word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16
			| (uint32_t)at[3] << 24;
		at += 4;
		shift = 32;
	}
	if (left & 2) {
		word |= (uint64_t)(at[0] | at[1] << 8) << shift;
		at += 2;
		shift += 16;
	}
	return left & 1 ? word | (uint64_t)at[0] << shift : word;
}

static inline uint64_t hash_quick(const void *data, size_t size) {
	const uint64_t odd = 0x9e3779b97f4a7c15;
	const uint8_t *at = data;
	uint64_t hash = size * odd;
	size_t left = size;
	for (; left >= 8; left -= 8, at += 8) {
		hash = (hash ^ hash_load(at, 8)) * odd;
		hash ^= hash >> 29;
	}
	hash = (hash ^ hash_load_end(at, left, size)) * odd;
	hash = (hash ^ hash >> 32) * odd;
	return hash ^ hash >> 29;
}
