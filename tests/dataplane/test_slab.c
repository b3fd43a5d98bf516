// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "slab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void every_size_gives_a_zeroed_aligned_block(void **) {
	struct slab *slab = slab_open(64 << 20);

	for (size_t size = 1; size <= SLAB_BLOCK_SIZE_MAX; size += size < 2000 ? 1 : 997) {
		for (int again = 0; again < 2; again++) {
			uint8_t *block = slab_get(slab, size);
			assert_non_null(block);
			assert_int_equal((uintptr_t)block % (size % 16 ? 8 : 16), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(block[i], 0);
			memset(block, 0xff, size);
			slab_put(slab, block, size);
		}
		assert_true(slab_capacity(size) >= size);
	}
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
}

static void sizes_out_of_range_are_refused(void **) {
	struct slab *slab = slab_open(1 << 20);

	assert_null(slab_get(slab, 0));
	assert_null(slab_get(slab, SLAB_BLOCK_SIZE_MAX + 1));
	slab_close(slab);
	assert_null(slab_open(0));
	assert_int_equal(errno, EINVAL);
}

static void a_full_slab_refuses_and_recovers(void **) {
	struct slab *slab = slab_open(4 * 65536);
	void *blocks[9];
	int n = 0;

	while (n < 9 && (blocks[n] = slab_get(slab, 32768)))
		n++;
	assert_int_equal(n, 8);
	slab_put(slab, blocks[3], 32768);
	assert_ptr_equal(slab_get(slab, 30000), blocks[3]);
	assert_null(slab_get(slab, 16));
	assert_int_equal(slab_peak(slab), 8 * 32768);
	slab_close(slab);
}

// A flood of one size must not keep its memory from all others for good.
static void pages_given_back_whole_serve_other_sizes(void **) {
	enum { PAGES = 8, SIZE = 4096, N = PAGES * 65536 / SIZE };
	struct slab *slab = slab_open(PAGES * 65536);
	uint8_t *blocks[N], *other;
	int n = 0;

	for (int i = 0; i < N; i++) {
		assert_non_null(blocks[i] = slab_get(slab, SIZE));
		memset(blocks[i], 0xff, SIZE);
	}
	assert_null(slab_get(slab, 16));
	for (int i = 0; i < N; i++)
		slab_put(slab, blocks[i], SIZE);
	// Zeroed although they were written to.
	while ((other = slab_get(slab, 1000))) {
		for (int i = 0; i < 1000; i++)
			assert_int_equal(other[i], 0);
		n++;
	}
	assert_int_equal(n, PAGES * (65536 / 1024));
	slab_close(slab);
}

static void growing_keeps_the_content_and_fails_without_loss(void **) {
	struct slab *slab = slab_open(3 * 65536);
	void *block = NULL;
	uint32_t size = 0;

	assert_int_equal(slab_grow(slab, &block, &size, 5, 0), 0);
	assert_int_equal(size, 8);
	memcpy(block, "hello", 5);
	assert_int_equal(slab_grow(slab, &block, &size, 17, 1), 0);
	assert_memory_equal(block, "hello", 5);
	assert_int_equal(size, 24);

	void *before = block;
	assert_int_equal(slab_grow(slab, &block, &size, 65536, 0), 0);
	assert_memory_equal(block, "hello", 5);
	assert_ptr_not_equal(block, before);
	assert_int_equal(slab_grow(slab, &block, &size, 65537, 0), -1);
	assert_memory_equal(block, "hello", 5);
	slab_put(slab, block, size);
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
}

// Oracle: each block is filled with its own byte; whoever overlaps another destroys it.
static void blocks_in_use_never_overlap(void **) {
	enum { N = 3000 };
	static struct {
		uint8_t *block;
		size_t size;
	} held[N];
	struct slab *slab = slab_open(32 << 20);
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int step = 0; step < 100000; step++) {
		int i = rand() % N;
		if (held[i].block) {
			for (size_t k = 0; k < held[i].size; k += 1 + held[i].size / 8)
				assert_int_equal(held[i].block[k], i & 0xff);
			slab_put(slab, held[i].block, held[i].size);
			held[i].block = NULL;
		} else {
			held[i].size = 1 + (size_t)rand() % (rand() % 8 ? 300 : 20000);
			held[i].block = slab_get(slab, held[i].size);
			if (held[i].block)
				memset(held[i].block, i & 0xff, held[i].size);
		}
	}
	slab_close(slab);
}

// Of the mapping that holds the address, as the kernel tells it.
static bool is_left_out_of_cores(const void *address) {
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long from, to, at = (unsigned long)address;
	bool here = false, is_left_out = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = from <= at && at < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			is_left_out = strstr(line, " dd") != NULL;
	}
	fclose(maps);
	return is_left_out;
}

static void blocks_are_in_no_core_file(void **) {
	struct slab *slab = slab_open(1 << 20);
	void *block = slab_get(slab, 100);

	assert_non_null(block);
	assert_true(is_left_out_of_cores(block));
	assert_false(is_left_out_of_cores(&slab));
	slab_put(slab, block, 100);
	slab_close(slab);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_gives_a_zeroed_aligned_block),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test(a_full_slab_refuses_and_recovers),
		cmocka_unit_test(pages_given_back_whole_serve_other_sizes),
		cmocka_unit_test(growing_keeps_the_content_and_fails_without_loss),
		cmocka_unit_test(blocks_in_use_never_overlap),
		cmocka_unit_test(blocks_are_in_no_core_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
