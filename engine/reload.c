// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who may free what: a set is nobody's when every worker has taken the newest (so that none begins anything
// with an older one) and none of its scanners is held by an open message.
//
// Two threads: the one that reloads, which alone changes what is in force, and the one that answers, which frees
// what is old. What they share stands under a lock that is never held while something is compiled.

#include "reload.h"

#include "analyst.h"
#include "engine.h"
#include "limits.h"
#include "match/ruleset.h"
#include "match/scan.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// One set, and each worker's scanner of it.
struct generation {
	struct ruleset *ruleset;
	struct scanner *scanners[RULESET_SCANNERS_MAX];
	int n_scanners;
};

struct reload {
	const struct config *config;
	struct reload_more more; // zeroed: nothing
	pthread_mutex_t lock; // of what follows
	struct generation now; // w: who reloads, who may read it without the lock
	struct generation old[RELOAD_OLD_MAX];
	int n_old;
};

static void generation_close(struct generation *generation) {
	ruleset_close(generation->ruleset);
	*generation = (struct generation){0};
}

struct reload *reload_open(const struct config *config, FILE *err) {
	struct reload *reload = calloc(1, sizeof(*reload));
	struct ruleset *ruleset;

	if (!reload) {
		fputs("postern: out of memory\n", err);
		return NULL;
	}
	reload->config = config;
	pthread_mutex_init(&reload->lock, NULL);
	ruleset = ruleset_open(config->rules, config->rule_cache, NULL, err);
	if (ruleset && config->strict && ruleset_n_bad(ruleset) > 0) {
		fputs("postern: --strict: mistakes in the rules, see above\n", err);
		ruleset_close(ruleset);
		ruleset = NULL;
	}
	reload->now.ruleset = ruleset;
	if (!ruleset) {
		free(reload);
		return NULL;
	}
	return reload;
}

const struct rules *reload_rules(const struct reload *reload) {
	return ruleset_rules(reload->now.ruleset);
}

int reload_n_bad(struct reload *reload) {
	int n;

	pthread_mutex_lock(&reload->lock);
	n = ruleset_n_bad(reload->now.ruleset);
	pthread_mutex_unlock(&reload->lock);
	return n;
}

static struct scanner *scanner_add(struct generation *generation) {
	struct scanner *scanner = ruleset_scanner(generation->ruleset, CONTENT_OPEN_MAX);

	generation->scanners[generation->n_scanners++] = scanner;
	return scanner;
}

struct scanner *reload_scanner(struct reload *reload) {
	return scanner_add(&reload->now);
}

void reload_with(struct reload *reload, const struct reload_more *more) {
	reload->more = *more;
}

// ---- The old ones

static bool is_held(const struct generation *generation) {
	for (int i = 0; i < generation->n_scanners; i++)
		if (generation->scanners[i] && scanner_is_held(generation->scanners[i]))
			return true;
	return false;
}

static void old_free(struct reload *reload, struct engine *const *engines, int n) {
	int n_kept = 0;

	for (int i = 0; i < n; i++)
		if (!engine_scanner_is_taken(engines[i]))
			return;
	for (int i = 0; i < reload->n_old; i++) {
		if (is_held(&reload->old[i]))
			reload->old[n_kept++] = reload->old[i];
		else
			generation_close(&reload->old[i]);
	}
	reload->n_old = n_kept;
}

void reload_reap(struct reload *reload, struct engine *const *engines, int n) {
	pthread_mutex_lock(&reload->lock);
	old_free(reload, engines, n);
	pthread_mutex_unlock(&reload->lock);
}

int reload_n_old(struct reload *reload) {
	int n;

	pthread_mutex_lock(&reload->lock);
	n = reload->n_old;
	pthread_mutex_unlock(&reload->lock);
	return n;
}

// ---- The new one

// Reads and compiles. 0, or −1: with mistakes in it, or nothing at all; out says which.
static int fresh_open(struct reload *reload, struct generation *fresh, int n, FILE *out) {
	struct config config;
	int rc = config_reread(reload->config, &config, out);

	if (rc == 0)
		fresh->ruleset
			= ruleset_open(config.rules, config.rule_cache, reload->now.ruleset, out);
	config_close(&config);
	if (!fresh->ruleset || ruleset_n_bad(fresh->ruleset) > 0)
		return -1;
	if (!ruleset_rules(fresh->ruleset))
		return -1; // none are there any more: said
	for (int i = 0; i < n; i++)
		if (!scanner_add(fresh)) {
			fputs("no memory for the new rules\n", out);
			return -1;
		}
	return 0;
}

static void put_in_force(
	struct reload *reload,
	struct generation *fresh,
	struct engine *const *engines,
	int n
) {
	pthread_mutex_lock(&reload->lock);
	for (int i = 0; i < n; i++)
		engine_scanner_offer(engines[i], fresh->scanners[i]);
	reload->old[reload->n_old++] = reload->now;
	reload->now = *fresh;
	pthread_mutex_unlock(&reload->lock);
}

// 0, or −1 and why in out, any number of lines.
static int
try(struct reload *reload, struct analyst *analyst, struct engine *const *engines, int n, FILE *out
) {
	const struct reload_more *more = &reload->more;
	struct generation fresh = {0};

	if (more->check && more->check(more->ctx, out) < 0)
		return -1;
	reload_reap(reload, engines, n);
	if (reload_n_old(reload) == RELOAD_OLD_MAX) {
		fprintf(out,
			"%d earlier rule sets are still used by messages that have not ended; try "
			"again later\n",
			RELOAD_OLD_MAX);
		return -1;
	}
	if (fresh_open(reload, &fresh, n, out) < 0) {
		generation_close(&fresh);
		return -1;
	}
	if (analyst_rules(analyst, ruleset_rules(fresh.ruleset)) < 0) {
		fputs("more rules in one run than can be kept apart, or no memory\n", out);
		generation_close(&fresh);
		return -1;
	}
	put_in_force(reload, &fresh, engines, n);
	if (more->commit)
		more->commit(more->ctx);
	return 0;
}

static void done_write(struct reload *reload, FILE *out) {
	const struct rules *rules = reload_rules(reload);

	fprintf(out,
		"{\"reloaded\":true,\"rules\":%u,\"databases_kept\":%d,\"old_sets\":%d}",
		rules ? rules->n : 0,
		ruleset_n_cached(reload->now.ruleset),
		reload_n_old(reload));
}

int reload_run(
	struct reload *reload,
	struct analyst *analyst,
	struct engine *const *engines,
	int n,
	FILE *out
) {
	char *said = NULL;
	size_t size = 0;
	FILE *words = open_memstream(&said, &size);
	int rc;

	if (!words) {
		fputs("out of memory", out);
		return -1;
	}
	rc = try(reload, analyst, engines, n, words);
	fclose(words);
	if (said && rc < 0)
		fprintf(stderr, "%spostern: reload: the rules in force stay\n", said);
	if (rc == 0)
		done_write(reload, out);
	else
		fprintf(out, "the rules in force stay: %s", said ? said : "out of memory");
	free(said);
	return rc;
}

void reload_close(struct reload *reload) {
	if (!reload)
		return;
	for (int i = 0; i < reload->n_old; i++)
		generation_close(&reload->old[i]);
	generation_close(&reload->now);
	pthread_mutex_destroy(&reload->lock);
	free(reload);
}
