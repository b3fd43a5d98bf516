// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The outcome of one population seen by many detectors at once: who alerted about whom when, and what
// was true. Written to a file by detect_run, read by detect_report on the same machine.

#pragma once

#include "simulate.h"

enum {
	RUN_MAGIC = 0x504a5532,
	RUN_NAME_SIZE = 40,
	RUN_DETECTORS_MAX = 64,
	RUN_RECORDS_MAX = 1 << 19, // of one detector; beyond it the lower scores go
};

enum run_view {
	VIEW_NETWORKS, // a network database names provider, country and kind
	VIEW_BARE,
	VIEWS,
};

enum run_fit {
	FIT_SCORE, // a threshold on the score is fitted to the budget
	FIT_OWN, // it has a threshold of its own: the score is what it is above that
};

struct run_record {
	uint64_t time_ns;
	uint32_t key; // account, or for what names none RUN_KEY_OTHER and its episode's hash
	uint32_t attack; // whose account it names, SIM_NO_ATTACK: nobody's
	uint32_t campaign; // that it is about, SIM_NO_ATTACK: none
	float score;
	uint8_t cause; // innocent; where is_false
	bool counts; // one more thing to look at (an opened episode); else it only names an account
	bool is_false;
};

#define RUN_KEY_OTHER 0x80000000u

// An alert about several accounts.
struct run_group {
	uint64_t time_ns;
	uint32_t campaign; // of most of them; SIM_NO_ATTACK: of none
	uint32_t size, n_listed, n_right; // as it says; named; of that campaign
	float score;
};

// What an intruder did, for "how much before he was found".
struct run_read {
	uint64_t time_ns;
	uint32_t attack, n_old, bytes;
};

struct run_detector {
	char name[RUN_NAME_SIZE];
	uint8_t view; // enum run_view
	uint8_t fit; // enum run_fit
	double budget; // of FIT_OWN
	uint64_t n_infrastructure; // alerts about what changed for everybody
	uint64_t n_learning; // alerts in the learning weeks
	size_t n_records, n_groups;
	struct run_record *records;
	struct run_group *groups;
};

struct run {
	uint32_t magic;
	uint8_t population;
	bool hard, attacks;
	uint64_t seed, n_activities;
	uint32_t n_accounts;
	uint16_t n_days, learning_days;
	size_t n_attacks, n_campaigns, n_reads, n_detectors;
	struct sim_attack *attack;
	struct sim_campaign *campaign;
	struct run_read *reads;
	struct run_detector detector[RUN_DETECTORS_MAX];
};

// 0, or −errno.
int run_write(const struct run *run, const char *path);
// *run_r is allocated; NULL and errno when the file cannot be read or is none.
struct run *run_read(const char *path);
// Accepts NULL.
void run_free(struct run *run);

// Weeks in which alerts count.
double run_weeks(const struct run *run);
// How many episodes there are at a threshold: one account's records within 14 days of the first are
// one. With only_false those of innocent accounts alone. Records must be sorted (run_sort).
size_t run_episodes(const struct run_detector *detector, double threshold, bool only_false);
// By key, then time.
void run_sort(struct run_detector *detector);
