// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Boundaries. In a body, lines that begin with -- may be one; all else goes on to the part's content in
// pieces as large as they come.

#include "find.h"
#include "mime/mime_private.h"

#include <string.h>

// ---- Boundaries

static bool is_blank_only(const uint8_t *text, size_t size) {
	for (size_t i = 0; i < size; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
			return false;
	return true;
}

// A line that begins with -- (RFC 2046 5.1.1): the longest boundary that it begins with.
struct mime_match mime_body_match(const struct mime *m, const uint8_t *line, size_t size) {
	struct mime_match match = {0};

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

void mime_body_close(struct mime *m) {
	struct level *level = m->inner;

	if (level->n_boundary > 0 && !level->is_closed && !m->is_holed)
		mime_event(m, EVENT_mime_not_closed);
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
void mime_body_take(struct mime *m, const struct mime_match *match) {
	mime_leaf_end(m, true);
	while (m->inner != match->level)
		mime_body_close(m);
	if (match->is_odd)
		mime_event(m, EVENT_mime_ambiguous_boundary);
	if (match->level->is_closed)
		mime_event(m, EVENT_mime_after_end);
	match->level->part += match->level->part < UINT16_MAX;
	mime_part_begin(m);
	if (match->is_close) {
		// What follows belongs to nobody; it is searched as text.
		match->level->is_closed = true;
		mime_part_leaf(m, false);
		return;
	}
	if (++m->n_parts <= MIME_PARTS_MAX)
		return;
	mime_event(m, EVENT_mime_limit);
	m->is_limited = true;
	mime_part_leaf(m, false);
}

// ---- Lines

static void eol_give(struct mime *m) {
	if (m->n_eol > 0)
		mime_leaf_data(m, (const uint8_t *)(m->n_eol == 2 ? "\r\n" : "\n"), m->n_eol);
	m->n_eol = 0;
}

// What was held is content.
static void held_give(struct mime *m) {
	uint16_t n = m->n_held;

	eol_give(m);
	m->n_held = 0;
	mime_leaf_data(m, m->held, n);
}

// A line that begins with -- is whole, or as long as is held. end: its LF was the last byte.
static void held_decide(struct mime *m, bool end) {
	struct mime_match match = mime_body_match(m, m->held, m->n_held);
	bool has_cr;

	if (match.level != NULL) {
		mime_body_take(m, &match);
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

// In the middle of a line: content up to a line end that a boundary may follow, which is held.
// Returns how many bytes were read.
static size_t line_data(struct mime *m, const uint8_t *data, size_t size) {
	size_t at = find_line_dash(data, size), n = at;

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
	mime_leaf_data(m, data, n);
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
	mime_leaf_data(m, (const uint8_t *)"\r", 1);
	m->line = LINE_IN;
}

// Returns how many bytes belong to this body.
size_t mime_body_read(struct mime *m, const uint8_t *data, size_t size) {
	uint64_t offset = m->offset;
	size_t at = 0;

	if (m->inner == NULL || m->is_limited) {
		eol_give(m);
		mime_leaf_data(m, data, size);
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

// The rest of what is held, when no more comes behind it.
void mime_body_stop(struct mime *m) {
	if (m->place != PLACE_BODY)
		return;
	if (m->line == LINE_CR)
		mime_leaf_data(m, (const uint8_t *)"\r", 1);
	else if (m->line == LINE_START && m->n_held > 1 && mime_body_match(m, m->held, m->n_held).level != NULL)
		held_decide(m, true);
	else if (m->line == LINE_START)
		held_give(m);
}
