// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern.smtp of a session record: one entry for each message that was offered.

#include "mime/mime.h"
#include "output/record_proto.h"
#include "proto/smtp/smtp.h"

#include <string.h>

// The code of a reply as SMTP writes it, three digits.
static void outcome_write(struct json *json, uint16_t code) {
	char text[] = "000";

	text[0] = (char)('0' + code / 100 % 10);
	text[1] = (char)('0' + code / 10 % 10);
	text[2] = (char)('0' + code % 10);
	json_put_text(json, "outcome", text);
}

static void recipients_write(
	struct json *json,
	const struct smtp_message *message,
	const struct record_detail *detail
) {
	uint32_t n = message->n_to < detail->recipients ? message->n_to : detail->recipients;

	json_begin_array(json, "to");
	for (uint32_t i = 0; i < n; i++)
		if (message->to[i].text)
			record_item_write(json, message->to[i].text, detail->chars);
	json_end_array(json);
	if (n < message->n_recipients)
		json_put_u64(json, "to_total", message->n_recipients);
}

static void content_write(
	struct json *json,
	const struct mime_summary *content,
	const struct record_detail *detail
) {
	uint32_t n = content->n_attachments;

	if (content->subject.text != NULL)
		record_text_write(
			json, "subject", "subject_cut", content->subject.text, detail->chars
		);
	if (content->message_id.text != NULL)
		record_text_write(
			json,
			"message_id",
			"message_id_cut",
			content->message_id.text,
			detail->chars
		);
	n = n < detail->recipients ? n : detail->recipients;
	json_begin_array(json, "attachments");
	for (uint32_t i = 0; i < n; i++) {
		json_begin_object(json, NULL);
		record_attachment_write(json, content->attachments[i], detail);
		json_end_object(json);
	}
	json_end_array(json);
	if (n < content->attachments_total)
		json_put_u64(json, "attachments_total", content->attachments_total);
}

static void message_write(
	struct json *json,
	const struct smtp_message *message,
	const struct record_detail *detail
) {
	json_begin_object(json, NULL);
	if (message->from.text)
		record_text_write(json, "from", "from_cut", message->from.text, detail->chars);
	recipients_write(json, message, detail);
	json_put_u64(json, "rejected", message->n_rejected);
	json_put_u64(json, "bytes", message->bytes);
	if (message->outcome)
		outcome_write(json, message->outcome);
	if (message->enhanced[0])
		json_put_text(json, "enhanced", message->enhanced);
	if (message->queue_id.text)
		record_text_write(
			json, "queue_id", "queue_id_cut", message->queue_id.text, detail->chars
		);
	if (message->content != NULL)
		content_write(json, message->content, detail);
	json_put_bool(json, "bdat", message->is_bdat);
	json_put_bool(json, "holed", message->is_holed);
	json_end_object(json);
}

bool record_smtp_write(
	struct json *json,
	const struct session *s,
	const struct smtp *smtp,
	const struct record_detail *detail
) {
	struct record_list list;
	uint32_t n, i = 0;

	json_begin_object(json, "smtp");
	if (smtp->helo.text)
		record_text_write(json, "helo", "helo_cut", smtp->helo.text, TEXT_CHARS_MAX);
	record_login_write(json, s);
	json_put_bool(json, "lmtp", smtp->is_lmtp);
	json_put_bool(json, "esmtp", smtp->is_esmtp);
	json_put_bool(json, "starttls", smtp->is_starttls);
	json_put_u64(json, "command_count", smtp->n_commands);
	json_put_u64(json, "rejected_command_count", smtp->n_rejected_commands);
	if (smtp->n_etrn)
		json_put_u64(json, "etrn", smtp->n_etrn);
	list = record_list_open(json, "messages");
	while (i < smtp->n_messages && record_list_next(&list))
		message_write(json, &smtp->messages[i++], detail);
	n = record_list_close(&list);
	if (n < smtp->messages_total)
		json_put_u64(json, "messages_total", smtp->messages_total);
	json_end_object(json);
	return n == smtp->n_messages;
}
