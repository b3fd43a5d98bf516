// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "outcome.h"

#include <stdlib.h>
#include <string.h>

enum { BOOTSTRAPS = 400 };

const struct run_detector *
run_detector_find(const struct run *run, const struct detector_key *key) {
	for (size_t i = 0; i < run->n_detectors; i++) {
		const struct run_detector *d = &run->detector[i];
		if (!strcmp(d->name, key->name) && d->view == key->view
		    && (d->fit == FIT_SCORE || d->budget == key->budget))
			return d;
	}
	return NULL;
}

static int by_score(const void *a, const void *b) {
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double
run_threshold(struct run *const *runs, size_t n, const struct detector_key *key, double budget) {
	size_t n_scores = 0, low = 0, high; // threshold above scores[high], all of them: none
	double allowed = 0;

	for (size_t i = 0; i < n; i++) {
		n_scores += run_detector_find(runs[i], key)->n_records;
		allowed += budget * runs[i]->n_accounts / 1000 * run_weeks(runs[i]);
	}
	float *scores = malloc((n_scores + 1) * sizeof(*scores)), *at = scores;
	if (!scores)
		return HUGE_VAL;
	for (size_t i = 0; i < n; i++) {
		const struct run_detector *d = run_detector_find(runs[i], key);
		for (size_t k = 0; k < d->n_records; k++)
			*at++ = d->records[k].score;
	}
	qsort(scores, n_scores, sizeof(*scores), by_score);
	high = n_scores;
	while (low < high) {
		size_t middle = (low + high) / 2, n_episodes = 0;
		for (size_t i = 0; i < n; i++)
			n_episodes += run_episodes(
				run_detector_find(runs[i], key), scores[middle], false
			);
		if ((double)n_episodes <= allowed + 1e-6)
			high = middle;
		else
			low = middle + 1;
	}
	double threshold = low < n_scores ? scores[low]
		: n_scores > 0		  ? nextafterf(scores[low - 1], HUGE_VALF)
					  : 0;
	free(scores);
	return threshold;
}

static bool is_wanted(const struct run *run, size_t attack, int scenario) {
	const struct sim_attack *a = &run->attack[attack];

	if (!a->first_ns)
		return false;
	return scenario < 0 ? a->scenario != sim_scenarios() - 1 : a->scenario == scenario;
}

static double days_between(uint64_t from_ns, uint64_t to_ns) {
	return to_ns < from_ns ? 0 : (double)(to_ns - from_ns) / SIM_DAY_NS;
}

// The first time each attack of the run was named; 0: never. The caller frees it.
static uint64_t *
first_named(const struct run *run, const struct run_detector *d, double threshold) {
	uint64_t *first = calloc(run->n_attacks + 1, sizeof(*first));

	for (size_t i = 0; first && i < d->n_records; i++) {
		const struct run_record *r = &d->records[i];
		if (r->attack == SIM_NO_ATTACK || r->score < threshold
		    || r->time_ns < run->attack[r->attack].first_ns)
			continue;
		if (!first[r->attack] || r->time_ns < first[r->attack])
			first[r->attack] = r->time_ns;
	}
	return first;
}

static void outcomes_add_run(
	struct outcomes *o,
	const struct run *run,
	const struct run_detector *d,
	double threshold,
	int scenario,
	uint32_t first_campaign
) {
	uint64_t *first = first_named(run, d, threshold);
	uint32_t *at = calloc(run->n_attacks + 1, sizeof(*at)); // index of its outcome + 1

	for (size_t i = 0; first && at && i < run->n_attacks; i++) {
		const struct sim_attack *a = &run->attack[i];
		if (!is_wanted(run, i, scenario))
			continue;
		o->outcome[o->n++] = (struct outcome){
			.campaign = first_campaign + a->campaign,
			.days = first[i] ? days_between(a->first_ns, first[i]) : HUGE_VAL,
		};
		at[i] = (uint32_t)o->n;
	}
	for (size_t i = 0; first && at && i < run->n_reads; i++) {
		const struct run_read *r = &run->reads[i];
		if (!at[r->attack] || (first[r->attack] && r->time_ns > first[r->attack]))
			continue;
		struct outcome *outcome = &o->outcome[at[r->attack] - 1];
		outcome->old += r->n_old;
		outcome->bytes += r->bytes;
		if (run->attack[r->attack].n_mailbox)
			outcome->lost += (double)r->n_old / run->attack[r->attack].n_mailbox;
	}
	free(first);
	free(at);
}

static void
group_update(struct group_outcome *g, const struct run_group *alert, uint64_t first_ns) {
	double purity = alert->n_listed ? (double)alert->n_right / alert->n_listed : 0;
	double coverage = purity * alert->size / g->size;

	if (alert->n_right * 2 < alert->n_listed || alert->n_right < 2)
		return;
	if (g->days == HUGE_VAL) {
		g->days = days_between(first_ns, alert->time_ns);
		g->accounts = alert->n_right;
	}
	if (coverage > g->coverage) {
		g->coverage = coverage < 1 ? coverage : 1;
		g->purity = purity;
	}
}

static void outcomes_add_groups(
	struct outcomes *o,
	const struct run *run,
	const struct run_detector *d,
	double threshold,
	int scenario
) {
	for (uint32_t c = 0; c < run->n_campaigns; c++) {
		const struct sim_campaign *campaign = &run->campaign[c];
		struct group_outcome g
			= {.size = campaign->size, .days = HUGE_VAL, .guessing_days = HUGE_VAL};
		if (!campaign->first_ns || (scenario >= 0 && campaign->scenario != scenario))
			continue;
		for (size_t i = 0; i < d->n_groups; i++)
			if (d->groups[i].campaign == c && d->groups[i].score >= threshold)
				group_update(&g, &d->groups[i], campaign->first_ns);
		for (size_t i = 0; i < d->n_records; i++) {
			const struct run_record *r = &d->records[i];
			double days = days_between(campaign->first_ns, r->time_ns);
			if (r->campaign == c && r->score >= threshold && days < g.guessing_days)
				g.guessing_days = days;
		}
		o->group[o->n_groups++] = g;
	}
}

struct outcomes outcomes_of(
	struct run *const *runs,
	size_t n,
	const struct detector_key *key,
	double threshold,
	int scenario
) {
	struct outcomes o = {0};
	size_t n_attacks = 0, n_campaigns = 0;
	uint32_t first_campaign = 0;

	for (size_t i = 0; i < n; i++)
		n_attacks += runs[i]->n_attacks, n_campaigns += runs[i]->n_campaigns;
	o.outcome = calloc(n_attacks + 1, sizeof(*o.outcome));
	o.group = calloc(n_campaigns + 1, sizeof(*o.group));
	for (size_t i = 0; o.outcome && o.group && i < n; i++) {
		const struct run_detector *d = run_detector_find(runs[i], key);
		if (d) {
			outcomes_add_run(&o, runs[i], d, threshold, scenario, first_campaign);
			outcomes_add_groups(&o, runs[i], d, threshold, scenario);
		}
		first_campaign += (uint32_t)runs[i]->n_campaigns;
	}
	return o;
}

void outcomes_free(struct outcomes *outcomes) {
	free(outcomes->outcome);
	free(outcomes->group);
	*outcomes = (struct outcomes){0};
}

// ---- Figures

double outcomes_recall(const struct outcomes *outcomes, double days) {
	size_t n = 0;

	for (size_t i = 0; i < outcomes->n; i++)
		n += outcomes->outcome[i].days <= days;
	return outcomes->n ? (double)n / (double)outcomes->n : 0;
}

static int by_value(const void *a, const void *b) {
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

// Sorts values. The nearest rank.
static double quantile(double *values, size_t n, double q) {
	if (n == 0)
		return HUGE_VAL;
	qsort(values, n, sizeof(*values), by_value);
	return values[(size_t)(q * (double)(n - 1) + .5)];
}

static double measure_get(const struct outcome *o, enum outcome_measure measure) {
	switch (measure) {
	case MEASURE_OLD:
		return (double)o->old;
	case MEASURE_BYTES:
		return (double)o->bytes;
	case MEASURE_LOST:
		return o->lost < 1 ? o->lost : 1;
	default:
		return o->days;
	}
}

double outcomes_quantile(const struct outcomes *outcomes, enum outcome_measure measure, double q) {
	double *values = calloc(outcomes->n + 1, sizeof(*values)), value;

	if (!values)
		return HUGE_VAL;
	for (size_t i = 0; i < outcomes->n; i++)
		values[i] = measure_get(&outcomes->outcome[i], measure);
	value = quantile(values, outcomes->n, q);
	free(values);
	return value;
}

// Outcomes of a campaign stand together. One resampled recall.
static double resampled(
	const struct outcomes *o,
	const size_t *begins,
	size_t n_campaigns,
	double days,
	struct rng *rng
) {
	size_t n = 0, found = 0;

	for (size_t i = 0; i < n_campaigns; i++) {
		uint32_t c = rng_below(rng, (uint32_t)n_campaigns);
		size_t from = begins[c], size = begins[c + 1] - from;
		for (size_t k = 0; k < size; k++)
			found += o->outcome[from + rng_below(rng, (uint32_t)size)].days <= days;
		n += size;
	}
	return n ? (double)found / (double)n : 0;
}

void outcomes_interval(const struct outcomes *o, double days, double *low_r, double *high_r) {
	struct rng rng = {o->n};
	double recalls[BOOTSTRAPS];
	size_t *begins = calloc(o->n + 2, sizeof(*begins)), n = 0;

	*low_r = *high_r = 0;
	if (!begins || o->n == 0) {
		free(begins);
		return;
	}
	for (size_t i = 0; i < o->n; i++)
		if (i == 0 || o->outcome[i].campaign != o->outcome[i - 1].campaign)
			begins[n++] = i;
	begins[n] = o->n;
	for (int i = 0; i < BOOTSTRAPS; i++)
		recalls[i] = resampled(o, begins, n, days, &rng);
	*low_r = quantile(recalls, BOOTSTRAPS, .025);
	*high_r = quantile(recalls, BOOTSTRAPS, .975);
	free(begins);
}

double outcomes_groups(const struct outcomes *outcomes, double days) {
	size_t n = 0;

	for (size_t i = 0; i < outcomes->n_groups; i++)
		n += outcomes->group[i].days <= days;
	return outcomes->n_groups ? (double)n / (double)outcomes->n_groups : 0;
}

double outcomes_group_median(const struct outcomes *outcomes, enum group_measure measure) {
	double *values = calloc(outcomes->n_groups + 1, sizeof(*values)), value;
	size_t n = 0;

	for (size_t i = 0; values && i < outcomes->n_groups; i++) {
		const struct group_outcome *g = &outcomes->group[i];
		// Of those never grouped there is no size and no purity.
		if (measure >= GROUP_ACCOUNTS && g->days == HUGE_VAL)
			continue;
		values[n++] = measure == GROUP_DAYS ? g->days
			: measure == GROUP_GUESSING ? g->guessing_days
			: measure == GROUP_ACCOUNTS ? g->accounts
			: measure == GROUP_PURITY   ? g->purity
						    : g->coverage;
	}
	value = quantile(values, values ? n : 0, .5);
	free(values);
	return value;
}
