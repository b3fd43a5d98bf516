// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Frame → struct pkt: Ethernet, 802.1Q and 802.1ad tags, cooked captures, IPv4, IPv6 with extension
// headers, TCP; and through MPLS, PPPoE, PBB, GRE (NVGRE, ERSPAN, PPTP), VXLAN, GENEVE, GTP-U and IP in IP, in
// any mixture: addresses, ports and hash are then those of the innermost packet. Every length is checked against the bytes present; nothing is written to the frame.
// RFC 791, 8200, 9293.

#pragma once

#include "pkt.h"
#include "source.h"
#include "tunnel.h"

#include <stdbool.h>

enum verdict {
#define VERDICT(name, text) VERDICT_##name,
#include "verdict.def"
#undef VERDICT
	VERDICT_COUNT,
};

struct decode_config {
	uint64_t hash_key[2]; // drawn at start: attackers choose the rest of what is hashed
	// Verify IPv4 and TCP checksums when the packet is whole. What they say goes into the
	// packet, and flow decides: anonymised and offloaded captures have none that is right, while
	// a single wrong one inside a good connection is an insertion that end hosts drop. What the NIC
	// has found right (frame.is_checked) is not looked at again, unless it is in a tunnel or has tags.
	bool checksum;
	// Borrowed. NULL: tunnel_ports_default.
	const struct tunnel_ports *tunnels;
};

// Name as in counters, and its meaning for a person.
const char *verdict_name(enum verdict verdict);
const char *verdict_text(enum verdict verdict);

// Decodes one frame. pkt is complete only when VERDICT_tcp is returned, and as far as pkt.h says for
// VERDICT_fragment, which defrag.h is for; its pointers are borrowed
// from the frame. Bounded by DECODE_LAYERS_MAX headers. Never fails otherwise.
enum verdict decode(const struct decode_config *config, const struct frame *frame, struct pkt *pkt);
// Only what most frames are, and without checksums: whether decode will find a TCP segment if those are right, and
// pkt.hash. False: not known.
bool decode_hash(const struct decode_config *config, const struct frame *frame, uint32_t *hash);
// The same as decode, header by header: what decode is held against in tests.
enum verdict
decode_layers(const struct decode_config *config, const struct frame *frame, struct pkt *pkt);
