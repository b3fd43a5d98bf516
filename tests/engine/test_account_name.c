// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
assert_normal(const struct account_names *names, const char *name, const char *expected) {
	size_t size = strlen(name);
	char *exact = malloc(size + 1), account[ACCOUNT_SIZE] = "?";

	memcpy(exact + 1, name, size); // behind it nothing may be read
	assert_int_equal(account_name(names, exact + 1, size, account), strlen(expected));
	if (*expected)
		assert_string_equal(account, expected);
	free(exact);
}

static void a_name_has_one_form_as_the_operator_says(void **) {
	static const struct {
		struct account_names names;
		const char *name, *expected;
	} cases[] = {
		{{}, "Anna@Example.ORG", "anna@example.org"},
		{{}, "anna", "anna"},
		{{}, "P\xc5\x98\xc3\x8dLI\xc5\xa0", "p\xc5\x98\xc3\x8dli\xc5\xa0"}, // ASCII alone
		{{.is_case_kept = true}, "Anna@Example.ORG", "Anna@Example.ORG"},
		{{.default_domain = "Example.org"}, "Anna", "anna@example.org"},
		{{.default_domain = "example.org"}, "anna@other.org", "anna@other.org"},
		{{.default_domain = "example.org"}, "anna@", "anna@"},
		{{.default_domain = ""}, "anna", "anna"},
		{{.strip_domains = "a.org, Example.ORG"}, "anna@example.org", "anna"},
		{{.strip_domains = "a.org,example.org"}, "anna@b.org", "anna@b.org"},
		{{.strip_domains = "example.org"}, "anna@x.example.org", "anna@x.example.org"},
		{{.strip_domains = "*"}, "anna@b.org", "anna"},
		{{.strip_domains = "*"}, "@b.org", "@b.org"},
		{{.strip_domains = "*"}, "a@b@c", "a@b"},
		{{.strip_domains = "old.org", .default_domain = "new.org"}, "anna@old.org", "anna"},
		{{}, "", ""},
		{{}, "a\nb", ""},
		{{}, "a\x7f", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_normal(&cases[i].names, cases[i].name, cases[i].expected);
}

static void a_name_fits_or_is_none(void **) {
	struct account_names names = {.default_domain = "d"};
	char name[ACCOUNT_SIZE + 1], account[ACCOUNT_SIZE];

	memset(name, 'a', sizeof(name));
	assert_int_equal(account_name(&names, name, ACCOUNT_SIZE - 4, account), ACCOUNT_SIZE - 2);
	assert_int_equal(account_name(&names, name, ACCOUNT_SIZE - 3, account), ACCOUNT_SIZE - 1);
	assert_int_equal(account_name(&names, name, ACCOUNT_SIZE - 2, account), 0);
	names.default_domain = NULL;
	assert_int_equal(account_name(&names, name, ACCOUNT_SIZE - 1, account), ACCOUNT_SIZE - 1);
	assert_int_equal(account_name(&names, name, ACCOUNT_SIZE, account), 0);
}

static void a_master_stands_behind_the_last_separator(void **) {
	static const struct {
		const char *separators, *name;
		size_t user;
	} cases[] = {
		{"*", "anna*admin", 4},
		{"*", "anna@example.org*admin", 16},
		{"*%", "an*na%admin", 5},
		{"*", "anna", 4},
		{"*", "*admin", 6},
		{"*", "anna*", 5},
		{NULL, "anna*admin", 10},
		{"", "anna*admin", 10},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct account_names names = {.master_separators = cases[i].separators};
		assert_int_equal(
			account_name_user(&names, cases[i].name, strlen(cases[i].name)),
			cases[i].user
		);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_one_form_as_the_operator_says),
		cmocka_unit_test(a_name_fits_or_is_none),
		cmocka_unit_test(a_master_stands_behind_the_last_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
