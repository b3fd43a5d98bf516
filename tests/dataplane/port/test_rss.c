// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Symmetric keys, held against published Toeplitz vectors and against both directions of random tuples.

#include "port/rss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

// The key and two of the vectors with which Microsoft specifies RSS.
static const uint8_t published[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void the_hash_is_the_one_that_nics_compute(void **) {
	// 66.9.149.187:2794 → 161.142.100.80:1766; 3ffe:2501:200:1fff::7:2794 → 3ffe:2501:200:3::1:1766
	const uint8_t v4[12] = {
		66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
	const uint8_t v6[36] = {
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00,	 0x1f,	     0xff,	0,
		0,    0,    0,	  0,	0,    0,	 7,	     0x3f,	0xfe,
		0x25, 0x01, 0x02, 0x00, 0x00, 0x03,	 0,	     0,		0,
		0,    0,    0,	  0,	1,    2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255,
	};

	assert_int_equal(rss_hash(published, v4, 12), 0x51ccc178);
	assert_int_equal(rss_hash(published, v6, 36), 0x40207d3d);
	assert_false(rss_key_is_symmetric(published, sizeof(published)));
}

static void reverse(const uint8_t *tuple, size_t address_size, uint8_t *reversed) {
	memcpy(reversed, tuple + address_size, address_size);
	memcpy(reversed + address_size, tuple, address_size);
	memcpy(reversed + 2 * address_size, tuple + 2 * address_size + 2, 2);
	memcpy(reversed + 2 * address_size + 2, tuple + 2 * address_size, 2);
}

static void both_directions_hash_the_same(void **) {
	unsigned seed = (unsigned)time(NULL);
	uint8_t key[52], tuple[36], reversed[36];

	print_message("seed %u\n", seed);
	srand(seed);
	for (int i = 0; i < 2000; i++) {
		size_t address_size = i % 2 ? 16 : 4, size = 2 * address_size + 4;

		rss_key_make((uint16_t)rand(), key, sizeof(key));
		assert_true(rss_key_is_symmetric(key, sizeof(key)));
		assert_true(rss_key_is_symmetric(key, 40));
		for (size_t k = 0; k < size; k++)
			tuple[k] = (uint8_t)rand();
		reverse(tuple, address_size, reversed);
		assert_int_equal(rss_hash(key, tuple, size), rss_hash(key, reversed, size));
	}
}

// Whatever the random bits: all 65,536 sums of ports have a hash of their own.
static void q12_every_key_uses_all_hashes(void **) {
	static const uint16_t randoms[] = {0, 1, 0xffff, 0x5555, 0x00ff, 0x8000, 0x6d5a};
	static bool seen[65536];
	uint8_t key[40], tuple[12] = {0};

	for (size_t r = 0; r < sizeof(randoms) / sizeof(randoms[0]); r++) {
		rss_key_make(randoms[r], key, sizeof(key));
		memset(seen, 0, sizeof(seen));
		for (unsigned port = 0; port < 65536; port++) {
			tuple[8] = (uint8_t)(port >> 8);
			tuple[9] = (uint8_t)port;
			seen[rss_hash(key, tuple, sizeof(tuple)) & 0xffff] = true;
		}
		for (unsigned i = 0; i < 65536; i++)
			assert_true(seen[i]);
	}
}

static void a_key_that_differs_in_one_bit_is_none(void **) {
	uint8_t key[40];

	for (size_t bit = 0; bit < (36 + 3) * 8; bit++) {
		rss_key_make(0x6d5a, key, sizeof(key));
		key[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
		assert_false(rss_key_is_symmetric(key, sizeof(key)));
	}
	assert_false(rss_key_is_symmetric(key, 39));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_the_one_that_nics_compute),
		cmocka_unit_test(both_directions_hash_the_same),
		cmocka_unit_test(q12_every_key_uses_all_hashes),
		cmocka_unit_test(a_key_that_differs_in_one_bit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
