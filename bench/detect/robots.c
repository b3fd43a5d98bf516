// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What programs do with accounts, innocently: backups, migrations, connectors, a user's own fetcher.
// And the noise of the internet: names and passwords tried by strangers, with no success.

#include "sim_private.h"

enum {
	SYNC_PER_MINUTE = 400, // a client's
	ROBOT_PER_MINUTE = 4000, // on a server's line
};

void day_sync(
	struct sim *sim,
	struct person *p,
	uint64_t from_ns,
	const struct event *like_,
	uint32_t n
) {
	struct event like = *like_; // it may stand in the list that grows
	uint32_t top = p->uidnext - 1, first = top > n ? top - n + 1 : 1;
	uint32_t per_minute = like.client.software == SOFTWARE_BACKUP
			|| like.client.software == SOFTWARE_MIGRATION
		? ROBOT_PER_MINUTE
		: SYNC_PER_MINUTE;

	for (uint64_t at = from_ns; first <= top; at += 60ull * 1000000000) {
		struct event *e = sim_event(sim, p->number, at, &like.place, &like.client);
		e->session = like.session;
		e->flags = like.flags & ~(EVENT_LOGIN | EVENT_END);
		e->attack = like.attack, e->campaign = like.campaign;
		e->first = first;
		e->n_bodies = top - first + 1 < per_minute ? top - first + 1 : per_minute;
		e->last = e->first + e->n_bodies - 1;
		e->size = 30000;
		first = e->last + 1;
	}
}

// One session of a program: what is new since yesterday, or all.
static void
visit(struct sim *sim,
      struct person *p,
      double hour,
      const struct place *place,
      uint8_t software,
      uint8_t variant,
      uint32_t n) {
	struct client client = {.software = software, .variant = variant};
	struct event *e = sim_event(sim, p->number, sim_time(sim->day, hour), place, &client);

	e->session = rng_hash(p->number, sim->day, software);
	e->flags = EVENT_LOGIN | EVENT_END | EVENT_EXAMINE | EVENT_PEEK;
	if (n > SYNC_PER_MINUTE) {
		e->flags &= (uint16_t)~EVENT_END;
		day_sync(sim, p, e->time_ns + 1000000000, e, n);
	} else if (n > 0 && p->uidnext > n) {
		e->first = p->uidnext - n, e->last = p->uidnext - 1;
		e->n_bodies = n;
		e->size = 30000;
	}
}

static void backup_day(struct sim *sim, struct person *p, const struct org *org, uint32_t n_new) {
	struct place robot = world_place(&sim->world, org->office_net, 3, 11);
	uint32_t n = n_new;

	if (!org->backup || sim->day < org->backup_from)
		return;
	if ((sim->day == org->backup_from && sim->day > 0)
	    || (org->backup_full && sim->day % 7 == 5))
		n = p->uidnext;
	visit(sim, p, 1 + 3.0 * (p->number % 1000) / 1000, &robot, SOFTWARE_BACKUP, 0, n);
	if (sim->day == org->backup_from && sim->day > 0)
		sim_cause(sim, p->number, CAUSE_BACKUP, sim->day, (uint16_t)(sim->day + 3));
}

// The mailbox moves on one of five days: a tool reads all of it, or the new server has new UIDs and
// every client loads all anew.
static void migration_day(struct sim *sim, struct person *p, const struct org *org) {
	struct rng rng = rng_of(sim->config->seed, PURPOSE_ROBOTS, p->number, 1);
	uint16_t day = (uint16_t)(org->migration_day + rng_below(&rng, 5));

	if (!org->migration_day || !rng_chance(&rng, org->migration_share) || sim->day != day)
		return;
	sim_cause(sim, p->number, CAUSE_MIGRATION, org->migration_day, (uint16_t)(day + 5));
	if (!org->migration_resync) {
		// From the new provider's network.
		uint16_t net = (uint16_t)(sim->world.hosting + p->org % 40);
		struct place tool = world_place(&sim->world, net, p->org, 30 + p->number % 2);
		visit(sim, p, rng_between(&rng, 0, 22), &tool, SOFTWARE_MIGRATION, 0, p->uidnext);
		return;
	}
	p->uidvalidity += 100;
	for (int i = 0; i < p->n_devices; i++) {
		struct device *device = &p->device[i];
		double hour = p->start_hour + 1;
		if (device->headers_only || sim->day < device->from || sim->day >= device->to)
			continue;
		struct place place = place_of(sim, p, (uint8_t)i, sim->day, hour);
		struct client client = client_of(sim, p, i, sim->day);
		struct event *e
			= sim_event(sim, p->number, sim_time(sim->day, hour), &place, &client);
		e->session = rng_next(&rng);
		e->flags = EVENT_LOGIN | EVENT_PEEK;
		day_sync(sim, p, e->time_ns + 1000000000, e, p->uidnext);
	}
}

static void
connector_day(struct sim *sim, struct person *p, const struct org *org, uint32_t n_new) {
	struct rng rng = rng_of(sim->config->seed, PURPOSE_ROBOTS, p->number, 100 + sim->day);
	uint16_t net = (uint16_t)(sim->world.connector + org->connector_vendor);

	if (!(p->traits & TRAIT_CONNECTOR) || sim->day < p->connector_from)
		return;
	// The first day some months of mail, then what comes, a few times a day.
	uint32_t n = sim->day == p->connector_from ? 50 + rng_below(&rng, 400) : n_new;
	struct place place = world_place(&sim->world, net, rng_below(&rng, 2), rng_below(&rng, 12));
	visit(sim,
	      p,
	      rng_between(&rng, 0, 23.5),
	      &place,
	      SOFTWARE_CONNECTOR,
	      (uint8_t)org->connector_vendor,
	      n);
}

static void fetcher_day(struct sim *sim, struct person *p, uint32_t n_new) {
	struct rng rng = rng_of(sim->config->seed, PURPOSE_ROBOTS, p->number, 1000 + sim->day);
	struct place server
		= world_place(&sim->world, p->fetch_net, p->fetch_index, p->fetch_index >> 16);

	if (!(p->traits & TRAIT_FETCHER) || sim->day < p->fetch_from)
		return;
	visit(sim,
	      p,
	      2 + p->number % 3 + rng_unit(&rng) * .1,
	      &server,
	      SOFTWARE_FETCHER,
	      (uint8_t)(p->number % 6),
	      sim->day == p->fetch_from && sim->day > 0 ? p->uidnext : n_new);
}

void day_robots(struct sim *sim, struct person *p, uint32_t n_new) {
	const struct org *org = &sim->org[p->org];

	if (sim->day < p->begins)
		return;
	backup_day(sim, p, org, n_new);
	migration_day(sim, p, org);
	connector_day(sim, p, org, n_new);
	fetcher_day(sim, p, n_new);
}

// One stranger in three tries a name that exists.
void day_noise(struct sim *sim) {
	struct rng rng = rng_of(sim->config->seed, PURPOSE_NOISE, sim->day, 0);
	uint32_t n = rng_poisson(&rng, sim->config->n_accounts * (sim->config->hard ? .04 : .01));

	for (uint32_t i = 0; i < n; i++) {
		uint16_t net = rng_chance(&rng, .3)
			? sim->world.tor
			: world_net_between(&rng, sim->world.access_abroad, sim->world.vpn);
		struct place place = world_place_any(&sim->world, net, &rng);
		struct client client
			= {.tool = 1 + rng_below(&rng, 5), .hides_id = true, .hides_ja4 = true};
		bool known = rng_chance(&rng, .33);
		uint32_t account = rng_below(&rng, sim->config->n_accounts);
		struct event *e = sim_event(
			sim, account, sim_time(sim->day, 24 * rng_unit(&rng)), &place, &client
		);
		e->flags = known ? EVENT_END : EVENT_END | EVENT_NOBODY;
		e->other = rng_below(&rng, 100000);
		e->failures = 1;
		e->password = rng_hash(rng_below(&rng, 1000), 1, 2) | 1;
		e->session = rng_next(&rng);
		e->ja4 = false;
	}
}
