// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "campaign/campaign.h"

#include "hash.h"

#include <math.h>
#include <string.h>

enum {
	ADOPTED_SHARE = 2, // entries for each account
	ENTITIES_SHARE = 4, // accounts for each entry
	EDGE_CAP = 8, // nats that one account can give
	ENTITIES_FEW = 100,
};

#define FDR 0.1
#define NEWS_NATS 1.0

static const double ws[3] = {0.05, 0.2, 0.5};

static size_t at_least(size_t n) {
	return n < 64 ? 64 : n;
}

size_t campaigns_memsize(size_t n_accounts) {
	return table_memsize(at_least(n_accounts * ADOPTED_SHARE), sizeof(struct adopted))
		+ table_memsize(at_least(n_accounts / ENTITIES_SHARE), sizeof(struct entity))
		+ table_memsize(at_least(n_accounts), sizeof(struct edge))
		+ CAMPAIGN_NAMES * sizeof(struct entity_name);
}

void campaigns_init(
	struct campaigns *campaigns,
	size_t n_accounts,
	const uint64_t hash_key[2],
	void *memory
) {
	struct {
		struct table *table;
		size_t n, size;
	} tables[] = {
		{&campaigns->adopted, at_least(n_accounts * ADOPTED_SHARE), sizeof(struct adopted)},
		{&campaigns->entities,
		 at_least(n_accounts / ENTITIES_SHARE),
		 sizeof(struct entity)},
		{&campaigns->edges, at_least(n_accounts), sizeof(struct edge)},
	};
	uint8_t *at = memory;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		table_init(tables[i].table, hash_key, tables[i].n, tables[i].size, at);
		at += table_memsize(tables[i].n, tables[i].size);
	}
	campaigns->names = (void *)at;
}

// Each visit of a stranger asks for the same four again and again, and a keyed hash is dear.
static uint64_t
entity_key(const struct campaigns *campaigns, enum entity_kind kind, uint32_t value) {
	uint32_t words[] = {kind, value};
	uint64_t name = (uint64_t)(kind + 1) << 32 | value;
	struct entity_name *known
		= &campaigns->names[(value ^ value >> 16 ^ kind) % CAMPAIGN_NAMES];
	if (known->name != name)
		*known = (struct entity_name){name, hash_bytes(HASH_PUBLIC, words, sizeof(words))};
	return known->key;
}

uint32_t campaigns_adopt(
	struct campaigns *campaigns,
	struct fleet *fleet,
	enum entity_kind kind,
	uint32_t value,
	uint64_t account,
	uint16_t day
) {
	uint64_t key = entity_key(campaigns, kind, value);
	struct adopted *adopted = table_find(&campaigns->adopted, key);
	if (!adopted)
		adopted = table_add(&campaigns->adopted, key);
	if (adopted->day != day) {
		adopted->day = day;
		adopted->n = 0;
	}
	adopted->users |= 1u << account % 32;
	if (adopted->n < UINT16_MAX)
		adopted->n++;
	if (fleet_is_young(fleet) || adopted->n < fleet_wave(fleet)
	    || fleet_is_shared(fleet, value))
		return 0;
	fleet_share(fleet, value);
	return adopted->n;
}

// ---- campaigns

// An account said so much, and says so much now.
static void entity_weigh(struct entity *entity, double before, double now) {
	double e_before = exp(before), e_now = exp(now);
	for (int i = 0; i < 3; i++)
		entity->nats[i]
			+= log(1 - ws[i] + ws[i] * e_now) - log(1 - ws[i] + ws[i] * e_before);
}

static struct entity *get_entity(
	struct campaigns *campaigns,
	enum entity_kind kind,
	uint32_t value,
	const struct testimony *testimony
) {
	uint64_t key = entity_key(campaigns, kind, value);
	struct entity *entity = table_find(&campaigns->entities, key);
	uint16_t day = testimony->min / 1440;
	if (entity && day > entity->day + CAMPAIGN_DAYS) {
		table_remove(&campaigns->entities, entity);
		entity = NULL;
	}
	if (!entity) {
		entity = table_add(&campaigns->entities, key);
		entity->kind = kind;
		entity->value = value;
		entity->since_min = testimony->since_min;
	}
	entity->day = day > entity->day ? day : entity->day;
	if (testimony->since_min < entity->since_min)
		entity->since_min = testimony->since_min;
	return entity;
}

static struct edge *
get_edge(struct campaigns *campaigns, const struct entity *entity, uint64_t account) {
	uint64_t words[] = {entity->node.key, account, entity->since_min / 1440 / CAMPAIGN_DAYS};
	uint64_t key = hash_bytes(HASH_PUBLIC, words, 2 * sizeof(words[0]));
	struct edge *edge = table_find(&campaigns->edges, key);
	return edge ? edge : table_add(&campaigns->edges, key);
}

static void list_ip(struct entity *entity, const struct ip *ip) {
	uint32_t listed = entity->n_ips < 8 ? entity->n_ips : 8;
	for (uint32_t i = 0; i < listed; i++)
		if (memcmp(&entity->ips[i], ip, sizeof(*ip)) == 0)
			return;
	entity->ips[entity->n_ips++ % 8] = *ip;
}

static void list_account(struct entity *entity, uint64_t account) {
	uint32_t n = entity->n_listed < CAMPAIGN_LISTED ? entity->n_listed : CAMPAIGN_LISTED;
	for (uint32_t i = 0; i < n; i++)
		if (entity->accounts[i] == account)
			return;
	entity->accounts[entity->n_listed++ % CAMPAIGN_LISTED] = account;
}

// With the bystanders; the widest w alone.
static double shared_nats(const struct entity *entity, uint32_t n_users) {
	uint32_t n = n_users > entity->n_accounts ? n_users - entity->n_accounts : 0;
	return entity->nats[2] + n * log(1 - ws[2]);
}

// Linear counting (Whang and others 1990): an account that takes the same up again and again is one. Up to a hundred.
static uint32_t n_users(uint32_t users) {
	int n_free = 32 - __builtin_popcount(users);
	return (uint32_t)lround(32 * log(32 / fmax(n_free, 0.5)));
}

// An address has the users of its network: an organisation's own webmail is new to many who come to it late.
static uint32_t users_of(
	const struct campaigns *campaigns,
	const struct entity *entity,
	const struct testimony *testimony
) {
	if (entity->kind != ENTITY_IP && entity->kind != ENTITY_NET)
		return testimony->n_users;
	uint64_t key = entity_key(campaigns, ENTITY_NET, testimony->net);
	const struct adopted *adopted = table_peek(&campaigns->adopted, key);
	return adopted ? n_users(adopted->users) : 0;
}

static bool is_campaign(
	const struct campaigns *campaigns,
	const struct entity *entity,
	const struct testimony *testimony
) {
	double threshold = campaigns_threshold(campaigns);
	if (entity->n_suspect < CAMPAIGN_MIN || entity_nats(entity) < threshold)
		return false;
	uint32_t n = users_of(campaigns, entity, testimony);
	return n == 0 || shared_nats(entity, n) >= threshold;
}

struct entity *campaigns_hear(
	struct campaigns *campaigns,
	enum entity_kind kind,
	uint32_t value,
	const struct testimony *testimony
) {
	struct entity *entity = get_entity(campaigns, kind, value, testimony);
	struct edge *edge = get_edge(campaigns, entity, testimony->account);
	bool first = edge->old == 0 && edge->fresh == 0 && edge->nats == 0;
	double nats = fmin(fmax(testimony->nats, 0), EDGE_CAP);
	bool news = nats >= edge->nats + NEWS_NATS || (first && nats > 0);
	bool more = testimony->old > edge->old || testimony->fresh > edge->fresh;
	entity->n_accounts += first;
	entity->n_suspect += nats > 0.7 && edge->nats <= 0.7;
	entity->old += testimony->old > edge->old ? testimony->old - edge->old : 0;
	entity->fresh += testimony->fresh > edge->fresh ? testimony->fresh - edge->fresh : 0;
	if ((float)nats != edge->nats) // as it does not twice a day
		entity_weigh(entity, edge->nats, nats);
	edge->nats = nats;
	edge->old = testimony->old;
	edge->fresh = testimony->fresh;
	list_ip(entity, testimony->ip);
	if (nats > 0.7)
		list_account(entity, testimony->account);
	if (!entity->campaign && !is_campaign(campaigns, entity, testimony))
		return NULL;
	return news || more || !entity->campaign ? entity : NULL;
}

void campaigns_acquit(
	struct campaigns *campaigns,
	enum entity_kind kind,
	uint32_t value,
	uint64_t account
) {
	struct entity *entity
		= table_find(&campaigns->entities, entity_key(campaigns, kind, value));
	if (!entity)
		return;
	struct edge *edge = get_edge(campaigns, entity, account);
	if (edge->old || edge->fresh || edge->nats != 0)
		return;
	entity->n_accounts++;
	edge->nats = -INFINITY;
	entity_weigh(entity, 0, edge->nats);
}

double entity_nats(const struct entity *entity) {
	double sum = 0;
	for (int i = 0; i < 3; i++)
		sum += exp(fmin(entity->nats[i], 300));
	return log(sum / 3);
}

double campaigns_threshold(const struct campaigns *campaigns) {
	double n = campaigns->entities.n;
	return log(fmax(n, ENTITIES_FEW) / FDR);
}

struct entity *
campaigns_find(const struct campaigns *campaigns, enum entity_kind kind, uint32_t value) {
	return table_peek(&campaigns->entities, entity_key(campaigns, kind, value));
}
