// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Messages that a client stores: APPEND (RFC 9051 6.3.12), several at once (RFC 3502), put together out of
// parts (CATENATE, RFC 4469), in place of another (REPLACE, RFC 8508).

#include "proto/imap/imap_private.h"

// Where the mailbox name stands: REPLACE has a message number in front (RFC 8508).
static unsigned append_name_at(const struct imap_flight *flight) {
	return flight->command == IMAP_APPEND ? 0 : 1;
}

static void
append_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_append *append = flight->args;

	if (flight->n_args == append_name_at(flight) && imap_token_is_name(arg))
		append->name = imap_name_take(c, arg, &append->name_size);
	else if (imap_token_is(arg, "CATENATE") || imap_token_is(arg, "UTF8"))
		append->is_parts = true;
	else if (arg->kind == TOKEN_CLOSE && arg->depth == 0 && append->is_parts)
		append->n++, append->is_parts = false;
}

// Literals in front of the mailbox's name, and that name, are kept; the others are messages.
static enum imap_keep append_literal(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = flight->args;

	if (flight->n_args <= append_name_at(flight))
		return KEEP_VALUE;
	if (!append->is_parts)
		append->n++;
	append->is_due = true;
	return KEEP_CONTENT;
}

static void
append_content(struct imap_ctx *c, struct imap_flight *flight, const uint8_t *data, size_t size) {
	struct imap_append *append = flight->args;

	if (append->is_due) { // not before: the server may refuse it
		append->content = content_open(c->s, CONTENT_APPENDED);
		append->is_due = false;
	}
	append->bytes += size;
	if (data != NULL)
		content_data(append->content, data, size);
	else
		content_gap(append->content, size);
}

static void append_end(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = flight->args;

	content_close(append->content, c->now_ns);
	append->content = NULL;
}

static void append_free(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = flight->args;

	append_end(c, flight);
	slab_put(session_slab(c->s), append->name, append->name_size);
}

static void append_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_append *append = flight->args;
	struct activity_mailbox *activity;
	struct imap_cursor args;
	uint32_t uidvalidity = 0;

	imap_deeds(c)->n_append += append->n;
	imap_deeds(c)->append_bytes += append->bytes;
	if (append->name == NULL)
		return;
	if (imap_code_is(text, "APPENDUID", &args))
		imap_number(&args, &uidvalidity);
	activity = imap_activity_named(c, append->name, uidvalidity, 0, false);
	activity->append += append->n;
}

const struct imap_verb imap_verb_append = {
	.args_size = sizeof(struct imap_append),
	.keep = KEEP_VALUE,
	.arg = append_arg,
	.ok = append_ok,
	.literal = append_literal,
	.content = append_content,
	.end = append_end,
	.free = append_free,
};
