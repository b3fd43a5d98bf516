// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who stands behind an account: habits, devices, places, and what will happen to them in a year, by
// the parameters of DETECTION 4.1. Drawn once, from the seed and the account's number alone.

#pragma once

#include "world.h"

enum {
	PERSON_DEVICES_MAX = 6,
	PERSON_SPANS_MAX = 24,
	PERSON_CHANGES_MAX = 6,
	PERSON_OLD_DAYS = 30, // from this age on mail is old
};

enum device_kind {
	DEVICE_OFFICE, // a computer at work
	DEVICE_HOME,
	DEVICE_PHONE,
	DEVICE_LAPTOP, // goes along
	DEVICE_WEBMAIL, // the organisation's
};

struct device {
	uint8_t kind;
	struct client client;
	uint16_t from, to; // days; one that is replaced ends
	uint32_t resync; // messages it loads when it is new, 0: none
	bool headers_only; // loads bodies when they are read
	uint8_t release_phase; // of its updates
};

enum span_kind { SPAN_VACATION, SPAN_TRIP };

struct span {
	uint16_t from, to; // days, both included
	uint8_t kind;
	uint16_t access, mobile; // nets of a trip; mobile 0: the home carrier's roaming
	uint32_t index; // of the hotel's /24
};

enum trait {
	TRAIT_EXECUTIVE = 1 << 0,
	TRAIT_DIPLOMAT = 1 << 1,
	TRAIT_SHARED = 1 << 2, // a mailbox of several persons
	TRAIT_ROBOT = 1 << 3, // a role whose mail a program handles
	TRAIT_DELEGATED = 1 << 4, // an assistant reads along
	TRAIT_VPN = 1 << 5,
	TRAIT_CLOUD = 1 << 6,
	TRAIT_FETCHER = 1 << 7,
	TRAIT_CONNECTOR = 1 << 8,
	TRAIT_SPARSE = 1 << 9, // logs in now and then
	TRAIT_NEWCOMER = 1 << 10, // its account begins within the time simulated
};

struct person {
	uint32_t number, org;
	uint16_t traits;
	uint16_t begins; // day of the account's first mail; 0: long before
	double received, sent, sent_k; // a weekday
	double weekend; // share of a weekday
	double start_hour, end_hour; // of work
	double night_share; // of the phone's reading
	double refind; // old messages looked up, a day
	double typo;
	double activity; // chance of an active day for a sparse account
	uint8_t n_devices, n_spans, n_changes;
	struct device device[PERSON_DEVICES_MAX];
	struct span span[PERSON_SPANS_MAX];
	uint16_t change[PERSON_CHANGES_MAX]; // days of new passwords
	// Places.
	uint16_t home_net, mobile_net, vpn_net, cloud_net, fetch_net;
	uint32_t home_index, fetch_index;
	uint16_t home_period; // days an address at home lasts
	bool home_v6, wifi_at_work;
	bool mobile_only; // no access at home
	double mobile_novelty; // share of mobile days with a /24 not used before
	uint16_t fetch_from; // day its own fetcher begins
	uint16_t connector_from;
	uint32_t others[4]; // persons who share the mailbox, or the assistant
	uint8_t n_others;
	// State, one day after the other.
	uint32_t uidnext;
	uint32_t before[PERSON_OLD_DAYS + 1]; // UIDNEXT of the last days, a ring
	uint32_t uidvalidity;
	uint32_t last_used; // UIDNEXT when it was last read
};

// What holds for a whole organisation.
struct org {
	uint16_t office_net, webmail_net;
	bool ja4; // TLS handshakes are seen
	bool backup, backup_full; // a robot each night; once a week all mail again
	uint16_t backup_from;
	bool connectors;
	uint16_t connector_day, connector_vendor;
	uint16_t migration_day; // 0: none
	bool migration_resync; // the clients load all from a new server, else a tool reads the old one
	double migration_share;
	uint16_t upgrade_day;
	uint8_t upgrade_software;
	uint16_t webmail_move; // day webmail gets a new address
	uint16_t password_day; // everybody gets a new one
};

struct sim_config;

void person_draw(
	const struct sim_config *config,
	const struct world *world,
	const struct org *org,
	uint32_t number,
	uint32_t org_number,
	struct person *person
);
void org_draw(
	const struct sim_config *config,
	const struct world *world,
	uint32_t number,
	struct org *org
);
// The mail of one more day has come; returns how much.
uint32_t person_receive(const struct sim_config *config, uint16_t day, struct person *person);
// UIDs below it are old.
uint32_t person_old(const struct person *person, uint16_t day);
const struct span *person_span(const struct person *person, uint16_t day);
bool day_is_weekend(uint16_t day);
bool day_is_holiday(uint16_t day);
