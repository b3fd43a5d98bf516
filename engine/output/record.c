// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What all protocols' records have in common. Everything up to the protocol's own object is bounded by
// limits.h and fits in half a record even if each byte of it has to be escaped; the protocol's object
// comes last and takes the rest.

#include "output/record.h"

#include "engine.h"
#include "output/community_id.h"
#include "output/ecs.h"
#include "output/record_proto.h"
#include "proto/imap/imap.h"
#include "proto/proto.h"
#include "proto/sasl.h"
#include "proto/smtp/smtp.h"
#include "proto/tls.h"
#include "session_match.h"

#include <string.h>

enum {
	LIST_TAIL_SIZE = 128, // what stands behind a list: ends of objects, totals
	RECORD_ID_SIZE = 36 + 1 + 10 + 1,
};

static const struct record_detail details[] = {
	{IMAP_UID_RANGES_MAX, SMTP_RECIPIENTS_MAX, TEXT_CHARS_MAX},
	{64, 32, TEXT_CHARS_MAX},
	{16, 8, 200},
	{4, 2, 60},
};

void record_login_write(struct json *json, const struct session *s) {
	static const char *const outcomes[] = {
		[LOGIN_NONE] = "none",
		[LOGIN_FAILURE] = "failure",
		[LOGIN_SUCCESS] = "success",
	};

	json_begin_object(json, "login");
	json_put_word(json, "outcome", outcomes[s->login]);
	if (s->mechanism != SASL_NONE)
		json_put_word(json, "mechanism", sasl_name(s->mechanism));
	json_put_u64(json, "attempts", s->n_attempts);
	if (s->client && s->client->master)
		json_put_text(json, "master", s->client->master);
	json_end_object(json);
}

void record_text_write(
	struct json *json,
	const char *key,
	const char *cut_key,
	const char *text,
	uint32_t chars
) {
	if (json_put_string(json, key, text, strlen(text), chars))
		json_put_bool(json, cut_key, true);
}

void record_item_write(struct json *json, const char *text, uint32_t chars) {
	json_put_string(json, NULL, text, strlen(text), chars);
}

struct record_list record_list_open(struct json *json, const char *key) {
	struct record_list list = {.json = json};

	json_begin_array(json, key);
	list.tail_size = json->size - json->used;
	if (list.tail_size > LIST_TAIL_SIZE)
		list.tail_size = LIST_TAIL_SIZE;
	json->size -= list.tail_size;
	list.mark = *json;
	return list;
}

bool record_list_next(struct record_list *list) {
	if (list->json->is_full)
		return false;
	list->mark = *list->json;
	list->n++;
	return true;
}

uint32_t record_list_close(struct record_list *list) {
	if (list->json->is_full && list->n > 0) {
		*list->json = list->mark;
		list->n--;
	}
	list->json->size += list->tail_size;
	json_end_array(list->json);
	return list->n;
}

// The same input gives the same ids: a session's is drawn from what is in its packets.
static void record_id(const struct session *s, char id[RECORD_ID_SIZE]) {
	uint32_t sequence = s->sequence;
	char digits[10], *end = digits + sizeof(digits), *begin = end;
	uint8_t uuid[16];

	do
		*--begin = (char)('0' + sequence % 10);
	while ((sequence /= 10) > 0);
	session_id(s, uuid);
	json_uuid_text(uuid, id);
	id[36] = '-';
	memcpy(id + 37, begin, (size_t)(end - begin));
	id[37 + (end - begin)] = '\0';
}

static void event_write(
	struct json *json,
	const struct session *s,
	enum record_reason reason,
	uint64_t time_ns
) {
	static const char *const reasons[] = {
		[RECORD_LOGOUT] = "logout",
		[RECORD_CLOSE] = "close",
		[RECORD_RESET] = "reset",
		[RECORD_TIMEOUT] = "timeout",
		[RECORD_EVICTED] = "evicted",
		[RECORD_INTERIM] = "interim",
		[RECORD_END_OF_INPUT] = "end-of-input",
	};
	uint64_t start_ns = stream_start_ns(s->stream);
	char id[RECORD_ID_SIZE];

	record_id(s, id);
	ecs_event_begin(json, "event", "postern.session", "session");
	json_put_word(json, "id", id);
	json_put_word(json, "action", s->proto->name);
	json_put_u64(json, "sequence", s->sequence);
	json_put_time(json, "start", start_ns);
	json_put_time(json, "end", time_ns);
	json_put_u64(json, "duration", time_ns > start_ns ? time_ns - start_ns : 0);
	json_put_word(json, "reason", reasons[reason]);
	json_end_object(json);
}

// The client is the real one, where that is known.
static void end_write(
	struct json *json,
	const struct session *s,
	const struct stream_tuple *tuple,
	enum stream_dir dir
) {
	const struct network *network;
	struct ip ip;
	uint16_t port;

	if (dir == STREAM_SERVER) {
		json_put_ip(json, "ip", tuple->addr[dir], tuple->family);
		json_put_u64(json, "port", tuple->port[dir]);
		return;
	}
	session_source(s, &ip, &port);
	json_put_ip(json, "ip", ip.addr, ip.family);
	json_put_u64(json, "port", port);
	network = session_network(s);
	ecs_place_write(json, network->asn, network->name, network->country);
}

static void ends_write(struct json *json, const struct session *s) {
	static const char *const names[] = {
		[STREAM_CLIENT] = "source",
		[STREAM_SERVER] = "destination",
	};
	struct stream_tuple tuple;
	char id[COMMUNITY_ID_SIZE];

	stream_tuple_get(s->stream, &tuple);
	community_id(&tuple, id);
	json_begin_object(json, "network");
	json_put_word(json, "transport", "tcp");
	json_put_word(json, "type", tuple.family == 4 ? "ipv4" : "ipv6");
	json_put_word(json, "protocol", s->proto->name);
	json_put_word(json, "community_id", id);
	json_end_object(json);
	for (enum stream_dir dir = STREAM_CLIENT; dir <= STREAM_SERVER; dir++) {
		json_begin_object(json, names[dir]);
		end_write(json, s, &tuple, dir);
		json_put_u64(json, "bytes", stream_n_bytes(s->stream, dir));
		json_put_u64(json, "packets", stream_n_packets(s->stream, dir));
		json_end_object(json);
	}
}

static const struct tls_hello *hello_of(const struct session *s) {
	return s->client ? s->client->hello : NULL;
}

static void tls_write(struct json *json, const struct session *s) {
	const struct tls_hello *hello = hello_of(s);

	json_begin_object(json, "tls");
	json_put_bool(json, "established", true);
	if (hello && hello->server_name[0]) {
		json_begin_object(json, "client");
		json_put_text(json, "server_name", hello->server_name);
		json_end_object(json);
	}
	if (hello && hello->alpn[0])
		json_put_text(json, "next_protocol", hello->alpn);
	json_end_object(json);
}

static const char *version_text(uint16_t version) {
	static const char *const texts[] = {"SSL 3.0", "1.0", "1.1", "1.2", "1.3"};

	return version >= 0x0300 && version <= 0x0304 ? texts[version - 0x0300] : "other";
}

// What its client offered.
static void hello_write(struct json *json, const struct session *s) {
	const struct tls_hello *hello = hello_of(s);

	if (!hello && s->proto->activity != ACTIVITY_TLS)
		return;
	if (hello)
		json_put_text(json, "ja4", hello->ja4);
	json_begin_object(json, "tls");
	json_put_bool(json, "hello", hello != NULL);
	if (hello) {
		json_put_text(json, "offered", version_text(hello->version));
		json_put_bool(json, "ech", hello->is_ech);
	}
	json_end_object(json);
}

// The share of the payload that a grammar read, as session_seen(); cut, not rounded, so that 1.0
// means all of it.
static double share_parsed(const struct session *s) {
	uint64_t total = stream_n_bytes(s->stream, STREAM_CLIENT)
		+ stream_n_bytes(s->stream, STREAM_SERVER);
	uint64_t unparsed = s->n_unparsed < total ? s->n_unparsed : total;

	if (total == 0)
		return 1;
	return (double)(uint64_t)((unsigned __int128)(total - unparsed) * 10000 / total) / 10000;
}

static void match_write(struct json *json, const struct session_match *match) {
	json_begin_object(json, NULL);
	json_put_text(json, "rule", match->rule);
	json_put_u64(json, "count", match->count);
	json_put_text(json, "field", rule_field_name(match->place.field));
	if (match->place.part[0] != '\0')
		json_put_text(json, "part", match->place.part);
	json_put_u64(json, "offset", match->place.offset);
	if (match->place.excerpt[0] != '\0')
		json_put_text(json, "excerpt", match->place.excerpt);
	json_end_object(json);
}

// What was noticed, whatever the protocol.
static void findings_write(struct json *json, const struct session *s) {
	json_put_double(json, "seen", share_parsed(s), 4);
	json_put_u64(json, "gaps", stream_n_gaps(s->stream));
	json_begin_array(json, "events");
	for (uint64_t events = s->events; events; events &= events - 1)
		json_put_word(json, NULL, session_event_name(__builtin_ctzll(events)));
	json_end_array(json);
	json_begin_array(json, "matches");
	for (int i = 0; i < s->n_matches && i < MATCHES_PER_SESSION_MAX; i++)
		if (s->matches[i].is_told)
			match_write(json, &s->matches[i]);
	json_end_array(json);
}

// Returns false when elements of the protocol's list were left out.
static bool
attempt(struct json *json,
	const struct session *s,
	enum record_reason reason,
	uint64_t time_ns,
	const struct record_detail *detail) {
	bool is_whole = true;
	uint8_t id[16];

	json_begin_object(json, NULL);
	json_put_time(json, "@timestamp", time_ns);
	ecs_version_write(json);
	event_write(json, s, reason, time_ns);
	ends_write(json, s);
	if (s->account)
		ecs_user_write(json, s->account, ACCOUNT_NAME_SIZE_MAX);
	if (s->is_tls)
		tls_write(json, s);
	ecs_observer_write(json, s->engine->config.observer_name);
	json_begin_object(json, "postern");
	session_id(s, id);
	json_put_uuid(json, "session", id);
	record_via_write(json, s);
	record_proxy_write(json, s);
	hello_write(json, s);
	findings_write(json, s);
	if (s->proto == &proto_imap)
		is_whole = record_imap_write(json, s, s->state, detail);
	else if (s->proto == &proto_smtp)
		is_whole = record_smtp_write(json, s, s->state, detail);
	else if (s->proto->activity == ACTIVITY_POP3)
		is_whole = record_pop3_write(json, s, s->state, detail);
	else if (s->proto->activity == ACTIVITY_SIEVE)
		record_sieve_write(json, s, s->state);
	json_end_object(json);
	json_end_object(json);
	return is_whole;
}

size_t record_write(
	const struct session *s,
	enum record_reason reason,
	uint64_t time_ns,
	char *buffer,
	size_t size
) {
	struct json json;

	for (size_t i = 0; i < sizeof(details) / sizeof(*details); i++) {
		json_open(&json, buffer, size < RECORD_SIZE_MAX ? size : RECORD_SIZE_MAX);
		if (attempt(&json, s, reason, time_ns, &details[i]))
			break;
	}
	// The rest always fits: see the head of this file.
	assert(!json.is_full);
	return json.used;
}
