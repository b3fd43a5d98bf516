// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "channel/meter.h"
#include "models/desk.h"

#include <math.h>

enum { SEED = 7, RUNS = 300, LEARNING = 120, DAYS_MAX = 20000 };

static uint8_t innocent_score(uint64_t *random) {
	if (!random_chance(random, 0.05))
		return 0;
	// Heavy tail: geometric, up to the highest.
	uint32_t score = 1;
	while (score < METER_SCORES - 2 && random_chance(random, 0.8))
		score++;
	return score;
}

// Days until ln M reaches the threshold on an innocent stream that is exchangeable with the fleet's.
static uint32_t run_length(struct meter_fleet *fleet, uint64_t *random, double threshold) {
	struct meter meter;
	meter_init(&meter);
	for (uint32_t day = 1; day <= DAYS_MAX; day++) {
		meter.today = innocent_score(random);
		if (meter_nats(&meter, fleet, day / 7) >= threshold)
			return day;
		meter_close(&meter, fleet, day / 7, 0, METER_SILENT);
		if (day % 7 == 0)
			meter_week(&meter);
	}
	return DAYS_MAX;
}

static void innocent_days_run_at_least_as_long_as_promised(void **) {
	static struct meter_fleet fleet;
	uint64_t random = SEED;
	for (int day = 0; day < LEARNING; day++) {
		for (int account = 0; account < 1000; account++)
			meter_teach(&fleet, AGE_FIRST, innocent_score(&random), 1);
		meter_fleet_day(&fleet);
	}
	const double arls[] = {100, 500, 2000};
	for (int i = 0; i < 3; i++) {
		double sum = 0;
		for (int run = 0; run < RUNS; run++)
			sum += run_length(&fleet, &random, log(arls[i]));
		print_message("  seed %d: mean run %.0f at A = %.0f\n", SEED, sum / RUNS, arls[i]);
		assert_true(sum / RUNS >= arls[i]);
	}
}

static void no_day_adds_more_than_its_cap(void **) {
	static struct meter_fleet fleet;
	for (int day = 0; day < LEARNING; day++) {
		meter_teach(&fleet, AGE_FIRST, 0, 100000);
		meter_fleet_day(&fleet);
	}
	struct meter meter;
	meter_init(&meter);
	for (int day = 0; day < 8; day++) {
		double before = meter_nats(&meter, &fleet, 8);
		meter.today = METER_SCORES - 2;
		double after = meter_nats(&meter, &fleet, 8);
		assert_true(after <= before + METER_CAP + 0.3);
		assert_true(meter_day_nats(&meter, &fleet, 8, AGE_FIRST, meter.today) <= METER_CAP);
		meter_close(&meter, &fleet, 8, 0, METER_SILENT);
	}
	assert_true(meter_nats(&meter, &fleet, 8) > 8.85); // it is told within as many days
}

static void a_habit_is_no_evidence_and_a_silenced_day_teaches_nobody(void **) {
	static struct meter_fleet fleet;
	for (int day = 0; day < LEARNING; day++) {
		meter_teach(&fleet, AGE_FIRST, 0, 1000);
		meter_fleet_day(&fleet);
	}
	struct meter meter;
	meter_init(&meter);
	for (int day = 0; day < 100; day++) {
		meter.today = 40;
		meter_close(&meter, &fleet, 20, 0, METER_HABIT);
		if (day % 7 == 0)
			meter_week(&meter);
	}
	assert_true(meter_day_nats(&meter, &fleet, 20, AGE_FIRST, 40) < 0.7);
	float taught = fleet.of[AGE_FIRST].days[90];
	for (int day = 0; day < 20; day++) {
		meter.today = 90;
		meter_close(&meter, &fleet, 20, 0, METER_SILENT);
	}
	assert_true(fleet.of[AGE_FIRST].days[90] == taught);
}

// In a fleet where no stranger ever stayed for a week, one who does is evidence day by day, though less
// than his first day was; where many stay and are as strange, he is none.
static void who_stays_where_nobody_does_is_evidence(void **) {
	static struct meter_fleet fleet;
	const uint8_t strange = meter_score(7);
	for (int day = 0; day < LEARNING; day++) {
		meter_teach(&fleet, AGE_FIRST, 0, 1000);
		meter_fleet_day(&fleet);
	}
	double alone = meter_day_nats(NULL, &fleet, 8, AGE_WEEK, strange);
	assert_true(alone > 0.4 && alone < 1);
	assert_true(meter_day_nats(NULL, &fleet, 8, AGE_WEEK, 1) < 0);
	for (int day = 0; day < LEARNING; day++) {
		meter_teach(&fleet, AGE_WEEK, strange, 3);
		meter_fleet_day(&fleet);
	}
	assert_true(meter_day_nats(NULL, &fleet, 8, AGE_WEEK, strange) < 0);
}

static void scores_are_bounded(void **) {
	assert_int_equal(meter_score(-1), 0);
	assert_int_equal(meter_score(NAN), 0);
	assert_int_equal(meter_score(0.01), 1);
	assert_int_equal(meter_score(1e9), METER_SCORES - 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(innocent_days_run_at_least_as_long_as_promised),
		cmocka_unit_test(no_day_adds_more_than_its_cap),
		cmocka_unit_test(a_habit_is_no_evidence_and_a_silenced_day_teaches_nobody),
		cmocka_unit_test(who_stays_where_nobody_does_is_evidence),
		cmocka_unit_test(scores_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
