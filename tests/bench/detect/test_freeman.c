// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "freeman.h"
#include "reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LOGINS_MAX = 2000, WARM = 200, VALUES = 7, FEATURES = 2 };

// The columns of the data set that the two features are made of, the finest first.
static const struct {
	int first, n; // of a login's values
	int columns[4];
	double weights[4];
} features[FEATURES] = {
	{0, 3, {4, 8, 5}, {.6, .3, .1}},
	{3,
	 4,
	 {9, 10, 11, 12},
	 {0.5386653840551359, 0.2680451498625666, 0.18818295100109536, 0.0051065150812021525}},
};

// Texts are told apart by the first login that had them.
struct login {
	int index;
	int user;
	int values[VALUES];
};

static struct login logins[LOGINS_MAX];
static int n_logins;

static int number_of(const char *text) {
	static char texts[LOGINS_MAX * 4][256];
	static int n;

	for (int i = 0; i < n; i++)
		if (!strncmp(texts[i], text, sizeof(texts[0]) - 1))
			return i;
	assert_true(n < LOGINS_MAX * 4);
	strncpy(texts[n], text, sizeof(texts[0]) - 1);
	return n++;
}

static void logins_read(void) {
	FILE *file = reference_open("rba_first2000_lossy");
	char *columns[REFERENCE_COLUMNS_MAX];

	while (reference_next(file, columns)) {
		struct login *login = &logins[n_logins];
		if (strcmp(columns[13], "TRUE"))
			continue;
		login->index = atoi(columns[0]);
		login->user = number_of(columns[2]);
		for (int f = 0; f < FEATURES; f++)
			for (int i = 0; i < features[f].n; i++)
				login->values[features[f].first + i]
					= number_of(columns[features[f].columns[i]]);
		n_logins++;
	}
	fclose(file);
}

// How often the value at k of login at is there in logins before end, of its user or of all.
static int count(int at, int k, int end, bool own) {
	int n = 0;

	for (int i = 0; i < end; i++)
		n += logins[i].values[k] == logins[at].values[k]
			&& (!own || logins[i].user == logins[at].user);
	return n;
}

// Different values at k before end; with ≥ 0: only beside this login's value there.
static int kinds(int at, int k, int with, int end) {
	static bool seen[LOGINS_MAX * 4];
	int n = 0;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < end; i++) {
		if (with >= 0 && logins[i].values[with] != logins[at].values[with])
			continue;
		n += !seen[logins[i].values[k]];
		seen[logins[i].values[k]] = true;
	}
	return n;
}

static int users(int end) {
	static bool seen[LOGINS_MAX * 4];
	int n = 0;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < end; i++) {
		n += !seen[logins[i].user];
		seen[logins[i].user] = true;
	}
	return n;
}

static double risk(int at, int *n_own_r) {
	struct freeman_feature f[FEATURES] = {0};

	*n_own_r = 0;
	for (int i = 0; i < at; i++)
		*n_own_r += logins[i].user == logins[at].user;
	if (*n_own_r == 0)
		return 0;
	for (int k = 0; k < FEATURES; k++) {
		int first = features[k].first;
		f[k].n_levels = features[k].n;
		f[k].ever = count(at, first, n_logins, false);
		for (int i = 0; i < features[k].n; i++) {
			f[k].level[i].weight = features[k].weights[i];
			f[k].level[i].own = count(at, first + i, at, true);
			f[k].level[i].fleet = count(at, first + i, at, false);
			f[k].kinds += i > 0 ? kinds(at, first + i, -1, at) : 0;
			f[k].kinds_with += i > 0 ? kinds(at, first + i, first, n_logins) : 0;
		}
	}
	return exp(freeman_log_risk(f, FEATURES, *n_own_r, at, users(at)));
}

static void the_published_implementation_gives_the_same_risks(void **state) {
	FILE *file = reference_open("freeman_rba_scores_on_first2000");
	char *columns[REFERENCE_COLUMNS_MAX];
	int n = 0, at = WARM, n_own;

	logins_read();
	for (; reference_next(file, columns); n++) {
		while (at < n_logins && logins[at].index < atoi(columns[0])) {
			risk(at, &n_own); // those left out are first logins
			assert_int_equal(n_own, 0);
			at++;
		}
		assert_int_equal(logins[at].index, atoi(columns[0]));
		double expected = atof(columns[3]), seen = risk(at++, &n_own);
		assert_int_equal(n_own + 1, atoi(columns[2]));
		// The table has twelve decimals.
		assert_true(fabs(seen - expected) < 1e-11 + 1e-11 * expected);
	}
	assert_int_equal(n, 311);
	fclose(file);
}

static void what_a_user_never_had_counts_four_times_as_risky_as_for_anybody(void **state) {
	struct freeman_feature known = {1, {{1, 5, 50}}, .ever = 50};
	struct freeman_feature strange = {1, {{1, 0, 50}}, .ever = 50};

	double a = freeman_log_risk(&known, 1, 5, 100, 10);
	double b = freeman_log_risk(&strange, 1, 5, 100, 10);
	assert_true(b > a);
	assert_true(fabs(b - (log(100) - log(10) - log(5) + log(4))) < 1e-12);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_implementation_gives_the_same_risks),
		cmocka_unit_test(what_a_user_never_had_counts_four_times_as_risky_as_for_anybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
