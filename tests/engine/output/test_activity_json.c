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
	for (int i = 0, n = rand() % 2 * 2; i < n; i++)
		a->source.country[i] = (char)('A' + rand() % 26);
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
	a->ambiguous = rand() % 2;
	a->end = rand() % 2;
	// What a share of up to a hundred million bytes can be told by.
	a->seen = rand() % 3 ? 1.0f : (float)(rand() % 100000001) / 100000000.0f;
	if (a->seen < 0.1f)
		a->seen = 0;
}

// ---- Reading

// What was taken of a line, and what was wrong in it: "member: what; member: what".
static struct {
	struct activity activities[8]; // the first ones
	int n;
	char wrong[2000];
} heard;

static void take(void *ctx, const struct activity *activity) {
	if ((size_t)heard.n < N(heard.activities))
		heard.activities[heard.n] = *activity;
	heard.n++;
}

static void wrong(void *ctx, const char *member, const char *what) {
	size_t used = strlen(heard.wrong);

	snprintf(
		heard.wrong + used,
		sizeof(heard.wrong) - used,
		"%s%s: %s",
		used ? "; " : "",
		member,
		what
	);
}

static const struct account_names *names; // NULL: as written

// How many activities were taken. The line lies at the end of its block.
static int read_sized(const char *line, size_t size) {
	const struct activity_reader reader = {.take = take, .wrong = wrong, .names = names};
	char *exact = malloc(size + !size);
	int n;

	memcpy(exact, line, size);
	memset(&heard, 0, sizeof(heard));
	n = activity_json_read(&reader, exact, size);
	free(exact);
	assert_int_equal(n, heard.n);
	return n;
}

static int read_line(const char *line) {
	return read_sized(line, strlen(line));
}

// Padding is zero on both sides: random_activity() and the reader begin with memset and write members
// only, so equal bytes are equal activities.
static void what_is_written_is_read_back_exactly(void **state) {
	static char buffer[ACTIVITY_LINE_SIZE_MAX];
	static struct activity a;
	unsigned seed = (unsigned)time(NULL);
	size_t longest = 0;

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 2000; round++) {
		size_t size;

		random_activity(&a);
		size = activity_json_write(&a, buffer, sizeof(buffer));
		longest = size > longest ? size : longest;
		assert_int_equal(read_sized(buffer, size), 1);
		assert_string_equal(heard.wrong, "");
		if (memcmp(&a, &heard.activities[0], sizeof(a)))
			print_message("%.*s\n", (int)size, buffer);
		assert_memory_equal(&a, &heard.activities[0], sizeof(a));
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

#define T "{\"time\":\"2026-01-12T08:01:02Z\","

static void the_least_line_is_zero_everywhere_else(void **state) {
	static struct activity expected;

	expected.time_ns = 1768204862000000000;
	assert_int_equal(read_line("{\"time\":\"2026-01-12T08:01:02Z\"}"), 1);
	assert_memory_equal(&heard.activities[0], &expected, sizeof(expected));
	assert_int_equal(
		read_line(T "\"unknown\":{\"a\":[1]},\"account\":null,\"version\":2,"
			    "\"source\":{},\"client\":null,\"mailboxes\":[],\"sent\":null}"),
		1
	);
	assert_memory_equal(&heard.activities[0], &expected, sizeof(expected));
	assert_string_equal(heard.wrong, "");
}

// As other programs write the same: floating numbers, capitals, IPv4 within IPv6.
static void other_spellings_mean_the_same(void **state) {
	const struct activity *a = &heard.activities[0];

	assert_int_equal(
		read_line("{\"auth\":{\"success\":1.0,\"failure\":false},\"protocol\":\"POP3\","
			  "\"source\":{\"ip\":\"::ffff:192.0.2.9\",\"asn\":64500.0,\"network\":"
			  "\"Hosting\",\"country\":\"cz\"},"
			  "\"mailboxes\":[{\"name\":\"INBOX\",\"bytes\":1.5e5}],"
			  "\"matches\":[{\"rule\":\"r\",\"values\":[7.0]}],"
			  "\"kind\":\"Activity\",\"time\":\"2026-01-12T08:01:02Z\"}"),
		1
	);
	assert_string_equal(heard.wrong, "");
	assert_int_equal(a->protocol, ACTIVITY_POP3);
	assert_int_equal(a->auth.success, 1);
	assert_int_equal(a->source.ip.family, 4);
	assert_memory_equal(a->source.ip.addr, "\xc0\x00\x02\x09\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(a->source.asn, 64500);
	assert_int_equal(a->source.network, NETWORK_HOSTING);
	assert_string_equal(a->source.country, "CZ");
	assert_int_equal(a->mailboxes[0].bytes, 150000);
	assert_int_equal(a->matches[0].values[0], 7);
}

static void one_address_has_many_notations(void **state) {
	static const struct {
		const char *text;
		int family; // 0: told
		const char *bytes;
	} cases[] = {
		{"2001:db8::1", 6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"},
		{"2001:DB8:0:0:0:0:0:1", 6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"},
		{"2001:0db8:0000:0000:0000:0000:0000:0001",
		 6,
		 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"},
		{"[2001:db8::1]", 6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"},
		{"2001:db8::0.0.0.1", 6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"},
		{"fe80::1%eth0", 6, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"},
		{"192.0.2.9", 4, "\xc0\x00\x02\x09\0\0\0\0\0\0\0\0\0\0\0\0"},
		{"::FFFF:c000:209", 4, "\xc0\x00\x02\x09\0\0\0\0\0\0\0\0\0\0\0\0"},
		{"192.0.2.009", 0, ""},
		{"192.0.2.9:993", 0, ""},
		{"192.0.2.0/24", 0, ""},
		{"2001:db8::1]", 0, ""},
		{"[2001:db8::1]:993", 0, ""},
		{"mail.example.org", 0, ""},
		{"2001:0db8:0000:0000:0000:0000:0000:0001:0000:0000:0000:0000:0000:0000", 0, ""},
	};

	for (size_t i = 0; i < N(cases); i++) {
		char line[200];

		snprintf(
			line,
			sizeof(line),
			T "\"account\":\"a\",\"source\":{\"ip\":\"%s\",\"asn\":7}}",
			cases[i].text
		);
		assert_int_equal(read_line(line), 1);
		assert_int_equal(heard.activities[0].source.ip.family, cases[i].family);
		if (cases[i].family)
			assert_memory_equal(heard.activities[0].source.ip.addr, cases[i].bytes, 16);
		assert_string_equal(
			heard.wrong, cases[i].family ? "" : "source.ip: not an IPv4 or IPv6 address"
		);
		assert_int_equal(heard.activities[0].source.asn, 7);
	}
}

// As the engine would have called it; without the operator's word, as written.
static void an_account_has_one_spelling(void **state) {
	const struct account_names domain = {.default_domain = "example.org"};

	assert_int_equal(read_line(T "\"account\":\"Anna@Example.ORG\"}"), 1);
	assert_string_equal(heard.activities[0].account, "Anna@Example.ORG");
	names = &domain;
	assert_int_equal(read_line(T "\"account\":\"Anna@Example.ORG\",\"acl\":[\"Boris\"]}"), 1);
	assert_string_equal(heard.activities[0].account, "anna@example.org");
	assert_string_equal(heard.activities[0].acl[0], "boris@example.org");
	assert_int_equal(
		read_line(T "\"account\":\"an\\tna\",\"source\":{\"ip\":\"192.0.2.9\"}}"), 1
	);
	assert_string_equal(heard.activities[0].account, "");
	assert_int_equal(heard.activities[0].source.ip.family, 4);
	assert_string_equal(
		heard.wrong, "account: no name of an account: too long, or with control characters"
	);
	names = NULL;
	assert_int_equal(read_line(T "\"account\":5,\"end\":true}"), 1);
	assert_string_equal(heard.wrong, "account: not a string");
	assert_true(heard.activities[0].end);
}

// Whatever names a session, a client's grammar or a password: one text is one thing, two are two.
static void names_of_any_form_are_told_apart(void **state) {
	static struct activity first;

	assert_int_equal(
		read_line(T "\"session\":\"s-1\",\"client\":{\"grammar\":\"thunderbird\"},"
			    "\"auth\":{\"password\":\"pw 17\"}}"),
		1
	);
	first = heard.activities[0];
	assert_string_equal(heard.wrong, "");
	assert_true(first.client.grammar && first.auth.password);
	assert_int_equal(
		read_line(T "\"session\":\"s-1\",\"client\":{\"grammar\":\"thunderbird\"},"
			    "\"auth\":{\"password\":\"pw 17\"}}"),
		1
	);
	assert_memory_equal(&first, &heard.activities[0], sizeof(first));
	assert_int_equal(
		read_line(T "\"session\":\"s-2\",\"client\":{\"grammar\":\"mutt\"},"
			    "\"auth\":{\"password\":\"pw 18\"}}"),
		1
	);
	assert_memory_not_equal(first.session, heard.activities[0].session, 16);
	assert_int_not_equal(first.client.grammar, heard.activities[0].client.grammar);
	assert_true(first.auth.password != heard.activities[0].auth.password);
	assert_int_equal(read_line(T "\"session\":\"0194f1c200017000800000000000009a\"}"), 1);
	assert_memory_equal(
		heard.activities[0].session,
		"\x01\x94\xf1\xc2\x00\x01\x70\x00\x80\x00\x00\x00\x00\x00\x00\x9a",
		16
	);
}

static void times_with_fractions_and_offsets(void **state) {
	static const struct {
		const char *text;
		uint64_t ns; // 0: refused
		bool is_local; // taken for UTC, and told
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
		{"2026-01-12T08:01:02", 1768204862000000000, true},
		{"2026-01-12 08:01:02.5", 1768204862500000000, true},
		{"2026-01-12T08:01:02,5Z", 1768204862500000000},
		{"2026-01-12T09:01:02+01", 1768204862000000000},
		{"2026-01-12 09:01:02 +01:00", 0},
		{"2026-01-01T00:00:00+1", 0},
		{"2026-01-01T00:00:00+01:", 0},
		{"2026-01-01T00:00:00-24:00", 0},
		{"2026-01-01T00:00:00+00:60", 0},
		{"2026-01-01T00:00:00.Z", 0},
		{"2026-01-01T00:00:00Zx", 0},
		{"2026-01-12T09:01:02+0100", 1768204862000000000},
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
		char line[100];

		snprintf(line, sizeof(line), "{\"time\":\"%s\"}", cases[i].text);
		assert_int_equal(read_line(line), cases[i].ns ? 1 : 0);
		assert_int_equal(heard.activities[0].time_ns, cases[i].ns);
		assert_string_equal(
			heard.wrong,
			!cases[i].ns ? "time: not a time like 2026-01-12T08:01:02.123456Z, 1970 to "
				       "2553"
				: cases[i].is_local ? "time: without Z or an offset: taken for UTC"
						    : ""
		);
	}
}

static void what_is_no_activity_is_told_why(void **state) {
	static const char *const cases[][2] = {
		{"{", "line: not JSON: "},
		{"x", "line: not JSON: "},
		{T "\"account\":\"a\"", "line: not JSON: "}, // cut off
		{T "\"account\":\"a\"}}", "line: not JSON: "},
		{"\"a\"", "line: not JSON: "},
		{"[]", "line: not a JSON object"},
		{"{}", "time: missing"},
		{"{\"time\":null}", "time: missing"},
		{"{\"time\":5}", "time: not a string"},
		{"{\"kind\":\"alert\"}", "kind: not activity"},
		{"", ""},
		{" \t\r\n", ""},
		{"\xef\xbb\xbf\r\n", ""},
	};

	for (size_t i = 0; i < N(cases); i++) {
		size_t len = strlen(cases[i][1]);

		assert_int_equal(read_line(cases[i][0]), 0);
		if (len > 0 && cases[i][1][len - 1] == ' ')
			heard.wrong[len] = '\0';
		assert_string_equal(heard.wrong, cases[i][1]);
	}
}

// A member that is wrong costs itself: what is valid beside it, in front of it and behind it, counts.
static void a_wrong_member_is_named_and_the_rest_counts(void **state) {
	static const char *const cases[][2] = {
		{"\"protocol\":\"gopher\"", "protocol: none of imap smtp pop3 sieve lmtp tls"},
		{"\"source\":{\"country\":\"a\\u0000b\"}",
		 "source.country: has a NUL character in it"},
		{"\"source\":{\"country\":\"Czechia\"}",
		 "source.country: not a country's two letters (ISO 3166)"},
		{"\"source\":[]", "source: not an object"},
		{"\"source\":{\"ip\":\"1.2.3\"}", "source.ip: not an IPv4 or IPv6 address"},
		{"\"source\":{\"asn\":4294967296}", "source.asn: too large: taken as 4294967295"},
		{"\"source\":{\"asn\":\"AS64500\"}",
		 "source.asn: not a whole number from 0 to 4294967295"},
		{"\"source\":{\"asn\":99999999999999999999999999}",
		 "source.asn: too large: taken as 4294967295"},
		{"\"source\":{\"network\":\"moon\"}",
		 "source.network: none of access mobile hosting vpn tor office"},
		{"\"client\":{\"grammar\":12}", "client.grammar: not a string"},
		{"\"auth\":{\"success\":65536}", "auth.success: too large: taken as 65535"},
		{"\"auth\":{\"failure\":-1}", "auth.failure: not a whole number from 0 to 65535"},
		{"\"auth\":{\"failure\":1.5}", "auth.failure: not a whole number from 0 to 65535"},
		{"\"mailboxes\":{}", "mailboxes: not an array"},
		{"\"mailboxes\":[5]", "mailboxes[0]: not an object"},
		{"\"mailboxes\":[{},{\"bodies\":\"1,*\"}]",
		 "mailboxes[1].bodies: not a UID set like 1:9,12"},
		{"\"mailboxes\":[{\"search\":{\"text\":\"1\"}}]",
		 "mailboxes[0].search.text: not a whole number from 0 to 4294967295"},
		{"\"mailboxes\":[{\"mode\":\"open\"}]",
		 "mailboxes[0].mode: none of select examine"},
		{"\"sent\":[{\"to\":\"a@b\"}]", "sent[0].to: not an array"},
		{"\"sent\":[{\"to\":[1]}]", "sent[0].to: not a string"},
		{"\"matches\":[{\"rule\":1}]", "matches[0].rule: not a string"},
		{"\"forward\":\"x\"", "forward: not an array"},
		{"\"idle\":1", "idle: neither true nor false"},
		{"\"seen\":1.5", "seen: not a number from 0 to 1"},
		{"\"seen\":true", "seen: not a number from 0 to 1"},
		{"\"forward\":[\"a@b\",7]", "forward: not a string"},
		{"\"acl\":[{}]", "acl: not a string"},
		{"\"matches\":[{\"values\":[1,-1]}]", "matches[0].values: not numbers of 32 bits"},
		{"\"idle\":true,\"idle\":true",
		 "line: duplicate object key near '\"idle\"': the last one counts"},
		{"\"helo\":\"\xe1\"", "line: not UTF-8: such bytes are taken for Latin-1"},
		{"\"helo\":\"\xe1\",\"helo\":99999999999999999999",
		 "line: not UTF-8: such bytes are taken for Latin-1; "
		 "line: duplicate object key near '\"helo\"': the last one counts"},
		{"\"idle\":0,\"source\":{\"asn\":-1,\"country\":7}",
		 "source.asn: not a whole number from 0 to 4294967295; source.country: not a "
		 "string; "
		 "idle: neither true nor false"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		const struct activity *a = &heard.activities[0];
		char line[300];

		snprintf(
			line,
			sizeof(line),
			T "\"account\":\"anna\",%s,\"sent\":[{\"to\":[\"x@y\"]},{\"bytes\":9}],"
			  "\"end\":true}",
			cases[i][0]
		);
		// Where the case is of what follows, that member stands twice.
		if (strncmp(cases[i][0], "\"sent\"", 6) == 0)
			snprintf(
				line,
				sizeof(line),
				T "\"account\":\"anna\",%s,\"forward\":[\"x@y\"],\"end\":true}",
				cases[i][0]
			);
		assert_int_equal(read_line(line), 1);
		assert_string_equal(heard.wrong, cases[i][1]);
		assert_string_equal(a->account, "anna");
		assert_true(a->end);
		if (strncmp(cases[i][0], "\"sent\"", 6) == 0) {
			assert_string_equal(a->forward[0], "x@y");
		} else {
			assert_string_equal(a->sent[0].to[0], "x@y");
			assert_int_equal(a->sent[1].bytes, 9);
		}
	}
}

static void a_list_loses_only_its_wrong_elements(void **state) {
	const struct activity *a = &heard.activities[0];

	assert_int_equal(
		read_line(T "\"mailboxes\":[7,{\"name\":\"A\",\"bodies\":\"x\",\"bytes\":5},null,"
			    "{\"name\":\"B\",\"bodies\":\"1:3\"}],"
			    "\"sent\":[\"x\",{\"to\":[1,\"b@c\",null,\"d@e\"],\"bytes\":3}],"
			    "\"forward\":[1,\"f@g\"]}"),
		1
	);
	assert_int_equal(a->n_mailboxes, 2);
	assert_string_equal(a->mailboxes[0].name, "A");
	assert_int_equal(a->mailboxes[0].bytes, 5);
	assert_int_equal(a->mailboxes[0].n_bodies, 0);
	assert_string_equal(a->mailboxes[1].name, "B");
	assert_int_equal(a->mailboxes[1].n_bodies, 3);
	assert_int_equal(a->n_sent, 1);
	assert_int_equal(a->sent[0].n_to, 2);
	assert_string_equal(a->sent[0].to[0], "b@c");
	assert_string_equal(a->sent[0].to[1], "d@e");
	assert_int_equal(a->sent[0].n_recipients, 4);
	assert_int_equal(a->n_forward, 1);
	assert_string_equal(a->forward[0], "f@g");
	assert_string_equal(
		heard.wrong,
		"mailboxes[0]: not an object; mailboxes[1].bodies: not a UID set like 1:9,12; "
		"mailboxes[2]: not an object; sent[0]: not an object; sent[1].to: not a string; "
		"sent[1].to: not a string; forward: not a string"
	);
}

// Two accounts whose names are no UTF-8 stay two.
static void names_in_latin1_are_told_apart(void **state) {
	assert_int_equal(read_line(T "\"account\":\"nov\xe1k\"}"), 1);
	assert_string_equal(heard.activities[0].account, "nov\xc3\xa1k");
	assert_int_equal(read_line(T "\"account\":\"nov\xe9k\"}"), 1);
	assert_string_equal(heard.activities[0].account, "nov\xc3\xa9k");
	assert_int_equal(read_line(T "\"account\":\"nov\xc3\xa1k \xf0\x9f\"}"), 1);
	assert_string_equal(heard.activities[0].account, "nov\xc3\xa1k \xc3\xb0\xc2\x9f");
}

static void ends_and_marks_of_other_systems_are_passed_over(void **state) {
	static const char *const cases[] = {
		T "\"account\":\"a\"}\r",
		T "\"account\":\"a\"}\r\n",
		"\xef\xbb\xbf" T "\"account\":\"a\"}",
		" \t" T " \"account\" : \"a\" } \t ",
	};

	for (size_t i = 0; i < N(cases); i++) {
		assert_int_equal(read_line(cases[i]), 1);
		assert_string_equal(heard.activities[0].account, "a");
		assert_string_equal(heard.wrong, "");
	}
	assert_int_equal(read_sized("{\0}", 3), 0);
	assert_int_equal(read_sized("\0\0", 2), 0);
	assert_non_null(strstr(heard.wrong, "not JSON"));
}

// What a line holds must not forge a second line of the report about it.
static void an_error_is_one_harmless_line(void **state) {
	assert_int_equal(read_line("{\"time\":\"2026\nfatal: \x1b[2J\"}"), 0);
	assert_true(heard.wrong[0]);
	for (const char *p = heard.wrong; *p; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void what_does_not_fit_is_cut(void **state) {
	const struct activity *a = &heard.activities[0];
	static char line[20000];
	char *p = line;

	p += sprintf(p, T "\"account\":\"");
	for (int i = 0; i < 200; i++)
		p += sprintf(p, "č");
	p += sprintf(p, "\",\"mailboxes\":[{\"name\":\"");
	for (int i = 0; i < 200; i++)
		p += sprintf(p, "č");
	p += sprintf(p, "\",\"bodies\":\"");
	for (int i = 0; i < 30; i++)
		p += sprintf(p, "%s%d:%d", i ? "," : "", 10 * i + 1, 10 * i + 2);
	sprintf(p, "\"}],\"sent\":[{\"to\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]}]}");
	assert_int_equal(read_line(line), 1);
	assert_int_equal(strlen(a->account), 254); // whole characters
	assert_int_equal(strlen(a->mailboxes[0].name), 110 + 17);
	assert_int_equal(a->mailboxes[0].name[110], '~');
	assert_int_equal(a->mailboxes[0].bodies.n, ACTIVITY_RANGES_MAX);
	assert_int_equal(a->mailboxes[0].n_bodies, 60); // all of them
	assert_int_equal(a->sent[0].n_to, ACTIVITY_RECIPIENTS_MAX);
	assert_int_equal(a->sent[0].n_recipients, 6);
}

// Lists of any length: a further activity of the same session has the rest. The login is the first one's,
// the session's end the last one's.
static void long_lists_make_further_activities(void **state) {
	const struct activity *a = heard.activities;
	static char line[20000];
	char *p = line;

	p += sprintf(
		p, T "\"session\":\"0194f1c2-0001-7000-8000-00000000009a\",\"account\":\"a\","
	);
	p += sprintf(p, "\"auth\":{\"success\":1},\"end\":true,\"acl\":7,\"mailboxes\":[");
	for (int i = 0; i < 10; i++)
		p += sprintf(p, "%s{\"name\":\"m%d\",\"bodies\":\"1:%d\"}", i ? "," : "", i, i + 1);
	p += sprintf(p, "],\"sent\":[");
	for (int i = 0; i < 3; i++)
		p += sprintf(p, "%s{\"to\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", i ? "," : "");
	p += sprintf(p, "],\"matches\":[");
	for (int i = 0; i < 12; i++)
		p += sprintf(p, "%s{\"rule\":\"r%d\"}", i ? "," : "", i);
	sprintf(p, "]}");
	assert_int_equal(read_line(line), 3);
	assert_string_equal(heard.wrong, "acl: not an array"); // once
	for (int i = 0; i < 3; i++) {
		assert_string_equal(a[i].account, "a");
		assert_memory_equal(a[i].session, a[0].session, 16);
		assert_int_equal(a[i].auth.success, i == 0);
		assert_int_equal(a[i].end, i == 2);
		assert_int_equal(a[i].n_mailboxes, i < 2 ? 4 : 2);
		assert_int_equal(a[i].n_sent, i < 2 ? 2 - i : 0);
		assert_int_equal(a[i].n_matches, i < 2 ? 8 - 4 * i : 0);
	}
	assert_string_equal(a[2].mailboxes[1].name, "m9");
	assert_int_equal(a[2].mailboxes[1].n_bodies, 10);
	assert_int_equal(a[1].sent[0].n_to, ACTIVITY_RECIPIENTS_MAX);
	assert_int_equal(a[1].sent[0].n_recipients, 5);
	assert_string_equal(a[1].matches[3].rule, "r11");
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
		cmocka_unit_test(one_address_has_many_notations),
		cmocka_unit_test(an_account_has_one_spelling),
		cmocka_unit_test(names_of_any_form_are_told_apart),
		cmocka_unit_test(what_is_no_activity_is_told_why),
		cmocka_unit_test(a_wrong_member_is_named_and_the_rest_counts),
		cmocka_unit_test(a_list_loses_only_its_wrong_elements),
		cmocka_unit_test(long_lists_make_further_activities),
		cmocka_unit_test(names_in_latin1_are_told_apart),
		cmocka_unit_test(ends_and_marks_of_other_systems_are_passed_over),
		cmocka_unit_test(an_error_is_one_harmless_line),
		cmocka_unit_test(what_does_not_fit_is_cut),
		cmocka_unit_test(uid_sets_of_any_order_and_overlap_are_sorted_apart),
		cmocka_unit_test(odd_uid_sets),
		cmocka_unit_test_prestate(all_lines_are_valid_by_schema, path),
	};

	lines = lines_open(path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
