// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The table of connections: keyed hash, linear probing, entries of eight bytes beside connections of
// three cache lines. Time passes with the packets, one packet at a time, so that nothing depends on
// how they were bundled.

#include "flow_private.h"
#include "limits.h"
#include "reserve.h"

#include <errno.h>
#include <stdlib.h>

static_assert(sizeof(struct flow_stats) >= FATES * sizeof(uint64_t));
static_assert(offsetof(struct flow_stats, segment_in_order) == FATE_IN_ORDER * sizeof(uint64_t));
static_assert(offsetof(struct flow_stats, segment_no_ack) == FATE_NO_ACK * sizeof(uint64_t));
static_assert(offsetof(struct flow_stats, segment_not_held) == FATE_NOT_HELD * sizeof(uint64_t));
static_assert(
	offsetof(struct flow_stats, segment_bad_checksum) == FATE_BAD_CHECKSUM * sizeof(uint64_t)
);

enum {
	// Connections with a reader that are looked at for one that has been quiet, when the table is
	// full of them.
	EVICT_LOOKS = 8,
	// A sixteenth of the table is for handshakes, whatever else it is full of.
	EVICT_RESERVE_SHARE = 16,
};

static size_t slots_needed(uint32_t n_flows) {
	size_t n = 64;

	while (n < 2 * (size_t)n_flows) // at most half full: a probe is short
		n *= 2;
	return n;
}

struct flow_table *flow_open(const struct flow_config *config) {
	struct flow_table *table = calloc(1, sizeof(*table));
	uint32_t n_flows = config->n_flows ? config->n_flows : FLOWS_DEFAULT;
	size_t held_size = config->held_size ? config->held_size : STREAM_POOL_SIZE_DEFAULT;
	size_t n_holds = held_size / sizeof(struct hold) / 4;

	if (!table)
		return NULL;
	table->n_flows = n_flows;
	table->held_size = held_size;
	table->handler = config->handler;
	table->overlap = config->overlap;
	table->urgent = config->urgent;
	table->realm_key = (config->realm_key ? config->realm_key : 0x9e3779b97f4a7c15) | 1;
	table->slots_size = slots_needed(n_flows) * sizeof(struct flow_slot);
	table->slot_mask = (uint32_t)(slots_needed(n_flows) - 1);
	if (n_holds > n_flows)
		n_holds = n_flows;
	table->slots = reserve_open(table->slots_size);
	table->latest_size = ((size_t)table->slot_mask + 1) * sizeof(*table->latest);
	table->latest = reserve_open(table->latest_size);
	table->addr6_size = n_flows * sizeof(*table->addr6);
	table->addr6 = reserve_open(table->addr6_size);
	table->odd_size = n_flows * sizeof(*table->odd);
	table->odd = reserve_open(table->odd_size);
	table->stamps_size = n_flows * sizeof(*table->stamps);
	table->stamps = reserve_open(table->stamps_size);
	table->pool = pool_open(sizeof(struct stream), n_flows);
	table->holds = pool_open(sizeof(struct hold), n_holds ? (uint32_t)n_holds : 1);
	table->slab = slab_open(held_size);
	table->recent = recent_open(config->recent_size);
	if (!table->slots || !table->latest || !table->addr6 || !table->odd || !table->stamps
	    || !table->pool || !table->holds || !table->slab || !table->recent) {
		int error = errno;
		flow_close(table);
		errno = error;
		return NULL;
	}
	table->flows = pool_at(table->pool, 1);
	wheel_init(&table->wheel, &table->flows->node, sizeof(struct stream));
	return table;
}

void flow_close(struct flow_table *table) {
	if (!table)
		return;
	recent_close(table->recent);
	slab_close(table->slab);
	pool_close(table->holds);
	pool_close(table->pool);
	if (table->addr6)
		reserve_close(table->addr6, table->addr6_size);
	if (table->odd)
		reserve_close(table->odd, table->odd_size);
	if (table->stamps)
		reserve_close(table->stamps, table->stamps_size);
	if (table->latest)
		reserve_close(table->latest, table->latest_size);
	if (table->slots)
		reserve_close(table->slots, table->slots_size);
	free(table);
}

const struct flow_stats *flow_stats(const struct flow_table *table) {
	return &table->stats;
}

const struct flow_moment *flow_moment(const struct flow_table *table) {
	return &table->moment;
}

static void moment_set(struct stream *flow, enum flow_moment_kind kind) {
	struct flow_table *table = flow->table;

	table->moment = (struct flow_moment
	){table->now_ns, flow->start_ns, flow->node.age, (uint32_t)kind};
}

void flow_counts(const struct flow_table *table, struct flow_counts *counts) {
	counts->opening = table->lists[CLASS_OPENING].n;
	counts->read = table->lists[CLASS_READER].n;
	counts->unread = table->lists[CLASS_QUIET].n;
	counts->closed = table->lists[CLASS_CLOSED].n;
}

uint32_t flow_n_open(const struct flow_table *table) {
	return pool_used(table->pool);
}

size_t flow_memsize(const struct flow_table *table) {
	return sizeof(*table) + table->slots_size + table->latest_size + table->addr6_size
		+ table->odd_size + table->stamps_size + pool_memsize(table->pool)
		+ pool_memsize(table->holds) + table->held_size + recent_memsize(table->recent);
}

// ---- Lists by class, in the order of coming into it

static void list_remove(struct stream *flow) {
	struct flow_table *table = flow->table;
	struct flow_list *list = &table->lists[flow->class];

	list->n--;
	if (flow->class_prev)
		flow_at(table, flow->class_prev)->class_next = flow->class_next;
	else
		list->first = flow->class_next;
	if (flow->class_next)
		flow_at(table, flow->class_next)->class_prev = flow->class_prev;
	else
		list->last = flow->class_prev;
}

static void list_append(struct stream *flow, enum flow_class class) {
	struct flow_table *table = flow->table;
	struct flow_list *list = &table->lists[class];
	uint32_t index = flow_index(table, flow);

	list->n++;
	flow->class = class & 3;
	flow->class_next = 0;
	flow->class_prev = list->last;
	if (list->last)
		flow_at(table, list->last)->class_next = index;
	else
		list->first = index;
	list->last = index;
}

static enum flow_class class_of(const struct stream *flow) {
	switch ((enum flow_state)flow->state) {
	case FLOW_OPENING:
		return CLASS_OPENING;
	case FLOW_CLOSED:
		return CLASS_CLOSED;
	default:
		return flow->flags & FLOW_HAS_READER ? CLASS_READER : CLASS_QUIET;
	}
}

// ---- Time

// When the connection has been silent for too long.
static uint64_t idle_ns(const struct stream *flow) {
	static const uint64_t timeouts[FLOW_STATES] = {
		[FLOW_OPENING] = FLOW_TIMEOUT_OPENING_NS,
		[FLOW_ESTABLISHED] = FLOW_TIMEOUT_ESTABLISHED_NS,
		[FLOW_CLOSING] = FLOW_TIMEOUT_CLOSING_NS,
		[FLOW_CLOSED] = FLOW_TIMEOUT_CLOSED_NS,
	};

	// Perhaps over already.
	if (flow->state == FLOW_ESTABLISHED && (flow->flags & FLOW_RESET_SEEN))
		return flow->last_ns + FLOW_TIMEOUT_CLOSING_NS;
	return flow->last_ns + timeouts[flow->state];
}

// When it has to be looked at next.
static uint64_t due_ns(const struct stream *flow) {
	uint64_t due = idle_ns(flow);

	if (flow->timer_ns && flow->timer_ns < due)
		due = flow->timer_ns;
	if (flow->hold && stream_deadline(flow) < due)
		due = stream_deadline(flow);
	return due;
}

void flow_wake(struct stream *flow, uint64_t at_ns) {
	struct wheel *wheel = &flow->table->wheel;
	uint32_t index = flow_index(flow->table, flow);

	// Out of the wheel it is being looked at, and goes back with what is due next. Packets only
	// ever put the moment off, which is seen when the earlier one comes: they touch no list.
	if (flow->node.slot == WHEEL_NONE || flow->node.due_ns <= at_ns)
		return;
	wheel_remove(wheel, index);
	wheel_add(wheel, index, at_ns);
}

void flow_settle(struct stream *flow) {
	enum flow_class class = class_of(flow);

	if (class != flow->class) {
		list_remove(flow);
		list_append(flow, class);
	}
	flow_wake(flow, due_ns(flow));
}

// ---- Finding, adding, removing

// Where in the table: by endpoints and realm. Multiply-shift under a secret odd key is universal
// (Dietzfelbinger 1996): whoever chooses realms cannot choose collisions.
static inline uint32_t
home_hash(const struct flow_table *table, uint32_t hash, uint32_t realm, bool is_any) {
	uint64_t both = (uint64_t)hash << 32 | (is_any ? UINT32_MAX : realm);

	return realm || is_any ? (uint32_t)(both * table->realm_key >> 32) : hash;
}

static inline uint32_t pkt_home(const struct flow_table *table, const struct pkt *pkt) {
	return home_hash(table, pkt->hash, pkt->realm, false);
}

static uint32_t flow_home(const struct stream *flow) {
	return home_hash(
		flow->table, flow->hash, flow->realm, (flow->flags & FLOW_TWO_REALMS) != 0
	);
}

// Whether dir of a connection over IPv4 sent the packet.
static inline bool
is_sender_v4(const struct stream *flow, enum stream_dir dir, const struct pkt *pkt) {
	uint32_t addr[2];

	memcpy(addr, pkt->addr, sizeof(addr));
	return flow->addr4[dir] == addr[0] && flow->addr4[!dir] == addr[1]
		&& flow->port[dir] == pkt->port[0] && flow->port[!dir] == pkt->port[1];
}

static inline bool
has_ends_v4(const struct stream *flow, const struct pkt *pkt, enum stream_dir *dir) {
	*dir = STREAM_CLIENT;
	if (is_sender_v4(flow, STREAM_CLIENT, pkt))
		return true;
	*dir = STREAM_SERVER;
	return is_sender_v4(flow, STREAM_SERVER, pkt);
}

static inline bool
has_ends_v6(const struct stream *flow, const struct pkt *pkt, enum stream_dir *dir) {
	const uint8_t *addr = flow->table->addr6[flow_index(flow->table, flow) - 1];

	for (int i = 0; i < 2; i++) {
		*dir = i;
		if (flow->port[i] == pkt->port[0] && flow->port[!i] == pkt->port[1]
		    && memcmp(addr + 16 * i, pkt->addr, 16) == 0
		    && memcmp(addr + 16 * !i, pkt->addr + 16, 16) == 0)
			return true;
	}
	return false;
}

// Whether the flow has the packet's endpoints, and which of them sent it.
static inline bool
has_ends(const struct stream *flow, const struct pkt *pkt, enum stream_dir *dir) {
	if (flow->is_6 != (pkt->family == 6))
		return false;
	return pkt->family == 4 ? has_ends_v4(flow, pkt, dir) : has_ends_v6(flow, pkt, dir);
}

// is_any: among those that have their directions in two realms.
static inline struct stream *
find_in(const struct flow_table *table,
	const struct pkt *pkt,
	uint32_t hash, // home_hash()
	bool is_any,
	enum stream_dir *dir) {
	for (uint32_t i = hash & table->slot_mask; table->slots[i].index;
	     i = (i + 1) & table->slot_mask) {
		struct stream *flow;
		if (table->slots[i].hash != hash)
			continue;
		flow = flow_at(table, table->slots[i].index);
		if (((flow->flags & FLOW_TWO_REALMS) != 0) != is_any || !has_ends(flow, pkt, dir))
			continue;
		if (flow->realm == pkt->realm || (flow->half_flags[*dir] & HALF_ANY_REALM))
			return flow;
	}
	return NULL;
}

static void slot_add(struct flow_table *table, uint32_t hash, uint32_t index) {
	uint32_t i = hash & table->slot_mask;

	while (table->slots[i].index)
		i = (i + 1) & table->slot_mask;
	table->slots[i] = (struct flow_slot){.hash = hash, .index = index};
}

// Entries behind the hole move into it unless that is before their home: no tombstones, and the
// table is as if the connection had never been.
static void slot_remove(struct flow_table *table, uint32_t hash, uint32_t index) {
	uint32_t mask = table->slot_mask, hole = hash & mask, i;

	while (table->slots[hole].index != index)
		hole = (hole + 1) & mask;
	for (i = (hole + 1) & mask; table->slots[i].index; i = (i + 1) & mask) {
		uint32_t home = table->slots[i].hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole].index = 0;
}

// The latest connection with the packet's endpoints: those without a realm are in the table by their hash.
static struct stream *latest_in_realm(struct flow_table *table, const struct pkt *pkt) {
	uint32_t index = table->latest[pkt->hash & table->slot_mask];
	struct pkt plain = *pkt;
	enum stream_dir dir;

	if (index && has_ends(flow_at(table, index), pkt, &dir))
		return flow_at(table, index);
	plain.realm = 0;
	return find_in(table, &plain, pkt->hash, false, &dir);
}

// The connection of another realm that the segment answers, NULL when there is none. Among connections
// with the same endpoints the latest; one that has been answered in its own realm is none.
static struct stream *__attribute__((noinline))
find_unanswered(struct flow_table *table, const struct pkt *pkt, enum stream_dir *dir) {
	enum { SEQ_NEAR = 1 << 20 };
	struct stream *flow = latest_in_realm(table, pkt);
	uint32_t index = flow ? flow_index(table, flow) : 0;
	int32_t ahead;

	if (!(pkt->flags & TCP_ACK) || !flow || flow->realm == pkt->realm
	    || (flow->flags & FLOW_TWO_REALMS) || flow->state == FLOW_CLOSED
	    || !has_ends(flow, pkt, dir))
		return NULL;
	if (flow->half[*dir].n_packets || !(flow->half_flags[!*dir] & HALF_SYNCED))
		return NULL;
	ahead = seq_diff(pkt->ack, flow->half[!*dir].next);
	if (ahead > SEQ_NEAR || ahead < -SEQ_NEAR)
		return NULL;
	slot_remove(table, flow_home(flow), index);
	flow->flags |= FLOW_TWO_REALMS;
	flow->half_flags[*dir] |= HALF_ANY_REALM;
	slot_add(table, flow_home(flow), index);
	table->n_two_realms++;
	table->stats.flow_two_realms++;
	return flow;
}

static inline struct stream *
find(struct flow_table *table, const struct pkt *pkt, uint32_t home, enum stream_dir *dir) {
	struct stream *flow = find_in(table, pkt, home, false, dir);

	if (!flow && table->n_two_realms)
		flow = find_in(
			table, pkt, home_hash(table, pkt->hash, pkt->realm, true), true, dir
		);
	if (!flow && (table->n_realms || pkt->realm))
		return find_unanswered(table, pkt, dir);
	return flow;
}

// All of a connection but its place in the table.
static void release(struct stream *flow) {
	struct flow_table *table = flow->table;
	uint32_t index = flow_index(table, flow);

	stream_drop(flow);
	wheel_remove(&table->wheel, index);
	list_remove(flow);
	table->n_two_realms -= (flow->flags & FLOW_TWO_REALMS) != 0;
	table->n_realms -= flow->realm != 0;
	if (flow->realm && table->latest[flow->hash & table->slot_mask] == index)
		table->latest[flow->hash & table->slot_mask] = 0;
	pool_put(table->pool, flow);
}

static void forget(struct stream *flow) {
	slot_remove(flow->table, flow_home(flow), flow_index(flow->table, flow));
	release(flow);
}

// The class that gives one up, CLASS_READER when there is nobody else. So many half-open connections,
// and established ones of which nothing has been heard, stay as long as there are more of the others: who fills
// the table with handshakes that he completes must not push out those that begin.
static enum flow_class evict_from(const struct flow_table *table) {
	uint32_t reserve = table->n_flows / EVICT_RESERVE_SHARE;

	if (table->lists[CLASS_OPENING].n > reserve)
		return CLASS_OPENING;
	if (table->lists[CLASS_CLOSED].n)
		return CLASS_CLOSED;
	if (table->lists[CLASS_QUIET].n > reserve)
		return CLASS_QUIET;
	if (table->lists[CLASS_OPENING].n)
		return CLASS_OPENING;
	return table->lists[CLASS_QUIET].n ? CLASS_QUIET : CLASS_READER;
}

// Makes room for one connection, if one that matters less is there.
static bool evict(struct flow_table *table) {
	enum flow_class class = evict_from(table);
	struct stream *flow;

	if (class != CLASS_READER) {
		flow = flow_at(table, table->lists[class].first);
		tcp_close(flow, STREAM_END_EVICTED);
		forget(flow);
		return true;
	}
	for (int i = 0; i < EVICT_LOOKS; i++) {
		flow = flow_at(table, table->lists[CLASS_READER].first);
		if (!(flow->flags & FLOW_ACTIVE)) {
			tcp_close(flow, STREAM_END_EVICTED);
			forget(flow);
			return true;
		}
		flow->flags &= (uint8_t)~FLOW_ACTIVE;
		list_remove(flow);
		list_append(flow, CLASS_READER);
	}
	return false;
}

// Which end of a connection that began before the capture is the server: the one with a mail port,
// else with the lower port.
static bool server_is_first(const uint16_t port[2]) {
	static const uint16_t mail[] = {25, 110, 143, 465, 587, 993, 995, 4190};
	bool is_mail[2] = {false, false};

	for (int end = 0; end < 2; end++)
		for (size_t i = 0; i < sizeof(mail) / sizeof(*mail); i++)
			is_mail[end] |= port[end] == mail[i];
	if (is_mail[0] != is_mail[1])
		return is_mail[0];
	return port[0] < port[1];
}

// A connection for the segment, which may be sent by either end.
static struct stream *add(struct flow_table *table, const struct pkt *pkt, enum stream_dir *dir) {
	size_t size = pkt->family == 4 ? 4 : 16;
	struct stream *flow;
	uint32_t index;

	if (pool_used(table->pool) == table->n_flows && !evict(table)) {
		table->stats.flow_refused++;
		return NULL;
	}
	flow = pool_get(table->pool);
	index = flow_index(table, flow);
	flow->table = table;
	flow->start_ns = flow->last_ns = table->now_ns;
	flow->is_6 = pkt->family == 6;
	flow->realm = pkt->realm;
	flow->hash = pkt->hash;
	flow->wscale[0] = flow->wscale[1] = WSCALE_ABSENT;
	flow->node.age = pkt->number;
	if ((pkt->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		flow->flags = FLOW_ROLES_GUESSED;
	if (!(pkt->flags & TCP_SYN))
		flow->flags |= FLOW_MIDSTREAM;
	if (pkt->flags & TCP_SYN)
		*dir = pkt->flags & TCP_ACK ? STREAM_SERVER : STREAM_CLIENT;
	else
		*dir = server_is_first(pkt->port) ? STREAM_SERVER : STREAM_CLIENT;
	memcpy(flow_addr(flow) + *dir * size, pkt->addr, size);
	memcpy(flow_addr(flow) + !*dir * size, pkt->addr + size, size);
	flow->port[*dir] = pkt->port[0];
	flow->port[!*dir] = pkt->port[1];
	table->stats.flow_opened++;
	if (flow->flags & FLOW_MIDSTREAM) {
		table->stats.flow_midstream++;
		stream_say(flow, STREAM_EVENT_midstream);
	}
	list_append(flow, class_of(flow));
	slot_add(table, flow_home(flow), index);
	if (flow->realm)
		table->latest[flow->hash & table->slot_mask] = index;
	table->n_realms += flow->realm != 0;
	wheel_add(&table->wheel, index, due_ns(flow));
	return flow;
}

// ---- Running

static void look(struct flow_table *table, uint32_t index) {
	struct stream *flow = flow_at(table, index);
	uint64_t timer_ns = flow->timer_ns;

	if (table->now_ns < flow->node.due_ns)
		table->now_ns = flow->node.due_ns;
	moment_set(flow, FLOW_MOMENT_TIMER);
	if (timer_ns && timer_ns <= table->now_ns) {
		flow->timer_ns = 0;
		if (flow->reader)
			table->handler.timer(flow->reader, timer_ns);
	}
	if (flow->hold)
		stream_expire(flow);
	if (idle_ns(flow) <= table->now_ns) {
		tcp_close(flow, STREAM_END_TIMEOUT);
		forget(flow);
		return;
	}
	// Everything due has been seen to. Should something have been left, time goes on all the same.
	uint64_t due = due_ns(flow);
	wheel_add(&table->wheel, index, due > table->now_ns ? due : table->now_ns + WHEEL_TICK_NS);
}

void flow_advance(struct flow_table *table, uint64_t now_ns) {
	uint32_t index;

	while ((index = wheel_pop(&table->wheel, now_ns)))
		look(table, index);
	if (table->now_ns < now_ns)
		table->now_ns = now_ns;
}

// What a segment of no known connection is worth: a SYN or data begin one, the rest is over.
static enum fate stranger(const struct pkt *pkt) {
	if (!(pkt->flags & TCP_RST) && (pkt->flags & TCP_SYN))
		return FATES;
	if (!pkt->payload_size && !pkt->missing_size)
		return FATE_NO_DATA;
	if ((pkt->flags & TCP_RST) || !(pkt->flags & TCP_ACK))
		return FATE_NO_ACK;
	return FATES;
}

// *flow_r: the connection the segment is of, if it is known; then the one that it was of in the end.
static enum fate segment_take(
	struct flow_table *table,
	const struct pkt *pkt,
	enum stream_dir dir,
	struct stream **flow_r
) {
	struct stream *flow = *flow_r;
	enum fate fate;
	uint64_t last_ns;

	if (flow && !tcp_checksum_holds(flow, dir, pkt)) {
		tcp_doubtful(flow, dir, pkt);
		return FATE_BAD_CHECKSUM;
	}
	if (pkt->has_stamp && flow && tcp_stamp_is_old(flow, dir, pkt)) {
		stream_say(flow, STREAM_EVENT_old_timestamp);
		tcp_doubtful(flow, dir, pkt);
		return FATE_OLD_STAMP;
	}
	if (flow && flow->state == FLOW_CLOSED && (pkt->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		forget(flow);
		flow = NULL;
	}
	for (;;) {
		if (!flow) {
			*flow_r = NULL;
			fate = stranger(pkt);
			if (fate != FATES)
				return fate;
			flow = *flow_r = add(table, pkt, &dir);
			if (!flow)
				return pkt->payload_size ? FATE_NO_FLOW : FATE_NO_DATA;
			tcp_checksum_holds(flow, dir, pkt);
		}
		last_ns = flow->last_ns;
		flow->last_ns = table->now_ns;
		flow->flags |= FLOW_ACTIVE;
		fate = tcp_segment(flow, dir, pkt);
		if (fate != FATE_OTHER_CONNECTION)
			return fate;
		// The packet is not of this connection, whose hosts have forgotten it.
		flow->last_ns = last_ns;
		tcp_close(flow, STREAM_END_RESET);
		forget(flow);
		flow = NULL;
	}
}

static inline enum fate segment_next(
	struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
) {
	flow->last_ns = table->now_ns;
	flow->flags |= FLOW_ACTIVE;
	return tcp_expected(table, flow, dir, pkt);
}

static enum fate __attribute__((noinline))
segment_slowly(struct flow_table *table, const struct pkt *pkt, uint32_t home) {
	enum stream_dir dir = STREAM_CLIENT;
	struct stream *flow = find(table, pkt, home, &dir);
	enum fate fate;

	if (flow && tcp_is_expected(table, flow, dir, pkt))
		return segment_next(table, flow, dir, pkt);
	fate = segment_take(table, pkt, dir, &flow);
	if (flow)
		flow->is_steady = tcp_is_steady(flow);
	return fate;
}

// Takes the segment of dir if it is the next one; FATES: it is not.
static inline __attribute__((always_inline)) enum fate segment_next_v4(
	struct flow_table *table,
	struct stream *flow,
	enum stream_dir dir,
	const struct pkt *pkt
) {
	if (!is_sender_v4(flow, dir, pkt) || !tcp_is_next(flow, dir, pkt)
	    || !(flow->half_flags[dir] & HALF_RIGHT))
		return FATES;
	if (pkt->has_stamp && !tcp_stamp_take(table, flow, dir, pkt))
		return FATES;
	return segment_next(table, flow, dir, pkt);
}

// Most segments are the next ones of connections over IPv4 that are found at once. Each direction has code of its
// own, told apart by the ports; where both are the same it may be the wrong one, and the segment goes the other way.
static inline enum fate segment(struct flow_table *table, const struct pkt *pkt, uint32_t home) {
	struct flow_slot slot = table->slots[home & table->slot_mask];
	enum fate fate = FATES;

	if (slot.hash == home && slot.index) {
		struct stream *flow = flow_at(table, slot.index);

		if (!flow->is_steady || flow->is_6 || flow->realm != pkt->realm
		    || !pkt_is_plain_v4(pkt))
			return segment_slowly(table, pkt, home);
		if (flow->port[STREAM_CLIENT] == pkt->port[0])
			fate = segment_next_v4(table, flow, STREAM_CLIENT, pkt);
		else
			fate = segment_next_v4(table, flow, STREAM_SERVER, pkt);
	}
	return fate != FATES ? fate : segment_slowly(table, pkt, home);
}

// The first entry that can be the segment's: its connection is fetched while others are worked on.
static inline void prefetch_flow(const struct flow_table *table, uint32_t home) {
	struct flow_slot slot = table->slots[home & table->slot_mask];

	if (slot.hash != home || !slot.index)
		return;
	__builtin_prefetch(flow_at(table, slot.index));
	__builtin_prefetch((const uint8_t *)flow_at(table, slot.index) + 64);
}

void flow_run(struct flow_table *table, const struct pkt *pkts, int n) {
	uint32_t homes[BURST_MAX];

	for (int i = 0; i < n; i++) {
		homes[i] = pkt_home(table, &pkts[i]);
		__builtin_prefetch(&table->slots[homes[i] & table->slot_mask]);
	}
	for (int i = 0; i < n; i++)
		prefetch_flow(table, homes[i]);
	table->moment = (struct flow_moment){.kind = FLOW_MOMENT_FRAME};
	for (int i = 0; i < n; i++) {
		// What flow_advance() does; mostly nothing is due.
		if (pkts[i].time_ns >= table->wheel.next_ns) {
			flow_advance(table, pkts[i].time_ns);
			table->moment = (struct flow_moment){.kind = FLOW_MOMENT_FRAME};
		} else if (table->now_ns < pkts[i].time_ns) {
			table->now_ns = pkts[i].time_ns;
		}
		table->moment.time_ns = table->now_ns;
		table->moment.number = pkts[i].number;
		table->fates[segment(table, &pkts[i], homes[i])]++;
	}
}

static int compare_age(const void *a, const void *b, void *ctx) {
	const struct flow_table *table = ctx;
	const struct stream *left = flow_at(table, *(const uint32_t *)a);
	const struct stream *right = flow_at(table, *(const uint32_t *)b);

	if (left->start_ns != right->start_ns)
		return left->start_ns < right->start_ns ? -1 : 1;
	return (int32_t)(left->node.age - right->node.age) < 0 ? -1 : 1;
}

// Nobody is looked for any more: the slots are where the connections are sorted.
void flow_end(struct flow_table *table) {
	uint32_t *order = (uint32_t *)table->slots;
	size_t n = 0;

	for (int class = 0; class < CLASSES; class ++)
		for (uint32_t i = table->lists[class].first; i; i = flow_at(table, i)->class_next)
			order[n++] = i;
	qsort_r(order, n, sizeof(*order), compare_age, table);
	for (size_t i = 0; i < n; i++) {
		struct stream *flow = flow_at(table, order[i]);

		moment_set(flow, FLOW_MOMENT_END);
		tcp_close(flow, STREAM_END_INPUT);
		release(flow);
	}
	reserve_clear(table->slots, table->slots_size);
}
