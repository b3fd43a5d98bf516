// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk.h"

#include "activity.h"
#include "content.h"
#include "proto/offer.h"
#include "proto/sasl.h"
#include "proto/tls_unasked.h"
#include "session_files.h"
#include "session_match.h"
#include "slab.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_SIZE = 4 << 20 };

struct talk {
	struct session session; // first: what protocols get
	struct session_client client;
	struct slab *slab;
	const struct proto *proto;
	uint64_t now_ns;
	char *facts;
	size_t facts_size, facts_cap;
	struct activity activity;
	bool has_activity;
	int n_inflaters;
	bool has_tokens; // tokens are facts
	bool has_headers; // headers that are fetched alone are
	uint8_t offers; // that the server is known to make
	talk_dump *dump; // of a reading
	size_t memory_max;
};

int talk_inflaters_max = 2;

struct content {
	struct talk *talk;
	enum content_kind kind;
	uint64_t size, n_missing, hash;
	bool is_cut, is_header;
	char part[1200]; // what is known of it, when it is one
};

// ---- The session that protocols meet

static struct talk *talk_of(struct session *s) {
	return (struct talk *)s;
}

void talk_fact(struct talk *talk, const char *format, ...) {
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	while (talk->facts_size + size + 2 > talk->facts_cap) {
		talk->facts_cap = 2 * talk->facts_cap + 256;
		talk->facts = realloc(talk->facts, talk->facts_cap);
		assert(talk->facts != NULL);
	}
	va_start(args, format);
	vsnprintf(talk->facts + talk->facts_size, size + 1, format, args);
	va_end(args);
	talk->facts_size += size;
	memcpy(talk->facts + talk->facts_size, "\n", 2);
	talk->facts_size++;
}

struct slab *session_slab(struct session *s) {
	return talk_of(s)->slab;
}

void session_event(struct session *s, enum session_event event) {
	s->events |= UINT64_C(1) << event;
}

void session_is_lmtp(struct session *) {}

// What the server is known for is what it said before in this talk.
void session_offers(struct session *s, uint8_t offers, uint64_t) {
	uint64_t secured = UINT64_C(1) << EVENT_plaintext_after_starttls;

	if (offers & OFFER_GARBLED)
		session_event(s, EVENT_capability_stripped);
	if (s->login == LOGIN_SUCCESS || s->events & secured)
		return;
	if (talk_of(s)->offers & ~offers)
		session_event(s, EVENT_capability_stripped);
	talk_of(s)->offers |= offers & (OFFER_TLS | OFFER_AUTH);
}

void session_unparsed(struct session *s, uint64_t size) {
	s->n_unparsed += size;
}

void session_deafen(struct session *s, enum session_event why) {
	session_event(s, why);
	s->is_deaf = true;
}

struct session_client *session_client_get(struct session *s) {
	return s->client = &talk_of(s)->client;
}

bool session_inflater_begin(struct session *s) {
	if (talk_of(s)->n_inflaters == talk_inflaters_max)
		return false;
	talk_of(s)->n_inflaters++;
	return true;
}

void session_inflater_end(struct session *s) {
	talk_of(s)->n_inflaters--;
}

void session_encrypted(struct session *s) {
	s->is_tls = 1;
	session_deafen(s, EVENT_encrypted);
}

void session_ciphertext(struct session *s, const uint8_t *data, size_t size) {
	session_unparsed(s, size);
}

// Visible on purpose: that a password's hash reached its login.
uint64_t session_password_hash(const struct session *s, const uint8_t *password, size_t size) {
	uint64_t hash = 0;

	for (size_t i = 0; i < size; i++)
		hash = hash * 31 + password[i];
	return size == 0 ? 0 : hash % 9973 + 1;
}

void session_login(
	struct session *s,
	enum login_outcome outcome,
	uint8_t mechanism,
	const char *name,
	size_t name_size,
	uint64_t password_hash,
	uint64_t now_ns
) {
	talk_fact(
		talk_of(s),
		"login %s %s %.*s %ju",
		outcome == LOGIN_SUCCESS ? "success" : "failure",
		sasl_name(mechanism),
		name != NULL ? (int)name_size : 1,
		name != NULL ? name : "?",
		(uintmax_t)password_hash
	);
	s->login = outcome;
	s->mechanism = mechanism;
	s->n_attempts++;
}

void session_login_sasl(
	struct session *s,
	enum login_outcome outcome,
	const struct sasl *sasl,
	uint64_t now_ns
) {
	if (sasl->authzid_size > 0)
		talk_fact(talk_of(s), "login for %.*s", sasl->authzid_size, sasl->authzid);
	session_login(
		s,
		outcome,
		sasl->mechanism,
		sasl->name_size > 0 ? sasl->name : NULL,
		sasl->name_size,
		sasl->password_hash,
		now_ns
	);
}

void session_login_unanswered(
	struct session *s,
	uint8_t mechanism,
	const char *name,
	size_t name_size,
	uint64_t now_ns
) {
	talk_fact(
		talk_of(s), "login unanswered %s %.*s", sasl_name(mechanism), (int)name_size, name
	);
}

bool session_real_client(
	struct session *s,
	const struct ip *ip,
	uint16_t port,
	enum session_how how
) {
	static const char *const hows[] = {
		[SESSION_HOW_XCLIENT] = "xclient",
		[SESSION_HOW_XFORWARD] = "xforward",
		[SESSION_HOW_IMAP_ID] = "imap_id",
	};
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->addr, text, sizeof(text));
	talk_fact(talk_of(s), "client %s %u %s", text, port, hows[how]);
	return true;
}

static const char *set_text(const struct uid_ranges *set, char *text) {
	char *at = text;

	*at = '\0';
	for (int i = 0; i < set->n; i++) {
		if (i > 0)
			*at++ = ',';
		at += sprintf(at, "%u", set->range[i].first);
		if (set->range[i].last != set->range[i].first)
			at += sprintf(at, ":%u", set->range[i].last);
	}
	return text;
}

static void activity_dump(struct talk *talk) {
	const struct activity *a = &talk->activity;
	char bodies[600], headers[600];

	if (!talk->has_activity)
		return;
	if (a->idle)
		talk_fact(talk, "activity idle");
	for (int i = 0; i < a->n_forward; i++)
		talk_fact(talk, "activity forward %s", a->forward[i]);
	for (int i = 0; i < a->n_acl; i++)
		talk_fact(talk, "activity acl %s", a->acl[i]);
	for (int i = 0; i < a->n_sent; i++)
		talk_fact(
			talk,
			"activity sent %u %s bytes=%ju",
			a->sent[i].n_recipients,
			a->sent[i].n_to > 0 ? a->sent[i].to[0] : "-",
			(uintmax_t)a->sent[i].bytes
		);
	for (int i = 0; i < a->n_mailboxes; i++) {
		const struct activity_mailbox *m = &a->mailboxes[i];
		talk_fact(
			talk,
			"activity %s %u/%u %s bodies=%s(%u) headers=%s(%u) bytes=%ju peek=%u "
			"old=%u/%u "
			"search=%u,%u,%u,%u store=%u move=%u copy=%u append=%u expunge=%u",
			m->name,
			m->uidvalidity,
			m->uidnext,
			m->examine ? "examine" : "select",
			set_text(&m->bodies, bodies),
			m->n_bodies,
			set_text(&m->headers, headers),
			m->n_headers,
			(uintmax_t)m->bytes,
			m->peek,
			m->old,
			m->dated,
			m->search.text,
			m->search.header,
			m->search.flag,
			m->search.date,
			m->store,
			m->move,
			m->copy,
			m->append,
			m->expunge
		);
	}
}

struct activity *session_activity(struct session *s, uint64_t now_ns) {
	talk_of(s)->has_activity = true;
	return &talk_of(s)->activity;
}

void session_activity_flush(struct session *s, uint64_t now_ns) {
	activity_dump(talk_of(s));
	memset(&talk_of(s)->activity, 0, sizeof(talk_of(s)->activity));
	talk_of(s)->has_activity = false;
}

bool session_token_wanted(const struct session *s, enum rule_field) {
	return ((const struct talk *)s)->has_tokens;
}

void session_token(
	struct session *s,
	enum rule_field field,
	const void *data,
	size_t size,
	uint64_t
) {
	if (talk_of(s)->has_tokens && size > 0)
		talk_fact(
			talk_of(s),
			"token %s %.*s%s",
			rule_field_name(field),
			size > 60 ? 60 : (int)size,
			(const char *)data,
			size > 60 ? " ..." : ""
		);
}

struct content *content_open(struct session *s, enum content_kind kind) {
	struct content *content = calloc(1, sizeof(*content));

	assert(content != NULL);
	*content = (struct content){.talk = talk_of(s), .kind = kind};
	return content;
}

struct content *content_open_header(struct session *s, const char *number, size_t size) {
	struct content *content = NULL;

	if (talk_of(s)->has_headers)
		content = content_open(s, CONTENT_FETCHED);
	if (content == NULL)
		return NULL;
	content->is_header = true;
	if (size > 0)
		snprintf(content->part, sizeof(content->part), "of %.*s ", (int)size, number);
	return content;
}

bool content_is_wanted(const struct session *s) {
	return true;
}

struct content *
content_open_part(struct session *s, enum content_kind kind, const struct content_part *part) {
	struct content *content = content_open(s, kind);
	int n = snprintf(
		content->part,
		sizeof(content->part),
		" of %.*s%s%s ",
		(int)part->number_size,
		part->number,
		part->is_text ? "TEXT" : "",
		part->is_decoded ? " decoded" : ""
	);

	if (part->header == NULL)
		n += sprintf(content->part + n, "guess");
	for (size_t i = 0; i < part->header_size; i++)
		if (part->header[i] != '\n')
			content->part[n++] = part->header[i] == '\r' ? '|' : (char)part->header[i];
	return content;
}

void content_cut(struct content *content) {
	if (content != NULL)
		content->is_cut = true;
}

bool content_date(const struct content *content, int64_t *seconds) {
	return false;
}

void content_data(struct content *content, const uint8_t *data, size_t size) {
	if (content == NULL)
		return;
	for (size_t i = 0; content->is_header && i < size; i++)
		if (data[i] != '\r' && strlen(content->part) < sizeof(content->part) - 1)
			content->part[strlen(content->part)]
				= data[i] == '\n' ? '|' : (char)data[i];
	content->size += size;
	for (size_t i = 0; i < size; i++)
		content->hash = (content->hash * 31 + data[i]) % 9973;
}

void content_gap(struct content *content, uint64_t size) {
	if (content != NULL)
		content->n_missing += size;
}

void content_close(struct content *content, uint64_t now_ns) {
	static const char *const kinds[] = {"sent", "fetched", "appended", "script"};

	if (content == NULL)
		return;
	if (content->is_header) {
		talk_fact(content->talk, "header %s", content->part);
		free(content);
		return;
	}
	talk_fact(
		content->talk,
		"content %s%s %ju hash=%ju missing=%ju%s",
		kinds[content->kind],
		content->part,
		(uintmax_t)content->size,
		(uintmax_t)content->hash,
		(uintmax_t)content->n_missing,
		content->is_cut ? " cut" : ""
	);
	free(content);
}

void session_files_place(struct session *, enum content_kind, int, uint32_t, const char *, size_t) {
}

struct mime_summary *content_finish(struct content *content, uint64_t now_ns) {
	content_close(content, now_ns);
	return NULL;
}

// ---- Steps

struct talk *talk_open(const struct proto *proto, size_t slab_size) {
	struct talk *talk = calloc(1, sizeof(*talk));

	assert(talk != NULL);
	talk->slab = slab_open(slab_size > 0 ? slab_size : SLAB_SIZE);
	assert(talk->slab != NULL);
	talk->proto = proto;
	talk->session.proto = proto;
	talk->now_ns = UINT64_C(1768204800000000000); // 2026-01-12 08:00 UTC
	return talk;
}

// The parser is opened by the first step, after what the stream has said of itself.
static void talk_begin(struct talk *talk) {
	if (talk->session.state == NULL)
		talk->session.state = talk->proto->open(&talk->session);
}

void talk_event(struct talk *talk, enum session_event event) {
	session_event(&talk->session, event);
}

void talk_data(struct talk *talk, enum stream_dir dir, const void *data, size_t size) {
	struct session *s = &talk->session;
	uint8_t *exact;

	talk_begin(talk);
	if (s->state == NULL || s->is_deaf) {
		session_unparsed(s, size);
		return;
	}
	exact = malloc(size > 0 ? size : 1); // so that ASan sees a read past the end
	assert(exact != NULL);
	memcpy(exact, data, size);
	if (tls_unasked_waits(s))
		tls_unasked_data(s, dir, exact, size, talk->now_ns);
	else
		talk->proto->data(s, s->state, dir, exact, size, talk->now_ns);
	free(exact);
	if (talk->memory_max > 0 && slab_used(talk->slab) > talk->memory_max) {
		talk_fact(talk, "too much memory");
		talk->memory_max = SIZE_MAX;
	}
}

void talk_gap(struct talk *talk, enum stream_dir dir, uint64_t size) {
	struct session *s = &talk->session;

	talk_begin(talk);
	session_unparsed(s, size);
	if (tls_unasked_waits(s))
		tls_unasked_gap(s, dir, size);
	else if (s->state != NULL && !s->is_deaf)
		talk->proto->gap(s, s->state, dir, size, talk->now_ns);
}

struct session *talk_session(struct talk *talk) {
	return &talk->session;
}

size_t talk_memory(struct talk *talk) {
	return slab_used(talk->slab);
}

const char *talk_end(struct talk *talk, talk_dump *dump) {
	struct session *s = &talk->session;

	if (s->state != NULL) {
		if (tls_unasked_waits(s))
			tls_unasked_end(s, talk->now_ns);
		talk->proto->end(s, s->state, talk->now_ns);
		if (dump != NULL)
			dump(talk, s, s->state);
		session_activity_flush(s, talk->now_ns);
		talk->proto->free(s, s->state);
	}
	if (s->n_unparsed > 0)
		talk_fact(talk, "unparsed %ju", (uintmax_t)s->n_unparsed);
	for (int event = 0; event < EVENT_COUNT; event++)
		if (s->events & UINT64_C(1) << event)
			talk_fact(talk, "event %s", session_event_name(event));
	if (talk->n_inflaters != 0)
		talk_fact(talk, "leaked %d inflaters", talk->n_inflaters);
	if (slab_used(talk->slab) > 0)
		talk_fact(talk, "leaked %zu bytes", slab_used(talk->slab));
	return talk->facts != NULL ? talk->facts : "";
}

void talk_close(struct talk *talk) {
	slab_close(talk->slab);
	free(talk->facts);
	free(talk);
}

// ---- As a reader

static void *reading_open(const void *ctx) {
	const struct talk_reading *reading = ctx;
	struct talk *talk = talk_open(reading->proto, 0);

	talk->dump = reading->dump;
	talk->has_tokens = reading->has_tokens;
	talk->has_headers = reading->has_headers;
	talk->memory_max = reading->memory_max;
	return talk;
}

static void reading_data(void *talk, enum stream_dir dir, const uint8_t *data, size_t size) {
	talk_data(talk, dir, data, size);
}

static void reading_gap(void *talk, enum stream_dir dir, uint64_t size) {
	talk_gap(talk, dir, size);
}

static void reading_event(void *talk, size_t event) {
	talk_event(talk, event);
}

static char *reading_end(void *ctx) {
	struct talk *talk = ctx;
	char *facts = strdup(talk_end(talk, talk->dump));

	assert(facts != NULL);
	talk_close(talk);
	return facts;
}

static enum beside_as reading_as(const void *ctx) {
	static const enum beside_as as[] = {
		[ACTIVITY_IMAP] = BESIDE_IMAP,
		[ACTIVITY_SMTP] = BESIDE_SMTP,
		[ACTIVITY_POP3] = BESIDE_POP3,
		[ACTIVITY_SIEVE] = BESIDE_SIEVE,
	};
	return as[((const struct talk_reading *)ctx)->proto->activity];
}

const struct play_reader talk_reader = {
	.as = reading_as,
	.open = reading_open,
	.data = reading_data,
	.gap = reading_gap,
	.event = reading_event,
	.end = reading_end,
};

// ---- Names of commands

static void say(struct talk *talk, enum stream_dir dir, const char *text) {
	talk_data(talk, dir, text, strlen(text));
}

static bool is_counted(const char *facts, const char *name, int times) {
	char wanted[100];
	const char *found;

	snprintf(wanted, sizeof(wanted), " %s=%d", name, times);
	found = strstr(facts, wanted);
	return found && strchr(" \n", found[strlen(wanted)]);
}

static bool is_named(
	const struct proto *proto,
	talk_dump *dump,
	const char *name,
	const char *tag,
	const char *rest,
	const char *greeting,
	const char *refusal
) {
	struct talk *talk = talk_open(proto, 0);
	char small[64], longer[64], line[200];
	const char *forms[] = {name, small, longer}, *facts;
	bool is_right;

	snprintf(small, sizeof(small), "%s", name);
	for (char *at = small; *at; at++)
		*at = (char)(*at >= 'A' && *at <= 'Z' ? *at | 0x20 : *at);
	snprintf(longer, sizeof(longer), "%sQ", name);
	say(talk, STREAM_SERVER, greeting);
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "%s%s%s\r\n", tag, forms[i], rest);
		say(talk, STREAM_CLIENT, line);
		say(talk, STREAM_SERVER, refusal);
	}
	facts = talk_end(talk, dump);
	is_right = is_counted(facts, name, 2) && is_counted(facts, "other", 1);
	if (!is_right)
		fprintf(stderr, "%s: %s\n", name, facts);
	talk_close(talk);
	return is_right;
}

const char *talk_misnamed(
	const struct proto *proto,
	talk_dump *dump,
	const char *const *names,
	size_t n,
	const char *tag,
	const char *rest,
	const char *greeting,
	const char *refusal
) {
	for (size_t i = 0; i < n; i++)
		if (names[i] && names[i][0]
		    && !is_named(proto, dump, names[i], tag, rest, greeting, refusal))
			return names[i];
	return NULL;
}
