// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/noise.h"

#include <math.h>

#define WEEK_NS (7 * 86400e9)

double noise_nats(const struct noise *noise, double budget, size_t n_accounts, uint64_t now_ns) {
	if (noise->nats <= 0 || now_ns <= noise->time_ns)
		return noise->nats;
	double a_week = NOISE_SHARE * budget * (double)n_accounts / 1000;
	double weeks = (double)(now_ns - noise->time_ns) / WEEK_NS;
	return fmax(noise->nats - NOISE_NATS * a_week * weeks, 0);
}

void noise_told(struct noise *noise, double budget, size_t n_accounts, uint64_t now_ns) {
	double nats = noise_nats(noise, budget, n_accounts, now_ns);
	noise->nats = fmin(nats + NOISE_NATS, NOISE_MAX);
	if (now_ns > noise->time_ns)
		noise->time_ns = now_ns;
}
