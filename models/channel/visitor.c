// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "channel/visitor.h"

#include <math.h>
#include <string.h>

enum {
	SILENT_DAYS = 3, // of the residents, before it counts
	DAY_MINUTES = 1440,
	JOURNEY_DAYS = 4, // reading on as many, a known client elsewhere should have committed
	DOUBT_DAYS = 14, // after a doubtful login
};

#define STRANGER 1.5 // nats of place and client
#define HABITUAL 0.3 // committed days of a visitor from which he is more likely known than not
// Shares of an account's days and places from which it roams: far from all it knows, and within its providers,
// where carriers move everybody now and then.
#define ROAMS_FAR 0.2
#define ROAMS 0.5

static double clamp(double nats, double max) {
	return nats > 0 ? fmin(nats, max) : 0;
}

// How rare among accounts, in nats: -ln of the share that has it.
static double rarity(const struct fleet *fleet, uint32_t key) {
	return log((fleet->n_accounts + 2.0) / (fleet_adopters(fleet, key) + 1.0));
}

static bool uses_network(const struct account *account, uint8_t network) {
	for (int i = 0; i < ACCOUNT_PROVIDERS; i++)
		if (account->providers[i].id && account->providers[i].network == network
		    && account->providers[i].residence.commits)
			return true;
	return false;
}

static bool is_doubted(const struct visit *visit) {
	uint32_t since = visit->account->doubt_min;
	return since && visit->min < since + DOUBT_DAYS * DAY_MINUTES;
}

static double place_nats(const struct visit *visit, const struct fleet *fleet) {
	const struct account *account = visit->account;
	if (visit->at == PLACE_HOME)
		return 0;
	// Somebody may have found the password: a stranger soon after is no coincidence.
	double doubt = is_doubted(visit) && visit->at != PLACE_PROVIDER ? 3 : 0;
	if (visit->at == PLACE_PROVIDER)
		return 0.5;
	double nats = clamp(account_novelty(account), 3);
	nats += clamp(0.25 * rarity(fleet, visit->provider_id), 2);
	uint8_t network = visit->activity->source.network;
	if (visit_hides(visit) && !uses_network(account, network))
		nats += 1;
	if (visit->at == PLACE_STRANGE && visit->activity->source.country[0])
		nats += 0.5;
	return clamp(nats, 6) + doubt;
}

static double client_nats(const struct visit *visit, const struct fleet *fleet) {
	if (visit->with == CLIENT_OWN)
		return 0;
	if (visit->upgraded)
		return 0.5;
	double nats = visit->with == CLIENT_NEW ? 1 : 0.75;
	nats += clamp(0.3 * rarity(fleet, visit->client_key), 2);
	if (visit->mismatch)
		nats += 3;
	return visit->at == PLACE_HOME ? clamp(nats, 1.5) : clamp(nats, 6);
}

static double coverage_nats(const struct account *account) {
	double share = 0;
	for (int i = 0; i < ACCOUNT_MAILBOXES; i++)
		share = fmax(share, account->mailboxes[i].n_read / 256.0);
	return clamp(log1p(20 * share) / 1.5, 2);
}

static double gap_nats(const struct visit *visit, const struct visitor *visitor) {
	double nats = visitor->committed_days ? 0 : 0.9 * log(fmax(visitor->days, 1));
	if (!(visitor->flags & VISITOR_WROTE) && visitor->old + visitor->fresh > 0)
		nats += 0.75;
	return clamp(nats, 3);
}

static double absence_nats(const struct visit *visit) {
	const struct account *account = visit->account;
	if (account->resident_min == 0 || visit->min < account->resident_min)
		return 0;
	double days = (double)(visit->min - account->resident_min) / DAY_MINUTES;
	double usual = (double)(visit->day - account->founded + 1) / (account->active_days + 1);
	return days >= SILENT_DAYS ? clamp(log(days / (SILENT_DAYS * usual) + 1), 2) : 0;
}

// ---- A visitor's day

static void begin_day(struct visitor *visitor, uint16_t day) {
	if (visitor->day == day)
		return;
	visitor->day = day;
	visitor->flags &= ~(VISITOR_COMMITTED | VISITOR_SEARCHED);
	visitor->today_old = visitor->today_fresh = 0;
	visitor->today_hours = 0;
	visitor->n_today_hours = visitor->last_hour = 0;
	visitor->score = 0;
}

static void add_net(struct visitor *visitor, uint32_t net) {
	uint8_t listed
		= visitor->n_nets < ACCOUNT_VISITOR_NETS ? visitor->n_nets : ACCOUNT_VISITOR_NETS;
	for (uint8_t i = 0; i < listed; i++)
		if (visitor->net[i] == net)
			return;
	// The last places are remembered: one that returns to none of them moves all the time.
	visitor->net[visitor->n_nets % ACCOUNT_VISITOR_NETS] = net;
	if (visitor->n_nets < 250)
		visitor->n_nets++;
}

static uint16_t add16(uint16_t to, uint32_t n) {
	return n < (uint32_t)UINT16_MAX - to ? to + n : UINT16_MAX;
}

// Each hour of the day once, however many records tell of it.
static void take_hour(const struct visit *visit, struct visitor *visitor) {
	if (visitor->last_hour == visit->hour + 1)
		return;
	visitor->last_hour = visit->hour + 1;
	visitor->n_today_hours = add16(visitor->n_today_hours, 1);
	visitor->today_hours += account_hour_nats(visit->account, visit->weekend, visit->hour);
}

static void take(const struct visit *visit, struct visitor *visitor) {
	const struct activity *activity = visit->activity;
	begin_day(visitor, visit->day);
	if (visitor->first_min == 0)
		visitor->first_min = visit->min;
	visitor->last_min = visit->min;
	visitor->last_net = visit->net;
	add_net(visitor, visit->net);
	memcpy(visitor->ip, activity->source.ip.addr, sizeof(visitor->ip));
	visitor->family = activity->source.ip.family;
	visitor->network = activity->source.network;
	visitor->asn = activity->source.asn;
	visitor->grammar = activity->client.grammar;
	memcpy(visitor->country, activity->source.country, 2);
	if (visitor->today_old + visitor->today_fresh == 0 && visit->old + visit->fresh
	    && visitor->days < UINT8_MAX)
		visitor->days++;
	visitor->old += visit->old;
	visitor->fresh += visit->fresh;
	visitor->kib += visit->kib;
	visitor->today_old = add16(visitor->today_old, visit->old);
	visitor->today_fresh = add16(visitor->today_fresh, visit->fresh);
	if (visit->old + visit->fresh) {
		visitor->hours |= 1u << visit->hour;
		take_hour(visit, visitor);
	}
	if (visit->searched)
		visitor->flags |= VISITOR_SEARCHED;
	if (visit->old + visit->fresh && !visit->read_only)
		visitor->flags |= VISITOR_WROTE;
	if (visit->mismatch)
		visitor->flags |= VISITOR_MISMATCH;
	if (visit->with != CLIENT_OWN)
		visitor->flags |= VISITOR_NEW_CLIENT;
	if (visit->at >= PLACE_COUNTRY)
		visitor->flags |= VISITOR_FAR;
	if (visit->committed && !(visitor->flags & VISITOR_COMMITTED)) {
		visitor->flags |= VISITOR_COMMITTED;
		if (visitor->committed_days < UINT8_MAX)
			visitor->committed_days++;
	}
	for (int i = 0; i < activity->n_mailboxes && i < ACTIVITY_MAILBOXES_MAX; i++)
		if (activity->mailboxes[i].n_bodies)
			mailbox_cover(
				visit_mailbox(visit, &activity->mailboxes[i]),
				&activity->mailboxes[i].bodies
			);
}

static double part_nats(
	const struct visit *visit,
	const struct fleet *fleet,
	const struct visitor *visitor,
	enum meter_part part
) {
	switch (part) {
	case PART_PLACE:
		return place_nats(visit, fleet);
	case PART_CLIENT:
		return client_nats(visit, fleet);
	case PART_HOURS:
		return visitor->n_today_hours
			? clamp(visitor->today_hours / visitor->n_today_hours, 3)
			: 0;
	case PART_COLLECTION:
		return clamp(1.5 * log1p(visitor->today_old / (1 + visit->account->usual_old)), 6);
	case PART_COVERAGE:
		return visitor->today_old ? coverage_nats(visit->account) : 0;
	case PART_GAP:
		return gap_nats(visit, visitor);
	case PART_SEARCH:
		return visitor->flags & VISITOR_SEARCHED && visitor->today_old ? 1 : 0;
	case PART_ABSENCE:
		return absence_nats(visit);
	default:
		return 0;
	}
}

// Who commits now and then is more likely a known one elsewhere, or a new device.
static double innocence(const struct visitor *visitor) {
	if (visitor->flags & VISITOR_COMMITTED)
		return 0;
	double share = visitor->committed_days / fmax(visitor->days, visitor->committed_days);
	return share >= HABITUAL ? 0.3 : 1 - share;
}

// What a known client does at a known provider is told by how much it reads alone; the rest speaks
// against somebody who is strange already.
static bool counts(enum meter_part part, double identity) {
	bool always = part <= PART_CLIENT || part == PART_COLLECTION;
	return always || identity >= STRANGER;
}

// An intruder stays, or comes back, where he is; who is at another place each day is the owner of an account that roams, or
// would like to be taken for him.
static bool is_moving(const struct visitor *visitor) {
	return visitor->n_nets >= visitor->days;
}

uint8_t visitor_owner_score(
	const struct account *account,
	const struct fleet *fleet,
	enum meter_id meter,
	bool far,
	uint8_t score
) {
	double roams = far ? account_roams_far(account) : account_roams(account);
	if (score <= 1 || roams < (far ? ROAMS_FAR : ROAMS))
		return score;
	// Residents of all accounts stand in for an owner who is hardly ever at home.
	double of_all = fleet->meters[METER_VOLUME].of[AGE_FIRST].share[1];
	double p = roams * fmax(-expm1(-account->usual_old), of_all);
	const struct meter_days *days = &fleet->meters[meter].of[AGE_FIRST];
	double share = p * meter_own_weight(account_weeks(account));
	while (score > 1 && days->share[score] < share)
		score--;
	return score;
}

static void
score(const struct visit *visit,
      const struct fleet *fleet,
      uint32_t without,
      struct visitor *visitor) {
	double sum = 0, identity = 0;
	for (int part = 0; part < METER_PARTS; part++) {
		double nats = without >> part & 1 ? 0 : part_nats(visit, fleet, visitor, part);
		if (part <= PART_CLIENT)
			identity += nats;
		if (!counts(part, identity))
			continue;
		uint8_t score = meter_score(nats);
		if (score > visitor->part[part])
			visitor->part[part] = score;
		sum += nats;
	}
	// Who only asks whether there is mail has taken nothing yet.
	// And new mail read by a known client from a known provider is what they are for.
	// Nor does it count for a program that fetches it for others here: that is what it is for.
	// Elsewhere it is a journey, until it has gone on for days without any commitment.
	bool gone_on = visitor->days >= JOURNEY_DAYS && visitor->committed_days == 0;
	bool fresh_counts = identity >= STRANGER && (visit->with != CLIENT_OWN || gone_on)
		&& !fleet_is_fetcher(fleet, visit->client_key);
	if (visitor->today_old + (fresh_counts ? visitor->today_fresh : 0) == 0)
		sum = 0;
	uint8_t now = meter_score(sum * innocence(visitor));
	bool far = visit->at >= PLACE_COUNTRY;
	if (visit->with == CLIENT_OWN && !visit->mismatch && is_moving(visitor))
		now = visitor_owner_score(visit->account, fleet, METER_VISITOR, far, now);
	if (now > visitor->score || visitor->flags & VISITOR_COMMITTED)
		visitor->score = now;
}

// Without a client of the account's, whoever it is may come from anywhere; but what is done at home, by
// a new device, speaks for nobody who comes from elsewhere with the same software.
static struct visitor *find(const struct visit *visit) {
	uint32_t elsewhere = visit->at >= PLACE_COUNTRY ? 0 : VISITOR_AT_HOME;
	uint32_t provider = visit->with == CLIENT_OWN ? visit->provider_id : elsewhere;
	return account_get_visitor(visit->account, visit->client_key, provider);
}

struct visitor *
visitor_take(const struct visit *visit, const struct fleet *fleet, uint32_t without) {
	uint8_t protocol = visit->activity->protocol;
	if (visit_is_home(visit) || !visit->settled || visit->served
	    || (protocol != ACTIVITY_IMAP && protocol != ACTIVITY_POP3))
		return NULL;
	struct visitor *visitor = find(visit);
	take(visit, visitor);
	score(visit, fleet, without, visitor);
	return visitor;
}

static uint8_t age_of(const struct visitor *visitor) {
	return visitor->days <= 1     ? AGE_FIRST
		: visitor->days <= 3  ? AGE_SECOND
		: visitor->days <= 10 ? AGE_WEEK
				      : AGE_LONG;
}

double visitor_today(
	const struct account *account,
	const struct fleet *fleet,
	const struct visitor *visitor
) {
	return meter_day_nats(
		&account->meters[METER_VISITOR],
		&fleet->meters[METER_VISITOR],
		account_weeks(account),
		age_of(visitor),
		visitor->score
	);
}

void visitor_measure(struct account *account, const struct fleet *fleet) {
	struct meter *meter = &account->meters[METER_VISITOR];
	double most = -INFINITY;
	meter->today = 0;
	meter->age = AGE_FIRST;
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		const struct visitor *visitor = &account->visitors[i];
		if (visitor->first_min == 0 || visitor->day != account->day || visitor->score == 0)
			continue;
		if (fleet_is_shared(fleet, visitor->client)
		    || fleet_is_shared(fleet, visitor->last_net))
			continue; // it turned out to be everybody's
		double nats = visitor_today(account, fleet, visitor);
		if (nats > most) {
			most = nats;
			meter->today = visitor->score;
			meter->age = age_of(visitor);
		}
	}
}

// His own client is his at a provider that he uses, and where it once committed; any other client where
// it commits often.
static bool is_known(const struct visitor *visitor) {
	if (!(visitor->flags & VISITOR_NEW_CLIENT)
	    && (visitor->committed_days || !(visitor->flags & VISITOR_FAR)))
		return true;
	return visitor->committed_days >= HABITUAL * visitor->days && visitor->committed_days;
}

struct visitors_old visitors_old_today(const struct account *account) {
	struct visitors_old old = {0};
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		const struct visitor *visitor = &account->visitors[i];
		bool owner = visitor->committed_days && is_known(visitor);
		if (!visitor->first_min || visitor->day != account->day || !visitor->score
		    || visitor->flags & VISITOR_COMMITTED || owner)
			continue;
		old.all += visitor->today_old;
		if (visitor->today_old == 0 || !is_moving(visitor)
		    || visitor->flags & (VISITOR_NEW_CLIENT | VISITOR_MISMATCH))
			continue;
		old.moving += visitor->today_old;
		old.far |= visitor->flags & VISITOR_FAR;
	}
	return old;
}

unsigned account_weeks(const struct account *account) {
	return (account->day - account->founded) / 7u;
}

// A habit is what those do who are known; the fleet learns METER_TEACH_MAX days of each visitor.
enum meter_lesson visitor_close_day(struct account *account, const struct fleet *fleet) {
	enum meter_lesson lesson = METER_HABIT;
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		struct visitor *visitor = &account->visitors[i];
		if (visitor->day != account->day || visitor->score == 0)
			continue;
		visitor->nats += visitor_today(account, fleet, visitor);
		if (visitor->nats < 0)
			visitor->nats = 0;
		if (is_known(visitor))
			continue;
		enum meter_lesson of
			= visitor->taught < METER_TEACH_MAX ? METER_TEACHES : METER_SILENT;
		visitor->taught += visitor->taught < METER_TEACH_MAX;
		lesson = of < lesson ? of : lesson;
	}
	return lesson;
}
