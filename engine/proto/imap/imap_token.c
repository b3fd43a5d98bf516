// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a line of IMAP consists of (RFC 9051 section 9). Nothing here keeps state: a cursor walks over
// a whole line, and the literal that may end it is found first.

#include "proto/imap/imap_private.h"

#include <string.h>

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

// What ends an atom, and what in one needs a look.
enum {
	IN_END = 1,
	IN_SECTION = 2,
	IN_BAD = 4, // stands in a line by no grammar; servers have been broken with both
};

static const uint8_t kinds[256] = {
	['\0'] = IN_BAD,
	['\r'] = IN_BAD,
	[' '] = IN_END,
	['('] = IN_END,
	[')'] = IN_END,
	['"'] = IN_END,
	['['] = IN_SECTION,
};

// Sections contain spaces, parentheses and strings: "BODY[HEADER.FIELDS (To Cc)]<0>" is one item.
static bool has_section(const uint8_t *atom, size_t size) {
	return (size == 4 && word_is(atom, "BODY")) || (size == 9 && word_is(atom, "BODY.PEEK"))
		|| (size >= 6 && word_is(atom, "BINARY"));
}

static bool has_bad(const uint8_t *at, const uint8_t *end) {
	while (at < end && !(kinds[*at] & IN_BAD))
		at++;
	return at < end;
}

// Returns its end; sets *is_bad when there is what stands in none.
static const uint8_t *atom_end(const uint8_t *at, const uint8_t *end, bool *is_bad) {
	const uint8_t *start = at;
	const uint8_t *close;
	uint8_t kind;

	for (; at < end; at++) {
		kind = kinds[*at];
		if (kind == 0)
			continue;
		if (kind == IN_END)
			break;
		if (kind == IN_BAD) {
			*is_bad = true;
		} else if (has_section(start, at - start)) {
			close = memchr(at, ']', end - at);
			*is_bad |= has_bad(at, close != NULL ? close : end);
			if (close == NULL)
				return end;
			at = close;
		}
	}
	return at;
}

static int string_next(struct imap_cursor *cursor, struct imap_token *token) {
	const uint8_t *at = cursor->at + 1, *end = cursor->end;
	bool is_bad = false;

	token->kind = TOKEN_STRING;
	token->data = at;
	for (; at < end && *at != '"'; at++) {
		is_bad |= kinds[*at] & IN_BAD;
		if (*at == '\\' && at + 1 < end)
			is_bad |= kinds[*++at] & IN_BAD;
	}
	if (at >= end)
		return -1;
	token->size = at - token->data;
	cursor->at = at + 1;
	return is_bad ? -1 : 1;
}

int imap_token_next(struct imap_cursor *cursor, struct imap_token *token) {
	const uint8_t *at = cursor->at, *end = cursor->end;
	bool is_bad = false;

	token->data = NULL;
	token->size = 0;
	token->kind = TOKEN_ATOM;
	while (at < end && *at == ' ')
		at++;
	cursor->at = at;
	if (at >= end)
		return 0;
	token->data = at;
	token->size = 1;
	switch (*at) {
	case '(':
		token->kind = TOKEN_OPEN;
		cursor->at++;
		return 1;
	case ')':
		token->kind = TOKEN_CLOSE;
		cursor->at++;
		return 1;
	case '"':
		return string_next(cursor, token);
	default:
		cursor->at = atom_end(at, end, &is_bad);
		token->size = cursor->at - at;
		return is_bad ? -1 : 1;
	}
}

// literal = "{" number64 ["+"] "}", literal8 = "~{" number64 ["+"] "}" (RFC 9051, RFC 7888)
int imap_literal_find(const uint8_t *line, size_t size, struct imap_literal *literal) {
	const uint8_t *end = line + size;
	const uint8_t *at;
	uint64_t n = 0;

	if (size < 2 || end[-1] != '}')
		return 0;
	at = end - 1;
	while (at > line && *at != '{')
		at--;
	if (*at != '{' || (at > line && memchr(" (~", at[-1], 3) == NULL))
		return 0;
	literal->spec_size = end - at;
	if (at > line && at[-1] == '~')
		literal->spec_size++;
	literal->is_sync = end[-2] != '+';
	end -= literal->is_sync ? 1 : 2;
	if (++at >= end)
		return -1;
	for (; at < end; at++) {
		if (!is_digit(*at) || n > (INT64_MAX - 9) / 10)
			return -1;
		n = n * 10 + (*at - '0');
	}
	literal->size = n;
	return 1;
}

bool imap_token_is_name(const struct imap_token *token) {
	return token->depth == 0 && token->kind != TOKEN_OPEN && token->kind != TOKEN_CLOSE;
}

uint32_t imap_token_text(const struct imap_token *token, uint8_t *text, uint32_t size) {
	uint32_t n = token->size < size ? token->size : size;

	if (token->kind != TOKEN_STRING || memchr(token->data, '\\', token->size) == NULL) {
		memcpy(text, token->data, n);
		return n;
	}
	n = 0;
	for (uint32_t i = 0; i < token->size && n < size; i++) {
		if (token->data[i] == '\\' && i + 1 < token->size)
			i++;
		text[n++] = token->data[i];
	}
	return n;
}

bool imap_octets(struct imap_cursor *cursor, uint64_t *number) {
	const uint8_t *start = cursor->at;
	uint64_t n = 0;

	for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++)
		if (n <= INT64_MAX)
			n = n <= (INT64_MAX - 9) / 10 ? n * 10 + (*cursor->at - '0') : UINT64_MAX;
	*number = n <= INT64_MAX ? n : 0;
	return cursor->at > start && n <= INT64_MAX;
}

bool imap_number(struct imap_cursor *cursor, uint32_t *number) {
	uint64_t n;
	bool is_number = imap_octets(cursor, &n) && n <= UINT32_MAX;

	*number = is_number ? (uint32_t)n : 0;
	return is_number;
}

// seq-number = nz-number / "*"
static bool set_number(struct imap_cursor *cursor, uint32_t star, uint32_t *number) {
	if (cursor->at < cursor->end && *cursor->at == '*') {
		cursor->at++;
		*number = star;
		return true;
	}
	return imap_number(cursor, number) && *number > 0;
}

int imap_set_next(struct imap_cursor *cursor, uint32_t star, struct uid_range *range) {
	uint32_t swap;

	if (cursor->at < cursor->end && *cursor->at == ',')
		cursor->at++;
	if (cursor->at >= cursor->end || *cursor->at == ' ' || *cursor->at == ']')
		return 0;
	if (!set_number(cursor, star, &range->first))
		return -1;
	range->last = range->first;
	if (cursor->at < cursor->end && *cursor->at == ':') {
		cursor->at++;
		if (!set_number(cursor, star, &range->last))
			return -1;
	}
	if (range->last < range->first) {
		swap = range->first;
		range->first = range->last;
		range->last = swap;
	}
	return 1;
}
