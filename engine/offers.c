// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "offers.h"

#include "match/rules.h"
#include "output/json.h"
#include "proto/offer.h"
#include "session.h"
#include "siphash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { KINDS = 2 };

static const uint8_t kinds[KINDS] = {OFFER_TLS, OFFER_AUTH};

// A server, by address and port, and when it last offered TLS and AUTH to a client in clear; 0: never.
struct server {
	struct ip ip;
	uint16_t port;
	uint64_t heard_ns;
	uint64_t offered_ns[KINDS];
};

// A session that has the event.
struct stripped {
	struct offer_heard heard;
	uint64_t due_ns; // its rules have been told, or will be then
	bool is_told;
};

struct offers {
	uint64_t key[2];
	struct server servers[OFFER_SETS][OFFER_WAYS]; // by hash
	struct stripped stripped[OFFER_STRIPPED_MAX]; // a ring, the oldest is forgotten
	uint32_t n_stripped; // ever
	uint32_t n_untold;
	uint64_t now_ns; // of what was heard last
	struct activity activity;
	char line[RECORD_SIZE_MAX];
};

struct offers *offers_open(void) {
	struct offers *offers = calloc(1, sizeof(*offers));

	if (!offers || getrandom(offers->key, sizeof(offers->key), 0) == sizeof(offers->key))
		return offers;
	free(offers);
	return NULL;
}

void offers_close(struct offers *offers) {
	free(offers);
}

// The server's place: its own, or that of the one in its set that was heard of longest ago.
static struct server *server_get(struct offers *offers, const struct offer_heard *heard) {
	struct server key;

	memset(&key, 0, sizeof(key)); // no padding in the hash
	key.ip = heard->server;
	key.port = heard->port;
	uint64_t hash = siphash(offers->key, &key, sizeof(key));
	struct server *set = offers->servers[hash % OFFER_SETS], *oldest = set;

	for (int i = 0; i < OFFER_WAYS; i++) {
		if (set[i].port == key.port && memcmp(&set[i].ip, &key.ip, sizeof(key.ip)) == 0)
			return &set[i];
		if (set[i].heard_ns < oldest->heard_ns)
			oldest = &set[i];
	}
	*oldest = key;
	return oldest;
}

static uint32_t n_kept(const struct offers *offers) {
	return offers->n_stripped < OFFER_STRIPPED_MAX ? offers->n_stripped : OFFER_STRIPPED_MAX;
}

// The last comes first: it is who speaks next. NULL: it has no event.
static struct stripped *stripped_find(struct offers *offers, const uint8_t session[16]) {
	for (uint32_t i = 0; i < n_kept(offers); i++) {
		struct stripped *s
			= &offers->stripped[(offers->n_stripped - 1 - i) % OFFER_STRIPPED_MAX];
		if (memcmp(s->heard.session, session, sizeof(s->heard.session)) == 0)
			return s;
	}
	return NULL;
}

static void stripped_add(struct offers *offers, const struct offer_heard *heard) {
	struct stripped *s;

	if (stripped_find(offers, heard->session))
		return;
	s = &offers->stripped[offers->n_stripped++ % OFFER_STRIPPED_MAX];
	offers->n_untold -= offers->n_stripped > OFFER_STRIPPED_MAX && !s->is_told;
	*s = (struct stripped){
		.heard = *heard,
		.due_ns = heard->time_ns + OFFER_TOLD_NS,
		.is_told = heard->n_rules == 0,
	};
	offers->n_untold += !s->is_told;
}

bool offers_hear(struct offers *offers, const struct offer_heard *heard) {
	struct server *server = server_get(offers, heard);
	bool is_stripped = false;

	server->heard_ns = heard->time_ns;
	offers->now_ns = heard->time_ns;
	for (int i = 0; i < KINDS; i++) {
		if (heard->offers & kinds[i])
			server->offered_ns[i] = heard->time_ns;
		else if (server->offered_ns[i] && heard->time_ns < server->offered_ns[i] + OFFER_KNOWN_NS)
			is_stripped = true;
	}
	if (is_stripped && !heard->is_said)
		stripped_add(offers, heard);
	return is_stripped;
}

// ---- Activity

static void matches_add(struct activity *a, const struct offer_heard *heard) {
	for (int i = 0; i < heard->n_rules && a->n_matches < ACTIVITY_MATCHES_MAX; i++) {
		struct activity_match *match = &a->matches[a->n_matches++];

		*match = (struct activity_match){.count = 1, .offset = heard->rules[i].offset};
		memcpy(match->rule, heard->rules[i].id, sizeof(match->rule));
		strcpy(match->field, rule_field_name(RULE_EVENT));
	}
}

static void told(struct offers *offers, struct stripped *s) {
	s->is_told = true;
	offers->n_untold--;
}

const struct activity *offers_activity(struct offers *offers, const struct activity *activity) {
	struct stripped *s;

	offers->now_ns = activity->time_ns;
	if (offers->n_untold == 0)
		return activity;
	s = stripped_find(offers, activity->session);
	if (!s || s->is_told || activity->n_matches + s->heard.n_rules > ACTIVITY_MATCHES_MAX)
		return activity;
	offers->activity = *activity;
	matches_add(&offers->activity, &s->heard);
	told(offers, s);
	return &offers->activity;
}

const struct activity *offers_due(struct offers *offers, uint64_t now_ns) {
	for (uint32_t i = 0; offers->n_untold > 0 && i < n_kept(offers); i++) {
		struct stripped *s
			= &offers->stripped
				   [(offers->n_stripped - n_kept(offers) + i) % OFFER_STRIPPED_MAX];
		struct activity *a = &offers->activity;

		if (s->is_told || s->due_ns > now_ns)
			continue;
		memset(a, 0, sizeof(*a));
		a->time_ns = now_ns != UINT64_MAX ? s->due_ns : offers->now_ns;
		memcpy(a->session, s->heard.session, sizeof(a->session));
		a->protocol = s->heard.protocol;
		a->source.ip = s->heard.client;
		a->seen = 1;
		matches_add(a, &s->heard);
		told(offers, s);
		return a;
	}
	return NULL;
}

// ---- Records

// Behind a text in a line; NULL: it is not there. Inside of strings quotes are escaped: what has quotes is
// found as a member alone.
static const char *behind(const char *line, size_t size, const char *text) {
	const char *at = memmem(line, size, text, strlen(text));

	return at ? at + strlen(text) : NULL;
}

static bool id_read(const char *text, const char *end, uint8_t id[16]) {
	int n = 0;

	for (; text < end && *text != '"' && n < 32; text++) {
		const char *digits = "0123456789abcdef", *digit = strchr(digits, *text);
		if (*text == '-')
			continue;
		if (!digit)
			return false;
		id[n / 2] = (uint8_t)(id[n / 2] << 4 | (digit - digits));
		n++;
	}
	return n == 32;
}

// Members of the list matches, each with a comma behind it. Returns their size.
static size_t matches_write(const struct offer_heard *heard, char *text, size_t size) {
	size_t used = 0;

	for (int i = 0; i < heard->n_rules; i++) {
		struct json json;
		json_open(&json, text + used, size - used);
		json_begin_object(&json, NULL);
		json_put_text(&json, "rule", heard->rules[i].id);
		json_put_u64(&json, "count", 1);
		json_put_text(&json, "field", rule_field_name(RULE_EVENT));
		json_put_u64(&json, "offset", heard->rules[i].offset);
		json_end_object(&json);
		if (json.is_full || used + json.used + 1 > size)
			break;
		used += json.used;
		text[used++] = ',';
	}
	return used;
}

// Puts n members in front of those of the list whose first stands at *at.
static void list_add(char *line, size_t *size, const char **at, const char *members, size_t n) {
	size_t from = (size_t)(*at - line);

	if (n > 0 && **at == ']')
		n--; // no comma
	if (*size + n > RECORD_SIZE_MAX)
		return;
	memmove(line + from + n, line + from, *size - from);
	memcpy(line + from, members, n);
	*size += n;
}

const char *offers_record(struct offers *offers, const char *line, size_t *size) {
	static const char event[] = "\"capability_stripped\",";
	const char *id, *at, *end;
	char matches[OFFER_RECORD_SIZE];
	struct stripped *s;
	uint8_t session[16];

	if (offers->n_stripped == 0 || !(id = behind(line, *size, "\"postern\":{\"session\":\""))
	    || !id_read(id, line + *size, session) || !(s = stripped_find(offers, session)))
		return line;
	memcpy(offers->line, line, *size);
	at = behind(offers->line, *size, "\"events\":[");
	end = at ? memchr(at, ']', *size - (size_t)(at - offers->line)) : NULL;
	// It may have come to the session in another way since.
	if (!end || memmem(at, (size_t)(end - at), event, sizeof(event) - 2))
		return line;
	list_add(offers->line, size, &at, event, sizeof(event) - 1);
	at = behind(offers->line, *size, "\"matches\":[");
	if (at)
		list_add(
			offers->line,
			size,
			&at,
			matches,
			matches_write(&s->heard, matches, sizeof(matches))
		);
	return offers->line;
}
