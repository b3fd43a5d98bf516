// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk_smtp.h"

#include "proto/smtp/smtp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void message_dump(struct talk *talk, const struct smtp_message *m) {
	char *to;
	size_t size;
	FILE *out = open_memstream(&to, &size);

	for (int i = 0; i < m->n_to; i++)
		fprintf(out, " %s", m->to[i].text);
	if (m->n_recipients != m->n_to)
		fprintf(out, " of %u", m->n_recipients);
	if (m->n_rejected > 0)
		fprintf(out, " not %u", m->n_rejected);
	fclose(out);
	talk_fact(
		talk,
		"mail %s to%s, %" PRIu64 " bytes, %u %s %s%s%s",
		m->from.text != NULL ? m->from.text : "?",
		to,
		m->bytes,
		m->outcome,
		m->enhanced[0] != '\0' ? m->enhanced : "-",
		m->queue_id.text != NULL ? m->queue_id.text : "-",
		m->is_bdat ? " bdat" : "",
		m->is_holed ? " holed" : ""
	);
	free(to);
}

void talk_smtp_dump(struct talk *talk, const struct session *s, const void *state) {
	const struct smtp *f = state;

	if (f->helo.text != NULL)
		talk_fact(talk, "helo %s", f->helo.text);
	for (int i = 0; i < f->n_messages; i++)
		message_dump(talk, &f->messages[i]);
	if (f->messages_total != f->n_messages)
		talk_fact(talk, "mails %u", f->messages_total);
	if (f->n_etrn > 0)
		talk_fact(talk, "etrn %u", f->n_etrn);
	if (f->is_lmtp || f->is_starttls || f->is_quit)
		talk_fact(
			talk,
			"is%s%s%s",
			f->is_lmtp ? " lmtp" : "",
			f->is_starttls ? " starttls" : "",
			f->is_quit ? " quit" : ""
		);
	talk_fact(talk, "commands %u, %u rejected", f->n_commands, f->n_rejected_commands);
}
