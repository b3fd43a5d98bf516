// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who is reading whose mail: takes what accounts did when they were logged in, keeps each account's
// state, lets the channels score it, and raises alerts when the evidence reaches the threshold.
//
// Evidence of an account is the weighted mean of its meters' M, itself a Shiryaev-Roberts e-detector
// (means of e-detectors are e-detectors): no independence of channels is needed.

#pragma once

#include "campaign/campaign.h"
#include "channel/deed.h"
#include "channel/fleet.h"
#include "channel/visit.h"
#include "episode.h"
#include "evidence.h"
#include "store/part.h"
#include "table.h"

#define WATCH_SILENCE_NS                                                                           \
	(21 * 86400ull * 1000000000) // repeated reading in two weeks is one episode

enum { WATCH_PENDING_MAX = 512 }; // bursts in quarantine; beyond, the oldest is judged at once

// A burst that waits for a commitment, or for others to show that it is everybody's.
struct pending {
	uint64_t account;
	uint32_t due_min;
	uint32_t client, provider; // of the visitor
	uint32_t deed;
};

struct quarantine {
	uint32_t first, n; // a ring, not sorted by due_min
	struct pending pending[WATCH_PENDING_MAX];
};

struct watch {
	struct table accounts;
	struct fleet *fleet;
	struct quarantine quarantine;
	struct campaigns campaigns;
	struct episodes *episodes;
	double budget;
	double nominal; // nats: ln(7000 / budget)
	bool nominal_only; // never the fleet's own
	uint32_t
		without; // for ablation: bit p PART p, bit 16 + m METER m, others bench/detect/ablation.def
	uint64_t now_ns;
};

struct watch_config {
	size_t n_accounts;
	uint64_t hash_key[2];
	double budget;
	bool nominal_only;
	uint32_t without;
};

// Bytes for so many accounts.
size_t watch_memsize(size_t n_accounts);
// memory as in table_init; episodes is borrowed for watch's life.
void watch_init(
	struct watch *watch,
	const struct watch_config *config,
	struct episodes *episodes,
	void *memory
);
// Adds what the store keeps to parts; returns how many.
size_t watch_parts(struct watch *watch, struct store_part *parts);
// key is the account's (account_key()); time_ns is the activity's as far as it is believed, now_ns the
// latest of all. doubtful: this login may be the fruit of guessing.
void watch_run(
	struct watch *watch,
	const struct activity *activity,
	uint64_t key,
	uint64_t time_ns,
	uint64_t now_ns,
	bool doubtful
);
// Event time has come to now_ns: what was in quarantine long enough is judged.
void watch_advance(struct watch *watch, uint64_t now_ns);
// From now on it is this many false alerts per 1,000 accounts and week.
void watch_set_budget(struct watch *watch, double budget);
double watch_threshold(const struct watch *watch);
// The day's volume is that of strangers: however little they read, it ranks before all that residents read,
// and day after day it adds up where each of them says little.
bool watch_volume_is_foreign(const struct account *account);
// Evidence about an account as it stands, in nats, and the channel that weighs most.
double watch_nats(const struct watch *watch, const struct account *account, enum meter_id *most_r);
