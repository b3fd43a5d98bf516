// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// ENVELOPE (RFC 9051 7.5.2): a message's fields as the server has parsed them. For rules they become a
// header again, so that who lists messages that way is seen like who fetches their headers.

#include "proto/imap/imap_private.h"

#include <string.h>

// envelope = "(" date subject from sender reply-to to cc bcc in-reply-to message-id ")"
static const char *const fields[] = {
	"Date: ",
	"Subject: ",
	"From: ",
	"Sender: ",
	"Reply-To: ",
	"To: ",
	"Cc: ",
	"Bcc: ",
	"In-Reply-To: ",
	"Message-ID: ",
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static void put(struct imap_fetch *fetch, const char *text) {
	content_data(fetch->listed, (const uint8_t *)text, strlen(text));
}

// A string must not become two fields.
void imap_envelope_text(struct imap_fetch *fetch, const uint8_t *data, size_t size) {
	uint8_t text[256];

	for (size_t at = 0, n; fetch->listed != NULL && at < size; at += n) {
		n = size - at < sizeof(text) ? size - at : sizeof(text);
		for (size_t i = 0; i < n; i++)
			text[i] = data[at + i] == '\r' || data[at + i] == '\n' ? ' ' : data[at + i];
		content_data(fetch->listed, text, n);
	}
}

static void string_put(struct imap_fetch *fetch, const struct imap_token *token) {
	struct imap_token piece = *token;
	uint8_t text[256];

	while (piece.size > 0) {
		uint32_t n = piece.size < sizeof(text) ? piece.size : sizeof(text);
		if (n < piece.size && piece.data[n - 1] == '\\')
			n--; // an escape stays whole
		struct imap_token part = {.kind = token->kind, .data = piece.data, .size = n};
		imap_envelope_text(fetch, text, imap_token_text(&part, text, n));
		piece.data += n;
		piece.size -= n;
	}
}

// A string begins. addr-name, addr-adl, addr-mailbox, addr-host: the third and fourth make an address.
static void string_open(struct imap_fetch *fetch) {
	if (fetch->depth == 2)
		put(fetch, fields[fetch->envelope_at]);
	else if (fetch->depth == 4 && fetch->address_at == 2)
		put(fetch, " <");
	else if (fetch->depth == 4 && fetch->address_at == 3)
		put(fetch, "@");
}

static void string_close(struct imap_fetch *fetch) {
	if (fetch->depth == 2)
		put(fetch, "\r\n");
}

// It is over, NIL or not.
static void value_count(struct imap_fetch *fetch) {
	if (fetch->depth == 2)
		fetch->envelope_at++;
	else if (fetch->depth == 4)
		fetch->address_at += fetch->address_at < UINT8_MAX;
}

void imap_envelope_literal_end(struct imap_fetch *fetch) {
	string_close(fetch);
	value_count(fetch);
}

static void value_read(struct imap_fetch *fetch, const struct imap_token *token) {
	bool is_nil = token->kind == TOKEN_ATOM && imap_token_is(token, "NIL");

	if (!is_nil)
		string_open(fetch);
	if (token->kind == TOKEN_LITERAL)
		return; // its octets come
	if (!is_nil) {
		string_put(fetch, token);
		string_close(fetch);
	}
	value_count(fetch);
}

void imap_envelope_token(
	struct imap_ctx *c,
	struct imap_fetch *fetch,
	const struct imap_token *token
) {
	if (token->kind == TOKEN_OPEN && fetch->depth == 1 && fetch->is_counted) {
		imap_envelope_close(c, fetch);
		fetch->listed = content_open_header(c->s, NULL, 0);
		fetch->envelope_at = 0;
	}
	if (fetch->listed == NULL || fetch->envelope_at >= FIELDS)
		return;
	if (token->kind == TOKEN_OPEN && fetch->depth == 2) {
		put(fetch, fields[fetch->envelope_at]);
	} else if (token->kind == TOKEN_OPEN && fetch->depth == 3) {
		fetch->address_at = 0;
	} else if (token->kind == TOKEN_CLOSE && fetch->depth == 4) {
		put(fetch, ">, ");
	} else if (token->kind == TOKEN_CLOSE && fetch->depth == 3) {
		put(fetch, "\r\n");
		fetch->envelope_at++;
	} else if (token->kind != TOKEN_OPEN && token->kind != TOKEN_CLOSE) {
		value_read(fetch, token);
	}
}

void imap_envelope_close(struct imap_ctx *c, struct imap_fetch *fetch) {
	content_close(fetch->listed, c->now_ns);
	fetch->listed = NULL;
}
