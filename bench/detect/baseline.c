// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	NETS_MAX = 16, // sources remembered of an account
	COUNTRIES_MAX = 8,
	VALUES_MAX = 24, // of Freeman, per account and level
	RECENT_MAX = 16,
	COUNTS = 1 << 16, // slots of the fleet's counts
	RESIDENT_DAYS = 3,
	RESIDENT_SPAN = 7,
};

#define EWMA_LAMBDA 0.2
#define CUSUM_K 0.5
#define CUSUM_CLIP 2.5

const char *const baseline_names[BASELINES] = {
#define BASELINE(symbol, name, networks) name,
#include "baseline.def"
#undef BASELINE
};

const bool baseline_needs_networks[BASELINES] = {
#define BASELINE(symbol, name, networks) networks,
#include "baseline.def"
#undef BASELINE
};

// A place and a client together.
struct habit {
	uint32_t net, asn, grammar;
	uint16_t committed_first, committed_last; // days
	uint16_t seen;
	uint8_t n_committed;
};

struct value {
	uint32_t key;
	uint32_t n;
};

struct account {
	struct habit habit[NETS_MAX];
	uint8_t n_habits;
	uint16_t day; // of what follows
	bool seen;
	uint32_t bodies, foreign_old; // today
	double most; // bodies on one day, in the past
	double n, mean, m2; // of ln(1 + foreign_old), Welford
	double ewma, cusum; // at the end of yesterday
	uint64_t login_ns; // the last, for travel
	char login_country[3];
	char country[COUNTRIES_MAX][3];
	uint8_t n_countries;
	struct value net[VALUES_MAX], asn[VALUES_MAX], land[VALUES_MAX], grammar[VALUES_MAX];
	uint32_t n_logins;
	struct {
		uint64_t time_ns;
		uint32_t net;
	} recent[RECENT_MAX];
	float best[BASELINES]; // scores told today
};

// How often the fleet has a value; without collisions being told apart.
struct counts {
	uint32_t n[COUNTS];
	double total;
};

struct baselines {
	struct baselines_config config;
	struct counts net, asn, land, grammar;
	struct account *account;
};

struct baselines *baselines_open(const struct baselines_config *config) {
	struct baselines *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->config = *config;
	b->account = calloc(config->n_accounts, sizeof(*b->account));
	if (!b->account) {
		free(b);
		return NULL;
	}
	return b;
}

void baselines_close(struct baselines *b) {
	if (b)
		free(b->account);
	free(b);
}

static void
tell(struct baselines *b, enum baseline which, struct account *a, uint64_t time_ns, double score) {
	if (a->day < b->config.learning_days || !(score > a->best[which]))
		return;
	a->best[which] = (float)score;
	b->config.score(b->config.ctx, which, (uint32_t)(a - b->account), time_ns, score);
}

// ---- Attribution

static uint32_t net_of(const struct ip *ip) {
	uint64_t key = ip->family;

	for (int i = 0; i < (ip->family == 6 ? 6 : 3); i++)
		key = key * 257 + ip->addr[i];
	key = (key ^ key >> 32) * 0x9e3779b97f4a7c15;
	return (uint32_t)(key >> 32) | 1;
}

static bool has_committed(const struct activity *activity) {
	uint32_t n = activity->n_sent;

	for (int i = 0; i < activity->n_mailboxes; i++) {
		const struct activity_mailbox *m = &activity->mailboxes[i];
		n += m->store + m->move + m->copy + m->expunge;
	}
	return n > 0;
}

static bool is_resident(const struct habit *habit) {
	return habit->n_committed >= RESIDENT_DAYS
		&& habit->committed_last - habit->committed_first >= RESIDENT_SPAN;
}

static struct habit *habit_of(struct account *a, const struct activity *activity, uint32_t net) {
	struct habit *oldest = &a->habit[0];
	uint32_t grammar = activity->client.grammar;

	for (int i = 0; i < a->n_habits; i++) {
		struct habit *habit = &a->habit[i];
		if (habit->net == net && habit->grammar == grammar)
			return habit;
		// A resident stays while a stranger can go.
		if (is_resident(habit) < is_resident(oldest)
		    || (is_resident(habit) == is_resident(oldest) && habit->seen < oldest->seen))
			oldest = habit;
	}
	if (a->n_habits < NETS_MAX)
		oldest = &a->habit[a->n_habits++];
	*oldest = (struct habit){.net = net, .asn = activity->source.asn, .grammar = grammar};
	return oldest;
}

// The network is resident with whatever client, or the provider with this client.
static bool is_home(struct account *a, const struct activity *activity, uint32_t net) {
	for (int i = 0; i < a->n_habits; i++) {
		const struct habit *habit = &a->habit[i];
		if (is_resident(habit)
		    && (habit->net == net
			|| (habit->asn && habit->asn == activity->source.asn
			    && habit->grammar == activity->client.grammar)))
			return true;
	}
	return false;
}

static void habit_learn(struct account *a, const struct activity *activity, uint32_t net) {
	struct habit *habit = habit_of(a, activity, net);

	habit->seen = a->day;
	if (!has_committed(activity) || (habit->n_committed && habit->committed_last == a->day))
		return;
	if (!habit->n_committed)
		habit->committed_first = a->day;
	habit->committed_last = a->day;
	habit->n_committed += habit->n_committed < 255;
}

// ---- Counts of a day

static double foreign_z(const struct account *a) {
	double sd = a->n > 1 ? sqrt(a->m2 / (a->n - 1)) : 1;

	// A floor: most accounts have no such day at all.
	return (log1p(a->foreign_old) - a->mean) / (sd > .3 ? sd : .3);
}

static double clipped(double z) {
	return z > CUSUM_CLIP ? CUSUM_CLIP : z < -CUSUM_CLIP ? -CUSUM_CLIP : z;
}

static void day_close(struct baselines *b, struct account *a) {
	double x = log1p(a->foreign_old), z = foreign_z(a), delta;

	if (a->bodies > a->most)
		a->most = a->bodies;
	if (a->day >= b->config.learning_days) {
		a->ewma = ewma_next(a->ewma, z, EWMA_LAMBDA);
		a->cusum = cusum_next(a->cusum, clipped(z), CUSUM_K);
	}
	// What is usual is learned to the end of the learning, then from days that are not high.
	if (a->day < b->config.learning_days || z < 1) {
		delta = x - a->mean;
		a->mean += delta / ++a->n;
		a->m2 += delta * (x - a->mean);
	}
	a->bodies = a->foreign_old = 0;
	memset(a->best, 0, sizeof(a->best));
}

static void day_reach(struct baselines *b, struct account *a, uint16_t day) {
	if (!a->seen)
		a->day = day;
	a->seen = true;
	for (; a->day < day; a->day++)
		day_close(b, a);
}

static void count_score(struct baselines *b, struct account *a, const struct activity *activity) {
	uint64_t at = activity->time_ns;

	tell(b, BASELINE_STATIC_FLEET, a, at, a->bodies);
	tell(b, BASELINE_STATIC_USER, a, at, a->bodies / (a->most > 20 ? a->most : 20));
	tell(b, BASELINE_THOUSAND, a, at, a->bodies);
	double z = foreign_z(a);
	tell(b, BASELINE_EWMA, a, at, ewma_next(a->ewma, z, EWMA_LAMBDA));
	tell(b, BASELINE_CUSUM, a, at, cusum_next(a->cusum, clipped(z), CUSUM_K));
}

static void bodies_count(struct baselines *b, struct account *a, const struct activity *activity) {
	uint32_t bodies = 0, old = 0, net = net_of(&activity->source.ip);

	for (int i = 0; i < activity->n_mailboxes; i++) {
		bodies += activity->mailboxes[i].n_bodies;
		old += activity->mailboxes[i].old;
	}
	a->bodies += bodies;
	if (old > 0 && !is_home(a, activity, net))
		a->foreign_old += old;
	if (bodies > 0)
		count_score(b, a, activity);
	habit_learn(a, activity, net);
}

// ---- Places of logins

// The middle of a country, degrees.
static const struct {
	char code[3];
	int8_t north;
	int16_t east;
} middles[] = {
	{"CZ", 50, 15},	  {"SK", 49, 19},   {"DE", 51, 10},   {"AT", 47, 14},	{"PL", 52, 19},
	{"FR", 47, 2},	  {"BE", 51, 4},    {"NL", 52, 5},    {"IT", 43, 12},	{"ES", 40, -4},
	{"GB", 54, -2},	  {"IE", 53, -8},   {"US", 40, -98},  {"CA", 56, -106}, {"SE", 62, 15},
	{"NO", 62, 10},	  {"FI", 64, 26},   {"DK", 56, 10},   {"HU", 47, 19},	{"RO", 46, 25},
	{"BG", 43, 25},	  {"GR", 39, 22},   {"TR", 39, 35},   {"IL", 31, 35},	{"AE", 24, 54},
	{"IN", 22, 79},	  {"CN", 35, 103},  {"JP", 36, 138},  {"KR", 36, 128},	{"SG", 1, 104},
	{"AU", -25, 134}, {"ZA", -29, 25},  {"EG", 27, 30},   {"KE", 0, 38},	{"NG", 10, 8},
	{"BR", -10, -53}, {"AR", -34, -64}, {"MX", 24, -102}, {"UA", 49, 32},	{"CH", 47, 8},
};

static int country_find(const char *code) {
	for (size_t i = 0; i < sizeof(middles) / sizeof(middles[0]); i++)
		if (memcmp(middles[i].code, code, 2) == 0)
			return (int)i;
	return -1;
}

// Great circle; unknown countries are nowhere far.
static double kilometres(const char *from, const char *to) {
	int a = country_find(from), b = country_find(to);
	const double degree = 3.14159265358979 / 180;

	if (a < 0 || b < 0 || a == b)
		return 0;
	double north_a = middles[a].north * degree, north_b = middles[b].north * degree;
	double east = (middles[b].east - middles[a].east) * degree;
	double cosine = sin(north_a) * sin(north_b) + cos(north_a) * cos(north_b) * cos(east);
	return 6371 * acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
}

static void travel_score(struct baselines *b, struct account *a, const struct activity *activity) {
	double km
		= a->login_country[0] ? kilometres(a->login_country, activity->source.country) : 0;
	double hours = (double)(activity->time_ns - a->login_ns) / 3.6e12;

	// Neighbours are too near for the middle of a country to say anything.
	if (km > 700)
		tell(b, BASELINE_TRAVEL, a, activity->time_ns, km / (hours > .05 ? hours : .05));
	a->login_ns = activity->time_ns;
	memcpy(a->login_country, activity->source.country, sizeof(a->login_country));
}

static uint32_t key_of(const char *text) {
	uint32_t key = 2166136261;

	for (; *text; text++)
		key = (key ^ (uint8_t)*text) * 16777619;
	return key | 1;
}

static double counts_share(const struct counts *counts, uint32_t key) {
	return (counts->n[key * 0x9e3779b1u >> 16] + .5) / (counts->total + 1);
}

static void counts_add(struct counts *counts, uint32_t key) {
	counts->n[key * 0x9e3779b1u >> 16]++;
	counts->total++;
}

static void country_score(struct baselines *b, struct account *a, const struct activity *activity) {
	for (int i = 0; i < a->n_countries; i++)
		if (memcmp(a->country[i], activity->source.country, 2) == 0)
			return;
	if (a->n_logins > 0)
		tell(b,
		     BASELINE_COUNTRY,
		     a,
		     activity->time_ns,
		     -log(counts_share(&b->land, key_of(activity->source.country))));
	memcpy(a->country
		       [a->n_countries < COUNTRIES_MAX ? a->n_countries++
						       : a->n_logins % COUNTRIES_MAX],
	       activity->source.country,
	       sizeof(a->country[0]));
}

// ---- Freeman

static uint32_t value_count(const struct value *values, uint32_t key) {
	for (int i = 0; i < VALUES_MAX; i++)
		if (values[i].n && values[i].key == key)
			return values[i].n;
	return 0;
}

static void value_add(struct value *values, uint32_t key) {
	struct value *least = values;

	for (int i = 0; i < VALUES_MAX; i++) {
		if (values[i].n && values[i].key == key) {
			values[i].n++;
			return;
		}
		if (values[i].n < least->n)
			least = &values[i];
	}
	*least = (struct value){key, 1};
}

// ln p(x) / p(x | account) of one feature with its back-off. What the account never had is a quarter
// as likely for it as for the fleet.
static double
level_share(const struct account *a, const struct value *values, uint32_t key, double fleet) {
	double own = value_count(values, key);

	return own > 0 ? own / a->n_logins : fleet / 4;
}

static void freeman_score(struct baselines *b, struct account *a, const struct activity *activity) {
	uint32_t net = net_of(&activity->source.ip), asn = activity->source.asn;
	uint32_t land = key_of(activity->source.country), grammar = activity->client.grammar;
	double of_net = counts_share(&b->net, net), of_asn = counts_share(&b->asn, asn);
	double of_land = counts_share(&b->land, land),
	       of_grammar = counts_share(&b->grammar, grammar);

	if (a->n_logins > 0) {
		double fleet = .6 * of_net + .3 * of_asn + .1 * of_land;
		double own = .6 * level_share(a, a->net, net, of_net)
			+ .3 * level_share(a, a->asn, asn, of_asn)
			+ .1 * level_share(a, a->land, land, of_land);
		double client = of_grammar / level_share(a, a->grammar, grammar, of_grammar);
		// How little the account has is known: 1/n for a new value at least.
		double least = 1.0 / (a->n_logins + 1.0);
		tell(b,
		     BASELINE_FREEMAN,
		     a,
		     activity->time_ns,
		     20 + log(fleet / own) + log(client) - log(least) * .5);
	}
	counts_add(&b->net, net), counts_add(&b->asn, asn), counts_add(&b->land, land);
	counts_add(&b->grammar, grammar);
	value_add(a->net, net), value_add(a->asn, asn), value_add(a->land, land);
	value_add(a->grammar, grammar);
}

// ---- Windows of a day

static void recent_score(struct baselines *b, struct account *a, const struct activity *activity) {
	uint32_t net = net_of(&activity->source.ip);
	int oldest = 0, n = 0, at = -1;

	for (int i = 0; i < RECENT_MAX; i++) {
		if (a->recent[i].net == net)
			at = i;
		if (a->recent[i].time_ns < a->recent[oldest].time_ns)
			oldest = i;
	}
	at = at < 0 ? oldest : at;
	a->recent[at].net = net;
	a->recent[at].time_ns = activity->time_ns;
	for (int i = 0; i < RECENT_MAX; i++)
		n += a->recent[i].time_ns + SIM_DAY_NS > activity->time_ns;
	tell(b, BASELINE_WEAKFORCED, a, activity->time_ns, n + activity->auth.failure);
}

// ----

void baselines_run(struct baselines *b, uint32_t account, const struct activity *activity) {
	struct account *a = &b->account[account];

	day_reach(b, a, (uint16_t)((activity->time_ns - b->config.start_ns) / SIM_DAY_NS));
	if (activity->auth.success) {
		if (activity->source.country[0]) {
			travel_score(b, a, activity);
			country_score(b, a, activity);
		}
		freeman_score(b, a, activity);
		a->n_logins++;
	}
	if (activity->auth.success || activity->auth.failure)
		recent_score(b, a, activity);
	if (activity->auth.failure == 0)
		bodies_count(b, a, activity);
}
