// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// TCP timestamps (RFC 7323), from the frame to what a reader is told. Hosts drop a segment whose timestamp
// went back (PAWS), and not all at the same value. Postern takes every one: whatever a host has dropped
// comes again, and other bytes at the same place are stated.

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

static struct talk *talk_up_to_last(bool syn_has_timestamp) {
	struct talk *t = talk_new(16, 1 << 20);

	STEP(t, C, TCP_SYN, 99, 0, NULL, syn_has_timestamp, LAST - 2);
	STEP(t, S, TCP_SYN | TCP_ACK, 299, 100, NULL, true, 5);
	STEP(t, C, TCP_ACK, 100, 300, NULL, true, LAST - 1);
	STEP(t, C, TCP_ACK, 100, 300, "abc", true, LAST);
	STEP(t, S, TCP_ACK, 300, 103, NULL, true, 6);
	return t;
}

static void t23_a_timestamp_in_the_answer_alone_is_accepted(void **) {
	struct talk *t = talk_up_to_last(false);

	STEP(t, S, TCP_ACK, 300, 103, "ok", true, 7);
	STEP(t, C, TCP_ACK, 103, 302, "def", false);
	flow_end(t->table);
	assert_string_equal(t->log, "open C:abc S:ok C:def input ");
	talk_free(t);
}

// Linux takes last - 1 to last + 2^31, others one or two less.
static const uint32_t edges[] = {
	LAST - 2,
	LAST - 1,
	LAST,
	LAST + 0x7ffffffdu,
	LAST + 0x7ffffffeu,
	LAST + 0x7fffffffu,
	LAST + 0x80000000u,
	LAST + 0x80000001u,
};

static void t23_beyond_either_edge_of_paws_other_bytes_are_stated(void **) {
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		for (int same = 0; same < 2; same++) {
			struct talk *t = talk_up_to_last(true);

			// The host has dropped the first of these, or the second as a repetition.
			STEP(t, C, TCP_ACK, 103, 300, same ? "good" : "evil", true, edges[i]);
			STEP(t, C, TCP_ACK, 103, 300, "good", true, LAST + 1);
			STEP(t, S, TCP_ACK, 300, 107, NULL, true, 7);
			STEP(t, C, TCP_ACK, 107, 300, "next", true, LAST + 2);
			flow_end(t->table);
			assert_string_equal(
				t->log,
				same ? "open C:abc C:good C:next input "
				     : "open C:abc C:evil inconsistent_retransmission C:next input "
			);
			talk_free(t);
		}
	}
}

// A reset that a host would drop for its timestamp, or for having one, ends no handshake.
static void t4_a_reset_with_any_timestamp_does_not_end_the_handshake(void **) {
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		struct talk *t = talk_new(16, 1 << 20);

		STEP(t, C, TCP_SYN, 99, 0, NULL, i % 2, LAST);
		STEP(t, S, TCP_RST | TCP_ACK, 0, 100, NULL, true, edges[i]);
		STEP(t, S, TCP_RST, 0, 0, NULL, true, edges[i]);
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
		cmocka_unit_test(t23_beyond_either_edge_of_paws_other_bytes_are_stated),
		cmocka_unit_test(t4_a_reset_with_any_timestamp_does_not_end_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
