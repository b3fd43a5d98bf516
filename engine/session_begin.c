// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "session_begin.h"

#include "engine.h"
#include "proto/detect.h"
#include "proto/imap/imap.h"
#include "proto/pop3.h"
#include "proto/proto.h"
#include "proto/proxy.h"
#include "proto/sieve.h"
#include "proto/smtp/smtp.h"
#include "proto/tls.h"

#include <string.h>

enum { EARLY_RUNS_MAX = 16 };

// What went by before the protocol was known: each direction's bytes, and in which order they came
// (runs of one direction), so that the parser sees the conversation as it was.
struct detect_buffer {
	uint8_t *data[2];
	uint32_t cap[2];
	uint32_t size[2];
	uint8_t n_runs;
	struct {
		uint8_t dir;
		uint32_t size;
	} runs[EARLY_RUNS_MAX];
};

// ---- Recognition

// Accepts NULL.
static void early_free(struct slab *slab, struct detect_buffer *early) {
	if (!early)
		return;
	for (int dir = 0; dir < 2; dir++) {
		if (early->data[dir])
			explicit_bzero(early->data[dir], early->size[dir]); // may hold a LOGIN
		slab_put(slab, early->data[dir], early->cap[dir]);
	}
	slab_put(slab, early, sizeof(*early));
}

// Keeps as much of the bytes as DETECT_SIZE_MAX allows. Returns how many, or -1 when it cannot.
static int early_add(struct session *s, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct detect_buffer *early = s->early;
	void *block;

	if (!early)
		early = s->early = slab_get(s->engine->slab, sizeof(*early));
	if (!early) {
		session_event(s, EVENT_memory_full);
		return -1;
	}

	uint32_t take = DETECT_SIZE_MAX - early->size[dir];
	if (take > size)
		take = (uint32_t)size;
	if (early->n_runs == 0 || early->runs[early->n_runs - 1].dir != dir) {
		if (early->n_runs == EARLY_RUNS_MAX)
			return -1;
		early->runs[early->n_runs++].dir = (uint8_t)dir;
	}
	block = early->data[dir];
	if (slab_grow(s->engine->slab, &block, &early->cap[dir], early->size[dir] + take, 1) < 0) {
		session_event(s, EVENT_memory_full);
		return -1;
	}
	early->data[dir] = block;
	memcpy(early->data[dir] + early->size[dir], data, take);
	early->size[dir] += take;
	early->runs[early->n_runs - 1].size += take;
	return (int)take;
}

// What stands before a hole and what comes after it are not one text: the direction begins anew, as a
// connection that was picked up midway.
void session_begin_forget(struct session *s, enum stream_dir dir) {
	struct detect_buffer *early = s->early;

	if (!early || s->is_deaf)
		return;
	session_unparsed(s, early->size[dir]);
	early->size[dir] = 0;
	for (int i = 0; i < early->n_runs; i++)
		if (early->runs[i].dir == dir)
			early->runs[i].size = 0;
}

void session_unrecognised(struct session *s) {
	s->engine->stats.n_unrecognised++;
	s->is_deaf = true;
	if (s->early)
		session_unparsed(s, s->early->size[0] + s->early->size[1]);
	early_free(s->engine->slab, s->early);
	s->early = NULL;
}

// From here on s->state is the protocol's; what was kept before is the caller's.
static void recognised(struct session *s, const struct proto *proto) {
	void *state = proto->open(s);

	if (!state) {
		s->engine->stats.memory_full++;
		session_unrecognised(s);
		return;
	}
	s->proto = proto;
	s->state = state;
	s->engine->events_new |= s->events;
	s->engine->stats.sessions[proto->activity]++;
	session_timer_update(s);
}

static void deaf_data(struct session *s, enum stream_dir dir, const uint8_t *data, size_t size) {
	if (dir == STREAM_CLIENT && s->is_tls)
		session_ciphertext(s, data, size);
	else
		session_unparsed(s, size);
}

static void proto_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	if (s->is_deaf)
		deaf_data(s, dir, data, size);
	else
		s->proto->data(s, s->state, dir, data, size, now_ns);
}

static void decide(struct session *s, enum detect verdict) {
	static const struct proto *const protos[] = {
		[DETECT_IMAP] = &proto_imap,
		[DETECT_SMTP] = &proto_smtp,
		[DETECT_TLS] = &proto_tls,
		[DETECT_SIEVE] = &proto_sieve,
		[DETECT_POP3] = &proto_pop3,
		[DETECT_NONE] = NULL,
	};

	if (verdict < sizeof(protos) / sizeof(protos[0]) && protos[verdict])
		recognised(s, protos[verdict]);
	else
		session_unrecognised(s);
}

// Tells the parser what was kept, in the order it came.
static void early_replay(struct session *s, const struct detect_buffer *early, uint64_t now_ns) {
	uint32_t at[2] = {0, 0};

	for (int i = 0; i < early->n_runs; i++) {
		int dir = early->runs[i].dir;
		proto_data(s, dir, early->data[dir] + at[dir], early->runs[i].size, now_ns);
		at[dir] += early->runs[i].size;
	}
}

// What has been said so far in each direction.
static enum detect recognise(
	const struct session *s,
	const uint8_t *client,
	size_t client_size,
	const uint8_t *server,
	size_t server_size
) {
	struct stream_tuple tuple;

	stream_tuple_get(s->stream, &tuple);
	return detect(client, client_size, server, server_size, tuple.port[STREAM_SERVER]);
}

// Most connections are told by the first piece, which then need not be kept.
static enum detect
first_detect(const struct session *s, enum stream_dir dir, const uint8_t *data, size_t size) {
	if (size > DETECT_SIZE_MAX)
		size = DETECT_SIZE_MAX;
	return dir == STREAM_CLIENT ? recognise(s, data, size, NULL, 0)
				    : recognise(s, NULL, 0, data, size);
}

static void early_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	enum detect verdict = s->early ? DETECT_MORE : first_detect(s, dir, data, size);
	int taken = verdict == DETECT_MORE ? early_add(s, dir, data, size) : 0;
	struct detect_buffer *early = s->early;

	if (taken < 0) {
		verdict = DETECT_NONE;
		taken = 0;
	} else if (verdict == DETECT_MORE) {
		verdict = recognise(
			s,
			early->data[STREAM_CLIENT],
			early->size[STREAM_CLIENT],
			early->data[STREAM_SERVER],
			early->size[STREAM_SERVER]
		);
		if (verdict == DETECT_MORE && (size_t)taken == size)
			return;
	}
	decide(s, verdict);
	if (s->proto && early) {
		early_replay(s, early, now_ns);
		early_free(s->engine->slab, early);
	}
	if ((size_t)taken < size) {
		if (s->proto)
			proto_data(s, dir, data + taken, size - (size_t)taken, now_ns);
		else
			session_unparsed(s, size - (size_t)taken);
	}
}

// Bytes of a connection that may go on as any protocol.
void session_bytes(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	if (s->is_deaf)
		deaf_data(s, dir, data, size);
	else if (s->proto)
		s->proto->data(s, s->state, dir, data, size, now_ns);
	else
		early_data(s, dir, data, size, now_ns);
}

// ---- The client behind a proxy

static void proxy_free(struct session *s) {
	if (s->client)
		slab_put(s->engine->slab, s->client->proxy, sizeof(*s->client->proxy));
	if (s->client)
		s->client->proxy = NULL;
}

static void tlvs_free(struct session *s) {
	if (!s->client)
		return;
	slab_put(s->engine->slab, s->client->tlvs, s->client->tlvs_size);
	s->client->tlvs = NULL;
	s->client->tlvs_size = 0;
}

// What a believed header says beside the address; in place of what an earlier one said.
static void tlvs_take(struct session *s, const struct proxy *proxy) {
	struct session_client *client = s->client;

	tlvs_free(s);
	if (proxy->tlvs_size == 0)
		return;
	client->tlvs = slab_get(s->engine->slab, proxy->tlvs_size);
	if (!client->tlvs) {
		session_event(s, EVENT_memory_full);
		return;
	}
	memcpy(client->tlvs, proxy->tlvs, proxy->tlvs_size);
	client->tlvs_size = proxy->tlvs_size;
}

// A header is over. Its sender is judged by the packets, and a second header by the first.
static void proxy_end(struct session *s, const struct proxy *proxy) {
	enum session_how how = proxy->version == 1 ? SESSION_HOW_PROXY_V1 : SESSION_HOW_PROXY_V2;
	struct ip hop;
	uint16_t port;

	session_hop(s, &hop, &port);
	if (proxy->kind == PROXY_BAD)
		session_event(s, EVENT_bad_proxy_header);
	else if (proxy->kind == PROXY_CLIENT) {
		if (session_real_client(s, &proxy->ip, proxy->port, how))
			tlvs_take(s, proxy);
	} else if (!engine_trusts(s->engine, &hop))
		session_event(s, EVENT_untrusted_proxy_claim);
}

// The client's first bytes: a header before them is taken off, and so is one behind that, which a
// client might send to be believed or not to be read.
void session_begin(struct session *s, const uint8_t *data, size_t size, uint64_t now_ns) {
	struct session_client *client = s->client;
	struct proxy *proxy = client ? client->proxy : NULL;

	while (size > 0 && (proxy || data[0] == 'P' || data[0] == '\r')) {
		if (!proxy) {
			client = session_client_get(s);
			proxy = client ? slab_get(s->engine->slab, sizeof(*proxy)) : NULL;
			if (!proxy)
				break; // the protocol shall make of it what it can
			client->proxy = proxy;
		}
		int is_over = proxy_read(proxy, &data, &size);
		if (is_over == 0)
			return;
		if (is_over < 0) {
			s->is_begun = true;
			session_bytes(s, STREAM_CLIENT, proxy->kept, proxy->size, now_ns);
			break;
		}
		proxy_end(s, proxy);
		proxy_free(s);
		proxy = NULL;
	}
	if (size == 0 && !proxy)
		return;
	s->is_begun = true;
	proxy_free(s);
	if (size > 0)
		session_bytes(s, STREAM_CLIENT, data, size, now_ns);
}

// The stream ends, or has a hole, within what might have become a header.
void session_begin_end(struct session *s, uint64_t now_ns) {
	struct proxy *proxy = s->client ? s->client->proxy : NULL;

	s->is_begun = true;
	if (!proxy)
		return;
	if (proxy->version == 0)
		session_bytes(s, STREAM_CLIENT, proxy->kept, proxy->size, now_ns);
	else
		session_event(s, EVENT_bad_proxy_header);
	proxy_free(s);
}

void session_begin_free(struct session *s) {
	if (!s->proto)
		early_free(s->engine->slab, s->early);
	tlvs_free(s);
}
