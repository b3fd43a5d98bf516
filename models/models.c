// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The door's side of the models: takes memory once, keeps event time, and hands each activity to the
// channels.

#include "models.h"

#include "failures/failures.h"
#include "recent.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ACCOUNTS_DEFAULT = 65536,
};

#define DISORDER_NS (3600ull * 1000000000) // what the door allows
#define AHEAD_NS (86400ull * 1000000000) // further ahead, one activity alone is not believed
#define ADVANCE_NS (60ull * 1000000000) // episodes are looked at once in so much event time
#define PASS_NS (3600ull * 1000000000) // and once in so much, who was not seen for a year

struct models {
	size_t size;
	uint64_t advanced_ns;
	uint64_t ahead_ns; // a time far ahead that one activity claimed
	uint64_t known_ns; // what is older is known; not kept
	struct store_part parts[STORE_PARTS_MAX];
	size_t n_parts;
	double budget; // as configured
	uint32_t budget_for; // accounts
	struct recent recent;
	struct recent_guesses guesses; // not kept
	struct failures failures;
	struct watch watch;
	// Tables follow, zeroed by the system and touched as used.
	uint8_t tables[] __attribute__((aligned(16)));
};

// Prints of an older layout are of no use, and nothing is broken.
static bool recent_older(void *, uint16_t, const void *, size_t, void *) {
	return true;
}

// Everything that must survive a restart. What is not listed here is made anew from it, or configured.
static size_t parts_list(struct models *models, struct store_part *parts) {
	size_t n = 0;
	parts[n++] = STORE_PART_BLOB("time", KEPT_ADVANCED, 1, &models->advanced_ns);
	parts[n++] = STORE_PART_BLOB("time ahead", KEPT_AHEAD, 1, &models->ahead_ns);
	parts[n]
		= STORE_PART_BLOB("recent activities", KEPT_RECENT, RECENT_LAYOUT, &models->recent);
	parts[n++].unpack = recent_older;
	n += failures_parts(&models->failures, parts + n);
	n += watch_parts(&models->watch, parts + n);
	return n;
}

struct models *models_open(const struct models_config *config) {
	size_t n = config->n_accounts ? config->n_accounts : ACCOUNTS_DEFAULT;
	if (n > UINT32_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	size_t size = sizeof(struct models) + failures_memsize(n) + watch_memsize(n);
	struct models *models = calloc(1, size);
	if (!models)
		return NULL;
	models->size = size;
	models->budget = config->budget;
	failures_init(
		&models->failures,
		n,
		config->hash_key,
		evidence_threshold(evidence_budget(config->budget, 0)),
		models->tables
	);
	struct watch_config watch = {
		.n_accounts = n,
		.hash_key = {config->hash_key[0], config->hash_key[1]},
		.budget = config->budget,
		.nominal_only = config->nominal_only,
		.without = config->without,
	};
	watch_init(
		&models->watch,
		&watch,
		&models->failures.episodes,
		models->tables + failures_memsize(n)
	);
	models->n_parts = parts_list(models, models->parts);
	models->failures.episodes.raise = config->alert;
	models->failures.episodes.ctx = config->ctx;
	return models;
}

void models_advance(struct models *models, uint64_t now_ns) {
	if (now_ns > models->failures.now_ns)
		models->failures.now_ns = now_ns;
	if (models->failures.now_ns - models->advanced_ns < ADVANCE_NS)
		return;
	bool pass = models->advanced_ns / PASS_NS < models->failures.now_ns / PASS_NS;
	models->advanced_ns = models->failures.now_ns;
	for (size_t i = 0; pass && i < models->n_parts; i++)
		if (models->parts[i].table)
			table_pass(models->parts[i].table, models->advanced_ns);
	watch_advance(&models->watch, models->failures.now_ns);
	episodes_advance(&models->failures.episodes, models->failures.now_ns);
}

// One broken timestamp must not end all episodes, nor one from long ago begin one then: a jump ahead
// is believed when a second activity agrees, and nothing is older than the disorder allowed.
static uint64_t believed(struct models *models, uint64_t time_ns) {
	uint64_t now_ns = models->failures.now_ns;
	if (now_ns == 0 || time_ns <= now_ns)
		return time_ns + DISORDER_NS < now_ns ? now_ns - DISORDER_NS : time_ns;
	if (time_ns - now_ns <= AHEAD_NS)
		return time_ns;
	uint64_t away = time_ns > models->ahead_ns ? time_ns - models->ahead_ns
						   : models->ahead_ns - time_ns;
	bool agreed = models->ahead_ns != 0 && away <= DISORDER_NS;
	models->ahead_ns = time_ns;
	return agreed ? time_ns : now_ns;
}

// The default follows from how many accounts there are, which is also known after a restart.
static void set_budget(struct models *models, uint32_t n_accounts) {
	models->budget_for = n_accounts;
	double budget = evidence_budget(models->budget, n_accounts);
	if (budget == models->watch.budget)
		return;
	models->failures.threshold = evidence_threshold(budget);
	watch_set_budget(&models->watch, budget);
}

bool models_run(struct models *models, const struct activity *activity) {
	uint64_t key = account_key(activity->account);
	if (activity->time_ns < models->known_ns
	    || recent_has(&models->recent, &models->guesses, activity, key))
		return false;
	uint64_t time_ns = believed(models, activity->time_ns);
	// As a rule there is nothing to advance.
	if (time_ns > models->failures.now_ns)
		models->failures.now_ns = time_ns;
	if (models->failures.now_ns - models->advanced_ns >= ADVANCE_NS)
		models_advance(models, time_ns);
	if (models->watch.fleet->n_accounts != models->budget_for)
		set_budget(models, models->watch.fleet->n_accounts);
	enum verdict verdict = VERDICT_INNOCENT;
	if (!(models->watch.without >> 27 & 1))
		verdict = failures_run(&models->failures, activity, key, time_ns);
	watch_run(
		&models->watch,
		activity,
		key,
		time_ns,
		models->failures.now_ns,
		verdict != VERDICT_INNOCENT
	);
	return true;
}

uint64_t models_now(const struct models *models) {
	return models->failures.now_ns;
}

const struct store_part *models_parts(const struct models *models, size_t *n_r) {
	*n_r = models->n_parts;
	return models->parts;
}

void models_continue(struct models *models, uint64_t until_ns) {
	models->known_ns = until_ns > DISORDER_NS ? until_ns - DISORDER_NS : 0;
}

size_t models_memsize(const struct models *models) {
	return models->size;
}

void models_close(struct models *models) {
	free(models);
}
