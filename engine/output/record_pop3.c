// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern.pop3 of a session record. Of its lists only that of attachments grows.

#include "output/record_proto.h"
#include "proto/pop3.h"

static const char *const names[POP3_VERBS] = {
#define POP3_COMMAND(id, name, reply) [POP3_##id] = name,
	POP3_COMMANDS
#undef POP3_COMMAND
};

static void messages_write(struct json *json, const char *key, uint32_t n, uint64_t bytes) {
	json_begin_object(json, key);
	json_put_u64(json, "count", n);
	json_put_u64(json, "bytes", bytes);
	json_end_object(json);
}

bool record_pop3_write(
	struct json *json,
	const struct session *s,
	const struct pop3 *pop3,
	const struct record_detail *detail
) {
	bool is_whole;

	json_begin_object(json, "pop3");
	record_login_write(json, s);
	json_put_bool(json, "stls", pop3->is_stls);
	json_begin_array(json, "commands");
	for (int verb = 0; verb < POP3_VERBS; verb++) {
		if (pop3->commands[verb] == 0)
			continue;
		json_begin_object(json, NULL);
		json_put_text(json, "name", names[verb]);
		json_put_u64(json, "count", pop3->commands[verb]);
		json_end_object(json);
	}
	json_end_array(json);
	json_put_u64(json, "rejected_command_count", pop3->n_rejected);
	messages_write(json, "retr", pop3->n_retr, pop3->retr_bytes);
	messages_write(json, "top", pop3->n_top, pop3->top_bytes);
	json_put_u64(json, "dele", pop3->n_dele);
	json_put_u64(json, "expunge", pop3->n_expunge);
	if (pop3->has_drop)
		messages_write(json, "maildrop", pop3->n_drop, pop3->drop_bytes);
	is_whole = record_files_write(json, s, detail);
	json_end_object(json);
	return is_whole;
}
