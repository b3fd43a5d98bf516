// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t reduce(const char *text, size_t size, size_t a, size_t b, char *out) {
	struct html html;
	size_t n = 0;

	html_begin(&html);
	for (size_t at = 0, piece = a; at < size; at += piece, piece = b) {
		piece = piece > size - at ? size - at : piece;
		uint8_t *in = malloc(piece + !piece), *reduced = malloc(piece + HTML_EXTRA_MAX);
		memcpy(in, text + at, piece);
		size_t got = html_data(&html, in, piece, reduced);
		assert_true(got <= piece + HTML_EXTRA_MAX);
		memcpy(out + n, reduced, got);
		n += got;
		free(in);
		free(reduced);
	}
	n += html_end(&html, (uint8_t *)out + n);
	out[n] = '\0';
	return n;
}

static const struct {
	const char *html, *text;
} pages[] = {
	{"", ""},
	{"plain  text\r\nhere", "plain text here"},
	{"a<b>b</b>c", "abc"}, // a word cut by markup is one word
	{"x<span style='a>b'>y</span>z", "xyz"},
	{"a<br>b<p>c</p>d", "a\nb\nc\nd"},
	{"<table><tr><td>a</td> <td>b</td></tr>\n<tr><th>c<th>d</table>e",
	 "\n\n\ta \tb\n\n\tc\td\ne"},
	{"<tr><td>Card: </td>\n<td> 4</td></tr>", "\n\tCard: \t4\n"},
	{"<tr><td></td><td>4</td><td></td></tr>", "\n\t\t4\t\n"},
	{"a<!-- b -->c", "ac"},
	{"a<!-- b > c -- d -->e", "ae"},
	{"a<script>if (a < b) \"</b>\"</script>c", "ac"},
	{"a<style>p { }</style>c", "ac"},
	{"a<SCRIPT src=x>b</SCRIPT >c", "ac"},
	{"&lt;a&gt; &amp; &quot;", "<a> & \""},
	{"&#269;&#x10D;&#X10d;", "ččč"},
	{"&#0;&#x110000;&#xd800;&#99999999999;", NULL},
	{"a&nbsp;b", NULL},
	{"&unknown;&amp", "&unknown;&"},
	{"1 < 2 <3", NULL},
	{"<", "<"},
	{"a<unclosed", NULL},
	{"tajn\xc3\xa9<wbr>ho", "tajného"},
};

static void any_cut_of_a_page_gives_the_same_text(void **) {
	char whole[400], cut[400];

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		size_t size = strlen(pages[i].html);
		reduce(pages[i].html, size, size, 1, whole);
		if (pages[i].text != NULL && strcmp(whole, pages[i].text) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", pages[i].html, whole, pages[i].text);
		for (size_t a = 0; a <= size; a++) {
			reduce(pages[i].html, size, a, a % 2 ? 1 : size, cut);
			if (strcmp(cut, whole) != 0)
				fail_msg("%s cut at %zu: \"%s\"", pages[i].html, a, cut);
		}
	}
}

static void no_markup_is_left_and_no_more_than_was_given(void **) {
	static const char alphabet[] = "<>!-&;#x41 /abscriptyle\"'=\n";
	char text[200], whole[400], cut[400];

	srandom(11);
	for (int round = 0; round < 20000; round++) {
		size_t size = (size_t)random() % sizeof(text);
		for (size_t i = 0; i < size; i++)
			text[i] = alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
		size_t n = reduce(text, size, size, 1, whole);
		assert_true(n <= size + HTML_EXTRA_MAX);
		reduce(text, size, (size_t)random() % 200, 1 + (size_t)random() % 7, cut);
		assert_string_equal(whole, cut);
	}
}

static void a_tag_without_an_end_hides_no_more_than_the_limit(void **) {
	size_t size = HTML_TAG_SIZE_MAX + 100;
	char *text = malloc(size), *out = malloc(size + HTML_EXTRA_MAX + 1);

	memset(text, 'x', size);
	memcpy(text, "<a ", 3);
	memcpy(text + size - 6, "secret", 6);
	reduce(text, size, size, 1, out);
	assert_non_null(strstr(out, "secret"));
	memcpy(text, "<!--", 4);
	reduce(text, size, size, 1, out);
	assert_non_null(strstr(out, "secret"));
	free(text);
	free(out);
}

static void behind_a_hole_text_goes_on(void **) {
	struct html html;
	uint8_t out[100];

	html_begin(&html);
	html_data(&html, (const uint8_t *)"a<!-- b", 7, out);
	html_gap(&html);
	size_t n = html_data(&html, (const uint8_t *)"c", 1, out);
	n += html_end(&html, out + n);
	assert_int_equal(n, 1);
	assert_int_equal(out[0], 'c');
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_of_a_page_gives_the_same_text),
		cmocka_unit_test(no_markup_is_left_and_no_more_than_was_given),
		cmocka_unit_test(a_tag_without_an_end_hides_no_more_than_the_limit),
		cmocka_unit_test(behind_a_hole_text_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
