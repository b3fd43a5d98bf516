// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Conversations, and what is known of them at the end: ordinary ones in tests/talks/smtp_*.talk, hostile ones
// (HOSTILE.md, sections 2 and 5) in tables here. Each is given whole, byte by byte and cut in two at every
// place, with equal results.

#include "limits.h"
#include "proto/smtp/smtp_private.h"
#include "talk_smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// One string: what one side says, until the other is named. A hole has its size in decimal.
enum { MARK = 0x7f };
#define C "\177C"
#define S "\177S"
#define GAP_C "\177c"
#define GAP_S "\177s"

struct words {
	const char *data;
	size_t size;
};
#define WORDS(text)                                                                                \
	{ text, sizeof(text) - 1 }

static void dump(struct talk *talk, const struct session *s, const void *state) {
	talk_fact(talk, "--");
	talk_smtp_dump(talk, s, state);
}

// The parts of what is said, to be freed.
static struct play_part *words_split(const struct words *words, size_t *n_r) {
	const char *at = words->data, *end = words->data + words->size;
	struct play_part *parts = NULL;
	size_t n = 0;

	while (at < end) {
		char kind = at[1];
		enum stream_dir dir = kind == 'C' || kind == 'c' ? STREAM_CLIENT : STREAM_SERVER;
		at += 2;
		const char *next = memchr(at, MARK, end - at) ?: end;
		if ((n & (n - 1)) == 0)
			parts = realloc(parts, (2 * n + 1) * sizeof(*parts));
		assert_non_null(parts);
		parts[n] = (struct play_part){PLAY_DATA, dir, at, next - at};
		if (kind == 'c' || kind == 's')
			parts[n] = (struct play_part){PLAY_GAP, dir, NULL, strtoull(at, NULL, 10)};
		n++;
		at = next;
	}
	*n_r = n;
	return parts;
}

// Of facts, those of the connection's end: without content and logins.
static const char *end_facts(const char *facts) {
	const char *end = strstr(facts, "--\n");
	return end == NULL ? facts : end + 3;
}

// All facts, to be freed; the same in all ways, with no more memory in use.
static char *words_check_memory(const char *name, const struct words *words, size_t memory_max) {
	const struct talk_reading reading = {
		.proto = &proto_smtp,
		.dump = dump,
		.memory_max = memory_max,
	};
	size_t n;
	struct play_part *parts = words_split(words, &n);
	char *facts = play_check(&(struct play){name, &talk_reader, &reading, parts, n});

	free(parts);
	assert_non_null(facts);
	assert_null(strstr(facts, "too much memory"));
	return facts;
}

static char *words_check(const char *name, const struct words *words) {
	return words_check_memory(name, words, 0);
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
		// Nobody has logged in where it is not wanted.
		if (strcmp(found, cases[i].wanted) != 0
		    || (!is_all && strstr(facts, "login success") != NULL)) {
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

#define HELLO                                                                                      \
	S "220 mx.example ESMTP\r\n" C "EHLO c.example\r\n" S                                      \
	  "250-mx\r\n250-STARTTLS\r\n250 CHUNKING\r\n"
#define ENVELOPE                                                                                   \
	C "MAIL FROM:<a@example.org>\r\n" S "250 2.1.0 Ok\r\n" C "RCPT TO:<b@example.net>\r\n" S   \
	  "250 2.1.5 Ok\r\n"
#define DATA C "DATA\r\n" S "354 go\r\n"
#define QUEUED S "250 2.0.0 Ok: queued as 4ABC\r\n"
#define QUIT C "QUIT\r\n" S "221 2.0.0 Bye\r\n"
#define MAIL "mail a@example.org to b@example.net, "

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("smtp_", &proto_smtp, talk_smtp_dump), 1, 1000);
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

static const struct ending {
	const char *name;
	struct words bytes;
} endings[] = {
	{"LF . LF", WORDS("\n.\n")},
	{"LF . CR LF", WORDS("\n.\r\n")},
	{"CR LF . LF", WORDS("\r\n.\n")},
	{"CR . CR", WORDS("\r.\r")},
	{"CR . LF", WORDS("\r.\n")},
	{"LF . CR", WORDS("\n.\r")},
	{"CR . CR LF", WORDS("\r.\r\n")},
	{"CR LF . CR", WORDS("\r\n.\r")},
	{"CR LF NUL . CR LF", WORDS("\r\n\0.\r\n")},
	{"CR LF . NUL CR LF", WORDS("\r\n.\0\r\n")},
	{"CR LF . CR CR LF", WORDS("\r\n.\r\r\n")},
};
enum { N_ENDINGS = sizeof(endings) / sizeof(endings[0]) };

// Puts the conversation together: a message whose text holds one of the endings and, behind it, another
// message, all sent at once; then the server's replies.
static struct words smuggle(const struct words *ending, const char *replies, bool is_quit_behind) {
	static const char before[] = HELLO ENVELOPE DATA C "x";
	static const char inside[]
		= "MAIL FROM:<evil@x>\r\nRCPT TO:<c@y>\r\nDATA\r\nsmuggled\r\n.\r\n";
	char *talk;
	size_t size;
	FILE *out = open_memstream(&talk, &size);

	fwrite(before, 1, sizeof(before) - 1, out);
	fwrite(ending->data, 1, ending->size, out);
	fputs(inside, out);
	if (is_quit_behind)
		fputs("QUIT\r\n", out);
	fputs(replies, out);
	fclose(out);
	return (struct words){talk, size};
}

static void s1_a_server_that_is_strict_gives_one_message(void **) {
	for (int i = 0; i < N_ENDINGS; i++)
		for (int is_quit = 0; is_quit <= 1; is_quit++) {
			struct words words = smuggle(
				&endings[i].bytes,
				is_quit ? S "250 2.0.0 Ok: queued as 4A\r\n221 bye\r\n" : QUEUED,
				is_quit
			);
			char *facts = words_check(endings[i].name, &words);
			assert_non_null(strstr(facts, "mail a@example.org to b@example.net, "));
			assert_null(strstr(facts, "mail evil@x"));
			// What the server did not take is nobody's activity.
			assert_null(strstr(facts, "activity sent 1 c@y"));
			assert_non_null(strstr(facts, "activity sent 1 b@example.net"));
			assert_non_null(strstr(facts, "event smtp_smuggling"));
			assert_null(strstr(facts, "event lost_place"));
			free(facts);
			free((char *)words.data);
		}
}

static void s1_a_server_that_takes_the_other_end_gives_two_messages(void **) {
	static const struct {
		const char *replies;
		bool is_quit;
	} ways[] = {
		{S "250 2.0.0 Ok: queued as 4A\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: "
		   "queued as 4B\r\n",
		 false},
		{S "250 2.0.0 Ok: queued as 4A\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: "
		   "queued as 4B\r\n"
		   "221 bye\r\n",
		 true},
		// One reply now, the others after what comes next.
		{S "250 2.0.0 Ok: queued as 4A\r\n" S "250 ok\r\n" C "QUIT\r\n" S
		   "250 ok\r\n354 go\r\n250 2.0.0 Ok: queued as 4B\r\n221 bye\r\n",
		 false},
	};
	for (int i = 0; i < N_ENDINGS; i++)
		for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
			struct words words
				= smuggle(&endings[i].bytes, ways[way].replies, ways[way].is_quit);
			char *facts = words_check(endings[i].name, &words);
			const char *first = strstr(facts, "mail a@example.org to b@example.net, ");
			const char *second
				= strstr(facts, "mail evil@x to c@y, 10 bytes, 250 2.0.0 4B\n");
			if (first == NULL || second == NULL || strstr(facts, " 4A\n") == NULL)
				print_error("%s, way %zu:\n%s", endings[i].name, way, facts);
			assert_non_null(first);
			assert_non_null(second);
			assert_true(first < second);
			assert_non_null(strstr(facts, "event smtp_smuggling"));
			free(facts);
			free((char *)words.data);
		}
}

static void s1_a_client_that_ends_so_and_a_server_that_agrees_go_on(void **) {
	for (int i = 0; i < N_ENDINGS; i++) {
		char *talk;
		size_t size;
		FILE *out = open_memstream(&talk, &size);
		fputs(HELLO ENVELOPE DATA C "x", out);
		fwrite(endings[i].bytes.data, 1, endings[i].bytes.size, out);
		fputs(QUEUED ENVELOPE DATA C "y\r\n.\r\n" S "250 2.0.0 Ok: queued as 4D\r\n" QUIT,
		      out);
		fclose(out);
		struct words words = {talk, size};
		char *facts = words_check(endings[i].name, &words);
		if (strstr(facts, "3 bytes, 250 2.0.0 4D\nis quit\n") == NULL)
			print_error("%s\n%s", endings[i].name, facts ? facts : "");
		assert_non_null(strstr(facts, " 250 2.0.0 4ABC\n"));
		assert_non_null(strstr(facts, "3 bytes, 250 2.0.0 4D\nis quit\n"));
		assert_non_null(strstr(facts, "event smtp_smuggling"));
		free(facts);
		free(talk);
	}
}

// A script that ends its message by an LF and says no more hides nothing.
static void s1_an_odd_end_with_nothing_behind_it_is_no_smuggling(void **) {
	static const char *const behind[]
		= {"", "\n", "\r\n\n\r\n", "\nMAIL FROM:<evil@x>\r\n", "x"};

	for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
		char talk[1000];
		char *facts;

		snprintf(
			talk,
			sizeof(talk),
			HELLO ENVELOPE DATA C "x\r\n.\n%s" S "250 2.0.0 Ok: queued as 4D\r\n",
			behind[i]
		);
		facts = words_check("nothing behind", &(struct words){talk, strlen(talk)});
		assert_non_null(strstr(facts, " 250 2.0.0 4D\n"));
		assert_non_null(strstr(facts, "event bare_cr_lf"));
		assert_int_equal(strstr(facts, "event smtp_smuggling") != NULL, i > 2);
		free(facts);
	}
}

static void s1_what_is_kept_of_the_other_reading_is_bounded(void **) {
	for (int more = -1; more <= 1; more++) {
		char *talk;
		size_t size;
		FILE *out = open_memstream(&talk, &size);
		fputs(HELLO ENVELOPE DATA C "x\n.\n", out);
		fputs("MAIL FROM:<evil@x>\r\n", out);
		for (int i = 20; i < SMTP_HELD_SIZE_MAX + more; i++)
			fputc('y', out);
		fputs(QUEUED S "250 ok\r\n", out);
		fclose(out);
		struct words words = {talk, size};
		char *facts = words_check("kept", &words);
		assert_non_null(strstr(facts, " 250 2.0.0 4ABC\n"));
		assert_non_null(strstr(facts, "event smtp_smuggling"));
		assert_int_equal(strstr(facts, "event lost_place") != NULL, more > 0);
		free(facts);
		free(talk);
	}
}

// The content that a receiver keeps of what was sent, as hashed by the talk's content_data().
static unsigned content_hash(const char *text, size_t size) {
	unsigned hash = 0;

	for (size_t i = 0; i < size; i++)
		hash = (hash * 31 + (uint8_t)text[i]) % 9973;
	return hash;
}

static void s2_dots_are_unstuffed_in_data_and_only_there(void **) {
	static const struct {
		struct words sent, kept;
	} table[] = {
		{WORDS(""), WORDS("")},
		{WORDS("..\r\n"), WORDS(".\r\n")},
		{WORDS(".x\r\n"), WORDS("x\r\n")},
		{WORDS("...\r\n..x\r\n.\r"), WORDS("..\r\n.x\r\n\r")},
		{WORDS("a\r\n..b\r\n.c.\r\n"), WORDS("a\r\n.b\r\nc.\r\n")},
		{WORDS("a\n..b\r\n"), WORDS("a\n..b\r\n")}, // strictly no line begins there
		{WORDS("a\r..b\r\n"), WORDS("a\r..b\r\n")},
		{WORDS(".\rx\r\n"), WORDS("\rx\r\n")},
		{WORDS("\r\r\n"), WORDS("\r\r\n")},
		{WORDS("\r\n\r\n"), WORDS("\r\n\r\n")},
		{WORDS("a\0b\0\r\n"), WORDS("a\0b\0\r\n")},
		{WORDS("\n\n\n"), WORDS("\n\n\n")},
		{WORDS("\r\r\r\n\n\r"), WORDS("\r\r\r\n\n\r")},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct words *kept = &table[i].kept;
		char data[300], chunk[300], line[100];
		bool has_end = kept->size == 0
			|| (kept->size > 1 && memcmp(kept->data + kept->size - 2, "\r\n", 2) == 0);
		static const char head[] = HELLO ENVELOPE DATA C;
		struct words words = {data, sizeof(head) - 1 + table[i].sent.size};

		memcpy(data, head, sizeof(head) - 1);
		memcpy(data + sizeof(head) - 1, table[i].sent.data, table[i].sent.size);
		if (has_end) {
			memcpy(data + words.size, ".\r\n", 3);
			words.size += 3;
		} else {
			memcpy(data + words.size, "\r\n.\r\n", 5);
			words.size += 5;
		}
		char *facts = words_check("dots", &words);
		memcpy(chunk, kept->data, kept->size);
		size_t size = kept->size;
		if (!has_end) {
			memcpy(chunk + size, "\r\n", 2);
			size += 2;
		}
		snprintf(
			line,
			sizeof(line),
			"content sent %zu hash=%u missing=0\n",
			size,
			content_hash(chunk, size)
		);
		if (strncmp(facts, line, strlen(line)) != 0)
			print_error("%zu: %s%s", i, line, facts);
		assert_int_equal(strncmp(facts, line, strlen(line)), 0);
		free(facts);
		// The same in a chunk, where every dot stays.
		static const char chunk_head[] = HELLO ENVELOPE C;
		memcpy(data, chunk_head, sizeof(chunk_head) - 1);
		words.size = sizeof(chunk_head) - 1;
		words.size += (size_t
		)sprintf(data + words.size, "BDAT %zu LAST\r\n", table[i].sent.size);
		memcpy(data + words.size, table[i].sent.data, table[i].sent.size);
		words.size += table[i].sent.size;
		facts = words_check("dots in a chunk", &words);
		snprintf(
			line,
			sizeof(line),
			"content sent %zu hash=%u missing=0\n",
			table[i].sent.size,
			content_hash(table[i].sent.data, table[i].sent.size)
		);
		if (strncmp(facts, line, strlen(line)) != 0)
			print_error("%zu: %s%s", i, line, facts);
		assert_int_equal(strncmp(facts, line, strlen(line)), 0);
		free(facts);
	}
}

static void s3_chunks_end_at_their_count(void **) {
	static const struct words_case cases[] = {
		{"a bad tail, then a good message",
		 WORDS(HELLO ENVELOPE C "BDAT 5 X\r\n" S "501 5.5.4 Syntax\r\n" C "RSET\r\n" S
					"250 ok\r\n" ENVELOPE C "BDAT 5 LAST\r\nabcde" QUEUED QUIT),
		 "helo c.example\n" MAIL "5 bytes, 250 2.0.0 4ABC bdat\nis quit\n"
		 "commands 9, 1 rejected\nactivity sent 1 b@example.net bytes=5\nevent bad_bdat\n"},
		{"nothing, last",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabcBDAT 0 LAST\r\n" S "250 ok\r\n" QUEUED),
		 "helo c.example\n" MAIL "3 bytes, 250 2.0.0 4ABC bdat\ncommands 5, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=3\n"},
		{"nothing at all",
		 WORDS(HELLO ENVELOPE C "BDAT 0 LAST\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC bdat\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\n"},
		{"everything at once, and the next message",
		 WORDS(HELLO C
		       "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 4\r\n.\r\n."
		       "BDAT 3 LAST\r\n\r\n.MAIL FROM:<c@x>\r\nRCPT TO:<d@x>\r\nBDAT 1 LAST\r\nx"
		       "QUIT\r\n" S "250 ok\r\n250 ok\r\n250 ok\r\n" QUEUED S
		       "250 ok\r\n250 ok\r\n250 2.0.0 Ok: queued as 4B\r\n221 bye\r\n"),
		 "helo c.example\n" MAIL "7 bytes, 250 2.0.0 4ABC bdat\n"
		 "mail c@x to d@x, 1 bytes, 250 2.0.0 4B bdat\nis quit\ncommands 9, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=7\nactivity sent 1 d@x bytes=1\n"},
	};
	ASSERT_WORDS(cases);
}

static void s4_a_chunk_size_is_a_number_or_none(void **) {
	static const struct {
		const char *size;
		bool is_number;
	} table[] = {
		{"2147483648", true},
		{"9223372036854775808", true},
		{"18446744073709551615", true},
		{"0000000000000000000000000000000000000007", true},
		{"18446744073709551616", false},
		{"99999999999999999999", false},
		{"9999999999999999999999999999999999999999", false},
		{"-1", false},
		{"+5", false},
		{"0x5", false},
		{"", false},
		{"5,", false},
		{"5 LASTX", false},
		{"5 LAST LAST", false},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[300];
		struct words words = {text, 0};
		words.size = snprintf(
			text,
			sizeof(text),
			"%sBDAT %s\r\n" S "250 x\r\n" C "NOOP\r\n",
			HELLO ENVELOPE C,
			table[i].size
		);
		char *facts = words_check(table[i].size, &words);
		assert_int_equal(strstr(facts, "event bad_bdat") == NULL, table[i].is_number);
		// A number's octets are content, so the NOOP is; otherwise it is a command.
		assert_int_equal(strstr(facts, "commands 4,") != NULL, table[i].is_number);
		free(facts);
	}
}

// n times what a client says, after the greeting.
static struct words many(const char *command, int n) {
	char *talk;
	size_t size;
	FILE *out = open_memstream(&talk, &size);

	fputs(S "220 hi\r\n" C, out);
	for (; n > 0; n--)
		fputs(command, out);
	fclose(out);
	return (struct words){talk, size};
}

static void s5_s10_what_is_never_answered_is_bounded(void **) {
	static const struct {
		const char *text;
		int n; // commands in it
		const char *
			event; // of one more than the limit: of commands, or of bytes that wait for a reply
	} commands[] = {
		{"BDAT 1\r\nx", 1, "event too_many_commands"},
		{"MAIL FROM:<a@x>\r\nRSET\r\n", 2, "event too_many_commands"},
		{"RCPT TO:<b@x>\r\n", 1, "event too_many_commands"},
		{"NOOP\r\n", 1, "event too_many_commands"},
		{"x\r\n", 1, "event too_many_commands"},
		{"\r\n", 1, "event too_many_commands"},
		{"DATA\r\n", 1, "event lost_place"},
		{"AUTH PLAIN\r\n", 1, "event lost_place"},
		{"STARTTLS\r\n", 1, "event lost_place"},
		{"EHLO x\r\n", 1, "event too_many_commands"},
	};
	static const int counts[] = {
		SMTP_INFLIGHT_MAX - 1,
		SMTP_INFLIGHT_MAX,
		SMTP_INFLIGHT_MAX + 1,
		100 * SMTP_INFLIGHT_MAX,
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (int c = 0; c < 4; c++) {
			struct words words
				= many(commands[i].text,
				       (counts[c] + commands[i].n - 1) / commands[i].n);
			char *facts = words_check_memory(commands[i].text, &words, 100000);
			bool is_held = strstr(commands[i].event, "lost_place") != NULL;
			bool is_told = strstr(facts, commands[i].event) != NULL;
			if (is_told
			    != (is_held ? words.size > SMTP_HELD_SIZE_MAX + 30
					: counts[c] > SMTP_INFLIGHT_MAX))
				fail_msg("%s %d: %s", commands[i].text, counts[c], facts);
			free(facts);
			free((char *)words.data);
		}
}

static void s10_commands_beyond_the_limit_keep_their_replies(void **) {
	static const int more[] = {-1, 0, 1, 20};

	for (size_t c = 0; c < sizeof(more) / sizeof(more[0]); c++) {
		int n = SMTP_INFLIGHT_MAX + more[c];
		char *talk;
		size_t size;
		FILE *out = open_memstream(&talk, &size);
		fputs(HELLO C, out);
		for (int i = 0; i < n; i++)
			fputs("NOOP\r\n", out);
		fputs(S, out);
		for (int i = 0; i < n; i++)
			fputs("250 ok\r\n", out);
		fputs(ENVELOPE DATA C "x\r\n.\r\n" QUEUED, out);
		fclose(out);
		struct words words = {talk, size};
		char *facts = words_check("many", &words);
		assert_non_null(strstr(facts, MAIL "3 bytes, 250 2.0.0 4ABC\n"));
		assert_int_equal(
			strstr(facts, "event too_many_commands") != NULL, n > SMTP_INFLIGHT_MAX
		);
		assert_null(strstr(facts, "event server_response_as_attack"));
		free(facts);
		free(talk);
	}
}

static void s20_recipients_beyond_the_limit_are_counted(void **) {
	static const int counts[] = {
		SMTP_RECIPIENTS_MAX - 1,
		SMTP_RECIPIENTS_MAX,
		SMTP_RECIPIENTS_MAX + 1,
		100 * SMTP_RECIPIENTS_MAX,
	};
	for (int c = 0; c < 4; c++) {
		char *talk, line[100];
		size_t size;
		FILE *out = open_memstream(&talk, &size);
		fputs(S "220 x\r\n" C "MAIL FROM:<>\r\n" S "250 x\r\n", out);
		for (int i = 1; i <= counts[c]; i++)
			fprintf(out, C "RCPT TO:<u%d@x> A=%%B=\r\n" S "250 x\r\n", i);
		fputs(DATA C ".\r\n" S "250 x\r\n" ENVELOPE DATA C "x\r\n.\r\n" QUEUED, out);
		fclose(out);
		struct words words = {talk, size};
		char *facts = words_check_memory("recipients", &words, 100000);
		bool is_more = counts[c] > SMTP_RECIPIENTS_MAX;
		sprintf(line, "u%d@x", is_more ? SMTP_RECIPIENTS_MAX : counts[c]);
		assert_non_null(strstr(facts, line));
		sprintf(line, "activity sent %d ", counts[c]);
		assert_non_null(strstr(facts, line));
		assert_int_equal(strstr(facts, "event too_many_recipients") != NULL, is_more);
		assert_non_null(strstr(facts, MAIL "3 bytes, 250 2.0.0 4ABC\n"));
		free(facts);
		free(talk);
	}
}

// The longest EHLO is cut, what is kept of it is bounded, and the message behind it read.
static void s20_a_greeting_of_any_length_is_one(void **) {
	static const int sizes[] = {
		SMTP_HELO_SIZE_MAX - 1,
		SMTP_HELO_SIZE_MAX,
		SMTP_HELO_SIZE_MAX + 1,
		100 * SMTP_HELO_SIZE_MAX,
	};
	for (int c = 0; c < 4; c++) {
		struct words words;
		char helo[SMTP_HELO_SIZE_MAX + 20] = "helo ";
		FILE *out = open_memstream((char **)&words.data, &words.size);

		fputs(S "220 x\r\n" C "EHLO ", out);
		for (int i = 0; i < sizes[c]; i++)
			fputc('h', out);
		fputs("\r\n" S "250 ok\r\n" ENVELOPE DATA C "x\r\n.\r\n" QUEUED, out);
		fclose(out);
		char *facts = words_check_memory("a long greeting", &words, 60000);
		memset(helo + 5,
		       'h',
		       sizes[c] < SMTP_HELO_SIZE_MAX ? (size_t)sizes[c] : SMTP_HELO_SIZE_MAX);
		strcat(helo, "\n");
		if (strstr(facts, helo) == NULL
		    || strstr(facts, MAIL "3 bytes, 250 2.0.0 4ABC\n") == NULL
		    || (strstr(facts, "event line_too_long") != NULL) != (sizes[c] > LINE_SIZE_MAX))
			fail_msg("%d: %s", sizes[c], facts);
		free(facts);
		free((char *)words.data);
	}
}

static void s10_messages_beyond_the_limit_are_counted_and_sent(void **) {
	static const int counts[] = {
		SMTP_MESSAGES_MAX - 1,
		SMTP_MESSAGES_MAX,
		SMTP_MESSAGES_MAX + 1,
		100 * SMTP_MESSAGES_MAX,
	};
	for (int c = 0; c < 4; c++) {
		int n = counts[c], n_listed = 0, n_sent = 0;
		char *talk;
		size_t size;
		FILE *out = open_memstream(&talk, &size);
		fputs(S "220 x\r\n", out);
		for (int i = 0; i < n; i++)
			fprintf(out,
				C "MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nDATA\r\n" S
				  "250 x\r\n250 x\r\n354 x\r\n" C "%d\r\n.\r\n" S "250 x\r\n",
				10000 + i);
		fclose(out);
		struct words words = {talk, size};
		char *facts = words_check_memory("messages", &words, 100000);
		for (const char *at = facts; (at = strstr(at, "mail  to a@x, 7 bytes, 250")); at++)
			n_listed++;
		for (const char *at = facts; (at = strstr(at, "activity sent 1 a@x bytes=7")); at++)
			n_sent++;
		assert_int_equal(n_listed, n < SMTP_MESSAGES_MAX ? n : SMTP_MESSAGES_MAX);
		assert_int_equal(n_sent, n);
		assert_int_equal(
			strstr(facts, "event too_many_messages") != NULL, n > SMTP_MESSAGES_MAX
		);
		free(facts);
		free(talk);
	}
}

static void s7_octets_of_a_refused_chunk_are_no_commands(void **) {
	static const struct words_case cases[] = {
		{"refused in flight",
		 WORDS(HELLO ENVELOPE C "BDAT 12 LAST\r\nMAIL" S "552 5.3.4 too big\r\n" C
					" FROM:<>QUIT\r\n" S "221 bye\r\n"),
		 "helo c.example\n" MAIL
		 "0 bytes, 552 5.3.4 - bdat\nis quit\ncommands 5, 1 rejected\n"},
		{"refused without recipients",
		 WORDS(HELLO C "BDAT 6\r\nQUIT\r\nBDAT 1 LAST\r\nx" S
			       "503 no\r\n503 no\r\n" ENVELOPE DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 6, 2 rejected\n"
		 "activity sent 1 b@example.net bytes=0\n"},
	};
	ASSERT_WORDS(cases);
}

static void s8_after_a_refused_data_come_commands(void **) {
	static const struct words_case cases[] = {
		{"pipelined, refused, RSET follows",
		 WORDS(HELLO C
		       "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@y>\r\nDATA\r\nRSET\r\n" S
		       "250 ok\r\n550 no\r\n554 no valid recipients\r\n250 ok\r\n" ENVELOPE DATA C
		       "x\r\n.\r\n" QUEUED),
		 "helo c.example\n" MAIL "3 bytes, 250 2.0.0 4ABC\ncommands 8, 2 rejected\n"
		 "activity sent 1 b@example.net bytes=3\n"},
		{"pipelined, refused, DATA again and again",
		 WORDS(HELLO C "DATA\r\nDATA\r\nDATA\r\nQUIT\r\n" S
			       "503 a\r\n503 b\r\n503 c\r\n221 d\r\n"),
		 "helo c.example\nis quit\ncommands 5, 3 rejected\n"},
		{"content sent without waiting",
		 WORDS(HELLO ENVELOPE C "DATA\r\nx\r\n.\r\nQUIT\r\n" S "354 go\r\n" QUEUED S
					"221 bye\r\n"),
		 "helo c.example\n" MAIL
		 "3 bytes, 250 2.0.0 4ABC\nis quit\ncommands 5, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=3\n"},
		{"all of it before the greeting",
		 WORDS(C "EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT "
			 "TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n" S
			 "220 hi\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n" QUEUED),
		 "helo x\n" MAIL "3 bytes, 250 2.0.0 4ABC\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=3\n"},
	};
	ASSERT_WORDS(cases);
}

static void s8_content_beyond_what_is_held_is_taken_for_content(void **) {
	for (int more = -1; more <= 1; more++)
		for (int is_refused = 0; is_refused <= 1; is_refused++) {
			char *talk;
			size_t size;
			FILE *out = open_memstream(&talk, &size);
			fputs(HELLO ENVELOPE C "DATA\r\n", out);
			for (int i = 0; i < SMTP_HELD_SIZE_MAX + more - 5; i++)
				fputc('y', out);
			fputs("\r\n.\r\n", out);
			fputs(is_refused ? S "503 no\r\n" : S "354 go\r\n" QUEUED, out);
			fputs(QUIT, out);
			fclose(out);
			struct words words = {talk, size};
			char *facts = words_check("held", &words);
			assert_int_equal(strstr(facts, "event lost_place") != NULL, more > 0);
			assert_int_equal(strstr(facts, "4ABC") != NULL, !is_refused);
			assert_int_equal(strstr(facts, MAIL) != NULL, !is_refused);
			assert_non_null(strstr(facts, "is quit"));
			free(facts);
			free(talk);
		}
}

static void s9_the_envelope_follows_accepted_replies(void **) {
	static const struct words_case cases[] = {
		{"EHLO resets",
		 WORDS(HELLO ENVELOPE C "EHLO y\r\n" S "250-ok\r\n250 STARTTLS\r\n" C
					"MAIL FROM:<c@x>\r\n" S "250 ok\r\n" C "RCPT TO:<d@x>\r\n" S
					"250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo y\nmail c@x to d@x, 0 bytes, 250 2.0.0 4ABC\ncommands 7, 0 rejected\n"
		 "activity sent 1 d@x bytes=0\n"},
		{"EHLO resets, and no MAIL follows",
		 WORDS(HELLO ENVELOPE C "EHLO y\r\n" S "250-ok\r\n250 STARTTLS\r\n" C
					"RCPT TO:<d@x>\r\n" S "250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo y\nmail ? to d@x, 0 bytes, 250 2.0.0 4ABC\ncommands 6, 0 rejected\n"
		 "activity sent 1 d@x bytes=0\n"},
		{"RSET resets, and no MAIL follows",
		 WORDS(HELLO ENVELOPE C "RSET\r\n" S "250 ok\r\n" C "RCPT TO:<d@x>\r\n" S
					"250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo c.example\nmail ? to d@x, 0 bytes, 250 2.0.0 4ABC\ncommands 6, 0 rejected\n"
		 "activity sent 1 d@x bytes=0\n"},
		{"a refused RSET does not",
		 WORDS(HELLO ENVELOPE C "RSET\r\n" S "421 no\r\n" DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=0\n"},
		{"a refused EHLO does not",
		 WORDS(HELLO ENVELOPE C "EHLO y\r\n" S "501 no\r\n" DATA C ".\r\n" QUEUED),
		 "helo y\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=0\n"},
		{"a refused second MAIL does not",
		 WORDS(HELLO ENVELOPE C "MAIL FROM:<c@x>\r\n" S "503 nested\r\n" DATA C
					".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=0\n"},
		{"refused at the end, then a second mail without MAIL",
		 WORDS(HELLO ENVELOPE DATA C ".\r\n" S "550 no\r\n" C "RCPT TO:<d@x>\r\n" S
					     "250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL
		 "0 bytes, 550 - -\nmail ? to d@x, 0 bytes, 250 2.0.0 4ABC\n"
		 "commands 6, 0 rejected\nactivity sent 1 d@x bytes=0\n"},
	};
	ASSERT_WORDS(cases);
}

static void s11_long_lines_lose_only_themselves(void **) {
	static const int sizes[]
		= {4096, LINE_SIZE_MAX - 1, LINE_SIZE_MAX, LINE_SIZE_MAX + 1, 100 * LINE_SIZE_MAX};
	enum { COMMAND, REPLY, CONTENT, ALL };

	for (int i = 0; i < 5 * ALL; i++) {
		int size = sizes[i / ALL], n[ALL] = {10, 10, 10};
		struct words words;
		FILE *out = open_memstream((char **)&words.data, &words.size);
		char wanted[100], *facts;

		n[i % ALL] = size;
		fprintf(out,
			HELLO C "NOOP %0*d\r\n" S "500 %0*d\r\n" ENVELOPE DATA C,
			n[COMMAND] - 5,
			0,
			n[REPLY] - 4,
			0);
		fprintf(out, "%0*d\r\n.\r\n" QUEUED, n[CONTENT], 0);
		fclose(out);
		facts = words_check("long", &words);
		sprintf(wanted, MAIL "%d bytes, 250 2.0.0 4ABC\n", n[CONTENT] + 2);
		if (strstr(facts, wanted) == NULL
		    || (strstr(facts, "event line_too_long") != NULL)
			    != (size > LINE_SIZE_MAX && i % ALL != CONTENT))
			fail_msg("%d, %d: %s", i % ALL, size, facts);
		free(facts);
		free((char *)words.data);
	}
}

static void s12_odd_replies_are_survived(void **) {
	static const struct words_case cases[] = {
		{"short ones",
		 WORDS(S "2\r\n\r\n22\r\n220\r\n" C "EHLO x\r\n" S "25\r\n250\r\n" ENVELOPE DATA C
			 ".\r\n" QUEUED),
		 "helo x\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nunparsed 5\nevent bad_syntax\n"},
		{"codes that differ within one",
		 WORDS(HELLO C "MAIL FROM:<a@example.org>\r\n" S "250-a\r\n550-b\r\n250 c\r\n" C
			       "RCPT TO:<b@example.net>\r\n" S "250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nevent bad_syntax\n"},
		{"the last line's code is the one",
		 WORDS(HELLO C "MAIL FROM:<x@y>\r\n" S "250-a\r\n550 b\r\n" C
			       "MAIL FROM:<a@example.org>\r\n" S "550-a\r\n250 b\r\n" C
			       "RCPT TO:<b@example.net>\r\n" S "250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nevent bad_syntax\n"},
		{"three digits to the end of data",
		 WORDS(HELLO ENVELOPE DATA C ".\r\n" S "250\r\n"),
		 "helo c.example\n" MAIL "0 bytes, 250 - -\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\n"},
		{"not of SMTP",
		 WORDS(HELLO S "600 x\r\n199 x\r\n25O ok\r\n-250 ok\r\n250ok\r\n"),
		 "helo c.example\ncommands 1, 0 rejected\nunparsed 28\nevent bad_syntax\n"},
	};
	ASSERT_WORDS(cases);

	char *talk;
	size_t size;
	FILE *out = open_memstream(&talk, &size);
	fputs(S "220 x\r\n" C "EHLO x\r\n" S, out);
	for (int i = 0; i < 100000; i++)
		fputs("250-x\r\n", out);
	fputs("250 x\r\n" QUIT, out);
	fclose(out);
	struct words many_lines = {talk, size};
	char *facts = words_check_memory("a reply of many lines", &many_lines, 4096);
	assert_non_null(strstr(facts, "is quit\ncommands 2, 0 rejected\n"));
	assert_non_null(strstr(facts, "event bad_syntax"));
	free(facts);
	free(talk);
}

static void s13_verbs_are_whole_words(void **) {
	static const struct words_case cases[] = {
		{"X, nothing, and parts of words",
		 WORDS(HELLO C
		       "X\r\n\r\nEHL\r\nEHLOX y\r\nDAT\r\nDATAS\r\nMAILFROM:<a@b>\r\nQUITE\r\n" S
		       "500 a\r\n500 b\r\n500 c\r\n500 d\r\n500 e\r\n500 f\r\n500 g\r\n500 h\r\n"),
		 "helo c.example\ncommands 9, 8 rejected\nevent bad_syntax\n"},
		{"a browser's request",
		 WORDS(S "220 x\r\n" C "POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n" S
			 "500 a\r\n500 b\r\n500 c\r\n503 d\r\n"),
		 "commands 4, 4 rejected\nevent bad_syntax\n"},
	};
	ASSERT_WORDS(cases);
}

static void s14_to_s18_starttls_is_decided_by_bytes(void **) {
	static const struct words_case cases[] = {
		{"ordinary",
		 WORDS(HELLO C "STARTTLS\r\n" S "220 go\r\n" C "\x16\x03\x01\x02QUIT\r\n" S
			       "\x16\x03\x03"),
		 "helo c.example\nis starttls\ncommands 2, 0 rejected\nunparsed 13\nevent "
		 "encrypted\n"},
		{"S14: commands behind it",
		 WORDS(HELLO C "STARTTLS\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@b>\r\n" S
			       "220 go\r\n" C "\x16\x03\x01" S "\x16\x03\x03"),
		 "helo c.example\nis starttls\ncommands 2, 0 rejected\nunparsed 44\n"
		 "event starttls_injection\nevent encrypted\n"},
		{"S15: replies behind its reply",
		 WORDS(HELLO C "STARTTLS\r\n" S "220 go\r\n250-x\r\n250 AUTH LOGIN\r\n" C
			       "\x16\x03\x01"),
		 "helo c.example\nis starttls\ncommands 2, 0 rejected\nunparsed 26\n"
		 "event starttls_response_injection\nevent encrypted\n"},
		{"S16: refused, and on in clear",
		 WORDS(HELLO C "STARTTLS\r\n" S "454 no\r\n" ENVELOPE DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nevent plaintext_after_starttls\n"},
		{"S16: refused, and goodbye",
		 WORDS(HELLO C "STARTTLS\r\n" S "454 no\r\n" QUIT),
		 "helo c.example\nis quit\ncommands 3, 1 rejected\n"},
		{"S17: plaintext goes on",
		 WORDS(HELLO C "STARTTLS\r\n" S "220 go\r\n" C "EHLO y\r\n" S
			       "250 ok\r\n" ENVELOPE DATA C ".\r\n" QUEUED),
		 "helo y\n" MAIL "0 bytes, 250 2.0.0 4ABC\nis starttls\ncommands 6, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nevent plaintext_after_starttls\n"},
		{"S18: something that is no text",
		 WORDS(HELLO C "STARTTLS\r\n" S "220 go\r\n" C "\x80\x2e\x01\r\nMAIL FROM:<a@b>\r\n"
		 ),
		 "helo c.example\nis starttls\ncommands 2, 0 rejected\nunparsed 22\nevent "
		 "encrypted\n"},
		{"S18: after RSET and STARTTLS, what looks like commands and is none",
		 WORDS(HELLO C "RSET\r\n" S "250 ok\r\n" C "STARTTLS\r\n" S "220 go\r\n" C
			       "\x16\x03\x01\x02\r\nMAIL FROM:<a@b>\r\nAUTH PLAIN AHUAcA==\r\n" S
			       "\x16\x03\x03\r\n235 ok\r\n"),
		 "helo c.example\nis starttls\ncommands 3, 0 rejected\nunparsed 57\nevent "
		 "encrypted\n"},
		{"S24: EHLO and QUIT at once",
		 WORDS(S "220 x\r\n" C "EHLO we-guess.mozilla.org\r\nQUIT\r\n" S
			 "250 x\r\n221 x\r\n"),
		 "helo we-guess.mozilla.org\nis quit\ncommands 2, 0 rejected\n"},
	};
	ASSERT_WORDS(cases);
}

static const struct {
	struct words arg;
	const char *address; // NULL: none
} addresses[] = {
	{WORDS("<a@b.example>"), "a@b.example"},
	{WORDS(" <a@b> SIZE=10 BODY=8BITMIME"), "a@b"},
	{WORDS("<>"), ""},
	{WORDS("<> SIZE=1"), ""},
	{WORDS("<Postmaster>"), "Postmaster"},
	{WORDS("a@b"), "a@b"},
	{WORDS("a@b SIZE=1"), "a@b"},
	{WORDS("<@r1,@r2.example:a@b>"), "a@b"},
	{WORDS("<\"\"@d>"), "\"\"@d"},
	{WORDS("<\"a b\\\"c\"@d>"), "\"a b\\\"c\"@d"},
	{WORDS("<\"a@b> ORCPT=c@d\"@e>"), "\"a@b> ORCPT=c@d\"@e"},
	{WORDS("<a@[192.0.2.1]>"), "a@[192.0.2.1]"},
	{WORDS("<a@[IPv6:2001:db8::1]>"), "a@[IPv6:2001:db8::1]"},
	{WORDS("<172.16.92.2@linuxbox>"), "172.16.92.2@linuxbox"},
	{WORDS("<a..b.@docomo.example>"), "a..b.@docomo.example"},
	{WORDS("<=?utf-8?q?x=40y?=@z>"), "=?utf-8?q?x=40y?=@z"},
	{WORDS("<nov\xc3\xa1k@p\xc5\x99.cz> SMTPUTF8"), "nov\xc3\xa1k@p\xc5\x99.cz"},
	{WORDS("<a+tag=x@b>"), "a+tag=x@b"},
	{WORDS(""), NULL},
	{WORDS("<"), NULL},
	{WORDS("<a@b"), NULL},
	{WORDS("a@b>"), NULL},
	{WORDS("<a@b>c"), NULL},
	{WORDS("<a@b><c@d>"), NULL},
	{WORDS("<a@b,c@d>"), NULL},
	{WORDS("<a@b@c>"), NULL},
	{WORDS("<a b@c>"), NULL},
	{WORDS("<a@>"), NULL},
	{WORDS("<@b>"), NULL},
	{WORDS("<@r1:>"), NULL},
	{WORDS("<@r1 a@b>"), NULL},
	{WORDS("<a@b c>"), NULL},
	{WORDS("<\"a@b>"), NULL},
	{WORDS("<\"a\\"), NULL},
	{WORDS("<\"a\"b@c>"), NULL},
	{WORDS("<a\0@b>"), NULL},
	{WORDS("<a@b\0.evil>"), NULL},
	{WORDS("<\"a\0\"@b>"), NULL},
	{WORDS("<a\xc3>"), NULL},
	{WORDS("<a\xc3"), NULL},
	{WORDS("<a\xff@b>"), NULL},
	{WORDS("<a\xed\xa0\x80@b>"), NULL},
	{WORDS("<a@[192.0.2.1>"), NULL},
	{WORDS("<a@[]>"), NULL},
	{WORDS("<x@y>\tSIZE=1"), "x@y"},
};
enum { N_ADDRESSES = sizeof(addresses) / sizeof(addresses[0]) };

static void s19_addresses_are_exact_or_none(void **) {
	for (size_t i = 0; i < N_ADDRESSES; i++) {
		uint8_t *exact = malloc(addresses[i].arg.size + 1);
		const uint8_t *address;
		size_t size;

		memcpy(exact + 1, addresses[i].arg.data, addresses[i].arg.size);
		int ret = smtp_address(exact + 1, addresses[i].arg.size, &address, &size);
		if ((ret > 0) != (addresses[i].address != NULL))
			print_error("%s\n", addresses[i].arg.data);
		assert_int_equal(ret, addresses[i].address != NULL ? 1 : -1);
		if (ret > 0) {
			assert_int_equal(size, strlen(addresses[i].address));
			assert_memory_equal(address, addresses[i].address, size);
		}
		free(exact);
	}
}

// In sessions: of a sender and of a recipient, and the good one behind it is read.
static void s19_addresses_name_whom_they_are_of_or_nobody(void **) {
	for (size_t i = 0; i < N_ADDRESSES; i++) {
		char wanted[200], to[100] = "";
		struct words words;
		FILE *out = open_memstream((char **)&words.data, &words.size);

		for (int k = 0; k < 2; k++) {
			fputs(k ? S "250 ok\r\n" C "RCPT TO:" : HELLO C "MAIL FROM:", out);
			fwrite(addresses[i].arg.data, 1, addresses[i].arg.size, out);
			fputs("\r\n", out);
		}
		fputs(S "250 ok\r\n" C "RCPT TO:<good@x>\r\n" S "250 ok\r\n" DATA C
			".\r\n" QUEUED QUIT,
		      out);
		fclose(out);
		char *facts = words_check("an address", &words);
		if (addresses[i].address)
			snprintf(to, sizeof(to), " %s", addresses[i].address);
		snprintf(
			wanted,
			sizeof(wanted),
			"mail %s to%s good@x%s, 0 bytes, 250 2.0.0 4ABC\nis quit\n",
			addresses[i].address ?: "?",
			to,
			addresses[i].address ? "" : " of 2"
		);
		if (strstr(facts, wanted) == NULL
		    || (strstr(facts, "event bad_syntax") == NULL)
			    != (addresses[i].address != NULL))
			fail_msg("%s: %s", addresses[i].arg.data, facts);
		free(facts);
		free((char *)words.data);
	}
}

static void s19_an_address_has_a_largest_size(void **) {
	for (int more = -1; more <= 1; more++) {
		char text[SMTP_ADDRESS_SIZE_MAX + 10];
		const uint8_t *address;
		size_t size;

		memset(text, 'a', sizeof(text));
		text[0] = '<';
		text[2] = '@';
		text[1 + SMTP_ADDRESS_SIZE_MAX + more] = '>';
		int ret = smtp_address(
			(uint8_t *)text, SMTP_ADDRESS_SIZE_MAX + more + 2, &address, &size
		);
		assert_int_equal(ret, more > 0 ? -1 : 1);
	}
}

static void s19_what_is_no_address_is_counted_and_not_named(void **) {
	static const struct words_case cases[] = {
		{"quirks",
		 WORDS(HELLO C "MAIL FROM:<a@b\xff>\r\n" S "250 ok\r\n" C "RCPT TO:<c@d,e@f>\r\n" S
			       "250 ok\r\n" C "RCPT TO:<g@h>\r\n" S "250 ok\r\n" DATA C
			       ".\r\n" QUEUED),
		 "helo c.example\nmail ? to g@h of 2, 0 bytes, 250 2.0.0 4ABC\ncommands 5, 0 "
		 "rejected\n"
		 "activity sent 2 g@h bytes=0\nevent bad_syntax\n"},
	};
	ASSERT_WORDS(cases);
}

static void s22_after_a_hole_the_place_is_found_again(void **) {
	static const struct words_case cases[] = {
		{"in DATA, its end seen",
		 WORDS(HELLO ENVELOPE DATA C "x\r\n" GAP_C "100" C
					     "y\r\n.\r\n" QUEUED ENVELOPE DATA C ".\r\n" S
					     "250 2.0.0 Ok: queued as 4B\r\n"),
		 "helo c.example\n" MAIL "106 bytes, 250 2.0.0 4ABC holed\n" MAIL
		 "0 bytes, 250 2.0.0 4B\ncommands 7, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=106\nactivity sent 1 b@example.net bytes=0\n"
		 "unparsed 100\nevent message_cut\n"},
		{"in DATA, its end in it",
		 WORDS(HELLO ENVELOPE DATA C "x\r\n" GAP_C "100" QUEUED ENVELOPE DATA C ".\r\n" S
					     "250 2.0.0 Ok: queued as 4B\r\n"),
		 "helo c.example\n" MAIL "103 bytes, 250 2.0.0 4ABC holed\n" MAIL
		 "0 bytes, 250 2.0.0 4B\ncommands 7, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=103\nactivity sent 1 b@example.net bytes=0\n"
		 "unparsed 100\nevent message_cut\n"},
		{"in DATA, a dot's line end before it is no end",
		 WORDS(HELLO ENVELOPE DATA C "x\r\n" GAP_C "100" C ".\r\nz\r\n.\r\n" QUEUED),
		 "helo c.example\n" MAIL "109 bytes, 250 2.0.0 4ABC holed\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=109\nunparsed 100\nevent message_cut\n"},
		{"in BDAT",
		 WORDS(HELLO ENVELOPE C "BDAT 300 LAST\r\nabc" GAP_C "290" C
					"defghijQUIT\r\n" QUEUED S "221 x\r\n"),
		 "helo c.example\n" MAIL "300 bytes, 250 2.0.0 4ABC bdat holed\nis quit\n"
		 "commands 5, 0 rejected\nactivity sent 1 b@example.net bytes=300\nunparsed 290\n"
		 "event message_cut\n"},
		{"in BDAT and beyond",
		 WORDS(HELLO ENVELOPE C "BDAT 300 LAST\r\nabc" GAP_C "310" QUEUED S
					"250 x\r\n" ENVELOPE DATA C ".\r\n" S
					"250 2.0.0 Ok: queued as 4B\r\n"),
		 "helo c.example\n" MAIL "300 bytes, 250 2.0.0 4ABC bdat holed\n" MAIL
		 "0 bytes, 250 2.0.0 4B\ncommands 7, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=300\nactivity sent 1 b@example.net bytes=0\n"
		 "unparsed 310\nevent message_cut\nevent lost_place\n"},
		{"a command lost",
		 WORDS(HELLO GAP_C "6" S "250 noop\r\n" ENVELOPE DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nunparsed 6\nevent lost_place\n"},
		{"a reply lost",
		 WORDS(HELLO C "MAIL FROM:<a@example.org>\r\n" GAP_S "14" C
			       "RCPT TO:<b@example.net>\r\n" S "250 ok\r\n" DATA C ".\r\n" QUEUED),
		 "helo c.example\n" MAIL "0 bytes, 250 2.0.0 4ABC\ncommands 4, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=0\nunparsed 14\nevent lost_place\n"},
		{"the reply to DATA lost",
		 WORDS(HELLO ENVELOPE C "DATA\r\n" GAP_S "8" C "x\r\n.\r\n" QUEUED QUIT),
		 "helo c.example\n" MAIL
		 "3 bytes, 250 2.0.0 4ABC\nis quit\ncommands 5, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=3\nunparsed 8\nevent lost_place\n"},
	};
	ASSERT_WORDS(cases);
}

static void one_side_alone_is_read_as_if_all_was_accepted(void **) {
	static const struct words_case cases[] = {
		{"the client's",
		 WORDS(C "EHLO x\r\nAUTH LOGIN\r\ndTM1\r\ncA==\r\nMAIL FROM:<a@example.org>\r\n"
			 "RCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"),
		 "helo x\n" MAIL
		 "3 bytes, 0 - -\nis quit\ncommands 6, 0 rejected\nevent one_sided\n"},
		{"the server's",
		 WORDS(S "220 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n250 2.0.0 Ok: queued as "
			 "4A\r\n221 x\r\n"),
		 "commands 0, 0 rejected\nevent server_response_as_attack\n"},
	};
	ASSERT_WORDS(cases);
}

static void s21_odd_bytes_in_addresses_end_no_key(void **) {
	static const struct words_case cases[] = {
		{"UTF-8 without SMTPUTF8, NUL in ORCPT and ENVID",
		 WORDS(HELLO C "MAIL FROM:<\xc4\x8d@x> ENVID=a+00b\r\n" S "250 ok\r\n" C
			       "RCPT TO:<b@y> ORCPT=rfc822;c+00d@z\r\n" S "250 ok\r\n" DATA C
			       "x\r\n.\r\n" QUEUED),
		 "helo c.example\nmail \xc4\x8d@x to b@y, 3 bytes, 250 2.0.0 4ABC\n"
		 "commands 4, 0 rejected\nactivity sent 1 b@y bytes=3\n"},
		{"a command that ends inside a character",
		 WORDS(HELLO C "MAIL FROM:<a\xc4\r\n" S "501 no\r\n" ENVELOPE DATA C
			       "x\r\n.\r\n" QUEUED),
		 "helo c.example\n" MAIL "3 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=3\nevent bad_syntax\n"},
		{"an address that does",
		 WORDS(HELLO C "MAIL FROM:a@x\xc4\r\n" S "501 no\r\n" ENVELOPE DATA C
			       "x\r\n.\r\n" QUEUED),
		 "helo c.example\n" MAIL "3 bytes, 250 2.0.0 4ABC\ncommands 5, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=3\nevent bad_syntax\n"},
		{"a NUL in an address",
		 WORDS(HELLO ENVELOPE C "RCPT TO:<a\0b@x>\r\n" S "250 ok\r\n" DATA C
					"x\r\n.\r\n" QUEUED),
		 "helo c.example\nmail a@example.org to b@example.net of 2, 3 bytes, 250 2.0.0 "
		 "4ABC\n"
		 "commands 5, 0 rejected\nactivity sent 2 b@example.net bytes=3\nevent "
		 "bad_syntax\n"},
	};
	ASSERT_WORDS(cases);
}

static void s23_attributes_without_end_are_bounded(void **) {
	static const struct words_case cases[] = {
		{"refused",
		 WORDS(HELLO C "XCLIENT ADDR=192.0.2.1\r\n" S "550 no\r\n" QUIT),
		 "helo c.example\nis quit\ncommands 3, 1 rejected\n"},
		{"bad values",
		 WORDS(HELLO C "XCLIENT ADDR=999.1.1.1 HELO=+0 PORT=99999\r\n" S "220 ok\r\n" QUIT),
		 "helo c.example\nis quit\ncommands 3, 0 rejected\nevent bad_syntax\n"},
	};
	ASSERT_WORDS(cases);
	char *talk;
	size_t size;
	FILE *out = open_memstream(&talk, &size);
	fputs(S "220 x\r\n" C "XFORWARD NAME=", out);
	for (int i = 0; i < XCLIENT_SIZE_MAX * 100; i++)
		fputc('a', out);
	fputs("\r\nQUIT\r\n" S "250 x\r\n221 x\r\n", out);
	fclose(out);
	struct words endless = {talk, size};
	char *facts = words_check_memory("endless", &endless, 4 * LINE_SIZE_MAX);
	assert_non_null(strstr(facts, "event line_too_long"));
	assert_non_null(strstr(facts, "is quit"));
	free(facts);
	free(talk);
}

static void s24_a_client_that_quits_at_once_is_no_attack(void **) {
	static const struct words_case cases[] = {
		{"in one segment",
		 WORDS(S "220 mx ESMTP\r\n" C "EHLO we-guess.mozilla.org\r\nQUIT\r\n" S
			 "250-mx\r\n250 PIPELINING\r\n221 bye\r\n"),
		 "helo we-guess.mozilla.org\nis quit\ncommands 2, 0 rejected\n"},
	};
	ASSERT_WORDS(cases);
}

static void s22_what_came_before_a_hole_is_kept_until_the_reply(void **) {
	static const struct words_case cases[] = {
		{"in content",
		 WORDS(HELLO ENVELOPE C "DATA\r\nab\r\n" GAP_C "10" S "354 go\r\n" C
					"cd\r\n.\r\n" QUEUED QUIT),
		 "helo c.example\n" MAIL "18 bytes, 250 2.0.0 4ABC holed\nis quit\n"
		 "commands 5, 0 rejected\nactivity sent 1 b@example.net bytes=18\nunparsed 10\n"
		 "event message_cut\n"},
		{"in a chunk that nobody answers",
		 WORDS(S "220 x\r\n" C "EHLO c.example\r\nAUTH PLAIN AHUzNQBzZWNyZXQ=\r\n"
			 "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
			 "BDAT 12 LAST\r\nab" GAP_C "10"),
		 "login unanswered PLAIN u35\ncontent sent 2 hash=3105 missing=10\n--\n"
		 "helo c.example\n" MAIL "12 bytes, 0 - - bdat holed\ncommands 5, 0 rejected\n"
		 "unparsed 10\nevent message_cut\n"},
	};
	ASSERT_WORDS(cases);
}

static void s9_what_nobody_answered_was_offered_and_no_more(void **) {
	static const struct words_case cases[] = {
		// The server stops speaking; what comes behind is pipelined.
		{"two messages behind a refused chunk",
		 WORDS(HELLO ENVELOPE C "BDAT 5 X\r\n" S "521 5.5.4 no\r\n" C
					"BDAT 3 LAST\r\na\r\nMAIL FROM:<b@x>\r\n"
					"RCPT TO:<c@y>\r\nDATA\r\ntext\r\n.\r\n"),
		 "helo c.example\n" MAIL "3 bytes, 0 - - bdat\n"
		 "mail b@x to c@y, 6 bytes, 0 - -\ncommands 8, 1 rejected\nevent bad_bdat\n"},
		{"not even DATA",
		 WORDS(HELLO ENVELOPE C "DATA\r\ntext\r\n.\r\nQUIT\r\n"),
		 "helo c.example\n" MAIL "6 bytes, 0 - -\nis quit\ncommands 5, 0 rejected\n"},
		{"behind STARTTLS nothing is offered",
		 WORDS(HELLO C "STARTTLS\r\nMAIL FROM:<a@x>\r\n"),
		 "helo c.example\ncommands 2, 0 rejected\nunparsed 17\n"},
		{"AUTH",
		 WORDS(HELLO C "AUTH PLAIN AHUzNQBzZWNyZXQ=\r\n"),
		 "login unanswered PLAIN u35\n--\nhelo c.example\ncommands 2, 0 rejected\n"},
		{"AUTH, and what is behind it",
		 WORDS(HELLO C "AUTH LOGIN\r\ndTM1\r\nc2VjcmV0\r\nMAIL FROM:<a@x>\r\n"),
		 "login unanswered LOGIN u35\n--\nhelo c.example\ncommands 3, 0 rejected\n"},
	};
	ASSERT_WORDS(cases);
}

static void lmtp_answers_the_last_chunk_for_each_recipient(void **) {
	static const struct words_case cases[] = {
		{"one of two refused",
		 WORDS(S "220 lmtp\r\n" C "LHLO c\r\n" S "250-x\r\n250 CHUNKING\r\n" ENVELOPE C
			 "RCPT TO:<d@x>\r\n" S "250 ok\r\n" C "BDAT 2\r\nab" S "250 ok\r\n" C
			 "BDAT 3 LAST\r\ncde" S "250 2.1.5 a\r\n452 4.2.2 full\r\n" QUIT),
		 "helo c\nmail a@example.org to b@example.net not 1, 5 bytes, 250 2.1.5 - bdat\n"
		 "is lmtp quit\n"
		 "commands 7, 0 rejected\nactivity sent 1 b@example.net bytes=5\n"},
		{"nobody to send to",
		 WORDS(S "220 lmtp\r\n" C "LHLO c\r\n" S "250-x\r\n250 CHUNKING\r\n" C
			 "BDAT 3 LAST\r\ncde" S "503 no\r\n" QUIT),
		 "helo c\nis lmtp quit\ncommands 3, 1 rejected\n"},
	};
	ASSERT_WORDS(cases);
}

static void lmtp_answers_for_each_recipient(void **) {
	static const struct words_case cases[] = {
		{"DATA",
		 WORDS(S "220 x LMTP\r\n" C "LHLO y\r\n" S "250 ok\r\n" C "MAIL FROM:<a@b>\r\n" S
			 "250 ok\r\n" C "RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\n" S
			 "250 ok\r\n250 ok\r\n250 ok\r\n" DATA C ".\r\nQUIT\r\n" S
			 "452 4.2.2 <c@d> full\r\n250 2.0.0 <e@f> 7Qh+x/g Saved\r\n550 5.1.1 "
			 "no\r\n221 x\r\n"),
		 "helo y\nmail a@b to e@f not 2, 0 bytes, 250 2.0.0 7Qh+x/g\nis lmtp quit\n"
		 "commands 7, 0 rejected\nactivity sent 1 e@f bytes=0\n"},
	};
	ASSERT_WORDS(cases);
}

static void queue_ids_are_found_as_servers_write_them(void **) {
	static const struct {
		const char *reply, *id;
	} table[] = {
		{"250 2.0.0 Ok: queued as 9A8B7C6D5E", "9A8B7C6D5E"},
		{"250 2.0.0 Ok: 1200 bytes queued as 4T1zXk2Jq9z3xN", "4T1zXk2Jq9z3xN"},
		{"250 2.6.0 Ok, id=05872-14, from MTA: 250 2.0.0 Ok: queued as 10F5E5C0085",
		 "10F5E5C0085"},
		{"250 OK id=1rZ8Xy-0001Ab-2C", "1rZ8Xy-0001Ab-2C"},
		{"250 2.0.0 x7QHwOV4012345 Message accepted for delivery", "x7QHwOV4012345"},
		{"250 2.0.0: 9ee8e7f1 Message accepted for delivery", "9ee8e7f1"},
		{"250 2.0.0 <u1@example.org> aHZ3Nb5oBWb2AQAAtkf Saved", "aHZ3Nb5oBWb2AQAAtkf"},
		{"250 2.6.0 <x@y> [InternalId=1365799600161, Hostname=a.b] Queued mail for "
		 "delivery",
		 "1365799600161"},
		{"250 2.0.0 OK  1700000000 ab1-20020a.5 - gsmtp", "ab1-20020a.5"},
		{"250 Ok", NULL},
		{"250 2.0.0 Ok: queued as ", NULL},
		{"250 2.0.0 Message accepted for delivery", "2.0.0"},
		{"250 queued as <script>", NULL},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[400], wanted[100];
		struct words words = {text, 0};
		words.size = snprintf(
			text, sizeof(text), HELLO ENVELOPE DATA C ".\r\n" S "%s\r\n", table[i].reply
		);
		char *facts = words_check(table[i].reply, &words);
		sprintf(wanted, " %s\n", table[i].id == NULL ? "-" : table[i].id);
		if (strstr(facts, wanted) == NULL)
			print_error("%s", facts ? facts : "");
		assert_non_null(strstr(facts, wanted));
		free(facts);
	}
}

static void outcomes_of_logins_come_from_the_reply(void **) {
	static const struct words_case cases[] = {
		{"initial response",
		 WORDS(HELLO C "AUTH PLAIN AHUzNQBw\r\n" S "235 ok\r\n"),
		 "login success PLAIN u35 113\n--\nhelo c.example\ncommands 2, 0 rejected\n"},
		{"initial response of LOGIN",
		 WORDS(HELLO C "AUTH LOGIN dTM1\r\n" S "334 x\r\n" C "cA==\r\n" S "535 no\r\n"),
		 "login failure LOGIN u35 113\n--\nhelo c.example\ncommands 2, 1 rejected\n"},
		{"a4: cancelled",
		 WORDS(HELLO C "AUTH LOGIN\r\n" S "334 x\r\n" C "*\r\n" S "501 cancelled\r\n" QUIT),
		 "--\nhelo c.example\nis quit\ncommands 3, 1 rejected\n"},
		{"a1: not base64",
		 WORDS(HELLO C "AUTH PLAIN\r\n" S "334 \r\n" C "a$b\r\n" S "501 no\r\n" C
			       "AUTH PLAIN AHUzNQBw\r\n" S "235 ok\r\n"),
		 "login failure PLAIN ? 0\nlogin success PLAIN u35 113\n--\nhelo c.example\n"
		 "commands 3, 1 rejected\nevent bad_base64\n"},
		{"not an answer to the credentials",
		 WORDS(HELLO C "AUTH PLAIN AHUzNQBw\r\n" S "503 again?\r\n" C
			       "AUTH PLAIN AHUzNQBw\r\n" S "454 later\r\n"),
		 "login unanswered PLAIN u35\nlogin unanswered PLAIN u35\n--\nhelo "
		 "c.example\ncommands 3, 2 rejected\n"},
		{"unknown mechanism",
		 WORDS(HELLO C "AUTH FOO\r\n" S "504 what\r\n" QUIT),
		 "--\nhelo c.example\nis quit\ncommands 3, 1 rejected\n"},
		{"commands behind a response are read after its reply",
		 WORDS(HELLO C "AUTH PLAIN AHUzNQBw\r\nNOOP\r\n" S "235 ok\r\n250 ok\r\n"),
		 "login success PLAIN u35 113\n--\nhelo c.example\ncommands 3, 0 rejected\n"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *facts = words_check(cases[i].name, &cases[i].words);
		if (strcmp(facts, cases[i].wanted) != 0)
			print_error("%s\n%s", cases[i].name, facts);
		assert_string_equal(facts, cases[i].wanted);
		free(facts);
	}
}

// Every command in every state, with good and bad replies, and a good message after all.
static void s6_any_command_may_follow_any_other(void **) {
	static const char *const commands[] = {
		"EHLO x\r\n",
		"MAIL FROM:<c@x>\r\n",
		"RCPT TO:<d@x>\r\n",
		"DATA\r\n",
		"BDAT 3\r\nabc",
		"BDAT 3 LAST\r\nabc",
		"BDAT 3 X\r\n",
		"RSET\r\n",
		"AUTH PLAIN AHUzNQBw\r\n",
		"NOOP\r\n",
		"XCLIENT NAME=x\r\n",
		"STARTTLS\r\n",
		"?\r\n",
	};
	enum { N = sizeof(commands) / sizeof(commands[0]) };
	for (int i = 0; i < N * N * 4; i++) {
		const char *said[2] = {commands[i % N], commands[i / N % N]};
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		fputs(HELLO, out);
		for (int n = 0; n < 2; n++) {
			bool is_good = i / (N * N) >> n & 1, is_data = said[n][0] == 'D';

			fprintf(out, C "%s", said[n]);
			fputs(is_good ? is_data ? S "354 go\r\n" : S "250 ok\r\n" : S "550 no\r\n",
			      out);
			if (is_good && is_data)
				fputs(C "QUIT\r\n.\r\n" S "250 ok\r\n", out);
		}
		fputs(C "RSET\r\n" S "250 ok\r\n" ENVELOPE DATA C "x\r\n.\r\n" QUEUED, out);
		fclose(out);
		struct words words = {text, size};
		char *facts = words_check("table", &words);
		if (strstr(facts, MAIL "3 bytes, 250 2.0.0 4ABC\n") == NULL)
			print_error("%s\n%s", text, facts ? facts : "");
		assert_non_null(strstr(facts, MAIL "3 bytes, 250 2.0.0 4ABC\n"));
		assert_null(strstr(facts, "is quit"));
		free(facts);
		free(text);
	}
}

// What becomes of a message in chunks when something else comes in place of its last one.
static void s6_chunks_are_one_message_until_something_ends_them(void **) {
	static const struct words_case cases[] = {
		{"a chunk refused, then DATA",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "BDAT 3\r\nabc" S
					"552 full\r\n" DATA C "x\r\n.\r\n" S "503 no\r\n"),
		 "helo c.example\n" MAIL "3 bytes, 552 - - bdat\nmail ? to, 3 bytes, 503 - -\n"
		 "commands 6, 1 rejected\n"},
		{"a chunk refused, then another mail",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "552 full\r\n" C "RSET\r\n" S
					"250 ok\r\n" C "MAIL FROM:<c@x>\r\n" S "250 ok\r\n" C
					"RCPT TO:<d@y>\r\n" S "250 ok\r\n" C
					"BDAT 2 LAST\r\nde" QUEUED),
		 "helo c.example\n" MAIL
		 "0 bytes, 552 - - bdat\nmail c@x to d@y, 2 bytes, 250 2.0.0 4ABC bdat\n"
		 "commands 8, 1 rejected\nactivity sent 1 d@y bytes=2\n"},
		{"a chunk refused, and those behind it",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabcBDAT 2 LAST\r\nde" S
					"552 full\r\n503 no\r\n" QUIT),
		 "helo c.example\n" MAIL
		 "0 bytes, 552 - - bdat\nis quit\ncommands 6, 2 rejected\n"},
		{"RSET before the first",
		 WORDS(HELLO ENVELOPE C "RSET\r\n" S "250 ok\r\n" C "BDAT 2 LAST\r\nde" S
					"503 no\r\n" QUIT),
		 "helo c.example\nis quit\ncommands 6, 1 rejected\n"},
		{"RSET in place of LAST",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "RSET\r\n" S "250 ok\r\n" C
					"BDAT 2 LAST\r\nde" S "503 no\r\n" QUIT),
		 "content sent 3 hash=6597 missing=0\ncontent sent 2 hash=3201 missing=0\n--\n"
		 "helo c.example\n" MAIL "3 bytes, 0 - - bdat\nis quit\ncommands 7, 1 rejected\n"},
		{"RSET in place of LAST, and the next mail",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "RSET\r\n" S
					"250 ok\r\n" ENVELOPE C "BDAT 2 LAST\r\nde" QUEUED),
		 "content sent 3 hash=6597 missing=0\ncontent sent 2 hash=3201 missing=0\n--\n"
		 "helo c.example\n" MAIL "3 bytes, 0 - - bdat\n" MAIL
		 "2 bytes, 250 2.0.0 4ABC bdat\ncommands 8, 0 rejected\n"
		 "activity sent 1 b@example.net bytes=2\n"},
		{"DATA between chunks is refused, and they go on",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "DATA\r\n" S "503 no\r\n" C
					"BDAT 2 LAST\r\nde" QUEUED),
		 "helo c.example\n" MAIL "5 bytes, 250 2.0.0 4ABC bdat\ncommands 6, 1 rejected\n"
		 "activity sent 1 b@example.net bytes=5\n"},
		{"a bad BDAT is the last command that is borne",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "BDAT x\r\n" S
					"421 too many errors\r\n"),
		 "helo c.example\n" MAIL
		 "3 bytes, 0 - - bdat\ncommands 5, 1 rejected\nevent bad_bdat\n"},
		{"closed inside a chunk",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "BDAT 5 LAST\r\nde"),
		 "helo c.example\n" MAIL
		 "3 bytes, 0 - - bdat\ncommands 5, 0 rejected\nevent message_cut\n"},
		{"TLS begins between chunks",
		 WORDS(HELLO ENVELOPE C "BDAT 3\r\nabc" S "250 ok\r\n" C "STARTTLS\r\n" S
					"220 go\r\n" C "\x16\x03\x01" S "\x16\x03\x03"),
		 "helo c.example\n" MAIL
		 "3 bytes, 0 - - bdat\nis starttls\ncommands 5, 0 rejected\nunparsed 6\n"
		 "event encrypted\n"},
	};
	ASSERT_WORDS(cases);
}

static void full_memory_loses_facts_and_nothing_else(void **) {
	static const struct words words
		= WORDS(HELLO ENVELOPE DATA C "x\n.\nMAIL FROM:<>\r\n.\r\n" QUEUED C
					      "AUTH LOGIN\r\n" S "334 x\r\n" C "dTM1\r\n" S
					      "334 x\r\n" C "cA==\r\n" S "235 ok\r\n" QUIT);
	size_t n;
	struct play_part *parts = words_split(&words, &n);

	// The smallest slabs: pages run out at different places.
	for (size_t memory = 4096; memory < 1024 * 1024; memory += 4096) {
		struct talk *talk = talk_open(&proto_smtp, memory);
		for (size_t i = 0; i < n; i++)
			for (size_t at = 0; at < parts[i].size; at++)
				talk_data(talk, parts[i].dir, (const char *)parts[i].data + at, 1);
		assert_null(strstr(talk_end(talk, dump), "leaked"));
		talk_close(talk);
	}
	free(parts);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
		cmocka_unit_test(a_message_is_listed_with_its_envelope_and_outcome),
		cmocka_unit_test(s1_a_server_that_is_strict_gives_one_message),
		cmocka_unit_test(s1_a_server_that_takes_the_other_end_gives_two_messages),
		cmocka_unit_test(s1_a_client_that_ends_so_and_a_server_that_agrees_go_on),
		cmocka_unit_test(s1_an_odd_end_with_nothing_behind_it_is_no_smuggling),
		cmocka_unit_test(s1_what_is_kept_of_the_other_reading_is_bounded),
		cmocka_unit_test(s2_dots_are_unstuffed_in_data_and_only_there),
		cmocka_unit_test(s3_chunks_end_at_their_count),
		cmocka_unit_test(s4_a_chunk_size_is_a_number_or_none),
		cmocka_unit_test(s5_s10_what_is_never_answered_is_bounded),
		cmocka_unit_test(s10_commands_beyond_the_limit_keep_their_replies),
		cmocka_unit_test(s20_recipients_beyond_the_limit_are_counted),
		cmocka_unit_test(s20_a_greeting_of_any_length_is_one),
		cmocka_unit_test(s10_messages_beyond_the_limit_are_counted_and_sent),
		cmocka_unit_test(s7_octets_of_a_refused_chunk_are_no_commands),
		cmocka_unit_test(s8_after_a_refused_data_come_commands),
		cmocka_unit_test(s8_content_beyond_what_is_held_is_taken_for_content),
		cmocka_unit_test(s9_the_envelope_follows_accepted_replies),
		cmocka_unit_test(s11_long_lines_lose_only_themselves),
		cmocka_unit_test(s12_odd_replies_are_survived),
		cmocka_unit_test(s13_verbs_are_whole_words),
		cmocka_unit_test(s14_to_s18_starttls_is_decided_by_bytes),
		cmocka_unit_test(s19_addresses_are_exact_or_none),
		cmocka_unit_test(s19_addresses_name_whom_they_are_of_or_nobody),
		cmocka_unit_test(s19_an_address_has_a_largest_size),
		cmocka_unit_test(s19_what_is_no_address_is_counted_and_not_named),
		cmocka_unit_test(s22_after_a_hole_the_place_is_found_again),
		cmocka_unit_test(one_side_alone_is_read_as_if_all_was_accepted),
		cmocka_unit_test(s21_odd_bytes_in_addresses_end_no_key),
		cmocka_unit_test(s23_attributes_without_end_are_bounded),
		cmocka_unit_test(s24_a_client_that_quits_at_once_is_no_attack),
		cmocka_unit_test(s22_what_came_before_a_hole_is_kept_until_the_reply),
		cmocka_unit_test(s9_what_nobody_answered_was_offered_and_no_more),
		cmocka_unit_test(lmtp_answers_the_last_chunk_for_each_recipient),
		cmocka_unit_test(lmtp_answers_for_each_recipient),
		cmocka_unit_test(queue_ids_are_found_as_servers_write_them),
		cmocka_unit_test(outcomes_of_logins_come_from_the_reply),
		cmocka_unit_test(s6_any_command_may_follow_any_other),
		cmocka_unit_test(s6_chunks_are_one_message_until_something_ends_them),
		cmocka_unit_test(full_memory_loses_facts_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
