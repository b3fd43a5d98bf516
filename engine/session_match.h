// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What rules found in a session: counted until it is enough, put together to combinations, told to the
// record and to the activity. A match is kept with its rule's id, so that it outlives the rule set.

#pragma once

#include "match/found.h"
#include "session.h"

#include <stdbool.h>
#include <stdint.h>

struct session_match {
	char rule[ACTIVITY_RULE_SIZE]; // id
	uint32_t count;
	bool is_told; // enough was found, and the rule is not silent
	bool is_seen; // enough was found: counts for combinations
	struct found_place place;
	struct found_values
		*values; // so far, of rules that count different ones in a session; or NULL
};

// Whether a match of this rule counts here at all: in the session's protocol.
bool session_match_wants(const struct session *s, const struct rule *rule);
// Adds the match's value to those of found, in a block made when the first comes.
void session_found_value(
	struct session *s,
	const struct rule *rule,
	const struct scan_hit *hit,
	struct session_found *found
);
// n rules matched in one message (or one token), which is over. Takes the values over.
void session_found(
	struct session *s,
	const struct rules *rules,
	struct session_found *found,
	int n,
	uint64_t now_ns
);
// A token (field.def) that is whole, of any bytes, borrowed. Never one that carries credentials.
void session_token(
	struct session *s,
	enum rule_field field,
	const void *data,
	size_t size,
	uint64_t now_ns
);
// Whether any rule looks there: before a token is made that nobody wants.
bool session_token_wanted(const struct session *s, enum rule_field field);

// Rules may look at the events that the session has had for the first time. Called at the end of whatever
// the stream tells a session, because they are collected for the session at hand alone.
void session_events_match(struct session *s, uint64_t now_ns);
// Gives back what matches hold.
void session_match_free(struct session *s);
