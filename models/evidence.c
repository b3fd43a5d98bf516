// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "evidence.h"

#include <math.h>

double evidence_budget(double budget, uint32_t n_accounts) {
	if (budget > 0)
		return budget;
	double most = EVIDENCE_ALERTS_PER_DAY * 7 * 1000 / fmax(n_accounts, 1);
	return fmin(EVIDENCE_BUDGET_DEFAULT, most);
}

double evidence_threshold(double budget) {
	if (!(budget > 0))
		budget = EVIDENCE_BUDGET_DEFAULT;
	return log(7000 / budget) + log(EVIDENCE_CHANNELS);
}

double evidence_budget_of(double threshold) {
	return 7000 * EVIDENCE_CHANNELS / exp(threshold);
}

double evidence_nats(const struct evidence *evidence) {
	return evidence->m_log1p > 0 ? log(expm1(evidence->m_log1p)) : -INFINITY;
}

static void set_nats(struct evidence *evidence, double nats) {
	nats = fmin(nats, EVIDENCE_MAX);
	evidence->m_log1p = nats > 40 ? nats : log1p(exp(nats));
}

void evidence_decay(struct evidence *evidence, uint64_t now_ns) {
	if (now_ns <= evidence->time_ns)
		return;
	double away = (double)(now_ns - evidence->time_ns) / EVIDENCE_MEMORY_NS;
	evidence->time_ns = now_ns;
	if (evidence->m_log1p > 40)
		set_nats(evidence, evidence_nats(evidence) - away);
	else if (evidence->m_log1p > 0)
		evidence->m_log1p = log1p(expm1(evidence->m_log1p) * exp(-away));
}

void evidence_add(struct evidence *evidence, double nats) {
	set_nats(evidence, evidence->m_log1p + nats);
}

void evidence_retract(struct evidence *evidence, double nats) {
	if (evidence->m_log1p > 0)
		set_nats(evidence, evidence_nats(evidence) - nats);
}
