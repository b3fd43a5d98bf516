// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "desk.h"
#include "distinct.h"

#include <math.h>

enum { SEED = 11, RUNS = 400 };

static void up_to_twenty_are_counted_exactly(void **) {
	struct distinct set = {0};
	for (uint64_t i = 1; i <= DISTINCT_EXACT_MAX; i++) {
		assert_true(distinct_add(&set, i * 0x9e3779b97f4a7c15));
		assert_false(distinct_add(&set, i * 0x9e3779b97f4a7c15));
		assert_true(distinct_count(&set) == i);
	}
}

static double standard_error(uint32_t n, uint64_t *random) {
	double sum = 0;
	for (int run = 0; run < RUNS; run++) {
		struct distinct set = {0};
		for (uint32_t i = 0; i < n; i++)
			distinct_add(&set, random_next(random));
		double away = distinct_count(&set) / (double)n - 1;
		sum += away * away;
	}
	return sqrt(sum / RUNS);
}

// The table in distinct.h.
static void larger_sets_are_estimated_within_the_stated_error(void **) {
	static const struct {
		uint32_t n;
		double error;
	} cases[] = {{40, 0.10}, {160, 0.15}, {1000, 0.14}, {10000, 0.14}};
	uint64_t random = SEED;
	print_message("  seed %d\n", SEED);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double error = standard_error(cases[i].n, &random);
		print_message("  %6u: standard error %.1f %%\n", cases[i].n, 100 * error);
		assert_true(error <= cases[i].error * 1.15); // of an estimate from 400 runs
		assert_true(error >= cases[i].error * 0.5);
	}
}

static void whoever_aims_at_one_register_is_still_counted_as_twenty(void **) {
	struct distinct set = {0};
	for (uint64_t i = 0; i < 10000; i++)
		distinct_add(&set, i);
	assert_true(distinct_count(&set) >= DISTINCT_EXACT_MAX);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_to_twenty_are_counted_exactly),
		cmocka_unit_test(larger_sets_are_estimated_within_the_stated_error),
		cmocka_unit_test(whoever_aims_at_one_register_is_still_counted_as_twenty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
