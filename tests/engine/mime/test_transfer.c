// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/sha256.h"
#include "mime/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct result {
	size_t size;
	bool is_bad;
	uint8_t data[4000];
};

// In pieces of a, then of b bytes, each in blocks of its exact size.
static void
decode(enum transfer_kind kind, const char *text, size_t size, size_t a, size_t b, struct result *r
) {
	struct transfer transfer;
	uint8_t rest[TRANSFER_EXTRA_MAX];
	size_t n;

	memset(&transfer, 0xee, sizeof(transfer));
	*r = (struct result){0};
	transfer_begin(&transfer, kind);
	for (size_t at = 0, piece = a; at < size; at += piece, piece = b + !b) {
		piece = piece > size - at ? size - at : piece;
		uint8_t *in = malloc(piece + !piece), *out = malloc(piece + TRANSFER_EXTRA_MAX);
		memcpy(in, text + at, piece);
		n = transfer_data(&transfer, in, piece, out);
		assert_true(n <= piece + TRANSFER_EXTRA_MAX && r->size + n <= sizeof(r->data));
		memcpy(r->data + r->size, out, n);
		r->size += n;
		free(in);
		free(out);
	}
	n = transfer_end(&transfer, rest);
	r->is_bad = transfer.is_bad;
	memcpy(r->data + r->size, rest, n);
	r->size += n;
}

static void case_check(enum transfer_kind kind, const char *in, const char *out, bool is_bad) {
	size_t size = strlen(in);
	struct result r;

	for (size_t a = 0; a <= size; a++)
		for (int b = 0; b < 2; b++) {
			decode(kind, in, size, a, b ? 1 : size + 1, &r);
			if (r.size != strlen(out) || memcmp(r.data, out, r.size) != 0)
				fail_msg("%s cut at %zu: %.*s", in, a, (int)r.size, r.data);
			if (r.is_bad != is_bad)
				fail_msg("%s cut at %zu: bad %d", in, a, r.is_bad);
		}
}

struct test_case {
	const char *in, *out;
	bool is_bad;
};

static void m04_base64_takes_all_of_the_alphabet_and_nothing_else(void **state) {
	static const struct test_case cases[] = {
		{"", "", false},
		{"YWJj", "abc", false},
		{"YWI=", "ab", false},
		{"YQ==", "a", false},
		{"YW\r\nJj\r\n", "abc", false},
		{"Y W J j ", "abc", false},
		{"YQ=\r\n=", "a", false},
		{"Y.W#J-j", "abc", true},
		{"YQ==YmM=", "abc", true}, // data behind the padding
		{"YQ", "a", true}, // no padding
		{"YWI", "ab", true},
		{"Y", "", true},
		{"Y===", "", true},
		{"====", "", true},
		{"YWJjY", "abc", true},
		{"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXpBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWjAxMjM0NTY3"
		 "ODk=",
		 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
		 false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		case_check(TRANSFER_BASE64, cases[i].in, cases[i].out, cases[i].is_bad);
}

static void m05_quoted_printable_keeps_what_is_no_escape(void **state) {
	static const struct test_case cases[] = {
		{"", "", false},
		{"abc=3D=e1", "abc=\xe1", false},
		{"a=\r\nb", "ab", false},
		{"a=\nb", "ab", false},
		{"a= \t\r\nb", "ab", false},
		{"a \t\r\nb  c ", "a\r\nb  c", false},
		{"a=20\r\nb", "a \r\nb", false},
		{"=", "=", true},
		{"a=4", "a=4", true},
		{"a=4X", "a=4X", true},
		{"=X", "=X", true},
		{"==41", "=A", true},
		{"= x", "= x", true},
		{"a=\rb", "ab", true}, // a bare CR as soft break
		{"3=3=33", "3=33", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		case_check(TRANSFER_QUOTED_PRINTABLE, cases[i].in, cases[i].out, cases[i].is_bad);
}

static void uuencode_is_read_between_begin_and_end(void **state) {
	static const struct test_case cases[] = {
		{"begin 644 a\r\n#86)C\r\n`\r\nend\r\n", "abc", false},
		{"text\nbegin 644 a\n#86)C\n\"86)C\n`\nend\n", "abcab", false},
		{"beginning\n#86)C\n", "", false},
		{"begin 644 a\n#86\n#86)C\n", "abc", true}, // a line too short
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		case_check(TRANSFER_UUENCODE, cases[i].in, cases[i].out, cases[i].is_bad);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Processors without AVX-512 give the same: n bytes of out.
static void
narrow_check(const char *text, size_t size, const uint8_t *expected, size_t n, bool is_bad) {
	uint8_t out[2000 + 2 * TRANSFER_EXTRA_MAX];
	struct transfer narrow;

	transfer_begin(&narrow, TRANSFER_BASE64);
	size_t got = transfer_base64_narrow(&narrow, (const uint8_t *)text, size, out);
	got += transfer_end(&narrow, out + got);
	assert_int_equal(got, n);
	assert_memory_equal(out, expected, n);
	assert_int_equal(narrow.is_bad, is_bad);
}

static void fast_base64_gives_what_the_plain_one_gives(void **state) {
	unsigned seed = (unsigned)time(NULL);
	char text[2000];

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int round = 0; round < 2000; round++) {
		size_t size = (size_t)random() % sizeof(text);
		long noise = random() % 3;
		struct transfer plain;
		struct result r;
		uint8_t out[2000 + TRANSFER_EXTRA_MAX];

		for (size_t i = 0; i < size; i++) {
			text[i] = alphabet[random() % 64];
			if (noise == 1 && random() % 77 == 0)
				text[i] = '\n';
			if (noise == 2 && random() % 20 == 0)
				text[i] = (char)random();
		}
		transfer_begin(&plain, TRANSFER_BASE64);
		size_t n = transfer_base64_plain(&plain, (uint8_t *)text, size, out);
		n += transfer_end(&plain, out + n);
		decode(TRANSFER_BASE64,
		       text,
		       size,
		       (size_t)random() % 300,
		       1 + (size_t)random() % 300,
		       &r);
		assert_int_equal(r.size, n);
		assert_memory_equal(r.data, out, n);
		assert_int_equal(r.is_bad, plain.is_bad);
		assert_true(n <= size - size / 4);
		narrow_check(text, size, out, n, plain.is_bad);
	}
}

// A text in lines of one length, mostly, with something odd now and then. Returns its size.
static size_t lines_write(char *text, size_t size_max) {
	size_t size = (size_t)random() % size_max, line = 20 + (size_t)random() % 80;
	bool is_odd = random() % 4 == 0;

	for (size_t i = 0; i < size; i++) {
		size_t column = i % (line + 2);
		text[i] = column < line ? alphabet[random() % 64] : "\r\n"[column - line];
		if (is_odd && random() % 300 == 0)
			text[i] = (char)random();
	}
	return size;
}

// In pieces of a size, 0: random ones, each in a block of its own; another text goes on meanwhile if has_other. Returns
// how many bytes were hashed on the way.
static size_t hashing_check(
	const char *text,
	size_t size,
	size_t pieces,
	struct sha256_pair *pair,
	bool has_other
) {
	static struct sha256 sha256, other;
	static uint8_t plain_out[40000], filler[1000];
	uint8_t hash[SHA256_SIZE], expected[SHA256_SIZE];
	struct transfer plain, transfer;
	size_t hashed = 0, at_out = 0;

	transfer_begin(&plain, TRANSFER_BASE64);
	size_t n_plain = transfer_base64_plain(&plain, (const uint8_t *)text, size, plain_out);
	transfer_begin(&transfer, TRANSFER_BASE64);
	sha256_begin(&sha256, pair);
	if (has_other)
		sha256_begin(&other, pair);
	for (size_t at = 0, piece; at < size; at += piece) {
		piece = pieces ? pieces : 1 + (size_t)random() % 2000;
		piece = piece < size - at ? piece : size - at;
		uint8_t *in = malloc(piece), *out = malloc(piece + TRANSFER_EXTRA_MAX);
		memcpy(in, text + at, piece);
		uint16_t waiting = sha256.n;
		size_t n = transfer_data_hashing(&transfer, &sha256, in, piece, out);
		hashed += waiting - sha256.n;
		sha256_data(&sha256, out, n);
		assert_true(at_out + n <= n_plain);
		assert_memory_equal(plain_out + at_out, out, n);
		at_out += n;
		if (has_other)
			sha256_data(&other, filler, (size_t)random() % sizeof(filler));
		free(in);
		free(out);
	}
	assert_int_equal(at_out, n_plain);
	sha256_end(&sha256, hash);
	SHA256(plain_out, n_plain, expected);
	assert_memory_equal(hash, expected, SHA256_SIZE);
	if (has_other)
		sha256_drop(&other);
	return hashed;
}

static void what_is_hashed_while_more_is_decoded_has_its_hash(void **state) {
	static char text[40000];
	size_t hashed, hashed_of_two = 0;
	struct sha256_pair pair;

	sha256_pair_init(&pair);
	srandom((unsigned)time(NULL));
	for (int round = 0; round < 500; round++) {
		size_t size = lines_write(text, sizeof(text));

		hashing_check(text, size, 0, &pair, false);
		hashed_of_two += hashing_check(text, size, 0, &pair, true);
		assert_int_equal(hashing_check(text, size, 0, NULL, false), 0);
	}
	memset(text, 'A', sizeof(text));
	for (size_t at = 76; at + 2 <= sizeof(text); at += 78)
		memcpy(text + at, "\r\n", 2);
	hashed = hashing_check(text, sizeof(text), 1448, &pair, false);
	assert_int_equal(hashed_of_two, 0); // those wait to be hashed side by side
	if (hashed == 0)
		print_message("no SHA instructions, or no AVX-512: nothing is hashed on the way\n");
#if defined(__x86_64__)
	if (pair.has_instructions && __builtin_cpu_supports("avx512vbmi"))
		assert_true(hashed > sizeof(text) / 4 * 3 - 2 * SHA256_BATCH_SIZE);
#endif
}

static void fast_quoted_printable_gives_what_the_plain_one_gives(void **state) {
	unsigned seed = (unsigned)time(NULL);
	char text[2000];

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int round = 0; round < 2000; round++) {
		static const char special[] = "==\r\n  \t4aFgX";
		size_t size = (size_t)random() % sizeof(text);
		long rare = 1 + random() % 30;
		struct transfer plain;
		struct result r;
		uint8_t out[2000 + 2 * TRANSFER_EXTRA_MAX];

		for (size_t i = 0; i < size; i++) {
			text[i] = "text "[i % 5];
			if (random() % rare == 0)
				text[i] = special[(size_t)random() % (sizeof(special) - 1)];
			if (i > 200 && i < 200 + (size_t)rare * 10)
				text[i] = ' '; // longer than is held
		}
		transfer_begin(&plain, TRANSFER_QUOTED_PRINTABLE);
		size_t n = transfer_qp_plain(&plain, (uint8_t *)text, size, out);
		n += transfer_end(&plain, out + n);
		decode(TRANSFER_QUOTED_PRINTABLE,
		       text,
		       size,
		       (size_t)random() % 300,
		       1 + (size_t)random() % 300,
		       &r);
		assert_int_equal(r.size, n);
		assert_memory_equal(r.data, out, n);
		assert_int_equal(r.is_bad, plain.is_bad);
	}
}

static void every_character_alone_is_judged_as_the_plain_one_judges_it(void **state) {
	// 44 characters fill one step of the fast version; the odd one stands at each place of it.
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 32; at++) {
			struct transfer plain;
			struct result r;
			uint8_t out[100];
			char text[64];

			memset(text, 'Q', sizeof(text));
			text[at] = (char)c;
			transfer_begin(&plain, TRANSFER_BASE64);
			size_t n = transfer_base64_plain(&plain, (uint8_t *)text, 64, out);
			n += transfer_end(&plain, out + n);
			decode(TRANSFER_BASE64, text, 64, 64, 64, &r);
			assert_int_equal(r.size, n);
			assert_memory_equal(r.data, out, n);
			narrow_check(text, 64, out, n, plain.is_bad);
		}
}

static void after_a_hole_base64_goes_on_at_the_next_line(void **state) {
	struct transfer transfer;
	uint8_t out[100 + TRANSFER_EXTRA_MAX];

	transfer_begin(&transfer, TRANSFER_BASE64);
	assert_int_equal(transfer_data(&transfer, (uint8_t *)"YWJjY", 5, out), 3);
	transfer_gap(&transfer);
	size_t n = transfer_data(&transfer, (uint8_t *)"xYx\r\nZGVm", 9, out);
	assert_int_equal(n, 3);
	assert_memory_equal(out, "def", 3);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m04_base64_takes_all_of_the_alphabet_and_nothing_else),
		cmocka_unit_test(m05_quoted_printable_keeps_what_is_no_escape),
		cmocka_unit_test(uuencode_is_read_between_begin_and_end),
		cmocka_unit_test(fast_base64_gives_what_the_plain_one_gives),
		cmocka_unit_test(what_is_hashed_while_more_is_decoded_has_its_hash),
		cmocka_unit_test(fast_quoted_printable_gives_what_the_plain_one_gives),
		cmocka_unit_test(every_character_alone_is_judged_as_the_plain_one_judges_it),
		cmocka_unit_test(after_a_hole_base64_goes_on_at_the_next_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
