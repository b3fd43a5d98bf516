// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A lane is a ring of slots, each a burst of frames, and a ring of bytes for those that had to be
// copied; the bytes of a slot are free again with the slot. One writer, one reader, no locks.

#include "distribute.h"

#include "limits.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	// Bursts that may wait in a lane: enough work to sleep over while it is done, so that threads
	// that share cores take turns seldom (with 128, who reads took a third longer).
	SLOTS = 512,
	// Between marks while a mapped capture is read: slots go out full, mostly. All of a round may
	// be one worker's, and it must fit: workers whose results wait for each other's marks would
	// never go on.
	ROUND_BURSTS = 4, // for each worker
	ROUND_BURSTS_MAX = SLOTS / 4,
	// Copied bytes that may wait in a lane; the largest frame many times.
	LANE_BYTES = 8 << 20,
	// Looks at a lane that has nothing, or no room, before the thread yields, and before it sleeps.
	SPINS = 64,
	YIELDS = 8,
	SLEEP_NS = 50000,
	PAUSE_BURSTS = 1024,
};

static_assert(LANE_BYTES >= 4 * FRAME_SIZE_MAX);

struct slot {
	struct frame frames[BURST_MAX];
	int n;
	bool is_end;
	uint32_t number; // the mark: all frames of this lane up to it are in this slot or before
	uint64_t now_ns;
	uint64_t bytes_end; // position behind its copied bytes
};

struct lane {
	struct source source; // first: what the worker reads
	struct slot *slots;
	uint8_t *bytes;
	// line: written by the distributor
	alignas(64) _Atomic uint64_t head; // slots sent
	uint64_t tail_seen;
	uint64_t bytes_head, bytes_tail; // bytes_tail: as of the slots up to tail_seen
	// line: written by the worker
	alignas(64) _Atomic uint64_t tail; // slots given back
	bool is_reading; // the slot at tail is being read
};

struct distributor {
	struct distribute_config config;
	struct distribute_stats stats;
	struct decode_config decode; // without checksums
	struct defrag *defrag;
	uint32_t n_numbered;
	uint64_t now_ns;
	int n_round; // frames since the last marks
	struct lane *lanes;
};

static void spin(void) {
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void backoff(int *n) {
	const struct timespec rest = {.tv_nsec = SLEEP_NS};

	if (*n < SPINS)
		spin();
	else if (*n < SPINS + YIELDS)
		sched_yield();
	else
		nanosleep(&rest, NULL);
	*n += *n < SPINS + YIELDS;
}

// ---- The worker's side

static int lane_burst(struct source *source, struct frame *frames, int) {
	struct lane *lane = (struct lane *)source;
	uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
	const struct slot *slot;
	int n_looks = 0;

	if (lane->is_reading)
		atomic_store_explicit(&lane->tail, ++tail, memory_order_release);
	lane->is_reading = false;
	while (atomic_load_explicit(&lane->head, memory_order_acquire) == tail)
		backoff(&n_looks);
	slot = &lane->slots[tail % SLOTS];
	if (slot->is_end)
		return SOURCE_END;
	lane->is_reading = true;
	memcpy(frames, slot->frames, (size_t)slot->n * sizeof(*frames));
	source->now_ns = slot->now_ns;
	source->number = slot->number;
	return slot->n;
}

// ---- The distributor's side

// The slot that is being filled. Before the first frame of a slot there may have to be waited for it.
static struct slot *slot_filling(const struct lane *lane) {
	return &lane->slots[atomic_load_explicit(&lane->head, memory_order_relaxed) % SLOTS];
}

// What the worker has given back is seen; its bytes are free.
static void tail_look(struct lane *lane) {
	uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_acquire);

	if (tail == lane->tail_seen)
		return;
	lane->tail_seen = tail;
	lane->bytes_tail = lane->slots[(tail - 1) % SLOTS].bytes_end;
}

static bool has_slot(struct lane *lane) {
	return atomic_load_explicit(&lane->head, memory_order_relaxed) - lane->tail_seen
		< SLOTS - 1; // one is being filled
}

// Sends the slot with the mark, and waits until there is another to fill.
static void slot_send(struct distributor *d, struct lane *lane, uint32_t number, uint64_t now_ns) {
	struct slot *slot = slot_filling(lane);
	int n_looks = 0;

	slot->number = number;
	slot->now_ns = now_ns;
	slot->bytes_end = lane->bytes_head;
	atomic_fetch_add_explicit(&lane->head, 1, memory_order_release);
	while (!has_slot(lane)) {
		tail_look(lane);
		if (has_slot(lane))
			break;
		d->stats.n_waits += n_looks == 0;
		backoff(&n_looks);
	}
	slot_filling(lane)->n = 0;
	slot_filling(lane)->is_end = false;
}

// Room for size bytes in one piece, or NULL until the worker has given bytes back.
static uint8_t *bytes_room(struct lane *lane, size_t size) {
	uint64_t at = lane->bytes_head % LANE_BYTES;
	uint64_t skip = LANE_BYTES - at < size ? LANE_BYTES - at : 0;

	if (lane->bytes_head + skip + size - lane->bytes_tail > LANE_BYTES) {
		tail_look(lane);
		if (lane->bytes_head + skip + size - lane->bytes_tail > LANE_BYTES)
			return NULL;
	}
	lane->bytes_head += skip;
	return lane->bytes + lane->bytes_head % LANE_BYTES;
}

// Waits for room. What stands in the slot is sent first when the worker would wait for it too.
static uint8_t *bytes_wait(struct distributor *d, struct lane *lane, const struct frame *frame) {
	uint8_t *room = bytes_room(lane, frame->size);
	int n_looks = 0;

	if (!room && slot_filling(lane)->n > 0)
		slot_send(d, lane, frame->number - 1, d->now_ns);
	while (!room) {
		d->stats.n_waits += n_looks == 0;
		backoff(&n_looks);
		room = bytes_room(lane, frame->size);
	}
	return room;
}

// Hands a frame to the worker. is_copied: it does not stay where it is.
static void
give(struct distributor *d, struct lane *lane, const struct frame *frame, bool is_copied) {
	struct slot *slot;
	uint8_t *bytes = is_copied ? bytes_wait(d, lane, frame) : NULL;

	slot = slot_filling(lane);
	slot->frames[slot->n] = *frame;
	if (bytes) {
		memcpy(bytes, frame->data, frame->size);
		slot->frames[slot->n].data = bytes;
		lane->bytes_head += frame->size;
	}
	d->now_ns = frame->time_ns;
	if (++slot->n == BURST_MAX)
		slot_send(d, lane, frame->number, frame->time_ns);
}

// Every worker learns how far the source has come.
static void round_end(struct distributor *d) {
	for (int i = 0; i < d->config.n_workers; i++)
		slot_send(d, &d->lanes[i], d->n_numbered - 1, d->now_ns);
	d->n_round = 0;
}

static void count(struct distributor *d, const struct frame *frame, enum verdict verdict) {
	d->stats.n_frames++;
	d->stats.n_bytes += frame->wire_size;
	d->stats.n_cut += frame->wire_size > frame->size;
	d->stats.verdicts[verdict]++;
}

// The upper bits: tables use the lower ones.
static struct lane *lane_of(struct distributor *d, uint32_t hash) {
	return &d->lanes[(uint64_t)hash * (uint32_t)d->config.n_workers >> 32];
}

// What the fragment makes whole goes to its worker, who counts it as a frame of its own size; with what is
// counted here the sum is the fragment's.
static void __attribute__((noinline))
fragment_give(struct distributor *d, const struct frame *frame, struct pkt *pkt) {
	struct frame whole;
	enum verdict verdict;

	// Anew, with checksums: what is wrong with the headers in front of a datagram goes along.
	decode(&d->config.decode, frame, pkt);
	verdict = defrag_decode(d->defrag, &d->decode, frame, pkt, &whole);
	count(d, frame, verdict);
	if (verdict != VERDICT_tcp)
		return;
	d->stats.n_frames--;
	d->stats.n_bytes -= whole.wire_size;
	d->stats.n_cut -= whole.wire_size > whole.size;
	d->stats.verdicts[VERDICT_tcp]--;
	give(d, lane_of(d, pkt->hash), &whole, true);
}

static void burst_give(struct distributor *d, struct frame *frames, int n, bool is_copied) {
	enum verdict verdict;
	struct pkt pkt;
	uint32_t hash;

	for (int i = 0; i < n; i++) {
		frames[i].number = d->n_numbered++;
		if (decode_hash(&d->decode, &frames[i], &hash)) {
			give(d, lane_of(d, hash), &frames[i], is_copied);
			continue;
		}
		verdict = decode(&d->decode, &frames[i], &pkt);
		if (verdict == VERDICT_tcp)
			give(d, lane_of(d, pkt.hash), &frames[i], is_copied);
		else if (verdict == VERDICT_fragment)
			fragment_give(d, &frames[i], &pkt);
		else
			count(d, &frames[i], verdict);
	}
	d->n_round += n;
}

static void all_given_back(void *ctx) {
	struct distributor *d = ctx;

	round_end(d);
	for (int i = 0; i < d->config.n_workers; i++) {
		struct lane *lane = &d->lanes[i];
		int n_looks = 0;

		while (atomic_load_explicit(&lane->tail, memory_order_acquire)
		       != atomic_load_explicit(&lane->head, memory_order_relaxed))
			backoff(&n_looks);
	}
}

static bool lanes_are_empty(const struct distributor *d) {
	for (int i = 0; i < d->config.n_workers; i++)
		if (atomic_load_explicit(&d->lanes[i].tail, memory_order_relaxed)
		    != atomic_load_explicit(&d->lanes[i].head, memory_order_relaxed))
			return false;
	return true;
}

void distribute_end(struct distributor *d) {
	for (int i = 0; i < d->config.n_workers; i++) {
		slot_filling(&d->lanes[i])->is_end = true;
		slot_send(d, &d->lanes[i], d->n_numbered - 1, d->now_ns);
	}
}

static int round_size(const struct distributor *d) {
	int n_bursts = ROUND_BURSTS * d->config.n_workers;

	return BURST_MAX * (n_bursts < ROUND_BURSTS_MAX ? n_bursts : ROUND_BURSTS_MAX);
}

int distribute_run(struct distributor *d, struct source *source) {
	struct frame frames[BURST_MAX];
	uint64_t n_bursts = 0, now_ns;
	int n = 0;

	source->release = all_given_back;
	source->release_ctx = d;
	while (!(d->config.stop && *d->config.stop)) {
		n = source_burst(source, frames, BURST_MAX);
		if (n < 0)
			break;
		burst_give(d, frames, n, !source->frames_stay);
		now_ns = n > 0 ? frames[n - 1].time_ns : source->now_ns;
		if (now_ns > d->now_ns)
			d->now_ns = now_ns;
		// Only a mapped capture is certain to go on at once. An idle source tells the time to
		// workers that have nothing else to do.
		if (d->n_round >= round_size(d)
		    || (n > 0 && (n < BURST_MAX || !source->frames_stay))
		    || (n == 0 && (d->n_round || lanes_are_empty(d))))
			round_end(d);
		if (d->config.pause && (n == 0 || ++n_bursts % PAUSE_BURSTS == 0))
			d->config.pause(d->config.pause_ctx, d->now_ns);
	}
	round_end(d);
	distribute_end(d);
	source->release = NULL;
	return n == SOURCE_BROKEN ? SOURCE_BROKEN : 0;
}

// ---- Opening and closing

static bool lane_open(struct lane *lane) {
	lane->source.burst = lane_burst;
	lane->source.is_numbered = true;
	lane->slots = calloc(SLOTS, sizeof(*lane->slots));
	lane->bytes = malloc(LANE_BYTES); // touched only when frames are copied
	return lane->slots && lane->bytes;
}

struct distributor *distribute_open(const struct distribute_config *config) {
	struct defrag_config defrag = {
		.overlap = config->overlap,
		.hash_key = {config->decode.hash_key[0], config->decode.hash_key[1]},
	};
	struct distributor *d = calloc(1, sizeof(*d));
	size_t size = (size_t)config->n_workers * sizeof(*d->lanes);

	if (!d)
		return NULL;
	d->config = *config;
	d->decode = config->decode;
	d->decode.checksum = false;
	d->lanes = aligned_alloc(64, size);
	if (d->lanes)
		memset(d->lanes, 0, size);
	d->defrag = defrag_open(&defrag);
	if (d->defrag && d->lanes) {
		for (int i = 0; i < config->n_workers; i++)
			if (!lane_open(&d->lanes[i]))
				goto err;
		return d;
	}
err:
	distribute_close(d);
	errno = ENOMEM;
	return NULL;
}

struct source *distribute_source(struct distributor *d, int worker) {
	return &d->lanes[worker].source;
}

const struct distribute_stats *distribute_stats(const struct distributor *d) {
	return &d->stats;
}

const struct defrag_stats *distribute_defrag_stats(const struct distributor *d) {
	return defrag_stats(d->defrag);
}

size_t distribute_memsize(const struct distributor *d) {
	return sizeof(*d) + defrag_memsize(d->defrag)
		+ (size_t)d->config.n_workers
		* (sizeof(struct lane) + SLOTS * sizeof(struct slot) + LANE_BYTES);
}

void distribute_close(struct distributor *d) {
	if (!d)
		return;
	for (int i = 0; d->lanes && i < d->config.n_workers; i++) {
		free(d->lanes[i].slots);
		free(d->lanes[i].bytes);
	}
	free(d->lanes);
	defrag_close(d->defrag);
	free(d);
}
