// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One value of the store: what is known of one account, say. LMDB has no checksums: each value carries
// its own, over its key too, so that a flipped bit is one account that is learnt anew.
//
//   key     'E' part slot     an entry of a table         'B' part page   4,000 bytes of a blob
//           'P' part 0        a table's counters          'M' 0 0         what the store is, and up to when
//   value   sum generation version used… │ image, runs of zeros left out
//
// Numbers lie as the machine has them; a store from a machine of the other byte order is refused by the
// magic number in 'M'.

#pragma once

#include "table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VALUE_IMAGE_MAX = 65536, // bytes of one entry
	VALUE_PAGE = 4000, // of a blob: with its heads one page of LMDB
};

enum value_kind {
	VALUE_ENTRY = 'E',
	VALUE_BLOB = 'B',
	VALUE_PART = 'P',
	VALUE_META = 'M',
};

struct value_key {
	uint8_t kind; // enum value_kind
	uint8_t part;
	uint8_t slot[4]; // big-endian: neighbours lie together
};

struct value_head {
	uint64_t sum; // of the key and all that follows
	uint64_t key, seen; // of a table's entry; 0 otherwise
	uint32_t generation; // that wrote it
	uint32_t size; // of the image
	uint16_t version; // of the part
	uint16_t day;
	uint8_t proven;
	uint8_t unused[3];
};

static_assert(sizeof(struct value_key) == 6 && sizeof(struct value_head) == 40, "no padding");

// Most bytes that an image of size bytes takes.
#define VALUE_SIZE_MAX(size) (sizeof(struct value_head) + (size) + (size) / 8 + 16)

struct value_key value_key(enum value_kind kind, uint8_t part, uint32_t slot);
uint32_t value_slot(const struct value_key *key);
// head says what it is, but for sum. Returns the bytes written to value, which has room for
// VALUE_SIZE_MAX(head->size).
size_t value_write(
	const struct value_key *key,
	const struct value_head *head,
	const void *image,
	uint8_t *value
);
// Reads and checks a value. image has room for image_size bytes. False when it is not whole, not of this
// key, or larger than that; then neither head nor image mean anything.
bool value_read(
	const struct value_key *key,
	const uint8_t *value,
	size_t size,
	size_t image_size,
	struct value_head *head,
	void *image
);
