// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each change of one digit, and of two neighbours, that a check must refuse is refused; what it cannot see is
// listed with the reason.

#include "match/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static enum validate_result result_of(enum validate kind, const char *text) {
	struct validate_span span;

	return validate(kind, (const uint8_t *)text, strlen(text), &span);
}

static bool is_right(enum validate kind, const char *text) {
	return result_of(kind, text) >= VALIDATE_RIGHT;
}

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

// Every other digit in every place. Returns how many are taken for right.
static int single_changes(enum validate kind, const char *number, int *n_r) {
	char text[VALIDATE_WINDOW];
	int n_right = 0;

	for (size_t i = 0; i < strlen(number); i++)
		for (char c = '0'; is_digit(number[i]) && c <= '9'; c++) {
			strcpy(text, number);
			text[i] = c;
			if (c == number[i])
				continue;
			n_right += is_right(kind, text);
			++*n_r;
		}
	return n_right;
}

// Every two different neighbours changed. Those of 0 and 9 are counted apart: Luhn cannot see them.
static int transpositions(enum validate kind, const char *number, int *n_09_r) {
	char text[VALIDATE_WINDOW];
	int n_right = 0;

	for (size_t i = 0; i + 1 < strlen(number); i++) {
		char a = number[i], b = number[i + 1];

		if (!is_digit(a) || !is_digit(b) || a == b)
			continue;
		strcpy(text, number);
		text[i] = b;
		text[i + 1] = a;
		if ((a == '0' && b == '9') || (a == '9' && b == '0'))
			*n_09_r += is_right(kind, text);
		else
			n_right += is_right(kind, text);
	}
	return n_right;
}

static void luhn_refuses_each_changed_digit_and_swapped_pair(void **) {
	static const char *const cards[]
		= {"4111111111111111", "5500000000000004", "4253904272130765", "4539578763621486"};
	int n = 0, n_09 = 0;

	for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
		assert_true(is_right(VALIDATE_LUHN, cards[i]));
		assert_int_equal(single_changes(VALIDATE_LUHN, cards[i], &n), 0);
		assert_int_equal(transpositions(VALIDATE_LUHN, cards[i], &n_09), 0);
	}
	assert_int_equal(n, 4 * 16 * 9);
	// 09 and 90 have the same sum, by the algorithm; there is one in these.
	assert_int_equal(n_09, 1);
}

static void iban_refuses_each_changed_digit_and_swapped_pair(void **) {
	static const char *const ibans[] = {
		"CZ6508000000192000145399",
		"SK3112000000198742637541",
		"DE89370400440532013000",
		"GB29NWBK60161331926819",
		"NL91ABNA0417164300",
	};
	int n = 0, n_09 = 0;

	for (size_t i = 0; i < sizeof(ibans) / sizeof(ibans[0]); i++) {
		assert_true(is_right(VALIDATE_IBAN, ibans[i]));
		assert_int_equal(single_changes(VALIDATE_IBAN, ibans[i], &n), 0);
		assert_int_equal(transpositions(VALIDATE_IBAN, ibans[i], &n_09), 0);
	}
	assert_int_equal(n_09, 0);
	assert_true(n > 5 * 14 * 9);
}

static void birth_number_refuses_each_changed_digit_and_swapped_pair(void **) {
	static const char *const numbers[]
		= {"900628/6971", "905528/6966", "871110/2048", "736028/5163"};
	int n = 0, n_09 = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_true(is_right(VALIDATE_BIRTH_NUMBER, numbers[i]));
		assert_int_equal(single_changes(VALIDATE_BIRTH_NUMBER, numbers[i], &n), 0);
		assert_int_equal(transpositions(VALIDATE_BIRTH_NUMBER, numbers[i], &n_09), 0);
	}
	assert_int_equal(n_09, 0);
	assert_int_equal(n, 4 * 10 * 9);
}

// Until 1985 a rest of 10 was written as 0.
static void birth_number_takes_the_old_rest_of_ten(void **) {
	// 780123354 leaves 10 when divided by 11.
	assert_int_equal(780123354 % 11, 10);
	assert_true(is_right(VALIDATE_BIRTH_NUMBER, "780123/3540"));
	assert_false(is_right(VALIDATE_BIRTH_NUMBER, "780123/3541"));
}

static void sixteen_digits_are_no_card_of_fifteen(void **) {
	assert_true(is_right(VALIDATE_LUHN, "378282246310005"));
	assert_true(is_right(VALIDATE_LUHN, "1 378282246310005"));
	assert_false(is_right(VALIDATE_LUHN, "2378282246310005"));
}

static void a_label_says_what_a_number_is(void **) {
	assert_true(is_right(VALIDATE_LUHN, "karta 4111111111111111"));
	assert_true(is_right(VALIDATE_LUHN, "in order\n4111111111111111"));
	assert_false(is_right(VALIDATE_LUHN, "order 4111111111111111"));
	assert_false(is_right(VALIDATE_LUHN, "Order #4111111111111111"));
	assert_false(is_right(VALIDATE_LUHN, "zásilka: 4111111111111111"));
	assert_false(is_right(VALIDATE_BIRTH_NUMBER, "č. j. 931016/7460"));
	assert_true(is_right(VALIDATE_BIRTH_NUMBER, "r. č. 931016/7460"));
}

// The byte behind the number is the pattern's, and belongs to what is looked at.
static void a_card_that_is_told_stands_alone_or_is_called_one(void **) {
	static const char *const right[] = {
		"4111111111111111",
		"text\r\n 4111111111111111\r",
		"text\n\t4111 1111 1111 1111\n",
		"karta 4111111111111111 ",
		"VISA: 4111111111111111,",
		"karta č. 4111 1111 1111 1111,",
		"card number is 4111111111111111.",
	};
	static const char *const wrong[] = {
		"4111111111111111 ",
		"text 4111111111111111\n",
		"99 | 4111111111111111 ",
		"karta\nx 4111111111111111 ",
		"discard 4111111111111111 ",
		"card zásilka 4111111111111111 ",
		"\n4111111111111112\n",
		"karta 4111111111111112 ",
	};

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(is_right(VALIDATE_LUHN_TOLD, right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(is_right(VALIDATE_LUHN_TOLD, wrong[i]));
}

static void a_year_behind_a_slash_is_a_reference(void **) {
	// Divisible by 11, and a day of birth.
	assert_int_equal(9005152013 % 11, 0);
	assert_false(is_right(VALIDATE_BIRTH_NUMBER, "900515/2013"));
}

static void a_birth_number_without_check_digit_is_called_one(void **) {
	static const char *const right[] = {
		"r. č. 530101/123",
		"r.č.: 530101/123",
		"RČ 530101/123",
		"RC: 530101/123",
		"rodné číslo 530101/123",
	};
	static const char *const wrong[] = {
		"530101/123",
		"č. 530101/123",
		"230512/001",
		"x 230512/001",
		"spr.č. 530101/123",
		"r.č. 541301/123",
		"r.č. 540101/123",
	};

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(is_right(VALIDATE_BIRTH_NUMBER, right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(is_right(VALIDATE_BIRTH_NUMBER, wrong[i]));
}

// All with right check digits.
static void what_a_number_alone_shows_is_looked_at(void **) {
	assert_true(is_right(VALIDATE_LUHN, "2221000000000009"));
	assert_true(is_right(VALIDATE_LUHN, "6011000990139424"));
	assert_true(is_right(VALIDATE_LUHN, "5500000000000004"));
	assert_false(is_right(VALIDATE_LUHN, "2100000000000005"));
	assert_false(is_right(VALIDATE_LUHN, "5600000000000003"));
	assert_false(is_right(VALIDATE_LUHN, "6200000000000005"));
	assert_false(is_right(VALIDATE_BIRTH_NUMBER, "931316/7468"));
	assert_false(is_right(VALIDATE_BIRTH_NUMBER, "931032/7466"));
	assert_true(is_right(VALIDATE_IBAN, "(NL91ABNA0417164300"));
	assert_false(is_right(VALIDATE_IBAN, "xNL91ABNA0417164300"));
	assert_false(is_right(VALIDATE_IBAN, "/NL91ABNA0417164300"));
	assert_false(is_right(VALIDATE_IBAN, "0NL91ABNA0417164300"));
}

static void what_is_wrong_is_told_from_what_is_something_else(void **) {
	static const struct {
		enum validate kind;
		const char *text;
		enum validate_result result;
	} cases[] = {
		{VALIDATE_LUHN, "4111111111111111", VALIDATE_RIGHT},
		{VALIDATE_LUHN, "visa 4111111111111111", VALIDATE_CERTAIN},
		{VALIDATE_LUHN, "4111111111111112", VALIDATE_WRONG},
		{VALIDATE_LUHN, "2100000000000005", VALIDATE_WRONG},
		{VALIDATE_LUHN, "order 4111111111111112", VALIDATE_NONE},
		{VALIDATE_LUHN_TOLD, "x 4111111111111111", VALIDATE_NONE},
		{VALIDATE_LUHN_TOLD, "x 4111111111111112", VALIDATE_WRONG},
		{VALIDATE_IBAN, "CZ6508000000192000145398", VALIDATE_NONE},
		{VALIDATE_BIRTH_NUMBER, "900628/6971", VALIDATE_RIGHT},
		{VALIDATE_BIRTH_NUMBER, "r. č. 900628/6971", VALIDATE_CERTAIN},
		{VALIDATE_BIRTH_NUMBER, "900628/6972", VALIDATE_WRONG},
		{VALIDATE_BIRTH_NUMBER, "931316/7468", VALIDATE_WRONG},
		{VALIDATE_BIRTH_NUMBER, "č. j. 900628/6972", VALIDATE_NONE},
		{VALIDATE_BIRTH_NUMBER, "931316/2023", VALIDATE_NONE},
		{VALIDATE_BIRTH_NUMBER, "230512/001", VALIDATE_NONE},
		{VALIDATE_NOTHING, "anything", VALIDATE_RIGHT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(result_of(cases[i].kind, cases[i].text), cases[i].result);
}

static void a_birth_number_of_late_years_is_told_by_its_name(void **) {
	static const char *const late[] = {"190515/1006", "120101/1009"};
	static const char *const others[] = {"111231/1002", "500101/1004", "900515/1001"};

	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		char called[40];

		assert_true(is_right(VALIDATE_BIRTH_NUMBER, late[i]));
		assert_int_equal(result_of(VALIDATE_BIRTH_NUMBER_TOLD, late[i]), VALIDATE_NONE);
		snprintf(called, sizeof(called), "rodné číslo %s", late[i]);
		assert_int_equal(result_of(VALIDATE_BIRTH_NUMBER_TOLD, called), VALIDATE_CERTAIN);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(result_of(VALIDATE_BIRTH_NUMBER_TOLD, others[i]), VALIDATE_RIGHT);
}

static void a_birth_number_is_told_by_where_it_stands(void **) {
	static const struct {
		const char *text;
		bool is_told;
	} cases[] = {
		{"905528/6966", true},
		{"x\n \t905528/6966\r", true},
		{"jméno a 905528/6966\r", true},
		{"jméno a 905528/6966 ", true},
		{"jméno a  905528/6966\r", false},
		{"80 905528/6966\r", false},
		{"jméno a 905528/6966,", false},
		{"Jan Novák 905528/6966,", true},
		{"Žofie Čapková, 905528/6966)", true},
		{"Zofie C\xcc\x8c"
		 "apkova\xcc\x81 (905528/6966)",
		 true},
		{"Jan novák, 905528/6966,", false},
		{"Jan NOVÁK8, 905528/6966,", false},
		{"Smlouva 905528/6966,", false},
		{"Jan Novák,   905528/6966,", false},
		{"č. j. 905528/6966", false},
		{"c\xcc\x8c"
		 ". j. 905528/6966",
		 false},
		{"objedna\xcc\x81vka 905528/6966", false},
		{"x rodne\xcc\x81 c\xcc\x8ci\xcc\x81slo 905528/6966,", true},
		{"x r. c\xcc\x8c. 905528/6966,", true},
		{"\t905528/6966\t", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((result_of(VALIDATE_BIRTH_NUMBER_TOLD, cases[i].text) >= VALIDATE_RIGHT)
		    != cases[i].is_told)
			fail_msg("\"%s\"", cases[i].text);
}

static void right_ones_among_many_wrong_ones_are_chance(void **) {
	assert_false(validate_is_chance(1, 0));
	assert_true(validate_is_chance(1, 1));
	assert_false(validate_is_chance(2, 3));
	assert_true(validate_is_chance(2, 4));
	assert_false(validate_is_chance(10, 20));
	assert_true(validate_is_chance(10, 100));
	assert_true(validate_is_chance(UINT32_MAX / 3, UINT32_MAX));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(luhn_refuses_each_changed_digit_and_swapped_pair),
		cmocka_unit_test(iban_refuses_each_changed_digit_and_swapped_pair),
		cmocka_unit_test(birth_number_refuses_each_changed_digit_and_swapped_pair),
		cmocka_unit_test(birth_number_takes_the_old_rest_of_ten),
		cmocka_unit_test(sixteen_digits_are_no_card_of_fifteen),
		cmocka_unit_test(a_label_says_what_a_number_is),
		cmocka_unit_test(a_card_that_is_told_stands_alone_or_is_called_one),
		cmocka_unit_test(a_year_behind_a_slash_is_a_reference),
		cmocka_unit_test(a_birth_number_without_check_digit_is_called_one),
		cmocka_unit_test(what_a_number_alone_shows_is_looked_at),
		cmocka_unit_test(what_is_wrong_is_told_from_what_is_something_else),
		cmocka_unit_test(a_birth_number_of_late_years_is_told_by_its_name),
		cmocka_unit_test(a_birth_number_is_told_by_where_it_stands),
		cmocka_unit_test(right_ones_among_many_wrong_ones_are_chance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
