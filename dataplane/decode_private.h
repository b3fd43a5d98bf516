// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What decode.c (link layer, IP, TCP) and tunnel.c share: the cursor that walks the frame.

#pragma once

#include "decode.h"

#include <stdbool.h>
#include <string.h>

enum ethertype {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_VLAN = 0x8100, // 802.1Q
	ETHERTYPE_QINQ = 0x88a8, // 802.1ad
	ETHERTYPE_QINQ_OLD = 0x9100, // used before 802.1ad gave it a number
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_UPSTREAM = 0x8848, // multicast, in its first meaning
	ETHERTYPE_PPPOE = 0x8864, // a session's data
	ETHERTYPE_PBB = 0x88e7, // 802.1ah: a provider's service, a whole frame in it
	ETHERTYPE_ETHERNET = 0x6558, // in tunnels: a whole frame (TEB)
	ETHERTYPE_SIZE_MAX = 1535, // up to here it is a length: an LLC header follows (802.3)
};

enum protocol {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_IPV4 = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_GRE = 47,
	PROTOCOL_AH = 51,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_MPLS = 137,
};

enum layer {
	LAYER_ETHERTYPE, // what .type says, an ethertype
	LAYER_PROTOCOL, // what .type says, an IP protocol
	LAYER_DONE, // a TCP segment, or the verdict
};

struct cursor {
	const uint8_t *at;
	uint32_t size; // bytes present from at on, inside the innermost length seen
	uint32_t missing; // further bytes that this length promises and the snap length cut
	enum layer layer;
	uint16_t type;
	bool is_cut; // the snap length cut the frame
	bool has_length; // false: the IP length was left to the NIC (TSO); the frame's rest is taken
	bool is_source_routed; // the address the checksum covers is not in the IP header
	bool is_doubtful; // an IP header that receiving hosts drop
	bool is_tunnelled; // behind the header of a tunnel
	uint16_t n_layers; // headers taken off so far
	enum verdict verdict;
};

static inline uint16_t get16(const uint8_t *p) {
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// Two numbers that follow each other. One swap of them together costs less than two.
static inline void get16_pair(uint16_t to[2], const uint8_t *p) {
	uint32_t pair = get32(p);

	pair = pair << 16 | pair >> 16;
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		memcpy(to, &pair, sizeof(pair));
	else
		memcpy(to, p, sizeof(pair));
}

static inline void skip(struct cursor *c, uint32_t size) {
	c->at += size;
	c->size -= size;
}

static inline void stop(struct cursor *c, enum verdict verdict) {
	c->layer = LAYER_DONE;
	c->verdict = verdict;
}

// Narrows the cursor to size bytes, which a length field says follow. What lies behind them is
// padding. A length beyond what was on the wire is a lie that the receiving host drops, or a tool
// that cut the packet and told nobody: what is there is taken, as doubtful as a wrong checksum.
static inline void narrow(struct cursor *c, uint32_t size) {
	if (size <= c->size) {
		c->size = size;
		c->missing = 0;
	} else if (size - c->size <= c->missing) {
		c->missing = size - c->size;
	} else {
		c->is_doubtful = true;
	}
}

// Folds the id of a network into the packet's realm. Rotating keeps two VLAN tags exactly and mixes
// more. Only ids that are the same in both directions may go in.
static inline void realm_add(struct pkt *pkt, uint32_t id) {
	if (id)
		pkt->realm = (pkt->realm << 12 | pkt->realm >> 20) ^ id;
}

// ---- tunnel.c: each takes one header off and says what comes next

// What follows is a packet of its own: of that ethertype, ETHERTYPE_ETHERNET for a whole frame.
void tunnel_enter(struct cursor *c, uint16_t ethertype);
// One label; those above it on the stack are layers of their own.
void tunnel_mpls(struct cursor *c);
void tunnel_ppp_link(struct cursor *c); // a frame's first header
void tunnel_pppoe(struct cursor *c, struct pkt *pkt);
// The tag of a service, whose id is of 24 bits.
void tunnel_pbb(struct cursor *c, struct pkt *pkt);
// GRE of both versions, with what it is known to carry: IP, MPLS, frames, NVGRE, ERSPAN, PPP.
void tunnel_gre(struct cursor *c, struct pkt *pkt);
// VXLAN, VXLAN-GPE, GENEVE and GTP-U by their ports; other UDP is VERDICT_not_tcp.
void tunnel_udp(const struct tunnel_ports *ports, struct cursor *c, struct pkt *pkt);
