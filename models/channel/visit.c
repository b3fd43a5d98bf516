// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "channel/visit.h"

#include "hash.h"

#include <string.h>
#include <strings.h>

enum {
	TOGETHER_MIN = 30, // minutes between two clients at one place that makes them companions
	SETTLED_DAYS = 14, // of an account's life before somebody can be a stranger
	NO_COMMITS_DAYS = 14, // active days without any commitment: this owner only reads
	PROOF_DAYS = 28, // in which what was always there shows a commitment, if it is its owner's
	PROOF_BULK = 100, // old bodies in one activity: a program copies
};

#define MINUTE_NS (60ull * 1000000000)
#define DAY_MINUTES 1440
#define NO_ASN 0x80000000u // a provider known by its prefix alone

static uint32_t short_hash(const void *data, size_t size) {
	return (uint32_t)hash_quick(data, size) | 1;
}

static uint32_t prefix_hash(const struct ip *ip, uint8_t bytes) {
	// No prefix is longer than eight bytes: 16 of address, family, length.
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	const unsigned unused = 8 * (8 - bytes);
	uint64_t words[3] = {0};
	memcpy(&words[0], ip->addr, sizeof(words[0]));
	words[0] &= little ? UINT64_MAX >> unused : UINT64_MAX << unused;
	const uint8_t end[] = {ip->family, bytes};
	memcpy(&words[2], end, sizeof(end));
	return short_hash(words, 2 * sizeof(words[0]) + sizeof(end));
}

uint32_t visit_ip(const struct ip *ip) {
	return prefix_hash(ip, ip->family == 4 ? 4 : 8);
}

uint32_t visit_net(const struct ip *ip) {
	return prefix_hash(ip, ip->family == 4 ? 3 : 6);
}

uint32_t visit_provider(const struct activity *activity) {
	const struct ip *ip = &activity->source.ip;
	if (activity->source.asn)
		return activity->source.asn & ~NO_ASN;
	return prefix_hash(ip, ip->family == 4 ? 2 : 4) | NO_ASN;
}

static uint32_t text_hash(const char *text, size_t size) {
	return text[0] ? short_hash(text, strnlen(text, size)) : 0;
}

// The ID up to its first digit: "Thunderbird ".
static uint32_t family_hash(const char id[96]) {
	size_t len = 0;
	while (len < 95 && id[len] && (id[len] < '0' || id[len] > '9'))
		len++;
	return len && id[0] ? short_hash(id, len) : 0;
}

// The grammar is what a client cannot help; ID and JA4 stand in for it where there is none. Of the ID
// what precedes the version: an update makes no stranger.
static uint32_t client_key(const struct activity *activity, uint32_t id, uint32_t ja4) {
	uint32_t words[] = {activity->client.grammar, 0, 0};
	if (activity->client.grammar == 0) {
		if (id == 0 && ja4 == 0)
			return 0;
		words[1] = id;
		words[2] = ja4;
	}
	return short_hash(words, sizeof(words));
}

// ---- What was done

static bool is_inbox(const struct activity_mailbox *mailbox) {
	const char *name = mailbox->name, *inbox = "inbox";
	size_t i = 0;
	while (i < 5 && (name[i] | 0x20) == inbox[i])
		i++;
	return i == 5 && !name[5];
}

// Mail to somebody he wrote to before is an owner's; a copy to a new address is anybody's. All are known
// once all were looked at.
static void take_sent(struct visit *visit) {
	const struct activity *activity = visit->activity;
	uint64_t to[ACTIVITY_SENT_MAX][ACTIVITY_RECIPIENTS_MAX];
	for (int i = 0; i < activity->n_sent && i < ACTIVITY_SENT_MAX; i++)
		for (int k = 0; k < activity->sent[i].n_to && k < ACTIVITY_RECIPIENTS_MAX; k++) {
			to[i][k] = account_address(activity->sent[i].to[k]);
			bool known = account_knows(visit->account, to[i][k]);
			visit->committed |= known;
			if (k == 0) {
				visit->known_to[i] = known;
				visit->to[i] = to[i][k];
			}
		}
	if (activity->ambiguous)
		return;
	for (int i = 0; i < activity->n_sent && i < ACTIVITY_SENT_MAX; i++)
		for (int k = 0; k < activity->sent[i].n_to && k < ACTIVITY_RECIPIENTS_MAX; k++)
			account_wrote(visit->account, to[i][k]);
}

struct mailbox *visit_mailbox(const struct visit *visit, const struct activity_mailbox *seen) {
	return visit->activity->ambiguous ? account_find_mailbox(visit->account, seen)
					  : account_get_mailbox(visit->account, seen, visit->day);
}

static void take_mailbox(struct visit *visit, const struct activity_mailbox *seen) {
	struct mailbox *mailbox = visit_mailbox(visit, seen);
	uint32_t old = mailbox_old(mailbox, seen);
	visit->old += old;
	visit->fresh += seen->n_bodies > old ? seen->n_bodies - old : 0;
	visit->headers += seen->n_headers;
	visit->kib += seen->bytes / 1024 < UINT32_MAX / 8 ? seen->bytes / 1024 : UINT32_MAX / 8;
	visit->searched |= seen->search.text || seen->search.header;
	if (seen->n_bodies && !seen->examine)
		visit->read_only = false;
	if (seen->append && is_inbox(seen))
		visit->inbox_appends += seen->append;
	visit->committed |= seen->store || seen->move || seen->copy || seen->expunge
		|| (seen->append && !is_inbox(seen));
}

// The server has numbered a mailbox anew within days: its own clients load all of it again, where they are
// at home. An intruder may well have the same software, and comes from elsewhere; but where the server did so
// to many, those who do it from elsewhere on the very day are owners who travel.
static bool is_resync(const struct visit *visit, const struct fleet *fleet) {
	uint16_t since = visit->account->renumbered_day;
	if (since == 0 || visit->day > since + RENUMBERED_DAYS || visit->with != CLIENT_OWN)
		return false;
	return visit->at <= PLACE_PROVIDER || (visit->day == since && fleet_is_renumbering(fleet));
}

static void take_deeds(struct visit *visit, struct fleet *fleet) {
	const struct activity *activity = visit->activity;
	uint16_t before = visit->account->renumbered_day;
	visit->read_only = true;
	for (int i = 0; i < activity->n_mailboxes && i < ACTIVITY_MAILBOXES_MAX; i++)
		take_mailbox(visit, &activity->mailboxes[i]);
	if (visit->account->renumbered_day > before + RENUMBERED_DAYS)
		visit->n_renumbered = fleet_renumber(fleet);
	visit->resync = is_resync(visit, fleet);
	if (visit->old + visit->fresh == 0)
		visit->read_only = false;
	if (visit->resync)
		visit->old = 0;
	take_sent(visit);
}

// ---- How familiar it is

static bool ages(const struct fleet *fleet, const struct account *account) {
	return (account->committed_days == 0 && account->active_days >= NO_COMMITS_DAYS)
		|| fleet_is_ageing(fleet);
}

// There from the beginning: of all we have watched, or of the account's own first day.
static bool is_founder(
	const struct fleet *fleet,
	const struct account *account,
	const struct residence *residence
) {
	if (residence->days == 0)
		return false;
	if (residence->since == account->founded)
		return true;
	return account->founded < fleet->founded + FLEET_YOUNG
		&& residence->since < account->founded + FLEET_YOUNG;
}

// Most are founders, which is known at once.
static bool
resides(const struct fleet *fleet, const struct account *account, const struct residence *residence
) {
	return is_founder(fleet, account, residence)
		|| residence_is(residence, account->founded, ages(fleet, account));
}

static bool
knows_country(const struct fleet *fleet, const struct account *account, const char country[2]) {
	for (int i = 0; country[0] && i < ACCOUNT_PROVIDERS; i++) {
		const struct provider *provider = &account->providers[i];
		if (provider->id && memcmp(provider->country, country, 2) == 0
		    && resides(fleet, account, &provider->residence))
			return true;
	}
	return false;
}

static enum place_standing place_standing(const struct visit *visit, const struct fleet *fleet) {
	const struct account *account = visit->account;
	if (resides(fleet, account, &visit->place->residence) || fleet_is_shared(fleet, visit->net))
		return PLACE_HOME;
	if (resides(fleet, account, &visit->provider->residence))
		return PLACE_PROVIDER;
	return knows_country(fleet, account, visit->activity->source.country) ? PLACE_COUNTRY
									      : PLACE_STRANGE;
}

static enum client_standing client_standing(const struct visit *visit, const struct fleet *fleet) {
	if (!visit->client || resides(fleet, visit->account, &visit->client->residence)
	    || fleet_is_shared(fleet, visit->client_key))
		return CLIENT_OWN;
	const struct residence *residence = &visit->client->residence;
	return residence->days > 0 && residence->since < visit->day ? CLIENT_SEEN : CLIENT_NEW;
}

// Whoever was there when we began to look is at home. An intruder may have been: where the owner has shown commitments, a
// place or a program that has shown none in PROOF_DAYS is a stranger's again, as far as it reads old mail; but not the
// program of a colleague where others commit.
static void doubt_founders(struct visit *visit, const struct fleet *fleet) {
	const struct account *account = visit->account;
	if (visit->old == 0 || visit->old >= PROOF_BULK || visit->committed || fleet_is_young(fleet)
	    || visit->day < account->founded + PROOF_DAYS || ages(fleet, account)
	    || fleet_is_shared(fleet, visit->net) || fleet_is_shared(fleet, visit->client_key))
		return;
	const struct residence *client = visit->client ? &visit->client->residence : NULL;
	const struct residence *provider = &visit->provider->residence;
	if (client && client->commits == 0 && visit->with == CLIENT_OWN
	    && visit->place->residence.commits == 0) {
		visit->with = CLIENT_SEEN;
		visit->served = false;
	}
	if (provider->commits == 0 && visit->at < PLACE_COUNTRY) {
		visit->at = PLACE_COUNTRY;
		visit->served = false;
	}
	if (!visit_is_home(visit))
		visit->ip = visit_ip(&visit->activity->source.ip);
}

// Says by its ID that it is a client of this account, and behaves otherwise. A new version says so:
// another ID of the same family, or none, over the same TLS library.
static void compare_clients(struct visit *visit, const struct fleet *fleet) {
	if (visit->with == CLIENT_OWN || visit->activity->client.grammar == 0)
		return;
	for (int i = 0; i < ACCOUNT_CLIENTS; i++) {
		const struct client *client = &visit->account->clients[i];
		if (client->key == 0 || client->key == visit->client_key
		    || !resides(fleet, visit->account, &client->residence))
			continue;
		bool same_tls = client->ja4 == visit->ja4;
		if (visit->id && client->id == visit->id)
			visit->mismatch = true;
		else if (client->family == visit->family && same_tls && (visit->ja4 || visit->id))
			visit->upgraded = true;
	}
	if (visit->mismatch)
		visit->upgraded = false;
}

// Robots read all mail without ever being a person's: their reading is no habit of his and no alarm.
static bool is_served(const struct visit *visit, const struct fleet *fleet) {
	if (fleet_is_shared(fleet, visit->client_key) || fleet_is_shared(fleet, visit->net))
		return visit->read_only || visit->client == NULL
			|| !visit->client->residence.commits;
	return visit->client && visit->client->residence.commits == 0
		&& is_founder(fleet, visit->account, &visit->client->residence)
		&& !ages(fleet, visit->account);
}

// Who is always on the road has no network of his own, but his carrier, or at least his programs.
static bool is_settled(const struct visit *visit, const struct fleet *fleet) {
	const struct account *account = visit->account;
	if (fleet_is_young(fleet) || visit->day < account->founded + SETTLED_DAYS)
		return false;
	for (int i = 0; i < account->n_places; i++)
		if (resides(fleet, account, &account->places[i].residence))
			return true;
	for (int i = 0; i < ACCOUNT_PROVIDERS; i++)
		if (account->providers[i].id
		    && resides(fleet, account, &account->providers[i].residence))
			return true;
	for (int i = 0; i < ACCOUNT_CLIENTS; i++)
		if (account->clients[i].key
		    && resides(fleet, account, &account->clients[i].residence))
			return true;
	return false;
}

// ---- What it teaches

static void learn_together(struct visit *visit) {
	struct place *place = visit->place;
	if (visit->with != CLIENT_OWN || !visit->client)
		return;
	if (place->client && place->client != visit->client_key
	    && visit->min - place->last_min <= TOGETHER_MIN && place->residence.together < 255)
		place->residence.together++;
	place->client = visit->client_key;
	place->last_min = visit->min;
}

// Told again as often as the fleet forgets half.
static void learn_client(struct visit *visit, struct fleet *fleet) {
	struct residence *residence = &visit->client->residence;
	bool new_day = residence_visit(residence, visit->day);
	if (visit->committed)
		residence_commit(residence, visit->day);
	if (!new_day || residence->days % FLEET_HALVED_DAYS != FLEET_FETCHER_DAYS)
		return;
	if (residence->commits || is_founder(fleet, visit->account, residence))
		fleet_fetch(fleet, visit->client_key, residence->commits > 0);
}

static void learn(struct visit *visit, struct fleet *fleet) {
	struct account *account = visit->account;
	bool new_provider = visit->provider->residence.days == 0;
	if (new_provider)
		fleet_adopt(fleet, visit->provider_id);
	if (visit->new_client)
		fleet_adopt(fleet, visit->client_key);
	learn_together(visit);
	account_visit_place(account, visit->place, visit->day, visit->at >= PLACE_COUNTRY);
	residence_visit(&visit->provider->residence, visit->day);
	if (visit->client)
		learn_client(visit, fleet);
	account->last_min = visit->min;
	if (visit->committed) {
		visit->vouches = visit->with == CLIENT_OWN && visit->client
			&& (visit->place->residence.commits == 0
			    || visit->place->residence.commit_last < visit->day);
		residence_commit(&visit->place->residence, visit->day);
		residence_commit(&visit->provider->residence, visit->day);
		if (account->commit_day != visit->day) {
			account->commit_day = visit->day;
			account->committed_days++;
			fleet->committed_days++;
		}
	}
	if (visit_is_home(visit)) {
		// However many records tell of one hour.
		if (account->resident_min / 60 != visit->min / 60)
			account_hour(account, visit->weekend, visit->hour);
		account->resident_min = visit->min;
		if (visit->inbox_appends)
			account->flags |= ACCOUNT_FILES;
	}
}

void visit_take(
	struct visit *visit,
	struct fleet *fleet,
	struct account *account,
	const struct activity *activity,
	uint64_t time_ns
) {
	uint32_t min = time_ns / MINUTE_NS;
	*visit = (struct visit){
		.activity = activity,
		.account = account,
		.time_ns = time_ns,
		.min = min,
		.day = min / DAY_MINUTES,
		.hour = min % DAY_MINUTES / 60,
		.weekend = (min / DAY_MINUTES + 4) % 7 % 6 == 0, // 1 January 1970 was a Thursday
		.net = visit_net(&activity->source.ip),
		.provider_id = visit_provider(activity),
		.id = text_hash(activity->client.id, sizeof(activity->client.id)),
		.ja4 = text_hash(activity->client.ja4, sizeof(activity->client.ja4)),
	};
	// A day that is over stays over, whatever comes late.
	if (visit->day < account->day)
		visit->day = account->day;
	if (activity->client.grammar == 0)
		visit->family = family_hash(activity->client.id);
	visit->client_key
		= client_key(activity, visit->family ? visit->family : visit->id, visit->ja4);
	visit->place = account_get_place(account, visit->net);
	visit->provider = account_get_provider(account, visit->provider_id);
	memcpy(visit->provider->country, activity->source.country, 2);
	visit->provider->network = activity->source.network;
	if (visit->client_key) {
		visit->client = account_get_client(account, visit->client_key);
		if (activity->client.grammar != 0)
			visit->family = visit->id && visit->client->id == visit->id
				? visit->client->family
				: family_hash(activity->client.id);
		visit->client->id = visit->id ? visit->id : visit->client->id;
		visit->client->family = visit->family;
		visit->client->ja4 = visit->ja4 ? visit->ja4 : visit->client->ja4;
	}
	visit->at = place_standing(visit, fleet);
	visit->with = client_standing(visit, fleet);
	if (!visit_is_home(visit))
		visit->ip = visit_ip(&activity->source.ip);
	visit->settled = is_settled(visit, fleet);
	compare_clients(visit, fleet);
	visit->new_net = visit->place->residence.days == 0;
	visit->new_client = visit->client && visit->client->residence.days == 0;
	take_deeds(visit, fleet);
	visit->served = is_served(visit, fleet);
	doubt_founders(visit, fleet);
	if (!activity->ambiguous)
		learn(visit, fleet);
}

bool visit_hides(const struct visit *visit) {
	uint8_t network = visit->activity->source.network;
	return network == NETWORK_HOSTING || network == NETWORK_VPN || network == NETWORK_TOR;
}
