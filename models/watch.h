// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who is reading whose mail: takes what accounts did when they were logged in, keeps each account's
// state, lets the channels score it, and raises alerts when the evidence reaches the threshold.
//
// Evidence of an account is the weighted mean of its meters' M, itself a Shiryaev-Roberts e-detector
// (means of e-detectors are e-detectors): no independence of channels is needed.

#pragma once

#include "channel/fleet.h"
#include "channel/visit.h"
#include "episode.h"
#include "evidence.h"
#include "table.h"

#define WATCH_SILENCE_NS (21 * 86400ull * 1000000000) // repeated reading in two weeks is one episode

struct watch {
	struct table accounts;
	struct fleet *fleet;
	struct episodes *episodes;
	double budget;
	double nominal; // nats: ln(7000 / budget)
	bool nominal_only; // never the fleet's own
	uint32_t without; // for ablation: bit p PART p, bit 16 + m METER m
	uint64_t now_ns;
};

struct watch_config {
	size_t n_accounts;
	uint64_t hash_key[2];
	double budget;
	bool nominal_only;
	uint32_t without;
};

size_t watch_memsize(size_t n_accounts);
// memory as in table_init; episodes is borrowed for watch's life.
void watch_init(
	struct watch *watch,
	const struct watch_config *config,
	struct episodes *episodes,
	void *memory
);
// time_ns is the activity's as far as it is believed, now_ns the latest of all. believed: the login is
// not the fruit of guessing.
void watch_run(
	struct watch *watch,
	const struct activity *activity,
	uint64_t time_ns,
	uint64_t now_ns
);
double watch_threshold(const struct watch *watch);
// Evidence about an account as it stands, in nats, and the channel that weighs most.
double watch_nats(const struct watch *watch, const struct account *account, enum meter_id *most_r);
