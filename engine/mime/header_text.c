// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Text of a header on its way out: encoded words (RFC 2047), and one gate behind which everything is UTF-8,
// whatever was claimed of it.

#include "mime/header_private.h"
#include "mime/transfer.h"
#include "output/utf8.h"

#include <string.h>
#include <strings.h>

// ---- The gate

// Whole characters, as many as there is room for.
static void out_put(struct text *text, const uint8_t *data, size_t size) {
	size_t n = utf8_cut((const char *)data, size, text->size - text->n);

	memcpy(text->out + text->n, data, n);
	text->n += n;
	if (n == size)
		return;
	text->size = text->n; // what follows would stand in the wrong place
	*text->flaws |= HEADER_CUT;
}

static void bad_put(struct text *text) {
	*text->flaws |= HEADER_BAD_WORD;
	out_put(text, (const uint8_t *)"\xef\xbf\xbd", 3); // U+FFFD
}

static size_t ascii_size(const uint8_t *data, size_t size) {
	size_t n = 0;
	uint64_t word;

	for (; size - n >= 8; n += 8) {
		memcpy(&word, data + n, 8);
		if (word & 0x8080808080808080)
			break;
	}
	while (n < size && data[n] < 0x80)
		n++;
	return n;
}

// Of how many bytes is a text UTF-8 from its beginning?
static size_t utf8_size(const uint8_t *data, size_t size) {
	size_t n = 0;
	int len;

	while (n < size) {
		n += ascii_size(data + n, size - n);
		if (n == size || (len = utf8_next(data + n, size - n)) < 0)
			break;
		n += (size_t)len;
	}
	return n;
}

// A character that came in pieces, with one byte more. False: the byte does not belong to it.
static bool carry_add(struct text *text, uint8_t c) {
	int len;

	text->carry[text->n_carry++] = c;
	len = utf8_next(text->carry, text->n_carry);
	if (len > 0) {
		out_put(text, text->carry, text->n_carry);
		text->n_carry = 0;
	} else if (-len < text->n_carry) {
		bad_put(text);
		text->n_carry = 0;
		return false;
	}
	return true;
}

void header_put(struct text *text, const uint8_t *data, size_t size) {
	if (text->is_octets) {
		size_t n = size < text->size - text->n ? size : text->size - text->n;

		memcpy(text->out + text->n, data, n);
		text->n += n;
		*text->flaws |= n < size ? HEADER_CUT : 0;
		return;
	}
	while (size > 0) {
		size_t n = 0;

		if (text->n_carry > 0) {
			n = carry_add(text, data[0]);
		} else if ((n = utf8_size(data, size)) > 0) {
			out_put(text, data, n);
		} else {
			// The beginning of a character, or of none: the next byte will tell.
			text->carry[text->n_carry++] = data[0];
			n = 1;
		}
		data += n;
		size -= n;
	}
}

bool header_is_raw(struct text *text, struct header_slice value) {
	if (text->is_octets || utf8_size(value.data, value.size) == value.size)
		return false;
	*text->flaws |= HEADER_OFF_GRAMMAR;
	return true;
}

void header_put_plain(struct text *text, const uint8_t *data, size_t size, bool is_raw) {
	uint8_t out[HEADER_PIECE * CHARSET_GROWTH + CHARSET_EXTRA_MAX];
	struct charset raw;

	if (!is_raw || !charset_begin_raw(&raw, text->charsets)) {
		header_put(text, data, size);
		return;
	}
	for (size_t at = 0; at < size; at += HEADER_PIECE) {
		size_t n = size - at < HEADER_PIECE ? size - at : HEADER_PIECE;

		header_put(text, out, charset_data(&raw, data + at, n, out));
	}
	header_put(text, out, charset_end(&raw, out));
}

size_t header_text_end(struct text *text) {
	header_charset_leave(text);
	if (text->n_carry > 0)
		bad_put(text);
	text->n_carry = 0;
	return text->n;
}

// ---- Encoded words

// =?charset?B?text?=
struct word {
	struct header_slice charset, text;
	bool is_base64;
	const uint8_t *end;
};

// 1: *word; 0: none begins here; -1: and none will end from here on.
static int word_find(struct cursor at, struct word *word) {
	const uint8_t *p = at.at + 2, *star, *close;
	size_t n = 0;

	if (at.end - at.at < 8 || at.at[0] != '=' || at.at[1] != '?')
		return 0;
	while (p + n < at.end && n <= HEADER_WORD_MAX && p[n] > ' ' && p[n] != '?')
		n++;
	if (n == 0 || p + n + 3 > at.end || p[n] != '?' || p[n + 2] != '?')
		return 0;
	star = memchr(p, '*', n); // RFC 2231 section 5: a language
	word->charset = (struct header_slice){p, star != NULL ? (size_t)(star - p) : n};
	if ((p[n + 1] | 0x20) != 'b' && (p[n + 1] | 0x20) != 'q')
		return 0;
	word->is_base64 = (p[n + 1] | 0x20) == 'b';
	p += n + 3;
	close = memmem(p, (size_t)(at.end - p), "?=", 2);
	if (close == NULL)
		return -1;
	word->text = (struct header_slice){p, (size_t)(close - p)};
	word->end = close + 2;
	return 1;
}

void header_charset_leave(struct text *text) {
	uint8_t out[CHARSET_EXTRA_MAX];

	header_put(text, out, charset_end(&text->charset, out));
	text->charset_name = (struct header_slice){0};
}

void header_put_coded(struct text *text, const uint8_t *data, size_t size) {
	uint8_t out[(HEADER_PIECE + TRANSFER_EXTRA_MAX) * CHARSET_GROWTH + CHARSET_EXTRA_MAX];

	header_put(text, out, charset_data(&text->charset, data, size, out));
}

void header_put_escaped(
	struct text *text,
	struct header_slice in,
	char mark,
	char blank,
	uint32_t flaw
) {
	uint8_t out[HEADER_PIECE];
	size_t n = 0;

	for (size_t i = 0; i < in.size; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *high = NULL, *low = NULL;

		if (in.data[i] == mark && i + 2 < in.size && in.data[i + 1] != 0
		    && in.data[i + 2] != 0) {
			high = strchr(digits, in.data[i + 1] | 0x20);
			low = strchr(digits, in.data[i + 2] | 0x20);
		}
		if (high != NULL && low != NULL) {
			out[n++] = (uint8_t)((high - digits) << 4 | (low - digits));
			i += 2;
		} else {
			if (in.data[i] == mark)
				*text->flaws |= flaw;
			out[n++] = in.data[i] == blank ? ' ' : in.data[i];
		}
		if (n == HEADER_PIECE) {
			header_put_coded(text, out, n);
			n = 0;
		}
	}
	header_put_coded(text, out, n);
}

static void word_b(struct text *text, struct header_slice in) {
	struct transfer transfer;
	uint8_t out[HEADER_PIECE + TRANSFER_EXTRA_MAX];

	transfer_begin(&transfer, TRANSFER_BASE64);
	for (size_t i = 0; i < in.size; i += HEADER_PIECE) {
		size_t size = in.size - i < HEADER_PIECE ? in.size - i : HEADER_PIECE;

		header_put_coded(text, out, transfer_data(&transfer, in.data + i, size, out));
	}
	if (transfer.is_bad)
		*text->flaws |= HEADER_BAD_WORD;
	header_put_coded(text, out, transfer_end(&transfer, out));
}

// False: its character set is not known, it stands as it is.
static bool word_put(struct text *text, const struct word *word) {
	bool is_same = word->charset.size == text->charset_name.size && word->charset.size > 0
		&& strncasecmp(
			   (const char *)word->charset.data,
			   (const char *)text->charset_name.data,
			   word->charset.size
		   ) == 0;

	// RFC 2047 2: no blanks; where they stand readers differ, and most decode it.
	if (memchr(word->text.data, ' ', word->text.size) != NULL)
		*text->flaws |= HEADER_BAD_WORD;
	if (!is_same) {
		header_charset_leave(text);
		if (!charset_begin(
			    &text->charset,
			    text->charsets,
			    (const char *)word->charset.data,
			    word->charset.size
		    )) {
			*text->flaws |= HEADER_BAD_WORD;
			return false;
		}
		text->charset_name = word->charset;
	}
	if (word->is_base64)
		word_b(text, word->text);
	else
		header_put_escaped(text, word->text, '=', '_', HEADER_BAD_WORD);
	return true;
}

// How many blanks stand before the next encoded word: they are not shown between two of them.
static const uint8_t *blanks_skip(struct cursor at) {
	while (at.at < at.end && header_is_space(*at.at))
		at.at++;
	return at.at;
}

void header_put_words(struct text *text, struct header_slice value) {
	struct cursor at = {value.data, value.data + value.size};
	bool can_end = true, is_raw = header_is_raw(text, value);

	while (at.at < at.end) {
		const uint8_t *next = memchr(at.at, '=', (size_t)(at.end - at.at));
		struct word word;
		int found;

		if (next == NULL || !can_end)
			next = at.end;
		if (next > at.at) {
			// Blanks alone, after a word and before another, are no text.
			bool is_between = text->charset_name.size > 0 && blanks_skip(at) == next
				&& word_find((struct cursor){next, at.end}, &word) == 1;

			if (!is_between) {
				header_charset_leave(text);
				header_put_plain(text, at.at, (size_t)(next - at.at), is_raw);
			}
			at.at = next;
			continue;
		}
		found = word_find(at, &word);
		can_end = found >= 0;
		if (found == 1 && word_put(text, &word)) {
			at.at = word.end;
			continue;
		}
		if (found < 0)
			*text->flaws |= HEADER_BAD_WORD;
		header_charset_leave(text);
		header_put_plain(text, at.at, found == 1 ? (size_t)(word.end - at.at) : 1, is_raw);
		at.at = found == 1 ? word.end : at.at + 1;
	}
	header_charset_leave(text);
}

size_t header_text(
	struct charsets *charsets,
	struct header_slice value,
	uint8_t *out,
	size_t out_size,
	uint32_t *flaws
) {
	struct text text = {.charsets = charsets, .out = out, .size = out_size, .flaws = flaws};

	header_put_words(&text, value);
	return header_text_end(&text);
}