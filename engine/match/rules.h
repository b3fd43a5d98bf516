// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Content rules out of YAML files: id, where to look, pattern or combination, how often, severity, and test
// lines that must and must not match. Reading is forgiving: each mistake is reported with file, line and
// what would be right, and the rules that are right are used, also those behind a place that is no YAML.
//
//	rules:
//	  - id: private-key                # letters, digits, - _ .
//	    name: Private key              # for people; the id when it is missing
//	    look: message                  # where, one or a list; see field.def. message (default): header,
//	                                   # body and attachment
//	    direction: [sent, appended]    # of sent, fetched, appended; all when it is missing
//	    protocol: [smtp, imap]         # of imap, smtp, lmtp, pop3, sieve, tls; all when it is missing
//	    pattern: '-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----'   # Hyperscan (PCRE) syntax, over bytes
//	    flags: [caseless]              # of caseless, dotall, multiline, fold (see fold.h)
//	    validate: luhn                 # check digits (validate.h); not told where so many numbers of that
//	                                   # form in the message are wrong that right ones are chance
//	    count: 10                      # at least so many occurrences, 1 when it is missing
//	    distinct: 10                   # at least so many different values (what validate found, or the
//	                                   # word at the match's end)
//	    within: message                # message (default), session, account: where they are counted
//	    window: 24h                    # with account: and within which time
//	    severity: high                 # low, medium, high, critical
//	    category: credential-access
//	    technique: T1552.004           # MITRE ATT&CK, see technique.c
//	    reference: https://…
//	    excerpt: yes                   # alerts may show some of it, with what is secret masked
//	    alert: no                      # only for combinations: not told by itself
//	    test:
//	      match: ['-----BEGIN RSA PRIVATE KEY-----']
//	      no_match: ['-----BEGIN PUBLIC KEY-----']
//
//	  - id: key-with-address           # a combination: instead of a pattern
//	    all: [private-key, host-name]  # or any: ids of other rules, which keep their own look and count
//	    within: message                # or session

#pragma once

#include "alert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where rules look, see field.def.
enum rule_field {
#define FIELD(name, ...) RULE_##name,
#include "match/field.def"
#undef FIELD
	RULE_FIELDS,
	RULE_STREAMED = RULE_VALUE, // fields before this one come in pieces
};

enum {
	RULE_MEMBERS_MAX = 8, // of a combination
	RULE_COUNT_MAX = 500, // below CONTENT_MATCHES_MAX
	RULE_DISTINCT_MAX = 64, // different values that are told apart
	RULE_HEADER_NAME_SIZE = 64,
};

enum rule_kind {
	RULE_PATTERN,
	RULE_ALL, // every member has matched
	RULE_ANY,
};

// Where occurrences are counted, and members of combinations come together.
enum rule_scope {
	RULE_MESSAGE, // of a token: the token
	RULE_SESSION,
	RULE_ACCOUNT, // within window_ns; counted where alerts are made
};

struct rule_test {
	char *text;
	bool match; // whether it must
	int line, column;
};

struct rule {
	char id[ACTIVITY_RULE_SIZE];
	char name[120];
	char category[40];
	uint8_t kind; // enum rule_kind
	uint8_t scope; // enum rule_scope
	uint8_t validate; // enum validate
	uint8_t directions; // bit per enum content_kind; all when the rule does not say
	uint8_t protocols; // bit per enum activity_protocol; all when the rule does not say
	bool has_excerpt;
	bool is_silent; // for combinations only
	bool is_member; // of a combination
	uint32_t fields; // bit per enum rule_field; 0 of a combination
	char header[RULE_HEADER_NAME_SIZE]; // with RULE_VALUE: the field's name in lower case
	char *pattern; // Hyperscan syntax; folded already; NULL of a combination
	uint32_t flags; // enum rule_flag
	uint32_t count, distinct; // at least so many; distinct 0: it does not matter
	uint64_t window_ns; // with RULE_ACCOUNT; 0: as long as an alert's episode
	uint32_t n_members;
	char (*member_ids)[ACTIVITY_RULE_SIZE];
	uint32_t members[RULE_MEMBERS_MAX]; // their numbers in the set
	enum alert_severity severity;
	struct alert_technique technique;
	bool has_technique;
	char *reference; // or NULL
	struct rule_test *tests;
	uint32_t n_tests;
	const char *file; // owned by the rule set
	int line, column; // of the pattern, or of the combination
};

// Our own bits, so that rules can be read without Hyperscan.
enum rule_flag {
	RULE_CASELESS = 1 << 0,
	RULE_DOTALL = 1 << 1,
	RULE_MULTILINE = 1 << 2,
	RULE_FOLD = 1 << 3,
};

struct rules {
	struct rule *rules;
	uint32_t n, size;
	char **files;
	uint32_t n_files;
	uint32_t *index; // by hash of id: number of the rule plus 1
	uint32_t n_combinations;
};

// Called for each mistake: one line, "FILE:LINE:COLUMN: rule ID: what is wrong; what would be right".
typedef void rules_report(void *ctx, const char *text);

// Reads a file, or every *.yaml of a folder in the order of their names. Returns the rule set (to be
// closed), also when some rules were wrong: *n_bad_r says how many mistakes were reported. NULL when
// nothing can be read at all (reported).
struct rules *rules_open(const char *path, rules_report *report, void *ctx, int *n_bad_r);
// The same from memory: for tests. file is the name in mistakes.
struct rules *rules_parse(
	const char *file,
	const char *text,
	size_t size,
	rules_report *report,
	void *ctx,
	int *n_bad_r
);
void rules_close(struct rules *rules);
// The number of the rule with this id, or -1.
long rules_find(const struct rules *rules, const char *id);
// As written in rule files.
const char *rule_field_name(enum rule_field field);
// Whether the field is a part of messages.
bool rule_field_is_message(enum rule_field field);
