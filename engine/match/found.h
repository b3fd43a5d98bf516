// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What was found of one rule in one place: how often, how many different values, and where first. The same
// for a message, a token, a session, and a rule's own test lines.

#pragma once

#include "match/scan.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	FOUND_PART_SIZE = 24, // "1.2.1"; deeper ones end in +
	FOUND_EXCERPT_SIZE = 72,
	FOUND_EXCERPT_WINDOW = 48, // bytes of text an excerpt is made of
};

// Where the first occurrence was.
struct found_place {
	uint8_t field; // enum rule_field
	char part[FOUND_PART_SIZE]; // of a message, as IMAP numbers them; empty: no part
	uint64_t offset; // of its end, in the decoded text of that field
	char excerpt
		[FOUND_EXCERPT_SIZE]; // UTF-8 without control characters; empty: the rule allows none
};

// Occurrences of one rule in one text. Hyperscan tells of every end that a text can have: "a{2,4}" on "aaaa"
// ends three times. An end that is closer to the one before it than the rule's shortest text is wide
// belongs to a text that overlaps the one before: both are one occurrence. So the count is never above
// the number of texts that stand apart, and is below it only for those that overlap.
struct found_counter {
	uint32_t n;
	uint64_t last; // offset of the last end told of
};

static inline bool found_count(struct found_counter *counter, uint64_t offset, uint32_t min_width) {
	bool is_new = counter->n == 0 || offset - counter->last >= min_width;

	counter->n += is_new;
	counter->last = offset;
	return is_new;
}

// Different values of one rule, by their keyed hash; more than fit are not told apart.
struct found_values {
	uint32_t n;
	uint32_t hash[RULE_DISTINCT_MAX];
};

// Of one rule, in one text that is over.
struct session_found {
	uint32_t rule; // in the set it was found by
	uint32_t count;
	struct found_place place; // of the first
	struct found_values
		*values; // of rules that count different ones; in the session's slab, or NULL
};

// Adds one that is new. False when it was known, or there is no room.
bool found_values_add(struct found_values *values, uint32_t hash);

// The hash of a match's value under this start's key.
uint32_t found_value(const struct rule *rule, const struct scan_hit *hit, const uint64_t key[2]);
// Writes the excerpt: the text up to the match's end within its line, in which the value of rules that
// validate or look for credentials, long numbers, and words that look like a key are masked.
void found_excerpt(
	const struct rule *rule,
	const struct scan_hit *hit,
	char excerpt_r[FOUND_EXCERPT_SIZE]
);
// Whether so many are enough for the rule.
bool found_is_enough(const struct rule *rule, uint64_t count, uint32_t n_values);
