// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Loaded in front of a program (LD_PRELOAD): its FAIL_AT-th allocation in main() finds no memory; with
// FAIL_ALWAYS set, all those after it neither. At the end "allocations N" stands in the file FAIL_COUNT, if it is named.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
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

static atomic_ullong n_allocations;
static unsigned long long fail_at; // 0: none
static bool is_always;

static int (*real_main)(int argc, char **argv, char **environment);

// Not before: what libraries do with their failures while they are loaded is theirs.
static int begin(int argc, char **argv, char **environment) {
	const char *at = getenv("FAIL_AT");

	is_always = getenv("FAIL_ALWAYS") != NULL;
	atomic_store(&n_allocations, 0);
	fail_at = at ? strtoull(at, NULL, 10) : 0;
	return real_main(argc, argv, environment);
}

typedef int
start(int (*)(int, char **, char **),
      int,
      char **,
      void (*)(void),
      void (*)(void),
      void (*)(void),
      void *);

start __libc_start_main;

int __libc_start_main(
	int (*main)(int, char **, char **),
	int argc,
	char **argv,
	void (*init)(void),
	void (*fini)(void),
	void (*rtld_fini)(void),
	void *stack_end
) {
	void *symbol = dlsym(RTLD_NEXT, "__libc_start_main");
	start *next;

	memcpy(&next, &symbol, sizeof(next));
	real_main = main;
	return next(begin, argc, argv, init, fini, rtld_fini, stack_end);
}

static void __attribute__((destructor)) end(void) {
	const char *path = getenv("FAIL_COUNT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
	char text[64];
	int size = snprintf(text, sizeof(text), "allocations %llu\n", atomic_load(&n_allocations));

	if (fd >= 0 && write(fd, text, (size_t)size) == size)
		close(fd);
}

static bool fails(void) {
	unsigned long long n = atomic_fetch_add(&n_allocations, 1) + 1;

	if (!fail_at || n < fail_at || (n > fail_at && !is_always))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size) {
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *block, size_t size) {
	return fails() ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
	return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
	void *got = fails() ? NULL : __libc_memalign(alignment, size);

	if (got)
		*block = got;
	return got ? 0 : ENOMEM;
}
