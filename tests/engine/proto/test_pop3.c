// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The conversations of tests/talks/pop3_*.talk, and limits reached.

#include "limits.h"
#include "proto/pop3.h"
#include "talk_pop3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("pop3_", &proto_pop3, pop3_dump), 1, 1000);
}

static void say(struct talk *talk, enum stream_dir dir, const char *text) {
	talk_data(talk, dir, text, strlen(text));
}

static bool has_event(struct talk *talk, enum session_event event) {
	return talk_session(talk)->events >> event & 1;
}

static void commands_beyond_the_limit_are_counted_and_keep_their_order(void **) {
	for (int n = POP3_INFLIGHT_MAX - 1; n <= POP3_INFLIGHT_MAX + 1; n++) {
		struct talk *talk = talk_open(&proto_pop3, 0);
		say(talk, STREAM_SERVER, "+OK ready\r\n");
		for (int i = 0; i < n; i++)
			say(talk, STREAM_CLIENT, "DELE 1\r\n");
		assert_int_equal(has_event(talk, EVENT_too_many_commands), n > POP3_INFLIGHT_MAX);
		for (int i = 0; i < n; i++)
			say(talk, STREAM_SERVER, "+OK\r\n");
		say(talk, STREAM_CLIENT, "RETR 1\r\n");
		say(talk, STREAM_SERVER, "+OK\r\nab\r\n.\r\n");
		assert_false(has_event(talk, EVENT_unmatched_response));
		assert_non_null(strstr(talk_end(talk, pop3_dump), "retr 1 4 "));
		talk_close(talk);
	}
}

static void i26_what_is_not_pop3_is_given_up(void **) {
	static const int counts[]
		= {POP3_UNKNOWN_MAX - 1,
		   POP3_UNKNOWN_MAX,
		   POP3_UNKNOWN_MAX + 1,
		   100 * POP3_UNKNOWN_MAX};
	static const struct talk_reading reading
		= {.proto = &proto_pop3, .dump = pop3_dump, .memory_max = 10000};

	for (int c = 0; c < 4; c++) {
		static char text[100 * POP3_UNKNOWN_MAX * 15 + 1];
		text[0] = '\0';
		for (int i = 0; i < counts[c]; i++)
			strcpy(text + 15 * i, "SET key value\r\n");
		struct play_part parts[] = {
			{PLAY_DATA, STREAM_SERVER, "+OK\r\n", 5},
			{PLAY_DATA, STREAM_CLIENT, text, strlen(text)},
		};
		char *facts = play_check(&(struct play){"redis", &talk_reader, &reading, parts, 2});
		assert_non_null(facts);
		assert_null(strstr(facts, "too much memory"));
		assert_int_equal(
			strstr(facts, "event not_the_protocol") != NULL,
			counts[c] >= POP3_UNKNOWN_MAX
		);
		free(facts);
	}
}

static void a_full_slab_loses_facts_and_nothing_else(void **) {
	static const char *const lines[] = {"USER u\r\n", "PASS p\r\n", "AUTH PLAIN AHUAcA==\r\n"};

	for (size_t pages = 1; pages < 12; pages++) {
		struct talk *talk = talk_open(&proto_pop3, pages * 16384);
		say(talk, STREAM_SERVER, "+OK\r\n");
		for (int i = 0; i < 300; i++)
			say(talk, STREAM_CLIENT, lines[i % 3]);
		talk_end(talk, NULL);
		assert_int_equal(talk_memory(talk), 0);
		talk_close(talk);
	}
}

// Each by its name, in capitals and not, and by no beginning of it.
static void every_command_is_found_by_its_name(void **) {
	static const char *const names[] = {
#define POP3_COMMAND(id, name, reply) [POP3_##id] = name,
		POP3_COMMANDS
#undef POP3_COMMAND
	};

	const size_t first = POP3_OTHER + 1;
	const char *misnamed = talk_misnamed(
		&proto_pop3,
		pop3_dump,
		names + first,
		sizeof(names) / sizeof(names[0]) - first,
		"",
		"",
		"+OK ready\r\n",
		"-ERR\r\n"
	);

	if (misnamed)
		fail_msg("%s is not found by its name", misnamed);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_found_by_its_name),
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
		cmocka_unit_test(commands_beyond_the_limit_are_counted_and_keep_their_order),
		cmocka_unit_test(i26_what_is_not_pop3_is_given_up),
		cmocka_unit_test(a_full_slab_loses_facts_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
