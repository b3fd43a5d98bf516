// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "ruleset.h"

#include "installed.h"
#include "match/cache.h"

#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ruleset {
	struct rules *rules;
	struct database *db;
	struct scanner *scanners[RULESET_SCANNERS_MAX];
	int n_scanners;
	int n_bad;
};

static void report(void *ctx, const char *text) {
	fprintf(ctx, "postern: %s\n", text);
}

// Compiles, with what the cache has.
static int
compile(struct ruleset *set, const char *cache_path, const struct ruleset *before, FILE *err) {
	const char *error;
	struct cache *cache = cache_open(cache_path, &error);
	int n_bad = 0;

	if (error)
		fprintf(err, "postern: --rule-cache %s: %s\n", cache_path, error);
	set->db = database_open(set->rules, cache, before ? before->db : NULL, report, err, &n_bad);
	cache_close(cache);
	return n_bad;
}

struct ruleset *
ruleset_open(const char *path, const char *cache_path, const struct ruleset *before, FILE *err) {
	struct ruleset *set = calloc(1, sizeof(*set));
	char beside[PATH_MAX];
	int n_bad = 0;

	if (!set) {
		fputs("postern: out of memory\n", err);
		return NULL;
	}
	if (!path && !installed_find("", beside)) {
		fputs("postern: no content rules found beside the program; name some with --rules "
		      "PATH\n",
		      err);
		return set;
	}
	set->rules = rules_open(path ? path : beside, report, err, &n_bad);
	if (set->rules) {
		set->n_bad = n_bad;
		set->n_bad += compile(set, cache_path, before, err);
	}
	if (!set->db) {
		ruleset_close(set);
		return NULL;
	}
	return set;
}

const struct rules *ruleset_rules(const struct ruleset *set) {
	return set->rules;
}

int ruleset_n_bad(const struct ruleset *set) {
	return set->n_bad;
}

int ruleset_n_cached(const struct ruleset *set) {
	return set->db ? database_n_cached(set->db) : 0;
}

struct scanner *ruleset_scanner(struct ruleset *set, uint32_t n_streams) {
	struct scanner *scanner;

	if (!set->db || set->n_scanners == RULESET_SCANNERS_MAX)
		return NULL;
	scanner = scanner_open(set->db, n_streams);
	if (scanner)
		set->scanners[set->n_scanners++] = scanner;
	return scanner;
}

void ruleset_close(struct ruleset *set) {
	if (!set)
		return;
	while (set->n_scanners > 0)
		scanner_close(set->scanners[--set->n_scanners]);
	if (set->db)
		database_close(set->db);
	if (set->rules)
		rules_close(set->rules);
	free(set);
}
