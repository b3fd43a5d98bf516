// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The whole pipeline over captures of real mail traffic: however many workers, the same records, the
// same activity and the same alerts, these in the same order.

#include "capture.h"
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
	qsort(results->sessions.line, results->sessions.n, sizeof(char *), compare);
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
		cmocka_unit_test(a_pipeline_that_never_runs_is_closed_cleanly),
		cmocka_unit_test(a_stop_before_the_end_writes_what_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
