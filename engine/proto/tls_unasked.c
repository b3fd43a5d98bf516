// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/tls_unasked.h"

#include "limits.h"
#include "proto/proto.h"
#include "slab.h"

#include <string.h>

// What may be TLS, in the order in which it goes to the protocol if it is not.
struct tls_unasked {
	uint8_t *data;
	uint32_t cap, size;
	uint64_t n_missing; // of the client's bytes, behind data
	uint64_t
		n_server_missing; // of the server's, whose next byte may stand anywhere in a record
};

enum { HEAD_SIZE = 6 };

// A record of the handshake, of version 3.x and at most 2^14 octets, that begins with a client's hello. What is
// there of it must fit.
static bool is_hello(const uint8_t *data, size_t size) {
	static const uint8_t low[HEAD_SIZE] = {TLS_RECORD_HANDSHAKE, 3, 0, 0, 0, 1};
	static const uint8_t high[HEAD_SIZE] = {TLS_RECORD_HANDSHAKE, 3, 4, 0x40, 0xff, 1};

	for (size_t i = 0; i < size && i < HEAD_SIZE; i++)
		if (data[i] < low[i] || data[i] > high[i])
			return false;
	return true;
}

static void keep(struct session *s, const uint8_t *data, size_t size) {
	struct tls_unasked *unasked = s->client->unasked;
	size_t room = unasked->n_missing > 0 ? 0 : TLS_UNASKED_SIZE_MAX - unasked->size;
	size_t n = size < room ? size : room;
	void *block = unasked->data;

	if (n > 0
	    && slab_grow(session_slab(s), &block, &unasked->cap, unasked->size + n, true) < 0) {
		session_event(s, EVENT_memory_full);
		n = 0;
	}
	unasked->data = block;
	if (n > 0)
		memcpy(unasked->data + unasked->size, data, n);
	unasked->size += n;
	unasked->n_missing += size - n;
	session_unparsed(s, size - n);
}

bool tls_unasked(struct session *s, const uint8_t *data, size_t size, bool is_server_start) {
	struct session_client *client = session_client_get(s);

	if (!client || client->is_unasked_over)
		return false;
	if (is_server_start && is_hello(data, size))
		client->unasked = slab_get(session_slab(s), sizeof(*client->unasked));
	if (!client->unasked) {
		client->is_unasked_over = true;
		return false;
	}
	keep(s, data, size);
	return true;
}

// From here on the session is not waiting any more; what was kept is the caller's, for end().
static struct tls_unasked begin(struct session *s) {
	struct tls_unasked unasked = *s->client->unasked;

	slab_put(session_slab(s), s->client->unasked, sizeof(unasked));
	s->client->unasked = NULL;
	s->client->is_unasked_over = true;
	return unasked;
}

static void end(struct session *s, struct tls_unasked *unasked) {
	if (unasked->data)
		explicit_bzero(unasked->data, unasked->size); // a LOGIN may have been behind it
	slab_put(session_slab(s), unasked->data, unasked->cap);
}

static void is_tls(struct session *s) {
	struct tls_unasked unasked = begin(s);

	session_encrypted(s);
	session_ciphertext(s, unasked.data, unasked.size);
	end(s, &unasked);
}

static void is_plain(struct session *s, uint64_t now_ns) {
	struct tls_unasked unasked = begin(s);
	const uint64_t missing[2] = {
		[STREAM_CLIENT] = unasked.n_missing,
		[STREAM_SERVER] = unasked.n_server_missing,
	};

	s->proto->data(s, s->state, STREAM_CLIENT, unasked.data, unasked.size, now_ns);
	for (int dir = 0; dir < 2; dir++)
		if (missing[dir] > 0 && !s->is_deaf)
			s->proto->gap(s, s->state, dir, missing[dir], now_ns);
	end(s, &unasked);
}

// Behind a hole the server's byte may be one of ciphertext; text it is when it looks so.
static bool is_record(const struct tls_unasked *unasked, uint8_t byte) {
	bool is_text = byte == '\r' || byte == '\n' || (byte >= 0x20 && byte < 0x7f);

	return unasked->n_server_missing > 0 ? !is_text
					     : byte == TLS_RECORD_HANDSHAKE || byte == 0x15;
}

void tls_unasked_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	struct tls_unasked *unasked = s->client->unasked;

	if (size == 0)
		return;
	if (dir == STREAM_CLIENT) {
		keep(s, data, size);
		if (!is_hello(unasked->data, unasked->size))
			is_plain(s, now_ns);
		return;
	}
	if (is_record(unasked, data[0]))
		is_tls(s);
	else
		is_plain(s, now_ns);
	if (s->is_deaf)
		session_unparsed(s, size);
	else
		s->proto->data(s, s->state, dir, data, size, now_ns);
}

void tls_unasked_gap(struct session *s, enum stream_dir dir, uint64_t size) {
	struct tls_unasked *unasked = s->client->unasked;

	if (dir == STREAM_CLIENT)
		unasked->n_missing += size;
	else
		unasked->n_server_missing += size;
}

void tls_unasked_end(struct session *s, uint64_t now_ns) {
	if (s->client->unasked->size >= HEAD_SIZE)
		is_tls(s);
	else
		is_plain(s, now_ns);
}
