// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// TLS that begins in the middle of a conversation though no STARTTLS was seen to be accepted: the command or its
// answer was lost, or was never there. A client's hello alone proves nothing, it may be a line that the server
// refuses before it reads on: so the server decides. Its first byte behind the hello begins a TLS record or a line of
// text, which no byte does both. Until then the client's bytes are kept, up to TLS_UNASKED_SIZE_MAX; beyond that
// they are missing.

#pragma once

#include "session.h"

enum { TLS_RECORD_HANDSHAKE = 0x16 }; // RFC 8446 5.1; no line of a mail protocol begins so

// For protocols, where a client's line begins with TLS_RECORD_HANDSHAKE. is_server_start: so does the server's next
// line, which is no part of anything begun. true: the bytes are taken, and what follows comes back to the protocol
// only if it is no TLS. Whoever was found to pretend is not asked again.
bool tls_unasked(struct session *s, const uint8_t *data, size_t size, bool is_server_start);

// Whether bytes are kept: the connection's go to the two functions below then, not to the protocol.
static inline bool tls_unasked_waits(const struct session *s) {
	return s->client && s->client->unasked;
}
void tls_unasked_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
);
void tls_unasked_gap(struct session *s, enum stream_dir dir, uint64_t size);
// The connection is over, before proto->end: a whole record's head was TLS.
void tls_unasked_end(struct session *s, uint64_t now_ns);
