// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each message is read in all the ways of play.h; what it says is written down as text.

#include "mime/mime.h"
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct said {
	char text[3][20000]; // header lines and text; markup
	size_t used[3];
	uint64_t events;
	size_t total; // of text, also what has no room here
	bool is_too_much; // memory
};

static struct slab *slab;
static struct sha256_pair hashes;
static struct charsets *charsets;

static void put(struct said *said, int i, const void *data, size_t size) {
	said->total += size;
	if (size > sizeof(said->text[i]) - said->used[i])
		size = sizeof(said->text[i]) - said->used[i];
	memcpy(said->text[i] + said->used[i], data, size);
	said->used[i] += size;
}

static void on_header(void *ctx, const uint8_t *data, size_t size) {
	put(ctx, 0, data, size);
}

static void on_header_end(void *ctx) {
	put(ctx, 0, "|", 1);
}

static void on_text(void *ctx, enum mime_text kind, const uint8_t *data, size_t size) {
	put(ctx, kind == MIME_MARKUP ? 1 : kind >= MIME_OTHER ? 2 : 0, data, size);
}

static void on_text_end(void *ctx, bool) {
	put(ctx, 0, "$", 1);
}

static void on_event(void *ctx, enum session_event event) {
	((struct said *)ctx)->events |= UINT64_C(1) << event;
}

static void attachments_put(struct said *said, const struct mime_summary *summary) {
	char line[3000];

	for (int i = 0; i < summary->n_attachments; i++) {
		const struct attachment_facts *facts = summary->attachments[i];

		int n = snprintf(
			line,
			sizeof(line),
			"[%s,%s,%s,%s,%ju%s]",
			facts->name.text != NULL ? facts->name.text : "-",
			facts->other_name.text != NULL ? facts->other_name.text : "-",
			facts->type.text != NULL ? facts->type.text : "-",
			facts->content_type != NULL ? facts->content_type : "-",
			(uintmax_t)facts->bytes,
			facts->is_encrypted ? ",encrypted" : ""
		);
		put(said, 0, line, (size_t)n);
		for (int m = 0; m < facts->n_members; m++)
			put(said, 0, facts->members[m].text, strlen(facts->members[m].text) + 1);
		if (facts->has_sha256)
			put(said, 1, facts->sha256, SHA256_SIZE);
	}
	if (summary->subject.text != NULL)
		put(said, 1, summary->subject.text, strlen(summary->subject.text));
}

// What a message is read as; bytes that are missing in front.
struct reading {
	enum mime_start start;
	size_t from;
	size_t memory_max; // in use at once; more is said. 0: any
};

struct message {
	struct mime *mime;
	struct said said;
	size_t memory_max;
};

static void *message_open(const void *ctx) {
	const struct reading *reading = ctx;
	struct message *message = calloc(1, sizeof(*message));
	struct mime_handler handler = {
		.ctx = &message->said,
		.hashes = &hashes,
		.header = on_header,
		.header_end = on_header_end,
		.text = on_text,
		.text_end = on_text_end,
		.event = on_event,
	};

	message->mime = mime_open(slab, charsets, reading->start, &handler);
	message->memory_max = reading->memory_max;
	if (reading->from > 0)
		mime_gap(message->mime, reading->from);
	return message;
}

static void message_data(void *ctx, enum stream_dir, const uint8_t *data, size_t size) {
	struct message *message = ctx;

	mime_data(message->mime, data, size);
	if (message->memory_max > 0 && slab_used(slab) > message->memory_max)
		message->said.is_too_much = true;
}

static void message_gap(void *ctx, enum stream_dir, uint64_t size) {
	mime_gap(((struct message *)ctx)->mime, size);
}

static void bytes_write(FILE *out, const char *data, size_t size) {
	for (size_t i = 0; i < size; i++)
		if (data[i] == 0)
			fputs("\\0", out);
		else
			fputc(data[i], out);
}

static char *message_end(void *ctx) {
	struct message *message = ctx;
	struct said *said = &message->said;
	struct mime_summary summary;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	mime_close(message->mime, &summary);
	attachments_put(said, &summary);
	mime_summary_free(&summary, slab);
	bytes_write(out, said->text[0], said->used[0]);
	fprintf(out, "\nevents %jx\n", (uintmax_t)said->events);
	bytes_write(out, said->text[1], said->used[1]);
	fprintf(out, " %zu", said->total);
	fputs("\nother ", out);
	bytes_write(out, said->text[2], said->used[2]);
	// Nothing that is over is hashed with others.
	if (slab_used(slab) > 0 || hashes.first != NULL)
		fputs("\nleaked", out);
	if (said->is_too_much)
		fputs("\ntoo much memory", out);
	fclose(out);
	free(message);
	return text;
}

static enum beside_as message_as(const void *) {
	return BESIDE_MESSAGE;
}

static const struct play_reader message_reader = {
	.as = message_as,
	.open = message_open,
	.data = message_data,
	.gap = message_gap,
	.end = message_end,
};

static void
read_as(const struct reading *reading, const char *text, size_t size, struct said *said) {
	char *found = play_check_bytes(text, &message_reader, reading, text, size);

	assert_non_null(found);
	assert_null(strstr(found, "too much memory"));
	char *events = strstr(found, "\nevents ");
	*said = (struct said){.events = strtoull(events + 8, NULL, 16)};
	put(said, 0, found, (size_t)(events - found));
	char *other = strstr(events, "\nother ");
	put(said, 2, other + 7, strlen(other + 7));
	free(found);
}

// In all ways; whole in *said.
static void check(const char *text, size_t size, struct said *said) {
	read_as(&(struct reading){.start = MIME_MESSAGE}, text, size, said);
}

#define ON(name) (UINT64_C(1) << EVENT_##name)
#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n"
#define MULTI_SAID "Content-Type: multipart/mixed; boundary=b\r\n|"

// What else readers see of a text, and only where they differ: it is given in both readings.
static const struct {
	const char *text;
	size_t size;
	const char *other;
} readings[] = {
#define READING(text, other)                                                                       \
	{ text, sizeof(text) - 1, other }
	// M1: two encodings of a text.
	READING("Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n\r\nYWJj",
		"YWJj"),
	READING("Content-Transfer-Encoding: 7bit, base64\r\n\r\nYWJj", "abc"),
	READING("Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable, "
		"base64\r\n\r\nPHA+YWI=",
		"\nab"),
	READING("Content-Type: text/plain; charset=iso-8859-2\r\nContent-Transfer-Encoding: "
		"8bit\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n=E8",
		"č"),
	// M2: one that nobody knows, and the bytes tell; and one that is not what it is said to be.
	READING("Content-Transfer-Encoding: x-base64\r\n\r\nYWJj", "abc"),
	READING("Content-Transfer-Encoding: 8bit\r\n\r\ntajn=C3=A9 hes=\r\nlo", "tajné heslo"),
	READING("A: b\r\n\r\nVG90byBqZSB0YWpuw6kgaGVzbG8=", "Toto je tajné heslo"),
	READING(MULTI "\r\n--b\r\nContent-Type: text/plain\r\n\r\n=C4=8D\r\n--b--", "č"),
	// Words are no base64, and web addresses no quoted-printable.
	READING("A: b\r\n\r\ntext", ""),
	READING("A: b\r\n\r\nhttp://a.example/?b=12&c=3", ""),
	READING("Content-Type: text/plain; charset=utf-8\r\n\r\nč", ""),
	// M14: a character set that is not the text's.
	READING("Content-Type: text/plain; charset=koi8-r\r\n\r\ntajn\xe9 \xc4\x8d",
		"tajn\xe9 \xc4\x8d"),
	READING("Content-Type: text/html; charset=utf-7\r\n\r\n<b>+ADw-</b>", "+ADw-"),
	READING("Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: "
		"base64\r\n\r\nYWJjZGVm",
		"abcdef"),
	READING("A: b\r\n\r\nt\0a\0j\0n\0\xe9\0", "tajné"),
	READING("Content-Type: text/plain; charset=utf-8\r\n\r\n\0t\0a\0j\0n\x01\x0d", "tajnč"),
	READING("Content-Type: text/plain; charset=utf-16\r\n\r\n\0t\0a\0j\0n\x01\x0d", "tajnč"),
	READING("Content-Type: text/html; charset=us-ascii\r\n\r\n\xff\xfe<\0p\0>\0a\0", "\na"),
	// Both are not the text's: what lenient programs show is the one other reading.
	READING("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		"8bit\r\n\r\n//50AGEAagBuAOkAIABoAGUAcwBsAG8A",
		"tajné heslo"),
	READING("Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 7bit\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nAHQAYQBqAG4BDQAgAGgAZQBzAGwAbw==",
		"tajnč heslo"),
	READING("Content-Type: text/plain; charset=x-nobody\r\nContent-Transfer-Encoding: "
		"x-what\r\n\r\nVG90byBqZSB0YWpuw6kgaGVzbG8=",
		"Toto je tajné heslo"),
	// What is attached has its own.
	READING("Content-Type: text/plain; charset=koi8-r\r\nContent-Disposition: "
		"attachment\r\n\r\n\xe9",
		"\xe9"),
};

static void m01_m02_m14_a_text_with_two_readings_is_given_in_both(void **state) {
	static struct said said;

	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
		check(readings[i].text, readings[i].size, &said);
		if (said.used[2] != strlen(readings[i].other)
		    || memcmp(said.text[2], readings[i].other, said.used[2]) != 0)
			fail_msg(
				"%s\n says %.*s\n not %s",
				readings[i].text,
				(int)said.used[2],
				said.text[2],
				readings[i].other
			);
	}
}

// It begins when enough has come to tell, and goes on to the end, over a hole.
static void m01_the_other_reading_of_a_long_text_is_whole(void **state) {
	static char text[4000] = "Content-Type: text/plain; charset=koi8-r\r\n\r\n";
	static struct said said;
	size_t n = strlen(text);

	for (size_t at = n; at < sizeof(text); at++)
		text[at] = (char)(at % 61 == 0 ? '\n' : 0xc0 + at % 31);
	check(text, sizeof(text), &said);
	assert_int_equal(said.used[2], sizeof(text) - n);
	assert_memory_equal(said.text[2], text + n, sizeof(text) - n);
}

// M19: a uuencoded file inside a text is listed, and said; the text stays what it is. What only begins so is nothing.
#define UU_LINES "#86)C\r\n`\r\nend\r\n"
static const struct {
	const char *text, *files; // all of attachments_put()
} insides[] = {
	{"\r\nhello\r\nbegin 644 a.exe\r\n" UU_LINES "bye", "[a.exe,-,-,text/plain,3]"},
	{"\r\nbegin 644 a b.txt\n#86)C\n`\nend\n", "[a b.txt,-,-,text/plain,3]"},
	{MULTI "\r\n--b\r\n\r\nbegin 600 x.pdf\r\n%)5!$1BT\r\n`\r\nend\r\n--b--",
	 "[x.pdf,-,-,application/pdf,5]"},
	{"Content-Transfer-Encoding: base64\r\n\r\nYmVnaW4gNjQ0IGEKIzg2KUMKYAplbmQK",
	 "[a,-,-,text/plain,3]"},
	// Two of them, one without its end, a line with a checksum and one whose blanks are lost.
	{"\r\nbegin 644 a\r\n" UU_LINES "and\r\nbegin 644 b\r\n#86)CX\r\n&86)C\r\n",
	 "[a,-,-,text/plain,3][b,-,-,application/octet-stream,9]"},
	{"Content-Disposition: attachment; filename=t\r\n\r\nbegin 644 a\r\n" UU_LINES,
	 "[t,-,-,text/plain,28][a,-,-,text/plain,3]"},
	{"\r\nbegin 644 a\r\n#86)C", "[a,-,-,text/plain,3]"}, // to the last byte
	// False starts.
	{"\r\nbegin 6 friends\r\n" UU_LINES, ""},
	{"\r\nbegin 666 friends and more\r\nHello to all of you\r\n", ""},
	{"\r\nbegin 644 a\r\nHELLO TO ALL OF YOU\r\n", ""},
	{"\r\nbegin 644\r\n" UU_LINES, ""},
	{"\r\nbegin 644 a\r\n`\r\nend\r\n", ""},
	{"\r\nbegin 644 a", ""},
	{"\r\nso begin 644 a\r\n" UU_LINES, ""},
	{"Content-Type: text/html\r\n\r\nbegin 644 a\r\n" UU_LINES, ""},
};

static void m19_a_file_inside_a_text_is_listed(void **state) {
	static struct said said;

	for (size_t i = 0; i < sizeof(insides) / sizeof(insides[0]); i++) {
		const char *files = insides[i].files;
		size_t n = strlen(files);

		check(insides[i].text, strlen(insides[i].text), &said);
		said.text[0][said.used[0]] = '\0';
		char *found = strchr(strrchr(said.text[0], '$'), '$') + 1;
		if (strcmp(found, files) != 0)
			fail_msg("%s\n has %s\n not %s", insides[i].text, found, files);
		if (n > 0)
			assert_true(said.events & ON(mime_file_in_text));
	}
}

// The same bytes as a file of its own, with its hash; more of them than are listed are counted.
static void m19_many_files_inside_a_text_are_bounded(void **state) {
	enum { FILES = MIME_ATTACHMENTS_MAX + 5 };
	static const char one[] = "begin 644 a\n#86)C\n`\nend\n";
	static const uint8_t sha256[] = {0xba, 0x78, 0x16, 0xbf}; // of "abc"
	struct said said = {0};
	struct mime_handler handler = {.ctx = &said, .event = on_event};
	struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
	struct mime_summary summary;

	mime_data(mime, (const uint8_t *)"\n", 1);
	for (int i = 0; i < FILES; i++)
		mime_data(mime, (const uint8_t *)one, sizeof(one) - 1);
	mime_close(mime, &summary);
	assert_int_equal(summary.n_attachments, MIME_ATTACHMENTS_MAX);
	assert_int_equal(summary.attachments_total, FILES);
	for (int i = 0; i < MIME_ATTACHMENTS_MAX; i++) {
		assert_true(summary.attachments[i]->has_sha256);
		assert_memory_equal(summary.attachments[i]->sha256, sha256, sizeof(sha256));
	}
	mime_summary_free(&summary, slab);
	assert_int_equal(slab_used(slab), 0);
}

static const struct {
	const char *text, *said;
	uint64_t events;
} messages[] = {
	{"", "|", 0},
	{"text", "|text$", 0},
	{"A: b\r\n\r\ntext\r\n", "A: b\r\n|text\r\n$", 0},
	{"A: b\n\ntext", "A: b\r\n|text$", 0},
	{"A: b\r\n c\r\n\td\r\n\r\n", "A: b c\td\r\n|$", 0},
	{"From x Mon\r\nA: b\r\n\r\n", "From x Mon\r\nA: b\r\n|$", 0},
	// M18: a line that is no field.
	{"A: b\r\nno field\r\nC: d\r\n\r\n", "A: b\r\nno field\r\nC: d\r\n|$", ON(mime_bad_header)},
	{"A : b\r\n\r\n", "A: b\r\n|$", ON(mime_bad_header)},
	{MULTI "\r\npre\r\n--b\r\n\r\none\r\n--b\r\nA: b\r\n\r\ntwo\r\n\r\n--b--\r\npost",
	 MULTI_SAID "pre$|one$A: b\r\n|two\r\n$post$",
	 0},
	{MULTI "\n--b\n\none\n--b--", MULTI_SAID "$|one$$", 0},
	{MULTI "\r\n--b\r\n\r\none\r\n--bad\r\n--\r\n--b--\r\n",
	 MULTI_SAID "$|one$|--$$", // RFC 2046: it begins with the boundary
	 ON(mime_ambiguous_boundary) | ON(mime_bad_header)},
	{MULTI "\r\n--b\r\n\r\n-\r\n--\r\n-x\r\n--b",
	 MULTI_SAID "$|-\r\n--\r\n-x$",
	 ON(mime_not_closed)},
	// M17: a fold of blanks only, a first line that begins with a blank, folds of nothing.
	{"A: b\r\n  \r\n c\r\nC: d\r\n\r\nx", "A: b   c\r\nC: d\r\n|x$", 0},
	{" a\r\nC: d\r\n\r\nx", "| a\r\nC: d\r\n\r\nx$", 0},
	{"A:\r\n \r\n\t\r\n \r\n\r\nx", "A: \r\n|x$", 0},
	// M6: parts behind the end.
	{MULTI "\r\n--b--\r\n--b\r\n\r\nx\r\n", MULTI_SAID "$$|x\r\n$", ON(mime_after_end)},
	// M6: a boundary inside a header.
	{MULTI "\r\n--b\r\nA: b\r\n--b\r\n\r\nx\r\n--b--",
	 MULTI_SAID "$A: b\r\n||x$$",
	 ON(mime_bad_header)},
	// M6: the inner boundary begins with the outer one.
	{MULTI "\r\n--b\r\nContent-Type: multipart/x; "
	       "boundary=b1\r\n\r\n--b1\r\n\r\nx\r\n--b1--\r\n--b--",
	 MULTI_SAID "$Content-Type: multipart/x; boundary=b1\r\n|$|x$$$",
	 0},
	// M1, M2
	{"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n\r\nYWJj",
	 "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n|abc$",
	 ON(mime_ambiguous_encoding)},
	{"Content-Transfer-Encoding: (c) BASE64 (d)\r\n\r\nYWJj",
	 "Content-Transfer-Encoding: (c) BASE64 (d)\r\n|abc$",
	 0},
	{"Content-Transfer-Encoding: base64 junk\r\n\r\nYWJj",
	 "Content-Transfer-Encoding: base64 junk\r\n|abc$",
	 ON(mime_ambiguous_encoding)},
	{"Content-Transfer-Encoding: x-base64\r\n\r\nYWJj",
	 "Content-Transfer-Encoding: x-base64\r\n|YWJj$",
	 ON(mime_ambiguous_encoding)},
	// M3
	{"Content-Type: multipart/mixed\r\n\r\nx",
	 "Content-Type: multipart/mixed\r\n|x$",
	 ON(mime_ambiguous_type)},
	// Character sets
	{"Content-Type: text/plain; charset=\"windows-1250\"\r\n\r\n\xe8\xe1",
	 "Content-Type: text/plain; charset=\"windows-1250\"\r\n|čá$",
	 0},
	{"Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	 "YQANAQ==",
	 "Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n|ač$",
	 0},
	{"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$\"\x1b(Ba",
	 "Content-Type: text/plain; charset=iso-2022-jp\r\n|あa$",
	 0},
	{"Content-Type: text/plain; charset=utf-7\r\n\r\n+ADw-a+APMA8w",
	 "Content-Type: text/plain; charset=utf-7\r\n|<aóó$",
	 0},
	{"Content-Type: text/plain; charset=x-none\r\n\r\na",
	 "Content-Type: text/plain; charset=x-none\r\n|a$",
	 ON(mime_unknown_charset)},
	// HTML
	{"Content-Type: text/html\r\n\r\n<p>a&aacute;<b>b</b>&#x10d;<!-- c --> &amp\r\n d</p>"
	 "<script>no</script>e&nope;<",
	 "Content-Type: text/html\r\n|\naábč & d\ne&nope;<$",
	 0},
	// Encoded words: M13
	{"Subject: =?utf-8?B?xI0=?= =?ISO-8859-2?Q?=E8_x?= y\r\n\r\n", "Subject: čč x y\r\n|$", 0},
	{"Subject: =?utf-8?B?xA==?= =?utf-8?B?jQ==?=\r\n\r\n", "Subject: č\r\n|$", 0},
	{"Subject: a =?x-none?Q?b?= =?utf-8?Q?c\r\n\r\n",
	 "Subject: a =?x-none?Q?b?= =?utf-8?Q?c\r\n|$",
	 ON(mime_bad_word)},
	// Attachments
	{"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; "
	 "filename*0*=utf-8''%C4%8D; filename*1=.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	 "JVBERi0=",
	 "Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; "
	 "filename*0*=utf-8''%C4%8D; filename*1=.pdf\r\nContent-Transfer-Encoding: base64\r\n"
	 "filename=\"č.pdf\"\r\n|$[č.pdf,a.pdf,application/pdf,application/pdf,5]",
	 ON(mime_ambiguous_name)},
	{"Content-Disposition: attachment; filename*1=b; filename*0=a\r\n\r\nx",
	 "Content-Disposition: attachment; filename*1=b; filename*0=a\r\nfilename=\"ab\"\r\n|x$"
	 "[ab,-,-,text/plain,1]",
	 ON(mime_bad_word)},
	// M8, M15: a message inside, behind a part with an encoding
	{MULTI "\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b\r\nContent-Type: "
	       "message/rfc822\r\n\r\nSubject: x\r\n\r\nYWJj\r\n--b--",
	 MULTI_SAID "$Content-Transfer-Encoding: base64\r\n|abc$Content-Type: message/rfc822\r\n|"
		    "Subject: x\r\n|YWJj$$",
	 0},
};

static void m06_m15_m18_any_cut_of_a_message_gives_the_same_parts(void **state) {
	static struct said said;

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		check(messages[i].text, strlen(messages[i].text), &said);
		if (said.used[0] != strlen(messages[i].said)
		    || memcmp(said.text[0], messages[i].said, said.used[0]) != 0)
			fail_msg(
				"%s\n says %.*s\n not %s",
				messages[i].text,
				(int)said.used[0],
				said.text[0],
				messages[i].said
			);
		if (said.events != messages[i].events)
			fail_msg("%s: events %jx", messages[i].text, (uintmax_t)said.events);
	}
}

// What differs between mail programs is said, whatever else is made of it. One row of HOSTILE.md each.
static const struct {
	const char *row, *text;
	uint64_t events; // at least these
} ambiguous[] = {
#define PART "\r\n--b\r\n\r\nx\r\n--b--\r\n"
	{"M1",
	 "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj",
	 ON(mime_ambiguous_encoding)},
	{"M1",
	 "Content-Transfer-Encoding: base64, quoted-printable\r\n\r\nYWJj",
	 ON(mime_ambiguous_encoding)},
	{"M1", "Content-Transfer-Encoding:\r\n\r\nYWJj", ON(mime_ambiguous_encoding)},
	{"M2",
	 "Content-Transfer-Encoding: =?utf-8?Q?base64?=\r\n\r\nYWJj",
	 ON(mime_ambiguous_encoding)},
	{"M2", "Content-Transfer-Encoding : base64\r\n\r\nYWJj", ON(mime_bad_header)},
	{"M2", "Content-Transfer-Encoding:: base64\r\n\r\nYWJj", ON(mime_ambiguous_encoding)},
	{"M2", "Content-Transfer-Encoding base64\r\n\r\nYWJj", 0}, // no header at all
	{"M2", "A: b\r\nContent-Transfer-Encoding base64\r\n\r\nYWJj", ON(mime_bad_header)},
	{"M2", "A: b\rContent-Transfer-Encoding: base64\r\n\r\nYWJj", ON(mime_bad_header)},
	{"M2", "Content-Transfer-Encoding:\r\n base64\r\n\r\nYWJj", 0}, // a fold is a blank
	{"M2", "Content-Transfer-Encoding: base64\v\r\n\r\nYWJj", 0},
	{"M2", "Content-Transfer-Encoding: base\v64\r\n\r\nYWJj", ON(mime_ambiguous_encoding)},
	{"M2", "Content-Transfer-Encoding: base\r\n 64\r\n\r\nYWJj", ON(mime_ambiguous_encoding)},
	{"M3", "Content-Type: xmultipart/mixed; boundary=b\r\n" PART, ON(mime_ambiguous_type)},
	{"M3", "Content-Type: multi/mixed; boundary=b\r\n" PART, ON(mime_ambiguous_type)},
	{"M3", "Content-Type: text/plain; boundary=b\r\n" PART, ON(mime_ambiguous_type)},
	{"M3",
	 "Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n" PART,
	 ON(mime_ambiguous_type)},
	{"M3",
	 "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx",
	 ON(mime_ambiguous_type)},
	{"M3", "Content-Type: multipart; boundary=b\r\n" PART, ON(mime_ambiguous_type)},
	{"M6", MULTI "\r\n--b \r\n\r\nx\r\n--b--\t\r\n", 0}, // blanks are allowed
	{"M6", MULTI "\r\n--bx\r\n\r\nx\r\n--b--\r\n", ON(mime_ambiguous_boundary)},
	{"M6", MULTI "\r\n--b\r\n\r\nx\r\n", ON(mime_not_closed)},
	{"M6",
	 "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx",
	 ON(mime_ambiguous_type)},
	{"M6",
	 "Content-Type: multipart/mixed; boundary="
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\nx",
	 ON(mime_ambiguous_boundary)}, // 71 characters
	{"M6", "Content-Type: multipart/mixed; boundary=--\r\n\r\n----\r\n\r\nx\r\n------\r\n", 0},
	{"M6", // inner is the outer one
	 MULTI "\r\n--b\r\n" MULTI "\r\n--b\r\n\r\nx\r\n--b--\r\n--b--\r\n",
	 ON(mime_ambiguous_boundary)},
	{"M6", // inner is the outer one's end
	 MULTI "\r\n--b\r\nContent-Type: multipart/x; "
	       "boundary=b--\r\n\r\n--b--\r\n\r\nx\r\n--b----\r\n--b--\r\n",
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary=b; boundary=c\r\n" PART,
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary*0=b; boundary*1=\"\"\r\n" PART,
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary*0*=us-ascii''b\r\n" PART,
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary=c; boundary*=us-ascii''b\r\n" PART,
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary=\"\\b\"\r\n" PART,
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary=\"b\\\"\"\r\n\r\n--b\"\r\n\r\nx",
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary=(c)b\r\n" PART,
	 ON(mime_ambiguous_boundary)},
	{"M7",
	 "Content-Type: multipart/mixed; boundary=\"b;c\"\r\n\r\n--b;c\r\n\r\nx",
	 ON(mime_ambiguous_boundary)},
	{"M7", "Content-Type: multipart/mixed; BOUNDARY=\"b\"\r\n" PART, 0},
	{"M11",
	 "Content-Disposition: attachment; filename*0=a; filename*2=b\r\n\r\nx",
	 ON(mime_bad_word)},
	{"M11",
	 "Content-Disposition: attachment; filename*4294967295=a\r\n\r\nx",
	 ON(mime_bad_word)},
	{"M11",
	 "Content-Disposition: attachment; filename*0=a; filename*0=b\r\n\r\nx",
	 ON(mime_bad_word)},
	{"M11",
	 "Content-Disposition: attachment; filename=a; filename*=utf-8''b\r\n\r\nx",
	 ON(mime_ambiguous_name)},
	{"M11", "Content-Disposition: attachment; filename*=''b\r\n\r\nx", ON(mime_bad_word)},
	{"M11",
	 "Content-Disposition: attachment; filename*1=a; filename*0=b\r\n\r\nx",
	 ON(mime_bad_word)},
	{"M11",
	 "Content-Disposition: attachment; filename*0*=utf-8''%C4%8D; filename*1=%; "
	 "filename=c\r\n\r\nx",
	 ON(mime_ambiguous_name)},
	{"M12", "Content-Transfer-Encoding: ((((base64\r\n\r\nx", ON(mime_ambiguous_encoding)},
	{"M12", "Content-Transfer-Encoding: base64 (\\\r\n\r\nx", ON(mime_ambiguous_encoding)},
	{"M12", "Content-Type: text/plain; (((\\)) name=a\r\n\r\nx", ON(mime_ambiguous_type)},
	{"M4", "Content-Transfer-Encoding: base64\r\n\r\nYW.Jj\r\n", ON(mime_bad_content)},
	{"M4", "Content-Transfer-Encoding: base64\r\n\r\nYQ==YmM=", ON(mime_bad_content)},
	{"M4", "Content-Transfer-Encoding: base64\r\n\r\nYWI", ON(mime_bad_content)},
	{"M4", "Content-Transfer-Encoding: base64\r\n\r\nYWJ\r\njZG\r\nVm\r\n", 0},
	{"M5", "Content-Transfer-Encoding: quoted-printable\r\n\r\na=4", ON(mime_bad_content)},
	{"M5", "Content-Transfer-Encoding: quoted-printable\r\n\r\na=\rb", ON(mime_bad_content)},
	{"M5", "Content-Transfer-Encoding: quoted-printable\r\n\r\na=e1", 0}, // lower case
	{"M13", "Subject: =?utf-8?B?xI0\r\n\r\n", ON(mime_bad_word)},
	{"M13", "Subject: =?utf-16?B?YQ==?=\r\n\r\n", 0}, // half a character: U+FFFD
	{"M13", "Subject: =?utf-8?Q?a b?=\r\n\r\n", ON(mime_bad_word)}, // raw blanks
	{"M13", "Subject: \"=?utf-8?Q?a?=\"\r\n\r\n", 0},
	{"M13", "Subject: =?x-none?Q?a?=\r\n\r\n", ON(mime_bad_word)},
	{"M13", "Subject: =?utf-8?B?x.I0=?=\r\n\r\n", ON(mime_bad_word)},
	{"M13", "Subject: \xe8\r\n\r\n", ON(mime_bad_header)},
	{"M13",
	 "Content-Disposition: attachment; filename*0*=utf-8''=?utf-8?Q?a; filename*1=?=\r\n\r\nx",
	 ON(mime_bad_word)},
	{"M13", "Content-Disposition: attachment; filename*=x-none''a\r\n\r\nx", ON(mime_bad_word)},
	{"M19", "\r\nhello\r\nbegin 644 a.exe\r\n#86)C\r\n`\r\nend\r\n", ON(mime_file_in_text)},
	{"M19", "\r\n=ybegin line=128 size=3 name=a.exe\r\n", ON(mime_file_in_text)},
	{"M19", "\r\n(This file must be converted with BinHex 4.0)\r\n", ON(mime_file_in_text)},
	{"M19", "\r\nto begin 644 again\r\nbegin 6 x\r\nbegin\n=ybeginning\r\n", 0},
	{"M23",
	 "Content-Type: image/png; name=a.png\r\nContent-Disposition: attachment; "
	 "filename=a.exe\r\n\r\nx",
	 ON(mime_ambiguous_name)},
	{"M23",
	 "Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEgnp.exe\r\n\r\nx",
	 ON(mime_deceptive_name)},
	{"M23",
	 "Content-Disposition: attachment; filename=\"a.png            .exe\"\r\n\r\nx",
	 ON(mime_deceptive_name)},
	{"M23",
	 "Content-Disposition: attachment; filename=\"../../a.exe\"\r\n\r\nx",
	 ON(mime_deceptive_name)},
#undef PART
};

static void m01_to_m23_what_mail_programs_read_differently_is_said(void **state) {
	static struct said said;

	for (size_t i = 0; i < sizeof(ambiguous) / sizeof(ambiguous[0]); i++) {
		check(ambiguous[i].text, strlen(ambiguous[i].text), &said);
		uint64_t wanted = ambiguous[i].events;
		if ((said.events & wanted) != wanted || (wanted == 0 && said.events != 0))
			fail_msg(
				"%s: %s: events %jx",
				ambiguous[i].row,
				ambiguous[i].text,
				(uintmax_t)said.events
			);
	}
}

static void m02_a_nul_in_a_field_is_said_wherever_it_stands(void **state) {
	static const char text[] = "Content-Transfer-Encoding: base64\r\n\r\nYWJj";
	static struct said said;

	for (size_t at = 0; at < 33; at++) {
		char copy[sizeof(text)];
		memcpy(copy, text, sizeof(text));
		copy[at] = '\0';
		check(copy, sizeof(text) - 1, &said);
		// In the name it is no header, and all of it is text.
		assert_true(at < 26 || said.events != 0);
	}
	check("A: b\0c\r\n\r\nx", 11, &said); // in one that nothing is read of, too
	assert_int_equal(said.events, ON(mime_bad_header));
}

static void m02_blanks_of_any_number_are_blanks(void **state) {
	static char text[3000];
	static struct said said;

	memset(text, ' ', sizeof(text));
	memcpy(text, "Content-Transfer-Encoding:", 26);
	memcpy(text + 2100, "base64\r\n\r\nYWJj", 14);
	check(text, 2114, &said);
	assert_int_equal(said.events, 0);
	assert_memory_equal(said.text[0] + said.used[0] - 5, "|abc$", 5);
}

static void m23_a_name_with_nul_or_broken_utf8_is_kept_and_ends_nothing(void **state) {
	static const char text[]
		= "Content-Disposition: attachment; filename=\"a\0b\xc0\xaf.exe\"\r\n\r\nx";
	static struct said said;

	check(text, sizeof(text) - 1, &said);
	// What is no UTF-8 is read as Windows-1250, overlong forms, too.
	assert_non_null(memmem(said.text[0], said.used[0], "[a bŔŻ.exe", strlen("[a bŔŻ.exe")));
	assert_true(said.events & ON(mime_bad_header));
}

// ---- Parts without their header

#define LINE64 "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2Np"
#define LOREM "Lorem ipsum dolor sit amet, consectetur adipisci"

static const struct {
	const char *text, *said;
	size_t from;
} parts[] = {
	{"", "$", 0},
	{"a letter\r\n", "a letter\r\n$", 0},
	{"one word\r\n-- \r\nContent with it\r\n", "one word\r\n-- \r\nContent with it\r\n$", 0},
	{"-----\r\nFrom: me\r\n", "-----\r\nFrom: me\r\n$", 0},
	// Base64: many lines, or a short one that makes sense.
	{LINE64 "\r\n" LINE64 "\r\nIQ==\r\n", LOREM LOREM "!$", 0},
	{LINE64 LINE64 "\n", LOREM LOREM "$", 0},
	{"xb5sdXTDvSBrxa/FiA==\r\n",
	 "\xc5\xbe"
	 "lut\xc3\xbd k\xc5\xaf\xc5\x88$",
	 0},
	{"PGh0bWw+PGI+YTwvYj4=", "a$", 0},
	{"abcdefgh", "abcdefgh$", 0}, // decodes to nothing
	{"JVBERi0xLjQKJcfs\r\n", "$[-,-,-,application/pdf,12]", 0},
	{LINE64 "\r\nand then a word", LINE64 "\r\nand then a word$", 0},
	// Quoted-printable: its own escapes, and none that are not.
	{"k=C5=AF=C5=88 a=\r\nb", "k\xc5\xaf\xc5\x88 ab$", 0},
	{"see http://x/?a=12&b=34", "see http://x/?a=12&b=34$", 0},
	{"1+1=2, k=C5=AF", "1+1=2, k=C5=AF$", 0},
	// Containers.
	{"text before\r\n--x y\r\nContent-Type: text/plain\r\n\r\na\r\n--x y--\r\n",
	 "text before$Content-Type: text/plain\r\n|a$$",
	 0},
	{"Received: by x;\r\n  now\r\nSubject: y\r\n\r\nz",
	 "Received: by x;  now\r\nSubject: y\r\n|z$",
	 0},
	// Not from its beginning: the first line is half a line.
	{"AAA\r\n" LINE64 "\r\n" LINE64 "\r\n", LOREM LOREM "$", 100},
	{"=\r\n =C5=AF", " \xc5\xaf$", 100},
};

static void a_part_without_its_header_is_told_by_its_bytes(void **state) {
	static struct said said;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct reading reading = {.start = MIME_BODY, .from = parts[i].from};

		read_as(&reading, parts[i].text, strlen(parts[i].text), &said);
		assert_int_equal(said.used[0], strlen(parts[i].said));
		assert_memory_equal(said.text[0], parts[i].said, said.used[0]);
	}
}

// More than is kept to guess by: what was kept is read once, and the rest goes on.
static void a_long_part_without_its_header_is_read_whole(void **state) {
	static char text[3 * MIME_GUESS_SIZE];
	static struct said said;
	size_t size = 0;

	while (size + 66 <= sizeof(text))
		size += (size_t)sprintf(text + size, "%s", LINE64 "\r\n");
	read_as(&(struct reading){.start = MIME_BODY}, text, size, &said);
	assert_int_equal(said.used[0], size / 66 * 48 + 1);
}

// ---- Limits

struct grown {
	char *text;
	size_t size;
	FILE *out;
};

static FILE *grow(struct grown *grown) {
	grown->out = open_memstream(&grown->text, &grown->size);
	return grown->out;
}

// In all ways, with no more memory in use than a message may have.
static void grown_check(struct grown *grown, struct said *said) {
	enum { MESSAGE_MEMORY_MAX = MIME_FIELD_SIZE_MAX + 40000 };

	fclose(grown->out);
	read_as(&(struct reading){MIME_MESSAGE, 0, MESSAGE_MEMORY_MAX},
		grown->text,
		grown->size,
		said);
	free(grown->text);
}

// A thousand or a hundred thousand fields of addresses, then one without an end.
static void m10_headers_of_any_size_take_the_same_memory(void **state) {
	static struct said said;

	for (int n = 1000; n <= 100000; n *= 100) {
		struct grown grown;
		FILE *out = grow(&grown);
		for (int i = 0; i < n; i++)
			fputs("To: a@x, \"b\" <b@y>\r\n", out);
		fputs("Cc: ", out);
		for (int i = 0; i < 4 * n; i++)
			fputs("c@zz,\r\n (", out);
		fputs("\r\n\r\nend", out);
		grown_check(&grown, &said);
		assert_int_equal(said.events, ON(mime_limit));
	}
}

// Nothing is kept of it and nothing is looked for twice.
static void m16_a_line_without_an_end_is_given_on_as_it_comes(void **state) {
	static struct said said;
	struct mime_handler handler = {.ctx = &said, .text = on_text, .event = on_event};
	struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
	struct mime_summary summary;
	struct grown grown;
	FILE *out = grow(&grown);

	memset(&said, 0, sizeof(said));
	mime_data(mime, (const uint8_t *)"Content-Type: text/plain\r\n\r\nhttp://", 35);
	for (size_t n = 0; n < 500; n++) {
		size_t used = said.used[0], held = slab_used(slab);
		mime_data(mime, (const uint8_t *)"user:", 5);
		assert_int_equal(said.used[0], used + 5);
		assert_int_equal(slab_used(slab), held);
	}
	mime_close(mime, &summary);
	mime_summary_free(&summary, slab);
	fputs("Content-Type: text/plain\r\n\r\nhttp://", out);
	for (int i = 0; i < 4000; i++)
		fputs("user:", out);
	grown_check(&grown, &said);
	assert_int_equal(said.events, 0);
}

// Messages, multiparts, and both by turns: all are levels of one count.
static void m08_levels_beyond_the_limit_are_text(void **state) {
	static const int counts[] = {
		MIME_DEPTH_MAX - 1,
		MIME_DEPTH_MAX,
		MIME_DEPTH_MAX + 1,
		100 * MIME_DEPTH_MAX,
	};
	static struct said said;

	for (int c = 0; c < 4; c++)
		for (int kind = 0; kind < 3; kind++) {
			struct grown grown;
			FILE *out = grow(&grown);
			for (int i = 0; i < counts[c]; i++)
				if (kind == 0 || (kind == 1 && i % 2 == 0))
					fputs("Content-Type: message/rfc822\r\n\r\n", out);
				else
					fprintf(out,
						"Content-Type: multipart/x; "
						"boundary=b%d.\r\n\r\n--b%d.\r\n",
						i,
						i);
			fputs("Content-Disposition: attachment\r\n\r\nx", out);
			grown_check(&grown, &said);
			assert_int_equal(
				(said.events & ON(mime_limit)) != 0, counts[c] > MIME_DEPTH_MAX
			);
		}
}

static void m09_parts_beyond_the_limit_are_text(void **state) {
	static const int counts[] = {
		MIME_PARTS_MAX - 1,
		MIME_PARTS_MAX,
		MIME_PARTS_MAX + 1,
		100 * MIME_PARTS_MAX,
	};
	static struct said said;

	for (int c = 0; c < 4; c++) {
		struct grown grown;
		FILE *out = grow(&grown);
		fprintf(out, "%s\r\n", MULTI);
		for (int i = 0; i < counts[c]; i++)
			fputs("--b\r\n\r\n", out);
		fputs("--b--", out);
		grown_check(&grown, &said);
		assert_int_equal(
			said.events,
			counts[c] > MIME_PARTS_MAX ? ON(mime_limit) | ON(mime_not_closed) : 0
		);
	}
}

static void m17_a_field_beyond_the_limit_is_cut_and_searched(void **state) {
	static const char *const folds[] = {"\r\n c", "\r\n \t", "\n ", "\r\n           c"};
	static struct said said;

	for (size_t f = 0; f < sizeof(folds) / sizeof(folds[0]); f++)
		for (size_t size = MIME_FIELD_SIZE_MAX / 2; size <= 100 * MIME_FIELD_SIZE_MAX;
		     size *= 200) {
			struct grown grown;
			FILE *out = grow(&grown);
			fputs("A: b", out);
			for (size_t i = 4; i < size; i += strlen(folds[f]))
				fputs(folds[f], out);
			fputs("\r\nB: c\r\n\r\nend", out);
			grown_check(&grown, &said);
			assert_int_equal(
				said.events, size > MIME_FIELD_SIZE_MAX ? ON(mime_limit) : 0
			);
		}
}

static void m01_an_attachment_is_listed_in_both_decodings(void **state) {
#define NAMED "Content-Disposition: attachment; filename=a\r\n"
	static const struct {
		const char *text, *listed;
	} cases[] = {
		{"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: "
		 "quoted-printable\r\n" NAMED "\r\nJVBERi0=",
		 "[a,-,-,application/pdf,5][a,-,-,text/plain,8]"},
		{"Content-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: "
		 "base64\r\n" NAMED "\r\nJVBERi0=",
		 "[a,-,-,text/plain,8][a,-,-,application/pdf,5]"},
		{"Content-Transfer-Encoding: base64, quoted-printable\r\n" NAMED "\r\nJVBERi0=",
		 "[a,-,-,application/pdf,5][a,-,-,text/plain,8]"},
		{"Content-Transfer-Encoding:\r\nContent-Transfer-Encoding: base64\r\n" NAMED
		 "\r\nJVBERi0=",
		 "[a,-,-,application/pdf,5][a,-,-,text/plain,8]"},
		{"Content-Transfer-Encoding: x-none\r\nContent-Transfer-Encoding: base64\r\n" NAMED
		 "\r\nJVBERi0=",
		 "[a,-,-,text/plain,8][a,-,-,application/pdf,5]"},
		{"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n" NAMED
		 "\r\nJVBERi0=",
		 "[a,-,-,application/pdf,5][a,-,-,text/plain,8]"},
		// The same twice is no question.
		{"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: BASE64\r\n" NAMED
		 "\r\nJVBERi0=",
		 "[a,-,-,application/pdf,5]"},
	};
#undef NAMED
	static struct said said;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(cases[i].text, strlen(cases[i].text), &said);
		const char *listed = strchr(said.text[0], '[');
		assert_non_null(listed);
		assert_string_equal(listed, cases[i].listed);
		bool is_twice = strchr(listed + 1, '[') != NULL;
		assert_int_equal((said.events & ON(mime_ambiguous_encoding)) != 0, is_twice);
	}
}

static void m24_the_hash_of_an_attachment_with_a_hole_is_not_told(void **state) {
	static const char text[] = "Content-Disposition: attachment\r\n\r\nabc";
	static struct said said;
	struct mime_handler handler = {.ctx = &said, .event = on_event};
	struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
	struct mime_summary summary;

	mime_data(mime, (const uint8_t *)text, sizeof(text) - 1);
	mime_gap(mime, 10);
	mime_data(mime, (const uint8_t *)"def", 3);
	mime_close(mime, &summary);
	assert_int_equal(summary.n_attachments, 1);
	assert_true(summary.attachments[0]->is_holed);
	assert_false(summary.attachments[0]->has_sha256);
	assert_int_equal(summary.attachments[0]->bytes, 6);
	mime_summary_free(&summary, slab);
	assert_int_equal(slab_used(slab), 0);
	const struct play_part parts[] = {
		{PLAY_DATA, STREAM_CLIENT, text, sizeof(text) - 1},
		{PLAY_GAP, STREAM_CLIENT, NULL, 10},
		{PLAY_DATA, STREAM_CLIENT, "def", 3},
	};
	assert_true(play_beside("a hole", BESIDE_MESSAGE, parts, 3));
}

static int set_up(void **state) {
	slab = slab_open(1 << 22);
	sha256_pair_init(&hashes);
	charsets = charsets_open("windows-1250");
	return slab == NULL || charsets == NULL;
}

static int tear_down(void **state) {
	slab_close(slab);
	charsets_close(charsets);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_without_its_header_is_told_by_its_bytes),
		cmocka_unit_test(a_long_part_without_its_header_is_read_whole),
		cmocka_unit_test(m01_m02_m14_a_text_with_two_readings_is_given_in_both),
		cmocka_unit_test(m01_the_other_reading_of_a_long_text_is_whole),
		cmocka_unit_test(m19_a_file_inside_a_text_is_listed),
		cmocka_unit_test(m19_many_files_inside_a_text_are_bounded),
		cmocka_unit_test(m06_m15_m18_any_cut_of_a_message_gives_the_same_parts),
		cmocka_unit_test(m01_to_m23_what_mail_programs_read_differently_is_said),
		cmocka_unit_test(m01_an_attachment_is_listed_in_both_decodings),
		cmocka_unit_test(m02_a_nul_in_a_field_is_said_wherever_it_stands),
		cmocka_unit_test(m02_blanks_of_any_number_are_blanks),
		cmocka_unit_test(m23_a_name_with_nul_or_broken_utf8_is_kept_and_ends_nothing),
		cmocka_unit_test(m10_headers_of_any_size_take_the_same_memory),
		cmocka_unit_test(m16_a_line_without_an_end_is_given_on_as_it_comes),
		cmocka_unit_test(m08_levels_beyond_the_limit_are_text),
		cmocka_unit_test(m09_parts_beyond_the_limit_are_text),
		cmocka_unit_test(m17_a_field_beyond_the_limit_is_cut_and_searched),
		cmocka_unit_test(m24_the_hash_of_an_attachment_with_a_hole_is_not_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
