// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The edges of what validators take: the first and last number of each range and the ones beside it, each with
// right check digits, which are worked out here another way.

#include "match/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_taken(enum validate kind, const char *text, bool is_taken) {
	struct validate_span span;

	if ((validate(kind, (const uint8_t *)text, strlen(text), &span) >= VALIDATE_RIGHT)
	    != is_taken)
		fail_msg("%s must%s be taken", text, is_taken ? "" : " not");
	if (is_taken)
		assert_int_equal(span.to, strlen(text));
}

// ---- Cards

// prefix, then sevens, then the digit that is right: tried, not worked out.
static void card(const char *prefix, int n, bool is_taken) {
	static const int doubled[10] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
	char text[20];
	int sum;

	snprintf(text, sizeof(text), "%s777777777777", prefix);
	text[n] = '\0';
	for (text[n - 1] = '0';; text[n - 1]++) {
		sum = 0;
		for (int i = 0; i < n; i++)
			sum += (n - i) % 2 == 0 ? doubled[text[i] - '0'] : text[i] - '0';
		if (sum % 10 == 0)
			break;
	}
	assert_taken(VALIDATE_LUHN, text, is_taken);
}

static void card_numbers_begin_as_they_are_given_out(void **) {
	static const char *const taken[]
		= {"4000", "4999", "5100", "5599", "2221", "2720", "6011", "6440", "6599"};
	static const char *const left[]
		= {"3999", "5000", "5099", "5600", "2220", "2721", "6010", "6012", "6439", "6600"};
	static const char *const fifteen[] = {"35", "36", "33", "38", "24", "47", "14"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		card(taken[i], 16, true);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		card(left[i], 16, false);
	card("34", 15, true);
	card("37", 15, true);
	for (size_t i = 0; i < sizeof(fifteen) / sizeof(fifteen[0]); i++)
		card(fifteen[i], 15, false);
	card("34", 14, false);
}

// ---- IBAN

// The rest of the whole by 97, one decimal digit at a time.
static unsigned iban_rest(const char *text) {
	char turned[64], digits[128] = "";
	unsigned rest = 0;

	snprintf(turned, sizeof(turned), "%s%.4s", text + 4, text);
	for (const char *p = turned; *p != '\0'; p++)
		sprintf(digits + strlen(digits), "%d", *p <= '9' ? *p - '0' : *p - 'A' + 10);
	for (const char *p = digits; *p != '\0'; p++)
		rest = (rest * 10 + (unsigned)(*p - '0')) % 97;
	return rest;
}

// Of every account there is one right pair from 02 to 98, and for three of them a wrong one with the same rest.
static void of_each_account_one_pair_of_check_digits_is_right(void **) {
	char text[40];
	int n_same = 0;

	for (int account = 0; account < 97; account++) {
		int n_right = 0;

		for (int check = 0; check < 100; check++) {
			bool is_right;

			snprintf(text, sizeof(text), "CZ%02d080000000%011d", check, account);
			is_right = iban_rest(text) == 1 && check >= 2 && check <= 98;
			n_same += iban_rest(text) == 1 && !is_right;
			n_right += is_right;
			assert_taken(VALIDATE_IBAN, text, is_right);
		}
		assert_int_equal(n_right, 1);
	}
	assert_int_equal(n_same, 3);
}

static void iban_has_fifteen_characters_and_capitals(void **) {
	char text[40];

	for (int n = 14; n <= 16; n++)
		for (int check = 2; check <= 98; check++) {
			snprintf(text, sizeof(text), "NO%02d%0*d", check, n - 4, 86011117);
			if (iban_rest(text) == 1)
				assert_taken(VALIDATE_IBAN, text, n >= 15);
		}
	assert_taken(VALIDATE_IBAN, "GB29NWBK60161331926819", true);
	assert_taken(VALIDATE_IBAN, "GB29NwBK60161331926819", false);
	assert_taken(VALIDATE_IBAN, "GB29NWBK6016133192.6819", false);
}

// ---- Birth numbers

// A number of this day whose last four digits begin the search; the whole is divisible by 11.
static void birth(int year, int month, int day, int suffix, bool is_taken) {
	char text[20];
	long whole;

	do
		whole = ((long)year * 10000 + month * 100 + day) * 10000 + ++suffix;
	while (whole % 11 != 0);
	snprintf(text, sizeof(text), "%02d%02d%02d/%04d", year, month, day, suffix);
	assert_taken(VALIDATE_BIRTH_NUMBER, text, is_taken);
}

static void birth_numbers_have_a_day_of_the_year(void **) {
	static const int years[] = {54, 90, 99, 0, 3, 4, 10, 53};

	for (int month = 0; month < 100; month++)
		for (size_t i = 0; i < sizeof(years) / sizeof(years[0]); i++) {
			int plain = month > 50 ? month - 50 : month;
			// 20 more were first given out in 2004.
			bool is_more = plain >= 21 && plain <= 32 && years[i] >= 4 && years[i] < 54;

			birth(years[i], month, 15, 3000, (plain >= 1 && plain <= 12) || is_more);
		}
	for (int day = 0; day < 100; day++)
		birth(90, 1, day, 3000, day >= 1 && day <= 31);
}

// What looks like a year behind the slash is an office's reference.
static void years_behind_a_slash_are_no_birth_numbers(void **) {
	for (int suffix = 1980; suffix < 2050; suffix++)
		for (int day = 1; day <= 31; day++) {
			long whole = (900100l + day) * 10000 + suffix;
			char text[20];

			if (whole % 11 != 0)
				continue;
			snprintf(text, sizeof(text), "9001%02d/%04d", day, suffix);
			assert_taken(VALIDATE_BIRTH_NUMBER, text, suffix < 1990 || suffix > 2039);
		}
}

// Nine digits that leave ten, and 0 behind them: from 1954 to 1985 that was given out.
static void the_old_rest_of_ten_was_given_out_for_a_time(void **) {
	for (int year = 50; year < 90; year++)
		for (int three = 300; three < 322; three++) {
			long nine = ((long)year * 10000 + 615) * 1000 + three;
			char text[20];

			if (nine % 11 != 10)
				continue;
			snprintf(text, sizeof(text), "%02d0615/%03d0", year, three);
			assert_taken(VALIDATE_BIRTH_NUMBER, text, year >= 54 && year <= 85);
			text[10] = '1';
			assert_taken(VALIDATE_BIRTH_NUMBER, text, false);
		}
	assert_taken(VALIDATE_BIRTH_NUMBER, "530101/12", false);
	assert_taken(VALIDATE_BIRTH_NUMBER, "530101-1234", false);
	assert_taken(VALIDATE_BIRTH_NUMBER, "53a101/1234", false);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(card_numbers_begin_as_they_are_given_out),
		cmocka_unit_test(of_each_account_one_pair_of_check_digits_is_right),
		cmocka_unit_test(iban_has_fifteen_characters_and_capitals),
		cmocka_unit_test(birth_numbers_have_a_day_of_the_year),
		cmocka_unit_test(years_behind_a_slash_are_no_birth_numbers),
		cmocka_unit_test(the_old_rest_of_ten_was_given_out_for_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
