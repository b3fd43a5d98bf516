// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A uuencoded file inside a text: "begin 644 name", lines, "end". Mail programs of old show it as an attachment, and it
// is listed as one; the text stays what it is. Whether it is one is told by the line behind the first: letters
// begin many lines, and hardly ever one whose length its first character says.

#include "mime/mime_private.h"

#include <string.h>

enum {
	LINE_SIZE = 255, // of a name, and more than any line of data
	CHECKSUM_MAX = 2, // characters that some put behind a line's groups
	BYTES_MAX = 45, // of a line
	PADDING_MAX = 3, // characters
};

enum inside_state {
	INSIDE_NAME,
	INSIDE_FIRST, // in the line behind the name
	INSIDE_DATA,
	INSIDE_OVER,
};

struct inside {
	uint8_t state; // enum inside_state
	uint8_t n_line;
	bool is_long; // the line has more than is kept
	struct attachment_text name;
	struct transfer transfer;
	struct attachment attachment;
	struct attachment_facts *facts; // NULL: not listed
	char line[LINE_SIZE];
};

void mime_inside_begin(struct mime *m) {
	m->inside = slab_get(m->slab, sizeof(*m->inside));
	if (m->inside == NULL)
		mime_event(m, EVENT_memory_full);
}

// The bytes that a line of data says it has; -1: it is none. Blanks at its end, zeros, may have been lost on the way,
// of the first no more than its last group may have for padding: by that line it is known.
static int data_size(const struct inside *inside) {
	const char *line = inside->line;
	int n, groups, chars = inside->n_line - 1;

	if (chars < 0 || inside->is_long)
		return -1;
	for (int i = 0; i <= chars; i++)
		if (line[i] < ' ' || line[i] > '`')
			return -1;
	n = (line[0] - ' ') & 0x3f;
	groups = (n + 2) / 3 * 4;
	if (n > BYTES_MAX || chars > groups + CHECKSUM_MAX)
		return -1;
	return chars + PADDING_MAX >= groups || inside->state == INSIDE_DATA ? n : -1;
}

// Short lines were cut at blanks, which are zeros.
static void line_pad(struct inside *inside, int size) {
	int groups = (size + 2) / 3 * 4;

	while (inside->n_line < 1 + groups)
		inside->line[inside->n_line++] = ' ';
	inside->line[inside->n_line++] = '\n';
}

static void file_data(struct mime *m, int size) {
	struct inside *inside = m->inside;
	uint8_t decoded[LINE_SIZE + TRANSFER_EXTRA_MAX];
	size_t n;

	line_pad(inside, size);
	n = transfer_data(
		&inside->transfer, (const uint8_t *)inside->line, inside->n_line, decoded
	);
	if (inside->facts != NULL)
		attachment_data(&inside->attachment, m->slab, decoded, n);
}

static void file_begin(struct mime *m) {
	static const uint8_t begin[] = "begin \n"; // to the lines of data
	struct inside *inside = m->inside;
	uint8_t nothing[sizeof(begin) + TRANSFER_EXTRA_MAX];

	transfer_begin(&inside->transfer, TRANSFER_UUENCODE);
	transfer_data(&inside->transfer, begin, sizeof(begin) - 1, nothing);
	inside->facts = mime_part_listed(m, &inside->name);
	if (inside->facts != NULL)
		attachment_begin(&inside->attachment, inside->facts, m->handler.hashes);
	inside->state = INSIDE_DATA;
}

static void file_end(struct mime *m) {
	struct inside *inside = m->inside;

	inside->state = INSIDE_OVER;
	if (inside->facts == NULL)
		return;
	attachment_end(&inside->attachment, m->slab);
	if (inside->attachment.is_odd)
		mime_event(m, EVENT_mime_odd_archive);
	if (m->handler.file != NULL)
		m->handler.file(m->handler.ctx, inside->facts);
}

// Behind "begin 644": a blank and the name.
static void name_line(struct mime *m) {
	struct inside *inside = m->inside;

	inside->state = INSIDE_OVER;
	if (inside->n_line < 2 || inside->line[0] != ' ')
		return;
	inside->name = attachment_text_copy(
		m->slab, (const uint8_t *)inside->line + 1, inside->n_line - 1u
	);
	inside->state = INSIDE_FIRST;
}

// A line that is whole, without its end.
static void line_read(struct mime *m) {
	struct inside *inside = m->inside;
	int size;

	if (inside->n_line > 0 && inside->line[inside->n_line - 1] == '\r')
		inside->n_line--;
	if (inside->state == INSIDE_NAME) {
		name_line(m);
		return;
	}
	size = data_size(inside);
	if (inside->state == INSIDE_FIRST && size > 0)
		file_begin(m);
	if (inside->state != INSIDE_DATA) {
		inside->state = INSIDE_OVER;
		return;
	}
	// It ends with an empty line, whatever stands behind that.
	if (size > 0)
		file_data(m, size);
	else
		file_end(m);
}

size_t mime_inside_data(struct mime *m, const uint8_t *data, size_t size) {
	struct inside *inside = m->inside;
	const uint8_t *lf = memchr(data, '\n', size);
	size_t n = lf != NULL ? (size_t)(lf - data) : size;
	// Padding and a line end must have room.
	size_t room = LINE_SIZE - 1u - inside->n_line, kept = n < room ? n : room;

	memcpy(inside->line + inside->n_line, data, kept);
	inside->n_line = (uint8_t)(inside->n_line + kept);
	inside->is_long |= kept < n;
	if (lf == NULL)
		return size;
	line_read(m);
	inside->n_line = 0;
	inside->is_long = false;
	if (inside->state == INSIDE_OVER)
		mime_inside_end(m);
	return n + 1;
}

void mime_inside_gap(struct mime *m, uint64_t size) {
	struct inside *inside = m->inside;

	if (inside->state == INSIDE_DATA && inside->facts != NULL)
		attachment_gap(&inside->attachment, m->slab, size);
	mime_inside_end(m);
}

void mime_inside_end(struct mime *m) {
	struct inside *inside = m->inside;

	// The last line may have no end.
	if (inside->n_line > 0 && inside->state != INSIDE_OVER)
		line_read(m);
	if (inside->state == INSIDE_DATA)
		file_end(m);
	slab_put(m->slab, inside->name.text, inside->name.size);
	slab_put(m->slab, inside, sizeof(*inside));
	m->inside = NULL;
}
