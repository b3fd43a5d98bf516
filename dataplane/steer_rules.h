// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the XDP program and its loader share, in memory that both see: plain fixed types only.

#pragma once

#include <linux/types.h>

enum steer_reason {
#define STEER(name, text) STEER_##name,
#include "steer.def"
#undef STEER
	STEER_REASONS,
};

enum steer_tunnel {
	STEER_GRE = 0x01, // ERSPAN, NVGRE and PPTP too
	STEER_IPIP = 0x02, // IPv4 or IPv6 in either
	STEER_MPLS = 0x04, // below IP, and as IP protocol 137
	STEER_PPPOE = 0x08,
};

enum {
	// Headers of one frame that are looked at: tags, IPv6 extension headers. Real ones have few;
	// each iteration is verified by the kernel.
	STEER_HEADERS_MAX = 8,
	STEER_PREFIXES_MAX = 64,
	STEER_UDP_PORTS_MAX = 8,
	// Counters are kept per CPU; beyond so many two may share, and then lose a count now and then.
	STEER_CPUS_MAX = 1024,
	STEER_COUNTERS = 16, // two cache lines per CPU
};

// An IPv4 address stands as ::ffff:a.b.c.d. Network byte order.
struct steer_prefix {
	__u64 addr[2], mask[2];
};

struct steer_rules {
	__u64 tcp_ports[65536 / 64]; // a bit per port
	__u32 tunnels; // enum steer_tunnel
	// UDP ports that tunnels use, host byte order, and a bit for each of them that is taken.
	__u32 n_udp_ports;
	__u16 udp_ports[STEER_UDP_PORTS_MAX];
	__u32 udp_taken;
	__u32 n_prefixes; // 0: any address
	struct steer_prefix prefixes[STEER_PREFIXES_MAX];
};

struct steer_counters {
	__u64 reason[STEER_COUNTERS]; // by enum steer_reason
};

_Static_assert((int)STEER_REASONS <= (int)STEER_COUNTERS, "a counter for each reason");

// Stands right in front of each frame that is redirected.
struct steer_stamp {
	__u64 time_ns; // CLOCK_MONOTONIC
};
