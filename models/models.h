// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// All models of one shard of accounts: activity in, alerts out. No clock, no file, no packet: time is
// the activity's, memory is taken at open, randomness is handed in.

#pragma once

#include "activity.h"
#include "alert.h"
#include "store/part.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct models;

struct models_config {
	size_t n_accounts; // most accounts and sources remembered at once (least recently seen go first); 0: default
	uint64_t hash_key[2]; // for every table an attacker can fill
	// False alerts per 1,000 accounts and week that are acceptable; 0: 1, but never more than 20 a day
	// of all accounts. Sets the threshold in nats.
	double budget;
	bool nominal_only; // the threshold of theory, never the fleet's own (watch.h)
	uint32_t without; // leaves parts and channels out, to see what each is worth (watch.h)
	// Where alerts go. alert is borrowed until the call returns.
	void (*alert)(void *ctx, const struct alert *alert);
	void *ctx;
};

// NULL and errno when the system refuses the memory.
struct models *models_open(const struct models_config *config);
// Takes one activity; raises any alerts before it returns. Activities come in time order, but for up
// to an hour of disorder; older ones count as an hour old, and a jump of more than a day ahead is
// believed from the second activity on. Returns false when it was known already and changed nothing: it
// names a session and came before (recent.h), or models_continue() says so.
bool models_run(struct models *models, const struct activity *activity);
// Time passes without activity: episodes may close.
void models_advance(struct models *models, uint64_t now_ns);
// Event time: the latest that is believed.
uint64_t models_now(const struct models *models);

// What the store keeps of them, from fresh models on; borrowed for their life. n_r: how many.
const struct store_part *models_parts(const struct models *models, size_t *n_r);
// The parts were filled by the store, and its input may be read again from an earlier point: what is
// older than until_ns by more than the disorder allowed is known, whatever it is.
void models_continue(struct models *models, uint64_t until_ns);

// Bytes taken at open.
size_t models_memsize(const struct models *models);
// Accepts NULL.
void models_close(struct models *models);
