// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A message in and its facts out: header and body in turn, holes, and the end.

#include "mime/mime_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void mime_summary_free(struct mime_summary *summary, struct slab *slab) {
	slab_put(slab, summary->subject.text, summary->subject.size);
	slab_put(slab, summary->message_id.text, summary->message_id.size);
	for (int i = 0; i < summary->n_attachments; i++) {
		if (summary->attachments[i] == NULL)
			continue; // somebody has taken it
		attachment_facts_free(summary->attachments[i], slab);
		slab_put(slab, summary->attachments[i], sizeof(*summary->attachments[i]));
	}
	*summary = (struct mime_summary){0};
}

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
	mime_part_begin(m);
	m->is_top = true;
	m->is_header = start == MIME_HEADER;
	if (start == MIME_BODY) {
		m->is_top = false;
		m->place = PLACE_GUESS;
	}
	return m;
}

void mime_decoded(struct mime *mime) {
	mime->is_decoded = true;
}

void mime_number(struct mime *mime, const char *number, size_t size, bool is_inside) {
	assert(size <= MIME_NUMBER_SIZE_MAX);
	memcpy(mime->number, number, size);
	mime->number[size] = '\0';
	mime->is_inside = is_inside;
}

bool mime_date(const struct mime *mime, int64_t *seconds) {
	*seconds = mime->summary.date;
	return mime->summary.has_date;
}

static size_t place_data(struct mime *m, const uint8_t *data, size_t size) {
	switch (m->place) {
	case PLACE_HEADER:
		return mime_field_data(m, data, size);
	case PLACE_GUESS:
		return mime_guess_data(m, data, size);
	default:
		return m->is_header ? size : mime_body_read(m, data, size);
	}
}

void mime_data(struct mime *mime, const uint8_t *data, size_t size) {
	while (size > 0) {
		bool is_guess = mime->place == PLACE_GUESS;
		size_t n = place_data(mime, data, size);

		// What was kept to guess by has been counted when it was read.
		mime->offset += is_guess ? 0 : n;
		data += n;
		size -= n;
	}
}

void mime_part(const struct mime *mime, char *part_r, size_t size) {
	const struct level *levels[MIME_DEPTH_MAX];
	int n = 0;
	size_t used = 0;

	memcpy(part_r, mime->number, sizeof(mime->number));
	used = strlen(part_r);
	if (used > 0 && mime->inner == NULL && !mime->is_inside)
		return;
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

void mime_gap(struct mime *mime, uint64_t size) {
	mime->is_holed = true;
	if (mime->place == PLACE_GUESS && mime->n_guess == 0) {
		mime->offset += size;
		return;
	}
	if (mime->place == PLACE_GUESS)
		mime_guess_stop(mime, false);
	if (mime->place == PLACE_HEADER) {
		// The header may have ended in the hole; what follows is taken for the body.
		mime_field_stop(mime);
		mime->is_top = false;
		if (mime->is_header)
			mime->place = PLACE_BODY;
		else if (mime->place == PLACE_HEADER)
			mime_part_decide(mime); // by what has been seen of it
	} else {
		mime_body_stop(mime);
	}
	if (mime->place == PLACE_HEADER) { // behind a boundary that was held
		mime_part_begin(mime);
		mime_part_leaf(mime, false);
	}
	mime->line = LINE_IN;
	mime->n_eol = 0;
	mime->n_held = 0;
	mime_leaf_gap(mime, size);
	if (mime->scan == SCAN_WAIT)
		mime_leaf_decide(mime);
	if (mime->handler.text_end != NULL)
		mime->handler.text_end(mime->handler.ctx, false);
	mime->offset += size;
}

void mime_close(struct mime *mime, struct mime_summary *summary_r) {
	if (mime->place == PLACE_GUESS)
		mime_guess_stop(mime, true);
	mime_field_stop(mime);
	mime_body_stop(mime);
	mime_leaf_end(mime, true);
	mime->eol_offset = mime->offset;
	while (mime->inner != NULL)
		mime_body_close(mime);
	slab_put(mime->slab, mime->field, mime->field_cap);
	slab_put(mime->slab, mime->part.name.text, mime->part.name.size);
	slab_put(mime->slab, mime->part.type_name.text, mime->part.type_name.size);
	*summary_r = mime->summary;
	slab_put(mime->slab, mime, sizeof(*mime));
}
