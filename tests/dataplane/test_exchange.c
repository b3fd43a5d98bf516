// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Workers behind the queues of a NIC that hashes what stands in front: whatever it did with fragments and tunnels,
// each connection is read whole by one worker. The NIC's part is played by the same Toeplitz hash over the outermost
// addresses and, where they are not fragmented, ports.

#include "exchange.h"
#include "limits.h"
#include "port/rss.h"
#include "worker.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
	WORKERS_MAX = 5,
	CONNECTIONS = 60,
	SEGMENTS = 20, // of data, each way
	PAYLOAD = 64, // of one segment, and of the next SHORT: too little to be cut
	SHORT = 16,
	BYTES = SEGMENTS / 2 * (PAYLOAD + SHORT),
	FRAMES_MAX = CONNECTIONS * (3 + 2 * SEGMENTS) * 4,
	FRAME_MAX = 256,
};

// How a connection's packets come.
enum form {
	PLAIN_V4,
	PLAIN_V6,
	FRAGMENTS_V4,
	FRAGMENTS_V6,
	IN_VXLAN,
	FRAGMENTS_IN_VXLAN,
	TAGGED,
	FORMS
};

struct made {
	uint8_t data[FRAME_MAX];
	uint32_t size;
	int queue;
	int step; // all before this one have been walked when it comes
};

static struct made made[FRAMES_MAX];
static int n_made, n_steps;
static uint8_t key[40], owners[EXCHANGE_OWNERS];
static uint16_t identification;

static uint64_t draw(uint64_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void put16(uint8_t *p, unsigned v) {
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v) {
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

// ---- The NIC

static uint16_t table[128];

// What a NIC with the hash types asked for in nic.c does. A frame whose ethertype it does not know has hash 0.
static int nic_queue(const uint8_t *frame) {
	const uint8_t *ip = frame + 14;
	uint8_t tuple[36];
	size_t n = 0;

	if (frame[12] == 8 && frame[13] == 0) {
		bool has_ports = ip[9] == 6 && !((ip[6] & 0x3f) | ip[7]);

		memcpy(tuple, ip + 12, 8);
		memcpy(tuple + 8, ip + 20, 4);
		n = has_ports ? 12 : 8;
	} else if (frame[12] == 0x86) {
		memcpy(tuple, ip + 8, 32);
		memcpy(tuple + 32, ip + 40, 4);
		n = ip[6] == 6 ? 36 : 32;
	}
	return table[rss_hash(key, tuple, n) % 128];
}

static void nic_init(uint64_t *seed, int n_workers) {
	rss_key_make((uint16_t)draw(seed), key, sizeof(key));
	for (int i = 0; i < 128; i++)
		table[i] = (uint16_t)(draw(seed) % (uint64_t)n_workers);
	rss_owners(key, table, 128, owners);
}

// ---- Frames

static void
frame_put(const uint8_t *head, size_t head_size, const uint8_t *rest, size_t rest_size) {
	struct made *m = &made[n_made++];

	assert_true(n_made < FRAMES_MAX && head_size + rest_size <= FRAME_MAX);
	memcpy(m->data, head, head_size);
	memcpy(m->data + head_size, rest, rest_size);
	m->size = (uint32_t)(head_size + rest_size);
	m->queue = nic_queue(m->data);
	m->step = n_steps;
}

// An IP header; more and offset (of 8 bytes) of a fragment. Returns its size.
static size_t
ip_put(uint8_t *p,
       bool is_v6,
       unsigned protocol,
       const uint8_t *ends,
       size_t size,
       int offset,
       bool more) {
	bool is_fragment = offset || more;

	memset(p, 0, 48);
	if (is_v6) {
		p[0] = 0x60;
		put16(p + 4, (unsigned)size + (is_fragment ? 8 : 0));
		p[6] = (uint8_t)(is_fragment ? 44 : protocol);
		memcpy(p + 8, ends, 32);
		if (!is_fragment)
			return 40;
		p[40] = (uint8_t)protocol;
		put16(p + 42, (unsigned)offset * 8 | more);
		put32(p + 44, identification);
		return 48;
	}
	p[0] = 0x45;
	put16(p + 2, (unsigned)size + 20);
	put16(p + 4, identification);
	put16(p + 6, (unsigned)offset | (more ? 0x2000 : 0));
	p[8] = 64;
	p[9] = (uint8_t)protocol;
	memcpy(p + 12, ends, 4);
	memcpy(p + 16, ends + 16, 4);
	return 20;
}

// The packet behind an Ethernet header and what form puts in front.
static void
packet_put(enum form form, bool is_v6, const uint8_t *packet, size_t size, bool to_server) {
	uint8_t head[128] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, outer[32] = {0};
	size_t n = 12;

	if (form == TAGGED) {
		put32(head + n, 0x88a80064);
		n += 4;
	}
	if (form == IN_VXLAN || form == FRAGMENTS_IN_VXLAN) {
		// Each direction has ends of its own.
		memcpy(outer, to_server ? "\xc0\0\2\1" : "\xc0\0\2\x63", 4);
		memcpy(outer + 16, to_server ? "\xc0\0\2\2" : "\xc0\0\2\x57", 4);
		put16(head + n, 0x0800);
		n += 2;
		n += ip_put(head + n, false, 17, outer, 8 + 8 + 14 + size, 0, false);
		memset(head + n, 0, 8 + 8 + 12);
		put16(head + n, 40000);
		put16(head + n + 2, 4789);
		put16(head + n + 4, (unsigned)(8 + 8 + 14 + size));
		head[n + 8] = 0x08;
		n += 8 + 8 + 12;
	}
	put16(head + n, is_v6 ? 0x86dd : 0x0800);
	frame_put(head, n + 2, packet, size);
}

static bool is_fragmented(enum form form) {
	return form == FRAGMENTS_V4 || form == FRAGMENTS_V6 || form == FRAGMENTS_IN_VXLAN;
}

// A segment of connection c: the last fragment first.
static void
segment_put(int c, bool to_server, uint8_t flags, uint32_t seq, uint32_t ack, size_t n_data) {
	enum form form = (enum form)(c % FORMS);
	bool is_v6 = form == PLAIN_V6 || form == FRAGMENTS_V6;
	uint8_t tcp[20 + PAYLOAD] = {0}, packet[48 + sizeof(tcp)], ends[32] = {0};
	const size_t cut = 40;
	size_t n;

	put16(tcp + (to_server ? 0 : 2), 20000u + (unsigned)c * 7);
	put16(tcp + (to_server ? 2 : 0), 143);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = 0x50;
	tcp[13] = flags;
	tcp[14] = 0xff;
	for (size_t i = 0; i < n_data; i++)
		tcp[20 + i] = (uint8_t)(seq + i + (unsigned)c * 3);
	memcpy(ends + (to_server ? 0 : 16), (uint8_t[]){10, 1, 0, (uint8_t)c}, 4);
	memcpy(ends + (to_server ? 16 : 0), (uint8_t[]){10, 2, 3, 4}, 4);
	identification++;
	if (!is_fragmented(form) || n_data <= cut - 20) {
		n = ip_put(packet, is_v6, 6, ends, 20 + n_data, 0, false);
		memcpy(packet + n, tcp, 20 + n_data);
		packet_put(form, is_v6, packet, n + 20 + n_data, to_server);
		return;
	}
	n = ip_put(packet, is_v6, 6, ends, 20 + n_data - cut, (int)cut / 8, false);
	memcpy(packet + n, tcp + cut, 20 + n_data - cut);
	packet_put(form, is_v6, packet, n + 20 + n_data - cut, to_server);
	n = ip_put(packet, is_v6, 6, ends, cut, 0, true);
	memcpy(packet + n, tcp, cut);
	packet_put(form, is_v6, packet, n + cut, to_server);
}

// A step: one segment of each connection.
static void step_put(bool to_server, uint8_t flags, uint32_t seq, uint32_t ack, size_t n_data) {
	for (int c = 0; c < CONNECTIONS; c++)
		segment_put(c, to_server, flags, seq, ack, n_data);
	n_steps++;
}

static void talks_make(void) {
	n_made = n_steps = 0;
	step_put(true, TCP_SYN, 99, 0, 0);
	step_put(false, TCP_SYN | TCP_ACK, 499, 100, 0);
	step_put(true, TCP_ACK, 100, 500, 0);
	for (uint32_t i = 0, at = 0, n; i < SEGMENTS; i++, at += n) {
		n = i % 2 ? SHORT : PAYLOAD;
		step_put(true, TCP_ACK, 100 + at, 500 + at, n);
		step_put(false, TCP_ACK, 500 + at, 100 + at + n, n);
	}
}

// ---- Readers: each connection's bytes, by whichever worker

struct heard {
	atomic_int n_opened;
	uint64_t n_bytes[2];
	uint32_t n_wrong, n_gaps;
};

static struct heard heard[CONNECTIONS];

struct reader {
	struct heard *heard;
	struct stream *stream;
	int c;
};

static void *heard_open(void *, struct stream *stream, uint64_t) {
	struct reader *r = malloc(sizeof(*r));
	struct stream_tuple tuple;

	stream_tuple_get(stream, &tuple);
	r->c = (tuple.port[STREAM_CLIENT] - 20000) / 7;
	r->heard = &heard[r->c];
	r->stream = stream;
	r->heard->n_opened++;
	return r;
}

static void
heard_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t) {
	struct reader *r = reader;
	uint32_t seq = dir == STREAM_CLIENT ? 100 : 500;

	for (size_t i = 0; i < size; i++)
		r->heard->n_wrong += data[i]
			!= (uint8_t)(seq + r->heard->n_bytes[dir] + i + (unsigned)r->c * 3);
	r->heard->n_bytes[dir] += size;
}

static void heard_gap(void *reader, enum stream_dir, uint64_t, uint64_t) {
	((struct reader *)reader)->heard->n_gaps++;
}

static void heard_event(void *, enum stream_event, uint64_t) {}

static void heard_timer(void *, uint64_t) {}

static void heard_close(void *reader, enum stream_end, uint64_t) {
	free(reader);
}

// ---- Sources: a step's frames are given when those of all before it have been walked, by whomever

// All give their part of a step, then walk what was handed to them, then what that made whole and was handed on. Of
// three polls one may have begun before the round, and one walk lies between the other two.
enum { ROUNDS = 4, POLLS = 3 };

struct line {
	struct source source; // first
	struct worker worker;
	int index;
	int next; // of made
	pthread_t thread;
};

static struct line lines[WORKERS_MAX];
static atomic_int turn; // the step
static int round_of_turn; // line 0's
static _Atomic uint64_t n_polls[WORKERS_MAX]; // in vain, in this round
static int n_lines;

static bool all_came_round(void) {
	for (int i = 0; i < n_lines; i++)
		if (n_polls[i] < POLLS)
			return false;
	return true;
}

static int step_frames(struct line *line, struct frame *frames, int max) {
	int n = 0;

	for (; n < max && line->next < n_made && made[line->next].step <= turn; line->next++)
		if (made[line->next].queue == line->index)
			frames[n++] = (struct frame){
				.data = made[line->next].data,
				.time_ns = 1000000000ull + (uint64_t)line->next * 1000,
				.size = made[line->next].size,
				.wire_size = made[line->next].size,
				.link = LINK_ETHERNET,
			};
	return n;
}

static int line_burst(struct source *source, struct frame *frames, int max) {
	struct line *line = (struct line *)source;
	int n = step_frames(line, frames, max);

	if (n > 0)
		return n;
	n_polls[line->index]++;
	if (line->index == 0 && all_came_round()) {
		for (int i = 0; i < n_lines; i++)
			n_polls[i] = 0;
		round_of_turn = (round_of_turn + 1) % ROUNDS;
		turn += round_of_turn == 0;
	}
	if (turn >= n_steps)
		return SOURCE_END;
	sched_yield();
	return 0;
}

static void *line_run(void *arg) {
	struct line *line = arg;

	assert_int_equal(worker_run(&line->worker), 0);
	return NULL;
}

static void line_open(int i, struct exchange *exchange) {
	static const struct flow_config flows = {
		.n_flows = 256,
		.held_size = 1 << 20,
		.handler
		= {NULL, heard_open, heard_data, heard_gap, heard_event, heard_timer, heard_close},
	};

	lines[i] = (struct line){
		.source.burst = line_burst,
		.index = i,
		.worker = {
			.source = &lines[i].source,
			.flows = flow_open(&flows),
			.defrag = defrag_open(&(struct defrag_config){.n_datagrams = 64}),
			.decode.hash_key = {1, 2},
			.exchange = exchange,
			.index = i,
		},
	};
	assert_non_null(lines[i].worker.flows);
	assert_non_null(lines[i].worker.defrag);
}

// All workers to their ends. Returns what they handed over; what they counted is in *sum.
static struct exchange_stats run(struct exchange *exchange, struct worker *sum) {
	struct exchange_stats stats = {0};

	memset(heard, 0, sizeof(heard));
	*sum = (struct worker){0};
	turn = round_of_turn = 0;
	for (int i = 0; i < n_lines; i++)
		n_polls[i] = 0;
	for (int i = 0; i < n_lines; i++)
		line_open(i, exchange);
	for (int i = 0; i < n_lines; i++)
		assert_int_equal(pthread_create(&lines[i].thread, NULL, line_run, &lines[i]), 0);
	for (int i = 0; i < n_lines; i++) {
		pthread_join(lines[i].thread, NULL);
		sum->n_frames += lines[i].worker.n_frames;
		sum->n_bytes += lines[i].worker.n_bytes;
		for (int v = 0; v < VERDICT_COUNT; v++)
			sum->verdicts[v] += lines[i].worker.verdicts[v];
		flow_close(lines[i].worker.flows);
		defrag_close(lines[i].worker.defrag);
	}
	if (exchange)
		exchange_stats(exchange, &stats);
	return stats;
}

static int n_read_whole(void) {
	int n = 0;

	for (int c = 0; c < CONNECTIONS; c++)
		n += heard[c].n_opened == 1 && heard[c].n_bytes[0] == BYTES
			&& heard[c].n_bytes[1] == BYTES && !heard[c].n_wrong && !heard[c].n_gaps;
	return n;
}

static void each_connection_is_read_whole_by_one_worker(void **) {
	uint64_t seed = (uint64_t)time(NULL) * 2654435761u | 1;
	struct exchange_stats stats;
	struct worker sum;

	print_message("seed %llu\n", (unsigned long long)seed);
	for (n_lines = 2; n_lines <= WORKERS_MAX; n_lines += 3) {
		struct exchange *exchange;

		nic_init(&seed, n_lines);
		talks_make();
		exchange = exchange_open(&(struct exchange_config
		){.n_workers = n_lines, .owners = owners});
		assert_non_null(exchange);
		stats = run(exchange, &sum);
		assert_int_equal(n_read_whole(), CONNECTIONS);
		assert_int_equal(sum.n_frames, n_made);
		assert_true(stats.handed > 0);
		assert_int_equal(stats.ring_full, 0);
		exchange_close(exchange);
		// Without, what the test is about goes wrong.
		run(NULL, &sum);
		assert_true(n_read_whole() < CONNECTIONS);
		assert_true(n_read_whole() >= CONNECTIONS / FORMS * 2); // plain ones
	}
}

// A NIC that keeps its promise costs plain packets nothing, and fragments meet where it sends them.
static void what_the_nic_spreads_itself_is_not_handed_over(void **) {
	const struct decode_config config = {.hash_key = {1, 2}};
	uint64_t seed = (uint64_t)time(NULL) | 1;
	struct exchange *exchange;
	int n_plain = 0, n_fragments = 0;

	nic_init(&seed, WORKERS_MAX);
	talks_make();
	exchange = exchange_open(&(struct exchange_config
	){.n_workers = WORKERS_MAX, .owners = owners});
	for (int i = 0; i < n_made; i++) {
		struct frame frame = {
			.data = made[i].data,
			.size = made[i].size,
			.wire_size = made[i].size,
			.link = LINK_ETHERNET,
		};
		struct pkt pkt;
		enum verdict verdict = decode_layers(&config, &frame, &pkt);
		bool is_outermost
			= frame.data[12] == 0x08 ? frame.data[23] != 17 : frame.data[12] == 0x86;

		if (!is_outermost)
			continue;
		assert_int_equal(
			exchange_owner(exchange, &pkt, verdict == VERDICT_fragment), made[i].queue
		);
		n_plain += verdict == VERDICT_tcp;
		n_fragments += verdict == VERDICT_fragment;
	}
	assert_true(n_plain > 100);
	assert_true(n_fragments > 100);
	exchange_close(exchange);
}

static void a_full_ring_costs_packets_and_says_so(void **) {
	static uint8_t all_of_1[EXCHANGE_OWNERS], data[3000];
	struct exchange *exchange;
	struct exchange_stats stats;
	struct frame taken[BURST_MAX], frame = {.data = data};
	struct pkt pkt = {.addr = (const uint8_t *)"abcdefgh", .family = 4};
	uint32_t n_given = 0, n_taken = 0;
	int n;

	memset(all_of_1, 1, sizeof(all_of_1));
	exchange = exchange_open(&(struct exchange_config){.n_workers = 2, .owners = all_of_1});
	assert_false(exchange_give(exchange, 1, &frame, &pkt, false));
	// Round and round, and each time until it is full.
	for (int round = 0; round < 5; round++) {
		uint32_t first = n_given;

		do {
			frame.size = 50 + n_given * 37 % 2900;
			frame.wire_size = frame.size + 1;
			frame.time_ns = n_given;
			memset(data, (int)n_given, frame.size);
			assert_true(exchange_give(exchange, 0, &frame, &pkt, false));
			exchange_stats(exchange, &stats);
			n_given++;
		} while (stats.ring_full == (uint64_t)round);
		n_given--; // the last was lost
		assert_true(n_given - first > 100);
		while ((n = exchange_take(exchange, 1, taken, BURST_MAX)) > 0)
			for (int i = 0; i < n; i++, n_taken++) {
				assert_int_equal(taken[i].size, 50 + n_taken * 37 % 2900);
				assert_int_equal(taken[i].wire_size, taken[i].size + 1);
				assert_int_equal(taken[i].time_ns, n_taken);
				for (uint32_t b = 0; b < taken[i].size; b++)
					assert_int_equal(taken[i].data[b], (uint8_t)n_taken);
			}
		assert_int_equal(n_taken, n_given);
	}
	assert_int_equal(stats.handed, n_given + 5);
	exchange_close(exchange);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_connection_is_read_whole_by_one_worker),
		cmocka_unit_test(what_the_nic_spreads_itself_is_not_handed_over),
		cmocka_unit_test(a_full_ring_costs_packets_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
