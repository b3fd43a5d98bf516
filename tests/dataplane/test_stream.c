// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk.h"

#include <setjmp.h>
#include <time.h>

#include <cmocka.h>

static void a_plain_dialogue_is_told_in_order(void **) {
	struct talk *t = talk_new(16, 1 << 20);

	talk_handshake(t, 0, 1000, 5000);
	assert_string_equal(t->log, "");
	TALK(t, S, TCP_ACK, 5000, 1000, "* OK");
	TALK(t, C, TCP_ACK, 1000, 5004, "a LOGIN");
	TALK(t, S, TCP_ACK, 5004, 1007, "a OK");
	TALK(t, C, TCP_ACK | TCP_FIN, 1007, 5008);
	TALK(t, S, TCP_ACK | TCP_FIN, 5008, 1008, "bye");
	assert_string_equal(t->log, "open S:* OK C:a LOGIN S:a OK S:bye close ");
	TALK(t, C, TCP_ACK, 1008, 5012);
	assert_int_equal(flow_n_open(t->table), 1);
	flow_advance(t->table, t->now_ns + 11ull * 1000000000);
	assert_int_equal(flow_n_open(t->table), 0);
	talk_free(t);
}

static void a_swapped_pair_is_put_in_order(void **) {
	struct talk *t = talk_new(16, 1 << 20);

	talk_handshake(t, 0, 1000, 5000);
	TALK(t, C, TCP_ACK, 1003, 5000, "def");
	TALK(t, C, TCP_ACK, 1000, 5000, "abc");
	assert_string_equal(t->log, "open C:abc C:def ");
	// An answer before its question.
	TALK(t, S, TCP_ACK, 5000, 1009, "ok");
	TALK(t, C, TCP_ACK, 1006, 5000, "ghi");
	assert_string_equal(t->log, "open C:abc C:def C:ghi S:ok ");
	flow_end(t->table);
	assert_string_equal(t->log, "open C:abc C:def C:ghi S:ok input ");
	talk_free(t);
}

// ---- Any way of cutting, swapping, repeating: the same talk

enum { SCRIPT_SEGMENTS_MAX = 4000, TRANSCRIPT_MAX = 60000 };

struct script {
	struct seg seg[SCRIPT_SEGMENTS_MAX];
	int n;
	uint32_t seq[2];
	char sent[2][TRANSCRIPT_MAX]; // the oracle: each side's bytes, and both as they were spoken
	size_t n_sent[2];
	char spoken[TRANSCRIPT_MAX];
	size_t n_spoken;
};

static uint64_t random_state;

static uint32_t random_below(uint32_t n) {
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % n;
}

static void script_push(struct script *s, struct seg seg) {
	if (s->n < SCRIPT_SEGMENTS_MAX)
		s->seg[s->n++] = seg;
}

// One message of dir in segments of at most size_max, each acknowledging all that was spoken.
static void script_message(struct script *s, enum stream_dir dir, int size, int size_max) {
	while (size > 0) {
		int n = 1 + (int)random_below((uint32_t)(size < size_max ? size : size_max));
		char *data = s->sent[dir] + s->n_sent[dir];

		for (int i = 0; i < n; i++)
			data[i] = (char)((dir ? 'A' : 'a') + random_below(26));
		memcpy(s->spoken + s->n_spoken, data, (size_t)n);
		script_push(
			s,
			(struct seg
			){.dir = dir,
			  .flags = TCP_ACK,
			  .seq = s->seq[dir],
			  .ack = s->seq[!dir],
			  .data = data,
			  .size = n}
		);
		s->seq[dir] += (uint32_t)n;
		s->n_sent[dir] += (size_t)n;
		s->n_spoken += (size_t)n;
		size -= n;
	}
}

// Repeats a run of bytes sent before, cut as it comes.
static void script_repeat(struct script *s, enum stream_dir dir) {
	size_t from, n;

	if (!s->n_sent[dir])
		return;
	from = random_below((uint32_t)s->n_sent[dir]);
	n = 1 + random_below((uint32_t)(s->n_sent[dir] - from));
	if (n > 3000)
		n = 3000;
	script_push(
		s,
		(struct seg
		){.dir = dir,
		  .flags = TCP_ACK,
		  .seq = s->seq[dir] - (uint32_t)(s->n_sent[dir] - from),
		  .ack = s->seq[!dir],
		  .data = s->sent[dir] + from,
		  .size = (int)n}
	);
}

static void script_write(struct script *s, int size_max) {
	uint32_t n_messages = 2 + random_below(12);

	s->n = 0;
	s->n_sent[0] = s->n_sent[1] = s->n_spoken = 0;
	s->seq[0] = random_below(4) ? random_below(UINT32_MAX) : 0xffffff00u;
	s->seq[1] = random_below(4) ? random_below(UINT32_MAX) : 0xfffffff0u;
	for (uint32_t i = 0; i < n_messages; i++) {
		script_message(
			s, i & 1, 1 + (int)random_below(size_max < 10 ? 100 : 3000), size_max
		);
		if (!random_below(3))
			script_repeat(s, random_below(2));
	}
}

static void script_play(struct script *s, struct talk *t, bool swap) {
	uint32_t c0 = s->seq[0] - (uint32_t)s->n_sent[0], s0 = s->seq[1] - (uint32_t)s->n_sent[1];

	script_push(
		s,
		(struct seg
		){.dir = C, .flags = TCP_ACK | TCP_FIN, .seq = s->seq[0], .ack = s->seq[1]}
	);
	script_push(
		s,
		(struct seg
		){.dir = S, .flags = TCP_ACK | TCP_FIN, .seq = s->seq[1], .ack = s->seq[0] + 1}
	);
	for (int i = 1; swap && i < s->n; i++)
		if (!random_below(3)) {
			struct seg seg = s->seg[i];
			s->seg[i] = s->seg[i - 1];
			s->seg[i - 1] = seg;
			i++;
		}
	talk_handshake(t, 0, c0, s0);
	for (int i = 0; i < s->n; i++)
		talk_segment(t, &s->seg[i]);
}

static uint64_t fates(const struct talk *t) {
	const struct flow_stats *stats = flow_stats(t->table);

	return stats->segment_in_order + stats->segment_held + stats->segment_no_data
		+ stats->segment_repeated + stats->segment_out_of_window + stats->segment_no_ack
		+ stats->segment_after_close + stats->segment_no_flow + stats->segment_not_held
		+ stats->segment_bad_checksum;
}

static void any_cut_and_any_swap_of_neighbours_tell_the_same_talk(void **) {
	struct script *s = calloc(1, sizeof(*s));
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);

	print_message("SEED=%" PRIu64 "\n", seed);
	for (uint64_t round = 0; round < 300; round++) {
		struct talk *t = talk_new(16, 1 << 20);

		random_state = seed + round;
		script_write(s, random_below(3) ? 1460 : 1 + (int)random_below(5));
		t->hash = round % 2 ? 7 : 0;
		t->family = round % 3 ? 4 : 6;
		script_play(s, t, round % 5 != 0);
		assert_int_equal(t->n_readers, 1);
		assert_int_equal(t->n_spoken, s->n_spoken);
		if (memcmp(t->spoken, s->spoken, s->n_spoken) != 0)
			print_error("round %" PRIu64 "\n", round);
		assert_memory_equal(t->spoken, s->spoken, s->n_spoken);
		for (int dir = 0; dir < 2; dir++) {
			assert_int_equal(t->reader[0]->n_bytes[dir], s->n_sent[dir]);
			assert_memory_equal(t->reader[0]->bytes[dir], s->sent[dir], s->n_sent[dir]);
			assert_int_equal(t->reader[0]->n_gaps[dir], 0);
		}
		assert_int_equal(t->reader[0]->n_closes, 1);
		assert_int_equal(t->reader[0]->end, STREAM_END_CLOSE);
		assert_int_equal(t->reader[0]->events, 0);
		assert_int_equal(fates(t), t->n_packets);
		flow_end(t->table);
		assert_int_equal(flow_n_open(t->table), 0);
		talk_free(t);
	}
	free(s);
}

// Segments of one direction in any order at all, with repetitions: the same bytes in the end.
static void any_order_of_segments_gives_the_same_bytes(void **) {
	struct script *s = calloc(1, sizeof(*s));
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);

	print_message("SEED=%" PRIu64 "\n", seed);
	for (uint64_t round = 0; round < 200; round++) {
		struct talk *t = talk_new(16, 1 << 22);
		uint32_t c0;

		random_state = seed + round;
		s->n = 0;
		s->n_sent[0] = s->n_sent[1] = s->n_spoken = 0;
		s->seq[0] = c0 = random_below(3) ? random_below(UINT32_MAX) : 0xffffff00u;
		s->seq[1] = 1;
		script_message(s, C, 1 + (int)random_below(8000), 200);
		for (int i = 0; i < 5; i++)
			script_repeat(s, C);
		for (int i = s->n - 1; i > 0; i--) {
			int j = (int)random_below((uint32_t)i + 1);
			struct seg seg = s->seg[i];
			s->seg[i] = s->seg[j];
			s->seg[j] = seg;
		}
		talk_handshake(t, 0, c0, 1);
		for (int i = 0; i < s->n; i++)
			talk_segment(t, &s->seg[i]);
		assert_int_equal(t->reader[0]->n_bytes[0], s->n_sent[0]);
		assert_memory_equal(t->reader[0]->bytes[0], s->sent[0], s->n_sent[0]);
		assert_int_equal(t->reader[0]->n_gaps[0], 0);
		assert_int_equal(t->reader[0]->events, 0);
		assert_int_equal(fates(t), t->n_packets);
		talk_free(t);
	}
	free(s);
}

// T31: every shape of three chunks over six numbers (two alike are the shapes of two), each chunk with its own letter, behind
// a hole that is filled last. The oracle is an array in which the first to come has the byte.
static void t31_every_shape_of_overlap_is_first_wins_and_said(void **) {
	enum { SIZE = 6 };
	int n_shapes = 0;

	for (int shape = 0; shape < SIZE * SIZE * SIZE * SIZE * SIZE * SIZE; shape++) {
		char oracle[SIZE + 2] = "", chunk[SIZE + 1], first = 0;
		bool differs = false;
		struct talk *t;
		int code = shape, end = 0;
		int from[3], to[3];

		for (int i = 0; i < 3; i++) {
			from[i] = code % SIZE;
			to[i] = code / SIZE % SIZE + 1;
			code /= SIZE * SIZE;
		}
		if (from[0] >= to[0] || from[1] >= to[1] || from[2] >= to[2])
			continue;
		n_shapes++;
		t = talk_new(4, 1 << 16);
		talk_handshake(t, 0, 100, 500);
		memset(oracle, 0, sizeof(oracle));
		for (int i = 0; i < 3; i++) {
			for (int at = from[i]; at < to[i]; at++) {
				differs |= oracle[1 + at] != 0;
				if (!oracle[1 + at])
					oracle[1 + at] = (char)('a' + i);
			}
			end = to[i] > end ? to[i] : end;
			memset(chunk, 'a' + i, sizeof(chunk));
			TALK(t, C, TCP_ACK, 101 + (uint32_t)from[i], 500, chunk, to[i] - from[i]);
		}
		oracle[0] = first = '!';
		for (int at = 1; at <= end; at++)
			if (!oracle[at])
				oracle[at] = '?';
		TALK(t, C, TCP_ACK, 100, 500, &first, 1);
		flow_end(t->table);
		assert_int_equal(t->reader[0]->n_bytes[0], end + 1);
		assert_memory_equal(t->reader[0]->bytes[0], oracle, (size_t)end + 1);
		assert_int_equal(
			t->reader[0]->events,
			differs ? 1u << STREAM_EVENT_inconsistent_retransmission : 0
		);
		assert_int_equal(fates(t), t->n_packets);
		talk_free(t);
	}
	assert_int_equal(n_shapes, 21 * 21 * 21);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_dialogue_is_told_in_order),
		cmocka_unit_test(a_swapped_pair_is_put_in_order),
		cmocka_unit_test(any_cut_and_any_swap_of_neighbours_tell_the_same_talk),
		cmocka_unit_test(any_order_of_segments_gives_the_same_bytes),
		cmocka_unit_test(t31_every_shape_of_overlap_is_first_wins_and_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
