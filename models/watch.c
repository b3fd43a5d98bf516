// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "watch.h"

#include "channel/visitor.h"
#include "watch_alert.h"

#include <math.h>
#include <string.h>

enum {
	FORTNIGHT = 14,
	OLD_CLIP = 60, // a sync is no habit
	// Minutes a burst waits for a commitment: from Friday's evening to Monday's morning, and
	// told before the third day is over.
	QUARANTINE_MIN = 70 * 60,
	QUARANTINE_HIDING_MIN
	= 100, // where nobody is expected to commit: for others to do the same
	AGAIN_MIN = 18 * 60, // after a burst, at least, who goes on comes again
	ACQUIT_DAYS = 4, // from one day on which an owner speaks for where he is to the next
	LINK_FEW = 40, // accounts that a link may be common to …
	RARE_FEW = 5, // … and to which something is rare …
};

#define METERS_SHARE 0.5 // of the budget; the rest is for deeds, campaigns and guessing
#define VOLUME_FOREIGN 8.0 // score of volume from which it is that of strangers
#define LINK_SHARE 0.02 // … or this share of them
#define TESTIMONY_MIN 0.5 // nats
#define TODAY_MIN 0.5 // nats of a day that is told
#define MINUTE_NS (60ull * 1000000000)
#define DAY_NS (86400ull * 1000000000)

static const double weights[METERS] = {
	[METER_VISITOR] = 0.75,
	[METER_VOLUME] = 0.25,
};

size_t watch_memsize(size_t n_accounts) {
	return table_memsize(n_accounts, sizeof(struct account))
		+ ((sizeof(struct fleet) + 63) & ~(size_t)63) + campaigns_memsize(n_accounts);
}

void watch_init(
	struct watch *watch,
	const struct watch_config *config,
	struct episodes *episodes,
	void *memory
) {
	*watch = (struct watch){
		.episodes = episodes,
		.nominal_only = config->nominal_only,
		.without = config->without,
	};
	watch_set_budget(watch, evidence_budget(config->budget, 0));
	size_t n = config->n_accounts;
	table_init(&watch->accounts, config->hash_key, n, sizeof(struct account), memory);
	uint8_t *at = (uint8_t *)memory + table_memsize(n, sizeof(struct account));
	watch->fleet = (void *)at;
	at += (sizeof(struct fleet) + 63) & ~(size_t)63;
	campaigns_init(&watch->campaigns, n, config->hash_key, at);
}

size_t watch_parts(struct watch *watch, struct store_part *parts) {
	parts[0] = STORE_PART_TABLE("accounts", KEPT_ACCOUNTS, ACCOUNT_LAYOUT, &watch->accounts);
	parts[1] = STORE_PART_BLOB("fleet", KEPT_FLEET, FLEET_LAYOUT, watch->fleet);
	parts[1].unpack = fleet_unpack;
	parts[2] = STORE_PART_BLOB("time of accounts", KEPT_WATCH_NOW, 1, &watch->now_ns);
	parts[3] = STORE_PART_BLOB("quarantine", KEPT_CAMPAIGN, 1, &watch->quarantine);
	struct campaigns *c = &watch->campaigns;
	parts[4] = STORE_PART_TABLE("adopted", KEPT_ADOPTED, 1, &c->adopted);
	parts[5] = STORE_PART_TABLE("entities", KEPT_ENTITIES, 1, &c->entities);
	parts[6] = STORE_PART_TABLE("edges", KEPT_EDGES, 1, &c->edges);
	return 7;
}

void watch_set_budget(struct watch *watch, double budget) {
	watch->budget = budget;
	watch->nominal = log(7000 / budget);
}

double watch_threshold(const struct watch *watch) {
	if (watch->nominal_only)
		return watch->nominal;
	return fleet_threshold(watch->fleet, watch->budget * METERS_SHARE, watch->nominal);
}

double watch_nats(const struct watch *watch, const struct account *account, enum meter_id *most_r) {
	double sum = 0, most = 0;
	unsigned weeks = account_weeks(account);
	*most_r = METER_VISITOR;
	for (int i = 0; i < METERS; i++) {
		if (watch->without >> (16 + i) & 1)
			continue;
		double m = weights[i]
			* exp(meter_nats(&account->meters[i], &watch->fleet->meters[i], weeks));
		sum += m;
		if (m > most) {
			most = m;
			*most_r = i;
		}
	}
	return log(sum);
}

// ---- days

static void close_fortnight(struct watch *watch, struct account *account, uint16_t day) {
	if (day < account->peak_day + FORTNIGHT)
		return;
	if (account->peak_day > account->founded + FORTNIGHT)
		fleet_peak(watch->fleet, account->peak);
	account->peak = 0;
	account->peak_day = day;
}

static bool is_told(const struct watch *watch, const struct account *account) {
	return account->flags & ACCOUNT_ALARMED
		&& episodes_find(watch->episodes, EPISODE_READER, account->node.key) != NULL;
}

static void close_day(struct watch *watch, struct account *account, unsigned n_quiet) {
	struct fleet *fleet = watch->fleet;
	unsigned weeks = account_weeks(account);
	bool told = is_told(watch, account), settled = weeks >= 2 && !fleet_is_young(fleet);
	enum meter_lesson lesson = visitor_close_day(account, fleet);
	for (int i = 0; i < METERS; i++) {
		struct meter *meter = &account->meters[i];
		bool strangers = i == METER_VISITOR || watch_volume_is_foreign(account);
		enum meter_lesson of = strangers ? lesson : METER_HABIT;
		if (settled)
			meter_close(
				meter, &fleet->meters[i], weeks, n_quiet, told ? METER_SILENT : of
			);
		meter->today = 0;
	}
	float home_old = fminf(account->today_home_old, OLD_CLIP);
	account->usual_old += (home_old - account->usual_old) / 30;
	account->usual_sent += ((float)account->today_sent - account->usual_sent) / 30;
	account->today_others = 0;
	account->today_old = account->today_home_old = account->today_sent = 0;
	account->flags &= ~ACCOUNT_ACTIVE;
}

static void roll(struct watch *watch, struct account *account, uint16_t day) {
	if (day <= account->day)
		return;
	close_day(watch, account, day - account->day - 1);
	account->day = day;
	for (unsigned week = account_weeks(account); account->week < week; account->week++)
		for (int i = 0; i < METERS; i++)
			meter_week(&account->meters[i]);
	close_fortnight(watch, account, day);
}

static void count_active(struct watch *watch, struct account *account) {
	if (account->flags & ACCOUNT_ACTIVE)
		return;
	account->flags |= ACCOUNT_ACTIVE;
	account->active_days++;
	watch->fleet->active_days++;
	watch->fleet->n_today++;
}

// ---- an activity

static struct account *
get_account(struct watch *watch, const struct activity *activity, uint64_t key, uint16_t day) {
	struct account *account = table_find(&watch->accounts, key);
	if (account)
		return account;
	size_t len = strnlen(activity->account, ACCOUNT_SIZE - 1);
	account = table_add(&watch->accounts, key);
	for (int i = 0; i < METERS; i++)
		meter_init(&account->meters[i]);
	account->founded = account->day = account->peak_day = day;
	len = len < ACCOUNT_NAME_SIZE ? len : ACCOUNT_NAME_SIZE - 1;
	while (len > 0 && (activity->account[len] & 0xc0) == 0x80)
		len--;
	memcpy(account->name, activity->account, len);
	uint32_t n = watch->accounts.n;
	watch->fleet->n_accounts = n < watch->accounts.n_max ? n : watch->accounts.n_max;
	return account;
}

bool watch_volume_is_foreign(const struct account *account) {
	return account->meters[METER_VOLUME].today >= meter_score(VOLUME_FOREIGN);
}

// A resident reads two old messages as often as nothing; that a stranger does is rare, and rarer each day
// that he does it again. So strangers' days are ranked among all accounts' days by themselves.
static double volume_nats(const struct account *account, uint32_t foreign) {
	double over = (1.0 + account->today_old) / (1 + 1.5 * account->usual_old);
	double all = over > 1 ? fmin(1.2 * log(over), VOLUME_FOREIGN - METER_UNIT) : 0;
	return foreign ? VOLUME_FOREIGN + log1p(foreign) : all;
}

// Who roams and looks something up at a new place ranks among strangers no higher than he does for himself; what
// others read keeps its rank.
static uint8_t volume_score(const struct account *account, const struct fleet *fleet) {
	if (account->today_old == 0)
		return 0; // as on most days
	struct visitors_old old = visitors_old_today(account);
	uint8_t all = meter_score(volume_nats(account, old.all));
	if (old.moving == 0)
		return all;
	uint8_t owner = visitor_owner_score(account, fleet, METER_VOLUME, old.far, all);
	uint8_t others = meter_score(volume_nats(account, old.all - old.moving));
	return owner > others ? owner : others;
}

static void volume_take(const struct visit *visit, const struct fleet *fleet, struct meter *meter) {
	struct account *account = visit->account;
	if (visit->served && visit->settled)
		return;
	account->today_old += visit->old;
	if (visit->served)
		return;
	if (visit_is_home(visit) && !visit->activity->ambiguous)
		account->today_home_old += visit->old;
	meter->today = volume_score(account, fleet);
}

static void judge(struct watch *watch, const struct visit *visit) {
	struct account *account = visit->account;
	enum meter_id most;
	double nats = watch_nats(watch, account, &most);
	if (nats > account->peak)
		account->peak = nats;
	// What is told is what was done today; the days before only weigh it.
	const struct meter *meter = &account->meters[most];
	double today = meter_day_nats(
		meter, &watch->fleet->meters[most], account_weeks(account), meter->age, meter->today
	);
	if (nats >= watch_threshold(watch) && today >= TODAY_MIN)
		watch_tell_reader(watch, visit, nats, most);
}

static void
tell_ours(struct watch *watch, const struct visit *visit, enum entity_kind kind, uint32_t n) {
	if (n == 0)
		return;
	watch_tell_wave(watch, visit, kind, n);
	watch_tell_ours(watch, visit, kind, n);
}

// What the account takes up with this visit, and whether all do.
static void adopt(struct watch *watch, const struct visit *visit) {
	struct campaigns *campaigns = &watch->campaigns;
	uint32_t n = 0;
	// A carrier moves its customers to and fro among its networks: that is no news of the organisation's.
	if (visit->new_net && visit->at > PLACE_PROVIDER)
		n = campaigns_adopt(
			campaigns,
			watch->fleet,
			ENTITY_NET,
			visit->net,
			visit->account->node.key,
			visit->day
		);
	tell_ours(watch, visit, ENTITY_NET, n);
	n = 0;
	if (visit->new_client)
		n = campaigns_adopt(
			campaigns,
			watch->fleet,
			ENTITY_CLIENT,
			visit->client_key,
			visit->account->node.key,
			visit->day
		);
	tell_ours(watch, visit, ENTITY_CLIENT, n);
	if (visit->n_renumbered)
		watch_tell_wave(watch, visit, ENTITY_KINDS, visit->n_renumbered);
}

// What few use links those who are visited by it.
static bool links(const struct watch *watch, uint32_t key) {
	double share = watch->fleet->n_accounts * LINK_SHARE;
	return fleet_adopters(watch->fleet, key) <= fmax(share, LINK_FEW);
}

static void testify(struct watch *watch, const struct visit *visit, const struct visitor *visitor) {
	struct testimony testimony = {
		.account = visit->account->node.key,
		.min = visit->min,
		.since_min = visitor->first_min,
		.nats = visitor->nats + visitor_today(visit->account, watch->fleet, visitor),
		.old = visitor->old,
		.fresh = visitor->fresh,
		.ip = &visit->activity->source.ip,
		.net = visit->net,
	};
	if (visitor->score == 0 || testimony.nats < TESTIMONY_MIN || watch->without >> 24 & 1)
		return;
	// Travellers meet in networks and providers, each with his own client; strangers' clients do not.
	const struct fleet *fleet = watch->fleet;
	if (fleet_is_shared(fleet, visit->net))
		return; // the organisation's own
	bool far = visit->at >= PLACE_COUNTRY, own = visit->with == CLIENT_OWN;
	bool net = far && (!own || visit_hides(visit));
	struct {
		enum entity_kind kind;
		uint32_t value;
		bool counts;
	} entities[] = {
		// Nor do clients that are none of theirs come to many from one address of a provider they use: a
		// program of the organisation's own, or whoever is inside.
		{ENTITY_IP,
		 visit->ip,
		 far || (visit->at == PLACE_PROVIDER && !own && !visit->upgraded)},
		{ENTITY_NET, visit->net, net},
		{ENTITY_PROVIDER,
		 visit->provider_id,
		 far && !own && links(watch, visit->provider_id)},
		// At home a new client is the owner's, however many take it up; and with a program that
		// fetches for others here, each fetches for himself.
		{ENTITY_CLIENT,
		 visit->client_key,
		 visit->at != PLACE_HOME && !own && !visit->upgraded
			 && links(watch, visit->client_key)
			 && !fleet_is_shared(fleet, visit->client_key)
			 && !fleet_is_fetcher(fleet, visit->client_key)},
	};
	// All of them hear it before one tells of it.
	bool heard[ENTITY_KINDS];
	for (int i = 0; i < ENTITY_KINDS; i++) {
		bool adopted = entities[i].kind >= ENTITY_PROVIDER;
		testimony.n_users = adopted ? fleet_adopters(watch->fleet, entities[i].value) : 0;
		heard[i]
			= entities[i].counts
			&& campaigns_hear(
				  &watch->campaigns, entities[i].kind, entities[i].value, &testimony
			);
	}
	for (int i = 0; i < ENTITY_KINDS; i++) {
		struct entity *entity = NULL;
		if (heard[i])
			entity = campaigns_find(
				&watch->campaigns, entities[i].kind, entities[i].value
			);
		if (entity && watch_tell_campaign(watch, visit, entity))
			break;
	}
}

// An owner is where others' strangers come from: a VPN, a mobile carrier. Every few days is enough, as what is
// said of an entity stands for weeks.
static void acquit(struct watch *watch, const struct visit *visit) {
	uint64_t key = visit->account->node.key;
	if (visit->day % ACQUIT_DAYS != key % ACQUIT_DAYS)
		return;
	uint32_t ip = visit_ip(&visit->activity->source.ip);
	campaigns_acquit(&watch->campaigns, ENTITY_IP, ip, key);
	campaigns_acquit(&watch->campaigns, ENTITY_NET, visit->net, key);
}

// ---- single deeds

// For ablation: all deeds, or those of forwarding, or of sending.
static bool is_left_out(const struct watch *watch, enum deed deed) {
	bool forwards = deed == DEED_FORWARD || deed == DEED_FORWARD_STRANGER;
	bool sends = deed == DEED_SINK || deed == DEED_SINK_STRANGER;
	return watch->without >> 25 & 1 || (forwards && watch->without >> 28 & 1)
		|| (sends && watch->without >> 29 & 1);
}

static void
judge_deed(struct watch *watch, const struct visit *visit, enum deed deed, const char *what) {
	double nats = deed_nats(watch->fleet, deed);
	if (nats < watch->nominal || is_left_out(watch, deed))
		return;
	if (deed == DEED_COLD)
		watch_tell_cold(watch, visit, nats);
	else
		watch_tell_deed(watch, visit, deed, what, nats);
}

// Its network or its client is hardly anybody's, or was until a campaign came through it.
static bool is_rare(const struct watch *watch, const struct visit *visit) {
	double few = fmax(watch->fleet->n_accounts * LINK_SHARE, RARE_FEW);
	const struct entity *net = campaigns_find(&watch->campaigns, ENTITY_NET, visit->net);
	return (net && net->campaign) || fleet_adopters(watch->fleet, visit->provider_id) <= few
		|| (visit->client && fleet_adopters(watch->fleet, visit->client_key) <= few);
}

static void take_deed(struct watch *watch, const struct visit *visit) {
	const char *what;
	enum deed deed = deed_take(visit, &what);
	// Where the server numbers mailboxes anew, all load theirs, also who was not seen before.
	if (deed == DEEDS && deed_is_cold(visit) && is_rare(watch, visit)
	    && !fleet_is_renumbering(watch->fleet))
		deed = DEED_COLD;
	if (deed == DEEDS || fleet_is_young(watch->fleet)
	    || fleet_is_shared(watch->fleet, visit->net))
		return;
	struct account *account = visit->account;
	uint32_t bit = 1u << deed % 32;
	if (deed != DEED_FORWARD && deed != DEED_FORWARD_STRANGER
	    && account->deeds_day == visit->day && account->deeds & bit)
		return; // today's is counted
	if (account->deeds_day != visit->day)
		account->deeds = 0;
	account->deeds_day = visit->day;
	account->deeds |= bit;
	judge_deed(watch, visit, deed, what);
	deed_count(watch->fleet, deed, visit->net);
}

// It came again on another day and took little: as the owner's own program does, of a kind that others here
// have, too. An intruder who takes the same one and goes on is left to the meters.
static bool
fetches_on(const struct watch *watch, struct pending pending, const struct visitor *visitor) {
	return fleet_is_fetcher(watch->fleet, visitor->client)
		&& visitor->last_min + QUARANTINE_MIN >= pending.due_min + AGAIN_MIN
		&& visitor->today_old < BURST_OLD_MIN;
}

// The owner on a journey, on the day on which the server numbered the mailbox anew: how many it did that to
// shows later.
static bool loads_anew(
	const struct watch *watch,
	const struct account *account,
	const struct visitor *visitor
) {
	return visitor->day == account->renumbered_day && !(visitor->flags & VISITOR_NEW_CLIENT)
		&& fleet_is_renumbering(watch->fleet);
}

static void release(struct watch *watch, struct pending pending) {
	struct account *account = table_peek(&watch->accounts, pending.account);
	for (int i = 0; account && i < ACCOUNT_VISITORS; i++) {
		struct visitor *visitor = &account->visitors[i];
		if (visitor->first_min == 0 || visitor->client != pending.client
		    || loads_anew(watch, account, visitor) || visitor->provider != pending.provider
		    || visitor->committed_days || fleet_is_shared(watch->fleet, visitor->client)
		    || fleet_is_shared(watch->fleet, visitor->last_net)
		    || fetches_on(watch, pending, visitor))
			continue;
		double nats = deed_nats(watch->fleet, pending.deed);
		if (!(watch->without >> 26 & 1) && nats >= watch->nominal)
			watch_tell_burst(watch, account, visitor, nats);
		deed_count(watch->fleet, pending.deed, visitor->last_net);
	}
}

static void quarantine_put(struct watch *watch, struct pending pending) {
	struct quarantine *quarantine = &watch->quarantine;
	if (quarantine->n == WATCH_PENDING_MAX) {
		release(watch, quarantine->pending[quarantine->first]);
		quarantine->pending[quarantine->first] = pending;
		quarantine->first = (quarantine->first + 1) % WATCH_PENDING_MAX;
		return;
	}
	quarantine->pending[quarantine->n++] = pending;
}

void watch_advance(struct watch *watch, uint64_t now_ns) {
	struct quarantine *quarantine = &watch->quarantine;
	uint32_t now_min = now_ns / MINUTE_NS;
	watch->now_ns = now_ns > watch->now_ns ? now_ns : watch->now_ns;
	for (uint32_t i = 0; i < quarantine->n;) {
		struct pending pending = quarantine->pending[i];
		if (pending.due_min > now_min) {
			i++;
			continue;
		}
		quarantine->pending[i] = quarantine->pending[--quarantine->n];
		quarantine->first = 0;
		release(watch, pending);
	}
}

static void take_burst(struct watch *watch, const struct visit *visit, struct visitor *visitor) {
	enum deed deed = deed_burst(visitor, visit);
	if (deed == DEEDS || visitor->flags & VISITOR_BULK)
		return;
	visitor->flags |= VISITOR_BULK;
	bool waits = !deed_hides(deed) || fleet_is_fetcher(watch->fleet, visitor->client);
	uint32_t wait = waits ? QUARANTINE_MIN : QUARANTINE_HIDING_MIN;
	quarantine_put(
		watch,
		(struct pending){
			.account = visit->account->node.key,
			.due_min = visit->min + wait,
			.client = visitor->client,
			.provider = visitor->provider,
			.deed = deed,
		}
	);
}

// A sensor tells of a login at once, for whoever guesses passwords; with what program it was and what was done
// follows, at the session's end at the latest. Until then it is nobody's visit.
static bool is_login_alone(const struct activity *activity) {
	const bool named = activity->client.grammar || activity->client.id[0];
	return activity->auth.success && !activity->end && !named && activity->n_mailboxes == 0
		&& activity->n_sent == 0 && activity->n_forward == 0 && activity->n_acl == 0;
}

static bool is_accepted(const struct activity *activity) {
	return activity->account[0] && activity->source.ip.family
		&& (activity->auth.success || activity->auth.failure == 0);
}

void watch_run(
	struct watch *watch,
	const struct activity *activity,
	uint64_t key,
	uint64_t time_ns,
	uint64_t now_ns,
	bool doubtful
) {
	watch->now_ns = now_ns;
	if (!is_accepted(activity))
		return;
	uint16_t day = time_ns / DAY_NS;
	struct fleet *fleet = watch->fleet;
	uint16_t today = now_ns / DAY_NS;
	if (today != fleet->day)
		fleet_day(fleet, today);
	struct account *account = get_account(watch, activity, key, day);
	roll(watch, account, day);
	count_active(watch, account);
	table_prove(&watch->accounts, account);
	if (doubtful)
		account->doubt_min = time_ns / MINUTE_NS;
	if (is_login_alone(activity))
		return;
	struct visit visit;
	visit_take(&visit, fleet, account, activity, time_ns);
	if (!activity->ambiguous)
		account->today_sent += activity->n_sent;
	adopt(watch, &visit);
	if (visit.vouches)
		acquit(watch, &visit);
	struct visitor *visitor = visitor_take(&visit, fleet, watch->without);
	struct meter *meters = account->meters;
	uint8_t before[] = {meters[METER_VISITOR].today, meters[METER_VOLUME].today};
	if (visitor) {
		visitor_measure(account, fleet);
		testify(watch, &visit, visitor);
		take_burst(watch, &visit, visitor);
	}
	volume_take(&visit, fleet, &meters[METER_VOLUME]);
	if (visit.settled
	    && (meters[METER_VISITOR].today > before[0] || meters[METER_VOLUME].today > before[1]))
		judge(watch, &visit);
	take_deed(watch, &visit);
}
