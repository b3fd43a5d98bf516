// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// How many accounts were refused from strange places today, against how many usually are: who tries one
// password a day on each of many accounts, each time from another address, leaves no series anywhere, but
// the whole population sees more of it. Where the hash of a password is not seen it is all there is.
//
//	x       accounts refused today, by linear counting (Whang, Vander-Zanden, Taylor 1990)
//	n       mean of four weeks that ended a week ago; v their variance against Poisson's, at least 1
//	L       mean over r in {1.5 2 4} of exp((x ln r - n (r - 1)) / v), at most exp(TIDE_CAP) a day
//	M       L (M + 1), told where it comes to that once in two years (failures.h)
//
// What is told for itself (an address, a network, a password) is not counted. L is an e-value where days
// are Poisson or as much wider as those before were; n follows within weeks what stays.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	TIDE_BITS = 16384, // some 30,000 accounts a day, beyond which it is as high as it gets
	TIDE_LAG = 7, // days until a day teaches
	TIDE_PAST = 28, // days that teach
	TIDE_FEW = 14, // until then nothing is said
	TIDE_LEAST = 8, // accounts a day that are worth an alert
};

#define TIDE_CAP 3.5 // nats a day: one day alone is the business of others

struct tide {
	uint16_t day; // today; 0: nothing yet
	uint8_t n_days; // known before, up to TIDE_LAG + TIDE_PAST
	bool told;
	uint32_t today; // bits set, that is accounts but for collisions
	float m_log1p; // ln(1 + M) up to yesterday
	float most, usual; // the highest day since the suspicion began, and what was usual then
	float days[TIDE_LAG + TIDE_PAST]; // accounts of each, a ring: day d stands at d % its size
	uint64_t seen[TIDE_BITS / 64]; // today
	uint64_t tried[TIDE_BITS / 64]; // since the suspicion began
};

// Event time has come to this day.
void tide_reach(struct tide *tide, uint16_t day);
// An account was refused. True when it is new today.
bool tide_add(struct tide *tide, uint64_t account);
// Accounts today; on the highest day of the suspicion; on a usual day before it.
double tide_today(const struct tide *tide);
double tide_most(const struct tide *tide);
double tide_usual(const struct tide *tide);
// ln M if the day ended now; very negative while too little is known.
double tide_nats(const struct tide *tide);
// It was refused since the suspicion began (now and then wrongly yes).
bool tide_tried(const struct tide *tide, uint64_t account);
