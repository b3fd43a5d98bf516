// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "watch_alert.h"

#include "watch_text.h"

#include <string.h>

static struct episode *get_episode(
	struct watch *watch,
	enum episode_kind kind,
	uint64_t subject,
	uint64_t since_ns
) {
	struct episode *episode = episodes_find(watch->episodes, kind, subject);
	if (episode)
		return episode;
	episode = episodes_open(
		watch->episodes, kind, subject, subject, since_ns, watch->now_ns
	);
	episode->silence_ns = WATCH_SILENCE_NS;
	return episode;
}

static void forget_evidence(struct account *account) {
	for (int i = 0; i < METERS; i++)
		meter_reset(&account->meters[i]);
}

// The told campaign that a visitor of the account belongs to, or NULL.
static struct entity *campaign_of(struct watch *watch, const struct visit *visit) {
	const struct {
		enum entity_kind kind;
		uint32_t value;
	} shared[] = {
		{ENTITY_CLIENT, visit->client_key},
		{ENTITY_IP, visit->ip},
		{ENTITY_NET, visit->net},
		{ENTITY_PROVIDER, visit->provider_id},
	};
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		struct entity *entity = campaigns_find(
			&watch->campaigns, shared[i].kind, shared[i].value
		);
		if (entity && entity->told
		    && episodes_find(watch->episodes, EPISODE_CAMPAIGN, entity->node.key))
			return entity;
	}
	return NULL;
}

void watch_tell_reader(
	struct watch *watch,
	const struct visit *visit,
	double nats,
	enum meter_id most
) {
	struct account *account = visit->account;
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
	episode_tell(watch->episodes, episode, size, false, watch->now_ns);
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

void watch_tell_burst(
	struct watch *watch,
	struct account *account,
	const struct visitor *visitor,
	enum deed deed,
	double nats
) {
	struct episode *episode
		= episodes_find(watch->episodes, EPISODE_READER, account->node.key);
	if (episode)
		return; // it is told
	uint64_t since_ns = visitor->first_min * 60ull * 1000000000;
	episode = get_episode(watch, EPISODE_READER, account->node.key, since_ns);
	uint32_t size = text_burst(watch, account, visitor, nats, &episode->alert);
	episode_tell(watch->episodes, episode, size, false, watch->now_ns);
	account->flags |= ACCOUNT_ALARMED;
	forget_evidence(account);
}

void watch_tell_wave(
	struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n
) {
	uint32_t value = kind == ENTITY_NET ? visit->net : visit->client_key;
	struct episode *episode = get_episode(watch, EPISODE_WAVE, value, visit->time_ns);
	text_wave(watch, visit, kind, n, &episode->alert);
	episode_tell(watch->episodes, episode, n, false, watch->now_ns);
}

bool watch_tell_campaign(
	struct watch *watch,
	const struct visit *visit,
	const struct visitor *visitor,
	struct entity *entity
) {
	if (!entity->told) {
		struct entity *other = campaign_of(watch, visit);
		if (other)
			entity = other;
	}
	uint64_t since_ns = entity->since_min * 60ull * 1000000000;
	struct episode *episode
		= get_episode(watch, EPISODE_CAMPAIGN, entity->node.key, since_ns);
	table_touch(&watch->campaigns.entities, entity);
	bool listed = false;
	uint32_t n = entity->n_listed < CAMPAIGN_LISTED ? entity->n_listed : CAMPAIGN_LISTED;
	for (uint32_t i = 0; i < n; i++)
		listed |= entity->accounts[i] == visit->account->node.key;
	if (!listed)
		entity->accounts[entity->n_listed++ % CAMPAIGN_LISTED] = visit->account->node.key;
	bool grown = entity->told && entity->n_suspect > episode->told_size;
	entity->told = true;
	text_campaign(watch, visit, entity, &episode->alert);
	episode_tell(
		watch->episodes,
		episode,
		entity->n_suspect,
		grown || !listed,
		watch->now_ns
	);
	return true;
}
