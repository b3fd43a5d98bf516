// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What alerts.c keeps of a rule and of an episode, and alerts_text.c puts into words.

#pragma once

#include "activity.h"
#include "alert.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	MATCH_RECIPIENTS_MAX = 16, // outside recipients told apart per episode; more are "at least"
	MATCH_IPS_MAX = 8,
};

// What alerts need of a rule, whatever becomes of its set.
struct match_known {
	char id[ACTIVITY_RULE_SIZE];
	char name[120];
	char category[40];
	struct alert_technique technique;
	bool has_technique;
	enum alert_severity severity;
	uint8_t scope; // enum rule_scope
	uint32_t count, distinct;
	uint64_t window_ns;
};

struct match_episode {
	uint32_t chain; // next in the bucket, or in the free list
	uint32_t newer, older; // by last match
	uint32_t rule;
	char account[ACCOUNT_SIZE]; // empty: source is the key
	struct ip source; // of the last match
	uint32_t asn;
	uint64_t since_ns, last_ns;
	uint64_t count, told_count; // occurrences; as of the last alert
	uint64_t told_ns, id;
	uint32_t sequence;
	uint32_t n_activities;
	uint8_t protocol;
	bool is_append;
	bool is_quiet; // not enough has been found yet
	char session[37]; // of the first match, and where it was
	struct activity_match first;
	uint8_t n_ips, n_outside;
	struct ip ips[MATCH_IPS_MAX];
	uint64_t outside[MATCH_RECIPIENTS_MAX]; // hashes
};

// Writes message and evidence of the alert, whose episode.state is set.
void alerts_text(
	const struct match_known *rule,
	const struct match_episode *episode,
	struct alert *alert
);
