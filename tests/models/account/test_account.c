// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "../desk.h"
#include "account/account.h"
#include "channel/visitor.h"

static uint64_t address_of(int number) {
	char text[64];
	snprintf(text, sizeof(text), "c%d@partner.example", number);
	return account_address(text);
}

// Of a thousand correspondents the last thirty are known, and hardly any other address: whoever sends or forwards
// something new is not taken for an owner because the owner writes to many.
static void those_written_to_of_late_are_known_and_few_others(void **) {
	static struct account account;
	int n_wrong = 0;
	for (int i = 0; i < 1000; i++) {
		account_wrote(&account, address_of(i));
		for (int k = i < 30 ? 0 : i - 29; k <= i; k++)
			assert_true(account_knows(&account, address_of(k)));
		n_wrong += account_knows(&account, address_of(100000 + i));
	}
	print_message("  %d of 1000 strangers taken for correspondents\n", n_wrong);
	assert_true(n_wrong < 60);
}

// Who is written to again and again stays known, whoever else is written to.
static void a_steady_correspondent_stays_known(void **) {
	static struct account account;
	for (int i = 0; i < 1000; i++) {
		if (i % 10 == 0)
			account_wrote(&account, address_of(-1));
		account_wrote(&account, address_of(i));
		assert_true(account_knows(&account, address_of(-1)));
	}
}

// At 60 places on a day each, and at one on 40 days: or at that one alone.
static struct account account_of(bool roams) {
	struct account account = {.founded = 100, .day = 200, .visits = 100, .n_places = 1};
	account.places[0].residence.days = roams ? 40 : 100;
	account.n_once = roams ? 60 : 0;
	return account;
}

static void an_account_roams_by_the_share_of_places_that_it_did_not_come_back_to(void **) {
	struct account roams = account_of(true), stays = account_of(false);
	assert_in_range(1000 * account_roams(&roams), 590, 610);
	assert_in_range(1000 * account_roams_far(&roams), 590, 610);
	assert_in_range(1000 * account_roams(&stays), 0, 10);
	assert_in_range(1000 * account_roams_far(&stays), 0, 10);
}

// One day in a thousand has a score of 40, two in five one of 2. Who is at a new place on three days of five, and looks
// something up on one of three, ranks between them there; who stays at home ranks as a stranger.
static void an_owner_who_roams_ranks_as_he_does_for_himself(void **) {
	static struct fleet fleet;
	struct account roams = account_of(true), stays = account_of(false);
	meter_teach(&fleet.meters[METER_VOLUME], AGE_FIRST, 0, 599);
	meter_teach(&fleet.meters[METER_VOLUME], AGE_FIRST, 2, 399);
	meter_teach(&fleet.meters[METER_VOLUME], AGE_FIRST, 40, 1);
	meter_fleet_day(&fleet.meters[METER_VOLUME]);
	for (int far = 0; far < 2; far++) {
		assert_int_equal(visitor_owner_score(&stays, &fleet, METER_VOLUME, far, 40), 40);
		assert_int_equal(visitor_owner_score(&roams, &fleet, METER_VOLUME, far, 1), 1);
		assert_in_range(visitor_owner_score(&roams, &fleet, METER_VOLUME, far, 40), 1, 2);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_written_to_of_late_are_known_and_few_others),
		cmocka_unit_test(a_steady_correspondent_stays_known),
		cmocka_unit_test(
			an_account_roams_by_the_share_of_places_that_it_did_not_come_back_to
		),
		cmocka_unit_test(an_owner_who_roams_ranks_as_he_does_for_himself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
