// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "recent.h"
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

// ---- The two directions come by different ways (queues of a NIC, taps): each in its order, and one later

// Acknowledgements by themselves are no sign that what they acknowledge was lost on the way here.
static void a_side_that_comes_late_is_no_gap(void **) {
	struct talk *t = talk_new(16, 1 << 20);
	uint32_t n = 3 * STREAM_REORDER_PACKETS;

	talk_handshake(t, 0, 1000, 5000);
	TALK(t, S, TCP_ACK, 5000, 1000 + 4 * n);
	for (uint32_t i = 0; i < n; i++)
		TALK(t, C, TCP_ACK, 1000 + 4 * i, 5000, "data");
	for (uint32_t i = 1; i <= n; i++)
		TALK(t, C, TCP_ACK, 1000 + 4 * n, 5000 + 5 * i);
	for (uint32_t i = 0; i < n; i++)
		TALK(t, S, TCP_ACK, 5000 + 5 * i, 1000 + 4 * n, "bytes");
	assert_int_equal(t->reader[0]->n_data_bytes[0], 4 * n);
	assert_int_equal(t->reader[0]->n_data_bytes[1], 5 * n);
	assert_int_equal(t->reader[0]->n_gaps[0] + t->reader[0]->n_gaps[1], 0);
	talk_free(t);
}

// The last acknowledgement, and a FIN sent again, come before the other side's FIN by one way and behind
// it by another; the close, and what is counted at it, are the same.
static void the_count_of_packets_does_not_depend_on_which_side_comes_first(void **) {
	static const char *const ways[] = {"csssc", "ccsss", "ssscc", "cscss", "sscsc"};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct talk *t = talk_new(16, 1 << 20);
		int n_client = 0, n_server = 0;

		talk_handshake(t, 0, 1000, 5000);
		TALK(t, S, TCP_ACK, 5000, 1000, "bye");
		for (const char *way = ways[i]; *way; way++) {
			if (*way == 'c' && n_client++ == 0)
				TALK(t, C, TCP_ACK | TCP_FIN, 1000, 5003);
			else if (*way == 'c')
				TALK(t, C, TCP_ACK, 1001, 5004);
			else if (n_server++ < 2)
				TALK(t, S, TCP_ACK | TCP_FIN, 5003, 1000);
			else
				TALK(t, S, TCP_ACK, 5004, 1001);
		}
		assert_int_equal(t->reader[0]->end, STREAM_END_CLOSE);
		assert_int_equal(t->reader[0]->n_packets[0], 3); // SYN, ACK, FIN
		assert_int_equal(t->reader[0]->n_packets[1], 3); // SYN, data, FIN
		talk_free(t);
	}
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

static void t9_any_cut_and_any_swap_of_neighbours_tell_the_same_talk(void **) {
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
static void t18_any_order_of_segments_gives_the_same_bytes(void **) {
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

// ---- Overlaps

enum { SHAPE = 6 }; // sequence numbers that chunks are laid over

struct chunk {
	int from, to;
};

// Whether the newer chunk has a byte that an older one has as well.
static bool newer_wins(enum overlap policy, struct chunk old, struct chunk new) {
	switch (policy) {
	case OVERLAP_FIRST:
		return false;
	case OVERLAP_LAST:
		return true;
	case OVERLAP_LINUX:
		return new.from < old.from || (new.from == old.from &&new.to > old.to);
	case OVERLAP_WINDOWS:
		return new.from < old.from;
	}
	abort();
}

// Three chunks, each with its own letter, behind a hole that is filled last; n bytes fill it, so that the
// filling may overlap them. The oracle says of each byte whose it is.
static void shape_check(enum overlap policy, const struct chunk chunks[4]) {
	struct talk *t = talk_with((struct flow_config
	){.n_flows = 4, .held_size = 1 << 16, .overlap = policy, .recent_size = 1 << 16});
	int owner[SHAPE + 1], end = 0;
	char oracle[SHAPE + 1], data[SHAPE + 1];
	bool differs = false;

	memset(owner, -1, sizeof(owner));
	talk_handshake(t, 0, 100, 500);
	for (int i = 0; i < 4; i++) {
		for (int at = chunks[i].from; at < chunks[i].to; at++) {
			differs |= owner[at] >= 0;
			if (owner[at] < 0 || newer_wins(policy, chunks[owner[at]], chunks[i]))
				owner[at] = i;
		}
		end = chunks[i].to > end ? chunks[i].to : end;
		memset(data, 'a' + i, sizeof(data));
		TALK(t,
		     C,
		     TCP_ACK,
		     100 + (uint32_t)chunks[i].from,
		     500,
		     data,
		     chunks[i].to - chunks[i].from);
	}
	for (int at = 0; at < end; at++)
		oracle[at] = owner[at] < 0 ? '?' : (char)('a' + owner[at]);
	flow_end(t->table);
	assert_int_equal(t->reader[0]->n_bytes[0], end);
	assert_memory_equal(t->reader[0]->bytes[0], oracle, (size_t)end);
	assert_int_equal(
		t->reader[0]->events, differs ? 1u << STREAM_EVENT_inconsistent_retransmission : 0
	);
	assert_int_equal(fates(t), t->n_packets);
	talk_free(t);
}

// Every shape of three chunks (two alike are the shapes of two).
static void t31_every_shape_of_overlap_is_as_the_policy_says_and_stated(void **) {
	int n_shapes = 0;

	for (int shape = 0; shape < 15 * 15 * 15 * SHAPE * 4; shape++) {
		struct chunk chunks[4];
		int code = shape, at;

		for (int i = 0; i < 3; i++, code /= 15) {
			chunks[i] = (struct chunk){.from = 1, .to = SHAPE};
			// The code-th of the fifteen ways to take a run of five.
			for (at = code % 15; at >= SHAPE - chunks[i].from; chunks[i].from++)
				at -= SHAPE - chunks[i].from;
			chunks[i].to = chunks[i].from + 1 + at;
		}
		chunks[3] = (struct chunk){.from = 0, .to = 1 + code % SHAPE};
		shape_check((enum overlap)(code / SHAPE), chunks);
		n_shapes++;
	}
	assert_int_equal(n_shapes, 81000);
}

// T30, T6: what has been delivered stays, and is compared with what comes again, however it is cut.
static void t30_a_retransmission_of_delivered_bytes_is_compared(void **) {
	static const struct {
		uint32_t seq;
		const char *data;
		bool differs, is_compared;
	} cases[] = {
		{100, "abcdefghij", false, true},
		{100, "abcde", false, true},
		{103, "defgh", false, true}, // across two
		{100, "abcXefghij", true, true},
		{104, "eX", true, true},
		{109, "j", false, false}, // a keep-alive
		{109, "X", false, false}, // whose byte may be anything
		{108, "X", true, true},
		{95, "-----abc", false, true}, // nobody knows what was before
		{95, "-----abX", true, true},
		{95, "---", false, false},
		{108, "ijklm", false, true}, // and more behind
		{108, "iXklm", true, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct talk *t = talk_new(4, 1 << 16);
		const struct flow_stats *stats = flow_stats(t->table);

		talk_handshake(t, 0, 100, 500);
		TALK(t, C, TCP_ACK, 100, 500, "abcde");
		TALK(t, C, TCP_ACK, 105, 500, "fghij");
		TALK(t, S, TCP_ACK, 500, i % 2 ? 110 : 100, "ok"); // acknowledged or not
		TALK(t, C, TCP_ACK, cases[i].seq, 502, cases[i].data);
		assert_int_equal(stats->overlap_differs, cases[i].differs);
		assert_int_equal(stats->repeat_compared, cases[i].is_compared);
		assert_int_equal(
			t->reader[0]->events,
			cases[i].differs ? 1u << STREAM_EVENT_inconsistent_retransmission : 0
		);
		assert_memory_equal(t->reader[0]->bytes[0], "abcdefghij", 10);
		talk_free(t);
	}
}

static void t30_what_is_not_kept_any_more_is_counted(void **) {
	struct talk *t = talk_with((struct flow_config
	){.n_flows = 8, .held_size = 1 << 16, .recent_size = 320});
	const struct flow_stats *stats = flow_stats(t->table);

	talk_handshake(t, 0, 100, 500);
	TALK(t, C, TCP_ACK, 100, 500, "abcdefgh");
	// 320 bytes hold ten records of eight bytes; others push the first one out.
	talk_handshake(t, 1, 100, 500);
	for (uint32_t i = 0; i < 9; i++)
		TALK(t, C, TCP_ACK, 100 + 8 * i, 500, "abcdefgh", .client = 1);
	TALK(t, C, TCP_ACK, 100, 500, "abcdefgX");
	assert_int_equal(stats->overlap_differs, 1);
	TALK(t, C, TCP_ACK, 172, 500, "abcdefgh", .client = 1);
	TALK(t, C, TCP_ACK, 100, 500, "abcdefgX");
	assert_int_equal(stats->overlap_differs, 1);
	assert_int_equal(stats->repeat_not_compared, 1);
	// Of servers nothing is kept, nor anything of one segment that would push out all others.
	TALK(t, S, TCP_ACK, 500, 108, "hello");
	TALK(t, S, TCP_ACK, 500, 108, "hellX");
	TALK(t, C, TCP_ACK, 108, 505, t->log, 100);
	TALK(t, C, TCP_ACK, 108, 505, t->log, 100);
	assert_int_equal(stats->repeat_not_compared, 3);
	assert_int_equal(stats->overlap_differs, 1);
	talk_free(t);
}

// The ring of recent bytes against all bytes ever sent: it never says differs of what is the same, nor same
// of what is not, and knows the latest.
static void what_is_kept_of_recent_bytes_is_what_was_sent(void **) {
	enum { FLOWS = 5, BYTES = 4096 };
	static uint8_t sent[FLOWS][BYTES];
	uint32_t n_sent[FLOWS] = {0}, n_known = 0;
	uint64_t name[FLOWS] = {1, 2, 3, 4, 5};
	struct recent *recent = recent_open(2048);

	random_state = (uint64_t)time(NULL) | 1;
	print_message("SEED=%" PRIu64 "\n", random_state);
	for (int round = 0; round < 200000; round++) {
		uint32_t f = random_below(FLOWS), size = 1 + random_below(60), at;
		uint8_t data[64];
		enum recent_result result;
		bool is_same;

		if (!random_below(500) || n_sent[f] + size > BYTES) {
			name[f] += UINT64_C(1) << 32; // another connection
			n_sent[f] = 0;
		}
		if (random_below(2)) {
			for (uint32_t i = 0; i < size; i++)
				sent[f][n_sent[f] + i] = (uint8_t)random_below(256);
			recent_add(
				recent, name[f], 0xffffff00u + n_sent[f], sent[f] + n_sent[f], size
			);
			n_sent[f] += size;
			result = recent_compare(
				recent,
				name[f],
				0xffffff00u + n_sent[f] - size,
				sent[f] + n_sent[f] - size,
				size
			);
			assert_int_equal(result, RECENT_SAME);
			continue;
		}
		if (n_sent[f] < size)
			continue;
		at = random_below(n_sent[f] - size + 1);
		memcpy(data, sent[f] + at, size);
		is_same = random_below(2);
		if (!is_same)
			data[random_below(size)] ^= 1;
		result = recent_compare(recent, name[f], 0xffffff00u + at, data, size);
		n_known += result != RECENT_GONE;
		if (is_same)
			assert_int_not_equal(result, RECENT_DIFFERS);
	}
	assert_true(n_known > 1000);
	recent_close(recent);
}

// ---- Urgent bytes

static void t15_the_urgent_byte_is_in_the_stream_or_beside_it(void **) {
	static const char *const words[] = {
		[URGENT_INLINE] = "malicXious and Xmore",
		[URGENT_OOB] = "malicious and more",
		[URGENT_GAP] = "malic?ious and ?more",
	};

	for (enum urgent policy = URGENT_INLINE; policy <= URGENT_GAP; policy++) {
		const char *word = words[policy];
		struct talk *t;

		// In one piece, in two, and the second before the first.
		for (int order = 0; order < 3; order++) {
			t = talk_with((struct flow_config
			){.n_flows = 4, .held_size = 1 << 16, .urgent = policy});
			talk_handshake(t, 0, 100, 500);
			if (order == 2)
				TALK(t, C, TCP_ACK | TCP_URG, 110, 500, " and Xmore", .urgent = 6);
			TALK(t, C, TCP_ACK | TCP_URG, 100, 500, "malicXious", .urgent = 6);
			if (order < 2)
				TALK(t, C, TCP_ACK | TCP_URG, 110, 500, " and Xmore", .urgent = 6);
			if (order == 1)
				TALK(t, C, TCP_ACK | TCP_URG, 100, 500, "malicXious", .urgent = 6);
			flow_end(t->table);
			assert_int_equal(t->reader[0]->n_bytes[0], strlen(word));
			assert_memory_equal(t->reader[0]->bytes[0], word, strlen(word));
			assert_int_equal(t->reader[0]->n_stream_bytes[0], strlen(word));
			assert_int_equal(t->reader[0]->events, 1u << STREAM_EVENT_urgent_data);
			assert_int_equal(t->reader[0]->n_gaps[0], policy == URGENT_GAP ? 2 : 0);
			talk_free(t);
		}
	}
}

// However many there are, and with a second policy behind the limit: whoever sends so many hides something.
static void t15_every_byte_may_be_urgent(void **) {
	struct talk *t = talk_with((struct flow_config
	){.n_flows = 4, .held_size = 1 << 16, .urgent = URGENT_OOB});
	char expected[STREAM_URGENT_MAX];

	talk_handshake(t, 0, 100, 500);
	for (uint32_t i = 0; i < 70000; i++) {
		TALK(t, C, TCP_ACK | TCP_URG, 100 + 2 * i, 500, "Xy", .urgent = 1);
		if (i % 1000 == 0)
			TALK(t, S, TCP_ACK, 500, 102 + 2 * i);
	}
	assert_int_equal(t->reader[0]->n_data_bytes[0], 70000);
	assert_int_equal(t->reader[0]->n_gaps[0], 70000 - STREAM_URGENT_MAX);
	assert_int_equal(flow_stats(t->table)->urgent_limit, 70000 - STREAM_URGENT_MAX);
	memset(expected, 'y', STREAM_URGENT_MAX);
	assert_memory_equal(t->reader[0]->bytes[0], expected, STREAM_URGENT_MAX);
	assert_memory_equal(t->reader[0]->bytes[0] + STREAM_URGENT_MAX, "?y?y?y", 6);
	// Pointers that mean no byte of the segment.
	TALK(t, C, TCP_ACK | TCP_URG, 140100, 500, "ab", .urgent = 3);
	TALK(t, C, TCP_ACK | TCP_URG, 140102, 500, "cd", .urgent = 0);
	TALK(t, C, TCP_ACK | TCP_URG, 140104, 500, "ef", .urgent = 65535);
	TALK(t, C, TCP_ACK, 140106, 500, "gh", .urgent = 1);
	assert_int_equal(t->reader[0]->n_data_bytes[0], 70008);
	assert_int_equal(t->reader[0]->n_gaps[0], 70000 - STREAM_URGENT_MAX);
	talk_free(t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_dialogue_is_told_in_order),
		cmocka_unit_test(a_swapped_pair_is_put_in_order),
		cmocka_unit_test(a_side_that_comes_late_is_no_gap),
		cmocka_unit_test(the_count_of_packets_does_not_depend_on_which_side_comes_first),
		cmocka_unit_test(t9_any_cut_and_any_swap_of_neighbours_tell_the_same_talk),
		cmocka_unit_test(t18_any_order_of_segments_gives_the_same_bytes),
		cmocka_unit_test(t15_the_urgent_byte_is_in_the_stream_or_beside_it),
		cmocka_unit_test(t15_every_byte_may_be_urgent),
		cmocka_unit_test(t30_a_retransmission_of_delivered_bytes_is_compared),
		cmocka_unit_test(t30_what_is_not_kept_any_more_is_counted),
		cmocka_unit_test(t31_every_shape_of_overlap_is_as_the_policy_says_and_stated),
		cmocka_unit_test(what_is_kept_of_recent_bytes_is_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
