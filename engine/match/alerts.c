// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A table of episodes found by hash, and a list of them in the order of their last match: its end is
// who closes next, by time or for want of room.

#include "match/alerts.h"

#include "siphash.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	EPISODES_DEFAULT = 10000,
	RECIPIENTS_MAX = 16, // outside recipients told apart per episode; more are "at least"
	IPS_MAX = 8,
	NONE = 0, // index of no episode: the first is 1
};

struct episode {
	uint32_t chain; // next in the bucket, or in the free list
	uint32_t newer, older; // by last match
	uint32_t rule;
	char account[ACCOUNT_SIZE]; // empty: source is the key
	struct ip source; // of the last match
	uint32_t asn;
	uint64_t since_ns, last_ns;
	uint64_t count, told_count; // occurrences; as of the last alert
	uint64_t told_ns, id;
	uint32_t sequence;
	uint32_t n_activities;
	uint8_t protocol;
	bool is_append;
	uint8_t n_ips, n_outside;
	struct ip ips[IPS_MAX];
	uint64_t outside[RECIPIENTS_MAX]; // hashes
};

struct match_alerts {
	struct match_alerts_config config;
	struct episode *episodes; // 1 … n
	uint32_t *buckets, *rule_buckets; // rule_buckets: rule index + 1, open addressing
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

		if (*slot == 0 || strcmp(alerts->config.rules->rules[*slot - 1].id, id) == 0)
			return slot;
	}
}

// ---- Open and close.

struct match_alerts *match_alerts_open(const struct match_alerts_config *config) {
	struct match_alerts *alerts = calloc(1, sizeof(*alerts));
	uint32_t n_buckets, n_rule_buckets;

	if (alerts == NULL)
		return NULL;
	alerts->config = *config;
	alerts->n = config->n_episodes > 0 ? (uint32_t)config->n_episodes : EPISODES_DEFAULT;
	n_buckets = power_of_two(alerts->n);
	n_rule_buckets = power_of_two((size_t)config->rules->n * 2);
	alerts->bucket_mask = n_buckets - 1;
	alerts->rule_mask = n_rule_buckets - 1;
	alerts->episodes = calloc((size_t)alerts->n + 1, sizeof(*alerts->episodes));
	alerts->buckets = calloc(n_buckets, sizeof(*alerts->buckets));
	alerts->rule_buckets = calloc(n_rule_buckets, sizeof(*alerts->rule_buckets));
	if (alerts->episodes == NULL || alerts->buckets == NULL || alerts->rule_buckets == NULL) {
		match_alerts_close(alerts);
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = 0; i < config->rules->n; i++)
		*rule_slot(alerts, config->rules->rules[i].id) = i + 1;
	for (uint32_t i = 1; i <= alerts->n; i++)
		alerts->episodes[i].chain = i < alerts->n ? i + 1 : NONE;
	alerts->free = 1;
	return alerts;
}

void match_alerts_close(struct match_alerts *alerts) {
	if (alerts == NULL)
		return;
	free(alerts->episodes);
	free(alerts->buckets);
	free(alerts->rule_buckets);
	free(alerts);
}

size_t match_alerts_memsize(const struct match_alerts *alerts) {
	return sizeof(*alerts) + ((size_t)alerts->n + 1) * sizeof(*alerts->episodes)
		+ ((size_t)alerts->bucket_mask + alerts->rule_mask + 2) * sizeof(uint32_t);
}

// ---- Telling.

static const char *verb(const struct episode *episode) {
	if (episode->protocol == ACTIVITY_SMTP || episode->protocol == ACTIVITY_LMTP)
		return "sent";
	return episode->is_append ? "stored" : "read";
}

static void span_text(uint64_t ns, char *buffer, size_t size) {
	uint64_t minutes = ns / 60000000000ull;

	if (minutes == 0)
		snprintf(buffer, size, "within a minute");
	else if (minutes < 120)
		snprintf(buffer, size, "within %" PRIu64 " minutes", minutes + 1);
	else if (minutes < 48 * 60)
		snprintf(buffer, size, "within %" PRIu64 " hours", minutes / 60 + 1);
	else
		snprintf(buffer, size, "within %" PRIu64 " days", minutes / 1440 + 1);
}

static const char *plural(uint64_t n) {
	return n == 1 ? "" : "s";
}

static void
message_write(const struct rule *rule, const struct episode *episode, struct alert *alert) {
	char span[48], to[64] = "";

	span_text(episode->last_ns - episode->since_ns, span, sizeof(span));
	if (episode->n_outside > 0)
		snprintf(
			to,
			sizeof(to),
			" to %s%d outside recipient%s",
			episode->n_outside == RECIPIENTS_MAX ? "at least " : "",
			episode->n_outside,
			plural(episode->n_outside)
		);
	snprintf(
		alert->message,
		sizeof(alert->message),
		"%s %s mail with \"%s\" in it (rule %s), %" PRIu64 " time%s%s %s%s.",
		episode->account[0] != '\0' ? episode->account : "Somebody without a login",
		verb(episode),
		rule->name,
		rule->id,
		episode->count,
		plural(episode->count),
		to,
		span,
		alert->episode.state == ALERT_CLOSE ? "; it has ended" : ""
	);
}

static void evidence_write(const struct episode *episode, struct alert *alert) {
	struct alert_evidence *evidence = &alert->evidence[0];

	alert->n_evidence = 1;
	evidence->channel = "content";
	snprintf(
		evidence->text,
		sizeof(evidence->text),
		"%" PRIu64 " occurrence%s in %u report%s of activity, from %s%d address%s",
		episode->count,
		plural(episode->count),
		episode->n_activities,
		plural(episode->n_activities),
		episode->n_ips == IPS_MAX ? "at least " : "",
		episode->n_ips,
		episode->n_ips == 1 ? "" : "es"
	);
	snprintf(evidence->seen, sizeof(evidence->seen), "%" PRIu64, episode->count);
	snprintf(evidence->usual, sizeof(evidence->usual), "0");
}

static void tell(struct match_alerts *alerts, struct episode *episode, enum alert_state state) {
	const struct rule *rule = &alerts->config.rules->rules[episode->rule];
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
	message_write(rule, episode, &alert);
	evidence_write(episode, &alert);
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
		const struct episode *episode = &alerts->episodes[i];

		if (episode->rule == rule && strcmp(episode->account, activity->account) == 0
		    && (episode->account[0] != '\0'
			|| ip_equal(&episode->source, &activity->source.ip)))
			break;
	}
	return i;
}

static void list_remove(struct match_alerts *alerts, struct episode *episode) {
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
	struct episode *episode = &alerts->episodes[i];

	episode->newer = NONE;
	episode->older = alerts->newest;
	if (alerts->newest != NONE)
		alerts->episodes[alerts->newest].newer = i;
	else
		alerts->oldest = i;
	alerts->newest = i;
}

static void episode_end(struct match_alerts *alerts, uint32_t i) {
	struct episode *episode = &alerts->episodes[i];
	uint32_t *at = episode_bucket(alerts, episode->rule, episode->account, &episode->source);

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
	struct episode *episode;

	if (alerts->free == NONE)
		episode_end(alerts, alerts->oldest);
	i = alerts->free;
	episode = &alerts->episodes[i];
	alerts->free = episode->chain;
	*episode = (struct episode){
		.rule = rule,
		.source = activity->source.ip,
		.since_ns = activity->time_ns,
		.last_ns = activity->time_ns,
	};
	memcpy(episode->account, activity->account, sizeof(episode->account));
	episode->id = key_hash(
		id_key,
		activity->time_ns
			^ siphash(
				id_key,
				alerts->config.rules->rules[rule].id,
				strlen(alerts->config.rules->rules[rule].id)
			),
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

static void ip_note(struct episode *episode, const struct ip *ip) {
	if (ip->family == 0)
		return;
	for (int i = 0; i < episode->n_ips; i++)
		if (ip_equal(&episode->ips[i], ip))
			return;
	if (episode->n_ips < IPS_MAX)
		episode->ips[episode->n_ips++] = *ip;
}

static void recipient_note(struct match_alerts *alerts, struct episode *episode, const char *to) {
	const char *domain = strrchr(to, '@'), *own = strrchr(episode->account, '@');
	uint64_t hash = siphash(alerts->config.hash_key, to, strlen(to));

	if (domain == NULL || own == NULL || strcasecmp(domain, own) == 0)
		return;
	for (int i = 0; i < episode->n_outside; i++)
		if (episode->outside[i] == hash)
			return;
	if (episode->n_outside < RECIPIENTS_MAX)
		episode->outside[episode->n_outside++] = hash;
}

static void episode_add(
	struct match_alerts *alerts,
	struct episode *episode,
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

static void match_run(
	struct match_alerts *alerts,
	uint32_t rule,
	uint32_t count,
	const struct activity *activity
) {
	uint32_t i = episode_find(alerts, rule, activity);
	bool is_new = i == NONE;
	struct episode *episode;

	if (is_new)
		i = episode_begin(alerts, rule, activity);
	episode = &alerts->episodes[i];
	episode_add(alerts, episode, count, activity);
	list_remove(alerts, episode);
	list_add(alerts, i);
	if (is_new)
		tell(alerts, episode, ALERT_OPEN);
	else if (episode->count >= 2 * episode->told_count && alerts->now_ns - episode->told_ns >= MATCH_ALERT_UPDATE_NS)
		tell(alerts, episode, ALERT_UPDATE);
}

void match_alerts_run(struct match_alerts *alerts, const struct activity *activity) {
	match_alerts_advance(alerts, activity->time_ns);
	for (int i = 0; i < activity->n_matches; i++) {
		uint32_t slot = *rule_slot(alerts, activity->matches[i].rule);

		if (slot != 0 && activity->matches[i].count > 0)
			match_run(alerts, slot - 1, activity->matches[i].count, activity);
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
