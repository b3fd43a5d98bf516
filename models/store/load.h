// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Puts what the store holds into the parts. What is broken, or of a version that nobody understands
// any more, is left out and counted: it is learnt anew. Nothing else suffers from it.

#pragma once

#include "store/disk.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MAGIC 0x504f535445524e00ull // "POSTERN", and wrong on the other byte order

// Images of the values that are no part's.
struct load_description {
	uint64_t magic;
	uint64_t generation;
	struct store_mark mark;
	uint32_t format; // enum STORE_FORMAT of who wrote it
	uint32_t unused;
};

struct load_counters {
	uint64_t n_seen;
	uint32_t clock_day;
	uint32_t today;
};

struct load {
	struct disk *disk;
	const char *dir;
	const struct store_part *parts;
	size_t n_parts;
	struct store_stats *stats;
	// Filled.
	struct load_description meta;
	char first_bad[80];
	uint32_t beyond
		[STORE_PARTS_MAX]; // of a table's slots, the first that was never used; 0: none beyond n_max
};

// An image into a part's entry that has its node. False when the part does not understand it.
bool load_entry(
	const struct store_part *part,
	const struct value_head *head,
	const void *image,
	void *entry
);
// The table of part i is smaller than what is kept of it: of all entries, those seen last stay, in slots
// that there are. Between the entries' arrival and table_restored(). 0 or an error of disk_strerror().
int load_shrink(struct load *load, size_t i);

// The description alone, into load->meta; whether there is one. 0, or −1 and one line in error.
int load_meta(struct load *load, bool *is_there_r, char *error, size_t error_size);
// Everything. The same.
int load_all(struct load *load, char *error, size_t error_size);
