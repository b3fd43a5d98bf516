// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The latest bytes that clients sent and readers were given, so that a retransmission can be compared
// with them: who makes the sensor see other bytes than the server (a first copy that never reaches it) has to send them
// twice. Only clients': a server that lies is the mail system's own. A ring of all connections together, the
// oldest are overwritten; nothing is freed, and acknowledgements do not matter.
//
//   ring:   …  [flow 7, seq 100, "LOGIN …"]  [flow 9 …]  [flow 7, seq 140, …]  ← newest
//                        ▲──────────────────────────────────────┘ before
//
// Cost: a copy of the bytes and 24 more per segment delivered; nothing per connection, those that are idle
// least of all. RFC 9293 3.10.7.4; Ptacek, Newsham 1998.

#pragma once

#include <stddef.h>
#include <stdint.h>

struct recent;

enum recent_result {
	RECENT_GONE, // not kept, or not any more
	RECENT_SAME, // as far as it is kept
	RECENT_DIFFERS,
};

// NULL and errno when the system refuses.
struct recent *recent_open(size_t size);
// Accepts NULL.
void recent_close(struct recent *recent);
// flow is a name that no two connections have, as long as the ring remembers them.
void recent_add(
	struct recent *recent,
	uint64_t flow,
	uint32_t seq,
	const uint8_t *data,
	uint32_t size
);
// Looks at most RECENT_LOOKS segments back, those of a few other connections included.
enum recent_result recent_compare(
	const struct recent *recent,
	uint64_t flow,
	uint32_t seq,
	const uint8_t *data,
	uint32_t size
);
size_t recent_memsize(const struct recent *recent);
