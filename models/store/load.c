// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOB_SIZE_MAX = 1 << 28 }; // of any version

// A blob as far as its pages have come.
struct blob {
	uint8_t *data;
	size_t size, capacity;
	uint16_t version;
};

// One value on its way in.
struct arrival {
	struct load *load;
	const struct store_part *newer; // a part that a newer program wrote
	bool no_memory;
	uint64_t n_values;
	struct blob blobs[STORE_PARTS_MAX];
	uint8_t image[VALUE_IMAGE_MAX];
};

static void
count_bad(struct load *load, const struct store_part *part, const struct value_key *key) {
	if (load->stats->n_bad++ > 0)
		return;
	snprintf(
		load->first_bad,
		sizeof(load->first_bad),
		"%s %u",
		part ? part->name : "the store's own",
		value_slot(key)
	);
}

// A value that cannot be used: what stands in its place is written with the next snapshot.
static void reject(struct load *load, const struct store_part *part, const struct value_key *key) {
	count_bad(load, part, key);
	if (key->kind == VALUE_ENTRY && part->table && value_slot(key) < part->table->n_max)
		table_touch(part->table, table_at(part->table, value_slot(key)));
}

static const struct store_part *part_find(const struct load *load, const struct value_key *key) {
	for (size_t i = 0; i < load->n_parts; i++)
		if (load->parts[i].id == key->part)
			return &load->parts[i];
	return NULL;
}

// ---- Entries

bool load_entry(
	const struct store_part *part,
	const struct value_head *head,
	const void *image,
	void *entry
) {
	if (part->unpack && (part->pack || head->version != part->version))
		return part->unpack(part->ctx, head->version, image, head->size, entry);
	if (head->version != part->version
	    || head->size != part->table->entry_size - sizeof(struct table_node))
		return false;
	memcpy((struct table_node *)entry + 1, image, head->size);
	return true;
}

static void entry_arrive(
	struct arrival *arrival,
	const struct store_part *part,
	const struct value_key *key,
	const struct value_head *head
) {
	struct load *load = arrival->load;
	struct table_node node = {
		.key = head->key,
		.seen = head->seen,
		.day = head->day,
		.proven = head->proven,
	};
	if (value_slot(key) >= part->table->n_max) {
		load->beyond[part - load->parts] = value_slot(key) + 1;
		return; // load_shrink() sees to it
	}
	void *entry = table_restore(part->table, value_slot(key), &node);
	errno = 0;
	if (entry && load_entry(part, head, arrival->image, entry)) {
		load->stats->n_entries++;
		if (head->version != part->version)
			table_touch(
				part->table, entry
			); // who looks into the store knows today's alone
		return;
	}
	arrival->no_memory |= errno == ENOMEM;
	if (entry)
		table_unrestore(part->table, entry);
	reject(load, part, key);
}

// ---- Blobs: whole or not at all, since their numbers belong together

// Room for so many bytes; at first for as many as today's layout has.
static bool blob_reserve(struct blob *blob, size_t size, size_t size_today) {
	if (size <= blob->capacity)
		return true;
	size_t capacity = 2 * size > size_today ? 2 * size : size_today;
	uint8_t *data = realloc(blob->data, capacity);
	if (!data)
		return false;
	blob->data = data;
	blob->capacity = capacity;
	return true;
}

static void blob_arrive(
	struct arrival *arrival,
	const struct store_part *part,
	const struct value_key *key,
	const struct value_head *head
) {
	struct blob *blob = &arrival->blobs[part - arrival->load->parts];
	size_t at = (size_t)value_slot(key) * VALUE_PAGE;
	if (blob->size != at || head->size > BLOB_SIZE_MAX - at
	    || (blob->size && blob->version != head->version))
		return; // one before is missing: the sizes will not agree
	if (!blob_reserve(blob, at + head->size, part->size)) {
		arrival->no_memory = true;
		return;
	}
	memcpy(blob->data + at, arrival->image, head->size);
	blob->size = at + head->size;
	blob->version = head->version;
}

static void blob_settle(struct load *load, const struct store_part *part, struct blob *blob) {
	struct value_key key = value_key(VALUE_BLOB, part->id, 0);
	bool is_right = blob->size == 0;
	if (blob->size && blob->version == part->version && blob->size == part->size) {
		memcpy(part->blob, blob->data, part->size);
		is_right = true;
	} else if (blob->size && blob->version != part->version && part->unpack) {
		is_right = part->unpack(
			part->ctx, blob->version, blob->data, blob->size, part->blob
		);
	}
	if (!is_right) {
		memset(part->blob, 0, part->size);
		count_bad(load, part, &key);
	}
	free(blob->data);
	blob->data = NULL;
}

static void counters_arrive(const struct arrival *arrival, const struct store_part *part) {
	struct load_counters counters;
	memcpy(&counters, arrival->image, sizeof(counters));
	if (counters.n_seen > part->table->n_seen)
		part->table->n_seen = counters.n_seen;
	part->table->clock_day = counters.clock_day;
	part->table->today = counters.today < UINT16_MAX ? (uint16_t)counters.today : UINT16_MAX;
}

// ---- All

static bool arrive(void *ctx, const struct value_key *key, const uint8_t *value, size_t size) {
	struct arrival *arrival = ctx;
	struct load *load = arrival->load;
	const struct store_part *part = part_find(load, key);
	struct value_head head;
	arrival->n_values++;
	if (key->kind == VALUE_META || !part)
		return true; // read before, or of a part that this program does not have: it stays
	if (!value_read(key, value, size, sizeof(arrival->image), &head, arrival->image)) {
		reject(load, part, key);
		return true;
	}
	if (head.version > part->version) {
		arrival->newer = part;
		return false;
	}
	if (key->kind == VALUE_ENTRY && part->table)
		entry_arrive(arrival, part, key, &head);
	else if (key->kind == VALUE_BLOB && part->blob)
		blob_arrive(arrival, part, key, &head);
	else if (key->kind == VALUE_PART && part->table && head.size == sizeof(struct load_counters))
		counters_arrive(arrival, part);
	else
		count_bad(load, part, key);
	return !arrival->no_memory;
}

int load_meta(struct load *load, bool *is_there_r, char *error, size_t error_size) {
	struct value_key key = value_key(VALUE_META, 0, 0);
	struct value_head head;
	struct load_description meta;
	uint8_t *value;
	size_t size;
	int rc = disk_get(load->disk, &key, &value, &size);
	*is_there_r = value != NULL;
	if (rc != 0) {
		snprintf(error, error_size, "store %s: %s", load->dir, disk_strerror(rc));
		return -1;
	}
	if (!value)
		return 0;
	bool is_right = value_read(&key, value, size, sizeof(meta), &head, &meta);
	bool is_newer
		= size >= sizeof(head) && ((struct value_head *)value)->version > STORE_FORMAT;
	free(value);
	if (is_newer) {
		snprintf(
			error,
			error_size,
			"store %s: a newer postern wrote it (format %u; this one knows up to %d): "
			"use "
			"that one, or another directory",
			load->dir,
			head.version,
			STORE_FORMAT
		);
		return -1;
	}
	if (!is_right || head.size != sizeof(meta) || meta.magic != LOAD_MAGIC) {
		snprintf(
			error,
			error_size,
			"store %s: its description is broken, or of another kind of machine: move "
			"the directory aside to begin anew",
			load->dir
		);
		return -1;
	}
	load->meta = meta;
	return 0;
}

static int parts_shrink(struct load *load) {
	for (size_t i = 0; i < load->n_parts; i++) {
		int rc = load->beyond[i] ? load_shrink(load, i) : 0;
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int parts_settle(struct load *load, struct arrival *arrival) {
	for (size_t i = 0; i < load->n_parts; i++) {
		const struct store_part *part = &load->parts[i];
		if (part->blob)
			blob_settle(load, part, &arrival->blobs[i]);
		if (part->table && table_restored(part->table) < 0)
			return -1;
		if (part->restored)
			part->restored(part->ctx);
	}
	return 0;
}

int load_all(struct load *load, char *error, size_t error_size) {
	struct arrival *arrival = calloc(1, sizeof(*arrival));
	bool is_there = false;
	int rc = -1;
	if (!arrival) {
		snprintf(error, error_size, "store %s: out of memory", load->dir);
		return -1;
	}
	arrival->load = load;
	if (load_meta(load, &is_there, error, error_size) < 0)
		goto out;
	int failed = disk_each(load->disk, arrive, arrival);
	if (failed)
		snprintf(error, error_size, "store %s: %s", load->dir, disk_strerror(failed));
	else if (arrival->no_memory) // what is there must not be taken for broken
		snprintf(error, error_size, "store %s: out of memory", load->dir);
	else if (arrival->newer)
		snprintf(
			error,
			error_size,
			"store %s: a newer postern wrote its %s: use that one, or another "
			"directory",
			load->dir,
			arrival->newer->name
		);
	else if (!is_there && arrival->n_values)
		snprintf(
			error,
			error_size,
			"store %s: it holds something that is not Postern's: use another directory",
			load->dir
		);
	else if ((failed = parts_shrink(load)) != 0)
		snprintf(error, error_size, "store %s: %s", load->dir, disk_strerror(failed));
	else if (parts_settle(load, arrival) < 0)
		snprintf(error, error_size, "store %s: out of memory", load->dir);
	else
		rc = 0;
out:
	for (size_t i = 0; i < STORE_PARTS_MAX; i++)
		free(arrival->blobs[i].data);
	free(arrival);
	return rc;
}
