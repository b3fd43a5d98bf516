// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk_pop3.h"

#include "proto/pop3.h"

#include <stdio.h>

void pop3_dump(struct talk *talk, const struct session *s, const void *state) {
	const struct pop3 *pop3 = state;
	char text[600];
	int size = 0;

	(void)s;
#define POP3_COMMAND(id, name, reply)                                                              \
	if (pop3->commands[POP3_##id] > 0)                                                         \
		size += sprintf(text + size, " %s=%u", name, pop3->commands[POP3_##id]);
	text[0] = '\0';
	POP3_COMMANDS
#undef POP3_COMMAND
	talk_fact(talk, "commands%s rejected=%u", text, pop3->n_rejected);
	if (pop3->has_drop || pop3->n_expunge)
		talk_fact(
			talk,
			"maildrop %u %ju expunge %u",
			pop3->n_drop,
			(uintmax_t)pop3->drop_bytes,
			pop3->n_expunge
		);
	talk_fact(
		talk,
		"retr %u %ju top %u %ju dele %u%s%s",
		pop3->n_retr,
		(uintmax_t)pop3->retr_bytes,
		pop3->n_top,
		(uintmax_t)pop3->top_bytes,
		pop3->n_dele,
		pop3->is_stls ? " stls" : "",
		pop3->is_quit ? " quit" : ""
	);
}
