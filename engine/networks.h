// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is known of an address from databases the operator names: its autonomous system, its country, and
// what kind of network it is in. From MaxMind's format (.mmdb: GeoLite2, IPinfo, DB-IP and others), where
// built with libmaxminddb, and from a plain list, which has the last word:
//
//   # CIDR             kind      [AS number] [country]      kinds: access mobile hosting vpn tor office
//   198.51.100.0/24    vpn       AS64501 NL
//   2001:db8::/32      office
//
// The most specific prefix of the list counts. Nothing changes after networks_open(): it is read by any
// thread without a lock, and what it gives holds no pointer into it but the name, so that a new one can
// take its place between two packets.

#pragma once

#include "activity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	NETWORKS_LIST_MAX = 4000000, // prefixes
	NETWORKS_NAME_SIZE = 64, // of an organisation; longer ones are cut
};

// By enum activity_network, as lists and outputs write it; NETWORK_UNKNOWN is "".
enum { NETWORK_KINDS = NETWORK_OFFICE + 1 };
extern const char *const network_kinds[NETWORK_KINDS];

struct networks;

struct networks_config {
	const char *asn_db, *country_db, *list; // paths, NULL: none
};

struct network {
	uint32_t asn; // 0 unknown
	char country[3]; // ISO 3166, empty when unknown
	uint8_t kind; // enum activity_network
	char name[NETWORKS_NAME_SIZE]; // of the autonomous system's owner, empty when unknown
};

// Says every mistake on err, one line each with file and line; then *n_mistakes_r is not 0 and what is
// right of the list is used. NULL when a file cannot be read at all, which is said too.
struct networks *
networks_open(const struct networks_config *config, FILE *err, unsigned *n_mistakes_r);
struct config; // config.h
// Those that the configuration names, NULL when it names none; mistakes go to standard error. 0, or −1 when
// one of them cannot be read or is wrong.
int networks_of(const struct config *config, struct networks **networks_r);
// Accepts NULL.
void networks_close(struct networks *networks);
// Fills network with what is known of ip; all empty for a NULL networks. Some hundred nanoseconds, no
// allocation: for once in a session, not for packets.
void networks_find(const struct networks *networks, const struct ip *ip, struct network *network);
