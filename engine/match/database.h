// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A rule set compiled by Hyperscan: one database per field (field.def), in streaming mode where a text
// comes in pieces, in block mode where a token is whole. Made once, then shared by all workers.

#pragma once

#include "match/cache.h"
#include "match/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database; // read-only

// Compiles, or takes from the cache or from a database made before what has been compiled already (both
// borrowed for the call; NULL: none). A
// rule that Hyperscan refuses, or whose own test lines do not hold, is reported and left out; *n_bad_r
// counts them. With no rule left the database matches nothing. NULL: out of memory. rules is
// borrowed and must outlive it. The first call sets Hyperscan's stream allocator for the whole process.
struct database *database_open(
	const struct rules *rules,
	struct cache *cache,
	const struct database *before,
	rules_report *report,
	void *ctx,
	int *n_bad_r
);
// Accepts NULL. Its scanners must have been closed.
void database_close(struct database *db);
const struct rules *database_rules(const struct database *db);
// Rules in force.
uint32_t database_n(const struct database *db);
// Fields whose database was not compiled: from the cache, or from the one before.
int database_n_cached(const struct database *db);
// Bytes of stream state that one open message takes while it is in this field; 0 for tokens.
size_t database_stream_size(const struct database *db, enum rule_field field);
// "Hyperscan 5.4.0", or that this build has none.
const char *database_describe(void);
