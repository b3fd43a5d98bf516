// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Objects are handed out in order until the first comes back; then freed ones go first, the warmest
// on top. So memory is touched only as far as the load ever reached.

#include "pool.h"

#include "reserve.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pool {
	uint8_t *start;
	size_t size; // of one object, with its padding
	uint32_t n;
	uint32_t n_fresh; // handed out at least once
	uint32_t n_used;
	uint32_t
		free; // index of the first free object, or POOL_NONE; the next stands in its first bytes
};

struct pool *pool_open(size_t size, uint32_t n) {
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->size = (size + 15) / 16 * 16;
	pool->n = n;
	pool->start = n && size ? reserve_open(pool_memsize(pool)) : NULL;
	if (!pool->start) {
		int error = n && size ? errno : EINVAL;
		free(pool);
		errno = error;
		return NULL;
	}
	return pool;
}

void pool_close(struct pool *pool) {
	if (!pool)
		return;
	reserve_close(pool->start, pool_memsize(pool));
	free(pool);
}

void *pool_get(struct pool *pool) {
	uint8_t *object;

	if (pool->free != POOL_NONE) {
		object = pool_at(pool, pool->free);
		ASAN_UNPOISON_MEMORY_REGION(object, pool->size);
		memcpy(&pool->free, object, sizeof(pool->free));
		memset(object, 0, pool->size);
	} else {
		if (pool->n_fresh == pool->n)
			return NULL;
		object = pool_at(pool, ++pool->n_fresh);
	}
	pool->n_used++;
	return object;
}

void pool_put(struct pool *pool, void *object) {
	if (!object)
		return;
	uint32_t index = pool_index(pool, object);
	memcpy(object, &pool->free, sizeof(pool->free));
	pool->free = index;
	pool->n_used--;
	ASAN_POISON_MEMORY_REGION(object, pool->size);
}

uint32_t pool_index(const struct pool *pool, const void *object) {
	size_t offset = (size_t)((const uint8_t *)object - pool->start);
	assert(offset % pool->size == 0 && offset / pool->size < pool->n);
	return (uint32_t)(offset / pool->size) + 1;
}

void *pool_at(const struct pool *pool, uint32_t index) {
	assert(index >= 1 && index <= pool->n);
	return pool->start + (size_t)(index - 1) * pool->size;
}

uint32_t pool_used(const struct pool *pool) {
	return pool->n_used;
}

size_t pool_memsize(const struct pool *pool) {
	return pool->size * pool->n;
}
