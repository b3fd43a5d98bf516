// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The conversations of tests/talks/sieve_*.talk, and scripts by themselves.

#include "proto/sieve.h"
#include "talk_sieve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("sieve_", &proto_sieve, sieve_dump), 1, 1000);
}

static void redirects_are_found_outside_comments_and_strings(void **) {
	static const struct {
		const char *script, *targets;
	} cases[] = {
		{"redirect \"a@b\";", "a@b,"},
		{"REDIRECT\t\"a@b\" ;", "a@b,"},
		{"redirect :copy \"a@b\"; keep;", "a@b,"},
		{"redirect :notify \"never\" :ret \"full\" \"a@b\";", "a@b,"},
		{"# redirect \"a@b\";\r\nkeep;", ""},
		{"/* redirect \"a@b\"; * / */ keep;", ""},
		{"if true { redirect/**/\"a@b\"; redirect # x\n \"c@d\"; }", "a@b,c@d,"},
		{"fileinto \"redirect \\\"a@b\\\";\"; stop;", ""},
		{"vacation \"redirect\"; redirects \"a@b\"; myredirect \"a@b\";", ""},
		{"redirect \"a\\\"b\\\\@c\";", "a\"b\\@c,"},
		{"redirect text:\r\na@b\r\n.\r\n;", "a@b,"},
		{"vacation text:\r\nredirect \"a@b\";\r\n..\r\n.\r\n; redirect \"c@d\";", "c@d,"},
		{"redirect \"${to}\";", "${to},"},
		{"redirect \"a@b\"", ""},
		{"redirect ;", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sieve_script script = {0};
		struct sieve_targets *targets = calloc(1, sizeof(*targets));
		char text[200] = "";
		for (const char *at = cases[i].script; *at; at++)
			sieve_script_read(&script, (const uint8_t *)at, 1, targets);
		for (uint32_t n = 0; n < targets->n; n++) {
			strcat(text, targets->target[n]);
			strcat(text, ",");
		}
		if (strcmp(text, cases[i].targets) != 0)
			fail_msg("%s: %s", cases[i].script, text);
		free(targets);
	}
}

static void targets_beyond_the_limits_are_counted(void **) {
	struct sieve_targets *targets = calloc(1, sizeof(*targets));
	struct sieve_script script = {0};
	char address[SIEVE_ADDRESS_SIZE_MAX + 20];
	static const uint8_t one[] = "redirect \"a@b\";";

	for (int i = 0; i < SIEVE_TARGETS_MAX + 1; i++)
		sieve_script_read(&script, one, sizeof(one) - 1, targets);
	assert_int_equal(targets->n, SIEVE_TARGETS_MAX + 1);
	for (int size = SIEVE_ADDRESS_SIZE_MAX; size <= SIEVE_ADDRESS_SIZE_MAX + 1; size++) {
		int n = snprintf(address, sizeof(address), "redirect \"%0*d\";", size, 1);
		memset(targets, 0, sizeof(*targets));
		sieve_script_read(&script, (uint8_t *)address, (size_t)n, targets);
		assert_int_equal(targets->n, size == SIEVE_ADDRESS_SIZE_MAX);
	}
	free(targets);
}

// Each by its name, in capitals and not, and by no beginning of it.
static void every_command_is_found_by_its_name(void **) {
	static const char *const names[] = {
#define SIEVE_COMMAND(id, name) [SIEVE_##id] = name,
		SIEVE_COMMANDS
#undef SIEVE_COMMAND
	};

	const size_t first = SIEVE_OTHER + 1;
	const char *misnamed = talk_misnamed(
		&proto_sieve,
		sieve_dump,
		names + first,
		sizeof(names) / sizeof(names[0]) - first,
		"",
		"",
		"OK\r\n",
		"NO\r\n"
	);

	if (misnamed)
		fail_msg("%s is not found by its name", misnamed);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_found_by_its_name),
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
		cmocka_unit_test(redirects_are_found_outside_comments_and_strings),
		cmocka_unit_test(targets_beyond_the_limits_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
