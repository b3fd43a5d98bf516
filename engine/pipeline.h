// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Everything between a source of frames and the outputs, put together for replay and run: rules,
// engine, flow table, worker, analyst. Opened before the first packet; all memory is taken here.

#pragma once

#include "config.h"
#include "worker.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct json;
struct pipeline;
struct reload_more;
struct stats;

// Exit statuses of the program (README, "Exit status").
enum exit_status {
	EXIT_DONE,
	EXIT_BAD_INPUT,
	EXIT_USAGE,
	EXIT_LOST, // done, but data was lost on the way
};

// With config->workers > 1 each worker has its own thread, tables and memory (--max-flows, --memory and
// --reassembly are for each), and the thread that runs the pipeline reads the source and distributes
// (distribute.h). With one it is the worker.

// The first SIGINT or SIGTERM sets it: finish the burst, close every session, write everything.
extern volatile sig_atomic_t pipeline_stop;
// Makes those signals set it, and ignores SIGPIPE and SIGXFSZ (sinks see the error).
void pipeline_signals(void);

// is_live: a ring that is full sheds records instead of making the source wait. NULL after one line
// on standard error.
struct pipeline *pipeline_open(const struct config *config, bool is_live);
// The same, live, with as many sources as config->workers, one for each: nothing is distributed, but
// what comes to another worker than owners says (exchange.h) is handed over.
struct pipeline *pipeline_open_spread(const struct config *config, const uint8_t *owners);
// Called between bursts with the time of the last packet: for progress. NULL: nothing.
void pipeline_on_pause(
	struct pipeline *pipeline,
	void (*pause)(void *ctx, uint64_t now_ns),
	void *ctx
);
// Runs the source to its end or until pipeline_stop. 0, or SOURCE_BROKEN.
int pipeline_run(struct pipeline *pipeline, struct source *source);
// Of a pipeline opened spread: each worker its source, to their ends, until one breaks (SOURCE_BROKEN; its
// error says why) or pipeline_stop. The thread that calls it waits.
int pipeline_run_spread(struct pipeline *pipeline, struct source *const *sources);
// Gives what belongs to the program's user (the control socket) to the one it is about to become.
void pipeline_give(const struct pipeline *pipeline, uid_t uid, gid_t gid);
// What it counts at this moment, for a reader other than control and stats lines.
void pipeline_stats(struct pipeline *pipeline, struct stats *stats);
// What the caller reloads together with the rules (reload.h). Before it runs.
void pipeline_on_reload(struct pipeline *pipeline, const struct reload_more *more);
// Adds to the answer of stats, and to stats lines, what only the caller knows. Before it runs.
void pipeline_on_stats(
	struct pipeline *pipeline,
	void (*more)(void *ctx, struct json *json),
	void *ctx
);
// Waits for the outputs. An exit status: EXIT_BAD_INPUT after a failed output, or with mistakes in the rules
// in force or the names of clients (said on standard error before), EXIT_LOST when something was shed.
enum exit_status pipeline_finish(struct pipeline *pipeline);
// What went by, in words, on standard error; unless the reader of an output has gone: who closes a pipe
// has seen enough. Returns whether it was said.
bool pipeline_summary(const struct pipeline *pipeline);
// Accepts NULL.
void pipeline_close(struct pipeline *pipeline);
