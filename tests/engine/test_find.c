// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

typedef size_t find(const uint8_t *data, size_t size);

static const struct {
	find *fast, *plain;
	const char *alphabet; // what matters to it, and what does not
} finds[] = {
	{find_odd_line_end, find_odd_line_end_plain, "\r\n.x"},
	{find_qp_special, find_qp_special_plain, "=\r\nx"},
	{find_line_dash, find_line_dash_plain, "\n-x"},
};
enum { N_FINDS = sizeof(finds) / sizeof(finds[0]) };

// In a block of its exact size, so that ASan sees a read past either end.
static void assert_same(int which, const uint8_t *data, size_t size) {
	uint8_t *block = malloc(size + !size);

	memcpy(block, data, size);
	size_t fast = finds[which].fast(block, size), plain = finds[which].plain(block, size);
	if (fast != plain)
		fail_msg("find %d in %zu bytes: %zu, not %zu", which, size, fast, plain);
	assert_true(fast <= size);
	free(block);
}

static void what_is_found_is_what_the_plain_version_finds(void **) {
	unsigned seed = (unsigned)time(NULL);
	uint8_t data[300];

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int round = 0; round < 60000; round++) {
		int which = round % N_FINDS;
		size_t size = (size_t)random() % sizeof(data);
		size_t n_alphabet = strlen(finds[which].alphabet) + 1; // its NUL, too
		long rare = 1 + random() % 100;
		for (size_t i = 0; i < size; i++) {
			data[i] = (uint8_t)('a' + i % 26);
			if (random() % rare == 0)
				data[i] = (uint8_t)finds[which]
						  .alphabet[(size_t)random() % n_alphabet];
		}
		assert_same(which, data, size);
	}
}

static void every_pair_is_judged_alike_at_every_place(void **) {
	static const char odd[] = "\r\n.-=\0 a";
	uint8_t data[101];

	for (int which = 0; which < N_FINDS; which++)
		for (size_t at = 0; at + 2 < sizeof(data); at++)
			for (size_t a = 0; a < sizeof(odd); a++)
				for (size_t b = 0; b < sizeof(odd); b++)
					for (size_t c = 0; c < sizeof(odd); c++) {
						memset(data, 'x', sizeof(data));
						data[at] = (uint8_t)odd[a];
						data[at + 1] = (uint8_t)odd[b];
						data[at + 2] = (uint8_t)odd[c];
						assert_same(which, data, sizeof(data));
						assert_same(which, data, at + 3);
					}
}

static void plain_versions_find_what_they_say(void **) {
	static const struct {
		int which;
		const char *text;
		size_t place;
	} cases[] = {
		{0, "ab\r\ncd", 6},
		{0, "ab\r\n.", 3},
		{0, "ab\rc", 2},
		{0, "a\nb", 1},
		{0, "\nb", 0},
		{0, "ab\r", 2},
		{0, "ab\r\n", 3},
		{1, "a b\t=", 4},
		{1, "a\r\n", 1},
		{2, "-a\n-", 3},
		{2, "a\r\nb-", 5},
		{2, "a\n", 2},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			finds[cases[i].which].plain(
				(const uint8_t *)cases[i].text, strlen(cases[i].text)
			),
			cases[i].place
		);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_versions_find_what_they_say),
		cmocka_unit_test(what_is_found_is_what_the_plain_version_finds),
		cmocka_unit_test(every_pair_is_judged_alike_at_every_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
