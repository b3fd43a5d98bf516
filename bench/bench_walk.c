// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_walk CAPTURE [ROUNDS]: the same capture, one core, four depths of the walk in turn: reading every
// byte once, the dataplane alone (a handler that counts), with protocols parsed, and with messages decoded
// (MIME, SHA-256 of attachments) and matched.
// Rounds alternate, so that a noisy machine disturbs all alike; medians and spreads are printed, and
// the ratio to plain reading, pair by pair.

#include "capture.h"
#include "engine.h"
#include "match/ruleset.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 101, DEPTHS = 4 };

static const char *const depth_names[DEPTHS] = {
	"plain reading",
	"dataplane alone",
	"with parsing",
	"decoded, matched",
};

struct result {
	double seconds[ROUNDS_MAX];
	uint64_t packets, wire_bytes, stream_bytes, sessions, matches;
};

static double cpu_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what) {
	fprintf(stderr, "bench_walk: %s\n", what);
	exit(1);
}

// ---- Depth 0

static uint64_t plain_read(const char *path, struct result *result) {
	int fd = open(path, O_RDONLY);
	struct stat status;
	uint64_t sum = 0;

	if (fd < 0 || fstat(fd, &status) < 0)
		die(strerror(errno));
	const uint64_t *words = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (words == MAP_FAILED)
		die(strerror(errno));
	for (size_t i = 0; i < (size_t)status.st_size / 8; i++)
		sum += words[i];
	munmap((void *)words, (size_t)status.st_size);
	close(fd);
	result->wire_bytes = (uint64_t)status.st_size;
	return sum;
}

// ---- Depth 1: counts what a reader would get, and touches none of it

static void *count_open(void *ctx, struct stream *, uint64_t) {
	struct result *result = ctx;
	result->sessions++;
	return result;
}

static void count_data(void *reader, enum stream_dir, const uint8_t *, size_t size, uint64_t) {
	((struct result *)reader)->stream_bytes += size;
}

static void count_gap(void *, enum stream_dir, uint64_t, uint64_t) {}

static void count_event(void *, enum stream_event, uint64_t) {}

static void count_timer(void *, uint64_t) {}

static void count_close(void *, enum stream_end, uint64_t) {}

static struct stream_handler counter(struct result *result) {
	return (struct stream_handler){
		result,
		count_open,
		count_data,
		count_gap,
		count_event,
		count_timer,
		count_close,
	};
}

// ---- Depths 2 and 3

static void drop_record(void *, const char *, size_t) {}

static void drop_activity(void *, const struct activity *) {}

static struct engine *engine_make(struct ruleset *ruleset, bool match) {
	struct engine_config config = {
		.parse = true,
		.records = true,
		.out = {.record = drop_record, .activity = drop_activity},
	};

	if (match) {
		config.decode = true;
		config.scanner = ruleset_scanner(ruleset, CONTENT_OPEN_MAX);
		if (!config.scanner)
			die("no rules to match: built without Hyperscan?");
	}
	struct engine *engine = engine_open(&config);
	if (!engine)
		die(strerror(errno));
	return engine;
}

// One walk over the capture; opening and closing are not timed.
static double walk(const char *path, struct ruleset *ruleset, int depth, struct result *result) {
	struct engine *engine = depth >= 2 ? engine_make(ruleset, depth == 3) : NULL;
	struct flow_config flow_config
		= {.handler = engine ? engine_handler(engine) : counter(result)};
	struct worker worker = {.decode.checksum = true};
	char error[512];
	double start;

	result->stream_bytes = result->sessions = 0;
	struct capture *capture = capture_open(path, error, sizeof(error));
	if (!capture)
		die(error);
	worker.source = capture_source(capture);
	worker.flows = flow_open(&flow_config);
	if (!worker.flows)
		die(strerror(errno));
	start = cpu_seconds();
	if (worker_run(&worker) < 0)
		die(worker.source->error);
	start = cpu_seconds() - start;
	result->packets = worker.n_frames;
	result->wire_bytes = worker.n_bytes;
	if (engine)
		result->matches = engine->stats.n_matches;
	flow_close(worker.flows);
	engine_close(engine);
	capture_close(capture);
	return start;
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

static void print(const struct result results[DEPTHS], int depth, int rounds) {
	const struct result *r = &results[depth];
	double ratios[ROUNDS_MAX], best = r->seconds[0], worst = r->seconds[0];
	double seconds = median(r->seconds, rounds);

	for (int i = 0; i < rounds; i++) {
		ratios[i] = r->seconds[i] / results[0].seconds[i];
		best = r->seconds[i] < best ? r->seconds[i] : best;
		worst = r->seconds[i] > worst ? r->seconds[i] : worst;
	}
	printf("%-16s %8.4f s (%.4f-%.4f) %8.2f Gbit/s %7.2f Mpps   %6.2f x plain reading\n",
	       depth_names[depth],
	       seconds,
	       best,
	       worst,
	       (double)r->wire_bytes * 8 / seconds / 1e9,
	       (double)results[1].packets / seconds / 1e6,
	       median(ratios, rounds));
}

int main(int argc, char **argv) {
	static struct result results[DEPTHS];
	static volatile uint64_t sink;
	int rounds = argc > 2 ? atoi(argv[2]) : 7;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: bench_walk CAPTURE [ROUNDS]");
	struct ruleset *ruleset = ruleset_open(getenv("RULES"), NULL, stderr);
	if (!ruleset)
		return 1;
	for (int round = -1; round < rounds; round++) { // the first warms caches and is not counted
		for (int depth = 0; depth < DEPTHS; depth++) {
			double seconds = cpu_seconds();
			if (depth == 0) {
				sink += plain_read(argv[1], &results[0]);
				seconds = cpu_seconds() - seconds;
			} else {
				seconds = walk(argv[1], ruleset, depth, &results[depth]);
			}
			if (round >= 0)
				results[depth].seconds[round] = seconds;
		}
	}
	printf("%s: %llu packets, %llu bytes, %llu streams, %llu stream bytes, %llu matches; %d "
	       "rounds\n",
	       argv[1],
	       (unsigned long long)results[1].packets,
	       (unsigned long long)results[1].wire_bytes,
	       (unsigned long long)results[1].sessions,
	       (unsigned long long)results[1].stream_bytes,
	       (unsigned long long)results[3].matches,
	       rounds);
	for (int depth = 0; depth < DEPTHS; depth++)
		print(results, depth, rounds);
	ruleset_close(ruleset);
	return 0;
}
