// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A table of episodes found by hash, and a list of them in the order of their last match: its end is
// who closes next, by time or for want of room.

#include "match/alerts.h"

#include "limits.h"
#include "match/alerts_private.h"
#include "siphash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	EPISODES_DEFAULT = 10000,
	KNOWN_MAX = 4 * RULES_MAX, // rules of all sets of one run
	NONE = 0, // index of no episode: the first is 1
};

// What was found within a rule's window, in slices of it by event time, and the different values with the
// time at which each was last seen.
struct window {
	uint64_t slice; // number of the newest
	uint32_t count[MATCH_ALERT_SLICES]; // newest first
	uint32_t n_values;
	struct {
		uint32_t hash;
		uint64_t time_ns;
	} values[RULE_DISTINCT_MAX];
};

struct match_alerts {
	struct match_alerts_config config;
	struct match_known *known;
	uint32_t n_known;
	struct match_episode *episodes; // 1 … n
	struct window *windows; // by episode; touched by those that count within an account
	uint32_t *buckets,
		*rule_buckets; // rule_buckets: number of the known rule + 1, open addressing
	uint32_t bucket_mask, rule_mask;
	uint32_t n, free, newest, oldest;
	uint64_t now_ns;
};

static uint32_t power_of_two(size_t n) {
	uint32_t size = 16;

	while (size < n)
		size *= 2;
	return size;
}

// ---- Rules by their id.

static uint32_t *rule_slot(const struct match_alerts *alerts, const char *id) {
	uint32_t at = (uint32_t)siphash(alerts->config.hash_key, id, strlen(id));

	for (;; at++) {
		uint32_t *slot = &alerts->rule_buckets[at & alerts->rule_mask];

		if (*slot == 0 || strcmp(alerts->known[*slot - 1].id, id) == 0)
			return slot;
	}
}

static void known_fill(struct match_known *known, const struct rule *rule) {
	memcpy(known->id, rule->id, sizeof(known->id));
	memcpy(known->name, rule->name, sizeof(known->name));
	memcpy(known->category, rule->category, sizeof(known->category));
	known->technique = rule->technique;
	known->has_technique = rule->has_technique;
	known->severity = rule->severity;
	known->scope = rule->scope;
	known->count = rule->count;
	known->distinct = rule->distinct;
	known->window_ns = rule->window_ns > 0 ? rule->window_ns : MATCH_ALERT_SILENCE_NS;
}

// Makes room for n more.
static int known_grow(struct match_alerts *alerts, uint32_t n) {
	uint32_t n_buckets = power_of_two(((size_t)alerts->n_known + n) * 2);
	struct match_known *known;
	uint32_t *buckets;

	if (n > KNOWN_MAX - alerts->n_known)
		return -1;
	known = realloc(alerts->known, ((size_t)alerts->n_known + n + 1) * sizeof(*known));
	alerts->known = known != NULL ? known : alerts->known;
	buckets = calloc(n_buckets, sizeof(*buckets));
	if (known == NULL || buckets == NULL) {
		free(buckets);
		return -1;
	}
	free(alerts->rule_buckets);
	alerts->rule_buckets = buckets;
	alerts->rule_mask = n_buckets - 1;
	for (uint32_t i = 0; i < alerts->n_known; i++)
		*rule_slot(alerts, alerts->known[i].id) = i + 1;
	return 0;
}

int match_alerts_rules(struct match_alerts *alerts, const struct rules *rules) {
	uint32_t n_new = 0;

	for (uint32_t i = 0; alerts->rule_buckets != NULL && i < rules->n; i++)
		n_new += *rule_slot(alerts, rules->rules[i].id) == 0;
	if (known_grow(alerts, alerts->rule_buckets != NULL ? n_new : rules->n) < 0)
		return -1;
	for (uint32_t i = 0; i < rules->n; i++) {
		uint32_t *slot = rule_slot(alerts, rules->rules[i].id);

		if (*slot == 0)
			*slot = ++alerts->n_known;
		known_fill(&alerts->known[*slot - 1], &rules->rules[i]);
	}
	return 0;
}

// ---- Open and close.

struct match_alerts *match_alerts_open(const struct match_alerts_config *config) {
	struct match_alerts *alerts = calloc(1, sizeof(*alerts));
	uint32_t n_buckets;

	if (alerts == NULL)
		return NULL;
	alerts->config = *config;
	alerts->n = config->n_episodes > 0 ? (uint32_t)config->n_episodes : EPISODES_DEFAULT;
	n_buckets = power_of_two(alerts->n);
	alerts->bucket_mask = n_buckets - 1;
	alerts->episodes = calloc((size_t)alerts->n + 1, sizeof(*alerts->episodes));
	alerts->windows = calloc((size_t)alerts->n + 1, sizeof(*alerts->windows));
	alerts->buckets = calloc(n_buckets, sizeof(*alerts->buckets));
	if (alerts->episodes == NULL || alerts->windows == NULL || alerts->buckets == NULL
	    || (config->rules != NULL && match_alerts_rules(alerts, config->rules) < 0)
	    || (config->rules == NULL && known_grow(alerts, 0) < 0)) {
		match_alerts_close(alerts);
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = 1; i <= alerts->n; i++)
		alerts->episodes[i].chain = i < alerts->n ? i + 1 : NONE;
	alerts->free = 1;
	return alerts;
}

void match_alerts_close(struct match_alerts *alerts) {
	if (alerts == NULL)
		return;
	free(alerts->known);
	free(alerts->episodes);
	free(alerts->windows);
	free(alerts->buckets);
	free(alerts->rule_buckets);
	free(alerts);
}

size_t match_alerts_memsize(const struct match_alerts *alerts) {
	return sizeof(*alerts) + alerts->n_known * sizeof(*alerts->known)
		+ ((size_t)alerts->n + 1) * (sizeof(*alerts->episodes) + sizeof(*alerts->windows))
		+ ((size_t)alerts->bucket_mask + alerts->rule_mask + 2) * sizeof(uint32_t);
}

// ---- Telling.

static void
tell(struct match_alerts *alerts, struct match_episode *episode, enum alert_state state) {
	const struct match_known *rule = &alerts->known[episode->rule];
	struct alert alert = {
		.time_ns = alerts->now_ns,
		.start_ns = episode->since_ns,
		.end_ns = episode->last_ns,
		.rule_id = rule->id,
		.rule_name = rule->name,
		.category = rule->category,
		.techniques = {rule->has_technique ? &rule->technique : NULL},
		.severity = rule->severity,
		.scope = episode->account[0] != '\0' ? ALERT_ACCOUNT : ALERT_INFRASTRUCTURE,
		.source = episode->source,
		.asn = episode->asn,
		.n_ips = episode->n_ips,
		.ips_total = episode->n_ips,
	};

	episode->sequence++;
	episode->told_count = episode->count;
	episode->told_ns = alerts->now_ns;
	memcpy(alert.account, episode->account, sizeof(alert.account));
	memcpy(alert.ips, episode->ips, episode->n_ips * sizeof(alert.ips[0]));
	if (episode->account[0] != '\0') {
		memcpy(alert.users[0], episode->account, sizeof(alert.users[0]));
		alert.n_users = 1;
		alert.users_total = 1;
	}
	alert.episode.id = episode->id;
	alert.episode.state = state;
	alert.episode.sequence = episode->sequence;
	alert.episode.since_ns = episode->since_ns;
	alerts_text(rule, episode, &alert);
	alerts->config.alert(alerts->config.ctx, &alert);
}

// ---- The table.

static uint64_t
key_hash(const uint64_t key[2], uint64_t what, const char *account, const struct ip *source) {
	struct {
		uint64_t what;
		struct ip source;
		char account[ACCOUNT_SIZE];
	} text;

	memset(&text, 0, sizeof(text));
	text.what = what;
	if (account[0] != '\0')
		snprintf(text.account, sizeof(text.account), "%s", account);
	else
		text.source = *source;
	return siphash(key, &text, sizeof(text));
}

static bool ip_equal(const struct ip *a, const struct ip *b) {
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static uint32_t *episode_bucket(
	const struct match_alerts *alerts,
	uint32_t rule,
	const char *account,
	const struct ip *source
) {
	uint64_t hash = key_hash(alerts->config.hash_key, rule, account, source);

	return &alerts->buckets[hash & alerts->bucket_mask];
}

static uint32_t
episode_find(const struct match_alerts *alerts, uint32_t rule, const struct activity *activity) {
	uint32_t i = *episode_bucket(alerts, rule, activity->account, &activity->source.ip);

	for (; i != NONE; i = alerts->episodes[i].chain) {
		const struct match_episode *episode = &alerts->episodes[i];

		if (episode->rule == rule && strcmp(episode->account, activity->account) == 0
		    && (episode->account[0] != '\0'
			|| ip_equal(&episode->source, &activity->source.ip)))
			break;
	}
	return i;
}

static void list_remove(struct match_alerts *alerts, struct match_episode *episode) {
	if (episode->newer != NONE)
		alerts->episodes[episode->newer].older = episode->older;
	else
		alerts->newest = episode->older;
	if (episode->older != NONE)
		alerts->episodes[episode->older].newer = episode->newer;
	else
		alerts->oldest = episode->newer;
}

static void list_add(struct match_alerts *alerts, uint32_t i) {
	struct match_episode *episode = &alerts->episodes[i];

	episode->newer = NONE;
	episode->older = alerts->newest;
	if (alerts->newest != NONE)
		alerts->episodes[alerts->newest].newer = i;
	else
		alerts->oldest = i;
	alerts->newest = i;
}

static void episode_end(struct match_alerts *alerts, uint32_t i) {
	struct match_episode *episode = &alerts->episodes[i];
	uint32_t *at = episode_bucket(alerts, episode->rule, episode->account, &episode->source);

	if (!episode->is_quiet)
		tell(alerts, episode, ALERT_CLOSE);
	while (*at != i)
		at = &alerts->episodes[*at].chain;
	*at = episode->chain;
	list_remove(alerts, episode);
	episode->chain = alerts->free;
	alerts->free = i;
}

static uint32_t
episode_begin(struct match_alerts *alerts, uint32_t rule, const struct activity *activity) {
	// The same input gives the same ids, whatever this start's key is.
	static const uint64_t id_key[2] = {0x706f737465726e21, 0x6d61746368616c74};
	uint32_t i, *bucket;
	struct match_episode *episode;

	if (alerts->free == NONE)
		episode_end(alerts, alerts->oldest);
	i = alerts->free;
	episode = &alerts->episodes[i];
	alerts->free = episode->chain;
	*episode = (struct match_episode){
		.rule = rule,
		.source = activity->source.ip,
		.since_ns = activity->time_ns,
		.last_ns = activity->time_ns,
	};
	memcpy(episode->account, activity->account, sizeof(episode->account));
	episode->id = key_hash(
		id_key,
		activity->time_ns
			^ siphash(id_key, alerts->known[rule].id, strlen(alerts->known[rule].id)),
		episode->account,
		&episode->source
	);
	bucket = episode_bucket(alerts, rule, episode->account, &episode->source);
	episode->chain = *bucket;
	*bucket = i;
	list_add(alerts, i);
	return i;
}

// ---- Activity.

static void ip_note(struct match_episode *episode, const struct ip *ip) {
	if (ip->family == 0)
		return;
	for (int i = 0; i < episode->n_ips; i++)
		if (ip_equal(&episode->ips[i], ip))
			return;
	if (episode->n_ips < MATCH_IPS_MAX)
		episode->ips[episode->n_ips++] = *ip;
}

static void
recipient_note(struct match_alerts *alerts, struct match_episode *episode, const char *to) {
	const char *domain = strrchr(to, '@'), *own = strrchr(episode->account, '@');
	uint64_t hash = siphash(alerts->config.hash_key, to, strlen(to));

	if (domain == NULL || own == NULL || strcasecmp(domain, own) == 0)
		return;
	for (int i = 0; i < episode->n_outside; i++)
		if (episode->outside[i] == hash)
			return;
	if (episode->n_outside < MATCH_RECIPIENTS_MAX)
		episode->outside[episode->n_outside++] = hash;
}

static void episode_add(
	struct match_alerts *alerts,
	struct match_episode *episode,
	uint32_t count,
	const struct activity *activity
) {
	episode->count += count;
	episode->n_activities++;
	episode->protocol = activity->protocol;
	episode->is_append = false;
	for (int i = 0; i < activity->n_mailboxes; i++)
		episode->is_append |= activity->mailboxes[i].append > 0
			&& activity->mailboxes[i].n_bodies == 0;
	episode->asn = activity->source.asn;
	if (episode->account[0] != '\0')
		episode->source = activity->source.ip;
	if (activity->time_ns > episode->last_ns)
		episode->last_ns = activity->time_ns;
	ip_note(episode, &activity->source.ip);
	for (int i = 0; i < activity->n_sent; i++)
		for (int j = 0; j < activity->sent[i].n_to; j++)
			recipient_note(alerts, episode, activity->sent[i].to[j]);
}

// ---- Enough within a window

// Moves the window on to the slice of this time; what was in it before goes out. Returns how many slices
// old the time itself is.
static uint64_t window_advance(struct window *window, uint64_t window_ns, uint64_t time_ns) {
	uint64_t slice = time_ns / (window_ns / MATCH_ALERT_SLICES);
	uint32_t n = 0;

	if (slice < window->slice)
		return window->slice - slice;
	for (; window->slice < slice && n < MATCH_ALERT_SLICES; window->slice++, n++) {
		memmove(window->count + 1,
			window->count,
			sizeof(window->count) - sizeof(window->count[0]));
		window->count[0] = 0;
	}
	window->slice = slice;
	n = 0;
	for (uint32_t i = 0; i < window->n_values; i++)
		if (window->values[i].time_ns + window_ns > time_ns)
			window->values[n++] = window->values[i];
	window->n_values = n;
	return 0;
}

static void value_note(struct window *window, uint32_t hash, uint64_t time_ns) {
	uint32_t i = 0;

	while (i < window->n_values && window->values[i].hash != hash)
		i++;
	if (i == RULE_DISTINCT_MAX)
		return; // as many as any rule asks for
	window->values[i].hash = hash;
	window->values[i].time_ns = time_ns;
	window->n_values += i == window->n_values;
}

// Whether, with this match, enough was found.
static bool window_run(
	struct window *window,
	const struct match_known *rule,
	const struct activity_match *match,
	uint64_t time_ns,
	uint64_t *count_r
) {
	uint64_t age = window_advance(window, rule->window_ns, time_ns);

	if (age < MATCH_ALERT_SLICES) {
		window->count[age] += match->count;
		for (int i = 0; i < match->n_values; i++)
			value_note(window, match->values[i], time_ns);
	}
	*count_r = 0;
	for (int i = 0; i < MATCH_ALERT_SLICES; i++)
		*count_r += window->count[i];
	return *count_r >= rule->count && window->n_values >= rule->distinct;
}

// The first match is what an analyst looks at first.
static void first_note(
	struct match_episode *episode,
	const struct activity_match *match,
	const struct activity *activity
) {
	char *p = episode->session;

	episode->first = *match;
	for (int i = 0; i < 16; i++)
		p += sprintf(
			p,
			"%s%02x",
			i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			activity->session[i]
		);
}

static void match_run(
	struct match_alerts *alerts,
	uint32_t rule,
	const struct activity_match *match,
	const struct activity *activity
) {
	const struct match_known *known = &alerts->known[rule];
	uint32_t i = episode_find(alerts, rule, activity);
	bool is_new = i == NONE, is_counted = known->scope == RULE_ACCOUNT;
	struct match_episode *episode;
	uint64_t count;

	if (is_new) {
		i = episode_begin(alerts, rule, activity);
		first_note(&alerts->episodes[i], match, activity);
		alerts->episodes[i].is_quiet = is_counted;
		if (is_counted)
			alerts->windows[i] = (struct window){0};
	}
	episode = &alerts->episodes[i];
	episode_add(alerts, episode, match->count, activity);
	list_remove(alerts, episode);
	list_add(alerts, i);
	if (episode->is_quiet
	    && window_run(&alerts->windows[i], known, match, activity->time_ns, &count)) {
		// What has left the window before it was enough is not told.
		episode->count = count;
		episode->is_quiet = false;
		is_new = true;
	}
	if (episode->is_quiet)
		return;
	if (is_new)
		tell(alerts, episode, ALERT_OPEN);
	else if (episode->count >= 2 * episode->told_count && alerts->now_ns - episode->told_ns >= MATCH_ALERT_UPDATE_NS)
		tell(alerts, episode, ALERT_UPDATE);
}

void match_alerts_run(struct match_alerts *alerts, const struct activity *activity) {
	match_alerts_advance(alerts, activity->time_ns);
	for (int i = 0; i < activity->n_matches; i++) {
		uint32_t slot = *rule_slot(alerts, activity->matches[i].rule);

		if (slot != 0
		    && (activity->matches[i].count > 0 || activity->matches[i].n_values > 0))
			match_run(alerts, slot - 1, &activity->matches[i], activity);
	}
}

void match_alerts_advance(struct match_alerts *alerts, uint64_t now_ns) {
	if (now_ns > alerts->now_ns)
		alerts->now_ns = now_ns;
	while (alerts->oldest != NONE
	       && alerts->now_ns - alerts->episodes[alerts->oldest].last_ns
		       >= MATCH_ALERT_SILENCE_NS)
		episode_end(alerts, alerts->oldest);
}
