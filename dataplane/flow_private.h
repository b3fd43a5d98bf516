// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What flow.c (table and time), tcp.c (states) and stream.c (bytes) share: one connection, the data
// held for it, and the table. Nobody else includes this.

#pragma once

#include "flow.h"
#include "limits.h"
#include "pool.h"
#include "recent.h"
#include "slab.h"
#include "wheel.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum flow_state {
	FLOW_OPENING, // a SYN or SYN/ACK was seen, nothing is established
	FLOW_ESTABLISHED,
	FLOW_CLOSING, // one side's FIN has been delivered
	FLOW_CLOSED, // over and told; kept to absorb late retransmissions
	FLOW_STATES,
};

// Who is given up first when the table is full: in this order, oldest first within one, as far as
// flow.c's reserve for handshakes does not say otherwise.
enum flow_class {
	CLASS_OPENING,
	CLASS_CLOSED,
	CLASS_QUIET, // established, without a reader
	CLASS_READER,
	CLASSES,
};

enum flow_flag {
	FLOW_HAS_READER = 0x01,
	FLOW_REFUSED = 0x02, // the handler did not want it
	FLOW_MIDSTREAM = 0x04,
	FLOW_ROLES_GUESSED = 0x08, // no SYN from the client seen: who is client is an inference
	FLOW_RESET_SEEN = 0x10, // one that may have ended it, or not: while opening, or doubtful
	FLOW_ACTIVE = 0x20, // traffic since it was last looked at for eviction
	FLOW_HAS_OPENED = 0x40, // payload has come: the handler was asked
	FLOW_TWO_REALMS = 0x80, // one side has HALF_ANY_REALM
};

enum half_flag {
	HALF_SYNCED = 0x01, // next is known
	HALF_SYN = 0x02, // a SYN was seen
	HALF_FIN = 0x04, // a FIN was seen, fin is its sequence number
	HALF_DONE = 0x08, // everything up to the FIN is delivered
	HALF_EDGE = 0x10, // edge is known
	HALF_RIGHT = 0x20, // a right checksum was seen
	HALF_ANY_REALM = 0x40, // what it sends comes in another realm than the other side's
	HALF_ODD = 0x80, // of the client alone: the connection's union odd is in use
};

// What a side's SYN says; once established wscale[] is a number of bits alone.
enum wscale {
	WSCALE_MAX = 14,
	WSCALE_ABSENT = 15,
	WSCALE_STAMP = 0x10, // that SYN has a timestamp
};

enum {
	FLOW_SIZE = 144,
};

// What one side sends.
struct half {
	uint32_t next; // sequence number of the next byte to deliver
	union {
		uint32_t edge; // the other side takes what lies before this
		uint32_t fin; // with HALF_FIN: nothing lies behind it
	};
	uint32_t n_packets; // stays at its maximum
};

// One connection. Index 0 of each pair is the client, 1 the server (enum stream_dir). What an idle one
// costs: what only some need stands in arrays beside, by the same index.
struct stream {
	// line 0: found and moved by every segment
	uint32_t addr4[2]; // client, server, as in the packet; those of IPv6: flow_addr()
	uint16_t port[2];
	uint32_t realm;
	uint32_t hash;
	uint8_t is_6 : 1; // IPv6
	uint8_t has_stamps : 1; // both sides' SYNs had timestamps
	uint8_t reset_dir : 1; // who sent the reset of FLOW_RESET_SEEN, once established
	uint8_t is_steady : 1; // the next segment in order needs no thought: tcp_is_steady()
	uint8_t state : 2; // enum flow_state
	uint8_t class : 2; // enum flow_class
	uint8_t flags; // enum flow_flag
	uint16_t events; // bit per enum stream_event: each is said once
	struct half half[2];
	uint8_t wscale[2]; // of the windows that side announces; while opening: enum wscale
	uint8_t half_flags[2]; // enum half_flag
	uint32_t hold; // index of a struct hold, 0: nothing is held or waited for
	uint64_t last_ns;

	// line 1: by payload, when it opens and closes, by timers
	void *reader;
	uint64_t n_bytes[2];
	struct flow_table *table;
	uint64_t start_ns;
	uint64_t timer_ns; // the reader's, 0: none
	struct wheel_node node; // its own: time to live of what each side sends first, 0: not known
	uint32_t class_next, class_prev;
};

static_assert(sizeof(struct stream) == FLOW_SIZE, "what an idle connection costs");
static_assert(offsetof(struct stream, reader) == 64, "what every segment needs lies together");
static_assert(STREAM_EVENT_COUNT <= 16, "events are two bytes");
static_assert(FLOW_STATES <= 4 && CLASSES <= 4, "two bits each");

// What few connections have: by flow_odd().
union odd {
	struct { // once established
		uint64_t n_gaps;
		uint32_t n_urgent; // urgent bytes passed over, up to the limit
	};
	uint32_t isn[2][FLOW_ISN_MAX]; // before: further candidates plus one, 0: none
};

// Data that came ahead of its turn, in sequence order, never overlapping:
//
//   next        first        second
//    |  (hole)  [======]     [===xxxx]        x: cut by the snap length, no bytes
//
// A segment whose packet acknowledges bytes of the other direction that have not been seen waits for
// those too (after): an answer is never delivered before what it answers.
struct held {
	struct held *next, *prev;
	uint32_t seq;
	uint32_t size; // sequence space
	uint32_t present; // bytes of it in data; 0 or size
	uint32_t block_size; // as asked of the slab
	uint32_t after; // sequence number of the other side that must have been delivered
	uint32_t arrival; // order of coming
	uint32_t origin; // where the segment began of which this is a part …
	uint32_t origin_end; // … and ended
	bool has_after;
	bool is_doubtful; // of a wrong checksum: taken only where the other side acknowledges it
	bool is_urgent; // a byte beside the stream: passed over
	uint8_t data[];
};

struct hold_side {
	struct held *first, *last;
	// The one added last: what comes next mostly lies beside it. NULL: that is gone.
	struct held *latest;
	uint32_t n;
	uint32_t n_doubtful; // of them
	uint32_t size; // of sequence space held
	uint32_t acked; // the other side's highest acknowledgement
	uint32_t wait_seq; // what is waited for is missing up to here …
	uint32_t wait_next; // … and next stays here …
	uint32_t n_waited; // … for so many packets
	uint64_t deadline_ns; // … or until then; 0: nothing is waited for
	bool has_acked;
	bool is_lost; // the other side has it: it will not be sent again
};

struct hold {
	struct hold_side side[2];
	uint32_t n_arrivals;
	uint32_t reuse_isn; // a SYN that may begin another connection
	uint32_t reset_seq; // a reset that came before bytes it stands behind
	uint8_t reuse_dir, reset_dir;
	bool has_reuse, has_reset;
};

// Linear probing; the key proper is compared in the flow.
struct flow_slot {
	uint32_t hash;
	uint32_t index; // 0: free
};

struct flow_list {
	uint32_t first, last;
	uint32_t n;
};

// What became of a segment; the names are those of flow_stat.def.
enum fate {
	FATE_IN_ORDER,
	FATE_HELD,
	FATE_NO_DATA,
	FATE_REPEATED,
	FATE_OUT_OF_WINDOW,
	FATE_NO_ACK,
	FATE_AFTER_CLOSE,
	FATE_NO_FLOW,
	FATE_NOT_HELD,
	FATE_BAD_CHECKSUM,
	FATE_OLD_STAMP,
	FATES,
	FATE_OTHER_CONNECTION = FATES, // none: it begins another connection between the same ports
};

struct flow_table {
	struct flow_slot *slots;
	uint32_t *latest; // by pkt.hash: the connection that was opened last in a realm of its own
	uint32_t slot_mask;
	uint32_t n_realms; // connections with a realm
	uint32_t n_two_realms; // connections with FLOW_TWO_REALMS
	uint64_t realm_key;
	struct stream *flows; // of index 1
	uint8_t (*addr6)[32]; // by index - 1: client, server, of those of IPv6
	union odd *odd; // by index - 1
	uint32_t (*stamps)[2]; // by index - 1: the latest timestamps of those of IPv4
	size_t addr6_size, odd_size, stamps_size;
	struct pool *pool;
	struct pool *holds;
	struct slab *slab;
	size_t slots_size, latest_size;
	size_t held_size;
	struct recent *recent;
	uint32_t n_flows;
	struct flow_moment moment; // what is being worked on
	uint64_t now_ns;
	struct stream_handler handler;
	enum overlap overlap;
	enum urgent urgent;
	struct flow_list lists[CLASSES];
	union {
		struct flow_stats stats;
		uint64_t fates[FATES]; // the first of them, by enum fate
	};
	struct wheel wheel;
};

// Sequence numbers are a circle: a is before b when the way forward from a to b is the shorter one.
static inline int32_t seq_diff(uint32_t a, uint32_t b) {
	return (int32_t)(a - b);
}

static inline bool seq_before(uint32_t a, uint32_t b) {
	return seq_diff(a, b) < 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b) {
	return seq_before(a, b) ? b : a;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b) {
	return seq_before(a, b) ? a : b;
}

static inline struct stream *flow_at(const struct flow_table *table, uint32_t index) {
	return table->flows + (index - 1);
}

static inline uint32_t flow_index(const struct flow_table *table, const struct stream *flow) {
	return (uint32_t)(flow - table->flows) + 1;
}

// Both addresses, the client's first: 4 + 4 bytes or 16 + 16.
static inline uint8_t *flow_addr(struct stream *flow) {
	if (!flow->is_6)
		return (uint8_t *)flow->addr4;
	return flow->table->addr6[flow_index(flow->table, flow) - 1];
}

// Each side's latest timestamp, 0: none (RFC 7323 4.3, TS.Recent); with has_stamps, and while opening.
// Connections of IPv6 have theirs where IPv4's addresses are.
static inline uint32_t *flow_stamps(const struct flow_table *table, struct stream *flow) {
	return flow->is_6 ? flow->addr4 : table->stamps[flow_index(table, flow) - 1];
}

static inline union odd *flow_odd_at(const struct stream *flow) {
	return &flow->table->odd[flow_index(flow->table, flow) - 1];
}

// Zero at first, and only then touched.
static inline union odd *flow_odd(struct stream *flow) {
	union odd *odd = flow_odd_at(flow);

	if (!(flow->half_flags[0] & HALF_ODD))
		memset(odd, 0, sizeof(*odd));
	flow->half_flags[0] |= HALF_ODD;
	return odd;
}

static inline bool flow_has_odd(const struct stream *flow) {
	return flow->half_flags[0] & HALF_ODD;
}

// Names the connection among all there ever were, as long as they are remembered (recent.h).
static inline uint64_t flow_name(const struct flow_table *table, const struct stream *flow) {
	return (uint64_t)flow_index(table, flow) << 32 | flow->node.age;
}

static inline struct hold *flow_hold(const struct stream *flow) {
	return flow->hold ? pool_at(flow->table->holds, flow->hold) : NULL;
}

// ---- flow.c

// Puts the flow into the class its state and reader say, and its timer where it belongs.
void flow_settle(struct stream *flow);
// Makes sure that the flow is looked at no later than at_ns.
void flow_wake(struct stream *flow, uint64_t at_ns);
// ---- tcp.c

// Whether the segment's checksum, and those that its side has shown before, allow to take it.
bool tcp_checksum_holds(struct stream *flow, enum stream_dir dir, const struct pkt *pkt);
// Whether nothing about the connection needs a thought when the next segment in order comes. All that
// this looks at changes only with segments of which tcp_is_expected() is not true, and timers make nothing steady.
bool tcp_is_steady(const struct stream *flow);
// Header prediction (Van Jacobson 1990): whether the segment is the next one, with nothing about it or its
// connection that needs a thought. What tcp_segment() would do with it is then done by tcp_expected().
static inline bool tcp_is_expected(
	const struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
);
static inline enum fate tcp_expected(
	struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
);
// Whether the segment has something new and a timestamp so old that its receiver drops it (PAWS, RFC 7323 5).
bool tcp_stamp_is_old(const struct stream *flow, enum stream_dir dir, const struct pkt *pkt);
// Keeps what a segment with a wrong checksum or an old timestamp carries, should the receiver acknowledge it.
void tcp_doubtful(struct stream *flow, enum stream_dir dir, const struct pkt *pkt);
// Takes one segment sent by dir of a flow that it belongs to.
enum fate tcp_segment(struct stream *flow, enum stream_dir dir, const struct pkt *pkt);
// Tells the handler that it is over and keeps the flow to absorb what is late.
void tcp_close(struct stream *flow, enum stream_end end);

// ---- stream.c

// Takes payload of dir at seq, in window: delivers, holds, or neither. is_ahead: the packet
// acknowledges bytes of the other side that have not been delivered.
enum fate stream_take(
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt,
	uint32_t seq,
	bool is_ahead
);
// Holds payload that is believed only when the other side acknowledges it and nothing better came.
void stream_doubt(struct stream *flow, enum stream_dir dir, const struct pkt *pkt);
// The other side of dir acknowledges all before ack.
void stream_acked(struct stream *flow, enum stream_dir dir, uint32_t ack);
// A packet of the flow went by, sent by from: holes that have been waited for long enough are given up.
void stream_passed(struct stream *flow, enum stream_dir from);
// The deadline of a hole may have come.
void stream_expire(struct stream *flow);
// Delivers what is held and now in order.
void stream_drain(struct stream *flow);
// Delivers everything held, giving holes up; after a reset only what the receiver had acknowledged.
void stream_flush(struct stream *flow, bool is_reset);
// Forgets what is held, of both sides and of one.
void stream_drop(struct stream *flow);
void stream_drop_side(struct stream *flow, enum stream_dir dir);
void stream_say(struct stream *flow, enum stream_event event);
// The hold of the flow, made when there is none; NULL when there is no room.
struct hold *stream_hold(struct stream *flow);
// Time at which a hole is given up, UINT64_MAX: nothing is waited for.
uint64_t stream_deadline(const struct stream *flow);
// Delivers the segment's payload, which begins at next; nothing is held.
void stream_deliver(struct stream *flow, enum stream_dir dir, const struct pkt *pkt);

// Linux takes a timestamp that is one behind (the host's own late acknowledgement), and the farthest ahead; Windows
// and the BSDs neither. 0 is none, as in Linux. What has been silent for 24 days is gone from the table.
static inline bool
stamp_is_before(const struct flow_table *table, uint32_t stamp, uint32_t recent) {
	if (!recent)
		return false;
	return table->overlap == OVERLAP_WINDOWS ? seq_before(stamp, recent)
						 : seq_diff(recent, stamp) > 1;
}

// Whether the segment's timestamp, if it means anything, is not old; then it is the latest.
static inline bool tcp_stamp_take(
	const struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
) {
	uint32_t stamp, *recent;

	if (!flow->has_stamps)
		return true;
	stamp = pkt_stamp(pkt);
	recent = &flow_stamps(table, flow)[dir];
	if (stamp_is_before(table, stamp, *recent))
		return false;
	if (!*recent || seq_diff(*recent, stamp) <= 0)
		*recent = stamp;
	return true;
}

// Of a steady connection; the segment is plain.
static inline bool
tcp_is_next(const struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	// The bytes acknowledged have all been seen, and not so long ago that it were another round.
	return pkt->seq == flow->half[dir].next && flow->half[!dir].next - pkt->ack < 1u << 30;
}

static inline bool tcp_is_expected(
	const struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
) {
	return flow->is_steady && tcp_is_next(flow, dir, pkt)
		&& (pkt_is_plain(pkt, PKT_CHECKSUM_UNKNOWN)
		    || (pkt_is_plain(pkt, PKT_CHECKSUM_RIGHT)
			&& (flow->half_flags[dir] & HALF_RIGHT)))
		&& (!pkt->has_stamp || tcp_stamp_take(table, flow, dir, pkt));
}

static inline enum fate tcp_expected(
	struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
) {
	struct half *half = &flow->half[dir], *other = &flow->half[!dir];
	uint32_t edge = pkt->ack + ((uint32_t)pkt->window << flow->wscale[dir]);
	uint32_t size = pkt->payload_size;

	half->n_packets += half->n_packets != UINT32_MAX;
	if (seq_before(other->edge, edge))
		other->edge = edge;
	if (!size)
		return FATE_NO_DATA;
	if (!flow->reader) {
		stream_deliver(flow, dir, pkt);
		return FATE_IN_ORDER;
	}
	half->next += size;
	flow->n_bytes[dir] += size;
	if (dir == STREAM_CLIENT)
		recent_add(table->recent, flow_name(table, flow), pkt->seq, pkt->payload, size);
	table->handler.data(flow->reader, dir, pkt->payload, size, table->now_ns);
	return FATE_IN_ORDER;
}
