// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The thread that writes. The model thread hands it a snapshot in chunks, it packs them and commits all
// as one transaction. The chunks are all the memory there is: when the disk is slower than the models
// change, the model thread waits for a chunk; what feeds the models (a ring for each worker) does not.

#pragma once

#include "store/disk.h"
#include "store/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WRITER_CHUNKS = 8,
	WRITER_CHUNK_SIZE = 1 << 20,
};

struct writer;

// disk is borrowed, and the writer's alone until writer_close(). NULL and errno.
struct writer *writer_open(struct disk *disk);
// Waits for what was begun. Accepts NULL.
void writer_close(struct writer *writer);

// A transaction begins; none is under way. size: as disk_begin has it.
void writer_begin(struct writer *writer, size_t size);
// Room for an image of size bytes that becomes the value of key; it is filled before the next call. Waits
// for a free chunk.
void *writer_put(struct writer *writer, const struct value_key *key, const struct value_head *head);
void writer_delete(struct writer *writer, const struct value_key *key);
// Whether a put of such an image would not wait now.
bool writer_has_room(struct writer *writer, size_t size);
// All has been said: it is committed.
void writer_end(struct writer *writer);

// Whether the last transaction has not ended yet.
bool writer_is_busy(const struct writer *writer);
void writer_wait(struct writer *writer);
// How the last transaction ended: 0 or an error for disk_strerror().
int writer_result(const struct writer *writer);
// How often the model thread had to wait for a chunk.
uint64_t writer_n_waits(const struct writer *writer);
size_t writer_memsize(void);
