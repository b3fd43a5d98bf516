// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Conversations, and what is known of them at the end: ordinary ones in tests/talks/smtp_*.talk, hostile ones
// (HOSTILE.md, sections 2 and 5) in tables here. Each is given whole, byte by byte and cut in two at every
// place, with equal results.

#include "limits.h"
#include "proto/smtp_private.h"
#include "smtp_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// One string: what one side says, until the other is named. A hole has its size in decimal.
#define C "\1C"
#define S "\1S"
#define GAP_C "\1c"
#define GAP_S "\1s"

struct words {
	const char *data;
	size_t size;
};
#define WORDS(text)                                                                                \
	{ text, sizeof(text) - 1 }

static void dump(struct talk *talk, const struct session *s, const void *state) {
	talk_fact(talk, "--");
	smtp_dump(talk, s, state);
}

static void words_say(struct talk *talk, const struct words *words, size_t cut) {
	const char *at = words->data, *end = words->data + words->size;

	while (at < end) {
		char kind = at[1];
		enum stream_dir dir = kind == 'C' || kind == 'c' ? STREAM_CLIENT : STREAM_SERVER;
		at += 2;
		const char *next = memchr(at, 1, end - at);
		if (next == NULL)
			next = end;
		if (kind == 'c' || kind == 's')
			talk_gap(talk, dir, strtoull(at, NULL, 10));
		else
			for (size_t n; at < next; at += n) {
				n = cut == 1 ? 1 : next - at;
				const char *place = words->data + cut;
				if (cut > 1 && at < place && place < next)
					n = place - at;
				talk_data(talk, dir, at, n);
			}
		at = next;
	}
}

// All facts, to be freed. cut: 0 whole, 1 byte by byte, else in two at this place.
static char *words_run(const struct words *words, size_t cut, size_t memory) {
	struct talk *talk = talk_open(&proto_smtp, memory);

	words_say(talk, words, cut);
	char *facts = strdup(talk_end(talk, dump));
	talk_close(talk);
	return facts;
}

// Of facts, those of the connection's end: without content and logins.
static const char *end_facts(const char *facts) {
	const char *end = strstr(facts, "--\n");
	return end == NULL ? facts : end + 3;
}

static char *words_check(const char *name, const struct words *words) {
	char *whole = words_run(words, 0, 0);
	size_t step = words->size / 3000 + 1;

	for (size_t cut = 1; cut < words->size; cut += step) {
		char *facts = words_run(words, cut, 0);
		if (strcmp(facts, whole) != 0)
			print_error("%s: cut at %zu\n%s\nwhole\n%s", name, cut, facts, whole);
		assert_string_equal(facts, whole);
		free(facts);
	}
	// Cut short anywhere it must end cleanly, and give back its memory.
	for (size_t size = 1; size < words->size; size += step) {
		struct words prefix = {words->data, size};
		if (words->data[size - 1] == 1)
			continue;
		char *facts = words_run(&prefix, 0, 0);
		assert_null(strstr(facts, "leaked"));
		free(facts);
	}
	return whole;
}

struct words_case {
	const char *name;
	struct words words;
	const char
		*wanted; // of the end's facts, or of all when it begins with "login" or "content"
};

static void words_assert(const struct words_case *cases, size_t n) {
	int n_wrong = 0;

	for (size_t i = 0; i < n; i++) {
		char *facts = words_check(cases[i].name, &cases[i].words);
		bool is_all = strncmp(cases[i].wanted, "login", 5) == 0
			|| strncmp(cases[i].wanted, "content", 7) == 0;
		const char *found = is_all ? facts : end_facts(facts);
		if (strcmp(found, cases[i].wanted) != 0) {
			print_error(
				"%s: found\n%swanted\n%s", cases[i].name, found, cases[i].wanted
			);
			n_wrong++;
		}
		free(facts);
	}
	assert_int_equal(n_wrong, 0);
}
#define ASSERT_WORDS(cases) words_assert(cases, sizeof(cases) / sizeof(cases[0]))

#define HELLO S "220 mx.example ESMTP\r\n" C "EHLO c.example\r\n" S "250-mx\r\n250 CHUNKING\r\n"
#define ENVELOPE                                                                                   \
	C "MAIL FROM:<a@example.org>\r\n" S "250 2.1.0 Ok\r\n" C "RCPT TO:<b@example.net>\r\n" S   \
	  "250 2.1.5 Ok\r\n"
#define DATA C "DATA\r\n" S "354 go\r\n"
#define QUEUED S "250 2.0.0 Ok: queued as 4ABC\r\n"
#define QUIT C "QUIT\r\n" S "221 2.0.0 Bye\r\n"
#define MAIL "mail a@example.org to b@example.net, "

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("smtp_", &proto_smtp, smtp_dump), 1, 1000);
}

static void a_message_is_listed_with_its_envelope_and_outcome(void **) {
	static const struct words_case cases[] = {
		{"plain",
		 WORDS(HELLO ENVELOPE DATA C "Subject: x\r\n\r\nbody\r\n.\r\n" QUEUED QUIT),
		 "helo c.example\n" MAIL
		 "20 bytes, 250 2.0.0 4ABC\nis quit\ncommands 5, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=20\n"},
		{"refused at the end",
		 WORDS(HELLO ENVELOPE DATA C "x\r\n.\r\n" S "550 5.7.1 spam\r\n" QUIT),
		 "helo c.example\n" MAIL "3 bytes, 550 5.7.1 -\nis quit\ncommands 5, 0 rejected\n"},
		{"two, the second from nobody",
		 WORDS(HELLO ENVELOPE DATA C "x\r\n.\r\n" QUEUED C "MAIL FROM:<>\r\n" S
					     "250 ok\r\n" C "RCPT TO:<c@x>\r\n" S "550 no\r\n" C
					     "RCPT TO:<d@x>\r\n" S "250 ok\r\n" DATA C ".\r\n" S
					     "250 ok\r\n"),
		 "helo c.example\n" MAIL "3 bytes, 250 2.0.0 4ABC\n"
		 "mail  to d@x not 1, 0 bytes, 250 - -\ncommands 8, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=3\nactivity sent 1 d@x bytes=0\n"},
		{"no data, no message",
		 WORDS(HELLO ENVELOPE C "RSET\r\n" S "250 ok\r\n" QUIT),
		 "helo c.example\nis quit\ncommands 5, 0 rejected\n"},
		{"cut in the content",
		 WORDS(HELLO ENVELOPE DATA C "half a mess"),
		 "helo c.example\n" MAIL
		 "11 bytes, 0 - -\ncommands 4, 0 rejected\nevent message_cut\n"},
		{"no final reply seen",
		 WORDS(HELLO ENVELOPE DATA C "x\r\n.\r\n"),
		 "helo c.example\n" MAIL "3 bytes, 0 - -\ncommands 4, 0 rejected\n"},
	};
	ASSERT_WORDS(cases);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
		cmocka_unit_test(a_message_is_listed_with_its_envelope_and_outcome),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
