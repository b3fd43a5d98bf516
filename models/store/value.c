// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/value.h"

#include "hash.h"

#include <string.h>

// An image is runs: so many bytes as they are, then so many zeros; two bytes each, low byte first.
enum {
	RUN_MAX = 0xffff,
	RUN_HEAD = 4,
	ZEROS_MIN = 8, // fewer are not worth a run
};

struct value_key value_key(enum value_kind kind, uint8_t part, uint32_t slot) {
	return (struct value_key){
		.kind = (uint8_t)kind,
		.part = part,
		.slot = {slot >> 24, slot >> 16 & 0xff, slot >> 8 & 0xff, slot & 0xff},
	};
}

uint32_t value_slot(const struct value_key *key) {
	return (uint32_t)key->slot[0] << 24 | (uint32_t)key->slot[1] << 16
		| (uint32_t)key->slot[2] << 8 | key->slot[3];
}

static uint64_t value_sum(const struct value_key *key, const uint8_t *value, size_t size) {
	uint64_t words[2]
		= {0, hash_bytes(HASH_PUBLIC, value + sizeof(uint64_t), size - sizeof(uint64_t))};
	memcpy(words, key, sizeof(*key));
	return hash_bytes(HASH_PUBLIC, words, sizeof(words));
}

static size_t count_zeros(const uint8_t *at, size_t size) {
	size_t n = 0;
	while (n < size && n < RUN_MAX && at[n] == 0)
		n++;
	return n;
}

// Bytes before the next run of zeros.
static size_t count_literal(const uint8_t *at, size_t size) {
	size_t zeros = 0, n = 0;
	while (n < size && n < RUN_MAX) {
		zeros = at[n++] == 0 ? zeros + 1 : 0;
		if (zeros == ZEROS_MIN)
			return n - zeros;
	}
	return n == size ? n - zeros : n;
}

static void put16(uint8_t *at, size_t n) {
	at[0] = n & 0xff;
	at[1] = n >> 8;
}

static size_t get16(const uint8_t *at) {
	return at[0] | (size_t)at[1] << 8;
}

static size_t runs_write(const uint8_t *image, size_t size, uint8_t *out) {
	size_t at = 0, used = 0;
	while (at < size) {
		size_t literal = count_literal(image + at, size - at);
		size_t zeros = count_zeros(image + at + literal, size - at - literal);
		put16(out + used, literal);
		put16(out + used + 2, zeros);
		memcpy(out + used + RUN_HEAD, image + at, literal);
		used += RUN_HEAD + literal;
		at += literal + zeros;
	}
	return used;
}

// True when the runs give size bytes and nothing is left over.
static bool runs_read(const uint8_t *runs, size_t n, uint8_t *image, size_t size) {
	size_t at = 0, used = 0;
	while (used < n) {
		if (n - used < RUN_HEAD)
			return false;
		size_t literal = get16(runs + used), zeros = get16(runs + used + 2);
		used += RUN_HEAD;
		if (literal > n - used || literal + zeros > size - at || literal + zeros == 0)
			return false;
		memcpy(image + at, runs + used, literal);
		memset(image + at + literal, 0, zeros);
		used += literal;
		at += literal + zeros;
	}
	return at == size;
}

size_t value_write(
	const struct value_key *key,
	const struct value_head *head,
	const void *image,
	uint8_t *value
) {
	struct value_head whole = *head;
	memset(whole.unused, 0, sizeof(whole.unused));
	memcpy(value, &whole, sizeof(whole));
	size_t size = sizeof(whole) + runs_write(image, head->size, value + sizeof(whole));
	whole.sum = value_sum(key, value, size);
	memcpy(value, &whole.sum, sizeof(whole.sum));
	return size;
}

bool value_read(
	const struct value_key *key,
	const uint8_t *value,
	size_t size,
	size_t image_size,
	struct value_head *head,
	void *image
) {
	if (size < sizeof(*head))
		return false;
	memcpy(head, value, sizeof(*head));
	return head->size <= image_size && head->sum == value_sum(key, value, size)
		&& runs_read(value + sizeof(*head), size - sizeof(*head), image, head->size);
}
