// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "world.h"

#include <stdio.h>
#include <string.h>

static const char countries[WORLD_COUNTRIES][3] = {
	"CZ", "SK", "DE", "AT", "PL", "FR", "BE", "NL", "IT", "ES", "GB", "IE", "US", "CA",
	"SE", "NO", "FI", "DK", "HU", "RO", "BG", "GR", "TR", "IL", "AE", "IN", "CN", "JP",
	"KR", "SG", "AU", "ZA", "EG", "KE", "NG", "BR", "AR", "MX", "UA", "CH",
};

static uint16_t
net_add(struct world *world, uint8_t kind, int country, uint32_t n24, uint32_t *next) {
	struct net *net = &world->net[world->n];

	*net = (struct net){.asn = 64512u + world->n, .kind = kind, .base = *next, .n24 = n24};
	memcpy(net->country, countries[country], sizeof(net->country));
	*next += n24 << 8;
	return world->n++;
}

static uint16_t
nets_add(struct world *world, uint8_t kind, int n, int country, uint32_t n24, uint32_t *next) {
	uint16_t first = world->n;

	// country < 0: spread over all those abroad, and every fifth at home.
	for (int i = 0; i < n; i++)
		net_add(world,
			kind,
			country >= 0 ? country
				: kind != NETWORK_ACCESS && kind != NETWORK_MOBILE && i % 5 == 0
				? 0
				: 1 + i % (WORLD_COUNTRIES - 1),
			n24,
			next);
	return first;
}

void world_init(struct world *world) {
	uint32_t next = 0x14000000; // 20.0.0.0 and up

	*world = (struct world){0};
	world->access_home = nets_add(world, NETWORK_ACCESS, WORLD_ACCESS_HOME, 0, 4096, &next);
	world->mobile_home = nets_add(world, NETWORK_MOBILE, WORLD_MOBILE_HOME, 0, 1024, &next);
	world->access_abroad
		= nets_add(world, NETWORK_ACCESS, 3 * (WORLD_COUNTRIES - 1), -1, 1024, &next);
	world->mobile_abroad = nets_add(world, NETWORK_MOBILE, WORLD_COUNTRIES - 1, -1, 512, &next);
	world->hosting = nets_add(world, NETWORK_HOSTING, 40, -1, 512, &next);
	world->hosting_end = world->n;
	world->vpn = nets_add(world, NETWORK_VPN, 12, -1, 128, &next);
	world->vpn_end = world->n;
	world->tor = nets_add(world, NETWORK_TOR, 1, 2, 512, &next);
	world->cloud = nets_add(world, NETWORK_HOSTING, WORLD_CLOUD_VENDORS, 12, 64, &next);
	world->connector = nets_add(world, NETWORK_HOSTING, WORLD_CONNECTOR_VENDORS, 11, 16, &next);
	world->office = world->n;
	// What is left is for the organisations' own networks.
	while (world->n < WORLD_NETS_MAX)
		net_add(world, NETWORK_OFFICE, 0, 16, &next);
}

uint16_t world_office(const struct world *world, uint32_t org) {
	return (uint16_t)(world->office + org % (uint32_t)(WORLD_NETS_MAX - world->office));
}

struct place world_place(const struct world *world, uint16_t net, uint32_t index, uint32_t host) {
	const struct net *n = &world->net[net];

	return (struct place){
		.ip = n->base + (index % n->n24 << 8) + 1 + host % 254,
		.net = net,
	};
}

struct place world_place_any(const struct world *world, uint16_t net, struct rng *rng) {
	uint32_t index = (uint32_t)rng_next(rng);

	return world_place(world, net, index, (uint32_t)rng_next(rng));
}

uint16_t world_net_between(struct rng *rng, uint16_t from, uint16_t to) {
	return (uint16_t)(from + rng_below(rng, (uint32_t)(to - from)));
}

static void put_u32(uint8_t *p, uint32_t value) {
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (24 - 8 * i));
}

void world_source_fill(
	const struct world *world,
	const struct place *place,
	struct activity *activity
) {
	const struct net *net = &world->net[place->net];
	struct ip *ip = &activity->source.ip;

	memset(ip->addr, 0, sizeof(ip->addr));
	if (place->v6) {
		// 2a02::/16, the rest of the /64 from the same number.
		ip->addr[0] = 0x2a, ip->addr[1] = 0x02;
		put_u32(ip->addr + 4, place->ip);
		put_u32(ip->addr + 8, (uint32_t)rng_mix(place->host));
		put_u32(ip->addr + 12, place->host);
		ip->family = 6;
	} else {
		put_u32(ip->addr, place->ip);
		ip->family = 4;
	}
	activity->source.asn = net->asn;
	memcpy(activity->source.country, net->country, sizeof(net->country));
	activity->source.network = net->kind;
}

// ---- Software

static const struct {
	const char *id; // with the version; NULL: sends no ID
	uint8_t major; // the first version's number
	const char *ja4;
} softwares[SOFTWARES] = {
	[SOFTWARE_THUNDERBIRD] = {"Thunderbird %d.%d.0", 102, "t13d1715h2_5b57614c22b0_%06x"},
	[SOFTWARE_OUTLOOK] = {NULL, 16, "t12d1909h1_d83cc789557e_%06x"},
	[SOFTWARE_APPLE_MAIL] = {"Mac OS X Mail %d.%d", 13, "t13d2014h2_a09f3c656075_%06x"},
	[SOFTWARE_IPHONE] = {"iPhone Mail %d.%d", 15, "t13d2014h2_a09f3c656075_%06x"},
	[SOFTWARE_ANDROID] = {"K-9 Mail %d.%d", 5, "t13d1516h2_8daaf6152771_%06x"},
	[SOFTWARE_WEBMAIL] = {"Roundcube Webmail %d.%d", 1, "t13d3112h1_e8f1e7e78f70_%06x"},
	[SOFTWARE_CLOUD] = {"CloudMail Sync %d.%d", 4, "t13d1011h1_61a7ad8aa9b6_%06x"},
	[SOFTWARE_FETCHER] = {NULL, 1, "t13d3010h1_1d37bd780c83_%06x"},
	[SOFTWARE_CONNECTOR] = {"Connector %d.%d", 2, "t13d2613h1_2802a3db6c62_%06x"},
	[SOFTWARE_BACKUP] = {"MailVault %d.%d", 9, "t12d1210h1_9c11589be8b6_%06x"},
	[SOFTWARE_MIGRATION] = {"imapsync %d.%d", 2, "t13d3010h1_1d37bd780c83_%06x"},
};

// Settings change a grammar, and so does every third version.
uint32_t world_grammar(const struct client *client) {
	uint64_t of = client->tool
		? rng_hash(77, client->tool, 1)
		: rng_hash(client->software, client->variant, client->version / 3);

	return (uint32_t)of | 1;
}

void world_client_fill(const struct client *client, bool ja4, struct activity *activity) {
	const char *id = softwares[client->software].id;
	uint32_t tls = (uint32_t)rng_hash(client->software, client->variant / 2, 5) & 0xffffff;

	activity->client.grammar = world_grammar(client);
	activity->client.id[0] = activity->client.ja4[0] = '\0';
	if (id && !client->hides_id)
		snprintf(
			activity->client.id,
			sizeof(activity->client.id),
			id,
			softwares[client->software].major + client->version / 3,
			client->version % 3
		);
	if (client->hides_ja4)
		tls = (uint32_t)rng_hash(client->tool, 1, 6) & 0xffffff;
	if (ja4)
		snprintf(
			activity->client.ja4,
			sizeof(activity->client.ja4),
			client->hides_ja4 ? "t13d3010h1_1d37bd780c83_%06x"
					  : softwares[client->software].ja4,
			tls
		);
}
