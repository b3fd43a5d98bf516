// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Commands that a few lines say all about.

#include "proto/imap/imap_private.h"
#include "proto/offer.h"

#include <string.h>

struct imap_acl {
	char who[ACCOUNT_SIZE];
};

static void
enable_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	if (imap_token_is(arg, "UTF8=ACCEPT") || imap_token_is(arg, "IMAP4rev2"))
		flight->skip = 1;
}

static void enable_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	c->imap->is_utf8 |= flight->skip;
}

// "NOTIFY NONE", or "NOTIFY SET" and events.
static void
notify_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	flight->skip |= flight->n_args == 0 && imap_token_is(arg, "SET");
}

static void notify_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	c->imap->is_notified = flight->skip;
}

static void
setacl_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_acl *acl = imap_args(flight);
	uint8_t text[ACCOUNT_SIZE - 1];

	if (flight->n_args == 1 && arg->data != NULL)
		imap_utf8_clean(
			acl->who, sizeof(acl->who), text, imap_token_text(arg, text, sizeof(text))
		);
}

static void setacl_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity *activity = session_activity(c->s, c->now_ns);
	struct imap_acl *acl = imap_args(flight);

	if (activity->n_acl == ACTIVITY_ACL_MAX) {
		session_activity_flush(c->s, c->now_ns);
		activity = session_activity(c->s, c->now_ns);
	}
	memcpy(activity->acl[activity->n_acl++], acl->who, sizeof(acl->who));
}

// "<0.16384>" behind a section.
static void pieces_take(struct imap_pieces *pieces, const struct imap_token *arg) {
	const uint8_t *end = arg->data + arg->size, *at = end;
	struct imap_cursor text;
	uint64_t number;

	while (at > arg->data && at[-1] != '<' && at[-1] != ']')
		at--;
	if (at == arg->data || at[-1] != '<')
		return;
	text = (struct imap_cursor){at, end};
	if (!imap_octets(&text, &number) || text.at == end || *text.at++ != '.'
	    || !imap_octets(&text, &number))
		return;
	pieces->is_mixed |= pieces->size != 0 && pieces->size != number;
	pieces->size = number;
}

// Parts that set \Seen (RFC 9051 6.4.5): BODY[…], BINARY[…], RFC822 and RFC822.TEXT.
static void
fetch_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_cursor text;

	if (flight->n_args == 0 || arg->kind != TOKEN_ATOM)
		return;
	pieces_take(imap_args(flight), arg);
	text = (struct imap_cursor){arg->data, arg->data + arg->size};
	if (imap_text_starts(text, "BODY[") || imap_text_starts(text, "BINARY[")
	    || imap_token_is(arg, "RFC822") || imap_token_is(arg, "RFC822.TEXT"))
		flight->flags |= FLIGHT_SEEN;
}

static void copy_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	imap_deeds(c)->n_copy++;
	if (activity != NULL)
		activity->copy++;
}

static void move_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	imap_deeds(c)->n_move++;
	if (activity != NULL)
		activity->move++;
}

// What the client sent behind STARTTLS came in clear, from anybody: a careful server discards it
// (RFC 9051 6.2.1), a careless one runs it later as if it had been protected. Neither is an access.
static void starttls_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_busy *busy = c->imap->busy;
	struct imap_flight *behind;

	if ((c->imap->offers & (OFFER_LISTED | OFFER_TLS)) == OFFER_LISTED)
		session_event(c->s, EVENT_capability_stripped);
	c->imap->offers = 0;
	imap_compress_free(c);
	c->imap->facts.is_starttls = true;
	c->imap->is_tls_next = true;
	if (c->imap->flights != NULL || busy->command != NULL
	    || !line_is_start(&busy->side[STREAM_CLIENT].line))
		session_event(c->s, EVENT_starttls_injection);
	if (busy->command != NULL && (busy->command->flags & FLIGHT_UNLISTED))
		imap_flight_free(c, busy->command);
	busy->command = NULL;
	while ((behind = c->imap->flights) != NULL) {
		imap_flight_unlink(c, behind);
		imap_flight_free(c, behind);
	}
	line_reset(&busy->side[STREAM_CLIENT].line, session_slab(c->s));
	busy->side[STREAM_CLIENT].is_inside = false;
	c->imap->place[STREAM_CLIENT] = PLACE_LINE;
}

static void logout_complete(struct imap_ctx *c, struct imap_flight *flight) {
	c->imap->facts.is_logout = true;
}

const struct imap_verb imap_verb_enable = {.arg = enable_arg, .ok = enable_ok};
const struct imap_verb imap_verb_notify = {.arg = notify_arg, .ok = notify_ok};
const struct imap_verb imap_verb_setacl = {
	.args_size = sizeof(struct imap_acl),
	.keep = KEEP_VALUE,
	.arg = setacl_arg,
	.ok = setacl_ok,
};
const struct imap_verb imap_verb_fetch = {
	.args_size = sizeof(struct imap_pieces),
	.arg = fetch_arg,
};
const struct imap_verb imap_verb_copy = {.ok = copy_ok};
const struct imap_verb imap_verb_move = {.ok = move_ok};
const struct imap_verb imap_verb_starttls = {.ok = starttls_ok};
const struct imap_verb imap_verb_logout = {.complete = logout_complete};
const struct imap_verb imap_verb_none = {};
