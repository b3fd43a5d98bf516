// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk_imap.h"

#include "proto/imap/imap.h"

#include <inttypes.h>
#include <stdio.h>

static void mailbox_dump(struct talk *talk, const struct imap_mailbox *m) {
	char uids[8192] = "", *at = uids;
	const struct uid_range *of = imap_mailbox_uids(m);

	for (int i = 0; i < m->n_uids; i++) {
		at += sprintf(at, "%s%u", i > 0 ? "," : "", of[i].first);
		if (of[i].last != of[i].first)
			at += sprintf(at, ":%u", of[i].last);
	}
	talk_fact(
		talk,
		"mailbox %s %s %u/%u exists=%u uids=%s%s messages=%u bodies=%u headers=%u peek=%u "
		"bytes=%" PRIu64,
		imap_mailbox_name(m),
		m->mode == IMAP_EXAMINED ? "examine" : "select",
		m->uidvalidity,
		m->uidnext,
		m->exists,
		uids,
		m->is_cut ? "+" : "",
		m->n_bodies + m->n_headers,
		m->n_bodies,
		m->n_headers,
		m->n_peek,
		m->bytes
	);
}

static void counts_dump(struct talk *talk, const struct imap *f) {
	static const struct imap_deeds none;
	const struct imap_deeds *d = f->deeds ? f->deeds : &none;

	if (f->body_count > 0 || f->header_count > 0)
		talk_fact(
			talk,
			"fetch headers=%u/%" PRIu64 " bodies=%u/%" PRIu64,
			f->header_count,
			f->header_bytes,
			f->body_count,
			f->body_bytes
		);
	if (d->n_search > 0 || d->n_store > 0 || d->n_copy > 0 || d->n_move > 0)
		talk_fact(
			talk,
			"search=%u store=%u copy=%u move=%u",
			d->n_search,
			d->n_store,
			d->n_copy,
			d->n_move
		);
	if (d->n_append > 0 || d->n_expunge > 0)
		talk_fact(
			talk,
			"append=%u/%" PRIu64 " expunge=%u",
			d->n_append,
			d->append_bytes,
			d->n_expunge
		);
}

// Every fact of struct imap that is not nothing.
void imap_dump(struct talk *talk, const struct session *s, const void *state) {
	const struct imap *f = state;
	char commands[4096] = "", *at = commands;

	for (int i = 0; i < f->n_commands; i++)
		at += sprintf(
			at,
			" %s=%u",
			imap_command_name(f->commands[i].command),
			f->commands[i].count
		);
	if (f->n_commands > 0)
		talk_fact(talk, "commands%s", commands);
	if (imap_client_id(f) != NULL)
		talk_fact(talk, "client %s", imap_client_id(f));
	if (imap_server_id(f) != NULL)
		talk_fact(talk, "server %s", imap_server_id(f));
	if (f->is_starttls || f->is_compressed || f->is_logout || f->is_idle)
		talk_fact(
			talk,
			"is%s%s%s%s",
			f->is_starttls ? " starttls" : "",
			f->is_compressed ? " compressed" : "",
			f->is_logout ? " logout" : "",
			f->is_idle ? " idle" : ""
		);
	for (int i = 0; i < f->n_mailboxes; i++)
		mailbox_dump(talk, &f->mailboxes[i]);
	counts_dump(talk, f);
}
