// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Mailbox names as people read them: modified UTF-7 (RFC 3501 5.1.3) or UTF-8 becomes UTF-8. A name
// has one right spelling; another one is left as it is on the wire, so that two spellings never look
// like one mailbox, and is told.

#include "proto/imap/imap_private.h"

#include <string.h>
#include <strings.h>

// Where text goes, as far as there is room: whole characters only.
struct sink {
	char *at, *end;
	uint32_t n_chars;
	bool is_full;
};

static void sink_put(struct sink *sink, const void *bytes, size_t size) {
	if ((size_t)(sink->end - sink->at) < size || sink->n_chars == TEXT_CHARS_MAX)
		sink->is_full = true;
	if (sink->is_full)
		return;
	memcpy(sink->at, bytes, size);
	sink->at += size;
	sink->n_chars++;
}

static void sink_char(struct sink *sink, uint32_t c) {
	uint8_t out[4];

	if (c < 0x80) {
		out[0] = c;
		sink_put(sink, out, 1);
	} else if (c < 0x800) {
		out[0] = 0xc0 | c >> 6;
		out[1] = 0x80 | (c & 0x3f);
		sink_put(sink, out, 2);
	} else if (c < 0x10000) {
		out[0] = 0xe0 | c >> 12;
		out[1] = 0x80 | (c >> 6 & 0x3f);
		out[2] = 0x80 | (c & 0x3f);
		sink_put(sink, out, 3);
	} else {
		out[0] = 0xf0 | c >> 18;
		out[1] = 0x80 | (c >> 12 & 0x3f);
		out[2] = 0x80 | (c >> 6 & 0x3f);
		out[3] = 0x80 | (c & 0x3f);
		sink_put(sink, out, 4);
	}
}

// The size of the UTF-8 character (RFC 3629) at the start of text, 0: none.
static size_t utf8_size(const uint8_t *text, size_t size) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t c;

	if (n == 1)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4 || size < n)
		return 0;
	c = text[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

// Copies UTF-8; control characters and what is no UTF-8 as \xHH. Returns whether nothing was escaped.
static bool clean_put(struct sink *sink, const uint8_t *in, size_t size) {
	static const char hex[] = "0123456789abcdef";
	bool is_clean = true;
	size_t n;

	for (; size > 0; in += n, size -= n) {
		n = utf8_size(in, size);
		if (n > 0 && in[0] >= 0x20 && in[0] != 0x7f) {
			sink_put(sink, in, n);
			continue;
		}
		n = 1;
		is_clean = false;
		sink_put(sink, (const char[]){'\\', 'x', hex[in[0] >> 4], hex[in[0] & 15]}, 4);
	}
	return is_clean;
}

size_t imap_utf8_clean(char *out, size_t size, const uint8_t *in, size_t in_size) {
	struct sink sink = {.at = out, .end = out + size - 1};

	clean_put(&sink, in, in_size);
	*sink.at = '\0';
	return sink.at - out;
}

static int base64_value(uint8_t c) {
	static const char digits[]
		= "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

// One UTF-16 unit; *high holds the first half of a pair. false: no text, or what has a plain spelling.
static bool unit_put(struct sink *sink, uint16_t unit, uint16_t *high) {
	bool is_low = unit >= 0xdc00 && unit < 0xe000;

	if (is_low != (*high != 0))
		return false;
	if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
		return true;
	}
	if (is_low)
		sink_char(sink, 0x10000 + ((*high - 0xd800u) << 10) + (unit - 0xdc00u));
	else if (unit >= 0x20 && unit < 0x7f)
		return false; // printable ASCII stands for itself
	else if (unit < 0x20 || unit == 0x7f)
		return false; // nobody names a mailbox so, but to forge a line
	else
		sink_char(sink, unit);
	*high = 0;
	return true;
}

// "&" *base64 "-": at is behind the &. Returns what comes after, NULL: not canonical.
static const uint8_t *shifted_put(struct sink *sink, const uint8_t *at, const uint8_t *end) {
	uint32_t bits = 0, n_bits = 0;
	uint16_t high = 0;
	int value;

	for (; at < end && *at != '-'; at++) {
		value = base64_value(*at);
		if (value < 0)
			return NULL;
		bits = (bits << 6 | value) & 0xffffff;
		n_bits += 6;
		if (n_bits >= 16) {
			n_bits -= 16;
			if (!unit_put(sink, bits >> n_bits & 0xffff, &high))
				return NULL;
		}
	}
	if (at == end || high != 0 || n_bits >= 6 || (bits & ((1u << n_bits) - 1)) != 0)
		return NULL;
	return at + 1;
}

// false: this is no modified UTF-7 in its one spelling. "&AOk-&AOk-" has a shorter one: not that either.
static bool utf7_put(struct sink *sink, const uint8_t *in, size_t size) {
	const uint8_t *at = in, *end = in + size, *shift_end = NULL;

	// As nearly all are: so many characters that stand for themselves.
	while (at < end && *at >= 0x20 && *at < 0x7f && *at != '&')
		at++;
	if (at - in <= TEXT_CHARS_MAX && (size_t)(sink->end - sink->at) >= (size_t)(at - in)) {
		memcpy(sink->at, in, (size_t)(at - in));
		sink->at += at - in;
		sink->n_chars = (uint32_t)(at - in);
	} else {
		at = in;
	}

	while (at < end) {
		if (*at < 0x20 || *at >= 0x7f)
			return false;
		if (*at != '&') {
			sink_put(sink, at++, 1);
		} else if (at + 1 < end && at[1] == '-') {
			sink_put(sink, "&", 1);
			at += 2;
		} else {
			if (at == shift_end)
				return false;
			at = shift_end = shifted_put(sink, at + 1, end);
			if (at == NULL)
				return false;
		}
	}
	return true;
}

char *imap_name_new(struct imap_ctx *c, const uint8_t *name, size_t name_size, uint16_t *size) {
	char text[4 * TEXT_CHARS_MAX + 4]; // and an ellipsis
	struct sink sink = {.at = text, .end = text + sizeof(text) - 4};
	char *block;

	if (name_size == 5 && strncasecmp((const char *)name, "INBOX", 5) == 0)
		name = (const uint8_t *)"INBOX"; // the one name whose case says nothing
	if (c->imap->is_utf8 ? !clean_put(&sink, name, name_size)
			     : !utf7_put(&sink, name, name_size)) {
		session_event(c->s, EVENT_bad_mailbox_name);
		sink = (struct sink){.at = text, .end = text + sizeof(text) - 4};
		clean_put(&sink, name, name_size);
	}
	if (sink.is_full) {
		memcpy(sink.at, "\u2026", 3);
		sink.at += 3;
	}
	*sink.at++ = '\0';
	block = slab_get(session_slab(c->s), sink.at - text);
	if (block == NULL) {
		session_event(c->s, EVENT_memory_full);
		return NULL;
	}
	*size = sink.at - text;
	return memcpy(block, text, *size);
}
