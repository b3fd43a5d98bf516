// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Evidence in nats (natural logarithm of a likelihood ratio), and the sequential test that adds it
// up. Each observation has a likelihood ratio L whose mean under innocence is at most 1; then
//
//	M = L (M + 1)                                  (Shiryaev-Roberts e-detector)
//
// reaches A on average no sooner than after A innocent observations, however they depend on each
// other (Shin, Ramdas, Rinaldo: arXiv 2203.03532). We keep ln M. M only shrinks with time passing
// and by being set to zero, which both leave the guarantee alone.
//
// The threshold follows from the budget of false alerts B per 1,000 accounts and week: with at most
// one observation per account and day and channel, ln A = ln(7000 / B) + ln(channels).

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	EVIDENCE_CHANNELS = 4, // sources, networks, passwords, accounts
};

// False alerts per 1,000 accounts and week where nobody says how many: this, and from the number of
// accounts on at which it would make more than so many a day, as many as make those. A ministry of 5,000
// has fewer than one a day, a provider of a million 20.
#define EVIDENCE_BUDGET_DEFAULT 1.0
#define EVIDENCE_ALERTS_PER_DAY 20.0
#define EVIDENCE_MEMORY_NS (7 * 86400 * 1000000000ull) // M falls by e in this time
#define EVIDENCE_MAX 60.0 // nats; more says nothing and would be remembered for too long

// A Shiryaev-Roberts statistic. Zeroed is the start (no observation yet).
struct evidence {
	double m_log1p; // ln(1 + M)
	uint64_t time_ns; // up to which it has decayed
};

// budget as configured, 0: the default for so many accounts.
double evidence_budget(double budget, uint32_t n_accounts);
double evidence_threshold(double budget);
// The budget whose threshold it is.
double evidence_budget_of(double threshold);
// Time has come to now_ns; earlier ones change nothing.
void evidence_decay(struct evidence *evidence, uint64_t now_ns);
// One observation of so many nats, positive or negative.
void evidence_add(struct evidence *evidence, double nats);
// Takes an observation back that was wrongly added, and does not let it go below the start.
void evidence_retract(struct evidence *evidence, double nats);
// ln M; very negative at the start.
double evidence_nats(const struct evidence *evidence);
// Less than -0.7 of it: M is below a half, and there is no suspicion.
static inline bool evidence_is_low(const struct evidence *evidence) {
	return evidence->m_log1p <= 0.40318604888545788; // ln(1 + e^-0.7)
}
// At most -10 of it: nothing is left that could be taken back.
static inline bool evidence_is_spent(const struct evidence *evidence) {
	return evidence->m_log1p <= 4.539889921686465e-05; // ln(1 + e^-10)
}
