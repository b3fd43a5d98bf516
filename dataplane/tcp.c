// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One segment of a known connection: which of its parts both hosts would act upon, and what state
// that leads to. RFC 9293, read as end hosts implement it.
//
//   OPENING ──(anything but SYN that acknowledges)──▶ ESTABLISHED ──(a FIN delivered)──▶ CLOSING
//      │                                                   │                                │
//      └─(silence; a reset alone proves nothing)           └───(RST)───▶ CLOSED ◀──(both)───┘

#include "flow_private.h"
#include "limits.h"

enum {
	// What is further ahead or behind than any window can reach (RFC 7323 2.2) is not believed.
	SEQ_FAR = 1 << 30,
	// So much a side may have sent before its first packet is seen behind the other's.
	SEQ_LAG = 1 << 20,
	// A reset that has come over so many hops more or fewer than what its sender sent before is not believed at
	// once: no change of routes goes so far, mostly.
	RESET_HOPS_MAX = 4,
};

static enum fate payload_or(const struct pkt *pkt, enum fate fate) {
	return pkt->payload_size || pkt->missing_size ? fate : FATE_NO_DATA;
}

void tcp_close(struct stream *flow, enum stream_end end) {
	struct flow_stats *stats = &flow->table->stats;
	struct stream_handler *handler = &flow->table->handler;

	if (flow->state == FLOW_CLOSED)
		return;
	stream_flush(flow, end == STREAM_END_RESET);
	stream_drop(flow);
	if (end == STREAM_END_TIMEOUT && (flow->flags & FLOW_RESET_SEEN))
		end = STREAM_END_RESET;
	stats->flow_closed += end == STREAM_END_CLOSE;
	stats->flow_reset += end == STREAM_END_RESET;
	stats->flow_timeout += end == STREAM_END_TIMEOUT;
	stats->flow_evicted += end == STREAM_END_EVICTED;
	stats->flow_one_sided += (flow->flags & FLOW_HAS_OPENED)
		&& (!flow->half[0].n_packets || !flow->half[1].n_packets);
	if (flow->reader) {
		if (!flow->half[0].n_packets || !flow->half[1].n_packets)
			stream_say(flow, STREAM_EVENT_one_sided);
		handler->close(flow->reader, end, flow->last_ns);
	}
	flow->reader = NULL;
	flow->timer_ns = 0;
	flow->flags &= (uint8_t)~FLOW_HAS_READER;
	flow->state = FLOW_CLOSED;
	flow_settle(flow);
}

// ---- Checksums

// A first right checksum is on a SYN: what came before from this side was of nobody who could reach
// the other host.
static void syn_is_right(struct stream *flow, enum stream_dir dir) {
	if (flow->state != FLOW_OPENING || !(flow->half_flags[dir] & HALF_SYN))
		return;
	stream_drop_side(flow, dir);
	flow->half_flags[dir] &= HALF_ANY_REALM | HALF_ODD;
	flow->wscale[dir] = WSCALE_ABSENT;
	if (flow_has_odd(flow))
		memset(flow_odd(flow)->isn[dir], 0, sizeof(flow_odd(flow)->isn[dir]));
}

bool tcp_checksum_holds(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	uint8_t *flags = &flow->half_flags[dir];
	struct flow_stats *stats = &flow->table->stats;

	switch ((enum pkt_checksum)pkt->checksum) {
	case PKT_CHECKSUM_UNKNOWN:
		break;
	case PKT_CHECKSUM_RIGHT:
		if (!(*flags & HALF_RIGHT) && (pkt->flags & TCP_SYN))
			syn_is_right(flow, dir);
		*flags |= HALF_RIGHT;
		break;
	case PKT_CHECKSUM_OFFLOADED:
		// Beside right ones too: what the capturing host has merged while receiving (GRO)
		// looks so. An insertion dressed up like it gets in and shows on overlap.
		stats->checksum_offloaded++;
		break;
	case PKT_CHECKSUM_WRONG:
		if (*flags & HALF_RIGHT)
			return false;
		stats->checksum_unverified++;
		break;
	}
	return true;
}

// ---- Opening. Several SYNs may compete, each with its own initial sequence number, and so may
// SYN/ACKs; the one that the other side acknowledges is the connection's. isn[] holds initial numbers
// plus one, like next.

static void isn_add(struct stream *flow, enum stream_dir dir, uint32_t first) {
	uint32_t *isn;

	if (!(flow->half_flags[dir] & HALF_SYN)) {
		flow->half[dir].next = first;
		flow->half_flags[dir] |= HALF_SYN | HALF_SYNCED;
		return;
	}
	if (flow->half[dir].next == first)
		return;
	isn = flow_odd(flow)->isn[dir];
	if (isn[0] == first || isn[1] == first)
		return;
	// The first is kept longest; of the others the latest. 0 stands for none: one in 2^32 is lost.
	flow->table->stats.syn_forgotten += isn[1] != 0;
	isn[1] = isn[0];
	isn[0] = first;
}

// Whether first is one that dir has begun with.
static bool isn_is_known(const struct stream *flow, enum stream_dir dir, uint32_t first) {
	if (!(flow->half_flags[dir] & HALF_SYN))
		return false;
	if (flow->half[dir].next == first || !first || !flow_has_odd(flow))
		return flow->half[dir].next == first;
	return flow_odd_at(flow)->isn[dir][0] == first || flow_odd_at(flow)->isn[dir][1] == first;
}

static void isn_choose(struct stream *flow, enum stream_dir dir, uint32_t first) {
	uint32_t before = flow->half[dir].next;

	if (before == first)
		return;
	for (int i = 0; i < FLOW_ISN_MAX; i++)
		if (flow_odd(flow)->isn[dir][i] == first)
			flow_odd(flow)->isn[dir][i] = before;
	flow->half[dir].next = first;
	// Data that came with another SYN belongs to a connection that never was.
	stream_drop_side(flow, dir);
}

// The other side of dir acknowledges up to ack while opening.
static void isn_acked(struct stream *flow, enum stream_dir dir, uint32_t ack) {
	if (isn_is_known(flow, dir, ack)) {
		isn_choose(flow, dir, ack);
	} else if (!(flow->half_flags[dir] & HALF_SYNCED)) {
		flow->half[dir].next = ack;
		flow->half_flags[dir] |= HALF_SYNCED;
	}
}

// Timestamps are of both or of neither (RFC 7323 3.2). Where a SYN was not seen nobody knows whether hosts look at
// them.
static void __attribute__((noinline)) stamps_settle(struct stream *flow, bool both) {
	bool client = flow->wscale[STREAM_CLIENT] & WSCALE_STAMP;
	bool server = flow->wscale[STREAM_SERVER] & WSCALE_STAMP;

	flow->wscale[0] &= (uint8_t)~WSCALE_STAMP;
	flow->wscale[1] &= (uint8_t)~WSCALE_STAMP;
	flow->has_stamps = both && client && server;
	if (both && server && !client)
		stream_say(flow, STREAM_EVENT_timestamp_unasked);
}

static void established(struct stream *flow) {
	bool both = (flow->half_flags[0] & flow->half_flags[1] & HALF_SYN) != 0;
	bool scaled;

	if ((flow->wscale[0] | flow->wscale[1]) & WSCALE_STAMP)
		stamps_settle(flow, both);
	scaled = flow->wscale[0] != WSCALE_ABSENT && flow->wscale[1] != WSCALE_ABSENT;
	for (int i = 0; i < 2; i++) {
		// Both or neither (RFC 7323 2.2). Where a SYN was not seen any scale is possible.
		if (both && !scaled)
			flow->wscale[i] = 0;
		else if (flow->wscale[i] == WSCALE_ABSENT)
			flow->wscale[i] = flow->half_flags[i] & HALF_SYN ? 0 : WSCALE_MAX;
	}
	flow->half_flags[0] &= (uint8_t)~HALF_ODD; // the initial numbers have been told apart
	flow->state = FLOW_ESTABLISHED;
	flow->flags &= (uint8_t)~FLOW_RESET_SEEN;
	flow_settle(flow);
	stream_drain(flow);
}

static void syn_options(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	bool had_stamp = flow->wscale[dir] & WSCALE_STAMP;

	flow->wscale[dir] = pkt->wscale;
	if (pkt->wscale == 0xff) {
		flow->wscale[dir] = WSCALE_ABSENT;
	} else if (pkt->wscale > WSCALE_MAX) {
		flow->wscale[dir] = WSCALE_MAX; // RFC 7323 2.3
		stream_say(flow, STREAM_EVENT_bad_window_scale);
	}
	if (pkt->has_stamp) {
		uint32_t *stamp = &flow_stamps(flow->table, flow)[dir];

		// Of several SYNs the oldest: a forged one must not make what is right look old.
		*stamp = had_stamp ? seq_min(*stamp, pkt_stamp(pkt)) : pkt_stamp(pkt);
		flow->wscale[dir] |= WSCALE_STAMP;
	}
}

static enum fate syn_opening(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	uint32_t first = pkt->seq + 1;
	enum fate fate = FATE_NO_DATA;

	// Only clients send a SYN that acknowledges nothing: who was taken for the server is none.
	if (!(pkt->flags & TCP_ACK) && dir == STREAM_SERVER && (flow->flags & FLOW_ROLES_GUESSED))
		return FATE_OTHER_CONNECTION;
	if (dir == STREAM_CLIENT && !(pkt->flags & TCP_ACK))
		flow->flags &= (uint8_t) ~(FLOW_ROLES_GUESSED | FLOW_MIDSTREAM);
	isn_add(flow, dir, first);
	syn_options(flow, dir, pkt);
	flow->node.own[dir] = pkt->ttl; // one sent again may be the first that is right
	// Data on a SYN (RFC 7413) is held until the other side has shown which SYN it took.
	if (pkt->payload_size || pkt->missing_size) {
		fate = FATE_OUT_OF_WINDOW;
		if (flow->half[dir].next == first)
			fate = stream_take(flow, dir, pkt, first, false);
	}
	if (!(pkt->flags & TCP_ACK))
		return fate;
	isn_acked(flow, !dir, pkt->ack);
	flow->half[!dir].edge = pkt->ack + pkt->window; // nothing can have ended while opening
	flow->half_flags[!dir] |= HALF_EDGE;
	// It acknowledges data of the SYN too: the other side has taken it.
	if (flow->hold && seq_before(flow->half[!dir].next, pkt->ack)
	    && pkt->ack - flow->half[!dir].next <= flow_hold(flow)->side[!dir].size)
		established(flow);
	return fate;
}

// A SYN on a connection that stands. End hosts answer it with an ACK and go on, unless they have
// forgotten the connection: then a SYN/ACK to it begins another one.
static enum fate syn_later(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	struct hold *hold = flow_hold(flow);
	uint32_t first = pkt->seq + 1;

	if (pkt->flags & TCP_ACK) {
		if (hold && hold->has_reuse && hold->reuse_dir != dir
		    && pkt->ack == hold->reuse_isn + 1)
			return FATE_OTHER_CONNECTION;
	} else if (first + (uint32_t)flow->n_bytes[dir] != flow->half[dir].next) {
		hold = stream_hold(flow);
		if (hold) {
			hold->reuse_isn = pkt->seq;
			hold->reuse_dir = dir;
			hold->has_reuse = true;
		}
	}
	return payload_or(pkt, FATE_OUT_OF_WINDOW);
}

// ---- Acknowledgements

// The other side's right edge, and whether bytes are acknowledged that have
// not been delivered.
static inline bool acknowledge(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	struct half *other = &flow->half[!dir];
	uint8_t *flags = &flow->half_flags[!dir];
	uint32_t edge = pkt->ack + ((uint32_t)pkt->window << flow->wscale[dir]);
	uint32_t slack = 0xffffu << flow->wscale[dir];
	int32_t ahead;

	if (!(*flags & HALF_SYNCED)) {
		other->next = pkt->ack;
		*flags |= HALF_SYNCED;
	}
	ahead = seq_diff(pkt->ack, other->next);
	// Nothing was ever captured of the other side: its bytes are not waited for. Should it appear
	// after all, it is expected near what is acknowledged.
	if (!other->n_packets) {
		if (ahead > SEQ_LAG)
			other->next = pkt->ack;
		return false;
	}
	if (ahead > SEQ_FAR || ahead < -SEQ_FAR)
		return false;
	// Nobody acknowledges what it had said it would not take.
	if ((*flags & HALF_EDGE) && seq_before(other->edge + slack, pkt->ack))
		return false;
	if (!(*flags & HALF_FIN)) {
		if (!(*flags & HALF_EDGE) || seq_before(other->edge, edge))
			other->edge = edge;
		*flags |= HALF_EDGE;
	}
	if (ahead <= 0 || (*flags & HALF_DONE))
		return false;
	stream_acked(flow, !dir, pkt->ack);
	return seq_before(other->next, pkt->ack);
}

// ---- Windows

// Generous where the window scale or an update may not have been seen: a window's most behind the
// edge is let through, and held if need be.
static inline bool
is_in_window(const struct stream *flow, enum stream_dir dir, uint32_t seq, uint32_t size) {
	const struct half *half = &flow->half[dir];
	uint32_t slack = 0xffffu << flow->wscale[!dir];
	int32_t ahead = seq_diff(seq, half->next);

	if (ahead > SEQ_FAR || ahead < -SEQ_FAR)
		return false;
	if ((flow->half_flags[dir] & HALF_FIN) && seq_diff(seq + size, half->fin) > 0)
		return false;
	return ahead <= 0 || !(flow->half_flags[dir] & HALF_EDGE)
		|| seq_before(seq, half->edge + slack);
}

// ---- Resets

// Linux takes a reset at exactly the number it expects next, or at the end of what it holds out of
// order; others only the former (RFC 5961 3.2).
static bool reset_is_valid(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	struct half *half = &flow->half[dir];
	struct hold *hold = flow_hold(flow);
	struct hold_side *side = hold ? &hold->side[dir] : NULL;
	struct held *last = side ? side->last : NULL;

	while (last && last->is_doubtful)
		last = last->prev;
	if (!(flow->half_flags[dir] & HALF_SYNCED))
		return (pkt->flags & TCP_ACK) && pkt->ack == flow->half[!dir].next;
	return pkt->seq == half->next || (side && side->has_acked && pkt->seq == side->acked)
		|| (last && pkt->seq == last->seq + last->size)
		|| ((flow->half_flags[dir] & HALF_FIN) && pkt->seq == half->fin + 1);
}

// Whether a packet of dir will not get to the other host, while others of its sender do. How far away that host is
// shows in what it sends itself: nearly all begin with a time to live of 64, 128 or 255.
static bool dies_before(const struct stream *flow, enum stream_dir dir, uint8_t ttl) {
	uint8_t back = flow->node.own[!dir], first = back <= 64 ? 64 : back <= 128 ? 128 : 255;

	return ttl < flow->node.own[dir] && (!back || ttl <= first - back);
}

// Whether hosts disagree about a reset that is valid, or it may never reach the other one.
static bool reset_is_doubtful(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	int hops = pkt->ttl - flow->node.own[dir];

	// A host that has no key for the connection drops it, others do not look.
	if (pkt->flags & TCP_SIGNED) {
		stream_say(flow, STREAM_EVENT_signed_reset);
		return true;
	}
	// One sent so that it dies on the way, past this place but before the other host; or by a middlebox.
	if (flow->node.own[dir]
	    && (hops > RESET_HOPS_MAX || hops < -RESET_HOPS_MAX || dies_before(flow, dir, pkt->ttl)
	    )) {
		stream_say(flow, STREAM_EVENT_doubtful_reset);
		return true;
	}
	return false;
}

// The connection is over unless who sent the reset goes on.
static void reset_suspect(struct stream *flow, enum stream_dir dir) {
	flow->flags |= FLOW_RESET_SEEN;
	flow->reset_dir = dir & 1;
	flow_settle(flow);
}

// The reset is ahead of bytes that have not come: dropped by hosts, or captured before the last data. Which of the two
// shows when those bytes come.
static void reset_early(struct stream *flow, enum stream_dir dir, uint32_t seq) {
	struct hold *hold = stream_hold(flow);

	reset_suspect(flow, dir);
	if (!hold)
		return;
	flow->table->stats.reset_ignored += hold->has_reset;
	hold->reset_seq = seq;
	hold->reset_dir = dir & 1;
	hold->has_reset = true;
}

// Who sent it goes on, and not only with what the reset had overtaken. Of a doubtful one it has been said.
static void __attribute__((noinline)) reset_ends_nothing(struct stream *flow) {
	uint16_t said = 1u << STREAM_EVENT_signed_reset | 1u << STREAM_EVENT_doubtful_reset;

	flow->flags &= (uint8_t)~FLOW_RESET_SEEN;
	if ((flow->hold && flow_hold(flow)->has_reset) || (flow->events & said))
		return;
	flow->table->stats.reset_ignored++;
	stream_say(flow, STREAM_EVENT_bad_reset);
}

// Bytes have come: up to the early reset, or beyond it.
static void __attribute__((noinline)) reset_early_look(struct stream *flow) {
	struct hold *hold = flow_hold(flow);
	int32_t behind = seq_diff(flow->half[hold->reset_dir].next, hold->reset_seq);

	if (behind < 0)
		return;
	hold->has_reset = false;
	if (behind == 0) {
		reset_suspect(flow, hold->reset_dir);
		return;
	}
	flow->table->stats.reset_ignored++;
	stream_say(flow, STREAM_EVENT_bad_reset);
}

static enum fate __attribute__((noinline))
reset(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	if (pkt->payload_size || pkt->missing_size)
		stream_say(flow, STREAM_EVENT_reset_with_payload);
	if (flow->state == FLOW_OPENING) {
		// Nothing is lost by waiting: if it was forged, the handshake goes on.
		flow->flags |= FLOW_RESET_SEEN;
	} else if (reset_is_valid(flow, dir, pkt)) {
		if (reset_is_doubtful(flow, dir, pkt)) {
			reset_suspect(flow, dir);
		} else {
			if ((pkt->flags & TCP_ACK) && flow->hold)
				acknowledge(flow, dir, pkt); // what it has received counts
			tcp_close(flow, STREAM_END_RESET);
		}
	} else if (seq_before(flow->half[dir].next, pkt->seq) && is_in_window(flow, dir, pkt->seq, 0)) {
		reset_early(flow, dir, pkt->seq);
	} else {
		flow->table->stats.reset_ignored++;
		stream_say(flow, STREAM_EVENT_bad_reset);
	}
	return payload_or(pkt, FATE_NO_ACK); // what a reset carries is a text for people
}

// ---- Everything else

bool tcp_stamp_is_old(const struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	const struct flow_table *table = flow->table;
	uint32_t end = pkt->seq + pkt->payload_size + pkt->missing_size + (pkt->flags & TCP_FIN);

	bool has_stamps = flow->has_stamps;

	if (flow->state == FLOW_OPENING)
		has_stamps = flow->wscale[0] & flow->wscale[1] & WSCALE_STAMP;
	if (!pkt->has_stamp || !has_stamps || (pkt->flags & (TCP_SYN | TCP_RST)))
		return false;
	// What comes again, late on its way here or to the host, is compared as ever.
	if (!seq_before(flow->half[dir].next, end))
		return false;
	return stamp_is_before(
		table, pkt_stamp(pkt), flow_stamps(table, (struct stream *)flow)[dir]
	);
}

void tcp_doubtful(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	if (flow->state != FLOW_ESTABLISHED && flow->state != FLOW_CLOSING)
		return;
	if ((pkt->flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK || !pkt->payload_size)
		return;
	// Who is never heard acknowledges nothing.
	if ((flow->half_flags[dir] & HALF_DONE) || !flow->half[!dir].n_packets
	    || !is_in_window(flow, dir, pkt->seq, pkt->payload_size))
		return;
	stream_doubt(flow, dir, pkt);
}

static void fin(struct stream *flow, enum stream_dir dir, uint32_t seq) {
	struct half *half = &flow->half[dir];

	if ((flow->half_flags[dir] & HALF_FIN) || seq_before(seq, half->next))
		return;
	half->fin = seq;
	flow->half_flags[dir] |= HALF_FIN | HALF_EDGE;
	if (half->next == seq) {
		half->next++;
		flow->half_flags[dir] |= HALF_DONE;
	}
}

static enum fate
data(struct stream *flow, enum stream_dir dir, const struct pkt *pkt, bool is_ahead) {
	uint32_t size = pkt->payload_size + pkt->missing_size;
	enum fate fate = FATE_NO_DATA;

	if (!is_in_window(flow, dir, pkt->seq, size))
		return payload_or(pkt, FATE_OUT_OF_WINDOW);
	if (flow->half_flags[dir] & HALF_DONE)
		return payload_or(pkt, FATE_REPEATED);
	if (size) {
		if (pkt->flags & TCP_URG)
			stream_say(flow, STREAM_EVENT_urgent_data);
		fate = stream_take(flow, dir, pkt, pkt->seq, is_ahead);
	}
	if (pkt->flags & TCP_FIN)
		fin(flow, dir, pkt->seq + size);
	return fate;
}

// An acknowledgement from a side that has not sent its SYN is part of a longer handshake still, or
// forged; data is taken for what it is.
static bool
is_end_of_opening(const struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	return (flow->half_flags[dir] & HALF_SYN) || !(flow->half_flags[!dir] & HALF_SYN)
		|| pkt->payload_size || pkt->missing_size || (pkt->flags & TCP_FIN);
}

static void opening_ends(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	if (isn_is_known(flow, dir, pkt->seq))
		isn_choose(flow, dir, pkt->seq);
	isn_acked(flow, !dir, pkt->ack);
	established(flow);
}

// What may have changed for the connection as a whole.
static inline void after(struct stream *flow, enum stream_dir dir) {
	uint8_t done = flow->half_flags[0] | flow->half_flags[1];

	if (flow->hold) {
		if (flow_hold(flow)->has_reset)
			reset_early_look(flow);
		stream_passed(flow, dir);
	}
	if (!(done & HALF_FIN))
		return;
	if (flow->half_flags[0] & flow->half_flags[1] & HALF_DONE) {
		tcp_close(flow, STREAM_END_CLOSE);
	} else if (flow->state == FLOW_ESTABLISHED && (done & HALF_DONE)) {
		flow->state = FLOW_CLOSING;
		flow_settle(flow);
	}
}

enum fate tcp_segment(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	struct half *half = &flow->half[dir];
	enum fate fate;
	bool is_ahead;

	if (!flow->node.own[dir])
		flow->node.own[dir] = pkt->ttl;
	if (!(flow->half_flags[dir] & HALF_DONE))
		half->n_packets += half->n_packets != UINT32_MAX;
	if (flow->state == FLOW_CLOSED)
		return payload_or(pkt, FATE_AFTER_CLOSE);
	if (pkt->is_inconsistent)
		stream_say(flow, STREAM_EVENT_inconsistent_fragments);
	if (pkt->flags & TCP_RST)
		return reset(flow, dir, pkt);
	if (pkt->flags & TCP_SYN)
		return flow->state == FLOW_OPENING ? syn_opening(flow, dir, pkt)
						   : syn_later(flow, dir, pkt);
	if (!(pkt->flags & TCP_ACK))
		return payload_or(pkt, FATE_NO_ACK);
	if (flow->state == FLOW_OPENING && !is_end_of_opening(flow, dir, pkt))
		return FATE_NO_DATA;
	if (flow->state == FLOW_OPENING)
		opening_ends(flow, dir, pkt);
	if (!(flow->half_flags[dir] & HALF_SYNCED)) {
		half->next = pkt->seq;
		flow->half_flags[dir] |= HALF_SYNCED;
	}
	// It goes on. What the other side has sent before it heard of the reset is no sign of that.
	if ((flow->flags & FLOW_RESET_SEEN) && flow->reset_dir == dir)
		reset_ends_nothing(flow);
	if (pkt->has_stamp && !seq_before(half->next, pkt->seq))
		tcp_stamp_take(flow->table, flow, dir, pkt);
	is_ahead = acknowledge(flow, dir, pkt);
	fate = data(flow, dir, pkt, is_ahead);
	after(flow, dir);
	return fate;
}

bool tcp_is_steady(const struct stream *flow) {
	uint8_t needed = HALF_SYNCED | HALF_EDGE;
	uint8_t both = flow->half_flags[0] & flow->half_flags[1];
	uint8_t any = flow->half_flags[0] | flow->half_flags[1];

	return flow->state == FLOW_ESTABLISHED && !flow->hold && (both & needed) == needed
		&& !(any & HALF_FIN) && flow->half[0].n_packets && flow->half[1].n_packets
		&& !(flow->flags & FLOW_RESET_SEEN);
}
