// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Header lines become fields, and fields say what the part is. A line that is no field, and a boundary
// inside a header, are where mail programs differ.

#include "mime/mime_private.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

// ---- What fields say

static void flaws_tell(struct mime *m, uint32_t flaws, enum session_event ambiguous) {
	if (flaws & (HEADER_OFF_GRAMMAR | HEADER_TWICE))
		mime_event(m, ambiguous);
	if (flaws & (HEADER_BAD_WORD | HEADER_BAD_PARAM))
		mime_event(m, EVENT_mime_bad_word);
	if (flaws & HEADER_CUT)
		mime_event(m, EVENT_mime_limit);
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

// Whether every reader takes the parameter for the same: it stands in the value as it is, with no escape,
// comment or RFC 2231 about it, and nothing in it that some take for its end.
static bool is_plain_boundary(struct header_slice value, const uint8_t *boundary, size_t size) {
	static const char key[] = "boundary=";

	for (size_t i = 0; i < size; i++)
		if (boundary[i] < ' ' || boundary[i] >= 0x7f
		    || strchr("\"\\;(", boundary[i]) != NULL)
			return false;
	for (size_t i = 0; i + sizeof(key) - 1 + size <= value.size; i++) {
		if (strncasecmp((const char *)value.data + i, key, sizeof(key) - 1) != 0)
			continue;
		i += sizeof(key) - 1;
		i += i < value.size && value.data[i] == '"';
		return i + size <= value.size && memcmp(value.data + i, boundary, size) == 0;
	}
	return false;
}

static void boundary_read(struct mime *m, struct header_slice value, uint32_t *flaws) {
	uint8_t text[HEADER_NAME_SIZE_MAX];
	int n = header_param(m->charsets, value, "boundary", text, sizeof(text), flaws);

	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	if (n > 70 || (n > 0 && !is_plain_boundary(value, text, (size_t)n)))
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
			mime_event(m, EVENT_mime_ambiguous_type);
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

// What a field says behind the first word of a list: "base64, quoted-printable".
static void encoding_list_read(struct mime *m, struct header_slice value) {
	const uint8_t *comma = memchr(value.data, ',', value.size);
	struct part *part = &m->part;

	if (comma == NULL || part->has_other_encoding)
		return;
	struct header_slice rest = {comma + 1, (size_t)(value.data + value.size - comma - 1)};
	struct header_word word = header_first(rest, false, &(uint32_t){0});
	memcpy(part->other_encoding, word.text, sizeof(part->other_encoding));
	part->has_other_encoding = true;
}

static void encoding_read(struct mime *m, struct header_slice value) {
	struct part *part = &m->part;
	uint32_t flaws = 0;
	struct header_word word = header_first(value, false, &flaws);
	size_t n = strlen(word.text);

	if (n > 0 && word.text[n - 1] == ',')
		encoding_list_read(m, value);
	for (; n > 0 && word.text[n - 1] == ','; n--)
		word.text[n - 1] = '\0'; // a list: the first of it
	if (flaws != 0 || word.text[0] == '\0' || part->has_other_encoding)
		mime_event(m, EVENT_mime_ambiguous_encoding);
	if (part->has_encoding && strcmp(part->encoding, word.text) != 0) {
		mime_event(m, EVENT_mime_ambiguous_encoding);
		// Of two that are named one is the first; of one and none it is the one.
		const char *other = part->encoding[0] == '\0' ? part->encoding : word.text;
		if (!part->has_other_encoding)
			memcpy(part->other_encoding, other, sizeof(part->other_encoding));
		part->has_other_encoding = true;
	}
	if (!part->has_encoding || part->encoding[0] == '\0')
		memcpy(part->encoding, word.text, sizeof(part->encoding));
	part->has_encoding = true;
}

static void disposition_read(struct mime *m, struct header_slice value) {
	struct part *part = &m->part;
	uint32_t flaws = 0;
	struct header_word word = header_first(value, true, &flaws);

	if (part->has_disposition)
		mime_event(m, EVENT_mime_ambiguous_name);
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

// Two that differ are none.
static void date_read(struct mime *m, struct header_slice value) {
	struct mime_summary *summary = &m->summary;
	int64_t date;

	if (!header_date(value, &date))
		return;
	if (summary->has_date && date != summary->date) {
		mime_event(m, EVENT_mime_bad_header);
		m->is_date_doubtful = true;
	}
	summary->has_date = !m->is_date_doubtful;
	summary->date = date;
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
	else if (header_is(name, "Date"))
		date_read(m, value);
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

// Readers differ in where the field or the header ends: what comes may be the body's to some.
static void header_doubt(struct mime *m) {
	mime_event(m, EVENT_mime_bad_header);
	m->is_date_doubtful |= !m->summary.has_date;
}

static void field_end(struct mime *m) {
	struct header_slice field = {m->field, m->n_field}, name, value;
	uint32_t flaws = 0;

	if (m->n_field == 0)
		return;
	if (header_split(field, &name, &value, &flaws) == 1) {
		if (flaws != 0 || memchr(field.data, 0, field.size) != NULL
		    || memchr(field.data, '\r', field.size) != NULL)
			header_doubt(m);
		field_read(m, name, value);
	} else {
		// Some stop reading the header here, others pass over it.
		if (!is_from_line(m->field, m->n_field))
			header_doubt(m);
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
	if (m->is_header) {
		mime_part_names(m);
		m->place = PLACE_BODY;
	} else {
		mime_part_decide(m);
	}
}

// ---- Lines

static void field_add(struct mime *m, const uint8_t *data, size_t size) {
	size_t room = MIME_FIELD_SIZE_MAX - m->n_field;
	size_t n = size < room ? size : room;
	void *block = m->field;

	if (n > 0 && slab_grow(m->slab, &block, &m->field_cap, m->n_field + (uint32_t)n, 0) < 0) {
		mime_event(m, EVENT_memory_full);
		n = 0;
	}
	m->field = block;
	if (n > 0)
		memcpy(m->field + m->n_field, data, n);
	m->n_field += (uint32_t)n;
	if (n == size)
		return;
	if (!m->is_field_cut)
		mime_event(m, EVENT_mime_limit);
	m->is_field_cut = true;
	header_tell(m, data + n, size - n);
}

static void body_data(struct mime *m, const uint8_t *data, size_t size) {
	size_t read = mime_body_read(m, data, size);

	assert(read == size);
	(void)read;
}

// The first line is no field: there is no header here, and this is the body's beginning.
static bool is_body(const struct mime *m) {
	struct header_slice field = {m->field, m->n_field}, name, value;

	return header_split(field, &name, &value, &(uint32_t){0}) < 0
		&& !is_from_line(m->field, m->n_field);
}

// What was kept as a field is the body's first line.
static void header_refuse(struct mime *m) {
	if (!m->is_top)
		mime_event(m, EVENT_mime_bad_header);
	m->is_top = false;
	part_header_tell(m);
	mime_part_leaf(m, false);
	if (m->inner != NULL && m->inner->n_boundary == 0)
		transfer_begin(&m->transfer, m->inner->transfer);
	body_data(m, m->field, m->n_field);
	m->n_field = 0;
}

// A line is over (its LF at data[-1]). False: the header is, too.
static bool header_line_end(struct mime *m) {
	struct mime_match match;

	if (m->is_first_line && is_body(m) && m->inner != NULL) {
		match = mime_body_match(m, m->field, m->n_field);
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
	match = mime_body_match(m, m->field + m->line_from, m->n_field - m->line_from);
	if (match.level == NULL)
		return true;
	// A boundary inside the header: the part has no body.
	m->n_field = m->line_from;
	m->eol_offset = m->offset;
	field_end(m);
	part_header_tell(m);
	mime_event(m, EVENT_mime_bad_header);
	m->place = PLACE_BODY;
	mime_body_take(m, &match);
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
		mime_event(m, EVENT_mime_bad_header);
	m->is_line_start = false;
	if ((c != ' ' && c != '\t') || m->n_field == 0)
		field_end(m);
	m->line_from = m->n_field;
	return 0;
}

// Returns how many bytes belong to the header.
size_t mime_field_data(struct mime *m, const uint8_t *data, size_t size) {
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

// A header that stops in the middle.
void mime_field_stop(struct mime *m) {
	if (m->place != PLACE_HEADER)
		return;
	if (m->is_first_line && m->n_field > 0 && is_body(m)
	    && mime_body_match(m, m->field, m->n_field).level == NULL) {
		header_refuse(m);
		return;
	}
	field_end(m);
	part_header_tell(m);
}
