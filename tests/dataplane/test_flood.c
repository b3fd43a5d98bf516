// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A thousand sessions at once next to floods that fill every table: each session is told whole, once, in
// order. The tables are small, so that they are full nearly all the time.

#include "limits.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	SESSIONS = 1000,
	TURNS = 8, // question and answer
	STEPS = 3 + 2 * TURNS + 2,
	BEGINNING = 5, // handshake and first turn, one session after the other; then all take turns
	FRAME_MAX = 128,
	PAYLOAD = 32,
};

struct flood {
	struct source source; // first
	// Writes one frame of the flood, the n-th, to be given between those of the sessions.
	uint32_t (*make)(struct flood *flood, uint64_t n, uint8_t *to);
	uint64_t n_flood, n_per_step; // how many; and between two frames of sessions
	bool is_fragmented; // the sessions' segments come in two fragments
	uint64_t n_sent, state, now_ns;
	int at; // step of the sessions
	int waiting; // a second fragment is
	uint8_t frames[BURST_MAX][FRAME_MAX];
	// What the handler heard.
	uint32_t n_bytes[SESSIONS][2], n_closed[SESSIONS], n_open, n_wrong;
};

struct reader {
	struct flood *flood;
	int session;
};

static uint32_t draw(struct flood *f) {
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return (uint32_t)(f->state >> 16);
}

static void put32(uint8_t *to, uint32_t value) {
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

// Raw IPv4 and TCP.
static uint32_t
segment(uint8_t *to,
	uint32_t source,
	uint32_t destination,
	uint32_t ports,
	uint8_t flags,
	uint32_t seq,
	uint32_t ack,
	uint32_t payload) {
	memset(to, 0, FRAME_MAX);
	memcpy(to, (uint8_t[10]){0x45, 0, 0, (uint8_t)(40 + payload), 0, 0, 0, 0, 64, 6}, 10);
	put32(to + 12, source);
	put32(to + 16, destination);
	put32(to + 20, ports);
	put32(to + 24, seq);
	put32(to + 28, ack);
	to[32] = 0x50;
	to[33] = flags;
	to[34] = 0xff;
	return 40 + payload;
}

// ---- Sessions

static uint32_t session_frame(int session, int step, uint8_t *to) {
	static const uint32_t server = 0x0a000001;
	uint32_t client = 0x0a010000 + (uint32_t)session, there = 40000u << 16 | 143;
	uint32_t back = 143u << 16 | 40000, turn = (uint32_t)(step - 3) / 2, size;
	bool is_answer = step >= 3 && (step - 3) % 2;

	if (step == 0)
		return segment(to, client, server, there, TCP_SYN, 99, 0, 0);
	if (step == 1)
		return segment(to, server, client, back, TCP_SYN | TCP_ACK, 499, 100, 0);
	if (step == 2)
		return segment(to, client, server, there, TCP_ACK, 100, 500, 0);
	size = step < 3 + 2 * TURNS ? PAYLOAD : 0;
	uint8_t flags = size ? TCP_ACK : TCP_ACK | TCP_FIN;
	uint32_t mine = PAYLOAD * turn, other = PAYLOAD * (turn + is_answer);

	if (!size) { // the client's FIN, then the server's
		mine = other = PAYLOAD * TURNS;
		other += is_answer;
	}
	if (is_answer)
		size = segment(to, server, client, back, flags, 500 + mine, 100 + other, size);
	else
		size = segment(to, client, server, there, flags, 100 + mine, 500 + other, size);
	memset(to + 40, 'a' + session % 26, size - 40);
	return size;
}

// The i-th frame of all sessions.
static uint32_t sessions_frame(int i, uint8_t *to) {
	if (i < BEGINNING * SESSIONS)
		return session_frame(i / BEGINNING, i % BEGINNING, to);
	i -= BEGINNING * SESSIONS;
	return session_frame(i % SESSIONS, BEGINNING + i / SESSIONS, to);
}

// Cuts a raw IPv4 packet: its first 24 bytes of payload, or what is behind them.
static uint32_t fragment_cut(uint8_t *ip, uint32_t size, int i, bool is_second) {
	put32(ip + 4, (uint32_t)(i & 0xffff) << 16 | (is_second ? 3 : 0x2000));
	if (is_second)
		memmove(ip + 20, ip + 44, size - 44);
	size = is_second ? size - 24 : 44;
	ip[3] = (uint8_t)size;
	return size;
}

// ---- The source: flood and sessions

static bool next(struct flood *f, uint8_t *to, uint32_t *size) {
	if (f->n_sent < f->n_flood
	    && f->n_sent < f->n_per_step * (uint64_t)(f->at + f->waiting + 1)) {
		*size = f->make(f, f->n_sent++, to);
		return true;
	}
	if (f->at == SESSIONS * STEPS)
		return false;
	*size = sessions_frame(f->at, to);
	if (f->is_fragmented && *size > 40) {
		*size = fragment_cut(to, *size, f->at, f->waiting);
		f->waiting = !f->waiting;
	}
	f->at += !f->waiting;
	return true;
}

static int flood_burst(struct source *source, struct frame *frames, int max) {
	struct flood *f = (struct flood *)source;
	int n = 0;

	for (; n < max && next(f, f->frames[n], &frames[n].size); n++) {
		frames[n].data = f->frames[n];
		frames[n].wire_size = frames[n].size;
		frames[n].link = LINK_RAW_IP;
		frames[n].time_ns = f->now_ns += 1000;
	}
	return n ? n : SOURCE_END;
}

// ---- The handler

static void *heard_open(void *ctx, struct stream *stream, uint64_t) {
	struct reader *r = calloc(1, sizeof(*r));
	struct stream_tuple tuple;

	stream_tuple_get(stream, &tuple);
	*r = (struct reader){ctx, tuple.addr[0][2] << 8 | tuple.addr[0][3]};
	r->flood->n_open++;
	if (tuple.port[1] != 143 || tuple.addr[0][1] != 1)
		r->session = -1; // the flood's
	return r;
}

static void
heard_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t) {
	struct reader *r = reader;

	if (r->session < 0)
		return;
	r->flood->n_bytes[r->session][dir] += (uint32_t)size;
	for (size_t i = 0; i < size; i++)
		r->flood->n_wrong += data[i] != 'a' + r->session % 26;
}

static void heard_gap(void *reader, enum stream_dir, uint64_t, uint64_t) {
	((struct reader *)reader)->flood->n_wrong += ((struct reader *)reader)->session >= 0;
}

static void heard_event(void *reader, enum stream_event, uint64_t) {
	((struct reader *)reader)->flood->n_wrong += ((struct reader *)reader)->session >= 0;
}

static void heard_timer(void *, uint64_t) {}

static void heard_close(void *reader, enum stream_end end, uint64_t) {
	struct reader *r = reader;

	if (r->session >= 0) {
		r->flood->n_closed[r->session]++;
		r->flood->n_wrong += end != STREAM_END_CLOSE;
	}
	free(r);
}

// What the sessions say is heard whole; the tables' counters stay.
static void run(struct flood *f, struct flow_stats *flows, struct defrag_stats *defrag) {
	struct flow_config config = {
		.n_flows = 4 * SESSIONS,
		.held_size = 1 << 20,
		.handler
		= {f, heard_open, heard_data, heard_gap, heard_event, heard_timer, heard_close},
	};
	struct defrag_config defrag_config
		= {.n_datagrams = 512, .n_chunks = 1024, .hash_key = {1}};
	struct worker worker = {.source = &f->source, .decode.hash_key = {2}};

	f->source.burst = flood_burst;
	f->state = 88172645463325252u;
	f->now_ns = 1700000000ull * 1000000000;
	worker.flows = flow_open(&config);
	worker.defrag = defrag_open(&defrag_config);
	assert_int_equal(worker_run(&worker), 0);
	assert_int_equal(f->n_sent, f->n_flood);
	*flows = *flow_stats(worker.flows);
	*defrag = *defrag_stats(worker.defrag);
	flow_close(worker.flows);
	defrag_close(worker.defrag);
	assert_int_equal(f->n_wrong, 0);
	for (int i = 0; i < SESSIONS; i++) {
		assert_int_equal(f->n_bytes[i][0], PAYLOAD * TURNS);
		assert_int_equal(f->n_bytes[i][1], PAYLOAD * TURNS);
		assert_int_equal(f->n_closed[i], 1);
	}
}

// ---- Floods

static uint32_t syn(struct flood *f, uint64_t, uint8_t *to) {
	return segment(
		to,
		0xc0000000 + draw(f) % 0x10000000,
		0x0a000001,
		draw(f) << 16 | 143,
		TCP_SYN,
		draw(f),
		0,
		0
	);
}

// SYN, and the server's answer, to which nothing comes.
static uint32_t half_open(struct flood *f, uint64_t n, uint8_t *to) {
	uint32_t client = 0xc0000000 + (uint32_t)(n / 2), port = (uint32_t)(n / 2) & 0xffff;

	if (n % 2)
		return segment(
			to, 0x0a000001, client, 143u << 16 | port, TCP_SYN | TCP_ACK, 7, 2, 0
		);
	return segment(to, client, 0x0a000001, port << 16 | 143, TCP_SYN, 1, 0, 0);
}

// Handshakes that are completed, after which nothing is said.
static uint32_t quiet(struct flood *f, uint64_t n, uint8_t *to) {
	uint32_t client = 0xc0000000 + (uint32_t)(n / 3), port = (uint32_t)(n / 3) & 0xffff;

	if (n % 3 == 2)
		return segment(to, client, 0x0a000001, port << 16 | 143, TCP_ACK, 2, 8, 0);
	return half_open(f, n / 3 * 2 + n % 3, to);
}

static uint32_t fragment(struct flood *f, uint64_t, uint8_t *to) {
	segment(to, 0xc0000000 + draw(f) % 0x10000000, 0x0a000001, 0, 0, 0, 0, 0);
	to[3] = 28;
	put32(to + 4, draw(f) << 16 | 0x2000 | draw(f) % 1000);
	return 28;
}

// The same from one source, with the sessions' own identifications.
static uint32_t fragment_of_one(struct flood *f, uint64_t n, uint8_t *to) {
	fragment(f, n, to);
	put32(to + 12, 0xc0000000);
	return 28;
}

static void a_million_syns_cost_no_session(void **) {
	static struct flood f = {.make = syn, .n_flood = 1000000, .n_per_step = 50};
	struct flow_stats flows;
	struct defrag_stats defrag;

	run(&f, &flows, &defrag);
	assert_true(flows.flow_evicted > 900000);
	assert_int_equal(f.n_open, SESSIONS);
}

static void a_hundred_thousand_half_open_connections_cost_no_session(void **) {
	static struct flood f = {.make = half_open, .n_flood = 200000, .n_per_step = 40};
	struct flow_stats flows;
	struct defrag_stats defrag;

	run(&f, &flows, &defrag);
	assert_true(flows.flow_evicted > 90000);
	assert_int_equal(flows.flow_opened, 100000 + SESSIONS);
}

static void handshakes_without_a_word_cost_no_session(void **) {
	static struct flood f = {.make = quiet, .n_flood = 300000, .n_per_step = 30};
	struct flow_stats flows;
	struct defrag_stats defrag;

	run(&f, &flows, &defrag);
	assert_true(flows.flow_evicted > 90000);
}

static void fragments_that_never_complete_cost_no_session(void **) {
	static struct flood all
		= {.make = fragment, .n_flood = 1000000, .n_per_step = 60, .is_fragmented = true};
	static struct flood one
		= {.make = fragment_of_one,
		   .n_flood = 1000000,
		   .n_per_step = 60,
		   .is_fragmented = true};
	struct flow_stats flows;
	struct defrag_stats defrag;

	run(&all, &flows, &defrag);
	assert_int_equal(defrag.datagram_whole, 2 * TURNS * SESSIONS);
	assert_true(defrag.datagram_evicted > 900000);
	run(&one, &flows, &defrag);
	assert_int_equal(defrag.datagram_whole, 2 * TURNS * SESSIONS);
	assert_true(defrag.datagram_of_source > 100000);
	assert_int_equal(defrag.datagram_evicted, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_syns_cost_no_session),
		cmocka_unit_test(a_hundred_thousand_half_open_connections_cost_no_session),
		cmocka_unit_test(handshakes_without_a_word_cost_no_session),
		cmocka_unit_test(fragments_that_never_complete_cost_no_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
