// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A text that readers differ about, read once more. Which other reading there is, if any, is told by the part's header
// and its first bytes, in this order: the transfer encoding that its header names beside the first; one that it
// does not name, and the bytes look like; UTF-16 that it does not name, and the bytes look like; its bytes as they
// are, where it names a character set that may be the wrong one; and where it names none, the set of what
// says none. There is one other reading at most: what is read twice is read twice and no more.

#include "mime/mime_private.h"
#include "output/utf8.h"

#include <string.h>
#include <strings.h>

enum {
	PIECE_SIZE = 1024,
	UTF16_SIZE_MIN = 8, // bytes that show it
	BASE64_SIZE_MIN = 24,
};

enum second_state {
	SECOND_WAITS, // for first bytes
	SECOND_READS,
	SECOND_IS_NONE,
};

struct second {
	uint8_t state; // enum second_state
	bool is_html;
	uint16_t n_first;
	struct transfer transfer;
	struct charset charset;
	struct html html;
	uint8_t first[MIME_GUESS_SIZE]; // while it waits
};

void mime_second_open(struct mime *m) {
	if (m->handler.text == NULL || (m->scan != SCAN_TEXT && m->scan != SCAN_HTML))
		return;
	m->second = slab_get(m->slab, sizeof(*m->second));
	if (m->second == NULL)
		mime_event(m, EVENT_memory_full);
}

// ---- Which

// Most characters of a text are of one page of 256 below U+0600, whose byte is 0 to 5; of other texts hardly any is.
static const char *utf16_name(const uint8_t *data, size_t size) {
	size_t n = size / 2, high[2] = {0};

	if (size < UTF16_SIZE_MIN)
		return NULL;
	if (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0)
		return "UTF-16";
	for (size_t i = 0; i < 2 * n; i++)
		high[i % 2] += data[i] < 6;
	if (high[1] * 8 >= n * 7 && high[0] * 8 <= n)
		return "UTF-16LE";
	return high[0] * 8 >= n * 7 && high[1] * 8 <= n ? "UTF-16BE" : NULL;
}

// Whether all characters are UTF-8. The last may be cut.
static bool is_utf8(const uint8_t *data, size_t size) {
	for (size_t at = 0; at < size;) {
		int len = utf8_next(data + at, size - at);
		if (len < 0)
			return at + (size_t)-len == size;
		at += (size_t)len;
	}
	return true;
}

static bool charset_begins(struct mime *m, const char *name) {
	return charset_begin(&m->second->charset, m->charsets, name, strlen(name));
}

// A character set that is another one than the first reading has. The bytes are decoded.
static bool charset_decide(struct mime *m, const uint8_t *data, size_t size) {
	const char *name = utf16_name(data, size), *said = m->part.charset;

	if (name != NULL && strcasecmp(said, name) != 0
	    && !(strcasecmp(said, "UTF-16") == 0 && strcmp(name, "UTF-16BE") != 0))
		return charset_begins(m, name);
	if (said[0] != '\0')
		return m->charset.table != NULL || m->charset.converter != NULL;
	return charset_begin_raw(&m->second->charset, m->charsets)
		&& !charset_raw_is_usual(m->charsets);
}

// Where the encoding is already another one there is no reading left for each set that it may be: it is the one that
// lenient programs show, UTF-16 that the bytes show, else the named one, else that of what says none. The bytes are
// decoded.
static void charset_guess(struct mime *m, const uint8_t *data, size_t size) {
	const char *name = utf16_name(data, size), *said = m->part.charset;

	if (name != NULL ? charset_begins(m, name) : said[0] != '\0' && charset_begins(m, said))
		return;
	if (!is_utf8(data, size) && !charset_raw_is_usual(m->charsets))
		charset_begin_raw(&m->second->charset, m->charsets);
}

// A short text of letters and digits alone is a word, unless its header names an encoding that nobody knows.
static bool is_short_base64_likely(const struct mime *m) {
	static const char *const plain[] = {"", "7bit", "8bit", "binary"};

	if (m->second->n_first >= BASE64_SIZE_MIN)
		return true;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(m->part.encoding, plain[i]) == 0)
			return false;
	return true;
}

static bool decide(struct mime *m, bool is_all) {
	struct second *second = m->second;
	uint8_t decoded[MIME_GUESS_SIZE + TRANSFER_EXTRA_MAX];
	enum transfer_kind kind = m->transfer.kind;
	struct transfer transfer;
	size_t n;

	if (m->part.has_other_encoding && !m->is_decoded)
		kind = mime_part_other(m);
	if (kind == m->transfer.kind && kind == TRANSFER_PLAIN && !m->is_decoded)
		kind = mime_guess_encoding(
			second->first, second->n_first, is_all && is_short_base64_likely(m)
		);
	transfer_begin(&second->transfer, kind);
	transfer_begin(&transfer, kind);
	n = transfer_data(&transfer, second->first, second->n_first, decoded);
	if (kind == m->transfer.kind)
		return charset_decide(m, decoded, n);
	charset_guess(m, decoded, n);
	return true;
}

// ---- The text

static void text_tell(struct mime *m, const uint8_t *data, size_t size) {
	if (size > 0)
		m->handler.text(
			m->handler.ctx,
			m->is_attached ? MIME_OTHER_ATTACHED : MIME_OTHER,
			data,
			size
		);
}

static void utf8_data(struct mime *m, const uint8_t *data, size_t size) {
	struct second *second = m->second;

	while (second->is_html && size > 0) {
		uint8_t text[PIECE_SIZE + HTML_EXTRA_MAX];
		size_t n = size < PIECE_SIZE ? size : PIECE_SIZE;

		text_tell(m, text, html_data(&second->html, data, n, text));
		data += n;
		size -= n;
	}
	text_tell(m, data, size);
}

static void data_read(struct mime *m, const uint8_t *data, size_t size) {
	struct second *second = m->second;

	while (size > 0) {
		uint8_t decoded[PIECE_SIZE + TRANSFER_EXTRA_MAX];
		uint8_t text[sizeof(decoded) * CHARSET_GROWTH + CHARSET_EXTRA_MAX];
		size_t n = size < PIECE_SIZE ? size : PIECE_SIZE;
		size_t n_decoded = transfer_data(&second->transfer, data, n, decoded);

		utf8_data(m, text, charset_data(&second->charset, decoded, n_decoded, text));
		data += n;
		size -= n;
	}
}

static void begin(struct mime *m, bool is_all) {
	struct second *second = m->second;

	second->is_html = m->scan == SCAN_HTML;
	html_begin(&second->html);
	second->state = decide(m, is_all) ? SECOND_READS : SECOND_IS_NONE;
	if (second->state == SECOND_READS)
		data_read(m, second->first, second->n_first);
}

void mime_second_data(struct mime *m, const uint8_t *data, size_t size) {
	struct second *second = m->second;
	size_t n;

	if (second->state == SECOND_WAITS) {
		n = sizeof(second->first) - second->n_first;
		n = n < size ? n : size;
		memcpy(second->first + second->n_first, data, n);
		second->n_first += (uint16_t)n;
		if (second->n_first < sizeof(second->first))
			return;
		begin(m, false);
		data += n;
		size -= n;
	}
	if (second->state == SECOND_READS)
		data_read(m, data, size);
}

void mime_second_gap(struct mime *m) {
	struct second *second = m->second;

	if (second->state == SECOND_WAITS)
		begin(m, false);
	transfer_gap(&second->transfer);
	charset_gap(&second->charset);
	html_gap(&second->html);
}

void mime_second_end(struct mime *m) {
	uint8_t rest[TRANSFER_EXTRA_MAX],
		out[TRANSFER_EXTRA_MAX * CHARSET_GROWTH + CHARSET_EXTRA_MAX];
	struct second *second = m->second;
	size_t n;

	if (second->state == SECOND_WAITS)
		begin(m, true);
	if (second->state == SECOND_READS) {
		n = transfer_end(&second->transfer, rest);
		utf8_data(m, out, charset_data(&second->charset, rest, n, out));
	}
	n = charset_end(&second->charset, out);
	if (second->state == SECOND_READS)
		utf8_data(m, out, n);
	if (second->state == SECOND_READS && second->is_html)
		text_tell(m, out, html_end(&second->html, out));
	slab_put(m->slab, second, sizeof(*second));
	m->second = NULL;
}
