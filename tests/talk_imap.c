// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk_imap.h"

#include "proto/imap/imap.h"

#include <inttypes.h>
#include <stdio.h>

static void mailbox_dump(struct talk *talk, const struct imap_mailbox *m) {
	char uids[8192] = "", *at = uids;

	for (int i = 0; i < m->n_uids; i++) {
		at += sprintf(at, "%s%u", i > 0 ? "," : "", m->uids[i].first);
		if (m->uids[i].last != m->uids[i].first)
			at += sprintf(at, ":%u", m->uids[i].last);
	}
	talk_fact(
		talk,
		"mailbox %s %s %u/%u exists=%u uids=%s%s messages=%u bodies=%u headers=%u peek=%u "
		"bytes=%" PRIu64,
		m->name,
		m->mode == IMAP_EXAMINED ? "examine" : "select",
		m->uidvalidity,
		m->uidnext,
		m->exists,
		uids,
		m->is_cut ? "+" : "",
		m->n_messages,
		m->n_bodies,
		m->n_headers,
		m->n_peek,
		m->bytes
	);
}

static void counts_dump(struct talk *talk, const struct imap *f) {
	if (f->body_count > 0 || f->header_count > 0)
		talk_fact(
			talk,
			"fetch headers=%u/%" PRIu64 " bodies=%u/%" PRIu64,
			f->header_count,
			f->header_bytes,
			f->body_count,
			f->body_bytes
		);
	if (f->n_search > 0 || f->n_store > 0 || f->n_copy > 0 || f->n_move > 0)
		talk_fact(
			talk,
			"search=%u store=%u copy=%u move=%u",
			f->n_search,
			f->n_store,
			f->n_copy,
			f->n_move
		);
	if (f->n_append > 0 || f->n_expunge > 0)
		talk_fact(
			talk,
			"append=%u/%" PRIu64 " expunge=%u",
			f->n_append,
			f->append_bytes,
			f->n_expunge
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
	if (f->client_id != NULL)
		talk_fact(talk, "client %s", f->client_id);
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
