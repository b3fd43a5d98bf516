// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Content rules out of YAML files: id, where to look, pattern, severity, and test lines that must and
// must not match. Reading is forgiving: each mistake is reported with file, line and what would be
// right, and the rules that are right are used, also those behind a place that is no YAML.
//
//	rules:
//	  - id: private-key                # letters, digits, - _ .
//	    name: Private key              # for people; the id when it is missing
//	    look: message                  # message (default), header, body
//	    direction: [sent, appended]    # of sent, fetched, appended; all when it is missing
//	    pattern: '-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----'   # Hyperscan (PCRE) syntax, over bytes
//	    flags: [caseless]              # of caseless, dotall, multiline, fold (see fold.h)
//	    validate: luhn                 # luhn, iban, czech-birth-number: check digits (validate.h)
//	    severity: high                 # low, medium, high, critical
//	    category: credential-access
//	    technique: T1552.004           # MITRE ATT&CK, see technique.c
//	    reference: https://…
//	    test:
//	      match: ['-----BEGIN RSA PRIVATE KEY-----']
//	      no_match: ['-----BEGIN PUBLIC KEY-----']

#pragma once

#include "alert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where a rule looks. A message is decoded and scanned once: headers under one database, text under the
// other; a rule for the whole message is in both.
enum rule_field {
	RULE_HEADER, // fields of the message and its parts, one line each, decoded
	RULE_BODY, // the text of parts and attachments in UTF-8; of HTML also the markup
	RULE_STREAMED, // fields so far come in pieces
	RULE_FIELDS = RULE_STREAMED,
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
	char *pattern; // Hyperscan syntax; folded already
	uint32_t flags; // enum rule_flag
	uint8_t fields; // bit per enum rule_field
	uint8_t validate; // enum validate
	uint8_t directions; // bit per enum content_kind; all when the rule does not say
	enum alert_severity severity;
	struct alert_technique technique;
	bool has_technique;
	char *reference; // or NULL
	struct rule_test *tests;
	uint32_t n_tests;
	const char *file; // owned by the rule set
	int line, column; // of the pattern
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
