// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Size classes over one reservation. A page serves one class until its last block is given back, then
// any: a wave of blocks of one size (200,000 logins at once) leaves its memory to what comes after it.
//
//   class ──▶ page ◀──▶ page        those with room; the head serves, full ones are in no list
//               │ free ──▶ block ──▶ block, then the blocks never handed out
//   empty ──▶ page ──▶ page         given back whole
//
// One empty page stays with its class, so that a block taken and returned again and again moves no page.
// A block has no header: its page is found by its address.

#include "slab.h"

#include "reserve.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_SIZE = 65536,
	SMALL_MAX = 1024, // up to here a table finds the class
	GRAIN = 8,
};

static const uint32_t class_sizes[] = {
	8,   16,   24,	 32,   40,   48,   56,	 64,   72,    80,    88,    96,	   104,	  112, 120,
	128, 136,  144,	 152,  160,  176,  192,	 208,  224,   256,   320,   384,   512,	  640, 768,
	896, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 21840, 32768, 65536,
};

enum { CLASSES = sizeof(class_sizes) / sizeof(class_sizes[0]) };

struct free_block {
	struct free_block *next;
};

struct page {
	struct free_block *free;
	uint32_t next,
		prev; // index + 1 in its class's list, or (next alone) in the list of empty ones
	uint16_t n_used;
	uint16_t n_fresh; // blocks handed out at least once: those behind them come next
	uint8_t class;
	bool is_stale; // served before: what was never handed out this time is not zero
};

struct slab {
	uint8_t *start;
	size_t size;
	struct page *pages;
	uint32_t n_pages;
	uint32_t n_carved; // pages that ever served
	uint32_t empty; // index + 1
	uint32_t classes[CLASSES]; // head of those with room, index + 1
	size_t used, peak;
	uint8_t small[SMALL_MAX / GRAIN + 1]; // class by (size + 7) / 8
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
	slab->n_pages = (uint32_t)((size + PAGE_SIZE - 1) / PAGE_SIZE);
	slab->size = (size_t)slab->n_pages * PAGE_SIZE;
	slab->start = slab->size ? reserve_open(slab->size) : NULL;
	slab->pages = slab->start ? reserve_open(slab->n_pages * sizeof(*slab->pages)) : NULL;
	if (!slab->pages) {
		int error = slab->size ? errno : EINVAL;
		slab_close(slab);
		errno = error;
		return NULL;
	}
	// Lines with passwords lie here while they are half read.
	madvise(slab->start, slab->size, MADV_DONTDUMP);
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
	if (slab->pages)
		reserve_close(slab->pages, slab->n_pages * sizeof(*slab->pages));
	if (slab->start)
		reserve_close(slab->start, slab->size);
	free(slab);
}

static uint8_t *page_start(const struct slab *slab, const struct page *page) {
	return slab->start + (size_t)(page - slab->pages) * PAGE_SIZE;
}

static void list_add(struct slab *slab, struct page *page) {
	uint32_t *head = &slab->classes[page->class];
	uint32_t index = (uint32_t)(page - slab->pages) + 1;

	page->prev = 0;
	page->next = *head;
	if (*head)
		slab->pages[*head - 1].prev = index;
	*head = index;
}

static void list_remove(struct slab *slab, struct page *page) {
	if (page->prev)
		slab->pages[page->prev - 1].next = page->next;
	else
		slab->classes[page->class] = page->next;
	if (page->next)
		slab->pages[page->next - 1].prev = page->prev;
}

// A class gives up the empty page it keeps, which is its only one with room.
static void kept_put(struct slab *slab, unsigned class) {
	struct page *page = slab->classes[class] ? &slab->pages[slab->classes[class] - 1] : NULL;

	if (!page || page->n_used > 0)
		return;
	list_remove(slab, page);
	page->next = slab->empty;
	slab->empty = (uint32_t)(page - slab->pages) + 1;
}

// A page with room for a class that has none. NULL when there is none left.
static struct page *page_get(struct slab *slab, unsigned class) {
	struct page *page;

	if (!slab->empty && slab->n_carved == slab->n_pages)
		for (unsigned other = 0; other < CLASSES; other++)
			kept_put(slab, other);
	if (slab->empty) {
		page = &slab->pages[slab->empty - 1];
		slab->empty = page->next;
		*page = (struct page){.is_stale = true};
	} else if (slab->n_carved < slab->n_pages) {
		page = &slab->pages[slab->n_carved++];
		ASAN_POISON_MEMORY_REGION(page_start(slab, page), PAGE_SIZE);
	} else {
		return NULL;
	}
	page->class = (uint8_t) class;
	list_add(slab, page);
	return page;
}

// Its last block was given back.
static void page_put(struct slab *slab, struct page *page) {
	if (slab->classes[page->class] == (uint32_t)(page - slab->pages) + 1 && !page->next)
		return; // the class's last one with room
	list_remove(slab, page);
	page->next = slab->empty;
	slab->empty = (uint32_t)(page - slab->pages) + 1;
}

void *slab_get(struct slab *slab, size_t size) {
	if (size == 0 || size > SLAB_BLOCK_SIZE_MAX)
		return NULL;

	unsigned class = class_find(slab, size);
	uint32_t block_size = class_sizes[class];
	struct page *page = slab->classes[class] ? &slab->pages[slab->classes[class] - 1]
						 : page_get(slab, class);
	bool is_used;
	void *block;

	if (!page)
		return NULL;
	is_used = page->free || page->is_stale;
	if (page->free) {
		block = page->free;
		ASAN_UNPOISON_MEMORY_REGION(block, sizeof(struct free_block));
		page->free = page->free->next;
	} else {
		block = page_start(slab, page) + (size_t)page->n_fresh++ * block_size;
	}
	ASAN_UNPOISON_MEMORY_REGION(block, size);
	if (is_used)
		memset(block, 0, size);
	if (++page->n_used == PAGE_SIZE / block_size)
		list_remove(slab, page);
	slab->used += block_size;
	if (slab->used > slab->peak)
		slab->peak = slab->used;
	return block;
}

void slab_put(struct slab *slab, void *block, size_t size) {
	if (!block)
		return;

	struct page *page = &slab->pages[(size_t)((uint8_t *)block - slab->start) / PAGE_SIZE];
	uint32_t block_size = class_sizes[page->class];
	struct free_block *free_block = block;

	assert((uint8_t *)block >= slab->start && (uint8_t *)block < slab->start + slab->size);
	assert(page->n_used > 0 && page->class == class_find(slab, size));
	ASAN_UNPOISON_MEMORY_REGION(block, block_size);
	free_block->next = page->free;
	page->free = free_block;
	slab->used -= block_size;
	ASAN_POISON_MEMORY_REGION(block, block_size);
	if (page->n_used == PAGE_SIZE / block_size) {
		kept_put(slab, page->class);
		list_add(slab, page);
	}
	if (--page->n_used == 0)
		page_put(slab, page);
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

	// Powers of two, so that what grows by doubling ends at a limit that is one.
	size_t want = *size > SLAB_BLOCK_SIZE_MAX / 2 ? SLAB_BLOCK_SIZE_MAX
		: *size				      ? (size_t)2 << (31 - __builtin_clz(*size))
						      : 0;
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
