// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "proto/inflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include <cmocka.h>

enum { SLAB_SIZE = 1 << 20 };

// Raw deflate of size bytes, in pieces as a server flushes them. Returns its size; the block is the caller's.
static size_t deflated(const uint8_t *in, size_t size, size_t piece, int flush, uint8_t **out_r) {
	size_t room = size + size / 100 + 16 * (size / piece + 1) + 64;
	z_stream z = {};

	*out_r = malloc(room);
	assert_non_null(*out_r);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = *out_r;
	z.avail_out = room;
	for (size_t at = 0; at < size; at += piece) {
		z.next_in = (uint8_t *)in + at;
		z.avail_in = piece < size - at ? piece : size - at;
		assert_int_equal(deflate(&z, flush), Z_OK);
	}
	size = z.total_out;
	deflateEnd(&z);
	return size;
}

// Inflates in pieces of random size. Returns what comes out, or the end.
static long
inflated(const uint8_t *in, size_t size, size_t piece, uint8_t *out, size_t room, size_t *n_out) {
	struct slab *slab = slab_open(SLAB_SIZE);
	struct inflater *inflater = inflater_open(slab);
	uint8_t some[1000];
	int n = 0;

	*n_out = 0;
	assert_non_null(inflater);
	for (size_t at = 0; n >= 0 && at < size;) {
		size_t left = 1 + (size_t)rand() % piece;
		left = left < size - at ? left : size - at;
		uint8_t *exact = malloc(left);
		const uint8_t *data = exact;
		memcpy(exact, in + at, left);
		at += left;
		do {
			n = inflater_run(inflater, &data, &left, some, sizeof(some));
			assert_true(n <= (int)sizeof(some));
			for (int i = 0; i < n && *n_out < room; i++)
				out[(*n_out)++] = some[i];
		} while (n > 0 || (n == 0 && left > 0));
		free(exact);
	}
	assert_in_range(slab_used(slab), 1, INFLATER_SIZE);
	inflater_close(inflater);
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
	return n;
}

static void what_was_deflated_comes_out_however_it_is_cut(void **) {
	unsigned seed = time(NULL);
	enum { SIZE = 100000 };
	uint8_t *in = malloc(SIZE), *out = malloc(SIZE + 1), *wire;
	size_t n_out, n_wire;

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < SIZE; i++) // from noise to much of the same
			in[i] = rand() % (1 + (1 << round % 9)) == 0 ? rand()
				: i > 40			     ? in[i - 40]
								     : 'x';
		n_wire = deflated(
			in, SIZE, 1 + rand() % 5000, round % 2 ? Z_SYNC_FLUSH : Z_FULL_FLUSH, &wire
		);
		assert_int_equal(
			inflated(wire, n_wire, round % 3 ? 1500 : 1, out, SIZE + 1, &n_out), 0
		);
		assert_int_equal(n_out, SIZE);
		assert_memory_equal(out, in, SIZE);
		free(wire);
	}
	free(in);
	free(out);
}

// I18: 1,032:1 in one stream; what is said before the end is the same however it comes.
static void i18_a_bomb_ends_at_its_limit(void **) {
	enum { SIZE = INFLATE_FREE_SIZE + (4 << 20) };
	uint8_t *in = calloc(1, SIZE), *out = malloc(SIZE), *wire;
	size_t n_wire = deflated(in, SIZE, SIZE, Z_SYNC_FLUSH, &wire), n_out;

	assert_in_range(SIZE / n_wire, 500, 1032);
	for (size_t piece = 1; piece < 100000; piece *= 50) {
		assert_int_equal(inflated(wire, n_wire, piece, out, SIZE, &n_out), INFLATE_BOMB);
		assert_in_range(
			n_out,
			INFLATE_FREE_SIZE,
			INFLATE_FREE_SIZE + INFLATE_RATIO_MAX * n_wire + 65536
		);
	}
	// Up to the limit it is none: an attachment of nothing but zeros may be sent.
	free(wire);
	n_wire = deflated(in, INFLATE_FREE_SIZE, INFLATE_FREE_SIZE, Z_SYNC_FLUSH, &wire);
	assert_int_equal(inflated(wire, n_wire, 1500, out, SIZE, &n_out), 0);
	assert_int_equal(n_out, INFLATE_FREE_SIZE);
	free(wire);
	free(in);
	free(out);
}

static void i18_what_is_no_deflate_ends(void **) {
	static const struct {
		const char *in;
		size_t size;
		long end;
		const char *out;
	} cases[] = {
		{"\x07", 1, INFLATE_BAD, ""}, // a reserved kind of block
		{"\x00\x02\x00\x00\x00", 5, INFLATE_BAD, ""}, // a stored block's lengths disagree
		{"\x00\x02\x00\xfd\xffhi", 7, 0, "hi"},
		{"\x00\x02\x00\xfd\xffhi\x07", 8, INFLATE_BAD, "hi"},
		{"\x01\x02\x00\xfd\xffhi", 7, 0, "hi"}, // the last block
		{"\x01\x02\x00\xfd\xffhi\x00", 8, INFLATE_BAD, "hi"},
		{"\x03\x00", 2, 0, ""},
		{"\x03\x00\x03", 3, INFLATE_BAD, ""},
	};
	uint8_t out[16];
	size_t n_out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t piece = 1; piece <= 16; piece *= 4) {
			long end = inflated(
				(const uint8_t *)cases[i].in,
				cases[i].size,
				piece,
				out,
				sizeof(out),
				&n_out
			);
			assert_int_equal(end, cases[i].end);
			assert_int_equal(n_out, strlen(cases[i].out));
			assert_memory_equal(out, cases[i].out, n_out);
		}
	}
}

// N2: wherever the slab is full, there is no inflater, and nothing is left of it.
static void without_room_there_is_none_or_it_ends(void **) {
	for (size_t pages = 1; pages <= 4; pages++) {
		struct slab *slab = slab_open(pages << 16);
		struct inflater *inflater = inflater_open(slab);
		const uint8_t stored[] = "\x00\x02\x00\xfd\xffhi", *data = stored;
		size_t size = sizeof(stored) - 1;
		uint8_t out[16];

		if (inflater != NULL)
			inflater_run(inflater, &data, &size, out, sizeof(out));
		inflater_close(inflater);
		assert_int_equal(slab_used(slab), 0);
		slab_close(slab);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_deflated_comes_out_however_it_is_cut),
		cmocka_unit_test(i18_a_bomb_ends_at_its_limit),
		cmocka_unit_test(i18_what_is_no_deflate_ends),
		cmocka_unit_test(without_room_there_is_none_or_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
