// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A bounded table of equal things found by a 64-bit key, in memory taken once. When it is full the
// one seen longest ago makes room, strangers before the proven: an attacker can invent accounts and
// addresses without end, and they only displace each other.
//
//   heads[ ] ──▶ entry ──▶ entry          chains by key: order of eviction does not hang on the key
//   strangers:   oldest ◀──▶ … ◀──▶ newest
//   proven:      oldest ◀──▶ … ◀──▶ newest

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TABLE_NONE = UINT32_MAX,
	TABLE_STRANGERS_SHARE = 4, // strangers may hold 1/4 of the table while the proven want it
};

// First member of every entry.
struct table_node {
	uint64_t key;
	uint32_t chain; // next in the bucket
	uint32_t older, newer; // in its list
	bool proven;
};

struct table {
	uint8_t *entries;
	uint32_t *heads;
	size_t entry_size;
	uint64_t hash_key[2]; // secret: chooses the bucket, never the order of eviction
	uint32_t n_max;
	uint32_t mask; // of heads
	uint32_t n; // ever used
	uint32_t free; // index + 1 of the first removed one, chained; 0 none
	uint32_t n_strangers;
	uint64_t n_evicted;
	uint32_t oldest[2], newest[2]; // [proven]
};

// Bytes that table_init wants, a multiple of 64.
size_t table_memsize(uint32_t n_max, size_t entry_size);
// memory is the caller's, zeroed, of table_memsize(); it is borrowed for the table's life.
void table_init(
	struct table *table,
	const uint64_t hash_key[2],
	uint32_t n_max,
	size_t entry_size,
	void *memory
);
// NULL when the key is not there. The entry counts as seen now; it is valid until the next
// table_add on this table.
void *table_find(struct table *table, uint64_t key);
// The same, without counting as seen.
void *table_peek(const struct table *table, uint64_t key);
// Adds a zeroed stranger under a key that is not there; evicts when full. Never fails.
void *table_add(struct table *table, uint64_t key);
// Takes an entry out.
void table_remove(struct table *table, void *entry);
// An entry has shown itself to be legitimate.
void table_prove(struct table *table, void *entry);
