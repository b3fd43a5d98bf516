// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The beginning of a session: a PROXY header is taken off the client's first bytes, and the protocol is told by
// what both sides say. Nothing that is kept until then is lost: the parser sees the conversation in its order.

#pragma once

#include "session.h"

#include <stddef.h>
#include <stdint.h>

// The client's first bytes, while !s->is_begun: a header before them is taken off, and so is one behind that,
// which a client might send to be believed or not to be read. What follows goes to session_bytes().
void session_begin(struct session *s, const uint8_t *data, size_t size, uint64_t now_ns);
// The stream ends, or has a hole, within what might have become a header. Nothing when it has begun.
void session_begin_end(struct session *s, uint64_t now_ns);
// Bytes behind that, or the server's: to the parser, once one is known; before it, kept for recognition (at most
// DETECT_SIZE_MAX of each side). Of a deaf session they are only counted.
void session_bytes(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
);
// A hole before recognition: that direction begins anew, as a connection that was picked up midway.
void session_begin_forget(struct session *s, enum stream_dir dir);
// It is none of ours, or ended before it was told: counted, and deaf from now on.
void session_unrecognised(struct session *s);
// Gives back what is kept for recognition, and what headers said.
void session_begin_free(struct session *s);
