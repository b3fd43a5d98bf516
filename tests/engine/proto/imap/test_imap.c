// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "proto/imap/imap.h"
#include "proto/imap/imap_private.h"
#include "talk.h"
#include "talk_imap.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("imap_", &proto_imap, imap_dump), 1, 1000);
}

static void say(struct talk *talk, enum stream_dir dir, const char *text) {
	talk_data(talk, dir, text, strlen(text));
}

static struct talk *talk_logged_in(void) {
	struct talk *talk = talk_open(&proto_imap, 0);

	say(talk, STREAM_SERVER, "* OK ready\r\n");
	say(talk, STREAM_CLIENT, "1 LOGIN anna secret\r\n");
	say(talk, STREAM_SERVER, "1 OK in\r\n");
	say(talk, STREAM_CLIENT, "2 SELECT INBOX\r\n");
	say(talk,
	    STREAM_SERVER,
	    "* 500 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 900] ok\r\n2 OK done\r\n");
	return talk;
}

static void an_idle_session_costs_a_few_hundred_bytes(void **) {
	struct talk *talk = talk_logged_in();

	assert_in_range(talk_memory(talk), 1, 368); // its grammar is not known yet
	say(talk, STREAM_CLIENT, "3 CAPABILITY\r\n4 NOOP\r\n5 ID NIL\r\n6 LIST \"\" *\r\n");
	say(talk, STREAM_SERVER, "3 OK\r\n4 OK\r\n5 OK\r\n6 OK\r\n");
	say(talk, STREAM_CLIENT, "7 IDLE\r\n");
	say(talk, STREAM_SERVER, "+ idling\r\n* 501 EXISTS\r\n");
	print_message("%zu bytes\n", talk_memory(talk));
	assert_in_range(talk_memory(talk), 1, 320);
	talk_end(talk, NULL);
	talk_close(talk);
}

// I1: memory follows the bytes received, not those announced; I3, S10: and is given back.
static void i1_memory_grows_with_bytes_received_only(void **) {
	struct talk *talk = talk_logged_in();
	size_t before = talk_memory(talk);
	static const char *const announced[]
		= {"3 LOGIN {4000}\r\n", "3 APPEND X {4000000000}\r\n", "3 SELECT {4096}\r\n"};

	for (size_t i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
		say(talk, STREAM_CLIENT, announced[i]);
		say(talk, STREAM_SERVER, "+ ok\r\n");
		say(talk, STREAM_CLIENT, "x");
		assert_in_range(talk_memory(talk), before, before + 1024);
		talk_end(talk, NULL);
		talk_close(talk);
		talk = talk_logged_in();
	}
	for (int i = 0; i < 10000; i++) // never answered
		say(talk, STREAM_CLIENT, "n NOOP\r\n");
	assert_in_range(talk_memory(talk), before, before + 64 * (IMAP_INFLIGHT_MAX + 1));
	for (int i = 0; i < IMAP_INFLIGHT_MAX; i++)
		say(talk, STREAM_SERVER, "n OK\r\n");
	assert_in_range(talk_memory(talk), before, before + 64);
	talk_end(talk, NULL);
	talk_close(talk);
}

// What one side says n times between two texts of its, after a greeting or a login.
struct limit {
	const char *asked; // by the client before, and what the server says to it
	const char *told;
	enum stream_dir dir;
	const char *before, *what, *after, *behind; // after: n times, too
};

// All facts, in all ways, with no more memory in use.
static char *limit_facts(const struct limit *limit, bool is_logged_in, int n, size_t memory_max) {
	static const struct play_part greeting[] = {
		{PLAY_DATA, STREAM_SERVER, "* OK ready\r\n", 12},
		{PLAY_DATA, STREAM_CLIENT, "1 LOGIN anna secret\r\n2 SELECT INBOX\r\n", 37},
		{PLAY_DATA, STREAM_SERVER, "1 OK in\r\n* 5 EXISTS\r\n2 OK done\r\n", 32},
	};
	const struct talk_reading reading
		= {.proto = &proto_imap, .dump = imap_dump, .memory_max = memory_max};
	struct play_part parts[7];
	size_t n_parts = is_logged_in ? 3 : 1, size;
	char *text, *facts;
	FILE *out = open_memstream(&text, &size);

	fputs(limit->before, out);
	for (int i = 0; i < n; i++)
		fputs(limit->what, out);
	for (int i = 0; i < n && limit->after != NULL; i++)
		fputs(limit->after, out);
	fputs(limit->behind, out);
	fclose(out);
	memcpy(parts, greeting, sizeof(greeting));
	if (limit->asked != NULL)
		parts[n_parts++] = (struct play_part
		){PLAY_DATA, STREAM_CLIENT, limit->asked, strlen(limit->asked)};
	if (limit->told != NULL)
		parts[n_parts++] = (struct play_part
		){PLAY_DATA, STREAM_SERVER, limit->told, strlen(limit->told)};
	parts[n_parts++] = (struct play_part){PLAY_DATA, limit->dir, text, size};
	parts[n_parts++] = (struct play_part
	){PLAY_DATA, STREAM_SERVER, "t BAD no\r\n* OK still here\r\nz OK\r\n", 33};
	facts = play_check(&(struct play){"limit", &talk_reader, &reading, parts, n_parts});
	free(text);
	assert_non_null(facts);
	assert_null(strstr(facts, "too much memory"));
	return facts;
}

// The event comes with one more than the limit and no sooner, and the next command is read in any case.
static void limit_check(
	const struct limit *limit,
	const char *event,
	int max,
	const char *next,
	size_t memory_max
) {
	const int counts[] = {max - 1, max, max + 1, 100 * max};

	for (int is_logged_in = 0; is_logged_in < 2; is_logged_in++)
		for (int c = 0; c < 4; c++) {
			char *facts = limit_facts(limit, is_logged_in, counts[c], memory_max);

			if ((strstr(facts, event) != NULL) != (counts[c] > max)
			    || strstr(facts, next) == NULL)
				fail_msg("%s %d: %s", limit->before, counts[c], facts);
			free(facts);
		}
}

static void i1_what_is_announced_takes_no_memory(void **) {
	static const char *const announced[] = {
		"t LOGIN {400000000}\r\n",
		"t LOGIN {2147483647+}\r\n",
		"t LOGIN {4000+}\r\n",
		"t APPEND X {4000000000+}\r\n",
		"t SELECT {4096+}\r\n",
		"t AUTHENTICATE PLAIN {4096+}\r\n",
	};

	for (size_t i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
		const struct limit limit = {.before = announced[i], .what = "x", .behind = ""};
		for (int state = 0; state < 2; state++)
			free(limit_facts(&limit, state, 1, 3000));
	}
}

#define EVENT(name) "\nevent " #name "\n"

// I3: in each state in which a client may send one: before and after the login, in a command that keeps them, one
// that looks at them, one that is not known, an exchange, IDLE, and where no command is.
static void i1_i3_i29_limits_bite_in_each_state(void **) {
	static const struct limit literals[] = {
		{.before = "t SEARCH", .what = " TEXT {1+}\r\nx"},
		{.before = "t LOGIN", .what = " {1+}\r\nx"},
		{.before = "t XYZZY", .what = " {0+}\r\n"},
		{.before = "t APPEND X", .what = " {1+}\r\nx"},
		{.before = "t AUTHENTICATE PLAIN", .what = " {1+}\r\nx"},
		{.asked = "a AUTHENTICATE PLAIN\r\n",
		 .told = "+ \r\n",
		 .before = "t x",
		 .what = " {1+}\r\nx"},
		{.asked = "a IDLE\r\n", .told = "+ idling\r\n", .before = "", .what = " {1+}\r\nx"},
		{.before = "", .what = "{1+}\r\nx"},
	};

	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		struct limit limit = literals[i];
		limit.behind = "\r\nz XNEXT {1+}\r\nx\r\n"; // whose own is none too many
		limit_check(
			&limit,
			EVENT(too_many_literals),
			IMAP_LITERALS_PER_COMMAND_MAX,
			"other=",
			60000
		);
	}
	limit_check(
		&(struct limit){.before = "", .what = "t NOOP\r\n", .behind = ""},
		EVENT(too_many_commands),
		IMAP_INFLIGHT_MAX,
		"NOOP=",
		60000
	);
}

// I3: and of a server's response.
static void i3_a_servers_literals_are_counted_too(void **) {
	limit_check(
		&(struct limit){
			.asked = "t FETCH 1:2 BODY[]\r\n",
			.dir = STREAM_SERVER,
			.before = "* 1 FETCH (X",
			.what = " {1}\r\nx",
			.behind = ")\r\n* 2 FETCH (BODY[] {3}\r\nabc)\r\n",
		},
		EVENT(too_many_literals),
		IMAP_LITERALS_PER_COMMAND_MAX,
		"FETCH=1",
		60000
	);
}

// I12: of a client's command; and of a server's response, where the response's own list is one of them.
static void i12_parentheses_beyond_the_limit_break_only_what_they_stand_in(void **) {
	limit_check(
		&(struct limit
		){.before = "t SEARCH ", .what = "(", .after = ")", .behind = "\r\nz XNEXT\r\n"},
		EVENT(bad_syntax),
		IMAP_NESTING_MAX,
		"other=1",
		60000
	);
	for (int n = IMAP_NESTING_MAX - 1; n <= 100 * IMAP_NESTING_MAX;
	     n += n <= IMAP_NESTING_MAX ? 1 : 99 * IMAP_NESTING_MAX - 1) {
		char *facts = limit_facts(
			&(struct limit){
				.asked = "t FETCH 1:2 (UID BODYSTRUCTURE BODY[])\r\n",
				.dir = STREAM_SERVER,
				.before = "* 1 FETCH (UID 1 BODYSTRUCTURE ",
				.what = "(",
				.after = ")",
				.behind
				= " BODY[] {2}\r\nab)\r\n* 2 FETCH (UID 2 BODY[] {3}\r\nabc)\r\n",
			},
			true,
			n,
			60000
		);
		bool is_broken = n >= IMAP_NESTING_MAX;

		assert_int_equal(strstr(facts, EVENT(bad_syntax)) != NULL, is_broken);
		assert_non_null(strstr(
			facts,
			is_broken ? "uids=2 messages=1 bodies=1 " : "uids=1:2 messages=2 bodies=2 "
		));
		free(facts);
	}
}

// I29, how a command lives: from its line it is in flight, and costs; a literal or an exchange leaves it open, whatever the
// server says to others; its tagged answer ends it, and it costs nothing more. One that is never answered ends with the
// connection. Each direction goes on by itself: what one side is amid of does not keep the other's from being read.
static void i29_a_command_lives_from_its_line_to_its_answer(void **) {
	struct talk *talk = talk_logged_in();
	const struct imap_state *imap = talk_session(talk)->state;
	size_t before = talk_memory(talk);
	static const struct {
		enum stream_dir dir;
		const char *text;
		int n; // in flight then
		bool is_busy; // something is half read
	} steps[] = {
		{STREAM_CLIENT, "a NO", 0, true},
		{STREAM_CLIENT, "OP\r\n", 1, false},
		{STREAM_CLIENT, "b APPEND X {5}\r\n", 2, true},
		{STREAM_SERVER, "a OK", 2, true}, // half a line of its own
		{STREAM_CLIENT, "he", 2, true}, // and the other side goes on
		{STREAM_SERVER, " done\r\n", 1, true},
		{STREAM_CLIENT, "llo", 1, true},
		{STREAM_CLIENT, "\r\n", 1, false},
		{STREAM_CLIENT, "c SEARCH TEXT {3+}\r\na", 2, true},
		{STREAM_SERVER, "b OK [APPENDUID 1 2] done\r\n", 1, true},
		{STREAM_SERVER, "c OK early\r\n", 1, true}, // nobody can agree yet
		{STREAM_CLIENT, "bc\r\nd IDLE\r\n", 2, false},
		{STREAM_SERVER, "c NO\r\n+ idling\r\n", 1, false},
		{STREAM_CLIENT, "DONE\r\n", 1, false},
		{STREAM_SERVER, "d OK\r\n", 0, false},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		say(talk, steps[i].dir, steps[i].text);
		if (imap->n_flights != steps[i].n || (imap->busy != NULL) != steps[i].is_busy)
			fail_msg("%s: %d in flight", steps[i].text, imap->n_flights);
	}
	assert_in_range(talk_memory(talk), 1, before + 256); // what was counted stays
	say(talk, STREAM_CLIENT, "e NOOP\r\nf SELECT Work\r\n");
	assert_int_equal(imap->n_flights, 2);
	assert_null(strstr(talk_end(talk, imap_dump), "leaked "));
	talk_close(talk);
}

// RFC 2971 allows 30 pairs, keys of 30 bytes, values of 1,024.
static void i23_a_huge_id_is_bounded(void **) {
	static const int counts[] = {29, 30, 31, 3000};

	for (int c = 0; c < 4; c++) {
		char *facts = limit_facts(
			&(struct limit){
				.before = "t ID (\"name\" \"x\"",
				.what = " \"key\" \"value\"",
				.behind = ")\r\nz NOOP\r\n",
			},
			c % 2,
			counts[c],
			60000
		);
		assert_non_null(strstr(facts, "ID=1"));
		assert_non_null(strstr(facts, "NOOP=1"));
		free(facts);
	}
}

// I18: a megabyte of zeros is a kilobyte; several bombs on one flow are one.
static void i18_a_bomb_is_given_up(void **) {
	enum { SIZE = INFLATE_FREE_SIZE / 2 + (1 << 20), N = 4 };
	static uint8_t zeros[1 << 16], wire[1 << 19];
	z_stream z = {.next_out = wire, .avail_out = sizeof(wire)};
	struct talk *talk = talk_logged_in();

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	memset(zeros, 'x', sizeof(zeros));
	say(talk, STREAM_CLIENT, "3 COMPRESS DEFLATE\r\n");
	say(talk, STREAM_SERVER, "3 OK\r\n");
	for (int bomb = 0; bomb < N; bomb++) {
		z.next_in = (uint8_t *)"* 1 FETCH (BODY[] {9437184}\r\n";
		z.avail_in = 30;
		assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
		for (size_t at = 0; at < SIZE; at += sizeof(zeros)) {
			z.next_in = zeros;
			z.avail_in = sizeof(zeros);
			assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
		}
		z.next_in = (uint8_t *)")\r\n";
		z.avail_in = 3;
		assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	}
	for (size_t at = 0; at < z.total_out; at += 1448) {
		talk_data(
			talk,
			STREAM_SERVER,
			wire + at,
			z.total_out - at < 1448 ? z.total_out - at : 1448
		);
		assert_true(talk_memory(talk) < 2 * INFLATER_SIZE + 20000);
	}
	deflateEnd(&z);
	const struct play_part parts[] = {
		{PLAY_DATA, STREAM_SERVER, "* OK ready\r\n", 12},
		{PLAY_DATA, STREAM_CLIENT, "1 LOGIN a p\r\n2 COMPRESS DEFLATE\r\n", 33},
		{PLAY_DATA, STREAM_SERVER, "1 OK\r\n2 OK\r\n", 12},
		{PLAY_DATA, STREAM_SERVER, wire, z.total_out},
	};
	assert_true(play_beside("bombs", BESIDE_IMAP, parts, 4));
	assert_true(talk_session(talk)->events >> EVENT_compression_bomb & 1);
	assert_null(strstr(talk_end(talk, NULL), "leaked "));
	talk_close(talk);
}

// N2: whatever the slab's size, nothing breaks, and what could not be kept is told.
static void a_full_slab_is_stated_and_breaks_nothing(void **) {
	static const char client[]
		= "1 LOGIN {4+}\r\nanna secret\r\n2 SELECT INBOX\r\n3 FETCH 1:9 (UID BODY[])\r\n"
		  "4 APPEND Sent {5+}\r\nhello\r\n5 STORE 1 +FLAGS (\\Deleted)\r\n";
	static const char server[]
		= "* OK hi\r\n1 OK in\r\n* 9 EXISTS\r\n2 OK\r\n* 1 FETCH (UID 5 BODY[] {3}\r\nabc "
		  "FLAGS (\\Deleted))\r\n3 OK\r\n4 OK\r\n5 OK\r\n";
	bool was_full = false, was_kept = false;

	// Room for ever more pages, from none: each serves one size of block.
	for (size_t pages = 1; pages <= 16; pages++) {
		struct talk *talk = talk_open(&proto_imap, pages << 16);
		for (size_t at = 0; at < sizeof(client) - 1; at++)
			talk_data(talk, STREAM_CLIENT, client + at, 1);
		for (size_t at = 0; at < sizeof(server) - 1; at++)
			talk_data(talk, STREAM_SERVER, server + at, 1);
		was_full |= (talk_session(talk)->events & UINT64_C(1) << EVENT_memory_full) != 0;
		was_kept |= talk_session(talk)->login == LOGIN_SUCCESS;
		assert_null(strstr(talk_end(talk, NULL), "\nleaked "));
		talk_close(talk);
	}
	assert_true(was_full);
	assert_true(was_kept);
}

static void i2_a_literal_is_read_inside_its_line_and_by_its_grammar(void **) {
	static const struct {
		const char *line;
		int found;
		uint64_t size;
		bool is_sync;
	} cases[] = {
		{"a LOGIN {5}", 1, 5, true},
		{"a LOGIN {5+}", 1, 5, false},
		{"a APPEND x ~{000000000000000001}", 1, 1, true},
		{"{7}", 1, 7, true},
		{"a {}", -1, 0, false},
		{"a {-1}", -1, 0, false},
		{"a { 5}", -1, 0, false},
		{"a LOGIN {9999999999}", 1, 9999999999, true},
		{"a {+5}", -1, 0, false},
		{"a {99999999999999999999}", -1, 0, false},
		{"a }", 0, 0, false},
		{"}", 0, 0, false},
		{"", 0, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size = strlen(cases[i].line);
		// What stands behind the line is not part of it, even where it would change it.
		uint8_t *exact = malloc(size + 1);
		struct imap_literal literal = {0};

		memcpy(exact, cases[i].line, size);
		exact[size] = '{';
		assert_int_equal(imap_literal_find(exact, size, &literal), cases[i].found);
		if (cases[i].found > 0) {
			assert_int_equal(literal.size, cases[i].size);
			assert_int_equal(literal.is_sync, cases[i].is_sync);
		}
		free(exact);
	}
}

// More connections at once than may be inflated are not, and say so; when one ends, another may.
static void only_so_many_connections_are_inflated(void **) {
	struct talk *talk;

	for (talk_inflaters_max = 0; talk_inflaters_max <= 2; talk_inflaters_max++) {
		talk = talk_logged_in();
		say(talk, STREAM_CLIENT, "3 COMPRESS DEFLATE\r\n");
		say(talk, STREAM_SERVER, "3 OK\r\n");
		assert_int_equal(
			(talk_session(talk)->events & UINT64_C(1) << EVENT_compressed) != 0,
			talk_inflaters_max < 2
		);
		assert_null(strstr(talk_end(talk, NULL), "leaked "));
		talk_close(talk);
	}
	talk_inflaters_max = 2;
}

// Each by its name, in capitals and not, and by no beginning of it.
static void every_command_is_found_by_its_name(void **) {
	static const char *const names[] = {
#define IMAP_COMMAND(id, name, verb) [IMAP_##id] = name,
#include "proto/imap/imap_command.def"
#undef IMAP_COMMAND
	};

	const size_t first = IMAP_OTHER + 1;
	const char *misnamed = talk_misnamed(
		&proto_imap,
		imap_dump,
		names + first,
		sizeof(names) / sizeof(names[0]) - first,
		"a ",
		" x",
		"* OK ready\r\n",
		"a BAD\r\n"
	);

	if (misnamed)
		fail_msg("%s is not found by its name", misnamed);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i2_a_literal_is_read_inside_its_line_and_by_its_grammar),
		cmocka_unit_test(every_command_is_found_by_its_name),
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
		cmocka_unit_test(an_idle_session_costs_a_few_hundred_bytes),
		cmocka_unit_test(i1_memory_grows_with_bytes_received_only),
		cmocka_unit_test(i1_what_is_announced_takes_no_memory),
		cmocka_unit_test(i1_i3_i29_limits_bite_in_each_state),
		cmocka_unit_test(i3_a_servers_literals_are_counted_too),
		cmocka_unit_test(i12_parentheses_beyond_the_limit_break_only_what_they_stand_in),
		cmocka_unit_test(i29_a_command_lives_from_its_line_to_its_answer),
		cmocka_unit_test(i23_a_huge_id_is_bounded),
		cmocka_unit_test(i18_a_bomb_is_given_up),
		cmocka_unit_test(only_so_many_connections_are_inflated),
		cmocka_unit_test(a_full_slab_is_stated_and_breaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
