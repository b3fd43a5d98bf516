// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a part is whose header nobody has seen: IMAP lets a client fetch BODY[2] alone, and what comes is
// still encoded. Its first bytes are kept until there are enough of them to tell; a short part is judged
// when it ends. A wrong guess shows the text as it came on the wire, which is what would be seen without
// any.

#include "mime/mime_private.h"

#include <string.h>
#include <strings.h>

enum {
	LINES_SURE = 60, // characters of a line that base64 alone has without a blank
	RUN_SURE = 120, // and of the first two lines
};

// A line of text, without its end.
struct span {
	const uint8_t *data;
	size_t size;
	bool is_whole; // its LF was seen
};

static bool span_next(const uint8_t **at, const uint8_t *end, struct span *span) {
	const uint8_t *lf;

	if (*at >= end)
		return false;
	lf = memchr(*at, '\n', (size_t)(end - *at));
	span->data = *at;
	span->is_whole = lf != NULL;
	span->size = (size_t)((lf != NULL ? lf : end) - *at);
	*at = lf != NULL ? lf + 1 : end;
	if (span->is_whole && span->size > 0 && span->data[span->size - 1] == '\r')
		span->size--;
	return true;
}

static bool starts(const struct span *span, const char *word) {
	size_t size = strlen(word);

	return span->size >= size && strncasecmp((const char *)span->data, word, size) == 0;
}

// ---- Containers

// A line of -- and a boundary, and a part's header behind it. Letters have lines of dashes, too.
static bool boundary_find(struct mime *m, const uint8_t *at, const uint8_t *end) {
	struct span line, next;

	while (span_next(&at, end, &line)) {
		const uint8_t *behind = at;

		if (line.size < 3 || !starts(&line, "--") || !span_next(&behind, end, &next)
		    || !starts(&next, "Content-"))
			continue;
		while (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\t')
			line.size--;
		if (line.size < 3 || line.size - 2 > MIME_BOUNDARY_SIZE_MAX)
			continue;
		m->part.n_boundary = (uint8_t)(line.size - 2);
		memcpy(m->part.boundary, line.data + 2, m->part.n_boundary);
		return true;
	}
	return false;
}

// Fields that servers put on top of every message; what a person quotes begins with others.
static bool is_message(const uint8_t *at, const uint8_t *end) {
	static const char *const names[]
		= {"Return-Path:",
		   "Received:",
		   "Delivered-To:",
		   "DKIM-Signature:",
		   "ARC-Seal:",
		   "X-",
		   "Message-ID:",
		   "MIME-Version:",
		   "Content-Type:"};
	struct span first, second;

	if (!span_next(&at, end, &first) || !span_next(&at, end, &second))
		return false;
	if (memchr(first.data, ':', first.size) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (starts(&first, names[i]))
			return second.size == 0 || second.data[0] == ' ' || second.data[0] == '\t'
				|| memchr(second.data, ':', second.size) != NULL;
	return false;
}

// ---- Encodings

static bool is_base64_char(uint8_t c) {
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
		|| c == '+' || c == '/';
}

// Characters of the alphabet in the line; -1: it has others, or = not at its end.
static int base64_line(const struct span *line) {
	size_t n = line->size, i = 0;

	while (n > 0 && line->size - n < 2 && line->data[n - 1] == '=')
		n--;
	while (i < n && is_base64_char(line->data[i]))
		i++;
	return i == n ? (int)line->size : -1;
}

// A short text of letters may be base64 by chance: then it does not decode to anything sensible.
static bool decodes_to_sense(const uint8_t *data, size_t size) {
	uint8_t out[MIME_GUESS_SIZE + TRANSFER_EXTRA_MAX];
	struct transfer transfer;
	size_t n;

	transfer_begin(&transfer, TRANSFER_BASE64);
	n = transfer_data(&transfer, data, size, out);
	n += transfer_end(&transfer, out + n);
	return n > 0 && !transfer.is_bad
		&& strcmp(attachment_type(out, n), "application/octet-stream") != 0;
}

// Lines of one length, of the alphabet alone; only the last may be shorter.
static bool is_base64(const uint8_t *data, size_t size, bool is_all) {
	const uint8_t *at = data, *end = data + size;
	int n, n_first = 0, n_chars = 0;
	bool is_over = false;
	struct span line;

	while (span_next(&at, end, &line)) {
		n = base64_line(&line);
		if (n < 0 || (is_over && n > 0))
			return false;
		n_first = n_first == 0 ? n : n_first;
		is_over |= line.is_whole && n < n_first;
		if (n > n_first)
			return false;
		n_chars += n;
	}
	if (n_first >= LINES_SURE && n_chars >= RUN_SURE)
		return true;
	return is_all && n_chars >= 4 && n_chars % 4 == 0 && decodes_to_sense(data, size);
}

static int hex_value(uint8_t c) {
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
				       : -1;
}

// What quoted-printable has a reason to escape (RFC 2045 6.7): not ASCII, =, and what old gateways broke.
// Addresses of web pages have "=12" as well.
static bool is_escaped(int c) {
	return c >= 0x80 || (c > 0 && c < 0x80 && strchr("=\t .F_?!\"#$@[\\]^`{|}~", c) != NULL);
}

static bool is_quoted_printable(const uint8_t *data, size_t size) {
	int n = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] >= 0x80)
			return false;
		if (data[i] != '=')
			continue;
		if (i + 2 >= size)
			break;
		if (data[i + 1] == '\n' || (data[i + 1] == '\r' && data[i + 2] == '\n')) {
			n++;
			continue;
		}
		if (hex_value(data[i + 1]) < 0 || hex_value(data[i + 2]) < 0
		    || !is_escaped(hex_value(data[i + 1]) << 4 | hex_value(data[i + 2])))
			return false;
		n++;
	}
	return n > 0;
}

enum transfer_kind mime_guess_encoding(const uint8_t *data, size_t size, bool is_all) {
	if (is_base64(data, size, is_all))
		return TRANSFER_BASE64;
	return is_quoted_printable(data, size) ? TRANSFER_QUOTED_PRINTABLE : TRANSFER_PLAIN;
}

// ---- The guess

static void guess(struct mime *m, const uint8_t *data, size_t size, bool is_all) {
	const uint8_t *end = data + size;
	const uint8_t *lf = memchr(data, '\n', size);
	// Behind a hole the first line is half a line.
	const uint8_t *from = !m->is_holed ? data : lf != NULL ? lf + 1 : end;

	mime_part_begin(m);
	if (boundary_find(m, from, end)) {
		strcpy(m->part.type, "multipart/mixed");
		mime_part_decide(m);
	} else if (!m->is_holed && is_message(data, end)) {
		return; // its header comes
	} else if (!m->is_decoded && is_base64(from, (size_t)(end - from), is_all)) {
		mime_part_guessed(m, TRANSFER_BASE64);
		if (m->is_holed)
			transfer_gap(&m->transfer);
	} else if (!m->is_decoded && is_quoted_printable(from, (size_t)(end - from))) {
		mime_part_guessed(m, TRANSFER_QUOTED_PRINTABLE);
	} else {
		mime_part_guessed(m, TRANSFER_PLAIN);
	}
	if (m->is_holed && m->facts != NULL)
		m->facts->is_holed = true;
}

void mime_guess_stop(struct mime *m, bool is_all) {
	uint8_t *kept = m->guess;

	guess(m, kept != NULL ? kept : (const uint8_t *)"", m->n_guess, is_all);
	m->guess = NULL;
	mime_data(m, kept, m->n_guess);
	slab_put(m->slab, kept, MIME_GUESS_SIZE);
}

size_t mime_guess_data(struct mime *m, const uint8_t *data, size_t size) {
	size_t n = MIME_GUESS_SIZE - m->n_guess;

	if (m->guess == NULL)
		m->guess = slab_get(m->slab, MIME_GUESS_SIZE);
	if (m->guess == NULL) {
		mime_event(m, EVENT_memory_full);
		guess(m, data, 0, false);
		return 0;
	}
	if (n > size)
		n = size;
	memcpy(m->guess + m->n_guess, data, n);
	m->n_guess += (uint16_t)n;
	if (m->n_guess == MIME_GUESS_SIZE)
		mime_guess_stop(m, false);
	return n;
}
