// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is promised of every hostile input beside all else (HOSTILE.md, K): good connections of every protocol,
// on the same worker of the whole engine, notice nothing of a bad one. Packets take turns, each of the good
// ones cutting tokens, literals, base64 and deflated bytes in the middle; then the good ones' records and
// activities must be what they are without the bad one, byte by byte.
//
// A library of its own that shows nothing else: talks (talk.h) put a session of theirs in the engine's place.

#pragma once

#include <stddef.h>

struct play_part; // play.h

// How the bad bytes are on the wire.
enum beside_as {
	BESIDE_IMAP, // a connection's two sides, to the protocol's port
	BESIDE_SMTP,
	BESIDE_POP3,
	BESIDE_SIEVE,
	BESIDE_TLS,
	BESIDE_PROXY, // the client's first bytes, an IMAP session behind them
	BESIDE_MESSAGE, // one that is appended by IMAP
	BESIDE_ZIP, // such a message's only content
	BESIDE_SAME_SERVER, // IMAP, at the good one's server: what that says to one, it says of the other
};

// NULL: nothing differs, and all memory was given back. Else what does, to be freed. Without parts: what is
// said of the good ones when they are alone.
__attribute__((visibility("default"))) char *
beside(enum beside_as as, const struct play_part *parts, size_t n_parts);
