// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Header and body in turn. In a header, lines become fields, fields say what the part is. In a body, lines
// that begin with -- may be a boundary; all else goes on to the part's decoder in pieces as large as
// they come. One function begins a part and clears whatever the part before has left.

#include "mime/mime.h"

#include "mime/header.h"
#include "mime/html.h"
#include "mime/transfer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum place {
	PLACE_HEADER,
	PLACE_BODY,
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
	bool is_top; // in the header of the message itself
	bool is_limited; // parts are no longer told apart
	bool is_holed;

	// Header
	uint8_t *field; // what of it has been read, unfolded
	uint32_t field_cap, n_field;
	uint32_t line_from; // where in field the line being read begins
	bool is_line_start, is_first_line, is_field_cut;
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
	uint8_t scan; // enum scan
	struct transfer transfer;
	struct charset charset;
	struct html html;
	struct attachment_facts *facts; // NULL: it is no attachment
	struct attachment attachment;

	struct mime_summary summary;
};

static void event(struct mime *m, enum session_event what) {
	m->handler.event(m->handler.ctx, what);
}

void mime_summary_free(struct mime_summary *summary, struct slab *slab) {
	slab_put(slab, summary->subject.text, summary->subject.size);
	slab_put(slab, summary->message_id.text, summary->message_id.size);
	for (int i = 0; i < summary->n_attachments; i++) {
		attachment_facts_free(summary->attachments[i], slab);
		slab_put(slab, summary->attachments[i], sizeof(*summary->attachments[i]));
	}
	*summary = (struct mime_summary){0};
}

// ---- A part's content

enum { PIECE_SIZE = 4096, TEXT_PIECE_SIZE = 1024 };

static void text_tell(struct mime *m, enum mime_text kind, const uint8_t *data, size_t size) {
	if (size > 0)
		m->handler.text(m->handler.ctx, kind, data, size);
}

static enum mime_text text_kind(const struct mime *m) {
	return m->is_attached ? MIME_ATTACHED : MIME_TEXT;
}

// UTF-8 of the part's text.
static void utf8_data(struct mime *m, const uint8_t *data, size_t size) {
	if (m->scan != SCAN_HTML) {
		text_tell(m, text_kind(m), data, size);
		return;
	}
	text_tell(m, MIME_MARKUP, data, size);
	while (size > 0) {
		uint8_t text[TEXT_PIECE_SIZE + HTML_EXTRA_MAX];
		size_t n = size < TEXT_PIECE_SIZE ? size : TEXT_PIECE_SIZE;

		text_tell(m, text_kind(m), text, html_data(&m->html, data, n, text));
		data += n;
		size -= n;
	}
}

// The part's text in its own character set.
static void text_data(struct mime *m, const uint8_t *data, size_t size) {
	if (m->charset.table == NULL && m->charset.converter == NULL) {
		utf8_data(m, data, size);
		return;
	}
	while (size > 0) {
		uint8_t text[TEXT_PIECE_SIZE * CHARSET_GROWTH + CHARSET_EXTRA_MAX];
		size_t n = size < TEXT_PIECE_SIZE ? size : TEXT_PIECE_SIZE;

		utf8_data(m, text, charset_data(&m->charset, data, n, text));
		data += n;
		size -= n;
	}
}

static void charset_set(struct mime *m, const char *name) {
	if (name[0] != '\0' && !charset_begin(&m->charset, m->charsets, name, strlen(name)))
		event(m, EVENT_mime_unknown_charset);
}

// The first bytes of what is not called text have told what it is.
static void scan_decide(struct mime *m) {
	const struct attachment *a = &m->attachment;

	m->scan = SCAN_NOTHING;
	if (strncmp(m->facts->content_type, "text/", 5) != 0)
		return;
	m->scan = strcmp(m->facts->content_type, "text/html") == 0 ? SCAN_HTML : SCAN_TEXT;
	if (m->part.charset[0] != '\0')
		charset_set(m, m->part.charset);
	else if (a->n_first > 1 && (memcmp(a->first, "\xff\xfe", 2) == 0 || memcmp(a->first, "\xfe\xff", 2) == 0))
		charset_set(m, "UTF-16");
	text_data(m, a->first, a->n_first);
}

// Decoded bytes.
static void decoded_data(struct mime *m, const uint8_t *data, size_t size) {
	size_t n_first = m->attachment.n_first;

	if (size == 0)
		return;
	if (m->facts != NULL)
		attachment_data(&m->attachment, m->slab, data, size);
	if (m->scan == SCAN_WAIT) {
		if (!m->attachment.is_told)
			return;
		scan_decide(m);
		n_first = m->attachment.n_first - n_first;
		data += n_first;
		size -= n_first;
	}
	if (m->scan != SCAN_NOTHING)
		text_data(m, data, size);
}

static void leaf_data(struct mime *m, const uint8_t *data, size_t size) {
	if (m->transfer.kind == TRANSFER_PLAIN) {
		decoded_data(m, data, size);
		return;
	}
	while (size > 0) {
		uint8_t decoded[PIECE_SIZE + TRANSFER_EXTRA_MAX];
		size_t n = size < PIECE_SIZE ? size : PIECE_SIZE;

		decoded_data(m, decoded, transfer_data(&m->transfer, data, n, decoded));
		data += n;
		size -= n;
	}
}

static void attachment_close(struct mime *m) {
	bool is_waiting = m->scan == SCAN_WAIT;

	attachment_end(&m->attachment, m->slab);
	if (m->attachment.is_odd)
		event(m, EVENT_mime_odd_archive);
	if (m->handler.file != NULL)
		m->handler.file(m->handler.ctx, m->facts);
	if (is_waiting)
		scan_decide(m);
}

static void leaf_end(struct mime *m, bool whole) {
	uint8_t rest[CHARSET_EXTRA_MAX + TRANSFER_EXTRA_MAX + HTML_EXTRA_MAX];

	if (!m->is_leaf)
		return;
	m->is_leaf = false;
	decoded_data(m, rest, transfer_end(&m->transfer, rest));
	if (m->transfer.is_bad)
		event(m, EVENT_mime_bad_content);
	if (m->facts != NULL)
		attachment_close(m);
	size_t n = charset_end(&m->charset, rest);
	if (m->scan == SCAN_TEXT || m->scan == SCAN_HTML)
		utf8_data(m, rest, n);
	if (m->scan == SCAN_HTML)
		text_tell(m, text_kind(m), rest, html_end(&m->html, rest));
	if (m->handler.text_end != NULL)
		m->handler.text_end(m->handler.ctx, whole);
	m->facts = NULL;
	m->scan = SCAN_NOTHING;
}

// ---- What a header makes of a part

static const struct {
	const char *name;
	uint8_t kind;
} encodings[] = {
	{"", TRANSFER_PLAIN},
	{"7bit", TRANSFER_PLAIN},
	{"8bit", TRANSFER_PLAIN},
	{"binary", TRANSFER_PLAIN},
	{"base64", TRANSFER_BASE64},
	{"quoted-printable", TRANSFER_QUOTED_PRINTABLE},
	{"x-uuencode", TRANSFER_UUENCODE},
	{"x-uue", TRANSFER_UUENCODE},
	{"uuencode", TRANSFER_UUENCODE},
};

static enum transfer_kind encoding_kind(struct mime *m) {
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (strcmp(m->part.encoding, encodings[i].name) == 0)
			return encodings[i].kind;
	event(m, EVENT_mime_ambiguous_encoding);
	return TRANSFER_PLAIN;
}

// Everything of the part before is forgotten; its header comes.
static void part_begin(struct mime *m) {
	struct attachment_text *name = &m->part.name, *type_name = &m->part.type_name;

	slab_put(m->slab, name->text, name->size);
	slab_put(m->slab, type_name->text, type_name->size);
	m->part = (struct part){0};
	m->place = PLACE_HEADER;
	m->line = LINE_IN;
	m->n_field = 0;
	m->line_from = 0;
	m->n_cr = 0;
	m->is_line_start = true;
	m->is_first_line = true;
	m->is_field_cut = false;
	m->is_leaf = false;
	m->is_attached = false;
	m->facts = NULL;
	m->scan = SCAN_NOTHING;
	m->charset = (struct charset){0};
	html_begin(&m->html);
	transfer_begin(&m->transfer, TRANSFER_PLAIN);
}

static bool is_text(const char *type) {
	return type[0] == '\0' || strncmp(type, "text/", 5) == 0 || strcmp(type, "text") == 0;
}

// A name that shows something else than what it is: direction marks, or the ending behind many blanks.
static bool is_deceptive(const char *name) {
	static const char *const marks[]
		= {"\xe2\x80\xaa",
		   "\xe2\x80\xab",
		   "\xe2\x80\xad",
		   "\xe2\x80\xae",
		   "\xe2\x81\xa6",
		   "\xe2\x81\xa7",
		   "\xe2\x81\xa8",
		   "     ",
		   "../",
		   "..\\"};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(name, marks[i]) != NULL)
			return true;
	return false;
}

static void name_offer(struct mime *m, const struct attachment_text *name) {
	if (name->text != NULL && m->handler.name != NULL)
		m->handler.name(m->handler.ctx, name->text);
}

// The facts of an attachment, listed while there is room.
static struct attachment_facts *facts_open(struct mime *m) {
	struct mime_summary *summary = &m->summary;
	struct part *part = &m->part;
	struct attachment_facts *facts = NULL;

	summary->attachments_total++;
	name_offer(m, &part->name);
	name_offer(m, &part->type_name);
	if (summary->n_attachments < MIME_ATTACHMENTS_MAX)
		facts = slab_get(m->slab, sizeof(*facts));
	if (facts == NULL)
		return NULL;
	summary->attachments[summary->n_attachments++] = facts;
	facts->name = part->name;
	facts->other_name = part->type_name;
	part->name = part->type_name = (struct attachment_text){0};
	if (facts->name.text == NULL) {
		facts->name = facts->other_name;
		facts->other_name = (struct attachment_text){0};
	} else if (facts->other_name.text != NULL && strcmp(facts->name.text, facts->other_name.text) == 0) {
		slab_put(m->slab, facts->other_name.text, facts->other_name.size);
		facts->other_name = (struct attachment_text){0};
	}
	if (facts->other_name.text != NULL)
		event(m, EVENT_mime_ambiguous_name);
	if (facts->name.text != NULL && is_deceptive(facts->name.text))
		event(m, EVENT_mime_deceptive_name);
	if (part->type[0] != '\0')
		facts->type
			= attachment_text_copy(m->slab, (uint8_t *)part->type, strlen(part->type));
	return facts;
}

static void body_begin(struct mime *m) {
	m->place = PLACE_BODY;
	m->line = LINE_START;
	m->n_eol = 0;
	m->n_held = 0;
	m->eol_offset = m->offset;
}

// The part is no container.
static void leaf_begin(struct mime *m, bool has_header) {
	struct part *part = &m->part;
	bool is_named = part->name.text != NULL || part->type_name.text != NULL;

	body_begin(m);
	m->is_leaf = true;
	m->scan = is_text(part->type) ? SCAN_TEXT : SCAN_NOTHING;
	if (strcmp(part->type, "text/html") == 0)
		m->scan = SCAN_HTML;
	if (has_header && (part->is_attachment || is_named || m->scan == SCAN_NOTHING)) {
		m->is_attached = true;
		m->facts = facts_open(m);
		if (m->facts != NULL)
			attachment_begin(&m->attachment, m->facts);
	}
	if (m->scan == SCAN_NOTHING)
		m->scan = m->facts != NULL ? SCAN_WAIT : SCAN_TEXT;
	if (m->handler.text == NULL)
		m->scan = SCAN_NOTHING;
	if (m->scan == SCAN_TEXT || m->scan == SCAN_HTML)
		charset_set(m, part->charset);
	transfer_begin(&m->transfer, encoding_kind(m));
}

// Opens a container. False: too deep, or no room.
static bool level_open(struct mime *m, bool is_message) {
	struct part *part = &m->part;
	uint8_t n = is_message ? 0 : part->n_boundary;
	struct level *level = NULL;

	if (m->depth < MIME_DEPTH_MAX)
		level = slab_get(m->slab, sizeof(*level) + n);
	if (level == NULL) {
		event(m, EVENT_mime_limit);
		return false;
	}
	level->outer = m->inner;
	level->n_boundary = n;
	memcpy(level->boundary, part->boundary, n);
	level->is_digest = strcmp(part->type, "multipart/digest") == 0;
	level->start = m->offset;
	m->inner = level;
	m->depth++;
	return true;
}

static bool is_message(const char *type) {
	return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0
		|| strcmp(type, "message/news") == 0;
}

static void part_decide(struct mime *m) {
	struct part *part = &m->part;
	bool is_multipart = strncmp(part->type, "multipart", 9) == 0;

	if (!part->has_type && m->inner != NULL && m->inner->is_digest)
		strcpy(part->type, "message/rfc822");
	if (is_multipart && (part->n_boundary == 0 || part->type[9] != '/'))
		event(m, EVENT_mime_ambiguous_type);
	if (is_multipart && part->n_boundary > 0) {
		if (encoding_kind(m) != TRANSFER_PLAIN)
			event(m, EVENT_mime_ambiguous_encoding);
		part->encoding[0] = '\0';
		if (level_open(m, false)) {
			// What stands before the first boundary is text for those who see no multipart.
			part->type[0] = part->charset[0] = '\0';
			leaf_begin(m, false);
			return;
		}
	}
	if (is_message(part->type)) {
		bool is_named = part->name.text != NULL || part->type_name.text != NULL;
		struct attachment_facts *facts = NULL;

		if (is_named || part->is_attachment)
			facts = facts_open(m);
		if (level_open(m, true)) {
			// RFC 2046 5.2.1 allows no encoding here. Some undo it all the same: so is done
			// when what comes does not begin as a message does.
			m->inner->transfer = (uint8_t)encoding_kind(m);
			if (m->inner->transfer != TRANSFER_PLAIN)
				event(m, EVENT_mime_ambiguous_encoding);
			m->inner->facts = facts;
			if (facts != NULL)
				facts->content_type = "message/rfc822";
			part_begin(m);
			return;
		}
	}
	if (is_multipart)
		part->type[0] = '\0'; // read as text
	leaf_begin(m, true);
}

// ---- Fields

static void flaws_tell(struct mime *m, uint32_t flaws, enum session_event ambiguous) {
	if (flaws & (HEADER_OFF_GRAMMAR | HEADER_TWICE))
		event(m, ambiguous);
	if (flaws & (HEADER_BAD_WORD | HEADER_BAD_PARAM))
		event(m, EVENT_mime_bad_word);
	if (flaws & HEADER_CUT)
		event(m, EVENT_mime_limit);
}

static struct attachment_text
name_read(struct mime *m, struct header_slice value, const char *param, uint32_t *flaws) {
	uint8_t name[HEADER_NAME_SIZE_MAX];
	int n = header_param(m->charsets, value, param, name, sizeof(name), flaws);

	if (n <= 0)
		return (struct attachment_text){0};
	m->part.is_name_coded |= memmem(value.data, value.size, name, (size_t)n) == NULL;
	return attachment_text_copy(m->slab, name, (size_t)n);
}

static void boundary_read(struct mime *m, struct header_slice value, uint32_t *flaws) {
	uint8_t text[HEADER_NAME_SIZE_MAX];
	int n = header_param(m->charsets, value, "boundary", text, sizeof(text), flaws);

	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	if (n > 70 || (n > 0 && memchr(text, 0, (size_t)n) != NULL))
		*flaws |= HEADER_TWICE;
	if (n > MIME_BOUNDARY_SIZE_MAX) {
		*flaws |= HEADER_CUT;
		n = MIME_BOUNDARY_SIZE_MAX;
	}
	m->part.n_boundary = (uint8_t)(n > 0 ? n : 0);
	memcpy(m->part.boundary, text, m->part.n_boundary);
}

static void type_read(struct mime *m, struct header_slice value) {
	struct part *part = &m->part;
	uint32_t flaws = 0, boundary_flaws = 0;
	struct header_word word = header_first(value, true, &flaws);
	uint8_t charset[HEADER_WORD_MAX - 1];
	int n;

	if (part->has_type) {
		// The first is taken; one that says the same does no harm.
		if (strcmp(part->type, word.text) != 0)
			event(m, EVENT_mime_ambiguous_type);
		if (part->n_boundary > 0 || strncmp(word.text, "multipart", 9) != 0)
			return;
	}
	part->has_type = true;
	memcpy(part->type, word.text, sizeof(part->type));
	boundary_read(m, value, &boundary_flaws);
	flaws_tell(m, boundary_flaws, EVENT_mime_ambiguous_boundary);
	n = header_param(m->charsets, value, "charset", charset, sizeof(charset), &flaws);
	memset(part->charset, 0, sizeof(part->charset));
	if (n > 0)
		memcpy(part->charset, charset, (size_t)n);
	if (part->type_name.text == NULL)
		part->type_name = name_read(m, value, "name", &flaws);
	flaws_tell(m, flaws, EVENT_mime_ambiguous_type);
}

static void encoding_read(struct mime *m, struct header_slice value) {
	struct part *part = &m->part;
	uint32_t flaws = 0;
	struct header_word word = header_first(value, false, &flaws);

	if (flaws != 0)
		event(m, EVENT_mime_ambiguous_encoding);
	if (part->has_encoding && strcmp(part->encoding, word.text) != 0)
		event(m, EVENT_mime_ambiguous_encoding);
	if (word.text[0] == '\0')
		event(m, EVENT_mime_ambiguous_encoding);
	for (size_t n = strlen(word.text); n > 0 && word.text[n - 1] == ','; n--)
		word.text[n - 1] = '\0'; // a list: the first of it
	if (!part->has_encoding || part->encoding[0] == '\0')
		memcpy(part->encoding, word.text, sizeof(part->encoding));
	part->has_encoding = true;
}

static void disposition_read(struct mime *m, struct header_slice value) {
	struct part *part = &m->part;
	uint32_t flaws = 0;
	struct header_word word = header_first(value, true, &flaws);

	if (part->has_disposition)
		event(m, EVENT_mime_ambiguous_name);
	part->has_disposition = true;
	part->is_attachment |= strcmp(word.text, "attachment") == 0;
	if (part->name.text == NULL)
		part->name = name_read(m, value, "filename", &flaws);
	flaws_tell(m, flaws, EVENT_mime_ambiguous_name);
}

// UTF-8 without the bytes after the last character that fits.
static size_t text_cut(const uint8_t *text, size_t size) {
	size_t n = size < 4 * TEXT_CHARS_MAX ? size : 4 * TEXT_CHARS_MAX;

	while (n < size && n > 0 && (text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void top_read(
	struct mime *m,
	struct header_slice name,
	struct header_slice value,
	const uint8_t *text,
	size_t size
) {
	struct mime_summary *summary = &m->summary;

	if (header_is(name, "Subject") && summary->subject.text == NULL)
		summary->subject = attachment_text_copy(m->slab, text, text_cut(text, size));
	else if (header_is(name, "Message-ID") && summary->message_id.text == NULL)
		summary->message_id = attachment_text_copy(m->slab, text, text_cut(text, size));
	else if (header_is(name, "Date") && !summary->has_date)
		summary->has_date = header_date(value, &summary->date);
}

static void header_tell(struct mime *m, const void *data, size_t size) {
	if (size > 0 && m->handler.header != NULL)
		m->handler.header(m->handler.ctx, data, size);
}

static void part_header_tell(struct mime *m) {
	if (m->handler.header_end != NULL)
		m->handler.header_end(m->handler.ctx);
}

// A field that is whole.
static void field_read(struct mime *m, struct header_slice name, struct header_slice value) {
	uint8_t text[MIME_FIELD_SIZE_MAX];
	uint32_t flaws = 0;
	size_t n = header_text(m->charsets, value, text, sizeof(text), &flaws);

	flaws_tell(m, flaws, EVENT_mime_bad_header);
	header_tell(m, name.data, name.size);
	header_tell(m, ": ", 2);
	header_tell(m, text, n);
	header_tell(m, "\r\n", 2);
	if (m->handler.field != NULL)
		m->handler.field(m->handler.ctx, name.data, name.size, text, n);
	if (header_is(name, "Content-Type"))
		type_read(m, value);
	else if (header_is(name, "Content-Transfer-Encoding"))
		encoding_read(m, value);
	else if (header_is(name, "Content-Disposition"))
		disposition_read(m, value);
	else if (m->is_top)
		top_read(m, name, value, text, n);
}

// mbox's line before the header, which some servers leave there.
static bool is_from_line(const uint8_t *data, size_t size) {
	return (size > 5 && memcmp(data, "From ", 5) == 0)
		|| (size > 6 && memcmp(data, ">From ", 6) == 0);
}

static void field_end(struct mime *m) {
	struct header_slice field = {m->field, m->n_field}, name, value;
	uint32_t flaws = 0;

	if (m->n_field == 0)
		return;
	if (header_split(field, &name, &value, &flaws) == 1) {
		if (flaws != 0 || memchr(field.data, 0, field.size) != NULL
		    || memchr(field.data, '\r', field.size) != NULL)
			event(m, EVENT_mime_bad_header);
		field_read(m, name, value);
	} else {
		// Some stop reading the header here, others pass over it.
		if (!is_from_line(m->field, m->n_field))
			event(m, EVENT_mime_bad_header);
		header_tell(m, m->field, m->n_field);
		header_tell(m, "\r\n", 2);
	}
	m->n_field = 0;
	m->line_from = 0;
	m->is_field_cut = false;
}

// The file's name as it is shown, where the header had it in another form: for rules that look for names.
static void name_tell(struct mime *m, const struct attachment_text *name) {
	if (name->text == NULL)
		return;
	header_tell(m, "filename=\"", 10);
	header_tell(m, name->text, strlen(name->text));
	header_tell(m, "\"\r\n", 3);
}

static void header_end(struct mime *m) {
	m->is_top = false;
	if (m->part.is_name_coded && m->part.name.text != NULL)
		name_tell(m, &m->part.name);
	else if (m->part.is_name_coded)
		name_tell(m, &m->part.type_name);
	part_header_tell(m);
	part_decide(m);
}

// ---- Boundaries

struct match {
	struct level *level; // NULL: no boundary
	bool is_close, is_odd;
};

static bool is_blank_only(const uint8_t *text, size_t size) {
	for (size_t i = 0; i < size; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
			return false;
	return true;
}

// A line that begins with -- (RFC 2046 5.1.1): the longest boundary that it begins with.
static struct match boundary_match(const struct mime *m, const uint8_t *line, size_t size) {
	struct match match = {0};

	if (size < 2 || line[0] != '-' || line[1] != '-')
		return match;
	line += 2;
	size -= 2;
	for (struct level *level = m->inner; level != NULL; level = level->outer)
		if (level->n_boundary > 0 && level->n_boundary <= size
		    && memcmp(line, level->boundary, level->n_boundary) == 0
		    && (match.level == NULL || level->n_boundary > match.level->n_boundary))
			match.level = level;
	if (match.level == NULL)
		return match;
	line += match.level->n_boundary;
	size -= match.level->n_boundary;
	match.is_close = size >= 2 && line[0] == '-' && line[1] == '-';
	if (match.is_close) {
		line += 2;
		size -= 2;
	}
	match.is_odd = !is_blank_only(line, size);
	return match;
}

static void level_close(struct mime *m) {
	struct level *level = m->inner;

	if (level->n_boundary > 0 && !level->is_closed && !m->is_holed)
		event(m, EVENT_mime_not_closed);
	if (level->facts != NULL) {
		level->facts->bytes
			= m->eol_offset > level->start ? m->eol_offset - level->start : 0;
		level->facts->is_holed |= m->is_holed;
	}
	m->inner = level->outer;
	m->depth--;
	slab_put(m->slab, level, sizeof(*level) + level->n_boundary);
}

// A boundary was read: the part before is over.
static void boundary_take(struct mime *m, const struct match *match) {
	leaf_end(m, true);
	while (m->inner != match->level)
		level_close(m);
	if (match->is_odd)
		event(m, EVENT_mime_ambiguous_boundary);
	if (match->level->is_closed)
		event(m, EVENT_mime_after_end);
	match->level->part += match->level->part < UINT16_MAX;
	part_begin(m);
	if (match->is_close) {
		// What follows belongs to nobody; it is searched as text.
		match->level->is_closed = true;
		leaf_begin(m, false);
		return;
	}
	if (++m->n_parts <= MIME_PARTS_MAX)
		return;
	event(m, EVENT_mime_limit);
	m->is_limited = true;
	leaf_begin(m, false);
}

// ---- Header lines

static void field_add(struct mime *m, const uint8_t *data, size_t size) {
	size_t room = MIME_FIELD_SIZE_MAX - m->n_field;
	size_t n = size < room ? size : room;
	void *block = m->field;

	if (n > 0 && slab_grow(m->slab, &block, &m->field_cap, m->n_field + (uint32_t)n, 0) < 0) {
		event(m, EVENT_memory_full);
		n = 0;
	}
	m->field = block;
	if (n > 0)
		memcpy(m->field + m->n_field, data, n);
	m->n_field += (uint32_t)n;
	if (n == size)
		return;
	if (!m->is_field_cut)
		event(m, EVENT_mime_limit);
	m->is_field_cut = true;
	header_tell(m, data + n, size - n);
}

// The first line is no field: there is no header here, and this is the body's beginning.
static bool is_body(const struct mime *m) {
	struct header_slice field = {m->field, m->n_field}, name, value;

	return header_split(field, &name, &value, &(uint32_t){0}) < 0
		&& !is_from_line(m->field, m->n_field);
}

static void body_data(struct mime *m, const uint8_t *data, size_t size);

// What was kept as a field is the body's first line.
static void header_refuse(struct mime *m) {
	if (!m->is_top)
		event(m, EVENT_mime_bad_header);
	m->is_top = false;
	part_header_tell(m);
	leaf_begin(m, false);
	if (m->inner != NULL && m->inner->n_boundary == 0)
		transfer_begin(&m->transfer, m->inner->transfer);
	body_data(m, m->field, m->n_field);
	m->n_field = 0;
}

// A line is over (its LF at data[-1]). False: the header is, too.
static bool header_line_end(struct mime *m) {
	struct match match;

	if (m->is_first_line && is_body(m) && m->inner != NULL) {
		match = boundary_match(m, m->field, m->n_field);
		if (match.level == NULL) {
			field_add(m, (const uint8_t *)"\n", 1);
			header_refuse(m);
			return false;
		}
	} else if (m->is_first_line && is_body(m)) {
		field_add(m, (const uint8_t *)"\n", 1);
		header_refuse(m);
		return false;
	}
	m->is_first_line = false;
	if (m->n_field > m->line_from && m->field[m->n_field - 1] == '\r')
		m->n_field--;
	m->is_line_start = true;
	m->n_cr = 0;
	match = boundary_match(m, m->field + m->line_from, m->n_field - m->line_from);
	if (match.level == NULL)
		return true;
	// A boundary inside the header: the part has no body.
	m->n_field = m->line_from;
	m->eol_offset = m->offset;
	field_end(m);
	part_header_tell(m);
	event(m, EVENT_mime_bad_header);
	m->place = PLACE_BODY;
	boundary_take(m, &match);
	return false;
}

// At the start of a line. 1: c was read, 0: it belongs to the line, -1: it was read and the header is over.
static int line_start(struct mime *m, uint8_t c) {
	if (c == '\r' && m->n_cr < 2) {
		m->n_cr++;
		return 1;
	}
	if (c == '\n') {
		field_end(m);
		header_end(m);
		return -1;
	}
	if (m->n_cr > 0)
		event(m, EVENT_mime_bad_header);
	m->is_line_start = false;
	if ((c != ' ' && c != '\t') || m->n_field == 0)
		field_end(m);
	m->line_from = m->n_field;
	return 0;
}

// Returns how many bytes belong to the header.
static size_t header_data(struct mime *m, const uint8_t *data, size_t size) {
	uint64_t offset = m->offset;
	size_t at = 0;

	while (at < size) {
		const uint8_t *lf;
		int rc;

		m->offset = offset + at + 1;
		if (m->line == LINE_SKIP) { // the rest of a boundary's line
			lf = memchr(data + at, '\n', size - at);
			at = lf != NULL ? (size_t)(lf - data) + 1 : size;
			m->line = lf != NULL ? LINE_IN : LINE_SKIP;
			continue;
		}
		if (m->is_first_line && m->n_field == MIME_FIELD_SIZE_MAX && is_body(m)) {
			header_refuse(m); // so long a line is no field
			break;
		}
		if (m->is_line_start && (rc = line_start(m, data[at])) != 0) {
			at++;
			if (rc < 0)
				break;
			continue;
		}
		// A first line is kept whole, or refused, before any of it is let go.
		size_t room = m->is_first_line && !m->is_field_cut
			? MIME_FIELD_SIZE_MAX - m->n_field
			: size - at;
		size_t n = room > 0 && room < size - at ? room : size - at;
		lf = memchr(data + at, '\n', n);
		field_add(m, data + at, lf != NULL ? (size_t)(lf - data) - at : n);
		at = lf != NULL ? (size_t)(lf - data) + 1 : at + n;
		m->offset = offset + at;
		if (lf != NULL && !header_line_end(m))
			break;
	}
	m->offset = offset;
	return at;
}

// ---- Body lines

static void eol_give(struct mime *m) {
	if (m->n_eol > 0)
		leaf_data(m, (const uint8_t *)(m->n_eol == 2 ? "\r\n" : "\n"), m->n_eol);
	m->n_eol = 0;
}

// What was held is content.
static void held_give(struct mime *m) {
	uint16_t n = m->n_held;

	eol_give(m);
	m->n_held = 0;
	leaf_data(m, m->held, n);
}

// A line that begins with -- is whole, or as long as is held. end: its LF was the last byte.
static void held_decide(struct mime *m, bool end) {
	struct match match = boundary_match(m, m->held, m->n_held);
	bool has_cr;

	if (match.level != NULL) {
		boundary_take(m, &match);
		m->n_eol = 0;
		m->n_held = 0;
		if (!end)
			m->line = LINE_SKIP;
		return;
	}
	if (!end) {
		held_give(m);
		m->line = LINE_IN;
		return;
	}
	has_cr = m->n_held > 1 && m->held[m->n_held - 2] == '\r';
	m->n_held -= has_cr ? 2 : 1;
	held_give(m);
	m->n_eol = has_cr ? 2 : 1;
	m->line = LINE_START;
}

// At the start of a line. Returns how many bytes were read.
static size_t held_add(struct mime *m, const uint8_t *data, size_t size) {
	const uint8_t *lf;
	size_t n;

	if (m->n_held < 2 && data[0] != '-') {
		held_give(m);
		m->line = LINE_IN;
		return 0;
	}
	n = m->n_held < 2 ? 1 : sizeof(m->held) - m->n_held;
	if (n > size)
		n = size;
	lf = memchr(data, '\n', n);
	if (lf != NULL)
		n = (size_t)(lf - data) + 1;
	memcpy(m->held + m->n_held, data, n);
	m->n_held += (uint16_t)n;
	if (lf != NULL || m->n_held == sizeof(m->held))
		held_decide(m, lf != NULL);
	return n;
}

// Where the next line begins that may be a boundary: the offset behind its LF; size: none does here.
static size_t dash_find(const uint8_t *data, size_t size) {
	size_t at = 0;

	while (at < size) {
		const uint8_t *lf = memchr(data + at, '\n', size - at);

		if (lf == NULL)
			return size;
		at = (size_t)(lf - data) + 1;
		if (at < size && data[at] == '-')
			return at;
	}
	return size;
}

// In the middle of a line: content up to a line end that a boundary may follow, which is held.
// Returns how many bytes were read.
static size_t line_data(struct mime *m, const uint8_t *data, size_t size) {
	size_t at = dash_find(data, size), n = at;

	if (n > 0 && data[n - 1] == '\n') {
		n--;
		m->n_eol = 1;
		if (n > 0 && data[n - 1] == '\r') {
			n--;
			m->n_eol = 2;
		}
		m->line = LINE_START;
		m->eol_offset = m->offset + n;
	} else if (n > 0 && data[n - 1] == '\r') {
		n--;
		m->line = LINE_CR;
	}
	// The held line end belongs behind this.
	uint8_t n_eol = m->n_eol;
	m->n_eol = 0;
	leaf_data(m, data, n);
	m->n_eol = n_eol;
	return at;
}

static size_t skip_data(struct mime *m, const uint8_t *data, size_t size) {
	const uint8_t *lf = memchr(data, '\n', size);

	if (lf == NULL)
		return size;
	m->line = LINE_START;
	m->eol_offset = m->offset + (size_t)(lf - data);
	return (size_t)(lf - data) + 1;
}

static void cr_data(struct mime *m, uint8_t c) {
	if (c == '\n') {
		m->n_eol = 2;
		m->eol_offset = m->offset - 1;
		m->line = LINE_START;
		return;
	}
	leaf_data(m, (const uint8_t *)"\r", 1);
	m->line = LINE_IN;
}

// Returns how many bytes belong to this body.
static size_t body_read(struct mime *m, const uint8_t *data, size_t size) {
	uint64_t offset = m->offset;
	size_t at = 0;

	if (m->inner == NULL || m->is_limited) {
		eol_give(m);
		leaf_data(m, data, size);
		return size;
	}
	while (at < size && m->place == PLACE_BODY && !m->is_limited) {
		m->offset = offset + at;
		switch (m->line) {
		case LINE_START:
			at += held_add(m, data + at, size - at);
			break;
		case LINE_CR:
			cr_data(m, data[at]);
			at += data[at] == '\n';
			break;
		case LINE_SKIP:
			at += skip_data(m, data + at, size - at);
			break;
		default:
			at += line_data(m, data + at, size - at);
		}
	}
	m->offset = offset;
	return at;
}

static void body_data(struct mime *m, const uint8_t *data, size_t size) {
	size_t read = body_read(m, data, size);

	assert(read == size);
	(void)read;
}

// ----

struct mime *mime_open(
	struct slab *slab,
	struct charsets *charsets,
	enum mime_start start,
	const struct mime_handler *handler
) {
	struct mime *m = slab_get(slab, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->slab = slab;
	m->charsets = charsets;
	m->handler = *handler;
	part_begin(m);
	m->is_top = true;
	if (start == MIME_BODY) {
		m->is_top = false;
		leaf_begin(m, false);
	}
	return m;
}

void mime_data(struct mime *mime, const uint8_t *data, size_t size) {
	while (size > 0) {
		size_t n = mime->place == PLACE_HEADER ? header_data(mime, data, size)
						       : body_read(mime, data, size);

		mime->offset += n;
		data += n;
		size -= n;
	}
}

void mime_part(const struct mime *mime, char *part_r, size_t size) {
	const struct level *levels[MIME_DEPTH_MAX];
	int n = 0;
	size_t used = 0;

	part_r[0] = '\0';
	if (mime->is_top && mime->inner == NULL && mime->place == PLACE_HEADER)
		return;
	for (const struct level *level = mime->inner; level != NULL; level = level->outer)
		levels[n++] = level;
	for (int i = n; i >= 0 && used + 2 < size; i--) {
		// A message that is no multipart has one part; and so has what stands inside one.
		bool is_leaf = i == 0 && (n == 0 || levels[0]->n_boundary == 0);

		if (!is_leaf && (i == 0 || levels[i - 1]->n_boundary == 0))
			continue;
		used += (size_t)snprintf(
			part_r + used,
			size - used,
			"%s%d",
			used > 0 ? "." : "",
			is_leaf ? 1 : levels[i - 1]->part
		);
	}
	if (used >= size)
		part_r[size - 2] = '+';
}

// The rest of what is held, when no more comes behind it.
static void held_end(struct mime *m) {
	if (m->place != PLACE_BODY)
		return;
	if (m->line == LINE_CR)
		leaf_data(m, (const uint8_t *)"\r", 1);
	else if (m->line == LINE_START && m->n_held > 1 && boundary_match(m, m->held, m->n_held).level != NULL)
		held_decide(m, true);
	else if (m->line == LINE_START)
		held_give(m);
}

// A header that stops in the middle.
static void header_stop(struct mime *m) {
	if (m->place != PLACE_HEADER)
		return;
	if (m->is_first_line && m->n_field > 0 && is_body(m)
	    && boundary_match(m, m->field, m->n_field).level == NULL) {
		header_refuse(m);
		return;
	}
	field_end(m);
	part_header_tell(m);
}

void mime_gap(struct mime *mime, uint64_t size) {
	mime->is_holed = true;
	if (mime->place == PLACE_HEADER) {
		// The header may have ended in the hole; what follows is taken for the body.
		header_stop(mime);
		mime->is_top = false;
		if (mime->place == PLACE_HEADER)
			part_decide(mime); // by what has been seen of it
	} else {
		held_end(mime);
	}
	if (mime->place == PLACE_HEADER) { // behind a boundary that was held
		part_begin(mime);
		leaf_begin(mime, false);
	}
	mime->line = LINE_IN;
	mime->n_eol = 0;
	mime->n_held = 0;
	transfer_gap(&mime->transfer);
	charset_gap(&mime->charset);
	html_gap(&mime->html);
	if (mime->facts != NULL)
		attachment_gap(&mime->attachment, mime->slab, size);
	if (mime->scan == SCAN_WAIT)
		scan_decide(mime);
	if (mime->handler.text_end != NULL)
		mime->handler.text_end(mime->handler.ctx, false);
	mime->offset += size;
}

void mime_close(struct mime *mime, struct mime_summary *summary_r) {
	header_stop(mime);
	held_end(mime);
	leaf_end(mime, true);
	mime->eol_offset = mime->offset;
	while (mime->inner != NULL)
		level_close(mime);
	slab_put(mime->slab, mime->field, mime->field_cap);
	slab_put(mime->slab, mime->part.name.text, mime->part.name.size);
	slab_put(mime->slab, mime->part.type_name.text, mime->part.type_name.size);
	*summary_r = mime->summary;
	slab_put(mime->slab, mime, sizeof(*mime));
}
