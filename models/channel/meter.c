// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "channel/meter.h"

#include <math.h>
#include <string.h>

enum {
	AGE_SHIFT = 8, // in waiting
	HABIT = 0x1000, // in waiting
	NOTHING = 0xffff, // in waiting: no day yet, or none to learn from
	QUIET_MAX = 400, // days without an account that are counted one by one
};

static const double bets[METER_BETS] = {0.02, 0.4};
// M only shrinks by it, which leaves the guarantee alone: a trip in spring is no evidence in autumn.
static const double memory[METER_BETS] = {1 / 40.0, 1 / 15.0}; // nats a day

uint8_t meter_score(double nats) {
	if (!(nats > 0))
		return 0;
	double score = ceil(nats / METER_UNIT);
	return score < METER_SCORES - 2 ? score : METER_SCORES - 2;
}

// ---- the fleet

void meter_teach(struct meter_fleet *fleet, uint8_t age, uint8_t score, float days) {
	fleet->of[age].days[score] += days;
	fleet->of[age].total += days;
}

// The share of days at least as high counts the one that is judged, as a conformal p-value does.
// prior: days that are thought to have been seen, as high as the score itself says, which is in nats.
static void days_rank(struct meter_days *days, double prior) {
	const float fade = 0.97555f; // 2^(-1/28)
	const double unit = exp(METER_UNIT);
	double as_high = prior * exp(-METER_UNIT * (METER_SCORES - 1));
	float above = 1;
	for (int s = METER_SCORES - 1; s >= 0; s--, as_high *= unit) {
		days->days[s] *= fade;
		above += days->days[s];
		days->share[s] = above + as_high;
	}
	days->total = above - 1;
	const float part = 1 / (above + prior);
	for (int s = 0; s < METER_SCORES; s++)
		days->share[s] *= part;
}

static double p_of(const struct meter_days *days, uint8_t score) {
	return days->share[score] > 0 ? days->share[score] : 1;
}

// What a day without score is worth: the mean of e over all p above that of the least score.
static double quiet_e(const struct meter_days *first) {
	static const double kappas[] = {0.1, 0.2, 0.35, 0.5, 0.7};
	double p = p_of(first, 1), below = 0;
	if (p > 0.999)
		return 1;
	for (int i = 0; i < 5; i++)
		below += pow(p, kappas[i]) / 5;
	return (1 - below) / (1 - p);
}

// Where no stranger ever stayed, the first who does would be as usual as anybody: nobody is ahead of
// him. So the later ages start from a prior. The first needs none, every quiet day is in it.
void meter_fleet_day(struct meter_fleet *fleet) {
	for (int age = 0; age < METER_AGES; age++)
		days_rank(&fleet->of[age], age == AGE_FIRST ? 0 : METER_PRIOR);
	fleet->quiet = quiet_e(&fleet->of[AGE_FIRST]);
}

void meter_fleet_migrate(struct meter_fleet *fleet, const struct meter_days old[METER_AGES]) {
	memcpy(fleet->of, old, sizeof(fleet->of));
	for (int age = 0; age < METER_AGES; age++)
		for (int s = 0; s < METER_SCORES; s++)
			fleet->of[age].share[s] = expf(-old[age].share[s]);
	fleet->quiet = quiet_e(&fleet->of[AGE_FIRST]);
}

void meter_fleet_expect(struct meter_fleet *fleet, const struct meter_fleet *like) {
	for (int age = 0; age < METER_AGES; age++) {
		struct meter_days *days = &fleet->of[age];
		float n = 0;
		for (int s = 1; s < METER_SCORES; s++)
			n += like->of[age].days[s];
		days->days[METER_SCORES - 2] += n;
		days->total += n;
		for (int s = 1; s <= METER_SCORES - 2; s++)
			days->share[s] = fminf(
				1, days->share[s] + n / (days->total + 1 + (float)METER_PRIOR)
			);
	}
	fleet->quiet = quiet_e(&fleet->of[AGE_FIRST]);
}

// ---- evidence

double meter_own_weight(unsigned weeks) {
	weeks = weeks < METER_WEEKS ? weeks : METER_WEEKS;
	return 7 * weeks / METER_PRIOR + 1;
}

static double
p_value(const struct meter *meter,
	const struct meter_fleet *fleet,
	unsigned weeks,
	uint8_t age,
	uint8_t score) {
	double p_fleet = p_of(&fleet->of[age], score);
	if (age != AGE_FIRST)
		return p_fleet;
	unsigned as_high = 0;
	for (unsigned i = 0; i < METER_WEEKS; i++)
		as_high += meter->week_max[i] >= score;
	return (as_high / METER_PRIOR + p_fleet) / meter_own_weight(weeks);
}

// The calibrator; p is at least 1e-9 so that nothing overflows. All its powers are whole ones of p^-.05.
static double e_value(double p) {
	double q = exp(-0.05 * log(fmax(p, 1e-9)));
	double q2 = q * q, q4 = q2 * q2, q8 = q4 * q4, q16 = q8 * q8;
	return (0.1 * q16 * q2 + 0.2 * q16 + 0.35 * q8 * q4 * q + 0.5 * q8 * q2 + 0.7 * q4 * q2)
		/ 5;
}

static double e_quiet(const struct meter_fleet *fleet) {
	return fleet->quiet > 0 ? fleet->quiet : 1;
}

static double
day_e(const struct meter *meter,
      const struct meter_fleet *fleet,
      unsigned weeks,
      uint8_t age,
      uint8_t score) {
	return score ? e_value(p_value(meter, fleet, weeks, age, score)) : e_quiet(fleet);
}

static double bet_nats(int bet, double e) {
	return fmin(log(1 - bets[bet] + bets[bet] * e), METER_CAP);
}

double meter_day_nats(
	const struct meter *meter,
	const struct meter_fleet *fleet,
	unsigned weeks,
	uint8_t age,
	uint8_t score
) {
	return score ? fmin(log(day_e(meter, fleet, weeks, age, score)), METER_CAP) : 0;
}

double meter_nats(const struct meter *meter, const struct meter_fleet *fleet, unsigned weeks) {
	double e = day_e(meter, fleet, weeks, meter->age, meter->today), sum = 0;
	for (int i = 0; i < METER_BETS; i++)
		sum += exp(fmin(bet_nats(i, e) + meter->m[i], 60));
	return log(sum / METER_BETS);
}

// ---- days and weeks

static void learn(struct meter *meter, struct meter_fleet *fleet, uint16_t lesson) {
	if (lesson == NOTHING)
		return;
	uint8_t score = lesson & (METER_SCORES - 1), age = lesson >> AGE_SHIFT & (METER_AGES - 1);
	if (lesson & HABIT && score > meter->week_max[0])
		meter->week_max[0] = score;
	meter_teach(fleet, age, score, 1);
}

static void wait(struct meter *meter, struct meter_fleet *fleet, uint16_t lesson) {
	learn(meter, fleet, meter->waiting[0]);
	memmove(&meter->waiting[0], &meter->waiting[1], (METER_LAG - 1) * sizeof(meter->waiting[0])
	);
	meter->waiting[METER_LAG - 1] = lesson;
}

static void step(struct meter *meter, double e) {
	for (int i = 0; i < METER_BETS; i++) {
		double nats = bet_nats(i, e) + meter->m[i] - memory[i];
		meter->m[i] = nats > 40 ? fmin(nats, 60) : log1p(exp(nats));
	}
}

void meter_close(
	struct meter *meter,
	struct meter_fleet *fleet,
	unsigned weeks,
	unsigned n_quiet,
	enum meter_lesson lesson
) {
	step(meter, day_e(meter, fleet, weeks, meter->age, meter->today));
	uint16_t day = meter->today | meter->age << AGE_SHIFT | (lesson == METER_HABIT ? HABIT : 0);
	wait(meter, fleet, lesson == METER_SILENT ? NOTHING : day);
	meter->today = meter->age = 0;
	n_quiet = n_quiet < QUIET_MAX ? n_quiet : QUIET_MAX;
	if (n_quiet == 0)
		return;
	double e = e_quiet(fleet);
	for (unsigned i = 0; i < n_quiet; i++) {
		step(meter, e);
		if (i < METER_LAG)
			wait(meter, fleet, 0);
	}
	if (n_quiet > METER_LAG)
		meter_teach(fleet, AGE_FIRST, 0, n_quiet - METER_LAG);
}

void meter_week(struct meter *meter) {
	memmove(&meter->week_max[1], &meter->week_max[0], METER_WEEKS - 1);
	meter->week_max[0] = 0;
}

void meter_init(struct meter *meter) {
	*meter = (struct meter){0};
	memset(meter->waiting, 0xff, sizeof(meter->waiting));
}

void meter_reset(struct meter *meter) {
	memset(meter->m, 0, sizeof(meter->m));
	meter->today = meter->age = 0;
}
