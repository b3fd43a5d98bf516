// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "attack.h"

#include "sim_private.h"

#include <stdlib.h>
#include <string.h>

enum behaviour {
	FULL_SYNC,
	NIGHT,
	IRREGULAR,
	DAYTIME,
	SEARCH,
	SPRAY,
	DRIP,
	SIEVE,
	FORWARD,
	APPEND,
	CROSS,
	PARASITE,
	POISON,
	COLD,
	MALWARE,
	THROTTLED, // the whole mailbox, a share each day
	EBBING, // each day fewer
	TRICKLE, // a copy now and then
};

enum source {
	SOURCE_ANY,
	SOURCE_HOSTING, // three rented servers
	SOURCE_RESIDENTIAL, // a proxy in somebody's home in the victim's country, another each week
	SOURCE_SAME_PROVIDER, // … of the victim's provider, another each time
	SOURCE_ONE_ADDRESS,
	SOURCE_TEN_ADDRESSES, // in three networks
	SOURCE_POOL,
	SOURCE_VICTIMS, // the victim's computer itself
};

enum attack_software {
	SOFTWARE_ANY,
	SOFTWARE_TOOL,
	SOFTWARE_TOOL_EACH, // another for each victim
	SOFTWARE_CLAIMS_ID,
	SOFTWARE_CLAIMS_ID_JA4,
	SOFTWARE_VICTIMS,
};

struct scenario {
	const char *name;
	uint8_t behaviour;
	double n;
	uint16_t days_min, days_max;
	uint8_t source, software;
};

static const struct scenario catalogue[] = {
#define SCENARIO(name, behaviour, n, days_min, days_max, source, software)                         \
	{name, behaviour, n, days_min, days_max, SOURCE_##source, SOFTWARE_##software},
#include "attack.def"
#undef SCENARIO
};

static const struct scenario others[] = {
#define SCENARIO(name, behaviour, n, days_min, days_max, source, software)                         \
	{name, behaviour, n, days_min, days_max, SOURCE_##source, SOFTWARE_##software},
#include "other.def"
#undef SCENARIO
};

static const struct scenario *scenarios = catalogue;
static int n_scenarios = COUNT_OF(catalogue);

void sim_catalogue(uint8_t population) {
	bool other = population >= SIM_OTHER;

	scenarios = other ? others : catalogue;
	n_scenarios = other ? (int)COUNT_OF(others) : (int)COUNT_OF(catalogue);
}

int sim_scenarios(void) {
	return n_scenarios;
}

const char *sim_scenario_name(int scenario) {
	return scenarios[scenario].name;
}

// ---- Who, when, with what

static void campaign_draw(struct sim *sim, int scenario, uint16_t size, struct campaign *c) {
	struct rng rng = rng_of(
		sim->config->seed, PURPOSE_ATTACK, sim->attacks.n_campaigns, (uint64_t)scenario
	);
	const struct sim_config *config = sim->config;
	const struct world *world = &sim->world;
	// A month at least to be found in.
	int last = config->n_days - 35 > config->learning_days ? config->n_days - 35
							       : config->learning_days + 1;

	*c = (struct campaign){.truth = {.scenario = (uint8_t)scenario, .size = size}};
	c->seed = rng_next(&rng);
	c->truth.day = (uint16_t
	)(config->learning_days + rng_below(&rng, (uint32_t)(last - config->learning_days)));
	if (scenarios[scenario].days_min > 90)
		c->truth.day = (uint16_t)(config->learning_days + rng_below(&rng, 7));
	if (config->present)
		c->truth.day = 0;
	c->source = scenarios[scenario].source;
	if (c->source == SOURCE_ANY)
		c->source = config->hard && rng_chance(&rng, .6) ? SOURCE_RESIDENTIAL
								 : SOURCE_HOSTING;
	c->software = scenarios[scenario].software;
	if (c->software == SOFTWARE_ANY)
		c->software
			= config->hard && rng_chance(&rng, .5) ? SOFTWARE_VICTIMS : SOFTWARE_TOOL;
	for (int i = 0; i < 3; i++)
		c->net[i] = world_net_between(&rng, world->hosting, world->hosting_end);
	c->tool = (uint32_t)rng_next(&rng) | 0x80000000;
	c->hides_id = rng_chance(&rng, .7);
	c->examines = rng_chance(&rng, .5);
	c->scattered = rng_chance(&rng, .5);
}

static bool is_victim(const struct sim *sim, int behaviour, uint32_t account) {
	const struct person *p = &sim->person[account];
	bool newcomer = p->begins > 0 && p->begins + 30 < sim->config->n_days;

	if (sim->attacks.of_account[account] != SIM_NO_ATTACK || p->traits & TRAIT_ROBOT
	    || (sim->config->sparse > 0 && p->traits & TRAIT_SPARSE))
		return false;
	return behaviour == COLD ? newcomer : p->begins == 0;
}

// Somebody of the organisation not yet attacked, or SIM_NOBODY.
static uint32_t victim_pick(const struct sim *sim, struct rng *rng, int behaviour, uint32_t org) {
	uint32_t n = sim->config->n_accounts, any = SIM_NOBODY;

	for (uint32_t tries = 0, at = rng_below(rng, n); tries < n; tries++, at = (at + 1) % n) {
		if (!is_victim(sim, behaviour, at))
			continue;
		if (sim->person[at].org == org)
			return at;
		any = any == SIM_NOBODY ? at : any;
	}
	return any;
}

static void others_draw(struct sim *sim, struct rng *rng, uint32_t index, struct attack *a) {
	a->n_others = (uint8_t)(3 + rng_below(rng, CROSS_MAX - 2));
	for (int i = 0; i < a->n_others; i++) {
		a->others[i] = victim_pick(sim, rng, CROSS, sim->person[a->truth.account].org);
		if (a->others[i] == SIM_NOBODY) {
			a->n_others = (uint8_t)i;
			break;
		}
		sim->attacks.of_account[a->others[i]] = index;
	}
}

static void attack_draw(struct sim *sim, struct rng *rng, uint32_t number, uint32_t org) {
	const struct campaign *c = &sim->attacks.campaign[number];
	const struct scenario *s = &scenarios[c->truth.scenario];
	uint32_t index = (uint32_t)sim->attacks.n;
	struct attack *a = &sim->attacks.attack[index];
	uint32_t account = victim_pick(sim, rng, s->behaviour, org), days;

	if (account == SIM_NOBODY)
		return;
	*a = (struct attack){.truth = {account, number, c->truth.scenario}};
	days = s->days_min + rng_below(rng, s->days_max - s->days_min + 1u);
	a->from = (uint16_t)(c->truth.day + rng_below(rng, c->truth.size > 5 ? 14 : 4));
	if (s->behaviour == COLD)
		a->from = (uint16_t)(sim->person[account].begins + 1 + rng_below(rng, 13));
	if (s->behaviour == SPRAY)
		a->from = (uint16_t)(c->truth.day + 3 + rng_below(rng, 10));
	if (s->behaviour == DRIP)
		a->from = (uint16_t)(c->truth.day + 5 + rng_below(rng, DRIP_DAYS - 5));
	if (sim->config->present)
		a->from = (uint16_t)rng_below(rng, 4);
	a->to = sim->config->present ? sim->config->n_days : (uint16_t)(a->from + days);
	a->next_day = a->from;
	a->sink = (uint32_t)rng_next(rng);
	a->hands_over = rng_chance(rng, .31);
	sim->attacks.of_account[account] = index;
	sim->attacks.n++;
	if (s->behaviour == CROSS)
		others_draw(sim, rng, index, a);
}

// A spray goes over a share of all accounts, its victims among them.
static void spray_draw(struct sim *sim, struct rng *rng, uint32_t number, uint32_t share) {
	struct attacks *all = &sim->attacks;
	uint32_t n = (uint32_t)((uint64_t)sim->config->n_accounts * share / 1000);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t account = rng_below(rng, sim->config->n_accounts);
		if (all->spray_of[account] == SIM_NO_ATTACK)
			all->spray_of[account] = number;
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->attack[i].truth.campaign == number)
			all->spray_of[all->attack[i].truth.account] = number;
}

static bool is_chosen(const struct sim_config *config, int scenario) {
	if (config->only)
		return strcmp(config->only, scenarios[scenario].name) == 0;
	return config->n_parts < 2 || scenario % config->n_parts == config->part;
}

static void campaign_open(struct sim *sim, int scenario, uint16_t size) {
	uint32_t number = (uint32_t)sim->attacks.n_campaigns;
	struct campaign *c = &sim->attacks.campaign[number];
	struct rng rng;
	uint32_t org;

	campaign_draw(sim, scenario, size, c);
	rng = (struct rng){c->seed};
	org = rng_below(&rng, sim->n_orgs);
	for (int i = 0; i < size; i++)
		attack_draw(sim, &rng, number, org);
	if (scenarios[scenario].behaviour == SPRAY)
		spray_draw(sim, &rng, number, sim->config->spray_share);
	if (scenarios[scenario].behaviour == DRIP)
		spray_draw(sim, &rng, number, 2 * sim->config->spray_share);
	sim->attacks.n_campaigns++;
}

int attacks_open(struct sim *sim) {
	const struct sim_config *config = sim->config;
	struct attacks *all = &sim->attacks;
	size_t n = 0, n_sizes = 0;

	for (; n_sizes < COUNT_OF(config->campaign_sizes) && config->campaign_sizes[n_sizes];)
		n += config->campaign_sizes[n_sizes++];
	n *= (size_t)n_scenarios;
	all->attack = calloc(n + 1, sizeof(*all->attack));
	all->campaign = calloc((size_t)n_scenarios * n_sizes + 1, sizeof(*all->campaign));
	all->of_account = malloc(config->n_accounts * sizeof(*all->of_account));
	all->spray_of = malloc(config->n_accounts * sizeof(*all->spray_of));
	all->n_ips_max = 1 << 16;
	all->ip = calloc(all->n_ips_max, sizeof(*all->ip));
	if (!all->attack || !all->campaign || !all->of_account || !all->spray_of || !all->ip)
		return -1;
	memset(all->of_account, 0xff, config->n_accounts * sizeof(*all->of_account));
	memset(all->spray_of, 0xff, config->n_accounts * sizeof(*all->spray_of));
	for (int i = 0; config->attacks && i < sim_scenarios(); i++)
		for (size_t k = 0; is_chosen(config, i) && k < n_sizes; k++)
			campaign_open(sim, i, config->campaign_sizes[k]);
	return 0;
}

void attacks_close(struct attacks *attacks) {
	free(attacks->attack);
	free(attacks->campaign);
	free(attacks->of_account);
	free(attacks->spray_of);
	free(attacks->ip);
}

// ---- From where, with what

static struct place residential(const struct sim *sim, uint16_t net, uint64_t draw) {
	return world_place(&sim->world, net, (uint32_t)draw, (uint32_t)(draw >> 32));
}

static struct place attack_place(
	const struct sim *sim,
	const struct campaign *c,
	const struct attack *a,
	uint32_t stage // 1: where he entered, 0: where he reads
) {
	const struct person *p = &sim->person[a->truth.account];
	uint64_t of_victim = rng_hash(c->seed, p->number, stage), day = sim->day;
	uint64_t slot;

	switch (c->source) {
	case SOURCE_RESIDENTIAL:
		return residential(
			sim,
			(uint16_t)(sim->world.access_home + of_victim % WORLD_ACCESS_HOME),
			rng_hash(of_victim, day / 7, 1)
		);
	case SOURCE_SAME_PROVIDER:
		return residential(sim, p->home_net, rng_hash(of_victim, day, 2));
	case SOURCE_TEN_ADDRESSES:
		slot = rng_hash(of_victim, day, 3) % 10;
		return world_place(
			&sim->world,
			c->net[slot % 3],
			(uint32_t)(c->seed >> 8) + (uint32_t)slot,
			(uint32_t)(c->seed + slot)
		);
	case SOURCE_POOL:
		// Those that left the pool are the lowest numbers.
		slot = day * POOL_CHURN + rng_hash(of_victim, day, 4) % POOL_SIZE;
		slot = rng_hash(c->seed, slot, 5);
		return world_place(
			&sim->world,
			(uint16_t)(sim->world.hosting + slot % 40),
			(uint32_t)(slot >> 8),
			(uint32_t)(slot >> 40)
		);
	case SOURCE_VICTIMS:
		return place_of(sim, p, (uint8_t)device_main(p, sim->day), sim->day, 11);
	default:
		slot = c->source == SOURCE_ONE_ADDRESS ? 0 : day / 4 % 3;
		return world_place(
			&sim->world,
			c->net[0],
			(uint32_t)(c->seed >> 16),
			(uint32_t)(c->seed + slot + 100 * stage)
		);
	}
}

static struct client
attack_client(const struct sim *sim, const struct campaign *c, const struct attack *a) {
	const struct person *p = &sim->person[a->truth.account];
	struct client client = client_of(sim, p, device_main(p, sim->day), sim->day);

	// Webmail's software is no program one runs elsewhere.
	if (client.software == SOFTWARE_WEBMAIL)
		client = (struct client){.software = SOFTWARE_THUNDERBIRD, .version = 4};
	switch (c->software) {
	case SOFTWARE_VICTIMS:
		break;
	case SOFTWARE_TOOL_EACH:
		client.tool = (uint32_t)rng_hash(c->tool, p->number, 1) | 0x80000000;
		client.hides_id = client.hides_ja4 = true;
		break;
	case SOFTWARE_CLAIMS_ID_JA4:
		client.tool = c->tool;
		break;
	case SOFTWARE_CLAIMS_ID:
		client.tool = c->tool;
		client.hides_ja4 = true;
		break;
	default:
		client.tool = c->tool;
		client.hides_id = c->hides_id;
		client.hides_ja4 = true;
		if (!c->hides_id)
			client = (struct client
			){.software = SOFTWARE_FETCHER, .tool = c->tool, .hides_ja4 = true};
	}
	return client;
}

// ---- What he does

// One attack on one day.
struct deed {
	struct sim *sim;
	struct attack *a;
	const struct campaign *c;
	struct person *p;
	struct rng rng;
	struct place place;
	struct client client;
	uint64_t session, at_ns;
	bool logged_in;
};

static struct event *deed_event(struct deed *d) {
	struct event *e = sim_event(d->sim, d->p->number, d->at_ns, &d->place, &d->client);

	e->session = d->session;
	e->attack = (uint32_t)(d->a - d->sim->attacks.attack);
	e->campaign = d->a->truth.campaign;
	if (!d->logged_in)
		e->flags |= EVENT_LOGIN;
	d->logged_in = true;
	if (d->c->examines && d->client.tool)
		e->flags |= EVENT_EXAMINE;
	if (d->client.tool || d->client.software != SOFTWARE_WEBMAIL)
		e->flags |= EVENT_PEEK;
	d->at_ns += 60000000000 + rng_below(&d->rng, 120) * 1000000000ull;
	return e;
}

static void deed_session(struct deed *d, double hour) {
	d->session = rng_next(&d->rng);
	d->at_ns = sim_time(d->sim->day, hour);
	d->logged_in = false;
}

// n messages out of first … last: scattered, or one after the other from where he stopped.
static void read_range(struct deed *d, uint32_t first, uint32_t last, uint32_t n) {
	while (n > 0 && first <= last) {
		uint32_t part = n < ACTIVITY_RANGES_MAX ? n : ACTIVITY_RANGES_MAX;
		struct event *e = deed_event(d);

		if (part > last - first + 1)
			part = last - first + 1;
		e->n_bodies = part;
		e->size = (uint32_t)rng_lognormal(&d->rng, 25000, 1);
		if (d->c->scattered) {
			e->flags |= EVENT_SCATTERED;
			e->first = first, e->last = last;
		} else {
			// From the newest of them backwards.
			if (d->a->cursor < first + part || d->a->cursor > last)
				d->a->cursor = last + 1;
			d->a->cursor -= part;
			e->first = d->a->cursor, e->last = e->first + part - 1;
		}
		n -= part;
	}
}

static void read_old(struct deed *d, uint32_t n) {
	uint32_t old = person_old(d->p, d->sim->day);

	if (n > 0 && old > 1)
		read_range(d, 1, old - 1, n);
}

static void read_new(struct deed *d, uint32_t n_max) {
	struct attack *a = d->a;
	uint32_t top = d->p->uidnext;
	uint32_t from = a->last_uidnext ? a->last_uidnext : top > 30 ? top - 30 : 1;

	if (top > from && n_max > 0) {
		uint32_t n = top - from < n_max ? top - from : n_max;
		struct event *e = deed_event(d);
		e->first = top - n, e->last = top - 1;
		e->n_bodies = n;
		e->n_headers = top - from;
		e->size = 25000;
	}
	a->last_uidnext = top;
}

static double night_hour(struct deed *d) {
	// 22 to 05 h, of this calendar day.
	double hour = rng_between(&d->rng, 22, 29);

	return hour < 24 ? hour : hour - 24;
}

static void deed_read(struct deed *d, double n, double hour) {
	uint32_t whole = (uint32_t)n + rng_chance(&d->rng, n - floor(n));

	if (whole == 0)
		return;
	deed_session(d, hour);
	read_old(d, whole - whole / 5);
	read_new(d, whole / 5);
}

static void deed_sync(struct deed *d, double hour) {
	deed_session(d, hour);
	struct event *e = deed_event(d), like = *e;

	e->n_headers = 100;
	day_sync(d->sim, d->p, d->at_ns, &like, d->p->uidnext);
	d->a->last_uidnext = d->p->uidnext;
}

static void deed_irregular(struct deed *d) {
	if (d->sim->day < d->a->next_day)
		return;
	double gap = rng_lognormal(&d->rng, 5, .6);
	d->a->next_day = (uint16_t)(d->sim->day + (gap < 2 ? 2 : gap > 14 ? 14 : gap));
	deed_session(d, rng_between(&d->rng, 6, 23));
	read_new(d, 2000);
	read_old(d, 50 + rng_below(&d->rng, 251));
}

static void deed_search(struct deed *d) {
	if (d->sim->day < d->a->next_day)
		return;
	d->a->next_day = (uint16_t)(d->sim->day + 2 + rng_below(&d->rng, 3));
	deed_session(d, rng_between(&d->rng, 7, 23));
	uint32_t n = 3 + rng_below(&d->rng, 6), hits = 5 + rng_below(&d->rng, 36);
	struct event *e = deed_event(d);
	e->search_text = (uint8_t)((n + 1) / 2), e->search_header = (uint8_t)(n / 2);
	uint32_t old = person_old(d->p, d->sim->day);
	// What a search hits lies anywhere.
	for (; hits > 0 && old > 30;
	     hits -= hits < ACTIVITY_RANGES_MAX ? hits : ACTIVITY_RANGES_MAX) {
		e = deed_event(d);
		e->flags |= EVENT_SCATTERED;
		e->first = 1, e->last = d->p->uidnext - 1;
		e->n_bodies = hits < ACTIVITY_RANGES_MAX ? hits : ACTIVITY_RANGES_MAX;
		e->size = 25000;
	}
}

static void deed_sieve(struct deed *d) {
	deed_session(d, rng_between(&d->rng, 0, 24));
	struct event *e = deed_event(d);

	e->protocol = ACTIVITY_SIEVE;
	e->flags = EVENT_LOGIN | EVENT_END | EVENT_FORWARD;
	e->sink = d->a->sink;
}

// Each new mail goes on to one address.
static void deed_forward(struct deed *d) {
	uint32_t n = 2 + rng_below(&d->rng, 6);

	for (uint32_t i = 0; i < n; i++) {
		deed_session(d, rng_between(&d->rng, 7, 21));
		struct event *e = deed_event(d);
		e->protocol = ACTIVITY_SMTP;
		e->flags = EVENT_LOGIN | EVENT_END;
		e->n_sent = e->n_recipients = 1;
		e->sink = d->a->sink;
		e->size = (uint32_t)rng_lognormal(&d->rng, 30000, 1);
		e->attachments = 1;
	}
}

// A tenth of the mailbox a day, oldest first.
static void deed_throttled(struct deed *d) {
	uint32_t n = d->p->uidnext / 10, first = 1 + n * (uint32_t)(d->sim->day - d->a->from);

	deed_session(d, rng_between(&d->rng, 0, 22));
	for (uint32_t part; n > 0 && first + n < d->p->uidnext; n -= part, first += part) {
		struct event *e = deed_event(d);
		part = n < 40 ? n : 40;
		e->first = first, e->last = first + part - 1;
		e->n_bodies = part;
		e->size = 25000;
	}
}

static void deed_trickle(struct deed *d) {
	if (rng_chance(&d->rng, .3))
		return;
	deed_session(d, rng_between(&d->rng, 0, 24));
	struct event *e = deed_event(d);
	e->protocol = ACTIVITY_SMTP;
	e->flags = EVENT_LOGIN | EVENT_END;
	e->n_sent = e->n_recipients = 1;
	e->sink = d->a->sink;
	e->size = 90000;
}

static void deed_append(struct deed *d) {
	deed_session(d, rng_between(&d->rng, 0, 24));
	for (uint32_t n = 1 + rng_below(&d->rng, 3); n > 0; n--)
		deed_event(d)->append = (uint8_t)(5 + rng_below(&d->rng, 46));
}

static void deed_cross(struct deed *d) {
	struct attack *a = d->a;

	for (int i = 0; i < a->n_others; i++) {
		struct person *other = &d->sim->person[a->others[i]];
		uint32_t old = person_old(other, d->sim->day);

		if (d->sim->day == a->from) {
			// Its owner's password was had as well: that account gives the right.
			deed_session(d, 1 + .1 * i);
			struct event *e = deed_event(d);
			e->account = other->number;
			e->other = d->p->number;
			e->flags |= EVENT_ACL | EVENT_END;
		}
		if (old < 20 || rng_chance(&d->rng, .5))
			continue;
		deed_session(d, 2 + .2 * i);
		struct event *e = deed_event(d);
		e->flags |= EVENT_CROSS | EVENT_SCATTERED;
		e->other = other->number;
		e->uidnext = other->uidnext;
		e->uidvalidity = other->uidvalidity;
		e->old = old;
		e->first = 1, e->last = old - 1;
		e->n_bodies = 10;
		e->size = 25000;
	}
}

static void deed_parasite(struct deed *d) {
	if (d->sim->day == d->a->from) {
		deed_sync(d, rng_between(&d->rng, 0, 20));
		return;
	}
	deed_session(d, 7);
	for (uint32_t n = 4 + rng_below(&d->rng, 5), i = 0; i < n; i++) {
		uint32_t top = d->p->uidnext, from = d->a->last_uidnext;
		uint32_t last = from + (top - from) * (i + 1) / n;
		struct event *e = deed_event(d);
		e->flags |= EVENT_IDLE;
		if (last > from)
			e->first = from, e->last = last - 1, e->n_bodies = last - from;
		e->size = 25000;
		d->at_ns = sim_time(d->sim->day, 7 + 14.0 * (i + 1) / n);
		d->a->last_uidnext = last;
	}
}

static void deed_do(struct deed *d, const struct scenario *s) {
	uint16_t since = (uint16_t)(d->sim->day - d->a->from);
	bool skips = rng_chance(&d->rng, .3);

	switch (s->behaviour) {
	case FULL_SYNC:
		deed_sync(d, rng_between(&d->rng, 0, 20));
		break;
	case IRREGULAR:
		deed_irregular(d);
		break;
	case SEARCH:
		deed_search(d);
		break;
	case SIEVE:
		deed_sieve(d);
		break;
	case FORWARD:
		deed_forward(d);
		break;
	case APPEND:
		deed_append(d);
		break;
	case PARASITE:
		deed_parasite(d);
		break;
	case POISON:
		deed_read(d, s->n * pow(1.02, since), night_hour(d));
		break;
	case CROSS:
		deed_cross(d);
		break;
	case THROTTLED:
		deed_throttled(d);
		break;
	case EBBING:
		deed_read(d, s->n / (1 + since), rng_between(&d->rng, 0, 24));
		break;
	case TRICKLE:
		deed_trickle(d);
		break;
	case DAYTIME:
	case MALWARE:
		if (!skips && !day_is_weekend(d->sim->day))
			deed_read(d, s->n, rng_between(&d->rng, 8.5, 16));
		break;
	default:
		if (!skips || since == 0)
			deed_read(d, s->n, night_hour(d));
	}
}

// After the password was found he comes back after a pause, sometimes from elsewhere.
static bool pauses(const struct scenario *s, const struct attack *a, uint16_t day) {
	uint16_t pause = (uint16_t)(1 + a->truth.account % 10);

	return (s->behaviour == SPRAY || s->behaviour == DRIP) && day > a->from
		&& day < a->from + pause;
}

static void attack_day(struct sim *sim, struct attack *a) {
	const struct campaign *c = &sim->attacks.campaign[a->truth.campaign];
	const struct scenario *s = &scenarios[c->truth.scenario];
	bool guessed = s->behaviour == SPRAY || s->behaviour == DRIP;
	struct deed d = {
		.sim = sim,
		.a = a,
		.c = c,
		.p = &sim->person[a->truth.account],
		.rng = rng_of(c->seed, PURPOSE_ATTACK_DAY, a->truth.account, sim->day),
		.place = attack_place(sim, c, a, 0),
		.client = attack_client(sim, c, a),
	};

	if (sim->day < a->from || sim->day > a->to || pauses(s, a, sim->day))
		return;
	if (sim->day == a->from)
		a->truth.n_mailbox = d.p->uidnext;
	if (guessed && sim->day == a->from) {
		// The guess that succeeds, and no more.
		d.place = attack_place(sim, c, a, a->hands_over);
		deed_session(&d, rng_between(&d.rng, 0, 24));
		deed_event(&d)->flags |= EVENT_END;
		return;
	}
	deed_do(&d, s);
}

// ---- Guessing

static void
guess(struct sim *sim, uint32_t campaign, uint32_t account, double hour, uint64_t which) {
	const struct campaign *c = &sim->attacks.campaign[campaign];
	uint64_t draw = rng_hash(c->seed, account, which);
	struct place place = world_place(
		&sim->world,
		draw % 10 < 6 ? sim->world.tor : (uint16_t)(sim->world.hosting + draw % 40),
		(uint32_t)(draw >> 8),
		(uint32_t)(draw >> 40)
	);
	struct client client = {.tool = c->tool, .hides_id = true, .hides_ja4 = true};
	struct event *e = sim_event(sim, account, sim_time(sim->day, hour), &place, &client);

	e->campaign = campaign;
	e->flags = EVENT_END;
	e->failures = 1;
	// A few passwords over all accounts.
	e->password = rng_hash(c->seed, which / 4, 8) | 1;
	e->session = draw;
	e->ja4 = false;
}

static void guess_day(struct sim *sim, uint32_t account) {
	uint32_t number = sim->attacks.spray_of[account];
	const struct campaign *c = &sim->attacks.campaign[number];
	const struct scenario *s = &scenarios[c->truth.scenario];
	uint32_t since = (uint32_t)(sim->day - c->truth.day),
		 attack = sim->attacks.of_account[account];
	uint32_t n = s->behaviour == SPRAY ? 96 : 1;

	if (sim->day < c->truth.day || since >= (s->behaviour == SPRAY ? SPRAY_DAYS : DRIP_DAYS))
		return;
	// Until it is found.
	if (attack != SIM_NO_ATTACK && sim->attacks.attack[attack].truth.campaign == number
	    && sim->day >= sim->attacks.attack[attack].from)
		return;
	struct rng rng = rng_of(c->seed, PURPOSE_ATTACK_DAY, account, 100000 + sim->day);
	for (uint32_t i = 0; i < n; i++)
		guess(sim, number, account, 24 * (i + rng_unit(&rng)) / n, since * n + i);
}

void attacks_day(struct sim *sim) {
	for (size_t i = 0; i < sim->attacks.n; i++)
		attack_day(sim, &sim->attacks.attack[i]);
	for (uint32_t i = 0; i < sim->config->n_accounts; i++)
		if (sim->attacks.spray_of[i] != SIM_NO_ATTACK)
			guess_day(sim, i);
}

// ---- Truth

static uint64_t ip_key(const struct ip *ip) {
	uint64_t key = ip->family;

	for (int i = 0; i < (ip->family == 6 ? 8 : 4); i++)
		key = key << 8 | ip->addr[i];
	return rng_mix(key) | 1;
}

static size_t ip_slot(const struct attacks *all, uint64_t key) {
	size_t at = key >> 20 & (all->n_ips_max - 1);

	while (all->ip[at].key && all->ip[at].key != key)
		at = (at + 1) & (all->n_ips_max - 1);
	return at;
}

static void ip_note(struct sim *sim, const struct ip *ip, uint32_t campaign) {
	struct attacks *all = &sim->attacks, old = *all;
	size_t at;

	if (all->n_ips * 2 >= all->n_ips_max) {
		all->n_ips_max *= 2;
		all->ip = calloc(all->n_ips_max, sizeof(*all->ip));
		if (!all->ip) {
			*all = old;
			sim->failed = true;
			return;
		}
		for (size_t i = 0; i < old.n_ips_max; i++)
			if (old.ip[i].key)
				all->ip[ip_slot(all, old.ip[i].key)] = old.ip[i];
		free(old.ip);
	}
	at = ip_slot(all, ip_key(ip));
	all->n_ips += !all->ip[at].key;
	all->ip[at].key = ip_key(ip);
	all->ip[at].campaign = campaign;
	all->ip[at].ip = *ip;
}

uint32_t sim_campaign_of_ip(const struct sim *sim, const struct ip *ip) {
	size_t at = ip_slot(&sim->attacks, ip_key(ip));

	return sim->attacks.ip[at].key ? sim->attacks.ip[at].campaign : SIM_NO_ATTACK;
}

void attacks_note(
	struct sim *sim,
	const struct event *event,
	const struct activity *activity,
	uint32_t n_old
) {
	struct campaign *c = &sim->attacks.campaign[event->campaign];
	uint64_t learned_ns = SIM_MIDNIGHT_NS + sim->config->learning_days * SIM_DAY_NS;

	if (sim->config->present && activity->time_ns < learned_ns)
		return;
	if (!c->truth.first_ns)
		c->truth.first_ns = activity->time_ns;
	if (c->source != SOURCE_VICTIMS)
		ip_note(sim, &activity->source.ip, event->campaign);
	if (event->attack == SIM_NO_ATTACK)
		return;
	struct sim_attack *truth = &sim->attacks.attack[event->attack].truth;
	if (!truth->first_ns)
		truth->first_ns = activity->time_ns;
	truth->last_ns = activity->time_ns;
	truth->n_old += n_old;
	for (int i = 0; i < activity->n_mailboxes; i++) {
		truth->n_bodies += activity->mailboxes[i].n_bodies;
		truth->bytes += activity->mailboxes[i].bytes;
	}
}
