// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The wheel's lists, and the one sorted list of the tick that is now.

#include "wheel.h"

#include <string.h>

void wheel_init(struct wheel *wheel, void *first_node, size_t stride) {
	memset(wheel, 0, sizeof(*wheel));
	wheel->nodes = first_node;
	wheel->stride = stride;
}

static bool is_before(const struct wheel_node *a, const struct wheel_node *b) {
	if (a->due_ns != b->due_ns)
		return a->due_ns < b->due_ns;
	return (int32_t)(a->age - b->age) < 0;
}

static void slot_push(struct wheel *wheel, uint32_t index, uint32_t slot) {
	struct wheel_node *node = wheel_node(wheel, index);

	node->slot = slot;
	node->prev = 0;
	node->next = wheel->head[slot];
	if (node->next)
		wheel_node(wheel, node->next)->prev = index;
	wheel->head[slot] = index;
	if (slot < WHEEL_SLOTS)
		wheel->used[slot / 64] |= 1ull << (slot % 64);
}

static void current_insert(struct wheel *wheel, uint32_t index) {
	struct wheel_node *node = wheel_node(wheel, index);
	uint32_t before = 0, after = wheel->head[WHEEL_CURRENT];

	while (after && is_before(wheel_node(wheel, after), node)) {
		before = after;
		after = wheel_node(wheel, after)->next;
	}
	if (!before) {
		slot_push(wheel, index, WHEEL_CURRENT);
		return;
	}
	node->slot = WHEEL_CURRENT;
	node->prev = before;
	node->next = after;
	wheel_node(wheel, before)->next = index;
	if (after)
		wheel_node(wheel, after)->prev = index;
}

void wheel_add(struct wheel *wheel, uint32_t index, uint64_t due_ns) {
	uint64_t tick = due_ns / WHEEL_TICK_NS;

	wheel_node(wheel, index)->due_ns = due_ns;
	wheel->n++;
	if (tick > wheel->tick) {
		slot_push(wheel, index, tick % WHEEL_SLOTS);
		return;
	}
	current_insert(wheel, index);
	if (due_ns < wheel->next_ns)
		wheel->next_ns = due_ns;
}

void wheel_remove(struct wheel *wheel, uint32_t index) {
	struct wheel_node *node = wheel_node(wheel, index);

	if (node->slot == WHEEL_NONE)
		return;
	if (node->prev)
		wheel_node(wheel, node->prev)->next = node->next;
	else
		wheel->head[node->slot] = node->next;
	if (node->next)
		wheel_node(wheel, node->next)->prev = node->prev;
	if (node->slot < WHEEL_SLOTS && !wheel->head[node->slot])
		wheel->used[node->slot / 64] &= ~(1ull << (node->slot % 64));
	node->slot = WHEEL_NONE;
	wheel->n--;
}

// Merges two sorted lists linked by next alone.
static uint32_t merge(const struct wheel *wheel, uint32_t a, uint32_t b) {
	uint32_t first = 0, *end = &first;

	while (a && b) {
		uint32_t *less = is_before(wheel_node(wheel, b), wheel_node(wheel, a)) ? &b : &a;
		uint32_t index = *less;

		*end = index;
		end = &wheel_node(wheel, index)->next;
		*less = *end;
	}
	*end = a ? a : b;
	return first;
}

// Sorts a list linked by next alone: runs of 1, 2, 4 … nodes wait for their equals.
static uint32_t sort(const struct wheel *wheel, uint32_t list) {
	uint32_t runs[32] = {0}, sorted = 0;

	while (list) {
		uint32_t run = list;
		int i = 0;

		list = wheel_node(wheel, run)->next;
		wheel_node(wheel, run)->next = 0;
		for (; runs[i]; i++) {
			run = merge(wheel, runs[i], run);
			runs[i] = 0;
		}
		runs[i] = run;
	}
	for (int i = 0; i < 32; i++)
		sorted = merge(wheel, runs[i], sorted);
	return sorted;
}

// Makes tick the one that is now and sorts what its slot holds for it. The sorted list is empty.
static void tick_enter(struct wheel *wheel, uint64_t tick) {
	uint32_t due = 0, next, prev = 0;

	wheel->tick = tick;
	for (uint32_t i = wheel->head[tick % WHEEL_SLOTS]; i; i = next) {
		next = wheel_node(wheel, i)->next;
		if (wheel_node(wheel, i)->due_ns / WHEEL_TICK_NS > tick)
			continue; // for a later turn
		wheel_remove(wheel, i);
		wheel->n++; // it stays in the wheel
		wheel_node(wheel, i)->next = due;
		due = i;
	}
	due = sort(wheel, due);
	wheel->head[WHEEL_CURRENT] = due;
	for (; due; prev = due, due = wheel_node(wheel, due)->next) {
		wheel_node(wheel, due)->prev = prev;
		wheel_node(wheel, due)->slot = WHEEL_CURRENT;
	}
}

// The next tick after the present one whose slot is in use, at most limit.
static uint64_t tick_next(const struct wheel *wheel, uint64_t limit) {
	uint64_t tick = wheel->tick + 1;

	while (tick < limit) {
		uint32_t slot = tick % WHEEL_SLOTS;
		uint64_t word = wheel->used[slot / 64] >> (slot % 64);

		if (word)
			tick += (uint64_t)__builtin_ctzll(word);
		if (word)
			break;
		tick += 64 - slot % 64;
	}
	return tick < limit ? tick : limit;
}

uint32_t wheel_pop_due(struct wheel *wheel, uint64_t now_ns) {
	uint64_t limit = now_ns / WHEEL_TICK_NS;
	uint32_t first;

	while (!wheel->head[WHEEL_CURRENT] && wheel->tick < limit)
		tick_enter(wheel, wheel->n ? tick_next(wheel, limit) : limit);
	first = wheel->head[WHEEL_CURRENT];
	if (!first)
		wheel->next_ns = (wheel->tick + 1) * WHEEL_TICK_NS;
	else
		wheel->next_ns = wheel_node(wheel, first)->due_ns;
	if (!first || wheel->next_ns > now_ns)
		return 0;
	wheel_remove(wheel, first);
	return first;
}
