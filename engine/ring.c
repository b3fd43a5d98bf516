// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Positions count bytes since the start and never wrap in practice (2⁶⁴). A message lies in one piece:
// where it would cross the end of the buffer, a filler takes the rest.
//
//   | header | message … pad to 8 | header | … | filler        |
//     size, is_filler

#include "ring.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct header {
	uint32_t size; // of the message, without padding
	uint32_t is_filler;
};

struct ring {
	// line 0: written by the writer
	alignas(64) _Atomic uint64_t head;
	uint64_t tail_seen; // last value of tail the writer has read
	uint64_t pending; // head after the message reserved
	// line 1: written by the reader
	alignas(64) _Atomic uint64_t tail;
	// line 2: fixed, but for the last word
	alignas(64) uint8_t *buffer;
	size_t size;
	_Atomic bool is_finished;
};

struct ring *ring_open(size_t size) {
	struct ring *ring = aligned_alloc(64, sizeof(*ring));
	size_t rounded = 4096;

	while (rounded < size)
		rounded *= 2;
	if (!ring)
		return NULL;
	*ring = (struct ring){.buffer = malloc(rounded), .size = rounded};
	if (!ring->buffer) {
		free(ring);
		errno = ENOMEM;
		return NULL;
	}
	return ring;
}

void ring_close(struct ring *ring) {
	if (!ring)
		return;
	free(ring->buffer);
	free(ring);
}

static struct header *header_at(const struct ring *ring, uint64_t position) {
	return (struct header *)(ring->buffer + (position & (ring->size - 1)));
}

static size_t span(size_t size) {
	return sizeof(struct header) + (size + 7) / 8 * 8;
}

void *ring_reserve(struct ring *ring, size_t size) {
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t to_end = ring->size - (head & (ring->size - 1));
	size_t filler = to_end < span(size) ? to_end : 0;

	if (head + filler + span(size) - ring->tail_seen > ring->size) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head + filler + span(size) - ring->tail_seen > ring->size)
			return NULL;
	}
	if (filler) {
		*header_at(ring, head)
			= (struct header){(uint32_t)(filler - sizeof(struct header)), true};
		head += filler;
	}
	*header_at(ring, head) = (struct header){(uint32_t)size, false};
	ring->pending = head + span(size);
	return header_at(ring, head) + 1;
}

void ring_send(struct ring *ring) {
	atomic_store_explicit(&ring->head, ring->pending, memory_order_release);
}

void ring_finish(struct ring *ring) {
	atomic_store_explicit(&ring->is_finished, true, memory_order_release);
}

double ring_fill(const struct ring *ring) {
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	return (double)(head - tail) / (double)ring->size;
}

const void *ring_peek(struct ring *ring, size_t *size_r) {
	for (;;) {
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
		if (tail == atomic_load_explicit(&ring->head, memory_order_acquire))
			return NULL;
		const struct header *header = header_at(ring, tail);
		if (!header->is_filler) {
			*size_r = header->size;
			return header + 1;
		}
		atomic_store_explicit(&ring->tail, tail + span(header->size), memory_order_release);
	}
}

void ring_drop(struct ring *ring) {
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	atomic_store_explicit(
		&ring->tail, tail + span(header_at(ring, tail)->size), memory_order_release
	);
}

int ring_is_finished(const struct ring *ring) {
	// Finished first: what was sent before it is then seen.
	return atomic_load_explicit(&ring->is_finished, memory_order_acquire)
		&& atomic_load_explicit(&ring->head, memory_order_acquire)
		== atomic_load_explicit(&ring->tail, memory_order_relaxed);
}
