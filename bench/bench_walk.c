// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_walk CAPTURE [ROUNDS [DEPTH]]: the same capture, one core, depths of the walk in turn: reading every byte once,
// the dataplane alone (a handler that counts), with protocols parsed (each session's facts, which nobody is
// told), with session records and activity written, with messages decoded (MIME, SHA-256 of attachments),
// and with them matched, too; and beside these SHA-256 alone over as many bytes as were hashed of
// attachments, and the file mapped and summed.
//
// Plain reading is read() into 256 KB, as the capture is read, and the sum of all words. It is also done
// through a map. Both depend on how the file lies in the system's cache: a file just written lies there in pages of
// 4 KB, one read from disk in up to 2 MB, which take half the time to read and a quarter to map. So it is
// written out and read anew first: in large pages, which is the harder measure; how often a map of it faults is printed.
//
// Rounds alternate, so that a noisy machine disturbs all alike; medians and spreads are printed, and
// the ratio to plain reading, pair by pair. With DEPTH (0 …) that walk alone: for perf and callgrind.

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
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS_MAX = 101,
	READ_SIZE = 256 << 10, // as the capture is read (CAPTURE_CHUNK_SIZE)
	WARM_SIZE = 64 << 20,
};

enum depth {
	DEPTH_PLAIN,
	DEPTH_DATAPLANE,
	DEPTH_PARSED,
	DEPTH_TOLD,
	DEPTH_DECODED,
	DEPTH_MATCHED,
	DEPTH_SHA256,
	DEPTH_MAPPED,
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
	"mapped, summed",
};

struct result {
	double seconds[ROUNDS_MAX];
	long faults; // of reading through a map
	uint64_t packets, wire_bytes, stream_bytes, sessions, matches, attachment_bytes;
};

static double cpu_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Memory that a virtual machine has not used for seconds may have gone back to its host: the first touch
// of 2 MB is then 4 ms instead of 0.1, as luck has it. So as much as a walk touches is taken and given back just before:
// the walk still takes its pages from the system, and clears them.
static void pages_warm(void) {
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *pages = mmap(NULL, WARM_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (pages == MAP_FAILED)
		return;
	madvise(pages, WARM_SIZE, MADV_HUGEPAGE);
	memset(pages, 1, WARM_SIZE);
	munmap(pages, WARM_SIZE);
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

static uint64_t sum(const uint64_t *words, size_t n) {
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += words[i];
	return sum;
}

static uint64_t plain_read(const char *path, struct result *result) {
	static uint64_t buffer[READ_SIZE / sizeof(uint64_t)];
	uint64_t total = 0;
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		die(strerror(errno));
	result->wire_bytes = 0;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		total += sum(buffer, (size_t)n / 8);
		result->wire_bytes += (uint64_t)n;
	}
	close(fd);
	return total;
}

// In the largest pages the system reads files into.
static void cache_afresh(const char *path) {
	struct result none;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fdatasync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		fprintf(stderr, "bench_walk: %s stays in the cache as it is\n", path);
	if (fd >= 0)
		close(fd);
	plain_read(path, &none);
}

static long faults(void) {
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static uint64_t mapped_read(const char *path, struct result *result) {
	size_t size;
	long before = faults();
	const void *data = file_map(path, &size);
	uint64_t total = sum(data, size / 8);

	munmap((void *)data, size);
	result->wire_bytes = size;
	result->faults = faults() - before;
	return total;
}

// ---- SHA-256 alone: over the file's own bytes, which are never fewer than its attachments'

// Seconds. The pages are there before: hashing alone is timed.
static double hash_alone(const char *path, uint64_t bytes, struct result *result) {
	static volatile uint64_t sink;
	uint8_t hash[SHA256_DIGEST_LENGTH];
	size_t size;
	const uint8_t *data = file_map(path, &size);

	sink += sum((const uint64_t *)data, size / 8);

	if (bytes == 0 || bytes > size) // this walk is alone
		bytes = size;

	double start = cpu_seconds();

	SHA256(data, bytes, hash);
	start = cpu_seconds() - start;
	sink += hash[0];
	munmap((void *)data, size);
	result->wire_bytes = bytes;
	return start;
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
	pages_warm();
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
	printf("%-16s %8.4f s (%.4f-%.4f) %8.2f Gbit/s %7.2f Mpps",
	       depth_names[depth],
	       seconds,
	       best,
	       worst,
	       (double)r->wire_bytes * 8 / seconds / 1e9,
	       (double)r->packets / seconds / 1e6);
	if (results[DEPTH_PLAIN].seconds[0] > 0) // not when a walk is alone
		printf("   %6.2f x plain reading, %6.2f x mapped",
		       ratio(r, &results[DEPTH_PLAIN], rounds),
		       ratio(r, &results[DEPTH_MAPPED], rounds));
	printf("\n");
}

static double
once(const char *path, struct ruleset *ruleset, enum depth depth, struct result *results) {
	static volatile uint64_t sink;
	struct result *result = &results[depth];

	if (depth == DEPTH_SHA256)
		return hash_alone(path, results[DEPTH_DECODED].attachment_bytes, result);
	if (depth != DEPTH_PLAIN && depth != DEPTH_MAPPED)
		return walk(path, ruleset, depth, result);

	double start = cpu_seconds();

	sink += (depth == DEPTH_PLAIN ? plain_read : mapped_read)(path, result);
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
	cache_afresh(argv[1]);
	for (int round = 0; only >= 0 && round < rounds; round++)
		results[only].seconds[round] = once(argv[1], ruleset, (enum depth)only, results);
	if (only >= 0) {
		print(results, only, rounds);
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
	       "rounds; mapped in %ld faults\n",
	       argv[1],
	       (unsigned long long)results[DEPTH_DATAPLANE].packets,
	       (unsigned long long)results[DEPTH_DATAPLANE].wire_bytes,
	       (unsigned long long)results[DEPTH_DATAPLANE].sessions,
	       (unsigned long long)results[DEPTH_DATAPLANE].stream_bytes,
	       (unsigned long long)results[DEPTH_MATCHED].matches,
	       rounds,
	       results[DEPTH_MAPPED].faults);
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
