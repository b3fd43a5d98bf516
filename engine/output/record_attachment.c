// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is attached to messages: one attachment's members, and the list of those that were fetched and stored.

#include "engine.h"
#include "mime/mime.h"
#include "output/record_proto.h"
#include "proto/imap/imap.h"
#include "proto/proto.h"
#include "session_files.h"

#include <string.h>

// 64 digits.
static void sha256_write(struct json *json, const uint8_t sha256[SHA256_SIZE]) {
	static const char digits[] = "0123456789abcdef";
	char text[2 * SHA256_SIZE + 1] = "";

	for (int i = 0; i < SHA256_SIZE; i++) {
		text[2 * i] = digits[sha256[i] >> 4];
		text[2 * i + 1] = digits[sha256[i] & 15];
	}
	json_put_text(json, "sha256", text);
}

static void members_write(
	struct json *json,
	const struct attachment_facts *facts,
	const struct record_detail *detail
) {
	uint32_t n = facts->n_members;

	if (facts->members_total == 0)
		return;
	n = n < detail->recipients ? n : detail->recipients;
	json_begin_array(json, "members");
	for (uint32_t i = 0; i < n; i++)
		record_item_write(json, facts->members[i].text, detail->chars);
	json_end_array(json);
	if (n < facts->members_total)
		json_put_u64(json, "members_total", facts->members_total);
}

void record_attachment_write(
	struct json *json,
	const struct attachment_facts *facts,
	const struct record_detail *detail
) {
	if (facts->name.text != NULL)
		record_text_write(json, "name", "name_cut", facts->name.text, detail->chars);
	if (facts->other_name.text != NULL)
		record_text_write(
			json, "other_name", "other_name_cut", facts->other_name.text, detail->chars
		);
	if (facts->type.text != NULL)
		record_text_write(
			json, "mime_type", "mime_type_cut", facts->type.text, detail->chars
		);
	if (facts->content_type != NULL)
		json_put_text(json, "content_type", facts->content_type);
	json_put_u64(json, "bytes", facts->bytes);
	if (facts->has_sha256)
		sha256_write(json, facts->sha256);
	json_put_bool(json, "encrypted", facts->is_encrypted);
	json_put_bool(json, "holed", facts->is_holed);
	members_write(json, facts, detail);
}

static void place_write(
	struct json *json,
	const struct session *s,
	const struct session_file *file,
	const struct record_detail *detail
) {
	const struct imap *imap = s->proto == &proto_imap ? s->state : NULL;
	const char *mailbox = file->target.text;

	json_put_text(json, "how", file->kind == CONTENT_APPENDED ? "appended" : "fetched");
	if (mailbox == NULL && imap != NULL && file->mailbox >= 0
	    && file->mailbox < imap->n_mailboxes)
		mailbox = imap_mailbox_name(&imap->mailboxes[file->mailbox]);
	if (mailbox != NULL)
		record_text_write(json, "mailbox", "mailbox_cut", mailbox, detail->chars);
	if (file->uid != 0)
		json_put_u64(json, "uid", file->uid);
}

bool record_files_write(
	struct json *json,
	const struct session *s,
	const struct record_detail *detail
) {
	const struct session_files *files = session_files(s);
	struct record_list list;
	uint32_t n, i = 0;

	if (files == NULL)
		return true;
	list = record_list_open(json, "attachments");
	while (i < files->n && record_list_next(&list)) {
		json_begin_object(json, NULL);
		place_write(json, s, &files->file[i], detail);
		record_attachment_write(json, files->file[i++].facts, detail);
		json_end_object(json);
	}
	n = record_list_close(&list);
	if (n < files->n_since)
		json_put_u64(json, "attachments_total", files->n_since);
	return n == files->n;
}
