// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "proto/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

// What a slice says, kept.
struct seen {
	uint8_t data[LINE_SIZE_MAX];
	uint32_t size;
	uint8_t tail[LINE_TAIL_SIZE];
	uint32_t tail_size;
	bool is_cut, is_full, is_bare;
};

static void seen_add(struct seen *seen, const struct line_slice *slice) {
	assert_true(slice->size <= LINE_SIZE_MAX);
	assert_true(slice->tail_size <= LINE_TAIL_SIZE);
	memset(seen, 0, sizeof(*seen));
	memcpy(seen->data, slice->data, slice->size);
	memcpy(seen->tail, slice->tail, slice->tail_size);
	seen->size = slice->size;
	seen->tail_size = slice->tail_size;
	seen->is_cut = slice->is_cut;
	seen->is_full = slice->is_full;
	seen->is_bare = slice->is_bare;
}

// Feeds text in pieces, and cut once more before byte cut. Returns how many lines came.
static int
feed(const uint8_t *text, size_t size, size_t cut, size_t piece, struct seen *seen, int n_max) {
	struct slab *slab = slab_open(1 << 20);
	struct line line = {};
	struct line_slice slice;
	int n_lines = 0;

	assert_non_null(slab);
	for (size_t at = 0; at < size;) {
		size_t n = size - at < piece ? size - at : piece;
		if (at < cut && cut < at + n)
			n = cut - at;
		uint8_t *block = malloc(n);
		assert_non_null(block);
		memcpy(block, text + at, n);
		const uint8_t *data = block;
		size_t left = n;
		while (line_next(&line, slab, &data, &left, &slice) == 1) {
			assert_true(n_lines < n_max);
			seen_add(&seen[n_lines++], &slice);
		}
		assert_int_equal(left, 0);
		free(block);
		at += n;
	}
	if (line_is_start(&line))
		assert_int_equal(slab_used(slab), 0); // nothing is held between lines
	line_reset(&line, slab);
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
	return n_lines;
}

static void assert_same(const struct seen *a, const struct seen *b, int n) {
	assert_memory_equal(a, b, n * sizeof(*a));
}

// The same lines, found the slow way.
static int oracle(const uint8_t *text, size_t size, struct seen *seen) {
	size_t start = 0, end;
	int n = 0;

	for (size_t at = 0; at < size; at++) {
		if (text[at] != '\n')
			continue;
		end = at;
		memset(&seen[n], 0, sizeof(seen[n]));
		seen[n].is_bare = end == start || text[end - 1] != '\r';
		end -= !seen[n].is_bare;
		seen[n].is_cut = end - start > LINE_SIZE_MAX;
		seen[n].size = seen[n].is_cut ? LINE_SIZE_MAX : end - start;
		memcpy(seen[n].data, text + start, seen[n].size);
		seen[n].tail_size = end - start < LINE_TAIL_SIZE ? end - start : LINE_TAIL_SIZE;
		memcpy(seen[n].tail, text + end - seen[n].tail_size, seen[n].tail_size);
		start = at + 1;
		n++;
	}
	return n;
}

static void lines_are_the_same_however_they_are_cut(void **) {
	static const char text[] = "a1 NOOP\r\n\r\n\nbare\nx\ry\r\n\r\r\nlast {12}\r\nrest";
	size_t size = sizeof(text) - 1;
	static struct seen want[16], got[16];
	int n = oracle((const uint8_t *)text, size, want);

	assert_int_equal(n, 7);
	for (size_t piece = 1; piece <= size; piece++) {
		assert_int_equal(feed((const uint8_t *)text, size, 0, piece, got, 16), n);
		assert_same(want, got, n);
	}
	for (size_t cut = 1; cut < size; cut++) {
		assert_int_equal(feed((const uint8_t *)text, size, cut, size, got, 16), n);
		assert_same(want, got, n);
	}
}

static void lines_around_the_limit_are_cut_there_and_keep_their_tail(void **) {
	static uint8_t text[LINE_SIZE_MAX + 300];
	static struct seen want[4], got[4];
	static const size_t pieces[]
		= {1, 2, 63, 64, 65, 4096, LINE_SIZE_MAX, LINE_SIZE_MAX + 1, sizeof(text)};

	for (int over = -2; over <= 66; over++) {
		for (int has_cr = 0; has_cr < 2; has_cr++) {
			size_t size = LINE_SIZE_MAX + over;
			for (size_t i = 0; i < size; i++)
				text[i] = 'a' + i % 26;
			if (has_cr)
				text[size++] = '\r';
			text[size++] = '\n';
			memcpy(text + size, "next\r\n", 6);
			size += 6;
			assert_int_equal(oracle(text, size, want), 2);
			assert_int_equal(want[0].is_cut, over > 0);
			for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
				assert_int_equal(feed(text, size, 0, pieces[i], got, 4), 2);
				assert_same(want, got, 2);
			}
			for (size_t cut = LINE_SIZE_MAX - 4; cut < size; cut++) {
				assert_int_equal(feed(text, size, cut, size, got, 4), 2);
				assert_same(want, got, 2);
			}
		}
	}
}

static void random_lines_agree_with_the_oracle(void **) {
	static struct seen want[64], got[64];
	static uint8_t text[64];
	const char *given = getenv("TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 2000; round++) {
		size_t size = 1 + rand() % sizeof(text);
		for (size_t i = 0; i < size; i++)
			text[i] = "ab\r\n"[rand() % 4];
		int n = oracle(text, size, want);
		assert_int_equal(feed(text, size, rand() % size, 1 + rand() % size, got, 64), n);
		assert_same(want, got, n);
	}
}

static void a_full_slab_loses_one_line_and_says_so(void **) {
	struct slab *slab = slab_open(65536);
	struct line line = {};
	struct line_slice slice;
	const uint8_t *data = (const uint8_t *)"lo";
	size_t size = 2, n_blocks = 0;
	static void *blocks[8192];

	assert_non_null(slab);
	while (n_blocks < 8192 && (blocks[n_blocks] = slab_get(slab, 64)) != NULL)
		n_blocks++;
	assert_int_equal(line_next(&line, slab, &data, &size, &slice), 0);
	assert_false(line_is_start(&line));
	data = (const uint8_t *)"st\r\nkept\r\n";
	size = 10;
	assert_int_equal(line_next(&line, slab, &data, &size, &slice), 1);
	assert_true(slice.is_full && slice.is_cut);
	assert_int_equal(slice.size, 0);
	assert_int_equal(line_next(&line, slab, &data, &size, &slice), 1);
	assert_memory_equal(slice.data, "kept", 4);
	assert_false(slice.is_full);
	line_reset(&line, slab);
	slab_close(slab);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_however_they_are_cut),
		cmocka_unit_test(lines_around_the_limit_are_cut_there_and_keep_their_tail),
		cmocka_unit_test(random_lines_agree_with_the_oracle),
		cmocka_unit_test(a_full_slab_loses_one_line_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
