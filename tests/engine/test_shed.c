// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The whole pipeline on live traffic whose outputs nobody reads: packets do not wait, and what found no room is
// counted, each once.

#include "activity.h"
#include "analyst.h"
#include "capture.h"
#include "pipeline.h"
#include "ring.h"
#include "stats.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	ROUNDS = 30, // of the capture: 4 MB of records
	ROUND_DAYS = 100, // more than it lasts
	SMALL_RING = 1 << 16,
};

// What workers gave away, and what of it found no room.
struct sent {
	uint64_t n, n_refused;
};

static struct { struct sent records, activities, offers; } sent;

static int count(struct sent *of, int result) {
	of->n++;
	of->n_refused += result < 0;
	return result;
}

int __real_analyst_send_record(struct ring *ring, const char *line, size_t size, int wait);
int __wrap_analyst_send_record(struct ring *ring, const char *line, size_t size, int wait);

int __wrap_analyst_send_record(struct ring *ring, const char *line, size_t size, int wait) {
	return count(&sent.records, __real_analyst_send_record(ring, line, size, wait));
}

typedef int
send_activity(struct ring *, const struct activity *, const struct flow_moment *, int wait);
send_activity __real_analyst_send_activity, __wrap_analyst_send_activity;

int __wrap_analyst_send_activity(
	struct ring *ring,
	const struct activity *activity,
	const struct flow_moment *moment,
	int wait
) {
	return count(&sent.activities, __real_analyst_send_activity(ring, activity, moment, wait));
}

typedef int
send_offer(struct ring *, const struct offer_heard *, const struct flow_moment *, int wait);
send_offer __real_analyst_send_offer, __wrap_analyst_send_offer;

int __wrap_analyst_send_offer(
	struct ring *ring,
	const struct offer_heard *heard,
	const struct flow_moment *moment,
	int wait
) {
	return count(&sent.offers, __real_analyst_send_offer(ring, heard, moment, wait));
}

struct ring *__real_ring_open(size_t size);
struct ring *__wrap_ring_open(size_t size);

struct ring *__wrap_ring_open(size_t) {
	return __real_ring_open(SMALL_RING);
}

// The capture again and again, each time later.
struct rounds {
	struct source source; // first
	struct capture *capture;
	uint64_t n;
};

static void round_begin(struct rounds *rounds) {
	char error[320];

	capture_close(rounds->capture);
	rounds->capture = capture_open("tests/data/demo.pcap.zst", error, sizeof(error));
	assert_non_null(rounds->capture);
}

static int rounds_burst(struct source *source, struct frame *frames, int max) {
	struct rounds *rounds = (struct rounds *)source;
	int n;

	while ((n = source_burst(capture_source(rounds->capture), frames, max)) == SOURCE_END) {
		if (++rounds->n == ROUNDS)
			return SOURCE_END;
		round_begin(rounds);
	}
	for (int i = 0; i < n; i++)
		frames[i].time_ns += rounds->n * ROUND_DAYS * 86400 * 1000000000;
	return n;
}

static uint64_t n_lines(FILE *file) {
	uint64_t n = 0;

	for (int c; (c = getc(file)) != EOF;)
		n += c == '\n';
	fclose(file);
	return n;
}

static uint64_t file_n_lines(const char *path) {
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	return n_lines(file);
}

static void *read_on(void *file) {
	return (void *)(uintptr_t)n_lines(file);
}

// Runs all rounds. sessions: a file, or a pipe that nobody reads before all packets have gone by.
static enum exit_status
run(bool is_live,
    char *sessions,
    char *activity,
    FILE *pipe,
    uint64_t *n_read_r,
    struct stats *stats) {
	char *argv[] = {
		"postern",
		"replay",
		"--sessions",
		sessions,
		"--activity",
		activity,
		"--alerts",
		"/dev/null",
		"x",
		NULL,
	};
	struct rounds rounds = {.source.burst = rounds_burst};
	struct config config;
	struct pipeline *pipeline;
	pthread_t reader;
	enum exit_status status;
	void *n_read = NULL;

	memset(&sent, 0, sizeof(sent));
	round_begin(&rounds);
	assert_int_equal(config_open(&config, 9, argv, stdout, stderr), CONFIG_GO);
	pipeline = pipeline_open(&config, is_live);
	assert_non_null(pipeline);
	assert_int_equal(pipeline_run(pipeline, &rounds.source), 0); // or this test does not end
	if (pipe)
		assert_int_equal(pthread_create(&reader, NULL, read_on, pipe), 0);
	status = pipeline_finish(pipeline);
	pipeline_stats(pipeline, stats);
	pipeline_close(pipeline);
	if (pipe)
		pthread_join(reader, &n_read);
	*n_read_r = (uint64_t)(uintptr_t)n_read;
	config_close(&config);
	capture_close(rounds.capture);
	return status;
}

static void path_make(char *path) {
	strcpy(path, "/tmp/test_shed_XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

static void k1_what_a_stalled_reader_costs_is_counted_each_once(void **) {
	char sessions[32], activity[32], diagnosis[64], line[STATS_LINE_SIZE_MAX];
	static struct stats stats;
	uint64_t n_read;

	path_make(sessions);
	path_make(activity);
	// Who can wait loses nothing.
	assert_int_equal(run(false, sessions, activity, NULL, &n_read, &stats), EXIT_DONE);
	uint64_t n_records = file_n_lines(sessions), n_activities = file_n_lines(activity);
	uint64_t n_offers = sent.offers.n;
	assert_int_equal(sent.records.n, n_records);
	assert_int_equal(sent.activities.n, n_activities);
	assert_int_equal(stats.sum.n_shed, 0);

	unlink(sessions);
	assert_int_equal(mkfifo(sessions, 0600), 0);
	int fd = open(sessions, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, 0);
	assert_int_equal(
		run(true, sessions, activity, fdopen(fd, "r"), &n_read, &stats), EXIT_LOST
	);
	// Packets were read all the same: workers said the same as before.
	assert_int_equal(sent.records.n, n_records);
	assert_int_equal(sent.activities.n, n_activities);
	assert_int_equal(sent.offers.n, n_offers);
	// And what is not there is what is counted.
	assert_true(sent.records.n_refused > 0);
	assert_int_equal(n_read, n_records - sent.records.n_refused);
	assert_int_equal(file_n_lines(activity), n_activities - sent.activities.n_refused);
	assert_int_equal(
		stats.sum.n_shed,
		sent.records.n_refused + sent.activities.n_refused + sent.offers.n_refused
	);
	assert_int_equal(stats.workers[0].n_shed, stats.sum.n_shed);
	assert_true(stats_json_write(&stats, line, sizeof(line)) > 0);
	snprintf(diagnosis, sizeof(diagnosis), "\"shed\":%lu", stats.sum.n_shed);
	assert_non_null(strstr(line, diagnosis));
	snprintf(diagnosis, sizeof(diagnosis), "%lu results were shed", stats.sum.n_shed);
	assert_non_null(strstr(line, diagnosis));
	print_message(
		"%lu of %lu records, %lu of %lu activities and %lu of %lu lists were shed\n",
		sent.records.n_refused,
		n_records,
		sent.activities.n_refused,
		n_activities,
		sent.offers.n_refused,
		n_offers
	);
	unlink(sessions);
	unlink(activity);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(k1_what_a_stalled_reader_costs_is_counted_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
