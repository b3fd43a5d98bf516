// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Between rule.c, which reads the keys of a rule one by one, and rule_check.c, which looks at all of them.

#pragma once

#include "match/rule.h"

enum { RULE_KEYS_MAX = 32 };

// One rule that is being read.
struct rule_reader {
	struct rule *rule;
	struct yaml_mistakes *mistakes;
	const struct yaml_node *key; // now being read
	const struct yaml_node *given[RULE_KEYS_MAX]; // the keys it has
	bool is_bad;
};

// Reports a mistake at the node, and marks the rule as bad.
__attribute__((format(printf, 3, 4))) void
rule_wrong(struct rule_reader *reader, const struct yaml_node *node, const char *format, ...);
// The key of this name, or NULL: the rule has none.
const struct yaml_node *rule_key(const struct rule_reader *reader, const char *name);
// Whether the text can be a pattern, as far as it can be said without Hyperscan; reported when not.
bool rule_check_pattern(struct rule_reader *reader, const struct yaml_node *node, const char *text);
// What can only be said when all keys have been read; folds the pattern. node: the rule.
void rule_check(struct rule_reader *reader, const struct yaml_node *node);
