// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What pipeline.c puts together and runs, and pipeline_stats.c counts.

#pragma once

#include "analyst.h"
#include "control.h"
#include "distribute.h"
#include "engine.h"
#include "pipeline.h"
#include "ring.h"
#include "stats.h"
#include "summary.h"

#include <pthread.h>
#include <time.h>

enum {
	PIPELINE_RING_SIZE = 16 << 20, // some 3,000 activities: a moment's burst of logins
};

// Who stats are taken for; each has his own stretch of time since the last.
enum stats_reader {
	STATS_CONTROL,
	STATS_LINE,
	STATS_TELEMETRY,
	STATS_READERS,
};

// One worker and its rooms, in the order a packet walks them.
struct line {
	struct pipeline *pipeline;
	struct worker worker;
	struct defrag *defrag; // NULL: the distributor puts fragments together
	struct flow_table *flows;
	struct engine *engine;
	struct ring *ring; // to the analyst
	uint64_t n_shed; // records and activities the ring had no room for
	uint64_t marked_ns;
	struct {
		uint64_t busy, now; // cycles, when stats were last taken for that reader
	} seen[STATS_READERS];
	pthread_t thread;
	bool is_running;
	int result; // of worker_run()
	_Atomic bool is_done;
};

struct pipeline {
	const struct config *config;
	struct reload *rules;
	struct clients *clients;
	struct networks *networks; // NULL: none named
	struct analyst *analyst;
	struct distributor *distributor; // NULL: each worker reads a source itself
	struct exchange *exchange; // NULL: there is one source
	struct line *lines;
	int n_lines;
	bool is_live;
	bool is_started; // the analyst
	bool is_ended; // the lanes
	bool is_stopped;
	struct control *control; // NULL: nobody can talk to it
	struct timespec start;
	void (*more)(void *ctx, struct json *json); // in stats
	void *more_ctx;
	struct engine *engines[DISTRIBUTE_WORKERS_MAX]; // of the lines
	void (*pause)(void *ctx, uint64_t now_ns);
	void *pause_ctx;
};

// Bytes of all queues between threads.
size_t pipeline_queues_memsize(const struct pipeline *p);
// Records and activities that found no room.
uint64_t pipeline_n_shed(const struct pipeline *p);
// Counters of all workers, as they are at this moment: each is written by its own thread and only read here.
void pipeline_sum(const struct pipeline *p, struct summary *sum);
// The same with each worker's share, memory and time, for that reader, whose own stretch of time begins anew.
void pipeline_stats_take(struct pipeline *p, enum stats_reader reader, struct stats *stats);
// A line for the session output at a moment of event time; ctx: the pipeline. In static memory until the next
// call, which is the analyst's alone.
const char *pipeline_stats_line(void *ctx, uint64_t now_ns, size_t *size_r);
