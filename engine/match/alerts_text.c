// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What was found, in words: who, what, how often, for how long, and where it was first.

#include "match/alerts_private.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *verb(const struct match_episode *episode) {
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

static void who_text(const struct match_episode *episode, char *buffer, size_t size) {
	char address[INET6_ADDRSTRLEN] = "Somebody";

	if (episode->account[0] != '\0') {
		snprintf(buffer, size, "%s", episode->account);
		return;
	}
	if (episode->source.family != 0)
		inet_ntop(
			episode->source.family == 6 ? AF_INET6 : AF_INET,
			episode->source.addr,
			address,
			sizeof(address)
		);
	snprintf(buffer, size, "%s without a login", address);
}

// Whether it was found in what was said to the server, not in a message.
static bool is_talk(const struct match_episode *episode) {
	static const char *const fields[] = {
		"sieve",
		"command",
		"argument",
		"client-id",
		"helo",
		"response",
		"grammar",
		"event",
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(episode->first.field, fields[i]) == 0)
			return true;
	return false;
}

static void talk_write(
	const struct match_known *rule,
	const struct match_episode *episode,
	struct alert *alert
) {
	char span[48], who[ACCOUNT_SIZE];

	who_text(episode, who, sizeof(who));
	span_text(episode->last_ns - episode->since_ns, span, sizeof(span));
	snprintf(
		alert->message,
		sizeof(alert->message),
		"%s: \"%s\" (rule %s), %" PRIu64 " time%s %s%s.",
		who,
		rule->name,
		rule->id,
		episode->count,
		plural(episode->count),
		span,
		alert->episode.state == ALERT_CLOSE ? "; it has ended" : ""
	);
}

static void message_write(
	const struct match_known *rule,
	const struct match_episode *episode,
	struct alert *alert
) {
	char span[48], to[64] = "", who[ACCOUNT_SIZE];

	who_text(episode, who, sizeof(who));
	span_text(episode->last_ns - episode->since_ns, span, sizeof(span));
	if (episode->n_outside > 0)
		snprintf(
			to,
			sizeof(to),
			" to %s%d outside recipient%s",
			episode->n_outside == MATCH_RECIPIENTS_MAX ? "at least " : "",
			episode->n_outside,
			plural(episode->n_outside)
		);
	snprintf(
		alert->message,
		sizeof(alert->message),
		"%s %s mail with \"%s\" in it (rule %s), %" PRIu64 " time%s%s %s%s.",
		who,
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

static void evidence_write(const struct match_episode *episode, struct alert *alert) {
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
		episode->n_ips == MATCH_IPS_MAX ? "at least " : "",
		episode->n_ips,
		episode->n_ips == 1 ? "" : "es"
	);
	snprintf(evidence->seen, sizeof(evidence->seen), "%" PRIu64, episode->count);
	snprintf(evidence->usual, sizeof(evidence->usual), "0");
}

// Where the first match was.
static void place_write(const struct match_episode *episode, struct alert *alert) {
	const struct activity_match *first = &episode->first;
	struct alert_evidence *evidence = &alert->evidence[1];

	if (first->field[0] == '\0')
		return;
	alert->n_evidence = 2;
	evidence->channel = "content";
	snprintf(
		evidence->text,
		sizeof(evidence->text),
		"first in %s%s%s at byte %" PRIu64 "%s%s%s, session %s",
		first->field,
		first->part[0] != '\0' ? " of part " : "",
		first->part,
		first->offset,
		first->excerpt[0] != '\0' ? " (\"" : "",
		first->excerpt,
		first->excerpt[0] != '\0' ? "\")" : "",
		episode->session
	);
}

void alerts_text(
	const struct match_known *rule,
	const struct match_episode *episode,
	struct alert *alert
) {
	if (is_talk(episode))
		talk_write(rule, episode, alert);
	else
		message_write(rule, episode, alert);
	evidence_write(episode, alert);
	place_write(episode, alert);
}
