// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Rows that could make work grow faster than their bytes (HOSTILE.md, code L): four times as much costs four
// times the work (steps.h). Once below the limit, where nothing but the code sees to it, and once far beyond.
// Bytes come in segments, not in lines.

#include "../steps.h"
#include "limits.h"
#include "mime/header.h"
#include "mime/mime.h"
#include "proto/imap/imap.h"
#include "proto/smtp/smtp.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT_SIZE = 1448 };

struct text {
	char *data;
	size_t size;
};

// Beyond a limit bytes may cost less than before it, but never more.
static void at_most_linear(steps_construction *run, size_t n) {
	struct steps cost[2];

	steps_grow(run, n, cost);
	print_message("%zu and %zu: x %.2f\n", n, 4 * n, steps_ratio(cost));
	assert_true(steps_work(&cost[1]) > steps_work(&cost[0])); // all of it is taken
	assert_true(steps_ratio(cost) <= 4.5);
}

// ---- Conversations

static void segments_say(struct talk *talk, enum stream_dir dir, const struct text *text) {
	for (size_t at = 0; at < text->size; at += SEGMENT_SIZE)
		talk_data(
			talk,
			dir,
			text->data + at,
			text->size - at < SEGMENT_SIZE ? text->size - at : SEGMENT_SIZE
		);
}

static void text_free(struct text *text) {
	free(text->data);
}

static struct text repeated(const char *before, const char *what, size_t n, const char *behind) {
	struct text text;
	FILE *out = open_memstream(&text.data, &text.size);

	fputs(before, out);
	for (; n > 0; n--)
		fputs(what, out);
	fputs(behind, out);
	fclose(out);
	return text;
}

static const struct proto *proto;
static const char *greeting, *command, *reply; // NULL: none is answered

static void commands_say(size_t n) {
	struct talk *talk = talk_open(proto, 0);
	struct text client = repeated("", command, n, ""),
		    server = repeated(greeting, reply ? reply : "", reply ? n : 0, "");
	struct text hello = {(char *)greeting, strlen(greeting)};

	steps_start();
	if (reply == NULL)
		segments_say(talk, STREAM_SERVER, &hello);
	segments_say(talk, STREAM_CLIENT, &client);
	if (reply != NULL)
		segments_say(talk, STREAM_SERVER, &server);
	talk_end(talk, NULL);
	steps_stop();
	talk_close(talk);
	text_free(&client);
	text_free(&server);
}

static void s10_commands_cost_in_proportion(void **state) {
	static const struct {
		const char *command, *reply;
	} cases[] = {
		{"NOOP\r\n", NULL},
		{"NOOP\r\n", "250 ok\r\n"},
		{"MAIL FROM:<a@x.example>\r\nRSET\r\n", NULL},
		{"MAIL FROM:<a@x.example>\r\nRSET\r\n", "250 ok\r\n250 ok\r\n"},
		{"RCPT TO:<b@x.example>\r\n", NULL},
		{"RCPT TO:<b@x.example>\r\n", "250 ok\r\n"},
		{"BDAT 1\r\nx", "250 ok\r\n"},
		{"AUTH PLAIN\r\n", "334 \r\n"},
	};

	proto = &proto_smtp;
	greeting = "220 hi\r\n";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command = cases[i].command;
		reply = cases[i].reply;
		print_message("%.20s %s\n", command, reply ? "answered" : "unanswered");
		steps_are_linear(commands_say, SMTP_INFLIGHT_MAX / 4 - 4);
		steps_are_linear(commands_say, 10000);
	}
}

// Each recipient and each message answered at once.
static void transactions_say(size_t n) {
	struct talk *talk = talk_open(proto, 0);
	struct text client = {(char *)command, strlen(command)},
		    server = {(char *)reply, strlen(reply)};

	talk_data(talk, STREAM_SERVER, greeting, strlen(greeting));
	steps_start();
	for (; n > 0; n--) {
		segments_say(talk, STREAM_CLIENT, &client);
		segments_say(talk, STREAM_SERVER, &server);
	}
	talk_end(talk, NULL);
	steps_stop();
	talk_close(talk);
}

static void s10_recipients_and_messages_cost_in_proportion(void **state) {
	proto = &proto_smtp;
	greeting = "220 hi\r\n";
	command = "RCPT TO:<b@x.example>\r\n";
	reply = "250 ok\r\n";
	steps_are_linear(transactions_say, SMTP_RECIPIENTS_MAX / 4 - 4);
	steps_are_linear(transactions_say, 10000);
	command = "MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nx\r\n.\r\n";
	reply = "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n";
	steps_are_linear(transactions_say, SMTP_MESSAGES_MAX / 4 - 1);
	steps_are_linear(transactions_say, 2000);
}

// ---- Messages

static uint64_t n_told; // so that what is told is not thrown away unread

static void on_bytes(void *, const uint8_t *, size_t size) {
	n_told += size;
}

static void on_text(void *, enum mime_text, const uint8_t *, size_t size) {
	n_told += size;
}

static void on_event(void *, enum session_event) {}

static void message_read(const struct text *text) {
	struct slab *slab = slab_open(1 << 22);
	struct mime_handler handler = {.header = on_bytes, .text = on_text, .event = on_event};
	struct mime_summary summary;

	steps_start();
	struct mime *mime = mime_open(slab, NULL, MIME_MESSAGE, &handler);
	for (size_t at = 0; at < text->size; at += SEGMENT_SIZE)
		mime_data(
			mime,
			(const uint8_t *)text->data + at,
			text->size - at < SEGMENT_SIZE ? text->size - at : SEGMENT_SIZE
		);
	mime_close(mime, &summary);
	steps_stop();
	mime_summary_free(&summary, slab);
	slab_close(slab);
}

static const char *before, *unit, *behind; // of a message that has unit n times

static void units_read(size_t n) {
	struct text text = repeated(before, unit, n, behind);

	message_read(&text);
	text_free(&text);
}

struct unit_case {
	const char *before, *unit, *behind;
	size_t few, many; // the first 4 times below a limit
};

static void units_check(const struct unit_case *cases, size_t n_cases) {
	for (size_t i = 0; i < n_cases; i++) {
		before = cases[i].before;
		unit = cases[i].unit;
		behind = cases[i].behind;
		print_message("%.30s\n", unit);
		at_most_linear(units_read, cases[i].few);
		at_most_linear(units_read, cases[i].many);
	}
}

#define FIELD_FEW(size) (MIME_FIELD_SIZE_MAX / 4 / (size)-4)

static void m8_levels_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"",
		 "Content-Type: message/rfc822\r\n\r\n",
		 "x",
		 MIME_DEPTH_MAX / 4 - 1,
		 10 * MIME_DEPTH_MAX},
		{"",
		 "Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n",
		 "x",
		 MIME_DEPTH_MAX / 4 - 1,
		 10 * MIME_DEPTH_MAX},
		{"",
		 "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/x; "
		 "boundary=b\r\n\r\n--b\r\n",
		 "x",
		 MIME_DEPTH_MAX / 8 - 1,
		 10 * MIME_DEPTH_MAX},
	};

	units_check(cases, sizeof(cases) / sizeof(cases[0]));
}

// Deep as it may be, each line is held against each boundary that is open: no more than MIME_DEPTH_MAX of them.
static void m8_lines_cost_in_proportion_however_deep(void **state) {
	struct text text;
	FILE *out = open_memstream(&text.data, &text.size);

	for (int i = 0; i < MIME_DEPTH_MAX; i++)
		fprintf(out, "Content-Type: multipart/x; boundary=b%d.\r\n\r\n--b%d.\r\n", i, i);
	fputs("\r\n", out);
	fclose(out);
	before = text.data;
	behind = "";
	unit = "--b x\r\n";
	steps_are_linear(units_read, 5000);
	unit = "--b1\r\n";
	steps_are_linear(units_read, 5000);
	text_free(&text);
}

static void m9_parts_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"Content-Type: multipart/x; boundary=b\r\n\r\n",
		 "--b\r\n\r\n",
		 "--b--",
		 MIME_PARTS_MAX / 4 - 4,
		 4 * MIME_PARTS_MAX},
		{"Content-Type: multipart/x; boundary=b\r\n\r\n",
		 "--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n",
		 "--b--",
		 MIME_PARTS_MAX / 4 - 4,
		 2 * MIME_PARTS_MAX},
	};

	units_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void m10_headers_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"", "To: a@x, \"b\" <b@y>\r\n", "\r\nx", 100, 20000},
		{"To: ", "a@x, \"b\" <b@y>, ", "\r\n\r\nx", FIELD_FEW(17), 20000},
		{"Content-Type: x/y", "; a=b", "\r\n\r\nx", FIELD_FEW(5), 20000},
		{"Content-Disposition: attachment",
		 "; filename*1=b",
		 "\r\n\r\nx",
		 FIELD_FEW(14),
		 20000},
		{"Subject: ", "=?utf-8?Q?a?= ", "\r\n\r\nx", FIELD_FEW(14), 20000},
		{"Subject: ", "=?utf-8?Q?a ", "\r\n\r\nx", FIELD_FEW(12), 20000},
		{"Subject: ", "=?", "\r\n\r\nx", FIELD_FEW(2), 20000},
		{"Content-Type: multipart/x", "; boundary=b", "\r\n\r\nx", FIELD_FEW(12), 20000},
	};

	units_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void m12_comments_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"Content-Type: ", "(", "\r\n\r\nx", FIELD_FEW(1), 50000},
		{"Content-Type: text/plain; ", "(\\", "\r\n\r\nx", FIELD_FEW(2), 50000},
		{"Content-Transfer-Encoding: ", "()", "\r\n\r\nx", FIELD_FEW(2), 50000},
		{"Content-Disposition: ", "(\\", "\\\r\n\r\nx", FIELD_FEW(2), 50000},
		{"Date: ", "((", "\r\n\r\nx", FIELD_FEW(2), 50000},
	};

	units_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void m16_lines_without_an_end_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"Content-Type: text/plain\r\n\r\nhttp://", "user:", "", 50000, 400000},
		{"Content-Type: text/html\r\n\r\n<a href=\"http://", "user:", "", 50000, 400000},
		{"Content-Type: text/html\r\n\r\n", "<", "", 1000, 50000},
		{"Content-Type: text/html\r\n\r\n", "<!--", "", 1000, 50000},
		{"Content-Type: text/html\r\n\r\n", "&", "", 1000, 50000},
		{"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		 "= ",
		 "",
		 50000,
		 400000},
	};

	units_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void m17_folds_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"A: b", "\r\n c", "\r\n\r\nx", FIELD_FEW(4), 50000},
		{"A: b", "\r\n ", "\r\n\r\nx", FIELD_FEW(3), 50000},
		{"A: b", "\n\t", "\r\n\r\nx", FIELD_FEW(2), 50000},
		{"Content-Type: text/plain;", "\r\n a=b;", "\r\n\r\nx", FIELD_FEW(7), 50000},
		{"", "\r\n ", "\r\n\r\nx", 1000, 50000},
	};

	units_check(cases, sizeof(cases) / sizeof(cases[0]));
}

// ---- IMAP

// One command with n literals, or one response with n parentheses.
static void imap_line_say(size_t n) {
	struct talk *talk = talk_open(&proto_imap, 0);
	struct text text = repeated(before, unit, n, behind);

	talk_data(talk, STREAM_SERVER, "* OK hi\r\n", 9);
	talk_data(talk, STREAM_CLIENT, "1 LOGIN u p\r\n", 13);
	talk_data(talk, STREAM_SERVER, "1 OK\r\n", 6);
	steps_start();
	segments_say(talk, before[0] == '*' ? STREAM_SERVER : STREAM_CLIENT, &text);
	talk_end(talk, NULL);
	steps_stop();
	talk_close(talk);
	text_free(&text);
}

static void i3_i12_literals_and_parentheses_cost_in_proportion(void **state) {
	static const struct unit_case cases[] = {
		{"a SEARCH",
		 " TEXT {1+}\r\nx",
		 "\r\n",
		 IMAP_LITERALS_PER_COMMAND_MAX / 4 - 4,
		 20000},
		{"a SEARCH",
		 " TEXT {0+}\r\n",
		 "\r\n",
		 IMAP_LITERALS_PER_COMMAND_MAX / 4 - 4,
		 20000},
		{"a SEARCH ", "(", "\r\n", 500, 50000},
		{"* 1 FETCH (BODYSTRUCTURE ", "(", "\r\n", 500, 50000},
		{"* 1 FETCH (ENVELOPE ", "(\"", "\r\n", 500, 50000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		before = cases[i].before;
		unit = cases[i].unit;
		behind = cases[i].behind;
		print_message("%s%.12s\n", before, unit);
		at_most_linear(imap_line_say, cases[i].few);
		at_most_linear(imap_line_say, cases[i].many);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s10_commands_cost_in_proportion),
		cmocka_unit_test(s10_recipients_and_messages_cost_in_proportion),
		cmocka_unit_test(m8_levels_cost_in_proportion),
		cmocka_unit_test(m8_lines_cost_in_proportion_however_deep),
		cmocka_unit_test(m9_parts_cost_in_proportion),
		cmocka_unit_test(m10_headers_cost_in_proportion),
		cmocka_unit_test(m12_comments_cost_in_proportion),
		cmocka_unit_test(m16_lines_without_an_end_cost_in_proportion),
		cmocka_unit_test(m17_folds_cost_in_proportion),
		cmocka_unit_test(i3_i12_literals_and_parentheses_cost_in_proportion),
	};

	return steps_run(tests);
}
