// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_worst RULES: each pattern's worst byte (a block of it, scanned by that pattern alone), then that block through
// the whole set with the pattern and without it. Prints the pattern that costs the set most; 2 is too much.

#include "match/ruleset.h"

#include <hs.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 1 << 15, REPEATS = 7 };

static uint8_t block[BLOCK];

static int on_match(unsigned, unsigned long long, unsigned long long, unsigned, void *) {
	return 0;
}

static unsigned flags_of(const struct rule *rule) {
	return (rule->flags & RULE_CASELESS ? HS_FLAG_CASELESS : 0)
		| (rule->flags & RULE_DOTALL ? HS_FLAG_DOTALL : 0)
		| (rule->flags & RULE_MULTILINE ? HS_FLAG_MULTILINE : 0);
}

// All patterns but one (−1: all), or that one alone.
static hs_database_t *compile(const struct rules *rules, long which, int is_alone) {
	const char *text[4096];
	unsigned flags[4096], ids[4096], n = 0;
	hs_compile_error_t *error;
	hs_database_t *db;

	for (uint32_t i = 0; i < rules->n && n < 4096; i++) {
		if (!rules->rules[i].pattern || ((long)i == which) != is_alone)
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

// The fastest of several: what a quiet machine would take.
static double scan(const hs_database_t *db, int byte) {
	hs_scratch_t *scratch = NULL;
	struct timespec from, to;
	double best = 1;

	memset(block, byte, BLOCK);
	if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
		exit(1);
	for (int i = 0; i < REPEATS; i++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		hs_scan(db, (const char *)block, BLOCK, 0, scratch, on_match, NULL);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		double t = (double)(to.tv_sec - from.tv_sec)
			+ (double)(to.tv_nsec - from.tv_nsec) / 1e9;
		best = t < best ? t : best;
	}
	hs_free_scratch(scratch);
	return best;
}

static int worst_byte(const hs_database_t *db) {
	double worst = 0;
	int byte = 0;

	for (int b = 0; b < 256; b++) {
		double t = scan(db, b);
		byte = t > worst ? b : byte;
		worst = t > worst ? t : worst;
	}
	return byte;
}

int main(int argc, char **argv) {
	struct ruleset *ruleset = argc > 1 ? ruleset_open(argv[1], NULL, NULL, stderr) : NULL;
	double most = 0;

	if (!ruleset || !ruleset_rules(ruleset))
		return 2;
	const struct rules *rules = ruleset_rules(ruleset);
	hs_database_t *set = compile(rules, -1, 0);
	for (uint32_t i = 0; i < rules->n && set; i++) {
		hs_database_t *alone = compile(rules, i, 1), *rest = compile(rules, i, 0);

		if (alone && rest) {
			int byte = worst_byte(alone);
			double with = scan(set, byte), without = scan(rest, byte);

			// Faster than 4 GB/s no pattern is looked at: it was skipped over.
			if (with < BLOCK / 4e9)
				without = with;
			if (with / without > 1.5)
				printf("  %s: byte 0x%02x, %.1f us with it, %.1f us without, "
				       "%.2f\n",
				       rules->rules[i].id,
				       byte,
				       with * 1e6,
				       without * 1e6,
				       with / without);
			most = with / without > most ? with / without : most;
		}
		hs_free_database(alone);
		hs_free_database(rest);
	}
	printf("%s: no pattern costs the set more than %.2f on its worst byte; at most 2 wanted\n",
	       argv[1],
	       most);
	hs_free_database(set);
	ruleset_close(ruleset);
	return most > 2;
}
