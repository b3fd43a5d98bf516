// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a server offers, as one client was told. What others were told is not known here: see offers.h.

#include "engine.h"
#include "match/found.h"
#include "offers.h"
#include "proto/offer.h"
#include "proto/proto.h"
#include "session.h"
#include "session_match.h"

#include <string.h>

// A list that is another one with good reason: behind TLS, after a login, or for a client somebody else
// speaks for, whose own way here decides. Behind a proxy that connects there are many servers.
static bool is_comparable(const struct session *s) {
	uint64_t secured = UINT64_C(1) << EVENT_plaintext_after_starttls;

	return !s->is_tls && s->login != LOGIN_SUCCESS && !(s->events & secured)
		&& !(s->client && (s->client->ip.family != 0 || s->client->through));
}

// ---- Rules that look for the event, should it be one

struct looking {
	const struct session *s;
	const struct rules *rules;
	struct offer_heard *heard;
};

static bool on_match(void *ctx, const struct scan_hit *hit) {
	struct looking *looking = ctx;
	struct offer_heard *heard = looking->heard;
	const struct rule *rule = &looking->rules->rules[hit->rule];
	uint8_t n = heard->n_rules;

	if (!session_match_wants(looking->s, rule) || rule->is_silent
	    || (rule->scope != RULE_ACCOUNT && !found_is_enough(rule, 1, 0))
	    || (n > 0 && strcmp(heard->rules[n - 1].id, rule->id) == 0))
		return true;
	memcpy(heard->rules[n].id, rule->id, sizeof(rule->id));
	heard->rules[n].offset = (uint32_t)hit->offset;
	return ++heard->n_rules < OFFER_RULES_MAX;
}

static void looking_find(const struct session *s, struct offer_heard *heard) {
	static const char event[] = "capability_stripped";
	struct scanner *scanner = s->engine->config.scanner;
	struct looking looking = {.s = s, .heard = heard};

	if (scanner == NULL || !scanner_wants(scanner, RULE_EVENT))
		return;
	looking.rules = database_rules(scanner_database(scanner));
	scan_token(
		scanner, RULE_EVENT, (const uint8_t *)event, sizeof(event) - 1, on_match, &looking
	);
}

void session_offers(struct session *s, uint8_t offers, uint64_t now_ns) {
	const uint64_t said = UINT64_C(1) << EVENT_capability_stripped;
	struct offer_heard heard;
	struct stream_tuple tuple;
	uint16_t port;

	if (offers & OFFER_GARBLED)
		session_event(s, EVENT_capability_stripped);
	if (!s->engine->config.out.offer || !is_comparable(s))
		return;
	memset(&heard, 0, sizeof(heard));
	heard.time_ns = now_ns;
	session_id(s, heard.session);
	stream_tuple_get(s->stream, &tuple);
	memcpy(heard.server.addr, tuple.addr[STREAM_SERVER], sizeof(heard.server.addr));
	heard.server.family = tuple.family;
	heard.port = tuple.port[STREAM_SERVER];
	heard.offers = offers;
	heard.is_said = s->events & said;
	heard.protocol = s->proto->activity;
	session_source(s, &heard.client, &port);
	if ((offers & (OFFER_TLS | OFFER_AUTH)) != (OFFER_TLS | OFFER_AUTH))
		looking_find(s, &heard);
	s->engine->config.out.offer(s->engine->config.out.ctx, &heard);
}
