// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Records of sessions made up here: the stream's and the protocols' sides are stood in for, so that
// every limit can be reached without a packet.

#include "engine.h"
#include "lines.h"
#include "output/community_id.h"
#include "output/record.h"
#include "output/uid_set.h"
#include "proto/imap/imap.h"
#include "proto/proto.h"
#include "proto/proxy_tlv.h"
#include "proto/sasl.h"
#include "proto/smtp/smtp.h"
#include "session_match.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct stream {
	struct stream_tuple tuple;
	uint64_t start_ns;
	uint64_t n_bytes[2], n_packets[2], n_gaps;
};

void session_id(const struct session *, uint8_t id[16]) {
	static const uint8_t fixed[16]
		= {1, 0x94, 0xf1, 0xc2, 0, 1, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 9};

	memcpy(id, fixed, sizeof(fixed));
}

void stream_tuple_get(const struct stream *stream, struct stream_tuple *tuple) {
	*tuple = stream->tuple;
}

uint64_t stream_start_ns(const struct stream *stream) {
	return stream->start_ns;
}

uint64_t stream_n_bytes(const struct stream *stream, enum stream_dir dir) {
	return stream->n_bytes[dir];
}

uint64_t stream_n_gaps(const struct stream *stream) {
	return stream->n_gaps;
}

uint64_t stream_n_packets(const struct stream *stream, enum stream_dir dir) {
	return stream->n_packets[dir];
}

const struct proto proto_imap = {.name = "imap"}, proto_smtp = {.name = "smtp"};

const char *imap_command_name(enum imap_command command) {
	static const char *const names[] = {
#define IMAP_COMMAND(id, name, verb) [IMAP_##id] = name,
#include "proto/imap/imap_command.def"
#undef IMAP_COMMAND
	};

	return names[command];
}

// ---- A session to start from

struct made {
	struct engine engine;
	struct stream stream;
	struct session s;
	struct imap imap;
	struct smtp smtp;
};

static const uint64_t start_ns = 1768204860611456000;
static FILE *lines;
static char *line; // what was written last, in a block of exactly RECORD_SIZE_MAX bytes

static void tuple_set(struct stream_tuple *tuple, const char *client, const char *server) {
	tuple->family = strchr(client, ':') ? 6 : 4;
	memset(tuple->addr, 0, sizeof(tuple->addr));
	assert_int_equal(
		inet_pton(tuple->family == 4 ? AF_INET : AF_INET6, client, tuple->addr[0]), 1
	);
	assert_int_equal(
		inet_pton(tuple->family == 4 ? AF_INET : AF_INET6, server, tuple->addr[1]), 1
	);
}

static struct made *made(const struct proto *proto) {
	static struct made m;
	m = (struct made){
		.engine.config.observer_name = "sensor1",
		.stream = {.start_ns = start_ns, .n_bytes = {812, 47270}, .n_packets = {14, 41}},
		.s = {.proto = proto, .sequence = 1, .login = LOGIN_SUCCESS, .n_attempts = 1},
	};
	tuple_set(&m.stream.tuple, "203.0.113.31", "10.77.0.1");
	m.stream.tuple.port[0] = 45123;
	m.stream.tuple.port[1] = 143;
	m.s.engine = &m.engine;
	m.s.stream = &m.stream;
	m.s.state = proto == &proto_imap ? (void *)&m.imap : (void *)&m.smtp;
	m.s.mechanism = SASL_PLAIN;
	return &m;
}

// The record as parsed again; every line is kept for the schemas. To be freed.
static json_t *written(struct made *m, enum record_reason reason, uint64_t time_ns) {
	json_error_t error;
	size_t size
		= record_write(&m->s, reason, time_ns, line, RECORD_SIZE_MAX - OFFER_RECORD_SIZE);
	json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (!root)
		print_message("%s\n%.*s\n", error.text, (int)size, line);
	assert_non_null(root);
	assert_true(size <= RECORD_SIZE_MAX);
	fwrite(line, 1, size, lines);
	fputc('\n', lines);
	return root;
}

// The value at a path of member names and array positions, "postern.imap.mailboxes.0.name"; NULL: none.
static json_t *at(json_t *value, const char *path) {
	char copy[200], *save, *part;

	snprintf(copy, sizeof(copy), "%s", path);
	for (part = strtok_r(copy, ".", &save); part && value; part = strtok_r(NULL, ".", &save))
		value = json_is_array(value) ? json_array_get(value, strtoul(part, NULL, 10))
					     : json_object_get(value, part);
	return value;
}

static void assert_at(json_t *root, const char *path, const char *expected) {
	json_t *value = at(root, path);
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("absent");

	if (strcmp(text, expected))
		print_message("%s\n", path);
	assert_string_equal(text, expected);
	free(text);
}

static void assert_all_at(json_t *root, const char *const expected[][2], size_t n) {
	for (size_t i = 0; i < n; i++)
		assert_at(root, expected[i][0], expected[i][1]);
	json_decref(root);
}

#define N(array) (sizeof(array) / sizeof(*(array)))

// ---- What stands in a record

static void an_imap_session_is_told_field_by_field(void **state) {
	struct made *m = made(&proto_imap);
	struct uid_range uids[] = {{1, 9}, {12, 12}};
	struct imap_command_count commands[] = {{IMAP_SELECT, 1}, {IMAP_UID_FETCH, 2}};
	struct session_match match = {
		.rule = "czech-classification",
		.count = 2,
		.is_told = true,
		.place = {.field = RULE_BODY, .part = "1.2", .offset = 99, .excerpt = "so"},
	};
	struct imap_deeds deeds = {
		.n_search = 3,
		.n_append = 4,
		.append_bytes = 5,
		.n_copy = 6,
		.n_move = 7,
		.n_store = 8,
		.n_expunge = 10,
	};
	struct imap_mailbox mailbox = {
		.short_name = "INBOX",
		.mode = IMAP_EXAMINED,
		.uidvalidity = 1,
		.uidnext = 151,
		.uids = uids,
		.n_uids = 2,
		.uids_cap = 2,
		.n_bodies = 10,
		.n_peek = 10,
		.bytes = 46110,
	};
	static const char *const expected[][2] = {
		{"@timestamp", "\"2026-01-12T08:01:03.123456Z\""},
		{"ecs.version", "\"8.17.0\""},
		{"event.kind", "\"event\""},
		{"event.module", "\"postern\""},
		{"event.dataset", "\"postern.session\""},
		{"event.category", "[\"session\",\"email\"]"},
		{"event.type", "[\"info\"]"},
		{"event.id", "\"0194f1c2-0001-7000-8000-000000000009-1\""},
		{"event.action", "\"imap\""},
		{"event.sequence", "1"},
		{"event.start", "\"2026-01-12T08:01:00.611456Z\""},
		{"event.end", "\"2026-01-12T08:01:03.123456Z\""},
		{"event.duration", "2512000000"},
		{"event.reason", "\"logout\""},
		{"network.transport", "\"tcp\""},
		{"network.type", "\"ipv4\""},
		{"network.protocol", "\"imap\""},
		{"source", "{\"ip\":\"203.0.113.31\",\"port\":45123,\"bytes\":812,\"packets\":14}"},
		{"destination",
		 "{\"ip\":\"10.77.0.1\",\"port\":143,\"bytes\":47270,\"packets\":41}"},
		{"user",
		 "{\"name\":\"u35\",\"domain\":\"example.org\",\"email\":\"u35@example.org\","
		 "\"id\":\"u35@example.org\"}"},
		{"tls", "absent"},
		{"observer.name", "\"sensor1\""},
		{"postern.session", "\"0194f1c2-0001-7000-8000-000000000009\""},
		{"postern.seen", "1.0"},
		{"postern.gaps", "0"},
		{"postern.events", "[\"literal_too_long\",\"urgent_data\"]"},
		{"postern.matches",
		 "[{\"rule\":\"czech-classification\",\"count\":2,\"field\":\"body\",\"part\":\"1."
		 "2\","
		 "\"offset\":99,\"excerpt\":\"so\"}]"},
		{"postern.imap",
		 "{\"login\":{\"outcome\":\"success\",\"mechanism\":\"PLAIN\",\"attempts\":1},"
		 "\"client\":{\"id\":\"LabMail 4.2\",\"grammar\":\"0f2c41aa\"},"
		 "\"server\":{\"id\":\"Dovecot 2.3\"},"
		 "\"compress\":false,\"starttls\":true,"
		 "\"commands\":[{\"name\":\"SELECT\",\"count\":1},"
		 "{\"name\":\"UID FETCH\",\"count\":2}],"
		 "\"fetch\":{\"header_count\":1,\"header_bytes\":2,\"body_count\":9,"
		 "\"body_bytes\":46110},"
		 "\"search\":3,\"append\":{\"count\":4,\"bytes\":5},"
		 "\"copy\":6,\"move\":7,\"store\":8,\"expunge\":10,"
		 "\"mailboxes\":[{\"name\":\"INBOX\",\"mode\":\"examine\",\"uidvalidity\":1,"
		 "\"uidnext\":151,\"fetched\":{\"uids\":\"1:9,12\",\"messages\":10,"
		 "\"bodies\":10,\"headers\":0,\"bytes\":46110,\"peek\":10}}]}"},
		{"postern.smtp", "absent"},
	};

	m->s.account = (char[]){"u35@example.org"};
	m->s.events = UINT64_C(1) << EVENT_literal_too_long | UINT64_C(1) << EVENT_urgent_data;
	m->s.matches = &match;
	m->s.n_matches = 1;
	m->imap = (struct imap){
		.commands = commands,
		.n_commands = 2,
		.mailboxes = &mailbox,
		.n_mailboxes = 1,
		.ids = (char[]){"LabMail 4.2\0Dovecot 2.3"},
		.grammar = 0x0f2c41aa,
		.is_starttls = true,
		.header_count = 1,
		.header_bytes = 2,
		.body_count = 9,
		.body_bytes = 46110,
		.deeds = &deeds,
	};
	assert_all_at(written(m, RECORD_LOGOUT, start_ns + 2512000000), expected, N(expected));
}

static void an_smtp_session_is_told_field_by_field(void **state) {
	struct made *m = made(&proto_smtp);
	struct smtp_text to[] = {
		{.text = (char[]){"a@partner.example"}},
		{.text = (char[]){"\"odd one\"@example"}},
	};
	struct smtp_message messages[] = {
		{
			.from = {.text = (char[]){"u35@example.org"}},
			.to = to,
			.n_to = 2,
			.n_recipients = 2,
			.n_rejected = 1,
			.bytes = 1740,
			.outcome = 250,
			.enhanced = "2.0.0",
			.queue_id = {.text = (char[]){"4R2xyz1nZQz"}},
			.is_bdat = true,
		},
		{.from = {.text = (char[]){""}}, .is_holed = true},
	};
	static const char *const expected[][2] = {
		{"event.action", "\"smtp\""},
		{"event.reason", "\"end-of-input\""},
		{"network.type", "\"ipv6\""},
		{"source.ip", "\"2001:db8::31\""},
		{"destination.ip", "\"fd77::1\""},
		{"user", "absent"},
		{"tls", "{\"established\":true}"},
		{"postern.imap", "absent"},
		{"postern.smtp",
		 "{\"helo\":\"client.example\",\"login\":{\"outcome\":\"none\",\"attempts\":0},"
		 "\"lmtp\":false,\"esmtp\":true,\"starttls\":false,"
		 "\"command_count\":9,\"rejected_command_count\":1,"
		 "\"messages\":[{\"from\":\"u35@example.org\","
		 "\"to\":[\"a@partner.example\",\"\\\"odd one\\\"@example\"],\"rejected\":1,"
		 "\"bytes\":1740,\"outcome\":\"250\",\"enhanced\":\"2.0.0\","
		 "\"queue_id\":\"4R2xyz1nZQz\",\"bdat\":true,\"holed\":false},"
		 "{\"from\":\"\",\"to\":[],\"rejected\":0,\"bytes\":0,\"bdat\":false,"
		 "\"holed\":true}]}"},
	};

	tuple_set(&m->stream.tuple, "2001:db8::31", "fd77::1");
	m->s.login = LOGIN_NONE;
	m->s.mechanism = SASL_NONE;
	m->s.n_attempts = 0;
	m->s.is_tls = true;
	m->smtp = (struct smtp){
		.helo = {.text = (char[]){"client.example"}},
		.is_esmtp = true,
		.messages = messages,
		.n_messages = 2,
		.messages_total = 2,
		.n_commands = 9,
		.n_rejected_commands = 1,
	};
	assert_all_at(written(m, RECORD_END_OF_INPUT, start_ns), expected, N(expected));
}

static void an_account_is_split_at_its_last_at(void **state) {
	static const char *const cases[][2] = {
		{"u35", "{\"name\":\"u35\",\"id\":\"u35\"}"},
		{"a@b@c.example",
		 "{\"name\":\"a@b\",\"domain\":\"c.example\",\"email\":\"a@b@c.example\","
		 "\"id\":\"a@b@c.example\"}"},
		{"@example", "{\"name\":\"@example\",\"id\":\"@example\"}"},
		{"u@", "{\"name\":\"u@\",\"id\":\"u@\"}"},
		{"@", "{\"name\":\"@\",\"id\":\"@\"}"},
		{"dom\\u\"1\"", "{\"name\":\"dom\\\\u\\\"1\\\"\",\"id\":\"dom\\\\u\\\"1\\\"\"}"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct made *m = made(&proto_imap);
		char account[32];
		json_t *root;

		strcpy(account, cases[i][0]);
		m->s.account = account;
		root = written(m, RECORD_CLOSE, start_ns);
		assert_at(root, "user", cases[i][1]);
		json_decref(root);
	}
}

static void every_reason_event_mechanism_and_command_has_its_name(void **state) {
	struct made *m = made(&proto_imap);
	struct imap_command_count commands[IMAP_COMMANDS];

	for (int i = 0; i < IMAP_COMMANDS; i++)
		commands[i] = (struct imap_command_count){(uint8_t)i, 1};
	m->imap.commands = commands;
	m->imap.n_commands = IMAP_COMMANDS;
	m->s.events = (UINT64_C(1) << (EVENT_COUNT - 1) << 1) - 1;
	for (int reason = RECORD_LOGOUT; reason <= RECORD_END_OF_INPUT; reason++) {
		for (int mechanism = SASL_NONE; mechanism < SASL_COUNT; mechanism++) {
			json_t *root;
			m->s.mechanism = (uint8_t)mechanism;
			m->s.sequence++;
			root = written(m, (enum record_reason)reason, start_ns);
			assert_int_equal(json_array_size(at(root, "postern.events")), EVENT_COUNT);
			assert_int_equal(
				json_array_size(at(root, "postern.imap.commands")), IMAP_COMMANDS
			);
			json_decref(root);
		}
	}
}

static void seen_is_one_only_when_all_was_parsed(void **state) {
	static const struct {
		uint64_t bytes[2], unparsed;
		const char *seen;
	} cases[] = {
		{{0, 0}, 0, "1.0"},
		{{500, 500}, 0, "1.0"},
		{{500000, 500000}, 1, "0.99990000000000001"},
		{{500, 500}, 250, "0.75"},
		{{500, 500}, 1000, "0.0"},
		{{500, 500}, 2000, "0.0"},
		{{UINT64_MAX / 2, 1}, 1, "0.99990000000000001"},
		{{6000, 4000}, 1, "0.99990000000000001"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct made *m = made(&proto_imap);
		json_t *root;

		memcpy(m->stream.n_bytes, cases[i].bytes, sizeof(cases[i].bytes));
		m->s.n_unparsed = cases[i].unparsed;
		root = written(m, RECORD_CLOSE, start_ns);
		assert_at(root, "postern.seen", cases[i].seen);
		json_decref(root);
	}
}

// ---- Limits

// A text of n characters, each of which takes six bytes in JSON.
static char *awkward(size_t n) {
	char *text = malloc(n + 1);

	memset(text, 1, n);
	text[n] = '\0';
	return text;
}

static void awkward_match(struct session_match *match) {
	*match = (struct session_match){
		.count = UINT32_MAX,
		.is_told = true,
		.place = {.field = RULE_ATTACHMENT, .offset = UINT64_MAX},
	};
	memset(match->rule, 'a', sizeof(match->rule) - 1);
	memset(match->place.part, '9', sizeof(match->place.part) - 1);
	memset(match->place.excerpt, '"', sizeof(match->place.excerpt) - 1);
}

// All that a proxy can say, as long as it is kept.
static void awkward_via(struct session_client *client, uint8_t tlvs[PROXY_TLVS_SIZE_MAX]) {
	static const uint8_t types[] = {0x01, 0x02, 0x05, 0x20, 0x30};
	uint8_t *at = tlvs, *ssl = NULL;

	for (size_t i = 0; i < sizeof(types); i++) {
		size_t n = proxy_tlv_kept(types[i], 1000);
		if (types[i] == 0x20)
			ssl = at + 3;
		memset(at, 1, n + 3);
		at[0] = types[i];
		at[1] = 0xff;
		at += n + 3;
	}
	memcpy(ssl, "\7\0\0\0\0\x22\1\xff", 8); // the name to the end of what is kept
	assert_ptr_equal(at, tlvs + PROXY_TLVS_SIZE_MAX);
	memset(&client->ip, 0xff, sizeof(client->ip));
	client->ip.family = 6;
	client->tlvs = tlvs;
	client->tlvs_size = PROXY_TLVS_SIZE_MAX;
}

// Everything that is not a list as long as it can be, and of characters that all have to be escaped.
static void make_awkward(struct made *m) {
	static char account[ACCOUNT_NAME_SIZE_MAX + 1], observer[1000];
	static struct session_match matches[MATCHES_PER_SESSION_MAX];
	static struct session_client client;
	static uint8_t tlvs[PROXY_TLVS_SIZE_MAX];

	awkward_via(&client, tlvs);
	m->s.client = &client;
	memset(account, 1, sizeof(account) - 1);
	account[1] = '@';
	memset(observer, 1, sizeof(observer) - 1);
	for (int i = 0; i < MATCHES_PER_SESSION_MAX; i++)
		awkward_match(&matches[i]);
	m->engine.config.observer_name = observer;
	m->s.account = account;
	m->s.is_tls = 1;
	m->s.events = (UINT64_C(1) << (EVENT_COUNT - 1) << 1) - 1;
	m->stream.n_gaps = UINT32_MAX;
	m->s.n_attempts = UINT16_MAX;
	m->s.sequence = UINT32_MAX;
	m->s.matches = matches;
	m->s.n_matches = MATCHES_PER_SESSION_MAX;
	memset(&m->stream.tuple, 0xff, sizeof(m->stream.tuple));
	m->stream.tuple.family = 6;
	memset(m->stream.n_bytes, 0x7f, sizeof(m->stream.n_bytes));
	memset(m->stream.n_packets, 0xff, sizeof(m->stream.n_packets));
}

// n_mailboxes of n_ranges each, names of n_chars; to be freed by mailboxes_free().
static void
mailboxes_make(struct imap *imap, uint8_t n_mailboxes, uint16_t n_ranges, size_t n_chars) {
	imap->mailboxes = calloc(n_mailboxes, sizeof(*imap->mailboxes));
	imap->n_mailboxes = n_mailboxes;
	for (int i = 0; i < n_mailboxes; i++) {
		struct imap_mailbox *mailbox = &imap->mailboxes[i];

		mailbox->name = awkward(n_chars);
		mailbox->name_size = 1;
		mailbox->uids = calloc(n_ranges, sizeof(*mailbox->uids));
		mailbox->n_uids = mailbox->uids_cap = n_ranges;
		mailbox->uidvalidity = mailbox->uidnext = UINT32_MAX;
		mailbox->bytes = UINT64_MAX;
		for (uint32_t r = 0; r < n_ranges; r++)
			mailbox->uids[r]
				= (struct uid_range){4000000000 + 4 * r, 4000000001 + 4 * r};
	}
}

static void mailboxes_free(struct imap *imap) {
	for (int i = 0; i < imap->n_mailboxes; i++) {
		free(imap->mailboxes[i].name);
		free(imap->mailboxes[i].uids);
	}
	free(imap->mailboxes);
}

static size_t n_listed_ranges(json_t *mailbox) {
	const char *p = json_string_value(at(mailbox, "fetched.uids"));
	size_t n = *p ? 1 : 0;

	for (; *p; p++)
		n += *p == ',';
	return n;
}

static void a_record_fits_whatever_the_mailboxes_are(void **state) {
	static const uint8_t n_mailboxes[]
		= {0, 1, 2, 5, 6, 31, IMAP_MAILBOXES_MAX, IMAP_MAILBOXES_MAX + 1};
	static const uint16_t n_ranges[] = {0, 1, 5, 17, 65, IMAP_UID_RANGES_MAX};
	static const size_t n_chars[] = {0, 1, 60, 61, 201, TEXT_CHARS_MAX, TEXT_CHARS_MAX + 1};

	for (size_t i = 0; i < N(n_mailboxes) * N(n_ranges) * N(n_chars) * 2; i++) {
		struct made *m = made(&proto_imap);
		size_t chars = n_chars[i / 2 % N(n_chars)];
		uint16_t ranges = n_ranges[i / 2 / N(n_chars) % N(n_ranges)];
		uint8_t mailboxes = n_mailboxes[i / 2 / N(n_chars) / N(n_ranges)];
		json_t *root, *list, *total, *mailbox;
		size_t n;

		if (i % 2)
			make_awkward(m);
		mailboxes_make(&m->imap, mailboxes, ranges, chars);
		root = written(m, RECORD_INTERIM, start_ns + 1);
		list = at(root, "postern.imap.mailboxes");
		total = at(root, "postern.imap.mailboxes_total");
		if (json_array_size(list) < mailboxes)
			assert_int_equal(json_integer_value(total), mailboxes);
		else
			assert_null(total);
		assert_true(mailboxes == 0 || json_array_size(list) > 0);
		json_array_foreach(list, n, mailbox) {
			bool is_cut = n_listed_ranges(mailbox) < ranges;
			assert_int_equal(json_is_true(at(mailbox, "fetched.uids_cut")), is_cut);
		}
		json_decref(root);
		mailboxes_free(&m->imap);
	}
}

static void what_fits_is_not_cut(void **state) {
	struct made *m = made(&proto_imap);
	json_t *root;

	mailboxes_make(&m->imap, 4, IMAP_UID_RANGES_MAX, 20);
	root = written(m, RECORD_CLOSE, start_ns);
	assert_at(root, "postern.imap.mailboxes_total", "absent");
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			n_listed_ranges(
				json_array_get(at(root, "postern.imap.mailboxes"), (size_t)i)
			),
			IMAP_UID_RANGES_MAX
		);
	json_decref(root);
	mailboxes_free(&m->imap);
}

// As the client's, with none of the server's behind it.
static char *ids_of(char *client) {
	size_t size = strlen(client);
	char *ids = calloc(1, size + 2);

	assert_non_null(ids);
	memcpy(ids, client, size);
	free(client);
	return ids;
}

static void long_texts_are_cut_and_say_so(void **state) {
	struct made *m = made(&proto_imap);
	json_t *root;

	m->imap.ids = ids_of(awkward(CLIENT_ID_SIZE_MAX + 1));
	mailboxes_make(&m->imap, 2, 0, TEXT_CHARS_MAX);
	free(m->imap.mailboxes[1].name);
	m->imap.mailboxes[1].name = awkward(TEXT_CHARS_MAX + 1);
	root = written(m, RECORD_CLOSE, start_ns);
	assert_at(root, "postern.imap.client.id_cut", "true");
	assert_at(root, "postern.imap.mailboxes.0.name_cut", "absent");
	assert_at(root, "postern.imap.mailboxes.1.name_cut", "true");
	assert_int_equal(
		json_string_length(at(root, "postern.imap.mailboxes.1.name")), TEXT_CHARS_MAX
	);
	json_decref(root);
	free(m->imap.ids);
	mailboxes_free(&m->imap);
}

static void a_record_fits_whatever_the_messages_are(void **state) {
	static const uint16_t n_messages[] = {1, 2, 20, SMTP_MESSAGES_MAX};
	static const uint16_t n_to[] = {0, 1, 3, 9, 33, SMTP_RECIPIENTS_MAX};
	static const size_t n_chars[] = {0, 10, 61, SMTP_ADDRESS_SIZE_MAX, TEXT_CHARS_MAX + 1};

	for (size_t i = 0; i < N(n_messages) * N(n_to) * N(n_chars) * 2; i++) {
		struct made *m = made(&proto_smtp);
		char *text = awkward(n_chars[i / 2 % N(n_chars)]), *helo = awkward(2000);
		uint16_t recipients = n_to[i / 2 / N(n_chars) % N(n_to)];
		uint16_t n = n_messages[i / 2 / N(n_chars) / N(n_to)];
		struct smtp_text to[SMTP_RECIPIENTS_MAX];
		struct smtp_message messages[SMTP_MESSAGES_MAX] = {0};
		json_t *root, *list, *message;
		size_t k;

		for (int j = 0; j < SMTP_RECIPIENTS_MAX; j++)
			to[j] = (struct smtp_text){.text = text};
		for (int j = 0; j < n; j++)
			messages[j] = (struct smtp_message){
				.from = to[0],
				.queue_id = to[0],
				.to = to,
				.n_to = recipients,
				.n_recipients = recipients,
				.bytes = UINT64_MAX,
				.outcome = 999,
				.enhanced = "5.999.999",
			};
		if (i % 2)
			make_awkward(m);
		m->smtp.helo.text = helo;
		m->smtp.messages = messages;
		m->smtp.n_messages = n;
		m->smtp.messages_total = n;
		root = written(m, RECORD_INTERIM, start_ns + 1);
		list = at(root, "postern.smtp.messages");
		assert_true(json_array_size(list) > 0);
		assert_int_equal(
			json_is_integer(at(root, "postern.smtp.messages_total")),
			json_array_size(list) < n
		);
		json_array_foreach(list, k, message) assert_int_equal(
			json_is_integer(at(message, "to_total")),
			json_array_size(at(message, "to")) < recipients
		);
		json_decref(root);
		free(text);
		free(helo);
	}
}

static void what_the_session_did_not_remember_is_in_the_totals(void **state) {
	struct made *m = made(&proto_smtp);
	struct smtp_text to[1] = {{.text = (char[]){"a@b.example"}}};
	struct smtp_message message = {.to = to, .n_to = 1, .n_recipients = 5000};
	json_t *root;

	m->smtp.messages = &message;
	m->smtp.n_messages = 1;
	m->smtp.messages_total = 900;
	root = written(m, RECORD_CLOSE, start_ns);
	assert_at(root, "postern.smtp.messages_total", "900");
	assert_at(root, "postern.smtp.messages.0.to_total", "5000");
	json_decref(root);
}

// a8, s21: whatever bytes names hold, a record is one line of valid JSON in valid UTF-8.
static void a8_any_bytes_in_names_make_a_valid_line(void **state) {
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 300; round++) {
		struct made *m = made(&proto_imap);
		char texts[3][40];
		struct imap_mailbox mailbox = {.name = texts[1]};

		for (size_t i = 0; i < sizeof(texts); i++)
			((char *)texts)[i]
				= (char)(rand() % 4 ? rand() % 127 + 1 : rand() % 255 + 1);
		for (int i = 0; i < 3; i++)
			texts[i][38] = texts[i][39] = '\0'; // of two texts, the second may be empty
		m->s.account = texts[0];
		m->imap.mailboxes = &mailbox;
		m->imap.n_mailboxes = 1;
		m->imap.ids = texts[2];
		json_decref(written(m, RECORD_CLOSE, start_ns));
	}
}

// ---- Community ID

static void community_ids_are_those_of_the_specification(void **state) {
	// Published with the specification and with Zeek's implementation.
	static const struct {
		const char *ends[2];
		uint16_t ports[2];
		const char *id;
	} cases[] = {
		{{"128.232.110.120", "66.35.250.204"},
		 {34855, 80},
		 "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{{"1.2.3.4", "5.6.7.8"}, {1122, 3344}, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{{"2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a"},
		 {63943, 25},
		 "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct stream_tuple tuple;
		char id[COMMUNITY_ID_SIZE];

		for (int swap = 0; swap < 2; swap++) {
			tuple_set(&tuple, cases[i].ends[swap], cases[i].ends[!swap]);
			tuple.port[0] = cases[i].ports[swap];
			tuple.port[1] = cases[i].ports[!swap];
			community_id(&tuple, id);
			assert_string_equal(id, cases[i].id);
		}
	}
}

static void all_lines_are_valid_by_schema_and_ecs(void **state) {
	char *path = *state;

	assert_int_equal(lines_check(lines, path, 1), 0);
}

int main(void) {
	static char path[64];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_imap_session_is_told_field_by_field),
		cmocka_unit_test(an_smtp_session_is_told_field_by_field),
		cmocka_unit_test(an_account_is_split_at_its_last_at),
		cmocka_unit_test(every_reason_event_mechanism_and_command_has_its_name),
		cmocka_unit_test(seen_is_one_only_when_all_was_parsed),
		cmocka_unit_test(a_record_fits_whatever_the_mailboxes_are),
		cmocka_unit_test(what_fits_is_not_cut),
		cmocka_unit_test(long_texts_are_cut_and_say_so),
		cmocka_unit_test(a_record_fits_whatever_the_messages_are),
		cmocka_unit_test(what_the_session_did_not_remember_is_in_the_totals),
		cmocka_unit_test(a8_any_bytes_in_names_make_a_valid_line),
		cmocka_unit_test(community_ids_are_those_of_the_specification),
		cmocka_unit_test_prestate(all_lines_are_valid_by_schema_and_ecs, path),
	};
	int rc;

	lines = lines_open(path);
	line = malloc(RECORD_SIZE_MAX);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(line);
	return rc;
}
