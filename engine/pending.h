// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Activities being collected by a worker's sessions: at most ACTIVITY_PENDING_MAX at once, in a ring by
// age. Their memory is reserved at start and touched when first used; a block that is given back is the
// first to be taken again. Blocks that nobody has are all zero: an activity has room for far more than
// most need, so what was used of it is cleared when it is given back, and not all of it when it is taken.

#pragma once

#include "activity.h"
#include "limits.h"

#include <stddef.h>
#include <stdint.h>

struct session;

struct pending {
	struct {
		struct session *session; // NULL: nobody's
		struct activity *activity;
		uint64_t due_ns;
	} places[ACTIVITY_PENDING_MAX];
	uint32_t next; // place
	uint32_t n_free;
	uint16_t free[ACTIVITY_PENDING_MAX]; // blocks, taken from the end
	struct activity *blocks;
};

// 0, or -1 and errno when the system refuses.
int pending_open(struct pending *pending);
// Accepts what was not opened.
void pending_close(struct pending *pending);
size_t pending_memsize(void);

// The place that is taken next. Whoever has it must give it back first.
static inline uint32_t pending_place(const struct pending *pending) {
	return pending->next % ACTIVITY_PENDING_MAX;
}

// An activity, all zero, for the session at that place.
struct activity *pending_take(struct pending *pending, struct session *session, uint64_t due_ns);
void pending_give(struct pending *pending, uint32_t place);

// Of an activity that nobody will read: its lists are empty again.
void pending_empty(struct activity *activity);
