// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A message being read, shared by its files: mime.c (in and out), mime_field.c (header lines, and what their
// fields say), mime_part.c (what a header makes of a part), mime_body.c (boundaries), mime_leaf.c (a part's
// content on its way to the handler), mime_second.c (a text's other reading), mime_inside.c (a file in a text), mime_guess.c (what has no header).

#pragma once

#include "mime/header.h"
#include "mime/html.h"
#include "mime/mime.h"
#include "mime/transfer.h"

enum place {
	PLACE_HEADER,
	PLACE_BODY,
	PLACE_GUESS, // in the first bytes of a part without its header
};

// Where in a body.
enum line_place {
	LINE_IN, // in the middle of a line
	LINE_CR, // behind a CR, held
	LINE_START, // at the start of a line; its beginning, -- and on, and the line end before are held
	LINE_SKIP, // in the rest of a boundary's line
};

// What a part is, as its header says.
struct part {
	char type[HEADER_WORD_MAX];
	char charset[HEADER_WORD_MAX];
	char encoding[HEADER_WORD_MAX];
	char other_encoding[HEADER_WORD_MAX]; // that some readers take instead
	bool has_other_encoding;
	bool has_type, has_encoding, has_disposition, is_attachment;
	uint8_t n_boundary;
	uint8_t boundary[MIME_BOUNDARY_SIZE_MAX];
	struct attachment_text name, type_name; // of Content-Disposition, of Content-Type
	bool is_name_coded; // the header does not show the name as it is
};

// A multipart or message that is open.
struct level {
	struct level *outer;
	struct attachment_facts *facts; // of a message that is an attachment, or NULL
	uint64_t start; // offset of its first byte
	bool is_digest; // its parts are messages unless they say otherwise
	uint8_t transfer; // of a message: enum transfer_kind that its header names
	uint16_t part; // of a multipart: the number of the part being read; 0 before the first
	bool is_closed; // its last boundary has been read
	uint8_t n_boundary; // 0: a message, which ends with the part around it
	uint8_t boundary[];
};

// An attachment whose encoding readers differ about, decoded the other way; listed as one more.
struct other {
	struct transfer transfer;
	struct attachment attachment;
	struct attachment_facts *facts;
};

// Of a line of text, as a beginning of what is not MIME's (mime_leaf.c).
enum mark {
	MARK_NONE, // it is none
	MARK_START, // the line has not begun
	MARK_FIRST, // and on: which one it may be
};

enum scan {
	SCAN_NOTHING,
	SCAN_TEXT,
	SCAN_HTML,
	SCAN_WAIT, // until the first bytes tell whether it is text
};

struct mime {
	struct mime_handler handler;
	struct slab *slab;
	struct charsets *charsets;
	struct level *inner; // the innermost, or NULL
	uint16_t depth;
	uint32_t n_parts;
	uint64_t offset; // of the bytes being read
	uint8_t place; // enum place
	bool is_header; // there is nothing but a header
	bool is_top; // in the header of the message itself
	bool is_limited; // parts are no longer told apart
	bool is_holed;
	bool is_decoded; // the outermost part comes without its encoding
	bool is_inside; // number is of the message whose text this is
	char number[MIME_NUMBER_SIZE_MAX + 1]; // of all this in another message, or empty

	uint8_t *guess; // MIME_GUESS_SIZE first bytes, while there is no telling what they are
	uint16_t n_guess;

	// Header
	uint8_t *field; // what of it has been read, unfolded
	uint32_t field_cap, n_field;
	uint32_t line_from; // where in field the line being read begins
	bool is_line_start, is_first_line, is_field_cut;
	bool is_date_doubtful; // readers differ about the message's date, or may: it has none
	uint8_t n_cr; // at the start of the line
	struct part part;

	// Body
	uint8_t line; // enum line_place
	uint8_t n_eol; // held line end: 2: CR LF, 1: LF
	uint16_t n_held;
	uint64_t eol_offset;
	uint8_t held[2 + MIME_BOUNDARY_SIZE_MAX + 54]; // of a line that may be a boundary

	// The part
	bool is_leaf;
	bool is_attached;
	bool is_guessed; // what it is, is told by its content alone
	bool is_plain; // text, and not HTML: files may stand in it
	uint8_t scan; // enum scan
	uint8_t mark, n_mark; // of an encoding that is not MIME's, and how much of it was matched
	struct transfer transfer;
	struct charset charset;
	struct html html;
	struct attachment_facts *facts; // NULL: it is no attachment
	struct attachment attachment;
	struct other *other; // or NULL
	struct inside *inside; // a file in the text (mime_inside.c), or NULL
	struct second *second; // the text's other reading (mime_second.c), or NULL

	struct mime_summary summary;
};

struct mime_match {
	struct level *level; // NULL: no boundary
	bool is_close, is_odd;
};

static inline void mime_event(struct mime *m, enum session_event what) {
	m->handler.event(m->handler.ctx, what);
}

// ---- mime_field.c

// Header bytes. Returns how many belong to the header.
size_t mime_field_data(struct mime *m, const uint8_t *data, size_t size);
// The header stops in the middle.
void mime_field_stop(struct mime *m);

// ---- mime_part.c

// A part's header comes; everything of the part before is forgotten.
void mime_part_begin(struct mime *m);
// The header is over: a container is opened, or content begins.
void mime_part_decide(struct mime *m);
// Content begins: the part is no container. has_header: it may be an attachment.
void mime_part_leaf(struct mime *m, bool has_header);

// The header's names of an attachment go to whoever wants them.
void mime_part_names(struct mime *m);
// One more attachment, listed; NULL: no room. It takes the part's names.
struct attachment_facts *mime_part_facts(struct mime *m);
// An attachment that has no header: takes the name.
struct attachment_facts *mime_part_listed(struct mime *m, struct attachment_text *name);
// The encoding that some readers take instead of the first.
enum transfer_kind mime_part_other(struct mime *m);
// Content begins that has no header.
void mime_part_guessed(struct mime *m, enum transfer_kind transfer);
// The part that was taken for an attachment is text.
void mime_part_is_text(struct mime *m);

// ---- mime_guess.c

// First bytes. Returns how many of them were read.
size_t mime_guess_data(struct mime *m, const uint8_t *data, size_t size);
// No more come, is_all: because the part is over.
void mime_guess_stop(struct mime *m, bool is_all);

// How a text is encoded that begins with these bytes, is_all: and ends with them. TRANSFER_PLAIN: it stands there as it is.
enum transfer_kind mime_guess_encoding(const uint8_t *data, size_t size, bool is_all);

// ---- mime_second.c

// A text begins, as its header says. It may have another reading: m->second.
void mime_second_open(struct mime *m);
// The rest with m->second alone. The part's next bytes, as they come; some are missing; no more come.
void mime_second_data(struct mime *m, const uint8_t *data, size_t size);
void mime_second_gap(struct mime *m);
void mime_second_end(struct mime *m);

// ---- mime_inside.c

// "begin 644" stood at the start of a line: m->inside.
void mime_inside_begin(struct mime *m);
// The rest with m->inside alone, which may be over then. The text's next bytes; returns how many were read, at
// most a line.
size_t mime_inside_data(struct mime *m, const uint8_t *data, size_t size);
void mime_inside_gap(struct mime *m, uint64_t size);
void mime_inside_end(struct mime *m);

// ---- mime_body.c

// Body bytes. Returns how many belong to this body.
size_t mime_body_read(struct mime *m, const uint8_t *data, size_t size);
// Which open boundary a line is, if any.
struct mime_match mime_body_match(const struct mime *m, const uint8_t *line, size_t size);
// A boundary was read: the part before is over.
void mime_body_take(struct mime *m, const struct mime_match *match);
// No more comes behind what is held.
void mime_body_stop(struct mime *m);
// The innermost container is over.
void mime_body_close(struct mime *m);

// ---- mime_leaf.c

// The part's bytes, still encoded.
void mime_leaf_data(struct mime *m, const uint8_t *data, size_t size);
// The part is over; whole: nothing is missing at its end.
void mime_leaf_end(struct mime *m, bool whole);
// The part's text is in that character set ("": not said).
void mime_leaf_charset(struct mime *m, const char *name);
// The attachment that begins is decoded another way, too, as far as there is room.
void mime_leaf_other(struct mime *m, enum transfer_kind transfer);
void mime_leaf_gap(struct mime *m, uint64_t size);
// What is not called text is judged by the first bytes there are.
void mime_leaf_decide(struct mime *m);
