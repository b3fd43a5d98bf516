// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Frames in, connections walked, until the source ends. What is given to flow does not depend on how
// the source cuts its frames into bursts: that is why a port and a file give the same records.

#include "worker.h"

#include "cycles.h"
#include "limits.h"

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
	struct frame whole;

	if (!worker->defrag)
		return n_pkts;
	*verdict = defrag_decode(worker->defrag, &worker->decode, frame, &pkts[n_pkts], &whole);
	if (*verdict != VERDICT_tcp)
		return n_pkts;
	pkts[n_pkts].number = frame->number;
	flow_run(worker->flows, pkts, n_pkts + 1);
	return 0;
}

// Decodes n frames; the segments among them come out in order. Returns how many.
static int burst_decode(struct worker *worker, struct frame *frames, int n, struct pkt *pkts) {
	enum verdict verdict;
	int n_pkts = 0;

	for (int i = 0; i < PREFETCH_DISTANCE && i < n; i++)
		frame_prefetch(&frames[i]);
	for (int i = 0; i < n; i++) {
		if (i + PREFETCH_DISTANCE < n)
			frame_prefetch(&frames[i + PREFETCH_DISTANCE]);
		verdict = decode(&worker->decode, &frames[i], &pkts[n_pkts]);
		worker->n_bytes += frames[i].wire_size;
		worker->n_cut += frames[i].wire_size > frames[i].size;
		if (verdict == VERDICT_fragment)
			n_pkts = fragment_take(worker, &frames[i], pkts, n_pkts, &verdict);
		else
			n_pkts += verdict == VERDICT_tcp;
		worker->verdicts[verdict]++;
	}
	worker->n_frames += (uint64_t)n;
	return n_pkts;
}

static void burst_number(const struct worker *worker, struct frame *frames, int n) {
	for (int i = 0; i < n; i++)
		frames[i].number = (uint32_t)worker->n_frames + (uint32_t)i;
}

// Up to when all frames of this worker have been given. Time never goes back.
static uint64_t time_reached(const struct worker *worker, const struct frame *frames, int n) {
	const struct source *source = worker->source;
	uint64_t now_ns = n == 0 || source->is_numbered ? source->now_ns : 0;

	if (n > 0 && frames[n - 1].time_ns > now_ns)
		now_ns = frames[n - 1].time_ns;
	return now_ns > worker->now_ns ? now_ns : worker->now_ns;
}

static bool stopped(const struct worker *worker) {
	return worker->stop && *worker->stop;
}

int worker_run(struct worker *worker) {
	struct frame frames[BURST_MAX];
	struct pkt pkts[BURST_MAX];
	bool is_numbered = worker->source->is_numbered;
	uint64_t n_bursts = 0, began;
	int n = 0, n_pkts;

	worker->start_cycles = cycles_now();
	while (!stopped(worker)) {
		n = source_burst(worker->source, frames, BURST_MAX);
		if (n < 0)
			break;
		began = cycles_now();
		if (n > 0) {
			if (!is_numbered)
				burst_number(worker, frames, n);
			n_pkts = burst_decode(worker, frames, n, pkts);
			if (n_pkts > 0)
				flow_run(worker->flows, pkts, n_pkts);
		}
		// Also behind frames that were not TCP: whatever the bursts, the last frame's time is
		// reached.
		worker->now_ns = time_reached(worker, frames, n);
		flow_advance(worker->flows, worker->now_ns);
		if (worker->mark)
			worker->mark(
				worker->mark_ctx,
				worker->now_ns,
				is_numbered ? worker->source->number
					    : (uint32_t)worker->n_frames - 1
			);
		if (n > 0)
			worker->busy_cycles += cycles_now() - began;
		if (worker->pause && (n == 0 || ++n_bursts % PAUSE_BURSTS == 0))
			worker->pause(worker->pause_ctx, worker->now_ns);
	}
	flow_end(worker->flows);
	return n == SOURCE_BROKEN ? SOURCE_BROKEN : 0;
}
