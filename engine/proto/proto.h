// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a mail protocol is to the session: five functions over both directions of one connection.
//
// A parser takes whatever pieces come and always consumes all of them: any cut of the bytes gives the
// same facts. It keeps what a token needs across pieces in the session's slab, allocates by bytes
// received and never by bytes announced, and never fails: malformed input is an event.

#pragma once

#include "session.h"

struct proto {
	const char *name; // network.protocol, and the member of postern in the record
	uint8_t activity; // enum activity_protocol

	// The state, from session_slab(); NULL when that is full.
	void *(*open)(struct session *s);
	void (*data
	)(struct session *s,
	  void *state,
	  enum stream_dir dir,
	  const uint8_t *data,
	  size_t size,
	  uint64_t now_ns);
	// size bytes of this direction are missing here.
	void (*gap
	)(struct session *s, void *state, enum stream_dir dir, uint64_t size, uint64_t now_ns);
	// The connection is over: facts of what was unfinished become final. Called once, before the
	// last record is written; after it only free comes.
	void (*end)(struct session *s, void *state, uint64_t now_ns);
	// Gives back everything to the slab, wiping what may hold a secret.
	void (*free)(struct session *s, void *state);
	// What the client shows of its software, into an activity that is being sent. NULL: nothing.
	void (*client)(const void *state, struct activity *activity);
};

extern const struct proto proto_imap;
extern const struct proto proto_smtp;
extern const struct proto proto_pop3;
extern const struct proto proto_sieve; // ManageSieve
extern const struct proto proto_tls; // a connection that begins with TLS
