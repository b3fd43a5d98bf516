// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A channel gives each account-day a score: how much speaks in the direction of an attack. The meter
// turns scores into evidence with a guarantee, whatever the scores are made of:
//
//   p     how often the account itself had such a day, shrunk towards how often the fleet has:
//         (own days as high + S p_fleet) / (own days + S); p_fleet is the rank among all account-days
//   e(p)  the mean of k p^(k-1) over k in {.1 .2 .35 .5 .7}: mean at most 1 when p is a p-value
//         (Vovk, Wang: arXiv 1912.06116)
//   L     1 - w + w e, at most exp(METER_CAP); w = .02 for rare visits, .4 for frequent ones
//   M     L (M + 1), Shiryaev-Roberts: reaches A no sooner than after A days on average
//         (Shin, Ramdas, Rinaldo: arXiv 2203.03532); the two w are averaged, which is one again
//
// Days on which the same visitor comes again are no news each: from his second day on he is ranked among
// the fleet's visitors of his age alone (meter_age), which makes e conditional on his being there. A
// fleet may have no such visitors: there the rank starts from S days as high as the score's nats say.
//
// The guarantee holds where the day is exchangeable with the account's own past or with the fleet's
// days. What is attacked teaches little: days are learned a week late, none from accounts under
// alarm, METER_TEACH_MAX at most of each visitor, and habits are learned from residents alone.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum meter_id {
	METER_VISITOR, // somebody who does not belong there reads
	METER_VOLUME, // old mail is read by a stranger, or more of it than usual by whomever
	METERS,
};

// What the visitor's score is made of; names and words in channel/visitor.c.
enum meter_part {
	PART_PLACE,
	PART_CLIENT,
	PART_HOURS,
	PART_COLLECTION,
	PART_COVERAGE,
	PART_GAP,
	PART_SEARCH,
	PART_ABSENCE,
	METER_PARTS,
};

// How long a visitor has been coming.
enum meter_age {
	AGE_FIRST, // among all account-days, also those without any visitor
	AGE_SECOND, // his second or third day
	AGE_WEEK, // fourth to tenth
	AGE_LONG,
	METER_AGES,
};

enum {
	METER_WEEKS = 8,
	METER_LAG = 7, // days until a day teaches
	METER_TEACH_MAX = 3,
	METER_SCORES = 128,
	METER_BETS = 2,
};

#define METER_UNIT 0.25 // nats of score per step
#define METER_CAP 3.0 // nats a day
#define METER_PRIOR 14.0 // S, in days

struct meter {
	float m[METER_BETS]; // ln(1 + M) up to yesterday
	uint8_t today; // score
	uint8_t age; // enum meter_age of today
	uint8_t week_max[METER_WEEKS]; // own highest scores, the last weeks; [0] is this one
	uint16_t waiting[METER_LAG]; // days not yet learned, the oldest first: score, age, lesson
};

// What all accounts' days are like.
struct meter_fleet {
	struct meter_days {
		float days[METER_SCORES]; // how many had this score
		float total;
		float share[METER_SCORES]; // that had at least it; made anew once a day, 0 before
	} of[METER_AGES];
	float quiet; // e of a day without score; made with the shares
};

void meter_init(struct meter *meter);
// In steps of METER_UNIT, rounded up, at most METER_SCORES - 2.
uint8_t meter_score(double nats);
// One day was so; what is older counts half after 28 days (the caller calls meter_fleet_day daily).
void meter_teach(struct meter_fleet *fleet, uint8_t age, uint8_t score, float days);
void meter_fleet_day(struct meter_fleet *fleet);
// From the store's older layout, which had -ln of each share, and no quiet.
void meter_fleet_migrate(struct meter_fleet *fleet, const struct meter_days old[METER_AGES]);
// Scores are higher from now on, and nobody knows how often: as many days of the highest are expected as like has of any,
// until they have faded.
void meter_fleet_expect(struct meter_fleet *fleet, const struct meter_fleet *like);

// ln M if the day ended now, averaged over the bets. weeks: how many the account has been known.
double meter_nats(const struct meter *meter, const struct meter_fleet *fleet, unsigned weeks);
// ln e of a score, capped: what the day alone says.
double meter_day_nats(
	const struct meter *meter,
	const struct meter_fleet *fleet,
	unsigned weeks,
	uint8_t age,
	uint8_t score
);
// By how much an account's own weeks, where they had nothing as high, divide the fleet's share.
double meter_own_weight(unsigned weeks);
enum meter_lesson {
	METER_SILENT, // teaches nobody
	METER_TEACHES, // the fleet
	METER_HABIT, // the fleet, and becomes a habit of the account
};

// The day is over, n_quiet more passed without any score.
void meter_close(
	struct meter *meter,
	struct meter_fleet *fleet,
	unsigned weeks,
	unsigned n_quiet,
	enum meter_lesson lesson
);
// The account alone: a week begins.
void meter_week(struct meter *meter);
void meter_reset(struct meter *meter);
