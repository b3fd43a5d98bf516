// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A mail population and its intruders, day by day: struct activity in time order, to any number of
// weeks, in memory that depends on one day. The same seed gives the same activity; the benign part is
// the same with and without attacks. Truth stands beside it.

#pragma once

#include "activity.h"

#include <stddef.h>
#include <stdio.h>

#define SIM_DAY_NS (86400ull * 1000000000)
#define SIM_HOUR_NS (3600ull * 1000000000)
#define SIM_START_NS (1767571200ull * 1000000000) // Monday, 5 January 2026
#define SIM_MIDNIGHT_NS (SIM_START_NS - SIM_HOUR_NS) // local time is an hour ahead of UTC

enum { SIM_NOBODY = UINT32_MAX, SIM_NO_ATTACK = UINT32_MAX };
enum { SIM_NAME_SIZE = 40 };

// From SIM_OTHER on they are kept back: nothing is tuned on them, and their intruders are those of
// other.def. What sensors see of each is in sights.
enum sim_population {
	SIM_MINISTRY,
	SIM_UNIVERSITY,
	SIM_PROVIDER,
	SIM_OTHER, // clinics that work in shifts
	SIM_CAMPUS, // students who use webmail behind one proxy, few of them anything else, some days a week
	SIM_ROAMING, // a provider's phones: carriers' ever new addresses, IPv6 that changes daily, few logins
	SIM_POPULATIONS,
};
extern const char *const sim_population_names[SIM_POPULATIONS];

struct sim_config {
	uint64_t seed;
	uint8_t population; // enum sim_population
	uint32_t n_accounts;
	uint16_t n_days;
	uint16_t learning_days; // no attack begins before
	bool hard; // all benign hard cases; most intruders behind ordinary addresses
	bool attacks;
	bool present; // intruders are there from the first days to the last; counted from where learning ends
	uint8_t part, n_parts; // of the catalogue: one in n_parts rows
	const char *only; // a row's name, or NULL
	uint16_t campaign_sizes[4]; // of each row, one after the other; ends with 0
	uint16_t spray_share; // of accounts that a spray touches, in 1/1000
	double mail; // factor of how much mail there is; 0: 1
	double sparse; // share of accounts that are hardly used, none of them attacked; 0: the population's
	bool surnames; // accounts have names that people can tell apart
};

// One activity as it goes to the detectors.
struct sim_seen {
	// Valid until the handler returns, which may change the source (to hide what a sensor
	// without network database does not know).
	struct activity *activity;
	uint32_t account; // SIM_NOBODY: no account of the population
	uint32_t attack; // whose doing it is: index of the attack, or SIM_NO_ATTACK
	uint32_t campaign; // … and of the campaign (also where no account falls)
};

// One compromised account. A victim is in one attack only.
struct sim_attack {
	uint32_t account, campaign;
	uint8_t scenario; // row of attack.def
	uint64_t first_ns, last_ns; // of what was done so far; 0: nothing yet
	uint64_t n_old, n_bodies, bytes; // read so far
	uint32_t n_mailbox; // messages in the mailbox when it began
};

struct sim_campaign {
	uint8_t scenario;
	uint16_t size;
	uint16_t day; // it begins
	uint64_t first_ns; // of what was done so far
};

// Something innocent that happened to an account.
struct sim_cause {
	uint32_t account;
	uint8_t cause; // of cause.def
	uint16_t from, to; // days
};

struct sim;

// NULL and errno without memory. config is borrowed.
struct sim *sim_open(const struct sim_config *config);
// Runs one day; false when all are done.
bool sim_day(struct sim *sim, void (*handler)(void *ctx, const struct sim_seen *seen), void *ctx);
// Accepts NULL.
void sim_close(struct sim *sim);

// Truth. What is said of attacks grows with the days run.
// The index-th, or NULL when there are no more.
const struct sim_attack *sim_attack(const struct sim *sim, size_t index);
const struct sim_campaign *sim_campaign(const struct sim *sim, size_t index);
// The attack on that account, or SIM_NO_ATTACK.
uint32_t sim_attack_of(const struct sim *sim, uint32_t account);
// The spray that tries this account, or SIM_NO_ATTACK.
uint32_t sim_spray_of(const struct sim *sim, uint32_t account);
// The campaign an address was used by (its whole /64 in IPv6), or SIM_NO_ATTACK.
uint32_t sim_campaign_of_ip(const struct sim *sim, const struct ip *ip);
// The account of that name, or SIM_NOBODY.
uint32_t sim_account_of(const struct sim *sim, const char *name);
// name: SIM_NAME_SIZE at least.
void sim_name(const struct sim *sim, uint32_t account, char *name);
// The most telling innocent cause around that day (cause.def).
int sim_cause_of(const struct sim *sim, uint32_t account, uint64_t time_ns);
const char *sim_cause_name(int cause);
const char *sim_scenario_name(int scenario);
int sim_scenarios(void);
// Whose scenarios these are: names and their number are of the population that was last opened or set
// here.
void sim_catalogue(uint8_t population);
// One JSON line for each attack and each innocent cause.
void sim_truth_write(const struct sim *sim, FILE *out);
