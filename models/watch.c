// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "watch.h"

#include "channel/visitor.h"
#include "hash.h"
#include "watch_text.h"

#include <math.h>
#include <string.h>

enum {
	FORTNIGHT = 14,
	OLD_CLIP = 60, // a sync is no habit
};

static const double weights[METERS] = {
	[METER_VISITOR] = 0.5,
	[METER_VOLUME] = 0.2,
	[METER_SENDING] = 0.1,
	[METER_OTHERS] = 0.1,
	[METER_FILING] = 0.1,
};

size_t watch_memsize(size_t n_accounts) {
	return table_memsize(n_accounts, sizeof(struct account))
		+ ((sizeof(struct fleet) + 63) & ~(size_t)63);
}

void watch_init(
	struct watch *watch,
	const struct watch_config *config,
	struct episodes *episodes,
	void *memory
) {
	double budget = config->budget > 0 ? config->budget : EVIDENCE_BUDGET_DEFAULT;
	*watch = (struct watch){
		.episodes = episodes,
		.budget = budget,
		.nominal = log(7000 / budget),
		.nominal_only = config->nominal_only,
		.without = config->without,
	};
	size_t n = config->n_accounts;
	table_init(&watch->accounts, config->hash_key, n, sizeof(struct account), memory);
	watch->fleet = (void *)((uint8_t *)memory + table_memsize(n, sizeof(struct account)));
}

double watch_threshold(const struct watch *watch) {
	if (watch->nominal_only)
		return watch->nominal;
	return fleet_threshold(watch->fleet, watch->budget, watch->nominal);
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
	return episodes_find(watch->episodes, EPISODE_READER, account->node.key) != NULL;
}

static void close_day(struct watch *watch, struct account *account, unsigned n_quiet) {
	struct fleet *fleet = watch->fleet;
	unsigned weeks = account_weeks(account);
	bool told = is_told(watch, account), settled = weeks >= 2 && !fleet_is_young(fleet);
	enum meter_lesson lesson = visitor_close_day(account, fleet);
	for (int i = 0; i < METERS; i++) {
		struct meter *meter = &account->meters[i];
		enum meter_lesson of = i == METER_VISITOR ? lesson : METER_HABIT;
		if (settled)
			meter_close(
				meter,
				&fleet->meters[i],
				weeks,
				n_quiet,
				told ? METER_SILENT : of
			);
		meter->today = 0;
	}
	float home_old = fminf(account->today_home_old, OLD_CLIP);
	account->usual_old += (home_old - account->usual_old) / 30;
	account->usual_sent += ((float)account->today_sent - account->usual_sent) / 30;
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
get_account(struct watch *watch, const struct activity *activity, uint16_t day) {
	size_t len = strnlen(activity->account, ACCOUNT_SIZE - 1);
	uint64_t key = hash_bytes(HASH_PUBLIC, activity->account, len);
	struct account *account = table_find(&watch->accounts, key);
	if (account)
		return account;
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

static void
tell(struct watch *watch, const struct visit *visit, double nats, enum meter_id most) {
	struct account *account = visit->account;
	struct episode *episode
		= episodes_find(watch->episodes, EPISODE_READER, account->node.key);
	if (!episode) {
		episode = episodes_open(
			watch->episodes,
			EPISODE_READER,
			account->node.key,
			account->node.key,
			visit->time_ns,
			watch->now_ns
		);
		episode->silence_ns = WATCH_SILENCE_NS;
	}
	uint32_t size = text_reader(watch, visit, nats, most, &episode->alert);
	episode_tell(watch->episodes, episode, size, false, watch->now_ns);
	for (int i = 0; i < METERS; i++)
		meter_reset(&account->meters[i]);
}

static void volume_take(const struct visit *visit, struct meter *meter) {
	struct account *account = visit->account;
	account->today_old += visit->old;
	if (visit_is_home(visit))
		account->today_home_old += visit->old;
	double over = (1.0 + account->today_old) / (1 + 1.5 * account->usual_old);
	meter->today = meter_score(1.2 * log(over));
}

static void judge(struct watch *watch, const struct visit *visit) {
	struct account *account = visit->account;
	enum meter_id most;
	double nats = watch_nats(watch, account, &most);
	if (nats > account->peak)
		account->peak = nats;
	if (nats >= watch_threshold(watch))
		tell(watch, visit, nats, most);
}

static bool is_accepted(const struct activity *activity) {
	return activity->account[0] && activity->source.ip.family
		&& (activity->auth.success || activity->auth.failure == 0);
}

void watch_run(
	struct watch *watch,
	const struct activity *activity,
	uint64_t time_ns,
	uint64_t now_ns
) {
	watch->now_ns = now_ns;
	if (!is_accepted(activity))
		return;
	uint16_t day = time_ns / (86400ull * 1000000000);
	struct fleet *fleet = watch->fleet;
	fleet_day(fleet, now_ns / (86400ull * 1000000000));
	struct account *account = get_account(watch, activity, day);
	roll(watch, account, day);
	count_active(watch, account);
	struct visit visit;
	visit_take(&visit, fleet, account, activity, time_ns);
	table_prove(&watch->accounts, account);
	struct visitor *visitor = visitor_take(&visit, fleet, watch->without);
	uint8_t before[] = {
		account->meters[METER_VISITOR].today,
		account->meters[METER_VOLUME].today,
	};
	if (visitor)
		account->meters[METER_VISITOR].today = visitor_score(account);
	volume_take(&visit, &account->meters[METER_VOLUME]);
	if (visit.settled
	    && (account->meters[METER_VISITOR].today > before[0]
		|| account->meters[METER_VOLUME].today > before[1]))
		judge(watch, &visit);
}
