// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Work of decode and flow grows as what comes does, whatever it is: each row's construction with n and with 4n
// (steps.h). Once below what is held at most, where nothing but the code sees to it, and once beyond.

#include "../steps.h"
#include "defrag.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FEW = 60, MANY = 2000 };

static const struct row *row;

static void play(size_t n) {
	struct row_script script = {0};
	struct row_frames frames;
	struct row_play play;

	row->write(&script, (uint32_t)n);
	frames = row_frames_make(&script);
	row_play_open(&play, row, true);
	steps_start();
	row_play_frames(&play, &frames, 0, frames.n);
	row_play_end(&play);
	steps_stop();
	row_play_close(&play);
	row_frames_free(&frames);
	row_free(&script);
}

static void t1_to_t37_work_grows_as_what_comes(void **state) {
	int n_wrong = 0;

	for (size_t i = 0; i < n_rows; i++) {
		struct steps cost[2][2];

		row = &rows[i];
		for (int many = 0; many < 2; many++) {
			if (steps_grow(play, many ? MANY : FEW, cost[many]))
				continue;
			print_error("%s: not linear from %d on\n", row->id, many ? MANY : FEW);
			n_wrong++;
		}
		print_message(
			"%-14s x %.2f, x %.2f; %.0f blocks each\n",
			row->id,
			steps_ratio(cost[0]),
			steps_ratio(cost[1]),
			(double)(cost[1][1].blocks - cost[1][0].blocks) / (3 * MANY)
		);
	}
	assert_int_equal(n_wrong, 0);
}

// ---- Fragments

enum { FRAGMENT_SIZE = 28 };

static int n_sources; // that the fragments claim to be of

// Eight bytes anywhere in one of 50 datagrams, the last of which never comes.
static void fragment_write(uint8_t *to, uint32_t i) {
	static const uint8_t header[12] = {0x45, 0, 0, FRAGMENT_SIZE, [6] = 0x20, [8] = 64, 6};
	uint32_t at = i * 2654435761u >> 19, datagram = i * 40503u >> 4;

	memset(to, 'x', FRAGMENT_SIZE);
	memcpy(to, header, sizeof(header));
	to[5] = (uint8_t)(datagram % 50);
	to[6] |= (uint8_t)(at >> 8 & 0x1f);
	to[7] = (uint8_t)at;
	memcpy(to + 12, (uint8_t[8]){10, 0, (uint8_t)(i % (uint32_t)n_sources), 1, 10, 0, 0, 2}, 8);
}

static void fragments_take(size_t n) {
	static const struct decode_config config = {.hash_key = {3, 4}};
	struct defrag *defrag = defrag_open(&(struct defrag_config
	){.n_datagrams = 256, .n_chunks = 1024, .hash_key = {5, 6}});
	uint8_t *fragments = malloc(n * FRAGMENT_SIZE);

	for (size_t i = 0; i < n; i++)
		fragment_write(fragments + i * FRAGMENT_SIZE, (uint32_t)i);
	steps_start();
	for (size_t i = 0; i < n; i++) {
		struct frame whole,
			frame = {
				.data = fragments + i * FRAGMENT_SIZE,
				.size = FRAGMENT_SIZE,
				.wire_size = FRAGMENT_SIZE,
				.time_ns = 1 + i * 1000,
				.link = LINK_RAW_IP,
			};
		struct pkt pkt;

		assert_int_equal(decode(&config, &frame, &pkt), VERDICT_fragment);
		pkt.time_ns = frame.time_ns;
		assert_int_equal(
			defrag_decode(defrag, &config, &frame, &pkt, &whole), VERDICT_fragment
		);
	}
	steps_stop();
	free(fragments);
	defrag_close(defrag);
}

static void f8_work_grows_as_fragments_come(void **state) {
	n_sources = 1;
	steps_are_linear(fragments_take, 500);
	steps_are_linear(fragments_take, 20000);
	n_sources = 200; // more than there are datagrams: soon each fragment pushes one out
	steps_are_linear(fragments_take, 2000);
	steps_are_linear(fragments_take, 20000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t1_to_t37_work_grows_as_what_comes),
		cmocka_unit_test(f8_work_grows_as_fragments_come),
	};

	return steps_run(tests);
}
