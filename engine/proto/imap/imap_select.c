// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Commands that open a mailbox and leave it: SELECT, EXAMINE, CLOSE, UNSELECT.

#include "proto/imap/imap_private.h"

static void
select_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_select *select = imap_args(flight);

	if (flight->n_args == 0 && imap_token_is_name(arg))
		select->name = imap_name_take(c, arg, &select->name_size);
}

static void select_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_select *select = imap_args(flight);
	struct imap_cursor code;
	bool is_examine = flight->command == IMAP_EXAMINE || imap_code_is(text, "READ-ONLY", &code);

	imap_mailbox_unselect(c);
	if (select->name != NULL)
		imap_mailbox_select(c, select, is_examine ? IMAP_EXAMINED : IMAP_SELECTED);
}

// A mailbox that cannot be opened leaves none selected (RFC 9051 6.3.2).
static void select_no(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	imap_mailbox_unselect(c);
}

static void unselect_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	imap_mailbox_unselect(c);
}

// Expunges what is marked, and does not say what (RFC 9051 6.4.1); EXAMINE keeps it.
static void close_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	const struct imap_mailbox *mailbox = imap_selected(c);

	if (mailbox != NULL && mailbox->mode == IMAP_SELECTED)
		imap_expunge_count(c, imap_deleted_count(c));
	imap_mailbox_unselect(c);
}

static void select_free(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_select *select = imap_args(flight);

	slab_put(session_slab(c->s), select->name, select->name_size);
}

const struct imap_verb imap_verb_select = {
	.args_size = sizeof(struct imap_select),
	.keep = KEEP_VALUE,
	.arg = select_arg,
	.ok = select_ok,
	.no = select_no,
	.free = select_free,
};

const struct imap_verb imap_verb_close = {.ok = close_ok};
const struct imap_verb imap_verb_unselect = {.ok = unselect_ok};
