// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Hyperscan over content with one database for all workers: scratch and stream states per worker, taken at
// start. Stream states exist only while a message is open. Nothing is allocated while scanning.

#pragma once

#include "match/database.h"
#include "match/validate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scanner; // one worker's
struct scan_stream;

// n_streams: most messages open at once. NULL and errno when memory is refused.
struct scanner *scanner_open(const struct database *db, uint32_t n_streams);
// Every stream must have been closed. Accepts NULL.
void scanner_close(struct scanner *scanner);
// Somebody goes on using it, though there may be a newer one. The worker's calls; accept NULL.
void scanner_hold(struct scanner *scanner);
void scanner_release(struct scanner *scanner);
// Whether anybody does. Any thread.
bool scanner_is_held(const struct scanner *scanner);
// What it has done so far: calls of Hyperscan, bytes scanned, and calls refused because a callback scanned.
struct scan_work {
	uint64_t n_calls, n_bytes, n_refused;
};
const struct scan_work *scanner_work(const struct scanner *scanner);
// Bytes reserved; touched when first used.
size_t scanner_memsize(const struct scanner *scanner);
const struct database *scanner_database(const struct scanner *scanner);
// Whether any rule looks at this field.
bool scanner_wants(const struct scanner *scanner, enum rule_field field);
// false: no rule looks at the value of header fields of this name, in any case. true may be wrong.
bool scanner_wants_header(const struct scanner *scanner, const uint8_t *name, size_t size);

// One match: rule index, and offset of its end in the stream or token. A pattern whose end can vary is
// told of at each. In streams also numbers that have a rule's form and not its check digits (VALIDATE_WRONG).
struct scan_hit {
	uint32_t rule;
	enum validate_result validity; // VALIDATE_RIGHT of rules that validate nothing
	uint64_t offset;
	const struct scan_stream *stream; // NULL: a token
	const uint8_t *data; // being scanned, behind the stream's tail
};

// The last bytes up to the match's end, at most VALIDATE_WINDOW. Returns how many.
size_t scan_hit_text(const struct scan_hit *hit, uint8_t text_r[VALIDATE_WINDOW]);

// hit is borrowed until it returns. False: the rest of this stream or token need not be scanned. Must not
// scan with the same scanner itself: that is refused, and the stream it was for is over.
typedef bool scan_match(void *ctx, const struct scan_hit *hit);

// A field in pieces. NULL when no rule looks there or n_streams are open. match is called with ctx, at the
// latest when scan_flush() or scan_close() is: of the last bytes perhaps only then.
struct scan_stream *
scan_open(struct scanner *scanner, enum rule_field field, scan_match *match, void *ctx);
// The next piece. Small ones are gathered: bytes need not stay, but matches may be told later.
void scan_data(struct scan_stream *stream, const uint8_t *data, size_t size);
// Scans what is gathered, of every stream. scan_close() does so of its own.
void scan_flush(struct scanner *scanner);
// Ends the stream (patterns anchored to the end fire now) and gives it back. fires false: it is given
// up, and what has come is all there is. Accepts NULL.
void scan_close(struct scan_stream *stream, bool fires);
// A field that is whole. The field is one of tokens; of one beyond 1 GiB the beginning.
void scan_token(
	struct scanner *scanner,
	enum rule_field field,
	const uint8_t *data,
	size_t size,
	scan_match *match,
	void *ctx
);
// The shortest text that a rule of the set matches: ends closer together than this belong to
// overlapping texts. At least 1.
uint32_t scanner_min_width(const struct scanner *scanner, uint32_t rule);
