// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Address space taken from the system at start, touched when first used; and, in builds with
// AddressSanitizer, the marks that make a free block unreadable.

#pragma once

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define RESERVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RESERVE_ASAN 1
#endif
#endif

#ifdef RESERVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

// Smaller ones are left in ordinary pages.
enum { RESERVE_HUGE_SIZE_MIN = 4 << 20 };

// NULL and errno when the system refuses. Large ones in huge pages, where it gives them: of an ordinary
// page that is read before it is written (tables are) it first shows one of zeros, and the exchange for a
// page of one's own interrupts every other core that runs a thread of this process. Not in builds with
// AddressSanitizer, whose tests open thousands of tables and touch little of each.
static inline void *reserve_open(size_t size) {
	void *p
		= mmap(NULL,
		       size,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1,
		       0);

	if (p == MAP_FAILED)
		return NULL;
#ifndef RESERVE_ASAN
	if (size >= RESERVE_HUGE_SIZE_MIN)
		madvise(p, size, MADV_HUGEPAGE);
#endif
	return p;
}

static inline void reserve_close(void *start, size_t size) {
	ASAN_UNPOISON_MEMORY_REGION(start, size);
	munmap(start, size);
}

// All of it is zero again, and given back.
static inline void reserve_clear(void *start, size_t size) {
	if (madvise(start, size, MADV_DONTNEED) < 0)
		memset(start, 0, size);
}
