// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Messages that a client stores: APPEND (RFC 9051 6.3.12), several at once (RFC 3502), put together out of
// parts (CATENATE, RFC 4469), in place of another (REPLACE, RFC 8508).

#include "proto/imap/imap_private.h"

// Where the mailbox name stands: REPLACE has a message number in front (RFC 8508).
static unsigned append_name_at(const struct imap_flight *flight) {
	return flight->command == IMAP_APPEND ? 0 : 1;
}

static void parts_begin(struct imap_append *append, bool is_joined) {
	append->is_parts = true;
	append->is_joined = is_joined;
	append->has_hole = false;
}

static void message_close(struct imap_ctx *c, struct imap_append *append) {
	if (append->has_hole)
		content_cut(append->content);
	content_close(append->content, c->now_ns);
	append->content = NULL;
	append->has_hole = false;
}

static void parts_end(struct imap_ctx *c, struct imap_append *append) {
	message_close(c, append);
	append->n++;
	append->is_parts = append->is_joined = false;
}

// What stands behind a part that only the server has is the rest of a message.
static void message_open(struct imap_ctx *c, struct imap_append *append) {
	static const struct content_part rest = {.number = "", .is_text = true};

	if (append->content == NULL)
		append->content = append->has_hole
			? content_open_part(c->s, CONTENT_APPENDED, &rest)
			: content_open(c->s, CONTENT_APPENDED);
	if (append->has_hole)
		content_cut(append->content);
	append->has_hole = false;
}

static void
append_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_append *append = imap_args(flight);

	if (flight->n_args == append_name_at(flight) && imap_token_is_name(arg))
		append->name = imap_name_take(c, arg, &append->name_size);
	else if (imap_token_is(arg, "CATENATE") || imap_token_is(arg, "UTF8"))
		parts_begin(append, imap_token_is(arg, "CATENATE"));
	else if (append->is_joined && arg->depth == 1 && imap_token_is(arg, "URL"))
		append->has_hole = true;
	else if (arg->kind == TOKEN_CLOSE && arg->depth == 0 && append->is_parts)
		parts_end(c, append);
}

// Literals in front of the mailbox's name, and that name, are kept; the others are messages.
static enum imap_keep append_literal(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = imap_args(flight);

	if (flight->n_args <= append_name_at(flight))
		return KEEP_VALUE;
	if (!append->is_parts)
		append->n++;
	append->is_due = true;
	return KEEP_CONTENT;
}

static void
append_content(struct imap_ctx *c, struct imap_flight *flight, const uint8_t *data, size_t size) {
	struct imap_append *append = imap_args(flight);

	if (append->is_due) { // not before: the server may refuse it
		message_open(c, append);
		append->is_due = false;
	}
	append->bytes += size;
	if (data != NULL)
		content_data(append->content, data, size);
	else
		content_gap(append->content, size);
}

static void append_end(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = imap_args(flight);

	if (!append->is_joined)
		message_close(c, append);
}

static void append_free(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = imap_args(flight);

	message_close(c, append);
	slab_put(session_slab(c->s), append->name, append->name_size);
}

static void append_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_append *append = imap_args(flight);
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
