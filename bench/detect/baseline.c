// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "baseline.h"

#include "freeman.h"

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
	struct value ip[VALUES_MAX], asn[VALUES_MAX], land[VALUES_MAX], grammar[VALUES_MAX],
		id[VALUES_MAX];
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
	double kinds; // slots in use
};

struct baselines {
	struct baselines_config config;
	struct counts ip, asn, land, grammar, id;
	double n_users; // who have logged in
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

static uint32_t prefix_key(const struct ip *ip, int n) {
	uint64_t key = ip->family;

	for (int i = 0; i < n; i++)
		key = key * 257 + ip->addr[i];
	key = (key ^ key >> 32) * 0x9e3779b97f4a7c15;
	return (uint32_t)(key >> 32) | 1;
}

// The /24, or the /48.
static uint32_t net_of(const struct ip *ip) {
	return prefix_key(ip, ip->family == 6 ? 6 : 3);
}

static uint32_t ip_key(const struct ip *ip) {
	return prefix_key(ip, 16);
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

static bool has_resident(const struct account *a) {
	for (int i = 0; i < a->n_habits; i++)
		if (is_resident(&a->habit[i]))
			return true;
	return false;
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
	// What is usual is learned to the end of the learning, from when the owner is resident, then from
	// days that are not high.
	if (a->day < b->config.learning_days ? has_resident(a) : z < 1) {
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

static uint32_t *counts_slot(struct counts *counts, uint32_t key) {
	return &counts->n[key * 0x9e3779b1u >> 16];
}

static double counts_get(struct counts *counts, uint32_t key) {
	return *counts_slot(counts, key);
}

static void counts_add(struct counts *counts, uint32_t key) {
	counts->kinds += *counts_slot(counts, key) == 0;
	++*counts_slot(counts, key);
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
		     -log((counts_get(&b->land, key_of(activity->source.country)) + .5)
			  / (b->land.total + 1)));
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

struct hierarchy {
	struct counts *counts;
	struct value *own;
	uint32_t key;
	double weight;
};

static struct freeman_feature feature_of(const struct hierarchy *levels, int n) {
	struct freeman_feature f = {.n_levels = n};

	for (int i = 0; i < n; i++) {
		f.level[i].weight = levels[i].weight;
		f.level[i].own = value_count(levels[i].own, levels[i].key);
		f.level[i].fleet = counts_get(levels[i].counts, levels[i].key);
		f.kinds += i > 0 ? levels[i].counts->kinds : 0;
	}
	f.ever = f.level[0].fleet + 1;
	f.kinds_with = n - 1; // an address has one provider, a grammar one name
	return f;
}

static void freeman_score(struct baselines *b, struct account *a, const struct activity *activity) {
	const struct hierarchy source[] = {
		{&b->ip, a->ip, ip_key(&activity->source.ip), .6},
		{&b->asn, a->asn, activity->source.asn | 1u << 31, .3},
		{&b->land, a->land, key_of(activity->source.country), .1},
	};
	const struct hierarchy client[] = {
		{&b->grammar, a->grammar, activity->client.grammar | 1, .6},
		{&b->id, a->id, key_of(activity->client.id), .4},
	};
	struct freeman_feature features[] = {feature_of(source, 3), feature_of(client, 2)};

	if (a->n_logins > 0)
		tell(b,
		     BASELINE_FREEMAN,
		     a,
		     activity->time_ns,
		     50 + freeman_log_risk(features, 2, a->n_logins, b->ip.total, b->n_users));
	else
		b->n_users++;
	for (int i = 0; i < 3; i++)
		counts_add(source[i].counts, source[i].key),
			value_add(source[i].own, source[i].key);
	for (int i = 0; i < 2; i++)
		counts_add(client[i].counts, client[i].key),
			value_add(client[i].own, client[i].key);
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
