// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Openings of sessions as clients send them, the same software's in a group: one grammar within, none the
// same across. Real programs' sessions are in tests/data/clients.pcap.zst (end_to_end.py).

#include "limits.h"
#include "proto/imap/imap.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAME_MAX = 6 };

static uint32_t grammar_of_pieces(const char *client, size_t piece) {
	struct talk *talk = talk_open(&proto_imap, 0);
	size_t size = strlen(client), n;
	uint32_t grammar;

	talk_data(talk, STREAM_SERVER, "* OK hi\r\n", 9);
	for (size_t at = 0; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		talk_data(talk, STREAM_CLIENT, client + at, n);
	}
	proto_imap.end(talk_session(talk), talk_session(talk)->state, 0);
	grammar = ((const struct imap *)talk_session(talk)->state)->grammar;
	assert_null(strstr(talk_end(talk, NULL), "leaked "));
	talk_close(talk);
	return grammar;
}

// Pipelined in one piece, byte by byte, and in odd pieces: one grammar.
static uint32_t grammar_of(const char *client) {
	uint32_t grammar = grammar_of_pieces(client, SIZE_MAX);

	assert_int_not_equal(grammar, 0);
	assert_int_equal(grammar, grammar_of_pieces(client, 1));
	assert_int_equal(grammar, grammar_of_pieces(client, 7));
	return grammar;
}

static const struct {
	const char *software;
	const char *same[SAME_MAX];
} groups[] = {
	{"a script on imaplib",
	 {"KJHD0 CAPABILITY\r\nKJHD1 LOGIN anna \"pw\"\r\nKJHD2 SELECT INBOX\r\nKJHD3 FETCH 1 "
	  "(RFC822)\r\n",
	  // another name, password, mailbox, message; more of them; a repeated login
	  "ABCA0 CAPABILITY\r\nABCA1 LOGIN \"b n\" \"wrong\"\r\nABCA2 LOGIN \"b n\" \"x\"\r\n"
	  "ABCA3 SELECT \"A b\"\r\nABCA4 NOOP\r\nABCA5 CLOSE\r\nABCA6 SELECT {3}\r\nX y\r\n"
	  "ABCA7 FETCH 10:* (RFC822)\r\nABCA8 STORE 10 +FLAGS (\\Seen)\r\nABCA9 LOGOUT\r\n",
	  // what another server's capabilities make of it
	  "KJHD1 AUTHENTICATE CRAM-MD5\r\nYQ==\r\nKJHD2 CAPABILITY\r\nKJHD3 ENABLE UTF8=ACCEPT\r\n"
	  "KJHD4 MYRIGHTS INBOX\r\nKJHD5 GETQUOTAROOT INBOX\r\nKJHD6 SELECT INBOX\r\nKJHD7 FETCH 1 "
	  "(RFC822)\r\n",
	  "KJHD1 AUTHENTICATE PLAIN AGEAYg==\r\nKJHD6 SELECT INBOX\r\nKJHD7 FETCH 1 (RFC822)\r\n"}},
	{"the same, which only looks",
	 {"KJHD0 CAPABILITY\r\nKJHD1 LOGIN anna \"pw\"\r\nKJHD2 EXAMINE INBOX\r\nKJHD3 FETCH 1 "
	  "(RFC822)\r\n"}},
	{"the same, other items",
	 {"KJHD0 CAPABILITY\r\nKJHD1 LOGIN anna \"pw\"\r\nKJHD2 SELECT INBOX\r\nKJHD3 FETCH 1 "
	  "(BODY.PEEK[])\r\n"}},
	{"the same, of a library with other tags",
	 {"1 CAPABILITY\r\n2 LOGIN anna \"pw\"\r\n3 SELECT INBOX\r\n4 FETCH 1 (RFC822)\r\n",
	  "12 CAPABILITY\r\n13 LOGIN anna \"pw\"\r\n14 SELECT INBOX\r\n15 FETCH 1 (RFC822)\r\n"}},
	{"the same, tags of a width",
	 {"A001 CAPABILITY\r\nA002 LOGIN anna \"pw\"\r\nA003 SELECT INBOX\r\nA004 FETCH 1 "
	  "(RFC822)\r\n"}},
	{"the same, in small letters",
	 {"KJHD0 capability\r\nKJHD1 login anna \"pw\"\r\nKJHD2 select INBOX\r\nKJHD3 fetch 1 "
	  "(RFC822)\r\n"}},
	{"a program for people",
	 {"1 capability\r\n2 authenticate PLAIN\r\n3 ID (\"name\" \"Mail\" \"version\" \"1\")\r\n4 "
	  "namespace\r\n"
	  "5 lsub \"\" \"*\"\r\n6 list \"\" \"INBOX\"\r\n7 select \"INBOX\" (CONDSTORE)\r\n"
	  "8 UID fetch 1:* (FLAGS)\r\n",
	  // threads change places; folders are asked for one by one; the version is another
	  "1 capability\r\n2 authenticate PLAIN\r\n3 namespace\r\n4 ID (\"name\" \"Mail\" "
	  "\"version\" \"2\")\r\n"
	  "5 list \"\" \"Work\"\r\n6 lsub \"\" \"*\"\r\n7 select \"Work\" (CONDSTORE)\r\n8 noop\r\n"
	  "9 list \"\" \"Old\"\r\n10 UID fetch 7 (FLAGS)\r\n11 IDLE\r\nDONE\r\n",
	  // another of its sessions has asked for namespaces
	  "1 capability\r\n2 authenticate PLAIN\r\n3 ID (\"name\" \"Mail\" \"version\" \"1\")\r\n"
	  "5 lsub \"\" \"*\"\r\n6 list \"\" \"INBOX\"\r\n7 select \"INBOX\" (CONDSTORE)\r\n"
	  "8 UID fetch 1:* (FLAGS)\r\n"}},
	{"ID before the login",
	 {"1 capability\r\n3 ID (\"name\" \"Mail\" \"version\" \"1\")\r\n2 authenticate PLAIN\r\n4 "
	  "namespace\r\n"
	  "5 lsub \"\" \"*\"\r\n6 list \"\" \"INBOX\"\r\n7 select \"INBOX\" (CONDSTORE)\r\n"
	  "8 UID fetch 1:* (FLAGS)\r\n"}},
	{"other fields in ID",
	 {"1 capability\r\n2 authenticate PLAIN\r\n3 ID (\"name\" \"Mail\" \"os\" \"1\")\r\n4 "
	  "namespace\r\n"
	  "5 lsub \"\" \"*\"\r\n6 list \"\" \"INBOX\"\r\n7 select \"INBOX\" (CONDSTORE)\r\n"
	  "8 UID fetch 1:* (FLAGS)\r\n"}},
	{"LIST with quoted wildcards, of all folders or of those below one",
	 {"1 LOGIN a b\r\n2 LIST \"\" \"*\"\r\n3 STATUS INBOX (MESSAGES)\r\n",
	  "1 LOGIN a b\r\n2 LIST \"INBOX.\" \"*\"\r\n3 STATUS INBOX (MESSAGES)\r\n",
	  "1 LOGIN a b\r\n2 LIST \"\" \"INBOX.*\"\r\n3 STATUS INBOX (MESSAGES)\r\n",
	  "1 LOGIN a b\r\n2 LIST \"\" INBOX*\r\n3 STATUS INBOX (MESSAGES)\r\n",
	  "1 LOGIN {1}\r\nx y\r\n2 LIST \"\" \"*\"\r\n3 STATUS \"Old\" (MESSAGES)\r\n4 STATUS X "
	  "(MESSAGES)\r\n5 LOGOUT\r\n"}},
	{"LIST with wildcards as atoms",
	 {"1 LOGIN a b\r\n2 LIST \"\" *\r\n3 STATUS INBOX (MESSAGES)\r\n"}},
	{"LIST of one level",
	 {"1 LOGIN a b\r\n2 LIST \"\" \"%\"\r\n3 STATUS INBOX (MESSAGES)\r\n"}},
	{"one folder, wherever it is looked for",
	 {"1 LOGIN a b\r\n2 LIST \"\" \"INBOX\"\r\n3 SELECT INBOX\r\n4 IDLE\r\n",
	  "1 LOGIN a b\r\n2 LIST \"INBOX.\" \"Work\"\r\n3 SELECT INBOX\r\n4 IDLE\r\n"}},
	{"one folder, as subscribed",
	 {"1 LOGIN a b\r\n2 LIST (SUBSCRIBED) \"\" \"INBOX\"\r\n3 SELECT INBOX\r\n4 IDLE\r\n",
	  "1 LOGIN a b\r\n2 LIST (SUBSCRIBED) \"INBOX.\" \"Work\"\r\n3 SELECT INBOX\r\n4 "
	  "IDLE\r\n"}},
	{"synchronises by flags",
	 {"1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID FETCH 1:7 (UID FLAGS)\r\n",
	  // which number is next asked for where SELECT does not tell it
	  "1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID FETCH * (UID)\r\n4 UID FETCH 1:7 (UID "
	  "FLAGS)\r\n"}},
	{"wants numbers alone", {"1 LOGIN a b\r\n2 EXAMINE INBOX\r\n3 UID FETCH 1:* (UID)\r\n"}},
	{"LSUB", {"1 LOGIN a b\r\n2 LSUB \"\" \"*\"\r\n3 STATUS INBOX (MESSAGES)\r\n"}},
	{"a search by date",
	 {"1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID SEARCH UNSEEN SINCE 1-Jan-2026\r\n",
	  "1 LOGIN a b\r\n2 SELECT X\r\n3 UID SEARCH UNSEEN SINCE 9-Feb-2027\r\n",
	  "1 LOGIN a b\r\n2 SELECT X\r\n3 UID SEARCH 7 UNSEEN SINCE 9-Feb-2027\r\n"}},
	{"a search for words",
	 {"1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID SEARCH CHARSET UTF-8 BODY secret\r\n",
	  "1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID SEARCH CHARSET UTF-8 BODY \"more words\"\r\n",
	  "1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID SEARCH CHARSET UTF-8 BODY {3}\r\nxyz\r\n"}},
	{"parts by number",
	 {"1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID FETCH 7 (BODY.PEEK[1]<0.1024>)\r\n",
	  "1 LOGIN a b\r\n2 SELECT INBOX\r\n3 UID FETCH 7 (BODY.PEEK[1.2.3]<2048.512>)\r\n"}},
	{"waits at once, through a proxy or not",
	 {"1 LOGIN a b\r\n2 SELECT INBOX\r\n3 IDLE\r\n",
	  "1 ID (\"x-originating-ip\" \"192.0.2.1\" \"x-session-id\" \"abc\")\r\n2 LOGIN a b\r\n3 "
	  "SELECT INBOX\r\n4 IDLE\r\n",
	  "I ID (\"x-originating-ip\" \"192.0.2.99\" \"x-session-id\" \"zzz\")\r\nC CAPABILITY\r\n"
	  "L AUTHENTICATE PLAIN AGEAYg==\r\n3 SELECT INBOX\r\n4 IDLE\r\n"}},
	{"an ID of its own, which a proxy adds to or not",
	 {"1 ID (\"name\" \"M\")\r\n2 LOGIN a b\r\n3 SELECT INBOX\r\n4 IDLE\r\n",
	  "1 ID (\"x-originating-ip\" \"192.0.2.1\" \"name\" \"N\")\r\n2 LOGIN a b\r\n3 SELECT "
	  "INBOX\r\n4 "
	  "IDLE\r\n"}},
	{"goes when there is nothing",
	 {"1 LOGIN a b\r\n2 SELECT INBOX\r\n3 LOGOUT\r\n", "1 LOGIN a b\r\n2 SELECT x\r\n"}},
};

enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

static void software_has_one_grammar_and_no_two_have_the_same(void **) {
	uint32_t grammars[GROUPS];

	for (size_t i = 0; i < GROUPS; i++) {
		grammars[i] = grammar_of(groups[i].same[0]);
		for (size_t j = 1; j < SAME_MAX && groups[i].same[j] != NULL; j++)
			if (grammar_of(groups[i].same[j]) != grammars[i])
				fail_msg("%s: %zu is another grammar", groups[i].software, j);
		for (size_t j = 0; j < i; j++)
			if (grammars[i] == grammars[j])
				fail_msg("%s = %s", groups[i].software, groups[j].software);
	}
}

// Once known it stays: whatever the session does later.
static void a_grammar_never_changes_in_a_session(void **) {
	struct talk *talk = talk_open(&proto_imap, 0);
	static const char *const steps[]
		= {"1 LOGIN a b\r\n",
		   "2 SELECT INBOX\r\n",
		   "3 FETCH 1 FLAGS\r\n",
		   "4 ENABLE X\r\n",
		   "5 LIST \"\" *\r\n",
		   "6 SEARCH ALL\r\n",
		   "7 IDLE\r\n"};
	uint32_t known = 0;

	talk_data(talk, STREAM_SERVER, "* OK hi\r\n", 9);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		talk_data(talk, STREAM_CLIENT, steps[i], strlen(steps[i]));
		uint32_t now = ((const struct imap *)talk_session(talk)->state)->grammar;
		if (i < 2)
			assert_int_equal(now, 0);
		else if (i == 2)
			assert_int_not_equal(known = now, 0);
		else
			assert_int_equal(now, known);
	}
	talk_end(talk, NULL);
	talk_close(talk);
}

// With a hole in what the client said, or its beginning missing, nothing is guessed.
static void a_hole_leaves_no_grammar(void **) {
	for (int is_midstream = 0; is_midstream < 2; is_midstream++) {
		struct talk *talk = talk_open(&proto_imap, 0);
		if (is_midstream)
			talk_event(talk, EVENT_midstream);
		talk_data(talk, STREAM_CLIENT, "1 LOGIN a b\r\n", 13);
		if (!is_midstream)
			talk_gap(talk, STREAM_CLIENT, 10);
		talk_data(talk, STREAM_CLIENT, "\r\n3 FETCH 1 FLAGS\r\n", 19);
		proto_imap.end(talk_session(talk), talk_session(talk)->state, 0);
		assert_int_equal(((const struct imap *)talk_session(talk)->state)->grammar, 0);
		assert_null(strstr(talk_end(talk, NULL), "leaked "));
		talk_close(talk);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(software_has_one_grammar_and_no_two_have_the_same),
		cmocka_unit_test(a_grammar_never_changes_in_a_session),
		cmocka_unit_test(a_hole_leaves_no_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
