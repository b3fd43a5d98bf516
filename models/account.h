// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is known of an account: where it is at home, which wrong passwords it has seen, and how much
// speaks for somebody guessing. About 2 KiB with its name.

#pragma once

#include "source.h"

enum {
	ACCOUNT_HOMES_MAX = 8, // networks it logged in from; the one used on fewest days goes
	ACCOUNT_WRONG_MAX = 8, // wrong passwords remembered
};

#define ACCOUNT_CREDIT_NS (6 * 3600ull * 1000000000)
// Refusals whose password is not seen count as a guess once in this time for each address …
#define ACCOUNT_UNKNOWN_NS (6 * 3600ull * 1000000000)
// … and when there are more than so many in an hour: no client polls more often.
enum { ACCOUNT_UNKNOWN_MAX = 60 };

enum familiarity {
	STRANGE,
	SAME_PROVIDER, // the autonomous system is known: a phone changes its /24 each day
	AT_HOME, // the address or its network
};

struct account {
	struct table_node node;
	char name[ACCOUNT_SIZE];
	struct {
		uint64_t net, last_ns, credit_ns;
		uint32_t asn;
		uint32_t days;
	} home[ACCOUNT_HOMES_MAX];
	struct {
		uint64_t password;
		bool home; // refused at home: an old password in a device, not a guess
	} wrong[ACCOUNT_WRONG_MAX];
	uint8_t n_homes, n_wrong;
	bool alarmed;
	uint32_t days, n_new; // days with a login, and networks that were new
	uint64_t last_ns; // the latest login
	uint64_t unknown_ns[2]; // of refusals without password: the hour, the last that counted
	uint64_t unknown_ip;
	uint32_t n_unknown; // in that hour
	uint64_t outcome_ns; // when its outcome at home was last counted for the fleet
	struct evidence evidence;
	struct facts facts;
};

enum familiarity account_familiarity(const struct account *account, const struct attempt *attempt);
// A login that is believed. True when this place may speak for its source again (each six hours).
bool account_login(struct account *account, const struct attempt *attempt);

enum wrong_password { WRONG_NEW, WRONG_AGAIN, WRONG_AT_HOME };
// Remembers a wrong password and says what is known of it.
enum wrong_password
account_refused(struct account *account, const struct attempt *attempt, bool at_home);
// How unlikely a login from a new place is for the account itself, in nats: its novelty rate by
// Krichevsky-Trofimov, (new + 1/2) / (days + 1).
double account_novelty(const struct account *account);
