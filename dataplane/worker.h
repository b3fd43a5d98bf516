// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One core: the whole walk on one screen. Frames from a source, decoded, walked through the flow
// table into the stream handler, until the source ends or somebody asks to stop.

#pragma once

#include "decode.h"
#include "defrag.h"
#include "exchange.h"
#include "flow.h"
#include "source.h"

#include <signal.h>
#include <stdint.h>

struct worker {
	struct source *source; // borrowed
	struct flow_table *flows; // borrowed
	// Borrowed. NULL: fragments are left aside, since the source is a distributor's, who has put
	// them together already.
	struct defrag *defrag;
	struct decode_config decode;
	// Borrowed. What came here and is another worker's is handed over, and what others hand to this one, which
	// is number index of them, is walked. NULL: all that comes is this one's.
	struct exchange *exchange;
	int index;
	volatile const sig_atomic_t *stop; // nonzero: finish the burst and return; may be NULL
	// Called between bursts while traffic flows, about every 1,024 bursts, and when a live source is
	// idle: for progress and quiescence. May be NULL.
	void (*pause)(void *ctx, uint64_t now_ns);
	void *pause_ctx;
	// Called behind every burst: all frames up to number, and all timers up to now_ns, have been
	// walked. May be NULL.
	void (*mark)(void *ctx, uint64_t now_ns, uint32_t number);
	void *mark_ctx;

	// The source has broken; with an exchange worker_run() returns only when the others have ended, too.
	volatile sig_atomic_t is_broken;

	// Counters; one writer. A packet that was handed over is counted where it came.
	uint64_t n_frames;
	uint32_t n_numbered; // these, and those that others handed to it; may wrap
	uint64_t n_bytes; // wire bytes
	uint64_t n_cut; // frames cut by a snap length
	uint64_t verdicts[VERDICT_COUNT];
	uint64_t now_ns;
	// Of cycles.h: when it began, and how many it had frames in.
	uint64_t start_cycles, busy_cycles;
};

// Runs to the end of the source or until *stop, and with an exchange until all workers have come to theirs. Returns 0, or SOURCE_BROKEN (the source's error says
// why). In each case every connection has been closed with STREAM_END_INPUT before it returns.
int worker_run(struct worker *worker);
