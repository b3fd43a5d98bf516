// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/origin.h"

#include "hash.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void origin_prefix(const struct ip *ip, bool network, struct ip *prefix, uint8_t *bits) {
	// One subscriber has a whole /64 (RFC 6177), and may use a new address each time.
	bool v4 = ip->family == 4;
	uint8_t n = v4 ? (network ? 24 : 32) : (network ? 48 : 64);
	*prefix = (struct ip){.family = ip->family};
	memcpy(prefix->addr, ip->addr, n / 8);
	*bits = n;
}

uint64_t origin_key(const struct ip *prefix, uint8_t bits) {
	uint8_t name[18];
	memcpy(name, prefix->addr, 16);
	name[16] = prefix->family;
	name[17] = bits;
	return hash_bytes(HASH_PUBLIC, name, sizeof(name));
}

void origin_print(const struct ip *ip, uint8_t bits, size_t size, char *text) {
	char address[INET6_ADDRSTRLEN];
	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->addr, address, sizeof(address));
	if (ip->family == 4 && bits == 32)
		snprintf(text, size, "%s", address);
	else
		snprintf(text, size, "%s/%u", address, bits);
}

void origin_won(struct origin *origin, const struct attempt *attempt) {
	uint8_t at = origin->n_wins++ % ORIGIN_WINS_MAX;
	origin->win[at].account = attempt->account;
	origin->win[at].time_ns = attempt->time_ns;
	if (origin->n_wins == 2 * ORIGIN_WINS_MAX)
		origin->n_wins = ORIGIN_WINS_MAX;
}

bool facts_add(struct facts *facts, const struct attempt *attempt) {
	if (facts->since_ns == 0 || attempt->time_ns < facts->since_ns)
		facts->since_ns = attempt->time_ns;
	if (attempt->time_ns > facts->last_ns)
		facts->last_ns = attempt->time_ns;
	facts->attempts += attempt->count;
	bool new_account = distinct_add(&facts->accounts, attempt->account);
	for (uint32_t i = 0; i < facts->accounts.n_exact; i++)
		if (facts->accounts.key[i] == attempt->account && facts->tries[i] < UINT16_MAX)
			facts->tries[i] += attempt->count < 1000 ? attempt->count : 1000;
	uint32_t n_ips = facts->ips.n_exact;
	if (distinct_add(&facts->ips, attempt->ip) && n_ips < FACTS_IPS_MAX)
		facts->ip[n_ips] = *attempt->address;
	distinct_add(&facts->nets, attempt->net);
	if (attempt->password)
		distinct_add(&facts->passwords, attempt->password);
	return new_account;
}

uint32_t facts_tries(const struct facts *facts, uint64_t account) {
	for (uint32_t i = 0; i < facts->accounts.n_exact; i++)
		if (facts->accounts.key[i] == account)
			return facts->tries[i];
	return 0;
}

bool facts_got(struct facts *facts, uint64_t account) {
	for (uint8_t i = 0; i < facts->n_got && i < ORIGIN_WINS_MAX; i++)
		if (facts->got[i] == account)
			return false;
	if (facts->n_got < ORIGIN_WINS_MAX)
		facts->got[facts->n_got] = account;
	if (facts->n_got < UINT8_MAX)
		facts->n_got++;
	return true;
}
