// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "../desk.h"
#include "account/account.h"

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

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_written_to_of_late_are_known_and_few_others),
		cmocka_unit_test(a_steady_correspondent_stays_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
