// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The door from models to engine: something a person should look at. Fixed size, no ownership: the
// engine writes it as one JSON line (ECS 8.17) and forgets it. Strings are NUL-terminated UTF-8 or
// ASCII and may hold what came from the wire: whoever prints them escapes them.

#pragma once

#include "activity.h"

enum {
	ALERT_EVIDENCE_MAX = 8,
	ALERT_RELATED_MAX = 20,
	ALERT_TECHNIQUES_MAX = 4,
	ALERT_SHARED_MAX = 8,
};

enum alert_severity {
	ALERT_LOW = 21, // Elastic's own scale
	ALERT_MEDIUM = 47,
	ALERT_HIGH = 73,
	ALERT_CRITICAL = 99,
};

enum alert_scope {
	ALERT_ACCOUNT,
	ALERT_CAMPAIGN,
	ALERT_INFRASTRUCTURE,
};

enum alert_state {
	ALERT_OPEN,
	ALERT_UPDATE,
	ALERT_CLOSE,
};

// One ATT&CK technique: "T1110.003" goes to technique and sub-technique, tactic "TA0006".
struct alert_technique {
	const char *tactic_id;
	const char *tactic_name;
	const char *id; // "T1110"
	const char *name;
	const char *sub_id; // "T1110.003" or NULL
	const char *sub_name;
};

struct alert_evidence {
	const char *channel; // static
	double nats; // natural logarithm of the likelihood ratio; how much it weighs
	char text[200]; // a sentence
	char seen[48];
	char usual[48];
};

// An address with its host bits zero, and how many bits stand: "5.101.7.0/24".
struct alert_network {
	struct ip ip;
	uint8_t bits;
};

struct alert {
	uint64_t time_ns; // event time at which it was raised
	uint64_t start_ns, end_ns; // of what it is about
	// Static strings, valid as long as the program runs (or, for content rules, the rule set).
	const char *rule_id; // "password-spraying"
	const char *rule_name;
	const char *category; // "credential-access", "account-takeover", "exfiltration" …
	const struct alert_technique *techniques[ALERT_TECHNIQUES_MAX]; // NULL after the last
	enum alert_severity severity;
	enum alert_scope scope;
	char message[600]; // one sentence a person can act on

	char account[ACCOUNT_SIZE]; // whom it is about; empty when it is about a source
	struct ip source; // family 0: none
	uint32_t asn;
	char country[3]; // of source, and who owns asn: the engine fills them in where it knows
	char as_name[64];
	uint8_t n_ips;
	struct ip ips[ALERT_RELATED_MAX]; // related.ip, at most
	uint32_t ips_total; // … of so many
	uint8_t n_users;
	char users[ALERT_RELATED_MAX][ACCOUNT_SIZE]; // related.user, at most
	uint32_t users_total;

	double score; // nats
	double threshold; // nats at which it is raised
	uint8_t n_evidence;
	struct alert_evidence evidence[ALERT_EVIDENCE_MAX];

	struct {
		uint64_t id; // stable over the updates, and over a replay of the same input
		enum alert_state state;
		uint32_t sequence; // 1 for open, then counting
		uint64_t since_ns;
	} episode;

	struct {
		uint64_t id; // 0: none
		uint32_t size;
		uint64_t since_ns;
		// Networks and command grammars that link its accounts: two of them at least were read
		// through each. At most so many, of so many in all; the oldest first.
		uint32_t networks_total, grammars_total;
		uint8_t n_networks, n_grammars;
		struct alert_network networks[ALERT_SHARED_MAX];
		uint32_t grammars[ALERT_SHARED_MAX];
	} campaign; // its accounts are users, its addresses ips
};
