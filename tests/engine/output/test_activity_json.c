// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "lines.h"
#include "output/activity_json.h"
#include "output/uid_set.h"
#include "output/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof(*(array)))

static FILE *lines;

// ---- Random activities, in the whole range of every member.

static uint64_t random_u64(void) {
	uint64_t value = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();

	return rand() % 4 == 0 ? 0 : value >> rand() % 64;
}

static uint32_t random_u32(void) {
	return rand() % 8 == 0 ? UINT32_MAX : (uint32_t)random_u64();
}

static void random_text(char *text, size_t size) {
	static const char *const parts[] = {
		"a",
		"B",
		"/",
		"\"",
		"\\",
		"\n",
		"\x01",
		"č",
		"€",
		"\xf0\x9f\x93\xa7",
		"\xc2\x9b",
		"\xe2\x80\xa8",
	};
	size_t max = rand() % 4 ? (size_t)rand() % size : size - 1, used = 0;

	for (;;) {
		const char *part = parts[(size_t)rand() % N(parts)];
		if (used + strlen(part) > max)
			break;
		strcpy(text + used, part);
		used += strlen(part);
	}
}

static void random_ranges(struct uid_ranges *ranges) {
	uint64_t next = 1;

	for (int n = rand() % (ACTIVITY_RANGES_MAX + 1); n > 0; n--) {
		uint64_t first = next + (uint64_t)rand() % (rand() % 8 ? 1000 : 100000000);
		uint64_t last = first + (uint64_t)(rand() % 2 ? 0 : rand() % 100000000);
		if (last > UINT32_MAX)
			return;
		ranges->range[ranges->n++] = (struct uid_range){(uint32_t)first, (uint32_t)last};
		next = last + 2; // apart
	}
}

static void random_mailbox(struct activity_mailbox *mailbox) {
	random_text(mailbox->name, sizeof(mailbox->name));
	mailbox->examine = rand() % 2;
	random_ranges(&mailbox->bodies);
	random_ranges(&mailbox->headers);
	mailbox->bytes = random_u64() >> 1;
	mailbox->uidvalidity = random_u32();
	mailbox->uidnext = random_u32();
	mailbox->peek = random_u32();
	mailbox->n_bodies = random_u32();
	mailbox->n_headers = random_u32();
	mailbox->dated = random_u32();
	mailbox->old = random_u32();
	mailbox->search.text = random_u32();
	mailbox->search.header = random_u32();
	mailbox->search.flag = random_u32();
	mailbox->search.date = random_u32();
	mailbox->store = random_u32();
	mailbox->move = random_u32();
	mailbox->copy = random_u32();
	mailbox->append = random_u32();
	mailbox->expunge = random_u32();
}

static void random_source(struct activity *a) {
	a->source.ip.family = (uint8_t)(int[]){0, 4, 6}[rand() % 3];
	for (int i = 0; i < (a->source.ip.family == 4 ? 4 : a->source.ip.family ? 16 : 0); i++)
		a->source.ip.addr[i] = (uint8_t)(rand() % 3 ? 0 : rand());
	a->source.asn = random_u32();
	random_text(a->source.country, sizeof(a->source.country));
	a->source.network = (uint8_t)(rand() % (NETWORK_OFFICE + 1));
}

static void random_sent(struct activity_sent *sent) {
	sent->n_to = (uint8_t)(rand() % (ACTIVITY_RECIPIENTS_MAX + 1));
	for (int i = 0; i < sent->n_to; i++)
		random_text(sent->to[i], sizeof(sent->to[i]));
	sent->n_recipients = rand() % 2 ? sent->n_to : random_u32();
	sent->bytes = random_u64() >> 1;
	sent->attachments = random_u32();
}

static void random_activity(struct activity *a) {
	memset(a, 0, sizeof(*a));
	a->time_ns = (uint64_t)rand() * 1000000000 + (uint64_t)rand() % 1000000000;
	for (int i = 0; i < 16; i++)
		a->session[i] = (uint8_t)rand();
	a->protocol = (uint8_t)(rand() % ACTIVITY_PROTOCOLS);
	random_text(a->account, sizeof(a->account));
	random_source(a);
	random_text(a->client.id, sizeof(a->client.id));
	random_text(a->client.ja4, sizeof(a->client.ja4));
	a->client.grammar = random_u32();
	random_text(a->client.helo, sizeof(a->client.helo));
	a->auth.success = (uint16_t)random_u32();
	a->auth.failure = (uint16_t)random_u32();
	random_text(a->auth.mechanism, sizeof(a->auth.mechanism));
	a->auth.password = random_u64();
	a->n_mailboxes = (uint8_t)(rand() % (ACTIVITY_MAILBOXES_MAX + 1));
	for (int i = 0; i < a->n_mailboxes; i++)
		random_mailbox(&a->mailboxes[i]);
	a->n_sent = (uint8_t)(rand() % (ACTIVITY_SENT_MAX + 1));
	for (int i = 0; i < a->n_sent; i++)
		random_sent(&a->sent[i]);
	a->n_forward = (uint8_t)(rand() % (ACTIVITY_FORWARDS_MAX + 1));
	for (int i = 0; i < a->n_forward; i++)
		random_text(a->forward[i], sizeof(a->forward[i]));
	a->n_acl = (uint8_t)(rand() % (ACTIVITY_ACL_MAX + 1));
	for (int i = 0; i < a->n_acl; i++)
		random_text(a->acl[i], sizeof(a->acl[i]));
	a->n_matches = (uint8_t)(rand() % (ACTIVITY_MATCHES_MAX + 1));
	for (int i = 0; i < a->n_matches; i++) {
		random_text(a->matches[i].rule, sizeof(a->matches[i].rule));
		a->matches[i].count = random_u32();
		a->matches[i].n_values = (uint8_t)(rand() % (ACTIVITY_VALUES_MAX + 1));
		for (int j = 0; j < a->matches[i].n_values; j++)
			a->matches[i].values[j] = random_u32();
		// What has no place has no offset.
		random_text(a->matches[i].field, sizeof(a->matches[i].field));
		a->matches[i].offset = a->matches[i].field[0] != '\0' ? random_u32() : 0;
		random_text(a->matches[i].part, sizeof(a->matches[i].part));
		random_text(a->matches[i].excerpt, sizeof(a->matches[i].excerpt));
	}
	a->idle = rand() % 2;
	a->end = rand() % 2;
	// What a share of up to a hundred million bytes can be told by.
	a->seen = rand() % 3 ? 1.0f : (float)(rand() % 100000001) / 100000000.0f;
	if (a->seen < 0.1f)
		a->seen = 0;
}

// Padding is zero on both sides: random_activity() and the reader begin with memset and write members
// only, so equal bytes are equal activities.
static void what_is_written_is_read_back_exactly(void **state) {
	static char buffer[ACTIVITY_LINE_SIZE_MAX];
	static struct activity a, b;
	unsigned seed = (unsigned)time(NULL);
	size_t longest = 0;
	char error[200];

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 2000; round++) {
		size_t size;
		char *exact;

		random_activity(&a);
		size = activity_json_write(&a, buffer, sizeof(buffer));
		longest = size > longest ? size : longest;
		exact = malloc(size);
		memcpy(exact, buffer, size);
		memset(&b, 0xaa, sizeof(b));
		if (activity_json_read(exact, size, &b, error, sizeof(error)))
			fail_msg("%s: %.*s", error, (int)size, buffer);
		free(exact);
		if (memcmp(&a, &b, sizeof(a)))
			print_message("%.*s\n", (int)size, buffer);
		assert_memory_equal(&a, &b, sizeof(a));
		if (round % 10 == 0)
			fprintf(lines, "%.*s\n", (int)size, buffer);
	}
	print_message("longest line %zu\n", longest);
}

static void the_fullest_activity_fits_its_line(void **state) {
	static char buffer[ACTIVITY_LINE_SIZE_MAX];
	static struct activity a;
	size_t size;

	memset(&a, 1, sizeof(a)); // every text is of characters that take six bytes
	memset(&a.mailboxes, 1, sizeof(a.mailboxes));
	a.time_ns = 1768204862123456789;
	a.protocol = ACTIVITY_LMTP;
	a.source.network = NETWORK_HOSTING;
	a.source.ip.family = 6;
	a.n_mailboxes = ACTIVITY_MAILBOXES_MAX;
	a.n_sent = ACTIVITY_SENT_MAX;
	a.n_forward = ACTIVITY_FORWARDS_MAX;
	a.n_acl = ACTIVITY_ACL_MAX;
	a.n_matches = ACTIVITY_MATCHES_MAX;
	a.account[ACCOUNT_SIZE - 1] = a.source.country[2] = a.client.id[95] = a.client.ja4[39]
		= '\0';
	a.client.helo[95] = a.auth.mechanism[19] = '\0';
	a.seen = 0.123456789f;
	for (int i = 0; i < ACTIVITY_MAILBOXES_MAX; i++) {
		a.mailboxes[i].name[ACTIVITY_MAILBOX_NAME_SIZE - 1] = '\0';
		a.mailboxes[i].bodies.n = a.mailboxes[i].headers.n = ACTIVITY_RANGES_MAX;
		for (uint32_t k = 0; k < ACTIVITY_RANGES_MAX; k++)
			a.mailboxes[i].bodies.range[k] = a.mailboxes[i].headers.range[k]
				= (struct uid_range){4000000000 + 4 * k, 4000000001 + 4 * k};
	}
	for (int i = 0; i < ACTIVITY_SENT_MAX; i++) {
		a.sent[i].n_to = ACTIVITY_RECIPIENTS_MAX;
		for (int k = 0; k < ACTIVITY_RECIPIENTS_MAX; k++)
			a.sent[i].to[k][ACTIVITY_ADDRESS_SIZE - 1] = '\0';
	}
	for (int i = 0; i < ACTIVITY_FORWARDS_MAX; i++)
		a.forward[i][ACTIVITY_ADDRESS_SIZE - 1] = '\0';
	for (int i = 0; i < ACTIVITY_ACL_MAX; i++)
		a.acl[i][ACCOUNT_SIZE - 1] = '\0';
	for (int i = 0; i < ACTIVITY_MATCHES_MAX; i++) {
		struct activity_match *match = &a.matches[i];

		match->rule[sizeof(match->rule) - 1] = '\0';
		match->field[sizeof(match->field) - 1] = '\0';
		match->part[sizeof(match->part) - 1] = '\0';
		match->excerpt[sizeof(match->excerpt) - 1] = '\0';
		match->n_values = ACTIVITY_VALUES_MAX;
		match->offset = INT64_MAX;
	}
	size = activity_json_write(&a, buffer, sizeof(buffer));
	assert_true(size < ACTIVITY_LINE_SIZE_MAX);
	assert_int_equal(buffer[size - 1], '}');
	fprintf(lines, "%.*s\n", (int)size, buffer);
}

// ---- Lines from others

static int read_line(const char *line, struct activity *a, char error[200]) {
	size_t size = strlen(line);
	char *exact = malloc(size + !size);
	int rc;

	memcpy(exact, line, size);
	error[0] = '\0';
	rc = activity_json_read(exact, size, a, error, 200);
	free(exact);
	return rc;
}

static void the_least_line_is_zero_everywhere_else(void **state) {
	static struct activity a, expected;
	char error[200];

	expected.time_ns = 1768204862000000000;
	assert_int_equal(read_line("{\"time\":\"2026-01-12T08:01:02Z\"}", &a, error), 0);
	assert_memory_equal(&a, &expected, sizeof(a));
	assert_int_equal(
		read_line(
			"{\"time\":\"2026-01-12T08:01:02Z\",\"unknown\":{\"a\":[1]},\"account\":"
			"null,"
			"\"source\":{},\"client\":null,\"mailboxes\":[],\"sent\":null}",
			&a,
			error
		),
		0
	);
	assert_memory_equal(&a, &expected, sizeof(a));
}

// As other programs write the same: floating numbers, capitals, IPv4 within IPv6.
static void other_spellings_mean_the_same(void **state) {
	static struct activity a;
	char error[200];

	assert_int_equal(
		read_line(
			"{\"time\":\"2026-01-12T08:01:02Z\",\"protocol\":\"POP3\",\"auth\":{"
			"\"success\":1.0},"
			"\"source\":{\"ip\":\"::ffff:192.0.2.9\",\"asn\":64500.0,\"network\":"
			"\"Hosting\"},"
			"\"mailboxes\":[{\"name\":\"INBOX\",\"bytes\":1.5e5}],"
			"\"matches\":[{\"rule\":\"r\",\"values\":[7.0]}]}",
			&a,
			error
		),
		0
	);
	assert_int_equal(a.protocol, ACTIVITY_POP3);
	assert_int_equal(a.auth.success, 1);
	assert_int_equal(a.source.ip.family, 4);
	assert_memory_equal(a.source.ip.addr, "\xc0\x00\x02\x09\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(a.source.asn, 64500);
	assert_int_equal(a.source.network, NETWORK_HOSTING);
	assert_int_equal(a.mailboxes[0].bytes, 150000);
	assert_int_equal(a.matches[0].values[0], 7);
}

static void times_with_fractions_and_offsets(void **state) {
	static const struct {
		const char *text;
		uint64_t ns; // 0: refused
	} cases[] = {
		{"2026-01-12T08:01:02Z", 1768204862000000000},
		{"2026-01-12t08:01:02z", 1768204862000000000},
		{"2026-01-12T08:01:02.1Z", 1768204862100000000},
		{"2026-01-12T08:01:02.123456789Z", 1768204862123456789},
		{"2026-01-12T08:01:02.1234567891234Z", 1768204862123456789},
		{"2026-01-12T09:01:02+01:00", 1768204862000000000},
		{"2026-01-12T02:31:02.5-05:30", 1768204862500000000},
		{"2024-02-29T00:00:00Z", 1709164800000000000},
		{"2016-12-31T23:59:60Z", 1483228800000000000}, // a leap second
		{"2553-12-31T23:59:59.999999999Z", 18429292799999999999u},
		{"1970-01-01T00:00:01Z", 1000000000},
		{"2026-02-29T00:00:00Z", 0},
		{"2026-13-01T00:00:00Z", 0},
		{"2026-00-01T00:00:00Z", 0},
		{"2026-01-00T00:00:00Z", 0},
		{"2026-01-01T24:00:00Z", 0},
		{"2026-01-01T00:60:00Z", 0},
		{"2026-01-01T00:00:61Z", 0},
		{"2026-01-01T00:00:00", 0},
		{"2026-01-01T00:00:00.Z", 0},
		{"2026-01-01T00:00:00Zx", 0},
		{"2026-01-01T00:00:00+0100", 0},
		{"2026-01-01T00:00:00+01:00x", 0},
		{"2026-1-1T00:00:00Z", 0},
		{"1969-12-31T23:59:59Z", 0},
		{"1970-01-01T00:00:00+00:01", 0},
		{"2554-01-01T00:00:00Z", 0},
		{"", 0},
		{"2026", 0},
		{"2026-", 0},
	};

	for (size_t i = 0; i < N(cases); i++) {
		static struct activity a;
		char line[100], error[200];

		snprintf(line, sizeof(line), "{\"time\":\"%s\"}", cases[i].text);
		assert_int_equal(read_line(line, &a, error), cases[i].ns ? 0 : -1);
		assert_int_equal(a.time_ns, cases[i].ns);
	}
}

static void errors_name_the_member(void **state) {
	static const char *const cases[][2] = {
		{"{", "not JSON: "},
		{"", "not JSON: "},
		{"[]", "line: not a JSON object"},
		{"{}", "time: missing"},
		{"{\"time\":5}", "time: not a string"},
		{"{\"kind\":\"alert\"}", "kind: not activity"},
		{"\"protocol\":\"gopher\"", "protocol: none of imap smtp pop3 sieve lmtp tls"},
		{"\"session\":\"x\"", "session: not a UUID"},
		{"\"session\":\"0194f1c2-0001-7000-8000-0000000000090\"", "session: not a UUID"},
		{"\"account\":5", "account: not a string"},
		{"\"account\":\"a\\u0000b\"", "not JSON: "},
		{"\"source\":[]", "source: not an object"},
		{"\"source\":{\"ip\":\"1.2.3\"}", "source.ip: not an IPv4 or IPv6 address"},
		{"\"source\":{\"asn\":4294967296}",
		 "source.asn: not a whole number from 0 to 4294967295"},
		{"\"source\":{\"network\":\"moon\"}",
		 "source.network: none of access mobile hosting vpn tor office"},
		{"\"client\":{\"grammar\":\"123456789\"}",
		 "client.grammar: not one to 8 hexadecimal digits"},
		{"\"client\":{\"grammar\":\"0x12\"}",
		 "client.grammar: not one to 8 hexadecimal digits"},
		{"\"auth\":{\"success\":65536}",
		 "auth.success: not a whole number from 0 to 65535"},
		{"\"auth\":{\"failure\":-1}", "auth.failure: not a whole number from 0 to 65535"},
		{"\"auth\":{\"failure\":1.5}", "auth.failure: not a whole number from 0 to 65535"},
		{"\"mailboxes\":{}", "mailboxes: not an array"},
		{"\"mailboxes\":[5]", "mailboxes: not an array of objects"},
		{"\"mailboxes\":[{},{\"bodies\":\"1,*\"}]",
		 "mailboxes[1].bodies: not a UID set like 1:9,12"},
		{"\"mailboxes\":[{\"search\":{\"text\":\"1\"}}]",
		 "mailboxes[0].search.text: not a whole number from 0 to 4294967295"},
		{"\"mailboxes\":[{\"mode\":\"open\"}]",
		 "mailboxes[0].mode: none of select examine"},
		{"\"sent\":[{\"to\":\"a@b\"}]", "sent[0].to: not an array"},
		{"\"sent\":[{\"to\":[1]}]", "sent[0].to: not an array of strings"},
		{"\"matches\":[{\"rule\":1}]", "matches[0].rule: not a string"},
		{"\"forward\":\"x\"", "forward: not an array"},
		{"\"idle\":1", "idle: neither true nor false"},
		{"\"seen\":1.5", "seen: not a number from 0 to 1"},
		{"\"seen\":true", "seen: not a number from 0 to 1"},
		{"\"idle\":true,\"idle\":true", "not JSON: "},
	};

	for (size_t i = 0; i < N(cases); i++) {
		static struct activity a;
		char line[200], error[200];

		snprintf(
			line,
			sizeof(line),
			cases[i][0][0] == '"' ? "{\"time\":\"2026-01-12T08:01:02Z\",%s}" : "%s",
			cases[i][0]
		);
		assert_int_equal(read_line(line, &a, error), -1);
		error[cases[i][1][strlen(cases[i][1]) - 1] == ' ' ? strlen(cases[i][1]) : 199]
			= '\0';
		assert_string_equal(error, cases[i][1]);
	}
}

// What a line holds must not forge a second line of the report about it.
static void an_error_is_one_harmless_line(void **state) {
	static struct activity a;
	char error[200];

	assert_int_equal(read_line("{\"time\":\"2026\nfatal: \x1b[2J\"}", &a, error), -1);
	for (const char *p = error; *p; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void what_does_not_fit_is_cut(void **state) {
	static struct activity a;
	static char line[20000];
	char error[200], *p = line;

	p += sprintf(p, "{\"time\":\"2026-01-12T08:01:02Z\",\"account\":\"");
	for (int i = 0; i < 200; i++)
		p += sprintf(p, "č");
	p += sprintf(p, "\",\"mailboxes\":[{\"name\":\"");
	for (int i = 0; i < 200; i++)
		p += sprintf(p, "č");
	p += sprintf(p, "\",\"bodies\":\"");
	for (int i = 0; i < 30; i++)
		p += sprintf(p, "%s%d:%d", i ? "," : "", 10 * i + 1, 10 * i + 2);
	p += sprintf(
		p,
		"\"},{},{},{},{}],\"sent\":[{\"to\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]}],"
		"\"matches\":["
	);
	for (int i = 0; i < 12; i++)
		p += sprintf(p, "%s{\"rule\":\"r%d\"}", i ? "," : "", i);
	sprintf(p, "]}");
	assert_int_equal(read_line(line, &a, error), 0);
	assert_int_equal(strlen(a.account), 254); // whole characters
	assert_int_equal(a.n_mailboxes, ACTIVITY_MAILBOXES_MAX);
	assert_int_equal(strlen(a.mailboxes[0].name), 110 + 17);
	assert_int_equal(a.mailboxes[0].name[110], '~');
	assert_int_equal(a.mailboxes[0].bodies.n, ACTIVITY_RANGES_MAX);
	assert_int_equal(a.mailboxes[0].n_bodies, 60); // all of them
	assert_int_equal(a.sent[0].n_to, ACTIVITY_RECIPIENTS_MAX);
	assert_int_equal(a.sent[0].n_recipients, 6);
	assert_int_equal(a.n_matches, ACTIVITY_MATCHES_MAX);
}

// ---- UID sets against a bitmap

static void uid_sets_of_any_order_and_overlap_are_sorted_apart(void **state) {
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		bool is_in[66] = {false};
		struct uid_ranges ranges;
		char text[200], *p = text;
		uint32_t n_uids, n = 0;
		int n_runs = 0;

		for (int i = rand() % 12; i >= 0; i--) {
			int first = rand() % 64 + 1, last = rand() % 2 ? first : rand() % 64 + 1;
			p += sprintf(p, "%s%d", p > text ? "," : "", first);
			if (first != last)
				p += sprintf(p, ":%d", last);
			for (int u = first < last ? first : last; u <= first || u <= last; u++)
				is_in[u] = true;
		}
		assert_int_equal(uid_set_read(text, (size_t)(p - text), &ranges, &n_uids), 0);
		for (int u = 1; u <= 65; u++) {
			n += is_in[u];
			n_runs += is_in[u - 1] && !is_in[u];
		}
		assert_int_equal(n_uids, n);
		assert_int_equal(ranges.n, n_runs);
		for (int i = 0; i < ranges.n; i++) {
			struct uid_range range = ranges.range[i];
			assert_false(is_in[range.first - 1]);
			assert_false(is_in[range.last + 1]);
			for (uint32_t u = range.first; u <= range.last; u++)
				assert_true(is_in[u]);
			assert_true(i == 0 || ranges.range[i - 1].last < range.first);
		}
	}
}

static void odd_uid_sets(void **state) {
	static const struct {
		const char *text;
		int rc;
		uint32_t n;
	} cases[] = {
		{"", 0, 0},
		{"1", 0, 1},
		{"4294967295", 0, 1},
		{"1:4294967295", 0, 4294967295},
		{"4294967295:1", 0, 4294967295},
		{"1:4294967295,1:4294967295", 0, 4294967295},
		{"4294967294,4294967295", 0, 2},
		{"1,1,1", 0, 1},
		{"4294967296", -1, 0},
		{"99999999999999999999999", -1, 0},
		{"0", -1, 0},
		{"0:5", -1, 0},
		{"*", -1, 0},
		{"1:*", -1, 0},
		{"1:", -1, 0},
		{":1", -1, 0},
		{"1,", -1, 0},
		{",1", -1, 0},
		{"1,,2", -1, 0},
		{"1 2", -1, 0},
		{"1:2:3", -1, 0},
		{"-1", -1, 0},
		{"+1", -1, 0},
	};

	for (size_t i = 0; i < N(cases); i++) {
		size_t size = strlen(cases[i].text);
		char *exact = malloc(size + !size);
		struct uid_ranges ranges;
		uint32_t n = 0;

		memcpy(exact, cases[i].text, size);
		assert_int_equal(uid_set_read(exact, size, &ranges, &n), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(n, cases[i].n);
		free(exact);
	}
}

static void all_lines_are_valid_by_schema(void **state) {
	assert_int_equal(lines_check(lines, *state, 0), 0);
}

int main(void) {
	static char path[64];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back_exactly),
		cmocka_unit_test(the_fullest_activity_fits_its_line),
		cmocka_unit_test(the_least_line_is_zero_everywhere_else),
		cmocka_unit_test(other_spellings_mean_the_same),
		cmocka_unit_test(times_with_fractions_and_offsets),
		cmocka_unit_test(errors_name_the_member),
		cmocka_unit_test(an_error_is_one_harmless_line),
		cmocka_unit_test(what_does_not_fit_is_cut),
		cmocka_unit_test(uid_sets_of_any_order_and_overlap_are_sorted_apart),
		cmocka_unit_test(odd_uid_sets),
		cmocka_unit_test_prestate(all_lines_are_valid_by_schema, path),
	};

	lines = lines_open(path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
