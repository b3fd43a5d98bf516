// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/failures_tell.h"

#include "failures/failures_text.h"

#define CROWD_NS (86400 * 1000000000ull) // a wave that goes on is told so often

enum { CROWD_MIN = 3 }; // addresses that make one

static struct episode *
find_own(const struct failures *failures, enum episode_kind kind, uint64_t subject) {
	return episodes_find(&failures->episodes, kind, subject);
}

// What others do all the time. Networks are told instead of their addresses.
static struct noise *noise_of(struct failures *failures, enum episode_kind kind) {
	return &failures->noise[kind == EPISODE_NETWORK ? EPISODE_SOURCE : kind];
}

static bool
is_noise(struct failures *failures, enum episode_kind kind, const struct evidence *evidence) {
	double over = evidence_nats(evidence) - failures->threshold;
	double budget = evidence_budget_of(failures->threshold);
	size_t n = failures->accounts.n;
	return over < noise_nats(noise_of(failures, kind), budget, n, failures->now_ns);
}

static void now_told(struct failures *failures, enum episode_kind kind) {
	double budget = evidence_budget_of(failures->threshold);
	noise_told(noise_of(failures, kind), budget, failures->accounts.n, failures->now_ns);
}

static struct episode *get_crowd(
	struct failures *failures,
	enum episode_kind kind,
	const struct attempt *attempt,
	const struct facts *facts
) {
	struct facts *crowd = &failures->crowd[kind];
	struct episode *episode = find_own(failures, kind, 0);
	if (!episode) {
		*crowd = (struct facts){0};
		episode = episodes_open(
			&failures->episodes, kind, 0, 0, facts->since_ns, failures->now_ns
		);
	}
	facts_add(crowd, attempt);
	// The latest addresses are worth more than the first: those may be gone.
	if (distinct_count(&crowd->ips) > FACTS_IPS_MAX)
		crowd->ip[crowd->attempts % FACTS_IPS_MAX] = *attempt->address;
	return episode;
}

// The episode of a subject, or the one that is shared when too many of its kind are open or it is noise.
// got_in: somebody has just now, which is never noise.
static struct episode *get_episode(
	struct failures *failures,
	enum episode_kind kind,
	uint64_t subject,
	uint64_t name,
	const struct evidence *evidence,
	const struct attempt *attempt,
	const struct facts *facts,
	bool got_in
) {
	struct episode *episode = find_own(failures, kind, subject);
	if (episode)
		return episode;
	bool noise = !got_in && is_noise(failures, kind, evidence);
	if (noise || failures->episodes.n_open[kind] >= EPISODES_OWN_MAX)
		return get_crowd(failures, kind, attempt, facts);
	if (!got_in)
		now_told(failures, kind);
	return episodes_open(
		&failures->episodes, kind, subject, name, facts->since_ns, failures->now_ns
	);
}

// What it says is found when it is said (failures_tell_word).
static void age_words(struct episode *episode, uint64_t subject, const struct facts *facts) {
	episode->subject = subject;
	episode->stale = true;
	episode->alert.end_ns = facts->last_ns;
}

static bool is_crowd(struct failures *failures, const struct episode *episode) {
	return episode == find_own(failures, episode->kind, 0);
}

static void tell_crowd(struct failures *failures, struct episode *episode) {
	const struct facts *crowd = &failures->crowd[episode->kind];
	uint32_t size = distinct_count(&crowd->accounts) + distinct_count(&crowd->ips);
	// Another wave may have begun in it.
	bool goes_on = size > episode->told_size && failures->now_ns >= episode->told_ns + CROWD_NS;
	age_words(episode, 0, crowd);
	if (episode->alert.episode.sequence == 0 && distinct_count(&crowd->ips) < CROWD_MIN) {
		episode_hold(&failures->episodes, episode);
		return;
	}
	episode_tell(&failures->episodes, episode, size, goes_on, failures->now_ns);
}

void failures_tell_takeover(
	struct failures *failures,
	struct target *account,
	const struct attempt *attempt,
	const struct facts *series,
	double series_nats,
	bool sure
) {
	double nats[] = {series_nats, target_novelty(account)};
	struct episode *episode = find_own(failures, EPISODE_TAKEOVER, account->node.key);
	bool first = !episode;
	if (first)
		episode = episodes_open(
			&failures->episodes,
			EPISODE_TAKEOVER,
			account->node.key,
			account->node.key,
			attempt->time_ns,
			failures->now_ns
		);
	// Later logins by the same are part of it; the words stay those of the first.
	if (first)
		text_takeover(failures, account, attempt, series, nats, sure, &episode->alert);
	if (attempt->time_ns > episode->alert.end_ns)
		episode->alert.end_ns = attempt->time_ns;
	episode_tell(&failures->episodes, episode, 1, false, failures->now_ns);
}

void failures_tell_origin(
	struct failures *failures,
	struct origin *origin,
	bool network,
	const struct attempt *attempt,
	bool urgent
) {
	enum episode_kind kind = network ? EPISODE_NETWORK : EPISODE_SOURCE;
	struct episode *episode = get_episode(
		failures,
		kind,
		origin->node.key,
		origin->node.key,
		&origin->evidence,
		attempt,
		series_of_origin(&failures->series, origin),
		urgent
	);
	if (is_crowd(failures, episode)) {
		tell_crowd(failures, episode);
		return;
	}
	const struct facts *facts = series_of_origin(&failures->series, origin);
	series_told(&failures->series, facts);
	age_words(episode, origin->node.key, facts);
	uint32_t size = distinct_count(&series_of_origin(&failures->series, origin)->accounts);
	episode_tell(&failures->episodes, episode, size, urgent, failures->now_ns);
}

void failures_tell_password(
	struct failures *failures,
	struct password *password,
	const struct attempt *at,
	bool urgent
) {
	const struct facts *facts = series_of_password(&failures->series, password);
	struct episode *episode = get_episode(
		failures,
		EPISODE_PASSWORD,
		password->node.key,
		facts->accounts.key[0],
		&password->evidence,
		at,
		facts,
		urgent
	);
	if (is_crowd(failures, episode)) {
		tell_crowd(failures, episode);
		return;
	}
	series_told(&failures->series, facts);
	age_words(episode, password->node.key, facts);
	uint32_t size = distinct_count(&series_of_password(&failures->series, password)->accounts);
	episode_tell(&failures->episodes, episode, size, urgent, failures->now_ns);
}

void failures_tell_account(
	struct failures *failures,
	struct target *account,
	const struct attempt *at,
	bool urgent
) {
	struct episode *episode = get_episode(
		failures,
		EPISODE_ACCOUNT,
		account->node.key,
		account->node.key,
		&account->evidence,
		at,
		series_of_target(&failures->series, account),
		urgent
	);
	if (is_crowd(failures, episode)) {
		tell_crowd(failures, episode);
		return;
	}
	const struct facts *facts = series_of_target(&failures->series, account);
	series_told(&failures->series, facts);
	age_words(episode, account->node.key, facts);
	episode_tell(
		&failures->episodes,
		episode,
		series_of_target(&failures->series, account)->attempts,
		false,
		failures->now_ns
	);
}

void failures_tell_tide(struct failures *failures, const struct attempt *at) {
	enum { TIDE = 1 }; // the outage is 0
	struct episode *episode = find_own(failures, EPISODE_OUTAGE, TIDE);
	const struct facts *facts = &failures->crowd[EPISODE_OUTAGE];
	if (!episode)
		episode = episodes_open(
			&failures->episodes,
			EPISODE_OUTAGE,
			TIDE,
			TIDE,
			facts->since_ns,
			failures->now_ns
		);
	text_tide(failures, &episode->alert);
	episode->alert.end_ns = at->time_ns;
	uint32_t size = distinct_count(&facts->accounts);
	episode_tell(&failures->episodes, episode, size, false, failures->now_ns);
}

void failures_tell_word(void *ctx, struct episode *episode) {
	struct failures *failures = ctx;
	struct alert *alert = &episode->alert;
	uint64_t key = episode->subject;
	bool network = episode->kind == EPISODE_NETWORK;
	const void *subject;
	if (key == 0) {
		text_crowd(failures, episode->kind, alert);
	} else if (episode->kind == EPISODE_SOURCE || network) {
		subject = table_peek(network ? &failures->networks : &failures->origins, key);
		if (subject)
			text_origin(failures, subject, network, alert);
	} else if (episode->kind == EPISODE_PASSWORD) {
		subject = table_peek(&failures->passwords, key);
		if (subject)
			text_password(failures, subject, alert);
	} else if (episode->kind == EPISODE_ACCOUNT) {
		subject = table_peek(&failures->accounts, key);
		if (subject)
			text_account(failures, subject, alert);
	}
}
