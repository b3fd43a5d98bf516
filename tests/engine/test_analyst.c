// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Rings of several workers merged: the order is that of the moments, however threads run. The oracle
// sorts.

#include "analyst.h"
#include "ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 4, N = 3000, PATH_SIZE = 64 };

struct event {
	struct flow_moment moment;
	int worker;
};

struct writer {
	struct ring *ring;
	const struct event *events;
	int worker;
	uint64_t seed;
	uint64_t n_records;
};

static uint64_t draw(uint64_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static int compare(const void *a, const void *b) {
	return flow_moment_compare(
		&((const struct event *)a)->moment, &((const struct event *)b)->moment
	);
}

// Moments of all kinds, many at the same time, no two equal; numbers wrap on the way.
static void events_make(struct event *events, uint64_t *seed) {
	uint64_t time_ns = 1000000000000;

	for (uint32_t i = 0; i < N; i++) {
		if (draw(seed) % 3 == 0)
			time_ns += draw(seed) % 7200 * 1000000000;
		events[i] = (struct event){
			.moment
			= {.time_ns = time_ns, .number = i - N / 2, .kind = FLOW_MOMENT_FRAME},
			.worker = (int)(draw(seed) % WORKERS),
		};
		if (draw(seed) % 4 == 0) {
			events[i].moment.kind = FLOW_MOMENT_TIMER;
			events[i].moment.start_ns = 1000 + draw(seed) % 5;
		}
	}
	qsort(events, N, sizeof(*events), compare);
}

// What one worker sends: its events in order, records between them, and marks now and then.
static void *write_all(void *arg) {
	struct writer *w = arg;
	struct activity activity = {.protocol = ACTIVITY_IMAP, .auth.success = 1};

	for (int i = 0; i < N; i++) {
		if (w->events[i].worker == w->worker) {
			snprintf(activity.account, sizeof(activity.account), "n%d", i);
			activity.time_ns = w->events[i].moment.time_ns;
			analyst_send_activity(w->ring, &activity, &w->events[i].moment, 1);
			if (draw(&w->seed) % 4 == 0)
				w->n_records += analyst_send_record(w->ring, "{}", 2, 1) == 0;
		}
		if (draw(&w->seed) % 16 == 0)
			analyst_send_mark(w->ring, &w->events[i].moment, 1);
		if (draw(&w->seed) % 256 == 0)
			usleep(200);
	}
	ring_finish(w->ring);
	return NULL;
}

static void path_make(char *path) {
	int fd;

	strcpy(path, "/tmp/test_analyst_XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

// Account n0, n1, … line by line.
static void order_check(const char *path) {
	FILE *file = fopen(path, "r");
	char *line = NULL, want[32];
	size_t capacity = 0;
	int n = 0;

	assert_non_null(file);
	while (getline(&line, &capacity, file) > 0) {
		snprintf(want, sizeof(want), "\"n%d\"", n++);
		assert_non_null(strstr(line, want));
	}
	assert_int_equal(n, N);
	free(line);
	fclose(file);
}

static void activities_of_several_workers_come_in_the_order_of_one(void **) {
	static struct event events[N];
	uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 1, n_records = 0;
	char activity[PATH_SIZE], sessions[PATH_SIZE], error[256];
	struct config config = {.activity = activity, .sessions = sessions, .max_accounts = 100};
	struct writer writers[WORKERS];
	struct ring *rings[WORKERS];
	pthread_t threads[WORKERS];
	struct analyst *analyst;

	print_message("seed %llu\n", (unsigned long long)seed);
	path_make(activity);
	path_make(sessions);
	events_make(events, &seed);
	analyst = analyst_open(&config, NULL, error, sizeof(error));
	assert_non_null(analyst);
	for (int i = 0; i < WORKERS; i++) {
		// Room for a few activities only: workers wait for the analyst, it for the slowest.
		rings[i] = ring_open(4 * sizeof(struct activity));
		writers[i] = (struct writer){rings[i], events, i, draw(&seed), 0};
	}
	assert_int_equal(analyst_start(analyst, rings, WORKERS), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, write_all, &writers[i]);
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		n_records += writers[i].n_records;
	}
	analyst_join(analyst);
	analyst_flush(analyst);
	assert_null(analyst_error(analyst));
	assert_int_equal(analyst_stats(analyst)->n_activities, N);
	assert_int_equal(analyst_stats(analyst)->n_records, n_records);
	order_check(activity);
	analyst_close(analyst);
	for (int i = 0; i < WORKERS; i++)
		ring_close(rings[i]);
	unlink(activity);
	unlink(sessions);
}

static void without_waiting_a_full_ring_says_so_and_drops_marks(void **) {
	struct ring *ring = ring_open(4096);
	struct activity activity = {0};
	struct flow_moment moment = {0};
	int n = 0;

	assert_int_equal(analyst_send_activity(ring, &activity, &moment, 0), -1);
	while (analyst_send_record(ring, "{}", 2, 0) == 0)
		n++;
	assert_int_equal(n, 4096 / 48);
	analyst_send_mark(ring, &moment, 0); // returns
	ring_close(ring);
}

// k2: a record that nothing follows does not wait in a buffer for others.
static void k2_what_trickles_is_written_all_the_same(void **) {
	char sessions[PATH_SIZE], error[256];
	struct config config = {.command = COMMAND_RUN, .sessions = sessions, .max_accounts = 100};
	struct ring *ring = ring_open(4096);
	struct analyst *analyst;
	struct stat st;

	path_make(sessions);
	analyst = analyst_open(&config, NULL, error, sizeof(error));
	assert_non_null(analyst);
	assert_int_equal(analyst_start(analyst, &ring, 1), 0);
	for (int i = 1; i <= 5; i++) {
		assert_int_equal(analyst_send_record(ring, "{}", 2, 1), 0);
		// It comes, or this test does not end.
		while (stat(sessions, &st) == 0 && st.st_size < 3 * i)
			usleep(1000);
		assert_int_equal(st.st_size, 3 * i);
	}
	ring_finish(ring);
	analyst_join(analyst);
	analyst_flush(analyst);
	analyst_close(analyst);
	ring_close(ring);
	unlink(sessions);
}

// k1: a reader that stalls is waited for by the analyst alone. Workers never wait: what finds no room is told to
// them, to be counted, and what was taken comes whole and in order when the reader goes on.
static void k1_a_stalled_reader_never_blocks_a_worker(void **) {
	enum { SENT = 20000 };
	char sessions[PATH_SIZE], error[256], record[600], got[1024];
	struct config config = {.command = COMMAND_RUN, .sessions = sessions, .max_accounts = 100};
	struct ring *ring = ring_open(1 << 16);
	struct analyst *analyst;
	uint64_t n_taken = 0, n_read = 0;
	int number, before = -1;

	path_make(sessions);
	unlink(sessions);
	assert_int_equal(mkfifo(sessions, 0600), 0);
	int fd = open(sessions, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	analyst = analyst_open(&config, NULL, error, sizeof(error));
	assert_non_null(analyst);
	assert_int_equal(analyst_start(analyst, &ring, 1), 0);
	memset(record, ' ', sizeof(record));
	// More than pipe, sink and ring hold together. Each call returns, or this test does not end.
	for (int i = 0; i < SENT; i++) {
		int size = snprintf(record, sizeof(record), "%d", i);
		record[size] = ' ';
		n_taken += analyst_send_record(ring, record, sizeof(record), 0) == 0;
	}
	assert_true(n_taken < SENT);
	fcntl(fd, F_SETFL, 0);
	FILE *file = fdopen(fd, "r");
	for (; n_read < n_taken; n_read++) {
		assert_non_null(fgets(got, sizeof(got), file));
		assert_int_equal(strlen(got), sizeof(record) + 1);
		assert_int_equal(sscanf(got, "%d", &number), 1);
		assert_true(number > before);
		before = number;
	}
	ring_finish(ring);
	analyst_join(analyst);
	analyst_flush(analyst);
	assert_int_equal(analyst_stats(analyst)->n_records, n_taken);
	assert_int_equal(analyst_stats(analyst)->n_lost, 0);
	analyst_close(analyst);
	ring_close(ring);
	fclose(file);
	unlink(sessions);
}

// r4: a full disk stops no sensor: it loses lines, counts them, and writes again when there is room. Who reads
// captures is stopped: they can be read again.
static void r4_a_full_disk_stops_no_sensor(void **) {
	char sessions[PATH_SIZE], error[256];
	struct config config
		= {.command = COMMAND_RUN, .sessions = "/dev/full", .max_accounts = 100};
	struct analyst *analyst;
	char line[4000];

	memset(line, 'x', sizeof(line));
	for (int live = 0; live < 2; live++) {
		config.command = live ? COMMAND_RUN : COMMAND_REPLAY;
		analyst = analyst_open(&config, NULL, error, sizeof(error));
		assert_non_null(analyst);
		for (int i = 0; i < 1000; i++)
			analyst_record(analyst, line, sizeof(line));
		assert_int_equal(analyst_is_broken(analyst), !live);
		analyst_flush(analyst);
		assert_int_equal(analyst_stats(analyst)->n_lost, 1000);
		assert_int_equal(analyst_error(analyst) == NULL, live);
		analyst_close(analyst);
	}

	// n1: a sensor that starts again goes on behind what it wrote; a replay begins anew.
	path_make(sessions);
	config.sessions = sessions;
	for (int run = 0; run < 4; run++) {
		config.command = run < 3 ? COMMAND_RUN : COMMAND_REPLAY;
		analyst = analyst_open(&config, NULL, error, sizeof(error));
		assert_non_null(analyst);
		analyst_record(analyst, "{}", 2);
		analyst_flush(analyst);
		analyst_close(analyst);
		FILE *file = fopen(sessions, "r");
		assert_non_null(file);
		size_t size = fread(line, 1, sizeof(line), file);
		fclose(file);
		assert_int_equal(size, run < 3 ? 3 * (run + 1) : 3);
	}
	unlink(sessions);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(activities_of_several_workers_come_in_the_order_of_one),
		cmocka_unit_test(k2_what_trickles_is_written_all_the_same),
		cmocka_unit_test(k1_a_stalled_reader_never_blocks_a_worker),
		cmocka_unit_test(r4_a_full_disk_stops_no_sensor),
		cmocka_unit_test(without_waiting_a_full_ring_says_so_and_drops_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
