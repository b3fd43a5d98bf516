// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Messages of more than 4 GiB, which is beyond any 32-bit count (HOSTILE.md, M14), made as they are sent: over
// each way that mail comes, from segments to records. What stands in them is counted and hashed to its last
// byte, and what stands behind them, in the message and in the conversation, is found.

#include "desk.h"
#include "mime/mime.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PIECE_SIZE = 60000, LINE_SIZE = 80 };

// 4 GiB and some, in whole pieces.
#define N_PIECES ((UINT64_C(1) << 32) / PIECE_SIZE + 2)
#define LARGE_SIZE (N_PIECES * PIECE_SIZE)

// In front of the large attachment, which is in a message that is attached, and behind it.
static const char before[] = "Subject: large\r\n"
			     "Content-Type: multipart/mixed; boundary=outer\r\n"
			     "\r\n"
			     "--outer\r\n"
			     "Content-Type: message/rfc822\r\n"
			     "Content-Disposition: attachment; filename=forwarded.eml\r\n"
			     "\r\n";
static const char inner[] = "Subject: inner\r\n"
			    "Content-Type: multipart/mixed; boundary=b\r\n"
			    "\r\n"
			    "--b\r\n"
			    "Content-Type: application/octet-stream\r\n"
			    "Content-Disposition: attachment; filename=large.bin\r\n"
			    "\r\n";
static const char inner_end[] = "\r\n--b--";
static const char behind[] = "\r\n--outer\r\n"
			     "Content-Type: application/octet-stream\r\n"
			     "Content-Disposition: attachment; filename=last.bin\r\n"
			     "\r\n"
			     "last\r\n"
			     "--outer--\r\n";

#define SIZE(text) (sizeof(text) - 1)
#define FORWARDED_SIZE (SIZE(inner) + LARGE_SIZE + SIZE(inner_end))
#define MESSAGE_SIZE (SIZE(before) + FORWARDED_SIZE + SIZE(behind))

static char piece[PIECE_SIZE];
static char large_hash[65]; // of all of them
static json_t *record; // the last

static void on_record(struct desk *desk) {
	json_decref(record);
	record = json_loads(desk->line, 0, NULL);
	assert_non_null(record);
}

static void say(struct desk_connection *c, enum stream_dir dir, const char *text) {
	desk_say(c, dir, text, strlen(text));
}

static void large_say(struct desk_connection *c, enum stream_dir dir) {
	say(c, dir, before);
	say(c, dir, inner);
	for (uint64_t i = 0; i < N_PIECES; i++) {
		desk_say(c, dir, piece, sizeof(piece));
		desk_say(c, !dir, NULL, 0); // which acknowledges it
	}
	say(c, dir, inner_end);
	say(c, dir, behind);
}

static json_int_t number(const json_t *of, const char *name) {
	return json_integer_value(json_object_get(of, name));
}

static const char *word(const json_t *of, const char *name) {
	return json_string_value(json_object_get(of, name)) ?: "";
}

static void files_check(const json_t *list) {
	static const struct {
		const char *name;
		uint64_t bytes;
	} files[] = {
		{"forwarded.eml", FORWARDED_SIZE},
		{"large.bin", LARGE_SIZE},
		{"last.bin", 4},
	};

	assert_int_equal(json_array_size(list), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *file = json_array_get(list, i);
		assert_string_equal(word(file, "name"), files[i].name);
		assert_int_equal(number(file, "bytes"), files[i].bytes);
	}
	assert_string_equal(word(json_array_get(list, 1), "sha256"), large_hash);
}

static struct desk_connection connection_open(uint16_t port) {
	struct desk *desk = desk_open(1 << 22, 16);

	desk->engine->config.decode = true;
	desk->record = on_record;
	return desk_connect(desk, 1, port);
}

// The end, from which on there is a record of that protocol.
static const json_t *connection_end(struct desk_connection *c, const char *protocol) {
	desk_hang_up(c);
	desk_end(c->desk);
	assert_int_equal(c->desk->n_records, 1);
	assert_int_equal(slab_used(c->desk->engine->slab), 0);
	desk_close(c->desk);
	return json_object_get(json_object_get(record, "postern"), protocol);
}

static void records_say_so(const char *side) {
	assert_true((uint64_t)number(json_object_get(record, side), "bytes") > MESSAGE_SIZE);
	const json_t *ours = json_object_get(record, "postern");
	assert_true(json_real_value(json_object_get(ours, "seen")) == 1.0);
	assert_int_equal(json_array_size(json_object_get(ours, "events")), 0);
}

static void smtp_begin(struct desk_connection *c) {
	say(c, STREAM_SERVER, "220 mail.example.org ESMTP\r\n");
	say(c, STREAM_CLIENT, "EHLO me.example\r\n");
	say(c, STREAM_SERVER, "250-mail.example.org\r\n250 CHUNKING\r\n");
	say(c, STREAM_CLIENT, "MAIL FROM:<a@x.example>\r\n");
	say(c, STREAM_SERVER, "250 ok\r\n");
	say(c, STREAM_CLIENT, "RCPT TO:<b@x.example>\r\n");
	say(c, STREAM_SERVER, "250 ok\r\n");
}

// One more message, and what became of both.
static void smtp_end(struct desk_connection *c) {
	say(c, STREAM_SERVER, "250 ok\r\n");
	say(c, STREAM_CLIENT, "MAIL FROM:<c@x.example>\r\n");
	say(c, STREAM_SERVER, "250 ok\r\n");
	say(c, STREAM_CLIENT, "RCPT TO:<d@x.example>\r\n");
	say(c, STREAM_SERVER, "250 ok\r\n");
	say(c, STREAM_CLIENT, "DATA\r\n");
	say(c, STREAM_SERVER, "354 go\r\n");
	say(c, STREAM_CLIENT, "Subject: next\r\n\r\nx\r\n.\r\n");
	say(c, STREAM_SERVER, "250 ok\r\n");
	say(c, STREAM_CLIENT, "QUIT\r\n");
	say(c, STREAM_SERVER, "221 bye\r\n");

	const json_t *messages = json_object_get(connection_end(c, "smtp"), "messages");
	assert_int_equal(json_array_size(messages), 2);
	const json_t *first = json_array_get(messages, 0);
	assert_int_equal(number(first, "bytes"), MESSAGE_SIZE);
	assert_string_equal(word(first, "outcome"), "250");
	assert_string_equal(word(first, "subject"), "large");
	files_check(json_object_get(first, "attachments"));
	assert_string_equal(word(json_array_get(messages, 1), "subject"), "next");
	assert_int_equal(number(json_array_get(messages, 1), "bytes"), 20);
	records_say_so("source");
}

static void m14_a_message_beyond_4_gib_in_data(void **) {
	struct desk_connection c = connection_open(25);

	smtp_begin(&c);
	say(&c, STREAM_CLIENT, "DATA\r\n");
	say(&c, STREAM_SERVER, "354 go\r\n");
	large_say(&c, STREAM_CLIENT);
	say(&c, STREAM_CLIENT, ".\r\n");
	smtp_end(&c);
}

static void m14_a_message_beyond_4_gib_in_one_chunk(void **) {
	struct desk_connection c = connection_open(25);
	char line[100];

	smtp_begin(&c);
	snprintf(line, sizeof(line), "BDAT %" PRIu64 " LAST\r\n", (uint64_t)MESSAGE_SIZE);
	say(&c, STREAM_CLIENT, line);
	large_say(&c, STREAM_CLIENT);
	smtp_end(&c);
}

static void imap_begin(struct desk_connection *c) {
	say(c, STREAM_SERVER, "* OK ready\r\n");
	say(c, STREAM_CLIENT, "a LOGIN u1 x\r\n");
	say(c, STREAM_SERVER, "a OK\r\n");
	say(c, STREAM_CLIENT, "b SELECT INBOX\r\n");
	say(c, STREAM_SERVER, "* 5 EXISTS\r\n* OK [UIDVALIDITY 7]\r\nb OK [READ-WRITE]\r\n");
}

static void m14_a_message_beyond_4_gib_in_a_literal(void **) {
	struct desk_connection c = connection_open(143);
	char line[100];

	imap_begin(&c);
	say(&c, STREAM_CLIENT, "c FETCH 1:2 (UID BODY.PEEK[])\r\n");
	snprintf(line, sizeof(line), "* 1 FETCH (BODY[] {%" PRIu64 "}\r\n", (uint64_t)MESSAGE_SIZE);
	say(&c, STREAM_SERVER, line);
	large_say(&c, STREAM_SERVER);
	say(&c, STREAM_SERVER, " UID 9)\r\n* 2 FETCH (UID 10 BODY[] {5}\r\nx\r\n\r\n)\r\nc OK\r\n");
	const json_t *imap = connection_end(&c, "imap");
	const json_t *fetch = json_object_get(imap, "fetch");
	assert_int_equal(number(fetch, "body_count"), 2);
	assert_int_equal(number(fetch, "body_bytes"), MESSAGE_SIZE + 5);
	const json_t *mailbox = json_array_get(json_object_get(imap, "mailboxes"), 0);
	assert_string_equal(word(json_object_get(mailbox, "fetched"), "uids"), "9:10");
	assert_int_equal(number(json_object_get(mailbox, "fetched"), "bytes"), MESSAGE_SIZE + 5);
	files_check(json_object_get(imap, "attachments"));
	records_say_so("destination");
}

static void m14_a_message_beyond_4_gib_is_appended(void **) {
	struct desk_connection c = connection_open(143);
	char line[100];

	imap_begin(&c);
	snprintf(line, sizeof(line), "c APPEND Drafts {%" PRIu64 "+}\r\n", (uint64_t)MESSAGE_SIZE);
	say(&c, STREAM_CLIENT, line);
	large_say(&c, STREAM_CLIENT);
	say(&c, STREAM_CLIENT, "\r\n");
	say(&c, STREAM_SERVER, "c OK\r\n");
	say(&c, STREAM_CLIENT, "d NOOP\r\n");
	say(&c, STREAM_SERVER, "d OK\r\n");
	const json_t *imap = connection_end(&c, "imap"), *append = json_object_get(imap, "append");
	assert_int_equal(number(append, "count"), 1);
	assert_int_equal(number(append, "bytes"), MESSAGE_SIZE);
	files_check(json_object_get(imap, "attachments"));
	records_say_so("source");
}

static void m14_a_message_beyond_4_gib_is_retrieved(void **) {
	struct desk_connection c = connection_open(110);

	say(&c, STREAM_SERVER, "+OK ready\r\n");
	say(&c, STREAM_CLIENT, "USER u1\r\n");
	say(&c, STREAM_SERVER, "+OK\r\n");
	say(&c, STREAM_CLIENT, "PASS x\r\n");
	say(&c, STREAM_SERVER, "+OK\r\n");
	say(&c, STREAM_CLIENT, "RETR 1\r\n");
	say(&c, STREAM_SERVER, "+OK\r\n");
	large_say(&c, STREAM_SERVER);
	say(&c, STREAM_SERVER, ".\r\n");
	say(&c, STREAM_CLIENT, "RETR 2\r\n");
	say(&c, STREAM_SERVER, "+OK\r\nx\r\n\r\n.\r\n");
	const json_t *pop3 = connection_end(&c, "pop3"), *retr = json_object_get(pop3, "retr");
	assert_int_equal(number(retr, "count"), 2);
	assert_int_equal(number(retr, "bytes"), MESSAGE_SIZE + 5);
	files_check(json_object_get(pop3, "attachments"));
	records_say_so("destination");
}

// ---- Text

struct text {
	const char *unit; // of what comes out, again and again
	size_t unit_size;
	uint64_t n; // bytes
	bool is_wrong;
};

static void on_text(void *ctx, enum mime_text kind, const uint8_t *data, size_t size) {
	struct text *text = ctx;
	size_t at = text->n % text->unit_size;

	if (kind == MIME_OTHER)
		return; // the bytes as they are, which a program may show

	text->n += size;
	// The first unit as such, the rest against what stands one unit before it.
	for (; size > 0 && at > 0 && !text->is_wrong; at = (at + 1) % text->unit_size, size--)
		text->is_wrong |= *data++ != (uint8_t)text->unit[at];
	size_t n = size < text->unit_size ? size : text->unit_size;
	text->is_wrong |= memcmp(data, text->unit, n) != 0 || memcmp(data, data + n, size - n) != 0;
}

static void on_event(void *, enum session_event event) {
	fail_msg("%s", session_event_name(event));
}

// Tables, iconv, and an iconv with a shift that nothing ends: beyond 2 GiB the same comes out as before.
static void m14_text_beyond_2_gib_is_converted_to_its_end(void **) {
	static const struct {
		const char *header, *unit, *out;
		size_t size; // of unit
	} cases[] = {
		{"Content-Type: text/plain; charset=iso-8859-2\r\n\r\n",
		 "\xbe"
		 "a",
		 "\u017ea",
		 2},
		{"Content-Type: text/plain; charset=utf-16le\r\n\r\n", "a\0", "a", 2},
		{"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B",
		 "\x30\x21",
		 "\u4e9c",
		 2},
	};
	const uint64_t n_pieces = (UINT64_C(1) << 31) / PIECE_SIZE + 2;
	static uint8_t units[PIECE_SIZE];
	struct slab *slab = slab_open(1 << 22);
	struct charsets *charsets = charsets_open("windows-1250");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text text = {cases[i].out, strlen(cases[i].out), 0, false};
		struct mime_handler handler = {.ctx = &text, .text = on_text, .event = on_event};
		struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
		struct mime_summary summary;

		for (size_t at = 0; at < sizeof(units); at += cases[i].size)
			memcpy(units + at, cases[i].unit, cases[i].size);
		mime_data(mime, (const uint8_t *)cases[i].header, strlen(cases[i].header));
		for (uint64_t n = 0; n < n_pieces; n++)
			mime_data(mime, units, sizeof(units));
		mime_close(mime, &summary);
		mime_summary_free(&summary, slab);
		assert_int_equal(text.n, n_pieces * PIECE_SIZE / cases[i].size * text.unit_size);
		assert_false(text.is_wrong);
	}
	assert_int_equal(slab_used(slab), 0);
	charsets_close(charsets);
	slab_close(slab);
}

// Lines that differ from their neighbours, so that a piece is not one of another place.
static int set_up(void **state) {
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t digest[32];

	for (size_t at = 0; at < sizeof(piece); at += LINE_SIZE) {
		memset(piece + at, 'a' + (int)(at / LINE_SIZE % 26), LINE_SIZE - 2);
		memcpy(piece + at + LINE_SIZE - 2, "\r\n", 2);
	}
	EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
	for (uint64_t i = 0; i < N_PIECES; i++)
		EVP_DigestUpdate(hash, piece, sizeof(piece));
	EVP_DigestFinal_ex(hash, digest, NULL);
	EVP_MD_CTX_free(hash);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(large_hash + 2 * i, "%02x", digest[i]);
	return 0;
}

static int tear_down(void **state) {
	json_decref(record);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m14_a_message_beyond_4_gib_in_data),
		cmocka_unit_test(m14_a_message_beyond_4_gib_in_one_chunk),
		cmocka_unit_test(m14_a_message_beyond_4_gib_in_a_literal),
		cmocka_unit_test(m14_a_message_beyond_4_gib_is_appended),
		cmocka_unit_test(m14_a_message_beyond_4_gib_is_retrieved),
		cmocka_unit_test(m14_text_beyond_2_gib_is_converted_to_its_end),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
