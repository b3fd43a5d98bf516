// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Hyperscan over content with one database for all workers: scratch and stream states per worker, taken at
// start. Stream states exist only while a message is open. Nothing is allocated while scanning.

#pragma once

#include "match/database.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scanner; // one worker's
struct scan_stream;

// n_streams: most messages open at once. NULL and errno when memory is refused.
struct scanner *scanner_open(const struct database *db, uint32_t n_streams);
// Every stream must have been closed. Accepts NULL.
void scanner_close(struct scanner *scanner);
// Bytes reserved; touched when first used.
size_t scanner_memsize(const struct scanner *scanner);
const struct database *scanner_database(const struct scanner *scanner);
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
