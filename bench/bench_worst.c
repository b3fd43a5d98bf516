// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_worst RULES: all patterns as one set. Blocks of one byte: those on which a pattern alone is slowest, and those on
// which the set is, through the whole set with the pattern and without it, in turn. Prints what costs the set
// more than a quarter, and the most that one does; 2 is too much.

#include "match/ruleset.h"

#include <hs.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BLOCK = 1 << 15,
	REPEATS = 9,
	RANK_REPEATS = 3,
	OWN = 3, // slowest bytes of the pattern alone
	SLOW = 8, // and of the set
};

static uint8_t block[BLOCK];

static int on_match(unsigned, unsigned long long, unsigned long long, unsigned, void *) {
	return 0;
}

static unsigned flags_of(const struct rule *rule) {
	return (rule->flags & RULE_CASELESS ? HS_FLAG_CASELESS : 0)
		| (rule->flags & RULE_DOTALL ? HS_FLAG_DOTALL : 0)
		| (rule->flags & RULE_MULTILINE ? HS_FLAG_MULTILINE : 0);
}

// Whether two rules have one pattern: leaving out one of them alone would show nothing.
static bool is_same(const struct rules *rules, long a, uint32_t b) {
	return a >= 0 && strcmp(rules->rules[a].pattern, rules->rules[b].pattern) == 0;
}

// All patterns but one (−1: all), or that one alone.
static hs_database_t *compile(const struct rules *rules, long which, bool is_alone) {
	const char *text[4096];
	unsigned flags[4096], ids[4096], n = 0;
	hs_compile_error_t *error;
	hs_database_t *db;

	for (uint32_t i = 0; i < rules->n && n < 4096; i++) {
		if (!rules->rules[i].pattern || is_same(rules, which, i) != is_alone)
			continue;
		text[n] = rules->rules[i].pattern;
		flags[n] = flags_of(&rules->rules[i]);
		ids[n++] = i;
	}
	if (n == 0
	    || hs_compile_multi(text, flags, ids, n, HS_MODE_BLOCK, NULL, &db, &error)
		    != HS_SUCCESS)
		return NULL;
	return db;
}

static double seconds(void) {
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// A block of this byte through the database, once.
static double scan(const hs_database_t *db, hs_scratch_t *scratch, int byte) {
	double from;

	memset(block, byte, BLOCK);
	from = seconds();
	hs_scan(db, (const char *)block, BLOCK, 0, scratch, on_match, NULL);
	return seconds() - from;
}

// The fastest of several: what a quiet machine would take.
static double scan_best(const hs_database_t *db, hs_scratch_t *scratch, int byte, int repeats) {
	double best = scan(db, scratch, byte);

	for (int i = 1; i < repeats; i++) {
		double t = scan(db, scratch, byte);
		best = t < best ? t : best;
	}
	return best;
}

struct timed {
	double seconds;
	int byte;
};

static int by_time(const void *a, const void *b) {
	double x = ((const struct timed *)a)->seconds, y = ((const struct timed *)b)->seconds;

	return (x < y) - (x > y);
}

// All bytes, the slowest first.
static void bytes_rank(const hs_database_t *db, hs_scratch_t *scratch, struct timed list[256]) {
	for (int b = 0; b < 256; b++)
		list[b] = (struct timed){scan_best(db, scratch, b, RANK_REPEATS), b};
	qsort(list, 256, sizeof(*list), by_time);
}

// With the pattern and without it, in turn. 1 when the set is not slow there at all.
static double
cost(const hs_database_t *set, const hs_database_t *rest, hs_scratch_t *scratch, int byte) {
	double with = 1, without = 1;

	for (int i = 0; i < REPEATS; i++) {
		double t = scan(set, scratch, byte);
		with = t < with ? t : with;
		t = scan(rest, scratch, byte);
		without = t < without ? t : without;
	}
	// Faster than 4 GB/s no pattern is looked at: it was skipped over.
	return with < BLOCK / 4e9 ? 1 : with / without;
}

// The most that the pattern costs, on its own worst byte or one of the set's.
static double pattern_cost(
	const struct rules *rules,
	uint32_t i,
	const hs_database_t *set,
	const struct timed *slow,
	hs_scratch_t **scratch
) {
	hs_database_t *alone = compile(rules, i, true), *rest = compile(rules, i, false);
	struct timed own[256], worst = {0};

	if (!alone || !rest || hs_alloc_scratch(alone, scratch) != HS_SUCCESS
	    || hs_alloc_scratch(rest, scratch) != HS_SUCCESS)
		exit(1);
	bytes_rank(alone, *scratch, own);
	for (int k = 0; k < OWN + SLOW; k++) {
		int byte = k < OWN ? own[k].byte : slow[k - OWN].byte;
		double ratio = cost(set, rest, *scratch, byte);

		if (ratio > worst.seconds)
			worst = (struct timed){ratio, byte};
	}
	if (worst.seconds > 1.25)
		printf("  %s: byte 0x%02x, the set with it takes %.2f times as long\n",
		       rules->rules[i].id,
		       worst.byte,
		       worst.seconds);
	hs_free_database(alone);
	hs_free_database(rest);
	return worst.seconds;
}

int main(int argc, char **argv) {
	struct ruleset *ruleset = argc > 1 ? ruleset_open(argv[1], NULL, NULL, stderr) : NULL;
	hs_scratch_t *scratch = NULL;
	struct timed slow[256];
	double most = 0;
	int n = 0;

	if (!ruleset || !ruleset_rules(ruleset))
		return 2;
	const struct rules *rules = ruleset_rules(ruleset);
	hs_database_t *set = compile(rules, -1, false);
	if (!set || hs_alloc_scratch(set, &scratch) != HS_SUCCESS)
		return 2;
	bytes_rank(set, scratch, slow);
	for (uint32_t i = 0; i < rules->n; i++) {
		double ratio
			= rules->rules[i].pattern ? pattern_cost(rules, i, set, slow, &scratch) : 0;

		n += ratio > 0;
		most = ratio > most ? ratio : most;
	}
	printf("%s: %d patterns as one set, slowest byte 0x%02x at %.2f GB/s; none costs it more "
	       "than "
	       "%.2f on a byte; at most 2 wanted\n",
	       argv[1],
	       n,
	       slow[0].byte,
	       BLOCK / slow[0].seconds / 1e9,
	       most);
	hs_free_scratch(scratch);
	hs_free_database(set);
	ruleset_close(ruleset);
	return most > 2;
}
