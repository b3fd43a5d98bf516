// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Matches of content rules as alerts: one episode per rule and account (or source, where nobody logged
// in). It opens at the first match, is updated when its count has doubled, not more often than every
// ten minutes, and closes after a day without a match. Event time only; memory is taken at open.

#pragma once

#include "activity.h"
#include "alert.h"
#include "match/rules.h"

#include <stddef.h>
#include <stdint.h>

#define MATCH_ALERT_UPDATE_NS (600ull * 1000000000)
#define MATCH_ALERT_SILENCE_NS (86400ull * 1000000000)

struct match_alerts;

struct match_alerts_config {
	const struct rules *rules; // borrowed: alerts point to its strings
	size_t n_episodes; // open at once; the one silent for longest is closed for another; 0: default
	uint64_t hash_key[2]; // accounts are an attacker's to choose
	// alert is borrowed until the call returns.
	void (*alert)(void *ctx, const struct alert *alert);
	void *ctx;
};

// NULL and errno when the system refuses the memory.
struct match_alerts *match_alerts_open(const struct match_alerts_config *config);
// Takes one activity; matches of rules that are not in the set are passed over. Raises any alerts
// before it returns. In time order, but for up to an hour of disorder.
void match_alerts_run(struct match_alerts *alerts, const struct activity *activity);
// Time passes: episodes may close.
void match_alerts_advance(struct match_alerts *alerts, uint64_t now_ns);
size_t match_alerts_memsize(const struct match_alerts *alerts);
// Open episodes stay as last told. Accepts NULL.
void match_alerts_close(struct match_alerts *alerts);
