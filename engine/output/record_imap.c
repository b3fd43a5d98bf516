// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern.imap of a session record: what was asked for and what was fetched, mailbox by mailbox.

#include "clients.h"
#include "engine.h"
#include "output/record_proto.h"
#include "output/uid_set.h"
#include "proto/imap/imap.h"

static void hex_write(char text[9], uint32_t value) {
	for (int i = 0; i < 8; i++)
		text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
	text[8] = '\0';
}

static void client_write(struct json *json, const struct session *s, const struct imap *imap) {
	const char *software = clients_name(s->engine->config.clients, imap->grammar);
	char grammar[9];

	const char *id = imap_client_id(imap);

	if (!id && !imap->grammar)
		return;
	json_begin_object(json, "client");
	if (id)
		record_text_write(json, "id", "id_cut", id, CLIENT_ID_SIZE_MAX);
	if (imap->grammar) {
		hex_write(grammar, imap->grammar);
		json_put_word(json, "grammar", grammar);
	}
	if (software)
		json_put_text(json, "software", software);
	json_end_object(json);
}

static void server_write(struct json *json, const struct imap *imap) {
	const char *id = imap_server_id(imap);

	if (!id)
		return;
	json_begin_object(json, "server");
	record_text_write(json, "id", "id_cut", id, CLIENT_ID_SIZE_MAX);
	json_end_object(json);
}

static void commands_write(struct json *json, const struct imap *imap) {
	json_begin_array(json, "commands");
	for (int i = 0; i < imap->n_commands; i++) {
		json_begin_object(json, NULL);
		json_put_word(json, "name", imap_command_name(imap->commands[i].command));
		json_put_u64(json, "count", imap->commands[i].count);
		json_end_object(json);
	}
	json_end_array(json);
}

static void totals_write(struct json *json, const struct imap *imap) {
	static const struct imap_deeds none;
	const struct imap_deeds *deeds = imap->deeds ? imap->deeds : &none;

	json_begin_object(json, "fetch");
	json_put_u64(json, "header_count", imap->header_count);
	json_put_u64(json, "header_bytes", imap->header_bytes);
	json_put_u64(json, "body_count", imap->body_count);
	json_put_u64(json, "body_bytes", imap->body_bytes);
	json_end_object(json);
	json_put_u64(json, "search", deeds->n_search);
	json_begin_object(json, "append");
	json_put_u64(json, "count", deeds->n_append);
	json_put_u64(json, "bytes", deeds->append_bytes);
	json_end_object(json);
	json_put_u64(json, "copy", deeds->n_copy);
	json_put_u64(json, "move", deeds->n_move);
	json_put_u64(json, "store", deeds->n_store);
	json_put_u64(json, "expunge", deeds->n_expunge);
}

static void uids_write(struct json *json, const struct imap_mailbox *mailbox, uint32_t max) {
	char text[IMAP_UID_RANGES_MAX * UID_RANGE_TEXT_SIZE];
	uint32_t n = mailbox->n_uids < max ? mailbox->n_uids : max, written;
	size_t size = uid_set_write(imap_mailbox_uids(mailbox), n, text, sizeof(text), &written);

	json_put_string(json, "uids", text, size, 0);
	if (mailbox->is_cut || written < mailbox->n_uids)
		json_put_bool(json, "uids_cut", true);
}

static void mailbox_write(
	struct json *json,
	const struct imap_mailbox *mailbox,
	const struct record_detail *detail
) {
	json_begin_object(json, NULL);
	record_text_write(json, "name", "name_cut", imap_mailbox_name(mailbox), detail->chars);
	json_put_word(json, "mode", mailbox->mode == IMAP_EXAMINED ? "examine" : "select");
	json_put_u64(json, "uidvalidity", mailbox->uidvalidity);
	json_put_u64(json, "uidnext", mailbox->uidnext);
	json_begin_object(json, "fetched");
	uids_write(json, mailbox, detail->uid_ranges);
	json_put_u64(json, "messages", mailbox->n_bodies + mailbox->n_headers);
	json_put_u64(json, "bodies", mailbox->n_bodies);
	json_put_u64(json, "headers", mailbox->n_headers);
	json_put_u64(json, "bytes", mailbox->bytes);
	json_put_u64(json, "peek", mailbox->n_peek);
	json_end_object(json);
	json_end_object(json);
}

bool record_imap_write(
	struct json *json,
	const struct session *s,
	const struct imap *imap,
	const struct record_detail *detail
) {
	struct record_list list;
	uint32_t n, i = 0;

	json_begin_object(json, "imap");
	record_login_write(json, s);
	client_write(json, s, imap);
	server_write(json, imap);
	json_put_bool(json, "compress", imap->is_compressed);
	json_put_bool(json, "starttls", imap->is_starttls);
	commands_write(json, imap);
	totals_write(json, imap);
	list = record_list_open(json, "mailboxes");
	while (i < imap->n_mailboxes && record_list_next(&list))
		mailbox_write(json, &imap->mailboxes[i++], detail);
	n = record_list_close(&list);
	if (n < imap->n_mailboxes)
		json_put_u64(json, "mailboxes_total", imap->n_mailboxes);
	bool has_files = record_files_write(json, s, detail);
	json_end_object(json);
	return n == imap->n_mailboxes && has_files;
}
