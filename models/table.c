// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "table.h"

#include "hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t round_up(size_t size) {
	return (size + 63) & ~(size_t)63;
}

static uint32_t n_heads(uint32_t n_max) {
	uint32_t n = 16;
	while (n < n_max)
		n *= 2;
	return n;
}

static size_t n_words(uint32_t n_max) {
	return ((size_t)n_max + 63) / 64;
}

size_t table_memsize(uint32_t n_max, size_t entry_size) {
	return round_up(n_max * entry_size) + round_up(n_heads(n_max) * sizeof(uint32_t))
		+ round_up(3 * n_words(n_max) * sizeof(uint64_t));
}

void table_init(
	struct table *table,
	const uint64_t hash_key[2],
	uint32_t n_max,
	size_t entry_size,
	void *memory
) {
	assert(n_max > 0 && entry_size % 8 == 0);
	uint8_t *heads = (uint8_t *)memory + round_up(n_max * entry_size);
	uint64_t *bits = (uint64_t *)(heads + round_up(n_heads(n_max) * sizeof(uint32_t)));
	*table = (struct table){
		.entries = memory,
		.heads = (uint32_t *)heads,
		.entry_size = entry_size,
		.n_max = n_max,
		.mask = n_heads(n_max) - 1,
		.oldest = {TABLE_NONE, TABLE_NONE},
		.newest = {TABLE_NONE, TABLE_NONE},
		.dirty = bits,
		.pending = bits + n_words(n_max),
		.taken = bits + 2 * n_words(n_max),
	};
	uint64_t *secrets[] = {table->factor, table->offset};
	for (uint64_t i = 0; i < 4; i++)
		secrets[i / 2][i % 2] = hash_bytes(hash_key, &i, sizeof(i));
	// Heads hold index + 1, so that zeroed memory is an empty table and stays untouched.
}

static struct table_node *node_at(const struct table *table, uint32_t index) {
	return (struct table_node *)(table->entries + index * table->entry_size);
}

static uint32_t node_index(const struct table *table, const void *entry) {
	return ((const uint8_t *)entry - table->entries) / table->entry_size;
}

static void touch(const struct table *table, uint32_t slot) {
	uint64_t bit = 1ull << slot % 64;
	if (table->pending[slot / 64] & bit) {
		table->pending[slot / 64] &= ~bit;
		table->copy(table->ctx, table, slot);
	}
	table->dirty[slot / 64] |= bit;
}

void table_touch(const struct table *table, const void *entry) {
	touch(table, node_index(table, entry));
}

static void list_remove(struct table *table, struct table_node *node) {
	if (node->older != TABLE_NONE)
		node_at(table, node->older)->newer = node->newer;
	else
		table->oldest[node->proven] = node->newer;
	if (node->newer != TABLE_NONE)
		node_at(table, node->newer)->older = node->older;
	else
		table->newest[node->proven] = node->older;
}

static void list_append(struct table *table, uint32_t index) {
	struct table_node *node = node_at(table, index);
	node->newer = TABLE_NONE;
	node->older = table->newest[node->proven];
	if (node->older != TABLE_NONE)
		node_at(table, node->older)->newer = index;
	else
		table->oldest[node->proven] = index;
	table->newest[node->proven] = index;
}

static void list_append_seen(struct table *table, uint32_t index) {
	struct table_node *node = node_at(table, index);
	node->seen = ++table->n_seen;
	node->day = table->today;
	list_append(table, index);
}

// The high half of (factor key + offset) mod 2^128: strongly universal (Dietzfelbinger, STACS 1996), so
// that two keys share a bucket no more often than by chance, whoever chose them without knowing it.
static uint32_t *head_of(const struct table *table, uint64_t key) {
	typedef unsigned __int128 wide;
	wide factor = (wide)table->factor[1] << 64 | table->factor[0];
	wide offset = (wide)table->offset[1] << 64 | table->offset[0];
	return &table->heads[(uint64_t)((factor * key + offset) >> 64) & table->mask];
}

void *table_peek(const struct table *table, uint64_t key) {
	uint32_t at = *head_of(table, key);
	while (at != 0) {
		struct table_node *node = node_at(table, at - 1);
		if (node->key == key)
			return node;
		at = node->chain;
	}
	return NULL;
}

void *table_find(struct table *table, uint64_t key) {
	struct table_node *node = table_peek(table, key);
	if (!node)
		return NULL;
	uint32_t index = node_index(table, node);
	touch(table, index);
	if (node->newer == TABLE_NONE) { // the newest already, as within a session
		node->seen = ++table->n_seen;
		node->day = table->today;
		return node;
	}
	list_remove(table, node);
	list_append_seen(table, index);
	return node;
}

static void chain_remove(struct table *table, struct table_node *node) {
	uint32_t *link = head_of(table, node->key);
	while (*link != node_index(table, node) + 1)
		link = &node_at(table, *link - 1)->chain;
	*link = node->chain;
}

void table_remove(struct table *table, void *entry) {
	struct table_node *node = entry;
	uint32_t index = node_index(table, node);
	touch(table, index);
	list_remove(table, node);
	chain_remove(table, node);
	table->n_strangers -= !node->proven;
	node->used = false;
	node->chain = table->free;
	table->free = index + 1;
}

// Strangers go first when they hold more than their share; else whoever is there goes.
static void evict(struct table *table) {
	bool proven = table->n_strangers <= table->n_max / TABLE_STRANGERS_SHARE;
	if (table->oldest[proven] == TABLE_NONE)
		proven = !proven;
	table_remove(table, node_at(table, table->oldest[proven]));
	table->n_evicted++;
}

static uint32_t take_free(struct table *table) {
	if (!table->free && table->n < table->n_max)
		return table->n++;
	if (!table->free)
		evict(table);
	uint32_t index = table->free - 1;
	table->free = node_at(table, index)->chain;
	return index;
}

static void chain_add(struct table *table, uint32_t index) {
	struct table_node *node = node_at(table, index);
	uint32_t *head = head_of(table, node->key);
	node->chain = *head;
	*head = index + 1;
}

void *table_add(struct table *table, uint64_t key) {
	assert(!table_peek(table, key));
	uint32_t index = take_free(table);
	struct table_node *node = node_at(table, index);
	touch(table, index);
	memset(node, 0, table->entry_size);
	node->key = key;
	node->used = true;
	chain_add(table, index);
	list_append_seen(table, index);
	table->n_strangers++;
	return node;
}

void table_prove_first(struct table *table, void *entry) {
	struct table_node *node = entry;
	uint32_t index = node_index(table, node);
	touch(table, index);
	list_remove(table, node);
	node->proven = true;
	list_append_seen(table, index);
	table->n_strangers--;
}

// Time that nobody watched counts for little: a clock that was wrong for a moment ages nobody.
static void age(struct table *table, uint32_t day) {
	enum { GAP_MAX = 7 };
	if (table->clock_day != 0 && day > table->clock_day) {
		uint32_t days = day - table->clock_day;
		days = days < GAP_MAX ? days : GAP_MAX;
		table->today += table->today < UINT16_MAX - days ? days : 0;
	}
	// Disorder around midnight is no new day.
	if (day > table->clock_day || day + 1 < table->clock_day)
		table->clock_day = day;
}

void table_pass(struct table *table, uint64_t now_ns) {
	enum {
		AT_ONCE = 960
	}; // in an hour; of a million accounts each lives on for a month and a half at most
	age(table, now_ns / (86400ull * 1000000000));
	for (int proven = 0; proven < 2; proven++)
		for (int n = 0; n < AT_ONCE && table->oldest[proven] != TABLE_NONE; n++) {
			struct table_node *node = node_at(table, table->oldest[proven]);
			if (node->day + TABLE_DAYS_MAX >= table->today)
				break;
			table_remove(table, node);
			table->n_evicted++;
		}
}

// ---- Snapshots

uint32_t table_freeze(struct table *table) {
	size_t size = n_words(table->n_max) * sizeof(uint64_t);
	uint32_t n = 0;
	for (size_t i = 0; i < n_words(table->n_max); i++)
		n += (uint32_t)__builtin_popcountll(table->dirty[i]);
	memcpy(table->pending, table->dirty, size);
	memcpy(table->taken, table->dirty, size);
	memset(table->dirty, 0, size);
	table->cursor = 0;
	return n;
}

uint32_t table_copy(struct table *table, uint32_t max) {
	uint32_t n = 0;
	for (; table->cursor < n_words(table->n); table->cursor++) {
		uint64_t *word = &table->pending[table->cursor];
		while (*word != 0) {
			if (n == max)
				return n;
			uint32_t slot = table->cursor * 64 + __builtin_ctzll(*word);
			*word &= *word - 1;
			table->copy(table->ctx, table, slot);
			n++;
		}
	}
	return n;
}

void table_refreeze(struct table *table) {
	for (size_t i = 0; i < n_words(table->n_max); i++) {
		table->dirty[i] |= table->taken[i];
		table->pending[i] = 0;
	}
}

struct table_node *table_at(const struct table *table, uint32_t slot) {
	return node_at(table, slot);
}

void *table_restore(struct table *table, uint32_t slot, const struct table_node *was) {
	if (slot >= table->n_max || node_at(table, slot)->used || table_peek(table, was->key))
		return NULL;
	struct table_node *node = node_at(table, slot);
	*node = (struct table_node){
		.key = was->key,
		.seen = was->seen,
		.day = was->day,
		.proven = was->proven,
		.used = true,
	};
	if (slot >= table->n)
		table->n = slot + 1;
	if (was->seen > table->n_seen)
		table->n_seen = was->seen;
	chain_add(table, slot);
	table->n_strangers += !was->proven;
	return node;
}

void table_unrestore(struct table *table, void *entry) {
	struct table_node *node = entry;
	uint32_t slot = node_index(table, node);
	chain_remove(table, node);
	table->n_strangers -= !node->proven;
	memset(node, 0, table->entry_size);
	touch(table, slot);
}

struct sight {
	uint64_t seen;
	uint32_t slot;
};

static int sight_order(const void *a, const void *b) {
	const struct sight *x = a, *y = b;
	return x->seen < y->seen ? -1 : x->seen > y->seen;
}

int table_restored(struct table *table) {
	struct sight *sights = malloc(((size_t)table->n + 1) * sizeof(*sights));
	size_t n = 0;
	if (!sights)
		return -ENOMEM;
	for (uint32_t slot = table->n; slot-- > 0;) {
		struct table_node *node = node_at(table, slot);
		if (node->used) {
			sights[n++] = (struct sight){node->seen, slot};
			continue;
		}
		node->chain = table->free;
		table->free = slot + 1;
	}
	qsort(sights, n, sizeof(*sights), sight_order);
	for (size_t i = 0; i < n; i++)
		list_append(table, sights[i].slot);
	free(sights);
	return 0;
}
