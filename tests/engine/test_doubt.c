// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What mail programs read differently teaches nothing (HOSTILE.md, code A): with a message of two readings, fetched
// or sent at the end of some weeks, all that the models keep is what it is with one of its size that has one reading.

#include "desk.h"
#include "models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY_NS (86400ull * 1000000000)

enum { DAYS = 20, MESSAGE_SIZE = 1200 };

// ---- What is kept

static uint64_t sum_add(uint64_t sum, const void *data, size_t size) {
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
	return sum;
}

// Of every byte but the list of what came last, by which the same activity is known when it comes again.
static uint64_t kept_sum(const struct models *models) {
	uint64_t sum = 0xcbf29ce484222325;
	size_t n_parts;
	const struct store_part *parts = models_parts(models, &n_parts);

	for (const struct store_part *part = parts; part < parts + n_parts; part++) {
		if (part->id == KEPT_RECENT)
			continue;
		if (!part->table)
			sum = sum_add(sum, part->blob, part->size);
		for (uint32_t i = 0; part->table && i < part->table->n; i++)
			if (table_at(part->table, i)->used)
				sum = sum_add(
					sum, table_at(part->table, i), part->table->entry_size
				);
	}
	return sum;
}

// ---- An account's weeks

static void on_alert(void *, const struct alert *) {}

static void on_activity(struct desk *desk, const struct activity *activity) {
	models_run(desk->ctx, activity);
}

static void say(struct desk_connection *c, enum stream_dir dir, const char *text) {
	desk_say(c, dir, text, strlen(text));
}

// Behind it so many bytes that all are of one size.
static void message_say(struct desk_connection *c, enum stream_dir dir, const char *message) {
	char padding[MESSAGE_SIZE];
	size_t size = strlen(message);

	assert_true(size < MESSAGE_SIZE - 2);
	memset(padding, '-', sizeof(padding));
	memcpy(padding, "\r\n", 2);
	say(c, dir, message);
	desk_say(c, dir, padding, MESSAGE_SIZE - size);
}

static void message_fetch(struct desk *desk, unsigned day, const char *message) {
	struct desk_connection c = desk_connect(desk, 7, 143);
	char line[200];

	say(&c, STREAM_SERVER, "* OK ready\r\n");
	say(&c, STREAM_CLIENT, "a LOGIN u1@example.org x\r\n");
	say(&c, STREAM_SERVER, "a OK\r\n");
	say(&c, STREAM_CLIENT, "b SELECT INBOX\r\n");
	snprintf(
		line,
		sizeof(line),
		"* %u EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT %u]\r\nb OK\r\n",
		200 + day,
		201 + day
	);
	say(&c, STREAM_SERVER, line);
	snprintf(line, sizeof(line), "c UID FETCH %u (BODY[])\r\n", 200 + day);
	say(&c, STREAM_CLIENT, line);
	snprintf(
		line,
		sizeof(line),
		"* %u FETCH (UID %u BODY[] {%d}\r\n",
		200 + day,
		200 + day,
		MESSAGE_SIZE
	);
	say(&c, STREAM_SERVER, line);
	message_say(&c, STREAM_SERVER, message);
	say(&c, STREAM_SERVER, ")\r\nc OK\r\n");
	say(&c, STREAM_CLIENT, "d LOGOUT\r\n");
	say(&c, STREAM_SERVER, "* BYE\r\nd OK\r\n");
	desk_hang_up(&c);
}

static void message_send(struct desk *desk, const char *message) {
	struct desk_connection c = desk_connect(desk, 7, 587);

	say(&c, STREAM_SERVER, "220 mail ESMTP\r\n");
	say(&c, STREAM_CLIENT, "EHLO x\r\n");
	say(&c, STREAM_SERVER, "250-mail\r\n250 AUTH PLAIN\r\n");
	say(&c, STREAM_CLIENT, "AUTH PLAIN AHUxQGV4YW1wbGUub3JnAHg=\r\n");
	say(&c, STREAM_SERVER, "235 in\r\n");
	say(&c, STREAM_CLIENT, "MAIL FROM:<u1@example.org>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n");
	say(&c, STREAM_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n");
	message_say(&c, STREAM_CLIENT, message);
	say(&c, STREAM_CLIENT, "\r\n.\r\n");
	say(&c, STREAM_SERVER, "250 ok\r\n");
	say(&c, STREAM_CLIENT, "QUIT\r\n");
	say(&c, STREAM_SERVER, "221 bye\r\n");
	desk_hang_up(&c);
}

// What is kept of somebody who reads a message a day, one of today's, and last this one. event: what the last
// record must say, NULL: nothing of the message.
static uint64_t kept_after(const char *message, bool is_sent, const char *event) {
	struct models_config config = {.n_accounts = 100, .hash_key = {1, 2}, .alert = on_alert};
	struct models *models = models_open(&config);
	struct desk *desk = desk_open(1 << 22, 64);
	uint64_t sum, start_ns = desk->now_ns;

	assert_non_null(models);
	desk->engine->config.decode = true;
	desk->activity = on_activity;
	desk->ctx = models;
	for (unsigned day = 0; day < DAYS; day++) {
		char today[100];
		desk->now_ns = start_ns + day * DAY_NS;
		snprintf(
			today, sizeof(today), "Date: %u Jan 2026 06:00:00 +0000\r\n\r\nx", 12 + day
		);
		message_fetch(desk, day, today);
	}
	desk->now_ns = start_ns + DAYS * DAY_NS;
	if (is_sent)
		message_send(desk, message);
	else
		message_fetch(desk, DAYS, message);
	if (event)
		assert_non_null(strstr(desk->line, event));
	else
		assert_non_null(strstr(desk->line, "\"events\":[]"));
	desk_end(desk);
	sum = kept_sum(models);
	desk_close(desk);
	models_close(models);
	return sum;
}

// ---- Doubtful messages, and the same without a doubt

#define NEW "Date: 1 Feb 2026 06:00:00 +0000\r\n"
#define OLD "Date: 1 Feb 2020 06:00:00 +0000\r\n"
#define NONE "Xate: 1 Feb 2020 06:00:00 +0000\r\n"
#define TEXT "\r\nx"
#define FILE_HEAD                                                                                  \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "                   \
	"application/zip\r\nContent-Disposition: attachment; "                                     \
	"filename=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define FILE_END "\r\n--b--\r\n"
#define PARTS "\r\n--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n--b--\r\n"

static const char zip[] = "UEsDBBQAAAAIAJoVeF1Api0BCgAAAAsAAAAFAAAAYS50eHTLSM3JyVfIAJEAUEsDBBQAAA"
			  "gIAJoVeF1sQ/E8BwAAADwAAAAKAAAAZGlyL8SNLmV4ZfON8iUbAgBQSwECFAMUAAAACACa"
			  "FXhdQKYtAQoAAAALAAAABQAAAAAAAAAAAAAAgAEAAAAAYS50eHRQSwECFAMUAAAICACaFX"
			  "hdbEPxPAcAAAA8AAAACgAAAAAAAAAAAAAAgAEtAAAAZGlyL8SNLmV4ZVBLBQYAAAAAAgAC"
			  "AGsAAABcAAAAAAA=";
static const char other_zip[]
	= "UEsDBBQAAAAIAJoVeF1Api0BCgAAAAsAAAAFAAAAYS50eHTLSM3JyVfIAJEAUEsDBBQAAA"
	  "gIAJoVeF1sQ/E8BwAAADwAAAAKAAAAZGlyL8SNLmV4ZfON8iUbAgBQSwECFAMUAAAACACa"
	  "FXhdQKYtAQoAAAALAAAABQAAAAAAAAAAAAAAgAEAAAAAYi50eHRQSwECFAMUAAAICACaFX"
	  "hdbEPxPAcAAAA8AAAACgAAAAAAAAAAAAAAgAEtAAAAZGlyL8SNLmV4ZVBLBQYAAAAAAgAC"
	  "AGsAAABcAAAAAAA=";

static void a_doubtful_part_teaches_nothing(
	const char *row,
	const char *doubtful,
	const char *clean,
	const char *event
) {
	for (int is_sent = 0; is_sent < 2; is_sent++)
		if (kept_after(doubtful, is_sent, event) != kept_after(clean, is_sent, NULL))
			fail_msg("%s, %s: %s", row, is_sent ? "sent" : "fetched", doubtful);
}

static void m01_m02_m03_m07_m11_m18_what_is_doubtful_teaches_nothing(void **) {
	static const struct {
		const char *row, *doubtful, *clean, *event;
	} cases[] = {
		{"M1",
		 NEW "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n"
		     "Content-Disposition: attachment; filename=a\r\n\r\nYWJj",
		 NEW "Content-Transfer-Encoding: 7bit\r\n"
		     "Content-Disposition: attachment; filename=a\r\n\r\nYWJj",
		 "mime_ambiguous_encoding"},
		{"M2",
		 NEW "Content-Transfer-Encoding: base64 junk\r\n\r\nYWJj",
		 NEW "\r\nYWJj",
		 "mime_ambiguous_encoding"},
		{"M2",
		 NEW "Content-Transfer-Encoding : base64\r\n\r\nYWJj",
		 NEW "\r\nYWJj",
		 "mime_bad_header"},
		{"M3",
		 NEW
		 "Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n" PARTS,
		 NEW "Content-Type: multipart/mixed; boundary=b\r\n" PARTS,
		 "mime_ambiguous_type"},
		{"M7",
		 NEW "Content-Type: multipart/mixed; boundary=b; boundary=c\r\n" PARTS,
		 NEW "Content-Type: multipart/mixed; boundary=b\r\n" PARTS,
		 "mime_ambiguous_boundary"},
		{"M11",
		 NEW "Content-Disposition: attachment; filename=a; filename*=utf-8''b\r\n" TEXT,
		 NEW "Content-Disposition: attachment; filename=b\r\n" TEXT,
		 "mime_ambiguous_name"},
		{"M18", NEW "no field\r\n" TEXT, NEW TEXT, "mime_bad_header"},
		// Of the date, which is what of a message the models learn from: doubted, it is none.
		{"M2", "Date : 1 Feb 2020 06:00:00 +0000\r\n" TEXT, NONE TEXT, "mime_bad_header"},
		{"M2", "A: b\r" OLD TEXT, NONE TEXT, "mime_bad_header"},
		{"M18", "A: b\r\nno field\r\n" OLD TEXT, NONE TEXT, "mime_bad_header"},
		{"M18", OLD NEW TEXT, NONE TEXT, "mime_bad_header"},
		{"M18", NEW OLD TEXT, NONE TEXT, "mime_bad_header"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		a_doubtful_part_teaches_nothing(
			cases[i].row, cases[i].doubtful, cases[i].clean, cases[i].event
		);
	// It would be seen: a date that nobody doubts is learned from, the same twice, too.
	assert_true(kept_after(OLD TEXT, false, NULL) != kept_after(NONE TEXT, false, NULL));
	assert_true(kept_after(OLD TEXT, false, NULL) == kept_after(OLD OLD TEXT, false, NULL));
}

static void m22_an_archive_of_two_readings_teaches_nothing(void **) {
	char doubtful[MESSAGE_SIZE], clean[MESSAGE_SIZE];

	snprintf(doubtful, sizeof(doubtful), "%s%s%s%s", NEW, FILE_HEAD, other_zip, FILE_END);
	snprintf(clean, sizeof(clean), "%s%s%s%s", NEW, FILE_HEAD, zip, FILE_END);
	a_doubtful_part_teaches_nothing("M22", doubtful, clean, "mime_odd_archive");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m01_m02_m03_m07_m11_m18_what_is_doubtful_teaches_nothing),
		cmocka_unit_test(m22_an_archive_of_two_readings_teaches_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
