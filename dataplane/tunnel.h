// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Tunnels over UDP are known by their ports alone: which ports those are.

#pragma once

#include <stdint.h>

enum tunnel {
	TUNNEL_VXLAN,
	TUNNEL_VXLAN_GPE,
	TUNNEL_GENEVE,
	TUNNEL_GTP,
	TUNNELS,
};

enum { TUNNEL_PORTS_MAX = 32 };

struct tunnel_ports {
	uint32_t n;
	struct {
		uint16_t port; // of the destination, host byte order
		uint8_t tunnel; // enum tunnel
	} of[TUNNEL_PORTS_MAX];
};

// The assigned ports, and 8472, where Linux had VXLAN before there was one. As text for
// configurations: TUNNEL_PORTS_DEFAULT.
extern const struct tunnel_ports tunnel_ports_default;
#define TUNNEL_PORTS_DEFAULT "vxlan=4789,vxlan=8472,vxlan-gpe=4790,geneve=6081,gtp=2152"

// As it is written in configurations.
const char *tunnel_name(enum tunnel tunnel);
