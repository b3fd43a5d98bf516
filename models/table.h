// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A bounded table of equal things found by a 64-bit key, in memory taken once. When it is full the
// one seen longest ago makes room, strangers before the proven: an attacker can invent accounts and
// addresses without end, and they only displace each other.
//
//   heads[ ] ──▶ entry ──▶ entry          chains by key: order of eviction does not hang on the key
//   strangers:   oldest ◀──▶ … ◀──▶ newest
//   proven:      oldest ◀──▶ … ◀──▶ newest
//
// It can be kept: it knows which entries changed since the last snapshot, and a snapshot is taken while
// the table goes on changing (copy on write): an entry about to change is handed over first.

#pragma once

#include <assert.h>
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
	uint64_t seen; // the how manieth sight of the table's life; the lists are in this order
	uint32_t chain; // next in the bucket
	uint32_t older, newer; // in its list
	uint16_t day; // when it was last seen, by the table's count of days
	bool proven;
	bool used; // not a removed one
};

static_assert(sizeof(struct table_node) == 32, "the head of each of a million accounts");

struct table {
	uint8_t *entries;
	uint32_t *heads;
	size_t entry_size;
	// Secret, from the hash key: they choose the bucket, never the order of eviction.
	uint64_t factor[2], offset[2];
	uint32_t n_max;
	uint32_t mask; // of heads
	uint32_t n; // ever used
	uint32_t free; // index + 1 of the first removed one, chained; 0 none
	uint32_t n_strangers;
	uint64_t n_evicted;
	uint32_t oldest[2], newest[2]; // [proven]
	uint64_t n_seen; // sights
	uint16_t today; // days that passed while the table was watched
	uint32_t clock_day; // the last one, since 1970; 0 none yet
	uint32_t cursor; // word of pending that table_copy has come to
	// One bit for each slot: changed since the last snapshot; still to be copied for the one being
	// taken; part of it.
	uint64_t *dirty, *pending, *taken;
	void (*copy)(void *ctx, const struct table *table, uint32_t slot);
	void *ctx;
};

enum { TABLE_DAYS_MAX = 365 }; // an entry unseen for longer has no owner any more

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
void table_prove_first(struct table *table, void *entry);
static inline void table_prove(struct table *table, void *entry) {
	if (!((const struct table_node *)entry)->proven)
		table_prove_first(table, entry);
}
// An entry is about to change: what is changed without it is not kept. Only needed for entries that
// came from table_peek or are held for longer; table_find, table_add and table_prove do it themselves.
// Constant time. The table itself may be const: what changes is what is known of its entries.
void table_touch(const struct table *table, const void *entry);
// Time has come to now_ns. Entries that were not seen on 365 days of watching go, a few with each call.
void table_pass(struct table *table, uint64_t now_ns);

// ---- Snapshots

// A snapshot of what has changed since the last begins: it is the table as it is now, whatever changes
// while it is copied. The one before has ended. Returns how many slots it has.
uint32_t table_freeze(struct table *table);
// Hands up to max slots of it to table->copy, which may find the slot's entry removed (!used). Returns
// how many there were; fewer than max: all are copied.
uint32_t table_copy(struct table *table, uint32_t max);
// It came to nothing: the next one has all of it again.
void table_refreeze(struct table *table);
// The slot's entry, used or not.
struct table_node *table_at(const struct table *table, uint32_t slot);
// Into an empty table, in any order: an entry as it was, zeroed behind the node. NULL when the slot or
// the key is taken or there is no such slot. It is not dirty.
void *table_restore(struct table *table, uint32_t slot, const struct table_node *was);
// Before table_restored: it cannot be used after all. Its slot is dirty.
void table_unrestore(struct table *table, void *entry);
// After the last one: they are in the order of being seen. 0 or -ENOMEM.
int table_restored(struct table *table);
