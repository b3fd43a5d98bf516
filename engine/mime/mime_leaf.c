// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A part's content on its way out: transfer encoding undone, attachments told and hashed, text to UTF-8, HTML
// to text. In pieces on the stack; nothing is kept.

#include "mime/mime_private.h"

#include <string.h>

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

// How a file begins inside a text, at the start of a line, in encodings that are not MIME's; # is an octal
// digit. Mail programs of old show a file there. It stays text, and is said; the first kind is listed, too.
static const char *const marks[] = {"begin ###", "=ybegin ", "(This file must be converted"};

static uint8_t mark_begin(uint8_t c) {
	for (uint8_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (c == (uint8_t)marks[i][0])
			return MARK_FIRST + i;
	return c == '\n' ? MARK_START : MARK_NONE;
}

static void mark_char(struct mime *m, uint8_t c) {
	const char *mark = marks[m->mark - MARK_FIRST];
	char wanted = mark[m->n_mark];

	if (wanted == '#' ? c < '0' || c > '7' : c != (uint8_t)wanted) {
		m->mark = c == '\n' ? MARK_START : MARK_NONE;
	} else if (mark[++m->n_mark] == '\0') {
		mime_event(m, EVENT_mime_file_in_text);
		if (m->mark == MARK_FIRST)
			mime_inside_begin(m);
		m->mark = MARK_NONE;
	}
}

static void marks_find(struct mime *m, const uint8_t *data, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (m->inside != NULL) {
			i += mime_inside_data(m, data + i, size - i) - 1;
			m->mark = data[i] == '\n' ? MARK_START : MARK_NONE;
		} else if (m->mark == MARK_NONE) {
			const uint8_t *lf = memchr(data + i, '\n', size - i);

			if (lf == NULL)
				return;
			i = (size_t)(lf - data);
			m->mark = MARK_START;
		} else if (m->mark == MARK_START) {
			m->mark = mark_begin(data[i]);
			m->n_mark = 1;
		} else {
			mark_char(m, data[i]);
		}
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

void mime_leaf_charset(struct mime *m, const char *name) {
	if (name[0] != '\0' && !charset_begin(&m->charset, m->charsets, name, strlen(name)))
		mime_event(m, EVENT_mime_unknown_charset);
}

// The first bytes of what is not called text have told what it is.
void mime_leaf_decide(struct mime *m) {
	const struct attachment *a = &m->attachment;

	m->scan = SCAN_NOTHING;
	if (strncmp(m->facts->content_type, "text/", 5) != 0)
		return;
	m->scan = strcmp(m->facts->content_type, "text/html") == 0 ? SCAN_HTML : SCAN_TEXT;
	if (m->part.charset[0] != '\0')
		mime_leaf_charset(m, m->part.charset);
	else if (a->n_first > 1 && (memcmp(a->first, "\xff\xfe", 2) == 0 || memcmp(a->first, "\xfe\xff", 2) == 0))
		mime_leaf_charset(m, "UTF-16");
	m->is_plain = m->scan == SCAN_TEXT;
	if (m->is_guessed)
		mime_part_is_text(m);
	if (m->is_plain)
		marks_find(m, a->first, a->n_first);
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
		mime_leaf_decide(m);
		n_first = m->attachment.n_first - n_first;
		data += n_first;
		size -= n_first;
	}
	if (m->is_plain)
		marks_find(m, data, size);
	if (m->scan != SCAN_NOTHING)
		text_data(m, data, size);
}

// ---- Another reading

void mime_leaf_other(struct mime *m, enum transfer_kind transfer) {
	const struct attachment_text *name = &m->facts->name;
	struct other *other = slab_get(m->slab, sizeof(*other));

	if (other == NULL)
		return;
	other->facts = mime_part_facts(m);
	if (other->facts == NULL) {
		slab_put(m->slab, other, sizeof(*other));
		return;
	}
	if (name->text != NULL)
		other->facts->name = attachment_text_copy(
			m->slab, (const uint8_t *)name->text, strlen(name->text)
		);
	attachment_begin(&other->attachment, other->facts, m->handler.hashes);
	transfer_begin(&other->transfer, transfer);
	m->other = other;
}

static void other_data(struct mime *m, const uint8_t *data, size_t size) {
	struct other *other = m->other;

	while (size > 0) {
		uint8_t decoded[PIECE_SIZE + TRANSFER_EXTRA_MAX];
		size_t n = size < PIECE_SIZE ? size : PIECE_SIZE;

		attachment_data(
			&other->attachment,
			m->slab,
			decoded,
			transfer_data(&other->transfer, data, n, decoded)
		);
		data += n;
		size -= n;
	}
}

static void other_end(struct mime *m) {
	struct other *other = m->other;
	uint8_t rest[TRANSFER_EXTRA_MAX];

	if (other == NULL)
		return;
	attachment_data(&other->attachment, m->slab, rest, transfer_end(&other->transfer, rest));
	attachment_end(&other->attachment, m->slab);
	if (m->handler.file != NULL)
		m->handler.file(m->handler.ctx, other->facts);
	slab_put(m->slab, other, sizeof(*other));
	m->other = NULL;
}

void mime_leaf_gap(struct mime *m, uint64_t size) {
	transfer_gap(&m->transfer);
	charset_gap(&m->charset);
	html_gap(&m->html);
	if (m->facts != NULL)
		attachment_gap(&m->attachment, m->slab, size);
	if (m->second != NULL)
		mime_second_gap(m);
	if (m->inside != NULL)
		mime_inside_gap(m, size);
	if (m->other != NULL) {
		transfer_gap(&m->other->transfer);
		attachment_gap(&m->other->attachment, m->slab, size);
	}
}

// ---- The part's bytes

void mime_leaf_data(struct mime *m, const uint8_t *data, size_t size) {
	if (m->other != NULL)
		other_data(m, data, size);
	if (m->second != NULL)
		mime_second_data(m, data, size);
	if (m->transfer.kind == TRANSFER_PLAIN) {
		decoded_data(m, data, size);
		return;
	}
	while (size > 0) {
		uint8_t decoded[PIECE_SIZE + TRANSFER_EXTRA_MAX];
		size_t n = size < PIECE_SIZE ? size : PIECE_SIZE;

		decoded_data(
			m,
			decoded,
			m->facts ? transfer_data_hashing(
				&m->transfer, &m->attachment.sha256, data, n, decoded
			)
				 : transfer_data(&m->transfer, data, n, decoded)
		);
		data += n;
		size -= n;
	}
}

static void attachment_close(struct mime *m) {
	bool is_waiting = m->scan == SCAN_WAIT;

	attachment_end(&m->attachment, m->slab);
	if (m->is_guessed && strncmp(m->facts->content_type, "text/", 5) == 0) {
		if (is_waiting)
			mime_leaf_decide(m);
		else
			mime_part_is_text(m);
		return;
	}
	if (m->attachment.is_odd)
		mime_event(m, EVENT_mime_odd_archive);
	if (m->handler.file != NULL)
		m->handler.file(m->handler.ctx, m->facts);
	if (is_waiting)
		mime_leaf_decide(m);
}

void mime_leaf_end(struct mime *m, bool whole) {
	uint8_t rest[CHARSET_EXTRA_MAX + TRANSFER_EXTRA_MAX + HTML_EXTRA_MAX];

	if (!m->is_leaf)
		return;
	m->is_leaf = false;
	if (m->second != NULL)
		mime_second_end(m);
	decoded_data(m, rest, transfer_end(&m->transfer, rest));
	if (m->transfer.is_bad)
		mime_event(m, EVENT_mime_bad_content);
	if (m->facts != NULL)
		attachment_close(m);
	if (m->inside != NULL)
		mime_inside_end(m);
	other_end(m);
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
