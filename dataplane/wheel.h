// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Timers in event time: a hashed wheel (Varghese, Lauck 1987) over numbered objects that carry a
// node each. Adding and removing are O(1); what is due comes out in the order of its moments, then
// of age, to the nanosecond: never in an order that depends on when somebody asked.
//
//   slot:   0     1     2    …  the tick that is now …   4095
//          [ ]   [a]   [ ]      [sorted: b c d]           [e]
//
// A node further away than one turn (410 s) stays in its slot for as many turns as it takes. Empty
// slots are skipped 64 at a time, so that a jump of hours costs next to nothing.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_NS 100000000ull

enum {
	WHEEL_SLOTS = 4096,
	WHEEL_CURRENT = WHEEL_SLOTS, // the sorted list of the tick that is now
	WHEEL_NONE = WHEEL_SLOTS + 1, // not in the wheel
};

struct wheel_node {
	uint64_t due_ns;
	uint32_t next, prev; // 0: none
	uint32_t age; // smaller is older; may wrap
	uint16_t slot; // where it is, WHEEL_NONE when it is not
	uint8_t own[2]; // the owner's, not looked at
};

struct wheel {
	uint8_t *nodes; // of the object with index 1
	size_t stride;
	uint64_t tick; // the one whose nodes are in the sorted list
	uint64_t next_ns; // nothing is due before
	uint32_t n; // nodes in the wheel
	uint32_t head[WHEEL_SLOTS + 1];
	uint64_t used[WHEEL_SLOTS / 64];
};

// Objects are numbered from 1; first_node lies in the first, the others stride bytes apart.
void wheel_init(struct wheel *wheel, void *first_node, size_t stride);
// The node must not be in the wheel; age must be set. A moment in the past is due at once.
void wheel_add(struct wheel *wheel, uint32_t index, uint64_t due_ns);
// Nothing happens when it is not in the wheel.
void wheel_remove(struct wheel *wheel, uint32_t index);
// Takes out the next node due at now_ns or before and returns its index, 0 when there is none.
// now_ns never goes back; time begins with the first call.
uint32_t wheel_pop_due(struct wheel *wheel, uint64_t now_ns);

// The same, one comparison when nothing is due: for every packet.
static inline uint32_t wheel_pop(struct wheel *wheel, uint64_t now_ns) {
	return now_ns < wheel->next_ns ? 0 : wheel_pop_due(wheel, now_ns);
}

static inline struct wheel_node *wheel_node(const struct wheel *wheel, uint32_t index) {
	return (struct wheel_node *)(wheel->nodes + (size_t)(index - 1) * wheel->stride);
}
