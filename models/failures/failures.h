// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The channel of refused logins: password spraying (by address, by network, by password), guessing on
// one account, and the login that succeeds after it. Each subject has its own sequential test
// (evidence.h); what counts as one observation, and against which innocent explanation:
//
//   subject    observation                        innocent at most           nats each
//   address,   first contact with an account,     theta of first contacts    ln(.95/theta) = 2.25 at .10
//   network    refused                            are refused (fleet, .10 – .30)
//              first contact accepted, or an      1 - theta                  ln(.05/(1-theta)) = -2.89
//              account at home logs in (each 6 h)
//   password   one more account refused with it   fleet, .10 – .90; at home .30   2.25 at .10; 1.15
//   all        an account refused from a strange place today       four weeks' mean (tide.h)
//   account    one more different wrong password  .60; where it is at home .80   .51; .22
//              … from one more network            .22                            + 1.5
//
// The first two rows are the threshold random walk of Jung, Paxson, Berger and Balakrishnan (IEEE
// S&P 2004) with accounts for hosts. Where the account is not at home but its provider is known (a
// phone on its carrier), theta is .50. Not an observation at all: a password that was refused at the
// account's home before (an old one in a device), and, for its origin, any account refused where it
// is at home. While refusals at home prevail in the whole fleet (an outage, a mass change of
// passwords), first contacts count only for a password that other accounts were refused with.
//
// Addresses and networks that got into nothing are told one by one as far as the budget has room (noise.h).
//
// The probabilities of innocence are assumptions until a population has been measured.

#pragma once

#include "episode.h"
#include "failures/noise.h"
#include "failures/pulse.h"
#include "failures/series.h"
#include "failures/tide.h"
#include "store/part.h"

enum { FAILURES_NAMES = 4096 };

// What addresses are known by, for those that came lately; not kept.
struct origin_names {
	struct {
		struct ip ip;
		uint64_t ip_key, net_key;
	} of[FAILURES_NAMES];
};

struct failures {
	struct origin_names names;
	struct table accounts, origins, networks, passwords, series;
	struct episodes episodes;
	struct pulse fleet;
	struct tide tide;
	struct noise noise[EPISODE_KINDS];
	struct facts
		crowd[EPISODE_KINDS]; // of the shared alert of a kind; EPISODE_OUTAGE: of the tide
	double threshold; // nats
	uint64_t now_ns; // event time, the latest of all
};

// Bytes for so many accounts, a multiple of 64.
size_t failures_memsize(size_t n_accounts);
// threshold in nats (evidence.h); memory as in table_init.
void failures_init(
	struct failures *failures,
	size_t n_accounts,
	const uint64_t hash_key[2],
	double threshold,
	void *memory
);
// Adds what the store keeps to parts; returns how many.
size_t failures_parts(struct failures *failures, struct store_part *parts);
// What is to be thought of a login that was accepted.
enum verdict {
	VERDICT_INNOCENT,
	VERDICT_DOUBTFUL, // a stranger's place, while the account is being guessed at: not told, but watched
	VERDICT_STOLEN, // told
};

// key is the account's (account_key()); time_ns is the activity's, as far as it is believed; now_ns in
// *failures is the latest of all.
enum verdict failures_run(
	struct failures *failures,
	const struct activity *activity,
	uint64_t key,
	uint64_t time_ns
);
// What it takes for the tide to be told, in nats: one subject, for which once in two years is seldom enough.
double failures_tide_threshold(const struct failures *failures);
