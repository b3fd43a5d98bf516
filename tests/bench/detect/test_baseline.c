// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "baseline.h"
#include "reference.h"
#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { RUNS = 4000 };

#define LONGEST 500 // run lengths beyond take too long to simulate
#define SEED 20260105

// Mean run length by simulation against the table's, to five standard errors; run lengths vary about
// as much as they are long.
static void assert_run_length(double sum, double expected) {
	double mean = sum / RUNS, error = expected / sqrt(RUNS);

	if (fabs(mean - expected) > 5 * error)
		print_message("seed %d: %.2f steps, the table has %.2f\n", SEED, mean, expected);
	assert_true(fabs(mean - expected) <= 5 * error);
}

static void gaussian_cusum_runs_as_long_as_its_table_says(void **state) {
	FILE *file = reference_open("cusum_normal_arl");
	char *columns[REFERENCE_COLUMNS_MAX];
	struct rng rng = {SEED};
	int n = 0;

	while (reference_next(file, columns)) {
		double k = atof(columns[0]), h = atof(columns[1]), shift = atof(columns[2]),
		       sum = 0;
		if (atof(columns[3]) > LONGEST)
			continue;
		for (int run = 0; run < RUNS; run++)
			for (double s = 0; s <= h; sum++)
				s = cusum_next(s, rng_normal(&rng, shift, 1), k);
		assert_run_length(sum, atof(columns[3]));
		n++;
	}
	assert_true(n > 80);
	fclose(file);
}

static void poisson_cusum_runs_as_long_as_its_table_says(void **state) {
	FILE *file = reference_open("cusum_poisson_arl");
	char *columns[REFERENCE_COLUMNS_MAX];
	struct rng rng = {SEED};
	int n = 0;

	while (reference_next(file, columns)) {
		double k = atof(columns[1]), h = atof(columns[2]), mean = atof(columns[3]), sum = 0;
		if (atof(columns[4]) > LONGEST)
			continue;
		for (int run = 0; run < RUNS; run++)
			for (double s = 0; s < h; sum++)
				s = cusum_next(s, rng_poisson(&rng, mean), k);
		assert_run_length(sum, atof(columns[4]));
		n++;
	}
	assert_true(n > 40);
	fclose(file);
}

static void ewma_runs_as_long_as_its_table_says(void **state) {
	FILE *file = reference_open("ewma_normal_arl");
	char *columns[REFERENCE_COLUMNS_MAX];
	struct rng rng = {SEED};
	int n = 0;

	while (reference_next(file, columns)) {
		double lambda = atof(columns[0]), shift = atof(columns[2]), sum = 0;
		double limit = atof(columns[1]) * sqrt(lambda / (2 - lambda));
		if (atof(columns[3]) > LONGEST + 1)
			continue;
		for (int run = 0; run < RUNS; run++)
			for (double z = 0; fabs(z) <= limit; sum++)
				z = ewma_next(z, rng_normal(&rng, shift, 1), lambda);
		assert_run_length(sum, atof(columns[3]));
		n++;
	}
	assert_true(n > 30);
	fclose(file);
}

// ---- The detectors on activity

struct told {
	double best[BASELINES];
	int n[BASELINES];
};

static void
told_put(void *ctx, enum baseline baseline, uint32_t account, uint64_t time_ns, double score) {
	struct told *told = ctx;

	told->n[baseline]++;
	if (score > told->best[baseline])
		told->best[baseline] = score;
}

static struct baselines *baselines_make(struct told *told) {
	struct baselines_config config = {
		.n_accounts = 2,
		.start_ns = SIM_START_NS,
		.learning_days = 14,
		.score = told_put,
		.ctx = told,
	};

	*told = (struct told){0};
	return baselines_open(&config);
}

// A login that reads n bodies, old ones, and flags some when it is its owner's.
static struct activity
reading(uint16_t day, uint8_t net, uint32_t asn, const char *country, uint32_t n, bool owner) {
	struct activity activity = {
		.time_ns = SIM_START_NS + day * SIM_DAY_NS + 10 * SIM_HOUR_NS,
		.source = {.ip = {{192, 0, net, 1}, 4}, .asn = asn},
		.client = {.grammar = owner ? 11 : 13},
		.auth = {.success = 1},
		.n_mailboxes = 1,
		.mailboxes = {{.n_bodies = n, .dated = n, .old = n, .store = owner ? 3 : 0}},
	};

	memcpy(activity.source.country, country, 3);
	return activity;
}

static void owner_lives(struct baselines *baselines, uint16_t from, uint16_t to) {
	for (uint16_t day = from; day < to; day++) {
		struct activity activity = reading(day, 1, 64512, "CZ", 10, true);
		baselines_run(baselines, 0, &activity);
	}
}

static void nothing_is_told_while_it_learns(void **state) {
	struct told told;
	struct baselines *baselines = baselines_make(&told);

	owner_lives(baselines, 0, 14);
	for (int i = 0; i < BASELINES; i++)
		assert_int_equal(told.n[i], 0);
	baselines_close(baselines);
}

static void who_never_commits_is_counted_and_who_does_is_not(void **state) {
	struct told told;
	struct baselines *baselines = baselines_make(&told);

	owner_lives(baselines, 0, 40);
	double quiet = told.best[BASELINE_CUSUM];
	assert_true(quiet <= 0);
	for (uint16_t day = 40; day < 60; day++) {
		struct activity activity = reading(day, 7, 64600, "CZ", 5, false);
		baselines_run(baselines, 0, &activity);
	}
	// Twenty days clipped at 2.5, less a half each.
	assert_true(told.best[BASELINE_CUSUM] > 39 && told.best[BASELINE_CUSUM] <= 40);
	assert_true(told.best[BASELINE_EWMA] > 2);
	assert_true(told.best[BASELINE_STATIC_FLEET] < 16);
	baselines_close(baselines);
}

static void a_login_from_far_away_an_hour_later_is_impossible_travel(void **state) {
	struct told told;
	struct baselines *baselines = baselines_make(&told);

	owner_lives(baselines, 0, 20);
	assert_int_equal(told.n[BASELINE_TRAVEL] + told.n[BASELINE_COUNTRY], 0);
	struct activity activity = reading(19, 9, 64700, "AU", 0, false);
	activity.time_ns += SIM_HOUR_NS;
	baselines_run(baselines, 0, &activity);
	assert_true(told.best[BASELINE_TRAVEL] > 10000);
	assert_int_equal(told.n[BASELINE_COUNTRY], 1);
	// Neighbours are no travel.
	activity = reading(21, 9, 64700, "AU", 0, false);
	baselines_run(baselines, 1, &activity);
	int n = told.n[BASELINE_TRAVEL];
	activity = reading(22, 1, 64512, "CZ", 0, false);
	baselines_run(baselines, 1, &activity);
	assert_int_equal(told.n[BASELINE_TRAVEL], n + 1);
	activity = reading(22, 1, 64512, "SK", 0, false);
	activity.time_ns += SIM_HOUR_NS;
	baselines_run(baselines, 1, &activity);
	assert_int_equal(told.n[BASELINE_TRAVEL], n + 1);
	baselines_close(baselines);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaussian_cusum_runs_as_long_as_its_table_says),
		cmocka_unit_test(poisson_cusum_runs_as_long_as_its_table_says),
		cmocka_unit_test(ewma_runs_as_long_as_its_table_says),
		cmocka_unit_test(nothing_is_told_while_it_learns),
		cmocka_unit_test(who_never_commits_is_counted_and_who_does_is_not),
		cmocka_unit_test(a_login_from_far_away_an_hour_later_is_impossible_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
