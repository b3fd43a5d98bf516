// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The internet tries some passwords on everybody, all the time, from ever new addresses. One more of these
// that got into nothing, or one more account or password that they try, is news as often as the budget has room for it: a
// tenth of it. Each that is told raises what the next one needs over the threshold, and time takes it back at
// the rate at which such alerts may come (stochastic approximation of the threshold that keeps the budget:
// Robbins and Monro, Ann. Math. Stat. 1951). The others share an alert (failures_tell.c).

#pragma once

#include <stddef.h>
#include <stdint.h>

#define NOISE_SHARE 0.1
#define NOISE_NATS 3.0 // for each that is told
#define NOISE_MAX 40.0 // who makes noise to hide in it gains eighteen accounts, or networks

// Zeroed is the start. Kept by the store.
struct noise {
	double nats;
	uint64_t time_ns; // of the event whose nats these are
};

// Nats over the threshold that an address or network has to have now, 0 to NOISE_MAX. budget: alerts per
// 1,000 accounts and week.
double noise_nats(const struct noise *noise, double budget, size_t n_accounts, uint64_t now_ns);
// One was told.
void noise_told(struct noise *noise, double budget, size_t n_accounts, uint64_t now_ns);
