// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_walk CAPTURE [ROUNDS [DEPTH]]: the same capture, one core, depths of the walk in turn: reading every byte once,
// the dataplane alone (a handler that counts), with protocols parsed (each session's facts, which nobody is
// told), with session records and activity written, with messages decoded (MIME, SHA-256 of attachments),
// and with them matched, too; and beside these SHA-256 alone over as many bytes as were hashed of
// attachments.
// Rounds alternate, so that a noisy machine disturbs all alike; medians and spreads are printed, and
// the ratio to plain reading, pair by pair. With DEPTH (0 …) one walk alone, once: for valgrind --tool=callgrind.

#include "capture.h"
#include "engine.h"
#include "match/ruleset.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 101 };

enum depth {
	DEPTH_PLAIN,
	DEPTH_DATAPLANE,
	DEPTH_PARSED,
	DEPTH_TOLD,
	DEPTH_DECODED,
	DEPTH_MATCHED,
	DEPTH_SHA256,
	DEPTHS,
};

static const char *const depth_names[DEPTHS] = {
	"plain reading",
	"dataplane alone",
	"with parsing",
	"and records",
	"decoded",
	"decoded, matched",
	"SHA-256 alone",
};

struct result {
	double seconds[ROUNDS_MAX];
	uint64_t packets, wire_bytes, stream_bytes, sessions, matches, attachment_bytes;
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

static const void *file_map(const char *path, size_t *size_r) {
	int fd = open(path, O_RDONLY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		die(strerror(errno));
	const void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die(strerror(errno));
	close(fd);
	*size_r = (size_t)status.st_size;
	return data;
}

static uint64_t plain_read(const char *path, struct result *result) {
	uint64_t sum = 0;
	size_t size;
	const uint64_t *words = file_map(path, &size);

	for (size_t i = 0; i < size / 8; i++)
		sum += words[i];
	munmap((void *)words, size);
	result->wire_bytes = size;
	return sum;
}

// ---- SHA-256 alone: over the file's own bytes, which are never fewer than its attachments'

static uint64_t hash_alone(const char *path, uint64_t bytes, struct result *result) {
	uint8_t hash[SHA256_DIGEST_LENGTH];
	size_t size;
	const uint8_t *data = file_map(path, &size);

	SHA256(data, bytes < size ? bytes : size, hash);
	munmap((void *)data, size);
	result->wire_bytes = bytes;
	return hash[0];
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

// ---- Deeper

static void drop_record(void *, const char *, size_t) {}

static void drop_activity(void *, const struct activity *) {}

static struct engine *engine_make(struct ruleset *ruleset, enum depth depth) {
	struct engine_config config = {
		.parse = true,
		.records = depth >= DEPTH_TOLD,
		.out = {.record = drop_record},
	};

	if (depth >= DEPTH_TOLD)
		config.out.activity = drop_activity;
	config.decode = depth >= DEPTH_DECODED;
	if (depth == DEPTH_MATCHED) {
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
static double
walk(const char *path, struct ruleset *ruleset, enum depth depth, struct result *result) {
	struct engine *engine = depth >= DEPTH_PARSED ? engine_make(ruleset, depth) : NULL;
	struct flow_config flow_config
		= {.handler = engine ? engine_handler(engine) : counter(result)};
	// A key as drawn at random, once: instructions are the same in every run.
	struct worker worker = {
		.decode = {
			.hash_key = {0x6f1d3ac2905be847, 0xb84c71e9d20f35a6},
			.checksum = true,
		},
	};
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
	if (engine) {
		result->matches = engine->stats.n_matches;
		result->attachment_bytes = engine->stats.attachment_bytes;
	}
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

// Median of the ratios round by round.
static double ratio(const struct result *a, const struct result *b, int rounds) {
	double ratios[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		ratios[i] = a->seconds[i] / b->seconds[i];
	return median(ratios, rounds);
}

// What decoding adds to parsing and records, as a share of SHA-256 alone: median round by round.
static double added_ratio(const struct result results[DEPTHS], int rounds) {
	double ratios[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		ratios[i] = (results[DEPTH_DECODED].seconds[i] - results[DEPTH_TOLD].seconds[i])
			/ results[DEPTH_SHA256].seconds[i];
	return median(ratios, rounds);
}

static void print(const struct result results[DEPTHS], int depth, int rounds) {
	const struct result *r = &results[depth];
	double best = r->seconds[0], worst = r->seconds[0];
	double seconds = median(r->seconds, rounds);

	for (int i = 0; i < rounds; i++) {
		best = r->seconds[i] < best ? r->seconds[i] : best;
		worst = r->seconds[i] > worst ? r->seconds[i] : worst;
	}
	printf("%-16s %8.4f s (%.4f-%.4f) %8.2f Gbit/s %7.2f Mpps   %6.2f x plain reading\n",
	       depth_names[depth],
	       seconds,
	       best,
	       worst,
	       (double)r->wire_bytes * 8 / seconds / 1e9,
	       (double)results[DEPTH_DATAPLANE].packets / seconds / 1e6,
	       ratio(r, &results[DEPTH_PLAIN], rounds));
}

static double
once(const char *path, struct ruleset *ruleset, enum depth depth, struct result *results) {
	static volatile uint64_t sink;
	double start = cpu_seconds();

	if (depth == DEPTH_PLAIN)
		sink += plain_read(path, &results[depth]);
	else if (depth == DEPTH_SHA256)
		sink += hash_alone(path, results[DEPTH_DECODED].attachment_bytes, &results[depth]);
	else
		return walk(path, ruleset, depth, &results[depth]);
	return cpu_seconds() - start;
}

int main(int argc, char **argv) {
	static struct result results[DEPTHS];
	int rounds = argc > 2 ? atoi(argv[2]) : 7;

	int only = argc > 3 ? atoi(argv[3]) : -1;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || only >= DEPTHS)
		die("usage: bench_walk CAPTURE [ROUNDS [DEPTH]]");
	struct ruleset *ruleset = ruleset_open(getenv("RULES"), NULL, NULL, stderr);
	if (!ruleset)
		return 1;
	if (only >= 0) {
		once(argv[1], ruleset, (enum depth)only, results);
		ruleset_close(ruleset);
		return 0;
	}
	for (int round = -1; round < rounds; round++) { // the first warms caches and is not counted
		for (int depth = 0; depth < DEPTHS; depth++) {
			double seconds = once(argv[1], ruleset, (enum depth)depth, results);
			if (round >= 0)
				results[depth].seconds[round] = seconds;
		}
	}
	printf("%s: %llu packets, %llu bytes, %llu streams, %llu stream bytes, %llu matches; %d "
	       "rounds\n",
	       argv[1],
	       (unsigned long long)results[DEPTH_DATAPLANE].packets,
	       (unsigned long long)results[DEPTH_DATAPLANE].wire_bytes,
	       (unsigned long long)results[DEPTH_DATAPLANE].sessions,
	       (unsigned long long)results[DEPTH_DATAPLANE].stream_bytes,
	       (unsigned long long)results[DEPTH_MATCHED].matches,
	       rounds);
	for (int depth = 0; depth < DEPTHS; depth++)
		print(results, depth, rounds);
	printf("decoded: %llu bytes of attachments, %.2f x SHA-256 alone over as many, of which "
	       "decoding "
	       "and hashing %.2f x\n",
	       (unsigned long long)results[DEPTH_DECODED].attachment_bytes,
	       ratio(&results[DEPTH_DECODED], &results[DEPTH_SHA256], rounds),
	       added_ratio(results, rounds));
	ruleset_close(ruleset);
	return 0;
}
