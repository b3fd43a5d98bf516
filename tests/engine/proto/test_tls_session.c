// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Sessions that are TLS, from their segments to their records: second hellos, floods of names and of alerts
// (HOSTILE.md section 5, L6, L7, L9).

#include "desk.h"
#include "hello.h"
#include "limits.h"
#include "play.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- A session as a reader of play.h: says of each record what TLS showed, and its events but "encrypted"

struct reading {
	struct desk *desk;
	struct desk_connection connection;
	FILE *out;
	char *text;
	size_t size;
};

static const char *member(const json_t *of, const char *name, const char *next) {
	const json_t *value = json_object_get(of, name);

	return json_string_value(next ? json_object_get(value, next) : value);
}

static void record_say(struct desk *desk) {
	struct reading *r = desk->ctx;
	json_t *record = json_loads(desk->line, 0, NULL), *event;
	const json_t *ours = json_object_get(record, "postern");
	const json_t *tls = json_object_get(record, "tls");
	size_t i;

	assert_non_null(record);
	fprintf(r->out,
		"%s %s %s",
		member(record, "network", "protocol"),
		member(tls, "client", "server_name") ?: "-",
		member(ours, "ja4", NULL) ?: "-");
	json_array_foreach(
		json_object_get(ours, "events"), i, event
	) if (strcmp(json_string_value(event), "encrypted") != 0)
		fprintf(r->out, " %s", json_string_value(event));
	fputs("\n", r->out);
	json_decref(record);
}

static void *reading_open(const void *) {
	struct reading *r = calloc(1, sizeof(*r));

	r->out = open_memstream(&r->text, &r->size);
	r->desk = desk_open(1 << 20, 64);
	r->desk->record = record_say;
	r->desk->ctx = r;
	r->connection = desk_connect(r->desk, 1, 143);
	return r;
}

static void reading_data(void *ctx, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct reading *r = ctx;

	desk_say(&r->connection, dir, data, size);
}

static char *reading_end(void *ctx) {
	struct reading *r = ctx;
	char *text;

	desk_hang_up(&r->connection);
	desk_end(r->desk);
	if (slab_used(r->desk->engine->slab) > 0)
		fputs("leaked\n", r->out);
	fclose(r->out);
	text = r->text;
	desk_close(r->desk);
	free(r);
	return text;
}

static enum beside_as reading_as(const void *) {
	return BESIDE_IMAP; // its port
}

static const struct play_reader reader
	= {.as = reading_as, .open = reading_open, .data = reading_data, .end = reading_end};

// ---- L6

// What a client changes in its second hello, and what is said of it. The record is the first one's.
static const struct second {
	const char *name, *ciphers, *alpn, *versions, *extensions;
	const char *event;
} seconds[] = {
	{.event = ""},
	{.extensions = "0000 0010 000d 002b 002c 0033", .event = ""}, // a cookie
	{.extensions = "000d 002b 0000 0010", .event = ""}, // and no key
	{.name = "Mail.example.org", .event = ""}, // the same without its dot
	{.name = "evil.example.org", .event = " bad_server_name"},
	{.name = "a b", .event = " bad_server_name"},
	{.extensions = "0010 000d 002b 0033", .event = " bad_server_name"}, // none
	{.ciphers = "1301", .event = " bad_client_hello"},
	{.alpn = "imap", .event = " bad_client_hello"},
	{.versions = "0303", .event = " bad_client_hello"},
	{.name = "evil.example.org",
	 .ciphers = "1301",
	 .event = " bad_client_hello bad_server_name"},
};

static void hello_put(struct bytes *to, const struct second *change) {
	static struct bytes body, records;
	struct hello of = hello_chrome;

	of.extensions = change->extensions ?: "0000 0010 000d 002b 0033";
	of.name = change->name ?: of.name;
	of.name_size = strlen(of.name);
	of.ciphers = change->ciphers ?: of.ciphers;
	of.alpn = change->alpn ?: of.alpn;
	of.alpn_size = strlen(of.alpn);
	of.versions = change->versions ?: of.versions;
	hello_body(&body, &of);
	hello_records(&records, &body, 16384);
	bytes_put(to, records.data, records.size);
}

#define RETRY "\x16\3\3\0\4\2\0\0\0" // nobody reads what a server says
#define CHANGE "\x14\3\3\0\1\1"
#define JA4 "t13d1505h2_8daaf6152771_"

static void seconds_check(const struct play_part *before, size_t n_before, const char *protocol) {
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		static struct bytes first, second;
		struct play_part parts[8] = {0};
		char expected[200];

		first.size = second.size = 0;
		hello_put(&first, &(struct second){0});
		bytes_put(&second, CHANGE, 6);
		hello_put(&second, &seconds[i]);
		bytes_put(&second, "\x17\3\3\0\2ab", 7);
		if (n_before > 0)
			memcpy(parts, before, n_before * sizeof(*before));
		parts[n_before]
			= (struct play_part){PLAY_DATA, STREAM_CLIENT, first.data, first.size};
		parts[n_before + 1] = (struct play_part){PLAY_DATA, STREAM_SERVER, RETRY, 9};
		parts[n_before + 2]
			= (struct play_part){PLAY_DATA, STREAM_CLIENT, second.data, second.size};
		char *found = play_check(&(struct play
		){"two hellos", &reader, NULL, parts, n_before + 3});
		assert_non_null(found);
		snprintf(expected, sizeof(expected), "%s mail.example.org " JA4, protocol);
		assert_memory_equal(found, expected, strlen(expected));
		// Behind the hash of the extensions: the events, and the end of the only record.
		snprintf(expected, sizeof(expected), "%s\n", seconds[i].event);
		assert_string_equal(strchr(strstr(found, JA4), '\0') - strlen(expected), expected);
		assert_ptr_equal(strchr(found, '\n'), strrchr(found, '\n'));
		free(found);
	}
}

// A client that names no server first, and then something that is no name.
static void nameless_check(void) {
	static const struct second none = {.extensions = "0010 000d 002b 0033"};
	static const struct second bad = {.name = "a b"};
	static struct bytes hellos;

	hellos.size = 0;
	hello_put(&hellos, &none);
	bytes_put(&hellos, CHANGE, 6);
	hello_put(&hellos, &bad);
	char *found = play_check_bytes("nameless", &reader, NULL, hellos.data, hellos.size);
	assert_non_null(found);
	assert_int_equal(strncmp(found, "tls - t13i", 10), 0);
	assert_non_null(strstr(found, " bad_server_name\n"));
	free(found);
}

static void l6_a_second_hello_changes_no_record_and_is_held_against_the_first(void **) {
	static const struct play_part starttls[] = {
		{PLAY_DATA, STREAM_SERVER, "* OK ready\r\n", 12},
		{PLAY_DATA, STREAM_CLIENT, "a STARTTLS\r\n", 12},
		{PLAY_DATA, STREAM_SERVER, "a OK begin\r\n", 12},
	};

	seconds_check(NULL, 0, "tls");
	nameless_check();
	seconds_check(starttls, 3, "imap");
}

// ---- L7: hellos with names that are all different

static struct bytes named;

// Each name is as long as names are.
static void named_make(uint32_t number) {
	static char name[256];
	struct hello of = hello_chrome;
	static struct bytes body;

	memset(name, 'x', 255);
	sprintf(name, "%08x", number);
	name[8] = '.';
	of.name = name;
	of.name_size = 255;
	hello_body(&body, &of);
	hello_records(&named, &body, 16384);
}

struct flood {
	uint64_t n_named; // records that name a server
	uint64_t n_full; // of TLS that say memory was full
	uint64_t n_good; // of the mail client's, who has logged in
};

static void flood_record(struct desk *desk) {
	struct flood *f = desk->ctx;

	f->n_named += strstr(desk->line, "\"server_name\"") != NULL;
	f->n_full += strstr(desk->line, "\"memory_full\"") != NULL
		&& strstr(desk->line, "\"tls\":{") != NULL;
	f->n_good += strstr(desk->line, "\"u1@example.org\"") != NULL
		&& strstr(desk->line, "\"success\"") != NULL;
}

// n clients, none of which goes on, after one who logs in and before he logs out.
static struct desk *flood(size_t slab_size, uint32_t n_flows, uint32_t n, struct flood *f) {
	struct desk *desk = desk_open(slab_size, n_flows);
	struct desk_connection good = desk_connect(desk, 1, 143);

	*f = (struct flood){0};
	desk->record = flood_record;
	desk->ctx = f;
	desk_say(&good, STREAM_SERVER, "* OK ready\r\n", 12);
	desk_say(&good, STREAM_CLIENT, "a LOGIN u1@example.org x\r\n", 26);
	desk_say(&good, STREAM_SERVER, "a OK done\r\n", 11);
	for (uint32_t i = 0; i < n; i++) {
		struct desk_connection c = desk_connect(desk, 2 + i, 993);
		named_make(i);
		desk_say(&c, STREAM_CLIENT, named.data, named.size);
		if (i % 16 == 0) {
			desk_say(&good, STREAM_CLIENT, "n NOOP\r\n", 8);
			desk_say(&good, STREAM_SERVER, "n OK\r\n", 6);
		}
	}
	desk_say(&good, STREAM_CLIENT, "b LOGOUT\r\n", 10);
	desk_say(&good, STREAM_SERVER, "* BYE\r\nb OK done\r\n", 18);
	desk_hang_up(&good);
	return desk;
}

// What nobody has room for is a session that is not there, or one without its hello, and counted as such.
static uint64_t lost(const struct desk *desk) {
	return desk->engine->stats.n_refused + desk->engine->stats.memory_full;
}

static uint64_t flood_lost(size_t slab_size, uint32_t n) {
	struct flood f;
	struct desk *desk = flood(slab_size, 1 << 17, n, &f);
	uint64_t n_lost = lost(desk);

	desk_close(desk);
	return n_lost;
}

// How many of them a slab has room for.
static uint32_t flood_room(size_t slab_size) {
	uint32_t fits = 1, too_many = 2;

	for (; flood_lost(slab_size, too_many) == 0; too_many *= 2)
		fits = too_many;
	while (too_many - fits > 1) {
		uint32_t middle = (fits + too_many) / 2;
		if (flood_lost(slab_size, middle) == 0)
			fits = middle;
		else
			too_many = middle;
	}
	return fits;
}

// Names live in the worker's slab and nowhere else. When it is full, whoever comes is counted, and those who
// were there before stay as they are.
static void l7_names_without_end_fill_the_slab_and_no_more(void **) {
	const size_t slab_size = 16 << 16;
	uint32_t room = flood_room(slab_size);
	const uint32_t counts[] = {room - 1, room, room + 1, 100 * room};

	print_message("%u of the largest names in %zu KiB\n", room, slab_size >> 10);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t n = counts[i], n_kept = n < room ? n : room;
		struct flood f;
		struct desk *desk = flood(slab_size, 1 << 17, n, &f);
		const struct engine_stats *stats = &desk->engine->stats;

		assert_true(slab_peak(desk->engine->slab) <= slab_size);
		assert_int_equal(stats->sessions[ACTIVITY_TLS] + stats->n_refused, n);
		assert_int_equal(stats->n_unrecognised, 0);
		assert_true(n > room ? lost(desk) >= n - room : lost(desk) == 0);
		desk_end(desk);
		assert_int_equal(f.n_good, 1);
		assert_int_equal(desk->n_records, 1 + stats->sessions[ACTIVITY_TLS]);
		assert_int_equal(f.n_named, n_kept);
		assert_int_equal(f.n_full, stats->sessions[ACTIVITY_TLS] - n_kept);
		assert_int_equal(desk->n_activities, 2); // the good one's: names go to no model
		assert_int_equal(slab_used(desk->engine->slab), 0);
		desk_close(desk);
	}
}

// Before that there are as many as there may be connections: the oldest of those that are silent are given up
// and recorded with their names; the few that find all others busy are refused. Both are counted.
static void l7_names_without_end_are_of_so_many_connections(void **) {
	enum { FLOWS = 256 };
	const uint32_t room = FLOWS - 1;
	const uint32_t counts[] = {room - 1, room, room + 1, 100 * room};
	struct flood f;
	struct desk *desk = flood(0, FLOWS, 1, &f);
	size_t each = slab_peak(desk->engine->slab);

	desk_close(desk);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t n = counts[i], n_more = n > room ? n - room : 0;
		desk = flood(0, FLOWS, n, &f);
		const struct flow_stats *flows = flow_stats(desk->flows);

		uint64_t n_opened = flows->flow_opened;
		assert_true(flow_n_open(desk->flows) <= FLOWS);
		assert_int_equal(flows->flow_evicted, n_opened - flow_n_open(desk->flows));
		// A connection without a place is tried for with each of its segments.
		assert_true(n + 1 - n_opened <= flows->flow_refused);
		assert_int_equal(n_more > 0, flows->flow_evicted + flows->flow_refused > 0);
		assert_true(n_opened >= n / 10 * 9);
		assert_true(slab_peak(desk->engine->slab) <= FLOWS * each);
		assert_int_equal(lost(desk), 0);
		desk_end(desk);
		assert_int_equal(f.n_good, 1);
		// The good one may be given up, too; it is two connections then, the second of a few words.
		assert_in_range(n_opened - desk->n_records, 0, n > FLOWS);
		assert_in_range(n_opened - f.n_named, 1, n > FLOWS ? 2 : 1);
		assert_int_equal(slab_used(desk->engine->slab), 0);
		desk_close(desk);
	}
}

// ---- L9

// Alerts before a hello, behind one, and the server's: they are counted, and said at most once, however many.
static void l9_alerts_without_end_are_one_event_and_no_memory(void **) {
	static const char alert[] = "\x15\3\3\0\2\1\x5a";
	static const enum stream_dir dirs[] = {STREAM_CLIENT, STREAM_CLIENT, STREAM_SERVER};
	static char *text;
	static size_t size;

	for (int i = 0; i < 3; i++) {
		struct reading *r = reading_open(NULL);
		named_make(1);
		if (i > 0)
			desk_say(&r->connection, STREAM_CLIENT, named.data, named.size);
		desk_say(&r->connection, dirs[i], alert, 7);
		size_t held = slab_used(r->desk->engine->slab);
		for (int k = 0; k < 20000; k++)
			desk_say(&r->connection, dirs[i], alert, 7);
		assert_true(slab_used(r->desk->engine->slab) <= held);
		assert_int_equal(r->desk->engine->stats.n_records, 0);
		text = reading_end(r);
		size = strlen(text);
		assert_ptr_equal(strchr(text, '\n'), text + size - 1); // one record
		assert_int_equal(strstr(text, "bad_client_hello") != NULL, i == 0);
		assert_null(strstr(text, "leaked"));
		free(text);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l6_a_second_hello_changes_no_record_and_is_held_against_the_first),
		cmocka_unit_test(l7_names_without_end_fill_the_slab_and_no_more),
		cmocka_unit_test(l7_names_without_end_are_of_so_many_connections),
		cmocka_unit_test(l9_alerts_without_end_are_one_event_and_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
