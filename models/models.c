// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The door's side of the models: takes memory once, keeps event time, and hands each activity to the
// channels.

#include "models.h"

#include "channel_failures.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ACCOUNTS_DEFAULT = 65536,
};

#define ADVANCE_NS (60ull * 1000000000) // episodes are looked at once in so much event time

struct models {
	size_t size;
	uint64_t advanced_ns;
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
	if (models->failures.now_ns < models->advanced_ns + ADVANCE_NS)
		return;
	models->advanced_ns = models->failures.now_ns;
	episodes_advance(&models->failures.episodes, models->failures.now_ns);
}

void models_run(struct models *models, const struct activity *activity) {
	models_advance(models, activity->time_ns);
	failures_run(&models->failures, activity);
}

size_t models_memsize(const struct models *models) {
	return models->size;
}

void models_close(struct models *models) {
	free(models);
}
