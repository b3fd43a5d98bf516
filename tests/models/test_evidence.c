// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "bench/detect/reference.h"
#include "desk.h"
#include "evidence.h"

#include <math.h>

enum { SEED = 13, RUNS = 300, BERNOULLI_RUNS = 2000 };

static void the_default_budget_is_one_and_never_more_than_twenty_a_day(void **) {
	assert_float_equal(evidence_budget(0, 0), 1, 1e-9);
	assert_float_equal(evidence_budget(0, 5000), 1, 1e-9);
	assert_float_equal(evidence_budget(0, 140000), 1, 1e-9);
	// A million accounts have 140 a week.
	assert_float_equal(evidence_budget(0, 1000000), .14, 1e-9);
	assert_float_equal(evidence_budget(3, 1000000), 3, 1e-9);
}

static void the_threshold_follows_from_the_budget(void **) {
	assert_true(fabs(evidence_threshold(0) - (8.8537 + log(EVIDENCE_CHANNELS))) < 1e-3);
	assert_true(fabs(evidence_threshold(0.1) - evidence_threshold(1) - log(10)) < 1e-9);
	assert_true(evidence_threshold(NAN) == evidence_threshold(1));
}

static void it_is_the_plain_recursion_in_logarithms(void **) {
	struct evidence evidence = {0};
	double m = 0;
	uint64_t random = SEED;
	print_message("  seed %d\n", SEED);
	for (int i = 0; i < 10000; i++) {
		double nats = (double)random_below(&random, 5000) / 1000 - 3;
		m = exp(nats) * (m + 1);
		evidence_add(&evidence, nats);
		assert_true(fabs(evidence_nats(&evidence) - log(m)) < 1e-6);
		if (m > 1e20) {
			m = 0;
			evidence = (struct evidence){0};
		}
	}
}

static double
bernoulli_run(uint64_t *random, double p0, double p1, double p_true, double threshold) {
	struct evidence evidence = {0};
	double hit = log(p1 / p0), miss = log((1 - p1) / (1 - p0));
	for (int n = 1;; n++) {
		evidence_add(&evidence, random_chance(random, p_true) ? hit : miss);
		if (evidence_nats(&evidence) >= log(threshold))
			return n;
	}
}

// Run lengths without and with a change, against tabled ones; without it no shorter than promised.
static void run_lengths_on_bernoulli_streams_are_the_tabled_ones(void **) {
	uint64_t random = SEED;
	char *columns[REFERENCE_COLUMNS_MAX];
	FILE *file = reference_open("edetector_bernoulli_arl_mc");
	int n_rows = 0;
	for (; reference_next(file, columns) == 7; n_rows++) {
		double p0 = atof(columns[1]), p1 = atof(columns[2]), p = atof(columns[3]);
		double threshold = atof(columns[4]), tabled = atof(columns[5]);
		double sum = 0, squares = 0;
		for (int run = 0; run < BERNOULLI_RUNS; run++) {
			double n = bernoulli_run(&random, p0, p1, p, threshold);
			sum += n;
			squares += n * n;
		}
		double mean = sum / BERNOULLI_RUNS;
		double se = sqrt((squares / BERNOULLI_RUNS - mean * mean) / BERNOULLI_RUNS);
		double se_tabled = atof(columns[6]);
		print_message("  seed %d: %.1f, tabled %.1f\n", SEED, mean, tabled);
		assert_true(fabs(mean - tabled) < 4 * sqrt(se * se + se_tabled * se_tabled));
		assert_true(p > p0 || mean >= threshold);
	}
	assert_int_equal(n_rows, 12);
	fclose(file);
}

static void time_takes_a_nat_in_a_week_and_never_runs_back(void **) {
	struct evidence evidence = {0};
	evidence_decay(&evidence, START);
	for (int i = 0; i < 5; i++)
		evidence_add(&evidence, 3);
	double before = evidence_nats(&evidence);
	evidence_decay(&evidence, START + 7 * DAY);
	assert_true(fabs(before - 1 - evidence_nats(&evidence)) < 1e-9);
	evidence_decay(&evidence, START);
	assert_true(fabs(before - 1 - evidence_nats(&evidence)) < 1e-9);
	evidence_decay(&evidence, UINT64_MAX);
	assert_true(evidence_nats(&evidence) < -700);
	evidence_add(&evidence, 2);
	assert_true(fabs(evidence_nats(&evidence) - 2) < 1e-9);
}

static void evidence_has_an_upper_end(void **) {
	struct evidence evidence = {0};
	for (int i = 0; i < 1000000; i++)
		evidence_add(&evidence, 2.25);
	assert_true(evidence_nats(&evidence) <= EVIDENCE_MAX);
	assert_true(evidence_nats(&evidence) >= EVIDENCE_MAX - 1);
}

// The guarantee: on an innocent stream (here of first contacts, of which one in ten is refused) the
// mean number of observations until A is at least A.
static void innocent_streams_run_at_least_as_long_as_promised(void **) {
	const double a = 2000;
	double total = 0;
	uint64_t random = SEED;
	for (int run = 0; run < RUNS; run++) {
		struct evidence evidence = {0};
		while (evidence_nats(&evidence) < log(a)) {
			bool refused = random_chance(&random, 0.1);
			evidence_add(&evidence, refused ? log(0.95 / 0.1) : log(0.05 / 0.9));
			total++;
		}
	}
	print_message("  seed %d: mean run %.0f at A = %.0f\n", SEED, total / RUNS, a);
	assert_true(total / RUNS >= a);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_threshold_follows_from_the_budget),
		cmocka_unit_test(the_default_budget_is_one_and_never_more_than_twenty_a_day),
		cmocka_unit_test(it_is_the_plain_recursion_in_logarithms),
		cmocka_unit_test(run_lengths_on_bernoulli_streams_are_the_tabled_ones),
		cmocka_unit_test(time_takes_a_nat_in_a_week_and_never_runs_back),
		cmocka_unit_test(evidence_has_an_upper_end),
		cmocka_unit_test(innocent_streams_run_at_least_as_long_as_promised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
