// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/alert_json.h"

#include "limits.h"
#include "output/ecs.h"
#include "output/json.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

// How much one attempt shows: everything at first; lists give way before texts.
struct detail {
	int listed; // of related and campaign lists
	int evidence;
	size_t message_chars;
	size_t account_chars;
	size_t text_chars; // of evidence
};

static const struct detail details[] = {
	{ALERT_RELATED_MAX, ALERT_EVIDENCE_MAX, 600, ACCOUNT_SIZE, 200},
	{8, ALERT_EVIDENCE_MAX, 600, ACCOUNT_SIZE, 200},
	{3, ALERT_EVIDENCE_MAX, 600, ACCOUNT_SIZE, 200},
	{1, 4, 400, ACCOUNT_SIZE, 100},
	// Fits even if each character has to be escaped.
	{1, 1, 150, 60, 60},
};

static int least(int a, int b) {
	return a < b ? a : b;
}

static void id_text(char text[32], char kind, uint64_t id) {
	snprintf(text, 32, "%c-%016llx", kind, (unsigned long long)id);
}

static const char *state_name(enum alert_state state) {
	static const char *const names[] = {
		[ALERT_OPEN] = "open",
		[ALERT_UPDATE] = "update",
		[ALERT_CLOSE] = "close",
	};

	return names[state];
}

static void event_write(struct json *json, const struct alert *alert) {
	char id[32];
	size_t size;

	id_text(id, 'e', alert->episode.id);
	size = strlen(id);
	snprintf(id + size, sizeof(id) - size, "-%u", alert->episode.sequence);
	ecs_event_begin(json, "alert", "postern.alert", "intrusion_detection");
	json_put_text(json, "id", id);
	json_put_text(json, "action", state_name(alert->episode.state));
	json_put_text(json, "code", alert->rule_id);
	json_put_u64(json, "sequence", alert->episode.sequence);
	json_put_u64(json, "severity", alert->severity);
	json_put_double(json, "risk_score", alert->severity, 1);
	json_put_time(json, "start", alert->start_ns);
	json_put_time(json, "end", alert->end_ns);
	json_end_object(json);
}

static void rule_write(struct json *json, const struct alert *alert) {
	json_begin_object(json, "rule");
	json_put_text(json, "id", alert->rule_id);
	json_put_text(json, "name", alert->rule_name);
	json_put_text(json, "category", alert->category);
	json_end_object(json);
}

// ---- MITRE ATT&CK: each tactic, technique and sub-technique once, ids and names in the same order.

enum threat_part { TACTIC, TECHNIQUE, SUBTECHNIQUE };

static const char *part_id(const struct alert_technique *technique, enum threat_part part) {
	return part == TACTIC	    ? technique->tactic_id
		: part == TECHNIQUE ? technique->id
				    : technique->sub_id;
}

static const char *part_name(const struct alert_technique *technique, enum threat_part part) {
	return part == TACTIC	    ? technique->tactic_name
		: part == TECHNIQUE ? technique->name
				    : technique->sub_name;
}

// Whether technique i is the first to name its part.
static bool is_first(const struct alert *alert, int i, enum threat_part part) {
	const char *id = part_id(alert->techniques[i], part);

	for (int j = 0; id && j < i; j++) {
		const char *before = part_id(alert->techniques[j], part);
		if (before && strcmp(before, id) == 0)
			return false;
	}
	return id != NULL;
}

static bool has_part(const struct alert *alert, enum threat_part part) {
	for (int i = 0; i < ALERT_TECHNIQUES_MAX && alert->techniques[i]; i++)
		if (part_id(alert->techniques[i], part))
			return true;
	return false;
}

// id and name, in an object that the caller has begun.
static void part_write(struct json *json, const struct alert *alert, enum threat_part part) {
	json_begin_array(json, "id");
	for (int i = 0; i < ALERT_TECHNIQUES_MAX && alert->techniques[i]; i++)
		if (is_first(alert, i, part))
			json_put_text(json, NULL, part_id(alert->techniques[i], part));
	json_end_array(json);
	json_begin_array(json, "name");
	for (int i = 0; i < ALERT_TECHNIQUES_MAX && alert->techniques[i]; i++)
		if (is_first(alert, i, part))
			json_put_text(json, NULL, part_name(alert->techniques[i], part));
	json_end_array(json);
}

static void threat_write(struct json *json, const struct alert *alert) {
	if (!has_part(alert, TECHNIQUE))
		return;
	json_begin_object(json, "threat");
	json_put_text(json, "framework", "MITRE ATT&CK");
	if (has_part(alert, TACTIC)) {
		json_begin_object(json, "tactic");
		part_write(json, alert, TACTIC);
		json_end_object(json);
	}
	json_begin_object(json, "technique");
	part_write(json, alert, TECHNIQUE);
	if (has_part(alert, SUBTECHNIQUE)) {
		json_begin_object(json, "subtechnique");
		part_write(json, alert, SUBTECHNIQUE);
		json_end_object(json);
	}
	json_end_object(json);
	json_end_object(json);
}

// ---- Who

static void source_write(struct json *json, const struct alert *alert) {
	if (!alert->source.family)
		return;
	json_begin_object(json, "source");
	json_put_ip(json, "ip", alert->source.addr, alert->source.family);
	ecs_place_write(json, alert->asn, alert->as_name, alert->country);
	json_end_object(json);
}

static int ips_write(struct json *json, const char *key, const struct alert *alert, int max) {
	int n = least(alert->n_ips, least(ALERT_RELATED_MAX, max));

	json_begin_array(json, key);
	for (int i = 0; i < n; i++)
		json_put_ip(json, NULL, alert->ips[i].addr, alert->ips[i].family);
	json_end_array(json);
	return n;
}

static int users_write(
	struct json *json,
	const char *key,
	const struct alert *alert,
	const struct detail *detail
) {
	int n = least(alert->n_users, least(ALERT_RELATED_MAX, detail->listed));

	json_begin_array(json, key);
	for (int i = 0; i < n; i++) {
		const char *user = alert->users[i];
		json_put_string(json, NULL, user, strlen(user), detail->account_chars);
	}
	json_end_array(json);
	return n;
}

// Whom it is about is related too, where the models have listed nobody.
static void related_write(
	struct json *json,
	const struct alert *alert,
	const struct detail *detail,
	int *n_ips_r,
	int *n_users_r
) {
	*n_ips_r = *n_users_r = 0;
	if (!alert->n_ips && !alert->source.family && !alert->n_users && !alert->account[0])
		return;
	json_begin_object(json, "related");
	if (alert->n_ips > 0) {
		*n_ips_r = ips_write(json, "ip", alert, detail->listed);
	} else if (alert->source.family) {
		json_begin_array(json, "ip");
		json_put_ip(json, NULL, alert->source.addr, alert->source.family);
		json_end_array(json);
	}
	if (alert->n_users > 0) {
		*n_users_r = users_write(json, "user", alert, detail);
	} else if (alert->account[0]) {
		json_begin_array(json, "user");
		json_put_string(
			json, NULL, alert->account, strlen(alert->account), detail->account_chars
		);
		json_end_array(json);
	}
	json_end_object(json);
}

// ---- Why

static bool text_write(struct json *json, const char *key, const char *text, size_t chars) {
	return json_put_string(json, key, text, strlen(text), chars);
}

static int
evidence_write(struct json *json, const struct alert *alert, const struct detail *detail) {
	int n = least(alert->n_evidence, least(ALERT_EVIDENCE_MAX, detail->evidence));

	json_begin_array(json, "evidence");
	for (int i = 0; i < n; i++) {
		const struct alert_evidence *evidence = &alert->evidence[i];

		json_begin_object(json, NULL);
		json_put_text(json, "channel", evidence->channel);
		json_put_double(json, "nats", evidence->nats, 2);
		if (text_write(json, "text", evidence->text, detail->text_chars))
			json_put_bool(json, "text_cut", true);
		text_write(json, "seen", evidence->seen, detail->text_chars);
		text_write(json, "usual", evidence->usual, detail->text_chars);
		json_end_object(json);
	}
	json_end_array(json);
	return n;
}

static void shared_write(struct json *json, const struct alert *alert, int max) {
	int n = ips_write(json, "ip", alert, max);
	int n_networks = least(alert->campaign.n_networks, least(ALERT_SHARED_MAX, max));
	int n_grammars = least(alert->campaign.n_grammars, least(ALERT_SHARED_MAX, max));

	if ((uint32_t)n < alert->ips_total)
		json_put_u64(json, "ip_total", alert->ips_total);
	if (n_networks > 0)
		json_begin_array(json, "network");
	for (int i = 0; i < n_networks; i++) {
		const struct alert_network *network = &alert->campaign.networks[i];
		char text[INET6_ADDRSTRLEN + 8];
		int family = network->ip.family == 4 ? AF_INET : AF_INET6;

		inet_ntop(family, network->ip.addr, text, INET6_ADDRSTRLEN);
		snprintf(text + strlen(text), 8, "/%u", network->bits);
		json_put_text(json, NULL, text);
	}
	if (n_networks > 0)
		json_end_array(json);
	if (n_networks > 0 && (uint32_t)n_networks < alert->campaign.networks_total)
		json_put_u64(json, "network_total", alert->campaign.networks_total);
	if (n_grammars > 0)
		json_begin_array(json, "grammar");
	for (int i = 0; i < n_grammars; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%08x", alert->campaign.grammars[i]);
		json_put_text(json, NULL, text);
	}
	if (n_grammars > 0)
		json_end_array(json);
	if (n_grammars > 0 && (uint32_t)n_grammars < alert->campaign.grammars_total)
		json_put_u64(json, "grammar_total", alert->campaign.grammars_total);
}

static void
campaign_write(struct json *json, const struct alert *alert, const struct detail *detail) {
	char id[32];
	int n;

	if (!alert->campaign.id)
		return;
	id_text(id, 'c', alert->campaign.id);
	json_begin_object(json, "campaign");
	json_put_text(json, "id", id);
	json_put_u64(json, "size", alert->campaign.size);
	n = users_write(json, "accounts", alert, detail);
	if ((uint32_t)n < alert->campaign.size)
		json_put_u64(json, "accounts_total", alert->campaign.size);
	json_begin_object(json, "shared");
	shared_write(json, alert, detail->listed);
	json_end_object(json);
	json_put_time(json, "since", alert->campaign.since_ns);
	json_end_object(json);
}

// What ECS has no place for, the counts of lists that were cut among it.
static void postern_write(
	struct json *json,
	const struct alert *alert,
	const struct detail *detail,
	int n_ips,
	int n_users,
	bool is_cut
) {
	static const char *const scopes[] = {
		[ALERT_ACCOUNT] = "account",
		[ALERT_CAMPAIGN] = "campaign",
		[ALERT_INFRASTRUCTURE] = "infrastructure",
	};
	char id[32];

	id_text(id, 'e', alert->episode.id);
	json_begin_object(json, "postern");
	json_put_text(json, "scope", scopes[alert->scope]);
	json_put_double(json, "score", alert->score, 2);
	json_put_double(json, "threshold", alert->threshold, 2);
	json_begin_object(json, "episode");
	json_put_text(json, "id", id);
	json_put_text(json, "state", state_name(alert->episode.state));
	json_put_time(json, "since", alert->episode.since_ns);
	json_end_object(json);
	if (evidence_write(json, alert, detail) < alert->n_evidence)
		json_put_u64(json, "evidence_total", alert->n_evidence);
	if (alert->n_ips > 0 && (uint32_t)n_ips < alert->ips_total)
		json_put_u64(json, "related_ip_total", alert->ips_total);
	if (alert->n_users > 0 && (uint32_t)n_users < alert->users_total)
		json_put_u64(json, "related_user_total", alert->users_total);
	if (is_cut)
		json_put_bool(json, "text_cut", true);
	campaign_write(json, alert, detail);
	json_end_object(json);
}

static void
attempt(struct json *json,
	const struct alert *alert,
	const char *observer_name,
	const struct detail *detail) {
	int n_ips, n_users;
	bool is_cut;

	json_begin_object(json, NULL);
	json_put_time(json, "@timestamp", alert->time_ns);
	ecs_version_write(json);
	is_cut = text_write(json, "message", alert->message, detail->message_chars);
	event_write(json, alert);
	rule_write(json, alert);
	threat_write(json, alert);
	if (alert->account[0])
		is_cut |= ecs_user_write(json, alert->account, detail->account_chars);
	source_write(json, alert);
	related_write(json, alert, detail, &n_ips, &n_users);
	ecs_observer_write(json, observer_name);
	postern_write(json, alert, detail, n_ips, n_users, is_cut);
	json_end_object(json);
}

size_t
alert_json_write(const struct alert *alert, const char *observer_name, char *buffer, size_t size) {
	struct json json;

	for (size_t i = 0; i < sizeof(details) / sizeof(*details); i++) {
		json_open(&json, buffer, size < ALERT_SIZE_MAX ? size : ALERT_SIZE_MAX);
		attempt(&json, alert, observer_name, &details[i]);
		if (!json.is_full)
			break;
	}
	assert(!json.is_full);
	return json.used;
}
