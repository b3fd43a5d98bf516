// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Single deeds that speak for themselves where they are rare: a mailbox copied within a day by somebody
// who is not at home, mail forwarded outside, messages put into an inbox, other people's mailboxes
// opened. The evidence is what the fleet says of each kind: -ln of how often it happens in an
// account-day. What is as rare as the budget's false alerts is told, what is common here is not.

#pragma once

#include "channel/visit.h"

enum deed {
	// A burst, by: strange place (else a provider it uses) 1, client not its own 2, a network that
	// hides its users 4.
	DEED_BURST,
	DEED_BURST_LAST = DEED_BURST + 7,
	DEED_FORWARD, // a sieve script forwards to a new address outside
	DEED_FORWARD_STRANGER, // … set from where the account is not at home
	DEED_SINK, // copies of mail go to one new address outside
	DEED_FILING, // a stranger puts messages into the inbox
	DEED_OTHERS, // three other people's mailboxes, never opened before, on one day
	DEED_RIGHTS, // a stranger gives others rights on a mailbox
	DEED_SINK_STRANGER, // as DEED_SINK, sent from where the account is not at home
	DEED_COLD, // an account's first use is to copy it, through what hardly anybody here uses
	DEEDS,
};

static_assert((int)DEEDS <= (int)FLEET_DEEDS);

enum {
	BURST_MIN = 150, // bodies in a day that are a burst …
	BURST_OLD_MIN = 100, // … and so many of them old
	SINK_DAYS = 14, // an address is new for so long
	SINK_MIN = 10, // messages to it …
	SINK_STRANGER_MIN = 5, // … by who comes from strange places, or with a client not its own …
	SINK_STRANGE_MIN = 3, // … or both
	SINK_KNOWN_DAYS = 28, // of an account's life before its correspondents are known
	OTHERS_MIN = 3,
	COLD_DAYS = 3, // of an account's life that are its first use
};

// What an account that nobody knows yet is used for, which has no habits to hold it against: who has the
// password of an account that its owner hardly uses is the first to come. DEED_COLD where its network or
// its client is hardly anybody's.
bool deed_is_cold(const struct visit *visit);
// What this visit amounts to, or DEEDS. Counts sinks and others' mailboxes in the account. With
// DEED_SINK and DEED_FORWARD*, *what_r is the address; with DEED_OTHERS the last mailbox; else "".
enum deed deed_take(const struct visit *visit, const char **what_r);
enum deed deed_burst(const struct visitor *visitor, const struct visit *visit);
bool deed_hides(enum deed deed);
double deed_nats(const struct fleet *fleet, enum deed deed);
// It was done from this network. One network teaches once, however many accounts it does it to; and all
// of a week teach little more than the budget, so that who does it to many accounts does not make it
// ordinary.
void deed_count(struct fleet *fleet, enum deed deed, uint32_t net);
