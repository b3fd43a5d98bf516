// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The whole pipeline over captures of real mail traffic: however many workers, the same records, the
// same activity and the same alerts, these in the same order.

#include "capture.h"
#include "exchange.h"
#include "pipeline.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct lines {
	char **line;
	size_t n;
};

struct results {
	struct lines sessions, alerts, activity;
};

// What is keyed by a number drawn at each start.
static void password_blank(char *line) {
	char *at = strstr(line, "\"password\":\"");

	for (at = at ? at + 12 : NULL; at && *at && *at != '"'; at++)
		*at = '*';
}

static struct lines lines_read(const char *path) {
	FILE *file = fopen(path, "r");
	struct lines lines = {0};
	char *line = NULL;
	size_t capacity = 0;

	assert_non_null(file);
	while (getline(&line, &capacity, file) > 0) {
		password_blank(line);
		lines.line = realloc(lines.line, (lines.n + 1) * sizeof(char *));
		lines.line[lines.n++] = strdup(line);
	}
	free(line);
	fclose(file);
	unlink(path);
	return lines;
}

static void lines_free(struct lines *lines) {
	for (size_t i = 0; i < lines->n; i++)
		free(lines->line[i]);
	free(lines->line);
}

static int compare(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_sort(struct lines *lines) {
	if (lines->n)
		qsort(lines->line, lines->n, sizeof(char *), compare);
}

static void lines_equal(const struct lines *a, const struct lines *b) {
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_string_equal(a->line[i], b->line[i]);
}

static void path_make(char *path) {
	int fd;

	strcpy(path, "/tmp/test_pipeline_XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

static void replay(const char *path, const char *workers, struct results *results) {
	char files[3][40], error[512];
	char *argv[] = {
		"postern",
		"replay",
		"--workers",
		(char *)workers,
		"--sessions",
		files[0],
		"--alerts",
		files[1],
		"--activity",
		files[2],
		"--rules",
		"rules",
		(char *)path,
		NULL,
	};
	struct config config;
	struct capture *capture = capture_open(path, error, sizeof(error));
	struct pipeline *pipeline;

	for (int i = 0; i < 3; i++)
		path_make(files[i]);
	assert_non_null(capture);
	assert_int_equal(config_open(&config, 13, argv, stdout, stderr), CONFIG_GO);
	pipeline = pipeline_open(&config, false);
	assert_non_null(pipeline);
	assert_int_equal(pipeline_run(pipeline, capture_source(capture)), 0);
	assert_int_equal(pipeline_finish(pipeline), EXIT_DONE);
	pipeline_close(pipeline);
	capture_close(capture);
	config_close(&config);
	results->sessions = lines_read(files[0]);
	results->alerts = lines_read(files[1]);
	results->activity = lines_read(files[2]);
	lines_sort(&results->sessions);
}

// What one queue of a NIC gives: the packets of the capture that its hash sends there.
struct queue {
	struct source source; // first
	struct capture *capture;
	struct exchange *spread; // over the queues
	int i;
	int n_bursts_left; // then it breaks; −1: never
};

static int queue_burst(struct source *source, struct frame *frames, int max) {
	static const struct decode_config config = {.hash_key = {1, 2}};
	struct queue *queue = (struct queue *)source;
	int n = source_burst(capture_source(queue->capture), frames, max), n_kept = 0;
	struct pkt pkt;

	if (queue->n_bursts_left == 0) {
		strcpy(source->error, "the cable is out");
		return SOURCE_BROKEN;
	}
	queue->n_bursts_left -= queue->n_bursts_left > 0;
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		if (decode(&config, &frames[i], &pkt) == VERDICT_tcp
		    && exchange_owner(queue->spread, &pkt, false) == queue->i)
			frames[n_kept++] = frames[i];
	if (n > 0)
		source->now_ns = frames[n - 1].time_ns;
	return n_kept;
}

// Each worker a source of its own. Returns what running it does.
static int run_spread(const char *path, uint32_t n, int n_bursts, struct results *results) {
	char files[3][64], control[64], workers[8], error[320];
	char *argv[] = {
		"postern",
		"run",
		"--workers",
		workers,
		"--sessions",
		files[0],
		"--alerts",
		files[1],
		"--activity",
		files[2],
		"--rules",
		"rules",
		"--control",
		control,
		NULL,
	};
	static uint8_t owners[EXCHANGE_OWNERS];
	struct exchange_config spread = {.n_workers = (int)n, .owners = owners};
	struct queue queues[8] = {0};
	struct source *sources[8];
	struct config config;
	struct pipeline *pipeline;
	int result;

	snprintf(workers, sizeof(workers), "%u", n);
	// One socket for each process: this test may run twice at once.
	snprintf(control, sizeof(control), "/tmp/test_pipeline_control-%ld", (long)getpid());
	for (int i = 0; i < 3; i++)
		path_make(files[i]);
	assert_int_equal(config_open(&config, 14, argv, stdout, stderr), CONFIG_GO);
	for (uint32_t i = 0; i < EXCHANGE_OWNERS; i++)
		owners[i] = (uint8_t)(i % n);
	pipeline = pipeline_open_spread(&config, owners);
	assert_non_null(pipeline);
	for (uint32_t i = 0; i < n; i++) {
		queues[i] = (struct queue){
			.source.burst = queue_burst,
			.capture = capture_open(path, error, sizeof(error)),
			.spread = exchange_open(&spread),
			.i = (int)i,
			.n_bursts_left = i == n - 1 ? n_bursts : -1,
		};
		sources[i] = &queues[i].source;
	}
	result = pipeline_run_spread(pipeline, sources);
	assert_int_equal(pipeline_finish(pipeline), EXIT_DONE);
	pipeline_close(pipeline);
	config_close(&config);
	for (uint32_t i = 0; i < n; i++) {
		exchange_close(queues[i].spread);
		capture_close(queues[i].capture);
	}
	results->sessions = lines_read(files[0]);
	results->alerts = lines_read(files[1]);
	results->activity = lines_read(files[2]);
	lines_sort(&results->sessions);
	return result;
}

static void results_free(struct results *results) {
	lines_free(&results->sessions);
	lines_free(&results->alerts);
	lines_free(&results->activity);
}

static void compare_workers(const char *path) {
	static const char *const workers[] = {"2", "3", "4"};
	struct results one, many;

	replay(path, "1", &one);
	assert_true(one.sessions.n > 10);
	assert_true(one.activity.n > 10);
	for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++) {
		replay(path, workers[i], &many);
		lines_equal(&one.sessions, &many.sessions);
		lines_equal(&one.activity, &many.activity);
		lines_equal(&one.alerts, &many.alerts);
		results_free(&many);
	}
	print_message(
		"%s: %zu records, %zu activities, %zu alerts\n",
		path,
		one.sessions.n,
		one.activity.n,
		one.alerts.n
	);
	results_free(&one);
}

static void any_number_of_workers_says_the_same_of_the_lab(void **) {
	compare_workers("tests/data/lab.pcap.zst");
}

static void any_number_of_workers_says_the_same_of_a_mapped_capture(void **) {
	const char *path = "../shared/captures/lab/labA.pcap";

	if (access(path, R_OK) != 0) {
		print_message("%s is not there\n", path);
		skip();
	}
	compare_workers(path);
}

static void workers_with_a_queue_each_say_the_same(void **) {
	struct results one, many;

	replay("tests/data/demo.pcap.zst", "1", &one);
	assert_true(one.alerts.n > 3);
	for (uint32_t n = 2; n <= 4; n++) {
		assert_int_equal(run_spread("tests/data/demo.pcap.zst", n, -1, &many), 0);
		lines_equal(&one.sessions, &many.sessions);
		lines_equal(&one.activity, &many.activity);
		lines_equal(&one.alerts, &many.alerts);
		results_free(&many);
	}
	results_free(&one);
}

static void a_queue_that_breaks_ends_all_and_what_was_seen_is_written(void **) {
	struct results results;

	assert_int_equal(run_spread("tests/data/demo.pcap.zst", 2, 10, &results), SOURCE_BROKEN);
	assert_true(results.sessions.n > 0);
	results_free(&results);
	pipeline_stop = 0;
}

static void a_pipeline_that_never_runs_is_closed_cleanly(void **) {
	char *argv[] = {"postern", "replay", "--workers", "3", "--rules", "rules", "x", NULL};
	struct config config;

	assert_int_equal(config_open(&config, 7, argv, stdout, stderr), CONFIG_GO);
	pipeline_close(pipeline_open(&config, false));
	config_close(&config);
	pipeline_close(NULL);
}

static void a_stop_before_the_end_writes_what_was_seen(void **) {
	pipeline_stop = 1;
	for (int workers = 1; workers <= 2; workers++) {
		struct results results;

		replay("tests/data/lab.pcap.zst", workers == 1 ? "1" : "2", &results);
		assert_int_equal(results.sessions.n, 0);
		results_free(&results);
	}
	pipeline_stop = 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_workers_says_the_same_of_the_lab),
		cmocka_unit_test(any_number_of_workers_says_the_same_of_a_mapped_capture),
		cmocka_unit_test(workers_with_a_queue_each_say_the_same),
		cmocka_unit_test(a_queue_that_breaks_ends_all_and_what_was_seen_is_written),
		cmocka_unit_test(a_pipeline_that_never_runs_is_closed_cleanly),
		cmocka_unit_test(a_stop_before_the_end_writes_what_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
