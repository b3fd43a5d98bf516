// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Hyperscan over content: the rule set compiled once, scratch and stream states per worker taken at
// start. Stream states exist only while a message is open. Nothing is allocated while scanning.

#pragma once

#include "rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan_db; // compiled rules, shared by workers, read-only
struct scanner; // one worker's
struct scan_stream;

// Compiles. A rule that Hyperscan refuses, or whose own test lines do not hold, is reported and left
// out; *n_bad_r counts them. With no rule left the database matches nothing. NULL: out of memory.
// rules is borrowed and must outlive it. The first call sets Hyperscan's stream allocator for the
// whole process.
struct scan_db *
scan_db_open(const struct rules *rules, rules_report *report, void *ctx, int *n_bad_r);
// Accepts NULL. Its scanners must have been closed.
void scan_db_close(struct scan_db *db);
const struct rules *scan_db_rules(const struct scan_db *db);
// Rules in force.
uint32_t scan_db_n(const struct scan_db *db);
// Bytes of stream state that one open message takes while it is in this field.
size_t scan_db_stream_size(const struct scan_db *db, enum rule_field field);
// "Hyperscan 5.4.0", or that this build has none.
const char *scan_describe(void);

// n_streams: most messages open at once. NULL and errno when memory is refused.
struct scanner *scanner_open(const struct scan_db *db, uint32_t n_streams);
// Every stream must have been closed. Accepts NULL.
void scanner_close(struct scanner *scanner);
// Bytes reserved; touched when first used.
size_t scanner_memsize(const struct scanner *scanner);
const struct scan_db *scanner_db(const struct scanner *scanner);
// Whether any rule looks at this field.
bool scanner_wants(const struct scanner *scanner, enum rule_field field);

// What is told of a match: rule index, and offset of its end in the stream. A pattern whose end can
// vary is told of at each. False: the rest of this stream need not be scanned. Must not scan itself.
typedef bool scan_match(void *ctx, uint32_t rule, uint64_t offset);

// NULL when no rule looks there or n_streams are open.
struct scan_stream *scan_open(struct scanner *scanner, enum rule_field field);
void scan_data(
	struct scan_stream *stream,
	const uint8_t *data,
	size_t size,
	scan_match *match,
	void *ctx
);
// Ends the stream (patterns anchored to the end fire now) and gives it back. match NULL: it is given
// up, nothing fires. Accepts NULL.
void scan_close(struct scan_stream *stream, scan_match *match, void *ctx);
// The shortest text that a rule of the set matches: ends closer together than this belong to
// overlapping texts. At least 1.
uint32_t scanner_min_width(const struct scanner *scanner, uint32_t rule);
