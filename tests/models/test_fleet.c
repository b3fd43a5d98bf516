// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What all accounts together say: where the threshold lies, what is the organisation's, and that a fleet
// kept by an older version is understood.

#include "channel/fleet.h"
#include "models/desk.h"

enum { NOMINAL = 9 };

#define BUDGET 0.5

static struct fleet *fleet_new(void) {
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	assert_non_null(fleet);
	return fleet;
}

// n account-fortnights of which n_high rose to nats.
static double threshold(uint32_t n, uint32_t n_high, double nats) {
	struct fleet *fleet = fleet_new();
	for (uint32_t i = 0; i < n; i++)
		fleet_peak(fleet, i < n_high ? nats : 1);
	double at = fleet_threshold(fleet, BUDGET, NOMINAL);
	free(fleet);
	return at;
}

static void the_threshold_is_nominal_where_the_theory_holds(void **) {
	assert_true(threshold(0, 0, 0) == NOMINAL);
	assert_true(threshold(100, 0, 0) == NOMINAL);
	// The budget: one in a thousand fortnights.
	assert_true(threshold(10000, 10, 10.1) == NOMINAL);
	assert_true(threshold(10000, 10, 30) == NOMINAL);
	// What nearly rose so high says nothing.
	assert_true(threshold(10000, 5000, NOMINAL - 0.3) == NOMINAL);
}

static void the_threshold_rises_with_what_was_too_much(void **) {
	double before = NOMINAL;
	for (uint32_t n_high = 11; n_high < 200; n_high += 9) {
		double at = threshold(10000, n_high, 9.3);
		assert_true(at >= before && at > NOMINAL && at <= NOMINAL + FLEET_SLACK_UP);
		before = at;
	}
	assert_true(before > 9.3); // none of those would be told again
	// An attack on many accounts must not hide itself.
	assert_true(threshold(10000, 5000, 20) == NOMINAL + FLEET_SLACK_UP);
}

// A small fleet learns, too: slowly, as one alert may be chance.
static void a_small_fleet_has_a_threshold_of_its_own(void **) {
	assert_true(threshold(400, 1, 9.1) == NOMINAL + 0.25);
	assert_true(threshold(400, 4, 10.1) > 10);
}

static void what_many_mailboxes_are_is_the_organisations_doing(void **) {
	struct fleet *fleet = fleet_new();
	for (uint16_t day = 100; day < 130; day++) {
		fleet->n_today = 2000;
		fleet_day(fleet, day);
	}
	uint32_t n = 0, told = 0;
	while (n < 500) {
		uint32_t wave = fleet_renumber(fleet);
		n++;
		if (wave) {
			told++;
			assert_int_equal(wave, n);
		}
		assert_int_equal(fleet_is_renumbering(fleet), n >= fleet_wave(fleet));
	}
	assert_int_equal(told, 1);
	assert_true(fleet_wave(fleet) > 55 && fleet_wave(fleet) <= 60);
	// It is over within weeks.
	for (uint16_t day = 130; day < 150; day++) {
		fleet->n_today = 2000;
		fleet_day(fleet, day);
	}
	assert_false(fleet_is_renumbering(fleet));
	free(fleet);
}

static void a_fleet_of_layout_4_is_understood(void **) {
	struct fleet *was = fleet_new(), *is = fleet_new();
	size_t size = offsetof(struct fleet, renumbered);
	for (uint16_t day = 100; day < 200; day++)
		fleet_day(was, day);
	for (uint32_t i = 0; i < 50; i++)
		fleet_adopt(was, 77);
	fleet_share(was, 78);
	fleet_peak(was, 3);
	assert_true(fleet_unpack(NULL, 4, was, size, is));
	assert_memory_equal(is, was, size);
	assert_true(is->renumbered == 0);
	assert_int_equal(fleet_adopters(is, 77), 50);
	assert_false(fleet_unpack(NULL, 4, was, size - 1, is));
	assert_false(fleet_unpack(NULL, 4, was, size + 4, is));
	assert_false(fleet_unpack(NULL, FLEET_LAYOUT + 1, was, sizeof(*was), is));
	free(was);
	free(is);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_threshold_is_nominal_where_the_theory_holds),
		cmocka_unit_test(the_threshold_rises_with_what_was_too_much),
		cmocka_unit_test(a_small_fleet_has_a_threshold_of_its_own),
		cmocka_unit_test(what_many_mailboxes_are_is_the_organisations_doing),
		cmocka_unit_test(a_fleet_of_layout_4_is_understood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
