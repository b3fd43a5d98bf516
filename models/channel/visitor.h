// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The channel of strangers: somebody reads who comes from where the account is not at home, or with a
// client that is not its own, and never does what an owner does. A day's score is the sum of its
// parts (meter_part), each in nats and bounded; it only points one way, so that what is ordinary adds
// nothing, and it is zero on a day on which the visitor commits.
//
//   place       Good-Turing novelty of the account and rarity in the fleet (Witten-Bell's backoff from
//               /24 to provider to country decides which), up to 6
//   client      not one of the account's; rarity in the fleet; claims to be one it is not, up to 6
//   hours       mean of the account's own profile, up to 3
//   collection  old bodies against what its residents usually read, up to 6
//   coverage    share of the old mailbox that visitors have read by now, up to 2
//   gap         days without a commitment, reading by EXAMINE alone, up to 3
//   search      text searched and old mail fetched, 1
//   absence     residents silent for days, up to 2
//
// Four hypotheses are weighed for each: the known user elsewhere (his own client, hours and
// commitments speak for him), a new device of his (a resident place, or commitments within days), a
// program of a kind that fetches for others here (fleet_is_fetcher: new mail is what it is for), and
// an intruder. meter.h turns the score into evidence.

#pragma once

#include "channel/visit.h"

// The visitor that this visit belongs to, brought up to date, with today's score; NULL when the visit
// is at home, or too little is known of the account. without: bit p leaves PART p out.
struct visitor *
visitor_take(const struct visit *visit, const struct fleet *fleet, uint32_t without);
// Sets the meter to today's visitor who says most.
void visitor_measure(struct account *account, const struct fleet *fleet);
// Old bodies that visitors read today who say something, did not commit, and are not known to be the owner.
struct visitors_old {
	uint32_t all;
	uint32_t moving; // of these by the account's own client, each day from another place
	bool far; // some of these from beyond the providers it uses
};
struct visitors_old visitors_old_today(const struct account *account);
// The score, or less: as much as is as usual among all accounts as it is for the owner himself to be at a new place and to
// look something up there. Only where he roams.
uint8_t visitor_owner_score(
	const struct account *account,
	const struct fleet *fleet,
	enum meter_id meter,
	bool far,
	uint8_t score
);
// The nats that a visitor's day adds, as it stands.
double visitor_today(
	const struct account *account,
	const struct fleet *fleet,
	const struct visitor *visitor
);
// The day is over: each visitor's evidence is added up. What may be learned from the day.
enum meter_lesson visitor_close_day(struct account *account, const struct fleet *fleet);
// Weeks the account has been known, as the meter counts them.
unsigned account_weeks(const struct account *account);
