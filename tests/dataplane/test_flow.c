// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Connections: states, roles, timers, the table. Names that begin with t and a number are rows of the
// list of hostile constructions.

#include "flow_private.h"
#include "limits.h"
#include "talk.h"
#include "wheel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <time.h>

#include <cmocka.h>

static const uint64_t second = 1000000000;

static struct talk *talk_small(void) {
	return talk_new(64, 1 << 20);
}

static void assert_log(struct talk *t, const char *expected) {
	flow_end(t->table);
	assert_string_equal(t->log, expected);
	assert_int_equal(flow_n_open(t->table), 0);
	talk_free(t);
}

static void t1_the_syn_that_is_acknowledged_wins(void **) {
	static const uint32_t isns[] = {99, 5099, 90099};

	for (int winner = 0; winner < 3; winner++) {
		struct talk *t = talk_small();
		uint32_t c0 = isns[winner] + 1;

		for (int i = 0; i < 3; i++)
			TALK(t, C, TCP_SYN, isns[i]);
		TALK(t, S, TCP_SYN | TCP_ACK, 299, c0);
		TALK(t, C, TCP_ACK, c0, 300);
		TALK(t, C, TCP_ACK, c0, 300, "abc");
		assert_int_equal(t->n_readers, 1);
		assert_log(t, "open C:abc input ");
	}
}

static void t2_the_syn_ack_that_is_acknowledged_wins(void **) {
	static const uint32_t isns[] = {299, 70299, 1299};

	for (int winner = 0; winner < 3; winner++) {
		struct talk *t = talk_small();

		TALK(t, C, TCP_SYN, 99);
		for (int i = 0; i < 3; i++)
			TALK(t, S, TCP_SYN | TCP_ACK, isns[i], 100);
		TALK(t, C, TCP_ACK, 100, isns[winner] + 1);
		TALK(t, S, TCP_ACK, isns[winner] + 1, 100, "hello");
		assert_log(t, "open S:hello input ");
	}
}

static void t3_an_acknowledgement_number_without_the_flag_means_nothing(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99, 12345);
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100);
	TALK(t, C, TCP_ACK, 100, 300);
	TALK(t, C, TCP_PSH, 100, 300, "evil");
	TALK(t, C, TCP_ACK, 100, 300, "good");
	assert_int_equal(flow_stats(t->table)->segment_no_ack, 1);
	assert_log(t, "open C:good input ");
}

static void t4_a_reset_while_opening_does_not_end_the_handshake(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99);
	TALK(t, S, TCP_RST | TCP_ACK, 0, 100);
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	assert_log(t, "open C:abc input ");
}

// What is true of a forgery: its checksum is wrong, while the side it claims to be of shows right ones.
#define FORGED .checksum = PKT_CHECKSUM_WRONG
#define SUMMED .checksum = PKT_CHECKSUM_RIGHT

static void handshake_with_sums(struct talk *t) {
	TALK(t, C, TCP_SYN, 99, SUMMED);
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100, SUMMED);
	TALK(t, C, TCP_ACK, 100, 300, SUMMED);
}

static void t6_t7_a_wrong_checksum_beside_right_ones_never_enters(void **) {
	static const uint8_t flags[] = {
		TCP_RST,
		TCP_RST | TCP_ACK,
		TCP_FIN | TCP_ACK,
		TCP_FIN | TCP_RST | TCP_ACK | TCP_PSH | TCP_URG,
		TCP_FIN | TCP_RST | TCP_ACK,
		TCP_SYN,
		TCP_SYN | TCP_ACK,
	};
	struct talk *t = talk_small();
	size_t n = sizeof(flags) / sizeof(*flags);

	handshake_with_sums(t);
	for (size_t i = 0; i < n; i++)
		TALK(t, C, flags[i], 100, 300, FORGED);
	TALK(t, C, TCP_ACK, 100, 300, "evil", FORGED);
	TALK(t, C, TCP_ACK, 104, 300, "evil", FORGED);
	TALK(t, C, TCP_ACK, 100, 300, "good", SUMMED);
	TALK(t, C, TCP_ACK | TCP_FIN, 104, 300, SUMMED);
	TALK(t, S, TCP_ACK, 300, 105, "bye", FORGED);
	TALK(t, S, TCP_ACK | TCP_FIN, 300, 105, "ok", SUMMED);
	// Over: a forged SYN does not make it forgotten.
	TALK(t, C, TCP_SYN, 100, FORGED);
	assert_int_equal(flow_stats(t->table)->segment_bad_checksum, n + 4);
	assert_int_equal(flow_stats(t->table)->checksum_unverified, 0);
	assert_int_equal(flow_stats(t->table)->flow_opened, 1);
	assert_log(t, "open C:good S:ok close ");
}

static void a_side_that_never_shows_a_right_checksum_is_taken_as_it_is(void **) {
	for (int side = 0; side < 3; side++) {
		struct talk *t = talk_small();
		uint8_t client = side == 1 ? PKT_CHECKSUM_RIGHT : PKT_CHECKSUM_WRONG;
		uint8_t server = side == 0 ? PKT_CHECKSUM_RIGHT : PKT_CHECKSUM_WRONG;

		TALK(t, C, TCP_SYN, 99, .checksum = client);
		TALK(t, S, TCP_SYN | TCP_ACK, 299, 100, .checksum = server);
		TALK(t, C, TCP_ACK, 100, 300, "abc", .checksum = client);
		TALK(t, S, TCP_ACK | TCP_FIN, 300, 103, "def", .checksum = server);
		TALK(t, C, TCP_ACK | TCP_FIN, 103, 304, .checksum = client);
		assert_int_equal(
			flow_stats(t->table)->checksum_unverified,
			side == 0	    ? 3
				: side == 1 ? 2
					    : 5
		);
		assert_int_equal(flow_stats(t->table)->segment_bad_checksum, 0);
		assert_log(t, "open C:abc S:def close ");
	}
}

// Payload changed for anonymity: only data has wrong checksums. The other side's acknowledgement tells
// that they were right on the wire, unless a better copy comes.
static void bytes_with_a_wrong_checksum_are_taken_when_acknowledged(void **) {
	struct talk *t = talk_small();

	handshake_with_sums(t);
	TALK(t, C, TCP_ACK, 100, 300, "abc", FORGED);
	TALK(t, S, TCP_ACK, 300, 103, "def", FORGED);
	TALK(t, S, TCP_ACK, 303, 103, "ghi", SUMMED);
	TALK(t, C, TCP_ACK, 103, 306, SUMMED);
	for (int i = 0; i < 40; i++)
		TALK(t, C, TCP_ACK, 103, 306, SUMMED);
	assert_string_equal(t->log, "open C:abc S:def S:ghi ");
	assert_int_equal(flow_stats(t->table)->checksum_acknowledged, 2);
	TALK(t, C, TCP_ACK, 103, 306, "evil", FORGED);
	TALK(t, C, TCP_ACK, 105, 306, "evil", FORGED);
	TALK(t, S, TCP_ACK, 306, 107, SUMMED);
	TALK(t, C, TCP_ACK, 103, 306, "good", SUMMED);
	TALK(t, C, TCP_ACK, 107, 306, "unheard", FORGED);
	assert_int_equal(flow_stats(t->table)->segment_bad_checksum, 5);
	assert_log(t, "open C:abc S:def S:ghi C:good input ");
}

// A server speaks first, both sides' data have wrong checksums, and only one side's acknowledgements come by
// themselves: what was answered comes before its answer, whether waiting ends by packets, by time, or with the
// capture.
static void bytes_with_a_wrong_checksum_keep_the_order_of_the_directions(void **) {
	for (int end = 0; end < 3; end++) {
		struct talk *t = talk_small();

		handshake_with_sums(t);
		TALK(t, S, TCP_ACK, 300, 100, "220 ", FORGED);
		TALK(t, C, TCP_ACK, 100, 304, "EHLO ", FORGED);
		TALK(t, S, TCP_ACK, 304, 105, SUMMED);
		TALK(t, S, TCP_ACK, 304, 105, "250 ", FORGED);
		TALK(t, C, TCP_ACK, 105, 308, "MAIL ", FORGED);
		TALK(t, S, TCP_ACK, 308, 110, "251 ", FORGED);
		for (int i = 0; i < 12 && end == 0; i++)
			TALK(t, S, TCP_ACK, 304, 105, SUMMED);
		if (end == 1)
			flow_advance(t->table, t->now_ns += 1000000000);
		if (end < 2)
			assert_string_equal(t->log, "open S:220  C:EHLO  ");
		TALK(t, C, TCP_ACK, 110, 312, SUMMED);
		assert_log(t, "open S:220  C:EHLO  S:250  C:MAIL  S:251  input ");
	}
}

static void a_forged_tail_makes_no_reset_valid(void **) {
	struct talk *t = talk_small();

	handshake_with_sums(t);
	TALK(t, C, TCP_ACK, 100, 300, "evil", FORGED);
	TALK(t, C, TCP_RST, 104, SUMMED);
	TALK(t, C, TCP_ACK, 100, 300, "good", SUMMED);
	assert_int_equal(t->reader[0]->n_closes, 0);
	assert_log(t, "open C:good input ");
}

static void what_was_left_to_a_nic_is_taken_beside_right_checksums(void **) {
	struct talk *t = talk_small();

	handshake_with_sums(t);
	TALK(t, C, TCP_ACK, 100, 300, "merged", .checksum = PKT_CHECKSUM_OFFLOADED);
	assert_int_equal(flow_stats(t->table)->checksum_offloaded, 1);
	assert_log(t, "open C:merged input ");
}

static void a_syn_with_a_right_checksum_wins_over_those_without(void **) {
	// Answered, and where only the client's side is captured.
	for (int answered = 0; answered < 2; answered++) {
		struct talk *t = talk_small();

		TALK(t, C, TCP_SYN, 7777, 0, "evil", FORGED);
		TALK(t, C, TCP_SYN, 8888, FORGED);
		TALK(t, C, TCP_SYN, 99, 0, "abc", SUMMED);
		TALK(t, C, TCP_SYN, 9999, 0, "evil", FORGED);
		if (answered)
			TALK(t, S, TCP_SYN | TCP_ACK, 299, 103, SUMMED);
		TALK(t, C, TCP_ACK, 103, 300, "def", SUMMED);
		assert_int_equal(flow_stats(t->table)->checksum_unverified, 2);
		assert_int_equal(flow_stats(t->table)->segment_bad_checksum, 1);
		assert_log(
			t,
			answered ? "open C:abc C:def input " : "open C:abc C:def one_sided input "
		);
	}
}

static void t8_roles_stay_with_whoever_sends_the_syn(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN | TCP_ACK, 4242, 1);
	TALK(t, C, TCP_SYN, 99);
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_SYN, 99, 0, "abc");
	TALK(t, S, TCP_ACK, 300, 103, "ok");
	assert_int_equal(t->reader[0]->tuple.port[STREAM_SERVER], 143);
	assert_log(t, "open C:abc S:ok input ");
}

static void t11_a_split_handshake_keeps_the_roles(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99);
	TALK(t, S, TCP_ACK, 0, 100); // the fifth packet of the longer form
	TALK(t, S, TCP_SYN, 299);
	TALK(t, C, TCP_SYN | TCP_ACK, 99, 300);
	TALK(t, S, TCP_ACK, 300, 100);
	TALK(t, S, TCP_ACK, 300, 100, "hello");
	TALK(t, C, TCP_ACK, 100, 305, "abc");
	assert_int_equal(t->reader[0]->tuple.port[STREAM_SERVER], 143);
	assert_log(t, "open S:hello C:abc input ");
}

static void t12_a_reset_delivers_what_is_contiguous_and_counts_no_gap(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_ACK, 106, 300, "ghi");
	TALK(t, S, TCP_RST, 300);
	assert_int_equal(flow_stats(t->table)->gap, 0);
	assert_int_equal(t->reader[0]->close_ns, t->now_ns - 1000);
	assert_log(t, "open C:abc reset ");
}

static void what_was_acknowledged_before_a_reset_is_a_gap(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_ACK, 106, 300, "ghi");
	TALK(t, S, TCP_ACK, 300, 109);
	TALK(t, S, TCP_RST, 300);
	assert_log(t, "open C:abc C-3 C:ghi reset ");
}

static void t13_the_text_of_a_reset_is_not_data(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, S, TCP_RST | TCP_ACK, 300, 103, "go away");
	assert_int_equal(flow_stats(t->table)->segment_no_ack, 1);
	assert_log(t, "open C:abc reset_with_payload reset ");
}

// Hosts without a key for the connection drop a signed reset, others do not look at the signature.
static void t5_a_signed_reset_ends_only_what_does_not_go_on(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_RST | TCP_SIGNED, 103);
	TALK(t, C, TCP_ACK, 103, 300, "def");
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS + 1000000000);
	assert_int_equal(t->reader[0]->n_closes, 0);
	assert_log(t, "open C:abc signed_reset C:def input ");
	// Nothing follows: it was the end.
	t = talk_small();
	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_RST | TCP_SIGNED, 103);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS - 2000);
	assert_int_equal(t->reader[0]->n_closes, 0);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS);
	assert_int_equal(t->reader[0]->n_closes, 1);
	assert_log(t, "open C:abc signed_reset reset ");
}

static void t24_a_window_scale_beyond_14_is_taken_as_14_and_said(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99, .wscale = 1);
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100, .wscale = 16);
	TALK(t, C, TCP_ACK, 100, 300);
	TALK(t, S, TCP_ACK, 300, 100, "x", .window = 1);
	TALK(t, C, TCP_ACK, 100, 301, "abc");
	assert_log(t, "open bad_window_scale S:x C:abc input ");
}

static void f9_inconsistent_fragments_are_said_of_the_connection(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc", .is_inconsistent = true);
	TALK(t, C, TCP_ACK, 103, 300, "def", .is_inconsistent = true);
	assert_log(t, "open inconsistent_fragments C:abc C:def input ");
}

static void t14_a_reset_beside_the_next_number_is_ignored(void **) {
	static const uint32_t seqs[] = {299, 301, 310, 0x80000000, 0};
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	for (size_t i = 0; i < sizeof(seqs) / sizeof(*seqs); i++)
		TALK(t, S, TCP_RST, seqs[i]);
	TALK(t, C, TCP_ACK, 103, 300, "def");
	// Two are ahead, within the window: one waits for bytes that may come.
	assert_int_equal(flow_stats(t->table)->reset_ignored, 4);
	TALK(t, S, TCP_ACK, 300, 106, "0123456789+");
	assert_int_equal(flow_stats(t->table)->reset_ignored, 5);
	TALK(t, C, TCP_RST, 106);
	assert_log(t, "open C:abc bad_reset C:def S:0123456789+ reset ");
}

// Ahead by as many bytes as are sent next: to the receiving host it was no reset, whoever goes on.
static void t14_a_reset_ahead_of_what_is_sent_next_ends_nothing(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_RST, 106);
	TALK(t, C, TCP_ACK, 103, 300, "def");
	TALK(t, C, TCP_ACK, 106, 300, "ghi");
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS + second);
	assert_int_equal(t->reader[0]->n_closes, 0);
	assert_int_equal(flow_stats(t->table)->reset_ignored, 1);
	assert_log(t, "open C:abc C:def bad_reset C:ghi input ");
}

// Captured before the last bytes its sender sent: those are told, and then it is over.
static void t12_a_reset_that_overtakes_the_last_data_loses_none(void **) {
	for (int n = 1; n < 4; n++) {
		struct talk *t = talk_small();

		talk_handshake(t, 0, 100, 300);
		TALK(t, S, TCP_ACK, 300, 100, "ok");
		TALK(t, C, TCP_RST | TCP_ACK, 100 + 3 * (uint32_t)n, 302);
		for (int i = 0; i < n; i++)
			TALK(t, C, TCP_ACK, 100 + 3 * (uint32_t)i, 302, "abc");
		TALK(t, S, TCP_ACK, 302, 100, "more"); // had left before it came
		assert_int_equal(t->reader[0]->n_data_bytes[0], 3 * n);
		assert_int_equal(t->reader[0]->n_data_bytes[1], 6);
		assert_int_equal(t->reader[0]->n_gaps[0], 0);
		assert_int_equal(t->reader[0]->n_closes, 0);
		flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS);
		assert_int_equal(t->reader[0]->n_closes, 1);
		assert_int_equal(t->reader[0]->end, STREAM_END_RESET);
		assert_int_equal(t->reader[0]->events, 0);
		talk_free(t);
	}
}

// Sent so that it passes here and dies before the other host, or by something on the way.
static void t7_a_reset_that_came_another_way_ends_only_what_does_not_go_on(void **) {
	static const uint8_t flags[] = {TCP_RST, TCP_RST | TCP_ACK};
	static const uint8_t far[] = {1, 8, 10, 59, 69, 255};

	for (size_t i = 0; i < 2 * sizeof(far); i++) {
		struct talk *t = talk_small();

		t->family = i % 4 < 2 ? 4 : 6;
		talk_handshake(t, 0, 100, 300);
		TALK(t, C, TCP_ACK, 100, 300, "abc");
		TALK(t, C, flags[i % 2], 103, 300, .ttl = far[i / 2]);
		TALK(t, C, TCP_ACK, 103, 300, "def");
		flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS + second);
		assert_int_equal(t->reader[0]->n_closes, 0);
		assert_log(t, "open C:abc doubtful_reset C:def input ");
		// Nothing follows from its sender: it was the end. What the other side had sent is told.
		t = talk_small();
		talk_handshake(t, 0, 100, 300);
		TALK(t, C, TCP_ACK, 100, 300, "abc");
		TALK(t, C, flags[i % 2], 103, 300, .ttl = far[i / 2]);
		TALK(t, S, TCP_ACK, 300, 103, "late");
		flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS);
		assert_int_equal(t->reader[0]->n_closes, 1);
		assert_log(t, "open C:abc doubtful_reset S:late reset ");
	}
	// Just too few hops: who sends all with no more than it takes to the server, which is eleven hops from here.
	for (uint8_t ttl = 8; ttl <= 13; ttl++) {
		struct talk *t = talk_small();

		TALK(t, C, TCP_SYN, 99, .ttl = 12);
		TALK(t, S, TCP_SYN | TCP_ACK, 299, 100, .ttl = 128 - 11);
		TALK(t, C, TCP_ACK, 100, 300, "abc", .ttl = 12);
		TALK(t, C, flags[ttl % 2], 103, 300, .ttl = ttl);
		TALK(t, C, TCP_ACK, 103, 300, "def", .ttl = 12);
		assert_log(
			t, ttl < 12 ? "open C:abc doubtful_reset C:def input " : "open C:abc reset "
		);
	}
	// Another route of nearly as many hops.
	for (uint8_t near = 60; near <= 68; near++) {
		struct talk *t = talk_small();

		talk_handshake(t, 0, 100, 300);
		TALK(t, C, TCP_ACK, 100, 300, "abc");
		TALK(t, C, TCP_RST, 103, .ttl = near);
		assert_int_equal(t->reader[0]->n_closes, 1);
		assert_log(t, "open C:abc reset ");
	}
}

static void t16_a_fin_outside_the_window_ends_nothing(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_ACK | TCP_FIN, 0x40000000, 300);
	TALK(t, C, TCP_ACK | TCP_FIN, 90, 300);
	TALK(t, C, TCP_ACK, 103, 300, "def");
	TALK(t, C, TCP_ACK | TCP_FIN, 106, 300);
	TALK(t, S, TCP_ACK, 300, 101); // old
	TALK(t, S, TCP_ACK | TCP_FIN, 300, 107);
	assert_log(t, "open C:abc C:def close ");
}

static void t17_an_acknowledgement_far_ahead_is_refused(void **) {
	static const uint32_t acks[] = {0x8000fc21, 0x7fffffff, 100 + 4 * 65535};

	for (size_t i = 0; i < sizeof(acks) / sizeof(*acks); i++) {
		struct talk *t = talk_small();

		talk_handshake(t, 0, 100, 300);
		TALK(t, S, TCP_ACK, 300, acks[i], "hello");
		for (int j = 0; j < 40; j++)
			TALK(t, S, TCP_ACK, 305, acks[i]);
		TALK(t, C, TCP_ACK, 100, 305, "abc");
		assert_log(t, "open S:hello C:abc input ");
	}
}

static void t21_a_zero_window_probe_counts_once(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, S, TCP_ACK, 300, 103, .zero_window = true);
	TALK(t, C, TCP_ACK, 103, 300, "d");
	TALK(t, C, TCP_ACK, 103, 300, "d");
	TALK(t, C, TCP_ACK, 102, 300, "c"); // keep-alive with a byte of garbage allowed by RFC 1122
	TALK(t, C, TCP_ACK, 103 + 200000, 300, "beyond");
	TALK(t, S, TCP_ACK, 300, 104);
	TALK(t, C, TCP_ACK, 104, 300, "e");
	assert_int_equal(flow_stats(t->table)->segment_out_of_window, 1);
	assert_int_equal(flow_stats(t->table)->segment_repeated, 2);
	assert_log(t, "open C:abc C:d C:e input ");
}

static void t25_data_on_a_syn_is_told_once(void **) {
	// Taken by the server, or refused and sent again in one piece or two.
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99, 0, "abcd");
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 104);
	TALK(t, S, TCP_ACK, 300, 104, "ok");
	TALK(t, C, TCP_ACK, 104, 302, "e");
	assert_log(t, "open C:abcd S:ok C:e input ");

	t = talk_small();
	TALK(t, C, TCP_SYN, 99, 0, "abcd");
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100);
	TALK(t, C, TCP_ACK, 100, 300, "ab");
	TALK(t, C, TCP_ACK, 102, 300, "cdef");
	assert_log(t, "open C:abcd C:ef input ");

	t = talk_small();
	TALK(t, C, TCP_SYN, 99, 0, "abcd");
	TALK(t, C, TCP_SYN, 99, 0, "abcd");
	TALK(t, S, TCP_SYN | TCP_ACK, 299, 104, "hi");
	TALK(t, C, TCP_ACK, 104, 302, "e");
	assert_log(t, "open C:abcd S:hi C:e input ");
}

static void t26_without_a_syn_the_roles_follow_the_evidence(void **) {
	struct talk *t = talk_small();

	TALK(t, S, TCP_SYN | TCP_ACK, 299, 100, "hi");
	TALK(t, C, TCP_ACK, 100, 302, "abc");
	assert_int_equal(t->reader[0]->tuple.port[STREAM_SERVER], 143);
	assert_log(t, "open S:hi C:abc input ");

	for (int first = 0; first < 2; first++) {
		t = talk_small();
		TALK(t, first, TCP_ACK, 500, 900, "x");
		assert_int_equal(t->reader[0]->tuple.port[STREAM_SERVER], 143);
		assert_int_equal(flow_stats(t->table)->flow_midstream, 1);
		assert_log(
			t,
			first ? "open midstream S:x one_sided input "
			      : "open midstream C:x one_sided input "
		);
	}
}

static void t27_strays_without_data_open_nothing(void **) {
	static const uint8_t flags[] = {TCP_ACK, TCP_RST, TCP_FIN | TCP_ACK, TCP_RST | TCP_ACK};
	struct talk *t = talk_small();

	for (size_t i = 0; i < sizeof(flags); i++)
		TALK(t, C, flags[i], 100, 300);
	assert_int_equal(flow_n_open(t->table), 0);
	assert_int_equal(flow_stats(t->table)->segment_no_data, 4);
	assert_log(t, "");
}

static void t27_a_middle_that_begins_with_a_fin_is_read_to_its_end(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_ACK | TCP_FIN, 100, 300, "abc");
	TALK(t, S, TCP_ACK, 300, 104, "ok");
	TALK(t, C, TCP_ACK, 104, 302);
	TALK(t, S, TCP_ACK | TCP_FIN, 302, 104);
	TALK(t, C, TCP_ACK, 104, 303);
	assert_int_equal(flow_stats(t->table)->flow_midstream, 1);
	assert_int_equal(flow_stats(t->table)->flow_opened, 1);
	assert_log(t, "open midstream C:abc S:ok close ");
}

static void t28_one_direction_alone_is_told_and_its_holes_given_up(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_ACK, 106, 320, "ghi");
	flow_advance(t->table, t->now_ns + STREAM_HOLE_NS);
	assert_string_equal(t->log, "open C:abc C-3 C:ghi ");
	for (uint32_t i = 0; i < STREAM_ONE_SIDED_PACKETS; i++)
		TALK(t, C, TCP_ACK, 112 + i, 320, "x");
	assert_int_equal(t->reader[0]->n_gaps[0], 1);
	TALK(t, C, TCP_ACK, 112 + STREAM_ONE_SIDED_PACKETS, 320, "x");
	assert_int_equal(t->reader[0]->n_gaps[0], 2);
	assert_int_equal(t->reader[0]->n_bytes[0], 12 + STREAM_ONE_SIDED_PACKETS + 1);
	talk_free(t);
}

static void t29_acknowledged_bytes_that_never_come_are_a_gap(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, S, TCP_ACK, 300, 110, "a");
	for (uint32_t i = 0; i < STREAM_REORDER_PACKETS - 1; i++)
		TALK(t, S, TCP_ACK, 301 + i, 110, "b");
	assert_int_equal(t->n_readers, 0);
	TALK(t, S, TCP_ACK, 301 + STREAM_REORDER_PACKETS - 1, 110, "c");
	assert_int_equal(t->reader[0]->n_gap_bytes[0], 10);
	assert_int_equal(t->reader[0]->n_bytes[1], STREAM_REORDER_PACKETS + 1);
	assert_memory_equal(t->log, "open C-10 S:a S:b", 17);
	assert_int_equal(flow_stats(t->table)->gap_bytes, 10);
	talk_free(t);

	// Or so much time.
	t = talk_small();
	talk_handshake(t, 0, 100, 300);
	TALK(t, S, TCP_ACK, 300, 110, "a");
	flow_advance(t->table, t->now_ns - 1000 + STREAM_ACKED_HOLE_NS - 1);
	assert_int_equal(t->n_readers, 0);
	flow_advance(t->table, t->now_ns - 1000 + STREAM_ACKED_HOLE_NS);
	assert_string_equal(t->log, "open C-10 S:a ");
	assert_log(t, "open C-10 S:a input ");
}

static void t32_numbers_wrap_and_offsets_do_not(void **) {
	struct talk *t = talk_small();
	char *block = calloc(1, 60000);
	uint32_t seq = 0xffffff00;
	uint64_t total = 0;

	talk_handshake(t, 0, seq, 300);
	// 4.2 GB of it, each acknowledged.
	while (total < 4300000000ull) {
		TALK(t, C, TCP_ACK, seq, 300, block, 60000);
		seq += 60000;
		total += 60000;
		TALK(t, S, TCP_ACK, 300, seq);
	}
	assert_true(stream_n_bytes(t->reader[0]->stream, C) == total);
	assert_int_equal(t->reader[0]->n_gaps[0], 0);
	free(block);
	talk_free(t);
}

// Beyond what anybody can send: the count goes round, and nothing else notices.
static void t32_an_offset_near_its_end_goes_round(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 0xfffffffe, 300);
	TALK(t, C, TCP_ACK, 0xfffffffe, 300, "a");
	t->reader[0]->stream->n_bytes[C] = UINT64_MAX - 3;
	TALK(t, C, TCP_ACK, 2, 300, "def");
	TALK(t, C, TCP_ACK, 0xffffffff, 300, "xbc");
	TALK(t, C, TCP_ACK, 3, 300, "ef");
	TALK(t, C, TCP_ACK | TCP_FIN, 8, 300, "hij");
	TALK(t, S, TCP_ACK, 300, 12);
	TALK(t, S, TCP_ACK | TCP_FIN, 300, 12);
	flow_end(t->table);
	assert_string_equal(t->log, "open C:a C:xbc C:def C-3 C:hij input ");
	assert_true(t->reader[0]->n_stream_bytes[C] == UINT64_MAX - 3 + 12);
	talk_free(t);
}

static void t34_a_port_used_again_is_another_connection(void **) {
	struct talk *t = talk_small();

	// After a proper end.
	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK | TCP_FIN, 100, 300, "a");
	TALK(t, S, TCP_ACK | TCP_FIN, 300, 102);
	TALK(t, C, TCP_ACK, 100, 300, "a"); // late
	talk_handshake(t, 0, 5000, 900);
	TALK(t, C, TCP_ACK, 5000, 900, "b");
	// After an end that was not captured.
	talk_handshake(t, 0, 80000, 90000);
	TALK(t, C, TCP_ACK, 80000, 90000, "c");
	assert_int_equal(flow_stats(t->table)->segment_after_close, 1);
	assert_log(t, "open C:a close open C:b reset open C:c input ");
}

// A client that tries again and again from one port, with a number of its own each time.
static void t34_after_unanswered_syns_the_one_that_is_answered_is_read(void **) {
	for (uint32_t n = 1; n <= 100; n += n < 8 ? 1 : 92) {
		struct talk *t = talk_small();
		uint32_t isn = 0;

		for (uint32_t i = 0; i < n; i++)
			TALK(t, C, TCP_SYN, isn = 99 + i * 0x10000001u);
		TALK(t, S, TCP_SYN | TCP_ACK, 299, isn + 1);
		TALK(t, C, TCP_ACK, isn + 1, 300, "abc");
		TALK(t, S, TCP_ACK, 300, isn + 4, "ok");
		assert_int_equal(t->n_readers, 1);
		assert_log(t, "open C:abc S:ok input ");
	}
}

static void t34_a_syn_alone_does_not_end_a_connection(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "a");
	TALK(t, C, TCP_SYN, 70000);
	TALK(t, S, TCP_ACK, 300, 101);
	TALK(t, C, TCP_ACK, 101, 300, "b");
	assert_log(t, "open C:a C:b input ");
}

static void t35_family_and_realm_are_part_of_the_key(void **) {
	struct talk *t = talk_small();

	t->hash = 1;
	for (int i = 0; i < 4; i++) {
		t->family = i & 1 ? 6 : 4;
		t->realm = i & 2 ? 7 : 0;
		TALK(t, C, TCP_ACK, 100, 300, "a");
	}
	assert_int_equal(flow_n_open(t->table), 4);
	assert_int_equal(t->n_readers, 4);
	talk_free(t);
}

// The two directions in networks with different ids, beside a connection with the same ends in another.
static void directions_in_two_realms_are_one_connection(void **) {
	for (int same_hash = 0; same_hash < 2; same_hash++) {
		struct talk *t = talk_small();

		t->hash = same_hash ? 77 : 0;
		for (int i = 0; i < 3; i++) {
			t->realm = 5;
			TALK(t, C, TCP_SYN, 99);
			t->realm = 6;
			TALK(t, S, TCP_SYN | TCP_ACK, 299, 100);
			t->realm = 5;
			TALK(t, C, TCP_ACK, 100, 300);
			TALK(t, C, TCP_ACK, 100, 300, "abc");
			t->realm = 6;
			TALK(t, S, TCP_ACK, 300, 103, "def");
			t->realm = 9; // another network, whole in itself
			talk_handshake(t, 0, 7000, 9000);
			TALK(t, S, TCP_ACK, 9000, 7000, "xyz");
			t->realm = 6;
			TALK(t, S, TCP_ACK | TCP_FIN, 303, 103);
			t->realm = 5;
			TALK(t, C, TCP_ACK | TCP_FIN, 103, 304);
			t->realm = 9;
			TALK(t, C, TCP_RST, 7000);
			// The next round finds nothing of this one.
			flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSED_NS + second);
			t->now_ns += FLOW_TIMEOUT_CLOSED_NS + second;
			assert_int_equal(flow_n_open(t->table), 0);
		}
		assert_int_equal(flow_stats(t->table)->flow_two_realms, 3);
		assert_int_equal(flow_stats(t->table)->flow_opened, 6);
		assert_log(
			t,
			"open C:abc S:def open S:xyz close reset "
			"open C:abc S:def open S:xyz close reset "
			"open C:abc S:def open S:xyz close reset "
		);
	}
}

// What does not answer it, or comes when it has been answered, is of another network's connection.
static void only_an_answer_joins_two_realms(void **) {
	struct talk *t = talk_small();

	t->realm = 5;
	TALK(t, C, TCP_SYN, 99);
	TALK(t, C, TCP_ACK, 100, 300, "a");
	t->realm = 6;
	TALK(t, S, TCP_ACK, 300, 100 + (2 << 20), "far"); // not near what was sent
	TALK(t, C, TCP_ACK, 101, 303, "b"); // of the side that has been seen
	t->realm = 5;
	TALK(t, S, TCP_ACK, 300, 101, "c");
	t->realm = 8;
	TALK(t, S, TCP_ACK, 301, 101, "late");
	assert_int_equal(flow_stats(t->table)->flow_two_realms, 0);
	assert_int_equal(flow_n_open(t->table), 3);
	talk_free(t);
}

static void cut_payload_is_a_gap_and_said(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc", .missing = 7);
	TALK(t, C, TCP_ACK, 120, 300, "z", .missing = 2);
	TALK(t, C, TCP_ACK, 110, 300, "0123456789");
	TALK(t, C, TCP_ACK | TCP_FIN, 123, 300);
	TALK(t, S, TCP_ACK | TCP_FIN, 300, 124);
	assert_log(t, "open C:abc cut_by_snap_length C-7 C:0123456789 C:z C-2 close ");
}

static void lost_fins_are_no_gaps(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, S, TCP_ACK, 300, 104);
	assert_log(t, "open C:abc input ");
}

static void a_refused_stream_is_counted_and_not_told(void **) {
	struct talk *t = talk_small();

	t->refuse = true;
	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc");
	TALK(t, C, TCP_ACK, 103, 300, "def");
	assert_int_equal(flow_stats(t->table)->segment_in_order, 2);
	assert_log(t, "");
}

// ---- Limits

static void t36_held_segments_stop_at_their_limit(void **) {
	for (int n = STREAM_SEGMENTS_MAX - 1; n <= STREAM_SEGMENTS_MAX + 1; n++) {
		struct talk *t = talk_small();
		bool full = n > STREAM_SEGMENTS_MAX;

		talk_handshake(t, 0, 100, 300);
		for (int i = 0; i < n; i++)
			TALK(t, C, TCP_ACK, 102 + 2 * (uint32_t)i, 300, "x");
		assert_int_equal(t->n_readers, full);
		if (full) {
			assert_memory_equal(t->log, "open reordering_limit C-2 C:x ", 30);
			assert_int_equal(flow_stats(t->table)->gap, 1);
		}
		talk_free(t);
	}
}

static void t36_a_full_pool_gives_holes_up_and_loses_no_data(void **) {
	struct talk *t = talk_new(64, 65536);
	char *block = malloc(2000);
	size_t total = 0;

	memset(block, 'x', 2000);
	for (uint16_t client = 0; client < 60; client++) {
		talk_handshake(t, client, 100, 300);
		for (uint32_t i = 0; i < 4; i++)
			TALK(t, C, TCP_ACK, 200 + 2000 * i, 300, block, 2000, .client = client);
	}
	flow_end(t->table);
	assert_int_equal(t->n_readers, 60);
	for (int i = 0; i < 60; i++)
		total += t->reader[i]->n_bytes[0] - t->reader[i]->n_gap_bytes[0];
	assert_int_equal(total, 60 * 4 * 2000);
	assert_int_equal(flow_stats(t->table)->segment_not_held, 0);
	free(block);
	talk_free(t);
}

static void t36_a_full_table_gives_up_what_matters_least(void **) {
	struct talk *t = talk_new(4, 1 << 20);

	talk_handshake(t, 1, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "a", .client = 1); // with a reader
	talk_handshake(t, 2, 100, 300); // established, silent
	TALK(t, C, TCP_SYN, 99, .client = 3); // half-open
	talk_handshake(t, 4, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "d", .client = 4);
	TALK(t, S, TCP_RST, 300, .client = 4); // closed
	assert_int_equal(flow_n_open(t->table), 4);
	// A flood of SYNs displaces half-open ones alone …
	for (uint16_t i = 10; i < 100; i++)
		TALK(t, C, TCP_SYN, 99, .client = i);
	assert_int_equal(flow_stats(t->table)->flow_evicted, 90);
	// … and the connections that were there go on.
	TALK(t, C, TCP_ACK, 101, 300, "a", .client = 1);
	TALK(t, C, TCP_ACK, 100, 300, "b", .client = 2);
	TALK(t, C, TCP_ACK, 101, 300, "late", .client = 4);
	assert_int_equal(flow_stats(t->table)->segment_after_close, 1);
	// Established ones take the place of the half-open, then of the closed.
	for (uint16_t i = 5; i < 7; i++) {
		talk_handshake(t, i, 100, 300);
		TALK(t, C, TCP_ACK, 100, 300, "e", .client = i);
	}
	assert_int_equal(t->n_readers, 5);
	assert_int_equal(flow_stats(t->table)->flow_evicted, 91);
	// Only readers are left, and all were active: a newcomer waits until they are looked at again.
	TALK(t, C, TCP_SYN, 99, .client = 8);
	TALK(t, C, TCP_SYN, 99, .client = 9);
	assert_int_equal(t->reader[0]->n_closes + t->reader[2]->n_closes, 1);
	assert_int_equal(flow_n_open(t->table), 4);
	talk_free(t);
}

static void
assert_counts(struct talk *t, uint32_t opening, uint32_t read, uint32_t unread, uint32_t closed) {
	struct flow_counts counts;

	flow_counts(t->table, &counts);
	assert_int_equal(counts.opening, opening);
	assert_int_equal(counts.read, read);
	assert_int_equal(counts.unread, unread);
	assert_int_equal(counts.closed, closed);
	assert_int_equal(flow_n_open(t->table), opening + read + unread + closed);
}

static void connections_are_counted_by_state(void **) {
	struct talk *t = talk_new(8, 1 << 20);

	assert_counts(t, 0, 0, 0, 0);
	TALK(t, C, TCP_SYN, 99, .client = 1);
	TALK(t, C, TCP_SYN, 99, .client = 2);
	assert_counts(t, 2, 0, 0, 0);
	talk_handshake(t, 3, 100, 300);
	assert_counts(t, 2, 0, 1, 0);
	TALK(t, C, TCP_ACK, 100, 300, "a", .client = 3);
	assert_counts(t, 2, 1, 0, 0);
	TALK(t, S, TCP_RST, 300, .client = 3);
	assert_counts(t, 2, 0, 0, 1);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_OPENING_NS + FLOW_TIMEOUT_CLOSING_NS);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_OPENING_NS + 2 * FLOW_TIMEOUT_CLOSING_NS);
	assert_counts(t, 0, 0, 0, 0);
	// A flood turns over what is open and loses count of nothing.
	for (uint16_t i = 10; i < 100; i++)
		TALK(t, C, TCP_SYN, 99, .client = i);
	assert_counts(t, 8, 0, 0, 0);
	talk_free(t);
}

// Only those count of which data came: a SYN that nobody answers is no fault of a mirror's.
static void connections_with_one_direction_are_counted(void **) {
	struct talk *t = talk_new(8, 1 << 20);

	TALK(t, C, TCP_SYN, 99, .client = 1);
	TALK(t, C, TCP_ACK, 100, 300, "abc", .client = 1);
	TALK(t, C, TCP_SYN, 99, .client = 2);
	talk_handshake(t, 3, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "abc", .client = 3);
	flow_end(t->table);
	assert_int_equal(flow_stats(t->table)->flow_one_sided, 1);
	talk_free(t);
}

// ---- Time

static void each_state_has_its_patience(void **) {
	struct talk *t = talk_small();

	TALK(t, C, TCP_SYN, 99, .client = 1);
	talk_handshake(t, 2, 100, 300);
	TALK(t, C, TCP_ACK, 100, 300, "a", .client = 2);
	talk_handshake(t, 3, 100, 300);
	TALK(t, C, TCP_ACK | TCP_FIN, 100, 300, "a", .client = 3);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_OPENING_NS - second);
	assert_int_equal(flow_n_open(t->table), 3);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_OPENING_NS);
	assert_int_equal(flow_n_open(t->table), 2);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_CLOSING_NS);
	assert_int_equal(flow_n_open(t->table), 1);
	assert_int_equal(t->reader[1]->end, STREAM_END_TIMEOUT);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_ESTABLISHED_NS - second);
	assert_int_equal(flow_n_open(t->table), 1);
	flow_advance(t->table, t->now_ns + FLOW_TIMEOUT_ESTABLISHED_NS);
	assert_int_equal(flow_n_open(t->table), 0);
	assert_int_equal(t->reader[0]->close_ns, t->now_ns - 4 * 1000 - 1000);
	assert_int_equal(flow_stats(t->table)->flow_timeout, 3);
	talk_free(t);
}

static void timers_come_exactly_and_before_later_packets(void **) {
	struct talk *t = talk_small();
	uint64_t at = t->now_ns + 30 * second + 12345;
	char expected[200];

	for (uint16_t client = 1; client < 4; client++) {
		talk_handshake(t, client, 100, 300);
		TALK(t, C, TCP_ACK, 100, 300, "a", .client = client);
	}
	stream_timer_set(t->reader[2]->stream, at + 1);
	stream_timer_set(t->reader[0]->stream, at + 2);
	stream_timer_set(t->reader[1]->stream, at + 2);
	t->log_size = 0;
	t->log[0] = 0;
	t->now_ns = at;
	TALK(t, C, TCP_ACK, 101, 300, "b", .client = 2);
	t->now_ns = at + 60 * second;
	TALK(t, C, TCP_ACK, 102, 300, "c", .client = 2);
	snprintf(
		expected,
		sizeof(expected),
		"C:b timer40003@%" PRIu64 " timer40001@%" PRIu64 " timer40002@%" PRIu64 " C:c ",
		at + 1,
		at + 2,
		at + 2
	);
	assert_string_equal(t->log, expected);
	// Taken back, and replaced.
	stream_timer_set(t->reader[0]->stream, t->now_ns + second);
	stream_timer_set(t->reader[0]->stream, 0);
	stream_timer_set(t->reader[1]->stream, t->now_ns + second);
	stream_timer_set(t->reader[1]->stream, t->now_ns + 9 * second);
	flow_advance(t->table, t->now_ns + 8 * second);
	assert_int_equal(t->reader[0]->n_timers + t->reader[1]->n_timers, 2);
	flow_advance(t->table, t->now_ns + 9 * second);
	assert_int_equal(t->reader[1]->n_timers, 2);
	// One in the past comes soon, not for ever.
	stream_timer_set(t->reader[0]->stream, 1);
	flow_advance(t->table, t->now_ns + 10 * second);
	assert_int_equal(t->reader[0]->n_timers, 2);
	talk_free(t);
}

static void the_end_closes_the_oldest_first(void **) {
	struct talk *t = talk_small();

	for (uint16_t client = 0; client < 50; client++) {
		talk_handshake(t, client, 100, 300);
		TALK(t, C, TCP_ACK, 100, 300, "a", .client = client);
	}
	t->log_size = 0;
	flow_end(t->table);
	for (int i = 0; i < 50; i++)
		assert_int_equal(t->reader[i]->n_closes, 1);
	talk_free(t);
}

// ---- Against slow and obvious oracles

static uint64_t random_state;

static uint32_t random_below(uint32_t n) {
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % n;
}

static void random_seed(void) {
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("SEED=%" PRIu64 "\n", random_state);
}

// What the table should hold, as a list that is searched from its start.
struct entry {
	struct entry *next;
	uint64_t last_ns;
	uint32_t realm, seq;
	uint16_t client;
	uint8_t family;
	bool is_closed;
};

struct oracle {
	struct entry *first;
	uint64_t n_open, n_opened, n_timeouts, n_in_order, n_after_close;
};

static struct entry *entry_find(struct oracle *o, const struct talk *t, uint16_t client) {
	struct entry *e = o->first;

	while (e && (e->client != client || e->realm != t->realm || e->family != t->family))
		e = e->next;
	return e;
}

static void entries_expire(struct oracle *o, uint64_t now_ns) {
	for (struct entry **at = &o->first; *at;) {
		struct entry *e = *at;
		uint64_t patience
			= e->is_closed ? FLOW_TIMEOUT_CLOSED_NS : FLOW_TIMEOUT_ESTABLISHED_NS;

		if (e->last_ns + patience > now_ns) {
			at = &e->next;
			continue;
		}
		o->n_timeouts += !e->is_closed;
		o->n_open--;
		*at = e->next;
		free(e);
	}
}

static struct entry *entry_touch(struct oracle *o, const struct talk *t, uint16_t client) {
	struct entry *e = entry_find(o, t, client);

	if (!e) {
		e = calloc(1, sizeof(*e));
		*e = (struct entry){
			.next = o->first,
			.client = client,
			.realm = t->realm,
			.family = t->family,
			.seq = random_below(UINT32_MAX),
		};
		o->first = e;
		o->n_open++;
		o->n_opened++;
	}
	e->last_ns = t->now_ns;
	return e;
}

static void say_something(struct oracle *o, struct talk *t, uint16_t client) {
	struct entry *e = entry_touch(o, t, client);

	o->n_in_order += !e->is_closed;
	o->n_after_close += e->is_closed;
	TALK(t, C, TCP_ACK, e->seq, 1, "x", .client = client);
	e->seq += !e->is_closed;
}

static void say_goodbye(struct oracle *o, struct talk *t, uint16_t client) {
	struct entry *e = entry_find(o, t, client);

	if (!e || e->is_closed)
		return;
	TALK(t, C, TCP_ACK | TCP_FIN, e->seq, 1, .client = client);
	e->last_ns = t->now_ns;
	TALK(t, S, TCP_ACK | TCP_FIN, 1, e->seq + 1, .client = client);
	e->is_closed = true;
}

// Half a hash: five values for all connections, of two families and realms with equal addresses.
static void q1_the_table_equals_a_list_under_random_traffic(void **) {
	struct talk *t = talk_new(256, 1 << 20);
	struct oracle o = {0};
	const struct flow_stats *stats = flow_stats(t->table);

	random_seed();
	t->refuse = true;
	for (int i = 0; i < 20000; i++) {
		uint16_t client = (uint16_t)random_below(40);

		t->family = random_below(2) ? 4 : 6;
		t->realm = random_below(2);
		t->hash = 1 + client % 5u;
		if (!random_below(20))
			t->now_ns += random_below(800) * second;
		entries_expire(&o, t->now_ns);
		if (random_below(8))
			say_something(&o, t, client);
		else
			say_goodbye(&o, t, client);
		flow_advance(t->table, t->now_ns);
		entries_expire(&o, t->now_ns);
		assert_int_equal(flow_n_open(t->table), o.n_open);
	}
	assert_int_equal(stats->flow_opened, o.n_opened);
	assert_int_equal(stats->flow_timeout, o.n_timeouts);
	assert_int_equal(stats->segment_in_order, o.n_in_order);
	assert_int_equal(stats->segment_after_close, o.n_after_close);
	assert_true(o.n_timeouts > 0 && o.n_after_close > 0);
	// An hour and more of silence, told by time alone.
	t->now_ns += 3 * 3600 * second;
	flow_advance(t->table, t->now_ns);
	entries_expire(&o, t->now_ns);
	assert_int_equal(o.n_open, 0);
	assert_int_equal(flow_n_open(t->table), 0);
	assert_int_equal(stats->flow_timeout, o.n_timeouts);
	talk_free(t);
}

// Random segments of a few connections; the packets' addresses and payload live to the end.
enum { N_PKTS = 1500 };

static void pkts_make(struct talk *t, struct pkt *pkts, uint8_t (*addrs)[32]) {
	static const char text[] = "abcdefghijklmnopqrstuvwxyz";
	static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};

	for (int i = 0; i < N_PKTS; i++) {
		uint32_t at = random_below(20) + (uint32_t)i / 50;
		struct seg seg = {
			.dir = random_below(2),
			.client = (uint16_t)random_below(6),
			.flags = random_below(12) ? TCP_ACK : flags[random_below(4)],
			.seq = 1000 + at,
			.ack = 1000 + random_below(20) + (uint32_t)i / 50,
			.data = text + at % 20,
			.size = 1 + (int)random_below(6),
			.checksum = random_below(10) ? PKT_CHECKSUM_RIGHT : PKT_CHECKSUM_WRONG,
		};

		t->now_ns += random_below(100) ? 1000 : 20 * second;
		talk_pkt(t, &seg, addrs[i], &pkts[i]);
	}
}

static void bursts_of_any_size_tell_the_same(void **) {
	static const int sizes[] = {1, 7, 64};
	static struct pkt pkts[N_PKTS];
	static uint8_t addrs[N_PKTS][32];

	random_seed();
	for (int round = 0; round < 20; round++) {
		struct talk *talks[3];

		for (int i = 0; i < 3; i++) {
			talks[i] = talk_new(4, 1 << 14); // fewer than there are connections
			if (i == 0)
				pkts_make(talks[0], pkts, addrs);
			for (int at = 0; at < N_PKTS; at += sizes[i])
				flow_run(
					talks[i]->table,
					pkts + at,
					sizes[i] < N_PKTS - at ? sizes[i] : N_PKTS - at
				);
			flow_end(talks[i]->table);
			assert_true(talks[i]->log_size > 1000);
			assert_string_equal(talks[i]->log, talks[0]->log);
			assert_memory_equal(
				flow_stats(talks[i]->table),
				flow_stats(talks[0]->table),
				sizeof(struct flow_stats)
			);
		}
		for (int i = 0; i < 3; i++)
			talk_free(talks[i]);
	}
}

// T19, T20: a list of holes stays as short as the limit says, whatever comes; the last before the
// limit is still held, the next gives the oldest hole up.
// The hole was once given up towards data that the FIN cut off, and never was: without end.
static void a_fin_inside_held_data_ends_its_side(void **) {
	struct talk *t = talk_small();

	talk_handshake(t, 0, 100, 300);
	TALK(t, C, TCP_ACK, 111, 300, "abcdefgh");
	TALK(t, C, TCP_ACK, 121, 300, "z");
	TALK(t, C, TCP_ACK | TCP_FIN, 115, 300, "");
	TALK(t, C, TCP_ACK, 100, 300, "0123456789+");
	flow_end(t->table);
	assert_int_equal(t->reader[0]->n_data_bytes[0], 19);
	assert_int_equal(t->reader[0]->n_gap_bytes[0], 0);
	talk_free(t);
}

static void t19_t20_tiny_segments_behind_holes_stop_at_the_limit(void **) {
	for (int n = STREAM_SEGMENTS_MAX - 1; n <= STREAM_SEGMENTS_MAX + 1; n++) {
		struct talk *t = talk_small();

		talk_handshake(t, 0, 100, 300);
		for (int i = 0; i < n; i++)
			TALK(t, C, TCP_ACK, 101 + 2 * (uint32_t)i, 300, "x");
		assert_int_equal(flow_stats(t->table)->segment_held, n);
		assert_int_equal(flow_stats(t->table)->gap, n > STREAM_SEGMENTS_MAX);
		if (n > STREAM_SEGMENTS_MAX)
			assert_string_equal(t->log, "open reordering_limit C-1 C:x ");
		flow_end(t->table);
		assert_int_equal(t->reader[0]->n_data_bytes[0], n);
		assert_int_equal(t->reader[0]->n_gap_bytes[0], n);
		talk_free(t);
	}
}

// ---- Header prediction against the way of all other segments

struct told {
	uint64_t digest; // of all calls, in their order
	uint64_t n_data;
};

static void tell(struct told *told, uint64_t what, const void *data, size_t size) {
	const uint8_t *bytes = data;

	told->digest = (told->digest ^ what) * 0x100000001b3;
	for (size_t i = 0; i < size; i++)
		told->digest = (told->digest ^ bytes[i]) * 0x100000001b3;
}

static void *told_open(void *ctx, struct stream *, uint64_t now_ns) {
	tell(ctx, now_ns, "open", 4);
	return ctx;
}

static void
told_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns) {
	((struct told *)reader)->n_data++;
	tell(reader, now_ns + dir, data, size);
}

static void told_gap(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	tell(reader, now_ns + dir, &size, sizeof(size));
}

static void told_event(void *reader, enum stream_event event, uint64_t now_ns) {
	tell(reader, now_ns, &event, sizeof(event));
}

static void told_timer(void *, uint64_t) {}

static void told_close(void *reader, enum stream_end end, uint64_t now_ns) {
	tell(reader, now_ns, &end, sizeof(end));
}

static uint64_t told_random(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

// TCP_SIGNED means something on a reset alone: with it a segment is not predicted.
static void a_predicted_segment_does_what_any_segment_does(void **) {
	enum { CONNECTIONS = 6, SEGMENTS = 300000 };
	static const uint8_t addr[8] = {10, 0, 0, 1, 10, 0, 0, 2};
	static const uint8_t back[8] = {10, 0, 0, 2, 10, 0, 0, 1};
	static uint8_t bytes[64];
	struct told told[2] = {{0}};
	struct flow_table *tables[2];
	uint32_t next[CONNECTIONS][2] = {{0}};
	uint64_t random = (uint64_t)time(NULL) | 1, now_ns = 1000000000;

	print_message("SEED=%" PRIu64 "\n", random);
	for (int i = 0; i < 2; i++) {
		struct flow_config config = {
			.n_flows = CONNECTIONS,
			.held_size = 1 << 20,
			.handler
			= {&told[i],
			   told_open,
			   told_data,
			   told_gap,
			   told_event,
			   told_timer,
			   told_close},
		};
		tables[i] = flow_open(&config);
		assert_non_null(tables[i]);
	}
	for (uint32_t n = 0; n < SEGMENTS; n++) {
		uint64_t r = told_random(&random);
		uint32_t c = r % CONNECTIONS, dir = r >> 8 & 1, odd = r >> 16 & 63;
		uint32_t *at = next[c], size = r >> 24 & 1 ? r >> 32 & 31 : 0;
		struct pkt pkt = {
			.payload = bytes,
			.addr = dir ? back : addr,
			.time_ns = now_ns += r >> 40 & 0xfffff,
			.payload_size = size,
			.seq = at[dir],
			.ack = at[!dir],
			.hash = c * 0x9e3779b1,
			.window = (uint16_t)(r >> 45 & 1 ? 500 : 20),
			.port
			= {(uint16_t)(dir ? 143 : 4000 + c), (uint16_t)(dir ? 4000 + c : 143)},
			.flags = TCP_ACK | (r >> 50 & 1 ? TCP_PSH : 0),
			.family = 4,
			.checksum = r >> 51 & 15 ? PKT_CHECKSUM_RIGHT : r >> 55 & 3,
			.wscale = 0xff,
			.ttl = 64,
			.number = n,
		};

		for (uint32_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)(r >> (i % 8 * 8));
		if (odd == 0)
			pkt.flags = dir ? TCP_SYN | TCP_ACK : TCP_SYN;
		else if (odd == 1)
			pkt.flags = r >> 60 & 1 ? TCP_RST | TCP_ACK : TCP_FIN | TCP_ACK;
		else if (odd < 6)
			pkt.seq += (uint32_t)(r >> 58) - 32;
		else if (odd < 10)
			pkt.ack += (uint32_t)(r >> 58) - 32;
		else if (odd == 10)
			pkt.missing_size = 5, pkt.is_cut = 1;
		if (odd > 9)
			at[dir] += size + pkt.missing_size;
		if (odd == 0)
			at[dir] = pkt.seq + 1;
		flow_run(tables[0], &pkt, 1);
		if (!(pkt.flags & TCP_RST))
			pkt.flags |= TCP_SIGNED;
		flow_run(tables[1], &pkt, 1);
		assert_int_equal(told[0].digest, told[1].digest);
	}
	assert_true(told[0].n_data > SEGMENTS / 10);
	assert_memory_equal(
		flow_stats(tables[0]), flow_stats(tables[1]), sizeof(struct flow_stats)
	);
	for (int i = 0; i < 2; i++) {
		flow_end(tables[i]);
		flow_close(tables[i]);
	}
	assert_int_equal(told[0].digest, told[1].digest);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t1_the_syn_that_is_acknowledged_wins),
		cmocka_unit_test(t2_the_syn_ack_that_is_acknowledged_wins),
		cmocka_unit_test(t3_an_acknowledgement_number_without_the_flag_means_nothing),
		cmocka_unit_test(t4_a_reset_while_opening_does_not_end_the_handshake),
		cmocka_unit_test(t6_t7_a_wrong_checksum_beside_right_ones_never_enters),
		cmocka_unit_test(a_side_that_never_shows_a_right_checksum_is_taken_as_it_is),
		cmocka_unit_test(bytes_with_a_wrong_checksum_are_taken_when_acknowledged),
		cmocka_unit_test(bytes_with_a_wrong_checksum_keep_the_order_of_the_directions),
		cmocka_unit_test(a_forged_tail_makes_no_reset_valid),
		cmocka_unit_test(what_was_left_to_a_nic_is_taken_beside_right_checksums),
		cmocka_unit_test(a_syn_with_a_right_checksum_wins_over_those_without),
		cmocka_unit_test(t8_roles_stay_with_whoever_sends_the_syn),
		cmocka_unit_test(t11_a_split_handshake_keeps_the_roles),
		cmocka_unit_test(t12_a_reset_delivers_what_is_contiguous_and_counts_no_gap),
		cmocka_unit_test(what_was_acknowledged_before_a_reset_is_a_gap),
		cmocka_unit_test(t13_the_text_of_a_reset_is_not_data),
		cmocka_unit_test(t5_a_signed_reset_ends_only_what_does_not_go_on),
		cmocka_unit_test(t24_a_window_scale_beyond_14_is_taken_as_14_and_said),
		cmocka_unit_test(f9_inconsistent_fragments_are_said_of_the_connection),
		cmocka_unit_test(t14_a_reset_beside_the_next_number_is_ignored),
		cmocka_unit_test(t14_a_reset_ahead_of_what_is_sent_next_ends_nothing),
		cmocka_unit_test(t12_a_reset_that_overtakes_the_last_data_loses_none),
		cmocka_unit_test(t7_a_reset_that_came_another_way_ends_only_what_does_not_go_on),
		cmocka_unit_test(t16_a_fin_outside_the_window_ends_nothing),
		cmocka_unit_test(t17_an_acknowledgement_far_ahead_is_refused),
		cmocka_unit_test(t21_a_zero_window_probe_counts_once),
		cmocka_unit_test(t25_data_on_a_syn_is_told_once),
		cmocka_unit_test(t26_without_a_syn_the_roles_follow_the_evidence),
		cmocka_unit_test(t27_strays_without_data_open_nothing),
		cmocka_unit_test(t27_a_middle_that_begins_with_a_fin_is_read_to_its_end),
		cmocka_unit_test(t28_one_direction_alone_is_told_and_its_holes_given_up),
		cmocka_unit_test(t29_acknowledged_bytes_that_never_come_are_a_gap),
		cmocka_unit_test(t32_numbers_wrap_and_offsets_do_not),
		cmocka_unit_test(t32_an_offset_near_its_end_goes_round),
		cmocka_unit_test(t34_a_port_used_again_is_another_connection),
		cmocka_unit_test(t34_after_unanswered_syns_the_one_that_is_answered_is_read),
		cmocka_unit_test(t34_a_syn_alone_does_not_end_a_connection),
		cmocka_unit_test(t35_family_and_realm_are_part_of_the_key),
		cmocka_unit_test(directions_in_two_realms_are_one_connection),
		cmocka_unit_test(only_an_answer_joins_two_realms),
		cmocka_unit_test(cut_payload_is_a_gap_and_said),
		cmocka_unit_test(lost_fins_are_no_gaps),
		cmocka_unit_test(a_refused_stream_is_counted_and_not_told),
		cmocka_unit_test(t36_held_segments_stop_at_their_limit),
		cmocka_unit_test(t36_a_full_pool_gives_holes_up_and_loses_no_data),
		cmocka_unit_test(t36_a_full_table_gives_up_what_matters_least),
		cmocka_unit_test(connections_are_counted_by_state),
		cmocka_unit_test(connections_with_one_direction_are_counted),
		cmocka_unit_test(each_state_has_its_patience),
		cmocka_unit_test(timers_come_exactly_and_before_later_packets),
		cmocka_unit_test(the_end_closes_the_oldest_first),
		cmocka_unit_test(q1_the_table_equals_a_list_under_random_traffic),
		cmocka_unit_test(bursts_of_any_size_tell_the_same),
		cmocka_unit_test(a_fin_inside_held_data_ends_its_side),
		cmocka_unit_test(a_predicted_segment_does_what_any_segment_does),
		cmocka_unit_test(t19_t20_tiny_segments_behind_holes_stop_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
