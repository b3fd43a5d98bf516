// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The door's side of the models: takes memory once, keeps event time, and hands each activity to the
// channels.

#include "models.h"

#include "failures/failures.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ACCOUNTS_DEFAULT = 65536,
};

#define DISORDER_NS (3600ull * 1000000000) // what the door allows
#define AHEAD_NS (86400ull * 1000000000) // further ahead, one activity alone is not believed
#define ADVANCE_NS (60ull * 1000000000) // episodes are looked at once in so much event time

struct models {
	size_t size;
	uint64_t advanced_ns;
	uint64_t ahead_ns; // a time far ahead that one activity claimed
	struct failures failures;
	// Tables follow, zeroed by the system and touched as used.
	uint8_t tables[] __attribute__((aligned(16)));
};

struct models *models_open(const struct models_config *config) {
	size_t n = config->n_accounts ? config->n_accounts : ACCOUNTS_DEFAULT;
	if (n > UINT32_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	size_t size = sizeof(struct models) + failures_memsize(n);
	struct models *models = calloc(1, size);
	if (!models)
		return NULL;
	models->size = size;
	failures_init(
		&models->failures,
		n,
		config->hash_key,
		evidence_threshold(config->budget),
		models->tables
	);
	models->failures.episodes.raise = config->alert;
	models->failures.episodes.ctx = config->ctx;
	return models;
}

void models_advance(struct models *models, uint64_t now_ns) {
	if (now_ns > models->failures.now_ns)
		models->failures.now_ns = now_ns;
	if (models->failures.now_ns - models->advanced_ns < ADVANCE_NS)
		return;
	models->advanced_ns = models->failures.now_ns;
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

void models_run(struct models *models, const struct activity *activity) {
	uint64_t time_ns = believed(models, activity->time_ns);
	models_advance(models, time_ns);
	failures_run(&models->failures, activity, time_ns);
}

size_t models_memsize(const struct models *models) {
	return models->size;
}

void models_close(struct models *models) {
	free(models);
}
