// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Size classes over one reservation. A page serves one class for good: what an attacker makes one
// class take, another cannot get back, but the sum is bounded, which is the promise. A block has no
// header: its owner knows its size.

#include "slab.h"

#include "reserve.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_SIZE = 65536,
	SMALL_MAX = 1024, // up to here a table finds the class
	GRAIN = 16,
};

static const uint32_t class_sizes[] = {
	16,  32,  48,	64,   80,   96,	  128,	160,  192,  256,   320,	  384,	 512,	640,
	768, 896, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 21840, 32768, 65536,
};

enum { CLASSES = sizeof(class_sizes) / sizeof(class_sizes[0]) };

struct free_block {
	struct free_block *next;
};

struct class {
	struct free_block *free;
	uint8_t *fresh; // the part of the class's newest page never handed out
	uint8_t *fresh_end;
};

struct slab {
	uint8_t *start;
	size_t size;
	size_t carved; // bytes given to classes so far
	size_t used, peak;
	struct class classes[CLASSES];
	uint8_t small[SMALL_MAX / GRAIN + 1]; // class by (size + 15) / 16
};

static unsigned class_find(const struct slab *slab, size_t size) {
	if (size <= SMALL_MAX)
		return slab->small[(size + GRAIN - 1) / GRAIN];
	unsigned class = slab->small[SMALL_MAX / GRAIN] + 1;
	while (class_sizes[class] < size)
		class ++;
	return class;
}

struct slab *slab_open(size_t size) {
	struct slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return NULL;
	slab->size = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
	slab->start = slab->size ? reserve_open(slab->size) : NULL;
	if (!slab->start) {
		int error = slab->size ? errno : EINVAL;
		free(slab);
		errno = error;
		return NULL;
	}
	for (unsigned grains = 0, class = 0; grains <= SMALL_MAX / GRAIN; grains++) {
		if (class_sizes[class] < grains * GRAIN)
			class ++;
		slab->small[grains] = (uint8_t) class;
	}
	return slab;
}

void slab_close(struct slab *slab) {
	if (!slab)
		return;
	reserve_close(slab->start, slab->size);
	free(slab);
}

// Gives a class another page. 0, or -1 when there is none.
static int class_refill(struct slab *slab, struct class *class) {
	if (slab->size - slab->carved < PAGE_SIZE)
		return -1;
	class->fresh = slab->start + slab->carved;
	class->fresh_end = class->fresh + PAGE_SIZE;
	slab->carved += PAGE_SIZE;
	ASAN_POISON_MEMORY_REGION(class->fresh, PAGE_SIZE);
	return 0;
}

void *slab_get(struct slab *slab, size_t size) {
	if (size == 0 || size > SLAB_BLOCK_SIZE_MAX)
		return NULL;

	unsigned index = class_find(slab, size);
	struct class *class = &slab->classes[index];
	uint32_t block_size = class_sizes[index];
	void *block;

	if (class->free) {
		block = class->free;
		ASAN_UNPOISON_MEMORY_REGION(block, sizeof(struct free_block));
		class->free = class->free->next;
		ASAN_UNPOISON_MEMORY_REGION(block, size);
		memset(block, 0, size);
	} else {
		if ((size_t)(class->fresh_end - class->fresh) < block_size
		    && class_refill(slab, class) < 0)
			return NULL;
		block = class->fresh;
		class->fresh += block_size;
		ASAN_UNPOISON_MEMORY_REGION(block, size);
	}
	slab->used += block_size;
	if (slab->used > slab->peak)
		slab->peak = slab->used;
	return block;
}

void slab_put(struct slab *slab, void *block, size_t size) {
	if (!block)
		return;
	assert((uint8_t *)block >= slab->start && (uint8_t *)block < slab->start + slab->carved);

	unsigned index = class_find(slab, size);
	struct free_block *free_block = block;

	ASAN_UNPOISON_MEMORY_REGION(block, class_sizes[index]);
	free_block->next = slab->classes[index].free;
	slab->classes[index].free = free_block;
	slab->used -= class_sizes[index];
	ASAN_POISON_MEMORY_REGION(block, class_sizes[index]);
}

size_t slab_capacity(size_t size) {
	for (unsigned class = 0; class < CLASSES; class ++)
		if (class_sizes[class] >= size)
			return class_sizes[class];
	return 0;
}

int slab_grow(struct slab *slab, void **block, uint32_t *size, uint32_t need, int wipe) {
	if (need <= *size)
		return 0;

	size_t want = *size > SLAB_BLOCK_SIZE_MAX / 2 ? SLAB_BLOCK_SIZE_MAX : 2 * (size_t)*size;
	size_t capacity = slab_capacity(want > need ? want : need);
	void *bigger = capacity ? slab_get(slab, capacity) : NULL;

	if (!bigger)
		return -1;
	if (*block) {
		memcpy(bigger, *block, *size);
		if (wipe)
			explicit_bzero(*block, *size);
		slab_put(slab, *block, *size);
	}
	*block = bigger;
	*size = (uint32_t)capacity;
	return 0;
}

size_t slab_used(const struct slab *slab) {
	return slab->used;
}

size_t slab_peak(const struct slab *slab) {
	return slab->peak;
}
