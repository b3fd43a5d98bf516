// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Parts of messages that a client fetches alone (BODY[2], BODY[TEXT], BINARY[1.2]) or in pieces
// (BODY[2]<16384>), and what is known of them: their headers, as BODYSTRUCTURE, BODY[2.MIME] or
// BODY[HEADER] have told. Only while mail is read: waiting in IDLE and leaving the mailbox end it.
//
// Pieces of one part are one text. A piece that goes on where the last one ended is its next; one from
// further behind leaves a hole; what was read already is passed over; one from before all that was read
// begins a text of its own. So each octet is read at least once, in whatever order it comes, and only
// what came in order has a hash. Of IMAP_STREAMS_MAX parts at a time the one used last is let go.
//
// Messages have their sequence numbers here, which every response has; EXPUNGE moves them.

#pragma once

#include "content.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct imap_ctx;
struct imap_parts;
struct imap_structure;
struct imap_header;

// Which part: "2.1", "TEXT", "2.TEXT", "": the message; in upper case.
struct imap_section {
	uint8_t size; // UINT8_MAX: too long, nothing is remembered of it
	bool is_binary; // its octets are decoded
	char name[IMAP_SECTION_SIZE_MAX];
};

// The size of its part's number, digits and dots in front; what is behind them, is_text: TEXT.
size_t imap_section_number(const struct imap_section *section, bool *is_text);

// A text being read.
struct imap_reading {
	struct content *content; // NULL: none
	struct imap_stream *stream; // it goes on in the next piece; NULL: this is all
	uint64_t origin, size; // of the piece, and what of it has come
	uint64_t skip; // read already
};

// Begins to read a part of message seq. origin: where the piece begins, -1: it is no piece.
struct imap_reading imap_part_read(
	struct imap_ctx *c,
	uint32_t seq,
	const struct imap_section *section,
	int64_t origin
);
// Its next octets; data NULL: they are missing.
void imap_part_data(struct imap_reading *reading, const uint8_t *data, size_t size);
// The piece is over, is_whole: with its last octet. requested: as many were asked for, 0: not known.
// Returns what the message was when the part is over, or NULL; the caller's.
struct mime_summary *
imap_part_done(struct imap_ctx *c, struct imap_reading *reading, uint64_t requested, bool is_whole);

// What is known of a part: its header's fields as text, with the empty line; total: its octets, 0: unknown.
void imap_part_known(
	struct imap_ctx *c,
	uint32_t seq,
	const struct imap_section *section,
	const char *header,
	size_t size,
	uint64_t total
);
void imap_parts_expunged(struct imap_ctx *c, uint32_t seq);
// Nothing is known any more, and what is half read is over.
void imap_parts_forget(struct imap_ctx *c);

// A header that comes: its Content- fields are kept. is_subset: it may lack some. NULL: no room.
struct imap_header *imap_header_open(struct imap_ctx *c, bool is_subset);
void imap_header_data(struct imap_header *header, const uint8_t *data, size_t size);
// section: of the part whose header it is. Frees it. Accepts NULL; is_whole false: it says nothing.
void imap_header_close(
	struct imap_ctx *c,
	struct imap_header *header,
	uint32_t seq,
	const struct imap_section *section,
	bool is_whole
);
