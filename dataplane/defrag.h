// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// IP fragments → whole datagrams, IPv4 (RFC 791, 815) and IPv6 (RFC 8200 4.5), in any order, at any depth of
// tunnels. Between decode and whoever needs the ports: a worker that reads its source alone, or the
// distributor in front of several.
//
//   frame ─ decode ─(VERDICT_fragment)─ defrag_decode ─┬─ kept: VERDICT_fragment
//                                                      └─ whole: a frame of LINK_DATAGRAM, decoded
//
// A datagram is known by family, addresses, identification, realm and, in IPv4, protocol; and by
// whether its headers are right, so that forged fragments with wrong checksums touch no good ones.
//
// Bytes lie in chunks, with a bit for each 8-byte block that has come, so that a fragment costs in
// proportion to its size whatever came before, and nothing is sorted. Bounded in total and per source
// address; where a bound is reached the oldest datagram goes: those that will ever be whole are whole
// within milliseconds. A datagram is given up DEFRAG_TIMEOUT_NS of event time after its first fragment.
//
// Overlaps: IPv6 discards the datagram (RFC 5722), whatever the policy; a repeated fragment is
// ignored. IPv4 by policy: first and windows keep what came first, last takes what came last, linux
// discards like IPv6 (since 4.20). A difference marks the packet (pkt.is_inconsistent).

#pragma once

#include "decode.h"
#include "overlap.h"

#include <stddef.h>
#include <stdint.h>

struct defrag_config {
	uint32_t n_datagrams; // unfinished at once; 0: DEFRAG_DATAGRAMS_DEFAULT
	uint32_t n_slots; // of the hash table; 0: as many as datagrams
	uint32_t n_chunks; // of DEFRAG_CHUNK_SIZE bytes, for all; 0: DEFRAG_CHUNKS_DEFAULT
	enum overlap overlap;
	uint64_t hash_key[2];
};

struct defrag_stats {
#define DEFRAG_STAT(name, text) uint64_t name;
#include "defrag_stat.def"
#undef DEFRAG_STAT
};

struct defrag;

// Reserves all memory. NULL and errno when the system refuses.
struct defrag *defrag_open(const struct defrag_config *config);
// Accepts NULL.
void defrag_close(struct defrag *defrag);

// Takes the fragment that decode() has left in pkt, of the given frame. 1: its datagram is whole and in
// *whole, a frame with the time and number of the given one, borrowed until the next call; 0: it was
// kept or refused, and counted. frame may be the whole of the call before.
int defrag_take(
	struct defrag *defrag,
	const struct frame *frame,
	const struct pkt *pkt,
	struct frame *whole
);

// Goes on with a frame for which decode() returned VERDICT_fragment, into fragments within datagrams too:
// the verdict on the datagram that it makes whole, which lies in *whole, or VERDICT_fragment.
enum verdict defrag_decode(
	struct defrag *defrag,
	const struct decode_config *config,
	const struct frame *frame,
	struct pkt *pkt,
	struct frame *whole
);

// Counted since it was opened; borrowed for its life, and written by its thread alone.
const struct defrag_stats *defrag_stats(const struct defrag *defrag);
// Datagrams unfinished now.
uint32_t defrag_n_open(const struct defrag *defrag);
// Bytes reserved.
size_t defrag_memsize(const struct defrag *defrag);
