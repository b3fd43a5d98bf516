// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "match/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

struct said {
	char text[8000];
	size_t used;
	int n;
};

static void hear(void *ctx, const char *text) {
	struct said *said = ctx;

	said->n++;
	if (said->used < sizeof(said->text))
		said->used += (size_t
		)snprintf(said->text + said->used, sizeof(said->text) - said->used, "%s\n", text);
}

// Rules, database and scanner of one test.
struct set {
	struct rules *rules;
	struct database *db;
	struct scanner *scanner;
	struct said said;
	int n_bad;
};

static void set_open(struct set *set, const char *text, uint32_t n_streams) {
	int n_bad;

	memset(set, 0, sizeof(*set));
	set->rules = rules_parse("f.yaml", text, strlen(text), hear, &set->said, &n_bad);
	assert_int_equal(n_bad, 0);
	set->db = database_open(set->rules, NULL, NULL, hear, &set->said, &set->n_bad);
	assert_non_null(set->db);
	set->scanner = scanner_open(set->db, n_streams);
	assert_non_null(set->scanner);
}

static void set_close(struct set *set) {
	scanner_close(set->scanner);
	database_close(set->db);
	rules_close(set->rules);
}

struct heard {
	uint32_t rule[64];
	uint64_t offset[64];
	int n, max;
};

static bool on_match(void *ctx, const struct scan_hit *hit) {
	struct heard *heard = ctx;
	uint32_t rule = hit->rule;
	uint64_t offset = hit->offset;

	if (hit->validity == VALIDATE_WRONG)
		return true;
	assert_true(heard->n < 64);
	heard->rule[heard->n] = rule;
	heard->offset[heard->n++] = offset;
	return heard->max == 0 || heard->n < heard->max;
}

// Scans text in pieces of the sizes a, b, and the rest; each in a block of its exact size.
static void
scan(struct scanner *scanner, const char *text, size_t size, size_t a, size_t b, struct heard *heard
) {
	struct scan_stream *stream = scan_open(scanner, RULE_BODY, on_match, heard);
	size_t at = 0;

	assert_non_null(stream);
	for (int i = 0; at < size; i++) {
		size_t piece = i == 0 ? a : b;

		piece = piece > size - at ? size - at : piece;
		uint8_t *block = malloc(piece > 0 ? piece : 1);
		memcpy(block, text + at, piece);
		scan_data(stream, block, piece);
		if (b == 1)
			scan_flush(scanner);
		free(block);
		at += piece;
	}
	scan_close(stream, true);
}

static void a_match_is_found_however_the_bytes_are_cut(void **state) {
	static const char text[] = "one secret, two secrets\r\nAKIA at the end";
	struct set set;

	set_open(
		&set,
		"rules:\n- {id: s, pattern: 'secrets?\\b'}\n- {id: e, pattern: 'the end\\z'}\n"
		"- {id: x, pattern: 'crypt'}\n- {id: h, look: header, pattern: 'one'}\n",
		2
	);
	struct heard whole = {0};
	scan(set.scanner, text, sizeof(text) - 1, sizeof(text), 1, &whole);
	assert_int_equal(whole.n, 3);
	assert_int_equal(whole.rule[0], 0);
	assert_int_equal(whole.offset[0], 10);
	assert_int_equal(whole.rule[2], 1);
	for (size_t a = 0; a < sizeof(text); a++)
		for (int b = 0; b < 2; b++) {
			struct heard cut = {0};
			scan(set.scanner, text, sizeof(text) - 1, a, b == 0 ? 1 : sizeof(text), &cut
			);
			assert_memory_equal(&cut, &whole, sizeof(whole));
		}
	set_close(&set);
}

static void a_stream_remembers_nothing_of_the_one_before(void **state) {
	struct heard heard = {0};
	struct set set;

	set_open(&set, "rules:\n- {id: a, pattern: 'abcd'}\n", 1);
	scan(set.scanner, "xxab", 4, 4, 1, &heard);
	scan(set.scanner, "cdxx", 4, 4, 1, &heard);
	assert_int_equal(heard.n, 0);
	scan(set.scanner, "abcd", 4, 4, 1, &heard);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.offset[0], 4);
	set_close(&set);
}

static void so_many_streams_are_open_and_no_more(void **state) {
	enum { N = 5 };
	struct scan_stream *streams[N];
	struct heard heard[N];
	struct set set;

	set_open(&set, "rules:\n- {id: a, pattern: 'ab'}\n", N);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++)
			assert_non_null(
				streams[i] = scan_open(set.scanner, RULE_BODY, on_match, &heard[i])
			);
		assert_null(scan_open(set.scanner, RULE_BODY, on_match, NULL));
		// All are alive at once, and apart from each other.
		for (int i = 0; i < N; i++)
			scan_data(streams[i], (const uint8_t *)"a", 1);
		for (int i = 0; i < N; i++) {
			memset(&heard[i], 0, sizeof(heard[i]));
			scan_data(streams[i], (const uint8_t *)"b", 1);
			scan_flush(set.scanner);
			assert_int_equal(heard[i].n, 1);
			scan_close(streams[i], false);
		}
	}
	set_close(&set);
}

static void a_callback_that_has_enough_hears_no_more(void **state) {
	struct heard heard = {.max = 3};
	struct set set;

	set_open(&set, "rules:\n- {id: a, pattern: 'a'}\n- {id: z, pattern: 'a\\z'}\n", 1);
	scan(set.scanner, "aaaaaaaaaa", 10, 1, 4, &heard);
	assert_int_equal(heard.n, 3);
	heard.max = 0;
	scan(set.scanner, "a", 1, 1, 1, &heard);
	assert_int_equal(heard.n, 5);
	set_close(&set);
}

static void bad_patterns_are_named_and_the_others_work(void **state) {
	struct heard heard = {0};
	struct set set;

	set_open(
		&set,
		"rules:\n- {id: good, pattern: 'ab'}\n- id: broken\n  pattern: \"(unclosed\"\n"
		"- {id: empty, pattern: 'a*'}\n- {id: backref, pattern: '(a)\\1'}\n"
		"- {id: wide, pattern: 'a(b{900}c{900}){9}'}\n"
		"- {id: untrue, pattern: 'q', test: {match: [q, r], no_match: q}}\n"
		"- {id: good2, pattern: 'cd', test: {match: xcdx, no_match: c}}\n",
		1
	);
	assert_int_equal(set.n_bad, 5);
	assert_int_equal(database_n(set.db), 2);
	assert_int_equal(set.said.n, 6);
	assert_non_null(strstr(
		set.said.text, "f.yaml:4:13: rule broken: pattern: Missing close parenthesis"
	));
	assert_non_null(strstr(set.said.text, "rule empty: pattern matches the empty text"));
	assert_non_null(strstr(set.said.text, "rule backref: pattern: "));
	assert_non_null(strstr(set.said.text, "rule wide: pattern spans up to 16201 bytes"));
	assert_non_null(
		strstr(set.said.text, "rule untrue: test line \"r\" does not match and must")
	);
	assert_non_null(strstr(set.said.text, "rule untrue: test line \"q\" matches and must not"));
	scan(set.scanner, "ab cd q", 7, 7, 1, &heard);
	assert_int_equal(heard.n, 2);
	assert_int_equal(heard.rule[0], 0);
	assert_int_equal(heard.rule[1], 6);
	set_close(&set);
}

static void no_rule_at_all_scans_nothing(void **state) {
	struct set set;

	set_open(&set, "rules: []\n", 8);
	assert_false(scanner_wants(set.scanner, RULE_HEADER));
	assert_false(scanner_wants(set.scanner, RULE_BODY));
	assert_null(scan_open(set.scanner, RULE_BODY, on_match, NULL));
	scan_close(NULL, false);
	set_close(&set);
}

// Q6: state of streams is what idle messages cost.
static void q6_the_shipped_rules_hold_and_cost_little_state(void **state) {
	struct said said = {0};
	int n_bad = -1;
	struct rules *rules = rules_open("rules", hear, &said, &n_bad);

	assert_non_null(rules);
	assert_int_equal(n_bad, 0);
	assert_true(rules->n >= 20);
	struct database *db = database_open(rules, NULL, NULL, hear, &said, &n_bad);
	assert_string_equal(said.text, "");
	assert_int_equal(n_bad, 0);
	assert_int_equal(database_n(db), rules->n);
	for (uint32_t i = 0; i < rules->n; i++) {
		bool has[2] = {false, false};

		// One line stands in one field: members that look elsewhere have their own.
		if (rules->rules[i].kind != RULE_PATTERN)
			continue;
		for (uint32_t t = 0; t < rules->rules[i].n_tests; t++)
			has[rules->rules[i].tests[t].match] = true;
		if (!has[0] || !has[1])
			fail_msg("rule %s has no test line of both kinds", rules->rules[i].id);
	}
	for (int field = 0; field < RULE_STREAMED; field++)
		print_message(
			"stream state of %s: %zu bytes\n",
			rule_field_name((enum rule_field)field),
			database_stream_size(db, (enum rule_field)field)
		);
	assert_in_range(database_stream_size(db, RULE_BODY), 1, 1024);
	assert_in_range(database_stream_size(db, RULE_HEADER), 1, 1024);
	database_close(db);
	rules_close(rules);
}

// Q6: what would cost state or stall the compiler is refused, in words.
static void q6_repeats_that_cost_are_refused(void **state) {
	static const char text[] = "rules:\n- {id: long, pattern: 'a{0,32767}b'}\n- {id: wide, "
				   "pattern: '(ab{900}){5}'}\n"
				   "- {id: utf8, flags: [utf8], pattern: 'x.{73}'}\n- {id: good, "
				   "pattern: 'x.{73}'}\n";
	struct said said = {0};
	int n_bad;
	struct rules *rules = rules_parse("f.yaml", text, sizeof(text) - 1, hear, &said, &n_bad);
	struct database *db = database_open(rules, NULL, NULL, hear, &said, &n_bad);

	assert_non_null(
		strstr(said.text, "rule long: pattern repeats something 32767 times; at most 1000")
	);
	assert_non_null(strstr(said.text, "rule wide: pattern spans up to 4505 bytes; at most 4096")
	);
	assert_non_null(strstr(said.text, "rule utf8: utf8 cannot be used"));
	assert_int_equal(database_n(db), 1);
	database_close(db);
	rules_close(rules);
}

// Q2: an engine that goes back would take 2^N steps for each of these and never end; what needs going back is
// refused.
static void q2_nested_repeats_end(void **state) {
	enum { SIZE = 1 << 16 };
	char *text = malloc(SIZE + 1);
	struct heard heard = {0};
	struct set set;

	set_open(
		&set,
		"rules:\n- {id: a, pattern: '(x+x+)+y'}\n- {id: b, pattern: '(?:x|xx|x*x)+z'}\n"
		"- {id: c, pattern: '(?:x?){100}x{100}w'}\n- {id: d, pattern: '^(?:(?:x+)+)+$q'}\n",
		1
	);
	memset(text, 'x', SIZE);
	text[SIZE] = 'y';
	scan(set.scanner, text, SIZE, SIZE, 1, &heard);
	assert_int_equal(heard.n, 0);
	scan(set.scanner, text, SIZE + 1, 100, 1000, &heard);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.rule[0], 0);
	set_close(&set);
	set_open(
		&set,
		"rules:\n- {id: back, pattern: '(a+)b\\1'}\n- {id: ahead, pattern: 'a(?=b)'}\n"
		"- {id: behind, pattern: '(?<=a)b'}\n- {id: atomic, pattern: '(?>a+)b'}\n"
		"- {id: again, pattern: '(a(?1)?b)'}\n",
		1
	);
	assert_int_equal(set.n_bad, 5);
	assert_int_equal(database_n(set.db), 0);
	set_close(&set);
	free(text);
}

// Q7: who is told of a match scans, three ways.
struct nested {
	struct scanner *scanner;
	struct heard outer, inner;
};

static bool on_match_scan(void *ctx, const struct scan_hit *hit) {
	static uint8_t large[4096];
	struct nested *nested = ctx;
	struct scan_stream *stream
		= scan_open(nested->scanner, RULE_BODY, on_match, &nested->inner);

	assert_non_null(stream);
	memset(large, 'a', sizeof(large));
	scan_data(stream, large, sizeof(large));
	scan_close(stream, true);
	stream = scan_open(nested->scanner, RULE_BODY, on_match, &nested->inner);
	scan_data(stream, large, 8);
	scan_close(stream, true);
	scan_token(nested->scanner, RULE_SUBJECT, large, 8, on_match, &nested->inner);
	return on_match(&nested->outer, hit);
}

static void q7_scanning_from_a_callback_is_refused_and_harms_nobody(void **state) {
	struct nested nested = {0};
	struct heard heard = {0};
	struct set set;

	set_open(&set, "rules:\n- {id: a, look: [body, subject], pattern: 'ab?'}\n", 4);
	nested.scanner = set.scanner;
	struct scan_stream *stream = scan_open(set.scanner, RULE_BODY, on_match_scan, &nested);
	scan_data(stream, (const uint8_t *)"xa xab", 6);
	scan_flush(set.scanner);
	scan_data(stream, (const uint8_t *)" xa", 3);
	scan_close(stream, true);
	assert_int_equal(nested.outer.n, 4);
	assert_int_equal(nested.outer.offset[3], 9);
	assert_int_equal(nested.inner.n, 0);
	assert_int_equal(scanner_work(set.scanner)->n_refused, 3 * 4);
	// And all slots and the scratch are as before.
	for (int i = 0; i < 4; i++)
		scan(set.scanner, "xab", 3, 3, 1, &heard);
	assert_int_equal(heard.n, 8);
	set_close(&set);
}

// Q8: lengths beyond 32 bits. Pages that are only read are all the same one.
static void q8_a_piece_beyond_four_gigabytes_is_scanned_whole(void **state) {
	const size_t size = ((size_t)1 << 32) + 4096;
	struct heard heard = {0};
	struct set set;
	uint8_t *data
		= mmap(NULL,
		       size,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1,
		       0);

	if (data == MAP_FAILED)
		skip();
	set_open(&set, "rules:\n- {id: a, look: [body, subject], pattern: 'needle'}\n", 1);
	memcpy(data + 100, "needle", 6);
	memcpy(data + ((size_t)1 << 32) - 3, "needle", 6);
	memcpy(data + size - 6, "needle", 6);
	struct scan_stream *stream = scan_open(set.scanner, RULE_BODY, on_match, &heard);
	scan_data(stream, data, size);
	scan_close(stream, true);
	assert_int_equal(heard.n, 3);
	assert_int_equal(heard.offset[0], 106);
	assert_int_equal(heard.offset[1], ((uint64_t)1 << 32) + 3);
	assert_int_equal(heard.offset[2], size);
	assert_int_equal(scanner_work(set.scanner)->n_bytes, size);
	// A token, of which there is none so large: its beginning, and no length of another size.
	memset(&heard, 0, sizeof(heard));
	scan_token(set.scanner, RULE_SUBJECT, data, ((size_t)1 << 32) + 50, on_match, &heard);
	assert_int_equal(heard.n, 1);
	munmap(data, size);
	set_close(&set);
}

// Q13: what comes in crumbs is scanned once, not again from its start; Q10: what is empty is not scanned.
static void q10_q13_work_is_in_proportion_to_bytes(void **state) {
	enum { SIZE = 100000 };
	uint8_t *text = malloc(SIZE);
	struct heard heard = {0};
	struct set set;

	memset(text, 'b', SIZE);
	set_open(&set, "rules:\n- {id: a, look: [body, subject], pattern: 'a.{900}a'}\n", 1);
	const struct scan_work *work = scanner_work(set.scanner);
	struct scan_stream *stream = scan_open(set.scanner, RULE_BODY, on_match, &heard);
	for (int i = 0; i < SIZE; i++) {
		scan_data(stream, text + i, 1);
		scan_data(stream, text, 0);
	}
	scan_close(stream, true);
	assert_int_equal(work->n_bytes, SIZE);
	assert_in_range(work->n_calls, SIZE / 4096, SIZE / 1024);
	for (int i = 0; i < SIZE; i++)
		scan_token(set.scanner, RULE_SUBJECT, text, 0, on_match, &heard);
	assert_int_equal(work->n_bytes, SIZE);
	assert_in_range(work->n_calls, SIZE / 4096, SIZE / 1024);
	free(text);
	set_close(&set);
}

// Words composed, and decomposed as macOS writes them: U+0301, 0302, 0308, 030A, 030C behind the plain letter.
static const struct {
	const char *composed, *decomposed;
} two_forms[] = {
	{"příliš", "pr\xcc\x8ci\xcc\x81lis\xcc\x8c"},
	{"žluťoučký", "z\xcc\x8clut\xcc\x8couc\xcc\x8cky\xcc\x81"},
	{"kůň", "ku\xcc\x8an\xcc\x8c"},
	{"úpěl", "u\xcc\x81pe\xcc\x8cl"},
	{"ďábelské",
	 "d\xcc\x8c"
	 "a\xcc\x81"
	 "belske\xcc\x81"},
	{"ódy",
	 "o\xcc\x81"
	 "dy"},
	{"stĺp", "stl\xcc\x81p"},
	{"kôň", "ko\xcc\x82n\xcc\x8c"},
	{"vŕba",
	 "vr\xcc\x81"
	 "ba"},
	{"mäso", "ma\xcc\x88so"},
	{"ľúbiť",
	 "l\xcc\x8cu\xcc\x81"
	 "bit\xcc\x8c"},
	{"PŘÍLIŠ ŽLUŤOUČKÝ KŮŇ",
	 "PR\xcc\x8cI\xcc\x81LIS\xcc\x8c Z\xcc\x8cLUT\xcc\x8cOUC\xcc\x8cKY\xcc\x81 "
	 "KU\xcc\x8aN\xcc\x8c"},
	{"ĎÁBELSKÉ ÓDY",
	 "D\xcc\x8c"
	 "A\xcc\x81"
	 "BELSKE\xcc\x81 O\xcc\x81"
	 "DY"},
	{"ĽÚBIŤ STĹP",
	 "L\xcc\x8cU\xcc\x81"
	 "BIT\xcc\x8c STL\xcc\x81P"},
};

static void
word_find(const char *pattern, const char *flags, const char *text, size_t size, int n_wanted) {
	char rule[400];
	struct set set;

	snprintf(
		rule,
		sizeof(rule),
		"rules:\n- {id: a, look: [body, filename], pattern: '%s', flags: [%s]}\n",
		pattern,
		flags
	);
	set_open(&set, rule, 1);
	for (size_t cut = 0; cut <= size; cut++) {
		struct heard heard = {0};
		struct scan_stream *stream = scan_open(set.scanner, RULE_BODY, on_match, &heard);

		scan_data(stream, (const uint8_t *)text, cut);
		scan_flush(set.scanner);
		scan_data(stream, (const uint8_t *)text + cut, size - cut);
		scan_close(stream, true);
		assert_int_equal(heard.n, n_wanted);
		// Of the text as it came.
		if (n_wanted > 0)
			assert_int_equal(heard.offset[0], size);
	}
	struct heard heard = {0};
	scan_token(set.scanner, RULE_FILENAME, (const uint8_t *)text, size, on_match, &heard);
	assert_int_equal(heard.n, n_wanted);
	set_close(&set);
}

// Whatever form pattern and text have, and wherever the text is cut.
static void composed_and_decomposed_letters_are_the_same(void **) {
	for (size_t i = 0; i < sizeof(two_forms) / sizeof(two_forms[0]); i++) {
		const char *const forms[] = {two_forms[i].composed, two_forms[i].decomposed};

		for (int pattern = 0; pattern < 2; pattern++)
			for (int text = 0; text < 2; text++) {
				char edged[200], wanted[200];
				int n = snprintf(edged, sizeof(edged), "-- %s.", forms[text]);

				snprintf(wanted, sizeof(wanted), " %s[.]", forms[pattern]);
				word_find(wanted, "fold", edged, (size_t)n, 1);
			}
	}
	// Another mark is another letter; a mark alone is none.
	word_find(" k\xc5\xaf\xc5\x88[.]", "fold", " ku\xcc\x81n\xcc\x8c.", 9, 0);
	word_find(" k\xc5\xaf\xc5\x88[.]", "fold", " k\xcc\x8an\xcc\x8c.", 8, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(composed_and_decomposed_letters_are_the_same),
		cmocka_unit_test(a_match_is_found_however_the_bytes_are_cut),
		cmocka_unit_test(a_stream_remembers_nothing_of_the_one_before),
		cmocka_unit_test(so_many_streams_are_open_and_no_more),
		cmocka_unit_test(a_callback_that_has_enough_hears_no_more),
		cmocka_unit_test(bad_patterns_are_named_and_the_others_work),
		cmocka_unit_test(no_rule_at_all_scans_nothing),
		cmocka_unit_test(q6_the_shipped_rules_hold_and_cost_little_state),
		cmocka_unit_test(q6_repeats_that_cost_are_refused),
		cmocka_unit_test(q2_nested_repeats_end),
		cmocka_unit_test(q7_scanning_from_a_callback_is_refused_and_harms_nobody),
		cmocka_unit_test(q8_a_piece_beyond_four_gigabytes_is_scanned_whole),
		cmocka_unit_test(q10_q13_work_is_in_proportion_to_bytes),
	};

#ifndef HAVE_HYPERSCAN
	return 77; // nothing is scanned in this build
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
