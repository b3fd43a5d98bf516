// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a running program counts, at one moment: what postern ctl stats and the stats line of the session
// output say. Counters are totals since the start and are read while their writers go on.

#pragma once

#include "distribute.h"
#include "summary.h"

#include <stddef.h>
#include <stdint.h>

struct json;

enum {
	STATS_LINE_SIZE_MAX = 65536,
	STATS_MEMORY_MAX = 8,
};

struct stats_worker {
	uint64_t n_frames, n_bytes;
	uint64_t n_shed;
	uint32_t n_flows;
	double busy; // share of the time since the start in which it had packets, 0 … 1
	double queue; // share of its queue to the outputs in use, 0 … 1
};

struct stats_memory {
	const char *name; // what for
	uint64_t used; // bytes; UINT64_MAX: not counted
	uint64_t size; // bytes reserved
};

struct stats {
	uint64_t time_ns; // event time
	uint64_t uptime_ns;
	const char *observer_name; // or NULL
	struct summary sum;
	int n_workers;
	struct stats_worker workers[DISTRIBUTE_WORKERS_MAX];
	int n_memory;
	struct stats_memory memory[STATS_MEMORY_MAX];
	// Adds members of the object "postern" that are its caller's: ports. May be NULL.
	void (*more)(void *ctx, struct json *json);
	void *more_ctx;
};

// One JSON object as schema/stats.schema.json has it, without a line end. Returns its size, 0 when it
// did not fit (it fits in STATS_LINE_SIZE_MAX).
size_t stats_json_write(const struct stats *stats, char *line, size_t size);
