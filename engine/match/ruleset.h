// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The rule set a run uses: files found, read, compiled; and the scanner of each worker.

#pragma once

#include "match/rules.h"
#include "match/scan.h"

#include <stdint.h>
#include <stdio.h>

enum { RULESET_SCANNERS_MAX = 64 }; // one for each worker

struct ruleset;

// path as given by the user; NULL: the rules installed beside the program, none if there are none
// (said). cache_path: where compiled rules are kept, see cache_open(). Mistakes are said on err; the rules that are right are used. NULL after one line, when path
// was given and nothing can be read there. before: one in force now, whose unchanged parts need not be compiled
// again (borrowed for the call), or NULL.
struct ruleset *
ruleset_open(const char *path, const char *cache_path, const struct ruleset *before, FILE *err);
const struct rules *ruleset_rules(const struct ruleset *ruleset);
// Mistakes found; 0 when all is right.
int ruleset_n_bad(const struct ruleset *ruleset);
// Fields whose patterns did not have to be compiled.
int ruleset_n_cached(const struct ruleset *ruleset);
// A scanner, the rule set's: closed with it. NULL when there are no rules, or no memory.
struct scanner *ruleset_scanner(struct ruleset *ruleset, uint32_t n_streams);
// Accepts NULL.
void ruleset_close(struct ruleset *ruleset);
