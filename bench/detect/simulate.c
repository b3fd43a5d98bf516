// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The days, one after the other: everybody's events are made, sorted, turned into activity and handed
// out.

#include "simulate.h"

#include "sim_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const sim_population_names[SIM_POPULATIONS]
	= {"ministry", "university", "provider", "other", "campus", "roaming"};

const struct sight sights[SIM_POPULATIONS] = {
	[SIM_MINISTRY] = {true, true, true, true, .5},
	[SIM_UNIVERSITY] = {true, true, true, true, .5},
	[SIM_PROVIDER] = {true, true, true, true, .5},
	[SIM_OTHER] = {.refusals = true, .ja4 = .67},
	[SIM_CAMPUS] = {.grammar = true, .refusals = true},
	[SIM_ROAMING] = {.dates = true, .ja4 = 1},
};

static const char *const cause_names[] = {
#define CAUSE(symbol, name) name,
#include "cause.def"
#undef CAUSE
};

static uint32_t org_size(const struct sim_config *config) {
	static const uint32_t sizes[SIM_POPULATIONS] = {1000, 5000, 500, 150, 3000, 400};

	return sizes[config->population];
}

static void persons_draw(struct sim *sim) {
	const struct sim_config *config = sim->config;

	for (uint32_t i = 0; i < sim->n_orgs; i++)
		org_draw(config, &sim->world, i, &sim->org[i]);
	for (uint32_t i = 0; i < config->n_accounts; i++) {
		struct person *p = &sim->person[i];
		uint32_t org = i % sim->n_orgs;
		person_draw(config, &sim->world, &sim->org[org], i, org, p);
		// Colleagues: the numbers next to it in the same organisation.
		for (int k = 0; k < p->n_others; k++)
			p->others[k] = (i + (uint32_t)(k + 1) * sim->n_orgs) % config->n_accounts;
	}
}

struct sim *sim_open(const struct sim_config *config) {
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->config = config;
	sim_catalogue(config->population);
	sim->n_orgs = config->n_accounts / org_size(config);
	sim->n_orgs += sim->n_orgs == 0;
	world_init(&sim->world);
	sim->org = calloc(sim->n_orgs, sizeof(*sim->org));
	sim->person = calloc(config->n_accounts, sizeof(*sim->person));
	if (!sim->org || !sim->person)
		goto err;
	persons_draw(sim);
	if (attacks_open(sim))
		goto err;
	return sim;
err:
	sim_close(sim);
	errno = ENOMEM;
	return NULL;
}

void sim_close(struct sim *sim) {
	if (!sim)
		return;
	attacks_close(&sim->attacks);
	free(sim->org);
	free(sim->person);
	free(sim->today.event);
	free(sim->later.event);
	free(sim->order);
	free(sim->cause);
	free(sim);
}

// ---- Events of a day

static struct event *events_add(struct sim *sim, struct events *events) {
	static struct event none; // without memory the day fails, after it is made

	if (events->n == events->n_max) {
		size_t n_max = events->n_max ? 2 * events->n_max : 4096;
		struct event *more = realloc(events->event, n_max * sizeof(*more));
		if (!more) {
			sim->failed = true;
			return &none;
		}
		events->event = more;
		events->n_max = n_max;
	}
	return &events->event[events->n++];
}

struct event *sim_event(
	struct sim *sim,
	uint32_t account,
	uint64_t time_ns,
	const struct place *place,
	const struct client *client
) {
	const struct person *p = &sim->person[account];
	// What runs past midnight belongs to the next day's order.
	struct event *e = events_add(
		sim, time_ns < sim_time((uint16_t)(sim->day + 1), 0) ? &sim->today : &sim->later
	);

	*e = (struct event){
		.time_ns = time_ns,
		.account = account,
		.attack = SIM_NO_ATTACK,
		.campaign = SIM_NO_ATTACK,
		.place = *place,
		.client = *client,
		.uidvalidity = p->uidvalidity,
		.uidnext = p->uidnext,
		.old = person_old(p, sim->day),
		.ja4 = sim->org[p->org].ja4,
	};
	return e;
}

static int by_time(const void *a, const void *b) {
	const uint64_t *x = a, *y = b; // the time is the first member

	if (*x != *y)
		return *x < *y ? -1 : 1;
	uint32_t i = *(const uint32_t *)(x + 1), k = *(const uint32_t *)(y + 1);
	return i < k ? -1 : i > k;
}

static bool day_sort(struct sim *sim) {
	if (sim->today.n > sim->n_order_max) {
		free(sim->order);
		sim->n_order_max = sim->today.n * 2;
		sim->order = malloc(sim->n_order_max * sizeof(*sim->order));
		if (!sim->order)
			return false;
	}
	for (size_t i = 0; i < sim->today.n; i++) {
		sim->order[i].time_ns = sim->today.event[i].time_ns;
		sim->order[i].index = (uint32_t)i;
	}
	qsort(sim->order, sim->today.n, sizeof(*sim->order), by_time);
	return true;
}

static void
day_hand_out(struct sim *sim, void (*handler)(void *ctx, const struct sim_seen *seen), void *ctx) {
	static struct activity activity; // event_activity clears what it filled

	for (size_t i = 0; i < sim->today.n; i++) {
		const struct event *e = &sim->today.event[sim->order[i].index];
		struct sim_seen seen = {
			.activity = &activity,
			.account = e->flags & EVENT_NOBODY ? SIM_NOBODY : e->account,
			.attack = e->attack,
			.campaign = e->campaign,
		};
		uint32_t n_old;

		if (e->failures && !sights[sim->config->population].refusals)
			continue;
		event_activity(sim, e, &activity, &n_old);
		if (e->campaign != SIM_NO_ATTACK)
			attacks_note(sim, e, &activity, n_old);
		handler(ctx, &seen);
	}
}

static void day_make(struct sim *sim) {
	struct events swap = sim->today;

	sim->today = sim->later;
	sim->later = swap;
	sim->later.n = 0;
	for (uint32_t i = 0; i < sim->config->n_accounts; i++) {
		struct person *p = &sim->person[i];
		uint32_t n_new = person_receive(sim->config, sim->day, p);
		day_person(sim, p, n_new);
		day_robots(sim, p, n_new);
	}
	day_noise(sim);
	attacks_day(sim);
}

bool sim_day(struct sim *sim, void (*handler)(void *ctx, const struct sim_seen *seen), void *ctx) {
	if (sim->day == sim->config->n_days)
		return false;
	day_make(sim);
	if (!day_sort(sim) || sim->failed)
		return false;
	day_hand_out(sim, handler, ctx);
	sim->day++;
	return true;
}

// ---- Truth

uint32_t sim_attack_of(const struct sim *sim, uint32_t account) {
	return sim->attacks.of_account[account];
}

uint32_t sim_spray_of(const struct sim *sim, uint32_t account) {
	return sim->attacks.spray_of[account];
}

// The most frequent in the country of the incident, without diacritics.
static const char *const surnames[] = {
	"novakova", "svobodova",  "novotny", "dvorakova",     "cerny",	  "prochazkova",
	"kucera",   "vesela",	  "horak",   "nemcova",	      "marek",	  "pospisilova",
	"hajek",    "jelinkova",  "kral",    "ruzickova",     "benes",	  "fialova",
	"sedlacek", "dolezalova", "zeman",   "kolarova",      "navratil", "cermakova",
	"vanek",    "urbanova",	  "blazek",  "kratochvilova", "kovar",	  "bartosova",
	"vlcek",    "polakova",	  "musil",   "kopecka",	      "simek",	  "konecna",
	"maly",	    "hola",	  "cech",    "stankova",      "kadlec",	  "sramkova",
	"soukup",   "mareskova",  "jaros",   "ticha",	      "bures",	  "vavrova",
	"ptacek",   "liskova",
};

#define SURNAMES_MAX (26 * COUNT_OF(surnames))

static void number_name(uint32_t account, const char *domain, char *name) {
	char digits[12];
	size_t n = 0;

	// By hand: this is done for every activity.
	*name++ = 'u';
	do
		digits[n++] = (char)('0' + account % 10);
	while ((account /= 10) > 0);
	while (n > 0)
		*name++ = digits[--n];
	*name++ = '@';
	strcpy(name, domain);
}

void sim_name(const struct sim *sim, uint32_t account, char *name) {
	static const char *const domains[SIM_POPULATIONS]
		= {"ministry.example",
		   "university.example",
		   "mail.example",
		   "clinic.example",
		   "campus.example",
		   "phones.example"};
	const char *domain = domains[sim->config->population];

	if (!sim->config->surnames || account >= SURNAMES_MAX)
		number_name(account, domain, name);
	else if (account < COUNT_OF(surnames))
		snprintf(name, SIM_NAME_SIZE, "%s@%s", surnames[account], domain);
	else // with an initial
		snprintf(
			name,
			SIM_NAME_SIZE,
			"%c.%s@%s",
			'a' + (char)(account / COUNT_OF(surnames) - 1),
			surnames[account % COUNT_OF(surnames)],
			domain
		);
}

uint32_t sim_account_of(const struct sim *sim, const char *name) {
	bool initial = name[0] && name[1] == '.';
	uint32_t first = initial ? (uint32_t)(name[0] - 'a' + 1) * COUNT_OF(surnames) : 0;
	const char *surname = initial ? name + 2 : name;
	size_t size = strcspn(surname, "@");
	char *end;
	unsigned long number;

	for (uint32_t i = 0; sim->config->surnames && i < COUNT_OF(surnames); i++)
		if (strlen(surnames[i]) == size && !memcmp(surnames[i], surname, size)
		    && first + i < sim->config->n_accounts)
			return first + i;
	if (name[0] != 'u')
		return SIM_NOBODY;
	number = strtoul(name + 1, &end, 10);
	return *end == '@' && number < sim->config->n_accounts ? (uint32_t)number : SIM_NOBODY;
}

void sim_cause(struct sim *sim, uint32_t account, enum cause cause, uint16_t from, uint16_t to) {
	// Told again on each day of it: the last one of the account is the same then.
	for (size_t i = sim->n_causes, tries = 0; i-- > 0 && tries < 8; tries++) {
		const struct sim_cause *last = &sim->cause[i];
		if (last->account == account && last->cause == cause && last->from == from)
			return;
	}
	if (sim->n_causes == sim->n_causes_max) {
		size_t n_max = sim->n_causes_max ? 2 * sim->n_causes_max : 1024;
		struct sim_cause *more = realloc(sim->cause, n_max * sizeof(*more));
		if (!more) {
			sim->failed = true;
			return;
		}
		sim->cause = more;
		sim->n_causes_max = n_max;
	}
	sim->cause[sim->n_causes++] = (struct sim_cause){account, (uint8_t)cause, from, to};
}

const char *sim_cause_name(int cause) {
	return cause_names[cause];
}

static int cause_of_traits(const struct person *p) {
	static const struct {
		uint16_t trait;
		uint8_t cause;
	} of[] = {
		{TRAIT_CONNECTOR, CAUSE_CONNECTOR},
		{TRAIT_FETCHER, CAUSE_FETCHER},
		{TRAIT_SHARED, CAUSE_SHARED},
		{TRAIT_DELEGATED, CAUSE_DELEGATE},
		{TRAIT_CLOUD, CAUSE_CLOUD},
		{TRAIT_VPN, CAUSE_VPN},
		{TRAIT_ROBOT, CAUSE_ROBOT},
		{TRAIT_NEWCOMER, CAUSE_NEWCOMER},
		{TRAIT_SPARSE, CAUSE_SPARSE},
	};

	for (size_t i = 0; i < COUNT_OF(of); i++)
		if (p->traits & of[i].trait)
			return of[i].cause;
	return CAUSE_ORDINARY;
}

int sim_cause_of(const struct sim *sim, uint32_t account, uint64_t time_ns) {
	const struct person *p = account == SIM_NOBODY ? NULL : &sim->person[account];
	uint16_t day = (uint16_t)((time_ns - SIM_START_NS) / SIM_DAY_NS);
	int best = p ? cause_of_traits(p) : CAUSE_NOISE;
	const struct org *org;

	if (!p)
		return best;
	org = &sim->org[p->org];
	// Evidence lasts: a cause up to ten days back counts.
	for (size_t i = 0; i < sim->n_causes; i++) {
		const struct sim_cause *c = &sim->cause[i];
		if (c->account == account && c->cause < best && day >= c->from && day <= c->to + 10)
			best = c->cause;
	}
	if (org->upgrade_day && day >= org->upgrade_day && day <= org->upgrade_day + 10
	    && CAUSE_UPGRADE < best)
		best = CAUSE_UPGRADE;
	if (org->webmail_move && day >= org->webmail_move && day <= org->webmail_move + 10
	    && CAUSE_WEBMAIL_MOVE < best)
		best = CAUSE_WEBMAIL_MOVE;
	return best;
}

const struct sim_attack *sim_attack(const struct sim *sim, size_t index) {
	return index < sim->attacks.n ? &sim->attacks.attack[index].truth : NULL;
}

const struct sim_campaign *sim_campaign(const struct sim *sim, size_t index) {
	return index < sim->attacks.n_campaigns ? &sim->attacks.campaign[index].truth : NULL;
}

// ---- Truth as JSON lines. Nothing in it needs escaping: all names are ours.

static void time_write(FILE *out, const char *key, uint64_t time_ns) {
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	fprintf(out,
		",\"%s\":\"%04d-%02d-%02dT%02d:%02d:%02dZ\"",
		key,
		tm.tm_year + 1900,
		tm.tm_mon + 1,
		tm.tm_mday,
		tm.tm_hour,
		tm.tm_min,
		tm.tm_sec);
}

static void attack_write(const struct sim *sim, const struct attack *a, FILE *out) {
	char name[SIM_NAME_SIZE];

	sim_name(sim, a->truth.account, name);
	fprintf(out,
		"{\"kind\":\"attack\",\"account\":\"%s\",\"scenario\":\"%s\",\"campaign\":%u,"
		"\"campaign_size\":%u",
		name,
		sim_scenario_name(a->truth.scenario),
		a->truth.campaign,
		sim->attacks.campaign[a->truth.campaign].truth.size);
	time_write(out, "first", a->truth.first_ns);
	time_write(out, "last", a->truth.last_ns);
	fprintf(out,
		",\"old\":%llu,\"bodies\":%llu,\"bytes\":%llu,\"mailbox\":%u}\n",
		(unsigned long long)a->truth.n_old,
		(unsigned long long)a->truth.n_bodies,
		(unsigned long long)a->truth.bytes,
		a->truth.n_mailbox);
}

static void cause_write(const struct sim *sim, const struct sim_cause *cause, FILE *out) {
	char name[SIM_NAME_SIZE];

	sim_name(sim, cause->account, name);
	fprintf(out,
		"{\"kind\":\"benign\",\"account\":\"%s\",\"cause\":\"%s\"",
		name,
		cause_names[cause->cause]);
	time_write(out, "first", sim_time(cause->from, 0));
	time_write(out, "last", sim_time(cause->to, 0));
	fputs("}\n", out);
}

static void address_write(const struct sim *sim, size_t index, FILE *out) {
	fprintf(out,
		"{\"kind\":\"address\",\"campaign\":%u,\"ip\":",
		sim->attacks.ip[index].campaign);
	const struct ip *ip = &sim->attacks.ip[index].ip;
	char text[INET6_ADDRSTRLEN];
	inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->addr, text, sizeof(text));
	fprintf(out, "\"%s\"}\n", text);
}

void sim_truth_write(const struct sim *sim, FILE *out) {
	for (size_t i = 0; i < sim->attacks.n; i++)
		if (sim->attacks.attack[i].truth.first_ns)
			attack_write(sim, &sim->attacks.attack[i], out);
	for (size_t i = 0; i < sim->attacks.n_ips_max; i++)
		if (sim->attacks.ip[i].key)
			address_write(sim, i, out);
	for (size_t i = 0; i < sim->n_causes; i++)
		cause_write(sim, &sim->cause[i], out);
	for (uint32_t i = 0; i < sim->config->n_accounts; i++) {
		int cause = cause_of_traits(&sim->person[i]);
		if (cause != CAUSE_ORDINARY) {
			struct sim_cause always = {i, (uint8_t)cause, 0, sim->day};
			cause_write(sim, &always, out);
		}
	}
}
