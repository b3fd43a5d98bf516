// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What stands in front of a datagram's payload in a frame that defrag has made (LINK_DATAGRAM): what
// its fragments' headers said, as far as decode goes on with it. Never written to a file, never read
// from one.

#pragma once

#include <assert.h>
#include <stdint.h>

struct datagram {
	uint8_t addr[32]; // source and destination as in an IP header (4 + 4 or 16 + 16 bytes)
	uint32_t realm; // of struct pkt
	uint16_t n_layers; // headers that stood in front: one cap bounds all layers
	uint8_t family; // 4 or 6
	uint8_t protocol; // what the payload is
	uint8_t way; // enum pkt_way
	uint8_t is_doubtful; // of headers that receiving hosts drop
	uint8_t is_inconsistent; // fragments overlapped with different content
	uint8_t ttl; // of the fragment that came first
};

static_assert(sizeof(struct datagram) == 44, "no padding: frames of equal datagrams are equal");
