// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What all accounts together do: how common a place or a client is, what scores their days have, how
// often they commit, and how high their evidence rises. Plain data, about 2.2 MB.

#pragma once

#include "channel/meter.h"

#include <stddef.h>

enum {
	SKETCH_ROWS = 4,
	SKETCH_WIDTH = 1 << 17, // error at most e/width of all = 2e-5, with probability 98 %
	FLEET_PEAKS = 96, // quarter nats, from 0
	FLEET_DEEDS = 16, // kinds (channel/deed.h)
	FLEET_SHARED = 64, // infrastructure that is remembered
	FLEET_YOUNG = 14, // days in which everything is new
	FLEET_HALVED_DAYS = 90, // after which the sketch forgets half
	FLEET_FETCHER_DAYS = 10,
	FLEET_FETCHERS_FEW = 2, // accounts
	FLEET_WAVE_MIN = 20, // accounts that do the same at a time are the organisation …
};

// Count-Min with conservative update (Cormode and Muthukrishnan 2005; Estan and Varghese 2002): how
// many accounts have taken up a place, provider or client. Never less than true, until it is halved.
struct sketch {
	uint16_t count[SKETCH_ROWS][SKETCH_WIDTH];
};

struct fleet {
	uint16_t founded, day; // first day of all; today
	uint32_t n_accounts; // ever made, less evicted
	uint32_t n_today; // active today
	float n_active; // a day, averaged over a week
	float active_days, committed_days; // of accounts; what is older counts half after 28 days
	float adopted; // places, providers and clients taken up, the same
	float account_days; // known ones, the same
	float deeds[FLEET_DEEDS]; // the same
	float lessons[FLEET_DEEDS]; // of deeds that may still be learned now (deed_count)
	uint32_t shared[FLEET_SHARED]; // keys of networks and clients; a ring
	uint32_t n_shared;
	uint32_t deed_nets[FLEET_SHARED]; // from where deeds were done lately; a ring
	uint32_t n_deed_nets;
	float peaks[FLEET_PEAKS]; // account-fortnights by their highest evidence
	float fortnights;
	struct meter_fleet meters[METERS];
	struct sketch sketch;
	float renumbered; // accounts with a mailbox that got a new UIDVALIDITY, in about a week
};

enum { FLEET_LAYOUT = 5 }; // in the store

// For struct store_part: layout 4 had nothing of renumbering, layout 3 other numbers in its meters. False:
// older than that.
bool fleet_unpack(void *ctx, uint16_t version, const void *image, size_t size, void *fleet);
// Event time has come to this day. True when it is a new one.
bool fleet_day(struct fleet *fleet, uint16_t day);
// In its first days everything is new and nothing is strange.
bool fleet_is_young(const struct fleet *fleet);
// Nobody shows commitments (a simulator, a sensor that sees one direction): residency by age then.
bool fleet_is_ageing(const struct fleet *fleet);
// An account took this up.
void fleet_adopt(struct fleet *fleet, uint32_t key);
// How many accounts did.
uint32_t fleet_adopters(const struct fleet *fleet, uint32_t key);
// An account has had this client for FLEET_FETCHER_DAYS, or so many more than FLEET_HALVED_DAYS, and commits
// by it; or it has had it from the beginning and never did: a program that fetches mail for its owner.
void fleet_fetch(struct fleet *fleet, uint32_t client, bool commits);
// Whether that is what it is to some accounts, a quarter at least of those whose it is: the others are
// run by it. What a stranger brings to an account later does not count.
bool fleet_is_fetcher(const struct fleet *fleet, uint32_t client);
// This network or client is the organisation's own: nobody is a stranger for it.
void fleet_share(struct fleet *fleet, uint32_t key);
static inline bool fleet_is_shared(const struct fleet *fleet, uint32_t key) {
	uint32_t n = fleet->n_shared < FLEET_SHARED ? fleet->n_shared : FLEET_SHARED;
	for (uint32_t i = 0; i < n; i++)
		if (fleet->shared[i] == key)
			return true;
	return false;
}
// So many accounts that do the same at a time are the organisation.
double fleet_wave(const struct fleet *fleet);
// An account's mailbox got a new UIDVALIDITY. How many did within about a week, when with this one it has
// become the organisation's doing (a server moved, a backup was put back), else 0.
uint32_t fleet_renumber(struct fleet *fleet);
// Whether it is, now.
bool fleet_is_renumbering(const struct fleet *fleet);
// One account's highest evidence in a fortnight.
void fleet_peak(struct fleet *fleet, double nats);
// The evidence that a budget (alerts per 1,000 accounts and week) of this fleet's own fortnights
// reach. nominal where too few are known; never further than FLEET_SLACK_* from it.
double fleet_threshold(const struct fleet *fleet, double budget, double nominal);

#define FLEET_WAVE_SHARE 0.03 // … if they are so many of those active on a day

#define FLEET_SLACK_DOWN 0.0 // what the theory promises is not undercut
#define FLEET_SLACK_UP 2.0 // an attack on many accounts must not hide itself
