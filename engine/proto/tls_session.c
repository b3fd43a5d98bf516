// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One path for all TLS, be it from the first byte or after STARTTLS of any protocol: the session is deaf,
// bytes are counted, and of the client's the hello is read.

#include "proto/tls_session.h"

#include "proto/proto.h"
#include "proto/tls.h"
#include "slab.h"

#include <string.h>

// A hello is kept no longer than its name, which stands last.
static size_t hello_size(const struct tls_hello *hello) {
	return offsetof(struct tls_hello, server_name) + strlen(hello->server_name) + 1;
}

static void reader_free(struct session *s) {
	struct tls_reader *reader = s->client ? s->client->tls_reader : NULL;

	if (!reader)
		return;
	tls_reader_free(reader, session_slab(s));
	slab_put(session_slab(s), reader, sizeof(*reader));
	s->client->tls_reader = NULL;
}

static void hello_keep(struct session *s, const struct tls_hello *hello) {
	struct session_client *client = s->client;

	if (hello->is_name_bad)
		session_event(s, EVENT_bad_server_name);
	client->hello = slab_get(session_slab(s), hello_size(hello));
	if (client->hello)
		memcpy(client->hello, hello, hello_size(hello));
	else
		session_event(s, EVENT_memory_full);
}

// The first hello is the session's: what is sent before any answer shows the client, and a server's wish for
// another key changes neither it nor the name. A second one that does shows two readers two sessions.
static void hello_compare(struct session *s, const struct tls_hello *second) {
	const struct tls_hello *first = s->client->hello;

	if (second->is_name_bad || strcmp(first->server_name, second->server_name) != 0)
		session_event(s, EVENT_bad_server_name);
	if (!tls_hello_is_same(first, second))
		session_event(s, EVENT_bad_client_hello);
}

void session_encrypted(struct session *s) {
	struct session_client *client = session_client_get(s);

	s->is_tls = 1;
	session_deafen(s, EVENT_encrypted);
	if (client && !client->tls_reader)
		client->tls_reader = slab_get(session_slab(s), sizeof(*client->tls_reader));
	if (client && !client->tls_reader)
		session_event(s, EVENT_memory_full);
}

// What was read of a hello (tls_hello_read). Whether another may follow.
static bool hello_take(struct session *s, int is_whole, const struct tls_hello *hello) {
	bool is_second = s->client->hello != NULL;

	if (is_second) { // whatever else comes in place of one is the handshake's
		if (is_whole > 0)
			hello_compare(s, hello);
		return false;
	}
	if (is_whole > 0)
		hello_keep(s, hello);
	else if (is_whole == TLS_HELLO_NO_ROOM)
		session_event(s, EVENT_memory_full);
	else if (!(s->events & UINT64_C(1) << EVENT_midstream))
		session_event(s, EVENT_bad_client_hello);
	return s->client->hello && tls_reader_again(s->client->tls_reader, hello);
}

void session_ciphertext(struct session *s, const uint8_t *data, size_t size) {
	struct tls_hello hello;
	int is_whole = 1;

	session_unparsed(s, size);
	while (is_whole != 0 && s->client && s->client->tls_reader) {
		is_whole = tls_hello_read(
			s->client->tls_reader, session_slab(s), &data, &size, &hello
		);
		if (is_whole != 0 && !hello_take(s, is_whole, &hello))
			reader_free(s);
	}
}

void tls_session_drop(struct session *s) {
	reader_free(s);
}

void tls_session_free(struct session *s) {
	reader_free(s);
	if (s->client && s->client->hello)
		slab_put(session_slab(s), s->client->hello, hello_size(s->client->hello));
	if (s->client)
		s->client->hello = NULL;
}

bool tls_session_is_mail(const struct session *s) {
	static const uint16_t ports[] = {25, 110, 143, 465, 587, 993, 995, 2525, 4190};
	static const char *const protocols[] = {"imap", "pop3", "smtp", "managesieve"};
	const char *alpn = s->client && s->client->hello ? s->client->hello->alpn : "";
	uint16_t port = session_server_port(s);

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port == ports[i])
			return true;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(alpn, protocols[i]) == 0)
			return true;
	return false;
}

// ---- A connection that begins with TLS: nothing of it is parsed but the hello, which the session does

static void *tls_open(struct session *s) {
	session_encrypted(s);
	return s; // it has no state of its own
}

static void tls_data(struct session *, void *, enum stream_dir, const uint8_t *, size_t, uint64_t) {
}

static void tls_gap(struct session *, void *, enum stream_dir, uint64_t, uint64_t) {}

static void tls_end(struct session *, void *, uint64_t) {}

static void tls_free(struct session *, void *) {}

const struct proto proto_tls = {
	.name = "tls",
	.activity = ACTIVITY_TLS,
	.open = tls_open,
	.data = tls_data,
	.gap = tls_gap,
	.end = tls_end,
	.free = tls_free,
};
