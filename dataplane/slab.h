// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Bounded memory in many sizes: one reservation made at start, cut into pages, each page serving
// one size class until it is empty again. What rooms keep per connection (names, lines not yet complete, lists) lives here,
// so that an idle session holds what it needs and no more, and nothing calls malloc per packet.
//
// Address space is reserved at start and touched when first used; freed blocks are reused first.
// Not thread-safe: each worker has its own.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SLAB_BLOCK_SIZE_MAX = 65536 };

struct slab;

// Reserves size bytes (rounded up to pages). NULL and errno when the system refuses.
struct slab *slab_open(size_t size);
// Releases everything, also blocks still in use. Accepts NULL.
void slab_close(struct slab *slab);

// A block of at least size bytes (1 … SLAB_BLOCK_SIZE_MAX), zeroed, 16-byte aligned. NULL when
// the slab is full or the size is out of range: the caller's counted decision. O(1).
void *slab_get(struct slab *slab, size_t size);
// Gives a block back; size as asked for. Accepts NULL. O(1).
void slab_put(struct slab *slab, void *block, size_t size);
// The number of bytes a block asked for with size really has.
size_t slab_capacity(size_t size);
// Makes *block (of *size bytes) hold at least need, doubling and moving what it holds. 0, or -1
// when full: *block and *size are then what they were. With wipe the old block is overwritten
// before it is given back, for what may hold a secret.
int slab_grow(struct slab *slab, void **block, uint32_t *size, uint32_t need, int wipe);

// Bytes in blocks now in use, and the most there ever were.
size_t slab_used(const struct slab *slab);
size_t slab_peak(const struct slab *slab);
