// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which servers are known to offer TLS and authentication. Who sits between a client and such a server
// gets the password by taking the offer out of its list.

#include "engine.h"
#include "proto/offer.h"
#include "session.h"
#include "siphash.h"

#include <string.h>

static const uint8_t kinds[ENGINE_OFFERS] = {OFFER_TLS, OFFER_AUTH};

// The server's place: its own, or that of the one in its set that was heard of longest ago.
static struct engine_server *server_get(struct engine *engine, const struct ip *ip, uint16_t port) {
	struct engine_server key = {.ip = *ip, .port = port};
	uint64_t hash = siphash(engine->config.password_key, &key, sizeof(key));
	struct engine_server *set = engine->servers[hash % OFFER_SETS], *oldest = set;

	for (int i = 0; i < OFFER_WAYS; i++) {
		if (set[i].port == port && memcmp(&set[i].ip, ip, sizeof(*ip)) == 0)
			return &set[i];
		if (set[i].heard_ns < oldest->heard_ns)
			oldest = &set[i];
	}
	*oldest = key;
	return oldest;
}

// A list that is another one with good reason: behind TLS, after a login, or for a client somebody else
// speaks for, whose own way here decides.
static bool is_comparable(const struct session *s) {
	uint64_t secured = UINT64_C(1) << EVENT_plaintext_after_starttls;

	return !s->is_tls && s->login != LOGIN_SUCCESS && !(s->events & secured)
		&& !(s->client && s->client->ip.family != 0);
}

void session_offers(struct session *s, uint8_t offers, uint64_t now_ns) {
	struct engine_server *server;
	struct stream_tuple tuple;
	struct ip ip = {0};

	if (offers & OFFER_GARBLED)
		session_event(s, EVENT_capability_stripped);
	if (!is_comparable(s))
		return;
	stream_tuple_get(s->stream, &tuple);
	memcpy(ip.addr, tuple.addr[STREAM_SERVER], sizeof(ip.addr));
	ip.family = tuple.family;
	server = server_get(s->engine, &ip, tuple.port[STREAM_SERVER]);
	server->heard_ns = now_ns;
	for (int i = 0; i < ENGINE_OFFERS; i++) {
		if (offers & kinds[i])
			server->offered_ns[i] = now_ns;
		else if (server->offered_ns[i] && now_ns < server->offered_ns[i] + OFFER_KNOWN_NS)
			session_event(s, EVENT_capability_stripped);
	}
}
