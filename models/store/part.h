// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the store keeps is a list of parts: tables of equal entries, and blobs. Whoever owns the memory
// lists it (models_parts()); the store writes what changed and puts it back.
//
// What a part holds must mean the same in the next run: no pointer, and nothing computed with a key
// that is drawn at start, unless the key lies in the part too.

#pragma once

#include "table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_PARTS_MAX = 24 };

// What a part is called in the store. Never changed, never used again.
enum store_kept {
	KEPT_ADVANCED = 1,
	KEPT_AHEAD,
	KEPT_NOW,
	KEPT_RECENT,
	KEPT_EPISODES,
	KEPT_TARGETS = 16,
	KEPT_ORIGINS,
	KEPT_NETWORKS,
	KEPT_PASSWORDS,
	KEPT_PULSE,
	KEPT_CROWD,
	KEPT_SERIES,
	KEPT_TIDE,
	KEPT_NOISE,
	KEPT_ACCOUNTS = 32,
	KEPT_FLEET,
	KEPT_WATCH_NOW,
	KEPT_CAMPAIGN = 48, // and what follows
};

struct store_part {
	const char *name; // for people: "accounts"
	uint8_t id; // enum store_kept
	uint16_t version; // of the layout; raised with each change of it, from 1
	struct table *table; // entries with a struct table_node first; or
	void *blob; // size bytes
	size_t size;

	// For entries that cannot be kept as they lie in memory, and for older layouts; both may be NULL.
	// pack writes what stands for an entry (of a table) into image, at most image_size bytes, and
	// returns how many; unpack makes an entry of it, whose node is already right and whose rest is
	// zero, or a blob, and returns false when that cannot be: then it is forgotten and learnt anew.
	// Without pack the image is the entry behind its node. Neither may keep image.
	size_t image_size;
	size_t (*pack)(const void *entry, void *image);
	bool (*unpack)(void *ctx, uint16_t version, const void *image, size_t size, void *entry);
	// After everything has been put back, also when there was nothing; may be NULL.
	void (*restored)(void *ctx);
	void *ctx;
};

// The two common kinds.
#define STORE_PART_TABLE(what, number, layout, where)                                              \
	((struct store_part){.name = what, .id = number, .version = layout, .table = where})
#define STORE_PART_BLOB(what, number, layout, where)                                               \
	((struct store_part                                                                        \
	){.name = what, .id = number, .version = layout, .blob = where, .size = sizeof(*(where))})
