// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Whom a connection is of: for records and activity, which must say the same.

#include "engine.h"
#include "hash.h"
#include "networks.h"
#include "session.h"

#include <string.h>

void session_hop(const struct session *s, struct ip *ip_r, uint16_t *port_r) {
	struct stream_tuple tuple;

	stream_tuple_get(s->stream, &tuple);
	memcpy(ip_r->addr, tuple.addr[STREAM_CLIENT], sizeof(ip_r->addr));
	ip_r->family = tuple.family;
	*port_r = tuple.port[STREAM_CLIENT];
}

uint16_t session_server_port(const struct session *s) {
	struct stream_tuple tuple;

	if (s->client && s->client->through)
		return s->client->through->port;
	stream_tuple_get(s->stream, &tuple);
	return tuple.port[STREAM_SERVER];
}

void session_source(const struct session *s, struct ip *ip_r, uint16_t *port_r) {
	session_hop(s, ip_r, port_r);
	if (!s->client || s->client->ip.family == 0)
		return;
	*ip_r = s->client->ip;
	if (s->client->port)
		*port_r = s->client->port;
}

const struct network *session_network(const struct session *s) {
	static const struct network nothing;
	struct engine *engine = s->engine;
	struct engine_place *place;
	struct ip ip;
	uint16_t port;

	if (!engine->config.networks)
		return &nothing;
	session_source(s, &ip, &port);
	place = &engine->places[hash_bytes(HASH_PUBLIC, &ip, sizeof(ip)) % ENGINE_PLACES];
	if (place->of == engine->config.networks && memcmp(&place->ip, &ip, sizeof(ip)) == 0)
		return &place->network;
	place->of = engine->config.networks;
	place->ip = ip;
	networks_find(place->of, &ip, &place->network);
	return &place->network;
}
