// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/view.h"

#include "store/disk.h"
#include "store/load.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAP_SIZE ((size_t)1 << 30) // LMDB takes the file's own when that is larger

struct view {
	struct disk *disk;
	struct store_mark mark;
};

static int mark_read(struct view *view, const char *dir, char *error, size_t error_size) {
	struct store_stats stats = {0};
	struct load load = {.disk = view->disk, .dir = dir, .stats = &stats};
	bool is_there;
	if (load_meta(&load, &is_there, error, error_size) < 0)
		return -1;
	if (!is_there) {
		snprintf(error, error_size, "store %s: nothing has been learnt yet", dir);
		return -1;
	}
	view->mark = load.meta.mark;
	return 0;
}

struct view *view_open(const char *dir, char *error, size_t error_size) {
	struct view *view = calloc(1, sizeof(*view));
	struct disk_config config = {.dir = dir, .map_size = MAP_SIZE, .is_reader = true};
	char path[PATH_MAX];
	struct stat st;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	if (!view) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	// LMDB's own words for it would be of a file the user never named.
	if (stat(path, &st) < 0) {
		snprintf(
			error,
			error_size,
			errno == ENOENT ? "store %s: there is none" : "store %s: cannot be read",
			dir
		);
		goto err;
	}
	view->disk = disk_open(&config, error, error_size);
	if (!view->disk || mark_read(view, dir, error, error_size) < 0)
		goto err;
	return view;
err:
	view_close(view);
	return NULL;
}

void view_close(struct view *view) {
	if (!view)
		return;
	disk_close(view->disk);
	free(view);
}

const struct store_mark *view_mark(const struct view *view) {
	return &view->mark;
}

struct search {
	uint8_t kind, part;
	uint16_t version;
	bool is_any; // every entry
	uint64_t key;
	size_t size;
	void (*each)(void *ctx, const void *entry, size_t size);
	void *ctx;
	uint8_t *entry; // or the blob
	size_t found; // bytes
};

static void node_fill(const struct value_head *head, void *entry) {
	struct table_node node = {
		.key = head->key,
		.seen = head->seen,
		.day = head->day,
		.proven = head->proven,
		.used = true,
	};
	memcpy(entry, &node, sizeof(node));
}

static bool look_at(void *ctx, const struct value_key *key, const uint8_t *value, size_t size) {
	struct search *search = ctx;
	struct value_head head;
	if (key->kind != search->kind || key->part != search->part || size < sizeof(head))
		return true;
	memcpy(&head, value, sizeof(head));
	bool is_blob = search->kind == VALUE_BLOB;
	size_t at = is_blob ? (size_t)value_slot(key) * VALUE_PAGE : sizeof(struct table_node);
	if (head.version != search->version || at > search->size
	    || (!is_blob && !search->is_any && head.key != search->key))
		return true;
	if (!value_read(key, value, size, search->size - at, &head, search->entry + at))
		return true;
	if (is_blob) {
		search->found += head.size;
		return true;
	}
	node_fill(&head, search->entry);
	search->found = at + head.size;
	if (search->is_any)
		search->each(search->ctx, search->entry, search->found);
	return search->is_any;
}

bool view_entry(
	struct view *view,
	enum store_kept part,
	uint16_t version,
	uint64_t key,
	void *entry,
	size_t size
) {
	struct search search = {
		.kind = VALUE_ENTRY,
		.part = (uint8_t)part,
		.version = version,
		.key = key,
		.entry = entry,
		.size = size,
	};
	return disk_each(view->disk, look_at, &search) == 0 && search.found == size;
}

void view_each(
	struct view *view,
	enum store_kept part,
	uint16_t version,
	size_t size_max,
	void (*each)(void *ctx, const void *entry, size_t size),
	void *ctx
) {
	struct search search = {
		.kind = VALUE_ENTRY,
		.part = (uint8_t)part,
		.version = version,
		.is_any = true,
		.entry = malloc(size_max),
		.size = size_max,
		.each = each,
		.ctx = ctx,
	};
	if (search.entry)
		disk_each(view->disk, look_at, &search);
	free(search.entry);
}

bool view_blob(struct view *view, enum store_kept part, uint16_t version, void *blob, size_t size) {
	struct search search = {
		.kind = VALUE_BLOB,
		.part = (uint8_t)part,
		.version = version,
		.entry = blob,
		.size = size,
	};
	return disk_each(view->disk, look_at, &search) == 0 && search.found == size;
}
