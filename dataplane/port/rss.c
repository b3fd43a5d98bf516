// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "rss.h"

enum {
	TUPLE_V4 = 12, // addresses and ports
	TUPLE_V6 = 36,
};

void rss_key_make(uint16_t random, uint8_t *key, size_t size) {
	if (__builtin_popcount(random) % 2 == 0)
		random ^= 1;
	for (size_t i = 0; i < size; i++)
		key[i] = (uint8_t)(i % 2 ? random : random >> 8);
}

static uint32_t window(const uint8_t *key, size_t bit) {
	const uint8_t *p = key + bit / 8;
	uint64_t bytes = (uint64_t)p[0] << 32 | (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16
		| (uint64_t)p[3] << 8 | p[4];

	return (uint32_t)(bytes >> (8 - bit % 8));
}

uint32_t rss_hash(const uint8_t *key, const uint8_t *data, size_t size) {
	uint32_t hash = 0;

	for (size_t bit = 0; bit < size * 8; bit++)
		if (data[bit / 8] >> (7 - bit % 8) & 1)
			hash ^= window(key, bit);
	return hash;
}

// The hash is linear: it is symmetric when each single bit, and its place in the reversed tuple, have the
// same window.
static bool is_symmetric(const uint8_t *key, size_t address_bits) {
	for (size_t bit = 0; bit < address_bits; bit++)
		if (window(key, bit) != window(key, bit + address_bits))
			return false;
	for (size_t bit = 2 * address_bits; bit < 2 * address_bits + 16; bit++)
		if (window(key, bit) != window(key, bit + 16))
			return false;
	return true;
}

bool rss_key_is_symmetric(const uint8_t *key, size_t size) {
	return size >= TUPLE_V6 + 4 && is_symmetric(key, 32) && is_symmetric(key, 128);
}

bool rss_key_repeats(const uint8_t *key, size_t size) {
	if (size < TUPLE_V6 + 4)
		return false;
	for (size_t i = 2; i < TUPLE_V6 + 4; i++)
		if (key[i] != key[i - 2])
			return false;
	return true;
}

void rss_owners(const uint8_t *key, const uint16_t *table, size_t n_entries, uint8_t *owners) {
	for (unsigned sum = 0; sum < 65536; sum++) {
		const uint8_t word[2] = {(uint8_t)(sum >> 8), (uint8_t)sum};

		owners[sum] = (uint8_t)table[rss_hash(key, word, sizeof(word)) % n_entries];
	}
}
