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
#define SUSPECT_NATS 0.7 // an account with more was read as by a stranger

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

static uint64_t edge_key(uint64_t entity, uint64_t account) {
	uint64_t words[] = {entity, account};
	return hash_bytes(HASH_PUBLIC, words, sizeof(words));
}

static struct edge *get_edge(struct campaigns *campaigns, uint64_t key) {
	struct edge *edge = table_find(&campaigns->edges, key);
	return edge ? edge : table_add(&campaigns->edges, key);
}

// Another entity that was not known, brought by this account on this day.
static bool may_bring(struct campaigns *campaigns, uint64_t account, uint16_t day) {
	struct edge *brought = get_edge(campaigns, edge_key(~(uint64_t)day, account));
	return brought->old < CAMPAIGN_BROUGHT_MAX && ++brought->old;
}

// NULL: it is not known, and not worth it.
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
	if (!entity && !may_bring(campaigns, testimony->account, day))
		return NULL;
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

bool entity_is_campaign(const struct campaigns *campaigns, const struct entity *entity) {
	return entity->n_suspect >= CAMPAIGN_MIN
		&& entity_nats(entity) >= campaigns_threshold(campaigns);
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
	if (!entity_is_campaign(campaigns, entity))
		return false;
	uint32_t n = users_of(campaigns, entity, testimony);
	return n == 0 || shared_nats(entity, n) >= threshold;
}

// What several accounts share outlives what one alone brought; and so does who they are, who would count twice
// if he were forgotten.
static void keep(struct campaigns *campaigns, struct entity *entity, struct edge *edge) {
	if (edge->nats > SUSPECT_NATS)
		table_prove(&campaigns->edges, edge);
	if (entity->n_suspect >= 2)
		table_prove(&campaigns->entities, entity);
}

struct entity *campaigns_hear(
	struct campaigns *campaigns,
	enum entity_kind kind,
	uint32_t value,
	const struct testimony *testimony
) {
	struct entity *entity = get_entity(campaigns, kind, value, testimony);
	if (!entity)
		return NULL;
	struct edge *edge = get_edge(campaigns, edge_key(entity->node.key, testimony->account));
	bool first = edge->old == 0 && edge->fresh == 0 && edge->nats == 0;
	double nats = fmin(fmax(testimony->nats, 0), EDGE_CAP);
	bool news = nats >= edge->nats + NEWS_NATS || (first && nats > 0);
	bool more = testimony->old > edge->old || testimony->fresh > edge->fresh;
	entity->n_accounts += first;
	entity->n_suspect += nats > SUSPECT_NATS && edge->nats <= SUSPECT_NATS;
	entity->old += testimony->old > edge->old ? testimony->old - edge->old : 0;
	entity->fresh += testimony->fresh > edge->fresh ? testimony->fresh - edge->fresh : 0;
	if ((float)nats != edge->nats) // as it does not twice a day
		entity_weigh(entity, edge->nats, nats);
	edge->nats = nats;
	edge->old = testimony->old > edge->old ? testimony->old : edge->old;
	edge->fresh = testimony->fresh > edge->fresh ? testimony->fresh : edge->fresh;
	keep(campaigns, entity, edge);
	list_ip(entity, testimony->ip);
	if (nats > SUSPECT_NATS)
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
	struct edge *edge = get_edge(campaigns, edge_key(entity->node.key, account));
	if (edge->old || edge->fresh || edge->nats != 0)
		return;
	entity->n_accounts++;
	edge->nats = -INFINITY;
	entity_weigh(entity, 0, edge->nats);
}

uint64_t campaigns_whole_key(uint64_t campaign) {
	uint32_t words[] = {ENTITY_WHOLE, (uint32_t)(campaign >> 32)};
	return hash_bytes(HASH_PUBLIC, words, sizeof(words));
}

// An episode that was closed and opened again counts anew.
uint64_t campaigns_member_key(const struct entity *whole, uint64_t account) {
	return edge_key(whole->node.key + whole->value, account);
}

struct entity *
campaigns_whole(struct campaigns *campaigns, const struct entity *first, uint32_t opened_min) {
	uint64_t key = campaigns_whole_key(first->node.key);
	struct entity *whole = table_find(&campaigns->entities, key);
	if (whole && opened_min) {
		table_remove(&campaigns->entities, whole);
		whole = NULL;
	}
	if (whole)
		return whole;
	table_find(&campaigns->entities, first->node.key); // the last to make room
	whole = table_add(&campaigns->entities, key);
	table_prove(&campaigns->entities, whole);
	whole->kind = ENTITY_WHOLE;
	whole->value = opened_min;
	whole->campaign = first->node.key;
	whole->since_min = first->since_min;
	return whole;
}

bool campaigns_join(
	struct campaigns *campaigns,
	struct entity *whole,
	const struct entity *entity,
	uint64_t account
) {
	const struct edge *of = table_peek(&campaigns->edges, edge_key(entity->node.key, account));
	uint32_t old = of ? of->old : 0, fresh = of ? of->fresh : 0;
	struct edge *member = get_edge(campaigns, campaigns_member_key(whole, account));
	bool is_new = member->nats == 0;
	member->nats = 1;
	table_prove(&campaigns->edges, member);
	whole->old += old > member->old ? old - member->old : 0;
	whole->fresh += fresh > member->fresh ? fresh - member->fresh : 0;
	member->old = old > member->old ? old : member->old;
	member->fresh = fresh > member->fresh ? fresh : member->fresh;
	whole->n_accounts += is_new;
	return is_new;
}

void entity_forgive(struct campaigns *campaigns, struct entity *entity) {
	table_touch(&campaigns->entities, entity);
	memset(entity->nats, 0, sizeof(entity->nats));
	entity->n_accounts = entity->n_suspect = entity->n_listed = 0;
	entity->old = entity->fresh = 0;
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
