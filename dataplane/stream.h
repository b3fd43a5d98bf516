// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The door of the dataplane: the ordered bytes of each TCP stream, both directions, and what is
// missing. A reader implements struct stream_handler; it learns nothing of packets.
//
// Order of calls for one connection: open, then any of data, gap, event and timer, then close,
// exactly once. Bytes of one direction come in order and once; the two directions come in the order
// of the packets that completed them. All calls of a connection come from one thread.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum stream_dir {
	STREAM_CLIENT, // sent by the client, who opened the connection
	STREAM_SERVER,
};

enum stream_end {
	STREAM_END_CLOSE, // FIN from both sides
	STREAM_END_RESET, // a valid RST
	STREAM_END_TIMEOUT, // silent for as long as limits.h says
	STREAM_END_EVICTED, // given up for another connection: the flow table is full
	STREAM_END_INPUT, // the capture ended, or the program stops
};

enum stream_event {
#define STREAM_EVENT(name, text) STREAM_EVENT_##name,
#include "stream_event.def"
#undef STREAM_EVENT
	STREAM_EVENT_COUNT,
};

// As in session records; static.
const char *stream_event_name(enum stream_event event);

// A connection; opaque, valid from open until close returns.
struct stream;

struct stream_tuple {
	uint8_t family; // 4 or 6
	uint8_t addr
		[2]
		[16]; // by enum stream_dir; an IPv4 address takes the first four bytes, the rest is zero
	uint16_t port[2]; // host byte order
};

struct stream_handler {
	void *ctx;

	// The first payload byte (or gap) of a connection is about to come. Returns what the other
	// calls get as reader; NULL refuses: its bytes are then counted and not delivered, and close
	// is not called.
	void *(*open)(void *ctx, struct stream *stream, uint64_t now_ns);
	// data is borrowed until the call returns; size ≥ 1.
	void (*data
	)(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns);
	// size ≥ 1 bytes of this direction were never captured and will not come.
	void (*gap)(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns);
	void (*event)(void *reader, enum stream_event event, uint64_t now_ns);
	// The moment set by stream_timer_set() has come; now_ns is that moment, whatever the
	// traffic's granularity, and all packets before it have been seen.
	void (*timer)(void *reader, uint64_t now_ns);
	// now_ns is the time of the connection's last packet.
	void (*close)(void *reader, enum stream_end end, uint64_t now_ns);
};

// Both ends, as in the packets.
void stream_tuple_get(const struct stream *stream, struct stream_tuple *tuple);
// Time of the connection's first packet seen, and of its last.
uint64_t stream_start_ns(const struct stream *stream);
uint64_t stream_last_ns(const struct stream *stream);
// Payload bytes of one direction so far, each counted once, gaps included; and packets, with or without
// payload, up to its FIN: what comes behind that may come before the other side's FIN or after, and a
// mirror does not keep the order of the directions.
uint64_t stream_n_bytes(const struct stream *stream, enum stream_dir dir);
uint64_t stream_n_packets(const struct stream *stream, enum stream_dir dir);
// Calls of gap so far, both directions.
uint64_t stream_n_gaps(const struct stream *stream);

// Asks for one timer call at at_ns (event time); replaces an earlier wish, 0 takes it back. Accuracy
// is the timer wheel's tick (WHEEL_TICK_NS), the moment reported is exact. O(1).
void stream_timer_set(struct stream *stream, uint64_t at_ns);
