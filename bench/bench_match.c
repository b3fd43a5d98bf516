// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_match CAPTURE RULES [ROUNDS]: the whole pipeline (capture, sessions, MIME, match, activity) on one core, against
// hs_scan_stream alone with the same patterns over every payload byte of the same streams, as they lie in
// memory, in order. Rounds alternate; medians, spreads and the ratio round by round are printed.

#include "capture.h"
#include "engine.h"
#include "limits.h"
#include "match/ruleset.h"
#include "worker.h"

#include <hs.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 101 };

static void die(const char *what) {
	fprintf(stderr, "bench_match: %s\n", what);
	exit(1);
}

static double cpu_seconds(void) {
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- All payload bytes, in the order and the pieces in which a reader gets them

struct piece {
	uint32_t stream; // twice its number, and 1 for the server's side
	uint32_t size;
	size_t at; // in payload
};

static struct {
	uint8_t *payload;
	size_t used, cap;
	struct piece *pieces;
	size_t n_pieces, pieces_cap;
	uint32_t n_streams;
} all;

static void *take_open(void *, struct stream *, uint64_t) {
	return (void *)(uintptr_t)++all.n_streams;
}

static void
take_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t) {
	if (all.used + size > all.cap) {
		all.cap = 2 * (all.used + size);
		all.payload = realloc(all.payload, all.cap);
	}
	if (all.n_pieces == all.pieces_cap) {
		all.pieces_cap = 2 * all.pieces_cap + 1000;
		all.pieces = realloc(all.pieces, all.pieces_cap * sizeof(*all.pieces));
	}
	if (!all.payload || !all.pieces)
		die("out of memory");
	memcpy(all.payload + all.used, data, size);
	all.pieces[all.n_pieces++] = (struct piece){
		.stream = 2 * ((uint32_t)(uintptr_t)reader - 1) + dir,
		.size = (uint32_t)size,
		.at = all.used,
	};
	all.used += size;
}

static void take_gap(void *, enum stream_dir, uint64_t, uint64_t) {}

static void take_event(void *, enum stream_event, uint64_t) {}

static void take_timer(void *, uint64_t) {}

static void take_close(void *, enum stream_end, uint64_t) {}

static void walk(const char *path, struct stream_handler handler, double *seconds) {
	struct flow_config flows = {.handler = handler};
	struct worker worker = {.decode.checksum = true};
	char error[512];
	struct capture *capture = capture_open(path, error, sizeof(error));

	if (!capture)
		die(error);
	worker.source = capture_source(capture);
	worker.flows = flow_open(&flows);
	if (!worker.flows)
		die(strerror(errno));
	*seconds = cpu_seconds();
	if (worker_run(&worker) < 0)
		die(worker.source->error);
	*seconds = cpu_seconds() - *seconds;
	flow_close(worker.flows);
	capture_close(capture);
}

// ---- Hyperscan alone

static int on_match(unsigned, unsigned long long, unsigned long long, unsigned, void *ctx) {
	++*(uint64_t *)ctx;
	return 0;
}

static hs_database_t *compile(const struct rules *rules) {
	const char **text = calloc(rules->n, sizeof(*text));
	unsigned *flags = calloc(rules->n, sizeof(*flags)), *ids = calloc(rules->n, sizeof(*ids)),
		 n = 0;
	hs_compile_error_t *error = NULL;
	hs_database_t *db = NULL;

	for (uint32_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];

		if (!rule->pattern)
			continue;
		text[n] = rule->pattern;
		flags[n] = (rule->flags & RULE_CASELESS ? HS_FLAG_CASELESS : 0)
			| (rule->flags & RULE_DOTALL ? HS_FLAG_DOTALL : 0)
			| (rule->flags & RULE_MULTILINE ? HS_FLAG_MULTILINE : 0);
		ids[n++] = i;
	}
	if (hs_compile_multi(text, flags, ids, n, HS_MODE_STREAM, NULL, &db, &error) != HS_SUCCESS)
		die(error->message);
	free(text);
	free(flags);
	free(ids);
	return db;
}

static double scan_alone(const hs_database_t *db, hs_scratch_t *scratch, uint64_t *n_matches) {
	hs_stream_t **streams = calloc(2 * (size_t)all.n_streams + 1, sizeof(*streams));
	double start = cpu_seconds();

	*n_matches = 0;
	for (size_t i = 0; i < all.n_pieces; i++) {
		const struct piece *piece = &all.pieces[i];
		hs_stream_t **stream = &streams[piece->stream];

		if (!*stream && hs_open_stream(db, 0, stream) != HS_SUCCESS)
			die("no memory for streams");
		hs_scan_stream(
			*stream,
			(const char *)all.payload + piece->at,
			piece->size,
			0,
			scratch,
			on_match,
			n_matches
		);
	}
	for (uint32_t i = 0; i < 2 * all.n_streams; i++)
		if (streams[i])
			hs_close_stream(streams[i], scratch, on_match, n_matches);
	start = cpu_seconds() - start;
	free(streams);
	return start;
}

// Hyperscan has one allocator for streams in a process, and the pipeline's gives slots of its arenas: so this
// runs in a process of its own.
static double scan_apart(const hs_database_t *db, hs_scratch_t *scratch, uint64_t *n_matches) {
	struct {
		double seconds;
		uint64_t n_matches;
	} told;
	int ends[2];
	pid_t child;

	if (pipe(ends) < 0 || (child = fork()) < 0)
		die(strerror(errno));
	if (child == 0) {
		hs_set_stream_allocator(malloc, free);
		told.seconds = scan_alone(db, scratch, &told.n_matches);
		_exit(write(ends[1], &told, sizeof(told)) != sizeof(told));
	}
	close(ends[1]);
	if (read(ends[0], &told, sizeof(told)) != sizeof(told))
		die("scanning failed");
	close(ends[0]);
	waitpid(child, NULL, 0);
	*n_matches = told.n_matches;
	return told.seconds;
}

// ---- The pipeline

static void drop_activity(void *, const struct activity *) {}

static double pipeline(const char *path, struct scanner *scanner, struct engine_stats *stats) {
	struct engine_config config = {
		.parse = true,
		.decode = true,
		.scanner = scanner,
		.out = {.activity = drop_activity},
	};
	struct engine *engine = engine_open(&config);
	double seconds;

	if (!engine)
		die(strerror(errno));
	walk(path, engine_handler(engine), &seconds);
	*stats = engine->stats;
	engine_close(engine);
	return seconds;
}

// ---- What is printed

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double print(const char *name, double *seconds, int n) {
	qsort(seconds, (size_t)n, sizeof(*seconds), compare);
	printf("%-24s %8.4f s (%.4f-%.4f) %8.2f Gbit/s\n",
	       name,
	       seconds[n / 2],
	       seconds[0],
	       seconds[n - 1],
	       (double)all.used * 8 / seconds[n / 2] / 1e9);
	return seconds[n / 2];
}

int main(int argc, char **argv) {
	double alone[ROUNDS_MAX], whole[ROUNDS_MAX], ratios[ROUNDS_MAX], seconds;
	int rounds = argc > 3 ? atoi(argv[3]) : 5;
	struct engine_stats stats = {0};
	hs_scratch_t *scratch = NULL;
	uint64_t n_alone = 0;

	if (argc < 3 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: bench_match CAPTURE RULES [ROUNDS]");
	struct ruleset *ruleset = ruleset_open(argv[2], NULL, NULL, stderr);
	if (!ruleset)
		return 1;
	struct scanner *scanner = ruleset_scanner(ruleset, CONTENT_OPEN_MAX);
	hs_database_t *db = compile(ruleset_rules(ruleset));
	if (!scanner || hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
		die("no memory");
	walk(argv[1],
	     (struct stream_handler
	     ){NULL, take_open, take_data, take_gap, take_event, take_timer, take_close},
	     &seconds);
	for (int round = -1; round < rounds; round++) {
		int at = round < 0 ? 0 : round;

		alone[at] = scan_apart(db, scratch, &n_alone);
		whole[at] = pipeline(argv[1], scanner, &stats);
		ratios[at] = whole[at] / alone[at];
	}
	printf("%s: %zu payload bytes in %u streams, %u rules; %llu matches alone, %llu of rules\n",
	       argv[1],
	       all.used,
	       all.n_streams,
	       ruleset_rules(ruleset)->n,
	       (unsigned long long)n_alone,
	       (unsigned long long)stats.n_matches);
	print("hs_scan_stream alone", alone, rounds);
	seconds = print("whole pipeline", whole, rounds);
	qsort(ratios, (size_t)rounds, sizeof(*ratios), compare);
	printf("ratio %.2f (%.2f-%.2f), at most 1.33 wanted\n",
	       ratios[rounds / 2],
	       ratios[0],
	       ratios[rounds - 1]);
	printf("pipeline-seconds %.4f, %.1f MB of the %.1f scanned in %.0f calls of %.0f alone\n",
	       seconds,
	       (double)scanner_work(scanner)->n_bytes / (rounds + 1) / 1e6,
	       (double)all.used / 1e6,
	       (double)scanner_work(scanner)->n_calls / (rounds + 1),
	       (double)all.n_pieces);
	hs_free_scratch(scratch);
	hs_free_database(db);
	ruleset_close(ruleset);
	free(all.payload);
	free(all.pieces);
	return 0;
}
