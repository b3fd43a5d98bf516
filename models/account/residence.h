// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// How a place, a provider or a client becomes an account's own: by commitment (a flag set, a message
// moved, deleted, filed or sent), which an owner does and a silent reader does not. Age alone never
// makes a resident; what was there while the account was first seen, and committed once, is one.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	RESIDENCE_COMMITS = 3, // days with a commitment …
	RESIDENCE_SPREAD = 7, // … over at least so many days
	RESIDENCE_TOGETHER = 2, // or: times seen beside a resident (co-location)
	RESIDENCE_FOUNDERS
	= 14, // days from an account's first sight in which one commitment is enough
	RESIDENCE_AGE = 14, // days, where the whole fleet shows no commitments at all
	RESIDENCE_AGE_ACTIVE = 7,
};

// Days are of event time, counted from 1970 (UTC).
struct residence {
	uint16_t since, seen; // first and last day active
	uint16_t days; // active
	uint16_t commit_since, commit_last;
	uint8_t commits; // days with one, saturating
	uint8_t together;
};

// Active on this day. True when it is the first time on it.
bool residence_visit(struct residence *residence, uint16_t day);
void residence_commit(struct residence *residence, uint16_t day);
// founded: the account's first day. ageing: the fleet shows no commitments, so that age has to do.
bool residence_is(const struct residence *residence, uint16_t founded, bool ageing);
