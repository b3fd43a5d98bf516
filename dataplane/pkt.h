// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One decoded TCP packet: what decode finds out and flow and stream use; or, on the way to defrag, one
// IP fragment. One cache line.

#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_SIGNED = 0x40, // not of the header: a reset with a signature option (RFC 2385, 5925)
};

// What the checksums of a packet, IPv4 header and TCP together, say about it.
enum pkt_checksum {
	PKT_CHECKSUM_UNKNOWN, // not looked at: cut by the snap length, or decode was told not to
	PKT_CHECKSUM_RIGHT,
	PKT_CHECKSUM_OFFLOADED, // of the pseudo header only: the NIC was to do the rest
	PKT_CHECKSUM_WRONG, // or the IP length promises more than was on the wire
};

// Of a fragment: what stood in front of it.
enum pkt_way {
	PKT_WAY_TUNNEL = 0x01,
	PKT_WAY_SOURCE_ROUTE = 0x02, // the address the checksum covers is not in the IP header
};

struct pkt {
	// TCP payload inside the frame; padding after the IP packet is not part of it. Of a fragment:
	// from its IPv4 header on, or from its IPv6 fragment header on, to the packet's end.
	const uint8_t *payload;
	const uint8_t *
		addr; // source address in the IP header, the destination follows (4 + 4 or 16 + 16 bytes)
	uint64_t time_ns;
	uint32_t payload_size; // bytes present
	uint32_t
		missing_size; // further payload bytes that the headers promise and the snap length cut
	uint32_t seq;
	uint32_t ack; // meaningful with TCP_ACK only
	uint32_t
		realm; // which address space: VLAN and tunnel ids folded; equal addresses in two realms are two hosts
	uint32_t hash; // of the endpoints: keyed, and the same for both directions of a connection
	uint16_t window;
	uint16_t port[2]; // source, destination; host byte order
	union {
		uint16_t urgent;
		uint16_t
			syn_stamp_back; // of a SYN, whose urgent pointer nobody reads: like stamp_back
		uint16_t n_layers; // headers in front of a fragment
	};
	union {
		struct {
			uint8_t flags; // enum tcp_flag; of a fragment enum pkt_way
			uint8_t family : 3; // 4 or 6
			uint8_t is_cut : 1; // missing_size is not 0
			uint8_t checksum : 2; // enum pkt_checksum
			uint8_t is_inconsistent : 1; // made of fragments that overlapped with different content
			uint8_t has_stamp : 1; // a timestamp option (RFC 7323): pkt_stamp()
		};
		uint16_t kind; // all of these: to be looked at together
	};
	union {
		uint8_t wscale; // window scale option of a SYN, 15 for anything beyond 14; 0xff when absent
		uint8_t stamp_back; // of others with a timestamp: so many bytes before payload
	};
	uint8_t ttl; // time to live, hop limit
	uint32_t number; // of its frame: what came first is older, on every worker
};

static_assert(sizeof(struct pkt) == 64, "struct pkt is one cache line");

// The value of the timestamp option; with has_stamp only.
static inline uint32_t pkt_stamp(const struct pkt *pkt) {
	uint16_t back = pkt->flags & TCP_SYN ? pkt->syn_stamp_back : pkt->stamp_back;
	const uint8_t *at = pkt->payload - back;

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// Whether the segment acknowledges, may push, and has nothing else to be thought about but what its checksum is.
static inline bool pkt_is_plain(const struct pkt *pkt, enum pkt_checksum checksum) {
	const struct pkt care
		= {.flags = (uint8_t)~TCP_PSH, .is_cut = 1, .checksum = 3, .is_inconsistent = 1};
	const struct pkt plain = {.flags = TCP_ACK, .checksum = (uint8_t)(checksum & 3)};

	return (pkt->kind & care.kind) == plain.kind;
}

// The same, over IPv4 and with a right checksum.
static inline bool pkt_is_plain_v4(const struct pkt *pkt) {
	const struct pkt care
		= {.flags = (uint8_t)~TCP_PSH,
		   .family = 7,
		   .is_cut = 1,
		   .checksum = 3,
		   .is_inconsistent = 1};
	const struct pkt plain = {.flags = TCP_ACK, .family = 4, .checksum = PKT_CHECKSUM_RIGHT};

	return (pkt->kind & care.kind) == plain.kind;
}
