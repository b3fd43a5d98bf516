// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Whose conversation a segment belongs to: the table of connections of one worker, their TCP states
// and timers. Segments go in in bursts; the ordered bytes come out through struct stream_handler.
//
// Bounded by flow_config; when the table is full the connection that matters least is given up
// first: half-open before closed before established without a reader, never an established one with
// a reader while another kind is there. A sixteenth of the table stays with those that begin.
//
// Equal addresses in two realms are two hosts, and two connections. But the directions of one connection
// may come in two realms: a mirror that tags what it sends and what it receives, routers that put each
// into the network of its destination. So a segment that no connection of its realm knows, and that answers one
// of another realm from whose other side nothing was ever seen, belongs to that (flow_two_realms).
//
// Checksums (enum pkt_checksum): a side that has once shown a right one is held to it, and its segments
// with wrong ones are dropped and counted as segment_bad_checksum: end hosts drop them, which is what
// insertion attacks live on. Only where the receiver acknowledges their bytes, and no better copy comes
// within what a gap is waited for, was the checksum right on the wire (payload changed for anonymity):
// the bytes are then taken instead of a gap (checksum_acknowledged). A side that never showed a right one (an anonymised capture, offload on
// the capturing host) is taken as it is, counted as checksum_unverified. When a SYN with a right
// checksum follows ones with wrong ones, it alone is believed.

#pragma once

#include "overlap.h"
#include "pkt.h"
#include "stream.h"

#include <stddef.h>
#include <stdint.h>

struct flow_config {
	uint32_t n_flows; // most connections at once; 0: FLOWS_DEFAULT
	size_t held_size; // out-of-order data of all flows, bytes; 0: STREAM_POOL_SIZE_DEFAULT
	size_t recent_size; // delivered data kept to be compared, bytes; 0: STREAM_RECENT_SIZE_DEFAULT
	uint64_t realm_key; // drawn at start: realms may be an attacker's to choose
	enum overlap overlap;
	enum urgent urgent;
	struct stream_handler handler; // copied
};

// What happened to segments and connections, by name; one writer, read at any time.
struct flow_stats {
#define FLOW_STAT(name, text) uint64_t name;
#include "flow_stat.def"
#undef FLOW_STAT
};

// A point in the order in which one table would do all its work: what the handler is told of comes in
// this order from each table, and merging several tables by it gives the order of one.
struct flow_moment {
	uint64_t time_ns;
	uint64_t start_ns; // FLOW_MOMENT_TIMER and _END: of the connection
	uint32_t number; // of the frame; else of the connection's first
	uint32_t kind; // enum flow_moment_kind
};

enum flow_moment_kind {
	FLOW_MOMENT_TIMER, // timers come before the frames of the same moment
	FLOW_MOMENT_FRAME,
	FLOW_MOMENT_END, // flow_end()
};

struct flow_counts {
	uint32_t opening; // no payload may be expected yet
	uint32_t read; // established, by a reader
	uint32_t unread; // established, without one
	uint32_t closed; // kept for what comes late
};

struct flow_table;

// Reserves all memory. NULL and errno when the system refuses.
struct flow_table *flow_open(const struct flow_config *config);
// Forgets every connection without telling the handler (see flow_end). Accepts NULL.
void flow_close(struct flow_table *table);

// Walks n ≤ BURST_MAX segments in order. The packets' time drives the timers.
void flow_run(struct flow_table *table, const struct pkt *pkts, int n);
// Lets time pass without packets: a live source that is idle.
void flow_advance(struct flow_table *table, uint64_t now_ns);
// Delivers what can be delivered of each connection and closes it with STREAM_END_INPUT, oldest
// first, so that the order of the records does not depend on the table.
void flow_end(struct flow_table *table);

// Counted since it was opened; borrowed for the table's life, and written by its thread alone.
const struct flow_stats *flow_stats(const struct flow_table *table);
// The moment of what the handler is being told.
const struct flow_moment *flow_moment(const struct flow_table *table);
// <0, 0, >0: a comes before b, …
static inline int flow_moment_compare(const struct flow_moment *a, const struct flow_moment *b) {
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return (int32_t)(a->number - b->number); // may wrap
}
uint32_t flow_n_open(const struct flow_table *table);
// How many of them are in which state. Any thread.
void flow_counts(const struct flow_table *table, struct flow_counts *counts);
// Bytes reserved.
size_t flow_memsize(const struct flow_table *table);
