// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "watch_alert.h"

#include "watch_text.h"

#include <string.h>

#define MINUTE_NS (60ull * 1000000000)
#define GOES_ON_NS (7 * 86400ull * 1000000000) // what goes on is told so often, doubled or not
#define WAVE_SILENCE_NS (7 * 86400ull * 1000000000)

static struct episode *
get_episode(struct watch *watch, enum episode_kind kind, uint64_t subject, uint64_t since_ns) {
	struct episode *episode = episodes_find(watch->episodes, kind, subject);
	if (episode)
		return episode;
	episode = episodes_open(watch->episodes, kind, subject, subject, since_ns, watch->now_ns);
	episode->silence_ns = WATCH_SILENCE_NS;
	return episode;
}

static bool goes_on(const struct watch *watch, const struct episode *episode, uint32_t size) {
	return episode->told_size > 0 && size > episode->told_size
		&& watch->now_ns >= episode->told_ns + GOES_ON_NS;
}

static void forget_evidence(struct account *account) {
	for (int i = 0; i < METERS; i++)
		meter_reset(&account->meters[i]);
}

// The entities that a visit goes through, those that are known.
static int entities_of(struct watch *watch, const struct visit *visit, struct entity *found[]) {
	const struct {
		enum entity_kind kind;
		uint32_t value;
	} shared[ENTITY_KINDS] = {
		{ENTITY_CLIENT, visit->with == CLIENT_OWN ? 0 : visit->client_key},
		{ENTITY_IP, visit->ip},
		{ENTITY_NET, visit->net},
		{ENTITY_PROVIDER, visit->provider_id},
	};
	int n = 0;
	for (int i = 0; i < ENTITY_KINDS; i++) {
		struct entity *entity
			= campaigns_find(&watch->campaigns, shared[i].kind, shared[i].value);
		if (entity)
			found[n++] = entity;
	}
	return n;
}

// The entity whose episode tells of a campaign that the visit belongs to, or NULL.
static struct entity *campaign_of(struct watch *watch, const struct visit *visit) {
	struct entity *found[ENTITY_KINDS];
	int n = entities_of(watch, visit, found);
	for (int i = 0; i < n; i++) {
		uint64_t key = found[i]->campaign;
		if (key && episodes_find(watch->episodes, EPISODE_CAMPAIGN, key))
			return table_peek(&watch->campaigns.entities, key);
	}
	return NULL;
}

// What the visitor left behind stands in for his last activity.
static void
recall(struct account *account,
       const struct visitor *visitor,
       struct activity *activity,
       struct visit *visit) {
	*activity = (struct activity){
		.source = {.asn = visitor->asn, .network = visitor->network},
		.client = {.grammar = visitor->grammar},
	};
	memcpy(activity->account, account->name, sizeof(account->name));
	memcpy(activity->source.ip.addr, visitor->ip, sizeof(visitor->ip));
	activity->source.ip.family = visitor->family;
	*visit = (struct visit){
		.activity = activity,
		.account = account,
		.min = visitor->last_min,
		.time_ns = visitor->last_min * MINUTE_NS,
		.ip = visit_ip(&activity->source.ip),
		.net = visitor->last_net,
		.client_key = visitor->client,
		.at = visitor->flags & VISITOR_FAR ? PLACE_STRANGE : PLACE_PROVIDER,
		.with = visitor->flags & VISITOR_NEW_CLIENT ? CLIENT_NEW : CLIENT_OWN,
	};
}

void watch_tell_reader(
	struct watch *watch,
	const struct visit *visit,
	double nats,
	enum meter_id most
) {
	struct account *account = visit->account;
	struct activity activity;
	struct visit recalled;
	// When another visit tipped the scales, the owner's for one, it is still the stranger's that is told.
	const struct visitor *visitor = text_suspect(account, most);
	if (visitor && (visitor->last_net != visit->net || visitor->client != visit->client_key)) {
		recall(account, visitor, &activity, &recalled);
		visit = &recalled;
	}
	uint64_t key = account->node.key;
	struct episode *episode = episodes_find(watch->episodes, EPISODE_READER, key);
	struct entity *entity = episode || visit_is_home(visit) ? NULL : campaign_of(watch, visit);
	if (entity) {
		watch_tell_campaign(watch, visit, NULL, entity);
		forget_evidence(account);
		return;
	}
	episode = get_episode(watch, EPISODE_READER, key, visit->time_ns);
	uint32_t size = text_reader(watch, visit, nats, most, &episode->alert);
	bool urgent = goes_on(watch, episode, size);
	episode_tell(watch->episodes, episode, size, urgent, watch->now_ns);
	account->flags |= ACCOUNT_ALARMED;
	forget_evidence(account);
}

void watch_tell_deed(
	struct watch *watch,
	const struct visit *visit,
	enum deed deed,
	const char *what,
	double nats
) {
	uint64_t key = visit->account->node.key + deed;
	struct episode *episode = get_episode(watch, EPISODE_DEED, key, visit->time_ns);
	bool first = episode->alert.episode.sequence == 0;
	uint32_t size = first ? 1 : episode->size + 1;
	text_deed(watch, visit, deed, what, nats, &episode->alert);
	episode_tell(watch->episodes, episode, size, false, watch->now_ns);
}

// Accounts that one network, or one program that is no fetcher of others here, copies.
static struct entity *
hear_copy(struct watch *watch, const struct visit *visit, struct testimony testimony) {
	testimony.account = visit->account->node.key;
	testimony.min = visit->min;
	testimony.ip = &visit->activity->source.ip;
	testimony.net = visit->net;
	struct entity *by_net
		= campaigns_hear(&watch->campaigns, ENTITY_NET, visit->net, &testimony);
	if (by_net || visit->with == CLIENT_OWN
	    || fleet_is_fetcher(watch->fleet, visit->client_key))
		return by_net;
	testimony.n_users = fleet_adopters(watch->fleet, visit->client_key);
	return campaigns_hear(&watch->campaigns, ENTITY_CLIENT, visit->client_key, &testimony);
}

void watch_tell_burst(
	struct watch *watch,
	struct account *account,
	const struct visitor *visitor,
	double nats
) {
	uint64_t key = account->node.key;
	if (episodes_find(watch->episodes, EPISODE_READER, key))
		return; // it is told
	struct activity activity;
	struct visit visit;
	recall(account, visitor, &activity, &visit);
	struct entity *entity = hear_copy(
		watch,
		&visit,
		(struct testimony){
			.since_min = visitor->first_min,
			.nats = nats,
			.old = visitor->old,
			.fresh = visitor->fresh,
		}
	);
	entity = entity ? entity : campaign_of(watch, &visit);
	if (entity && watch_tell_campaign(watch, &visit, visitor, entity))
		return;
	struct episode *episode
		= get_episode(watch, EPISODE_READER, key, visitor->first_min * MINUTE_NS);
	uint32_t size = text_burst(watch, &visit, visitor, nats, &episode->alert);
	episode_tell(watch->episodes, episode, size, false, watch->now_ns);
	table_touch(&watch->accounts, account);
	account->flags |= ACCOUNT_ALARMED;
	forget_evidence(account);
}

void watch_tell_cold(struct watch *watch, const struct visit *visit, double nats) {
	struct entity *entity = hear_copy(
		watch,
		visit,
		(struct testimony){
			.since_min = visit->min,
			.nats = nats,
			.old = visit->account->today_old,
		}
	);
	entity = entity ? entity : campaign_of(watch, visit);
	if (!entity || !watch_tell_campaign(watch, visit, NULL, entity))
		watch_tell_deed(watch, visit, DEED_COLD, "", nats);
}

void watch_tell_wave(
	struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n
) {
	// What changes in one week is one change: an upgrade has a grammar on each system.
	uint64_t what = kind == ENTITY_KINDS ? 2 : 1;
	struct episode *episode = get_episode(watch, EPISODE_WAVE, what, visit->time_ns);
	episode->silence_ns = WAVE_SILENCE_NS;
	n = n > episode->size ? n : episode->size;
	text_wave(watch, visit, kind, n, &episode->alert);
	episode_tell(watch->episodes, episode, n, false, watch->now_ns);
}

// What to say first where several say the same: a network with several addresses, else its one address.
static int plainness(const struct entity *entity) {
	switch (entity->kind) {
	case ENTITY_NET:
		return entity->n_ips > 1 ? 3 : 1;
	case ENTITY_IP:
		return 2;
	default:
		return 0;
	}
}

static bool is_wider(const struct entity *entity, const struct entity *than) {
	uint64_t messages = (uint64_t)entity->old + entity->fresh;
	uint64_t of_than = (uint64_t)than->old + than->fresh;
	if (entity->n_suspect != than->n_suspect)
		return entity->n_suspect > than->n_suspect;
	if (messages != of_than)
		return messages > of_than;
	return plainness(entity) > plainness(than);
}

// Of the visit's entities that belong to the campaign told by first, the one with the most accounts and messages.
static struct entity *widest_of(struct entity *found[], int n_found, struct entity *first) {
	struct entity *widest = NULL;
	for (int i = 0; i < n_found; i++)
		if (found[i]->campaign == first->node.key
		    && (!widest || is_wider(found[i], widest)))
			widest = found[i];
	return widest ? widest : first;
}

// Whether the account was listed already.
static bool list(struct entity *entity, uint64_t account) {
	uint32_t n = entity->n_listed < CAMPAIGN_LISTED ? entity->n_listed : CAMPAIGN_LISTED;
	for (uint32_t i = 0; i < n; i++)
		if (entity->accounts[i] == account)
			return true;
	entity->accounts[entity->n_listed++ % CAMPAIGN_LISTED] = account;
	return false;
}

// What the visit shows to be shared goes into the campaign's alert, each once.
static void list_shared(
	struct watch *watch,
	const struct visit *visit,
	uint64_t campaign,
	struct alert *alert
) {
	struct entity *found[ENTITY_KINDS];
	uint8_t mark = 1 + alert->episode.id % UINT8_MAX;
	int n = entities_of(watch, visit, found);
	for (int i = 0; i < n; i++) {
		struct entity *entity = found[i];
		if (entity->campaign != campaign || entity->n_suspect < 2
		    || entity->listed_in == mark
		    || !text_shared(alert, entity->kind, visit->activity))
			continue;
		table_touch(&watch->campaigns.entities, entity);
		entity->listed_in = mark;
	}
}

bool watch_tell_campaign(
	struct watch *watch,
	const struct visit *visit,
	const struct visitor *visitor,
	struct entity *entity
) {
	struct entity *told = campaign_of(watch, visit), *found[ENTITY_KINDS];
	entity = told ? told : entity;
	// A campaign that was closed has to show itself anew.
	if (!told && entity_nats(entity) < campaigns_threshold(&watch->campaigns))
		return false;
	// Whatever else these accounts share is the same campaign.
	int n_found = entities_of(watch, visit, found);
	for (int i = 0; i < n_found; i++)
		if (found[i]->n_suspect >= 2 && !found[i]->campaign) {
			table_touch(&watch->campaigns.entities, found[i]);
			found[i]->campaign = entity->node.key;
		}
	table_touch(&watch->campaigns.entities, entity);
	entity->campaign = entity->node.key;
	// Found by one address, it may go on through others: what is told is what most of it went through.
	struct entity *widest = widest_of(found, n_found, entity);
	if (widest->since_min > entity->since_min)
		widest->since_min = entity->since_min;
	uint64_t since_ns = widest->since_min * 60ull * 1000000000;
	struct episode *episode = get_episode(watch, EPISODE_CAMPAIGN, entity->node.key, since_ns);
	table_touch(&watch->campaigns.entities, widest);
	bool listed = list(entity, visit->account->node.key);
	list(widest, visit->account->node.key);
	bool grown = widest->n_suspect > episode->alert.campaign.size;
	// Who was in no campaign's alert yet is new, even where the entity has just listed him and another one is
	// what is told. So is who is not listed, unless he was and the list has come round.
	bool named = visit->account->flags & ACCOUNT_NAMED;
	bool is_new = !named || (!listed && entity->n_listed <= CAMPAIGN_LISTED);
	if (!named) {
		table_touch(&watch->accounts, visit->account);
		visit->account->flags |= ACCOUNT_NAMED;
	}
	list_shared(watch, visit, entity->node.key, &episode->alert);
	text_campaign(watch, visit, widest, &episode->alert);
	uint32_t size = widest->old + widest->fresh;
	bool urgent
		= (episode->told_size > 0 && (grown || is_new)) || goes_on(watch, episode, size);
	episode_tell(watch->episodes, episode, size, urgent, watch->now_ns);
	return true;
}
