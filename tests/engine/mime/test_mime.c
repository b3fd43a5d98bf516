// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each message is read whole, byte by byte, and cut in two at every point; what it says, written down
// as text, must be the same.

#include "mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct said {
	char text[2][20000]; // header lines and text; markup
	size_t used[2];
	uint64_t events;
};

static struct slab *slab;
static struct sha256_pair hashes;
static struct charsets *charsets;

static void put(struct said *said, int i, const void *data, size_t size) {
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
	put(ctx, kind == MIME_MARKUP, data, size);
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

// A first piece of a bytes, the others of b, each in a block of its own; the summary at the end.
static void
feed(struct mime *mime, struct said *said, const char *text, size_t size, size_t a, size_t b) {
	struct mime_summary summary;

	for (size_t at = 0, piece = a; at < size; at += piece, piece = b) {
		piece = piece > size - at ? size - at : piece;
		uint8_t *block = malloc(piece + !piece);
		memcpy(block, text + at, piece);
		mime_data(mime, block, piece);
		free(block);
	}
	mime_close(mime, &summary);
	attachments_put(said, &summary);
	mime_summary_free(&summary, slab);
	assert_int_equal(slab_used(slab), 0);
	assert_null(hashes.first); // nothing that is over is hashed with others
}

static void read_message(const char *text, size_t size, size_t a, size_t b, struct said *said) {
	struct mime_handler handler = {
		.ctx = said,
		.hashes = &hashes,
		.header = on_header,
		.header_end = on_header_end,
		.text = on_text,
		.text_end = on_text_end,
		.event = on_event,
	};

	memset(said, 0, sizeof(*said));
	struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
	feed(mime, said, text, size, a, b);
}

// In all ways; whole in *said.
static void check(const char *text, size_t size, struct said *said) {
	static struct said cut;

	read_message(text, size, size, 1, said);
	for (size_t a = 0; a <= size; a++) {
		read_message(text, size, a, a == 0 ? 1 : size, &cut);
		if (memcmp(&cut, said, sizeof(cut)) != 0)
			fail_msg(
				"%.*s\n cut at %zu: %.*s\n not %.*s\n events %jx, %jx",
				(int)size,
				text,
				a,
				(int)cut.used[0],
				cut.text[0],
				(int)said->used[0],
				said->text[0],
				(uintmax_t)cut.events,
				(uintmax_t)said->events
			);
	}
}

#define ON(name) (UINT64_C(1) << EVENT_##name)
#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n"
#define MULTI_SAID "Content-Type: multipart/mixed; boundary=b\r\n|"

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
	{"M3", "Content-Type: xmultipart/mixed; boundary=b\r\n" PART, 0}, // a type of nobody
	{"M3", "Content-Type: multi/mixed; boundary=b\r\n" PART, 0},
	{"M3", "Content-Type: text/plain; boundary=b\r\n" PART, 0}, // RFC 2045: no meaning there
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
	{"M13", "Subject: =?utf-8?B?xI0\r\n\r\n", ON(mime_bad_word)},
	{"M13", "Subject: =?utf-16?B?YQ==?=\r\n\r\n", 0}, // half a character: U+FFFD
	{"M13", "Subject: =?utf-8?Q?a b?=\r\n\r\n", 0}, // raw blanks, which all readers take
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

// In pieces: the first a bytes, then pieces of b; from: how many bytes are missing in front.
static void
read_part(const char *text, size_t size, size_t a, size_t b, size_t from, struct said *said) {
	struct mime_handler handler = {
		.ctx = said,
		.hashes = &hashes,
		.header = on_header,
		.header_end = on_header_end,
		.text = on_text,
		.text_end = on_text_end,
		.event = on_event,
	};
	struct mime *mime = mime_open(slab, charsets, MIME_BODY, &handler);

	memset(said, 0, sizeof(*said));
	if (from > 0)
		mime_gap(mime, from);
	feed(mime, said, text, size, a, b);
}

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
	static struct said whole, cut;
	char want[2000];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t size = strlen(parts[i].text);

		read_part(parts[i].text, size, size, 1, parts[i].from, &whole);
		int n = snprintf(want, sizeof(want), "%.*s", (int)whole.used[0], whole.text[0]);
		assert_int_equal(n, whole.used[0]);
		print_message("%s\n", want);
		assert_string_equal(want, parts[i].said);
		for (size_t a = 0; a <= size; a++) {
			read_part(parts[i].text, size, a, a == 0 ? 1 : size, parts[i].from, &cut);
			assert_memory_equal(&cut, &whole, sizeof(cut));
		}
	}
}

// More than is kept to guess by: what was kept is read once, and the rest goes on.
static void a_long_part_without_its_header_is_read_whole(void **state) {
	static char text[3 * MIME_GUESS_SIZE];
	static struct said whole, cut;
	size_t size = 0;

	while (size + 66 <= sizeof(text))
		size += (size_t)sprintf(text + size, "%s", LINE64 "\r\n");
	read_part(text, size, size, 1, 0, &whole);
	assert_int_equal(whole.used[0], size / 66 * 48 + 1);
	for (size_t a = MIME_GUESS_SIZE - 2; a <= MIME_GUESS_SIZE + 2; a++) {
		read_part(text, size, a, 7, 0, &cut);
		assert_memory_equal(&cut, &whole, sizeof(cut));
	}
}

static void m10_headers_of_any_size_take_the_same_memory(void **state) {
	static struct said said;
	struct mime_handler handler = {.ctx = &said, .event = on_event};
	struct mime_summary summary;
	size_t peak[2] = {0};

	for (int i = 0; i < 2; i++) {
		struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
		memset(&said, 0, sizeof(said));
		// A thousand or a hundred thousand fields of addresses, then one without an end.
		for (int n = i == 0 ? 1000 : 100000; n > 0; n--)
			mime_data(mime, (const uint8_t *)"To: a@x, \"b\" <b@y>\r\n", 21);
		mime_data(mime, (const uint8_t *)"Cc: ", 4);
		for (int n = i == 0 ? 4000 : 400000; n > 0; n--)
			mime_data(mime, (const uint8_t *)"c@zz,\r\n (", 9);
		peak[i] = slab_used(slab);
		mime_close(mime, &summary);
		mime_summary_free(&summary, slab);
		assert_true(said.events & ON(mime_limit));
	}
	assert_int_equal(peak[0], peak[1]);
	assert_true(peak[1] < MIME_FIELD_SIZE_MAX + 12000);
}

static void m16_a_line_without_an_end_is_given_on_as_it_comes(void **state) {
	static struct said said;
	struct mime_handler handler = {.ctx = &said, .text = on_text, .event = on_event};
	struct mime *mime = mime_open(slab, charsets, MIME_MESSAGE, &handler);
	struct mime_summary summary;

	// Nothing is kept of it and nothing is looked for twice.
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
}

// Messages, multiparts, and both by turns: all are levels of one count.
static void m08_levels_beyond_the_limit_are_text(void **state) {
	static struct said said;

	for (int n = 3 * (MIME_DEPTH_MAX - 1); n < 3 * (MIME_DEPTH_MAX + 2); n++) {
		char text[10000] = "", *at = text;
		for (int i = 0; i < n / 3; i++)
			if (n % 3 == 0 || (n % 3 == 1 && i % 2 == 0))
				at += sprintf(at, "Content-Type: message/rfc822\r\n\r\n");
			else
				at += sprintf(
					at,
					"Content-Type: multipart/x; "
					"boundary=b%d.\r\n\r\n--b%d.\r\n",
					i,
					i
				);
		strcpy(at, "Content-Disposition: attachment\r\n\r\nx");
		read_message(text, strlen(text), strlen(text), 1, &said);
		assert_int_equal(
			said.events & ~ON(mime_not_closed),
			n / 3 > MIME_DEPTH_MAX ? ON(mime_limit) : 0
		);
	}
}

static void m09_parts_beyond_the_limit_are_text(void **state) {
	static struct said said;

	for (int n = MIME_PARTS_MAX - 1; n <= MIME_PARTS_MAX + 1; n++) {
		size_t size = 200 + 7u * (size_t)n;
		char *text = malloc(size), *at = text;
		at += snprintf(at, size, "%s\r\n", MULTI);
		for (int i = 0; i < n; i++)
			at += sprintf(at, "--b\r\n\r\n");
		strcpy(at, "--b--");
		read_message(text, strlen(text), 1000, 1000, &said);
		assert_int_equal(
			said.events, n > MIME_PARTS_MAX ? ON(mime_limit) | ON(mime_not_closed) : 0
		);
		free(text);
	}
}

static void m17_a_field_beyond_the_limit_is_cut_and_searched(void **state) {
	static struct said said;
	size_t size = 3 * MIME_FIELD_SIZE_MAX;
	char *text = malloc(size + 20);

	memcpy(text, "A: b", 4);
	for (size_t i = 4; i < size; i += 4)
		memcpy(text + i, "\r\n c", 4);
	memcpy(text + size, "\r\n\r\nend", 7);
	read_message(text, size + 7, size, 1, &said);
	assert_int_equal(said.events, ON(mime_limit));
	free(text);
	(void)said;
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
}

static int set_up(void **state) {
	slab = slab_open(1 << 22);
	sha256_pair_init(&hashes);
	charsets = charsets_open();
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
		cmocka_unit_test(m06_m15_m18_any_cut_of_a_message_gives_the_same_parts),
		cmocka_unit_test(m01_to_m23_what_mail_programs_read_differently_is_said),
		cmocka_unit_test(m02_a_nul_in_a_field_is_said_wherever_it_stands),
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
