// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Segments → ordered bytes. What comes in order goes from the frame to the reader without a copy;
// what comes ahead of its turn is copied and held. A later copy of bytes that are still held is compared, and who
// wins is the policy's to say (overlap.h). Bytes already delivered stay; a later copy of those is compared
// with what recent.h has kept.

#include "flow_private.h"
#include "limits.h"

#include <stdlib.h>

enum {
	// Held data is copied into blocks of at most this size, header included.
	HELD_BLOCK_SIZE = 32768,
};

// A run of one direction's sequence space out of one packet; data is NULL where the snap length cut.
struct piece {
	const uint8_t *data;
	uint32_t seq;
	uint32_t size;
	uint32_t origin, origin_end; // of the segment it is of
	uint32_t after;
	bool has_after;
	bool is_doubtful;
	bool is_urgent; // a byte that belongs beside the stream
};

static const char *const event_names[] = {
#define STREAM_EVENT(name, text) #name,
#include "stream_event.def"
#undef STREAM_EVENT
};

const char *stream_event_name(enum stream_event event) {
	return event < STREAM_EVENT_COUNT ? event_names[event] : "unknown";
}

void stream_tuple_get(const struct stream *flow, struct stream_tuple *tuple) {
	size_t size = flow->is_6 ? 16 : 4;
	const uint8_t *addr = flow_addr((struct stream *)flow);

	*tuple = (struct stream_tuple){.family = flow->is_6 ? 6 : 4};
	for (int i = 0; i < 2; i++) {
		memcpy(tuple->addr[i], addr + (size_t)i * size, size);
		tuple->port[i] = flow->port[i];
	}
}

uint64_t stream_start_ns(const struct stream *flow) {
	return flow->start_ns;
}

uint64_t stream_last_ns(const struct stream *flow) {
	return flow->last_ns;
}

uint64_t stream_n_bytes(const struct stream *flow, enum stream_dir dir) {
	return flow->n_bytes[dir];
}

uint64_t stream_n_packets(const struct stream *flow, enum stream_dir dir) {
	return flow->half[dir].n_packets;
}

uint64_t stream_n_gaps(const struct stream *flow) {
	return flow->state == FLOW_OPENING || !flow_has_odd(flow) ? 0 : flow_odd_at(flow)->n_gaps;
}

void stream_timer_set(struct stream *flow, uint64_t at_ns) {
	// A moment that is over already would be due for ever if its reader sets it again and again.
	if (at_ns && at_ns <= flow->table->now_ns)
		at_ns = flow->table->now_ns + WHEEL_TICK_NS;
	flow->timer_ns = at_ns;
	if (at_ns)
		flow_wake(flow, at_ns);
}

void stream_say(struct stream *flow, enum stream_event event) {
	uint16_t bit = (uint16_t)(1u << event);

	if (flow->events & bit)
		return;
	flow->events |= bit;
	if (flow->reader)
		flow->table->handler.event(flow->reader, event, flow->table->now_ns);
}

// The first payload byte or gap: the handler is asked, and told what has been odd so far.
static void __attribute__((noinline)) reader_open(struct stream *flow) {
	struct stream_handler *handler = &flow->table->handler;

	flow->flags |= FLOW_HAS_OPENED;
	flow->reader = handler->open(handler->ctx, flow, flow->table->now_ns);
	if (!flow->reader) {
		flow->flags |= FLOW_REFUSED;
		return;
	}
	flow->flags |= FLOW_HAS_READER;
	for (int i = 0; flow->events >> i; i++)
		if (flow->events & 1u << i)
			handler->event(flow->reader, i, flow->table->now_ns);
	flow_settle(flow);
}

// Moves on by size delivered or given up; the FIN takes a sequence number of its own. What was held
// before the FIN came may reach beyond it: that side is over all the same, or it would be waited for
// without end.
static inline void advance(struct stream *flow, enum stream_dir dir, uint32_t size) {
	struct half *half = &flow->half[dir];

	half->next += size;
	flow->n_bytes[dir] += size;
	if ((flow->half_flags[dir] & HALF_FIN) && !seq_before(half->next, half->fin)) {
		flow->half_flags[dir] |= HALF_DONE;
		half->next += half->next == half->fin;
	}
}

static inline void
deliver(struct stream *flow, enum stream_dir dir, const uint8_t *data, uint32_t size) {
	advance(flow, dir, size);
	struct flow_table *table = flow->table;

	if (!(flow->flags & FLOW_HAS_OPENED))
		reader_open(flow);
	if (!flow->reader)
		return;
	if (dir == STREAM_CLIENT)
		recent_add(
			table->recent,
			flow_name(table, flow),
			flow->half[dir].next - size,
			data,
			size
		);
	table->handler.data(flow->reader, dir, data, size, table->now_ns);
}

static void gap(struct stream *flow, enum stream_dir dir, uint32_t size) {
	flow->table->stats.gap++;
	flow->table->stats.gap_bytes += size;
	flow_odd(flow)->n_gaps++;
	advance(flow, dir, size);
	if (!(flow->flags & FLOW_HAS_OPENED))
		reader_open(flow);
	if (flow->reader)
		flow->table->handler.gap(flow->reader, dir, size, flow->table->now_ns);
}

// One more is passed over. False: there were too many of them.
static bool urgent_count(struct stream *flow) {
	union odd *odd = flow_odd(flow);

	if (odd->n_urgent < STREAM_URGENT_MAX) {
		odd->n_urgent++;
		return true;
	}
	flow->table->stats.urgent_limit++;
	return false;
}

// The urgent byte was sent and acknowledged like others. Whether it leaves a hole is the policy's to say, and beyond
// the limit it does.
static void urgent_pass(struct stream *flow, enum stream_dir dir) {
	if (flow->table->urgent == URGENT_GAP || !urgent_count(flow)) {
		gap(flow, dir, 1);
		return;
	}
	advance(flow, dir, 1);
	flow->n_bytes[dir]--;
}

// ---- What is held

static void held_free(struct stream *flow, enum stream_dir dir, struct held *held) {
	struct hold_side *side = &flow_hold(flow)->side[dir];

	*(held->prev ? &held->prev->next : &side->first) = held->next;
	*(held->next ? &held->next->prev : &side->last) = held->prev;
	if (side->latest == held)
		side->latest = held->prev;
	side->n--;
	side->n_doubtful -= held->is_doubtful;
	side->size -= held->size;
	slab_put(flow->table->slab, held, held->block_size);
}

// A copy of the first size bytes of piece, linked behind prev (NULL: first). NULL when full.
static struct held *held_new(
	struct stream *flow,
	enum stream_dir dir,
	const struct piece *piece,
	uint32_t size,
	struct held *prev
) {
	struct hold *hold = flow_hold(flow);
	struct hold_side *side = &hold->side[dir];
	struct held *held;

	if (side->n >= STREAM_SEGMENTS_MAX || side->size + size > STREAM_HELD_SIZE_MAX)
		return NULL;
	held = slab_get(flow->table->slab, sizeof(*held) + (piece->data ? size : 0));
	if (!held)
		return NULL;
	*held = (struct held){
		.prev = prev,
		.next = prev ? prev->next : side->first,
		.seq = piece->seq,
		.size = size,
		.present = piece->data ? size : 0,
		.block_size = (uint32_t)sizeof(*held) + (piece->data ? size : 0),
		.after = piece->after,
		.origin = piece->origin,
		.origin_end = piece->origin_end,
		.has_after = piece->has_after,
		.is_doubtful = piece->is_doubtful,
		.is_urgent = piece->is_urgent,
		.arrival = hold->n_arrivals,
	};
	if (piece->data)
		memcpy(held->data, piece->data, size);
	*(held->prev ? &held->prev->next : &side->first) = held;
	*(held->next ? &held->next->prev : &side->last) = held;
	side->latest = held;
	side->n++;
	side->n_doubtful += held->is_doubtful;
	side->size += size;
	return held;
}

struct hold *stream_hold(struct stream *flow) {
	struct hold *hold = flow_hold(flow);

	if (hold)
		return hold;
	hold = pool_get(flow->table->holds);
	if (hold)
		flow->hold = pool_index(flow->table->holds, hold);
	return hold;
}

static void side_drop(struct stream *flow, enum stream_dir dir) {
	struct hold *hold = flow_hold(flow);

	while (hold->side[dir].first)
		held_free(flow, dir, hold->side[dir].first);
}

void stream_drop(struct stream *flow) {
	struct hold *hold = flow_hold(flow);

	if (!hold)
		return;
	side_drop(flow, STREAM_CLIENT);
	side_drop(flow, STREAM_SERVER);
	pool_put(flow->table->holds, hold);
	flow->hold = 0;
}

void stream_drop_side(struct stream *flow, enum stream_dir dir) {
	if (flow->hold)
		side_drop(flow, dir);
}

static bool is_ready(const struct stream *flow, enum stream_dir dir, const struct held *held) {
	if (held->is_doubtful)
		return false;
	return !held->has_after || !seq_before(flow->half[!dir].next, held->after)
		|| (flow->half_flags[!dir] & HALF_DONE);
}

// Whether a doubtful segment is to be believed now that it is its turn.
static bool doubt_ends(const struct hold_side *side, const struct held *held) {
	return side->has_acked && !seq_before(side->acked, held->seq + held->size);
}

// Delivers the first held segment of dir from next on, whether it still waits or not; a doubtful one
// that nobody has acknowledged is forgotten instead.
static void held_pass(struct stream *flow, enum stream_dir dir) {
	struct hold_side *side = &flow_hold(flow)->side[dir];
	struct held *held = side->first;
	uint32_t offset = flow->half[dir].next - held->seq;

	if (held->is_doubtful && !doubt_ends(side, held))
		offset = held->size;
	if (offset < held->size) {
		flow->table->stats.checksum_acknowledged += held->is_doubtful;
		if (held->is_urgent)
			urgent_pass(flow, dir);
		else if (held->present)
			deliver(flow, dir, held->data + offset, held->size - offset);
		else
			gap(flow, dir, held->size - offset);
	}
	held_free(flow, dir, held);
}

// A doubtful segment of dir that is believed answers what the other side sent: that was received. What of
// it is held, doubtful as well, comes first. No hole is made of it, and nothing that answers dir itself in turn is
// waited for.
static void doubt_answered(struct stream *flow, enum stream_dir dir, const struct held *held) {
	struct hold_side *other = &flow_hold(flow)->side[!dir];
	struct half *half = &flow->half[!dir];

	for (;;) {
		struct held *first = other->first;
		uint32_t end = first ? first->seq + first->size : 0;

		if (!first || !first->is_doubtful || seq_before(half->next, first->seq)
		    || seq_before(held->after, end) || (flow->half_flags[!dir] & HALF_DONE)
		    || seq_before(flow->half[dir].next, first->after))
			return;
		other->acked = other->has_acked ? seq_max(other->acked, end) : end;
		other->has_acked = true;
		held_pass(flow, !dir);
	}
}

static void held_deliver(struct stream *flow, enum stream_dir dir) {
	struct hold_side *side = &flow_hold(flow)->side[dir];
	const struct held *first = side->first;

	if (first->is_doubtful && doubt_ends(side, first))
		doubt_answered(flow, dir, first);
	held_pass(flow, dir);
}

void stream_drain(struct stream *flow) {
	struct hold *hold = flow_hold(flow);

	if (!hold || flow->state == FLOW_OPENING)
		return;
	for (;;) {
		int best = -1;

		for (int dir = 0; dir < 2; dir++) {
			struct held *first = hold->side[dir].first;

			if (!first || seq_before(flow->half[dir].next, first->seq)
			    || !is_ready(flow, dir, first))
				continue;
			if (best < 0 || seq_before(first->arrival, hold->side[best].first->arrival))
				best = dir;
		}
		if (best < 0)
			return;
		held_deliver(flow, best);
	}
}

// ---- Taking payload

static void piece_skip(struct piece *piece, uint32_t size) {
	piece->seq += size;
	piece->size -= size;
	if (piece->data)
		piece->data += size;
}

// Takes the first n bytes of what is held away.
static void held_trim(struct stream *flow, enum stream_dir dir, struct held *held, uint32_t n) {
	if (n == held->size) {
		held_free(flow, dir, held);
		return;
	}
	flow_hold(flow)->side[dir].size -= n;
	held->seq += n;
	held->size -= n;
	if (!held->present)
		return;
	held->present -= n;
	memmove(held->data, held->data + n, held->present);
}

// Of what is held only what lies before at.
static void held_cut(struct stream *flow, enum stream_dir dir, struct held *held, uint32_t at) {
	uint32_t n = held->seq + held->size - at;

	flow_hold(flow)->side[dir].size -= n;
	held->size -= n;
	if (held->present)
		held->present -= n;
}

// Good bytes have come: doubtful ones in their place are forgotten. Those on both sides of them stay.
static void doubt_drop(struct stream *flow, enum stream_dir dir, uint32_t from, uint32_t to) {
	struct hold_side *side = flow->hold ? &flow_hold(flow)->side[dir] : NULL;
	struct held *held = side ? side->first : NULL;

	while (held && side->n_doubtful && seq_before(held->seq, to)) {
		struct held *next = held->next;
		uint32_t end = held->seq + held->size;

		if (held->is_doubtful && seq_before(from, end)) {
			struct piece rest = {
				.data = held->data + (to - held->seq),
				.seq = to,
				.origin = held->origin,
				.origin_end = held->origin_end,
				.after = held->after,
				.has_after = held->has_after,
				.is_doubtful = true,
			};

			if (seq_before(held->seq, from) && seq_before(to, end))
				held_new(flow, dir, &rest, end - to, held);
			if (seq_before(held->seq, from))
				held_cut(flow, dir, held, from);
			else
				held_trim(flow, dir, held, seq_min(to, end) - held->seq);
		}
		held = next;
	}
}

// Who has the bytes that a held segment and a later piece both have, unless it is always the last.
static bool piece_wins(enum overlap policy, const struct held *held, const struct piece *piece) {
	int32_t later = seq_diff(piece->origin, held->origin);

	if (held->is_doubtful || piece->is_doubtful || !piece->data)
		return false;
	if (policy == OVERLAP_LINUX && later == 0)
		return seq_before(held->origin_end, piece->origin_end);
	return (policy == OVERLAP_LINUX || policy == OVERLAP_WINDOWS) && later < 0;
}

// The piece begins within a held segment, and n bytes of it lie there as well. Whether the piece takes
// their place: they are then not held any more, and held may be gone. A piece that wins by beginning
// earlier has the first bytes of what is held.
static bool
resolve(struct stream *flow,
	enum stream_dir dir,
	struct held *held,
	const struct piece *piece,
	uint32_t n) {
	uint8_t *bytes = held->data + (piece->seq - held->seq);

	if (!piece->is_doubtful && held->present && piece->data
	    && memcmp(bytes, piece->data, n) != 0) {
		flow->table->stats.overlap_differs++;
		stream_say(flow, STREAM_EVENT_inconsistent_retransmission);
		if (flow->table->overlap == OVERLAP_LAST)
			memcpy(bytes, piece->data, n);
	}
	if (piece->seq != held->seq || !piece_wins(flow->table->overlap, held, piece))
		return false;
	held_trim(flow, dir, held, n);
	return true;
}

// The piece's first bytes, up to next, have been delivered. What is sent one byte behind, alone, is a
// keep-alive, whose byte may be anything (RFC 9293 3.8.4).
static void repeated(struct stream *flow, enum stream_dir dir, const struct piece *piece) {
	struct flow_table *table = flow->table;
	uint32_t behind = flow->half[dir].next - piece->seq;
	uint32_t size = behind < piece->size ? behind : piece->size;

	if (!piece->data || piece->is_doubtful || (piece->size == 1 && behind == 1))
		return;
	switch (dir == STREAM_CLIENT ? recent_compare(
			table->recent, flow_name(table, flow), piece->seq, piece->data, size
		)
				     : RECENT_GONE) {
	case RECENT_GONE:
		table->stats.repeat_not_compared++;
		break;
	case RECENT_DIFFERS:
		table->stats.overlap_differs++;
		stream_say(flow, STREAM_EVENT_inconsistent_retransmission);
		// fall through
	case RECENT_SAME:
		table->stats.repeat_compared++;
	}
}

// Delivers a piece that begins at next. Where bytes are held already, those are taken.
static enum fate piece_deliver(struct stream *flow, enum stream_dir dir, struct piece *piece) {
	struct hold *hold = flow_hold(flow);
	enum fate fate = FATE_REPEATED;

	while (piece->size) {
		struct held *first = hold ? hold->side[dir].first : NULL;
		uint32_t n = piece->size;

		if (first && seq_before(first->seq, piece->seq + n))
			n = first->seq - piece->seq;
		if (n) {
			if (piece->is_urgent)
				urgent_pass(flow, dir);
			else if (piece->data)
				deliver(flow, dir, piece->data, n);
			else
				gap(flow, dir, n);
			fate = FATE_IN_ORDER;
		} else {
			n = first->size < piece->size ? first->size : piece->size;
			if (resolve(flow, dir, first, piece, n))
				continue;
			held_deliver(flow, dir);
		}
		piece_skip(piece, n);
	}
	stream_drain(flow);
	return fate;
}

// The last held segment that begins at seq or before it, NULL: none. Looked for from the nearest of both ends and the
// one added last, since tiny pieces mostly come in some order; STREAM_SEGMENTS_MAX bounds the walk.
static struct held *held_before(const struct hold_side *side, uint32_t seq) {
	struct held *held = side->last, *latest = side->latest;

	if (!held || !seq_before(seq, held->seq))
		return held;
	if (seq_diff(seq, side->first->seq) < seq_diff(held->seq, seq))
		held = side->first;
	if (latest && abs(seq_diff(seq, latest->seq)) < abs(seq_diff(seq, held->seq)))
		held = latest;
	while (held && seq_before(seq, held->seq))
		held = held->prev;
	while (held && held->next && !seq_before(seq, held->next->seq))
		held = held->next;
	return held;
}

// Holds what of the piece is not held yet. 1 done, 0 no room: piece is then the rest.
static int
piece_hold(struct stream *flow, enum stream_dir dir, struct piece *piece, enum fate *fate) {
	struct hold_side *side = &flow_hold(flow)->side[dir];
	struct held *prev = held_before(side, piece->seq);

	while (piece->size) {
		struct held *next = prev ? prev->next : side->first;
		uint32_t n = piece->size;

		if (prev && seq_before(piece->seq, prev->seq + prev->size)) {
			if (n > prev->seq + prev->size - piece->seq)
				n = prev->seq + prev->size - piece->seq;
			next = prev->prev;
			if (resolve(flow, dir, prev, piece, n)) {
				prev = next;
				continue;
			}
			piece_skip(piece, n);
			continue;
		}
		if (next && seq_before(next->seq, piece->seq + n))
			n = next->seq - piece->seq;
		if (!n) {
			prev = next;
			continue;
		}
		if (n > HELD_BLOCK_SIZE - sizeof(struct held))
			n = HELD_BLOCK_SIZE - sizeof(struct held);
		prev = held_new(flow, dir, piece, n, prev);
		if (!prev)
			return 0;
		*fate = FATE_HELD;
		piece_skip(piece, n);
	}
	return 1;
}

// Room is needed: the oldest hole is given up, or what the first held segment waits for.
static void make_room(struct stream *flow, enum stream_dir dir, struct piece *piece) {
	struct hold *hold = flow_hold(flow);
	struct held *first = hold ? hold->side[dir].first : NULL;
	uint32_t seq = piece->seq;

	stream_say(flow, STREAM_EVENT_reordering_limit);
	if (first && !seq_before(seq, first->seq))
		seq = first->seq;
	else
		first = NULL;
	if (seq_before(flow->half[dir].next, seq))
		gap(flow, dir, seq - flow->half[dir].next);
	if (first)
		held_deliver(flow, dir);
	else
		piece->has_after = false;
	stream_drain(flow);
}

static enum fate piece_take(struct stream *flow, enum stream_dir dir, struct piece *piece) {
	struct half *half = &flow->half[dir];
	enum fate fate = FATE_REPEATED;

	doubt_drop(flow, dir, piece->seq, piece->seq + piece->size);
	for (;;) {
		int32_t behind = seq_diff(half->next, piece->seq);

		if (behind > 0)
			repeated(flow, dir, piece);
		if (behind >= 0 && (uint32_t)behind >= piece->size)
			return fate;
		if (behind > 0)
			piece_skip(piece, (uint32_t)behind);
		if (flow->state != FLOW_OPENING && behind >= 0
		    && (!piece->has_after || !seq_before(flow->half[!dir].next, piece->after))) {
			enum fate end = piece_deliver(flow, dir, piece);
			return fate == FATE_REPEATED ? end : fate;
		}
		if (stream_hold(flow) && piece_hold(flow, dir, piece, &fate))
			return fate;
		if (flow->state == FLOW_OPENING)
			return FATE_NOT_HELD;
		make_room(flow, dir, piece);
	}
}

// How many bytes of the segment stand before its urgent byte. The pointer means the byte behind it, as all
// hosts have it (RFC 6093 3); UINT32_MAX: the byte is not in this segment, or taken like others.
static uint32_t urgent_at(const struct stream *flow, const struct pkt *pkt) {
	uint32_t at = pkt->urgent - 1u;

	if (flow->table->urgent == URGENT_INLINE || !(pkt->flags & TCP_URG) || !pkt->urgent)
		return UINT32_MAX;
	return at < pkt->payload_size ? at : UINT32_MAX;
}

static enum fate __attribute__((noinline)) take_slowly(
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt,
	uint32_t seq,
	bool is_ahead
) {
	uint32_t size = pkt->payload_size + pkt->missing_size, urgent = urgent_at(flow, pkt);
	uint32_t ends[] = {urgent, urgent + 1, pkt->payload_size, size};
	enum fate fate = FATE_REPEATED;

	if (flow->hold)
		flow_hold(flow)->n_arrivals++;
	// Before the urgent byte, that byte, behind it, and what the snap length cut: mostly one.
	for (uint32_t i = urgent == UINT32_MAX ? 2 : 0, at = 0; i < 4; at = ends[i++]) {
		struct piece piece = {
			.data = i < 3 ? pkt->payload + at : NULL,
			.seq = seq + at,
			.size = ends[i] - at,
			.origin = seq,
			.origin_end = seq + size,
			.after = pkt->ack,
			.has_after = is_ahead,
			.is_urgent = i == 1,
		};
		enum fate part;

		if (!piece.size)
			continue;
		if (!piece.data)
			stream_say(flow, STREAM_EVENT_cut_by_snap_length);
		part = piece_take(flow, dir, &piece);
		if (fate == FATE_REPEATED)
			fate = part;
	}
	return fate;
}

enum fate stream_take(
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt,
	uint32_t seq,
	bool is_ahead
) {
	if (seq != flow->half[dir].next || flow->hold || is_ahead || pkt->missing_size
	    || flow->state == FLOW_OPENING || (pkt->flags & TCP_URG))
		return take_slowly(flow, dir, pkt, seq, is_ahead);
	deliver(flow, dir, pkt->payload, pkt->payload_size);
	return FATE_IN_ORDER;
}

void stream_deliver(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	deliver(flow, dir, pkt->payload, pkt->payload_size);
}

void stream_doubt(struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	uint32_t next = flow->half[dir].next;
	struct piece piece = {
		.data = pkt->payload,
		.seq = pkt->seq,
		.size = pkt->payload_size,
		.origin = pkt->seq,
		.origin_end = pkt->seq + pkt->payload_size,
		.after = pkt->ack,
		.has_after = true,
		.is_doubtful = true,
	};
	enum fate fate;

	if (!seq_before(next, piece.seq + piece.size))
		return;
	if (seq_before(piece.seq, next))
		piece_skip(&piece, next - piece.seq);
	if (!stream_hold(flow))
		return;
	flow_hold(flow)->n_arrivals++;
	piece_hold(flow, dir, &piece, &fate);
}

// ---- Holes

// Gives up every hole of dir before target.
static void give_up(struct stream *flow, enum stream_dir dir, uint32_t target) {
	struct half *half = &flow->half[dir];

	if ((flow->half_flags[dir] & HALF_FIN) && seq_before(half->fin, target))
		target = half->fin;
	while (!(flow->half_flags[dir] & HALF_DONE) && seq_before(half->next, target)) {
		struct hold *hold = flow_hold(flow);
		struct held *first = hold ? hold->side[dir].first : NULL;
		uint32_t to = first ? seq_min(first->seq, target) : target;

		if (first && !seq_before(half->next, first->seq))
			held_deliver(flow, dir); // only the other side held it back
		else
			gap(flow, dir, to - half->next);
		stream_drain(flow);
	}
}

void stream_acked(struct stream *flow, enum stream_dir dir, uint32_t ack) {
	struct hold *hold = stream_hold(flow);
	struct hold_side *side;

	if (!hold) {
		stream_say(flow, STREAM_EVENT_reordering_limit);
		give_up(flow, dir, ack);
		return;
	}
	side = &hold->side[dir];
	side->acked = side->has_acked ? seq_max(side->acked, ack) : ack;
	side->has_acked = true;
}

// What is waited for on one side: 1 something, 0 nothing.
static int wait_update(struct stream *flow, enum stream_dir dir, struct hold_side *side) {
	struct half *half = &flow->half[dir];
	bool is_lost = side->has_acked && seq_before(half->next, side->acked);
	uint32_t seq;

	// Acknowledgements may lie beyond the end: nothing comes behind a FIN.
	if (flow->half_flags[dir] & HALF_DONE)
		return side->deadline_ns = 0;
	if (is_lost)
		seq = side->acked;
	else if (side->first && seq_before(half->next, side->first->seq) && !flow->half[!dir].n_packets)
		seq = side->first->seq;
	else
		return side->deadline_ns = 0;
	if (side->deadline_ns && side->is_lost == is_lost && seq_before(half->next, side->wait_seq))
		return 1;
	side->wait_seq = seq;
	side->is_lost = is_lost;
	side->wait_next = half->next;
	side->n_waited = 0;
	side->deadline_ns = flow->table->now_ns + (is_lost ? STREAM_ACKED_HOLE_NS : STREAM_HOLE_NS);
	flow_wake(flow, side->deadline_ns);
	return 1;
}

// A packet has come in place of what is waited for. A side that goes on in order is late as a whole and has
// lost nothing: a NIC's queues, and taps, do not keep the order of the directions. And as long as nothing
// is kept from its reader, the other side's acknowledgements are no reason to give up.
static void
wait_count(struct stream *flow, enum stream_dir dir, struct hold_side *side, enum stream_dir from) {
	uint32_t limit = side->is_lost ? STREAM_REORDER_PACKETS : STREAM_ONE_SIDED_PACKETS;
	uint32_t next = flow->half[dir].next;

	if (side->wait_next != next) {
		side->wait_next = next;
		side->n_waited = 0;
	} else if (dir != from && !side->first && !flow_hold(flow)->side[from].first) {
		return;
	} else if (side->n_waited++ >= limit) {
		give_up(flow, dir, side->wait_seq);
		wait_update(flow, dir, side);
	}
}

void stream_passed(struct stream *flow, enum stream_dir from) {
	bool is_waiting = false;

	for (int dir = 0; dir < 2; dir++) {
		struct hold_side *side = &flow_hold(flow)->side[dir];

		if (wait_update(flow, dir, side))
			wait_count(flow, dir, side, from);
	}
	for (int dir = 0; dir < 2; dir++) {
		struct hold_side *side = &flow_hold(flow)->side[dir];
		is_waiting |= side->first || side->deadline_ns;
	}
	if (!is_waiting && !flow_hold(flow)->has_reuse && !flow_hold(flow)->has_reset)
		stream_drop(flow);
}

uint64_t stream_deadline(const struct stream *flow) {
	struct hold *hold = flow_hold(flow);
	uint64_t deadline = UINT64_MAX;

	for (int dir = 0; hold && dir < 2; dir++)
		if (hold->side[dir].deadline_ns && hold->side[dir].deadline_ns < deadline)
			deadline = hold->side[dir].deadline_ns;
	return deadline;
}

void stream_expire(struct stream *flow) {
	for (int dir = 0; dir < 2; dir++) {
		struct hold_side *side = &flow_hold(flow)->side[dir];

		if (!side->deadline_ns || side->deadline_ns > flow->table->now_ns)
			continue;
		give_up(flow, dir, side->wait_seq);
		// Whatever was not reached is waited for anew: a deadline that stays in the past would
		// be looked at for ever.
		side->deadline_ns = 0;
		wait_update(flow, dir, side);
	}
}

// What the other side has acknowledged was sent and received, so what is missing of it is a gap. One
// number alone beyond the end is a FIN that was not captured. Up to where dir is to be given up next: a hole, or
// the first held segment; next: nothing is left to do.
static uint32_t flush_target(const struct stream *flow, enum stream_dir dir) {
	const struct hold_side *side = &flow_hold(flow)->side[dir];
	uint32_t next = flow->half[dir].next;
	uint32_t to = side->acked;

	if (!side->has_acked || !seq_before(next, to) || (flow->half_flags[dir] & HALF_DONE))
		return next;
	if (!side->first)
		return to - next == 1 ? next : to;
	if (seq_before(next, side->first->seq))
		return seq_min(to, side->first->seq);
	return seq_min(to, side->first->seq + side->first->size);
}

// Whether what is to be flushed of the server comes before what is of the client: what came first goes first,
// and a hole before what answers it.
static bool server_is_next(const struct stream *flow) {
	const struct held *client = flow_hold(flow)->side[STREAM_CLIENT].first;
	const struct held *server = flow_hold(flow)->side[STREAM_SERVER].first;

	if (client && server)
		return seq_before(server->arrival, client->arrival);
	return client && client->has_after
		&& seq_before(flow->half[STREAM_SERVER].next, client->after);
}

static void flush_acked(struct stream *flow) {
	for (;;) {
		uint32_t client = flush_target(flow, STREAM_CLIENT);
		uint32_t server = flush_target(flow, STREAM_SERVER);
		bool is_client_left = client != flow->half[STREAM_CLIENT].next;
		bool is_server_left = server != flow->half[STREAM_SERVER].next;

		if (!is_client_left && !is_server_left)
			return;
		if (is_server_left && (!is_client_left || server_is_next(flow)))
			give_up(flow, STREAM_SERVER, server);
		else
			give_up(flow, STREAM_CLIENT, client);
	}
}

void stream_flush(struct stream *flow, bool is_reset) {
	struct hold *hold = flow_hold(flow);

	if (!hold || flow->state == FLOW_OPENING)
		return;
	flush_acked(flow);
	for (int dir = 0; dir < 2; dir++)
		doubt_drop(flow, dir, flow->half[dir].next, flow->half[dir].next + INT32_MAX);
	stream_drain(flow);
	while (!is_reset) {
		struct held *client = hold->side[STREAM_CLIENT].first;
		struct held *server = hold->side[STREAM_SERVER].first;
		enum stream_dir dir = STREAM_CLIENT;

		if (!client && !server)
			break;
		if (!client || (server && seq_before(server->arrival, client->arrival)))
			dir = STREAM_SERVER;
		if (flow->half_flags[dir] & HALF_DONE) {
			side_drop(flow, dir); // behind the FIN
			continue;
		}
		if (seq_before(flow->half[dir].next, hold->side[dir].first->seq))
			give_up(flow, dir, hold->side[dir].first->seq);
		else
			held_deliver(flow, dir);
		stream_drain(flow);
	}
	for (int dir = 0; dir < 2 && !is_reset; dir++)
		if (flow->half_flags[dir] & HALF_FIN)
			give_up(flow, dir, flow->half[dir].fin);
}
