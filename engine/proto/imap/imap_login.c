// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// LOGIN and AUTHENTICATE: who says to be whom, and whether the server agreed. What is secret of it ends
// here, as a keyed hash.

#include "proto/imap/imap_private.h"

#include <string.h>

static uint64_t password_hash(const void *ctx, const uint8_t *password, size_t size) {
	return session_password_hash(ctx, password, size);
}

static void
login_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct sasl *sasl = flight->args;
	uint8_t text[IMAP_LITERAL_KEPT_MAX];
	uint32_t size = arg->data != NULL ? imap_token_text(arg, text, sizeof(text)) : 0;

	sasl->mechanism = SASL_LOGIN_COMMAND;
	sasl->n_messages = 1;
	if (arg->data == NULL || size > SASL_NAME_SIZE_MAX)
		sasl->is_bad |= flight->n_args == 0;
	else if (flight->n_args == 0)
		memcpy(sasl->name, text, sasl->name_size = size);
	else if (flight->n_args == 1)
		sasl->password_hash = session_password_hash(c->s, text, size);
	explicit_bzero(text, size);
}

static void
authenticate_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct sasl *sasl = flight->args;

	if (arg->data == NULL) // a literal, which no server takes here
		flight->flags |= FLIGHT_BROKEN;
	else if (flight->n_args == 0)
		sasl_open(sasl, sasl_find(arg->data, arg->size));
	else if (flight->n_args == 1 && sasl_client(sasl, arg->data, arg->size, password_hash, c->s) < 0)
		flight->flags |= FLIGHT_BROKEN;
}

// A line of the exchange: what no command can be, a single word of base64 (RFC 9051 6.2.2).
bool imap_is_sasl_message(struct imap_cursor line) {
	for (; line.at < line.end; line.at++)
		if (*line.at <= ' ' || *line.at >= 0x7f)
			return false;
	return true;
}

void imap_sasl_message(
	struct imap_ctx *c,
	struct imap_flight *flight,
	const struct line_slice *line
) {
	struct sasl *sasl = flight->args;

	if (flight->flags & FLIGHT_BROKEN)
		return;
	// A cut message must not be half decoded: what it says is not known.
	if (line->is_cut)
		sasl->is_bad = true;
	else if (sasl_client(sasl, line->data, line->size, password_hash, c->s) < 0)
		flight->flags |= FLIGHT_BROKEN;
}

static void
login_outcome(struct imap_ctx *c, struct imap_flight *flight, enum login_outcome outcome) {
	struct sasl *sasl = flight->args;
	bool is_known = sasl != NULL && !sasl->is_bad && !(flight->flags & FLIGHT_BROKEN);

	if (sasl != NULL && sasl->is_bad && sasl->mechanism != SASL_LOGIN_COMMAND)
		session_event(c->s, EVENT_bad_base64);
	session_login(
		c->s,
		outcome,
		sasl != NULL ? sasl->mechanism : SASL_NONE,
		is_known && sasl->name_size > 0 ? sasl->name : NULL,
		is_known ? sasl->name_size : 0,
		is_known ? sasl->password_hash : 0,
		c->now_ns
	);
}

static void login_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	login_outcome(c, flight, LOGIN_SUCCESS);
}

// A refusal before anything was said, or a cancelled exchange, is no attempt.
static void login_no(struct imap_ctx *c, struct imap_flight *flight) {
	const struct sasl *sasl = flight->args;

	if (sasl != NULL && sasl->n_messages > 0 && !(flight->flags & FLIGHT_BROKEN))
		login_outcome(c, flight, LOGIN_FAILURE);
}

const struct imap_verb imap_verb_login = {
	.args_size = sizeof(struct sasl),
	.keep = KEEP_VALUE,
	.arg = login_arg,
	.ok = login_ok,
	.no = login_no,
};

const struct imap_verb imap_verb_authenticate = {
	.args_size = sizeof(struct sasl),
	.keep = KEEP_NOTHING,
	.arg = authenticate_arg,
	.ok = login_ok,
	.no = login_no,
};
