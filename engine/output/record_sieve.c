// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern.sieve of a session record: what scripts were set, and where they send mail to.

#include "output/record_proto.h"
#include "proto/sieve.h"

#include <string.h>

static const char *const names[SIEVE_VERBS] = {
#define SIEVE_COMMAND(id, name) [SIEVE_##id] = name,
	SIEVE_COMMANDS
#undef SIEVE_COMMAND
};

static void redirects_write(struct json *json, const struct sieve_targets *targets) {
	uint32_t n = targets ? targets->n : 0;

	json_begin_array(json, "redirects");
	for (uint32_t i = 0; i < n && i < SIEVE_TARGETS_MAX; i++)
		json_put_string(
			json,
			NULL,
			targets->target[i],
			strlen(targets->target[i]),
			SIEVE_ADDRESS_SIZE_MAX
		);
	json_end_array(json);
	if (n > SIEVE_TARGETS_MAX)
		json_put_u64(json, "redirects_total", n);
}

void record_sieve_write(struct json *json, const struct session *s, const struct sieve *sieve) {
	json_begin_object(json, "sieve");
	record_login_write(json, s);
	json_put_bool(json, "starttls", sieve->is_starttls);
	json_begin_array(json, "commands");
	for (int verb = 0; verb < SIEVE_VERBS; verb++) {
		if (sieve->commands[verb] == 0)
			continue;
		json_begin_object(json, NULL);
		json_put_text(json, "name", names[verb]);
		json_put_u64(json, "count", sieve->commands[verb]);
		json_end_object(json);
	}
	json_end_array(json);
	json_put_u64(json, "rejected_command_count", sieve->n_rejected);
	json_put_u64(json, "stored", sieve->n_put);
	json_put_u64(json, "activated", sieve->n_active);
	redirects_write(json, sieve->targets);
	json_end_object(json);
}
