// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "beside.h"

#include "config.h"
#include "desk.h"
#include "match/scan.h"
#include "offers.h"
#include "output/activity_json.h"
#include "play.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define C STREAM_CLIENT
#define S STREAM_SERVER

enum {
	GOOD_PIECE = 11, // bytes of a packet
	BAD_PIECE_MAX = 1448,
	GOOD_PORT = 50000, // and those after it
	BAD_PORT = 40000,
};

static const uint64_t step_ns = 1000000; // from one packet of the good ones to the next

// ---- The good ones

#define MESSAGE                                                                                    \
	"Subject: =?iso-8859-2?Q?zpr=E1va?=\r\nMIME-Version: 1.0\r\n"                              \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"                                 \
	"Content-Type: text/html; charset=windows-1250\r\n"                                        \
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>P=F8=EDsn=EC "                      \
	"confi<b>den</b>tial=\r\n"                                                                 \
	"ly</p>\r\n--b\r\n"                                                                        \
	"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"   \
	"JVBERi0xLjQKJeLjz9MKMyAwIG9iago8PC9MZW5ndGggNCAwIFI+PgpzdHJlYW0K\r\n--b--\r\n"
static_assert(sizeof(MESSAGE) - 1 == 403, "as the literal says");

// "anna@good.example" and so on, each with a password of its own.
struct line {
	enum stream_dir dir;
	bool is_deflated;
	const char *text;
	size_t size; // 0: strlen
};

static const struct line imap_lines[] = {
	{S, .text = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN COMPRESS=DEFLATE] ready\r\n"},
	{C, .text = "a ID (\"name\" \"LabMail\")\r\nb AUTHENTICATE PLAIN\r\n"},
	{S, .text = "* ID NIL\r\na OK\r\n+ \r\n"},
	{C, .text = "AGFubmFAZ29vZC5leGFtcGxlAHNlY3JldA==\r\nc COMPRESS DEFLATE\r\n"},
	{S, .text = "b OK in\r\nc OK deflate\r\n"},
	{C, true, "d SELECT INBOX\r\ne UID FETCH 3 (BODY.PEEK[])\r\n"},
	{S,
	 true,
	 "* 5 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 9]\r\nd OK [READ-WRITE]\r\n"},
	{S, true, "* 3 FETCH (UID 3 BODY[] {403}\r\n" MESSAGE ")\r\ne OK\r\n"},
	{C, true, "f LOGIN {4}\r\n"},
	{S, true, "f BAD already\r\n"},
	{C, true, "g STORE 3 +FLAGS (\\Seen)\r\nh LOGOUT\r\n"},
	{S, true, "g OK\r\n* BYE\r\nh OK\r\n"},
};

static const struct line smtp_lines[] = {
	{C, .text = "PROXY TCP4 203.0.113.31 10.9.0.2 45123 587\r\n"},
	{S, .text = "220 mx.good.example ESMTP\r\n"},
	{C, .text = "EHLO c.good.example\r\n"},
	{S, .text = "250-mx.good.example\r\n250-AUTH LOGIN\r\n250 CHUNKING\r\n"},
	{C, .text = "AUTH LOGIN\r\n"},
	{S, .text = "334 VXNlcm5hbWU6\r\n"},
	{C, .text = "Ym9yaXNAZ29vZC5leGFtcGxl\r\n"},
	{S, .text = "334 UGFzc3dvcmQ6\r\n"},
	{C, .text = "aGVzbG8=\r\n"},
	{S, .text = "235 2.7.0 in\r\n"},
	{C, .text = "MAIL FROM:<boris@good.example>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n"},
	{S, .text = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n"},
	{C, .text = MESSAGE ".\r\n"},
	{S, .text = "250 2.0.0 Ok: queued as 4ABC\r\n"},
	{C, .text = "QUIT\r\n"},
	{S, .text = "221 2.0.0 Bye\r\n"},
};

static const struct line pop3_lines[] = {
	{S, .text = "+OK POP3 ready\r\n"},
	{C, .text = "USER cyril@good.example\r\n"},
	{S, .text = "+OK\r\n"},
	{C, .text = "PASS tajne\r\n"},
	{S, .text = "+OK in\r\n"},
	{C, .text = "RETR 1\r\n"},
	{S, .text = "+OK message follows\r\n" MESSAGE ".\r\n"},
	{C, .text = "DELE 1\r\nQUIT\r\n"},
	{S, .text = "+OK\r\n+OK\r\n"},
};

static const struct line sieve_lines[] = {
	{S, .text = "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\nOK\r\n"},
	{C, .text = "AUTHENTICATE \"PLAIN\" \"AGRhbmFAZ29vZC5leGFtcGxlAGtsaWM=\"\r\n"},
	{S, .text = "OK\r\n"},
	{C, .text = "PUTSCRIPT \"f\" {27+}\r\nredirect \"d@far.example\";\r\n\r\n"},
	{S, .text = "OK\r\n"},
	{C, .text = "SETACTIVE \"f\"\r\nLOGOUT\r\n"},
	{S, .text = "OK\r\nOK\r\n"},
};

#define HELLO                                                                                      \
	"\x16\3\1\0\x48\1\0\0\x44\3\3"                                                             \
	"12345678901234567890123456789012"                                                         \
	"\0\0\2\x13\1\1\0\0\x19"                                                                   \
	"\0\0\0\x15\0\x13\0\0\x10mx1.good.example"
static const struct line tls_lines[] = {
	{C, .text = HELLO, .size = sizeof(HELLO) - 1},
	{S, .text = "\x16\3\3\0\4\2\0\0\0", .size = 9},
	{C, .text = "\x17\3\3\0\4....", .size = 9},
};

#define GOOD(port, lines)                                                                          \
	{ port, lines, sizeof(lines) / sizeof(lines[0]) }
static const struct {
	uint16_t port;
	const struct line *lines;
	size_t n_lines;
} goods[] = {
	GOOD(143, imap_lines),
	GOOD(587, smtp_lines),
	GOOD(110, pop3_lines),
	GOOD(4190, sieve_lines),
	GOOD(993, tls_lines),
};
enum { N_GOODS = sizeof(goods) / sizeof(goods[0]) };

// ---- What is said, as packets

struct packet {
	uint8_t dir;
	size_t gap; // so much is missing in front
	const uint8_t *data;
	size_t size;
};

struct talk {
	struct packet *packets;
	size_t n, room;
};

static void *need(void *memory) {
	if (!memory)
		abort();
	return memory;
}

static void talk_put(struct talk *t, struct packet packet) {
	if (t->n == t->room)
		t->packets = need(
			realloc(t->packets, (t->room = 2 * t->room + 64) * sizeof(*t->packets))
		);
	t->packets[t->n++] = packet;
}

static void
talk_cut(struct talk *t, enum stream_dir dir, const uint8_t *data, size_t size, size_t piece) {
	for (size_t at = 0; at < size; at += piece)
		talk_put(
			t,
			(struct packet
			){(uint8_t)dir, 0, data + at, size - at < piece ? size - at : piece}
		);
}

// To be freed; its size is *size_r.
static uint8_t *line_bytes(const struct line *line, z_stream *z, size_t *size_r) {
	size_t size = line->size ? line->size : strlen(line->text), room = size + 200;
	uint8_t *bytes = need(malloc(room));

	*size_r = size;
	memcpy(bytes, line->text, size);
	if (!line->is_deflated)
		return bytes;
	z->next_in = (uint8_t *)line->text;
	z->avail_in = (unsigned)size;
	z->next_out = bytes;
	z->avail_out = (unsigned)room;
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_out == 0)
		abort();
	*size_r = room - z->avail_out;
	return bytes;
}

// Stays for good.
static struct talk lines_talk(const struct line *lines, size_t n) {
	z_stream deflaters[2] = {0};
	struct talk t = {0};
	size_t size;

	for (int dir = 0; dir < 2; dir++)
		if (deflateInit2(&deflaters[dir], 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY)
		    != Z_OK)
			abort();
	for (size_t i = 0; i < n; i++) {
		uint8_t *bytes = line_bytes(&lines[i], &deflaters[lines[i].dir], &size);
		talk_cut(&t, lines[i].dir, bytes, size, GOOD_PIECE);
	}
	for (int dir = 0; dir < 2; dir++)
		deflateEnd(&deflaters[dir]);
	return t;
}

static void talk_text(struct talk *t, enum stream_dir dir, const char *text) {
	talk_put(t, (struct packet){(uint8_t)dir, 0, (const uint8_t *)text, strlen(text)});
}

static void talk_parts(struct talk *t, const struct play_part *parts, size_t n, size_t piece) {
	for (size_t i = 0; i < n; i++)
		if (parts[i].kind == PLAY_GAP)
			talk_put(t, (struct packet){(uint8_t)parts[i].dir, parts[i].size, NULL, 0});
		else if (parts[i].kind == PLAY_DATA)
			talk_cut(t, parts[i].dir, parts[i].data, parts[i].size, piece);
}

static size_t parts_size(const struct play_part *parts, size_t n, bool with_gaps) {
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		if (parts[i].kind == PLAY_DATA || (with_gaps && parts[i].kind == PLAY_GAP))
			size += parts[i].size;
	return size;
}

// As many packets as the good ones have, if that leaves none too small or too large. text: of 200 bytes, for
// what is put in front.
static struct talk
bad_talk(enum beside_as as, const struct play_part *parts, size_t n, size_t n_good, char *text) {
	static const char zip[] = "Content-Type: application/zip; name=z.zip\r\n"
				  "Content-Transfer-Encoding: binary\r\n\r\n";
	size_t piece = parts_size(parts, n, false) / n_good + 1;
	struct talk t = {0};

	if (piece > BAD_PIECE_MAX)
		piece = BAD_PIECE_MAX;
	if (as == BESIDE_MESSAGE || as == BESIDE_ZIP) {
		sprintf(text,
			"a LOGIN eve x\r\nb APPEND Drafts {%zu+}\r\n%s",
			parts_size(parts, n, true) + (as == BESIDE_ZIP ? strlen(zip) : 0),
			as == BESIDE_ZIP ? zip : "");
		talk_text(&t, S, "* OK ready\r\n");
		talk_text(&t, C, text);
	}
	talk_parts(&t, parts, n, piece);
	if (as == BESIDE_MESSAGE || as == BESIDE_ZIP) {
		talk_text(&t, C, "\r\n");
		talk_text(&t, S, "a OK in\r\nb OK kept\r\n");
	} else if (as == BESIDE_PROXY) {
		talk_text(&t, S, "* OK ready\r\n");
		talk_text(&t, C, "a LOGIN eve x\r\n");
		talk_text(&t, S, "a OK in\r\n");
	}
	return t;
}

// ---- The worker

// What a desk's test has.
struct heard {
	struct offers *offers; // the analyst's
	FILE *out; // what is said of the good ones
};

static void keep_record(struct desk *desk) {
	static const char good[] = "\"destination\":{\"ip\":\"10.9.0.1\",\"port\":",
			  bad[] = "\"source\":{\"ip\":\"10.0.0.9\",\"port\":40000,";
	struct heard *h = desk->ctx;
	size_t size = desk->line_size;
	const char *line = offers_record(h->offers, desk->line, &size);

	if (memmem(line, size, good, sizeof(good) - 1) && !memmem(line, size, bad, sizeof(bad) - 1))
		fprintf(h->out, "%.*s\n", (int)size, line);
}

static void keep_activity(struct desk *desk, const struct activity *activity) {
	struct heard *h = desk->ctx;
	static char line[ACTIVITY_LINE_SIZE_MAX];

	if (strstr(activity->account, "@good.example"))
		fprintf(h->out,
			"%.*s\n",
			(int)activity_json_write(activity, line, sizeof(line)),
			line);
}

static void hear_offer(struct desk *desk, const struct offer_heard *heard) {
	struct heard *h = desk->ctx;

	offers_hear(h->offers, heard);
}

// One rule, for both kinds of bodies; compiled once.
static struct scanner *scanner_get(void) {
	static const char text[]
		= "rules: [{id: secret, look: [body, header], pattern: 'confidential'}]\n";
	static struct scanner *scanner;
	int n_bad;

	if (!scanner) {
		struct rules *rules = rules_parse("r", text, sizeof(text) - 1, NULL, NULL, &n_bad);
		struct database *db = database_open(rules, NULL, NULL, NULL, NULL, &n_bad);
		scanner = need(scanner_open(need(db), 64));
	}
	return scanner;
}

static struct desk *worker_open(struct heard *heard) {
	static const struct config_prefixes trusted
		= {.n = 1, .prefix = {{.ip = {.addr = {10, 0, 0, 9}, .family = 4}, .bits = 32}}};
	const struct engine_config config = {
		.slab_size = 16 << 20,
		.password_key = {1, 2},
		.parse = true,
		.decode = true,
		.records = true,
		.scanner = scanner_get(),
		.trusted_proxies = &trusted,
	};
	struct desk *desk = desk_open_with(&config, 64);

	desk->step_ns = 0; // a bad one's packets take no time, so that the good ones' have the same
	desk->record = keep_record;
	desk->activity = keep_activity;
	desk->offer = hear_offer;
	desk->ctx = heard;
	heard->offers = need(offers_open());
	return desk;
}

// Whether all memory was given back.
static bool worker_close(struct desk *desk) {
	struct heard *heard = desk->ctx;
	bool is_empty;

	desk_end(desk);
	is_empty = slab_used(desk->engine->slab) == 0 && desk->engine->n_inflaters == 0;
	desk_close(desk);
	offers_close(heard->offers);
	return is_empty;
}

static void say(struct desk_connection *c, const struct packet *packet) {
	if (packet->gap)
		desk_lose(c, packet->dir, packet->gap);
	else
		desk_say(c, packet->dir, packet->data, packet->size);
}

// From one client to the server 10.net.0.1.
static struct desk_ends ends_of(uint8_t net, uint16_t client_port, uint16_t port) {
	return (struct desk_ends){{10, 0, 0, 9}, {10, net, 0, 1}, client_port, port};
}

// ---- Both

static const struct talk *good_talks(size_t *n_r) {
	static struct talk talks[N_GOODS];
	size_t n = 0;

	for (size_t i = 0; i < N_GOODS; i++) {
		if (!talks[i].n)
			talks[i] = lines_talk(goods[i].lines, goods[i].n_lines);
		n += talks[i].n;
	}
	*n_r = n;
	return talks;
}

// Everything that is said of the good ones, to be freed.
static char *run(enum beside_as as, const struct play_part *parts, size_t n_parts) {
	static const uint16_t bad_ports[] = {
		[BESIDE_IMAP] = 143,
		[BESIDE_SMTP] = 25,
		[BESIDE_POP3] = 110,
		[BESIDE_SIEVE] = 4190,
		[BESIDE_TLS] = 993,
		[BESIDE_PROXY] = 143,
		[BESIDE_MESSAGE] = 143,
		[BESIDE_ZIP] = 143,
		[BESIDE_SAME_SERVER] = 143,
	};
	size_t n_good, n_said = 0, n_bad = 0, size;
	const struct talk *talks = good_talks(&n_good);
	struct desk_connection good[N_GOODS], bad;
	char front[200], *text;
	struct talk bad_says = bad_talk(as, parts, n_parts, n_good, front);
	FILE *out = need(open_memstream(&text, &size));
	struct heard heard = {.out = out};
	struct desk *desk = worker_open(&heard);
	struct desk_ends ends;

	for (size_t i = 0; i < N_GOODS; i++) {
		ends = ends_of(9, (uint16_t)(GOOD_PORT + i), goods[i].port);
		good[i] = desk_connect_ends(desk, &ends);
	}
	ends = ends_of(as == BESIDE_SAME_SERVER ? 9 : 8, BAD_PORT, bad_ports[as]);
	if (n_parts > 0)
		bad = parts[0].kind == PLAY_EVENT ? desk_join_ends(desk, &ends)
						  : desk_connect_ends(desk, &ends);
	for (size_t i = 0; n_said < n_good; i++)
		for (size_t g = 0; g < N_GOODS; g++) {
			if (i >= talks[g].n)
				continue;
			desk->now_ns += step_ns;
			say(&good[g], &talks[g].packets[i]);
			for (n_said++; n_bad < bad_says.n * n_said / n_good; n_bad++)
				say(&bad, &bad_says.packets[n_bad]);
			if (i + 1 == talks[g].n)
				desk_hang_up(&good[g]);
		}
	if (n_parts > 0)
		desk_hang_up(&bad);
	if (!worker_close(desk))
		fputs("leaked", out);
	fclose(out);
	free(bad_says.packets);
	return text;
}

char *beside(enum beside_as as, const struct play_part *parts, size_t n_parts) {
	static char *alone;
	char *both, *told;

	if (!alone)
		alone = run(0, NULL, 0);
	if (n_parts == 0)
		return strdup(alone);
	both = run(as, parts, n_parts);
	told = NULL;
	if (strcmp(alone, both) != 0
	    && asprintf(&told, "-- alone:\n%s-- beside it:\n%s", alone, both) < 0)
		abort();
	free(both);
	return told;
}
