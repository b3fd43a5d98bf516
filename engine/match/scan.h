// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Hyperscan over content: the rule set compiled once, scratch and stream states per worker taken at
// start. Stream states exist only while a message is open. Nothing is allocated while scanning.

#pragma once

#include "rules.h"

#include <stddef.h>
#include <stdint.h>

struct scan_db; // compiled rules, shared by workers, read-only
struct scanner; // one worker's
struct scan_stream;

// Compiles. A rule that Hyperscan refuses, or whose own test lines do not hold, is reported and left
// out; *n_bad_r counts them. With no rule left the database matches nothing. NULL: out of memory.
// rules is borrowed and must outlive it.
struct scan_db *
scan_db_open(const struct rules *rules, rules_report *report, void *ctx, int *n_bad_r);
void scan_db_close(struct scan_db *db);
const struct rules *scan_db_rules(const struct scan_db *db);

// n_streams: most messages open at once. NULL and errno when memory is refused.
struct scanner *scanner_open(const struct scan_db *db, uint32_t n_streams);
void scanner_close(struct scanner *scanner);
size_t scanner_memsize(const struct scanner *scanner);

// What is told of a match: rule index, and offset of its end in the stream.
typedef void scan_match(void *ctx, uint32_t rule, uint64_t offset);

// NULL when the database is empty or n_streams are open.
struct scan_stream *scan_open(struct scanner *scanner, enum rule_field field);
void scan_data(
	struct scan_stream *stream,
	const uint8_t *data,
	size_t size,
	scan_match *match,
	void *ctx
);
// Ends the stream (patterns anchored to the end fire now) and gives it back. Accepts NULL.
void scan_close(struct scan_stream *stream, scan_match *match, void *ctx);
