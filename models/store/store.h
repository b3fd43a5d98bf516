// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Weeks of learning that survive restart, crash and upgrade. At each half interval of event time a
// snapshot of what has changed is taken (copy on write, table.h) and written as one transaction by a
// thread of its own; after kill −9 at any moment the directory holds one snapshot, whole, and of event time
// at most the interval is lost: as long as a snapshot is on the disk before the next is due. Where the disk
// takes longer, for want of speed or of event time that lasts (a capture read at full speed), a snapshot begins
// when the one before has ended, and at most what passes while two are written is lost. store_stats has how much it
// would be now.
//
//   models ──▶ parts: tables, blobs ──copy──▶ chunks ──▶ writer ──▶ LMDB: values with checksums
//
// The file's map is made large enough before each snapshot: its growth costs none.
//
// A disk that fails is said once and tried again with the next snapshot; the models go on in memory.

#pragma once

#include "store/part.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_FORMAT = 1 };

#define STORE_INTERVAL_NS (60ull * 1000000000)

struct store;

struct store_config {
	const char *dir;
	uint64_t
		interval_ns; // of event time, of which at most so much is lost; 0: STORE_INTERVAL_NS
	// A snapshot that is due waits for the one before to be written, so that the interval holds
	// however fast events come. Live they come no faster than time passes, and nothing waits.
	bool wait;
	size_t map_size; // address space at first; 0: by the parts
	// One line for people: what was found broken, what cannot be written. On the model thread.
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

// How far the parts have come; goes with each snapshot and comes back.
struct store_mark {
	uint64_t now_ns; // event time the models have reached
	uint64_t
		heard_ns; // of the last activity that another came before within a day of it, as it said itself
	uint64_t n_activities; // in all their life
};

struct store_stats {
	uint64_t generation; // transactions, in all the store's life
	uint64_t n_entries; // found at open
	uint64_t n_bad; // values that were broken, and are learnt anew
	uint64_t n_left_out; // entries for which the tables are too small now
	uint64_t n_failed; // snapshots that could not be written
	uint64_t n_late; // that were due before the last was written
	uint64_t behind_ns; // event time that would be lost now
};

// Opens the directory, makes it if need be, and puts what it holds into the parts, which are empty
// (fresh tables, zeroed blobs). The parts' memory is borrowed until store_close(). NULL and one line in
// error: it is in use, of a newer format, or cannot be read.
struct store *store_open(
	const struct store_config *config,
	const struct store_part *parts,
	size_t n_parts,
	char *error,
	size_t error_size
);
// How far the parts had come that were found.
const struct store_mark *store_found(const struct store *store);
// Up to where an input that is read again is known: what the models have reached, but no further than was heard. A
// clock that is years ahead at first, or for a moment, takes the models there, and all that comes afterwards
// would pass for known.
uint64_t store_known_ns(const struct store_mark *mark);

// Called between two activities, and now and then when there are none, by the thread that changes the
// parts. Costs some nanoseconds when there is nothing to do; copies a bounded number of entries when a
// snapshot is under way.
void store_tick(struct store *store, const struct store_mark *mark);
// Writes a snapshot now and waits until it is on the disk. 0 or −1, which was said.
int store_sync(struct store *store, const struct store_mark *mark);
const struct store_stats *store_stats(const struct store *store);
size_t store_memsize(const struct store *store);
// Does not write; a last store_sync() does. Accepts NULL.
void store_close(struct store *store);
