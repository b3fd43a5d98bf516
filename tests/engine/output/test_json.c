// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/json.h"
#include "output/utf8.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char buffer[65536];

static struct json opened(void) {
	struct json json;

	memset(buffer, 0, sizeof(buffer));
	json_open(&json, buffer, sizeof(buffer) - 1);
	return json;
}

static void objects_arrays_and_commas(void **state) {
	struct json json = opened();

	json_begin_object(&json, NULL);
	json_begin_object(&json, "a");
	json_end_object(&json);
	json_begin_array(&json, "b");
	json_end_array(&json);
	json_begin_array(&json, "c");
	json_put_u64(&json, NULL, 1);
	json_begin_object(&json, NULL);
	json_put_bool(&json, "d", true);
	json_put_bool(&json, "e", false);
	json_end_object(&json);
	json_begin_array(&json, NULL);
	json_end_array(&json);
	json_put_text(&json, NULL, "f");
	json_end_array(&json);
	json_put_i64(&json, "g", -7);
	json_end_object(&json);
	assert_false(json.is_full);
	assert_string_equal(
		buffer, "{\"a\":{},\"b\":[],\"c\":[1,{\"d\":true,\"e\":false},[],\"f\"],\"g\":-7}"
	);
}

static void strings_are_escaped_and_repaired(void **state) {
	static const struct {
		const char *in;
		size_t size;
		const char *out;
	} cases[] = {
		{"", 0, "\"\""},
		{"plain text of more than eight", 29, "\"plain text of more than eight\""},
		{"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
		{"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
		{"\0\x01\x1b\x1f\x7f", 5, "\"\\u0000\\u0001\\u001b\\u001f\\u007f\""},
		{"zpráva č. 1", 13, "\"zpráva č. 1\""},
		{"\xf0\x9f\x93\xa7", 4, "\"\xf0\x9f\x93\xa7\""},
		// What only terminals and line splitters obey: CSI, NEL, LINE SEPARATOR, RLO, PDI.
		{"\xc2\x9b\xc2\x85", 4, "\"\\u009b\\u0085\""},
		{"\xe2\x80\xa8\xe2\x80\xae", 6, "\"\\u2028\\u202e\""},
		{"\xe2\x81\xa9", 3, "\"\\u2069\""},
		{"\xc2\xa0", 2, "\"\xc2\xa0\""}, // the first character above C1
		// Not UTF-8: one replacement for each beginning that does not become a character.
		{"\x80", 1, "\"\ufffd\""},
		{"\xff\xfe", 2, "\"\ufffd\ufffd\""},
		{"\xc0\xaf", 2, "\"\ufffd\ufffd\""}, // overlong /
		{"\xe0\x9f\xbf", 3, "\"\ufffd\ufffd\ufffd\""}, // overlong
		{"\xed\xa0\x80", 3, "\"\ufffd\ufffd\ufffd\""}, // surrogate
		{"\xf4\x90\x80\x80", 4, "\"\ufffd\ufffd\ufffd\ufffd\""}, // above U+10FFFF
		{"\xe2\x82", 2, "\"\ufffd\""}, // ends inside a character
		{"\xf0\x9f\x93 x", 5, "\"\ufffd x\""},
		{"\xc4"
		 "A",
		 2,
		 "\"\ufffdA\""},
		{"\xc4\xc4\x8d", 3, "\"\ufffd\xc4\x8d\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json json = opened();
		char *exact = malloc(cases[i].size + !cases[i].size);
		memcpy(exact, cases[i].in, cases[i].size);
		assert_false(json_put_string(&json, NULL, exact, cases[i].size, 0));
		assert_string_equal(buffer, cases[i].out);
		free(exact);
	}
}

static void a_string_is_cut_at_characters_not_bytes(void **state) {
	static const struct {
		const char *in;
		size_t max;
		bool is_cut;
		const char *out;
	} cases[] = {
		{"abc", 2, true, "\"ab\""},
		{"abc", 3, false, "\"abc\""},
		{"abc", 4, false, "\"abc\""},
		{"čšž", 2, true, "\"čš\""},
		{"čšž", 3, false, "\"čšž\""},
		{"\xff\xff\xff", 2, true, "\"\ufffd\ufffd\""},
		{"\n\n\n", 1, true, "\"\\n\""},
		{"0123456789abcdefghi", 16, true, "\"0123456789abcdef\""},
		{"0123456789abcdef", 16, false, "\"0123456789abcdef\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json json = opened();
		bool is_cut = json_put_string(
			&json, NULL, cases[i].in, strlen(cases[i].in), cases[i].max
		);
		assert_int_equal(is_cut, cases[i].is_cut);
		assert_string_equal(buffer, cases[i].out);
	}
}

// ---- UTF-8 against an oracle that tries everything.

static bool oracle_is_char(const uint8_t *p, int len) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0},
			     lead_mask[] = {0, 0, 0xe0, 0xf0, 0xf8};
	uint32_t value;

	if (len == 1)
		return p[0] < 0x80;
	if ((p[0] & lead_mask[len]) != lead[len])
		return false;
	value = p[0] & ~lead_mask[len] & 0xff;
	for (int i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return false;
		value = value << 6 | (p[i] & 0x3f);
	}
	return value >= least[len] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

static bool oracle_begins_char(const uint8_t *p, int len) {
	static const uint8_t edges[]
		= {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf}; // of all bounds there are
	uint8_t longer[4];

	if (len == 4)
		return false;
	memcpy(longer, p, (size_t)len);
	for (size_t i = 0; i < sizeof(edges); i++) {
		longer[len] = edges[i];
		if (oracle_is_char(longer, len + 1) || oracle_begins_char(longer, len + 1))
			return true;
	}
	return false;
}

static int oracle_next(const uint8_t *p, size_t left) {
	int len;

	for (len = 1; len <= 4 && (size_t)len <= left; len++)
		if (oracle_is_char(p, len))
			return len;
	for (len = 3; len > 1; len--)
		if ((size_t)len <= left && oracle_begins_char(p, len))
			return -len;
	return -1;
}

static void utf8_agrees_with_trying_everything(void **state) {
	static const uint8_t edges[] = {
		0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff,
	};
	enum { N = sizeof(edges) };

	for (size_t i = 0; i < (size_t)N * N * N * N; i++) {
		uint8_t p[4] = {
			edges[i % N], edges[i / N % N], edges[i / N / N % N], edges[i / N / N / N]};
		for (size_t left = 1; left <= 4; left++) {
			// Only the first byte costs the oracle much; a fourth of the cases tell as much.
			if ((i + left) % 4)
				continue;
			assert_int_equal(utf8_next(p, left), oracle_next(p, left));
		}
	}
}

static void a_cut_never_ends_inside_a_character(void **state) {
	const char *text = "a\xc4\x8d\xe2\x82\xac\xf0\x9f\x93\xa7z";
	static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

	for (size_t max = 0; max <= 11; max++)
		assert_int_equal(utf8_cut(text, 11, max), expected[max]);
	assert_int_equal(utf8_cut("abc", 3, 100), 3);
	assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 2); // no characters at all
}

// a8: names with quotes, control bytes, newlines and anything else never break a line.
static void a8_random_bytes_become_what_a_parser_reads_back(void **state) {
	unsigned seed = (unsigned)time(NULL);
	uint8_t in[64];

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 2000; round++) {
		struct json json = opened();
		size_t size = (size_t)rand() % sizeof(in), at = 0;
		char expected[sizeof(in) * 3], *p = expected;
		json_error_t error;
		json_t *array;

		for (size_t i = 0; i < size; i++)
			in[i] = (uint8_t)(rand() % 3 ? rand() % 128 : rand());
		while (at < size) {
			int len = oracle_next(in + at, size - at);
			memcpy(p, len < 0 ? "\ufffd" : (char *)in + at, len < 0 ? 3 : (size_t)len);
			p += len < 0 ? 3 : len;
			at += (size_t)abs(len);
		}
		json_begin_array(&json, NULL);
		json_put_string(&json, NULL, (char *)in, size, 0);
		json_end_array(&json);
		assert_null(memchr(buffer, '\n', json.used));
		array = json_loadb(buffer, json.used, JSON_ALLOW_NUL, &error);
		assert_non_null(array);
		assert_int_equal(json_string_length(json_array_get(array, 0)), p - expected);
		assert_memory_equal(
			json_string_value(json_array_get(array, 0)),
			expected,
			(size_t)(p - expected)
		);
		json_decref(array);
	}
}

static void whole_numbers_stay_within_what_readers_take(void **state) {
	struct json json = opened();

	json_begin_array(&json, NULL);
	json_put_u64(&json, NULL, 0);
	json_put_u64(&json, NULL, INT64_MAX);
	json_put_u64(&json, NULL, UINT64_MAX); // cut
	json_put_i64(&json, NULL, INT64_MIN);
	json_put_i64(&json, NULL, INT64_MAX);
	json_end_array(&json);
	assert_string_equal(
		buffer,
		"[0,9223372036854775807,9223372036854775807,-9223372036854775808,"
		"9223372036854775807]"
	);
}

static void doubles_have_no_idle_zeros_and_are_always_numbers(void **state) {
	static const struct {
		double value;
		int decimals;
		const char *out;
	} cases[] = {
		{0, 4, "0.0"},
		{1, 4, "1.0"},
		{73, 1, "73.0"},
		{0.9996, 4, "0.9996"},
		{0.5, 4, "0.5"},
		{11.84999, 2, "11.85"},
		{-0.004, 2, "0.0"},
		{-2.25, 2, "-2.25"},
		{0.999999, 4, "1.0"},
		{0.0001, 4, "0.0001"},
		{1e300, 1, "1000000000.0"},
		{-1e300, 1, "-1000000000.0"},
		{NAN, 2, "0.0"},
		{INFINITY, 2, "1000000000.0"},
		{0.123456789, 9, "0.123456789"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json json = opened();
		json_put_double(&json, NULL, cases[i].value, cases[i].decimals);
		assert_string_equal(buffer, cases[i].out);
	}
}

static void times_agree_with_the_c_library(void **state) {
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 100000; round++) {
		struct json json = opened();
		uint64_t ns = ((uint64_t)rand() << 33 ^ (uint64_t)rand() << 10 ^ (uint64_t)rand());
		time_t seconds = (time_t)(ns / 1000000000);
		char expected[64];
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(expected, sizeof(expected), "\"%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(
			expected + strlen(expected),
			16,
			".%06uZ\"",
			(unsigned)(ns % 1000000000 / 1000)
		);
		json_put_time(&json, NULL, ns);
		assert_string_equal(buffer, expected);
	}
}

static void z4_times_at_the_edges(void **state) {
	static const struct {
		uint64_t ns;
		const char *out;
	} cases[] = {
		{0, "\"1970-01-01T00:00:00.000000Z\""},
		{951782400000000000, "\"2000-02-29T00:00:00.000000Z\""},
		{2147483648000000001, "\"2038-01-19T03:14:08.000000001Z\""},
		{4107542400000001000, "\"2100-03-01T00:00:00.000001Z\""},
		{UINT64_MAX, "\"2554-07-21T23:34:33.709551615Z\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json json = opened();
		json_put_time_ns(&json, NULL, cases[i].ns);
		assert_string_equal(buffer, cases[i].out);
	}
}

static void addresses_and_uuids(void **state) {
	static const char *const addresses[] = {
		"0.0.0.0",
		"203.0.113.31",
		"255.255.255.255",
		"::",
		"::1",
		"2001:db8::1",
		"2001:db8:1:2:3:4:5:6",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"::ffff:192.0.2.1",
	};
	static const uint8_t id[16]
		= {1, 0x94, 0xf1, 0xc2, 0x5a, 1, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xff};
	struct json json;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		uint8_t addr[16];
		int family = strchr(addresses[i], ':') ? 6 : 4;
		char expected[64];

		inet_pton(family == 4 ? AF_INET : AF_INET6, addresses[i], addr);
		snprintf(expected, sizeof(expected), "\"%s\"", addresses[i]);
		json = opened();
		json_put_ip(&json, NULL, addr, family);
		assert_string_equal(buffer, expected);
	}
	json = opened();
	json_put_uuid(&json, NULL, id);
	assert_string_equal(buffer, "\"0194f1c2-5a01-7000-8000-0000000000ff\"");
}

static void write_some_of_everything(struct json *json) {
	json_begin_object(json, NULL);
	json_put_text(json, "text", "quote \" and \x01 and č and \xff");
	json_put_u64(json, "u64", 12345);
	json_put_double(json, "double", 0.25, 4);
	json_put_time(json, "time", 1);
	json_begin_array(json, "list");
	json_put_bool(json, NULL, true);
	json_put_ip(json, NULL, (const uint8_t[16]){127, 0, 0, 1}, 4);
	json_end_array(json);
	json_end_object(json);
}

static void no_size_of_buffer_is_overrun(void **state) {
	struct json json = opened();
	size_t whole;

	write_some_of_everything(&json);
	whole = json.used;
	for (size_t size = 0; size <= whole + 1; size++) {
		char *exact = malloc(size + !size); // what is written past it, ASan sees
		json_open(&json, exact, size);
		write_some_of_everything(&json);
		assert_int_equal(json.is_full, size < whole);
		assert_true(json.used <= size);
		assert_memory_equal(exact, buffer, json.used);
		free(exact);
	}
}

static void a_mark_takes_back_what_did_not_fit(void **state) {
	struct json json, mark;
	char small[24];
	int n = 0;

	json_open(&json, small, sizeof(small) - 1);
	json_begin_array(&json, NULL);
	for (;; n++) {
		mark = json;
		json_put_text(&json, NULL, "abc");
		if (json.is_full)
			break;
	}
	json = mark;
	json_end_array(&json);
	assert_false(json.is_full);
	small[json.used] = '\0';
	assert_int_equal(n, 3);
	assert_string_equal(small, "[\"abc\",\"abc\",\"abc\"]");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_arrays_and_commas),
		cmocka_unit_test(strings_are_escaped_and_repaired),
		cmocka_unit_test(a_string_is_cut_at_characters_not_bytes),
		cmocka_unit_test(utf8_agrees_with_trying_everything),
		cmocka_unit_test(a_cut_never_ends_inside_a_character),
		cmocka_unit_test(a8_random_bytes_become_what_a_parser_reads_back),
		cmocka_unit_test(whole_numbers_stay_within_what_readers_take),
		cmocka_unit_test(doubles_have_no_idle_zeros_and_are_always_numbers),
		cmocka_unit_test(times_agree_with_the_c_library),
		cmocka_unit_test(z4_times_at_the_edges),
		cmocka_unit_test(addresses_and_uuids),
		cmocka_unit_test(no_size_of_buffer_is_overrun),
		cmocka_unit_test(a_mark_takes_back_what_did_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
