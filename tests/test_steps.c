// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The counter of work itself: what is linear passes, what is not is refused. This file is instrumented
// as the rooms are.

#include "steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static volatile unsigned sum;
static char *volatile text;
static volatile size_t piece = 64; // volatile: so that calls remain calls

static void once(size_t n) {
	for (size_t i = 0; i < n; i++)
		sum += (unsigned)i;
}

static void each_with_each(size_t n) {
	for (size_t i = 0; i < n; i++)
		once(n);
}

// As a buffer that is moved to its front for each byte that is taken out.
static void moved_for_each_byte(size_t n) {
	char *buffer = calloc(1, n + 1);

	text = buffer;
	for (size_t i = 0; i < n; i++)
		memmove(text, text + 1, n - i);
	free(buffer);
}

// As a line that is searched from its start for each byte that comes.
static void searched_for_each_byte(size_t n) {
	char *buffer = calloc(1, n + 1);

	text = buffer;
	for (size_t i = 0; i < n; i++)
		sum += memchr(text, '\n', i) != NULL;
	free(buffer);
}

static void copied_once(size_t n) {
	char *buffer = calloc(1, n + 2 * piece);

	text = buffer;
	for (size_t i = 0; i < n; i += piece)
		memcpy(text + n, text + i, piece);
	free(buffer);
}

static void always_the_same(size_t n) {
	once(10000 + n / 1000);
}

static void set_up_is_large(size_t n) {
	once(100000);
	steps_start();
	once(n);
	steps_stop();
	each_with_each(n);
}

static void what_is_linear_passes(void **state) {
	steps_are_linear(once, 1000);
	steps_are_linear(copied_once, 10000);
	steps_are_linear(set_up_is_large, 1000);
}

static void what_is_quadratic_is_refused(void **state) {
	struct steps cost[2];

	assert_false(steps_grow(each_with_each, 300, cost));
	assert_true(cost[1].blocks > 14 * cost[0].blocks);
	assert_false(steps_grow(moved_for_each_byte, 300, cost));
	assert_true(cost[1].bytes > 14 * cost[0].bytes);
	assert_false(steps_grow(searched_for_each_byte, 300, cost));
	assert_true(cost[1].bytes > 14 * cost[0].bytes);
}

static void what_does_not_grow_is_refused(void **state) {
	struct steps cost[2];

	assert_false(steps_grow(always_the_same, 1000, cost));
}

static void what_libraries_are_given_counts(void **state) {
	char *buffer = calloc(2, 1000);

	text = buffer;
	steps_start();
	memset(text, 'x', 1000 + piece - 64);
	steps_stop();
	assert_true(steps_read().bytes == 1000);
	steps_start();
	assert_non_null(memchr(text, 0, 2000 + piece - 64));
	assert_non_null(memrchr(text, 'x', 2000 + piece - 64));
	assert_int_equal(strlen(text), 1000);
	steps_stop();
	assert_true(steps_read().bytes == 1001 + 1001 + 1001);
	free(buffer);
}

static void what_is_counted_repeats_exactly(void **state) {
	struct steps first[2], again[2];

	steps_grow(once, 1000, first);
	steps_grow(once, 1000, again);
	assert_memory_equal(first, again, sizeof(first));
	assert_true(first[1].blocks - first[0].blocks == 3000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_linear_passes),
		cmocka_unit_test(what_is_quadratic_is_refused),
		cmocka_unit_test(what_does_not_grow_is_refused),
		cmocka_unit_test(what_libraries_are_given_counts),
		cmocka_unit_test(what_is_counted_repeats_exactly),
	};

	return steps_run(tests);
}
