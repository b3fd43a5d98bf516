// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "person.h"

#include "sim_private.h"

enum { PURPOSE_PERSON = 1, PURPOSE_ORG, PURPOSE_MAIL };

// How populations differ, where DETECTION 4.1 says or assumes so.
static const struct habits {
	double weekend; // share of a weekday's use
	double sparse, webmail_only, diplomat, executive, office;
	double received; // a weekday, median
	double newcomers; // a year
	double mailbox; // messages, median
} habits[SIM_POPULATIONS] = {
	[SIM_MINISTRY] = {.08, .08, .15, .15, .10, .90, 40, .08, 6000},
	[SIM_UNIVERSITY] = {.35, .25, .40, 0, .03, .35, 20, .25, 2500},
	[SIM_PROVIDER] = {.65, .48, .40, 0, 0, 0, 12, .10, 1500},
	[SIM_OTHER] = {.80, .30, .25, .03, .04, .55, 18, .30, 900},
	[SIM_CAMPUS] = {.50, .50, .92, .02, .02, .10, 15, .35, 1200},
	[SIM_ROAMING] = {.85, .75, .10, 0, 0, 0, 8, .20, 700},
};

bool day_is_weekend(uint16_t day) {
	return day % 7 >= 5; // the first is a Monday
}

// Seven weekdays at the turn of the year, and single ones.
bool day_is_holiday(uint16_t day) {
	uint16_t of_year = day % 364;

	return of_year >= 352 || of_year == 91 || of_year == 116 || of_year == 123 || of_year == 181
		|| of_year == 264;
}

// ---- Organisations

static uint16_t day_in(struct rng *rng, const struct sim_config *config) {
	return (uint16_t)rng_below(rng, config->n_days);
}

// A day in the time after learning.
static uint16_t test_day(struct rng *rng, const struct sim_config *config) {
	return (uint16_t
	)(config->learning_days + rng_below(rng, config->n_days - config->learning_days));
}

void org_draw(
	const struct sim_config *config,
	const struct world *world,
	uint32_t number,
	struct org *org
) {
	struct rng rng = rng_of(config->seed, PURPOSE_ORG, number, 0);
	double years = config->n_days / 364.0;

	*org = (struct org){.office_net = world_office(world, number)};
	org->webmail_net = org->office_net;
	org->ja4 = rng_chance(&rng, sights[config->population].ja4);
	org->backup = rng_chance(&rng, .3);
	org->backup_full = rng_chance(&rng, .33);
	// One robot in five is new.
	org->backup_from = rng_chance(&rng, .2) ? test_day(&rng, config) : 0;
	if (rng_chance(&rng, years < 1 ? years : 1)) {
		org->migration_day = test_day(&rng, config);
		org->migration_resync = rng_chance(&rng, .5);
		org->migration_share = rng_between(&rng, .6, 1);
	}
	org->password_day = rng_chance(&rng, 2 * years) ? day_in(&rng, config) : 0;
	if (!config->hard)
		return;
	org->connectors = rng_chance(&rng, .5);
	org->connector_day = test_day(&rng, config);
	org->connector_vendor = (uint16_t)rng_below(&rng, WORLD_CONNECTOR_VENDORS);
	org->upgrade_day = rng_chance(&rng, 2 * years) ? test_day(&rng, config) : 0;
	org->upgrade_software = (uint8_t)rng_below(&rng, 2);
	org->webmail_move = rng_chance(&rng, years) ? test_day(&rng, config) : 0;
}

// ---- Persons

static void traits_draw(
	const struct sim_config *config,
	const struct org *org,
	struct rng *rng,
	struct person *p
) {
	const struct habits *h = &habits[config->population];
	double u = rng_unit(rng);

	if (u < .03)
		p->traits = TRAIT_SHARED;
	else if (u < .05)
		p->traits = TRAIT_ROBOT;
	else if (u < .05 + .95 * h->executive)
		p->traits = TRAIT_EXECUTIVE;
	if ((p->traits & TRAIT_EXECUTIVE) && rng_chance(rng, .05))
		p->traits |= TRAIT_DELEGATED;
	if (rng_chance(rng, h->diplomat))
		p->traits |= TRAIT_DIPLOMAT;
	if (rng_chance(rng, config->sparse > 0 ? config->sparse : h->sparse) && p->traits == 0)
		p->traits |= TRAIT_SPARSE;
	if (rng_chance(rng, h->newcomers * config->n_days / 364))
		p->traits |= TRAIT_NEWCOMER;
	if (!config->hard)
		return;
	if (rng_chance(rng, .06))
		p->traits |= TRAIT_VPN;
	if (rng_chance(rng, .08))
		p->traits |= TRAIT_CLOUD;
	if (rng_chance(rng, .015))
		p->traits |= TRAIT_FETCHER;
	if (org->connectors && rng_chance(rng, .02))
		p->traits |= TRAIT_CONNECTOR;
}

static void habits_draw(const struct sim_config *config, struct rng *rng, struct person *p) {
	const struct habits *h = &habits[config->population];
	double mail = config->mail > 0 ? config->mail : 1;

	p->received = rng_lognormal(rng, h->received * mail, .99);
	if (p->received > 1500)
		p->received = 1500;
	p->sent = rng_lognormal(rng, .69, .96);
	p->sent_k = rng_lognormal(rng, 1.6, .5);
	p->weekend = h->weekend * rng_between(rng, .3, 1.7);
	p->start_hour = rng_normal(rng, 8, .8);
	// A third of those who work in shifts begins in the afternoon, a third in the evening.
	if (config->population == SIM_OTHER)
		p->start_hour += 7.0 * rng_below(rng, 3) - 2;
	p->end_hour = p->start_hour + rng_normal(rng, 9, 1);
	// Night share: none for half of them, p90 9 %, p99 27 %.
	p->night_share = rng_chance(rng, .5) ? 0 : rng_exponential(rng, .045);
	p->refind = rng_between(rng, .2, 1);
	p->typo = rng_between(rng, .01, .03);
	p->activity = rng_pareto(rng, 1.0 / 180, .9, .2);
	// A few days a week.
	if (config->population > SIM_OTHER)
		p->activity = rng_between(rng, .15, .6);
	if (p->traits & TRAIT_ROBOT)
		p->night_share = .3, p->weekend = .9, p->refind = 0;
	p->uidnext = 1
		+ (uint32_t
		)rng_pareto(rng, 50 + rng_lognormal(rng, h->mailbox * mail, 1.1), 3, 300000);
	if (p->traits & TRAIT_NEWCOMER) {
		p->begins = test_day(rng, config);
		p->uidnext = 1;
	}
	p->uidvalidity = 1 + (uint32_t)rng_below(rng, 2000000000);
	p->last_used = p->uidnext;
	for (int i = 0; i <= PERSON_OLD_DAYS; i++) {
		double since = p->received * .7 * (PERSON_OLD_DAYS - i);
		p->before[i] = p->uidnext > since ? p->uidnext - (uint32_t)since : 1;
	}
}

static void roaming_draw(struct rng *rng, struct person *p) {
	p->mobile_only = rng_chance(rng, .4);
	p->home_v6 = rng_chance(rng, .7);
	p->home_period = rng_chance(rng, .7) ? 1 : p->home_period;
	p->wifi_at_work = false;
	p->mobile_novelty = rng_between(rng, .6, 1);
}

static void places_draw(const struct world *world, struct rng *rng, struct person *p) {
	p->home_net = world_net_between(rng, world->access_home, world->mobile_home);
	p->mobile_net = world_net_between(rng, world->mobile_home, world->access_abroad);
	// A diplomat in three is posted abroad.
	if ((p->traits & TRAIT_DIPLOMAT) && rng_chance(rng, .33)) {
		p->home_net = world_net_between(rng, world->access_abroad, world->mobile_abroad);
		p->mobile_net = world_net_between(rng, world->mobile_abroad, world->hosting);
	}
	p->vpn_net = world_net_between(rng, world->vpn, world->vpn_end);
	p->cloud_net = (uint16_t)(world->cloud + rng_below(rng, WORLD_CLOUD_VENDORS));
	p->fetch_net = world_net_between(rng, world->hosting, world->hosting_end);
	p->home_index = (uint32_t)rng_next(rng);
	p->fetch_index = (uint32_t)rng_next(rng);
	p->home_period = rng_chance(rng, .2) ? 1 : (uint16_t)rng_between(rng, 15, 60);
	p->home_v6 = rng_chance(rng, .15);
	p->wifi_at_work = rng_chance(rng, .5);
	p->mobile_novelty = rng_between(rng, .3, .6);
}

static uint8_t software_for(struct rng *rng, uint8_t kind) {
	double u = rng_unit(rng);

	switch (kind) {
	case DEVICE_PHONE:
		return u < .45 ? SOFTWARE_IPHONE : SOFTWARE_ANDROID;
	case DEVICE_WEBMAIL:
		return SOFTWARE_WEBMAIL;
	case DEVICE_OFFICE:
		return u < .6	 ? SOFTWARE_OUTLOOK
			: u < .9 ? SOFTWARE_THUNDERBIRD
				 : SOFTWARE_APPLE_MAIL;
	default:
		return u < .35	 ? SOFTWARE_OUTLOOK
			: u < .7 ? SOFTWARE_THUNDERBIRD
				 : SOFTWARE_APPLE_MAIL;
	}
}

static struct device *device_add(struct rng *rng, uint8_t kind, struct person *p) {
	if (p->n_devices == PERSON_DEVICES_MAX)
		return NULL;
	struct device *device = &p->device[p->n_devices++];

	*device = (struct device){.kind = kind, .to = UINT16_MAX};
	device->client.software = software_for(rng, kind);
	device->client.variant = (uint8_t)rng_below(rng, 6);
	device->client.version = (uint8_t)rng_below(rng, 5);
	device->release_phase = (uint8_t)rng_below(rng, 60);
	device->headers_only = kind == DEVICE_PHONE || kind == DEVICE_WEBMAIL
		|| (device->client.software == SOFTWARE_OUTLOOK && rng_chance(rng, .2));
	return device;
}

// What takes an old one's place, or comes beside it.
static void new_devices_draw(const struct sim_config *config, struct rng *rng, struct person *p) {
	uint32_t n = rng_poisson(rng, rng_between(rng, .25, .5) * config->n_days / 364);

	while (n-- > 0 && p->n_devices > 0 && p->n_devices < PERSON_DEVICES_MAX) {
		struct device *old = &p->device[rng_below(rng, p->n_devices)];
		uint8_t kind = old->kind;
		uint16_t day = day_in(rng, config);
		struct device *fresh;

		if (kind == DEVICE_WEBMAIL || day <= old->from + 2 || old->to != UINT16_MAX)
			continue;
		fresh = device_add(rng, kind, p);
		fresh->from = day;
		fresh->resync = (uint32_t)rng_pareto(rng, 500, 1.2, 50000);
		if (rng_chance(rng, .75))
			old->to = (uint16_t)(day + rng_below(rng, 4));
	}
}

static void devices_draw(const struct sim_config *config, struct rng *rng, struct person *p) {
	const struct habits *h = &habits[config->population];
	double u = rng_unit(rng);
	int n = u < .35 ? 1 : u < .8 ? 2 : u < .95 ? 3 : 4;
	bool roams = config->population == SIM_ROAMING && rng_chance(rng, .7);

	if (config->population == SIM_CAMPUS)
		n = u < .75 ? 1 : 2;

	if (p->traits & TRAIT_ROBOT) {
		device_add(rng, DEVICE_OFFICE, p)->client.software = SOFTWARE_FETCHER;
		return;
	}
	if (roams)
		device_add(rng, DEVICE_PHONE, p), n = u < .8 ? 1 : 3;
	else if (rng_chance(rng, h->webmail_only))
		device_add(rng, DEVICE_WEBMAIL, p);
	else
		device_add(rng, rng_chance(rng, h->office) ? DEVICE_OFFICE : DEVICE_HOME, p);
	if (n > 1 || (p->traits & TRAIT_CLOUD))
		device_add(rng, DEVICE_PHONE, p);
	if (n > 2)
		device_add(rng, rng_chance(rng, .5) ? DEVICE_HOME : DEVICE_LAPTOP, p);
	if (n > 3)
		device_add(rng, DEVICE_PHONE, p);
	// Nearly everybody uses webmail now and then.
	if (p->device[0].kind != DEVICE_WEBMAIL && rng_chance(rng, roams ? .1 : .6))
		device_add(rng, DEVICE_WEBMAIL, p);
	if (p->traits & TRAIT_CLOUD)
		p->device[1].client.software = SOFTWARE_CLOUD, p->device[1].client.variant = 0;
	new_devices_draw(config, rng, p);
}

static void span_add(struct rng *rng, uint8_t kind, uint16_t day, int length, struct person *p) {
	if (p->n_spans < PERSON_SPANS_MAX)
		p->span[p->n_spans++] = (struct span){
			.kind = kind,
			.from = day,
			.to = (uint16_t)(day + length - 1),
			.index = (uint32_t)rng_next(rng),
		};
}

static void trip_draw(
	const struct sim_config *config,
	const struct world *world,
	struct rng *rng,
	struct person *p
) {
	bool abroad = rng_chance(rng, (p->traits & TRAIT_DIPLOMAT) ? .7 : .25);
	int length = 1 + (int)rng_poisson(rng, 3);
	uint16_t country = (uint16_t)rng_below(rng, WORLD_COUNTRIES - 1);
	struct span *span;

	span_add(rng, SPAN_TRIP, day_in(rng, config), length, p);
	span = &p->span[p->n_spans - 1];
	span->access = world_net_between(rng, world->access_home, world->mobile_home);
	if (!abroad)
		return;
	span->access = (uint16_t
	)(world->access_abroad + country + rng_below(rng, 3) * (WORLD_COUNTRIES - 1));
	if (rng_chance(rng, .5))
		span->mobile = (uint16_t)(world->mobile_abroad + country);
}

static void spans_draw(
	const struct sim_config *config,
	const struct world *world,
	struct rng *rng,
	struct person *p
) {
	double years = config->n_days / 364.0;
	double trips = 3 * ((p->traits & TRAIT_DIPLOMAT) ? 4 : 1) * years;
	uint32_t n = rng_poisson(rng, trips);

	for (uint32_t i = 0; i < n && i < 16; i++)
		trip_draw(config, world, rng, p);
	n = rng_poisson(rng, 2.5 * years);
	for (uint32_t i = 0; i < n && i < 8; i++)
		span_add(
			rng,
			SPAN_VACATION,
			day_in(rng, config),
			5 + (int)rng_poisson(rng, rng_chance(rng, .2) ? 12 : 4),
			p
		);
	n = rng_poisson(rng, 2 * years);
	for (uint32_t i = 0; i < n && i < PERSON_CHANGES_MAX; i++)
		p->change[p->n_changes++] = day_in(rng, config);
}

void person_draw(
	const struct sim_config *config,
	const struct world *world,
	const struct org *org,
	uint32_t number,
	uint32_t org_number,
	struct person *p
) {
	struct rng rng = rng_of(config->seed, PURPOSE_PERSON, number, 0);

	*p = (struct person){.number = number, .org = org_number};
	traits_draw(config, org, &rng, p);
	habits_draw(config, &rng, p);
	places_draw(world, &rng, p);
	if (config->population == SIM_ROAMING)
		roaming_draw(&rng, p);
	devices_draw(config, &rng, p);
	spans_draw(config, world, &rng, p);
	if (p->traits & TRAIT_FETCHER)
		p->fetch_from = rng_chance(&rng, .33) ? test_day(&rng, config) : 0;
	if (p->traits & TRAIT_CONNECTOR)
		p->connector_from = (uint16_t)(org->connector_day + rng_below(&rng, 21));
	if (p->traits & TRAIT_SHARED)
		p->n_others = (uint8_t)(2 + rng_below(&rng, 3));
	if (p->traits & TRAIT_DELEGATED)
		p->n_others = 1;
}

uint32_t person_old(const struct person *person, uint16_t day) {
	return person->before[(day + 1) % (PERSON_OLD_DAYS + 1)];
}

uint32_t person_receive(const struct sim_config *config, uint16_t day, struct person *p) {
	struct rng rng = rng_of(config->seed, PURPOSE_MAIL, p->number, day);
	double mean = p->received;
	uint32_t n;

	if (day < p->begins)
		return 0;
	if (day_is_weekend(day) || day_is_holiday(day))
		mean *= .15 + .4 * p->weekend;
	n = rng_nb(&rng, mean, 2);
	p->uidnext += n;
	p->before[day % (PERSON_OLD_DAYS + 1)] = p->uidnext;
	return n;
}

const struct span *person_span(const struct person *person, uint16_t day) {
	for (int i = 0; i < person->n_spans; i++)
		if (day >= person->span[i].from && day <= person->span[i].to)
			return &person->span[i];
	return NULL;
}
