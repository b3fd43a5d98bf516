// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A session from the flow table's side: segments go in, records and activities come out.

#include "config.h"
#include "desk.h"
#include "offers.h"
#include "proto/offer.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define START (1768204800ull * SECOND)

enum { KEPT_MAX = 64 };

// What the desk's engine said.
struct kept {
	struct desk *desk;
	json_t *records[KEPT_MAX];
	int n_records;
	struct activity activities[KEPT_MAX];
	int n_activities;
	struct offer_heard offers[KEPT_MAX];
	int n_offers;
	char all[65536]; // every record line, to look for what must not be there
};

static void keep_record(struct desk *desk) {
	struct kept *d = desk->ctx;
	json_error_t error;

	assert_true(d->n_records < KEPT_MAX);
	d->records[d->n_records] = json_loadb(desk->line, desk->line_size, JSON_ALLOW_NUL, &error);
	assert_non_null(d->records[d->n_records]);
	d->n_records++;
	assert_true(strlen(d->all) + desk->line_size < sizeof(d->all));
	strncat(d->all, desk->line, desk->line_size);
}

static void keep_activity(struct desk *desk, const struct activity *activity) {
	struct kept *d = desk->ctx;

	assert_true(d->n_activities < KEPT_MAX);
	d->activities[d->n_activities++] = *activity;
}

static void keep_offer(struct desk *desk, const struct offer_heard *heard) {
	struct kept *d = desk->ctx;

	assert_true(d->n_offers < KEPT_MAX);
	d->offers[d->n_offers++] = *heard;
}

static struct kept *kept_open(size_t slab_size) {
	struct kept *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->desk = desk_open(slab_size, 64);
	d->desk->step_ns = 0;
	d->desk->now_ns = START;
	d->desk->record = keep_record;
	d->desk->activity = keep_activity;
	d->desk->offer = keep_offer;
	d->desk->ctx = d;
	return d;
}

static void kept_close(struct kept *d) {
	desk_end(d->desk);
	// Every session gave everything back.
	assert_int_equal(slab_used(d->desk->engine->slab), 0);
	desk_close(d->desk);
	for (int i = 0; i < d->n_records; i++)
		json_decref(d->records[i]);
	free(d);
}

static const char *text(const struct kept *d, int record, const char *path) {
	const json_t *value = d->records[record];
	char copy[100], *save = NULL;

	strcpy(copy, path);
	for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save))
		value = json_object_get(value, key);
	return json_string_value(value);
}

// From 10.0.0.9 to 10.0.0.1.
static struct desk_connection connect_to(struct kept *d, uint16_t client_port, uint16_t port) {
	const struct desk_ends ends = {{10, 0, 0, 9}, {10, 0, 0, 1}, client_port, port};

	return desk_connect_ends(d->desk, &ends);
}

static void say(struct desk_connection *c, enum stream_dir dir, const char *words) {
	desk_say(c, dir, words, strlen(words));
}

static void log_in(struct desk_connection *c, const char *command) {
	say(c, STREAM_SERVER, "* OK ready\r\n");
	say(c, STREAM_CLIENT, command);
	say(c, STREAM_SERVER, "a OK logged in\r\n");
}

static void a_conversation_gives_one_record_and_says_who_and_why(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	log_in(&c, "a LOGIN U35@Example.ORG secret-word\r\n");
	say(&c, STREAM_CLIENT, "b LOGOUT\r\n");
	say(&c, STREAM_SERVER, "* BYE\r\nb OK done\r\n");
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 1);
	assert_string_equal(text(d, 0, "event.reason"), "logout");
	assert_string_equal(text(d, 0, "network.protocol"), "imap");
	assert_string_equal(text(d, 0, "user.id"), "u35@example.org");
	assert_string_equal(text(d, 0, "source.ip"), "10.0.0.9");
	assert_null(strstr(d->all, "secret-word"));
	assert_int_equal(d->n_activities, 2); // the login, and the end
	assert_string_equal(d->activities[0].account, "u35@example.org");
	assert_int_equal(d->activities[0].auth.success, 1);
	assert_true(d->activities[1].end);
	kept_close(d);
}

static void a_long_session_is_recorded_every_interim_to_the_nanosecond(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143), other;

	log_in(&c, "a LOGIN u1 x\r\n");
	d->desk->now_ns = START + 299 * SECOND;
	other = connect_to(d, 40001, 143);
	assert_int_equal(d->n_records, 0);
	d->desk->now_ns = START + 700 * SECOND;
	say(&other, STREAM_SERVER, "* OK ready\r\n");
	assert_int_equal(d->n_records, 2);
	assert_string_equal(text(d, 0, "event.reason"), "interim");
	assert_string_equal(text(d, 0, "@timestamp"), "2026-01-12T08:05:00.000000Z");
	assert_string_equal(text(d, 1, "@timestamp"), "2026-01-12T08:10:00.000000Z");
	assert_int_equal(
		json_integer_value(
			json_object_get(json_object_get(d->records[1], "event"), "sequence")
		),
		2
	);
	kept_close(d);
}

static void what_an_account_did_is_told_within_a_minute(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	log_in(&c, "a LOGIN u1 x\r\n");
	say(&c, STREAM_CLIENT, "b SELECT INBOX\r\n");
	say(&c,
	    STREAM_SERVER,
	    "* 5 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 6]\r\nb OK [READ-WRITE] done\r\n");
	say(&c, STREAM_CLIENT, "c UID FETCH 3 (BODY.PEEK[])\r\n");
	say(&c, STREAM_SERVER, "* 3 FETCH (UID 3 BODY[] {4}\r\nabcd)\r\nc OK done\r\n");
	assert_int_equal(d->n_activities, 1); // only the login so far
	d->desk->now_ns = START + 61 * SECOND;
	say(&c, STREAM_CLIENT, "d NOOP\r\n");
	assert_int_equal(d->n_activities, 2);
	assert_true(d->activities[1].time_ns <= START + 60 * SECOND);
	assert_int_equal(d->activities[1].n_mailboxes, 1);
	assert_int_equal(d->activities[1].mailboxes[0].n_bodies, 1);
	assert_int_equal(d->activities[1].mailboxes[0].bytes, 4);
	assert_int_equal(d->activities[1].mailboxes[0].bodies.range[0].first, 3);
	kept_close(d);
}

static bool has_event(const struct kept *d, int record, const char *event) {
	const json_t *events
		= json_object_get(json_object_get(d->records[record], "postern"), "events");
	size_t i;
	json_t *name;

	json_array_foreach(
		events, i, name
	) if (strcmp(json_string_value(name), event) == 0) return true;
	return false;
}

// A login that comes twice with other bytes: whose it was nobody knows. It is told, and marked for the models.
static void t6_t30_a_session_of_two_readings_is_ambiguous(void **) {
	static const char *const again[] = {"a LOGIN u1 x\r\n", "a LOGIN u2 x\r\n"};

	for (int differs = 0; differs < 2; differs++) {
		struct kept *d = kept_open(0);
		struct desk_connection c = connect_to(d, 40000, 143);

		say(&c, STREAM_SERVER, "* OK [CAPABILITY IMAP4rev1] ready\r\n");
		say(&c, STREAM_CLIENT, "a LOGIN u1 x\r\n");
		c.next[STREAM_CLIENT] -= (uint32_t)strlen(again[differs]);
		say(&c, STREAM_CLIENT, again[differs]);
		say(&c, STREAM_SERVER, "a OK done\r\n");
		desk_hang_up(&c);
		assert_int_equal(d->n_activities, 2); // the login, and the end
		for (int i = 0; i < 2; i++) {
			assert_string_equal(d->activities[i].account, "u1");
			assert_int_equal(d->activities[i].ambiguous, differs);
		}
		assert_int_equal(d->n_records, 1);
		assert_int_equal(has_event(d, 0, "inconsistent_retransmission"), differs);
		kept_close(d);
	}
}

// Lines of both sides in turn: "C…" and "S…".
static void
converse(struct kept *d, uint16_t client_port, uint16_t port, const char *const *lines) {
	struct desk_connection c = connect_to(d, client_port, port);

	for (; *lines; lines++)
		say(&c, **lines == 'C' ? STREAM_CLIENT : STREAM_SERVER, *lines + 1);
	desk_hang_up(&c);
}

#define SMTP_LOGIN                                                                                 \
	"S220 mx ESMTP\r\n", "CEHLO c.example\r\n", "S250 AUTH PLAIN\r\n",                         \
		"CAUTH PLAIN AHUxAHA=\r\n", "S235 in\r\n",                                         \
		"CMAIL FROM:<u1@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n",                                  \
		"S250 ok\r\n250 ok\r\n354 go\r\n"
#define IMAP_LOGIN "S* OK ready\r\n", "Ca LOGIN u1 p\r\n", "Sa OK in\r\n"

// S1, I4: what is told of such a session is marked for the models, which learn nothing from it; and what of it the
// server did not take, or nobody knows whether it did, is not told at all: the second message's recipient, the
// login and the mailbox in the octets.
static void s1_i4_what_servers_read_in_two_ways_is_ambiguous(void **) {
	static const struct {
		uint16_t port;
		const char *lines[14];
		const char *event; // NULL: there is one reading
	} cases[] = {
		{25, {SMTP_LOGIN, "Cx\r\n.\r\n", "S250 ok\r\n"}, NULL},
		{25,
		 {SMTP_LOGIN,
		  "Cx\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<evil@y>\r\nDATA\r\nz\r\n.\r\n",
		  "S250 ok\r\n"},
		 "smtp_smuggling"},
		{25,
		 {SMTP_LOGIN,
		  "Cx\r\n.\rMAIL FROM:<evil@x>\r\nRCPT TO:<evil@y>\r\nDATA\r\nz\r\n.\r\n",
		  "S250 ok\r\n",
		  "CQUIT\r\n",
		  "S221 bye\r\n"},
		 "smtp_smuggling"},
		{143, {IMAP_LOGIN, "Cb SELECT INBOX\r\n", "Sb OK done\r\n"}, NULL},
		{143,
		 {IMAP_LOGIN,
		  "Cb APPEND X {19+}\r\n",
		  "Sb BAD no\r\n",
		  "Cc SELECT evil@y\r\n\r\n\r\n"},
		 "literal_refused"},
		{143,
		 {IMAP_LOGIN,
		  "Cb APPEND X {31+}\r\nc LOGIN evil@y p\r\nd CLOSE\r\n\r\n\r\n",
		  "Sb BAD no\r\nc OK in\r\nd OK done\r\n"},
		 "unmatched_response"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kept *d = kept_open(0);

		converse(d, 40000, cases[i].port, cases[i].lines);
		assert_int_equal(d->n_records, 1);
		assert_string_equal(text(d, 0, "user.id"), "u1");
		if (cases[i].event)
			assert_true(has_event(d, 0, cases[i].event));
		assert_null(strstr(d->all, "evil@y"));
		assert_int_equal(d->n_activities, 2); // the login, which was before it, and the end
		for (int a = 0; a < 2; a++) {
			assert_string_equal(d->activities[a].account, "u1");
			assert_int_equal(d->activities[a].ambiguous, a == 1 && cases[i].event);
			for (int sent = 0; sent < d->activities[a].n_sent; sent++)
				assert_string_equal(d->activities[a].sent[sent].to[0], "b@y");
		}
		kept_close(d);
	}
}

// S19: what is no address is nobody's, neither the recipient's nor the account's: it is counted.
static void s19_what_is_no_address_reaches_no_list(void **) {
	static const char *const lines[] = {
		SMTP_LOGIN,
		"Cx\r\n.\r\n",
		"S250 ok\r\n",
		"CMAIL FROM:<u1@x,u2@x>\r\nRCPT TO:<\"a@y> ORCPT=c@d\"@e@f>\r\nRCPT "
		"TO:<g@h>\r\nDATA\r\n",
		"S250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
		"Cx\r\n.\r\n",
		"S250 ok\r\n",
		NULL,
	};
	struct kept *d = kept_open(0);

	converse(d, 40000, 25, lines);
	assert_int_equal(d->n_activities, 2);
	assert_int_equal(d->activities[1].n_sent, 2);
	assert_int_equal(d->activities[1].sent[1].n_recipients, 2);
	assert_int_equal(d->activities[1].sent[1].n_to, 1);
	assert_string_equal(d->activities[1].sent[1].to[0], "g@h");
	assert_true(has_event(d, 0, "bad_syntax"));
	assert_null(strstr(d->all, "u2@x"));
	assert_null(strstr(d->all, "ORCPT"));
	kept_close(d);
}

// S17, S18: TLS without a word before it is told by its bytes, on any port, and what looks like commands in it is none.
static void s17_s18_tls_is_told_by_its_bytes_on_any_port(void **) {
	static const char hello[] = "\x16\3\1\0\x2d\1\0\0\x29\3\3"
				    "12345678901234567890123456789012"
				    "\0\0\2\x13\1\1";
	static const char after[] = "\x17\3\3\0\x1c\r\nMAIL FROM:<a@b>\r\nDATA\r\n\r\n.\r\n";
	static const uint16_t ports[] = {25, 587, 143, 110, 4190};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct kept *d = kept_open(0);
		struct desk_connection c = connect_to(d, 40000, ports[i]);

		desk_say(&c, STREAM_CLIENT, hello, sizeof(hello));
		desk_say(&c, STREAM_SERVER, "\x16\3\3\0\4\2\0\0\0", 9);
		desk_say(&c, STREAM_CLIENT, after, sizeof(after));
		desk_say(
			&c,
			STREAM_SERVER,
			"\x17\3\3\0\7"
			"250 ok\r\n",
			13
		);
		desk_hang_up(&c);
		assert_int_equal(d->n_records, 1);
		assert_string_equal(text(d, 0, "network.protocol"), "tls");
		assert_non_null(strstr(d->all, "\"events\":[\"encrypted\"]"));
		assert_int_equal(d->n_activities, 0);
		kept_close(d);
	}
}

// S17: the same in the middle of a conversation whose STARTTLS was not seen: the hello is read, what is inside is not.
static void s17_tls_whose_starttls_was_not_seen_is_read_by_nobody(void **) {
	static const char hello[] = "\x16\3\1\0\x2d\1\0\0\x29\3\3"
				    "12345678901234567890123456789012"
				    "\0\0\2\x13\1\1";
	static const char after[] = "\x17\3\3\0\x14\r\nb LOGIN evil p\r\n";

	for (int is_tls = 0; is_tls <= 1; is_tls++) {
		struct kept *d = kept_open(0);
		struct desk_connection c = connect_to(d, 40000, 143);

		desk_say(&c, STREAM_SERVER, "* OK ready\r\n", 12);
		desk_say(&c, STREAM_CLIENT, "a NOOP\r\n", 8);
		desk_say(&c, STREAM_SERVER, "a OK\r\n", 6);
		desk_say(&c, STREAM_CLIENT, hello, sizeof(hello) - 1);
		if (is_tls)
			desk_say(&c, STREAM_SERVER, "\x16\3\3\0\4\2\0\0\0", 9);
		desk_say(&c, STREAM_CLIENT, after, sizeof(after) - 1);
		desk_say(&c, STREAM_SERVER, "b OK in\r\n", 9);
		desk_hang_up(&c);
		assert_int_equal(d->n_records, 1);
		assert_string_equal(text(d, 0, "network.protocol"), "imap");
		assert_int_equal(has_event(d, 0, "encrypted"), is_tls);
		// The server that answers in clear has read a line: whoever pretends hides nothing.
		assert_int_equal(strstr(d->all, "\"name\":\"evil\"") != NULL, !is_tls);
		assert_int_equal(strstr(d->all, "\"ja4\":\"t12i") != NULL, is_tls);
		assert_int_equal(d->n_activities, is_tls ? 0 : 2);
		kept_close(d);
	}
}

// S23: whoever says who the client is counts where he is listed and the server agrees.
static void s23_xclient_counts_of_listed_peers_that_the_server_believes(void **) {
	static struct config_prefixes trusted
		= {.n = 1, .prefix = {{.ip = {.family = 4}, .bits = 32}}};

	for (int i = 0; i < 4; i++) {
		bool is_listed = i & 1, is_accepted = i & 2;
		const char *const lines[] = {
			"S220 mx ESMTP\r\n",
			"CEHLO c.example\r\n",
			"S250 XCLIENT ADDR LOGIN\r\n",
			"CXCLIENT ADDR=203.0.113.31 PORT=45123\r\n",
			is_accepted ? "S220 go on\r\n" : "S550 no\r\n",
			NULL,
		};
		struct kept *d = kept_open(0);

		memcpy(trusted.prefix[0].ip.addr, (uint8_t[4]){10, 0, 0, is_listed ? 9 : 7}, 4);
		d->desk->engine->config.trusted_proxies = &trusted;
		converse(d, 40000, 25, lines);
		assert_string_equal(
			text(d, 0, "source.ip"),
			is_listed && is_accepted ? "203.0.113.31" : "10.0.0.9"
		);
		assert_int_equal(
			has_event(d, 0, "untrusted_proxy_claim"), !is_listed && is_accepted
		);
		kept_close(d);
	}
}

// I15: nobody logged in here, whatever was read: no account hears of it, and it is said.
static void i15_preauth_and_referrals_are_nobodys_logins(void **) {
	static const struct {
		const char *lines[10];
		const char *event;
	} cases[] = {
		{{"S* PREAUTH welcome\r\n",
		  "Cs SELECT INBOX\r\n",
		  "S* 5 EXISTS\r\ns OK done\r\n",
		  "Cf FETCH 1 RFC822\r\n",
		  "S* 1 FETCH (RFC822 {1}\r\nx)\r\nf OK done\r\n"},
		 "preauth"},
		{{"S* OK ready\r\n",
		  "Ca LOGIN u1 p\r\n",
		  "Sa NO [REFERRAL imap://u1;AUTH=*@evil.example/] there\r\n"},
		 "referral"},
		{{"S* BYE [REFERRAL imap://evil.example/] there\r\n", "Ca LOGIN u1 p\r\n"},
		 "referral"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kept *d = kept_open(0);

		converse(d, 40000, 143, cases[i].lines);
		assert_int_equal(d->n_records, 1);
		assert_true(has_event(d, 0, cases[i].event));
		assert_int_equal(d->n_activities, 0);
		kept_close(d);
	}
}

static void a_refused_login_is_told_at_once_and_equal_passwords_look_equal(void **) {
	struct kept *d = kept_open(0);
	static const char *const tries[] = {
		"a LOGIN u1 same\r\n",
		"a LOGIN u2 same\r\n",
		"a LOGIN u2 other\r\n",
	};

	for (uint16_t i = 0; i < 3; i++) {
		struct desk_connection c = connect_to(d, 40000 + i, 143);
		say(&c, STREAM_SERVER, "* OK ready\r\n");
		say(&c, STREAM_CLIENT, tries[i]);
		say(&c, STREAM_SERVER, "a NO wrong\r\n");
		assert_int_equal(d->n_activities, i + 1);
		assert_int_equal(d->activities[i].auth.failure, 1);
	}
	assert_int_equal(d->activities[0].auth.password, d->activities[1].auth.password);
	assert_int_not_equal(d->activities[1].auth.password, d->activities[2].auth.password);
	assert_int_not_equal(d->activities[0].auth.password, 0);
	kept_close(d);
}

// What a client claims to be is told together with how it speaks.
static void a_client_is_told_when_its_grammar_is_known(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	say(&c, STREAM_SERVER, "* OK ready\r\n");
	say(&c, STREAM_CLIENT, "i ID (\"name\" \"LabMail\")\r\n");
	say(&c, STREAM_SERVER, "i OK\r\n");
	say(&c, STREAM_CLIENT, "a LOGIN u1 x\r\n");
	say(&c, STREAM_SERVER, "a OK logged in\r\n");
	desk_hang_up(&c);
	assert_int_equal(d->n_activities, 2);
	assert_int_equal(d->activities[0].auth.success, 1);
	assert_string_equal(d->activities[0].client.id, "");
	assert_string_equal(d->activities[1].client.id, "LabMail");
	assert_int_not_equal(d->activities[1].client.grammar, 0);
	kept_close(d);
}

// Whoever was refused is not the account: only the attempt is told of it.
static void what_follows_a_refused_login_is_nobodys(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	say(&c, STREAM_SERVER, "* OK ready\r\n");
	say(&c, STREAM_CLIENT, "a LOGIN u1 x\r\n");
	say(&c, STREAM_SERVER, "a NO wrong\r\n");
	say(&c, STREAM_CLIENT, "b LOGOUT\r\n");
	say(&c, STREAM_SERVER, "* BYE\r\nb OK done\r\n");
	desk_hang_up(&c);
	assert_int_equal(d->n_activities, 1);
	assert_int_equal(d->activities[0].auth.failure, 1);
	assert_string_equal(text(d, 0, "user.id"), "u1"); // the record says on whom it was tried
	kept_close(d);
}

static void two_names_on_one_connection_are_two_accounts(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	say(&c, STREAM_SERVER, "* OK ready\r\n");
	say(&c, STREAM_CLIENT, "a LOGIN u1 x\r\n");
	say(&c, STREAM_SERVER, "a NO wrong\r\n");
	say(&c, STREAM_CLIENT, "b LOGIN u2 y\r\n");
	say(&c, STREAM_SERVER, "b OK\r\n");
	desk_hang_up(&c);
	assert_string_equal(d->activities[0].account, "u1");
	assert_int_equal(d->activities[0].auth.failure, 1);
	assert_string_equal(d->activities[1].account, "u2");
	assert_int_equal(d->activities[1].auth.success, 1);
	assert_string_equal(text(d, 0, "user.id"), "u2");
	kept_close(d);
}

static void a8_a_name_with_control_bytes_is_nobodys(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	log_in(&c, "a LOGIN {5}\r\n"); // not followed by its literal: the server answered at once
	desk_hang_up(&c);
	c = connect_to(d, 40001, 143);
	say(&c, STREAM_SERVER, "* OK ready\r\n");
	say(&c, STREAM_CLIENT, "a LOGIN {5+}\r\nu\n\x01\x1f!");
	say(&c, STREAM_CLIENT, " x\r\n");
	say(&c, STREAM_SERVER, "a OK\r\n");
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 2);
	assert_null(text(d, 1, "user.id"));
	kept_close(d);
}

static const json_t *attachments(const struct kept *d, int record, const char *protocol) {
	const json_t *postern = json_object_get(d->records[record], "postern");

	return json_object_get(json_object_get(postern, protocol), "attachments");
}

static const char *attachment_text(const json_t *list, size_t i, const char *key) {
	return json_string_value(json_object_get(json_array_get(list, i), key));
}

#define ATTACHED                                                                                   \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"              \
	"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"   \
	"JVBERi0xLjQ=\r\n--b--\r\n"

static void
say_literal(struct desk_connection *c, enum stream_dir dir, const char *head, const char *tail) {
	char text[1000];

	snprintf(
		text, sizeof(text), "%s {%zu}\r\n%s%s\r\n", head, strlen(ATTACHED), ATTACHED, tail
	);
	say(c, dir, text);
}

// What was attached is told by the next record and no longer held then.
static void attachments_of_mail_fetched_and_appended_are_told_once(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143), other;

	d->desk->engine->config.decode = true;
	log_in(&c, "a LOGIN u1 x\r\n");
	say(&c, STREAM_CLIENT, "b SELECT INBOX\r\n");
	say(&c,
	    STREAM_SERVER,
	    "* 5 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 6]\r\nb OK [READ-WRITE]\r\n");
	say(&c, STREAM_CLIENT, "c FETCH 3 (UID BODY.PEEK[])\r\n");
	say_literal(&c, STREAM_SERVER, "* 3 FETCH (BODY[]", " UID 4)");
	say(&c, STREAM_SERVER, "c OK\r\n");
	say_literal(&c, STREAM_CLIENT, "d APPEND Drafts", "");
	say(&c, STREAM_SERVER, "d OK\r\n");
	d->desk->now_ns = START + 301 * SECOND;
	other = connect_to(d, 40001, 143);
	say(&other, STREAM_SERVER, "* OK ready\r\n");
	assert_int_equal(d->n_records, 1);
	const json_t *list = attachments(d, 0, "imap");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(attachment_text(list, 0, "how"), "fetched");
	assert_string_equal(attachment_text(list, 0, "mailbox"), "INBOX");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "uid")), 4);
	assert_string_equal(attachment_text(list, 1, "how"), "appended");
	assert_string_equal(attachment_text(list, 1, "mailbox"), "Drafts");
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(attachment_text(list, i, "name"), "a.pdf");
		assert_string_equal(attachment_text(list, i, "mime_type"), "application/pdf");
		assert_string_equal(attachment_text(list, i, "content_type"), "application/pdf");
		assert_string_equal(
			attachment_text(list, i, "sha256"),
			"e16fa5d9b51928755db85b917f0297babaf22c7a47e97d9212adab56e61ba04e"
		);
	}
	desk_hang_up(&c);
	assert_null(attachments(d, 1, "imap"));
	kept_close(d);
}

static void attachments_of_mail_fetched_by_pop3_are_told_and_bounded(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 110);

	d->desk->engine->config.decode = true;
	say(&c, STREAM_SERVER, "+OK ready\r\n");
	say(&c, STREAM_CLIENT, "USER u1\r\n");
	say(&c, STREAM_SERVER, "+OK\r\n");
	say(&c, STREAM_CLIENT, "PASS x\r\n");
	say(&c, STREAM_SERVER, "+OK\r\n");
	for (int i = 0; i < SESSION_FILES_MAX + 1; i++) {
		say(&c, STREAM_CLIENT, "RETR 1\r\n");
		say(&c, STREAM_SERVER, "+OK\r\n" ATTACHED ".\r\n");
	}
	desk_hang_up(&c);
	const json_t *list = attachments(d, 0, "pop3");
	const json_t *pop3 = json_object_get(json_object_get(d->records[0], "postern"), "pop3");
	assert_int_equal(json_array_size(list), SESSION_FILES_MAX);
	assert_int_equal(
		json_integer_value(json_object_get(pop3, "attachments_total")),
		SESSION_FILES_MAX + 1
	);
	assert_string_equal(attachment_text(list, 31, "name"), "a.pdf");
	kept_close(d);
}

// A session that begins so, from 10.0.0.9; whom its record names as the source.
static const char *source_behind(struct kept *d, uint16_t client_port, const char *begin) {
	struct desk_connection c = connect_to(d, client_port, 143);

	say(&c, STREAM_CLIENT, begin);
	log_in(&c, "a LOGIN u1 x\r\n");
	desk_hang_up(&c);
	return text(d, d->n_records - 1, "source.ip");
}

#define PROXY_V2 "\r\n\r\n\0\r\nQUIT\n"
#define PROXY_LINE(ip) "PROXY TCP4 " ip " 10.0.0.1 45123 143\r\n"

// Who is on the list is believed, but not whom he speaks for; anybody else is not, and it is said.
static void x9_a_header_is_honoured_from_listed_sources_only(void **) {
	static struct config_prefixes trusted
		= {.n = 1, .prefix = {{.ip = {.addr = {10, 0, 0, 10}, .family = 4}, .bits = 31}}};
	static const char local[] = PROXY_V2 "\x20\0\0\0";
	struct kept *d = kept_open(0);
	struct desk_connection c;

	assert_string_equal(source_behind(d, 40000, PROXY_LINE("203.0.113.31")), "10.0.0.9");
	assert_true(has_event(d, 0, "untrusted_proxy_claim")); // there is no list
	// Nor does one count that names nobody: who sends it wants not to be seen.
	c = connect_to(d, 39999, 143);
	desk_say(&c, STREAM_CLIENT, local, sizeof(local) - 1);
	log_in(&c, "a LOGIN u1 x\r\n");
	desk_hang_up(&c);
	assert_true(has_event(d, 1, "untrusted_proxy_claim"));
	d->desk->engine->config.trusted_proxies = &trusted;
	assert_string_equal(source_behind(d, 40001, PROXY_LINE("203.0.113.31")), "10.0.0.9");
	assert_true(has_event(d, 2, "untrusted_proxy_claim"));
	trusted.prefix[0].ip.addr[3] = 8;
	assert_string_equal(source_behind(d, 40002, PROXY_LINE("203.0.113.31")), "203.0.113.31");
	assert_false(has_event(d, 3, "untrusted_proxy_claim"));
	assert_string_equal(text(d, 3, "postern.via.ip"), "10.0.0.9");
	assert_string_equal(
		source_behind(d, 40003, PROXY_LINE("203.0.113.31") PROXY_LINE("198.51.100.7")),
		"203.0.113.31"
	);
	assert_true(has_event(d, 4, "untrusted_proxy_claim"));
	assert_int_equal(d->n_activities, 10);
	for (int i = 0; i < 5; i++) { // what stands behind a header is read in any case
		assert_string_equal(text(d, i, "user.id"), "u1");
		// And a claim that is not honoured reaches no model.
		assert_memory_equal(
			d->activities[2 * i].source.ip.addr,
			i < 3 ? "\12\0\0\11" : "\313\0\161\37",
			4
		);
	}
	kept_close(d);
}

static void greet(struct kept *d, uint16_t client_port, uint16_t port, const char *capabilities) {
	struct desk_connection c = connect_to(d, client_port, port);
	char line[200];

	snprintf(line, sizeof(line), "* OK [CAPABILITY IMAP4rev1 %s] ready\r\n", capabilities);
	say(&c, STREAM_SERVER, line);
	say(&c, STREAM_CLIENT, "a NOOP\r\n");
	say(&c, STREAM_SERVER, "a OK\r\n");
	desk_hang_up(&c);
}

// What a list in clear says goes to where lists are held against each other: not one with good reason to be
// another, nor for a client somebody else speaks for or whom a proxy connects.
static void lists_of_offers_in_clear_are_told(void **) {
	static const struct config_prefixes trusted
		= {.n = 1, .prefix = {{.ip = {.addr = {10, 0, 0, 8}, .family = 4}, .bits = 31}}};
	struct kept *d = kept_open(0);
	struct desk_connection c;

	d->desk->engine->config.trusted_proxies = &trusted;
	greet(d, 40000, 143, "AUTH=PLAIN");
	greet(d, 40001, 144, "STARTTLS AUTH=PLAIN");
	assert_int_equal(d->n_offers, 2);
	assert_int_equal(d->offers[0].offers, OFFER_AUTH);
	assert_int_equal(d->offers[0].port, 143);
	assert_int_equal(d->offers[0].server.addr[3], 1);
	assert_int_equal(d->offers[0].client.addr[3], 9);
	assert_int_equal(d->offers[0].protocol, ACTIVITY_IMAP);
	assert_int_equal(d->offers[1].offers, OFFER_TLS | OFFER_AUTH);
	assert_int_equal(d->offers[1].port, 144);
	assert_memory_not_equal(d->offers[0].session, d->offers[1].session, 16);
	c = connect_to(d, 40005, 143);
	log_in(&c, "a LOGIN u1 x\r\n");
	say(&c, STREAM_CLIENT, "b CAPABILITY\r\n");
	say(&c, STREAM_SERVER, "* CAPABILITY IMAP4rev1 IDLE\r\nb OK\r\n");
	desk_hang_up(&c);
	c = connect_to(d, 40006, 143);
	say(&c, STREAM_CLIENT, PROXY_LINE("203.0.113.31"));
	say(&c, STREAM_SERVER, "* OK [CAPABILITY IMAP4rev1] ready\r\n");
	say(&c, STREAM_CLIENT, "a NOOP\r\n");
	desk_hang_up(&c);
	// Nor of a server behind a proxy, whose address is that of many.
	c = connect_to(d, 40007, 3128);
	say(&c, STREAM_CLIENT, "CONNECT mail.example.org:143 HTTP/1.1\r\n\r\n");
	say(&c, STREAM_SERVER, "HTTP/1.1 200 OK\r\n\r\n* OK [CAPABILITY IMAP4rev1] ready\r\n");
	say(&c, STREAM_CLIENT, "a NOOP\r\n");
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 5);
	assert_int_equal(d->n_offers, 2);
	kept_close(d);
}

static void what_is_no_mail_gives_no_record(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 80);

	say(&c, STREAM_CLIENT, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	say(&c, STREAM_SERVER, "HTTP/1.1 200 OK\r\n\r\n");
	desk_hang_up(&c);
	c = connect_to(d, 40001, 143);
	desk_hang_up(&c); // not a byte
	assert_int_equal(d->n_records, 0);
	assert_int_equal(d->desk->engine->stats.n_unrecognised, 1);
	kept_close(d);
}

static void lmtp_is_counted_among_smtp_and_by_its_name(void **) {
	struct kept *d = kept_open(0);

	for (int i = 0; i < 3; i++) {
		struct desk_connection c = connect_to(d, (uint16_t)(40000 + i), 24);

		say(&c, STREAM_SERVER, "220 mail.example.org\r\n");
		for (int again = 0; again < 2; again++) {
			say(&c,
			    STREAM_CLIENT,
			    i ? "LHLO mx.example.org\r\n" : "EHLO mx.example.org\r\n");
			say(&c, STREAM_SERVER, "250 mail.example.org\r\n");
		}
		desk_hang_up(&c);
	}
	assert_int_equal(d->desk->engine->stats.sessions[ACTIVITY_SMTP], 3);
	assert_int_equal(d->desk->engine->stats.n_lmtp, 2);
	kept_close(d);
}

static void the_port_does_not_matter_and_neither_do_the_cuts(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 8025);
	static const char *const server = "220 mail.example.org ESMTP\r\n",
				 *const client = "EHLO me.example\r\n";

	for (const char *p = server; *p; p++)
		desk_say(&c, STREAM_SERVER, p, 1);
	for (const char *p = client; *p; p++)
		desk_say(&c, STREAM_CLIENT, p, 1);
	say(&c, STREAM_SERVER, "250 mail.example.org\r\n");
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 1);
	assert_string_equal(text(d, 0, "network.protocol"), "smtp");
	assert_string_equal(text(d, 0, "postern.smtp.helo"), "me.example");
	kept_close(d);
}

static void a_full_memory_refuses_sessions_and_says_so(void **) {
	struct kept *d = kept_open(65536); // one page: one size of block

	for (uint16_t i = 0; i < 8; i++) {
		struct desk_connection c = connect_to(d, 40000 + i, 143);
		log_in(&c, "a LOGIN u1 x\r\n");
		desk_hang_up(&c);
	}
	assert_true(d->desk->engine->stats.memory_full + d->desk->engine->stats.n_refused > 0);
	kept_close(d);
}

// Whether this program, which has all of the engine that sessions reach, names such a function.
static bool is_linked(const char *head, const char *tail) {
	char name[100];
	int size = snprintf(
		name, sizeof(name), "%s_%s", head, tail
	); // so that it is not in here itself
	FILE *file = fopen("/proc/self/exe", "rb");
	bool found = false;
	static char block[1 << 16];
	size_t kept = 0, n;

	assert_non_null(file);
	while (!found && (n = fread(block + kept, 1, sizeof(block) - kept, file)) > 0) {
		found = memmem(block, kept + n, name, (size_t)size) != NULL;
		size_t keep = kept + n < sizeof(name) ? kept + n : sizeof(name);
		memmove(block, block + kept + n - keep, keep);
		kept = keep;
	}
	fclose(file);
	return found;
}

// What a server sends in a handshake, its certificate too, is counted: no byte of it is kept, whatever it
// holds and however large it says to be, and no library's reader of it is there to be reached.
static void l10_a_certificate_is_counted_and_read_by_nobody(void **) {
	static const char hello[] = "\x16\3\1\0\x2d\1\0\0\x29\3\3"
				    "12345678901234567890123456789012"
				    "\0\0\2\x13\1\1";
	static uint8_t certificate[5 + 16384] = {0x16, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff};
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 993);

	desk_say(&c, STREAM_CLIENT, hello, sizeof(hello));
	desk_say(&c, STREAM_SERVER, "\x16\3\3\0\4\2\0\0\0", 9);
	size_t held = slab_used(d->desk->engine->slab);
	for (int i = 0; i < 30; i++) {
		memset(certificate + 9, i * 37, sizeof(certificate) - 9);
		desk_say(&c, STREAM_SERVER, certificate, sizeof(certificate));
		assert_int_equal(slab_used(d->desk->engine->slab), held);
	}
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 1);
	json_t *destination = json_object_get(d->records[0], "destination");
	assert_int_equal(
		json_integer_value(json_object_get(destination, "bytes")),
		9 + 30 * (json_int_t)sizeof(certificate)
	);
	assert_true(has_event(d, 0, "encrypted"));
	assert_false(is_linked("d2i", "X509"));
	assert_false(is_linked("d2i", "OCSP_RESPONSE"));
	assert_false(is_linked("X509", "verify_cert"));
	assert_false(is_linked("PEM", "read_bio_X509"));
	assert_true(is_linked("engine", "open")); // it would be found
	kept_close(d);
}

// A header that lies of its TLVs is an event and tells nobody's address; a client with an IPv6 address may come
// to a server with an IPv4 one; a health check says nothing more. The session behind is read.
static void x1_x8_bad_headers_are_said_and_odd_ones_are_none(void **) {
	static const char lying[] = PROXY_V2 "\x21\x11\0\x0f\xcb\0\x71\x1f\x0a\0\0\1\xb0\x43\0\x8f"
					     "\1\xff\xff";
	static const char other[] = PROXY_V2 "\x21\x21\0\x24"
					     "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
					     "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xb0\x43\0\x8f";
	static const char check[] = PROXY_V2 "\x20\0\0\0";
	static const struct {
		const char *data;
		size_t size;
		const char *ip;
		bool is_bad;
	} cases[] = {
		{lying, sizeof(lying) - 1, "10.0.0.9", true},
		{other, sizeof(other) - 1, "2001:db8::7", false},
		{check, sizeof(check) - 1, "10.0.0.9", false},
	};
	static const struct config_prefixes trusted
		= {.n = 1, .prefix = {{.ip = {.addr = {10, 0, 0, 8}, .family = 4}, .bits = 31}}};
	struct kept *d = kept_open(0);
	struct desk_connection c;

	d->desk->engine->config.trusted_proxies = &trusted;
	for (int i = 0; i < 3; i++) {
		c = connect_to(d, (uint16_t)(40000 + i), 143);
		desk_say(&c, STREAM_CLIENT, cases[i].data, cases[i].size);
		log_in(&c, "a LOGIN u1 x\r\n");
		desk_hang_up(&c);
		assert_string_equal(text(d, i, "source.ip"), cases[i].ip);
		assert_string_equal(text(d, i, "user.id"), "u1");
		assert_int_equal(has_event(d, i, "bad_proxy_header"), cases[i].is_bad);
	}
	c = connect_to(d, 40003, 143);
	desk_say(&c, STREAM_CLIENT, check, sizeof(check) - 1);
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 3);
	kept_close(d);
}

#define TLVS_HEAD(size) PROXY_V2 "\x21\x11" size "\xcb\0\x71\x1f\x0a\0\0\1\xb0\x43\0\x8f"

// What a trusted proxy tells of its client's connection stands beside its address, whatever bytes it has; of what
// is told twice, the first. Checksums that are wrong, and TLVs that do not fill the one around them, are an event, and
// nothing of such a header counts.
static void x6_x7_what_a_header_says_of_the_connection_is_told(void **) {
	static const char said[] = TLVS_HEAD("\0\x84") "\x01\0\4imap"
						       "\x02\0\7m\"\n\0x\xff\x1b"
						       "\x02\0\5again"
						       "\x05\0\4uid\1"
						       "\x04\0\3\0\0\0"
						       "\x20\0\x44\x07\0\0\0\0"
						       "\x21\0\7TLSv1.3"
						       "\x25\0\7RSA2048"
						       "\x22\0\x0f\x4a. Nov\xc3\xa1kov\xc3\xa1 \xf0"
						       "\x23\0\x16TLS_AES_256_GCM_SHA384"
						       "\x30\0\3ns1"
						       "\xea\0\2zz";
	static const char bad_ssl[] = TLVS_HEAD("\0\x19") "\x20\0\x0a\1\0\0\0\1\x21\0\3TL";
	static const char bad_crc[] = TLVS_HEAD("\0\x17") "\x01\0\1i\x03\0\4\1\2\3\4";
	static const struct config_prefixes trusted
		= {.n = 1, .prefix = {{.ip = {.addr = {10, 0, 0, 8}, .family = 4}, .bits = 31}}};
	static const struct {
		const char *data;
		size_t size;
		const char *ip;
	} cases[] = {
		{said, sizeof(said) - 1, "203.0.113.31"},
		{bad_ssl, sizeof(bad_ssl) - 1, "10.0.0.9"},
		{bad_crc, sizeof(bad_crc) - 1, "10.0.0.9"},
	};
	struct kept *d = kept_open(0);

	d->desk->engine->config.trusted_proxies = &trusted;
	for (int i = 0; i < 3; i++) {
		struct desk_connection c = connect_to(d, (uint16_t)(40000 + i), 143);
		desk_say(&c, STREAM_CLIENT, cases[i].data, cases[i].size);
		log_in(&c, "a LOGIN u1 x\r\n");
		desk_hang_up(&c);
		assert_string_equal(text(d, i, "source.ip"), cases[i].ip);
		assert_string_equal(text(d, i, "user.id"), "u1");
		assert_int_equal(has_event(d, i, "bad_proxy_header"), i > 0);
	}
	json_t *via = json_object_get(json_object_get(d->records[0], "postern"), "via");
	char *found = json_dumps(via, JSON_COMPACT);
	assert_string_equal(
		found,
		"{\"ip\":\"10.0.0.9\",\"port\":40000,\"how\":\"proxy_v2\",\"alpn\":\"imap\","
		"\"authority\":\"m\\\"\\n\\u0000x\xef\xbf\xbd\\u001B\",\"unique_id\":"
		"\"uid\\u0001\","
		"\"tls\":{\"established\":true,\"version\":\"TLSv1.3\","
		"\"cipher\":\"TLS_AES_256_GCM_SHA384\",\"client\":{\"certificate\":true,"
		"\"verified\":true,\"common_name\":\"J. Nov\xc3\xa1kov\xc3\xa1 \xef\xbf\xbd\"}},"
		"\"netns\":\"ns1\"}"
	);
	free(found);
	assert_null(json_object_get(json_object_get(d->records[1], "postern"), "via"));
	kept_close(d);
}

static void the_same_packets_have_the_same_ids_in_every_run(void **) {
	char ids[2][2][64];

	for (int run = 0; run < 2; run++) {
		struct kept *d = kept_open(0);
		for (uint16_t i = 0; i < 2; i++) {
			struct desk_connection c = connect_to(d, 40000 + i, 143);
			log_in(&c, "a LOGIN u1 x\r\n");
			desk_hang_up(&c);
			snprintf(ids[run][i], sizeof(ids[run][i]), "%s", text(d, i, "event.id"));
		}
		kept_close(d);
	}
	assert_string_equal(ids[0][0], ids[1][0]);
	assert_string_equal(ids[0][1], ids[1][1]);
	assert_string_not_equal(ids[0][0], ids[0][1]);
}

static void a_hole_before_recognition_does_not_join_what_stands_around_it(void **) {
	struct kept *d = kept_open(0);
	struct desk_connection c = connect_to(d, 40000, 143);

	say(&c, STREAM_SERVER, "* O");
	c.next[STREAM_SERVER] += 100; // never captured
	for (int i = 0; i < 40; i++) {
		say(&c, STREAM_CLIENT, "K ready\r\n"); // acknowledges the hole
		say(&c, STREAM_SERVER, "K ready\r\n");
	}
	desk_hang_up(&c);
	assert_int_equal(d->n_records, 0);
	kept_close(d);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_gives_one_record_and_says_who_and_why),
		cmocka_unit_test(a_long_session_is_recorded_every_interim_to_the_nanosecond),
		cmocka_unit_test(what_an_account_did_is_told_within_a_minute),
		cmocka_unit_test(t6_t30_a_session_of_two_readings_is_ambiguous),
		cmocka_unit_test(s1_i4_what_servers_read_in_two_ways_is_ambiguous),
		cmocka_unit_test(s19_what_is_no_address_reaches_no_list),
		cmocka_unit_test(s17_s18_tls_is_told_by_its_bytes_on_any_port),
		cmocka_unit_test(s17_tls_whose_starttls_was_not_seen_is_read_by_nobody),
		cmocka_unit_test(s23_xclient_counts_of_listed_peers_that_the_server_believes),
		cmocka_unit_test(i15_preauth_and_referrals_are_nobodys_logins),
		cmocka_unit_test(a_refused_login_is_told_at_once_and_equal_passwords_look_equal),
		cmocka_unit_test(a_client_is_told_when_its_grammar_is_known),
		cmocka_unit_test(what_follows_a_refused_login_is_nobodys),
		cmocka_unit_test(two_names_on_one_connection_are_two_accounts),
		cmocka_unit_test(a8_a_name_with_control_bytes_is_nobodys),
		cmocka_unit_test(what_is_no_mail_gives_no_record),
		cmocka_unit_test(lmtp_is_counted_among_smtp_and_by_its_name),
		cmocka_unit_test(attachments_of_mail_fetched_and_appended_are_told_once),
		cmocka_unit_test(attachments_of_mail_fetched_by_pop3_are_told_and_bounded),
		cmocka_unit_test(x9_a_header_is_honoured_from_listed_sources_only),
		cmocka_unit_test(lists_of_offers_in_clear_are_told),
		cmocka_unit_test(the_port_does_not_matter_and_neither_do_the_cuts),
		cmocka_unit_test(a_full_memory_refuses_sessions_and_says_so),
		cmocka_unit_test(l10_a_certificate_is_counted_and_read_by_nobody),
		cmocka_unit_test(x1_x8_bad_headers_are_said_and_odd_ones_are_none),
		cmocka_unit_test(x6_x7_what_a_header_says_of_the_connection_is_told),
		cmocka_unit_test(the_same_packets_have_the_same_ids_in_every_run),
		cmocka_unit_test(a_hole_before_recognition_does_not_join_what_stands_around_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
