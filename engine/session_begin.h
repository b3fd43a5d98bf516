// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A session until its protocol is known: session.c's calls.

#pragma once

#include "session.h"

// Bytes of a session whose protocol may not be known yet; those of one that is known go to it.
void session_begin_data(
	struct session *s,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
);
// Bytes of this direction are missing here.
void session_begin_gap(struct session *s, enum stream_dir dir, uint64_t now_ns);
// No more will come: what may have become something is what it is.
void session_begin_end(struct session *s, uint64_t now_ns);
// Gives back what is kept, here and of proxies.
void session_begin_free(struct session *s);
