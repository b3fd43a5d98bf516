// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/tide.h"

#include <math.h>
#include <string.h>

enum { RING = TIDE_LAG + TIDE_PAST };

static bool is_set(const uint64_t *bits, uint64_t account) {
	return bits[account % TIDE_BITS / 64] >> account % 64 & 1;
}

static void set(uint64_t *bits, uint64_t account) {
	bits[account % TIDE_BITS / 64] |= 1ull << account % 64;
}

double tide_today(const struct tide *tide) {
	double clear = fmax(TIDE_BITS - (double)tide->today, 1);
	return -TIDE_BITS * log(clear / TIDE_BITS);
}

// Mean and variance of the days that teach; returns how many they are.
static unsigned past(const struct tide *tide, double *mean_r, double *var_r) {
	unsigned n = 0;
	double sum = 0, squares = 0;
	for (unsigned ago = TIDE_LAG + 1; ago <= tide->n_days && ago <= RING; ago++, n++) {
		double x = tide->days[(tide->day - ago) % RING];
		sum += x;
		squares += x * x;
	}
	*mean_r = n ? sum / n : 0;
	*var_r = n > 1 ? fmax(squares - n * *mean_r * *mean_r, 0) / (n - 1) : 0;
	return n;
}

double tide_usual(const struct tide *tide) {
	double mean, var;
	if (tide->usual > 0)
		return tide->usual;
	past(tide, &mean, &var);
	return mean;
}

double tide_most(const struct tide *tide) {
	return fmax(tide->most, tide_today(tide));
}

static double day_nats(const struct tide *tide) {
	static const double rates[] = {1.5, 2, 4};
	double mean, var, e = 0;
	if (past(tide, &mean, &var) < TIDE_FEW)
		return -INFINITY;
	// One more day on which one was refused: never seen is not impossible.
	mean = fmax(mean, 1);
	double width = fmax(var / mean, 1);
	for (int i = 0; i < 3; i++) {
		double nats = (tide_today(tide) * log(rates[i]) - mean * (rates[i] - 1)) / width;
		e += exp(fmin(nats, 40)) / 3;
	}
	return fmin(log(e), TIDE_CAP);
}

double tide_nats(const struct tide *tide) {
	return day_nats(tide) + tide->m_log1p;
}

static void close_day(struct tide *tide) {
	double nats = tide_nats(tide);
	tide->m_log1p = nats > -30 ? log1p(exp(fmin(nats, 20))) : 0;
	// What is usual again is forgotten; what began a suspicion stays with it.
	if (tide->m_log1p < M_LN2) {
		tide->told = false;
		tide->most = tide->usual = 0;
		memset(tide->tried, 0, sizeof(tide->tried));
	} else {
		tide->usual = tide_usual(tide);
		tide->most = tide_most(tide);
	}
	tide->days[tide->day % RING] = tide_today(tide);
	tide->n_days += tide->n_days < RING;
	tide->today = 0;
	memset(tide->seen, 0, sizeof(tide->seen));
}

void tide_reach(struct tide *tide, uint16_t day) {
	if (tide->day == 0)
		tide->day = day;
	// After a long silence there is nothing to compare with.
	if (day > tide->day + RING)
		*tide = (struct tide){.day = day};
	for (; tide->day < day; tide->day++)
		close_day(tide);
}

bool tide_add(struct tide *tide, uint64_t account) {
	if (is_set(tide->seen, account))
		return false;
	set(tide->seen, account);
	set(tide->tried, account);
	tide->today++;
	return true;
}

bool tide_tried(const struct tide *tide, uint64_t account) {
	return is_set(tide->tried, account);
}
