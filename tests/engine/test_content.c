// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "content.h"
#include "engine.h"
#include "limits.h"
#include "match/scan.h"
#include "session_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char rules_text[]
	= "rules:\n"
	  "- {id: number, pattern: '\\d{3,6}'}\n"
	  "- {id: mark, pattern: '(?:^|\\W)SECRET(?:\\W|\\z)'}\n"
	  "- {id: subject, look: header, pattern: '(?:^|\\n)Subject: urgent'}\n"
	  "- {id: body-only, look: body, pattern: 'Subject: urgent'}\n"
	  "- {id: sent-only, direction: sent, pattern: 'going out'}\n"
	  "- {id: x, look: [message, markup], pattern: 'x'}\n"
	  "- {id: birth, look: [message, markup], pattern: '(?:^|[^0-9])[0-9]{6}/[0-9]{4}', "
	  "validate: czech-birth-number}\n"
	  "- {id: births, pattern: '(?:^|[^0-9])[0-9]{6}/[0-9]{4}', validate: czech-birth-number, "
	  "distinct: 3}\n";

enum { NUMBER, MARK, SUBJECT, BODY_ONLY, SENT_ONLY, X, BIRTH, BIRTHS, RULES };

// An engine and one session that only content knows.
struct fixture {
	struct rules *rules;
	struct database *db;
	struct scanner *scanner;
	struct engine *engine;
	struct session session;
	struct activity *activity; // being collected for it
};

static void fixture_open_with(struct fixture *f, uint32_t n_streams, const char *text) {
	int n_bad = -1;

	memset(f, 0, sizeof(*f));
	f->rules = rules_parse("f.yaml", text, strlen(text), NULL, NULL, &n_bad);
	assert_int_equal(n_bad, 0);
	f->db = database_open(f->rules, NULL, NULL, NULL, NULL, &n_bad);
	assert_int_equal(n_bad, 0);
	f->scanner = scanner_open(f->db, n_streams);
	f->engine = engine_open(&(struct engine_config){
		.slab_size = 1 << 20,
		.decode = true,
		.scanner = f->scanner,
	});
	assert_non_null(f->engine);
	f->session.engine = f->engine;
	// What session_found() adds to.
	f->activity = pending_take(&f->engine->pending, &f->session, 0);
	f->session.pending = 1;
}

static void fixture_open(struct fixture *f, uint32_t n_streams) {
	fixture_open_with(f, n_streams, rules_text);
}

static void fixture_close(struct fixture *f) {
	engine_close(f->engine);
	scanner_close(f->scanner);
	database_close(f->db);
	rules_close(f->rules);
}

static void session_reset(struct fixture *f) {
	slab_put(f->engine->slab, f->session.matches, f->session.matches_size);
	f->session.matches = NULL;
	f->session.n_matches = 0;
	f->session.matches_size = 0;
	memset(f->activity, 0, sizeof(struct activity));
}

static void feed(struct content *content, const char *text, size_t size) {
	uint8_t *block = malloc(size > 0 ? size : 1);

	memcpy(block, text, size);
	content_data(content, block, size);
	free(block);
}

static uint32_t count(const struct fixture *f, uint32_t rule) {
	for (int i = 0; i < f->session.n_matches; i++)
		if (strcmp(f->session.matches[i].rule, f->rules->rules[rule].id) == 0)
			return f->session.matches[i].count;
	return 0;
}

struct counts {
	uint32_t n[RULES];
};

// One message in pieces: the first a bytes, then pieces of b.
static struct counts
message(struct fixture *f, enum content_kind kind, const char *text, size_t a, size_t b) {
	struct content *content = content_open(&f->session, kind);
	struct counts counts;
	size_t size = strlen(text);

	assert_non_null(content);
	for (size_t at = 0, piece = a; at < size; at += piece, piece = b) {
		piece = piece > size - at ? size - at : piece;
		feed(content, text + at, piece);
	}
	content_close(content, 1);
	for (uint32_t i = 0; i < RULES; i++)
		counts.n[i] = count(f, i);
	session_reset(f);
	return counts;
}

// Who lists a mailbox reads its headers: rules see them, and nothing is said of bodies that were not sent.
static void a_header_alone_is_seen_and_has_no_body(void **) {
	static const char text[]
		= "Subject: urgent\r\nContent-Type: multipart/mixed; boundary=b\r\n"
		  "Content-Disposition: attachment; filename=a.pdf\r\n\r\n";
	struct fixture f;

	fixture_open(&f, 16);
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct content *content = content_open_header(&f.session, NULL, 0);

		assert_non_null(content);
		feed(content, text, cut);
		feed(content, text + cut, sizeof(text) - 1 - cut);
		struct mime_summary *summary = content_finish(content, 1);
		assert_int_equal(summary->attachments_total, 0);
		mime_summary_free(summary, f.engine->slab);
		slab_put(f.engine->slab, summary, sizeof(*summary));
		assert_int_equal(count(&f, SUBJECT), 1);
		assert_int_equal(count(&f, BODY_ONLY), 0);
		assert_int_equal(f.session.events, 0);
		session_reset(&f);
	}
	fixture_close(&f);
}

// The header of a part shows the attachment's name, however it is written; what matches is in that part.
static void a_part_header_alone_names_its_attachment(void **) {
	static const char text[]
		= "Content-Type: application/pdf;\r\n name*=utf-8''pl%c3%a1n.exe\r\n"
		  "Content-Disposition: attachment; filename=plan.exe\r\n\r\n";
	struct fixture f;

	fixture_open_with(&f, 16, "rules:\n- {id: exe, look: filename, pattern: '\\.exe$'}\n");
	struct content *content = content_open_header(&f.session, "2.1", 3);
	assert_non_null(content);
	feed(content, text, sizeof(text) - 1);
	content_close(content, 1);
	assert_int_equal(f.session.n_matches, 1);
	assert_int_equal(f.session.matches[0].count, 2);
	assert_string_equal(f.session.matches[0].place.part, "2.1");
	session_reset(&f);
	fixture_close(&f);
}

static const struct {
	const char *text;
	struct counts counts;
} messages[] = {
	{"Subject: urgent\r\n\r\n12345 and 678\r\n", {{2, 0, 1, 0, 0, 0}}},
	{"A: b\r\nSubject: urgent 123\r\n\r\n", {{1, 0, 1, 0, 0, 0}}},
	{"A: b\n\nSubject: urgent SECRET", {{0, 1, 0, 1, 0, 0}}},
	// A CR too many still makes an empty line.
	{"A: b\r\n\r\r\nSubject: urgent\r\n\r\n", {{0, 0, 0, 1, 0, 0}}},
	{"A: SECRET\r\n\r\nSECRET.", {{0, 2, 0, 0, 0, 0}}},
	{"A: SEC\r\n\r\nRET", {{0}}}, // header and body are not one text
	{"no header at all 1234\r\nSubject: urgent", {{1, 0, 0, 1, 0, 0}}},
	{"\r\nSubject: urgent", {{0, 0, 0, 1, 0, 0}}},
	{"1234567890123456789012345678901234567890123456789012345678901234567890123456789012: x",
	 {{1, 0, 0, 0, 0, 1}}}, // no field's name is so long
	{"SECRET", {{0, 1, 0, 0, 0, 0}}},
	{"12", {{0}}},
	{"", {{0}}},
	{"A:x\r\n\r\nxx", {{0, 0, 0, 0, 0, 3}}},
	{"going out", {{0, 0, 0, 0, 1, 0}}},
	{"Content-Transfer-Encoding: base64\r\n\r\nU0VD\r\nUkVU\r\n", {{0, 1, 0, 0, 0, 0}}},
	{"Content-Transfer-Encoding: quoted-printable\r\n\r\nSE=\r\nCRE=54", {{0, 1, 0, 0, 0, 0}}},
	// A text of two readings counts in the one that has more, and once where both have it.
	{"Content-Type: text/plain; charset=utf-16\r\n\r\nSECRET, SECRET", {{0, 2, 0, 0, 0, 1}}},
	{"Content-Type: text/plain; charset=iso-8859-2\r\n\r\nSECRET", {{1, 1, 0, 0, 0, 1}}},
	{"Content-Transfer-Encoding: 7bit, base64\r\n\r\nU0VDUkVU", {{0, 1, 0, 0, 0, 0}}},
	{"Content-Transfer-Encoding: base64, 7bit\r\nContent-Disposition: attachment\r\n\r\nSECRET",
	 {{0, 1, 0, 0, 0, 0}}},
	// Text and markup say the same: it counts once. What only the text says counts, too.
	{"Content-Type: text/html\r\n\r\n<p>SECRET</p>", {{0, 1, 0, 0, 0, 1}}},
	{"Content-Type: text/html\r\n\r\nSE<b>CR</b>ET <x>", {{0, 1, 0, 0, 0, 2}}},
	{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSECRET\r\n--b\r\n\r\nSEC"
	 "\r\n--b\r\n\r\nRET\r\n--b--\r\n",
	 {{0, 1, 0, 0, 0, 1}}}, // x of multipart/mixed
	{"Subject: =?iso-8859-2?q?urg?= =?iso-8859-2?q?ent_SECRET?=\r\n\r\n", {{0, 1, 1, 0, 0, 0}}},
};

// Of a text in two readings the first one's place is told, whichever is scanned first: long enough that the
// pieces of both are scanned before its end.
static void any_cut_of_a_text_in_two_readings_tells_the_same_place(void **) {
	static char text[3000] = "Content-Type: text/plain; charset=iso-8859-2\r\n\r\n";
	const size_t header_size = strlen(text), size = sizeof(text) - 1;
	struct fixture f;

	// Each letter is one byte as it is and two in UTF-8, so that the readings have other offsets.
	memset(text + header_size, 0xe9, size - header_size);
	memcpy(text + 2000, " SECRET ", 8);
	fixture_open(&f, 8);
	for (size_t piece = 1; piece <= size; piece += piece < 40 ? 1 : 97) {
		struct content *content = content_open(&f.session, CONTENT_SENT);

		for (size_t at = 0; at < size; at += piece)
			feed(content, text + at, piece < size - at ? piece : size - at);
		content_close(content, 1);
		assert_int_equal(count(&f, MARK), 1);
		for (int i = 0; i < f.session.n_matches; i++)
			if (strcmp(f.session.matches[i].rule, "mark") == 0)
				assert_int_equal(
					f.session.matches[i].place.offset,
					2 * (2000 - header_size) + 8
				);
		session_reset(&f);
	}
	fixture_close(&f);
}

static void any_cut_of_a_message_gives_the_same_counts(void **state) {
	struct fixture f;

	fixture_open(&f, 4);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		size_t size = strlen(messages[i].text);

		for (size_t a = 0; a <= size; a++)
			for (int b = 0; b < 2; b++) {
				struct counts counts = message(
					&f,
					CONTENT_SENT,
					messages[i].text,
					a > 0 ? a : size + 1,
					b == 0 ? size + 1 : 1
				);
				if (memcmp(&counts, &messages[i].counts, sizeof(counts)) != 0)
					fail_msg(
						"%s cut at %zu: %u %u %u %u %u %u",
						messages[i].text,
						a,
						counts.n[0],
						counts.n[1],
						counts.n[2],
						counts.n[3],
						counts.n[4],
						counts.n[5]
					);
			}
	}
	assert_int_equal(f.engine->stats.content_refused, 0);
	fixture_close(&f);
}

static void a_rule_looks_only_in_its_direction(void **state) {
	struct fixture f;

	fixture_open(&f, 4);
	assert_int_equal(message(&f, CONTENT_SENT, "going out x", 99, 1).n[SENT_ONLY], 1);
	assert_int_equal(message(&f, CONTENT_FETCHED, "going out x", 99, 1).n[SENT_ONLY], 0);
	assert_int_equal(message(&f, CONTENT_APPENDED, "going out x", 99, 1).n[SENT_ONLY], 0);
	assert_int_equal(message(&f, CONTENT_FETCHED, "going out x", 99, 1).n[X], 1);
	fixture_close(&f);
}

// One of eleven numbers is right by chance: what stands among wrong ones is such, unless it is called one.
static void right_numbers_among_wrong_ones_are_chance(void **state) {
	static const struct {
		const char *text;
		uint32_t n, n_list;
	} cases[] = {
		{"\r\n900628/6971 then", 1, 0},
		{"\r\n900628/6971 then 801224/1007", 0, 0},
		{"\r\n801224/1007 then r. č. 900628/6971", 1, 0},
		{"\r\n900628/6971 then č. j. 801224/1007", 1, 0},
		{"\r\n900628/6971 905528/6966 871110/2048 801224/1007", 3, 3},
		{"\r\n900628/6971 905528/6966 871110/2048 1/1 801224/1007 801224/1018 801224/1027 "
		 "801224/1037 801224/1047 801224/1057",
		 0,
		 0},
		// The same text twice, as such and in its markup: neither counts twice.
		{"Content-Type: text/html\r\n\r\n<p>900628/6971 <b>905528/6966</b> 801224/1007 "
		 "801224/1018 801224/1027</p>",
		 2,
		 0},
	};
	struct fixture f;

	fixture_open(&f, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t cut = 1; cut < 200; cut += 7) {
			struct counts counts
				= message(&f, CONTENT_SENT, cases[i].text, cut, i % 2 ? 1 : 1000);

			assert_int_equal(counts.n[BIRTH], cases[i].n);
			assert_int_equal(counts.n[BIRTHS], cases[i].n_list);
		}
	fixture_close(&f);
}

static void what_stands_around_a_hole_is_not_one_text(void **state) {
	struct fixture f;

	fixture_open(&f, 4);
	struct content *content = content_open(&f.session, CONTENT_SENT);
	feed(content, "A: b\r\n\r\n 123 SEC", 16);
	content_gap(content, 10);
	feed(content, "RET, 1", 6);
	content_gap(content, 1);
	feed(content, "23 SECRET", 9);
	content_close(content, 1);
	assert_int_equal(count(&f, NUMBER), 1);
	assert_int_equal(count(&f, MARK), 1);
	session_reset(&f);
	// A hole in the first line: what was kept is not lost.
	content = content_open(&f.session, CONTENT_SENT);
	feed(content, "x", 1);
	content_gap(content, 10);
	content_close(content, 1);
	assert_int_equal(count(&f, X), 1);
	fixture_close(&f);
}

static void matches_reach_the_session_and_its_activity(void **state) {
	struct fixture f;

	fixture_open(&f, 4);
	for (int i = 0; i < 2; i++) {
		struct content *content = content_open(&f.session, CONTENT_SENT);
		feed(content, "123 x 456", 9);
		content_close(content, 1);
	}
	assert_int_equal(f.session.n_matches, 2);
	assert_int_equal(count(&f, NUMBER), 4);
	assert_int_equal(f.activity->n_matches, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			f.activity->matches[i].count,
			strcmp(f.activity->matches[i].rule, "number") == 0 ? 4 : 2
		);
	assert_int_equal(f.engine->stats.content_opened, 2);
	assert_int_equal(f.engine->stats.content_bytes, 18);
	fixture_close(&f);
}

// A part fetched alone: rules see what a reader sees, and say where in the message it stands.
static void a_part_alone_is_read_as_its_header_says_or_its_bytes(void **state) {
	static const char header[] = "Content-Transfer-Encoding: base64\r\n\r\n";
	static const struct {
		struct content_part part;
		const char *text, *number;
	} cases[] = {
		{{(uint8_t *)header, sizeof(header) - 1, "2.1", 3, false, false},
		 "IFNFQ1JFVCA=",
		 "2.1"},
		{{NULL, 0, "3", 1, false, false}, "IFNFQ1JFVCA=", "3"},
		{{NULL, 0, "2", 1, false, false}, "a SECR=\r\nET b", "2"},
		{{(uint8_t *)header, sizeof(header) - 1, "1", 1, false, true}, " SECRET ", "1"},
		{{NULL, 0, "4", 1, true, false}, " SECRET ", "4.1"},
		{{NULL, 0, "", 0, true, false}, " SECRET ", "1"},
		{{NULL, 0, "5", 1, false, false},
		 "--b\r\nContent-Type: text/plain\r\n\r\n SECRET \r\n--b--",
		 "5.1"},
	};
	struct fixture f;

	fixture_open(&f, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
			struct content *content
				= content_open_part(&f.session, CONTENT_FETCHED, &cases[i].part);
			feed(content, cases[i].text, cut);
			feed(content, cases[i].text + cut, strlen(cases[i].text) - cut);
			content_close(content, 1);
			assert_int_equal(count(&f, MARK), 1);
			for (int m = 0; m < f.session.n_matches; m++)
				if (strcmp(f.session.matches[m].rule, "mark") == 0)
					assert_string_equal(
						f.session.matches[m].place.part, cases[i].number
					);
			session_reset(&f);
		}
	}
	fixture_close(&f);
}

// What was not fetched to its end has no hash; the date is there as soon as the header is.
static void a_part_that_is_cut_has_no_hash(void **state) {
	static const char header[] = "Content-Type: application/pdf\r\n\r\n";
	static const char top[] = "Date: Mon, 12 Jan 2026 08:00:00 +0000\r\n\r\n";
	struct content_part part
		= {(const uint8_t *)header, sizeof(header) - 1, "2", 1, false, false};
	struct fixture f;
	int64_t date;

	fixture_open(&f, 4);
	for (int is_cut = 0; is_cut < 2; is_cut++) {
		struct content *content = content_open_part(&f.session, CONTENT_FETCHED, &part);
		feed(content, "%PDF-1.4", 8);
		if (is_cut)
			content_cut(content);
		struct mime_summary *summary = content_finish(content, 1);
		assert_int_equal(summary->n_attachments, 1);
		assert_int_equal(summary->attachments[0]->has_sha256, !is_cut);
		mime_summary_free(summary, f.engine->slab);
		slab_put(f.engine->slab, summary, sizeof(*summary));
	}
	struct content *content = content_open(&f.session, CONTENT_FETCHED);
	feed(content, top, sizeof(top) - 5);
	assert_false(content_date(content, &date));
	feed(content, top + sizeof(top) - 5, 4);
	assert_true(content_date(content, &date));
	assert_int_equal(date, 1768204800);
	content_close(content, 1);
	fixture_close(&f);
}

static void a_message_full_of_matches_is_let_go(void **state) {
	struct fixture f;
	char *text = malloc(CONTENT_MATCHES_MAX + 2);

	fixture_open(&f, 4);
	memset(text, 'x', CONTENT_MATCHES_MAX + 1);
	for (int n = CONTENT_MATCHES_MAX - 1; n <= CONTENT_MATCHES_MAX + 1; n++) {
		text[n] = '\0';
		struct counts counts = message(&f, CONTENT_SENT, text, (size_t)n, 1);
		assert_int_equal(counts.n[X], n < CONTENT_MATCHES_MAX ? n : CONTENT_MATCHES_MAX);
		// And it is said: who fills a message up may hide something behind.
		assert_int_equal(
			f.session.events >> EVENT_too_many_matches & 1, n >= CONTENT_MATCHES_MAX
		);
		f.session.events = 0;
		text[n] = 'x';
	}
	free(text);
	fixture_close(&f);
}

// The same of too many different rules, in one message and in one session.
static void more_rules_than_are_remembered_are_said(void **state) {
	enum { MOST = MATCHES_PER_SESSION_MAX };
	char rules[80 * (MOST + 2)] = "rules:\n", text[16 * (MOST + 1)] = "\r\n";
	struct fixture f;

	// Never enough to be told.
	for (int i = 0; i <= MOST; i++)
		sprintf(rules + strlen(rules),
			"- {id: r%02d, pattern: 'word%02d', within: session, count: 500}\n",
			i,
			i);
	fixture_open_with(&f, 4, rules);
	for (int n = MOST; n <= MOST + 1; n++) {
		for (int i = 0; i < n; i++)
			sprintf(text + 2 + 8 * i, "word%02d\r\n", i);
		struct content *content = content_open(&f.session, CONTENT_SENT);
		feed(content, text, strlen(text));
		content_close(content, 1);
		assert_int_equal(f.session.n_matches, MOST);
		assert_int_equal(f.session.events >> EVENT_too_many_matches & 1, n > MOST);
		f.session.events = 0;
	}
	for (int i = 0; i <= MOST; i++) {
		struct content *content = content_open(&f.session, CONTENT_SENT);
		feed(content, "\r\n", 2);
		feed(content, text + 2 + 8 * i, 8);
		content_close(content, 1);
		assert_int_equal(f.session.events >> EVENT_too_many_matches & 1, i == MOST);
	}
	session_reset(&f);
	fixture_close(&f);
}

// One step of a message that does not end: a part with a name, fields, matches of every rule.
static void part_feed(struct content *content, int i) {
	char part[400];

	snprintf(
		part,
		sizeof(part),
		"\r\n--b\r\nContent-Type: text/plain; name=\"file-%05d.txt\"\r\nX-Field-%05d: "
		"1234\r\n"
		"Content-Disposition: attachment; filename=\"other-%05d.txt\"\r\n\r\n"
		"%s %05d x going out Subject: urgent\r\n",
		i,
		i,
		i,
		i % 100 == 0 ? "SECRET" : "more",
		i
	);
	feed(content, part, strlen(part));
}

// Q14: one transaction that never ends: what piles up inside it has its own limits.
static void q14_a_message_that_never_ends_takes_no_more_memory(void **state) {
	enum { BEGINNING = 1000, END = 60000 };
	static const char head[]
		= "Subject: urgent\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
	struct fixture f;
	size_t used;

	fixture_open(&f, 4);
	struct content *content = content_open(&f.session, CONTENT_SENT);
	feed(content, head, sizeof(head) - 1);
	for (int i = 0; i < BEGINNING; i++)
		part_feed(content, i);
	used = slab_used(f.engine->slab);
	for (int i = BEGINNING; i < END; i++) {
		part_feed(content, i);
		// A little less behind MIME_PARTS_MAX.
		assert_in_range(slab_used(f.engine->slab), 0, used);
	}
	assert_int_equal(scanner_work(f.scanner)->n_refused, 0);
	content_close(content, 1);
	assert_true(count(&f, MARK) > 0);
	session_reset(&f);
	fixture_close(&f);
}

// Q14, Q9: and one session that goes on matching in message after message.
static void q9_q14_a_session_that_never_ends_takes_no_more_memory(void **state) {
	static const char text[]
		= "Subject: urgent\r\n\r\nSECRET 1234 x going out Subject: urgent\r\n";
	struct fixture f;
	size_t used = 0;

	fixture_open(&f, 4);
	for (int i = 0; i < 100000; i++) {
		struct content *content = content_open(&f.session, CONTENT_SENT);

		feed(content, text, sizeof(text) - 1);
		content_close(content, 1);
		used = i == 0 ? slab_used(f.engine->slab) : used;
	}
	assert_int_equal(slab_used(f.engine->slab), used);
	assert_in_range(f.session.n_matches, 1, MATCHES_PER_SESSION_MAX);
	assert_int_equal(count(&f, MARK), 100000);
	session_reset(&f);
	fixture_close(&f);
}

static void messages_beyond_the_streams_are_counted_and_not_scanned(void **state) {
	struct fixture f;

	fixture_open(&f, 1);
	struct content *one = content_open(&f.session, CONTENT_SENT);
	struct content *two = content_open(&f.session, CONTENT_SENT);
	feed(one, "no header x\n", 12);
	feed(two, "no header x\n", 12);
	content_close(two, 1);
	assert_int_equal(count(&f, X), 0);
	content_close(one, 1);
	assert_int_equal(count(&f, X), 1);
	assert_int_equal(f.engine->stats.content_refused, 1);
	fixture_close(&f);
}

static void memory_goes_back_and_a_full_slab_is_a_refusal(void **state) {
	struct fixture f;
	struct content *open[4000];
	int n = 0;

	fixture_open(&f, 4000);
	size_t used = slab_used(f.engine->slab);
	while (n < 4000 && (open[n] = content_open(&f.session, CONTENT_SENT)) != NULL)
		n++;
	assert_in_range(n, 100, 3999);
	assert_int_equal(f.engine->stats.content_refused, 1);
	while (n > 0)
		content_close(open[--n], 1);
	assert_int_equal(slab_used(f.engine->slab), used);
	fixture_close(&f);
}

static void without_rules_a_message_is_still_read(void **state) {
	static const char text[] = "Subject: =?utf-8?q?x_y?=\r\nContent-Disposition: attachment; "
				   "filename=a\r\n\r\nabc";
	struct fixture f;

	fixture_open(&f, 1);
	f.engine->config.scanner = NULL;
	struct content *content = content_open(&f.session, CONTENT_SENT);
	feed(content, text, sizeof(text) - 1);
	struct mime_summary *summary = content_finish(content, 1);
	assert_string_equal(summary->subject.text, "x y");
	assert_int_equal(summary->attachments_total, 1);
	assert_string_equal(summary->attachments[0]->name.text, "a");
	assert_int_equal(summary->attachments[0]->bytes, 3);
	mime_summary_free(summary, f.engine->slab);
	slab_put(f.engine->slab, summary, sizeof(*summary));
	fixture_close(&f);
}

static void contents_that_are_only_counted_have_none(void **state) {
	struct fixture f;

	fixture_open(&f, 1);
	f.engine->config.decode = false;
	assert_null(content_open(&f.session, CONTENT_SENT));
	content_data(NULL, (const uint8_t *)"x", 1);
	content_gap(NULL, 1);
	content_close(NULL, 1);
	fixture_close(&f);
}

// Bytes scanned of a message with one part, whose content begins so and goes on for size bytes.
static uint64_t
scanned_of(struct fixture *f, const char *header, const char *first, size_t n_first, size_t size) {
	const struct scan_work *work = scanner_work(f->scanner);
	uint64_t before = work->n_bytes;
	struct content *content = content_open(&f->session, CONTENT_SENT);
	uint8_t *noise = malloc(size);

	for (size_t i = 0; i < size; i++)
		noise[i] = (uint8_t)(128 + i * 37 % 128); // nothing that ends a part or a line
	memcpy(noise, first, n_first);
	assert_non_null(content);
	feed(content, header, strlen(header));
	feed(content, "\r\n\r\n", 4);
	for (size_t at = 0; at < size; at += 1000)
		feed(content, (const char *)noise + at, size - at < 1000 ? size - at : 1000);
	content_close(content, 1);
	session_reset(f);
	free(noise);
	return work->n_bytes - before;
}

// Images, archives and what is encrypted: however large, no more of them is scanned than of the smallest.
static void of_opaque_media_only_the_first_bytes_are_looked_at(void **) {
	static const struct {
		const char *header, *first;
		size_t n_first;
		bool is_opaque;
	} cases[] = {
		{"Content-Type: image/png", "\x89PNG\r\n\x1a\n", 8, true},
		{"Content-Type: image/jpeg; name=a.jpg", "\xff\xd8\xff\xe0", 4, true},
		{"Content-Type: application/zip; name=a.zip", "PK\3\4\x14\0\1\0\x8\0", 10, true},
		{"Content-Type: application/gzip", "\x1f\x8b\x8", 3, true},
		{"Content-Type: application/x-7z-compressed", "7z\xbc\xaf\x27\x1c", 6, true},
		{"Content-Type: application/pkcs7-mime; smime-type=enveloped-data",
		 "\x30\x80\6\t*\x86H",
		 7,
		 true},
		{"Content-Type: application/octet-stream", "\0\1\2\3", 4, true},
		{"Content-Type: video/mp4\r\nContent-Disposition: attachment",
		 "\0\0\0\x18"
		 "ftyp",
		 8,
		 true},
		// And text under the same names is read to its end.
		{"Content-Type: application/octet-stream", "plain text, and on", 18, false},
		{"Content-Type: image/png; name=a.png", "plain text, and on", 18, false},
		{"Content-Type: text/plain", "plain text, and on", 18, false},
	};
	enum { SMALL = 1000, LARGE = 300000 };
	struct fixture f;

	fixture_open(&f, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t small
			= scanned_of(&f, cases[i].header, cases[i].first, cases[i].n_first, SMALL);
		uint64_t large
			= scanned_of(&f, cases[i].header, cases[i].first, cases[i].n_first, LARGE);

		if ((large == small) != cases[i].is_opaque)
			fail_msg("%s: %d and %d bytes", cases[i].header, (int)small, (int)large);
		if (cases[i].is_opaque)
			assert_in_range(
				large, 0, ATTACHMENT_FIRST_SIZE + 3 * strlen(cases[i].header)
			);
		else
			assert_true(large >= LARGE);
	}
	fixture_close(&f);
}

static void number_send(struct fixture *f, const char *number) {
	struct content *content = content_open(&f->session, CONTENT_SENT);

	feed(content, "A: b\r\n\r\n", 8);
	feed(content, number, strlen(number));
	content_close(content, 1);
}

// Different values of a session are added up over its messages, and the same one again is none.
static void different_values_within_a_session(void **) {
	static const char rules[] = "rules:\n- {id: many, look: body, pattern: 'n[0-9]{4}', "
				    "within: session, distinct: 3}\n";
	struct fixture f;

	fixture_open_with(&f, 4, rules);
	number_send(&f, "n1111 n1111 n1111 n1111");
	number_send(&f, "n2222");
	number_send(&f, "n1111 n2222");
	assert_int_equal(f.activity->n_matches, 0);
	number_send(&f, "n3333");
	assert_int_equal(f.activity->n_matches, 1);
	assert_int_equal(f.activity->matches[0].count, 8);
	session_match_free(&f.session);
	// Another session begins with none.
	f.session.matches_size = 0;
	memset(f.activity, 0, sizeof(*f.activity));
	number_send(&f, "n3333 n4444");
	assert_int_equal(f.activity->n_matches, 0);
	session_match_free(&f.session);
	fixture_close(&f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(different_values_within_a_session),
		cmocka_unit_test(of_opaque_media_only_the_first_bytes_are_looked_at),
		cmocka_unit_test(a_part_header_alone_names_its_attachment),
		cmocka_unit_test(a_header_alone_is_seen_and_has_no_body),
		cmocka_unit_test(any_cut_of_a_message_gives_the_same_counts),
		cmocka_unit_test(any_cut_of_a_text_in_two_readings_tells_the_same_place),
		cmocka_unit_test(a_rule_looks_only_in_its_direction),
		cmocka_unit_test(right_numbers_among_wrong_ones_are_chance),
		cmocka_unit_test(what_stands_around_a_hole_is_not_one_text),
		cmocka_unit_test(matches_reach_the_session_and_its_activity),
		cmocka_unit_test(a_part_alone_is_read_as_its_header_says_or_its_bytes),
		cmocka_unit_test(a_part_that_is_cut_has_no_hash),
		cmocka_unit_test(a_message_full_of_matches_is_let_go),
		cmocka_unit_test(more_rules_than_are_remembered_are_said),
		cmocka_unit_test(q14_a_message_that_never_ends_takes_no_more_memory),
		cmocka_unit_test(q9_q14_a_session_that_never_ends_takes_no_more_memory),
		cmocka_unit_test(messages_beyond_the_streams_are_counted_and_not_scanned),
		cmocka_unit_test(memory_goes_back_and_a_full_slab_is_a_refusal),
		cmocka_unit_test(without_rules_a_message_is_still_read),
		cmocka_unit_test(contents_that_are_only_counted_have_none),
	};

#ifndef HAVE_HYPERSCAN
	return 77; // nothing is scanned in this build
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
