// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Fixed-size objects from one reservation made at start: constant-time get and put, never a
// system call after open. Objects are numbered, so that links between them take four bytes.
// Not thread-safe: each worker has its own.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum { POOL_NONE = 0 }; // index of no object: the first object has index 1

struct pool;

// Room for n objects of size bytes, aligned to 64 when size is a multiple of 64, else to 16.
// NULL and errno when the system refuses the memory. Pages are touched when first used.
struct pool *pool_open(size_t size, uint32_t n);
// Accepts NULL.
void pool_close(struct pool *pool);

// A zeroed object, or NULL when all n are in use.
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);

uint32_t pool_index(const struct pool *pool, const void *object);
void *pool_at(const struct pool *pool, uint32_t index);
uint32_t pool_used(const struct pool *pool);
// Bytes reserved.
size_t pool_memsize(const struct pool *pool);
