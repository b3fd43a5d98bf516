// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where logins come from (an IPv4 address or an IPv6 /64, and the /24 or /48 around it), and what a
// series of refused logins consisted of.

#pragma once

#include "activity.h"
#include "distinct.h"
#include "evidence.h"
#include "table.h"

enum {
	FACTS_IPS_MAX = 8, // written out; all are counted
	ORIGIN_WINS_MAX = 4,
};

// What a suspicion rests on, since it began.
struct facts {
	uint64_t since_ns, last_ns; // 0: nothing
	uint32_t attempts;
	uint16_t tries[DISTINCT_EXACT_MAX]; // attempts on accounts.key[i]
	struct distinct accounts, ips, nets, passwords;
	struct ip ip[FACTS_IPS_MAX]; // the first of ips
	uint8_t n_got; // accounts that were entered
	uint64_t got[ORIGIN_WINS_MAX];
};

// One refused or accepted login, and the keys it is known by.
struct attempt {
	uint64_t time_ns;
	uint64_t account, ip, net; // public hashes
	uint64_t password; // 0 unknown
	uint32_t asn; // 0: not known
	uint32_t provider; // visit_provider()
	uint32_t count;
	const struct ip *address;
};

struct origin {
	struct table_node node;
	struct ip ip; // of the network: its first address
	uint8_t prefix; // bits
	bool alarmed; // has (or had) an episode
	bool noted; // has a series (series.h)
	uint32_t n_ok; // accounts that came to be at home here
	struct evidence evidence;
	struct {
		uint64_t account, time_ns;
	} win[ORIGIN_WINS_MAX]; // the last first-time successes, a ring
	uint8_t n_wins;
};

// The same place as the addresses it is called by: prefix bits are kept.
void origin_prefix(const struct ip *ip, bool network, struct ip *prefix, uint8_t *bits);
uint64_t origin_key(const struct ip *prefix, uint8_t bits);
// "10.77.1.8", "2001:db8:0:1::/64", "10.77.1.0/24".
void origin_print(const struct ip *ip, uint8_t bits, size_t size, char *text);
void origin_won(struct origin *origin, const struct attempt *attempt);

// A refused login is added. True when its account is new here.
bool facts_add(struct facts *facts, const struct attempt *attempt);
// Attempts on an account; 0 also when it is not among the first twenty.
uint32_t facts_tries(const struct facts *facts, uint64_t account);
// An account was entered. False when that is known.
bool facts_got(struct facts *facts, uint64_t account);
