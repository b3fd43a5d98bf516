// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// From a connection to its record: hand the bytes to whoever reads them, keep what all protocols have in
// common, and send what the session is about on its way in good time.

#include "session.h"

#include "engine.h"
#include "output/record.h"
#include "proto/imap/imap.h"
#include "proto/pop3.h"
#include "proto/proto.h"
#include "proto/sasl.h"
#include "proto/sieve.h"
#include "proto/smtp/smtp.h"
#include "proto/tls.h"
#include "proto/tls_session.h"
#include "session_begin.h"
#include "session_files.h"
#include "session_match.h"
#include "siphash.h"

#include <endian.h>
#include <string.h>
#include <strings.h>

// ---- Results on their way out

double session_seen(const struct session *s) {
	uint64_t total = stream_n_bytes(s->stream, STREAM_CLIENT)
		+ stream_n_bytes(s->stream, STREAM_SERVER);

	if (total == 0)
		return 1.0;
	return s->n_unparsed >= total ? 0.0 : 1.0 - (double)s->n_unparsed / (double)total;
}

static void id_make(const struct session *s, uint8_t id[16]) {
	static const uint64_t key[2] = {0x706f737465726e20, 0x73657373696f6e20};
	struct {
		struct stream_tuple tuple;
		uint64_t start_ns;
	} of;
	uint64_t half[2];

	memset(&of, 0, sizeof(of)); // no padding in the hash
	stream_tuple_get(s->stream, &of.tuple);
	of.start_ns = stream_start_ns(s->stream);
	siphash_pair(key, &of, sizeof(of), half);

	uint64_t ms = htobe64(of.start_ns / 1000000 << 16);
	memcpy(id, &ms, 6);
	memcpy(id + 6, &half[0], 2);
	memcpy(id + 8, &half[1], 8);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x70);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

// Records and activity of one session come one behind the other: its id is made once for them.
void session_id(const struct session *s, uint8_t id[16]) {
	struct engine *engine = s->engine;

	if (engine->id_of != s)
		id_make(s, engine->id);
	engine->id_of = s;
	memcpy(id, engine->id, sizeof(engine->id));
}

static uint64_t interim_due_ns(const struct session *s) {
	return stream_start_ns(s->stream) + (s->n_interims + 1ull) * s->engine->config.interim_ns;
}

// 0: nothing is being collected.
static uint64_t activity_due_ns(const struct session *s) {
	return s->pending ? s->engine->pending.places[s->pending - 1].due_ns : 0;
}

// One stream timer serves both wishes: the minute of the activity, the interim record.
void session_timer_update(struct session *s) {
	uint64_t due = s->proto ? interim_due_ns(s) : 0;
	uint64_t activity_due = activity_due_ns(s);

	if (activity_due && (due == 0 || activity_due < due))
		due = activity_due;
	stream_timer_set(s->stream, due);
}

static bool activity_says_something(const struct activity *a) {
	return a->account[0] || a->auth.success || a->auth.failure || a->n_sent || a->n_matches
		|| a->n_forward;
}

static void network_write(const struct session *s, struct activity *a) {
	const struct network *network = session_network(s);

	a->source.asn = network->asn;
	memcpy(a->source.country, network->country, sizeof(a->source.country));
	a->source.network = network->kind;
}

// What the server read may have been other bytes than these, or the same otherwise.
static bool is_ambiguous(const struct session *s) {
	const uint64_t events = UINT64_C(1) << EVENT_inconsistent_retransmission
		| UINT64_C(1) << EVENT_inconsistent_fragments | UINT64_C(1) << EVENT_urgent_data
		| UINT64_C(1) << EVENT_smtp_smuggling | UINT64_C(1) << EVENT_literal_refused
		| UINT64_C(1) << EVENT_unmatched_response;

	return s->events & events;
}

// A login in IMAP is told before it is known how its client speaks. By its ID alone the client would be taken for
// another one than a moment later, and for the account's own if it borrows the ID: better for none.
static void client_write(const struct session *s, struct activity *a) {
	if (s->client && s->client->hello)
		memcpy(a->client.ja4, s->client->hello->ja4, TLS_JA4_SIZE);
	if (s->proto->client)
		s->proto->client(s->state, a);
	if (a->protocol == ACTIVITY_IMAP && a->auth.success && a->client.grammar == 0)
		memset(&a->client, 0, sizeof(a->client));
}

static void activity_send(struct session *s, uint64_t now_ns, bool is_end) {
	struct activity *a = s->engine->pending.places[s->pending - 1].activity;
	uint16_t port;

	a->time_ns = now_ns;
	session_id(s, a->session);
	a->protocol = s->proto->activity;
	if (s->account && !s->is_claimed)
		memcpy(a->account, s->account, strlen(s->account) + 1);
	session_source(s, &a->source.ip, &port);
	network_write(s, a);
	client_write(s, a);
	a->seen = (float)session_seen(s);
	a->ambiguous = is_ambiguous(s);
	a->end = is_end;
	if (activity_says_something(a)) {
		s->is_reported = true;
		s->engine->stats.n_activities++;
		s->engine->config.out.activity(s->engine->config.out.ctx, a);
	}
	pending_give(&s->engine->pending, s->pending - 1u);
	s->pending = 0;
}

static void record_send(struct session *s, enum record_reason reason, uint64_t now_ns) {
	struct engine *engine = s->engine;

	s->sequence++;
	if (!engine->config.records)
		return; // and nothing was kept for one
	size_t size = record_write(
		s, reason, now_ns, engine->line, RECORD_SIZE_MAX - OFFER_RECORD_SIZE
	);
	engine->stats.n_records++;
	engine->config.out.record(engine->config.out.ctx, engine->line, size);
	session_files_clear(s);
}

// ---- What protocols ask for

struct slab *session_slab(struct session *s) {
	return s->engine->slab;
}

void session_text_put(struct session *s, char *text) {
	if (text)
		slab_put(s->engine->slab, text, strlen(text) + 1);
}

void session_event(struct session *s, enum session_event event) {
	uint64_t bit = UINT64_C(1) << event;

	s->engine->events_new |= bit & ~s->events;
	s->events |= bit;
	if (event == EVENT_memory_full)
		s->engine->stats.memory_full++;
}

void session_is_lmtp(struct session *s) {
	s->engine->stats.n_lmtp++;
}

void session_unparsed(struct session *s, uint64_t size) {
	s->n_unparsed += size;
}

void session_deafen(struct session *s, enum session_event why) {
	session_event(s, why);
	s->is_deaf = true;
}

bool session_inflater_begin(struct session *s) {
	if (s->engine->n_inflaters == INFLATERS_MAX)
		return false;
	s->engine->n_inflaters++;
	return true;
}

void session_inflater_end(struct session *s) {
	s->engine->n_inflaters--;
}

struct session_client *session_client_get(struct session *s) {
	if (!s->client)
		s->client = slab_get(s->engine->slab, sizeof(*s->client));
	if (!s->client)
		session_event(s, EVENT_memory_full);
	return s->client;
}

// ::ffff:192.0.2.1 is 192.0.2.1: one client must not have two addresses.
static struct ip ip_normal(const struct ip *ip) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ip v4 = {.family = 4};

	if (ip->family != 6 || memcmp(ip->addr, mapped, sizeof(mapped)) != 0)
		return *ip;
	memcpy(v4.addr, ip->addr + sizeof(mapped), 4);
	return v4;
}

bool session_real_client(
	struct session *s,
	const struct ip *ip,
	uint16_t port,
	enum session_how how
) {
	struct session_client *client;
	struct ip speaker;
	uint16_t speaker_port;

	// Behind a PROXY header it is the client named there who speaks, not the proxy.
	session_hop(s, &speaker, &speaker_port);
	if (s->client && s->client->speaker.family)
		speaker = s->client->speaker;
	if (!engine_trusts(s->engine, &speaker)) {
		session_event(s, EVENT_untrusted_proxy_claim);
		return false;
	}
	client = session_client_get(s);
	if (!client)
		return false;
	client->ip = ip_normal(ip);
	client->port = port;
	client->how = (uint8_t)how;
	if (how == SESSION_HOW_PROXY_V1 || how == SESSION_HOW_PROXY_V2)
		client->speaker = client->ip;
	return true;
}

// Takes a place among those that are collecting; whoever had it for longest sends what he has.
struct activity *session_activity(struct session *s, uint64_t now_ns) {
	struct engine *engine = s->engine;
	uint32_t place = pending_place(&engine->pending);
	struct activity *activity;

	if (s->pending)
		return engine->pending.places[s->pending - 1].activity;
	if (!engine->config.out.activity) {
		pending_empty(&engine->nowhere);
		return &engine->nowhere;
	}
	if (engine->pending.places[place].session)
		session_activity_flush(engine->pending.places[place].session, now_ns);
	activity = pending_take(&engine->pending, s, now_ns + ACTIVITY_PERIOD_NS);
	s->pending = (place + 1) & 0x3fff;
	session_timer_update(s);
	return activity;
}

void session_activity_flush(struct session *s, uint64_t now_ns) {
	if (!s->pending)
		return;
	activity_send(s, now_ns, false);
	session_timer_update(s);
}

// ---- The stream handler

static void *handler_open(void *ctx, struct stream *stream, uint64_t) {
	struct engine *engine = ctx;
	struct session *s = slab_get(engine->slab, sizeof(*s));

	if (!s) {
		engine->stats.n_refused++;
		return NULL;
	}
	s->engine = engine;
	s->stream = stream;
	s->is_deaf = !engine->config.parse;
	s->is_begun = s->is_deaf;
	return s;
}

static void
handler_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns) {
	struct session *s = reader;

	if (dir == STREAM_CLIENT && !s->is_begun)
		session_begin(s, data, size, now_ns);
	else
		session_bytes(s, dir, data, size, now_ns);
	if (s->engine->events_new)
		session_events_match(s, now_ns);
}

static void handler_gap(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct session *s = reader;

	if (dir == STREAM_CLIENT && !s->is_begun)
		session_begin_end(s, now_ns);
	if (dir == STREAM_CLIENT)
		tls_session_drop(s);
	session_unparsed(s, size);
	if (!s->proto)
		session_begin_forget(s, dir);
	else if (!s->is_deaf)
		s->proto->gap(s, s->state, dir, size, now_ns);
	session_events_match(s, now_ns);
}

static void handler_event(void *reader, enum stream_event event, uint64_t now_ns) {
	static const uint8_t events[STREAM_EVENT_COUNT] = {
#define STREAM_EVENT(name, text) [STREAM_EVENT_##name] = EVENT_##name,
#include "stream_event.def"
#undef STREAM_EVENT
	};
	session_event(reader, events[event]);
	session_events_match(reader, now_ns);
}

static void handler_timer(void *reader, uint64_t now_ns) {
	struct session *s = reader;

	if (s->pending && activity_due_ns(s) <= now_ns)
		activity_send(s, now_ns, false);
	if (s->proto && interim_due_ns(s) <= now_ns) {
		if (s->proto != &proto_tls || tls_session_is_mail(s))
			record_send(s, RECORD_INTERIM, now_ns);
		s->n_interims++;
	}
	session_timer_update(s);
}

static bool said_goodbye(const struct session *s) {
	if (s->proto == &proto_imap)
		return ((const struct imap *)s->state)->is_logout;
	if (s->proto == &proto_pop3)
		return ((const struct pop3 *)s->state)->is_quit;
	if (s->proto == &proto_sieve)
		return ((const struct sieve *)s->state)->is_logout;
	return s->proto == &proto_smtp && ((const struct smtp *)s->state)->is_quit;
}

static enum record_reason reason_find(const struct session *s, enum stream_end end) {
	static const uint8_t reasons[] = {
		[STREAM_END_CLOSE] = RECORD_CLOSE,
		[STREAM_END_RESET] = RECORD_RESET,
		[STREAM_END_TIMEOUT] = RECORD_TIMEOUT,
		[STREAM_END_EVICTED] = RECORD_EVICTED,
		[STREAM_END_INPUT] = RECORD_END_OF_INPUT,
	};
	// Clients are known to reset after LOGOUT: what they said counts.
	if ((end == STREAM_END_CLOSE || end == STREAM_END_RESET) && said_goodbye(s))
		return RECORD_LOGOUT;
	return reasons[end];
}

static void handler_close(void *reader, enum stream_end end, uint64_t now_ns) {
	struct session *s = reader;
	struct slab *slab = s->engine->slab;

	session_begin_end(s, now_ns);
	if (s->proto == &proto_tls && !tls_session_is_mail(s)) {
		// Somebody else's TLS: counted, and nothing to say of it.
	} else if (s->proto) {
		s->proto->end(s, s->state, now_ns);
		session_events_match(s, now_ns);
		if (s->pending || s->is_reported) {
			session_activity(s, now_ns);
			if (s->pending)
				activity_send(s, now_ns, true);
		}
		record_send(s, reason_find(s, end), now_ns);
		s->proto->free(s, s->state);
	} else if (!s->is_deaf) {
		session_unrecognised(s);
	}
	session_begin_free(s);
	session_text_put(s, s->account);
	tls_session_free(s);
	session_files_clear(s);
	if (s->client)
		session_text_put(s, s->client->master);
	slab_put(slab, s->client, sizeof(*s->client));
	session_match_free(s);
	if (s->engine->id_of == s)
		s->engine->id_of = NULL;
	slab_put(slab, s, sizeof(*s));
}

struct stream_handler engine_handler(struct engine *engine) {
	return (struct stream_handler){
		.ctx = engine,
		.open = handler_open,
		.data = handler_data,
		.gap = handler_gap,
		.event = handler_event,
		.timer = handler_timer,
		.close = handler_close,
	};
}
