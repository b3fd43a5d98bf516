// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a detector did for each compromised account and each campaign of some runs, and the figures of
// it that tables and plots show.

#pragma once

#include "rng.h"
#include "run.h"

// One compromised account. days is HUGE_VAL when it was never named.
struct outcome {
	uint32_t campaign; // counted over all runs
	double days;
	uint64_t old, bytes; // read before
	double lost; // share of the mailbox's messages read before
};

// One campaign.
struct group_outcome {
	uint16_t size;
	double days; // to the first alert that groups most of its accounts; HUGE_VAL: none
	double guessing_days; // to the first alert about its guessing
	uint32_t accounts; // named then
	double purity, coverage; // of the best alert
};

struct outcomes {
	size_t n, n_groups;
	struct outcome *outcome;
	struct group_outcome *group;
};

// A detector is told by name, view and, where it has one, its own budget; all runs have it.
struct detector_key {
	const char *name;
	uint8_t view;
	double budget; // of FIT_OWN, else any
};

// NULL when the run has none such.
const struct run_detector *run_detector_find(const struct run *run, const struct detector_key *key);
// The least threshold at which benign runs, all of which have the detector, together have no more than
// budget alerts per 1,000 accounts and week. HUGE_VAL without memory.
double
run_threshold(struct run *const *runs, size_t n, const struct detector_key *key, double budget);

// Outcomes of one scenario (−1: all but the last, which is out of reach) over n attacked runs, at that
// threshold. The caller frees with outcomes_free. Without memory they are empty.
struct outcomes outcomes_of(
	struct run *const *runs,
	size_t n,
	const struct detector_key *key,
	double threshold,
	int scenario
);
void outcomes_free(struct outcomes *outcomes);

double outcomes_recall(const struct outcomes *outcomes, double days);
// The q-quantile of the days, of the old messages, bytes or share read before, with never as never;
// HUGE_VAL when that is it.
enum outcome_measure { MEASURE_DAYS, MEASURE_OLD, MEASURE_BYTES, MEASURE_LOST };
double outcomes_quantile(const struct outcomes *outcomes, enum outcome_measure measure, double q);
// 95 % interval of the recall: campaigns are drawn with replacement, and accounts within each.
void outcomes_interval(const struct outcomes *outcomes, double days, double *low_r, double *high_r);
double outcomes_groups(const struct outcomes *outcomes, double days);
enum group_measure { GROUP_DAYS, GROUP_GUESSING, GROUP_ACCOUNTS, GROUP_PURITY, GROUP_COVERAGE };
double outcomes_group_median(const struct outcomes *outcomes, enum group_measure measure);
