// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A store that was written with larger tables than there are now. Rare, so it may read the store again.

#include "store/load.h"

#include <errno.h>
#include <stdlib.h>

struct shrink {
	struct load *load;
	const struct store_part *part;
	uint64_t *seen; // of all entries
	size_t n, n_max;
	uint64_t least; // seen before: goes
	uint32_t free; // the next slot that may be free
	bool no_memory;
	uint8_t image[VALUE_IMAGE_MAX];
};

static bool is_entry(const struct shrink *shrink, const struct value_key *key) {
	return key->kind == VALUE_ENTRY && key->part == shrink->part->id;
}

static bool collect(void *ctx, const struct value_key *key, const uint8_t *value, size_t size) {
	struct shrink *shrink = ctx;
	struct value_head head;
	if (!is_entry(shrink, key)
	    || !value_read(key, value, size, sizeof(shrink->image), &head, shrink->image))
		return true;
	if (shrink->n == shrink->n_max) {
		size_t n_max = shrink->n_max ? 2 * shrink->n_max : 1024;
		uint64_t *seen = realloc(shrink->seen, n_max * sizeof(*seen));
		if (!seen) {
			shrink->no_memory = true;
			return false;
		}
		shrink->seen = seen;
		shrink->n_max = n_max;
	}
	shrink->seen[shrink->n++] = head.seen;
	return true;
}

static int latest_first(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x > y ? -1 : x < y;
}

// Entries of slots that there are, but seen too long ago.
static void let_go(struct shrink *shrink) {
	struct table *table = shrink->part->table;
	for (uint32_t slot = 0; slot < table->n; slot++) {
		struct table_node *node = table_at(table, slot);
		if (!node->used || node->seen >= shrink->least)
			continue;
		table_unrestore(table, node);
		shrink->load->stats->n_entries--;
	}
}

static bool move_in(void *ctx, const struct value_key *key, const uint8_t *value, size_t size) {
	struct shrink *shrink = ctx;
	struct table *table = shrink->part->table;
	struct value_head head;
	if (!is_entry(shrink, key) || value_slot(key) < table->n_max
	    || !value_read(key, value, size, sizeof(shrink->image), &head, shrink->image)
	    || head.seen < shrink->least)
		return true;
	struct table_node node = {
		.key = head.key,
		.seen = head.seen,
		.day = head.day,
		.proven = head.proven,
	};
	while (shrink->free < table->n_max && table_at(table, shrink->free)->used)
		shrink->free++;
	void *entry = table_restore(table, shrink->free, &node);
	if (!entry)
		return true;
	table_touch(table, entry); // it is kept in another slot
	errno = 0;
	if (load_entry(shrink->part, &head, shrink->image, entry)) {
		shrink->load->stats->n_entries++;
		return true;
	}
	shrink->no_memory = errno == ENOMEM;
	table_unrestore(table, entry);
	return !shrink->no_memory;
}

int load_shrink(struct load *load, size_t i) {
	const struct store_part *part = &load->parts[i];
	struct shrink *shrink = calloc(1, sizeof(*shrink));
	if (!shrink)
		return ENOMEM;
	shrink->load = load;
	shrink->part = part;
	int rc = disk_each(load->disk, collect, shrink);
	if (shrink->no_memory)
		rc = ENOMEM;
	if (rc == 0 && shrink->n > part->table->n_max) {
		qsort(shrink->seen, shrink->n, sizeof(*shrink->seen), latest_first);
		shrink->least = shrink->seen[part->table->n_max - 1];
		load->stats->n_left_out += shrink->n - part->table->n_max;
		let_go(shrink);
	}
	if (rc == 0)
		rc = disk_each(load->disk, move_in, shrink);
	rc = rc == 0 && shrink->no_memory ? ENOMEM : rc;
	free(shrink->seen);
	free(shrink);
	return rc;
}
