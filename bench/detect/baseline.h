// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The detectors that Postern is held against. Each gives accounts scores, higher where it worries
// more; the report fits a threshold to the same budget of false alerts for all of them.
//
//   static, fleet      bodies read on one day
//   static, user       … over the account's own highest day before
//   1,000 a day        the same count against a fixed limit
//   impossible travel  km/h between two logins, by the middle of their countries
//   new country        login from a country not used before, the rarer the higher
//   EWMA attributed    old messages read by sources that are not resident; z of the log count
//   CUSUM attributed   … z clipped at 2.5, reference value 1/2 (Page 1954)
//   Freeman            ln p(x) / p(x | account) over network and client, with back-off (NDSS 2016)
//   weakforced-like    /24s and countries of an account, refused accounts of an address, in 24 h
//
// EWMA and CUSUM are given the attribution that makes them strong: a source is resident once it has
// flagged, filed or sent on three days over a week.

#pragma once

#include "simulate.h"

#include <stdbool.h>

enum baseline {
#define BASELINE(symbol, name, networks) BASELINE_##symbol,
#include "baseline.def"
#undef BASELINE
	BASELINES,
};

extern const char *const baseline_names[BASELINES];
extern const bool baseline_needs_networks[BASELINES];

struct baselines;

struct baselines_config {
	uint32_t n_accounts;
	uint64_t start_ns;
	uint16_t learning_days; // no scores before, and what is usual is learned from them
	// A new highest score of the account on this day.
	void (*score
	)(void *ctx, enum baseline baseline, uint32_t account, uint64_t time_ns, double score);
	void *ctx;
};

// NULL without memory.
struct baselines *baselines_open(const struct baselines_config *config);
// Activities in time order; account below n_accounts.
void baselines_run(struct baselines *baselines, uint32_t account, const struct activity *activity);
// Accepts NULL.
void baselines_close(struct baselines *baselines);

// The two sequential tests in themselves, as their reference tables have them.
// EWMA: the next z; lambda is the weight of the new value.
static inline double ewma_next(double z, double x, double lambda) {
	return (1 - lambda) * z + lambda * x;
}

// One-sided CUSUM: the next S.
static inline double cusum_next(double s, double x, double k) {
	double next = s + x - k;

	return next > 0 ? next : 0;
}
