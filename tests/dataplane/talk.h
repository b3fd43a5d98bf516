// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// For tests of flow, tcp and stream: segments in, and everything the handler was told, written down.
// Each payload lies in its own block of exactly its size and is gone after the call, so that reading
// past it or keeping it is found by AddressSanitizer.

#pragma once

#include "flow.h"
#include "siphash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Kept of each side's bytes and of the log; whoever only counts says less.
#ifndef TALK_KEPT
#define TALK_KEPT (1 << 16)
#endif

enum {
	TALK_BYTES_MAX = TALK_KEPT,
	TALK_LOG_MAX = TALK_KEPT,
	TALK_READERS_MAX = 64,
};

// What one connection's reader was told.
struct talk_reader {
	struct talk *talk;
	struct stream *stream;
	struct stream_tuple tuple;
	uint8_t bytes[2][TALK_BYTES_MAX]; // '?' for each byte of a gap
	size_t n_bytes[2];
	uint64_t n_data_bytes[2], n_gap_bytes[2]; // what was told
	uint64_t n_stream_bytes[2]; // what the stream says at its end, gaps included
	uint64_t n_packets[2]; // likewise
	int n_gaps[2];
	uint32_t events;
	int n_timers, n_closes;
	uint64_t timer_ns, close_ns;
	enum stream_end end;
};

struct talk {
	struct flow_table *table;
	uint64_t now_ns;
	uint64_t n_packets;
	bool refuse;
	uint32_t hash; // nonzero: of every packet, as if all collided
	uint32_t realm;
	uint8_t family;
	struct talk_reader *reader[TALK_READERS_MAX];
	int n_readers;
	char log[TALK_LOG_MAX]; // one letter and number per call, in order
	size_t log_size;
	uint8_t spoken[TALK_BYTES_MAX]; // data of both sides as it came
	size_t n_spoken;
};

static inline void __attribute__((format(printf, 2, 3)))
talk_log(struct talk *t, const char *format, ...) {
	va_list args;

	va_start(args, format);
	if (t->log_size < TALK_LOG_MAX - 100)
		t->log_size += (size_t)vsnprintf(t->log + t->log_size, 100, format, args);
	va_end(args);
}

static inline void *talk_open_reader(void *ctx, struct stream *stream, uint64_t now_ns) {
	struct talk *t = ctx;
	struct talk_reader *r;

	if (t->refuse || t->n_readers == TALK_READERS_MAX)
		return NULL;
	r = calloc(1, sizeof(*r));
	r->talk = t;
	r->stream = stream;
	stream_tuple_get(stream, &r->tuple);
	t->reader[t->n_readers++] = r;
	talk_log(t, "open ");
	return r;
}

static inline void
talk_keep(uint8_t bytes[TALK_BYTES_MAX], size_t *n, const uint8_t *data, size_t size) {
	if (size > TALK_BYTES_MAX - *n)
		size = TALK_BYTES_MAX - *n;
	memcpy(bytes + *n, data, size);
	*n += size;
}

static inline void
talk_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns) {
	struct talk_reader *r = reader;

	r->n_data_bytes[dir] += size;
	talk_keep(r->bytes[dir], &r->n_bytes[dir], data, size);
	talk_keep(r->talk->spoken, &r->talk->n_spoken, data, size);
	talk_log(r->talk, "%c:%.*s ", dir ? 'S' : 'C', (int)(size < 40 ? size : 40), data);
}

static inline void talk_gap(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct talk_reader *r = reader;

	for (uint64_t i = 0; i < size && r->n_bytes[dir] < TALK_BYTES_MAX; i++)
		r->bytes[dir][r->n_bytes[dir]++] = '?';
	r->n_gap_bytes[dir] += size;
	r->n_gaps[dir]++;
	talk_log(r->talk, "%c-%" PRIu64 " ", dir ? 'S' : 'C', size);
}

static inline void talk_event(void *reader, enum stream_event event, uint64_t now_ns) {
	struct talk_reader *r = reader;

	r->events |= 1u << event;
	talk_log(r->talk, "%s ", stream_event_name(event));
}

static inline void talk_timer(void *reader, uint64_t now_ns) {
	struct talk_reader *r = reader;

	r->n_timers++;
	r->timer_ns = now_ns;
	talk_log(r->talk, "timer%d@%" PRIu64 " ", r->tuple.port[0], now_ns);
}

static inline void talk_close_reader(void *reader, enum stream_end end, uint64_t now_ns) {
	static const char *const ends[] = {"close", "reset", "timeout", "evicted", "input"};
	struct talk_reader *r = reader;

	r->n_closes++;
	for (int i = 0; i < 2; i++) {
		r->n_stream_bytes[i] = stream_n_bytes(r->stream, i);
		r->n_packets[i] = stream_n_packets(r->stream, i);
	}
	r->end = end;
	r->close_ns = now_ns;
	r->stream = NULL;
	talk_log(r->talk, "%s ", ends[end]);
}

// With everything of config but the handler.
static inline struct talk *talk_with(struct flow_config config) {
	struct talk *t = calloc(1, sizeof(*t));

	config.handler = (struct stream_handler){
		.ctx = t,
		.open = talk_open_reader,
		.data = talk_data,
		.gap = talk_gap,
		.event = talk_event,
		.timer = talk_timer,
		.close = talk_close_reader,
	};
	t->table = flow_open(&config);
	t->now_ns = 1700000000ull * 1000000000;
	t->family = 4;
	return t;
}

static inline struct talk *talk_new(uint32_t n_flows, size_t held_size) {
	return talk_with((struct flow_config){.n_flows = n_flows, .held_size = held_size});
}

static inline void talk_free(struct talk *t) {
	flow_close(t->table);
	for (int i = 0; i < t->n_readers; i++)
		free(t->reader[i]);
	free(t);
}

// Segments that have met one fate or another: all of them, if each has just one.
static inline uint64_t fates(const struct talk *t) {
	const struct flow_stats *stats = flow_stats(t->table);

	return stats->segment_in_order + stats->segment_held + stats->segment_no_data
		+ stats->segment_repeated + stats->segment_out_of_window + stats->segment_no_ack
		+ stats->segment_after_close + stats->segment_no_flow + stats->segment_not_held
		+ stats->segment_bad_checksum + stats->segment_old_timestamp;
}

// One segment between client port 40000 + client and server port 143. size < 0: of the string.
struct seg {
	enum stream_dir dir;
	uint8_t flags;
	uint32_t seq, ack;
	const char *data;
	int size; // 0: strlen(data)
	uint32_t missing;
	uint16_t window; // 0: 65535
	bool zero_window;
	uint8_t wscale; // 0: absent, else plus one
	uint16_t client;
	uint8_t checksum; // enum pkt_checksum
	uint16_t urgent;
	bool is_inconsistent;
	uint8_t ttl; // 0: 64
	uint32_t stamp; // its timestamp option's, 0: none
};

static inline uint32_t talk_hash(const struct talk *t, uint16_t client) {
	static const uint64_t key[2] = {1, 2};

	return t->hash ? t->hash : (uint32_t)siphash(key, &client, sizeof(client));
}

// addr needs 32 bytes and lives as long as pkt.
static inline void
talk_pkt(const struct talk *t, const struct seg *seg, uint8_t *addr, struct pkt *pkt) {
	size_t size = t->family == 4 ? 4 : 16;

	memset(addr, 0, 32);
	memcpy(addr + seg->dir * size, (uint8_t[4]){10, 0, 0, 1}, 4);
	memcpy(addr + !seg->dir * size, (uint8_t[4]){10, 0, 0, 2}, 4);
	*pkt = (struct pkt){
		.payload = (const uint8_t *)seg->data,
		.addr = addr,
		.time_ns = t->now_ns,
		.payload_size = seg->size ? (uint32_t)seg->size
			: seg->data	  ? (uint32_t)strlen(seg->data)
					  : 0,
		.missing_size = seg->missing,
		.seq = seg->seq,
		.ack = seg->ack,
		.realm = t->realm,
		.hash = talk_hash(t, seg->client),
		.window = seg->zero_window ? 0
			: seg->window	   ? seg->window
					   : 65535,
		.flags = seg->flags,
		.family = t->family & 7,
		.is_cut = seg->missing != 0,
		.wscale = seg->wscale ? seg->wscale - 1 : 0xff,
		.checksum = seg->checksum & 3,
		.ttl = seg->ttl ? seg->ttl : 64,
		.urgent = seg->urgent,
		.is_inconsistent = seg->is_inconsistent,
	};
	pkt->port[seg->dir] = (uint16_t)(40000 + seg->client);
	pkt->port[!seg->dir] = 143;
}

static inline void talk_segment(struct talk *t, const struct seg *seg) {
	uint8_t *addr = malloc(32);
	uint8_t *copy;
	uint32_t front = seg->stamp ? 4 : 0;
	struct pkt pkt;

	talk_pkt(t, seg, addr, &pkt);
	copy = malloc(front + pkt.payload_size + !pkt.payload_size);
	memcpy(copy + front, pkt.payload_size ? seg->data : "", pkt.payload_size);
	pkt.payload = copy + front;
	if (seg->stamp) {
		for (int i = 0; i < 4; i++)
			copy[i] = (uint8_t)(seg->stamp >> (24 - 8 * i));
		pkt.has_stamp = 1;
		if (seg->flags & TCP_SYN)
			pkt.syn_stamp_back = 4;
		else
			pkt.stamp_back = 4;
	}
	pkt.number = t->n_packets;
	flow_run(t->table, &pkt, 1);
	t->n_packets++;
	t->now_ns += 1000;
	free(copy);
	free(addr);
}

#define TALK(t, ...) talk_segment(t, &(struct seg){__VA_ARGS__})
#define C STREAM_CLIENT
#define S STREAM_SERVER

// Client's first byte is c0, server's s0.
static inline void talk_handshake(struct talk *t, uint16_t client, uint32_t c0, uint32_t s0) {
	TALK(t, C, TCP_SYN, c0 - 1, .client = client);
	TALK(t, S, TCP_SYN | TCP_ACK, s0 - 1, c0, .client = client);
	TALK(t, C, TCP_ACK, c0, s0, .client = client);
}
