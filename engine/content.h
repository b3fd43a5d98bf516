// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A message's bytes on their way through the engine: sent, fetched or appended, whatever the protocol.
// They are read as MIME (mime/), content rules look at the header fields and the text that comes out
// (match/), and what is attached is told at the end. One pass, streaming; nothing is kept. A message is
// read to its end under the rules it began under.

#pragma once

#include "mime/mime.h"
#include "session.h"

enum content_kind {
	CONTENT_SENT,
	CONTENT_FETCHED,
	CONTENT_APPENDED,
	CONTENT_SCRIPT, // no message: a Sieve script that is stored
};

struct content;

// A part of a message that is read alone (IMAP FETCH).
struct content_part {
	const uint8_t
		*header; // what is known of its header, whole with its empty line; NULL: nothing
	size_t header_size;
	const char *number; // as IMAP has it ("2.1"), empty: the message's own text
	size_t number_size; // what is beyond MIME_NUMBER_SIZE_MAX is not told
	bool is_text; // of a message: what stands behind its header
	bool is_decoded; // comes without its transfer encoding
};

// Whether contents are decoded at all.
bool content_is_wanted(const struct session *s);
// Begins a message. NULL when contents are not decoded (engine_config) or there is no room (counted);
// all functions accept NULL.
struct content *content_open(struct session *s, enum content_kind kind);
// The same for a part. Without its header, what it is, is told by its first bytes.
struct content *
content_open_part(struct session *s, enum content_kind kind, const struct content_part *part);
// The header of a message or part that is fetched alone, or fields of it. number: as of content_part; size 0: the
// message itself. NULL also when no rule looks there.
struct content *content_open_header(struct session *s, const char *number, size_t number_size);
// Its next bytes (header and body as the receiver stores them: dot-stuffing undone). Borrowed.
void content_data(struct content *content, const uint8_t *data, size_t size);
// size bytes are missing here: what stands around the hole is not one text.
void content_gap(struct content *content, uint64_t size);
// An unknown number of bytes is missing: at the end, of what was not fetched to it.
void content_cut(struct content *content);
// Its Date, as soon as it has been read. false: not known.
bool content_date(const struct content *content, int64_t *seconds);
// Its end: matches found have been added to the session and its pending activity.
void content_close(struct content *content, uint64_t now_ns);
// The same. Returns what the message was, in a block of the session's slab that is the caller's (to be
// freed with mime_summary_free() and given back), or NULL: not known.
struct mime_summary *content_finish(struct content *content, uint64_t now_ns);
