// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Several live sources as one, in the order of time: queues of a port whose NIC sends the two directions
// of a connection different ways, or the two ports of a tap. A frame is given when every other source has
// given, or cannot any more give, an earlier one.
//
// A source that is empty promises nothing of the last MERGE_HOLD_NS: so long a frame may be on its way
// through the kernel when another's is read already. Frames wait for that long at most.

#pragma once

#include "source.h"

enum { MERGE_SOURCES_MAX = 64 };

#define MERGE_HOLD_NS 1000000

struct merge;

// sources: n ≤ MERGE_SOURCES_MAX live ones, borrowed. rest: called when all were idle, with its count.
// NULL and errno.
struct merge *merge_open(struct source *const *sources, int n, void (*rest)(uint32_t *n_empty));
struct source *merge_source(struct merge *merge);
// Accepts NULL.
void merge_close(struct merge *merge);
