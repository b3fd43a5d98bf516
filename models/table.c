// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "table.h"

#include "hash.h"

#include <assert.h>
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

size_t table_memsize(uint32_t n_max, size_t entry_size) {
	return round_up(n_max * entry_size) + round_up(n_heads(n_max) * sizeof(uint32_t));
}

void table_init(
	struct table *table,
	const uint64_t hash_key[2],
	uint32_t n_max,
	size_t entry_size,
	void *memory
) {
	assert(n_max > 0 && entry_size % 8 == 0);
	*table = (struct table){
		.entries = memory,
		.heads = (uint32_t *)((uint8_t *)memory + round_up(n_max * entry_size)),
		.entry_size = entry_size,
		.hash_key = {hash_key[0], hash_key[1]},
		.n_max = n_max,
		.mask = n_heads(n_max) - 1,
		.oldest = {TABLE_NONE, TABLE_NONE},
		.newest = {TABLE_NONE, TABLE_NONE},
	};
	// Heads hold index + 1, so that zeroed memory is an empty table and stays untouched.
}

static struct table_node *node_at(const struct table *table, uint32_t index) {
	return (struct table_node *)(table->entries + index * table->entry_size);
}

static uint32_t node_index(const struct table *table, const void *entry) {
	return ((const uint8_t *)entry - table->entries) / table->entry_size;
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

static void list_append(struct table *table, struct table_node *node) {
	uint32_t index = node_index(table, node);
	node->newer = TABLE_NONE;
	node->older = table->newest[node->proven];
	if (node->older != TABLE_NONE)
		node_at(table, node->older)->newer = index;
	else
		table->oldest[node->proven] = index;
	table->newest[node->proven] = index;
}

static uint32_t *head_of(const struct table *table, uint64_t key) {
	return &table->heads[hash_bytes(table->hash_key, &key, sizeof(key)) & table->mask];
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
	if (node && node->newer != TABLE_NONE) {
		list_remove(table, node);
		list_append(table, node);
	}
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
	list_remove(table, node);
	chain_remove(table, node);
	table->n_strangers -= !node->proven;
	node->chain = table->free;
	table->free = node_index(table, node) + 1;
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

void *table_add(struct table *table, uint64_t key) {
	assert(!table_peek(table, key));
	uint32_t index = take_free(table);
	struct table_node *node = node_at(table, index);
	memset(node, 0, table->entry_size);
	uint32_t *head = head_of(table, key);
	node->key = key;
	node->chain = *head;
	*head = index + 1;
	list_append(table, node);
	table->n_strangers++;
	return node;
}

void table_prove(struct table *table, void *entry) {
	struct table_node *node = entry;
	if (node->proven)
		return;
	list_remove(table, node);
	node->proven = true;
	list_append(table, node);
	table->n_strangers--;
}
