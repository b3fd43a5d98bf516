// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Frames in, connections walked, until the source ends. What is given to flow does not depend on how
// the source cuts its frames into bursts: that is why a port and a file give the same records.

#include "worker.h"

#include "cycles.h"
#include "limits.h"

#include <sched.h>
#include <stdbool.h>

enum {
	// Frames ahead whose headers are fetched while one is decoded.
	PREFETCH_DISTANCE = 4,
	PAUSE_BURSTS = 1024,
};

static void frame_prefetch(const struct frame *frame) {
	__builtin_prefetch(frame->data);
	__builtin_prefetch(frame->data + 64);
}

// Whether the packet was another worker's, and has been handed to it.
static inline bool is_handed(
	const struct worker *worker,
	const struct frame *frame,
	const struct pkt *pkt,
	bool is_fragment
) {
	return worker->exchange
		&& exchange_give(worker->exchange, worker->index, frame, pkt, is_fragment);
}

// pkts[n_pkts] is a fragment. When it makes a datagram whole that is a segment, it is walked at once,
// behind those before it, since the next datagram is put together in the same place. Returns how many
// segments are left to be walked.
static int __attribute__((noinline)) fragment_take(
	struct worker *worker,
	const struct frame *frame,
	struct pkt *pkts,
	int n_pkts,
	enum verdict *verdict
) {
	struct pkt *pkt = &pkts[n_pkts];
	struct frame whole;

	if (!worker->defrag)
		return n_pkts;
	// Each datagram within a datagram has more headers in front than the one before: decode's cap on
	// them ends this loop.
	while (*verdict == VERDICT_fragment) {
		if (is_handed(worker, frame, pkt, true)
		    || !defrag_take(worker->defrag, frame, pkt, &whole))
			return n_pkts;
		*verdict = decode(&worker->decode, &whole, pkt);
		frame = &whole;
	}
	if (*verdict != VERDICT_tcp || is_handed(worker, frame, pkt, false))
		return n_pkts;
	pkt->number = frame->number;
	flow_run(worker->flows, pkts, n_pkts + 1);
	return 0;
}

// Decodes n frames; the segments among them come out in order. Returns how many. verdicts: counts them.
static int burst_decode(
	struct worker *worker,
	const struct frame *frames,
	int n,
	struct pkt *pkts,
	uint64_t *verdicts
) {
	enum verdict verdict;
	int n_pkts = 0;

	for (int i = 0; i < PREFETCH_DISTANCE && i < n; i++)
		frame_prefetch(&frames[i]);
	for (int i = 0; i < n; i++) {
		if (i + PREFETCH_DISTANCE < n)
			frame_prefetch(&frames[i + PREFETCH_DISTANCE]);
		verdict = decode(&worker->decode, &frames[i], &pkts[n_pkts]);
		if (verdict == VERDICT_fragment)
			n_pkts = fragment_take(worker, &frames[i], pkts, n_pkts, &verdict);
		else if (verdict == VERDICT_tcp)
			n_pkts += !is_handed(worker, &frames[i], &pkts[n_pkts], false);
		verdicts[verdict]++;
	}
	return n_pkts;
}

static void burst_count(struct worker *worker, const struct frame *frames, int n) {
	for (int i = 0; i < n; i++) {
		worker->n_bytes += frames[i].wire_size;
		worker->n_cut += frames[i].wire_size > frames[i].size;
	}
	worker->n_frames += (uint64_t)n;
}

static void burst_number(struct worker *worker, struct frame *frames, int n) {
	for (int i = 0; i < n; i++)
		frames[i].number = worker->n_numbered++;
}

// Up to when all frames of this worker have been given. Time never goes back.
static uint64_t time_reached(const struct worker *worker, const struct frame *frames, int n) {
	const struct source *source = worker->source;
	uint64_t now_ns = n == 0 || source->is_numbered ? source->now_ns : 0;

	if (n > 0 && frames[n - 1].time_ns > now_ns)
		now_ns = frames[n - 1].time_ns;
	return now_ns > worker->now_ns ? now_ns : worker->now_ns;
}

// Between its source's frames and those of others' a worker's time goes on, too.
static void times_raise(const struct worker *worker, struct frame *frames, int n) {
	for (int i = 0; i < n && frames[i].time_ns < worker->now_ns; i++)
		frames[i].time_ns = worker->now_ns;
}

// Walks what others have handed over, and were the first to count. Returns how many frames.
static int handed_walk(struct worker *worker, struct frame *frames, struct pkt *pkts) {
	uint64_t verdicts[VERDICT_COUNT] = {0};
	int n = exchange_take(worker->exchange, worker->index, frames, BURST_MAX), n_pkts;
	uint64_t last_ns = worker->now_ns;

	if (n == 0)
		return 0;
	// Of several rings.
	for (int i = 0; i < n; i++) {
		if (frames[i].time_ns < last_ns)
			frames[i].time_ns = last_ns;
		last_ns = frames[i].time_ns;
	}
	burst_number(worker, frames, n);
	n_pkts = burst_decode(worker, frames, n, pkts, verdicts);
	if (n_pkts > 0)
		flow_run(worker->flows, pkts, n_pkts);
	worker->now_ns = last_ns;
	return n;
}

// All frames of this worker up to now have been given.
static void advance(struct worker *worker) {
	const struct source *source = worker->source;

	flow_advance(worker->flows, worker->now_ns);
	if (worker->mark)
		worker->mark(
			worker->mark_ctx,
			worker->now_ns,
			source->is_numbered ? source->number : worker->n_numbered - 1
		);
}

// Walks what others may still hand over, until none of them will.
static void handed_drain(struct worker *worker, struct frame *frames, struct pkt *pkts) {
	bool is_over;

	exchange_leave(worker->exchange, worker->index);
	do {
		is_over = exchange_is_over(worker->exchange);
		if (handed_walk(worker, frames, pkts) > 0)
			is_over = false;
		else if (!is_over)
			sched_yield();
		advance(worker);
	} while (!is_over);
}

static bool stopped(const struct worker *worker) {
	return worker->stop && *worker->stop;
}

// Walks the frames of its source. Time is then that of the last.
static void burst_walk(struct worker *worker, struct frame *frames, int n, struct pkt *pkts) {
	int n_pkts;

	if (!worker->source->is_numbered)
		burst_number(worker, frames, n);
	if (worker->exchange)
		times_raise(worker, frames, n);
	n_pkts = burst_decode(worker, frames, n, pkts, worker->verdicts);
	burst_count(worker, frames, n);
	if (n_pkts > 0)
		flow_run(worker->flows, pkts, n_pkts);
}

int worker_run(struct worker *worker) {
	struct frame frames[BURST_MAX];
	struct pkt pkts[BURST_MAX];
	uint64_t n_bursts = 0, began;
	int n = 0, n_handed = 0;

	worker->start_cycles = cycles_now();
	while (!stopped(worker)) {
		n = source_burst(worker->source, frames, BURST_MAX);
		if (n < 0)
			break;
		began = cycles_now();
		if (n > 0)
			burst_walk(worker, frames, n, pkts);
		// Also behind frames that were not TCP: whatever the bursts, the last frame's time is
		// reached.
		worker->now_ns = time_reached(worker, frames, n);
		if (worker->exchange)
			n_handed = handed_walk(worker, frames, pkts);
		advance(worker);
		if (n + n_handed > 0)
			worker->busy_cycles += cycles_now() - began;
		if (worker->pause && (n == 0 || ++n_bursts % PAUSE_BURSTS == 0))
			worker->pause(worker->pause_ctx, worker->now_ns);
	}
	worker->is_broken = n == SOURCE_BROKEN;
	if (worker->exchange)
		handed_drain(worker, frames, pkts);
	flow_end(worker->flows);
	return n == SOURCE_BROKEN ? SOURCE_BROKEN : 0;
}
