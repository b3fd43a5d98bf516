// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/tide.h"
#include "models/desk.h"

#include <math.h>

enum { ACCOUNTS = 600, DAYS = 60, DRIP_DAYS = 14, SEED = 41 };

// n accounts are refused on a day.
static void day(struct tide *tide, uint16_t day, uint32_t n, uint64_t *random) {
	tide_reach(tide, day);
	for (uint32_t i = 0; i < n; i++)
		tide_add(tide, random_next(random));
}

static void an_account_counts_once_a_day(void **) {
	struct tide tide = {0};
	tide_reach(&tide, 100);
	assert_true(tide_add(&tide, 7));
	assert_false(tide_add(&tide, 7));
	tide_reach(&tide, 101);
	assert_true(tide_add(&tide, 7));
	assert_true(tide_nats(&tide) < -1e9); // too little is known
}

static void many_accounts_are_counted_within_a_few_percent(void **) {
	struct tide tide = {0};
	uint64_t random = SEED;
	day(&tide, 100, 20000, &random);
	assert_true(fabs(tide_today(&tide) - 20000) < 600);
}

// Days between 20 and 60: five times as wide as Poisson's. Over 200 runs of two years hardly any is told.
static void days_as_wide_as_those_before_are_hardly_ever_told(void **) {
	uint64_t random = SEED;
	unsigned told = 0;
	for (int run = 0; run < 50; run++) {
		struct tide tide = {0};
		bool over = false;
		for (uint16_t d = 100; d < 100 + 730; d++) {
			day(&tide, d, 20 + random_below(&random, 41), &random);
			over |= tide_nats(&tide) >= 6.6;
		}
		told += over;
	}
	print_message("  told in %u of 50 runs of two years\n", told);
	// Once in two years on average would be 32 of 50.
	assert_true(told <= 32);
}

static void a_third_more_is_told_within_days_and_what_stays_is_learned(void **) {
	struct tide tide = {0};
	uint64_t random = SEED;
	uint16_t d = 100, told = 0;
	for (; d < 160; d++)
		day(&tide, d, 90 + random_below(&random, 21), &random);
	for (; d < 260; d++) {
		day(&tide, d, 135, &random);
		if (!told && tide_nats(&tide) >= 6.6)
			told = d;
	}
	assert_in_range(told, 160, 166);
	assert_true(tide_nats(&tide) < 0);
}

// Through the models: everybody is let in at home, a few mistype elsewhere; then each of 120 accounts a
// day is tried once, from an address and a network of its own, with a password that is not seen.
static void refused_login(struct models *models, uint64_t at, uint32_t user, uint32_t ip) {
	login_run(models, &(struct login){at, user, ip, 0, false, 0});
}

static void a_slow_stuffing_from_unique_addresses_is_told_in_a_week(void **) {
	for (int attacked = 0; attacked < 2; attacked++) {
		struct desk desk;
		struct models *models = desk_models(&desk, 4000);
		uint64_t random = SEED;
		for (uint32_t d = 0; d < DAYS + DRIP_DAYS; d++) {
			for (uint32_t user = 0; user < ACCOUNTS; user++)
				login_run(
					models,
					&(struct login
					){START + d * DAY + 8 * HOUR + user * SECOND,
					  user,
					  IP(80, user / 250, user % 250, 1),
					  0,
					  true,
					  0}
				);
			uint32_t n = 5 + random_below(&random, 10);
			n += attacked && d >= DAYS ? 120 : 0;
			for (uint32_t i = 0; i < n; i++)
				refused_login(
					models,
					START + d * DAY + 9 * HOUR + i * MINUTE,
					random_below(&random, ACCOUNTS),
					IP(110 + random_below(&random, 80),
					   random_below(&random, 256),
					   random_below(&random, 256),
					   9)
				);
		}
		desk_print(&desk);
		assert_int_equal(desk_count(&desk, "password-guessing-slow", ALERT_OPEN), attacked);
		if (attacked) {
			const struct alert *a = desk_last(&desk, "password-guessing-slow");
			assert_int_equal(a->scope, ALERT_CAMPAIGN);
			assert_true(desk.alert[0].time_ns < START + (DAYS + 7) * DAY);
			assert_true(a->score >= a->threshold);
		}
		models_close(models);
		free(desk.alert);
	}
}

// What is usual is the four weeks that ended a week ago: no day more, no day less.
static void a_day_teaches_when_it_is_a_week_old_for_four_weeks(void **) {
	enum { RING = TIDE_LAG + TIDE_PAST, TODAY = 20500 };
	for (unsigned ago = 1; ago <= RING; ago++) {
		struct tide tide = {.day = TODAY, .n_days = RING};
		tide.days[(TODAY - ago) % RING] = TIDE_PAST;
		assert_int_equal(tide_usual(&tide), ago > TIDE_LAG);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_counts_once_a_day),
		cmocka_unit_test(a_day_teaches_when_it_is_a_week_old_for_four_weeks),
		cmocka_unit_test(many_accounts_are_counted_within_a_few_percent),
		cmocka_unit_test(days_as_wide_as_those_before_are_hardly_ever_told),
		cmocka_unit_test(a_third_more_is_told_within_days_and_what_stays_is_learned),
		cmocka_unit_test(a_slow_stuffing_from_unique_addresses_is_told_in_a_week),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
