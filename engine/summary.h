// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a run saw, in words for the person who started it: sums over all workers.

#pragma once

#include "analyst.h"
#include "decode.h"
#include "defrag.h"
#include "engine.h"
#include "exchange.h"
#include "flow.h"

#include <stdint.h>
#include <stdio.h>

struct summary {
	uint64_t n_frames, n_bytes, n_cut;
	uint64_t verdicts[VERDICT_COUNT];
	struct defrag_stats defrag;
	struct flow_stats flows;
	struct engine_stats engine;
	struct analyst_stats analyst;
	uint64_t n_shed; // records and activities
	uint64_t n_lane_full; // times that who distributes had to wait for a worker
	struct exchange_stats exchange; // between workers that have a queue of the NIC each
	int n_workers;
	uint64_t n_frames_most; // of the worker that had most
	uint64_t until_ns; // event time of the last packet
	bool is_stopped; // before the end of the input
	bool is_live; // it has no end
};

// Adds one worker's.
void summary_add_defrag(struct summary *summary, const struct defrag_stats *stats);
void summary_add_flows(struct summary *summary, const struct flow_stats *stats);
void summary_add_engine(struct summary *summary, const struct engine_stats *stats);
// Calls say with a sentence for each thing that is wrong with what comes in, or with how it is read, and
// what to do about it. The text is borrowed until say returns.
void summary_diagnose(
	const struct summary *summary,
	void (*say)(void *ctx, const char *text),
	void *ctx
);
void summary_print(const struct summary *summary, FILE *out);
