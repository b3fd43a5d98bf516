// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a line of IMAP consists of (RFC 9051 section 9). Nothing here keeps state: a cursor walks over
// a whole line, and the literal that may end it is found first.

#include "proto/imap/imap_private.h"

#include <string.h>
#include <strings.h>

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

// Sections contain spaces, parentheses and strings: "BODY[HEADER.FIELDS (To Cc)]<0>" is one item.
static bool has_section(const uint8_t *atom, size_t size) {
	return (size == 4 && strncasecmp((const char *)atom, "BODY", 4) == 0)
		|| (size == 9 && strncasecmp((const char *)atom, "BODY.PEEK", 9) == 0)
		|| (size >= 6 && strncasecmp((const char *)atom, "BINARY", 6) == 0);
}

static const uint8_t *atom_end(const uint8_t *at, const uint8_t *end) {
	const uint8_t *start = at;
	const uint8_t *close;

	for (; at < end; at++) {
		if (*at == ' ' || *at == '(' || *at == ')' || *at == '"')
			break;
		if (*at == '[' && has_section(start, at - start)) {
			close = memchr(at, ']', end - at);
			if (close == NULL)
				return end;
			at = close;
		}
	}
	return at;
}

static int string_next(struct imap_cursor *cursor, struct imap_token *token) {
	const uint8_t *at = cursor->at + 1;

	token->kind = TOKEN_STRING;
	token->data = at;
	for (; at < cursor->end && *at != '"'; at++)
		if (*at == '\\' && at + 1 < cursor->end)
			at++;
	if (at >= cursor->end)
		return -1;
	token->size = at - token->data;
	cursor->at = at + 1;
	return 1;
}

// Neither stands in a line by any grammar; servers have been broken with both.
static bool has_control(const struct imap_token *token) {
	return memchr(token->data, 0, token->size) != NULL
		|| memchr(token->data, '\r', token->size) != NULL;
}

int imap_token_next(struct imap_cursor *cursor, struct imap_token *token) {
	*token = (struct imap_token){.depth = token->depth};
	while (cursor->at < cursor->end && *cursor->at == ' ')
		cursor->at++;
	if (cursor->at >= cursor->end)
		return 0;
	token->data = cursor->at;
	token->size = 1;
	switch (*cursor->at) {
	case '(':
		token->kind = TOKEN_OPEN;
		cursor->at++;
		return 1;
	case ')':
		token->kind = TOKEN_CLOSE;
		cursor->at++;
		return 1;
	case '"':
		if (string_next(cursor, token) < 0)
			return -1;
		break;
	default:
		token->kind = TOKEN_ATOM;
		cursor->at = atom_end(cursor->at, cursor->end);
		token->size = cursor->at - token->data;
	}
	return token->size > 0 && has_control(token) ? -1 : 1;
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

bool imap_token_is(const struct imap_token *token, const char *word) {
	return token->kind == TOKEN_ATOM && token->size == strlen(word)
		&& strncasecmp((const char *)token->data, word, token->size) == 0;
}

bool imap_token_is_name(const struct imap_token *token) {
	return token->depth == 0 && token->kind != TOKEN_OPEN && token->kind != TOKEN_CLOSE;
}

bool imap_text_starts(struct imap_cursor text, const char *word) {
	size_t size = strlen(word);

	return (size_t)(text.end - text.at) >= size
		&& strncasecmp((const char *)text.at, word, size) == 0;
}

uint32_t imap_token_text(const struct imap_token *token, uint8_t *text, uint32_t size) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < token->size && n < size; i++) {
		if (token->kind == TOKEN_STRING && token->data[i] == '\\' && i + 1 < token->size)
			i++;
		text[n++] = token->data[i];
	}
	return n;
}

bool imap_number(struct imap_cursor *cursor, uint32_t *number) {
	const uint8_t *start = cursor->at;
	uint64_t n = 0;

	for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++)
		if (n <= UINT32_MAX)
			n = n * 10 + (*cursor->at - '0');
	*number = n <= UINT32_MAX ? n : 0;
	return cursor->at > start && n <= UINT32_MAX;
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
