// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The outside of the simulated populations: networks with their addresses, and mail software with
// what a sensor sees of it. The same for every seed. Countries are ISO codes, numbers of autonomous
// systems are from the ranges for documentation and private use.

#pragma once

#include "activity.h"
#include "rng.h"

enum {
	WORLD_HOME_COUNTRY, // index of the population's own
	WORLD_COUNTRIES = 40,
	WORLD_ACCESS_HOME = 8, // access providers at home, and mobile carriers
	WORLD_MOBILE_HOME = 3,
	WORLD_CLOUD_VENDORS = 3, // whose servers do the IMAP of their phone clients
	WORLD_CONNECTOR_VENDORS = 8,
	WORLD_NETS_MAX = 512,
};

struct net {
	uint32_t asn;
	char country[3];
	uint8_t kind; // enum activity_network
	uint32_t base; // first address
	uint32_t n24; // /24s in it
};

// An address. In IPv6 ip is the number of the /64 and host its lower half.
struct place {
	uint32_t ip;
	uint32_t host;
	uint16_t net;
	bool v6;
};

struct world {
	struct net net[WORLD_NETS_MAX];
	uint16_t n;
	// Where each sort begins: home access and mobile come first, then those abroad.
	uint16_t access_home, mobile_home, access_abroad, mobile_abroad, hosting, hosting_end, vpn,
		vpn_end, tor, cloud, connector, office;
};

enum software {
	SOFTWARE_THUNDERBIRD,
	SOFTWARE_OUTLOOK,
	SOFTWARE_APPLE_MAIL,
	SOFTWARE_IPHONE,
	SOFTWARE_ANDROID,
	SOFTWARE_WEBMAIL,
	SOFTWARE_CLOUD,
	SOFTWARE_FETCHER,
	SOFTWARE_CONNECTOR,
	SOFTWARE_BACKUP,
	SOFTWARE_MIGRATION,
	SOFTWARES,
};

// What stands behind a connection. A tool has a grammar of its own, whatever it says it is.
struct client {
	uint8_t software;
	uint8_t version;
	uint8_t variant; // settings and operating system
	bool hides_id; // a tool that sends no ID
	bool hides_ja4; // a tool with a TLS library of its own
	uint32_t tool; // 0: it is the software it says it is
};

void world_init(struct world *world);
// offices follow the rest, one network for each organisation.
uint16_t world_office(const struct world *world, uint32_t org);
// The index-th /24 of the net (modulo its size) and a host in it.
struct place world_place(const struct world *world, uint16_t net, uint32_t index, uint32_t host);
struct place world_place_any(const struct world *world, uint16_t net, struct rng *rng);
uint16_t world_net_between(struct rng *rng, uint16_t from, uint16_t to);
void world_source_fill(
	const struct world *world,
	const struct place *place,
	struct activity *activity
);

// ID, JA4 and grammar into the activity; without ja4 the sensor did not see the TLS handshake.
void world_client_fill(const struct client *client, bool ja4, struct activity *activity);
uint32_t world_grammar(const struct client *client);
