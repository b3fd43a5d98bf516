// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Flags that a client sets, and messages it expunges.

#include "proto/imap/imap_private.h"

static void
store_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_store *store = imap_args(flight);
	const struct imap_mailbox *mailbox = imap_selected(c);
	struct imap_cursor text;
	uint32_t star = UINT32_MAX;

	if (mailbox != NULL && flight->command == IMAP_STORE)
		star = mailbox->exists;
	if (arg->kind != TOKEN_ATOM)
		return;
	text = (struct imap_cursor){arg->data, arg->data + arg->size};
	if (flight->n_args == 0) {
		while (store->n < IMAP_STORE_RANGES_MAX
		       && imap_set_next(&text, star, &store->ranges[store->n]) == 1)
			store->n++;
	} else if (store->is_flags) {
		store->is_deleted |= imap_token_is(arg, "\\Deleted");
	} else {
		if (text.at < text.end && (*text.at == '+' || *text.at == '-'))
			store->sign = *text.at++;
		store->is_flags = imap_text_starts(text, "FLAGS");
		store->is_silent = imap_text_starts(text, "FLAGS.SILENT");
	}
}

// A server told to be silent does not say which messages are marked now: the command does.
static void store_mark(struct imap_ctx *c, const struct imap_flight *flight) {
	const struct imap_store *store = imap_args(flight);

	if (!store->is_silent || (store->sign != 0 && !store->is_deleted))
		return;
	for (int i = 0; i < store->n; i++)
		imap_deleted_mark(
			c,
			flight->command == IMAP_UID_STORE,
			store->ranges[i],
			store->is_deleted && store->sign != '-'
		);
}

static void
uid_expunge_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	if (flight->n_args == 0)
		store_arg(c, flight, arg);
}

static void expunge_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	const struct imap_store *store = imap_args(flight);

	if (flight->command == IMAP_EXPUNGE) { // it has no arguments
		imap_deleted_forget(c);
		return;
	}
	for (int i = 0; i < store->n; i++)
		imap_deleted_mark(c, true, store->ranges[i], false);
}

static void store_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	imap_deeds(c)->n_store++;
	store_mark(c, flight);
	if (activity != NULL)
		activity->store++;
}

const struct imap_verb imap_verb_store = {
	.args_size = sizeof(struct imap_store),
	.arg = store_arg,
	.ok = store_ok,
};

const struct imap_verb imap_verb_expunge = {.ok = expunge_ok};

const struct imap_verb imap_verb_uid_expunge = {
	.args_size = sizeof(struct imap_store),
	.arg = uid_expunge_arg,
	.ok = expunge_ok,
};
