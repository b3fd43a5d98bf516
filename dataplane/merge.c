// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An input's frames stay valid until it is polled again, so each is polled only at the start of a burst,
// when all it gave has been given on:
//
//   input 0   [a][d][f]        polled when used up; or, empty, at 9.5: all before 8.5 has come
//   input 1   [b][c]           → a b c, then stop: input 1 is used up, its next may come before d
//
// The reader is never told a time that a frame may still undercut.

#include "merge.h"

#include "limits.h"

#include <stdbool.h>
#include <stdlib.h>

struct input {
	struct source *source;
	struct frame frames[BURST_MAX];
	int n, next;
	uint64_t reached_ns; // nothing earlier comes from it
};

struct merge {
	struct source source; // first: what is read
	void (*rest)(uint32_t *n_empty);
	uint32_t n_empty;
	int n_inputs;
	struct input inputs[];
};

static bool is_empty(const struct input *input) {
	return input->next == input->n;
}

// 0, or what a source said that has ended.
static int input_poll(struct merge *merge, struct input *input) {
	uint64_t before_ns = input->source->now_ns;

	input->next = 0;
	input->n = source_burst(input->source, input->frames, BURST_MAX);
	if (input->n < 0) {
		int end = input->n;

		input->n = 0;
		__builtin_memcpy(
			merge->source.error, input->source->error, sizeof(merge->source.error)
		);
		return end;
	}
	// The clock as it was before the poll began would do; that of the poll before is earlier.
	if (input->n == 0 && before_ns > MERGE_HOLD_NS
	    && before_ns - MERGE_HOLD_NS > input->reached_ns)
		input->reached_ns = before_ns - MERGE_HOLD_NS;
	return 0;
}

// The input with the earliest frame, if no other may still give an earlier one; or NULL.
static struct input *input_next(struct merge *merge) {
	struct input *first = NULL;
	uint64_t sure_ns = UINT64_MAX;

	for (int i = 0; i < merge->n_inputs; i++) {
		struct input *input = &merge->inputs[i];

		if (is_empty(input)) {
			if (input->reached_ns < sure_ns)
				sure_ns = input->reached_ns;
		} else if (!first || input->frames[input->next].time_ns < first->frames[first->next].time_ns) {
			first = input;
		}
	}
	return first && first->frames[first->next].time_ns <= sure_ns ? first : NULL;
}

static void frame_take(struct merge *merge, struct input *input, struct frame *frame) {
	*frame = input->frames[input->next++];
	input->reached_ns = frame->time_ns;
	if (frame->time_ns < merge->source.now_ns)
		frame->time_ns = merge->source.now_ns;
	merge->source.now_ns = frame->time_ns;
}

// How far time has come when nothing can be given.
static void idle(struct merge *merge) {
	uint64_t sure_ns = UINT64_MAX;
	bool is_waiting = false;

	for (int i = 0; i < merge->n_inputs; i++) {
		if (merge->inputs[i].reached_ns < sure_ns)
			sure_ns = merge->inputs[i].reached_ns;
		is_waiting |= !is_empty(&merge->inputs[i]);
	}
	if (sure_ns > merge->source.now_ns)
		merge->source.now_ns = sure_ns;
	if (!is_waiting)
		merge->rest(&merge->n_empty);
}

static int burst(struct source *source, struct frame *frames, int max) {
	struct merge *merge = (struct merge *)source;
	struct input *input;
	int n = 0, end;

	for (int i = 0; i < merge->n_inputs; i++) {
		if (!is_empty(&merge->inputs[i]))
			continue;
		end = input_poll(merge, &merge->inputs[i]);
		if (end < 0)
			return end;
	}
	while (n < max && (input = input_next(merge)))
		frame_take(merge, input, &frames[n++]);
	if (n > 0)
		merge->n_empty = 0;
	else
		idle(merge);
	return n;
}

struct merge *merge_open(struct source *const *sources, int n, void (*rest)(uint32_t *n_empty)) {
	struct merge *merge = calloc(1, sizeof(*merge) + (size_t)n * sizeof(struct input));

	if (!merge)
		return NULL;
	merge->source.burst = burst;
	merge->rest = rest;
	merge->n_inputs = n;
	for (int i = 0; i < n; i++)
		merge->inputs[i].source = sources[i];
	return merge;
}

struct source *merge_source(struct merge *merge) {
	return &merge->source;
}

void merge_close(struct merge *merge) {
	free(merge);
}
