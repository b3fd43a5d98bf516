// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A ring is one of bytes: a head and a copied frame behind each other, in one piece each. What does not fit
// before the ring's end begins at its start, and a head without a frame says so.

#include "exchange.h"

#include "limits.h"
#include "reserve.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct item {
	uint64_t time_ns;
	uint32_t size, wire_size;
	uint8_t link, is_checked, is_skip;
	uint8_t unused[5];
};

enum { ALIGN = 32 };

static_assert(sizeof(struct item) <= ALIGN);
static_assert(EXCHANGE_RING_SIZE % ALIGN == 0);
static_assert(EXCHANGE_RING_SIZE >= 2 * (FRAME_SIZE_MAX + 2 * ALIGN));

struct ring {
	uint8_t *bytes;
	// line: the writer's
	alignas(64) _Atomic uint64_t head;
	uint64_t tail_seen;
	uint64_t n_handed, n_full;
	// line: the reader's
	alignas(64) _Atomic uint64_t tail;
	uint64_t next; // behind what was taken; given back with the next call
};

struct exchange {
	int n_workers;
	_Atomic int n_left;
	struct ring *rings; // [from * n_workers + to]
	uint8_t *bytes; // of all rings
	uint8_t owners[EXCHANGE_OWNERS];
};

static struct ring *ring_at(const struct exchange *x, int from, int to) {
	return &x->rings[from * x->n_workers + to];
}

// ---- Whose it is

// Words in the byte order of this host.
static uint16_t words_fold(const uint8_t *data, size_t size) {
	uint64_t sum = 0, word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		sum ^= word;
	}
	sum ^= sum >> 32;
	return (uint16_t)(sum ^ sum >> 16);
}

int exchange_owner(const struct exchange *x, const struct pkt *pkt, bool is_fragment) {
	uint16_t sum = words_fold(pkt->addr, pkt->family == 4 ? 8 : 32);

	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		sum = __builtin_bswap16(sum);
	if (!is_fragment)
		sum ^= pkt->port[0] ^ pkt->port[1];
	return x->owners[sum];
}

// ---- Giving

// Room for size bytes in one piece, or NULL.
static uint8_t *room_get(struct ring *ring, uint64_t *head, uint32_t size) {
	uint64_t at = *head % EXCHANGE_RING_SIZE;
	uint64_t skip = EXCHANGE_RING_SIZE - at < size ? EXCHANGE_RING_SIZE - at : 0;

	if (*head + skip + size - ring->tail_seen > EXCHANGE_RING_SIZE) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (*head + skip + size - ring->tail_seen > EXCHANGE_RING_SIZE)
			return NULL;
	}
	if (skip)
		memcpy(ring->bytes + at, &(struct item){.is_skip = 1}, sizeof(struct item));
	*head += skip;
	return ring->bytes + *head % EXCHANGE_RING_SIZE;
}

static void ring_put(struct ring *ring, const struct frame *frame) {
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t size = (ALIGN + frame->size + ALIGN - 1) / ALIGN * ALIGN;
	uint8_t *to = room_get(ring, &head, size);
	struct item item = {
		.time_ns = frame->time_ns,
		.size = frame->size,
		.wire_size = frame->wire_size,
		.link = frame->link,
		.is_checked = frame->is_checked,
	};

	ring->n_handed++;
	if (!to) {
		ring->n_full++;
		return;
	}
	memcpy(to, &item, sizeof(item));
	memcpy(to + ALIGN, frame->data, frame->size);
	atomic_store_explicit(&ring->head, head + size, memory_order_release);
}

bool exchange_give(
	struct exchange *x,
	int worker,
	const struct frame *frame,
	const struct pkt *pkt,
	bool is_fragment
) {
	int owner = exchange_owner(x, pkt, is_fragment);

	if (owner == worker)
		return false;
	ring_put(ring_at(x, worker, owner), frame);
	return true;
}

// ---- Taking

static int ring_get(struct ring *ring, struct frame *frames, int max) {
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	int n = 0;

	while (ring->next != head && n < max) {
		const uint8_t *at = ring->bytes + ring->next % EXCHANGE_RING_SIZE;
		struct item item;

		memcpy(&item, at, sizeof(item));
		if (item.is_skip) {
			ring->next += EXCHANGE_RING_SIZE - ring->next % EXCHANGE_RING_SIZE;
			continue;
		}
		frames[n++] = (struct frame){
			.data = at + ALIGN,
			.time_ns = item.time_ns,
			.size = item.size,
			.wire_size = item.wire_size,
			.link = item.link,
			.is_checked = item.is_checked,
		};
		ring->next += (ALIGN + item.size + ALIGN - 1) / ALIGN * ALIGN;
	}
	return n;
}

int exchange_take(struct exchange *x, int worker, struct frame *frames, int max) {
	int n = 0;

	for (int from = 0; from < x->n_workers; from++) {
		struct ring *ring = ring_at(x, from, worker);

		if (from == worker)
			continue;
		if (atomic_load_explicit(&ring->tail, memory_order_relaxed) != ring->next)
			atomic_store_explicit(&ring->tail, ring->next, memory_order_release);
		n += ring_get(ring, frames + n, max - n);
	}
	return n;
}

void exchange_leave(struct exchange *x, int) {
	atomic_fetch_add_explicit(&x->n_left, 1, memory_order_release);
}

bool exchange_is_over(const struct exchange *x) {
	return atomic_load_explicit(&x->n_left, memory_order_acquire) == x->n_workers;
}

// ---- Opening, counting, closing

static size_t bytes_size(int n_workers) {
	return (size_t)n_workers * (size_t)n_workers * EXCHANGE_RING_SIZE;
}

struct exchange *exchange_open(const struct exchange_config *config) {
	size_t n = (size_t)config->n_workers * (size_t)config->n_workers;
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->n_workers = config->n_workers;
	memcpy(x->owners, config->owners, sizeof(x->owners));
	x->rings = aligned_alloc(64, n * sizeof(*x->rings));
	x->bytes = reserve_open(bytes_size(x->n_workers));
	if (!x->rings || !x->bytes) {
		exchange_close(x);
		errno = ENOMEM;
		return NULL;
	}
	memset(x->rings, 0, n * sizeof(*x->rings));
	for (size_t i = 0; i < n; i++)
		x->rings[i].bytes = x->bytes + i * EXCHANGE_RING_SIZE;
	return x;
}

void exchange_stats(const struct exchange *x, struct exchange_stats *stats) {
	*stats = (struct exchange_stats){0};
	for (int i = 0; i < x->n_workers * x->n_workers; i++) {
		stats->handed += x->rings[i].n_handed;
		stats->ring_full += x->rings[i].n_full;
	}
}

size_t exchange_memsize(const struct exchange *x) {
	size_t n = (size_t)x->n_workers;

	// A worker hands nothing to itself; that part of the space is never touched.
	return sizeof(*x) + n * n * sizeof(*x->rings) + bytes_size(x->n_workers)
		- n * EXCHANGE_RING_SIZE;
}

void exchange_close(struct exchange *x) {
	if (!x)
		return;
	if (x->bytes)
		reserve_close(x->bytes, bytes_size(x->n_workers));
	free(x->rings);
	free(x);
}
