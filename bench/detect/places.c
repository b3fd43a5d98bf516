// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where a device is at some hour, and what its software looks like then. Everything hangs on the
// account's number and the day alone, so that it needs no memory.

#include "sim_private.h"

static uint64_t draw(const struct sim *sim, const struct person *person, uint64_t what) {
	return rng_hash(sim->config->seed ^ PURPOSE_PLACE, person->number, what);
}

struct place place_office(const struct sim *sim, const struct person *person) {
	// Four addresses of the firewall, by building.
	return world_place(&sim->world, sim->org[person->org].office_net, 0, person->number % 4);
}

static struct place place_mobile(const struct sim *sim, const struct person *person, uint16_t day);

struct place place_home(const struct sim *sim, const struct person *person, uint16_t day) {
	uint32_t epoch = (day + person->number % 61u) / person->home_period;
	uint64_t at = draw(sim, person, 1000 + epoch);
	struct place place;

	if (person->mobile_only)
		return place_mobile(sim, person, day);
	// An address that changes each day comes from the provider's whole pool, one that changes
	// with the month mostly from around the corner.
	if (person->home_period == 1)
		place = world_place(
			&sim->world, person->home_net, (uint32_t)at, (uint32_t)(at >> 32)
		);
	else
		place = world_place(
			&sim->world,
			person->home_net,
			person->home_index + (uint32_t)(at % 4),
			(uint32_t)(at >> 32)
		);
	if (person->home_v6) {
		place.v6 = true;
		place.ip = (uint32_t
		)draw(sim,
		      person,
		      2000 + (sim->config->population == SIM_ROAMING ? epoch : epoch / 4));
		place.host = (uint32_t)draw(sim, person, 3000 + day); // privacy extensions
	}
	return place;
}

static struct place place_mobile(const struct sim *sim, const struct person *person, uint16_t day) {
	uint64_t at = draw(sim, person, 40000 + day);
	struct rng rng = {at};

	if (rng_chance(&rng, person->mobile_novelty))
		return world_place_any(&sim->world, person->mobile_net, &rng);
	return world_place(
		&sim->world,
		person->mobile_net,
		(uint32_t)draw(sim, person, rng_below(&rng, 8)),
		(uint32_t)rng_next(&rng)
	);
}

static struct place place_trip(
	const struct sim *sim,
	const struct person *person,
	const struct span *trip,
	bool outside
) {
	struct rng rng = {draw(sim, person, 50000 + sim->day)};

	if (outside && trip->mobile)
		return world_place_any(&sim->world, trip->mobile, &rng);
	if (outside)
		return place_mobile(sim, person, sim->day);
	return world_place(&sim->world, trip->access, trip->index, trip->index >> 24);
}

static struct place
place_vpn(const struct sim *sim, const struct person *person, uint16_t day, int part) {
	struct rng rng = {draw(sim, person, 60000 + day * 4u + (uint64_t)part)};

	return world_place_any(&sim->world, person->vpn_net, &rng);
}

static bool is_vpn_day(const struct sim *sim, const struct person *person, uint16_t day) {
	return (person->traits & TRAIT_VPN) && draw(sim, person, 70000 + day) % 10 < 3;
}

struct place place_of(
	const struct sim *sim,
	const struct person *person,
	uint8_t index,
	uint16_t day,
	double hour
) {
	const struct device *device = &person->device[index];
	const struct span *span = person_span(person, day);
	bool at_work = hour >= 8 && hour < 17 && !day_is_weekend(day);

	if (device->kind == DEVICE_WEBMAIL) {
		const struct org *org = &sim->org[person->org];
		uint32_t moved = org->webmail_move && day >= org->webmail_move;
		return world_place(&sim->world, org->webmail_net, 1 + moved, 7);
	}
	if (device->client.software == SOFTWARE_CLOUD) {
		struct rng rng = {draw(sim, person, 80000 + day * 24u + (uint64_t)hour)};
		return world_place_any(&sim->world, person->cloud_net, &rng);
	}
	if (device->kind == DEVICE_OFFICE)
		return place_office(sim, person);
	if (is_vpn_day(sim, person, day))
		return place_vpn(sim, person, day, (int)hour / 6);
	if (span && span->kind == SPAN_TRIP && device->kind != DEVICE_HOME)
		return place_trip(
			sim, person, span, device->kind == DEVICE_PHONE && hour > 8 && hour < 19
		);
	if (device->kind != DEVICE_PHONE)
		return place_home(sim, person, day);
	if (at_work && person->wifi_at_work)
		return place_office(sim, person);
	if (at_work || (hour > 7 && hour < 19) || draw(sim, person, 90000 + day) % 10 < 2)
		return place_mobile(sim, person, day);
	return place_home(sim, person, day);
}

struct client
client_of(const struct sim *sim, const struct person *person, int index, uint16_t day) {
	const struct device *device = &person->device[index];
	const struct org *org = &sim->org[person->org];
	struct client client = device->client;

	// A release each 120 days reaches everybody within 60.
	client.version += (uint8_t)((day + 60u - device->release_phase) / 120);
	if (device->kind == DEVICE_WEBMAIL) {
		client.version = (uint8_t
		)(person->org % 3 + (org->webmail_move && day >= org->webmail_move));
		client.variant = (uint8_t)(person->org % 6);
	}
	if (device->kind == DEVICE_OFFICE && org->upgrade_day
	    && client.software == org->upgrade_software
	    && day >= org->upgrade_day + person->number % 3 && person->number % 10)
		client.version += 3, client.variant ^= 1;
	return client;
}

int device_main(const struct person *person, uint16_t day) {
	for (int i = 0; i < person->n_devices; i++)
		if (day >= person->device[i].from && day < person->device[i].to)
			return i;
	return 0;
}
