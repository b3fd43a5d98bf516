// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "capture.h"

#include "rng.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	CONNECTIONS_MAX = 4096, // open at once; the one there first goes
	SEGMENT_MAX = 1400,
	SAID_MAX = 1 << 20, // of one side in one go
	HEADERS_MAX = 60, // fetched in one activity; a longer range is cut to its newest
};

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_PUSH = 8, TCP_ACK = 16 };
enum side { CLIENT, SERVER };

#define ROUND_TRIP_NS 12000000ull
#define REST_NS (25 * 60000000000ull) // a client that says nothing for so long logs out
#define LOOK_NS 60000000000ull // who rests is looked for once in so long

struct connection {
	uint8_t session[16];
	uint64_t used_ns;
	struct ip client;
	uint16_t port, server_port;
	uint32_t seq[2];
	uint32_t tag;
	uint8_t protocol;
	bool open, idle;
	char selected[ACTIVITY_MAILBOX_NAME_SIZE + 1]; // mode and name; empty: none
};

struct capture_writer {
	FILE *out;
	uint64_t now_ns, looked_ns, n_packets;
	uint32_t n_connections;
	struct connection connection[CONNECTIONS_MAX];
	size_t n_said;
	char said[SAID_MAX];
};

struct capture_writer *capture_writer_open(FILE *out) {
	static const uint32_t header[6] = {0xa1b23c4d, 4u << 16 | 2, 0, 0, 262144, 1};
	struct capture_writer *w = calloc(1, sizeof(*w));

	if (w) {
		w->out = out;
		fwrite(header, sizeof(header), 1, out);
	}
	return w;
}

uint64_t capture_writer_packets(const struct capture_writer *writer) {
	return writer->n_packets;
}

// ---- Packets

static uint8_t *put(uint8_t *p, uint64_t value, int size) {
	for (int i = size - 1; i >= 0; i--)
		*p++ = (uint8_t)(value >> (8 * i));
	return p;
}

static uint32_t sum_of(const uint8_t *p, size_t size, uint32_t sum) {
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return size & 1 ? sum + ((uint32_t)p[size - 1] << 8) : sum;
}

static uint16_t folded(uint32_t sum) {
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static const uint8_t server_ip[2][16] = {
	{10, 77, 0, 1},
	{0x2a, 0x02, 0, 0, 0, 0x77, [15] = 1},
};

static uint8_t *put_address(uint8_t *p, const struct connection *c, enum side side) {
	size_t size = c->client.family == 6 ? 16 : 4;

	memcpy(p, side == CLIENT ? c->client.addr : server_ip[size == 16], size);
	return p + size;
}

// The IP header; TCP's checksum begins with the addresses at *addresses_r.
static uint8_t *
put_ip(uint8_t *p, const struct connection *c, enum side from, size_t size, uint8_t **addresses_r) {
	uint8_t *ip = p;

	if (c->client.family == 6) {
		p = put(p, 6u << 28, 4), p = put(p, size, 2), p = put(p, 6 << 8 | 60, 2);
		*addresses_r = p;
		p = put_address(p, c, from);
		return put_address(p, c, !from);
	}
	p = put(p, 0x4500, 2), p = put(p, 20 + size, 2), p = put(p, 0, 2);
	p = put(p, 0x4000, 2), p = put(p, 60 << 8 | 6, 2), p = put(p, 0, 2);
	*addresses_r = p;
	p = put_address(p, c, from);
	p = put_address(p, c, !from);
	put(ip + 10, folded(sum_of(ip, 20, 0)), 2);
	return p;
}

static void packet_write(
	struct capture_writer *w,
	struct connection *c,
	enum side from,
	uint8_t flags,
	const char *data,
	size_t size
) {
	uint8_t frame[14 + 40 + 20 + SEGMENT_MAX] = {0}, *addresses, *tcp, *p = frame;
	uint16_t client = c->port, server = c->server_port;

	p = put(p, from == CLIENT ? 0x020000000002 : 0x020000000001, 6);
	p = put(p, from == CLIENT ? 0x020000000001 : 0x020000000002, 6);
	p = put(p, c->client.family == 6 ? 0x86dd : 0x0800, 2);
	p = tcp = put_ip(p, c, from, 20 + size, &addresses);
	p = put(p, from == CLIENT ? client : server, 2);
	p = put(p, from == CLIENT ? server : client, 2);
	p = put(p, c->seq[from], 4), p = put(p, flags & TCP_ACK ? c->seq[!from] : 0, 4);
	p = put(p, 0x5000 | flags, 2), p = put(p, 0xffff, 2), p = put(p, 0, 4);
	memcpy(p, data, size);
	p += size;
	size_t in_tcp = (size_t)(p - tcp);
	uint32_t sum = sum_of(addresses, (size_t)(tcp - addresses), (uint32_t)in_tcp + 6);
	put(tcp + 16, folded(sum_of(tcp, in_tcp, sum)), 2);

	uint32_t length = (uint32_t)(p - frame);
	uint32_t record[4]
		= {(uint32_t)(w->now_ns / 1000000000),
		   (uint32_t)(w->now_ns % 1000000000),
		   length,
		   length};
	fwrite(record, sizeof(record), 1, w->out);
	fwrite(frame, length, 1, w->out);
	w->n_packets++;
	w->now_ns += 20000;
	c->seq[from] += (uint32_t)size + !!(flags & (TCP_SYN | TCP_FIN));
}

// ---- Talk

static void __attribute__((format(printf, 2, 3)))
say(struct capture_writer *w, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(w->said + w->n_said, SAID_MAX - w->n_said, format, arguments);
	va_end(arguments);
	assert(n >= 0 && w->n_said + (size_t)n < SAID_MAX);
	w->n_said += (size_t)n;
}

// What was said goes out, half a round trip later.
static void send_said(struct capture_writer *w, struct connection *c, enum side from) {
	w->now_ns += ROUND_TRIP_NS / 2;
	for (size_t at = 0; at < w->n_said; at += SEGMENT_MAX) {
		size_t size = w->n_said - at < SEGMENT_MAX ? w->n_said - at : SEGMENT_MAX;
		packet_write(w, c, from, TCP_PUSH | TCP_ACK, w->said + at, size);
	}
	w->n_said = 0;
}

// A command of one line and its answer.
static void
exchange(struct capture_writer *w, struct connection *c, const char *command, const char *answer) {
	say(w, "%s\r\n", command);
	send_said(w, c, CLIENT);
	say(w, "%s\r\n", answer);
	send_said(w, c, SERVER);
}

static const char *tag_next(struct connection *c) {
	static char tag[12];

	snprintf(tag, sizeof(tag), "a%u", ++c->tag);
	return tag;
}

static const char *plain(const char *account) {
	static unsigned char text[2 * ACCOUNT_SIZE + 200];
	unsigned char secret[2 * ACCOUNT_SIZE + 2] = {0};
	size_t size = strlen(account);

	memcpy(secret + 1, account, size);
	memcpy(secret + 2 + size, account, size);
	EVP_EncodeBlock(text, secret, (int)(2 + 2 * size));
	return (const char *)text;
}

static void date_say(struct capture_writer *w, const char *format, uint64_t time_ns) {
	time_t seconds = (time_t)(time_ns / 1000000000);
	char text[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), format, &tm);
	say(w, "%s", text);
}

// ---- IMAP

// How a program puts its commands: from its grammar.
struct dialect {
	const char *list, *items;
	bool capability, namespaces;
};

// What is asked first of a mailbox, before what somebody came for. No two programs ask the same, as each has a
// grammar of its own: its sixteen pairs of bits are sixteen items.
static const char *dialect_sync(uint32_t grammar) {
	static const char *const items[4] = {"FLAGS", "UID", "MODSEQ", "RFC822.SIZE"};
	static char sync[16 * 12 + 3];
	size_t n = 0;

	for (int i = 0; i < 16; i++, grammar >>= 2)
		n += (size_t)sprintf(sync + n, "%c%s", i ? ' ' : '(', items[grammar & 3]);
	strcpy(sync + n, ")");
	return sync;
}

static struct dialect dialect_of(uint32_t grammar) {
	static const char *const lists[]
		= {"LIST \"\" \"*\"", "LSUB \"\" \"*\"", "LIST \"\" \"%\"", NULL, NULL};
	static const char *const items[] = {
		"(UID FLAGS INTERNALDATE %s[])",
		"(FLAGS %s[])",
		"(UID RFC822.SIZE %s[])",
		"(INTERNALDATE RFC822.SIZE FLAGS %s[])",
		"%s[]",
	};
	uint64_t draw = rng_hash(grammar, 1, 2);

	return (struct dialect){
		.list = lists[draw % 5],
		.items = items[(draw >> 8) % 5],
		.capability = (draw >> 16) % 4 == 0,
		.namespaces = (draw >> 20) % 4 == 0,
	};
}

static void imap_login(struct capture_writer *w, struct connection *c, const struct activity *a) {
	struct dialect dialect = dialect_of(a->client.grammar);
	char command[3 * ACCOUNT_SIZE], answer[200];
	const char *tag;

	say(w,
	    "* OK [CAPABILITY IMAP4rev1 IDLE ID LITERAL+ UIDPLUS MOVE NAMESPACE ACL] Mail ready\r\n"
	);
	send_said(w, c, SERVER);
	if (dialect.capability) {
		tag = tag_next(c);
		snprintf(command, sizeof(command), "%s CAPABILITY", tag);
		snprintf(
			answer, sizeof(answer), "* CAPABILITY IMAP4rev1 IDLE ID\r\n%s OK done", tag
		);
		exchange(w, c, command, answer);
	}
	if (a->client.id[0]) {
		tag = tag_next(c);
		snprintf(command, sizeof(command), "%s ID (\"name\" \"%s\")", tag, a->client.id);
		snprintf(answer, sizeof(answer), "* ID (\"name\" \"Dovecot\")\r\n%s OK done", tag);
		exchange(w, c, command, answer);
	}
	tag = tag_next(c);
	snprintf(command, sizeof(command), "%s LOGIN \"%s\" \"%s\"", tag, a->account, a->account);
	if (a->auth.failure)
		snprintf(
			command,
			sizeof(command),
			"%s LOGIN \"%s\" \"%016" PRIx64 "\"",
			tag,
			a->account,
			a->auth.password
		);
	snprintf(
		answer,
		sizeof(answer),
		a->auth.failure ? "%s NO [AUTHENTICATIONFAILED] Authentication failed."
				: "%s OK Logged in",
		tag
	);
	exchange(w, c, command, answer);
	if (a->auth.failure)
		return;
	if (dialect.namespaces) {
		tag = tag_next(c);
		snprintf(command, sizeof(command), "%s NAMESPACE", tag);
		snprintf(
			answer,
			sizeof(answer),
			"* NAMESPACE ((\"\" \"/\")) ((\"user/\" \"/\")) NIL\r\n%s OK done",
			tag
		);
		exchange(w, c, command, answer);
	}
	if (!dialect.list)
		return;
	tag = tag_next(c);
	snprintf(command, sizeof(command), "%s %s", tag, dialect.list);
	snprintf(
		answer,
		sizeof(answer),
		"* %.4s () \"/\" INBOX\r\n* %.4s () \"/\" Sent\r\n%s OK done",
		dialect.list,
		dialect.list,
		tag
	);
	exchange(w, c, command, answer);
}

static void idle_end(struct capture_writer *w, struct connection *c) {
	char answer[40];

	if (!c->idle)
		return;
	snprintf(answer, sizeof(answer), "a%u OK Idle completed", c->tag);
	exchange(w, c, "DONE", answer);
	c->idle = false;
}

// The newest message's flags: by what it asks for a program is known.
static void synchronise(
	struct capture_writer *w,
	struct connection *c,
	const struct activity *a,
	const struct activity_mailbox *m
) {
	uint32_t newest = m->uidnext > 1 ? m->uidnext - 1 : 1;
	char command[280], answer[120];
	const char *tag = tag_next(c);

	snprintf(
		command,
		sizeof(command),
		"%s UID FETCH %u:* %s",
		tag,
		newest,
		dialect_sync(a->client.grammar)
	);
	snprintf(
		answer,
		sizeof(answer),
		"* %u FETCH (UID %u FLAGS ())\r\n%s OK done",
		newest,
		newest,
		tag
	);
	exchange(w, c, command, answer);
}

static void select_mailbox(
	struct capture_writer *w,
	struct connection *c,
	const struct activity *a,
	const struct activity_mailbox *m
) {
	char selected[sizeof(c->selected)];
	const char *tag = tag_next(c);

	snprintf(selected, sizeof(selected), "%c%s", m->examine ? 'E' : 'S', m->name);
	if (!strcmp(selected, c->selected))
		return;
	strcpy(c->selected, selected);
	say(w, "%s %s \"%s\"\r\n", tag, m->examine ? "EXAMINE" : "SELECT", m->name);
	send_said(w, c, CLIENT);
	say(w,
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* %u EXISTS\r\n* 0 "
	    "RECENT\r\n"
	    "* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] Predicted next UID\r\n"
	    "%s OK [READ-%s] done\r\n",
	    m->uidnext > 0 ? m->uidnext - 1 : 0,
	    m->uidvalidity,
	    m->uidnext,
	    tag,
	    m->examine ? "ONLY" : "WRITE");
	send_said(w, c, SERVER);
	synchronise(w, c, a, m);
}

static void set_say(struct capture_writer *w, const struct uid_ranges *set) {
	for (int i = 0; i < set->n; i++) {
		const struct uid_range *range = &set->range[i];
		say(w, i ? ",%u" : "%u", range->first);
		if (range->last != range->first)
			say(w, ":%u", range->last);
	}
}

static void
headers_fetch(struct capture_writer *w, struct connection *c, const struct activity_mailbox *m) {
	const struct uid_range *all = &m->headers.range[0];
	uint32_t first
		= all->last - all->first < HEADERS_MAX ? all->first : all->last - HEADERS_MAX + 1;
	const char *tag = tag_next(c);

	say(w,
	    "%s UID FETCH %u:%u (FLAGS BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])\r\n",
	    tag,
	    first,
	    all->last);
	send_said(w, c, CLIENT);
	for (uint32_t uid = first; uid <= all->last; uid++)
		say(w,
		    "* %u FETCH (UID %u FLAGS () BODY[HEADER.FIELDS (FROM SUBJECT)] {%d}\r\n"
		    "Subject: Message %08u\r\n\r\n)\r\n",
		    uid,
		    uid,
		    29,
		    uid);
	say(w, "%s OK done\r\n", tag);
	send_said(w, c, SERVER);
}

// Message texts are short and alike, so that weeks of them are a small file.
static void
body_say(struct capture_writer *w, uint32_t uid, bool internaldate, bool old, uint64_t now_ns) {
	uint64_t age_ns = (old ? 31 + uid % 300 : uid % 20) * 86400000000000ull,
		 sent = now_ns - age_ns;
	char head[200], date[64];
	time_t seconds = (time_t)(sent / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	snprintf(
		head,
		sizeof(head),
		"From: partner%u@partner.example\r\nDate: %s\r\nSubject: Message %u\r\n\r\n",
		uid % 97,
		date,
		uid
	);
	static const char text[] = "Please find below what we agreed on. Kind regards.\r\n";
	say(w, "* %u FETCH (UID %u FLAGS (\\Seen)", uid, uid);
	if (internaldate)
		date_say(w, " INTERNALDATE \"%d-%b-%Y %H:%M:%S +0000\"", sent);
	say(w, " BODY[] {%zu}\r\n%s%s)\r\n", strlen(head) + sizeof(text) - 1, head, text);
}

static void bodies_fetch(
	struct capture_writer *w,
	struct connection *c,
	const struct activity *a,
	const struct activity_mailbox *m
) {
	struct dialect dialect = dialect_of(a->client.grammar);
	const char *tag = tag_next(c);
	uint32_t n = 0;

	say(w, "%s UID FETCH ", tag);
	set_say(w, &m->bodies);
	say(w, " ");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	say(w, dialect.items, m->peek ? "BODY.PEEK" : "BODY");
#pragma GCC diagnostic pop
	say(w, "\r\n");
	send_said(w, c, CLIENT);
	for (int i = 0; i < m->bodies.n; i++)
		for (uint32_t uid = m->bodies.range[i].first; uid <= m->bodies.range[i].last;
		     uid++) {
			body_say(
				w, uid, strstr(dialect.items, "INTERNAL"), n++ < m->old, a->time_ns
			);
			if (w->n_said > SAID_MAX / 2)
				send_said(w, c, SERVER);
		}
	say(w, "%s OK done\r\n", tag);
	send_said(w, c, SERVER);
}

// Flags or moves the newest n messages, each with a command of its own, as people do.
static void
act(struct capture_writer *w,
    struct connection *c,
    const struct activity_mailbox *m,
    const char *command,
    const char *how,
    uint32_t n) {
	char line[120], answer[40];

	for (uint32_t i = 1; i <= n; i++) {
		const char *tag = tag_next(c);
		snprintf(
			line,
			sizeof(line),
			"%s %s %u %s",
			tag,
			command,
			m->uidnext > i ? m->uidnext - i : 1,
			how
		);
		snprintf(answer, sizeof(answer), "%s OK done", tag);
		exchange(w, c, line, answer);
	}
}

static void append(struct capture_writer *w, struct connection *c, const char *mailbox) {
	static const char text[] = "Subject: Copy\r\n\r\nKind regards.\r\n";
	const char *tag = tag_next(c);

	say(w, "%s APPEND \"%s\" (\\Seen) {%zu+}\r\n%s\r\n", tag, mailbox, sizeof(text) - 1, text);
	send_said(w, c, CLIENT);
	say(w, "%s OK [APPENDUID 1 1] done\r\n", tag);
	send_said(w, c, SERVER);
}

static void expunge(struct capture_writer *w, struct connection *c, uint32_t exists, uint32_t n) {
	const char *tag = tag_next(c);

	say(w, "%s EXPUNGE\r\n", tag);
	send_said(w, c, CLIENT);
	for (; n > 0 && exists > 0; n--, exists--)
		say(w, "* %u EXPUNGE\r\n", exists);
	say(w, "%s OK done\r\n", tag);
	send_said(w, c, SERVER);
}

static void search(struct capture_writer *w, struct connection *c, const char *key, uint32_t n) {
	char command[80], answer[40];

	for (; n > 0; n--) {
		const char *tag = tag_next(c);
		snprintf(command, sizeof(command), "%s UID SEARCH %s", tag, key);
		snprintf(answer, sizeof(answer), "* SEARCH 1\r\n%s OK done", tag);
		exchange(w, c, command, answer);
	}
}

static void mailbox_talk(
	struct capture_writer *w,
	struct connection *c,
	const struct activity *a,
	const struct activity_mailbox *m
) {
	select_mailbox(w, c, a, m);
	search(w, c, "TEXT \"contract\"", m->search.text);
	search(w, c, "SUBJECT \"agenda\"", m->search.header);
	search(w, c, "UNSEEN", m->search.flag);
	if (m->headers.n)
		headers_fetch(w, c, m);
	if (m->bodies.n)
		bodies_fetch(w, c, a, m);
	act(w, c, m, "UID STORE", "+FLAGS.SILENT (\\Flagged)", m->store);
	act(w, c, m, "UID COPY", "Archive", m->copy);
	act(w, c, m, "UID MOVE", "Archive", m->move);
	for (uint32_t i = 0; i < m->append; i++)
		append(w, c, m->name);
	if (m->expunge)
		expunge(w, c, m->uidnext - 1, m->expunge);
}

static void imap_talk(struct capture_writer *w, struct connection *c, const struct activity *a) {
	char command[400], answer[40];
	const char *tag;

	idle_end(w, c);
	for (int i = 0; i < a->n_mailboxes; i++)
		mailbox_talk(w, c, a, &a->mailboxes[i]);
	for (int i = 0; i < a->n_acl; i++) {
		tag = tag_next(c);
		snprintf(command, sizeof(command), "%s SETACL INBOX \"%s\" lrswi", tag, a->acl[i]);
		snprintf(answer, sizeof(answer), "%s OK done", tag);
		exchange(w, c, command, answer);
	}
	if (a->idle && !a->end) {
		snprintf(command, sizeof(command), "%s IDLE", tag_next(c));
		exchange(w, c, command, "+ idling");
		c->idle = true;
	}
}

static void imap_end(struct capture_writer *w, struct connection *c) {
	char command[40], answer[60];
	const char *tag;

	idle_end(w, c);
	tag = tag_next(c);
	snprintf(command, sizeof(command), "%s LOGOUT", tag);
	snprintf(answer, sizeof(answer), "* BYE Logging out\r\n%s OK done", tag);
	exchange(w, c, command, answer);
}

// ---- Submission, ManageSieve

static void smtp_talk(struct capture_writer *w, struct connection *c, const struct activity *a) {
	char command[3 * ACCOUNT_SIZE];

	say(w, "220 mail.example ESMTP\r\n");
	send_said(w, c, SERVER);
	exchange(
		w, c, "EHLO client.example", "250-mail.example\r\n250-AUTH PLAIN\r\n250 PIPELINING"
	);
	snprintf(command, sizeof(command), "AUTH PLAIN %s", plain(a->account));
	exchange(w, c, command, "235 2.7.0 Authentication successful");
	for (int i = 0; i < a->n_sent; i++) {
		const struct activity_sent *sent = &a->sent[i];
		snprintf(command, sizeof(command), "MAIL FROM:<%s>", a->account);
		exchange(w, c, command, "250 2.1.0 Ok");
		for (uint32_t k = 0; k < sent->n_recipients; k++) {
			if (k < sent->n_to)
				snprintf(command, sizeof(command), "RCPT TO:<%s>", sent->to[k]);
			else
				snprintf(
					command,
					sizeof(command),
					"RCPT TO:<cc%u@partner.example>",
					k
				);
			exchange(w, c, command, "250 2.1.5 Ok");
		}
		exchange(w, c, "DATA", "354 End data with <CR><LF>.<CR><LF>");
		say(w,
		    "From: %s\r\nTo: %s\r\nSubject: Agenda\r\n\r\nKind regards.\r\n.\r\n",
		    a->account,
		    sent->to[0]);
		send_said(w, c, CLIENT);
		say(w, "250 2.0.0 Ok: queued\r\n");
		send_said(w, c, SERVER);
	}
}

static void sieve_talk(struct capture_writer *w, struct connection *c, const struct activity *a) {
	char script[600] = "require [\"copy\"];\r\n";

	say(w, "\"IMPLEMENTATION\" \"Pigeonhole\"\r\n\"SASL\" \"PLAIN\"\r\nOK \"ready\"\r\n");
	send_said(w, c, SERVER);
	say(w, "AUTHENTICATE \"PLAIN\" \"%s\"\r\n", plain(a->account));
	send_said(w, c, CLIENT);
	say(w, "OK \"Logged in.\"\r\n");
	send_said(w, c, SERVER);
	for (int i = 0; i < a->n_forward; i++)
		snprintf(
			script + strlen(script),
			sizeof(script) - strlen(script),
			"redirect :copy \"%s\";\r\n",
			a->forward[i]
		);
	say(w, "PUTSCRIPT \"rules\" {%zu+}\r\n%s\r\n", strlen(script), script);
	send_said(w, c, CLIENT);
	say(w, "OK \"PUTSCRIPT completed.\"\r\n");
	send_said(w, c, SERVER);
	exchange(w, c, "SETACTIVE \"rules\"", "OK \"SETACTIVE completed.\"");
}

// ---- Connections

static void connection_close(struct capture_writer *w, struct connection *c) {
	if (c->protocol == ACTIVITY_SMTP)
		exchange(w, c, "QUIT", "221 2.0.0 Bye");
	else if (c->protocol == ACTIVITY_SIEVE)
		exchange(w, c, "LOGOUT", "OK \"Logout completed.\"");
	else
		imap_end(w, c);
	packet_write(w, c, SERVER, TCP_FIN | TCP_ACK, "", 0);
	packet_write(w, c, CLIENT, TCP_FIN | TCP_ACK, "", 0);
	packet_write(w, c, SERVER, TCP_ACK, "", 0);
	c->open = false;
}

static void
connection_open(struct capture_writer *w, struct connection *c, const struct activity *a) {
	static const uint16_t ports[ACTIVITY_PROTOCOLS]
		= {[ACTIVITY_IMAP] = 143, [ACTIVITY_SMTP] = 587, [ACTIVITY_SIEVE] = 4190};
	uint64_t draw = rng_hash(++w->n_connections, 7, 7);

	*c = (struct connection){
		.client = a->source.ip,
		.port = (uint16_t)(10000 + w->n_connections % 50000),
		.server_port = ports[a->protocol],
		.seq = {(uint32_t)draw, (uint32_t)(draw >> 32)},
		.protocol = a->protocol,
		.open = true,
	};
	memcpy(c->session, a->session, sizeof(c->session));
	packet_write(w, c, CLIENT, TCP_SYN, "", 0);
	packet_write(w, c, SERVER, TCP_SYN | TCP_ACK, "", 0);
	packet_write(w, c, CLIENT, TCP_ACK, "", 0);
	if (a->protocol == ACTIVITY_IMAP)
		imap_login(w, c, a);
}

static struct connection *connection_find(struct capture_writer *w, const struct activity *a) {
	uint64_t key;

	memcpy(&key, a->session, sizeof(key));
	key ^= a->session[8] * 0x9e3779b97f4a7c15;
	struct connection *c = &w->connection[rng_mix(key) % CONNECTIONS_MAX];
	if (c->open && memcmp(c->session, a->session, sizeof(c->session)))
		connection_close(w, c);
	return c;
}

static void resting_close(struct capture_writer *w) {
	w->looked_ns = w->now_ns;
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (w->connection[i].open && w->connection[i].used_ns + REST_NS < w->now_ns)
			connection_close(w, &w->connection[i]);
}

void capture_writer_add(struct capture_writer *w, const struct activity *a) {
	struct connection *c;

	// Packets are in order, though conversations begin while others go on.
	if (a->time_ns > w->now_ns)
		w->now_ns = a->time_ns;
	if (w->now_ns > w->looked_ns + LOOK_NS)
		resting_close(w);
	c = connection_find(w, a);
	if (!c->open)
		connection_open(w, c, a);
	c->used_ns = w->now_ns;
	if (a->protocol == ACTIVITY_SMTP)
		smtp_talk(w, c, a);
	else if (a->protocol == ACTIVITY_SIEVE)
		sieve_talk(w, c, a);
	else if (!a->auth.failure)
		imap_talk(w, c, a);
	if (a->end || a->auth.failure)
		connection_close(w, c);
}

int capture_writer_close(struct capture_writer *w) {
	int rc;

	if (!w)
		return 0;
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (w->connection[i].open)
			connection_close(w, &w->connection[i]);
	rc = ferror(w->out) ? -1 : 0;
	free(w);
	return rc;
}
