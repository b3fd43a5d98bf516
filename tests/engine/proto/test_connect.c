// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Mail through a proxy that the client had connect it: from segments to records, in all the ways of play.h.

#include "desk.h"
#include "hello.h"
#include "limits.h"
#include "play.h"
#include "proto/connect.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- A session as a reader of play.h: its record in short, or why there is none

struct reading {
	struct desk *desk;
	struct desk_connection connection;
	FILE *out;
	char *text;
	size_t size;
};

static const json_t *member(const json_t *of, const char *name) {
	return json_object_get(of, name);
}

static void proxy_say(FILE *out, const json_t *proxy) {
	const char *user = json_string_value(member(proxy, "user"));
	const char *ip = json_string_value(member(proxy, "ip"));

	if (!proxy)
		return;
	fprintf(out,
		" %s %s %lld",
		json_string_value(member(proxy, "how")),
		ip ?: json_string_value(member(proxy, "domain")),
		(long long)json_integer_value(member(proxy, "port")));
	if (user)
		fprintf(out, " for %s", user);
	if (member(proxy, "hops"))
		fprintf(out, " hops %lld", (long long)json_integer_value(member(proxy, "hops")));
}

static void record_say(struct desk *desk) {
	struct reading *r = desk->ctx;
	json_t *record = json_loads(desk->line, 0, NULL), *event;
	const json_t *ours = member(record, "postern");
	const char *words[] = {
		json_string_value(member(member(record, "network"), "protocol")),
		json_string_value(member(member(ours, "smtp"), "helo")),
		json_string_value(member(member(record, "user"), "id")),
		json_string_value(member(member(member(record, "tls"), "client"), "server_name")),
	};
	size_t i;

	assert_non_null(record);
	assert_null(strstr(desk->line, "secret"));
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i])
			fprintf(r->out, "%s%s", i ? " " : "", words[i]);
	proxy_say(r->out, member(ours, "proxy"));
	json_array_foreach(member(ours, "events"), i, event)
		fprintf(r->out, " %s", json_string_value(event));
	if (json_number_value(member(ours, "seen")) < 1 && !member(record, "tls"))
		fputs(" not all seen", r->out);
	json_decref(record);
}

static void *reading_open(const void *) {
	struct reading *r = calloc(1, sizeof(*r));

	r->out = open_memstream(&r->text, &r->size);
	r->desk = desk_open(1 << 20, 64);
	r->desk->record = record_say;
	r->desk->ctx = r;
	r->connection = desk_connect(r->desk, 1, 1080);
	return r;
}

static void reading_data(void *ctx, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct reading *r = ctx;

	desk_say(&r->connection, dir, data, size);
}

static char *reading_end(void *ctx) {
	struct reading *r = ctx;
	const struct engine_stats *stats = &r->desk->engine->stats;
	char *text;

	desk_hang_up(&r->connection);
	desk_end(r->desk);
	if (stats->n_unrecognised)
		fputs(stats->n_proxy_refused ? "refused" : "not mail", r->out);
	if (slab_used(r->desk->engine->slab) > 0)
		fputs(" leaked", r->out);
	fclose(r->out);
	text = r->text;
	desk_close(r->desk);
	free(r);
	return text;
}

static enum beside_as reading_as(const void *) {
	return BESIDE_IMAP;
}

static const struct play_reader reader
	= {.as = reading_as, .open = reading_open, .data = reading_data, .end = reading_end};

// ---- What is said

enum { PARTS_MAX = 12 };

#define C(text)                                                                                    \
	{ PLAY_DATA, STREAM_CLIENT, text, sizeof(text) - 1 }
#define S(text)                                                                                    \
	{ PLAY_DATA, STREAM_SERVER, text, sizeof(text) - 1 }
#define GREETING "220 mail.example.org ESMTP\r\n"
#define SMTP                                                                                       \
	C("EHLO pc.example\r\n"), S("250 mail.example.org\r\n"), C("QUIT\r\n"), S("221 bye\r\n")
#define ASKED "\5\1\0\3\x10mail.example.org\0\x19" // for port 25
#define DONE "\5\0\0\1\0\0\0\0\0\0"
#define REQUEST "CONNECT mail.example.org:25 HTTP/1.1\r\nHost: mail.example.org:25\r\n"
#define LATER "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 6\r\n\r\n"

static const struct conversation {
	const char *name, *expected;
	struct play_part parts[PARTS_MAX];
} conversations[] = {
	{"socks4",
	 "smtp pc.example socks4 192.0.2.7 25 for bob",
	 {C("\4\1\0\x19\xc0\0\2\7bob\0"), S("\0\x5a\0\0\0\0\0\0" GREETING), SMTP}},
	{"socks4a",
	 "smtp pc.example socks4a mail.example.org 25",
	 {C("\4\1\0\x19\0\0\0\7\0mail.example.org\0"), S("\0\x5a\1\2\3\4\5\6"), S(GREETING), SMTP}},
	{"socks4 refused",
	 "refused",
	 {C("\4\1\0\x19\xc0\0\2\7bob\0"), S("\0\x5b\0\0\0\0\0\0" GREETING), SMTP}},
	{"socks4 bind", "not mail", {C("\4\2\0\x19\xc0\0\2\7bob\0"), S("\0\x5a\0\0\0\0\0\0")}},
	{"socks5",
	 "smtp pc.example socks5 mail.example.org 25",
	 {C("\5\2\0\1"), S("\5\0"), C(ASKED), S(DONE), S(GREETING), SMTP}},
	{"socks5, all of the server's at once, and an address in words",
	 "smtp pc.example socks5 192.0.2.7 25",
	 {C("\5\1\0"),
	  S("\5\0"),
	  C("\5\1\0\3\x09"
	    "192.0.2.7\0\x19"),
	  S(DONE GREETING),
	  SMTP}},
	{"socks5 with a password, to an IPv6 address",
	 "smtp pc.example socks5 2001:db8::7 587 for bob",
	 {C("\5\3\0\1\2"),
	  S("\5\2"),
	  C("\1\3bob\6secret"),
	  S("\1\0"),
	  C("\5\1\0\4\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\2\x4b"),
	  S("\5\0\0\3\1x\0\0" GREETING),
	  SMTP}},
	{"socks5, all that the client says at once",
	 "smtp pc.example socks5 mail.example.org 25",
	 {C("\5\1\0" ASKED "EHLO pc.example\r\nQUIT\r\n"),
	  S("\5\0" DONE),
	  S(GREETING "250 mail\r\n221 bye\r\n")}},
	{"socks5, a wrong password",
	 "refused",
	 {C("\5\1\2"), S("\5\2"), C("\1\3bob\6secret"), S("\1\1" GREETING), SMTP}},
	{"socks5, no method", "refused", {C("\5\1\0"), S("\5\xff"), C("EHLO x\r\n")}},
	{"socks5, a method that was not offered", "not mail", {C("\5\1\0"), S("\5\2"), C("x")}},
	{"socks5, GSSAPI", "refused", {C("\5\2\0\1"), S("\5\1"), C("\1\1\0\1x")}},
	{"socks5 refused",
	 "refused",
	 {C("\5\1\0"), S("\5\0"), C(ASKED), S("\5\5\0\1\0\0\0\0\0\0" GREETING), SMTP}},
	{"socks5, what a client said of mail before it was refused",
	 "refused",
	 {C("\5\1\0" ASKED "EHLO pc.example\r\n"), S("\5\0\5\2\0\1\0\0\0\0\0\0")}},
	{"socks5 bind", "not mail", {C("\5\1\0"), S("\5\0"), C("\5\2\0\1\0\0\0\0\0\0"), S(DONE)}},
	{"socks5, an address of no kind",
	 "not mail",
	 {C("\5\1\0"), S("\5\0"), C("\5\1\0\2\0\0\0\0\0\0"), S(DONE GREETING)}},
	{"socks5, nothing asked for",
	 "not mail",
	 {C("\5\1\0"), S("\5\0"), C("\5\1\0\3\0\0\x19"), S(DONE)}},
	{"connect",
	 "smtp pc.example http_connect mail.example.org 25",
	 {C(REQUEST "\r\n"), S("HTTP/1.1 200 OK\r\n\r\n" GREETING), SMTP}},
	{"connect, and what a length means then",
	 "smtp pc.example http_connect mail.example.org 25",
	 {C(REQUEST "\r\n"), S("HTTP/1.0 299 OK\r\nContent-Length: 10\r\n\r\n" GREETING), SMTP}},
	{"connect, lines that end in LF alone",
	 "smtp pc.example http_connect 2001:db8::7 25",
	 {C("CONNECT [2001:db8::7]:25 HTTP/1.0\n\n"), S("HTTP/1.0 200 OK\n\n" GREETING), SMTP}},
	{"connect, and something before the answer",
	 "smtp pc.example http_connect mail.example.org 25",
	 {C(REQUEST "\r\n"), S("HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" GREETING), SMTP}},
	{"connect, again with a password",
	 "smtp pc.example http_connect mail.example.org 25 for bob",
	 {C(REQUEST "\r\n"),
	  S(LATER "Who?\r\n"),
	  C(REQUEST "Proxy-Authorization: Basic Ym9iOnNlY3JldA==\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n" GREETING),
	  SMTP}},
	{"connect refused",
	 "refused",
	 {C(REQUEST "\r\n"), S("HTTP/1.1 403 No\r\nConnection: close\r\n\r\nNo.")}},
	{"connect, and then a page",
	 "refused",
	 {C(REQUEST "\r\n"),
	  S(LATER "Who?\r\n"),
	  C("GET / HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n")}},
	{"connect without a port",
	 "not mail",
	 {C("CONNECT mail.example.org HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n" GREETING),
	  SMTP}},
	{"a page",
	 "not mail",
	 {C("GET / HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\n\r\n" GREETING), SMTP}},
	{"through two, of which the first knows him",
	 "smtp pc.example http_connect mail.example.org 25 for bob hops 2",
	 {C("\5\1\2"),
	  S("\5\2"),
	  C("\1\3bob\6secret"),
	  S("\1\0"),
	  C("\5\1\0\1\xc0\0\2\1\x1f\x90"),
	  S(DONE),
	  C(REQUEST "\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n" GREETING),
	  SMTP}},
	{"imap",
	 "imap u1@example.org socks5 192.0.2.7 143",
	 {C("\5\1\0"),
	  S("\5\0"),
	  C("\5\1\0\1\xc0\0\2\7\0\x8f"),
	  S(DONE "* OK ready\r\n"),
	  C("a LOGIN u1@example.org secret\r\n"),
	  S("a OK in\r\n")}},
	{"pop3",
	 "pop3 u1@example.org http_connect mail.example.org 110",
	 {C("CONNECT mail.example.org:110 HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n+OK ready\r\n"),
	  C("USER u1@example.org\r\n"),
	  S("+OK\r\n"),
	  C("PASS secret\r\n"),
	  S("+OK\r\n")}},
	{"tls to a port of mail",
	 "tls http_connect mail.example.org 993 encrypted bad_client_hello",
	 {C("CONNECT mail.example.org:993 HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n"),
	  C("\x17\3\3\0\1x"), // no hello, and yet TLS
	  S("\x17\3\3\0\1x")}},
	{"tls to another one",
	 "",
	 {C("CONNECT www.example.org:443 HTTP/1.1\r\n\r\n"),
	  S("HTTP/1.1 200 OK\r\n\r\n"),
	  C("\x17\3\3\0\1x"),
	  S("\x17\3\3\0\1x")}},
	{"something to SMTP that begins alike",
	 "not mail", // where none is to be expected: see test_detect.c
	 {C("CONNECT mail.example.org:25 HTTP/1.1\r\n\r\n"),
	  S(GREETING "500 what\r\n500 what\r\n"),
	  C("QUIT\r\n"),
	  S("221 bye\r\n")}},
};

static void mail_through_a_proxy_is_read_as_without(void **) {
	int n_failed = 0;

	for (const struct conversation *c = conversations;
	     c < conversations + sizeof(conversations) / sizeof(*conversations);
	     c++) {
		struct play play = {.name = c->name, .reader = &reader, .parts = c->parts};

		while (play.n_parts < PARTS_MAX && c->parts[play.n_parts].data)
			play.n_parts++;
		char *found = play_check(&play);
		if (!found || strcmp(found, c->expected) != 0) {
			print_error(
				"%s: %s, not %s\n", c->name, found ?: "differences", c->expected
			);
			n_failed++;
		}
		free(found);
	}
	assert_int_equal(n_failed, 0);
}

static void tls_through_a_proxy_shows_its_hello(void **) {
	static struct bytes body, records;
	struct play_part parts[] = {
		C("CONNECT mail.example.org:993 HTTP/1.1\r\n\r\n"),
		S("HTTP/1.1 200 OK\r\n\r\n"),
		{PLAY_DATA, STREAM_CLIENT, NULL, 0},
		S("\x16\3\3\0\1x"),
	};
	struct play play = {.name = "tls", .reader = &reader, .parts = parts, .n_parts = 4};
	char *found;

	hello_body(&body, &hello_chrome);
	hello_records(&records, &body, 16384);
	parts[2].data = records.data;
	parts[2].size = records.size;
	found = play_check(&play);
	assert_non_null(found);
	assert_string_equal(
		found, "tls mail.example.org http_connect mail.example.org 993 encrypted"
	);
	free(found);
}

// ---- Bounds

// What a login behind a proxy leaves in the slab while it waits, beyond one without.
static size_t waiting_size(bool is_proxied) {
	struct reading *r = reading_open(NULL);
	size_t size;

	if (is_proxied) {
		desk_say(&r->connection, STREAM_CLIENT, "\5\1\0", 3);
		desk_say(&r->connection, STREAM_SERVER, "\5\0", 2);
		desk_say(&r->connection, STREAM_CLIENT, ASKED, sizeof(ASKED) - 1);
		desk_say(&r->connection, STREAM_SERVER, DONE, sizeof(DONE) - 1);
	}
	desk_say(&r->connection, STREAM_SERVER, "* OK ready\r\n", 12);
	desk_say(&r->connection, STREAM_CLIENT, "a LOGIN u1 secret\r\n", 19);
	desk_say(&r->connection, STREAM_SERVER, "a OK in\r\n", 9);
	size = slab_used(r->desk->engine->slab);
	free(reading_end(r));
	return size;
}

static void a_session_that_waits_behind_a_proxy_keeps_little_of_it(void **) {
	size_t without = waiting_size(false), with = waiting_size(true);

	print_message("%zu bytes more\n", with - without);
	assert_true(with - without <= 256);
}

static char *told(const struct play_part *parts, size_t n) {
	const struct play whole = {"bounds", &reader, NULL, parts, n};

	return play(&whole, &(struct play_way){.heard = PLAY_BOTH});
}

// A head of size bytes, and mail behind it.
static char *told_with_head(size_t size) {
	char *head = malloc(size);
	struct play_part parts[]
		= {{PLAY_DATA, STREAM_CLIENT, head, size},
		   S("HTTP/1.1 200 OK\r\n\r\n" GREETING),
		   SMTP};
	char *found;

	memset(head, 'x', size);
	memcpy(head, REQUEST, sizeof(REQUEST) - 1);
	memcpy(head + size - 4, "\r\n\r\n", 4);
	found = told(parts, sizeof(parts) / sizeof(*parts));
	free(head);
	return found;
}

static void a_head_has_a_size(void **) {
	char *fits = told_with_head(CONNECT_HEAD_SIZE_MAX);
	char *too_long = told_with_head(CONNECT_HEAD_SIZE_MAX + 1);

	assert_string_equal(fits, "smtp pc.example http_connect mail.example.org 25");
	assert_string_equal(too_long, "not mail");
	free(fits);
	free(too_long);
}

static char *told_after_refusals(int n) {
	struct play_part parts[2 * (CONNECT_TRIES_MAX + 1) + 8];
	const struct play_part refusal[] = {C(REQUEST "\r\n"), S(LATER "Who?\r\n")};
	const struct play_part end[]
		= {C(REQUEST "\r\n"), S("HTTP/1.1 200 OK\r\n\r\n" GREETING), SMTP};

	for (int i = 0; i < n; i++)
		memcpy(parts + 2 * i, refusal, sizeof(refusal));
	memcpy(parts + 2 * n, end, sizeof(end));
	return told(parts, 2 * (size_t)n + sizeof(end) / sizeof(*end));
}

static void requests_are_made_again_so_often(void **) {
	char *often = told_after_refusals(CONNECT_TRIES_MAX);
	char *too_often = told_after_refusals(CONNECT_TRIES_MAX + 1);

	assert_string_equal(often, "smtp pc.example http_connect mail.example.org 25");
	assert_string_equal(too_often, "refused");
	free(often);
	free(too_often);
}

static char *told_through(int n) {
	struct play_part parts[2 * (CONNECT_HOPS_MAX + 1) + 8];
	const struct play_part hop[] = {C(REQUEST "\r\n"), S("HTTP/1.1 200 OK\r\n\r\n")};
	const struct play_part end[] = {S(GREETING), SMTP};

	for (int i = 0; i < n; i++)
		memcpy(parts + 2 * i, hop, sizeof(hop));
	memcpy(parts + 2 * n, end, sizeof(end));
	return told(parts, 2 * (size_t)n + sizeof(end) / sizeof(*end));
}

static void proxies_are_so_many(void **) {
	char *many = told_through(CONNECT_HOPS_MAX);
	char *too_many = told_through(CONNECT_HOPS_MAX + 1);

	assert_string_equal(many, "smtp pc.example http_connect mail.example.org 25 hops 8");
	assert_string_equal(too_many, "not mail");
	free(many);
	free(too_many);
}

// The hole is within the handshake: mail behind it is that of a connection picked up midway.
static void a_hole_in_the_handshake_ends_it(void **) {
	struct reading *r = reading_open(NULL);
	char *found;

	reading_data(r, STREAM_CLIENT, (const uint8_t *)"\5\1\0", 3);
	r->connection.next[STREAM_SERVER] += 2;
	reading_data(r, STREAM_SERVER, (const uint8_t *)DONE, sizeof(DONE) - 1);
	reading_data(r, STREAM_CLIENT, (const uint8_t *)"EHLO pc.example\r\n", 17);
	found = reading_end(r);
	assert_null(strstr(found, "socks5"));
	assert_null(strstr(found, "leaked"));
	free(found);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_through_a_proxy_is_read_as_without),
		cmocka_unit_test(tls_through_a_proxy_shows_its_hello),
		cmocka_unit_test(a_session_that_waits_behind_a_proxy_keeps_little_of_it),
		cmocka_unit_test(a_head_has_a_size),
		cmocka_unit_test(requests_are_made_again_so_often),
		cmocka_unit_test(proxies_are_so_many),
		cmocka_unit_test(a_hole_in_the_handshake_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
