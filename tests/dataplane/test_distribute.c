// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One source onto several workers: nothing is lost or reordered within a connection, time reaches all,
// and bytes that do not stay are copied. The oracle is the list of frames itself.

#include "distribute.h"
#include "limits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { N_FRAMES = 20000, N_CONNECTIONS = 97, WORKERS_MAX = 5, SMALL = 64, LARGE = 200000 };

// Gives frames from one buffer that is overwritten with every burst; or, when they stay, from memory
// that is overwritten when they have been released.
struct feed {
	struct source source; // first
	uint8_t *memory;
	uint64_t seed;
	uint32_t n, n_max, size_max, large_every;
	uint32_t n_releases;
	int end;
	sig_atomic_t *stop;
};

struct seen {
	struct source *source;
	uint32_t n, n_bad, n_marks;
	uint32_t owner[N_CONNECTIONS]; // frames of each connection
	uint32_t last[N_CONNECTIONS]; // serial of the last
	uint64_t sum; // of the bytes
	uint64_t now_ns;
	uint32_t number;
	bool is_slow;
};

static uint64_t draw(uint64_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

// A segment of connection c in either direction, or no TCP; its serial number stands behind.
static void frame_make(struct feed *feed, uint8_t *p, struct frame *frame) {
	uint32_t c = (uint32_t)(draw(&feed->seed) % N_CONNECTIONS), serial = feed->n;
	bool is_reverse = draw(&feed->seed) & 1, is_tcp = draw(&feed->seed) % 8;
	bool is_large = feed->large_every && serial % feed->large_every == 0;
	uint8_t ends[2][4] = {{10, 0, 0, (uint8_t)c}, {10, 1, 0, 1}};

	memset(p, 0, SMALL);
	memcpy(p + 12, is_tcp ? "\x08\0\x45\0\0\x32\0\0\x40\0\x40\6" : "\x77\0", is_tcp ? 12 : 2);
	memcpy(p + 26, ends[is_reverse], 4);
	memcpy(p + 30, ends[!is_reverse], 4);
	memcpy(p + 34, is_reverse ? "\0\x8f\x40\0" : "\x40\0\0\x8f", 4);
	p[46] = 0x50;
	p[47] = 0x10;
	memcpy(p + 54, &serial, 4);
	memcpy(p + 58, &c, 4);
	*frame = (struct frame){
		.data = p,
		.time_ns = 1000000000ull + serial / 3 * 1000,
		.size = is_large ? feed->size_max : SMALL,
		.wire_size = is_large ? feed->size_max : SMALL,
		.link = LINK_ETHERNET,
	};
	if (is_large)
		memset(p + SMALL, (int)serial, feed->size_max - SMALL);
}

static int feed_burst(struct source *source, struct frame *frames, int max) {
	struct feed *feed = (struct feed *)source;
	int n = 1 + (int)(draw(&feed->seed) % (uint64_t)max);
	uint32_t room = source->frames_stay ? 1024 : BURST_MAX; // frames in memory

	if (feed->n >= feed->n_max)
		return feed->end;
	if (feed->stop && feed->n > feed->n_max / 2)
		*feed->stop = 1;
	if (source->frames_stay && feed->n % room == 0 && feed->n > 0) {
		source_release(source);
		feed->n_releases++;
		memset(feed->memory, 0xee, (size_t)room * SMALL);
	}
	if (source->frames_stay && feed->n % room + (uint32_t)n > room)
		n = (int)(room - feed->n % room);
	for (int i = 0; i < n; i++, feed->n++) {
		size_t at
			= source->frames_stay ? feed->n % room * SMALL : (size_t)i * feed->size_max;
		frame_make(feed, feed->memory + at, &frames[i]);
	}
	return n;
}

static void frame_check(struct seen *seen, const struct frame *frame) {
	uint32_t serial, c;

	memcpy(&serial, frame->data + 54, 4);
	memcpy(&c, frame->data + 58, 4);
	seen->n++;
	if (serial != frame->number || c >= N_CONNECTIONS) {
		seen->n_bad++;
		return;
	}
	seen->n_bad += seen->owner[c] && seen->last[c] >= serial;
	for (uint32_t i = SMALL; i < frame->size; i += 977)
		seen->n_bad += frame->data[i] != (uint8_t)serial;
	seen->last[c] = serial;
	seen->owner[c]++;
}

static void *reader(void *arg) {
	const struct timespec nap = {.tv_nsec = 300000};
	struct frame frames[BURST_MAX];
	struct seen *seen = arg;
	uint32_t before = UINT32_MAX; // a mark: nothing
	int n;

	while ((n = source_burst(seen->source, frames, BURST_MAX)) >= 0) {
		if (seen->is_slow && seen->n_marks % 16 == 0)
			nanosleep(&nap, NULL);
		for (int i = 0; i < n; i++) {
			frame_check(seen, &frames[i]);
			// Behind the last mark, up to this one.
			seen->n_bad += (int32_t)(frames[i].number - before) <= 0;
			seen->n_bad += (int32_t)(frames[i].number - seen->source->number) > 0;
			seen->n_bad += frames[i].time_ns > seen->source->now_ns;
			seen->n_bad += frames[i].time_ns < seen->now_ns;
		}
		before = seen->source->number;
		seen->n_bad += seen->source->now_ns < seen->now_ns;
		seen->now_ns = seen->source->now_ns;
		seen->number = seen->source->number;
		seen->n_marks++;
	}
	seen->n_bad += n != SOURCE_END;
	return NULL;
}

static int run(struct feed *feed, int n_workers, bool is_slow) {
	static struct seen seen[WORKERS_MAX];
	struct distribute_config config = {.n_workers = n_workers, .stop = feed->stop};
	struct distributor *d = distribute_open(&config);
	pthread_t threads[WORKERS_MAX];
	uint64_t n = 0;
	int result;

	assert_non_null(d);
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < n_workers; i++) {
		seen[i].source = distribute_source(d, i);
		seen[i].is_slow = is_slow && i == 0;
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &seen[i]), 0);
	}
	result = distribute_run(d, &feed->source);
	for (int i = 0; i < n_workers; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(seen[i].n_bad, 0);
		assert_int_equal(seen[i].number, feed->n - 1);
		assert_int_equal(seen[i].now_ns, 1000000000ull + (feed->n - 1) / 3 * 1000);
		n += seen[i].n;
	}
	for (int c = 0; c < N_CONNECTIONS; c++) {
		int n_owners = 0;
		for (int i = 0; i < n_workers; i++)
			n_owners += seen[i].owner[c] > 0;
		assert_true(n_owners <= 1);
	}
	assert_int_equal(n + distribute_stats(d)->n_frames, feed->n);
	assert_int_equal(
		distribute_stats(d)->n_frames, distribute_stats(d)->verdicts[VERDICT_not_ip]
	);
	assert_true(distribute_stats(d)->n_frames > 0);
	distribute_close(d);
	return result;
}

static void feed_init(struct feed *feed, uint32_t n, uint32_t size_max, bool stay) {
	*feed = (struct feed){
		.source = {.burst = feed_burst, .frames_stay = stay},
		.seed = (uint64_t)time(NULL) * 2654435761u + 1,
		.n_max = n,
		.size_max = size_max,
		.end = SOURCE_END,
	};
	feed->memory = malloc(stay ? 1024 * SMALL : (size_t)BURST_MAX * size_max);
	print_message("seed %llu\n", (unsigned long long)feed->seed);
}

static void every_frame_reaches_the_worker_of_its_connection_in_order(void **) {
	for (int n_workers = 1; n_workers <= WORKERS_MAX; n_workers++) {
		struct feed feed;

		feed_init(&feed, N_FRAMES, SMALL, false);
		assert_int_equal(run(&feed, n_workers, n_workers == 2), 0);
		assert_true(feed.n >= N_FRAMES);
		free(feed.memory);
	}
}

static void frames_that_stay_are_read_where_they_lie_until_released(void **) {
	for (int n_workers = 1; n_workers <= WORKERS_MAX; n_workers++) {
		struct feed feed;

		feed_init(&feed, N_FRAMES, SMALL, true);
		assert_int_equal(run(&feed, n_workers, n_workers == 3), 0);
		assert_true(feed.n_releases > 10);
		assert_null(feed.source.release);
		free(feed.memory);
	}
}

static void large_frames_go_round_the_lanes_bytes(void **) {
	struct feed feed;

	feed_init(&feed, N_FRAMES / 4, LARGE, false);
	feed.large_every = 3;
	assert_int_equal(run(&feed, 2, true), 0);
	free(feed.memory);
	feed_init(&feed, 500, FRAME_SIZE_MAX, false);
	feed.large_every = 1;
	assert_int_equal(run(&feed, 1, true), 0);
	free(feed.memory);
}

static void damage_and_stop_end_all_lanes_behind_what_was_read(void **) {
	sig_atomic_t stop = 0;
	struct feed feed;

	feed_init(&feed, 1000, SMALL, false);
	feed.end = SOURCE_BROKEN;
	assert_int_equal(run(&feed, 3, false), SOURCE_BROKEN);
	free(feed.memory);
	feed_init(&feed, N_FRAMES, SMALL, false);
	feed.stop = &stop;
	assert_int_equal(run(&feed, 3, false), 0);
	assert_true(feed.n < N_FRAMES);
	free(feed.memory);
}

static void lanes_can_be_ended_without_a_source(void **) {
	struct distribute_config config = {.n_workers = 2};
	struct distributor *d = distribute_open(&config);
	struct frame frames[BURST_MAX];

	assert_non_null(d);
	distribute_end(d);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			source_burst(distribute_source(d, i), frames, BURST_MAX), SOURCE_END
		);
	distribute_close(d);
	distribute_close(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_reaches_the_worker_of_its_connection_in_order),
		cmocka_unit_test(frames_that_stay_are_read_where_they_lie_until_released),
		cmocka_unit_test(large_frames_go_round_the_lanes_bytes),
		cmocka_unit_test(damage_and_stop_end_all_lanes_behind_what_was_read),
		cmocka_unit_test(lanes_can_be_ended_without_a_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
