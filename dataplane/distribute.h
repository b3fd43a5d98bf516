// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Several workers behind one source: the calling thread reads it and hands each frame to the worker
// that its connection belongs to, by the same symmetric hash that the tables use. Each worker reads a
// source of its own, a lane:
//
//   source → distribute_run ─ lane 0 → worker 0
//                           ─ lane 1 → worker 1 …
//
// Every round of frames ends with a mark on all lanes, so that time passes on each worker as it would
// on a single one, whether it got frames or not. Nothing is dropped: a full lane makes the source wait.
// Lanes carry where frames lie; only those of a source whose frames do not stay are copied. The ports of
// a fragmented datagram stand in its first fragment alone, so fragments are put together here, where all of
// them pass; the datagram goes, copied, to the worker of its connection.

#pragma once

#include "decode.h"
#include "defrag.h"
#include "source.h"

#include <signal.h>
#include <stdint.h>

enum { DISTRIBUTE_WORKERS_MAX = 64 };

struct distribute_config {
	int n_workers; // 1 … DISTRIBUTE_WORKERS_MAX
	// The workers' own; headers alone are looked at here, checksums are the workers' to verify,
	// except those of fragments.
	struct decode_config decode;
	enum overlap overlap; // of fragments
	// As of struct worker.
	volatile const sig_atomic_t *stop;
	void (*pause)(void *ctx, uint64_t now_ns);
	void *pause_ctx;
};

// Frames that no worker got, because they are no TCP segments; workers count the others. Sums over both
// are those of the input.
struct distribute_stats {
	uint64_t n_frames;
	uint64_t n_bytes; // wire bytes
	uint64_t n_cut;
	uint64_t verdicts[VERDICT_COUNT];
	uint64_t n_waits; // a lane was full
};

struct distributor;

// NULL and errno when the system refuses the memory.
struct distributor *distribute_open(const struct distribute_config *config);
// What a worker reads, from one thread; lives as long as the distributor. It waits for frames, and
// ends (SOURCE_END) when distribute_run() has come to its end.
struct source *distribute_source(struct distributor *distributor, int worker);
// Reads the source to its end or until *stop, then ends all lanes. The workers must be running, or be
// started soon. 0, or SOURCE_BROKEN. Once.
int distribute_run(struct distributor *distributor, struct source *source);
// Ends all lanes without a source: for a start that failed.
void distribute_end(struct distributor *distributor);
const struct distribute_stats *distribute_stats(const struct distributor *distributor);
const struct defrag_stats *distribute_defrag_stats(const struct distributor *distributor);
size_t distribute_memsize(const struct distributor *distributor);
// The workers must have ended. Accepts NULL.
void distribute_close(struct distributor *distributor);
