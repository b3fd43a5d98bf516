// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_workers CAPTURE [ROUNDS]: the same capture by one worker that reads it itself, and by two and four behind the
// distributor, in turns; the dataplane alone, and with records. Time on the wall says little while other programs
// want the same cores; so for each thread what it took of a processor is shown, and what follows from it: how much
// faster it is when every thread has a core (the busiest one decides), and on as many cores as workers.
// With WORKERS (1, 2, 4) as a third argument one walk alone, with records, once: for valgrind
// --tool=callgrind --separate-threads=yes.

#include "capture.h"
#include "distribute.h"
#include "engine.h"
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 101, WORKERS_MAX = 4, RUNS = 3 };

static const int run_workers[RUNS] = {1, 2, 4};

struct line {
	struct worker worker;
	struct engine *engine; // NULL: the dataplane alone
	pthread_t thread;
	double cpu;
};

struct result {
	double wall[ROUNDS_MAX];
	double busiest[ROUNDS_MAX]; // thread
	double reader[ROUNDS_MAX]; // the thread that reads the capture, 0: the worker does
	double sum[ROUNDS_MAX];
	uint64_t packets;
};

static void die(const char *what) {
	fprintf(stderr, "bench_workers: %s\n", what);
	exit(1);
}

static double seconds(clockid_t id) {
	struct timespec now;
	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- What is told to nobody

static void *count_open(void *ctx, struct stream *, uint64_t) {
	return ctx;
}

static void count_data(void *reader, enum stream_dir, const uint8_t *, size_t size, uint64_t) {
	*(uint64_t *)reader += size;
}

static void count_gap(void *, enum stream_dir, uint64_t, uint64_t) {}

static void count_event(void *, enum stream_event, uint64_t) {}

static void count_timer(void *, uint64_t) {}

static void count_close(void *, enum stream_end, uint64_t) {}

static void drop_record(void *, const char *, size_t) {}

static void drop_activity(void *, const struct activity *) {}

// ---- A walk

static void line_open(struct line *line, bool is_told, uint64_t *n_bytes) {
	static const struct engine_config engine_config = {
		.parse = true,
		.records = true,
		.out = {.record = drop_record, .activity = drop_activity},
	};
	struct flow_config config = {
		.handler
		= {n_bytes,
		   count_open,
		   count_data,
		   count_gap,
		   count_event,
		   count_timer,
		   count_close},
	};

	// As drawn at random, once.
	*line = (struct line){
		.worker.decode = {
			.hash_key = {0x6f1d3ac2905be847, 0xb84c71e9d20f35a6},
			.checksum = true,
		},
	};
	if (is_told) {
		line->engine = engine_open(&engine_config);
		if (!line->engine)
			die(strerror(errno));
		config.handler = engine_handler(line->engine);
	}
	line->worker.flows = flow_open(&config);
	if (!line->worker.flows)
		die(strerror(errno));
}

static void *line_run(void *arg) {
	struct line *line = arg;

	if (worker_run(&line->worker) < 0)
		die(line->worker.source->error);
	line->cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

// Runs all lines, and reads the capture for them when there are several. Returns what reading it took.
static double lines_run(struct line *lines, int n, struct source *source) {
	struct distribute_config config = {.n_workers = n, .decode = lines[0].worker.decode};
	struct distributor *distributor = n > 1 ? distribute_open(&config) : NULL;
	double cpu = 0;

	if (n > 1 && !distributor)
		die(strerror(errno));
	for (int i = 0; i < n; i++) {
		lines[i].worker.source = distributor ? distribute_source(distributor, i) : source;
		if (pthread_create(&lines[i].thread, NULL, line_run, &lines[i]) != 0)
			die("no thread");
	}
	if (distributor) {
		cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
		if (distribute_run(distributor, source) < 0)
			die(source->error);
		cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	}
	for (int i = 0; i < n; i++)
		pthread_join(lines[i].thread, NULL);
	distribute_close(distributor);
	return cpu;
}

static void walk(const char *path, bool is_told, int n, int round, struct result *result) {
	struct line lines[WORKERS_MAX];
	uint64_t n_bytes[WORKERS_MAX][8] = {0}; // a cache line each
	char error[512];
	struct capture *capture = n > 1 ? capture_open_mapped(path, error, sizeof(error))
					: capture_open(path, error, sizeof(error));

	if (!capture)
		die(error);
	for (int i = 0; i < n; i++)
		line_open(&lines[i], is_told, n_bytes[i]);
	result->wall[round] = seconds(CLOCK_MONOTONIC);
	result->reader[round] = lines_run(lines, n, capture_source(capture));
	result->wall[round] = seconds(CLOCK_MONOTONIC) - result->wall[round];
	result->sum[round] = result->busiest[round] = result->reader[round];
	result->packets = 0;
	for (int i = 0; i < n; i++) {
		result->sum[round] += lines[i].cpu;
		if (result->busiest[round] < lines[i].cpu)
			result->busiest[round] = lines[i].cpu;
		result->packets += lines[i].worker.n_frames;
		flow_close(lines[i].worker.flows);
		engine_close(lines[i].engine);
	}
	capture_close(capture);
}

// ---- What is printed

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(const double *values, int n) {
	double sorted[ROUNDS_MAX];
	memcpy(sorted, values, (size_t)n * sizeof(*values));
	qsort(sorted, (size_t)n, sizeof(*sorted), compare);
	return sorted[n / 2];
}

// Median, round by round, of what one worker took to what this took, times scale.
static double ratio(const double *one, const double *this, int rounds, double scale) {
	double ratios[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		ratios[i] = one[i] / this[i] * scale;
	return median(ratios, rounds);
}

static void print(const struct result results[RUNS], bool is_told, int rounds) {
	printf("%s, %llu packets:\n",
	       is_told ? "with records" : "dataplane alone",
	       (unsigned long long)results[0].packets);
	for (int i = 0; i < RUNS; i++) {
		const struct result *r = &results[i];
		int n = run_workers[i];

		printf("%d worker%s  wall %.3f s, processor: all threads %.3f s, busiest %.3f s, "
		       "who reads %.3f s",
		       n,
		       n > 1 ? "s" : " ",
		       median(r->wall, rounds),
		       median(r->sum, rounds),
		       median(r->busiest, rounds),
		       median(r->reader, rounds));
		if (n > 1)
			printf("   x one worker: wall %.2f, a core for each thread %.2f, %d cores "
			       "%.2f",
			       ratio(results[0].wall, r->wall, rounds, 1),
			       ratio(results[0].busiest, r->busiest, rounds, 1),
			       n,
			       ratio(results[0].sum, r->sum, rounds, n));
		printf("\n");
	}
}

int main(int argc, char **argv) {
	static struct result results[2][RUNS];
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	double loads[3] = {0};

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: bench_workers CAPTURE [ROUNDS [WORKERS]]");
	if (argc > 3) {
		int n = atoi(argv[3]);

		if (n < 1 || n > WORKERS_MAX)
			die("1 to 4 workers");
		walk(argv[1], true, n, 0, &results[1][0]);
		return 0;
	}
	getloadavg(loads, 3);
	for (int round = -1; round < rounds; round++) // the first warms caches and is not counted
		for (int told = 0; told < 2; told++)
			for (int i = 0; i < RUNS; i++)
				walk(argv[1],
				     told,
				     run_workers[i],
				     round < 0 ? 0 : round,
				     &results[told][i]);
	printf("%s, %d rounds in turns; load of the machine at the start %.1f\n",
	       argv[1],
	       rounds,
	       loads[0]);
	for (int told = 0; told < 2; told++)
		print(results[told], told, rounds);
	return 0;
}
