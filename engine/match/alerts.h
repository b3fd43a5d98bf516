// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Matches of content rules as alerts: one episode per rule and account (or source, where nobody logged
// in). It opens at the first match, or, of rules that count within an account, when enough was found
// within their window; is updated when its count has doubled, not more often than every ten minutes, and
// closes after a day without a match. Event time only; memory is taken at open.

#pragma once

#include "activity.h"
#include "alert.h"
#include "match/rules.h"

#include <stddef.h>
#include <stdint.h>

#define MATCH_ALERT_UPDATE_NS (600ull * 1000000000)
#define MATCH_ALERT_SILENCE_NS (86400ull * 1000000000)

struct match_alerts;

enum {
	MATCH_ALERT_SLICES = 8, // of a window: what is older than it goes out slice by slice
};

struct match_alerts_config {
	const struct rules *rules; // what alerts need of them is copied; NULL: none yet
	size_t n_episodes; // open at once; the one silent for longest is closed for another; 0: default
	uint64_t hash_key[2]; // accounts are an attacker's to choose
	// alert is borrowed until the call returns.
	void (*alert)(void *ctx, const struct alert *alert);
	void *ctx;
};

// NULL and errno when the system refuses the memory.
struct match_alerts *match_alerts_open(const struct match_alerts_config *config);
// Rules that are in force from now on, beside those that were: activities under the old ones are still on
// their way. What is needed of them is copied. 0; −1: no memory, or too many rules for one run.
int match_alerts_rules(struct match_alerts *alerts, const struct rules *rules);
// Takes one activity; matches of rules that never were in a set are passed over. Raises any alerts
// before it returns. In time order, but for up to an hour of disorder.
void match_alerts_run(struct match_alerts *alerts, const struct activity *activity);
// Time passes: episodes may close.
void match_alerts_advance(struct match_alerts *alerts, uint64_t now_ns);
size_t match_alerts_memsize(const struct match_alerts *alerts);
// Open episodes stay as last told. Accepts NULL.
void match_alerts_close(struct match_alerts *alerts);
