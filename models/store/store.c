// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/store.h"

#include "store/disk.h"
#include "store/load.h"
#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COPY_AT_ONCE = 64, // entries with each tick
	MAP_FACTOR
	= 4, // address space for what the parts could ever need, and the versions between
};

#define MAP_SIZE_MIN ((size_t)1 << 30)

// A blob as it was at the last snapshot, and the pages of it that the next transaction writes.
struct shadow {
	uint8_t *data;
	uint8_t *taken; // a byte for each page
	bool is_known; // data is what the store has
};

struct store {
	struct store_config config;
	struct store_part parts[STORE_PARTS_MAX];
	struct shadow shadows[STORE_PARTS_MAX];
	size_t n_parts;
	size_t size; // of memory taken
	struct disk *disk;
	struct writer *writer;
	struct store_mark found, mark; // mark: of the snapshot under way
	struct store_stats stats;
	uint64_t next_ns; // when a snapshot is due
	uint64_t kept_ns; // of the last that is on the disk, or of the first moment; 0: none yet
	bool is_late; // one is due, and counted as late
	bool is_copying;
	bool is_begun; // a snapshot that was begun has not been judged yet
	bool has_said; // that it cannot be written
	uint32_t beyond[STORE_PARTS_MAX]; // slots of a larger table that are still to be deleted
};

__attribute__((format(printf, 2, 3))) static void
say(const struct store *store, const char *format, ...) {
	char text[PATH_MAX + 300];
	va_list args;
	if (!store->config.say)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	store->config.say(store->config.ctx, text);
}

// ---- Copying

static struct value_head
head_of(const struct store *store, const struct store_part *part, size_t size) {
	return (struct value_head){
		.generation = (uint32_t)store->stats.generation + 1,
		.size = (uint32_t)size,
		.version = part->version,
	};
}

static size_t image_size(const struct store_part *part) {
	return part->pack ? part->image_size : part->table->entry_size - sizeof(struct table_node);
}

// A table's entry goes into the snapshot, as it is now.
static void entry_copy(void *ctx, const struct table *table, uint32_t slot) {
	static uint8_t image[VALUE_IMAGE_MAX];
	struct store *store = ctx;
	const struct store_part *part = store->parts;
	const struct table_node *node = table_at(table, slot);
	while (part->table != table)
		part++;
	struct value_key key = value_key(VALUE_ENTRY, part->id, slot);
	if (!node->used) {
		writer_delete(store->writer, &key);
		return;
	}
	struct value_head head = head_of(store, part, image_size(part));
	const void *from = node + 1;
	if (part->pack) {
		head.size = (uint32_t)part->pack(node, image);
		from = image;
	}
	head.key = node->key;
	head.seen = node->seen;
	head.day = node->day;
	head.proven = node->proven;
	memcpy(writer_put(store->writer, &key, &head), from, head.size);
}

static size_t page_size(const struct store_part *part, size_t page) {
	size_t rest = part->size - page * VALUE_PAGE;
	return rest < VALUE_PAGE ? rest : VALUE_PAGE;
}

static size_t n_pages(const struct store_part *part) {
	return (part->size + VALUE_PAGE - 1) / VALUE_PAGE;
}

// Returns how many pages have changed.
static size_t blob_freeze(const struct store_part *part, struct shadow *shadow) {
	size_t n = 0;
	for (size_t page = 0; page < n_pages(part); page++) {
		const uint8_t *now = (const uint8_t *)part->blob + page * VALUE_PAGE;
		uint8_t *was = shadow->data + page * VALUE_PAGE;
		size_t size = page_size(part, page);
		shadow->taken[page] = !shadow->is_known || memcmp(now, was, size) != 0;
		if (shadow->taken[page])
			memcpy(was, now, size);
		n += shadow->taken[page];
	}
	shadow->is_known = true;
	return n;
}

static void blob_copy(struct store *store, const struct store_part *part, struct shadow *shadow) {
	for (size_t page = 0; page < n_pages(part); page++) {
		if (!shadow->taken[page])
			continue;
		struct value_key key = value_key(VALUE_BLOB, part->id, (uint32_t)page);
		struct value_head head = head_of(store, part, page_size(part, page));
		memcpy(writer_put(store->writer, &key, &head),
		       shadow->data + page * VALUE_PAGE,
		       head.size);
	}
}

static void counters_copy(struct store *store, const struct store_part *part) {
	struct load_counters counters = {
		.n_seen = part->table->n_seen,
		.clock_day = part->table->clock_day,
		.today = part->table->today,
	};
	struct value_key key = value_key(VALUE_PART, part->id, 0);
	struct value_head head = head_of(store, part, sizeof(counters));
	memcpy(writer_put(store->writer, &key, &head), &counters, sizeof(counters));
}

static void beyond_delete(struct store *store, size_t i) {
	const struct store_part *part = &store->parts[i];
	for (uint32_t slot = part->table->n_max; slot < store->beyond[i]; slot++) {
		struct value_key key = value_key(VALUE_ENTRY, part->id, slot);
		writer_delete(store->writer, &key);
	}
}

static void meta_copy(struct store *store) {
	struct load_description meta = {
		.magic = LOAD_MAGIC,
		.format = STORE_FORMAT,
		.generation = store->stats.generation + 1,
		.mark = store->mark,
	};
	struct value_key key = value_key(VALUE_META, 0, 0);
	struct value_head head = {
		.generation = (uint32_t)meta.generation,
		.size = sizeof(meta),
		.version = STORE_FORMAT,
	};
	memcpy(writer_put(store->writer, &key, &head), &meta, sizeof(meta));
}

// ---- Snapshots

// The last transaction's outcome, once it has ended.
static void judge(struct store *store) {
	if (!store->is_begun)
		return;
	store->is_begun = false;
	int result = writer_result(store->writer);
	if (result == 0) {
		store->stats.generation++;
		store->kept_ns = store->mark.now_ns;
		if (store->has_said)
			say(store, "store %s: can be written again", store->config.dir);
		store->has_said = false;
		memset(store->beyond, 0, sizeof(store->beyond));
		return;
	}
	store->stats.n_failed++;
	for (size_t i = 0; i < store->n_parts; i++) {
		if (store->parts[i].table)
			table_refreeze(store->parts[i].table);
		store->shadows[i].is_known = false;
	}
	if (!store->has_said)
		say(store,
		    "store %s: cannot be written: %s. Learning goes on in memory; it is tried "
		    "again with each snapshot",
		    store->config.dir,
		    disk_strerror(result));
	store->has_said = true;
}

// The parts are what they are now. Returns the room that what has changed can take on the disk.
static size_t freeze(struct store *store) {
	const struct disk *disk = store->disk;
	size_t room = disk_room(disk, 1 + store->n_parts, VALUE_PAGE); // description, counters
	for (size_t i = 0; i < store->n_parts; i++) {
		const struct store_part *part = &store->parts[i];
		if (!part->table) {
			room += disk_room(disk, blob_freeze(part, &store->shadows[i]), VALUE_PAGE);
			continue;
		}
		size_t n = table_freeze(part->table);
		if (store->beyond[i] > part->table->n_max)
			n += store->beyond[i] - part->table->n_max;
		room += disk_room(disk, n, VALUE_SIZE_MAX(image_size(part)));
	}
	return room;
}

static void snapshot_begin(struct store *store, const struct store_mark *mark) {
	store->mark = *mark;
	store->is_copying = true;
	store->is_begun = true;
	writer_begin(store->writer, freeze(store));
	// Small, and of this moment.
	for (size_t i = 0; i < store->n_parts; i++)
		if (store->parts[i].table) {
			counters_copy(store, &store->parts[i]);
			beyond_delete(store, i);
		} else {
			blob_copy(store, &store->parts[i], &store->shadows[i]);
		}
	meta_copy(store);
}

// Copies up to max entries more; ends the snapshot when there are no more.
static void snapshot_go_on(struct store *store, uint32_t max) {
	for (size_t i = 0; i < store->n_parts; i++) {
		if (!store->parts[i].table)
			continue;
		uint32_t n = table_copy(store->parts[i].table, max);
		if (n == max)
			return;
		max -= n;
	}
	writer_end(store->writer);
	store->is_copying = false;
}

static bool is_due(const struct store *store, uint64_t now_ns) {
	return now_ns >= store->next_ns || now_ns + 2 * store->config.interval_ns < store->next_ns;
}

static void count_behind(struct store *store, uint64_t now_ns) {
	if (store->is_begun && !store->is_copying && !writer_is_busy(store->writer))
		judge(store);
	if (store->kept_ns == 0)
		store->kept_ns = now_ns;
	store->stats.behind_ns = now_ns > store->kept_ns ? now_ns - store->kept_ns : 0;
}

void store_tick(struct store *store, const struct store_mark *mark) {
	count_behind(store, mark->now_ns);
	if (store->is_copying) {
		if (store->config.wait)
			snapshot_go_on(store, UINT32_MAX);
		else if (writer_has_room(store->writer, COPY_AT_ONCE * VALUE_IMAGE_MAX / 8))
			snapshot_go_on(store, COPY_AT_ONCE);
		return;
	}
	if (!is_due(store, mark->now_ns))
		return;
	if (writer_is_busy(store->writer)) {
		store->stats.n_late += !store->is_late;
		store->is_late = true;
		if (!store->config.wait)
			return;
		writer_wait(store->writer);
	}
	judge(store);
	snapshot_begin(store, mark);
	store->is_late = false;
	store->next_ns = mark->now_ns + store->config.interval_ns / 2;
	if (store->config.wait)
		snapshot_go_on(store, UINT32_MAX);
}

int store_sync(struct store *store, const struct store_mark *mark) {
	uint64_t n_failed = store->stats.n_failed;
	if (store->is_copying)
		snapshot_go_on(store, UINT32_MAX);
	writer_wait(store->writer);
	judge(store);
	snapshot_begin(store, mark);
	snapshot_go_on(store, UINT32_MAX);
	writer_wait(store->writer);
	count_behind(store, mark->now_ns);
	// One that failed before this one is no matter: this one had all of it again.
	return store->stats.n_failed == n_failed || !store->has_said ? 0 : -1;
}

// ---- Opening

static size_t map_size(const struct store_part *parts, size_t n_parts) {
	size_t size = 0;
	for (size_t i = 0; i < n_parts; i++) {
		const struct table *table = parts[i].table;
		size += table ? table->n_max * (table->entry_size + 4096) : 2 * parts[i].size;
	}
	size = (size * MAP_FACTOR) & ~(size_t)0xfffff;
	return size < MAP_SIZE_MIN ? MAP_SIZE_MIN : size;
}

static int shadow_open(struct store *store, size_t i) {
	const struct store_part *part = &store->parts[i];
	struct shadow *shadow = &store->shadows[i];
	if (part->table) {
		part->table->copy = entry_copy;
		part->table->ctx = store;
		assert(image_size(part) <= VALUE_IMAGE_MAX);
		return 0;
	}
	shadow->data = malloc(part->size);
	shadow->taken = malloc(n_pages(part));
	store->size += part->size + n_pages(part);
	if (!shadow->data || !shadow->taken)
		return -1;
	memcpy(shadow->data, part->blob, part->size);
	return 0;
}

static int parts_fill(struct store *store, char *error, size_t error_size) {
	struct load load = {
		.disk = store->disk,
		.dir = store->config.dir,
		.parts = store->parts,
		.n_parts = store->n_parts,
		.stats = &store->stats,
	};
	int rc = load_all(&load, error, error_size);
	if (rc < 0)
		return -1;
	store->found = load.meta.mark;
	store->kept_ns = store->found.now_ns;
	memcpy(store->beyond, load.beyond, sizeof(store->beyond));
	store->stats.generation = load.meta.generation;
	store->next_ns = store->found.now_ns + store->config.interval_ns / 2;
	if (store->stats.n_bad)
		say(store,
		    "store %s: %llu values were broken: what they said is learnt anew%s%s",
		    store->config.dir,
		    (unsigned long long)store->stats.n_bad,
		    load.first_bad[0] ? "; the first: " : "",
		    load.first_bad);
	if (store->stats.n_left_out)
		say(store,
		    "store %s: %llu entries do not fit into the tables and are forgotten: raise "
		    "--max-accounts to keep as many",
		    store->config.dir,
		    (unsigned long long)store->stats.n_left_out);
	return 0;
}

struct store *store_open(
	const struct store_config *config,
	const struct store_part *parts,
	size_t n_parts,
	char *error,
	size_t error_size
) {
	struct store *store = calloc(1, sizeof(*store));
	struct disk_config config_disk = {
		.dir = config->dir,
		.map_size = config->map_size ? config->map_size : map_size(parts, n_parts),
		.say = config->say,
		.ctx = config->ctx,
	};
	assert(n_parts <= STORE_PARTS_MAX);
	if (!store)
		goto no_memory;
	store->config = *config;
	if (store->config.interval_ns == 0)
		store->config.interval_ns = STORE_INTERVAL_NS;
	memcpy(store->parts, parts, n_parts * sizeof(parts[0]));
	store->n_parts = n_parts;
	store->size = sizeof(*store);
	store->disk = disk_open(&config_disk, error, error_size);
	if (!store->disk || parts_fill(store, error, error_size) < 0)
		goto err;
	store->writer = writer_open(store->disk);
	store->size += writer_memsize();
	if (!store->writer)
		goto no_memory;
	for (size_t i = 0; i < n_parts; i++)
		if (shadow_open(store, i) < 0)
			goto no_memory;
	return store;
no_memory:
	snprintf(error, error_size, "store %s: out of memory", config->dir);
err:
	store_close(store);
	return NULL;
}

const struct store_mark *store_found(const struct store *store) {
	return &store->found;
}

uint64_t store_known_ns(const struct store_mark *mark) {
	return mark->now_ns < mark->heard_ns ? mark->now_ns : mark->heard_ns;
}

const struct store_stats *store_stats(const struct store *store) {
	return &store->stats;
}

size_t store_memsize(const struct store *store) {
	return store->size;
}

void store_close(struct store *store) {
	if (!store)
		return;
	if (store->is_copying)
		snapshot_go_on(store, UINT32_MAX);
	writer_close(store->writer);
	disk_close(store->disk);
	for (size_t i = 0; i < STORE_PARTS_MAX; i++) {
		free(store->shadows[i].data);
		free(store->shadows[i].taken);
	}
	free(store);
}
