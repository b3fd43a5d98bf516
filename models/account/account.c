// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account/account.h"

#include "hash.h"

#include <math.h>
#include <string.h>

enum {
	HOURS_FEW = 20, // visits until the own profile says something
	HOURS_MANY = 2000, // then all counts are halved: the last half year or so counts
	HOURS_PRIOR = 24, // one in each hour
};

uint64_t account_key(const char *name) {
	return hash_bytes(HASH_PUBLIC, name, strnlen(name, ACCOUNT_SIZE - 1));
}

struct place *account_place(struct account *account, uint32_t net) {
	for (uint8_t i = 0; i < account->n_places; i++)
		if (account->places[i].net == net)
			return &account->places[i];
	return NULL;
}

// Whoever settled goes last, then whoever was there on most days; a carrier's networks come and go
// and displace each other, not the office.
static bool is_lesser(const struct residence *a, const struct residence *b) {
	if ((a->commits > 0) != (b->commits > 0))
		return a->commits == 0;
	if (a->days != b->days)
		return a->days < b->days;
	return a->seen < b->seen;
}

struct place *account_get_place(struct account *account, uint32_t net) {
	struct place *place = account_place(account, net);
	if (place)
		return place;
	if (account->n_places < ACCOUNT_PLACES) {
		place = &account->places[account->n_places++];
	} else {
		place = &account->places[0];
		for (int i = 1; i < ACCOUNT_PLACES; i++)
			if (is_lesser(&account->places[i].residence, &place->residence))
				place = &account->places[i];
	}
	*place = (struct place){.net = net};
	return place;
}

struct provider *account_provider(struct account *account, uint32_t id) {
	for (int i = 0; i < ACCOUNT_PROVIDERS; i++)
		if (account->providers[i].id == id)
			return &account->providers[i];
	return NULL;
}

struct provider *account_get_provider(struct account *account, uint32_t id) {
	struct provider *provider = account_provider(account, id);
	if (provider)
		return provider;
	provider = account_provider(account, 0);
	if (!provider) {
		provider = &account->providers[0];
		for (int i = 1; i < ACCOUNT_PROVIDERS; i++)
			if (is_lesser(&account->providers[i].residence, &provider->residence))
				provider = &account->providers[i];
	}
	*provider = (struct provider){.id = id};
	return provider;
}

struct client *account_client(struct account *account, uint32_t key) {
	for (int i = 0; i < ACCOUNT_CLIENTS; i++)
		if (account->clients[i].key == key)
			return &account->clients[i];
	return NULL;
}

struct client *account_get_client(struct account *account, uint32_t key) {
	struct client *client = account_client(account, key);
	if (client)
		return client;
	client = account_client(account, 0);
	if (!client) {
		client = &account->clients[0];
		for (int i = 1; i < ACCOUNT_CLIENTS; i++)
			if (is_lesser(&account->clients[i].residence, &client->residence))
				client = &account->clients[i];
	}
	*client = (struct client){.key = key};
	return client;
}

// What has been told or has little to say goes first.
static double weight(const struct visitor *visitor) {
	if (visitor->first_min == 0)
		return -1;
	double weight = 1 + fmax(visitor->nats, 0) + visitor->last_min / 14400.0;
	return visitor->committed_days ? weight - 5 : weight;
}

struct visitor *account_get_visitor(struct account *account, uint32_t client, uint32_t provider) {
	struct visitor *least = &account->visitors[0];
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		struct visitor *visitor = &account->visitors[i];
		if (visitor->first_min && visitor->client == client
		    && visitor->provider == provider)
			return visitor;
		if (weight(visitor) < weight(least))
			least = visitor;
	}
	*least = (struct visitor){.client = client, .provider = provider};
	return least;
}

// Two filters of half the bits: the younger is filled until half of it is set, and then is the older. So those to
// whom somebody wrote last are known, some fifty, and never, as with one filter that fills up, everybody.
enum { BLOOM_HASHES = 5, BLOOM_BITS = 8 * ACCOUNT_BLOOM / 2 };

uint64_t account_address(const char *address) {
	return hash_bytes(HASH_PUBLIC, address, strnlen(address, ACTIVITY_ADDRESS_SIZE));
}

static bool bloom_has(const uint8_t *bloom, uint64_t hash) {
	for (int i = 0; i < BLOOM_HASHES; i++, hash >>= 12)
		if (!(bloom[hash % BLOOM_BITS / 8] & 1 << hash % 8))
			return false;
	return true;
}

bool account_knows(const struct account *account, uint64_t hash) {
	return bloom_has(account->correspondents[0], hash)
		|| bloom_has(account->correspondents[1], hash);
}

static int bloom_n_set(const uint8_t *bloom) {
	uint64_t words[BLOOM_BITS / 64];
	int n_set = 0;
	memcpy(words, bloom, sizeof(words));
	for (int i = 0; i < BLOOM_BITS / 64; i++)
		n_set += __builtin_popcountll(words[i]);
	return n_set;
}

void account_wrote(struct account *account, uint64_t hash) {
	uint8_t(*bloom)[ACCOUNT_BLOOM / 2] = account->correspondents;
	if (bloom_has(bloom[0], hash))
		return;
	if (bloom_n_set(bloom[0]) > BLOOM_BITS / 2) {
		memcpy(bloom[1], bloom[0], sizeof(bloom[0]));
		memset(bloom[0], 0, sizeof(bloom[0]));
	}
	for (int i = 0; i < BLOOM_HASHES; i++, hash >>= 12)
		bloom[0][hash % BLOOM_BITS / 8] |= 1 << hash % 8;
}

void account_visit_place(struct account *account, struct place *place, uint16_t day, bool strange) {
	bool first = place->residence.days == 0;
	if (!residence_visit(&place->residence, day))
		return;
	account->visits++;
	if (first) {
		place->once = strange;
		account->n_once += strange;
	} else if (place->once) {
		place->once = false;
		account->n_once -= account->n_once > 0;
	}
}

double account_roams_far(const struct account *account) {
	return (account->n_once + 0.5) / (account->visits + 1.0);
}

double account_roams(const struct account *account) {
	uint32_t again = 0;
	for (int i = 0; i < account->n_places; i++) {
		uint16_t days = account->places[i].residence.days;
		again += days > 1 ? days : 0;
	}
	return 1 - again / (account->visits + 1.0);
}

double account_novelty(const struct account *account) {
	return -log(account_roams_far(account));
}

void account_hour(struct account *account, bool weekend, unsigned hour) {
	account->hours[weekend][hour]++;
	if (++account->hours_total < HOURS_MANY)
		return;
	account->hours_total = 0;
	for (int i = 0; i < 48; i++)
		account->hours_total += account->hours[i / 24][i % 24] /= 2;
}

// Neighbouring hours lend half of theirs, the other kind of day a quarter.
double account_hour_nats(const struct account *account, bool weekend, unsigned hour) {
	if (account->hours_total < HOURS_FEW)
		return 0;
	unsigned before = (hour + 23) % 24, after = (hour + 1) % 24;
	double here = 0, all = 0;
	for (int kind = 0; kind < 2; kind++) {
		const uint16_t *hours = account->hours[kind];
		double share = kind == weekend ? 1 : 0.25, sum = 0;
		for (int i = 0; i < 24; i++)
			sum += hours[i];
		here += share * (hours[hour] + 0.5 * hours[before] + 0.5 * hours[after]) / 2;
		all += share * sum;
	}
	return -log(24 * (here + HOURS_PRIOR / 24.0) / (all + HOURS_PRIOR));
}
