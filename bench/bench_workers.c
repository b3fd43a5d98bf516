// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_workers CAPTURE [ROUNDS]: the same capture by one worker that reads it itself, and by two and four behind the
// distributor, and by two that have a queue of a NIC each: the capture was split by connection into CAPTURE.0 and
// CAPTURE.1 beforehand, each worker reads one, and nobody distributes. In turns; the dataplane alone, and with
// records. Time on the wall says little while other programs
// want the same cores; so for each thread what it took of a processor is shown, and what follows from it: how much
// faster it is when every thread has a core (the busiest one decides), and on as many cores as workers.
// With WORKERS (1, 2, 4) as a third argument one walk alone, with records, once: for valgrind
// --tool=callgrind --separate-threads=yes.

#include "capture.h"
#include "distribute.h"
#include "engine.h"
#include "exchange.h"
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 101, WORKERS_MAX = 4, RUNS = 4, QUEUES = 2 };

static const struct {
	int n;
	bool has_queues;
} runs[RUNS] = {{1, false}, {2, false}, {4, false}, {QUEUES, true}};

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

// ---- What a NIC would do

static const struct exchange_config *spread(void) {
	static uint8_t owners[EXCHANGE_OWNERS];
	static const struct exchange_config config = {.n_workers = QUEUES, .owners = owners};

	for (int i = 0; i < EXCHANGE_OWNERS; i++)
		owners[i] = (uint8_t)(i % QUEUES);
	return &config;
}

static void queue_path(char *to, size_t size, const char *path, int queue) {
	snprintf(to, size, "%s.%d", path, queue);
}

static void frame_write(const struct frame *frame, FILE *file) {
	const uint32_t head[4] = {
		(uint32_t)(frame->time_ns / 1000000000),
		(uint32_t)(frame->time_ns % 1000000000),
		frame->size,
		frame->wire_size,
	};

	if (fwrite(head, sizeof(head), 1, file) != 1
	    || fwrite(frame->data, frame->size, 1, file) != 1)
		die(strerror(errno));
}

// Each queue's packets to a capture of its own. What is no segment goes to the first.
static void split(const char *path) {
	static const uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
	static const struct decode_config config = {.hash_key = {1, 2}};
	struct exchange *exchange = exchange_open(spread());
	struct frame frames[64];
	FILE *files[QUEUES];
	char name[512], error[512];
	struct capture *capture = capture_open(path, error, sizeof(error));
	struct pkt pkt;
	int n;

	if (!capture || !exchange)
		die(error);
	for (int i = 0; i < QUEUES; i++) {
		queue_path(name, sizeof(name), path, i);
		files[i] = fopen(name, "wb");
		if (!files[i] || fwrite(head, sizeof(head), 1, files[i]) != 1)
			die(name);
	}
	while ((n = source_burst(capture_source(capture), frames, 64)) >= 0)
		for (int i = 0; i < n; i++)
			frame_write(
				&frames[i],
				files[decode(&config, &frames[i], &pkt) == VERDICT_tcp
					      ? exchange_owner(exchange, &pkt, false)
					      : 0]
			);
	for (int i = 0; i < QUEUES; i++)
		if (fclose(files[i]) != 0)
			die(strerror(errno));
	capture_close(capture);
	exchange_close(exchange);
}

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

// Runs all lines, and reads the capture for them when they have no sources of their own. Returns what reading it took.
static double lines_run(struct line *lines, int n, struct source *source) {
	struct distribute_config config = {.n_workers = n, .decode = lines[0].worker.decode};
	struct distributor *distributor = source ? distribute_open(&config) : NULL;
	double cpu = 0;

	if (source && !distributor)
		die(strerror(errno));
	for (int i = 0; i < n; i++) {
		if (distributor)
			lines[i].worker.source = distribute_source(distributor, i);
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

static struct capture *open_or_die(const char *path, bool is_mapped) {
	char error[512];
	struct capture *capture = is_mapped ? capture_open_mapped(path, error, sizeof(error))
					    : capture_open(path, error, sizeof(error));

	if (!capture)
		die(error);
	return capture;
}

static void lines_sum(struct line *lines, int n, struct result *result, int round) {
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
}

static void
walk(const char *path, bool is_told, int n, bool has_queues, int round, struct result *result) {
	struct line lines[WORKERS_MAX];
	uint64_t n_bytes[WORKERS_MAX][8] = {0}; // a cache line each
	struct exchange *exchange = has_queues ? exchange_open(spread()) : NULL;
	bool is_distributed = n > 1 && !has_queues;
	struct capture *captures[WORKERS_MAX] = {0};
	char name[512];

	captures[0] = has_queues ? NULL : open_or_die(path, is_distributed);
	for (int i = 0; i < n; i++) {
		line_open(&lines[i], is_told, n_bytes[i]);
		queue_path(name, sizeof(name), path, i);
		if (has_queues)
			captures[i] = open_or_die(name, false);
		if (!is_distributed)
			lines[i].worker.source = capture_source(captures[i]);
		lines[i].worker.exchange = exchange;
		lines[i].worker.index = i;
	}
	result->wall[round] = seconds(CLOCK_MONOTONIC);
	result->reader[round]
		= lines_run(lines, n, is_distributed ? capture_source(captures[0]) : NULL);
	result->wall[round] = seconds(CLOCK_MONOTONIC) - result->wall[round];
	lines_sum(lines, n, result, round);
	for (int i = 0; i < WORKERS_MAX; i++)
		if (captures[i])
			capture_close(captures[i]);
	exchange_close(exchange);
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
		int n = runs[i].n;

		printf("%d worker%s%s  wall %.3f s, processor: all threads %.3f s, busiest %.3f s, "
		       "who reads %.3f s",
		       n,
		       n > 1 ? "s" : " ",
		       runs[i].has_queues ? ", a queue each" : "",
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
		walk(argv[1], true, n, false, 0, &results[1][0]);
		return 0;
	}
	split(argv[1]);
	getloadavg(loads, 3);
	for (int round = -1; round < rounds; round++) // the first warms caches and is not counted
		for (int told = 0; told < 2; told++)
			for (int i = 0; i < RUNS; i++)
				walk(argv[1],
				     told,
				     runs[i].n,
				     runs[i].has_queues,
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
