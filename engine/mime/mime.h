// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A message (RFC 5322, 2045, 2046) as a stream: its header fields decoded, its parts one after the other,
// their text as UTF-8, what is attached. Nothing is kept of a message but a field, the boundaries of the
// parts that are open, and the facts about attachments; all of it in the session's slab, and only
// while the message is open.
//
// Where mail programs read a message differently, the reading that shows more is taken, and an event
// says so; an attachment with two transfer encodings is listed decoded either way, and a text with two readings is told
// in both. Any cut of the bytes gives the same fields, text and facts.

#pragma once

#include "mime/attachment.h"
#include "mime/charset.h"
#include "session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What remains of a message.
struct mime_summary {
	struct attachment_text subject; // UTF-8, at most TEXT_CHARS_MAX characters and some
	struct attachment_text message_id;
	bool has_date;
	int64_t date; // of its Date field, seconds since 1970
	uint16_t n_attachments; // listed
	uint32_t attachments_total;
	struct attachment_facts *attachments[MIME_ATTACHMENTS_MAX]; // NULL: taken by somebody
};

void mime_summary_free(struct mime_summary *summary, struct slab *slab);

enum mime_text {
	MIME_TEXT, // what a person reads
	MIME_MARKUP, // the HTML that MIME_TEXT or MIME_ATTACHED was made of
	MIME_ATTACHED, // what a person reads who opens the attachment
	MIME_OTHER, // MIME_TEXT, as programs show it that read it differently
	MIME_OTHER_ATTACHED, // MIME_ATTACHED, the same way
	MIME_TEXTS,
};

// Told while bytes come; slices are borrowed until the call returns. Without text nothing is decoded but
// attachments; header, header_end and text_end may be NULL, too.
struct mime_handler {
	void *ctx;
	// A piece of a header: a whole field, decoded and on one line, with CR LF; or, of one that is too long
	// or of what is no field, bytes as they are.
	void (*header)(void *ctx, const uint8_t *data, size_t size);
	void (*header_end)(void *ctx);
	// A piece of the part's text.
	void (*text)(void *ctx, enum mime_text kind, const uint8_t *data, size_t size);
	// The part is over; whole: nothing is missing at its end.
	void (*text_end)(void *ctx, bool whole);
	void (*event)(void *ctx, enum session_event event);
	// A whole field: its name as it stands, its value decoded. May be NULL, as may the next two.
	void (*field
	)(void *ctx, const uint8_t *name, size_t name_size, const uint8_t *value, size_t size);
	// A name of an attachment, decoded.
	void (*name)(void *ctx, const char *name);
	// An attachment that is over; of those that are remembered.
	void (*file)(void *ctx, const struct attachment_facts *facts);
	struct sha256_pair
		*hashes; // with which others its attachments are hashed, or NULL; borrowed
};

// How the bytes begin.
enum mime_start {
	MIME_MESSAGE, // with the message's header; what does not begin like one is a body
	// Behind it: a part or a message's text, whose header nobody has seen. What it is, is told by its
	// first bytes (mime_guess.c): a multipart, a message, base64, quoted-printable, or as it stands.
	MIME_BODY,
	// A header of a message or part, or some fields of it, and nothing else: what it says of a body is told by
	// header, field and name, and no body is looked for.
	MIME_HEADER,
};

struct mime;

// NULL: no room. handler is copied; charsets may be NULL.
struct mime *mime_open(
	struct slab *slab,
	struct charsets *charsets,
	enum mime_start start,
	const struct mime_handler *handler
);
// The content comes without its transfer encoding, whatever its header says (IMAP BINARY, RFC 3516).
// Before the first byte.
void mime_decoded(struct mime *mime);
// These bytes are a part of another message, with that number; is_inside: they are the text of the
// message that the part is. Before the first byte; size of the number at most MIME_NUMBER_SIZE_MAX.
void mime_number(struct mime *mime, const char *number, size_t size, bool is_inside);
void mime_data(struct mime *mime, const uint8_t *data, size_t size);
// size bytes are missing here.
void mime_gap(struct mime *mime, uint64_t size);
// Where reading stands: the part's number as IMAP (RFC 9051 6.4.5) writes it, empty in the message's own
// header; what does not fit ends in +.
void mime_part(const struct mime *mime, char *part_r, size_t size);
// When the message was written, as far as has been read. false: not known.
bool mime_date(const struct mime *mime, int64_t *seconds);
// The end. The summary is the caller's then (mime_summary_free).
void mime_close(struct mime *mime, struct mime_summary *summary_r);
