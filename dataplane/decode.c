// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One cursor walks the frame from the outside in. Each header function checks, advances and says
// what comes next; one loop calls them, so that DECODE_LAYERS_MAX bounds any mixture, tunnels (tunnel.c)
// included. It ends at a fragment, and goes on behind it when defrag has made the datagram whole.

#include "checksum.h"
#include "datagram.h"
#include "decode_private.h"
#include "limits.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

static const char *const names[] = {
#define VERDICT(name, text) #name,
#include "verdict.def"
#undef VERDICT
};

static const char *const texts[] = {
#define VERDICT(name, text) text,
#include "verdict.def"
#undef VERDICT
};

const char *verdict_name(enum verdict verdict) {
	return verdict < VERDICT_COUNT ? names[verdict] : "unknown";
}

const char *verdict_text(enum verdict verdict) {
	return verdict < VERDICT_COUNT ? texts[verdict] : "unknown";
}

// A datagram that defrag has made whole: on as if it had come in one piece. Its frame is made by this
// program, its content is not.
static void datagram_header(struct cursor *c, struct pkt *pkt) {
	struct datagram head; // where it is copied to it may lie anyhow

	memcpy(&head, c->at, sizeof(head));
	pkt->addr = c->at + offsetof(struct datagram, addr);
	pkt->family = head.family & 7;
	pkt->ttl = head.ttl;
	pkt->realm = head.realm;
	pkt->is_inconsistent = head.is_inconsistent & 1;
	c->type = head.protocol;
	c->layer = LAYER_PROTOCOL;
	c->has_length = true;
	c->n_layers = head.n_layers;
	c->is_doubtful = head.is_doubtful;
	c->is_tunnelled = head.way & PKT_WAY_TUNNEL;
	c->is_source_routed = head.way & PKT_WAY_SOURCE_ROUTE;
	skip(c, sizeof(head));
}

// The link-layer header, up to the first ethertype.
static void link_header(struct cursor *c, enum link link) {
	static const struct {
		uint8_t size, type_at;
	} links[] = {
		[LINK_ETHERNET] = {14, 12},
		[LINK_SLL] = {16, 14},
		[LINK_SLL2] = {20, 0},
		[LINK_NULL] = {4, 0},
		[LINK_LOOP] = {4, 0},
		[LINK_RAW_IP] = {0, 0},
	};
	uint32_t family;

	if (link == LINK_PPP) {
		tunnel_ppp_link(c);
		return;
	}
	if (link >= sizeof(links) / sizeof(*links)) {
		stop(c, VERDICT_not_ip);
		return;
	}
	if (c->size < links[link].size || (link == LINK_RAW_IP && c->size < 1)) {
		stop(c, VERDICT_short_frame);
		return;
	}
	c->layer = LAYER_ETHERTYPE;
	switch (link) {
	case LINK_RAW_IP:
		c->type = c->at[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
		break;
	case LINK_NULL:
	case LINK_LOOP:
		// The family is small, whatever the byte order of the host that captured.
		family = get32(c->at);
		if (family > 0xffff)
			family = __builtin_bswap32(family);
		// AF_INET6 is 10 on Linux, 24, 28 and 30 on the BSDs and macOS.
		if (family == 2)
			c->type = ETHERTYPE_IPV4;
		else if (family == 10 || family == 24 || family == 28 || family == 30)
			c->type = ETHERTYPE_IPV6;
		else
			stop(c, VERDICT_not_ip);
		break;
	default:
		c->type = get16(c->at + links[link].type_at);
	}
	skip(c, links[link].size);
}

static void vlan_tag(struct cursor *c, struct pkt *pkt) {
	uint16_t id;

	if (c->size < 4) {
		stop(c, VERDICT_short_frame);
		return;
	}
	// Id 0 is a priority without a network.
	id = get16(c->at) & 0xfff;
	realm_add(pkt, id);
	c->type = get16(c->at + 2);
	skip(c, 4);
}

// 802.3 with LLC and SNAP: an ethertype all the same.
static void llc_header(struct cursor *c) {
	static const uint8_t snap[6] = {0xaa, 0xaa, 0x03};

	if (c->size < 8) {
		stop(c, VERDICT_not_ip);
		return;
	}
	if (memcmp(c->at, snap, sizeof(snap)) != 0) {
		stop(c, VERDICT_not_ip);
		return;
	}
	c->type = get16(c->at + 6);
	if (c->type <= ETHERTYPE_SIZE_MAX)
		stop(c, VERDICT_not_ip);
	skip(c, 8);
}

static void ipv4_header(const struct decode_config *config, struct cursor *c, struct pkt *pkt) {
	uint32_t header_size, total_size;

	if (c->size < 20) {
		stop(c, VERDICT_short_ip);
		return;
	}
	header_size = (c->at[0] & 0xf) * 4u;
	total_size = get16(c->at + 2);
	if (c->at[0] >> 4 != 4 || header_size < 20 || (total_size && total_size < header_size)) {
		stop(c, VERDICT_bad_ip);
		return;
	}
	if (c->size < header_size) {
		stop(c, c->missing ? VERDICT_short_ip : VERDICT_bad_ip);
		return;
	}
	c->has_length = total_size != 0;
	// A field of zero is left to the NIC on the capturing host; no router forwards such a packet
	// when it is wrong, so nobody far away can make use of it.
	if (config->checksum && c->has_length && get16(c->at + 10) != 0
	    && checksum_fold(checksum_add(0, c->at, header_size)) != 0xffff)
		c->is_doubtful = true;
	if (c->has_length)
		narrow(c, total_size);
	pkt->family = 4;
	pkt->ttl = c->at[8];
	pkt->addr = c->at + 12;
	// Bits: reserved, don't fragment, more fragments; then the offset.
	if (get16(c->at + 6) & 0x3fff) {
		stop(c, VERDICT_fragment);
		return;
	}
	c->layer = LAYER_PROTOCOL;
	c->type = c->at[9];
	skip(c, header_size);
}

static void ipv6_header(struct cursor *c, struct pkt *pkt) {
	uint32_t size;

	if (c->size < 40) {
		stop(c, VERDICT_short_ip);
		return;
	}
	if (c->at[0] >> 4 != 6) {
		stop(c, VERDICT_bad_ip);
		return;
	}
	// Zero stands for a jumbogram (RFC 2675) or a length left to the NIC.
	size = get16(c->at + 4);
	c->has_length = size != 0;
	if (c->has_length)
		narrow(c, size + 40);
	pkt->family = 6;
	pkt->ttl = c->at[7];
	pkt->addr = c->at + 8;
	c->layer = LAYER_PROTOCOL;
	c->type = c->at[6];
	skip(c, 40);
}

// Hosts discard a packet with an option that they do not know and whose two upper bits say so (RFC 8200 4.2). Known
// are a jumbogram's length, a mobile host's address, and RPL's.
static bool is_option_refused(uint8_t type) {
	return type >> 6 != 0 && type != 0xc2 && type != 0xc9 && type != 0x63;
}

// Options of size bytes. 1, or -1: one ends past them, which no host takes.
static int options_walk(struct cursor *c, const uint8_t *options, uint32_t size) {
	for (uint32_t i = 0; i < size;) {
		if (options[i] == 0) { // Pad1, alone without a length
			i++;
			continue;
		}
		if (size - i < 2 || options[i + 1] > size - i - 2)
			return -1;
		if (is_option_refused(options[i]))
			c->is_doubtful = true;
		i += 2u + options[i + 1];
	}
	return 1;
}

// Hop-by-hop, destination and routing options, AH: type and length lie at the same place.
static void extension_header(struct cursor *c) {
	uint32_t size;

	if (c->size < 8) {
		stop(c, VERDICT_short_ip);
		return;
	}
	size = c->type == PROTOCOL_AH ? (c->at[1] + 2u) * 4 : (c->at[1] + 1u) * 8;
	if (c->size < size) {
		stop(c, c->missing ? VERDICT_short_ip : VERDICT_bad_ip);
		return;
	}
	if ((c->type == PROTOCOL_HOP_BY_HOP || c->type == PROTOCOL_DESTINATION)
	    && options_walk(c, c->at + 2, size - 2) < 0) {
		stop(c, VERDICT_bad_ip);
		return;
	}
	if (c->type == PROTOCOL_ROUTING && c->at[3] != 0)
		c->is_source_routed = true;
	c->type = c->at[0];
	skip(c, size);
}

static void fragment_header(struct cursor *c) {
	if (c->size < 8) {
		stop(c, VERDICT_short_ip);
		return;
	}
	// An atomic fragment (RFC 6946) is a whole packet: neither offset nor more to come.
	if (get16(c->at + 2) & 0xfff9) {
		stop(c, VERDICT_fragment);
		return;
	}
	c->type = c->at[0];
	skip(c, 8);
}

// Where a segment's timestamp stands: so many bytes before its payload.
static void stamp_note(struct pkt *pkt, uint32_t back) {
	pkt->has_stamp = 1;
	if (pkt->flags & TCP_SYN)
		pkt->syn_stamp_back = (uint16_t)back;
	else
		pkt->stamp_back = (uint8_t)back;
}

// A segment's options, as far as they matter. One whose length is 0, 1 or past the header ends
// the list, as in end hosts; the segment itself is kept.
static void tcp_options(struct pkt *pkt, const uint8_t *options, uint32_t size) {
	enum {
		END = 0,
		NOTHING = 1,
		WINDOW_SCALE = 3,
		TIMESTAMP = 8,
		MD5 = 19,
		AUTHENTICATION = 29,
	};

	for (uint32_t i = 0; i < size && options[i] != END;) {
		uint8_t length;

		if (options[i] == NOTHING) {
			i++;
			continue;
		}
		length = size - i < 2 ? 0 : options[i + 1];
		if (length < 2 || length > size - i)
			return;
		if (options[i] == WINDOW_SCALE && length == 3 && (pkt->flags & TCP_SYN))
			pkt->wscale = options[i + 2] > 14 ? 15 : options[i + 2];
		if ((options[i] == MD5 || options[i] == AUTHENTICATION) && (pkt->flags & TCP_RST))
			pkt->flags |= TCP_SIGNED;
		if (options[i] == TIMESTAMP && length == 10)
			stamp_note(pkt, size - i - 2);
		i += length;
	}
}

// Whether the checksum of the whole segment at c is right, or holds only the pseudo header because
// the NIC of the capturing host was to do the rest. With segmentation offload that sum may lack the
// length. A field of zero is not excused: anybody can send one across the Internet.
static enum pkt_checksum tcp_checksum(const struct cursor *c, const struct pkt *pkt) {
	uint64_t pseudo = checksum_add(0, pkt->addr, pkt->family == 4 ? 8 : 32);
	uint64_t length = c->size;
	uint16_t field;

	// In network byte order, as the words of the packet are.
	pseudo += ntohs(PROTOCOL_TCP);
	length = ntohs((uint16_t)length) + (uint64_t)ntohs((uint16_t)(length >> 16));
	if (checksum_fold(checksum_add(pseudo + length, c->at, c->size)) == 0xffff)
		return PKT_CHECKSUM_RIGHT;
	memcpy(&field, c->at + 16, sizeof(field));
	if (field == checksum_fold(pseudo + length) || field == checksum_fold(pseudo))
		return PKT_CHECKSUM_OFFLOADED;
	return PKT_CHECKSUM_WRONG;
}

// Of both halves of the product: every bit of each word moves all bits of it.
static inline uint64_t multiply_fold(uint64_t a, uint64_t b) {
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// The keyed hash of the endpoints, the same for both directions. Without the realm:
// they may come in different ones (flow.h). Multiplied under a secret key and not a pseudo-random
// function, which would be a fifth of the walk: this program answers nobody, so that who chooses endpoints never learns
// which of them met, and a family of functions of which few let any two meet is enough (Carter, Wegman
// 1979). (key + x)(key + y) is symmetric, and for two pairs equal for few keys. The second product takes
// away what ports in a row would leave of their order.
static inline uint32_t hash_v4(const uint64_t key[2], const struct pkt *pkt) {
	uint64_t addr, ends[2];

	memcpy(&addr, pkt->addr, sizeof(addr));
	ends[0] = addr << 32 >> 16 | pkt->port[0];
	ends[1] = addr >> 32 << 16 | pkt->port[1];
	return (uint32_t
	)multiply_fold(multiply_fold(ends[0] + key[0], ends[1] + key[0]) ^ key[0], key[1] | 1);
}

static uint32_t hash_v6(const uint64_t key[2], const struct pkt *pkt) {
	int order = memcmp(pkt->addr, pkt->addr + 16, 16);
	bool swap = order > 0 || (order == 0 && pkt->port[0] > pkt->port[1]);
	uint64_t words[4], h = (uint64_t)pkt->port[swap] << 16 | pkt->port[!swap];

	memcpy(words, pkt->addr + (swap ? 16 : 0), 16);
	memcpy(words + 2, pkt->addr + (swap ? 0 : 16), 16);
	h = multiply_fold(h ^ key[0], key[1] | 1);
	h = multiply_fold(words[0] ^ h ^ key[0], words[1] ^ key[1]);
	h = multiply_fold(words[2] ^ h ^ key[0], words[3] ^ key[1]);
	return (uint32_t)multiply_fold(h ^ key[0], key[1] | 1);
}

static void tcp_header(const struct decode_config *config, struct cursor *c, struct pkt *pkt) {
	const uint8_t *tcp = c->at;
	uint32_t header_size;

	if (c->size < 20) {
		stop(c, VERDICT_short_tcp);
		return;
	}
	header_size = (tcp[12] >> 4) * 4u;
	pkt->flags = tcp[13] & 0x3f;
	if (header_size < 20 || (header_size > c->size && !c->missing)) {
		stop(c, VERDICT_bad_tcp);
		return;
	}
	if (header_size > c->size) {
		stop(c, VERDICT_short_tcp);
		return;
	}
	// No host sends these; hosts that get them disagree, which is what they are sent for.
	if (pkt->flags == 0 || ((pkt->flags & TCP_SYN) && (pkt->flags & (TCP_FIN | TCP_RST)))) {
		stop(c, VERDICT_bad_tcp);
		return;
	}
	if (c->is_doubtful)
		pkt->checksum = PKT_CHECKSUM_WRONG;
	else if (config->checksum && !c->missing && !c->is_source_routed)
		pkt->checksum = (uint8_t)tcp_checksum(c, pkt);
	pkt->port[0] = get16(tcp);
	pkt->port[1] = get16(tcp + 2);
	pkt->seq = get32(tcp + 4);
	pkt->ack = get32(tcp + 8);
	pkt->window = get16(tcp + 14);
	pkt->urgent = get16(tcp + 18);
	pkt->wscale = 0xff;
	if (header_size > 20)
		tcp_options(pkt, tcp + 20, header_size - 20);
	skip(c, header_size);
	pkt->payload = c->at;
	pkt->payload_size = c->size;
	pkt->missing_size = c->missing;
	pkt->is_cut = c->missing != 0;
	pkt->hash = pkt->family == 4 ? hash_v4(config->hash_key, pkt)
				     : hash_v6(config->hash_key, pkt);
	stop(c, VERDICT_tcp);
}

// One header of any kind.
static void layer_next(const struct decode_config *config, struct cursor *c, struct pkt *pkt) {
	if (c->layer == LAYER_ETHERTYPE) {
		switch (c->type) {
		case ETHERTYPE_IPV4:
			ipv4_header(config, c, pkt);
			break;
		case ETHERTYPE_IPV6:
			ipv6_header(c, pkt);
			break;
		case ETHERTYPE_VLAN:
		case ETHERTYPE_QINQ:
		case ETHERTYPE_QINQ_OLD:
			vlan_tag(c, pkt);
			break;
		case ETHERTYPE_MPLS:
		case ETHERTYPE_MPLS_UPSTREAM:
			tunnel_mpls(c);
			break;
		case ETHERTYPE_PPPOE:
			tunnel_pppoe(c, pkt);
			break;
		case ETHERTYPE_PBB:
			tunnel_pbb(c, pkt);
			break;
		case ETHERTYPE_ETHERNET:
			if (c->is_tunnelled)
				link_header(c, LINK_ETHERNET);
			else
				stop(c, VERDICT_not_ip);
			break;
		default:
			if (c->type <= ETHERTYPE_SIZE_MAX)
				llc_header(c);
			else
				stop(c, VERDICT_not_ip);
		}
		return;
	}
	switch (c->type) {
	case PROTOCOL_TCP:
		tcp_header(config, c, pkt);
		break;
	case PROTOCOL_UDP:
		tunnel_udp(config->tunnels ? config->tunnels : &tunnel_ports_default, c, pkt);
		break;
	case PROTOCOL_GRE:
		tunnel_gre(c, pkt);
		break;
	case PROTOCOL_IPV4:
		tunnel_enter(c, ETHERTYPE_IPV4);
		break;
	case PROTOCOL_IPV6:
		tunnel_enter(c, ETHERTYPE_IPV6);
		break;
	case PROTOCOL_MPLS:
		tunnel_enter(c, ETHERTYPE_MPLS);
		break;
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_DESTINATION:
	case PROTOCOL_AH:
		extension_header(c);
		break;
	case PROTOCOL_FRAGMENT:
		fragment_header(c);
		break;
	default:
		stop(c, VERDICT_not_tcp);
	}
}

// What defrag has to know of a fragment.
static void fragment_note(const struct cursor *c, struct pkt *pkt) {
	pkt->payload = c->at;
	pkt->payload_size = c->size;
	pkt->missing_size = c->missing;
	pkt->n_layers = c->n_layers;
	pkt->checksum = c->is_doubtful ? PKT_CHECKSUM_WRONG : PKT_CHECKSUM_UNKNOWN;
	pkt->flags = (c->is_tunnelled ? PKT_WAY_TUNNEL : 0)
		| (c->is_source_routed ? PKT_WAY_SOURCE_ROUTE : 0);
}

// The outer packet was right, whatever is wrong with what it carries.
static enum verdict inner_verdict(enum verdict verdict) {
	switch (verdict) {
	case VERDICT_short_frame:
	case VERDICT_short_ip:
	case VERDICT_bad_ip:
		return VERDICT_bad_inner;
	case VERDICT_not_ip:
		return VERDICT_not_tcp;
	default:
		return verdict;
	}
}

enum verdict
decode_layers(const struct decode_config *config, const struct frame *frame, struct pkt *pkt) {
	struct cursor c = {
		.at = frame->data,
		.size = frame->size,
		.missing = frame->wire_size > frame->size ? frame->wire_size - frame->size : 0,
	};

	*pkt = (struct pkt){.time_ns = frame->time_ns, .number = frame->number};
	if (frame->link == LINK_DATAGRAM)
		datagram_header(&c, pkt);
	else
		link_header(&c, frame->link);
	for (; c.layer != LAYER_DONE; c.n_layers++) {
		if (c.n_layers >= DECODE_LAYERS_MAX)
			stop(&c, VERDICT_too_many_layers);
		else
			layer_next(config, &c, pkt);
	}
	if (c.verdict == VERDICT_fragment)
		fragment_note(&c, pkt);
	if (c.is_tunnelled)
		c.verdict = inner_verdict(c.verdict);
	return c.verdict;
}

// ---- What most frames are: Ethernet, IPv4 without options, TCP, whole and right. On one path without
// loops it takes a third of the instructions; whatever is in any way else goes through all layers.

enum {
	ETHERNET_SIZE = 14,
	IP_SIZE = 20,
	TCP_SIZE = 20,
	OPTIONS_STAMP
	= 0x0101080a, // two of no meaning and a timestamp: what most segments with options have
};

// The checksums of the IPv4 header and of the segment behind it, whose pseudo header has the same addresses.
// sum: checksum_add or one that may be used in its place.
static inline bool plain_is_right(
	const uint8_t *ip,
	uint32_t tcp_size,
	uint64_t (*sum)(uint64_t sum, const void *data, size_t size)
) {
	uint64_t addresses = checksum_word(0, ip + 12), pseudo;
	uint32_t word;

	memcpy(&word, ip + 8, sizeof(word)); // time to live, protocol, checksum
	if (!checksum_is_right(checksum_word(checksum_word(word, ip), ip + 12)))
		return false;
	addresses = (addresses >> 32) + (addresses & UINT32_MAX);
	pseudo = addresses + ntohs(PROTOCOL_TCP) + ntohs((uint16_t)tcp_size);
	return checksum_is_right(sum(pseudo, ip + IP_SIZE, tcp_size));
}

// A bit for each value of the flags that needs no thought here: any but none, with a reset, or with SYN and FIN.
// Of each byte, whose place is the upper three flags, the bits for none of the lower three, FIN, SYN.
#define PLAIN_FLAGS 0x0707070707070706ull

// Whether the frame is such by its addresses and protocols.
static inline bool is_plain(const struct frame *frame) {
	const uint8_t *ip = frame->data + ETHERNET_SIZE;
	uint32_t kind, fragment;

	if (frame->link != LINK_ETHERNET || frame->size < ETHERNET_SIZE + IP_SIZE + TCP_SIZE
	    || frame->size != frame->wire_size)
		return false;
	memcpy(&kind, ip - 2, sizeof(kind)); // ethertype, version and size of the header
	memcpy(&fragment, ip + 6, sizeof(fragment)); // of a fragment; the protocol
	return (kind & htonl(0xffffff00)) == htonl(ETHERTYPE_IPV4 << 16 | 0x4500)
		&& (fragment & htonl(0x3fff00ff)) == htonl(PROTOCOL_TCP);
}

// And by the lengths and flags of its headers.
static inline bool
is_whole(const struct frame *frame, uint32_t total, uint32_t header_size, uint8_t flags) {
	return total <= frame->size - ETHERNET_SIZE && header_size >= TCP_SIZE
		&& total >= IP_SIZE + header_size && (PLAIN_FLAGS >> flags & 1);
}

bool decode_hash(const struct decode_config *config, const struct frame *frame, uint32_t *hash) {
	const uint8_t *ip = frame->data + ETHERNET_SIZE;
	const uint8_t *tcp = ip + IP_SIZE;
	struct pkt pkt = {.addr = ip + 12};

	if (!is_plain(frame)
	    || !is_whole(frame, get16(ip + 2), (tcp[12] & 0xf0u) >> 2, tcp[13] & 0x3f))
		return false;
	get16_pair(pkt.port, tcp);
	*hash = hash_v4(config->hash_key, &pkt);
	return true;
}

// Every field on its own: to clear the whole first would be a tenth of it all.
static inline __attribute__((always_inline)) void
plain_note(const struct frame *frame, uint32_t total, uint32_t header_size, struct pkt *pkt) {
	const uint8_t *ip = frame->data + ETHERNET_SIZE, *tcp = ip + IP_SIZE;

	pkt->payload = tcp + header_size;
	pkt->addr = ip + 12;
	pkt->time_ns = frame->time_ns;
	pkt->payload_size = total - IP_SIZE - header_size;
	pkt->missing_size = 0;
	pkt->seq = get32(tcp + 4);
	pkt->ack = get32(tcp + 8);
	pkt->realm = 0;
	get16_pair(pkt->port, tcp);
	pkt->window = get16(tcp + 14);
	pkt->urgent = get16(tcp + 18);
	pkt->flags = tcp[13] & 0x3f;
	pkt->family = 4;
	pkt->is_cut = 0;
	pkt->checksum = PKT_CHECKSUM_RIGHT;
	pkt->is_inconsistent = 0;
	pkt->has_stamp = 0;
	pkt->wscale = 0xff;
	pkt->ttl = ip[8];
	pkt->number = frame->number;
}

// Those that are long or have options: on a path of their own, so that the others need not save registers.
static enum verdict __attribute__((noinline))
plain_rest(const struct decode_config *config, const struct frame *frame, struct pkt *pkt) {
	const uint8_t *ip = frame->data + ETHERNET_SIZE, *tcp = ip + IP_SIZE;
	uint32_t total = get16(ip + 2), header_size = (tcp[12] & 0xf0u) >> 2;

	if (!is_whole(frame, total, header_size, tcp[13] & 0x3f))
		return decode_layers(config, frame, pkt);
	plain_note(frame, total, header_size, pkt);
	if (!config->checksum)
		pkt->checksum = PKT_CHECKSUM_UNKNOWN;
	else if (!frame->is_checked && !(total > IP_SIZE + CHECKSUM_SHORT_MAX ? plain_is_right(ip, total - IP_SIZE, checksum_add) : plain_is_right(ip, total - IP_SIZE, checksum_add_short)))
		return decode_layers(config, frame, pkt);
	if (header_size == TCP_SIZE + 12 && get32(tcp + TCP_SIZE) == OPTIONS_STAMP)
		stamp_note(pkt, 8);
	else if (header_size > TCP_SIZE)
		tcp_options(pkt, tcp + TCP_SIZE, header_size - TCP_SIZE);
	pkt->hash = hash_v4(config->hash_key, pkt);
	return VERDICT_tcp;
}

enum verdict
decode(const struct decode_config *config, const struct frame *frame, struct pkt *pkt) {
	const uint8_t *ip = frame->data + ETHERNET_SIZE, *tcp = ip + IP_SIZE;
	uint32_t total;

	if (!is_plain(frame))
		return decode_layers(config, frame, pkt);
	total = get16(ip + 2);
	if (!config->checksum || total > IP_SIZE + CHECKSUM_SHORT_MAX
	    || tcp[12] >> 4 != TCP_SIZE / 4)
		return plain_rest(config, frame, pkt);
	if (!is_whole(frame, total, TCP_SIZE, tcp[13] & 0x3f))
		return decode_layers(config, frame, pkt);
	plain_note(frame, total, TCP_SIZE, pkt);
	if (!frame->is_checked && !plain_is_right(ip, total - IP_SIZE, checksum_add_short))
		return decode_layers(config, frame, pkt);
	pkt->hash = hash_v4(config->hash_key, pkt);
	return VERDICT_tcp;
}
