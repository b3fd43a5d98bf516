// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/target.h"

#include <math.h>
#include <string.h>

#define DAY_NS (86400ull * 1000000000)

enum familiarity target_familiarity(const struct target *account, const struct attempt *attempt) {
	enum familiarity best = STRANGE;
	for (uint8_t i = 0; i < account->n_homes; i++) {
		if (account->home[i].net == attempt->net)
			return AT_HOME;
		if (account->home[i].provider == attempt->provider)
			best = SAME_PROVIDER;
	}
	return best;
}

// A carrier's networks come and go and displace each other, not the office.
static uint8_t home_slot(struct target *account) {
	if (account->n_homes < TARGET_HOMES_MAX)
		return account->n_homes++;
	uint8_t least = 0;
	for (uint8_t i = 1; i < TARGET_HOMES_MAX; i++) {
		uint32_t days = account->home[i].days, fewest = account->home[least].days;
		if (days < fewest
		    || (days == fewest && account->home[i].last_ns < account->home[least].last_ns))
			least = i;
	}
	return least;
}

static bool later_day(uint64_t time_ns, uint64_t than_ns) {
	return time_ns / DAY_NS > than_ns / DAY_NS;
}

static bool home_again(struct target *account, uint8_t i, uint64_t time_ns) {
	if (later_day(time_ns, account->home[i].last_ns)) {
		account->home[i].days++;
		account->visits++;
		account->n_once -= account->home[i].once;
		account->home[i].once = false;
	}
	if (time_ns > account->home[i].last_ns)
		account->home[i].last_ns = time_ns;
	if (time_ns < account->home[i].credit_ns + TARGET_CREDIT_NS)
		return false;
	account->home[i].credit_ns = time_ns;
	return true;
}

bool target_login(struct target *account, const struct attempt *attempt) {
	uint64_t time_ns = attempt->time_ns;
	for (uint8_t i = 0; i < account->n_homes; i++)
		if (account->home[i].net == attempt->net)
			return home_again(account, i, time_ns);
	bool once = target_familiarity(account, attempt) == STRANGE;
	account->visits++;
	account->n_once += once;
	uint8_t at = home_slot(account);
	account->home[at].net = attempt->net;
	account->home[at].provider = attempt->provider;
	account->home[at].days = 1;
	account->home[at].once = once;
	account->home[at].last_ns = time_ns;
	account->home[at].credit_ns = time_ns;
	return true;
}

// The password is not seen (challenge mechanisms): a client that retries must not look like one that
// guesses. Nor must several that go on with an old one, each from its own network, or one behind its
// vendor's many addresses: all places where the account was let in before count together.
static enum wrong_password
unknown_refused(struct target *account, const struct attempt *attempt, bool known) {
	uint64_t hour = attempt->time_ns / (3600ull * 1000000000);
	if (hour > account->unknown_ns[0]) {
		account->unknown_ns[0] = hour;
		account->n_unknown = 0;
	}
	account->n_unknown += attempt->count;
	bool due = known ? hour >= account->known_hour + TARGET_UNKNOWN_HOURS
			 : account->unknown_ip != attempt->ip
			|| attempt->time_ns >= account->unknown_ns[1] + TARGET_UNKNOWN_NS;
	if (!due && account->n_unknown <= TARGET_UNKNOWN_MAX)
		return WRONG_AGAIN;
	if (known) {
		account->known_hour = hour;
		return WRONG_NEW;
	}
	account->unknown_ip = attempt->ip;
	account->unknown_ns[1] = attempt->time_ns;
	return WRONG_NEW;
}

enum wrong_password target_refused(
	struct target *account,
	const struct attempt *attempt,
	enum familiarity familiarity
) {
	bool at_home = familiarity == AT_HOME;
	if (!attempt->password)
		return unknown_refused(account, attempt, familiarity != STRANGE);
	uint8_t n = account->n_wrong;
	for (uint8_t i = 0; i < n; i++) {
		if (account->wrong[i].password != attempt->password)
			continue;
		account->wrong[i].home |= at_home;
		return account->wrong[i].home ? WRONG_AT_HOME : WRONG_AGAIN;
	}
	// Full: the oldest that was not refused at home goes, so that guessing does not push an old
	// password in a phone out of memory.
	uint8_t out = 0;
	if (n == TARGET_WRONG_MAX) {
		while (out < n - 1 && account->wrong[out].home)
			out++;
		memmove(&account->wrong[out],
			&account->wrong[out + 1],
			(n - 1 - out) * sizeof(account->wrong[0]));
		n--;
	}
	account->wrong[n].password = attempt->password;
	account->wrong[n].home = at_home;
	account->n_wrong = n + 1;
	return WRONG_NEW;
}

double target_novelty(const struct target *account) {
	return -log((account->n_once + 0.5) / (account->visits + 1.0));
}
