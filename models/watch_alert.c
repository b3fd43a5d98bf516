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
		watch_tell_campaign(watch, visit, entity);
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
	struct campaigns *campaigns = &watch->campaigns;
	testimony.account = visit->account->node.key;
	testimony.min = visit->min;
	testimony.ip = &visit->activity->source.ip;
	// Others whose copies still wait for their owners are no bystanders: testimony.net stays 0.
	bool by_net = campaigns_hear(campaigns, ENTITY_NET, visit->net, &testimony), by_client;
	if (visit->with == CLIENT_OWN || fleet_is_shared(watch->fleet, visit->client_key)
	    || fleet_is_fetcher(watch->fleet, visit->client_key)) {
		by_client = false;
	} else {
		testimony.n_users = fleet_adopters(watch->fleet, visit->client_key);
		by_client = campaigns_hear(campaigns, ENTITY_CLIENT, visit->client_key, &testimony);
	}
	if (by_net)
		return campaigns_find(campaigns, ENTITY_NET, visit->net);
	return by_client ? campaigns_find(campaigns, ENTITY_CLIENT, visit->client_key) : NULL;
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
	if (entity && watch_tell_campaign(watch, &visit, entity))
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
	if (!entity || !watch_tell_campaign(watch, visit, entity))
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

// Whatever else these accounts share is the same campaign.
static void
link_entities(struct watch *watch, struct entity *found[], int n_found, struct entity *first) {
	for (int i = 0; i < n_found; i++)
		if (found[i]->n_suspect >= 2 && !found[i]->campaign) {
			table_touch(&watch->campaigns.entities, found[i]);
			found[i]->campaign = first->node.key;
		}
	table_touch(&watch->campaigns.entities, first);
	first->campaign = first->node.key;
}

// Those who were listed before the campaign was told, or before this entity was found to be of it.
static void join_listed(
	struct watch *watch,
	struct entity *whole,
	const struct entity *entity,
	struct alert *alert
) {
	uint32_t n = entity->n_listed < CAMPAIGN_LISTED ? entity->n_listed : CAMPAIGN_LISTED;
	for (uint32_t i = entity->n_listed - n; i < entity->n_listed; i++) {
		uint64_t key = entity->accounts[i % CAMPAIGN_LISTED];
		const struct account *account = table_peek(&watch->accounts, key);
		if (campaigns_join(&watch->campaigns, whole, entity, key) && account)
			text_name(alert, account->name);
	}
	for (uint32_t i = 0; i < entity->n_ips && i < 8; i++)
		text_ip(alert, &entity->ips[i]);
	// More than the list has.
	if (entity->n_suspect > CAMPAIGN_LISTED) {
		whole->old = entity->old > whole->old ? entity->old : whole->old;
		whole->fresh = entity->fresh > whole->fresh ? entity->fresh : whole->fresh;
	}
	if (entity->n_suspect > whole->n_suspect)
		whole->n_suspect = entity->n_suspect;
	if (entity->since_min < whole->since_min)
		whole->since_min = entity->since_min;
}

// The campaign has all whom any of its entities has, and its alert names them, whom is visited first. Whether he
// is new.
static bool
join(struct watch *watch,
     const struct visit *visit,
     struct entity *whole,
     struct entity *found[],
     int n_found,
     struct alert *alert) {
	bool is_new = false;
	table_touch(&watch->campaigns.entities, whole);
	for (int i = 0; i < n_found; i++)
		if (found[i]->campaign == whole->campaign)
			is_new |= campaigns_join(
				&watch->campaigns, whole, found[i], visit->account->node.key
			);
	for (int i = 0; i < n_found; i++)
		if (found[i]->campaign == whole->campaign)
			join_listed(watch, whole, found[i], alert);
	if (whole->n_accounts > whole->n_suspect)
		whole->n_suspect = whole->n_accounts;
	text_name(alert, visit->activity->account);
	text_ip(alert, &visit->activity->source.ip);
	return is_new;
}

bool watch_tell_campaign(struct watch *watch, const struct visit *visit, struct entity *entity) {
	struct entity *told = campaign_of(watch, visit), *found[ENTITY_KINDS];
	entity = told ? told : entity;
	// A campaign that was closed has to show itself anew.
	if (!told && entity_nats(entity) < campaigns_threshold(&watch->campaigns))
		return false;
	uint64_t key = entity->node.key;
	struct episode *episode
		= get_episode(watch, EPISODE_CAMPAIGN, key, entity->since_min * 60ull * 1000000000);
	struct alert *alert = &episode->alert;
	bool is_first = alert->episode.sequence == 0;
	struct entity *whole = campaigns_whole(
		&watch->campaigns, entity, is_first ? watch->now_ns / MINUTE_NS : 0
	);
	int n_found = entities_of(watch, visit, found);
	link_entities(watch, found, n_found, entity);
	// Found by one address, it may go on through others: what is told is what most of it went through.
	struct entity *widest = widest_of(found, n_found, entity);
	bool is_new = join(watch, visit, whole, found, n_found, alert);
	bool grown = whole->n_suspect > alert->campaign.size;
	list_shared(watch, visit, key, alert);
	text_campaign(watch, visit, whole, widest, alert);
	uint32_t size = whole->old + whole->fresh;
	bool urgent
		= (episode->told_size > 0 && (grown || is_new)) || goes_on(watch, episode, size);
	episode_tell(watch->episodes, episode, size, urgent, watch->now_ns);
	return true;
}

// ---- What turns out to be the organisation's own

// The entity is that, or all that is known of it came from there.
static bool is_ours(const struct watch *watch, const struct entity *entity) {
	uint32_t n = entity->n_ips < 8 ? entity->n_ips : 8, n_ours = 0;
	if (entity->kind == ENTITY_WHOLE)
		return false;
	if ((entity->kind == ENTITY_NET || entity->kind == ENTITY_CLIENT)
	    && fleet_is_shared(watch->fleet, entity->value))
		return true;
	for (uint32_t i = 0; i < n; i++)
		n_ours += fleet_is_shared(watch->fleet, visit_net(&entity->ips[i]));
	return n > 0 && n_ours == n;
}

static struct entity *entity_at(const struct watch *watch, uint32_t slot) {
	struct table_node *node = table_at(&watch->campaigns.entities, slot);
	return node->used ? (struct entity *)node : NULL;
}

// Something of the campaign was the organisation's own, and of the rest nothing makes a campaign by itself.
static bool is_over(const struct watch *watch, uint64_t campaign) {
	bool is_forgiven = false;
	for (uint32_t i = 0; i < watch->campaigns.entities.n; i++) {
		const struct entity *entity = entity_at(watch, i);
		if (!entity || entity->campaign != campaign || entity->kind == ENTITY_WHOLE)
			continue;
		if (entity_is_campaign(&watch->campaigns, entity))
			return false;
		is_forgiven |= entity->n_accounts == 0;
	}
	return is_forgiven;
}

void watch_tell_ours(
	struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n
) {
	for (uint32_t i = 0; i < watch->campaigns.entities.n; i++) {
		struct entity *entity = entity_at(watch, i);
		if (entity && is_ours(watch, entity))
			entity_forgive(&watch->campaigns, entity);
	}
	for (uint32_t i = 0; i < watch->campaigns.entities.n; i++) {
		const struct entity *whole = entity_at(watch, i);
		if (!whole || whole->kind != ENTITY_WHOLE)
			continue;
		struct episode *episode
			= episodes_find(watch->episodes, EPISODE_CAMPAIGN, whole->campaign);
		if (!episode || !is_over(watch, whole->campaign))
			continue;
		text_campaign_over(watch, visit, kind, n, &episode->alert);
		episodes_close(watch->episodes, episode, watch->now_ns);
	}
}
