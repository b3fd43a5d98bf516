// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What database.c makes and scan.c scans with.

#pragma once

#include "match/database.h"
#include "yaml.h"

#include <hs.h>

enum { HEADER_BITS = 256 };

// A header field's bit by its length, first and last letter: enough to leave out nearly all that no rule names.
static inline unsigned header_bit(const uint8_t *name, size_t size) {
	return (unsigned)(size * 8 ^ (name[0] | 0x20u) ^ (name[size - 1] | 0x20u) << 3)
		% HEADER_BITS;
}

struct database {
	const struct rules *rules;
	hs_database_t *dbs[RULE_FIELDS]; // NULL: no rule
	bool is_shared[RULE_FIELDS]; // the same as an earlier field's, which owns it
	struct cache_key keys[RULE_FIELDS];
	size_t stream_size[RULE_FIELDS];
	uint64_t headers[HEADER_BITS / 64]; // names that rules of RULE_VALUE have, see header_bit()
	uint32_t *min_width; // by rule
	bool *is_out; // by rule: left out
	uint32_t n_out;
	int n_cached;
	struct cache *cache; // while compiling
	const struct database *before; // while compiling
	struct yaml_mistakes mistakes; // while compiling
};

// Whether a field's text comes in pieces.
static inline bool database_is_streamed(int field) {
	return field < RULE_STREAMED;
}

// The rules of a field that are in, as Hyperscan wants them.
struct database_patterns {
	const char **text;
	unsigned *flags, *ids;
	unsigned n;
};

// All that a database depends on: Hyperscan's version, the processor's features, the mode (HS_MODE_…), and
// the patterns with their flags and numbers. false: it cannot be told.
bool database_key(
	const char *version,
	const hs_platform_info_t *platform,
	unsigned how,
	const struct database_patterns *patterns,
	struct cache_key *key_r
);

// Hyperscan takes its streams from the scanners' arenas; in scan.c.
void scan_allocator_set(void);
