// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "../desk.h"
#include "account/residence.h"
#include "channel/fleet.h"

#include <math.h>

enum { FIRST_DAY = 20458, FOUNDED = FIRST_DAY - 100 };

static void a_day_counts_once_however_often_one_comes(void **) {
	struct residence r = {0};
	for (uint16_t day = 0; day < 5; day++)
		for (int visit = 0; visit < 3; visit++)
			assert_int_equal(residence_visit(&r, FIRST_DAY + 2 * day), visit == 0);
	assert_int_equal(r.days, 5);
	assert_false(residence_visit(&r, FIRST_DAY)); // late
	assert_int_equal(r.days, 5);
	assert_int_equal(r.since, FIRST_DAY);
	assert_int_equal(r.seen, FIRST_DAY + 8);
}

// Commitments on three days make a resident, once a week lies between the first and the last.
static void commitments_over_a_week_make_a_resident(void **) {
	for (uint16_t spread = RESIDENCE_SPREAD - 1; spread <= RESIDENCE_SPREAD; spread++)
		for (uint16_t days = RESIDENCE_COMMITS - 1; days <= RESIDENCE_COMMITS; days++) {
			struct residence r = {0};
			residence_visit(&r, FIRST_DAY);
			for (uint16_t i = 0; i < days; i++)
				for (int again = 0; again < 2; again++) {
					uint16_t at = i + 1 < days ? i : spread;
					residence_commit(&r, FIRST_DAY + at);
				}
			assert_int_equal(
				residence_is(&r, FOUNDED, false),
				days == RESIDENCE_COMMITS && spread == RESIDENCE_SPREAD
			);
		}
}

static void who_commits_in_the_first_fortnight_is_at_home(void **) {
	for (uint16_t since = RESIDENCE_FOUNDERS - 1; since <= RESIDENCE_FOUNDERS; since++) {
		struct residence r = {0};
		residence_visit(&r, FIRST_DAY + since);
		assert_false(residence_is(&r, FIRST_DAY, false));
		residence_commit(&r, FIRST_DAY + since + 30);
		assert_int_equal(residence_is(&r, FIRST_DAY, false), since < RESIDENCE_FOUNDERS);
	}
}

static void age_makes_a_resident_only_where_nobody_commits(void **) {
	struct residence r = {0};
	for (uint16_t day = 0; day <= RESIDENCE_AGE; day += 2) {
		assert_false(residence_is(&r, FOUNDED, true));
		residence_visit(&r, FIRST_DAY + day);
	}
	assert_true(residence_is(&r, FOUNDED, true));
	assert_false(residence_is(&r, FOUNDED, false));
}

// The fleet's average over a week goes on through days on which nothing was heard, and forgets no more than a week.
static void days_without_anybody_count_for_the_fleet(void **) {
	static struct fleet fleets[2];
	for (uint16_t silent = 0; silent < 12; silent++) {
		memset(fleets, 0, sizeof(fleets));
		for (int f = 0; f < 2; f++) {
			fleet_day(&fleets[f], FIRST_DAY);
			fleets[f].n_today = 700;
		}
		// One hears of each day, one only of the last.
		for (uint16_t day = 1; day <= silent + 1; day++)
			fleet_day(&fleets[0], FIRST_DAY + day);
		fleet_day(&fleets[1], FIRST_DAY + silent + 1);
		assert_int_equal(fleets[1].day, FIRST_DAY + silent + 1);
		if (silent < 7)
			assert_true(fabsf(fleets[0].n_active - fleets[1].n_active) < 1e-3f);
		else
			assert_true(fabs(fleets[1].n_active - 100 * pow(6 / 7., 6)) < 1e-3);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_counts_once_however_often_one_comes),
		cmocka_unit_test(commitments_over_a_week_make_a_resident),
		cmocka_unit_test(who_commits_in_the_first_fortnight_is_at_home),
		cmocka_unit_test(age_makes_a_resident_only_where_nobody_commits),
		cmocka_unit_test(days_without_anybody_count_for_the_fleet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
