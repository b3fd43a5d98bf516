// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "desk.h"

// From the reference implementation's vectors: key 00 … 0f, input 00 01 … of that length.
static void siphash_gives_the_published_values(void **) {
	static const struct {
		size_t size;
		uint64_t hash;
	} cases[] = {
		{0, 0x726fdb47dd0e0e31},
		{1, 0x74f839c593dc67fd},
		{8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5},
	};
	const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *input = malloc(cases[i].size + !cases[i].size);
		for (size_t k = 0; k < cases[i].size; k++)
			input[k] = k;
		assert_true(hash_bytes(key, input, cases[i].size) == cases[i].hash);
		free(input);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_gives_the_published_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
