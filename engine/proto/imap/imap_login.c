// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// LOGIN and AUTHENTICATE: who says to be whom, and whether the server agreed. What is secret of it ends
// here, as a keyed hash.

#include "proto/imap/imap_private.h"
#include "proto/refusal.h"

#include <stddef.h>
#include <string.h>

static uint64_t password_hash(const void *ctx, const uint8_t *password, size_t size) {
	return session_password_hash(ctx, password, size);
}

// Arguments of LOGIN while its answer is awaited: a tenth of a struct sasl, which has room for any name.
struct imap_login {
	char *name; // in a block of its size; NULL: none
	uint16_t name_size;
	bool is_bad; // no name, or none that can be kept
	bool is_asked; // it has an argument
	uint64_t password_hash; // 0: none seen
};

static void
name_keep(struct imap_ctx *c, struct imap_login *login, const uint8_t *text, size_t size) {
	// What stands in parentheses is no further argument, and may come again.
	slab_put(session_slab(c->s), login->name, login->name_size);
	login->name = size > 0 ? slab_get(session_slab(c->s), size) : NULL;
	login->name_size = login->name != NULL ? (uint16_t)size : 0;
	if (size > 0 && login->name == NULL) {
		login->is_bad = true;
		session_event(c->s, EVENT_memory_full);
	}
	if (login->name != NULL)
		memcpy(login->name, text, size);
}

static void
login_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_login *login = imap_args(flight);
	uint8_t text[IMAP_LITERAL_KEPT_MAX];
	uint32_t size = arg->data != NULL ? imap_token_text(arg, text, sizeof(text)) : 0;

	if (arg->data == NULL || size > SASL_NAME_SIZE_MAX)
		login->is_bad |= flight->n_args == 0;
	else if (flight->n_args == 0)
		name_keep(c, login, text, size);
	else if (flight->n_args == 1)
		login->password_hash = session_password_hash(c->s, text, size);
	login->is_asked = true;
	explicit_bzero(text, size);
}

static void
authenticate_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct sasl *sasl = imap_args(flight);

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
	struct sasl *sasl = imap_args(flight);

	if (flight->flags & FLIGHT_BROKEN)
		return;
	if (line->is_cut)
		sasl_client_cut(sasl);
	else if (sasl_client(sasl, line->data, line->size, password_hash, c->s) < 0)
		flight->flags |= FLIGHT_BROKEN;
}

static void sasl_outcome(
	struct imap_ctx *c,
	const struct imap_flight *flight,
	const struct sasl *sasl,
	enum login_outcome outcome
) {
	bool is_known = !sasl->is_bad && !(flight->flags & FLIGHT_BROKEN);

	if (sasl->is_bad && sasl->mechanism != SASL_LOGIN_COMMAND)
		session_event(c->s, EVENT_bad_base64);
	if (is_known)
		session_login_sasl(c->s, outcome, sasl, c->now_ns);
	else
		session_login(c->s, outcome, sasl->mechanism, NULL, 0, 0, c->now_ns);
}

static void
authenticate_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	sasl_outcome(c, flight, imap_args(flight), LOGIN_SUCCESS);
}

void imap_sasl_asked(struct imap_flight *flight) {
	struct sasl *sasl = imap_args(flight);

	sasl->n_asked += sasl->n_asked < UINT8_MAX;
}

static bool is_verdict(struct imap_cursor text) {
	return refusal_is_verdict(text.at, (size_t)(text.end - text.at));
}

// A refusal before anything was said, or a cancelled exchange, is no attempt. Where the server asked for more
// and got none, or says that it did not look, nobody judged what had been said.
static void
authenticate_no(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	const struct sasl *sasl = imap_args(flight);
	int n_said = sasl->n_messages - (flight->n_args > 1); // without the initial response
	bool is_judged = n_said >= sasl->n_asked && is_verdict(text);

	if (sasl->n_messages == 0 || flight->flags & FLIGHT_BROKEN)
		return;
	if (is_judged)
		sasl_outcome(c, flight, sasl, LOGIN_FAILURE);
	else if (!sasl->is_bad && sasl->name_size > 0)
		session_login_unanswered(
			c->s, sasl->mechanism, sasl->name, sasl->name_size, c->now_ns
		);
}

static void
login_outcome(struct imap_ctx *c, const struct imap_flight *flight, enum login_outcome outcome) {
	const struct imap_login *login = imap_args(flight);
	struct sasl sasl;

	memset(&sasl, 0, offsetof(struct sasl, name));
	sasl.mechanism = login->is_asked ? SASL_LOGIN_COMMAND : SASL_NONE;
	sasl.n_messages = login->is_asked;
	sasl.is_bad = login->is_bad;
	sasl.name_size = login->name_size;
	if (login->name != NULL)
		memcpy(sasl.name, login->name, login->name_size);
	sasl.password_hash = login->password_hash;
	sasl_outcome(c, flight, &sasl, outcome);
}

static void login_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	login_outcome(c, flight, LOGIN_SUCCESS);
}

static void login_no(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	const struct imap_login *login = imap_args(flight);

	if (!login->is_asked || flight->flags & FLIGHT_BROKEN)
		return;
	if (is_verdict(text))
		login_outcome(c, flight, LOGIN_FAILURE);
	else if (!login->is_bad && login->name != NULL)
		session_login_unanswered(
			c->s, SASL_LOGIN_COMMAND, login->name, login->name_size, c->now_ns
		);
}

static void login_free(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_login *login = imap_args(flight);

	slab_put(session_slab(c->s), login->name, login->name_size);
}

const struct imap_verb imap_verb_login = {
	.args_size = sizeof(struct imap_login),
	.keep = KEEP_VALUE,
	.arg = login_arg,
	.ok = login_ok,
	.no = login_no,
	.free = login_free,
};

const struct imap_verb imap_verb_authenticate = {
	.args_size = sizeof(struct sasl),
	.keep = KEEP_NOTHING,
	.arg = authenticate_arg,
	.ok = authenticate_ok,
	.no = authenticate_no,
};
