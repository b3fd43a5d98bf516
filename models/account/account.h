// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// All that is known of an account: where it is at home, with which clients, at what hours, how far
// its mailboxes were read, who visits it and does not belong there, and the running tests. Plain
// data without pointers and at most 2 KiB, so that the store can keep it as it is.
//
//   places      IPv4 /24 or IPv6 /48, and the providers (autonomous systems) around them
//   clients     by command grammar; where that is unknown, by ID and JA4
//   visitors    pairs of client and provider of which at least one is not resident
//   meters      one for each channel: today's score, own habits, the sequential test (meter.h)
//
// All tables inside are small and searched one by one. What is used least and not resident goes
// first when one is full.

#pragma once

#include "account/residence.h"
#include "activity.h"
#include "channel/meter.h"
#include "table.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ACCOUNT_NAME_SIZE = 96, // longer names are cut; the key is of the whole name
	ACCOUNT_PLACES = 10,
	ACCOUNT_PROVIDERS = 8,
	ACCOUNT_CLIENTS = 8,
	ACCOUNT_VISITORS = 5,
	ACCOUNT_MAILBOXES = 3,
	ACCOUNT_PAST = 4, // snapshots of UIDNEXT, one in ten days: 30 days and more
	ACCOUNT_VISITOR_NETS = 3,
	ACCOUNT_SINKS = 3,
	ACCOUNT_BLOOM = 64, // bytes: correspondents
	RENUMBERED_DAYS = 7, // in which clients load all of a mailbox anew
	ACCOUNT_OTHERS_BLOOM = 16, // bytes: other people's mailboxes that it reads
	// Raised with every change of struct account's layout: what the store has of an older one is learnt
	// anew, unless watch_parts() names a way to migrate it.
	ACCOUNT_LAYOUT = 3,
};

struct place {
	uint32_t net; // hash of the /24 or /48; 0: free
	uint32_t last_min; // … and when, in minutes since 1970
	uint32_t credit_min; // when it last spoke for its origin (failures)
	uint32_t client; // key of the resident client last seen there, for co-location …
	struct residence residence;
	uint16_t provider; // 16 bits of its hash
	bool believed; // a login was accepted there, and not as the fruit of guessing
	bool once; // counted in n_once
};

struct provider {
	uint32_t
		id; // autonomous system; without one a hash of the /16 or /32, highest bit set; 0: free
	struct residence residence;
	char country[2]; // zero: unknown
	uint8_t network; // enum activity_network
};

struct client {
	uint32_t key; // 0: free
	uint32_t id, ja4; // hashes; 0 unknown
	uint32_t family; // of the ID without its version
	struct residence residence;
};

#define VISITOR_AT_HOME 0xffffffffu

enum visitor_flags {
	VISITOR_COMMITTED = 1, // today
	VISITOR_SEARCHED = 2, // today: text or header searches
	VISITOR_WROTE = 4, // ever: not only EXAMINE and PEEK
	VISITOR_MISMATCH = 8, // ever: says it is a client it does not behave like
	VISITOR_TOLD = 16, // an alert has named it
	VISITOR_NEW_CLIENT = 32,
	VISITOR_FAR = 64, // the provider was unknown
	VISITOR_BULK = 128, // read so much at once that it is a burst, which is noted
};

// Line by line: who; since when; what it did in all; what it did today.
struct visitor {
	uint32_t client,
		provider; // client 0: unknown; provider 0: any, of a client that is not resident,
	// or VISITOR_AT_HOME: any of the account's own
	uint32_t first_min, last_min;
	uint32_t net[ACCOUNT_VISITOR_NETS];
	uint32_t last_net;
	uint8_t ip[16]; // the last
	uint8_t family;
	uint8_t n_nets; // different ones, as far as the list tells
	uint8_t flags; // enum visitor_flags
	uint8_t days, committed_days;
	uint8_t network; // enum activity_network
	char country[2];
	uint32_t asn;
	uint32_t grammar;
	uint32_t hours; // bit h: seen in that hour of a day (UTC)
	uint32_t old, fresh; // bodies read
	uint32_t kib;
	float nats; // of its days, added up: an e-process from its first day, for campaigns
	uint16_t day; // of what follows
	uint16_t today_old, today_fresh;
	uint16_t last_hour; // of today that he read in, plus one; 0: none yet
	float today_hours; // nats of its hours, summed
	uint16_t n_today_hours; // summed
	uint8_t score; // of today, quantised
	uint8_t taught; // days that it has taught the fleet
	uint8_t part[METER_PARTS]; // nats of the score by part, in METER_UNITs, the highest so far
};

struct mailbox {
	uint32_t name; // hash; 0: free
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint32_t past[ACCOUNT_PAST]; // UIDNEXT ten, twenty … days ago; 0: not known
	uint16_t past_day; // of past[0]
	uint16_t n_read; // bits set in read
	uint32_t span; // UIDs that the bits stand for
	uint8_t read[32]; // by visitors: which 256ths of the mail that was old then
};

// Somebody the account sends to and did not before.
struct sink {
	uint32_t address; // hash; 0: free
	uint16_t since, seen;
	uint16_t strange, messages; // sent by a stranger; all
	uint16_t unused;
};

struct account {
	struct table_node node;
	char name[ACCOUNT_NAME_SIZE];
	uint16_t founded; // first day
	uint16_t day; // up to which it is rolled; today
	uint16_t active_days;
	uint16_t committed_days, commit_day;
	uint8_t flags; // enum account_flags
	uint8_t n_places;
	uint32_t last_min; // of anything
	uint32_t resident_min; // of a resident
	uint32_t visits, n_once; // days at a place, summed; places seen on one day only
	uint32_t outcome_min; // when its outcome at home was last counted for the fleet
	float usual_old; // old bodies a day by residents, averaged over a month
	float usual_sent; // messages sent a day
	uint32_t today_old, today_home_old, today_sent;
	uint32_t doubt_min; // a doubtful login: somebody may have found the password; 0: none
	uint32_t deeds; // bits of enum deed done …
	uint16_t deeds_day; // … on that day
	uint16_t renumbered_day; // a mailbox got a new UIDVALIDITY
	uint8_t today_others; // other people's mailboxes opened for the first time
	uint32_t week; // up to which the meters' weeks are counted
	float peak; // highest evidence in the fortnight
	uint16_t peak_day; // in which it began
	struct place places[ACCOUNT_PLACES];
	struct provider providers[ACCOUNT_PROVIDERS];
	struct client clients[ACCOUNT_CLIENTS];
	struct visitor visitors[ACCOUNT_VISITORS];
	struct mailbox mailboxes[ACCOUNT_MAILBOXES];
	struct sink sinks[ACCOUNT_SINKS];
	struct meter meters[METERS];
	uint16_t hours_total;
	uint16_t hours[2][24]; // [weekend]: how often residents were seen
	uint8_t correspondents[2][ACCOUNT_BLOOM / 2]; // of late, and before
	uint8_t others[ACCOUNT_OTHERS_BLOOM];
};

enum account_flags {
	ACCOUNT_ALARMED = 1, // an episode about it is open
	ACCOUNT_ACTIVE = 2, // today
	ACCOUNT_NAMED = 4, // it was in the alert of a campaign
	ACCOUNT_FILES = 8, // its residents put messages into its inbox
};

static_assert(sizeof(struct account) <= 2048);
static_assert(sizeof(struct account) % 8 == 0);

// What all tables know an account by: the name in its normal form, ACCOUNT_SIZE at most, hashed.
uint64_t account_key(const char *name);
// Finds what is asked for, or NULL.
struct place *account_place(struct account *account, uint32_t net);
struct provider *account_provider(struct account *account, uint32_t id);
struct client *account_client(struct account *account, uint32_t key);
// The same, made when it is not there.
struct place *account_get_place(struct account *account, uint32_t net);
struct provider *account_get_provider(struct account *account, uint32_t id);
struct client *account_get_client(struct account *account, uint32_t key);
struct visitor *account_get_visitor(struct account *account, uint32_t client, uint32_t provider);

// What a mailbox is known by.
uint32_t mailbox_hash(const char *name, size_t size);
// The mailbox as an activity names it, brought up to date; made when it is not there.
struct mailbox *
account_get_mailbox(struct account *account, const struct activity_mailbox *seen, uint16_t day);
// UIDs below it were there 30 days ago, or when the mailbox was first seen. 0: not known.
uint32_t mailbox_old_limit(const struct mailbox *mailbox);
// Bodies read of messages older than 30 days: by their dates where those are known, else by UID.
uint32_t mailbox_old(const struct mailbox *mailbox, const struct activity_mailbox *seen);
// A visitor read these.
void mailbox_cover(struct mailbox *mailbox, const struct uid_ranges *bodies);

// Whether it wrote to that address before (a Bloom filter: now and then wrongly yes).
bool account_knows(const struct account *account, uint64_t address);
void account_wrote(struct account *account, uint64_t address);
// What it knows an address by.
uint64_t account_address(const char *address);

// A day of a place; counts for how often the account is at new places.
void account_visit_place(struct account *account, struct place *place, uint16_t day, bool strange);
// How unlikely a login from a new place is for the account itself, in nats: by Good and Turing
// (Biometrika 1953) the next visit is to a new place with the probability n_once / visits.
double account_novelty(const struct account *account);

// Residents were seen at this hour (0 … 23).
void account_hour(struct account *account, bool weekend, unsigned hour);
// How unlikely that hour is for its residents against any hour alike, in nats: -ln(24 p), smoothed;
// 0 while too little is known.
double account_hour_nats(const struct account *account, bool weekend, unsigned hour);
