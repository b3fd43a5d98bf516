// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Content rules out of YAML files: id, where to look, pattern, severity, and test lines that must and
// must not match. Reading is forgiving: each mistake is reported with file, line and what would be
// right, and the rules that are right are used.

#pragma once

#include "alert.h"

#include <stdbool.h>
#include <stdint.h>

enum rule_field {
	RULE_BODY, // the whole message for now: header and body as transported
	RULE_FIELDS,
};

struct rule {
	char id[ACTIVITY_RULE_SIZE];
	char name[120];
	char category[40];
	char *pattern; // Hyperscan syntax
	uint32_t flags; // HS_FLAG_…
	uint8_t field; // enum rule_field
	uint8_t directions; // bit per enum content_kind; all when the rule does not say
	enum alert_severity severity;
	struct alert_technique technique; // strings owned by the rule set; id NULL: none
	bool has_technique;
	const char *file; // owned by the rule set
	int line;
};

struct rules {
	struct rule *rules;
	uint32_t n;
};

// Called for each mistake: one line, "FILE:LINE: what is wrong; what would be right".
typedef void rules_report(void *ctx, const char *text);

// Reads a file, or every *.yaml of a folder in the order of their names. Returns the rule set (to be
// closed), also when some rules were wrong: *n_bad_r says how many mistakes were reported. NULL when
// nothing can be read at all (reported).
struct rules *rules_open(const char *path, rules_report *report, void *ctx, int *n_bad_r);
void rules_close(struct rules *rules);
