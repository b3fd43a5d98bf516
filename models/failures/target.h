// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is known of an account: where it is at home, which wrong passwords it has seen, and how much
// speaks for somebody guessing. Less than 1 KiB with its name.

#pragma once

#include "failures/origin.h"

enum {
	TARGET_HOMES_MAX = 8, // networks it logged in from; the one used on fewest days goes
	TARGET_WRONG_MAX = 8, // wrong passwords remembered
};

#define TARGET_CREDIT_NS (6 * 3600ull * 1000000000)
// Refusals whose password is not seen count as a guess once in this time for each strange address, and
// for all places together where the account was let in before …
enum { TARGET_UNKNOWN_HOURS = 6 };
#define TARGET_UNKNOWN_NS (TARGET_UNKNOWN_HOURS * 3600ull * 1000000000)
// … and when there are more than so many in an hour: no client polls more often.
enum { TARGET_UNKNOWN_MAX = 60 };

enum familiarity {
	STRANGE,
	SAME_PROVIDER, // the autonomous system is known (without one the /16 or /32): a phone changes
	// its /24 each day
	AT_HOME, // the address or its network
};

struct target {
	struct table_node node;
	char name[ACCOUNT_SIZE];
	struct {
		uint64_t net, last_ns, credit_ns;
		uint32_t provider; // visit_provider()
		uint32_t days;
		bool once; // counted in n_once
	} home[TARGET_HOMES_MAX];
	struct {
		uint64_t password;
		bool home; // refused at home: an old password in a device, not a guess
	} wrong[TARGET_WRONG_MAX];
	uint8_t n_homes, n_wrong;
	bool alarmed;
	bool noted; // has a series (series.h)
	uint32_t visits, n_once; // days at a place, summed; places seen on one day only
	uint64_t unknown_ns[2]; // of refusals without password: the hour, the last that counted
	uint64_t unknown_ip;
	uint32_t n_unknown; // in that hour
	uint32_t known_hour; // in which a known place last counted
	uint64_t outcome_ns; // when its outcome at home was last counted for the fleet
	struct evidence evidence;
};

enum familiarity target_familiarity(const struct target *account, const struct attempt *attempt);
// A login that is believed. True when this place may speak for its origin again (each six hours).
bool target_login(struct target *account, const struct attempt *attempt);

enum wrong_password { WRONG_NEW, WRONG_AGAIN, WRONG_AT_HOME };
// Remembers a wrong password and says what is known of it.
enum wrong_password
target_refused(struct target *account, const struct attempt *attempt, enum familiarity familiarity);
// How unlikely a login from a new place is for the account itself, in nats: by Good and Turing
// (Biometrika 1953) the next visit is to a new place with the probability n_once / visits.
double target_novelty(const struct target *account);
