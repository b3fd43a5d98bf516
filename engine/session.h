// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One conversation: the stream handler's side (open, bytes, close), what every protocol has in
// common (who logged in, events, matches), and what protocols ask of it. Its record and its activity
// leave through struct engine.

#pragma once

#include "activity.h"
#include "limits.h"
#include "stream.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum session_event {
#define EVENT(name, text) EVENT_##name,
#include "event.def"
#undef EVENT
	EVENT_COUNT,
};

static_assert(EVENT_COUNT <= 64, "events of a session are one word");

// As records name it, and what it means in words; both static.
const char *session_event_name(enum session_event event);
const char *session_event_text(enum session_event event);

enum login_outcome {
	LOGIN_NONE,
	LOGIN_FAILURE,
	LOGIN_SUCCESS,
};

// Who named the real client of a connection (record: postern.via.how).
enum session_how {
	SESSION_HOW_PROXY_V1,
	SESSION_HOW_PROXY_V2,
	SESSION_HOW_XCLIENT,
	SESSION_HOW_XFORWARD,
	SESSION_HOW_IMAP_ID,
};

struct connect; // proto/connect.h
struct proxy; // proto/proxy.h
struct sasl; // proto/sasl.h
struct tls_reader; // proto/tls.h
struct tls_hello;
struct tls_unasked; // proto/tls_unasked.h
struct session_files; // session_files.h

// What a client asked a proxy for, which then connected it. In a block of its size.
struct session_through {
	struct ip ip; // of the server; family 0: its name is told
	uint16_t port;
	uint8_t how; // enum connect_how
	uint8_t n_hops; // proxies behind each other: it is what the last one was asked for
	uint8_t host_size, user_size;
	char text[]; // the server's name, and who the client is to the first proxy; not terminated
};

static inline size_t session_through_size(const struct session_through *through) {
	return sizeof(*through) + through->host_size + through->user_size;
}

// What only some connections have.
struct session_client {
	struct ip ip; // the real one, as a trusted proxy named it; family 0: it is the packets'
	struct ip speaker; // whom a PROXY header named: later claims are this one's; family 0: none
	uint16_t port; // the real one's; 0: not told
	uint8_t how; // enum session_how
	bool is_unasked_over; // it was decided once
	uint16_t tlvs_size;
	uint8_t *
		tlvs; // what a trusted proxy's header said beside it (proto/proxy_tlv.h), in a block of its size
	struct proxy *proxy; // its header, while it is being read
	struct connect *connect; // how a proxy connects it on, while that is being read
	struct session_through *through; // and when it has; NULL: the server is the packets' one
	struct tls_reader *tls_reader; // its TLS hello, while that is being read
	struct tls_hello *hello; // and when it is whole: up to the end of its name
	struct tls_unasked *unasked; // what may be TLS, until the server shows it; NULL: nothing
	char *master; // whose password it was, where not the account's (normal form); NULL: the account's;
	// in a block of its size
	struct session_files *files; // attached to what was fetched and stored; NULL: nothing
};

struct engine; // engine.h: what a worker's sessions share
struct proto; // proto/proto.h

struct session_match; // session_match.h

// Written by session.c; protocols read it and use the functions below. What an idle connection costs:
// everything that only some need, or need for a while, is behind a pointer.
struct session {
	struct engine *engine;
	struct stream *stream;
	const struct proto *proto; // NULL until recognised
	union {
		void *state; // the protocol's own, see proto.h
		struct detect_buffer *early; // until then: the bytes so far, or NULL
	};
	uint64_t events; // bit per enum session_event
	uint64_t n_unparsed; // bytes that no grammar has read: gaps, ciphertext, after giving up
	char *account; // normal form, in a block of its size; NULL: nobody yet
	struct session_match *matches;
	struct session_client *client; // NULL: nothing beyond the packets
	uint32_t sequence; // records written so far
	uint32_t n_interims; // times an interim record was due
	uint16_t n_attempts;
	uint16_t matches_size; // of their block
	uint32_t
		pending : 14; // place among the engine's activities being collected, plus one; 0: none
	uint32_t n_matches : 6;
	uint32_t login : 2; // enum login_outcome of the last attempt
	uint32_t mechanism : 5; // enum sasl_mechanism of the last attempt
	bool is_tls : 1; // TLS was seen to begin
	bool is_deaf : 1; // parsing is over; bytes are counted only
	bool is_reported : 1; // at least one activity was sent
	bool is_claimed : 1; // the account is only that of an attempt that was refused, or never answered
	bool is_begun : 1; // the client's bytes proper have begun: no PROXY header can come any more
};

static_assert(sizeof(struct session) == 88, "what an idle session costs");
static_assert(MATCHES_PER_SESSION_MAX < 1 << 6, "n_matches");
static_assert(ACTIVITY_PENDING_MAX < 1 << 14, "pending");

// ---- For protocols. None of these fails; what cannot be kept is counted and stated as an event.

// The worker's, for what a protocol keeps: given back in its free(), or before.
struct slab *session_slab(struct session *s);
// Gives back a text in a block of its size, its NUL included. Accepts NULL.
void session_text_put(struct session *s, char *text);
void session_event(struct session *s, enum session_event event);
// It is one of LMTP: counted as such. Once for each.
void session_is_lmtp(struct session *s);
// size bytes went by that the grammar did not read.
void session_unparsed(struct session *s, uint64_t size);

// One finished attempt. name (not terminated, any bytes) is the authentication identity, NULL when
// it could not be read; password (NULL: not seen) is hashed with the key of this start and forgotten.
// mechanism: enum sasl_mechanism.
void session_login(
	struct session *s,
	enum login_outcome outcome,
	uint8_t mechanism,
	const char *name,
	size_t name_size,
	uint64_t password_hash,
	uint64_t now_ns
);
// The same of an exchange (proto/sasl.h). Where one identity acted for another, the session is the
// latter's, whose mail it is, and a refused attempt the former's.
void session_login_sasl(
	struct session *s,
	enum login_outcome outcome,
	const struct sasl *sasl,
	uint64_t now_ns
);
// An attempt that nobody has answered when the connection ends. The record names the account with the
// outcome none; the models hear nothing of it: whoever was tried has done nothing.
void session_login_unanswered(
	struct session *s,
	uint8_t mechanism,
	const char *name,
	size_t name_size,
	uint64_t now_ns
);
// The keyed hash of a password: 0 for size 0, never 0 otherwise.
uint64_t session_password_hash(const struct session *s, const uint8_t *password, size_t size);

// The activity to add to, never NULL: opened when there is none. Fields common to all sessions
// (account, source, time) are filled in when it is sent.
struct activity *session_activity(struct session *s, uint64_t now_ns);
// Sends what is pending at once, because a list in it is full: the next call opens another.
void session_activity_flush(struct session *s, uint64_t now_ns);

// What is known of the client beyond its packets, opened when there is none; NULL (counted) when the slab
// is full.
struct session_client *session_client_get(struct session *s);

// Somebody said who the real client is (port 0: not told). Believed only from trusted proxies; else
// it is stated as an event. Returns whether it was believed.
bool session_real_client(
	struct session *s,
	const struct ip *ip,
	uint16_t port,
	enum session_how how
);

// A server's whole list of what it offers (OFFER_* bits, proto/offer.h), sent in clear. To be held against what
// was heard of the server in other sessions (offers.h).
void session_offers(struct session *s, uint8_t offers, uint64_t now_ns);

// The bytes after this point are no longer the protocol's (ciphertext, compression): they are
// counted, nothing more is delivered to it.
void session_deafen(struct session *s, enum session_event why);

// Its next moment may be another one now: the minute of the activity, or the interim record.
void session_timer_update(struct session *s);

// A direction is to be inflated from now on; false: INFLATERS_MAX are already. Each true wants an end.
bool session_inflater_begin(struct session *s);
void session_inflater_end(struct session *s);

// TLS begins here: what the client sends from now on goes to session_ciphertext(), the rest is only
// counted.
void session_encrypted(struct session *s);
// size bytes of the client that are TLS: counted, and its hello is read.
void session_ciphertext(struct session *s, const uint8_t *data, size_t size);

// ---- For outputs.

// The connection's id: a UUID of version 7 (RFC 9562) whose random part is drawn from the connection
// itself, so that the same input has the same ids in every run.
void session_id(const struct session *s, uint8_t id[16]);

// The TCP port of the server that is spoken to: the packets' one, or behind a proxy that which it was asked for.
uint16_t session_server_port(const struct session *s);
// Whom the connection is of: the real client where a trusted proxy named it, else the packets' source.
// port_r: the hop's when the proxy named none.
void session_source(const struct session *s, struct ip *ip_r, uint16_t *port_r);
// What the network databases say of it; borrowed until the next call on this worker. Kept for the
// addresses that were asked for last, not in the session: an idle one costs nothing.
const struct network *session_network(const struct session *s);
// Who sends the client's packets: the client, or a proxy.
void session_hop(const struct session *s, struct ip *ip_r, uint16_t *port_r);

// Share of the stream's bytes that a grammar has read, 0 … 1.
double session_seen(const struct session *s);
