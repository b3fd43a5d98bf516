// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which servers are known to offer TLS and authentication. Who sits between a client and such a server gets
// the password by taking the offer out of its list. A server's connections are on all workers: each tells
// the analyst what it hears, and the lists are held against each other there, in the order of their moments, so that
// the same is said whatever the number of workers.
//
// A session whose list lacks what is known has the event capability_stripped: it is added to the session's records
// as they pass, and to its next activity what rules make of that event.

#pragma once

#include "activity.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A list that a client was sent in clear.
struct offer_heard {
	uint64_t time_ns;
	uint8_t session[16];
	struct ip server;
	uint16_t port;
	uint8_t offers; // enum offer (proto/offer.h)
	bool is_said; // the event is the session's already
	uint8_t protocol; // enum activity_protocol
	struct ip client;
	uint8_t n_rules; // that look for the event; where something is not offered
	struct {
		char id[ACTIVITY_RULE_SIZE];
		uint32_t offset; // as a match's
	} rules[OFFER_RULES_MAX];
};

struct offers;

// NULL: no memory.
struct offers *offers_open(void);
void offers_close(struct offers *offers); // accepts NULL
// Whether the list is one without what this server is known to offer.
bool offers_hear(struct offers *offers, const struct offer_heard *heard);
// An activity on its way, or in its place the same with what rules make of the session's event; that is
// borrowed until the next call.
const struct activity *offers_activity(struct offers *offers, const struct activity *activity);
// Of a session that has had the event for long and no activity since: what rules make of it. NULL: there is none
// with nothing due up to now_ns; UINT64_MAX: the end. Borrowed until the next call.
const struct activity *offers_due(struct offers *offers, uint64_t now_ns);
// A session's record on its way, or in its place the same with the event, borrowed until the next call. *size is then
// that one's.
const char *offers_record(struct offers *offers, const char *line, size_t *size);
