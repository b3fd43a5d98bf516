// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a header makes of a part: a container that is opened, an attachment, text. One function begins a part
// and clears whatever the part before has left.

#include "mime/mime_private.h"

#include <assert.h>
#include <string.h>

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

static enum transfer_kind kind_find(struct mime *m, const char *name) {
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (strcmp(name, encodings[i].name) == 0)
			return encodings[i].kind;
	mime_event(m, EVENT_mime_ambiguous_encoding);
	return TRANSFER_PLAIN;
}

static enum transfer_kind encoding_kind(struct mime *m) {
	return kind_find(m, m->part.encoding);
}

enum transfer_kind mime_part_other(struct mime *m) {
	return kind_find(m, m->part.other_encoding);
}

// Everything of the part before is forgotten; its header comes.
void mime_part_begin(struct mime *m) {
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
	m->is_guessed = false;
	m->facts = NULL;
	m->other = NULL;
	m->second = NULL;
	m->inside = NULL;
	m->is_plain = false;
	m->scan = SCAN_NOTHING;
	m->mark = MARK_START;
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

static void name_give(struct mime *m, const struct attachment_text *name) {
	if (name->text != NULL && m->handler.name != NULL)
		m->handler.name(m->handler.ctx, name->text);
}

void mime_part_names(struct mime *m) {
	name_give(m, &m->part.name);
	name_give(m, &m->part.type_name);
}

// Facts, listed while there is room.
static struct attachment_facts *facts_get(struct mime *m) {
	struct mime_summary *summary = &m->summary;
	struct attachment_facts *facts = NULL;

	summary->attachments_total++;
	if (summary->n_attachments < MIME_ATTACHMENTS_MAX)
		facts = slab_get(m->slab, sizeof(*facts));
	if (facts != NULL)
		summary->attachments[summary->n_attachments++] = facts;
	return facts;
}

static void deception_tell(struct mime *m, const struct attachment_text *name) {
	if (name->text != NULL && is_deceptive(name->text))
		mime_event(m, EVENT_mime_deceptive_name);
}

struct attachment_facts *mime_part_listed(struct mime *m, struct attachment_text *name) {
	struct attachment_facts *facts = facts_get(m);

	name_give(m, name);
	deception_tell(m, name);
	if (facts != NULL) {
		facts->name = *name;
		*name = (struct attachment_text){0};
	}
	return facts;
}

// The facts of the part, which is an attachment.
struct attachment_facts *mime_part_facts(struct mime *m) {
	struct part *part = &m->part;
	struct attachment_facts *facts = facts_get(m);

	mime_part_names(m);
	if (facts == NULL)
		return NULL;
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
		mime_event(m, EVENT_mime_ambiguous_name);
	deception_tell(m, &facts->name);
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
void mime_part_leaf(struct mime *m, bool has_header) {
	struct part *part = &m->part;
	bool is_named = part->name.text != NULL || part->type_name.text != NULL;

	body_begin(m);
	m->is_leaf = true;
	m->scan = is_text(part->type) ? SCAN_TEXT : SCAN_NOTHING;
	m->is_plain = m->scan == SCAN_TEXT;
	if (strcmp(part->type, "text/html") == 0) {
		m->scan = SCAN_HTML;
		m->is_plain = false;
	}
	if (has_header && (part->is_attachment || is_named || m->scan == SCAN_NOTHING)) {
		m->is_attached = true;
		m->facts = mime_part_facts(m);
		if (m->facts != NULL)
			attachment_begin(&m->attachment, m->facts, m->handler.hashes);
	}
	if (m->scan == SCAN_NOTHING)
		m->scan = m->facts != NULL ? SCAN_WAIT : SCAN_TEXT;
	if (m->handler.text == NULL)
		m->scan = SCAN_NOTHING;
	if (m->scan == SCAN_TEXT || m->scan == SCAN_HTML)
		mime_leaf_charset(m, part->charset);
	bool is_decoded = m->is_decoded && m->inner == NULL;
	transfer_begin(&m->transfer, is_decoded ? TRANSFER_PLAIN : encoding_kind(m));
	if (has_header)
		mime_second_open(m);
	if (!part->has_other_encoding || is_decoded || m->facts == NULL)
		return;
	enum transfer_kind other = mime_part_other(m);
	if (other != m->transfer.kind)
		mime_leaf_other(m, other);
}

void mime_part_guessed(struct mime *m, enum transfer_kind transfer) {
	mime_part_begin(m);
	mime_part_leaf(m, false);
	transfer_begin(&m->transfer, transfer);
	m->is_guessed = true;
	m->is_plain = false; // not before it is known
	m->facts = mime_part_facts(m);
	if (m->facts == NULL)
		return;
	m->is_attached = true;
	attachment_begin(&m->attachment, m->facts, m->handler.hashes);
	if (m->scan != SCAN_NOTHING)
		m->scan = SCAN_WAIT;
}

void mime_part_is_text(struct mime *m) {
	struct mime_summary *summary = &m->summary;

	assert(m->facts == summary->attachments[summary->n_attachments - 1]);
	sha256_drop(&m->attachment.sha256);
	summary->n_attachments--;
	summary->attachments_total--;
	attachment_facts_free(m->facts, m->slab);
	slab_put(m->slab, m->facts, sizeof(*m->facts));
	m->facts = NULL;
	m->is_attached = false;
}

// Opens a container. False: too deep, or no room.
// A line that is the boundary of two levels, or ends one and begins the other: readers differ whose it is.
static bool is_boundary_open(const struct mime *m) {
	const struct part *part = &m->part;

	for (const struct level *level = m->inner; level != NULL; level = level->outer) {
		uint8_t n = level->n_boundary, more = (uint8_t)(part->n_boundary - n);

		if (n == 0 || part->n_boundary < n
		    || memcmp(level->boundary, part->boundary, n) != 0)
			continue;
		if (more == 0 || (more == 2 && memcmp(part->boundary + n, "--", 2) == 0))
			return true;
	}
	return false;
}

static bool level_open(struct mime *m, bool is_message) {
	struct part *part = &m->part;
	uint8_t n = is_message ? 0 : part->n_boundary;
	struct level *level = NULL;

	if (m->depth < MIME_DEPTH_MAX)
		level = slab_get(m->slab, sizeof(*level) + n);
	if (level == NULL) {
		mime_event(m, EVENT_mime_limit);
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

void mime_part_decide(struct mime *m) {
	struct part *part = &m->part;
	bool is_multipart = strncmp(part->type, "multipart", 9) == 0;

	if (!part->has_type && m->inner != NULL && m->inner->is_digest)
		strcpy(part->type, "message/rfc822");
	if (is_multipart && (part->n_boundary == 0 || part->type[9] != '/'))
		mime_event(m, EVENT_mime_ambiguous_type);
	// Some look for the boundary whatever the type is called.
	if (!is_multipart && part->n_boundary > 0)
		mime_event(m, EVENT_mime_ambiguous_type);
	if (is_multipart && part->n_boundary > 0) {
		if (encoding_kind(m) != TRANSFER_PLAIN)
			mime_event(m, EVENT_mime_ambiguous_encoding);
		if (is_boundary_open(m))
			mime_event(m, EVENT_mime_ambiguous_boundary);
		part->encoding[0] = '\0';
		if (level_open(m, false)) {
			// What stands before the first boundary is text for those who see no multipart.
			part->type[0] = part->charset[0] = '\0';
			mime_part_leaf(m, false);
			return;
		}
	}
	if (is_message(part->type)) {
		bool is_named = part->name.text != NULL || part->type_name.text != NULL;
		struct attachment_facts *facts = NULL;

		if (is_named || part->is_attachment)
			facts = mime_part_facts(m);
		if (level_open(m, true)) {
			// RFC 2046 5.2.1 allows no encoding here. Some undo it all the same: so is done
			// when what comes does not begin as a message does.
			m->inner->transfer = (uint8_t)encoding_kind(m);
			if (m->inner->transfer != TRANSFER_PLAIN)
				mime_event(m, EVENT_mime_ambiguous_encoding);
			m->inner->facts = facts;
			if (facts != NULL)
				facts->content_type = "message/rfc822";
			mime_part_begin(m);
			return;
		}
	}
	if (is_multipart)
		part->type[0] = '\0'; // read as text
	mime_part_leaf(m, true);
}
