// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Workers whose sources are the queues of a NIC: each packet that did not come to the worker of its connection is
// handed to it. The NIC hashes what stands in front: of a fragment no ports, of a tunnel its ends, of tags it
// does not know nothing. What is inside decides here, by the same hash and the same table.
//
//             worker 0   worker 1   worker 2
//   queue 0      ·      ─▶ ring ─▶   ring        a ring for each ordered pair: one writer, one reader,
//   queue 1     ring        ·        ring        no locks
//   queue 2     ring       ring       ·
//
// Under a key that repeats every 16 bits (port/rss.h) the hash of a tuple depends on the sum (xor) of its 16-bit words
// alone, so that a table of 65,536 places has the queue for each. The owner of a segment is that of
// its addresses and ports; of a fragment, which a NIC hashes without ports, that of its addresses alone: all
// fragments of a datagram meet, on whatever queues they came.
//
// A ring that is full costs the packet (ring_full): workers that waited for each other might wait for ever.
// Between two rings, and between a ring and a queue, order is that of arrival at the worker; what a stream
// allows for the queues of a NIC covers that (limits.h, STREAM_REORDER_PACKETS).

#pragma once

#include "pkt.h"
#include "source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXCHANGE_OWNERS = 65536 };

struct exchange_config {
	int n_workers;
	// EXCHANGE_OWNERS places: the worker, less than n_workers, for each sum of words. Copied.
	const uint8_t *owners;
};

struct exchange_stats {
	uint64_t handed; // packets that came to another worker than their connection's
	uint64_t ring_full; // of these, lost
};

struct exchange;

// Reserves all memory. NULL and errno when the system refuses.
struct exchange *exchange_open(const struct exchange_config *config);
// Accepts NULL.
void exchange_close(struct exchange *exchange);

// ---- Each called by the thread of that worker alone

// Whose the packet is: of a segment, or, when is_fragment, of the datagram it is part of.
int exchange_owner(const struct exchange *exchange, const struct pkt *pkt, bool is_fragment);
// True: the frame is another worker's, and was copied to it, or lost. False: it is this one's.
bool exchange_give(
	struct exchange *exchange,
	int worker,
	const struct frame *frame,
	const struct pkt *pkt,
	bool is_fragment
);
// Frames that others have handed to it, at most max; they stay until the next call.
int exchange_take(struct exchange *exchange, int worker, struct frame *frames, int max);
// It gives no more; it may still take. Also for a worker that was never started, by whoever knows.
void exchange_leave(struct exchange *exchange, int worker);
// Whether all have left: when nothing can be taken after that, nothing will come.
bool exchange_is_over(const struct exchange *exchange);

// ---- Any thread

void exchange_stats(const struct exchange *exchange, struct exchange_stats *stats);
size_t exchange_memsize(const struct exchange *exchange);
