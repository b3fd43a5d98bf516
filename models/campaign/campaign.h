// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Evidence across accounts. An entity is what several accounts' visitors share: an address, a network,
// a provider that few use, a client's grammar. Each account it visits gives it an e-value e_a (the
// visitor's own, from his first day on); together
//
//	E = mean over w of prod_a (1 - w + w e_a),   w in {.05, .2, .5}
//
// tolerates benign accounts among them, and is an e-value where the accounts are independent given the
// past. Those who use the same client or provider and give no reason for suspicion are in the product
// too, with e_a = 0: what an intruder shares with many of them is software or a service that they
// have from elsewhere, and says little; there the product with w = .5 alone has to suffice. An entity is a campaign when E reaches G / .1 for the G entities known: the first rejection of
// e-BH at a false discovery rate of 10 % under any dependence (Wang, Ramdas: JRSS B 2022).
//
// What more than 3 % of all active accounts take up on one day is no intruder's but the
// organisation's (a server moved, a backup appliance, an upgrade): one alert about the infrastructure,
// and from then on it makes nobody a stranger.

#pragma once

#include "alert.h"
#include "channel/fleet.h"
#include "table.h"

enum entity_kind {
	ENTITY_IP, // an address, or an IPv6 /64
	ENTITY_NET, // its /24 or /48
	ENTITY_PROVIDER,
	ENTITY_CLIENT, // command grammar, or ID and JA4
	ENTITY_KINDS,
	// A campaign that is told, with all who were read and whatever it goes through: what its alerts count.
	ENTITY_WHOLE,
};

enum {
	CAMPAIGN_MIN = 3, // accounts
	CAMPAIGN_LISTED = ALERT_RELATED_MAX,
	CAMPAIGN_DAYS = 45, // without a visit, and it is forgotten
	CAMPAIGN_NAMES = 1024, // keys that are remembered
	// New entities that one account brings in a day: whoever logs in to an account of his from a thousand
	// addresses displaces nobody else's.
	CAMPAIGN_BROUGHT_MAX = 16,
};

// Who took up a network or a client today.
struct adopted {
	struct table_node node;
	uint16_t day;
	uint16_t n; // on that day
	uint32_t users; // accounts, as far as it is remembered: a bit for the hash of each
};

// What one account's visitor has contributed.
struct edge {
	struct table_node node;
	float nats;
	uint32_t old, fresh; // bodies read
	uint32_t pad;
};

struct entity {
	struct table_node node;
	uint32_t value; // of the whole: opened_min
	uint8_t kind;
	uint8_t listed_in; // mark of the episode whose alert has it among what is shared; 0: none
	uint16_t day; // of the last visit
	uint64_t campaign; // key of the entity whose episode tells of it; 0: not told
	uint32_t since_min;
	float nats[3]; // ln of the product, for each w
	uint32_t n_accounts;
	uint32_t n_suspect; // with e_a > 1; of the whole: as many at least as are told
	uint32_t old, fresh;
	uint32_t n_ips;
	struct ip ips[8];
	uint32_t n_listed; // ever; a ring
	uint64_t accounts[CAMPAIGN_LISTED];
};

static_assert(sizeof(struct edge) % 8 == 0 && sizeof(struct entity) % 8 == 0);
static_assert(sizeof(struct adopted) % 8 == 0);

// An entity as it is named, and the key that this hashes to.
struct entity_name {
	uint64_t name, key; // name 0: none
};

struct campaigns {
	struct table adopted, entities, edges;
	struct entity_name *names; // CAMPAIGN_NAMES, not kept
};

// What an account's visitor has to say about an entity.
struct testimony {
	uint64_t account;
	uint32_t min, since_min; // now; his first visit
	double nats; // ln e_a so far
	uint32_t old, fresh;
	const struct ip *ip;
	uint32_t net; // of ip; 0: the users of an address or network do not count
	// Accounts that took the provider or client up, with or without suspicion; 0: not known. Those of an
	// address or network are counted here.
	uint32_t n_users;
};

size_t campaigns_memsize(size_t n_accounts);
void campaigns_init(
	struct campaigns *campaigns,
	size_t n_accounts,
	const uint64_t hash_key[2],
	void *memory
);
// An account took this up for the first time. Returns how many did today when that has just become a
// wave, else 0; the fleet then knows it as infrastructure.
uint32_t campaigns_adopt(
	struct campaigns *campaigns,
	struct fleet *fleet,
	enum entity_kind kind,
	uint32_t value,
	uint64_t account,
	uint16_t day
);
// Takes a testimony; the entity if it is a campaign now or was before and the account is new to it, says
// much more than before or has been read again; else NULL. Valid until the next call.
struct entity *campaigns_hear(
	struct campaigns *campaigns,
	enum entity_kind kind,
	uint32_t value,
	const struct testimony *testimony
);
// A bystander: this account uses the entity, if it is one, and gave no reason for suspicion so far; its
// e_a is 0.
void campaigns_acquit(
	struct campaigns *campaigns,
	enum entity_kind kind,
	uint32_t value,
	uint64_t account
);
// The campaign told of by the episode of first, as a whole; begun anew where that was opened at opened_min, 0: it was
// before. Other entities may be gone afterwards, but not first.
struct entity *
campaigns_whole(struct campaigns *campaigns, const struct entity *first, uint32_t opened_min);
// An account belongs to the whole by way of one of its entities, with what was read of it there. Whether it is
// new to it.
bool campaigns_join(
	struct campaigns *campaigns,
	struct entity *whole,
	const struct entity *entity,
	uint64_t account
);
// What the store has of them: the whole that the campaign's alerts have the id of, and an account's edge to it.
uint64_t campaigns_whole_key(uint64_t campaign);
uint64_t campaigns_member_key(const struct entity *whole, uint64_t account);
// The entity is the organisation's own: all that was held against it is forgotten.
void entity_forgive(struct campaigns *campaigns, struct entity *entity);
bool entity_is_campaign(const struct campaigns *campaigns, const struct entity *entity);
// ln E, and what it takes.
double entity_nats(const struct entity *entity);
double campaigns_threshold(const struct campaigns *campaigns);
// The entity if it is known; NULL: none.
struct entity *
campaigns_find(const struct campaigns *campaigns, enum entity_kind kind, uint32_t value);
