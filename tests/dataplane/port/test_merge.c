// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Several queues as one: whatever the order in which they are polled and filled, frames come out in the
// order of time, each once, and no frame is older than a time that was told before.

#include "limits.h"
#include "port/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
	N_SOURCES = 4,
	N_FRAMES = 2000, // of each
};

static uint64_t clock_ns = 1000000000;
static uint32_t n_rests;

// A queue as the kernel fills it: a frame may be read up to delay after its time.
struct feed {
	struct source source; // first
	uint64_t times[N_FRAMES];
	uint8_t data[N_FRAMES]; // what frames point to; 0 once given back
	int n, n_given, n_last;
	uint64_t delay_ns;
	bool is_broken;
};

static int feed_burst(struct source *source, struct frame *frames, int max) {
	struct feed *feed = (struct feed *)source;
	int n = 0;

	// What was given with the last call is not there any more.
	memset(feed->data + feed->n_given - feed->n_last, 0, (size_t)feed->n_last);
	if (feed->is_broken)
		return SOURCE_BROKEN;
	while (n < max && feed->n_given < feed->n
	       && feed->times[feed->n_given] + feed->delay_ns <= clock_ns) {
		frames[n++] = (struct frame){
			.data = &feed->data[feed->n_given],
			.time_ns = feed->times[feed->n_given],
			.size = 1,
		};
		feed->data[feed->n_given++] = 1;
	}
	feed->n_last = n;
	source->now_ns = clock_ns;
	return n;
}

static void rest(uint32_t *) {
	n_rests++;
}

static struct merge *begin(struct feed *feeds, int n) {
	struct source *sources[N_SOURCES];

	for (int i = 0; i < n; i++) {
		feeds[i].source.burst = feed_burst;
		sources[i] = &feeds[i].source;
	}
	return merge_open(sources, n, rest);
}

static void frames_come_in_the_order_of_time(void **) {
	static struct feed feeds[N_SOURCES];
	unsigned seed = (unsigned)time(NULL);
	struct frame frames[BURST_MAX];
	struct merge *merge;
	uint64_t last_ns = 0, told_ns = 0;
	int n_got = 0, n;

	print_message("seed %u\n", seed);
	srand(seed);
	memset(feeds, 0, sizeof(feeds));
	for (int i = 0; i < N_SOURCES; i++) {
		uint64_t at = clock_ns;

		feeds[i].n = N_FRAMES;
		feeds[i].delay_ns = (uint64_t)i * MERGE_HOLD_NS / N_SOURCES;
		for (int k = 0; k < N_FRAMES; k++)
			feeds[i].times[k] = at += (uint64_t)(rand() % (i == 0 ? 10000 : 300000));
	}
	merge = begin(feeds, N_SOURCES);
	while (n_got < N_SOURCES * N_FRAMES) {
		clock_ns += (uint64_t)(rand() % 400000);
		n = source_burst(merge_source(merge), frames, rand() % BURST_MAX + 1);
		assert_true(n >= 0);
		for (int k = 0; k < n; k++) {
			assert_int_equal(*frames[k].data, 1); // still there
			assert_true(frames[k].time_ns >= last_ns);
			assert_true(frames[k].time_ns >= told_ns);
			last_ns = frames[k].time_ns;
		}
		n_got += n;
		told_ns = merge_source(merge)->now_ns;
	}
	assert_int_equal(n_got, N_SOURCES * N_FRAMES);
	merge_close(merge);
}

static void a_frame_waits_for_a_silent_queue_no_longer_than_said(void **) {
	static struct feed feeds[2];
	struct frame frames[BURST_MAX];
	struct merge *merge;
	int n = 0;

	memset(feeds, 0, sizeof(feeds));
	feeds[0].n = 1;
	feeds[0].times[0] = clock_ns;
	merge = begin(feeds, 2);
	assert_int_equal(source_burst(merge_source(merge), frames, BURST_MAX), 0);
	clock_ns += MERGE_HOLD_NS - 1;
	assert_int_equal(source_burst(merge_source(merge), frames, BURST_MAX), 0);
	clock_ns += 1;
	// One poll reads the clock, the next knows that everything before it has come.
	for (int i = 0; i < 2 && n == 0; i++)
		n = source_burst(merge_source(merge), frames, BURST_MAX);
	assert_int_equal(n, 1);
	assert_int_equal(frames[0].time_ns, feeds[0].times[0]);
	merge_close(merge);
}

static void z2_time_passes_while_all_are_idle(void **) {
	static struct feed feeds[2];
	struct frame frames[BURST_MAX];
	struct merge *merge;
	uint64_t before_ns;

	memset(feeds, 0, sizeof(feeds));
	merge = begin(feeds, 2);
	n_rests = 0;
	source_burst(merge_source(merge), frames, BURST_MAX);
	before_ns = merge_source(merge)->now_ns;
	for (int i = 0; i < 10; i++) {
		clock_ns += 60000000000;
		assert_int_equal(source_burst(merge_source(merge), frames, BURST_MAX), 0);
	}
	assert_true(merge_source(merge)->now_ns - before_ns >= 8 * 60000000000);
	assert_int_equal(n_rests, 11);
	merge_close(merge);
}

static void a_broken_queue_is_told(void **) {
	static struct feed feeds[2];
	struct frame frames[BURST_MAX];
	struct merge *merge;

	memset(feeds, 0, sizeof(feeds));
	merge = begin(feeds, 2);
	feeds[1].is_broken = true;
	strcpy(feeds[1].source.error, "the interface is gone");
	assert_int_equal(source_burst(merge_source(merge), frames, BURST_MAX), SOURCE_BROKEN);
	assert_string_equal(merge_source(merge)->error, "the interface is gone");
	merge_close(merge);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_in_the_order_of_time),
		cmocka_unit_test(a_frame_waits_for_a_silent_queue_no_longer_than_said),
		cmocka_unit_test(z2_time_passes_while_all_are_idle),
		cmocka_unit_test(a_broken_queue_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
