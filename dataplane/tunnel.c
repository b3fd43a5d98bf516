// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Headers of tunnels, each taken off by one function and counted as one layer by decode's loop: a bomb
// of nested tunnels ends there. The sensor is no endpoint: what a header reserves is not checked, and
// what it promises is bounded by the bytes present.
//
// Network ids (VNI, VSID, PPPoE session, PBB service) go into the realm; labels, GRE keys, ERSPAN sessions and GTP
// tunnel ids do not, since the two directions of a connection need not share them.

#include "decode_private.h"

enum {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACK = 0x0080, // version 1 only
	GRE_VERSION = 0x0007,
	GRE_ERSPAN = 0x88be, // I and II
	GRE_ERSPAN_3 = 0x22eb,
	GRE_PPP = 0x880b,

	PPP_IPV4 = 0x21,
	PPP_IPV6 = 0x57,
	PPP_MPLS = 0x281,

	GTP_EXTENSIONS_MAX = 8,
	GRE_ROUTES_MAX = 8,
};

const struct tunnel_ports tunnel_ports_default = {
	.n = 5,
	.of = {
		{4789, TUNNEL_VXLAN},
		{8472, TUNNEL_VXLAN},
		{4790, TUNNEL_VXLAN_GPE},
		{6081, TUNNEL_GENEVE},
		{2152, TUNNEL_GTP},
	},
};

const char *tunnel_name(enum tunnel tunnel) {
	static const char *const names[TUNNELS] = {
		[TUNNEL_VXLAN] = "vxlan",
		[TUNNEL_VXLAN_GPE] = "vxlan-gpe",
		[TUNNEL_GENEVE] = "geneve",
		[TUNNEL_GTP] = "gtp",
	};

	return names[tunnel];
}

// 1 done, -1 broken: the packet ends before.
static int take(struct cursor *c, uint32_t size) {
	if (c->size < size) {
		stop(c, VERDICT_bad_inner);
		return -1;
	}
	skip(c, size);
	return 1;
}

void tunnel_enter(struct cursor *c, uint16_t ethertype) {
	c->is_tunnelled = true;
	c->is_source_routed = false;
	c->layer = LAYER_ETHERTYPE;
	c->type = ethertype;
}

// An IP packet that only its first nibble tells of. 1 done, 0 it is none.
static int enter_ip(struct cursor *c) {
	uint8_t version = c->size ? c->at[0] >> 4 : 0;

	if (version != 4 && version != 6)
		return 0;
	tunnel_enter(c, version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	return 1;
}

// Whether a whole frame may begin here, judged by its ethertype.
static bool is_frame(const struct cursor *c, uint32_t at) {
	switch (c->size >= at + 14 ? get16(c->at + at + 12) : 0) {
	case ETHERTYPE_IPV4:
	case ETHERTYPE_IPV6:
	case ETHERTYPE_VLAN:
	case ETHERTYPE_QINQ:
	case ETHERTYPE_MPLS:
	case ETHERTYPE_PPPOE:
		return true;
	default:
		return false;
	}
}

// RFC 3032, and RFC 4385 and 4448 for frames in pseudowires.
void tunnel_mpls(struct cursor *c) {
	bool is_bottom;

	if (c->size < 4) {
		stop(c, VERDICT_short_frame);
		return;
	}
	is_bottom = c->at[2] & 1;
	skip(c, 4);
	if (!is_bottom || enter_ip(c))
		return;
	// Nothing says whether a control word stands before the frame: it begins with a zero nibble,
	// and so do many addresses.
	if (!is_frame(c, 0) && c->size && c->at[0] >> 4 == 0 && is_frame(c, 4))
		skip(c, 4);
	tunnel_enter(c, ETHERTYPE_ETHERNET);
}

// A PPP frame's ethertype; 0: none that is read, -1: it is cut short. The protocol field may be compressed to one byte (RFC 1661 6.5).
static int ppp_type(struct cursor *c) {
	uint16_t protocol;

	if (c->size >= 2 && c->at[0] == 0xff && c->at[1] == 3)
		skip(c, 2);
	if (c->size < 2)
		return -1;
	protocol = c->at[0] & 1 ? c->at[0] : get16(c->at);
	skip(c, c->at[0] & 1 ? 1 : 2);
	switch (protocol) {
	case PPP_IPV4:
		return ETHERTYPE_IPV4;
	case PPP_IPV6:
		return ETHERTYPE_IPV6;
	case PPP_MPLS:
		return ETHERTYPE_MPLS;
	default:
		return 0;
	}
}

static void ppp(struct cursor *c) {
	int type = ppp_type(c);

	if (type > 0)
		tunnel_enter(c, (uint16_t)type);
	else
		stop(c, type < 0 ? VERDICT_bad_inner : VERDICT_not_tcp);
}

// RFC 1547 4.3.1: of Cisco's, address (unicast, broadcast) and control stand before an ethertype. No protocol
// of PPP begins so.
void tunnel_ppp_link(struct cursor *c) {
	bool is_cisco = c->size >= 4 && (c->at[0] == 0x0f || c->at[0] == 0x8f) && c->at[1] == 0;
	int type = is_cisco ? get16(c->at + 2) : ppp_type(c);

	c->layer = LAYER_ETHERTYPE;
	c->type = (uint16_t)type;
	if (is_cisco)
		skip(c, 4);
	if (type <= ETHERTYPE_SIZE_MAX)
		stop(c, type < 0 ? VERDICT_short_frame : VERDICT_not_ip);
}

// RFC 2516.
void tunnel_pppoe(struct cursor *c, struct pkt *pkt) {
	uint16_t size;

	if (c->size < 6) {
		stop(c, VERDICT_short_frame);
		return;
	}
	if (c->at[1] != 0) {
		stop(c, VERDICT_not_ip);
		return;
	}
	realm_add(pkt, get16(c->at + 2));
	size = get16(c->at + 4);
	skip(c, 6);
	narrow(c, size);
	ppp(c);
}

// IEEE 802.1Q 9.7: priorities and flags, the service, then the customer's frame.
void tunnel_pbb(struct cursor *c, struct pkt *pkt) {
	if (c->size < 4) {
		stop(c, VERDICT_short_frame);
		return;
	}
	realm_add(pkt, get32(c->at) & 0xffffff);
	skip(c, 4);
	tunnel_enter(c, ETHERTYPE_ETHERNET);
}

// RFC 1701: source routes, each with its size, up to one of size 0. 1 done, -1 broken.
static int gre_routes(struct cursor *c) {
	for (int i = 0; i < GRE_ROUTES_MAX; i++) {
		uint8_t size;

		if (c->size < 4)
			break;
		size = c->at[3];
		if (take(c, 4u + size) < 0)
			return -1;
		if (!size)
			return 1;
	}
	stop(c, VERDICT_bad_inner);
	return -1;
}

// Type III has a subheader when its last bit says so, and says what it carries.
static void erspan_3(struct cursor *c) {
	bool is_ip;

	if (c->size < 12) {
		stop(c, VERDICT_bad_inner);
		return;
	}
	is_ip = (c->at[10] >> 2 & 0x1f) == 2;
	if (take(c, c->at[11] & 1 ? 20 : 12) < 0)
		return;
	if (!is_ip)
		tunnel_enter(c, ETHERTYPE_ETHERNET);
	else if (!enter_ip(c))
		stop(c, VERDICT_bad_inner);
}

static void gre_payload(struct cursor *c, uint16_t flags, uint16_t type) {
	switch (type) {
	case ETHERTYPE_IPV4:
	case ETHERTYPE_IPV6:
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_UPSTREAM:
	case ETHERTYPE_ETHERNET:
	case ETHERTYPE_VLAN:
		tunnel_enter(c, type);
		break;
	case GRE_ERSPAN:
		// Type I has no header of its own, and no sequence number.
		if (!(flags & GRE_SEQUENCE) || take(c, 8) > 0)
			tunnel_enter(c, ETHERTYPE_ETHERNET);
		break;
	case GRE_ERSPAN_3:
		erspan_3(c);
		break;
	case GRE_PPP:
		ppp(c);
		break;
	default: // keep-alives among them
		stop(c, VERDICT_not_tcp);
	}
}

// RFC 2784, 2890, 7637 (NVGRE), 2637 (version 1, PPTP).
void tunnel_gre(struct cursor *c, struct pkt *pkt) {
	uint32_t size = 4, key = 0, key_at;
	uint16_t flags, type;

	if (c->size < 4) {
		stop(c, VERDICT_bad_inner);
		return;
	}
	flags = get16(c->at);
	type = get16(c->at + 2);
	if ((flags & GRE_VERSION) > 1) {
		stop(c, VERDICT_not_tcp);
		return;
	}
	size += flags & (GRE_CHECKSUM | GRE_ROUTING) ? 4 : 0;
	key_at = size;
	size += flags & GRE_KEY ? 4 : 0;
	size += flags & GRE_SEQUENCE ? 4 : 0;
	size += (flags & GRE_VERSION) == 1 && (flags & GRE_ACK) ? 4 : 0;
	if ((flags & GRE_KEY) && c->size >= size)
		key = get32(c->at + key_at);
	if (take(c, size) < 0)
		return;
	if ((flags & GRE_ROUTING) && gre_routes(c) < 0)
		return;
	if ((flags & GRE_VERSION) == 1)
		narrow(c, key >> 16); // the payload's size, then the call's id
	else if (type == ETHERTYPE_ETHERNET && (flags & GRE_KEY))
		realm_add(pkt, key >> 8);
	gre_payload(c, flags, type);
}

// ---- Over UDP

// RFC 7348, draft-ietf-nvo3-vxlan-gpe. Without the bit that says there is a VNI it is none.
static void vxlan(struct cursor *c, struct pkt *pkt, bool is_gpe) {
	static const uint16_t types[] = {
		[1] = ETHERTYPE_IPV4,
		[2] = ETHERTYPE_IPV6,
		[3] = ETHERTYPE_ETHERNET,
		[5] = ETHERTYPE_MPLS,
	};
	uint16_t type = ETHERTYPE_ETHERNET;

	if (c->size < 8 || !(c->at[0] & 0x08)) {
		stop(c, VERDICT_not_tcp);
		return;
	}
	if (is_gpe && (c->at[0] & 0x04))
		type = c->at[3] < sizeof(types) / sizeof(*types) ? types[c->at[3]] : 0;
	realm_add(pkt, get32(c->at + 4) >> 8);
	skip(c, 8);
	if (type)
		tunnel_enter(c, type);
	else
		stop(c, VERDICT_not_tcp);
}

// RFC 8926.
static void geneve(struct cursor *c, struct pkt *pkt) {
	uint32_t size;
	uint16_t type;

	if (c->size < 8 || c->at[0] >> 6 != 0) {
		stop(c, VERDICT_not_tcp);
		return;
	}
	size = 8 + (c->at[0] & 0x3f) * 4u;
	type = get16(c->at + 2);
	realm_add(pkt, get32(c->at + 4) >> 8);
	if (take(c, size) > 0)
		gre_payload(c, 0, type);
}

// 3GPP TS 29.281 5.1, 5.2: version 1, user data only.
static void gtp(struct cursor *c) {
	uint8_t flags, next;
	uint16_t size;

	if (c->size < 8 || (c->at[0] & 0xf0) != 0x30 || c->at[1] != 0xff) {
		stop(c, VERDICT_not_tcp);
		return;
	}
	flags = c->at[0];
	size = get16(c->at + 2);
	skip(c, 8);
	narrow(c, size);
	if (flags & 0x07) {
		if (take(c, 4) < 0)
			return;
		next = flags & 0x04 ? c->at[-1] : 0;
		for (int i = 0; next && i < GTP_EXTENSIONS_MAX; i++) {
			if (!c->size || !c->at[0] || take(c, c->at[0] * 4u) < 0) {
				stop(c, VERDICT_bad_inner);
				return;
			}
			next = c->at[-1];
		}
	}
	if (!enter_ip(c))
		stop(c, VERDICT_not_tcp);
}

static enum tunnel tunnel_of(const struct tunnel_ports *ports, uint16_t port) {
	for (uint32_t i = 0; i < ports->n; i++)
		if (ports->of[i].port == port)
			return ports->of[i].tunnel;
	return TUNNELS;
}

void tunnel_udp(const struct tunnel_ports *ports, struct cursor *c, struct pkt *pkt) {
	enum tunnel tunnel;
	uint16_t size;

	if (c->size < 8) {
		stop(c, VERDICT_not_tcp);
		return;
	}
	tunnel = tunnel_of(ports, get16(c->at + 2));
	size = get16(c->at + 4);
	skip(c, 8);
	if (size >= 8) // zero: left to a NIC that cuts large frames
		narrow(c, size - 8u);
	switch (tunnel) {
	case TUNNEL_VXLAN:
	case TUNNEL_VXLAN_GPE:
		vxlan(c, pkt, tunnel == TUNNEL_VXLAN_GPE);
		break;
	case TUNNEL_GENEVE:
		geneve(c, pkt);
		break;
	case TUNNEL_GTP:
		gtp(c);
		break;
	case TUNNELS:
		stop(c, VERDICT_not_tcp);
	}
}
