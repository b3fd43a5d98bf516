// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk_sieve.h"

#include "proto/sieve.h"

#include <stdio.h>

void sieve_dump(struct talk *talk, const struct session *s, const void *state) {
	const struct sieve *sieve = state;
	char text[600];
	int size = 0;

	(void)s;
	text[0] = '\0';
#define SIEVE_COMMAND(id, name)                                                                    \
	if (sieve->commands[SIEVE_##id] > 0)                                                       \
		size += sprintf(text + size, " %s=%u", name, sieve->commands[SIEVE_##id]);
	SIEVE_COMMANDS
#undef SIEVE_COMMAND
	talk_fact(talk, "commands%s rejected=%u", text, sieve->n_rejected);
	talk_fact(
		talk,
		"stored %u active %u%s%s",
		sieve->n_put,
		sieve->n_active,
		sieve->is_starttls ? " starttls" : "",
		sieve->is_logout ? " logout" : ""
	);
	for (uint32_t i = 0; sieve->targets && i < sieve->targets->n; i++)
		talk_fact(
			talk, "redirect %s", i < SIEVE_TARGETS_MAX ? sieve->targets->target[i] : "?"
		);
}
