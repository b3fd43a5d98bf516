// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The first bytes of a connection are kept until they say whose they are. What proxies put before the
// client's (PROXY headers) or before both sides' (CONNECT) is taken off.

#include "session_begin.h"

#include "engine.h"
#include "proto/connect.h"
#include "proto/detect.h"
#include "proto/proto.h"
#include "proto/proxy.h"
#include "proto/tls_unasked.h"
#include "session.h"

#include <string.h>

enum { EARLY_RUNS_MAX = 16 };

// What went by before the protocol was known: each direction's bytes, and in which order they came
// (runs of one direction), so that the parser sees the conversation as it was.
struct detect_buffer {
	uint8_t *data[2];
	uint32_t cap[2];
	uint32_t size[2];
	uint8_t n_runs; // what is behind them is zero
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

// How much of a direction is kept.
static uint32_t early_size_max(const struct session *s) {
	return s->client && s->client->connect ? CONNECT_SIZE_MAX : DETECT_SIZE_MAX;
}

// Keeps as many of the bytes as may be. Returns how many, or -1 when it cannot.
static int early_add(struct session *s, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct detect_buffer *early = s->early;
	void *block;

	if (!early)
		early = s->early = slab_get(s->engine->slab, sizeof(*early));
	if (!early) {
		session_event(s, EVENT_memory_full);
		return -1;
	}

	uint32_t take = early_size_max(s);
	take = take > early->size[dir] ? take - early->size[dir] : 0;
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

// The first size bytes of a direction are no longer of its runs; those that are empty then go.
static void runs_take(struct detect_buffer *early, enum stream_dir dir, uint32_t size) {
	uint8_t n = 0;

	for (uint8_t i = 0; i < early->n_runs; i++) {
		uint8_t run_dir = early->runs[i].dir;
		uint32_t left = early->runs[i].size, taken = left < size ? left : size;

		if (run_dir == dir) {
			left -= taken;
			size -= taken;
		}
		if (left > 0 && n > 0 && early->runs[n - 1].dir == run_dir)
			early->runs[n - 1].size += left;
		else if (left > 0) {
			early->runs[n].dir = run_dir;
			early->runs[n++].size = left;
		}
	}
	for (uint8_t i = n; i < early->n_runs; i++)
		early->runs[i].size = 0;
	early->n_runs = n;
}

// The first bytes of a direction are done with. They may hold a password.
static void early_take(struct detect_buffer *early, enum stream_dir dir, uint32_t size) {
	uint32_t left = early->size[dir] - size;

	if (size == 0)
		return;
	memmove(early->data[dir], early->data[dir] + size, left);
	explicit_bzero(early->data[dir] + left, size);
	early->size[dir] = left;
	runs_take(early, dir, size);
}

// What stands before a hole and what comes after it are not one text: the direction begins anew, as a
// connection that was picked up midway.
static void early_forget(struct session *s, enum stream_dir dir) {
	struct detect_buffer *early = s->early;

	if (!early || s->is_deaf)
		return;
	session_unparsed(s, early->size[dir]);
	early_take(early, dir, early->size[dir]);
}

static void unrecognised(struct session *s) {
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
		unrecognised(s);
		return;
	}
	s->proto = proto;
	s->state = state;
	s->engine->events_new |= s->events;
	s->engine->stats.sessions[proto->activity]++;
	s->engine->stats.n_proxied += s->client && s->client->through;
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
	else if (tls_unasked_waits(s))
		tls_unasked_data(s, dir, data, size, now_ns);
	else
		s->proto->data(s, s->state, dir, data, size, now_ns);
}

static void decide(struct session *s, enum detect verdict) {
	switch (verdict) {
	case DETECT_IMAP:
		recognised(s, &proto_imap);
		break;
	case DETECT_SMTP:
		recognised(s, &proto_smtp);
		break;
	case DETECT_TLS:
		recognised(s, &proto_tls);
		break;
	case DETECT_SIEVE:
		recognised(s, &proto_sieve);
		break;
	case DETECT_POP3:
		recognised(s, &proto_pop3);
		break;
	case DETECT_MORE:
	case DETECT_NONE:
		unrecognised(s);
		break;
	}
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

static enum detect recognise(
	const struct session *s,
	const uint8_t *client,
	size_t client_size,
	const uint8_t *server,
	size_t server_size
) {
	if (client_size > DETECT_SIZE_MAX)
		client_size = DETECT_SIZE_MAX;
	if (server_size > DETECT_SIZE_MAX)
		server_size = DETECT_SIZE_MAX;
	return detect(client, client_size, server, server_size, session_server_port(s));
}

// Most connections are told by the first piece, which then need not be kept.
static enum detect
first_detect(const struct session *s, enum stream_dir dir, const uint8_t *data, size_t size) {
	if (dir == STREAM_CLIENT && connect_may_begin(data, size))
		return DETECT_MORE;
	return dir == STREAM_CLIENT ? recognise(s, data, size, NULL, 0)
				    : recognise(s, NULL, 0, data, size);
}

// ---- Through a proxy

static void connect_free(struct session *s) {
	if (!s->client || !s->client->connect)
		return;
	slab_put(s->engine->slab, s->client->connect, sizeof(*s->client->connect));
	s->client->connect = NULL;
}

static void through_free(struct session *s) {
	struct session_through *through = s->client ? s->client->through : NULL;

	if (!through)
		return;
	slab_put(s->engine->slab, through, session_through_size(through));
	s->client->through = NULL;
}

// A proxy has connected the client. Of several behind each other the last one's server counts, and the
// first one's user, who is the one on our side of it.
static void through_take(struct session *s, const struct connect *connect) {
	const struct session_through *before = s->client->through;
	uint8_t user_size = before ? before->user_size : connect->user_size;
	struct session_through size_of = {.host_size = connect->host_size, .user_size = user_size};
	struct session_through *through = slab_get(s->engine->slab, session_through_size(&size_of));

	if (!through) {
		session_event(s, EVENT_memory_full);
		return;
	}
	*through = size_of;
	through->ip = connect->ip;
	through->port = connect->port;
	through->how = connect->how;
	through->n_hops = before ? before->n_hops + 1 : 1;
	memcpy(through->text, connect->host, connect->host_size);
	memcpy(through->text + connect->host_size,
	       before ? before->text + before->host_size : connect->user,
	       user_size);
	through_free(s);
	s->client->through = through;
}

static struct connect *connect_get(struct session *s) {
	struct session_client *client = session_client_get(s);

	if (client && !client->connect)
		client->connect = slab_get(s->engine->slab, sizeof(*client->connect));
	if (client && !client->connect)
		session_event(s, EVENT_memory_full);
	return client ? client->connect : NULL;
}

// Whether what was kept is, or may become, the way to a server through a proxy. Its bytes are taken off when
// it is whole.
static enum connect_result through(struct session *s, struct detect_buffer *early) {
	const uint8_t *const data[2] = {early->data[0], early->data[1]};
	const size_t size[2] = {early->size[0], early->size[1]};
	enum connect_result result = CONNECT_NONE;
	struct connect *connect;

	if (size[STREAM_CLIENT] == 0 || !connect_may_begin(data[STREAM_CLIENT], size[STREAM_CLIENT])
	    || (connect = connect_get(s)) == NULL)
		return CONNECT_NONE;
	if (!s->client->through || s->client->through->n_hops < CONNECT_HOPS_MAX)
		result = connect_read(connect, data, size);
	if (result == CONNECT_OPEN) {
		through_take(s, connect);
		early_take(early, STREAM_CLIENT, connect->at[STREAM_CLIENT]);
		early_take(early, STREAM_SERVER, connect->at[STREAM_SERVER]);
	}
	if (result != CONNECT_MORE)
		connect_free(s);
	return result;
}

// ---- What is kept

// What to make of what is kept. Where it was waited for a proxy's answer in vain, the client is judged as it
// would have been then: by itself.
static enum detect early_judge(struct session *s) {
	struct detect_buffer *early = s->early;
	bool has_waited = s->client && s->client->connect;
	enum connect_result result = through(s, early);
	enum detect verdict;

	while (result == CONNECT_OPEN) {
		has_waited = false;
		result = through(s, early);
	}
	if (result == CONNECT_MORE)
		return DETECT_MORE;
	if (result == CONNECT_REFUSED) {
		s->engine->stats.n_proxy_refused++;
		return DETECT_NONE;
	}
	if (has_waited) {
		verdict = recognise(
			s, early->data[STREAM_CLIENT], early->size[STREAM_CLIENT], NULL, 0
		);
		if (verdict != DETECT_MORE)
			return verdict;
	}
	return recognise(
		s,
		early->data[STREAM_CLIENT],
		early->size[STREAM_CLIENT],
		early->data[STREAM_SERVER],
		early->size[STREAM_SERVER]
	);
}

// Keeps a piece until it can be told whose it is. Returns how much of it was kept, the rest is the protocol's.
static size_t early_keep(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	enum detect *verdict
) {
	size_t kept = 0;

	while (*verdict == DETECT_MORE && kept < size) {
		int n = early_add(s, dir, data + kept, size - kept);
		if (n <= 0) {
			*verdict = DETECT_NONE;
			break;
		}
		kept += (size_t)n;
		*verdict = early_judge(s);
	}
	return kept;
}

static void early_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	enum detect verdict = s->early ? DETECT_MORE : first_detect(s, dir, data, size);
	size_t kept = early_keep(s, dir, data, size, &verdict);
	struct detect_buffer *early = s->early;

	if (verdict == DETECT_MORE)
		return;
	decide(s, verdict);
	if (s->proto && early) {
		early_replay(s, early, now_ns);
		early_free(s->engine->slab, early);
	}
	if (kept == size)
		return;
	if (s->proto)
		proto_data(s, dir, data + kept, size - kept, now_ns);
	else
		session_unparsed(s, size - kept);
}

// Bytes of a connection that may go on as any protocol.
static void bytes_read(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	if (s->proto)
		proto_data(s, dir, data, size, now_ns);
	else if (s->is_deaf)
		deaf_data(s, dir, data, size);
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
static void client_begin(struct session *s, const uint8_t *data, size_t size, uint64_t now_ns) {
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
			bytes_read(s, STREAM_CLIENT, proxy->kept, proxy->size, now_ns);
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
		bytes_read(s, STREAM_CLIENT, data, size, now_ns);
}

// The stream ends, or has a hole, within what might have become a header.
static void client_begin_end(struct session *s, uint64_t now_ns) {
	struct proxy *proxy = s->client ? s->client->proxy : NULL;

	s->is_begun = true;
	if (!proxy)
		return;
	if (proxy->version == 0)
		bytes_read(s, STREAM_CLIENT, proxy->kept, proxy->size, now_ns);
	else
		session_event(s, EVENT_bad_proxy_header);
	proxy_free(s);
}

// ---- For session.c

void session_begin_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	if (dir == STREAM_CLIENT && !s->is_begun)
		client_begin(s, data, size, now_ns);
	else
		bytes_read(s, dir, data, size, now_ns);
}

void session_begin_gap(struct session *s, enum stream_dir dir, uint64_t now_ns) {
	if (dir == STREAM_CLIENT && !s->is_begun)
		client_begin_end(s, now_ns);
	if (s->proto)
		return;
	// Whether a proxy connects them will not be known.
	if (s->client && s->client->connect)
		early_forget(s, !dir);
	connect_free(s);
	early_forget(s, dir);
}

void session_begin_end(struct session *s, uint64_t now_ns) {
	client_begin_end(s, now_ns);
	if (!s->proto && !s->is_deaf)
		unrecognised(s);
}

void session_begin_free(struct session *s) {
	if (!s->proto)
		early_free(s->engine->slab, s->early);
	connect_free(s);
	through_free(s);
	tlvs_free(s);
}
