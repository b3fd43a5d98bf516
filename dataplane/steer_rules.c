// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the XDP program is to take, from what a user says.

#include "steer.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tunnel {
	const char *name;
	uint32_t bit; // enum steer_tunnel, or 0:
	uint16_t udp_port;
};

static const struct tunnel tunnels[] = {
	{"gre", STEER_GRE, 0},
	{"erspan", STEER_GRE, 0},
	{"ipip", STEER_IPIP, 0},
	{"mpls", STEER_MPLS, 0},
	{"pppoe", STEER_PPPOE, 0},
	{"vxlan", 0, 4789},
	{"vxlan-gpe", 0, 4790},
	{"geneve", 0, 6081},
	{"gtpu", 0, 2152},
};

enum { N_TUNNELS = sizeof(tunnels) / sizeof(tunnels[0]) };

void steer_rules_tcp(struct steer_rules *rules, uint16_t port) {
	rules->tcp_ports[port / 64] |= 1ull << (port % 64);
}

static uint64_t mask_word(unsigned bits) {
	return bits == 0 ? 0 : htobe64(~0ull << (64 - (bits > 64 ? 64 : bits)));
}

bool steer_rules_prefix(struct steer_rules *rules, int family, const uint8_t *addr, unsigned bits) {
	struct steer_prefix *prefix = &rules->prefixes[rules->n_prefixes];
	uint8_t full[16] = {0};

	if (rules->n_prefixes == STEER_PREFIXES_MAX)
		return false;
	if (family == 4) {
		full[10] = full[11] = 0xff;
		memcpy(full + 12, addr, 4);
		bits += 96;
	} else {
		memcpy(full, addr, 16);
	}
	prefix->mask[0] = mask_word(bits);
	prefix->mask[1] = mask_word(bits > 64 ? bits - 64 : 0);
	memcpy(prefix->addr, full, sizeof(full));
	prefix->addr[0] &= prefix->mask[0];
	prefix->addr[1] &= prefix->mask[1];
	rules->n_prefixes++;
	return true;
}

// False: there are STEER_UDP_PORTS_MAX already.
static bool udp_add(struct steer_rules *rules, uint16_t port, bool is_taken) {
	uint32_t i = 0;

	while (i < rules->n_udp_ports && rules->udp_ports[i] != port)
		i++;
	if (i == STEER_UDP_PORTS_MAX)
		return false;
	if (i == rules->n_udp_ports)
		rules->udp_ports[rules->n_udp_ports++] = port;
	rules->udp_taken |= (uint32_t)is_taken << i;
	return true;
}

static void tunnel_add(struct steer_rules *rules, const struct tunnel *tunnel) {
	rules->tunnels |= tunnel->bit;
	if (tunnel->udp_port)
		udp_add(rules, tunnel->udp_port, true);
}

static bool name_add(struct steer_rules *rules, const char *name) {
	char *end;
	unsigned long port;
	bool is_known = strcmp(name, "none") == 0;

	for (int i = 0; i < N_TUNNELS; i++)
		if (strcmp(name, "all") == 0 || strcmp(name, tunnels[i].name) == 0) {
			tunnel_add(rules, &tunnels[i]);
			is_known = true;
		}
	if (is_known)
		return true;
	if (strncmp(name, "udp/", 4) != 0)
		return false;
	port = strtoul(name + 4, &end, 10);
	if (name[4] < '0' || name[4] > '9' || *end || port == 0 || port > UINT16_MAX)
		return false;
	return udp_add(rules, (uint16_t)port, true);
}

int steer_rules_tunnels(struct steer_rules *rules, const char *names, char *error, int size) {
	char name[32];
	size_t len;

	// All are known to the program, so that it can say which it passes.
	for (int i = 0; i < N_TUNNELS; i++)
		if (tunnels[i].udp_port)
			udp_add(rules, tunnels[i].udp_port, false);
	for (; *names; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		snprintf(name, sizeof(name), "%.*s", (int)len, names);
		if (name_add(rules, name))
			continue;
		snprintf(
			error,
			(size_t)size,
			"\"%s\" is no tunnel, or one UDP port too many (%d): write gre, erspan, "
			"ipip, "
			"mpls, pppoe, vxlan, vxlan-gpe, geneve, gtpu, udp/PORT, all or none",
			name,
			STEER_UDP_PORTS_MAX
		);
		return -1;
	}
	return 0;
}

const char *steer_reason_name(enum steer_reason reason) {
	static const char *const names[] = {
#define STEER(name, text) #name,
#include "steer.def"
#undef STEER
	};

	return names[reason];
}

const char *steer_reason_text(enum steer_reason reason) {
	static const char *const texts[] = {
#define STEER(name, text) text,
#include "steer.def"
#undef STEER
	};

	return texts[reason];
}
