// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// TCP timestamps (RFC 7323), from the frame to what a reader is told. Hosts drop a segment whose timestamp
// went back (PAWS), and not all at the same value. Such bytes are taken only if they are acknowledged and no others
// come in their place; at the edges it is as the policy for overlaps says, and other bytes at the same place are stated.

#include "decode.h"
#include "talk.h"

#include <setjmp.h>

#include <cmocka.h>

enum {
	LAST = 0x10000000, // the client's timestamp before the doubtful segment
};

struct step {
	enum stream_dir dir;
	uint8_t flags;
	uint32_t seq, ack;
	const char *data;
	bool has_timestamp;
	uint32_t timestamp;
};

static uint8_t *put32(uint8_t *to, uint32_t value) {
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
	return to + 4;
}

// IPv4 and TCP, in a block of exactly its size.
static uint8_t *packet_make(const struct step *s, uint32_t *size) {
	uint32_t n = s->data ? (uint32_t)strlen(s->data) : 0, header = s->has_timestamp ? 32 : 20;
	uint8_t *packet = calloc(1, 20 + header + n), *tcp = packet + 20;

	*size = 20 + header + n;
	memcpy(packet, (uint8_t[12]){0x45, 0, 0, (uint8_t)*size, 0, 1, 0x40, 0, 64, 6}, 12);
	memcpy(packet + 12 + 4 * s->dir, (uint8_t[4]){10, 0, 0, 1}, 4);
	memcpy(packet + 12 + 4 * !s->dir, (uint8_t[4]){10, 0, 0, 2}, 4);
	memcpy(tcp + 2 * s->dir, (uint8_t[2]){0x9c, 0x40}, 2);
	memcpy(tcp + 2 * !s->dir, (uint8_t[2]){0, 143}, 2);
	put32(put32(tcp + 4, s->seq), s->ack);
	memcpy(tcp + 12, (uint8_t[4]){(uint8_t)(header << 2), s->flags, 0xff, 0xff}, 4);
	if (s->has_timestamp) {
		memcpy(tcp + 20, (uint8_t[4]){1, 1, 8, 10}, 4);
		put32(tcp + 24, s->timestamp);
	}
	if (n)
		memcpy(tcp + header, s->data, n);
	return packet;
}

static void step_run(struct talk *t, const struct step *s) {
	static const struct decode_config config = {.hash_key = {3, 4}};
	struct frame frame = {.link = LINK_RAW_IP};
	uint32_t size;
	uint8_t *packet = packet_make(s, &size);
	struct pkt pkt;

	frame.data = packet;
	frame.size = frame.wire_size = size;
	assert_int_equal(decode(&config, &frame, &pkt), VERDICT_tcp);
	pkt.time_ns = t->now_ns;
	pkt.number = t->n_packets++;
	flow_run(t->table, &pkt, 1);
	t->now_ns += 1000;
	free(packet);
}

#define STEP(t, ...) step_run(t, &(struct step){__VA_ARGS__})

static struct talk *talk_up_to_last(bool syn_has_timestamp, enum overlap overlap) {
	struct talk *t = talk_with((struct flow_config
	){.n_flows = 16, .held_size = 1 << 20, .overlap = overlap});

	STEP(t, C, TCP_SYN, 99, 0, NULL, syn_has_timestamp, LAST - 2);
	STEP(t, S, TCP_SYN | TCP_ACK, 299, 100, NULL, true, 5);
	STEP(t, C, TCP_ACK, 100, 300, NULL, true, LAST - 1);
	STEP(t, C, TCP_ACK, 100, 300, "abc", true, LAST);
	STEP(t, S, TCP_ACK, 300, 103, NULL, true, 6);
	return t;
}

static void t23_a_timestamp_in_the_answer_alone_is_accepted(void **) {
	struct talk *t = talk_up_to_last(false, OVERLAP_FIRST);

	STEP(t, S, TCP_ACK, 300, 103, "ok", true, 7);
	STEP(t, C, TCP_ACK, 103, 302, "def", false);
	// They mean nothing then: none is too old.
	STEP(t, C, TCP_ACK, 106, 302, "ghi", true, LAST - 100);
	STEP(t, S, TCP_ACK, 302, 109, "end", true, 1);
	flow_end(t->table);
	assert_string_equal(t->log, "open timestamp_unasked C:abc S:ok C:def C:ghi S:end input ");
	talk_free(t);
}

// Linux takes last - 1 to last + 2^31, Windows and the BSDs last to last + 2^31 - 1.
static const struct edge {
	uint32_t stamp;
	bool linux_drops, windows_drops;
} edges[] = {
	{LAST - 0x7fffffffu, true, true},
	{LAST - 1000, true, true},
	{LAST - 2, true, true},
	{LAST - 1, false, true},
	{LAST, false, false},
	{LAST + 1, false, false},
	{LAST + 0x7ffffffdu, false, false},
	{LAST + 0x7ffffffeu, false, false},
	{LAST + 0x7fffffffu, false, false},
	{LAST + 0x80000000u, false, true},
	{LAST + 0x80000001u, true, true},
};

static void t23_beyond_either_edge_of_paws_bytes_are_not_believed(void **) {
	for (size_t i = 0; i < 4 * sizeof(edges) / sizeof(*edges); i++) {
		const struct edge *edge = &edges[i / 4];
		enum overlap policy = (enum overlap)(i % 4);
		bool drops = policy == OVERLAP_WINDOWS ? edge->windows_drops : edge->linux_drops;

		for (int same = 0; same < 2; same++) {
			struct talk *t = talk_up_to_last(true, policy);

			// The host has dropped the first of these, or the second as a repetition.
			STEP(t, C, TCP_ACK, 103, 300, same ? "good" : "evil", true, edge->stamp);
			STEP(t, C, TCP_ACK, 103, 300, "good", true, drops ? LAST + 1 : edge->stamp);
			STEP(t, S, TCP_ACK, 300, 107, NULL, true, 7);
			STEP(t, C, TCP_ACK, 107, 300, "next", true, drops ? LAST + 2 : edge->stamp);
			flow_end(t->table);
			assert_string_equal(
				t->log,
				drops	       ? "open C:abc old_timestamp C:good C:next input "
					: same ? "open C:abc C:good C:next input "
					       : "open C:abc C:evil inconsistent_retransmission "
						 "C:next input "
			);
			assert_int_equal(flow_stats(t->table)->segment_old_timestamp, drops);
			assert_int_equal(fates(t), t->n_packets);
			talk_free(t);
		}
	}
}

// Should the host have taken it all the same, its acknowledgement says so.
static void t23_what_is_acknowledged_was_not_too_old(void **) {
	struct talk *t = talk_up_to_last(true, OVERLAP_FIRST);

	STEP(t, C, TCP_ACK, 103, 300, "abcd", true, LAST - 2);
	STEP(t, C, TCP_ACK, 107, 300, "next", true, LAST + 1);
	for (int i = 0; i < 12; i++)
		STEP(t, S, TCP_ACK, 300, 111, NULL, true, 7);
	flow_end(t->table);
	assert_string_equal(t->log, "open C:abc old_timestamp C:abcd C:next input ");
	assert_int_equal(flow_stats(t->table)->checksum_acknowledged, 1);
	talk_free(t);
}

// Late copies, disorder, keep-alives and resets are no old data.
static void t23_disorder_is_not_taken_for_old_data(void **) {
	struct talk *t = talk_up_to_last(true, OVERLAP_WINDOWS);

	STEP(t, C, TCP_ACK, 106, 300, "ghi", true, LAST + 20);
	STEP(t, C, TCP_ACK, 103, 300, "def", true, LAST + 10);
	STEP(t, C, TCP_ACK, 103, 300, "def", true, LAST + 10);
	STEP(t, C, TCP_ACK, 109, 300, "jkl", true, LAST + 30);
	STEP(t, C, TCP_ACK, 100, 300, "abc", true, LAST);
	STEP(t, C, TCP_ACK, 111, 300, "l", true, LAST + 25);
	STEP(t, C, TCP_ACK, 112, 300, NULL, true, LAST + 15);
	STEP(t, C, TCP_ACK, 112, 300, "mno", false);
	STEP(t, C, TCP_RST, 115, 300, NULL, true, 1);
	assert_string_equal(t->log, "open C:abc C:def C:ghi C:jkl C:mno reset ");
	assert_int_equal(flow_stats(t->table)->segment_old_timestamp, 0);
	talk_free(t);
}

// The first segment behind the handshake is held against the SYN's, in either family and wherever the option stands.
static void t23_the_syn_has_the_first_timestamp(void **) {
	struct talk *t = talk_new(16, 1 << 20);

	STEP(t, C, TCP_SYN, 99, 0, NULL, true, LAST);
	STEP(t, S, TCP_SYN | TCP_ACK, 299, 100, NULL, true, 5);
	STEP(t, C, TCP_ACK, 100, 300, "evil", true, LAST - 5);
	STEP(t, C, TCP_ACK, 100, 300, "good", true, LAST + 1);
	flow_end(t->table);
	assert_string_equal(t->log, "open old_timestamp C:good input ");
	talk_free(t);
	// A forged SYN far ahead makes nothing old.
	t = talk_new(16, 1 << 20);
	t->family = 6;
	STEP(t, C, TCP_SYN, 99, 0, NULL, true, LAST);
	STEP(t, C, TCP_SYN, 99, 0, NULL, true, LAST + 0x40000000u);
	STEP(t, S, TCP_SYN | TCP_ACK, 299, 100, NULL, true, 5);
	STEP(t, C, TCP_ACK, 100, 300, "good", true, LAST + 1);
	flow_end(t->table);
	assert_string_equal(t->log, "open C:good input ");
	talk_free(t);
}

// A reset that a host would drop for its timestamp, or for having one, ends no handshake.
static void t4_a_reset_with_any_timestamp_does_not_end_the_handshake(void **) {
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		struct talk *t = talk_new(16, 1 << 20);

		STEP(t, C, TCP_SYN, 99, 0, NULL, i % 2, LAST);
		STEP(t, S, TCP_RST | TCP_ACK, 0, 100, NULL, true, edges[i].stamp);
		STEP(t, S, TCP_RST, 0, 0, NULL, true, edges[i].stamp);
		STEP(t, S, TCP_SYN | TCP_ACK, 299, 100, NULL, i % 2, 5);
		STEP(t, C, TCP_ACK, 100, 300, "abc", i % 2, LAST + 1);
		flow_end(t->table);
		assert_string_equal(t->log, "open C:abc input ");
		talk_free(t);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t23_a_timestamp_in_the_answer_alone_is_accepted),
		cmocka_unit_test(t23_beyond_either_edge_of_paws_bytes_are_not_believed),
		cmocka_unit_test(t23_what_is_acknowledged_was_not_too_old),
		cmocka_unit_test(t23_disorder_is_not_taken_for_old_data),
		cmocka_unit_test(t23_the_syn_has_the_first_timestamp),
		cmocka_unit_test(t4_a_reset_with_any_timestamp_does_not_end_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
