// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The conversations of tests/talks/sieve_*.talk, and scripts by themselves.

#include "limits.h"
#include "proto/sieve.h"
#include "talk_sieve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("sieve_", &proto_sieve, sieve_dump), 1, 1000);
}

static void redirects_are_found_outside_comments_and_strings(void **) {
	static const struct {
		const char *script, *targets;
	} cases[] = {
		{"redirect \"a@b\";", "a@b,"},
		{"REDIRECT\t\"a@b\" ;", "a@b,"},
		{"redirect :copy \"a@b\"; keep;", "a@b,"},
		{"redirect :notify \"never\" :ret \"full\" \"a@b\";", "a@b,"},
		{"# redirect \"a@b\";\r\nkeep;", ""},
		{"/* redirect \"a@b\"; * / */ keep;", ""},
		{"if true { redirect/**/\"a@b\"; redirect # x\n \"c@d\"; }", "a@b,c@d,"},
		{"fileinto \"redirect \\\"a@b\\\";\"; stop;", ""},
		{"vacation \"redirect\"; redirects \"a@b\"; myredirect \"a@b\";", ""},
		{"redirect \"a\\\"b\\\\@c\";", "a\"b\\@c,"},
		{"redirect text:\r\na@b\r\n.\r\n;", "a@b,"},
		{"vacation text:\r\nredirect \"a@b\";\r\n..\r\n.\r\n; redirect \"c@d\";", "c@d,"},
		{"redirect \"${to}\";", "${to},"},
		{"redirect \"a@b\"", ""},
		{"redirect ;", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sieve_script script = {0};
		struct sieve_targets *targets = calloc(1, sizeof(*targets));
		char text[200] = "";
		for (const char *at = cases[i].script; *at; at++)
			sieve_script_read(&script, (const uint8_t *)at, 1, targets);
		for (uint32_t n = 0; n < targets->n; n++) {
			strcat(text, targets->target[n]);
			strcat(text, ",");
		}
		if (strcmp(text, cases[i].targets) != 0)
			fail_msg("%s: %s", cases[i].script, text);
		free(targets);
	}
}

static void targets_beyond_the_limits_are_counted(void **) {
	struct sieve_targets *targets = calloc(1, sizeof(*targets));
	struct sieve_script script = {0};
	char address[SIEVE_ADDRESS_SIZE_MAX + 20];
	static const uint8_t one[] = "redirect \"a@b\";";

	for (int i = 0; i < SIEVE_TARGETS_MAX + 1; i++)
		sieve_script_read(&script, one, sizeof(one) - 1, targets);
	assert_int_equal(targets->n, SIEVE_TARGETS_MAX + 1);
	for (int size = SIEVE_ADDRESS_SIZE_MAX; size <= SIEVE_ADDRESS_SIZE_MAX + 1; size++) {
		int n = snprintf(address, sizeof(address), "redirect \"%0*d\";", size, 1);
		memset(targets, 0, sizeof(*targets));
		sieve_script_read(&script, (uint8_t *)address, (size_t)n, targets);
		assert_int_equal(targets->n, size == SIEVE_ADDRESS_SIZE_MAX);
	}
	free(targets);
}

// All facts of what a client says n times between two texts, in all ways, with no more memory in use.
static char *many_facts(const char *before, const char *what, int n, const char *behind) {
	static const struct talk_reading reading
		= {.proto = &proto_sieve, .dump = sieve_dump, .memory_max = 60000};
	static const char greeting[] = "\"SIEVE\" \"\"\r\nOK\r\n", replies[] = "NO\r\nOK\r\nNO\r\n";
	struct play_part parts[3] = {{PLAY_DATA, STREAM_SERVER, greeting, sizeof(greeting) - 1}};
	char *text, *facts;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(before, out);
	for (; n > 0; n--)
		fputs(what, out);
	fputs(behind, out);
	fclose(out);
	parts[1] = (struct play_part){PLAY_DATA, STREAM_CLIENT, text, size};
	parts[2] = (struct play_part){PLAY_DATA, STREAM_SERVER, replies, sizeof(replies) - 1};
	facts = play_check(&(struct play){before, &talk_reader, &reading, parts, 3});
	free(text);
	assert_non_null(facts);
	assert_null(strstr(facts, "too much memory"));
	return facts;
}

// As I1: memory follows what comes. As I3: in each command, of a name, of a script, of credentials.
static void i28_literals_take_no_memory_and_are_counted(void **) {
	static const char *const announced[] = {
		"PUTSCRIPT \"a\" {2147483647+}\r\nx",
		"PUTSCRIPT {2147483647+}\r\nx",
		"SETACTIVE {400000000+}\r\nx",
		"AUTHENTICATE \"PLAIN\" {400000000+}\r\nx",
		"AUTHENTICATE {400000000+}\r\nx",
	};
	static const char *const commands[]
		= {"PUTSCRIPT", "SETACTIVE", "AUTHENTICATE", "AUTHENTICATE \"PLAIN\"", "FOO"};
	enum { MAX = SIEVE_LITERALS_PER_COMMAND_MAX };
	static const int counts[] = {MAX - 1, MAX, MAX + 1, 100 * MAX};
	const struct proto *proto = &proto_sieve;

	for (size_t i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
		struct talk *talk = talk_open(proto, 0);
		talk_data(talk, STREAM_CLIENT, announced[i], strlen(announced[i]));
		assert_in_range(talk_memory(talk), 1, 4096);
		for (int n = 0; n < 2 * SIEVE_TEXT_SIZE_MAX; n++) // kept of credentials alone
			talk_data(talk, STREAM_CLIENT, "x", 1);
		bool is_kept = strncmp(announced[i], "AUTH", 4) == 0;
		assert_in_range(talk_memory(talk), 1, is_kept ? 2 * SIEVE_TEXT_SIZE_MAX : 4096);
		talk_end(talk, NULL);
		talk_close(talk);
		free(many_facts(announced[i], "x", 1, ""));
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (size_t c = 0; c < 4; c++) {
			char *facts = many_facts(
				commands[i],
				" {1+}\r\nx",
				counts[c],
				"\r\nDELETESCRIPT {1+}\r\nx\r\n"
			);
			if ((strstr(facts, "event too_many_literals") != NULL) != (counts[c] > MAX)
			    || strstr(facts, "DELETESCRIPT=1") == NULL)
				fail_msg("%s %d: %s", commands[i], counts[c], facts);
			free(facts);
		}
}

// Credentials in a literal beyond the limit, and in a string without an end, are not half decoded.
static void a2_i28_what_is_cut_of_credentials_names_nobody(void **) {
	static const int counts[]
		= {4000, SIEVE_TEXT_SIZE_MAX / 4 + 1, 100 * SIEVE_TEXT_SIZE_MAX / 4};

	for (int c = 0; c < 3; c++) {
		char head[100], *facts;
		bool is_cut = 8 + 4 * counts[c] > SIEVE_TEXT_SIZE_MAX;

		snprintf(
			head,
			sizeof(head),
			"AUTHENTICATE \"PLAIN\" {%d+}\r\nAHUzNQAF",
			8 + 4 * counts[c]
		);
		facts = many_facts(head, "BQUF", counts[c], "\r\nDELETESCRIPT \"x\"\r\n");
		assert_non_null(strstr(
			facts, is_cut ? "login failure PLAIN ? " : "login failure PLAIN u35 "
		));
		assert_int_equal(strstr(facts, "event literal_too_long") != NULL, is_cut);
		assert_non_null(strstr(facts, "DELETESCRIPT=1"));
		free(facts);
	}
	char *facts = many_facts(
		"AUTHENTICATE \"PLAIN\" \"AHUzNQAF\\", "BQUF", 1, "\r\nDELETESCRIPT \"x\"\r\n"
	);
	assert_non_null(strstr(facts, "login failure PLAIN ? "));
	free(facts);
}

// A script of a megabyte is counted through, and its targets found.
static void i28_a_huge_script_is_read_as_it_comes(void **) {
	enum { N = 1 << 16, SIZE = 16 };
	char head[100], *facts;

	snprintf(head, sizeof(head), "PUTSCRIPT \"a\" {%d+}\r\n", N * SIZE + 15);
	facts = many_facts(
		head, "keep; # comment\n", N, "redirect \"d@e\";\r\nDELETESCRIPT \"x\"\r\n"
	);
	assert_non_null(strstr(facts, "content script 1048591 "));
	assert_non_null(strstr(facts, "DELETESCRIPT=1"));
	assert_null(strstr(facts, "event"));
	free(facts);
}

// Each by its name, in capitals and not, and by no beginning of it.
static void every_command_is_found_by_its_name(void **) {
	static const char *const names[] = {
#define SIEVE_COMMAND(id, name) [SIEVE_##id] = name,
		SIEVE_COMMANDS
#undef SIEVE_COMMAND
	};

	const size_t first = SIEVE_OTHER + 1;
	const char *misnamed = talk_misnamed(
		&proto_sieve,
		sieve_dump,
		names + first,
		sizeof(names) / sizeof(names[0]) - first,
		"",
		"",
		"OK\r\n",
		"NO\r\n"
	);

	if (misnamed)
		fail_msg("%s is not found by its name", misnamed);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_found_by_its_name),
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
		cmocka_unit_test(redirects_are_found_outside_comments_and_strings),
		cmocka_unit_test(targets_beyond_the_limits_are_counted),
		cmocka_unit_test(i28_literals_take_no_memory_and_are_counted),
		cmocka_unit_test(a2_i28_what_is_cut_of_credentials_names_nobody),
		cmocka_unit_test(i28_a_huge_script_is_read_as_it_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
