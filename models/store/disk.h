// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The directory: LMDB's two files, and a lock of our own. LMDB allows one writer in a process tree it can
// see; in containers and on shared volumes it cannot, so whoever writes holds postern.lock. No memory is
// written through the map (no MDB_WRITEMAP): a full disk is an error of a call, not a signal.
//
// A transaction that is committed is on the disk (LMDB's own order of writes, fdatasync before the meta
// page); one that is not has never been. The file can be copied while it is written: mdb_copy DIR DEST.
//
// All of it is called by one thread at a time. Functions return 0 or an error for disk_strerror().

#pragma once

#include "store/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;

struct disk_config {
	const char *dir; // made if need be, for its owner alone
	size_t map_size; // address space at first; doubled before it is full. No disk space
	bool is_reader; // for looking only: needs no lock, changes nothing, may run beside a writer
	// One line for people about something that was put right: the file was broken and is set aside.
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

// NULL and one line in error.
struct disk *disk_open(const struct disk_config *config, char *error, size_t error_size);
// Accepts NULL. An open transaction is forgotten.
void disk_close(struct disk *disk);

// size: the most that the transaction takes, a sum of disk_room(); the map is made large enough first, as one
// that fills in the middle costs the whole transaction (MDB_MAP_FULL, after which it has grown).
int disk_begin(struct disk *disk, size_t size);
// What n values of that size can take at most, with the pages around them that are written anew.
size_t disk_room(const struct disk *disk, size_t n, size_t value_size);
int disk_put(struct disk *disk, const struct value_key *key, const void *value, size_t size);
// A key that is not there is none.
int disk_delete(struct disk *disk, const struct value_key *key);
// After an error in the transaction it only ends it, and returns that error.
int disk_commit(struct disk *disk);

// Calls each for all values as of the last commit, in the order of keys; stops when it returns false.
// value is borrowed until it returns.
int disk_each(
	struct disk *disk,
	bool (*each)(void *ctx, const struct value_key *key, const uint8_t *value, size_t size),
	void *ctx
);
// *value_r: a copy the caller frees, NULL when there is none.
int disk_get(struct disk *disk, const struct value_key *key, uint8_t **value_r, size_t *size_r);
const char *disk_strerror(int error);
