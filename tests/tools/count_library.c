// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Loaded in front of a program (LD_PRELOAD): counts what its first thread asks of the allocator and of
// locks, and prints it at the end as lines of standard error: "allocations N", "locks N".

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The C library's own, which these stand in front of.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static unsigned long long n_allocations, n_locks;
static __thread bool is_first; // set for the thread that loads this library

static void __attribute__((constructor)) begin(void) {
	is_first = true;
}

static void __attribute__((destructor)) end(void) {
	fprintf(stderr, "allocations %llu\nlocks %llu\n", n_allocations, n_locks);
}

void *malloc(size_t size) {
	n_allocations += is_first;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
	n_allocations += is_first;
	return __libc_calloc(n, size);
}

void *realloc(void *block, size_t size) {
	n_allocations += is_first;
	return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
	n_allocations += is_first;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
	n_allocations += is_first;
	*block = __libc_memalign(alignment, size);
	return *block ? 0 : 12; // ENOMEM
}

void free(void *block) {
	n_allocations += is_first && block;
	__libc_free(block);
}

// Each lock counts itself and calls the next library's function of that name.
#define LOCK(name, type)                                                                           \
	int name(type *lock) {                                                                     \
		static int (*next)(type *);                                                        \
		if (!next) {                                                                       \
			void *symbol = dlsym(RTLD_NEXT, #name);                                    \
			memcpy(&next, &symbol, sizeof(next));                                      \
		}                                                                                  \
		n_locks += is_first;                                                               \
		return next(lock);                                                                 \
	}

LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)
LOCK(pthread_cond_signal, pthread_cond_t)
LOCK(pthread_cond_broadcast, pthread_cond_t)
