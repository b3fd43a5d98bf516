// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct charsets *charsets;

// A copy of its exact size, so that ASan sees a read past the end.
static struct header_slice slice(const char *text, size_t size) {
	uint8_t *data = malloc(size + !size);

	memcpy(data, text, size);
	return (struct header_slice){data, size};
}

static void slice_free(struct header_slice value) {
	free((void *)value.data);
}

static void fields_split_at_their_colon(void **) {
	static const struct {
		const char *field, *name, *value;
		int result;
		uint32_t flaws;
	} cases[] = {
		{"A: b", "A", "b", 1, 0},
		{"A:b", "A", "b", 1, 0},
		{"A:", "A", "", 1, 0},
		{"A :  b  ", "A", "b", 1, HEADER_OFF_GRAMMAR},
		{"A:: b", "A", ": b", 1, 0},
		{": b", NULL, NULL, -1, 0},
		{"A b: c", NULL, NULL, -1, HEADER_OFF_GRAMMAR},
		{"A", NULL, NULL, -1, 0},
		{"", NULL, NULL, -1, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct header_slice field = slice(cases[i].field, strlen(cases[i].field)), name,
				    value;
		uint32_t flaws = 0;
		assert_int_equal(header_split(field, &name, &value, &flaws), cases[i].result);
		assert_int_equal(flaws, cases[i].flaws);
		if (cases[i].result == 1) {
			assert_int_equal(name.size, strlen(cases[i].name));
			assert_memory_equal(name.data, cases[i].name, name.size);
			assert_int_equal(value.size, strlen(cases[i].value));
			assert_memory_equal(value.data, cases[i].value, value.size);
		}
		slice_free(field);
	}
}

static void m13_encoded_words_are_decoded_and_what_cannot_be_stands_as_it_is(void **) {
	static const struct {
		const char *value, *text;
		uint32_t flaws;
	} cases[] = {
		{"plain", "plain", 0},
		{"=?utf-8?Q?=C4=8D?=", "č", 0},
		{"=?UTF-8?b?xI0=?=", "č", 0},
		{"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab", 0}, // the blank between is not shown
		{"=?utf-8?Q?a?=\t \r\n =?utf-8?Q?b?=", "ab", 0},
		{"=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c", 0},
		{"=?utf-8?Q?a_b=20c?=", "a b c", 0},
		{"=?utf-8*cs?Q?a?=", "a", 0}, // RFC 2231: a language
		{"=?windows-1250?Q?=9Elu=9Dou=E8k=FD?=", "žluťoučký", 0},
		{"=?iso-8859-2?B?7bvo?=", "íťč", 0},
		{"=?utf-8?B?xA==?= =?utf-8?B?jQ==?=", "č", 0}, // a character over two words
		{"=?utf-8?B?xA==?= x", "\xef\xbf\xbd x", HEADER_BAD_WORD}, // half a character
		{"=?utf-8?B?xA==?=", "\xef\xbf\xbd", HEADER_BAD_WORD},
		{"=?utf-8?Q?=C0=AF=ED=A0=80?=",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
		 HEADER_BAD_WORD},
		{"=?us-ascii?Q?=9Elu=9D?=", "\xef\xbf\xbdlu\xef\xbf\xbd", HEADER_BAD_WORD},
		{"=?utf-8?B?xA==?= =?iso-8859-2?Q?=E8?=", "\xef\xbf\xbdč", HEADER_BAD_WORD},
		// Bytes without a label: UTF-8 as a whole (RFC 6532), or else Windows-1250.
		{"žluťoučký =?utf-8?Q?k=C5=AF=C5=88?=", "žluťoučký kůň", 0},
		{"\x9elu\x9dou\xe8k\xfd =?utf-8?Q?k=C5=AF=C5=88?=",
		 "žluťoučký kůň",
		 HEADER_OFF_GRAMMAR},
		{"\x9elu=?utf-8?Q?=?=\x9d", "žlu=ť", HEADER_OFF_GRAMMAR | HEADER_BAD_WORD},
		{"a\xc4", "aÄ", HEADER_OFF_GRAMMAR},
		{"=?x-none?Q?\x9e?=", "=?x-none?Q?ž?=", HEADER_OFF_GRAMMAR | HEADER_BAD_WORD},
		{"=?x-none?Q?a?=", "=?x-none?Q?a?=", HEADER_BAD_WORD},
		{"=?utf-8?Q?a", "=?utf-8?Q?a", HEADER_BAD_WORD},
		{"=?utf-8?X?a?=", "=?utf-8?X?a?=", 0},
		{"=?utf-8?Q?=4?=", "=4", HEADER_BAD_WORD},
		{"=?utf-8?B?Y.Q=?=", "a", HEADER_BAD_WORD},
		{"=?utf-8?Q?a b?=", "a b", HEADER_BAD_WORD}, // raw blanks, as some write them
		{"a=?utf-8?Q?b?=c", "abc", 0},
		{"==?=?", "==?=?", 0},
		{"=?utf-16?B?/v8AYQ==?=", "a", 0},
		{"=?iso-2022-jp?B?GyRCJCI=?= =?iso-2022-jp?B?JCQbKEI=?=", "あい", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct header_slice value = slice(cases[i].value, strlen(cases[i].value));
		uint8_t out[200];
		uint32_t flaws = 0;
		size_t n = header_text(charsets, value, out, sizeof(out), &flaws);
		if (n != strlen(cases[i].text) || memcmp(out, cases[i].text, n) != 0)
			fail_msg("%s: %.*s", cases[i].value, (int)n, out);
		if (flaws != cases[i].flaws)
			fail_msg("%s: flaws %x", cases[i].value, flaws);
		// However little room there is.
		for (size_t room = 0; room < n; room++) {
			flaws = 0;
			assert_true(header_text(charsets, value, out, room, &flaws) <= room);
			assert_true(flaws & HEADER_CUT);
		}
		slice_free(value);
	}
}

static void m11_parameters_are_read_as_rfc_2231_says(void **) {
	static const struct {
		const char *value, *text; // of filename; NULL: it has none
		uint32_t flaws;
	} cases[] = {
		{"attachment", NULL, 0},
		{"attachment; filename=a.txt", "a.txt", 0},
		{"attachment; FileName=\"a b.txt\"", "a b.txt", 0},
		{"attachment; filename=\"a\\\"b\"", "a\"b", 0},
		{"attachment; filename=a b", "a b", HEADER_OFF_GRAMMAR},
		{"attachment; filename=\"a;b\"; size=1", "a;b", 0},
		{"attachment (; filename=no); filename=yes", "yes", 0},
		{"attachment; filename*=utf-8''%C4%8D", "č", 0},
		{"attachment; filename*=windows-1250'cs'%E8", "č", 0},
		{"attachment; filename*=utf-8'no quote",
		 "utf-8'no quote",
		 HEADER_BAD_PARAM | HEADER_OFF_GRAMMAR},
		{"attachment; filename*=utf-8''%4", "%4", HEADER_BAD_PARAM},
		{"attachment; filename*0=a; filename*1=b", "ab", 0},
		{"attachment; filename*1=b; filename*0=a", "ab", HEADER_BAD_PARAM},
		{"attachment; filename*0*=utf-8''%C4; filename*1*=%8D; filename*2=.txt",
		 "č.txt",
		 0},
		{"attachment; filename*0=a; filename*2=c", "ac", HEADER_BAD_PARAM},
		{"attachment; filename*00=a", "a", 0},
		{"attachment; filename*4294967295=a", NULL, HEADER_BAD_PARAM},
		{"attachment; filename*64=a", NULL, HEADER_BAD_PARAM},
		{"attachment; filename=a; filename=a", "a", 0},
		{"attachment; filename=a; filename=b", "a", HEADER_TWICE},
		{"attachment; filename=a; filename*=utf-8''a", "a", 0},
		{"attachment; filename=a; filename*=utf-8''b", "b", HEADER_TWICE},
		{"attachment; filename=\"=?utf-8?Q?=C4=8D?=\"", "č", 0}, // no grammar allows it
		{"attachment; filename=\"open", "open", HEADER_OFF_GRAMMAR},
		{"attachment; filename=", "", 0},
		{"attachment; filename", "", 0},
		{"attachment;;; filename=a", "a", 0},
		{"attachment; filename=kůň.txt", "kůň.txt", 0},
		{"attachment; filename=\"k\xf9\xf2.txt\"", "kůň.txt", HEADER_OFF_GRAMMAR},
		{"attachment; filename*=utf-8''%C4", "\xef\xbf\xbd", HEADER_BAD_WORD},
		{"attachment; filename*0*=utf-8''%C4; filename*1=\xe8",
		 "\xef\xbf\xbdč",
		 HEADER_OFF_GRAMMAR | HEADER_BAD_WORD},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct header_slice value = slice(cases[i].value, strlen(cases[i].value));
		uint8_t out[HEADER_NAME_SIZE_MAX];
		uint32_t flaws = 0;
		int n = header_param(charsets, value, "filename", out, sizeof(out), &flaws);
		if (cases[i].text == NULL ? n != -1
					  : n < 0 || (size_t)n != strlen(cases[i].text)
				    || memcmp(out, cases[i].text, (size_t)n) != 0)
			fail_msg("%s: %d %.*s", cases[i].value, n, n > 0 ? n : 0, out);
		if (flaws != cases[i].flaws)
			fail_msg("%s: flaws %x", cases[i].value, flaws);
		slice_free(value);
	}
}

// Its lines are compared with the bytes it has.
static void a_boundary_is_the_bytes_it_is(void **) {
	struct header_slice value = slice("multipart/mixed; boundary=\"a\xe8\xc4\"", 30);
	uint8_t out[HEADER_NAME_SIZE_MAX];
	uint32_t flaws = 0;

	assert_int_equal(header_param(charsets, value, "boundary", out, sizeof(out), &flaws), 3);
	assert_memory_equal(out, "a\xe8\xc4", 3);
	slice_free(value);
}

static void m11_parameters_beyond_the_limit_are_not_looked_at(void **) {
	for (int n = HEADER_PARAMS_MAX - 1; n <= HEADER_PARAMS_MAX + 1; n++) {
		char text[20 * (HEADER_PARAMS_MAX + 3)] = "x";
		uint8_t out[HEADER_NAME_SIZE_MAX];
		uint32_t flaws = 0;
		for (int i = 1; i < n; i++)
			strcat(text, "; a=b");
		strcat(text, "; filename=c");
		struct header_slice value = slice(text, strlen(text));
		int found = header_param(charsets, value, "filename", out, sizeof(out), &flaws);
		assert_int_equal(found, n > HEADER_PARAMS_MAX ? -1 : 1);
		assert_int_equal(flaws, n > HEADER_PARAMS_MAX ? HEADER_CUT : 0);
		slice_free(value);
	}
}

static void m12_comments_nest_without_end_and_without_recursion(void **) {
	static char text[200000];
	uint32_t flaws = 0;

	memset(text, '(', sizeof(text));
	memcpy(text + sizeof(text) - 1, "\\", 1); // the last byte escapes nothing
	struct header_slice value = slice(text, sizeof(text));
	assert_string_equal(header_first(value, true, &flaws).text, "");
	assert_int_equal(flaws, HEADER_OFF_GRAMMAR);
	slice_free(value);
	memset(text + sizeof(text) / 2, ')', sizeof(text) / 2 - 1);
	text[sizeof(text) - 1] = 'x';
	flaws = 0;
	value = slice(text + 1, sizeof(text) - 1);
	assert_string_equal(header_first(value, true, &flaws).text, "x");
	slice_free(value);
}

static void dates_are_read_in_old_forms_too(void **) {
	static const struct {
		const char *value;
		int64_t seconds; // -1: none
	} cases[] = {
		{"Thu, 01 Jan 1970 00:00:00 +0000", 0},
		{"1 Jan 1970 01:00 +0100", 0},
		{"Tue, 24 Nov 2026 03:45:35 GMT", 1795491935},
		{"24 Nov 26 03:45:35 -0000", 1795491935},
		{"Sat, 31 Dec 99 23:59:60 +0000", 946684800},
		{"29 Feb 2024 12:00:00 (CET) +0100", 1709204400},
		{"tomorrow", -1},
		{"32 Jan 2020 00:00 +0000", -1},
		{"1 Foo 2020 00:00 +0000", -1},
		{"", -1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct header_slice value = slice(cases[i].value, strlen(cases[i].value));
		int64_t seconds = -1;
		bool found = header_date(value, &seconds);
		assert_int_equal(found, cases[i].seconds != -1);
		if (found && seconds != cases[i].seconds)
			fail_msg("%s: %jd", cases[i].value, (intmax_t)seconds);
		slice_free(value);
	}
}

// What a header of bytes without a label is read as is a choice; UTF-8 stays what it is.
static void bytes_without_a_label_are_read_as_was_asked_for(void **) {
	static const struct {
		const char *set, *value, *text;
	} cases[] = {
		{"koi8-r", "\xd4\xc1\xca\xce\xcf", "тайно"},
		{"windows-1251", "\xf2\xe0\xe9\xed\xee", "тайно"},
		{"Shift_JIS", "\x83\x65\x83\x58\x83\x67", "テスト"},
		{"utf-8", "a\xe1", "a\xef\xbf\xbd"},
		{"koi8-r", "žluťoučký", "žluťoučký"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct charsets *sets = charsets_open(cases[i].set);
		struct header_slice value = slice(cases[i].value, strlen(cases[i].value));
		uint8_t out[200];
		uint32_t flaws = 0;
		size_t n = header_text(sets, value, out, sizeof(out), &flaws);
		if (n != strlen(cases[i].text) || memcmp(out, cases[i].text, n) != 0)
			fail_msg("%s: %.*s", cases[i].set, (int)n, out);
		slice_free(value);
		charsets_close(sets);
	}
}

static int set_up(void **) {
	charsets = charsets_open("windows-1250");
	return charsets == NULL;
}

static int tear_down(void **) {
	charsets_close(charsets);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_split_at_their_colon),
		cmocka_unit_test(m13_encoded_words_are_decoded_and_what_cannot_be_stands_as_it_is),
		cmocka_unit_test(bytes_without_a_label_are_read_as_was_asked_for),
		cmocka_unit_test(m11_parameters_are_read_as_rfc_2231_says),
		cmocka_unit_test(a_boundary_is_the_bytes_it_is),
		cmocka_unit_test(m11_parameters_beyond_the_limit_are_not_looked_at),
		cmocka_unit_test(m12_comments_nest_without_end_and_without_recursion),
		cmocka_unit_test(dates_are_read_in_old_forms_too),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
