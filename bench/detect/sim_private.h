// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the files of the simulator share: the population's whole state and the day in the making.

#pragma once

#include "attack.h"
#include "event.h"
#include "simulate.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

enum sim_purpose { // of random streams; 1 to 9 are person.c's
	PURPOSE_DAY = 10,
	PURPOSE_DEVICE,
	PURPOSE_ROBOTS,
	PURPOSE_NOISE,
	PURPOSE_ATTACK,
	PURPOSE_ATTACK_DAY,
	PURPOSE_PLACE,
	PURPOSE_CONTACTS,
};

enum cause {
#define CAUSE(symbol, name) CAUSE_##symbol,
#include "cause.def"
#undef CAUSE
	CAUSES,
};

// What the sensor of a population sees.
struct sight {
	bool grammar, dates, passwords, refusals;
	double ja4; // share of organisations whose TLS handshakes are seen
};

extern const struct sight sights[SIM_POPULATIONS];

struct events {
	size_t n, n_max;
	struct event *event;
};

struct sim {
	const struct sim_config *config;
	struct world world;
	uint16_t day;
	uint32_t n_orgs;
	struct org *org;
	struct person *person;
	// The day in the making, and what of it falls into the next.
	struct events today, later;
	uint64_t n_sessions;
	struct { // order of today's events
		uint64_t time_ns;
		uint32_t index;
	} * order;
	size_t n_order_max;
	// Truth.
	struct sim_cause *cause;
	size_t n_causes, n_causes_max;
	struct attacks attacks;
	bool failed; // out of memory
};

// Local time is an hour ahead of UTC.
static inline uint64_t sim_time(uint16_t day, double hour) {
	return SIM_START_NS + day * SIM_DAY_NS + (uint64_t)((hour + 24 - 1) * SIM_HOUR_NS)
		- SIM_DAY_NS;
}

// A zeroed event of the account, with what every one has; NULL without memory. Valid until the next.
struct event *sim_event(
	struct sim *sim,
	uint32_t account,
	uint64_t time_ns,
	const struct place *place,
	const struct client *client
);
void sim_cause(struct sim *sim, uint32_t account, enum cause cause, uint16_t from, uint16_t to);

// Where a person's devices are (places.c).
struct place place_home(const struct sim *sim, const struct person *person, uint16_t day);
struct place place_office(const struct sim *sim, const struct person *person);
struct place place_of(
	const struct sim *sim,
	const struct person *person,
	uint8_t device,
	uint16_t day,
	double hour
);
// The client as it is on that day, with its updates.
struct client
client_of(const struct sim *sim, const struct person *person, int device, uint16_t day);
// What the person uses most on that day; its index.
int device_main(const struct person *person, uint16_t day);

void day_person(struct sim *sim, struct person *person, uint32_t n_new);
void day_robots(struct sim *sim, struct person *person, uint32_t n_new);
void day_noise(struct sim *sim);
// A sync of all or the newest n messages, some hundred a minute, from from_ns on.
void day_sync(
	struct sim *sim,
	struct person *person,
	uint64_t from_ns,
	const struct event *like,
	uint32_t n
);
