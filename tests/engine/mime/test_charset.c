// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct charsets *charsets;

// In pieces of a, then of b bytes. Returns how many bytes came out.
static size_t
convert(const char *name, const char *text, size_t size, size_t a, size_t b, char *out) {
	struct charset charset;
	size_t n = 0;

	assert_true(charset_begin(&charset, charsets, name, strlen(name)));
	for (size_t at = 0, piece = a; at < size; at += piece, piece = b) {
		piece = piece > size - at ? size - at : piece;
		size_t room = CHARSET_GROWTH * piece + CHARSET_EXTRA_MAX;
		uint8_t *in = malloc(piece + !piece), *converted = malloc(room);
		memcpy(in, text + at, piece);
		size_t got = charset_data(&charset, in, piece, converted);
		assert_true(got <= room);
		memcpy(out + n, converted, got);
		n += got;
		free(in);
		free(converted);
	}
	n += charset_end(&charset, (uint8_t *)out + n);
	out[n] = '\0';
	return n;
}

static const struct {
	const char *name, *text, *utf8;
	size_t size; // 0: up to its NUL
} texts[] = {
	{"windows-1250", "P\xf8\xedli\x9a \x9elu\x9dou\xe8k\xfd", "Příliš žluťoučký", 0},
	{"iso-8859-2", "P\xf8\xedli\xb9 \xbelu\xbbou\xe8k\xfd", "Příliš žluťoučký", 0},
	{"ISO8859-1", "caf\xe9 \x80", "café €", 0}, // as everybody reads it: Windows-1252
	{"us-ascii", "caf\xc3\xa9", "café", 0},
	{"utf-8", "\xc4\x8d", "č", 0},
	{"koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4", "Привет", 0},
	{"gb2312", "\xc4\xe3\xba\xc3", "你好", 0},
	{"utf-16le", "a\0\x0d\x01", "ač", 4},
	{"utf-16", "\xfe\xff\0a\x01\x0d", "ač", 6},
	{"utf-7", "+ADw-b+AD4-", "<b>", 0},
	// M14: never closed, split anywhere, ended in the middle of a character.
	{"iso-2022-jp", "\x1b$B$\"$$", "あい", 0},
	{"iso-2022-jp", "a\x1b$B$\"\x1b(Bb\x1b$B$$\x1b(B", "aあbい", 0},
	{"iso-2022-jp", "a\x1b$B$", "a\xef\xbf\xbd", 0},
	{"utf-16le", "a\0\x0d", "a\xef\xbf\xbd", 3},
	{"utf-16le",
	 "\x00\xd8\x61\0",
	 "\xef\xbf\xbd"
	 "a",
	 4}, // half of a pair
	{"big5",
	 "a\xff\xff"
	 "b",
	 "a\xef\xbf\xbd\xef\xbf\xbd"
	 "b",
	 0},
	{"utf7", "+AD999998u%f\nbD=+AP", NULL, 0}, // as whole as in pieces, by all its names
	{"ucs2", "a\0\x0d", NULL, 3},
	{"utf-16be",
	 "\xd8\x00\0a",
	 "\xef\xbf\xbd"
	 "a",
	 4},
};

static void m14_any_cut_of_a_text_gives_the_same_utf8(void **) {
	char out[400];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t size = texts[i].size ? texts[i].size : strlen(texts[i].text);
		for (size_t a = 0; a <= size; a++)
			for (size_t b = 1; b <= size; b += size > 1 ? size - 1 : 1) {
				char whole[400];
				convert(texts[i].name, texts[i].text, size, size, size, whole);
				convert(texts[i].name, texts[i].text, size, a, b, out);
				if (strcmp(out, texts[i].utf8 ?: whole) != 0)
					fail_msg("%s cut at %zu: %s", texts[i].name, a, out);
			}
	}
}

static void m14_random_bytes_stay_inside_their_bounds_and_cuts_do_not_matter(void **) {
	static const char *const names[] = {
		"windows-1250",
		"iso-2022-jp",
		"utf-7",
		"utf-16",
		"gb18030",
		"big5",
		"euc-jp",
		"euc-kr",
		"cp932",
		"iso-2022-kr",
	};
	static char text[300], whole[300 * CHARSET_GROWTH + 200], cut[300 * CHARSET_GROWTH + 200];

	srandom(7);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (int round = 0; round < 1000; round++) {
			for (size_t c = 0; c < sizeof(text); c++)
				text[c] = (char
				)(random() % 3 ? random() : "\x1b$B(+-A"[random() % 7]);
			convert(names[i], text, sizeof(text), sizeof(text), 1, whole);
			convert(names[i],
				text,
				sizeof(text),
				(size_t)random() % 300,
				1 + random() % 9,
				cut);
			if (strcmp(whole, cut) != 0)
				fail_msg("%s, round %d", names[i], round);
		}
}

static void a_set_nobody_knows_lets_bytes_pass(void **) {
	static const char *const names[]
		= {"",
		   "x-none",
		   "ut+f-7",
		   "utf-8//TRANSLIT",
		   "a\nb",
		   "a-name-longer-than-any-set-has"};
	struct charset charset;
	uint8_t out[CHARSET_GROWTH * 3 + CHARSET_EXTRA_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_false(charset_begin(&charset, charsets, names[i], strlen(names[i])));
		assert_int_equal(
			charset_data(
				&charset,
				(const uint8_t *)"\xff"
						 "a\0",
				3,
				out
			),
			3
		);
		assert_memory_equal(
			out,
			"\xff"
			"a\0",
			3
		);
		assert_int_equal(charset_end(&charset, out), 0);
	}
	assert_false(charset_begin(&charset, NULL, "utf-16", 6));
}

static void more_texts_than_converters_let_bytes_pass(void **) {
	static struct charset texts_open[CHARSET_EXTRA_MAX * 2];
	uint8_t out[CHARSET_EXTRA_MAX];
	int n = 0;

	while (n < CHARSET_EXTRA_MAX * 2 && charset_begin(&texts_open[n], charsets, "utf-7", 5))
		n++;
	assert_in_range(n, 2, CHARSET_EXTRA_MAX * 2 - 1);
	charset_end(&texts_open[0], out);
	assert_true(charset_begin(&texts_open[0], charsets, "utf-7", 5)); // one came back
	for (int i = 0; i <= n; i++)
		charset_end(&texts_open[i], out);
}

static void after_a_hole_a_text_begins_anew(void **) {
	struct charset charset;
	uint8_t out[100 * CHARSET_GROWTH + CHARSET_EXTRA_MAX];

	assert_true(charset_begin(&charset, charsets, "iso-2022-jp", 11));
	charset_data(&charset, (const uint8_t *)"\x1b$B$", 4, out);
	charset_gap(&charset);
	assert_int_equal(charset_data(&charset, (const uint8_t *)"ab", 2, out), 2);
	assert_memory_equal(out, "ab", 2);
	charset_end(&charset, out);
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
		cmocka_unit_test(m14_any_cut_of_a_text_gives_the_same_utf8),
		cmocka_unit_test(m14_random_bytes_stay_inside_their_bounds_and_cuts_do_not_matter),
		cmocka_unit_test(a_set_nobody_knows_lets_bytes_pass),
		cmocka_unit_test(more_texts_than_converters_let_bytes_pass),
		cmocka_unit_test(after_a_hole_a_text_begins_anew),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
