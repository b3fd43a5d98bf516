// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One rule out of its YAML map; for rules.c.

#pragma once

#include "match/rules.h"
#include "yaml.h"

// Reads a rule of this file (borrowed by the rule). 0, or -1: something in it was wrong and reported,
// and there is no rule.
int rule_read(
	const char *file,
	const struct yaml_node *node,
	struct yaml_mistakes *mistakes,
	struct rule *rule
);
// Frees what the rule owns.
void rule_free(struct rule *rule);
