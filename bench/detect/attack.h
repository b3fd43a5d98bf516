// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The intruders: who is attacked, by which campaign, from where, with what, and what they do each day.

#pragma once

#include "simulate.h"
#include "world.h"

enum {
	SPRAY_DAYS = 14,
	DRIP_DAYS = 21,
	POOL_SIZE = 1000,
	POOL_CHURN = 20, // addresses a day
	CROSS_MAX = 8, // mailboxes that one hijacked account reads
};

// How one campaign works, drawn once.
struct campaign {
	struct sim_campaign truth;
	uint64_t seed;
	uint8_t source, software; // of attack.c, never ANY
	uint16_t net[3];
	uint32_t tool;
	bool hides_id, examines, scattered;
};

// One attack as it goes.
struct attack {
	struct sim_attack truth;
	uint16_t from, to; // days of reading
	uint16_t next_day; // of the next session, where they are irregular
	uint32_t last_uidnext; // what the intruder has seen of new mail
	uint32_t cursor; // where he reads on
	uint32_t sink;
	bool hands_over; // reads from elsewhere than he entered
	uint8_t n_others;
	uint32_t others[CROSS_MAX];
};

struct attacks {
	size_t n, n_campaigns;
	struct attack *attack;
	struct campaign *campaign;
	uint32_t *of_account; // index of the attack, or SIM_NO_ATTACK
	uint32_t *spray_of; // campaign
	struct { // open addressing: addresses used by campaigns
		uint64_t key; // 0: free
		uint32_t campaign;
		struct ip ip;
	} * ip;
	size_t n_ips, n_ips_max;
};

struct sim;
struct event;

// 0, or −1 without memory. After the persons are drawn.
int attacks_open(struct sim *sim);
void attacks_day(struct sim *sim);
// What an event of an attack did, for the truth.
void attacks_note(
	struct sim *sim,
	const struct event *event,
	const struct activity *activity,
	uint32_t n_old
);
void attacks_close(struct attacks *attacks);
