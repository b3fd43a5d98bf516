// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "proto/detect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Texts with no NUL inside; those with one are tested apart.
struct sample {
	const char *client, *server;
	enum detect verdict;
	uint16_t port;
};

// In exact-size blocks, so that ASan sees a read past the end.
static enum detect
judge(const char *client, size_t client_size, const char *server, size_t server_size, uint16_t port
) {
	uint8_t *c = malloc(client_size > 0 ? client_size : 1),
		*s = malloc(server_size > 0 ? server_size : 1);
	enum detect verdict;

	assert_non_null(c);
	assert_non_null(s);
	memcpy(c, client, client_size);
	memcpy(s, server, server_size);
	verdict = detect(c, client_size, s, server_size, port);
	free(c);
	free(s);
	return verdict;
}

static const struct sample samples[] = {
	{"", "* OK IMAP4rev1 ready\r\n", DETECT_IMAP},
	{"", "* PREAUTH hi\r\n", DETECT_IMAP},
	{"", "* BYE overloaded\r\n", DETECT_IMAP},
	{"a1 LOGIN u p\r\n", "", DETECT_IMAP},
	{"1.12 UID FETCH 3 BODY[]\r\n", "", DETECT_IMAP},
	{"please LOGIN now\r\n", "", DETECT_MORE},
	{"", "220 mx.example.org ESMTP Postfix\r\n", DETECT_SMTP},
	{"", "220-mx.example.org ESMTP Exim\r\n", DETECT_SMTP},
	{"", "220 mx.example.org\r\n", DETECT_SMTP, 25},
	{"", "220 mx.example.org\r\n", DETECT_MORE, 10021},
	{"EHLO x\r\n", "220 mx.example.org\r\n", DETECT_SMTP, 10021},
	{"LHLO x\r\n", "220 store\r\n", DETECT_SMTP, 24},
	{"USER anna\r\n", "220 mx.example.org\r\n", DETECT_NONE, 10021},
	{"", "220 ProFTPD Server\r\n", DETECT_MORE, 21},
	{"USER anna\r\n", "220 ProFTPD Server\r\n", DETECT_NONE, 21},
	{"AUTH TLS\r\n", "220 (vsFTPd 3.0.3)\r\n", DETECT_NONE, 25},
	{"", "554 no SMTP service here\r\n", DETECT_SMTP},
	{"EHLO client.example\r\n", "", DETECT_SMTP},
	{"QUIT\r\n", "", DETECT_SMTP, 25},
	{"QUIT\r\n", "", DETECT_MORE, 10025},
	{"QUITE\r\n", "", DETECT_MORE, 25},
	// Nonsense sent to a mail server that has not spoken yet.
	{"\x01\x02\x03\x04", "", DETECT_MORE, 25},
	{"\x01\x02\x03\x04", "220 mx.example.org ESMTP\r\n", DETECT_SMTP, 25},
	{"\x01\x02\x03\x04", "HTTP/1.1 400 Bad Request\r\n", DETECT_NONE, 25},
	{"", "+OK POP3 ready\r\n", DETECT_POP3},
	{"CAPA\r\n", "+OK\r\nTOP\r\n.\r\n", DETECT_POP3},
	// I26: Redis, whose client speaks first.
	{"AUTH hunter2\r\n", "", DETECT_NONE},
	{"AUTH hunter2\r\n", "+OK\r\n", DETECT_NONE},
	{"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", "+OK\r\n", DETECT_NONE},
	{"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", "", DETECT_NONE},
	{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", DETECT_NONE},
	{"", "SSH-2.0-OpenSSH_9.2\r\n", DETECT_NONE},
	{"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\r\n", DETECT_NONE},
	{"\x16\x03\x01", "", DETECT_TLS},
	{"\x16\x03\x01\x02\x05\x01\x01\x01", "", DETECT_TLS},
	{"\x16\x03\x05", "", DETECT_NONE},
	{"\x16\x02\x01", "", DETECT_NONE},
	{"", "\x17\x03\x03\x01\x05", DETECT_TLS},
	{"\x01\x02\x03\x04", "", DETECT_NONE},
	// Midway, behind the rest of something.
	{"", "of a mail\r\n)\r\n* 12 FETCH (UID 5 FLAGS ())\r\n", DETECT_IMAP},
	{"", "of a mail\r\nA7 OK Fetch completed.\r\n", DETECT_IMAP},
	{"", "A7 OK [READ-WRITE] Select completed.\r\n", DETECT_IMAP},
	{"", "250 2.1.0 Ok\r\n", DETECT_SMTP},
	{"", "250 5.1.0 Ok\r\n", DETECT_MORE},
	{"", "354 End data with <CR><LF>.<CR><LF>\r\n", DETECT_SMTP},
	{"of a mail\r\n.\r\nMAIL FROM:<a@b>\r\n", "", DETECT_SMTP},
	{"", "of a mail\r\n", DETECT_MORE},
	{"", "", DETECT_MORE},
};

static void protocols_are_told_by_their_first_words(void **) {
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *t = &samples[i];
		enum detect got
			= judge(t->client, strlen(t->client), t->server, strlen(t->server), t->port
			);
		if (got != t->verdict)
			fail_msg(
				"\"%s\" / \"%s\": %d, not %d", t->client, t->server, got, t->verdict
			);
	}
}

// However few bytes there are: an early verdict is never another one than the late.
static void beginnings_are_never_taken_for_something_else(void **) {
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *t = &samples[i];
		size_t client = strlen(t->client), server = strlen(t->server);
		for (size_t n = 0; n < server; n++) {
			enum detect got = judge("", 0, t->server, n, t->port);
			if (got != DETECT_MORE && got != judge("", 0, t->server, server, t->port))
				fail_msg("\"%.*s\": %d", (int)n, t->server, got);
		}
		for (size_t n = 0; n < client; n++) {
			enum detect got = judge(t->client, n, t->server, server, t->port);
			if (got != DETECT_MORE && got != t->verdict
			    && got != judge("", 0, t->server, server, t->port))
				fail_msg(
					"\"%.*s\" / \"%s\": %d", (int)n, t->client, t->server, got
				);
		}
	}
}

static void nonsense_is_given_up_at_the_limit_and_not_before(void **) {
	static char text[DETECT_SIZE_MAX];

	memset(text, 'x', sizeof(text));
	assert_int_equal(judge("", 0, text, sizeof(text) - 1, 143), DETECT_MORE);
	assert_int_equal(judge("", 0, text, sizeof(text), 143), DETECT_NONE);
	assert_int_equal(judge(text, sizeof(text), "", 0, 143), DETECT_NONE);
}

static void s11_a_greeting_without_an_end_greets_all_the_same(void **) {
	static char text[DETECT_SIZE_MAX];

	memset(text, 'A', sizeof(text));
	memcpy(text, "220 mx.example ESMTP ", 21);
	assert_int_equal(judge("", 0, text, sizeof(text) - 1, 10025), DETECT_MORE);
	assert_int_equal(judge("", 0, text, sizeof(text), 10025), DETECT_SMTP);
	memcpy(text, "220 ProFTPD server   ", 21);
	assert_int_equal(judge("", 0, text, sizeof(text), 21), DETECT_MORE);
	assert_int_equal(judge("USER a\r\n", 8, text, sizeof(text), 21), DETECT_NONE);
}

static void zeroes_are_binary(void **) {
	assert_int_equal(judge("\0\0\0\x2a", 4, "", 0, 143), DETECT_NONE);
	assert_int_equal(judge("a1\0LOGIN u p\r\n", 14, "", 0, 143), DETECT_NONE);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protocols_are_told_by_their_first_words),
		cmocka_unit_test(beginnings_are_never_taken_for_something_else),
		cmocka_unit_test(nonsense_is_given_up_at_the_limit_and_not_before),
		cmocka_unit_test(s11_a_greeting_without_an_end_greets_all_the_same),
		cmocka_unit_test(zeroes_are_binary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
