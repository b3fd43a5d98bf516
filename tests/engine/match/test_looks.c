// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Rules over whole dialogues, from segments to the record: where each looks, in which direction and protocol, how
// often is enough, and what is said of the first place. Each dialogue is sent line by line and byte by byte.

#include "desk.h"
#include "match/scan.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAID_SIZE = 2000 };

// What the record said of matches goes to said, of SAID_SIZE, which is the desk's ctx.
static void keep_record(struct desk *desk) {
	char *said = desk->ctx;
	json_t *record = json_loadb(desk->line, desk->line_size, 0, NULL), *match;
	json_t *matches = json_object_get(json_object_get(record, "postern"), "matches");
	size_t i;

	assert_non_null(record);
	json_array_foreach(matches, i, match) {
		const char *part = json_string_value(json_object_get(match, "part"));
		const char *excerpt = json_string_value(json_object_get(match, "excerpt"));

		snprintf(
			said + strlen(said),
			SAID_SIZE - strlen(said),
			"%s%s %lldx %s%s%s+%lld%s%s",
			i > 0 ? ", " : "",
			json_string_value(json_object_get(match, "rule")),
			json_integer_value(json_object_get(match, "count")),
			json_string_value(json_object_get(match, "field")),
			part != NULL ? " " : "",
			part != NULL ? part : "",
			json_integer_value(json_object_get(match, "offset")),
			excerpt != NULL ? " " : "",
			excerpt != NULL ? excerpt : ""
		);
	}
	json_decref(record);
}

// "C: …" and "S: …": each line with CR LF, in pieces of this size.
static void talk(struct desk_connection *c, const char *text, size_t piece) {
	char line[1000];

	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		size_t size = (size_t
		)snprintf(line, sizeof(line), "%.*s\r\n", (int)(end - text - 3), text + 3);
		for (size_t at = 0, n; at < size; at += n) {
			n = piece < size - at ? piece : size - at;
			desk_say(c, text[0] == 'S' ? STREAM_SERVER : STREAM_CLIENT, line + at, n);
		}
	}
}

static void
play(const char *rules_text, uint16_t port, const char *text, size_t piece, char said[SAID_SIZE]) {
	const struct desk_ends ends = {{10, 0, 0, 9}, {10, 0, 0, 1}, 40000, port};
	struct desk_connection c;
	int n_bad;
	struct rules *rules
		= rules_parse("f.yaml", rules_text, strlen(rules_text), NULL, NULL, &n_bad);
	assert_int_equal(n_bad, 0);
	struct database *db = database_open(rules, NULL, NULL, NULL, NULL, &n_bad);
	assert_int_equal(n_bad, 0);
	struct scanner *scanner = scanner_open(db, 8);
	struct desk *desk = desk_open_with(
		&(struct engine_config){
			.slab_size = 1 << 22,
			.parse = true,
			.decode = true,
			.records = true,
			.scanner = scanner,
		},
		64
	);
	said[0] = '\0';
	desk->record = keep_record;
	desk->ctx = said;
	c = desk_connect_ends(desk, &ends);
	talk(&c, text, piece);
	desk_hang_up(&c);
	desk_end(desk);
	assert_int_equal(slab_used(desk->engine->slab), 0);
	desk_close(desk);
	scanner_close(scanner);
	database_close(db);
	rules_close(rules);
}

// Of every case: its rules without "rules:", the dialogue, and what the record says.
struct look {
	const char *rules, *talk, *says;
};

static void looks_check(const struct look *looks, size_t n, uint16_t port) {
	for (size_t i = 0; i < n; i++) {
		for (size_t piece = 1; piece <= 1000; piece += 999) {
			char rules[2000];
			char said[SAID_SIZE];

			snprintf(rules, sizeof(rules), "rules:\n%s", looks[i].rules);
			play(rules, port, looks[i].talk, piece, said);
			if (strcmp(said, looks[i].says) != 0)
				fail_msg(
					"%s: pieces of %zu: \"%s\", expected \"%s\"",
					looks[i].rules,
					piece,
					said,
					looks[i].says
				);
		}
	}
}

#define LOOKS(looks, port) looks_check(looks, sizeof(looks) / sizeof((looks)[0]), port)

#define SMTP_BEGIN "S: 220 mail.test ESMTP marker\nC: EHLO marker.test\nS: 250 mail.test\n"
#define ENVELOPE                                                                                   \
	"C: MAIL FROM:<a@b.test>\nS: 250 OK\nC: RCPT TO:<marker@b.test>\nS: 250 OK\nC: DATA\n"     \
	"S: 354 go\n"
#define SMTP_END "C: .\nS: 250 OK queued\nC: QUIT\nS: 221 bye\n"
#define MULTIPART                                                                                  \
	"C: Subject: =?utf-8?b?bWFya2Vy?=\nC: X-Mailer: marker 1\nC: MIME-Version: 1.0\n"          \
	"C: Content-Type: multipart/mixed; boundary=bb\nC: \nC: --bb\nC: Content-Type: "           \
	"text/html\n"                                                                              \
	"C: \nC: <b class=\"markup\">mar</b>ker\nC: --bb\n"                                        \
	"C: Content-Type: text/plain\n"                                                            \
	"C: Content-Disposition: attachment; filename=\"marker.txt\"\nC: \nC: some marker\n"       \
	"C: --bb--\n"

static void each_field_of_a_message_and_of_smtp(void **) {
	static const struct look looks[] = {
		{"- {id: a, look: body, pattern: marker}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x body 1+6"},
		{"- {id: a, look: attachment, pattern: marker}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x attachment 2+11"},
		{"- {id: a, look: markup, pattern: markup}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x markup 1+16"},
		{"- {id: a, look: subject, pattern: '^marker$'}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x subject+6"},
		{"- {id: a, look: 'header:x-mailer', pattern: '^marker 1$'}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x header+8"},
		{"- {id: a, look: 'header:X-Other', pattern: marker}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 ""},
		{"- {id: a, look: filename, pattern: '^marker.txt$'}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x filename 2+10"},
		// A program under another name: what it is called, said to be, and is.
		{"- {id: a, look: file, pattern: '^x.txt\\ttext/plain\\tapplication/pdf\\t$'}\n",
		 SMTP_BEGIN ENVELOPE
		 "C: Content-Type: text/plain; name=x.txt\nC: Content-Disposition: attachment\n"
		 "C: \nC: %PDF-1.4 marker\n" SMTP_END,
		 "a 1x file 1+33"},
		{"- {id: a, look: command, pattern: '^RCPT$'}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x command+4"},
		{"- {id: a, look: argument, pattern: marker@}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x argument+11"},
		{"- {id: a, look: helo, pattern: '^marker.test$'}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x helo+11"},
		{"- {id: a, look: response, pattern: 'marker$'}\n",
		 SMTP_BEGIN ENVELOPE MULTIPART SMTP_END,
		 "a 1x response+26"},
		// Nothing behind STARTTLS is looked at.
		{"- {id: a, pattern: marker}\n",
		 "S: 220 mail.test ESMTP\nC: EHLO a.test\nS: 250-mail.test\nS: 250 STARTTLS\n"
		 "C: STARTTLS\nS: 220 go\nC: \x16\x03\x01\x02\x03\x01\x01 marker\nS: \x16\x03\x03 "
		 "marker\n",
		 ""},
		{"- {id: a, look: event, pattern: '^bad_bdat$'}\n",
		 SMTP_BEGIN "C: MAIL FROM:<a@b.test>\nS: 250 OK\nC: RCPT TO:<c@b.test>\nS: 250 OK\n"
			    "C: BDAT x\nS: 501 no\nC: QUIT\nS: 221 bye\n",
		 "a 1x event+8"},
	};

	LOOKS(looks, 25);
}

#define IMAP_BEGIN                                                                                 \
	"S: * OK ready\nC: l LOGIN u@b.test p\nS: l OK in\nC: s SELECT INBOX\nS: * 5 EXISTS\n"     \
	"S: * OK [UIDVALIDITY 7] ok\nS: * OK [UIDNEXT 60] ok\nS: s OK [READ-WRITE] done\n"
#define IMAP_END "C: z LOGOUT\nS: * BYE\nS: z OK done\n"

static void each_field_of_imap_and_sieve(void **) {
	static const struct look looks[] = {
		{"- {id: a, look: client-id, pattern: '^Marker 1'}\n",
		 "S: * OK ready\nC: i ID (\"name\" \"Marker\" \"version\" \"1.2\")\nS: * ID NIL\n"
		 "S: i OK done\nC: l LOGIN u@b.test p\nS: l OK in\n" IMAP_END,
		 "a 1x client-id+8"},
		{"- {id: a, look: command, pattern: '^UID SEARCH$'}\n"
		 "- {id: b, look: argument, pattern: 'TEXT \"?heslo'}\n",
		 IMAP_BEGIN "C: f UID SEARCH TEXT heslo\nS: * SEARCH\nS: f OK done\n" IMAP_END,
		 "a 1x command+10, b 1x argument+10"},
	};
	static const struct look scripts[] = {
		{"- {id: a, look: sieve, pattern: 'redirect[^;]*;'}\n"
		 "- {id: b, look: body, pattern: 'redirect'}\n",
		 "S: \"IMPLEMENTATION\" \"x\"\nS: \"SASL\" \"PLAIN\"\nS: OK \"ready\"\n"
		 "C: AUTHENTICATE \"PLAIN\" \"AGFubmEAdGFqbmU=\"\nS: OK\n"
		 "C: PUTSCRIPT \"mine\" {30+}\nC: redirect \"drop@elsewhere.es\";\nC: \nS: OK\n"
		 "C: LOGOUT\nS: OK\n",
		 "a 1x sieve+29"},
	};

	LOOKS(looks, 143);
	LOOKS(scripts, 4190);
}

// The same message on its four ways.
static void direction_and_protocol_are_told_apart(void **) {
	static const char fetched[] = IMAP_BEGIN
		"C: f FETCH 1 BODY[]\nS: * 1 FETCH (UID 3 BODY[] {10}\nS: \nS: marker\n"
		"S: )\nS: f OK done\n" IMAP_END;
	static const char appended[] = IMAP_BEGIN
		"C: f APPEND INBOX {10+}\nC: \nC: marker\nC: \nS: f OK done\n" IMAP_END;
	static const char sent[] = SMTP_BEGIN ENVELOPE "C: \nC: marker\n" SMTP_END;
	static const char rules[]
		= "- {id: s, direction: sent, look: body, pattern: marker}\n"
		  "- {id: f, direction: fetched, look: body, pattern: marker}\n"
		  "- {id: a, direction: appended, look: body, pattern: marker}\n"
		  "- {id: i, protocol: imap, look: body, pattern: marker}\n"
		  "- {id: m, protocol: [smtp, lmtp], look: body, pattern: marker}\n";
	static const struct look imap[] = {
		{rules, fetched, "f 1x body 1+6, i 1x body 1+6"},
		{rules, appended, "a 1x body 1+6, i 1x body 1+6"},
	};
	static const struct look smtp[] = {{rules, sent, "s 1x body 1+6, m 1x body 1+6"}};

	LOOKS(imap, 143);
	LOOKS(smtp, 25);
}

// What a reader sees as one word, however it travels.
static void a_word_that_is_cut_on_its_way_is_found(void **) {
	static const char rules[] = "- {id: a, look: body, pattern: 'one long marker'}\n";
	static const struct look smtp[] = {
		// Quoted-printable, with soft line breaks.
		{rules,
		 SMTP_BEGIN ENVELOPE "C: Content-Transfer-Encoding: quoted-printable\nC: \n"
				     "C: one lo=\nC: ng ma=72=\nC: ker\n" SMTP_END,
		 "a 1x body 1+15"},
		// Base64, whose lines cut characters' groups of four.
		{rules,
		 SMTP_BEGIN ENVELOPE "C: Content-Transfer-Encoding: base64\nC: \n"
				     "C: b25lI\nC: GxvbmcgbW\nC: Fya2Vy\n" SMTP_END,
		 "a 1x body 1+15"},
		{rules,
		 SMTP_BEGIN ENVELOPE "C: Content-Type: text/html\nC: \nC: one <i>lo</i>ng "
				     "m&#97;r<b></b>ker\n" SMTP_END,
		 "a 1x body 1+15"},
	};
	static const struct look chunks[] = {
		{rules,
		 SMTP_BEGIN "C: MAIL FROM:<a@b.test>\nS: 250 OK\nC: RCPT TO:<c@b.test>\nS: 250 OK\n"
			    "C: BDAT 2\nC: \nS: 250 OK\nC: BDAT 17 LAST\nC: one long marker\n"
			    "S: 250 OK\nC: QUIT\nS: 221 bye\n",
		 "a 1x body 1+15"},
	};
	static const struct look imap[] = {
		// In pieces of a message, fetched one after the other.
		{rules,
		 IMAP_BEGIN
		 "C: f UID FETCH 3 BODY.PEEK[]<0.10>\nS: * 1 FETCH (UID 3 BODY[]<0> {10}\n"
		 "S: \nS: one long)\nS: f OK done\n"
		 "C: g UID FETCH 3 BODY.PEEK[]<10.90>\nS: * 1 FETCH (UID 3 BODY[]<10> {7}\n"
		 "S:  marker)\nS: g OK done\n" IMAP_END,
		 "a 1x body 1+15"},
	};

	LOOKS(smtp, 25);
	LOOKS(chunks, 25);
	LOOKS(imap, 143);
}

#define MESSAGE(text)                                                                              \
	ENVELOPE "C: \nC: " text "\n"                                                              \
		 "C: .\nS: 250 OK queued\n"

static void how_often_is_enough(void **) {
	static const char count[] = "- {id: a, look: body, pattern: 'x[0-9]', count: 3}\n";
	static const char distinct[]
		= "- {id: a, look: body, pattern: '\\bx[0-9]\\b', distinct: 3}\n";
	static const char session[]
		= "- {id: a, look: body, pattern: 'x[0-9]', count: 3, within: session}\n";
	static const struct look looks[] = {
		{count, SMTP_BEGIN MESSAGE("x1 x1") MESSAGE("x1 x1"), ""},
		{count, SMTP_BEGIN MESSAGE("x1 x1 x1"), "a 3x body 1+2"},
		{distinct, SMTP_BEGIN MESSAGE("x1 x2 x1 x2"), ""},
		{distinct, SMTP_BEGIN MESSAGE("x1 x2 x3"), "a 3x body 1+2"},
		{session, SMTP_BEGIN MESSAGE("x1 x1"), ""},
		{session, SMTP_BEGIN MESSAGE("x1 x1") MESSAGE("x1"), "a 3x body 1+2"},
	};

	LOOKS(looks, 25);
}

static void all_or_any_of_some_within_a_message_or_a_session(void **) {
	static const char members[] = "- {id: a, look: body, pattern: aaa, alert: no}\n"
				      "- {id: b, look: body, pattern: bbb, alert: no}\n";
	char all[300], any[300], session[300];
	const struct look looks[] = {
		{all, SMTP_BEGIN MESSAGE("aaa") MESSAGE("bbb"), ""},
		{all, SMTP_BEGIN MESSAGE("bbb aaa"), "c 1x body 1+7"},
		{any, SMTP_BEGIN MESSAGE("ccc"), ""},
		{any, SMTP_BEGIN MESSAGE("bbb"), "c 1x body 1+3"},
		{session, SMTP_BEGIN MESSAGE("aaa") MESSAGE("aaa"), ""},
		{session, SMTP_BEGIN MESSAGE("aaa") MESSAGE("bbb"), "c 1x body 1+3"},
	};

	snprintf(all, sizeof(all), "%s- {id: c, all: [a, b], within: message}\n", members);
	snprintf(any, sizeof(any), "%s- {id: c, any: [a, b]}\n", members);
	snprintf(session, sizeof(session), "%s- {id: c, all: [a, b], within: session}\n", members);
	LOOKS(looks, 25);
}

// Only where the rule allows it, and without what is secret.
static void an_excerpt_shows_no_secret(void **) {
	static const struct look looks[] = {
		{"- {id: a, look: body, pattern: '4111 1111 1111 1111', validate: luhn}\n",
		 SMTP_BEGIN MESSAGE("card 4111 1111 1111 1111"),
		 "a 1x body 1+24"},
		{"- {id: a, look: body, pattern: '4111 1111 1111 1111', validate: luhn, excerpt: "
		 "yes}\n",
		 SMTP_BEGIN MESSAGE("card 4111 1111 1111 1111"),
		 "a 1x body 1+24 card 41** **** **** **11"},
		{"- {id: a, look: body, pattern: 'heslo: [a-z0-9]+\\r', category: "
		 "credential-access, "
		 "excerpt: yes}\n",
		 SMTP_BEGIN MESSAGE("heslo: kolotoc22"),
		 "a 1x body 1+17 heslo: *********"},
	};

	LOOKS(looks, 25);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_of_a_message_and_of_smtp),
		cmocka_unit_test(each_field_of_imap_and_sieve),
		cmocka_unit_test(direction_and_protocol_are_told_apart),
		cmocka_unit_test(a_word_that_is_cut_on_its_way_is_found),
		cmocka_unit_test(how_often_is_enough),
		cmocka_unit_test(all_or_any_of_some_within_a_message_or_a_session),
		cmocka_unit_test(an_excerpt_shows_no_secret),
	};

#ifndef HAVE_HYPERSCAN
	return 77; // nothing is scanned in this build
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
