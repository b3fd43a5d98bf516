// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The words of alerts about many accounts: a campaign, and what turns out to be everybody's.

#include "text.h"
#include "watch_text.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { NAMED = 6 }; // in the sentence; the others are listed

static const char *const kinds[ENTITY_KINDS] = {
	[ENTITY_IP] = "one address",
	[ENTITY_NET] = "one network",
	[ENTITY_PROVIDER] = "one provider",
	[ENTITY_CLIENT] = "one client",
};

static struct ip prefix_of(const struct ip *ip, int bits) {
	struct ip prefix = {.family = ip->family};
	memcpy(prefix.addr, ip->addr, (size_t)bits / 8);
	return prefix;
}

// "5.101.7.9", "5.101.7.0/24", "AS65011", "client 2ca51e00".
static void say_entity(struct text *text, enum entity_kind kind, const struct activity *activity) {
	struct ip ip = activity->source.ip;
	bool v4 = ip.family == 4;
	char address[INET6_ADDRSTRLEN];
	if (kind == ENTITY_CLIENT && activity->client.grammar) {
		say(text, "a client with the command grammar %08x", activity->client.grammar);
		return;
	}
	if (kind == ENTITY_CLIENT) {
		say(text,
		    "a client %s%.40s",
		    activity->client.id[0] ? "with the ID " : "without an ID",
		    activity->client.id);
		return;
	}
	if (kind == ENTITY_PROVIDER && activity->source.asn) {
		say(text, "AS%u", activity->source.asn);
		return;
	}
	int bits = kind == ENTITY_IP ? (v4 ? 32 : 64)
		: kind == ENTITY_NET ? (v4 ? 24 : 48)
				     : (v4 ? 16 : 32);
	ip = prefix_of(&ip, bits);
	inet_ntop(v4 ? AF_INET : AF_INET6, ip.addr, address, sizeof(address));
	say(text, bits == 32 && v4 ? "%s" : "%s/%d", address, bits);
}

static void share_network(struct alert *alert, const struct ip *ip) {
	uint8_t bits = ip->family == 4 ? 24 : 48, n = alert->campaign.n_networks;
	struct alert_network network = {prefix_of(ip, bits), bits};
	for (uint8_t i = 0; i < n; i++)
		if (memcmp(&alert->campaign.networks[i], &network, sizeof(network)) == 0)
			return;
	alert->campaign.networks_total++;
	if (n < ALERT_SHARED_MAX)
		alert->campaign.networks[alert->campaign.n_networks++] = network;
}

static void share_grammar(struct alert *alert, uint32_t grammar) {
	uint8_t n = alert->campaign.n_grammars;
	for (uint8_t i = 0; i < n; i++)
		if (alert->campaign.grammars[i] == grammar)
			return;
	alert->campaign.grammars_total++;
	if (n < ALERT_SHARED_MAX)
		alert->campaign.grammars[alert->campaign.n_grammars++] = grammar;
}

bool text_shared(struct alert *alert, enum entity_kind kind, const struct activity *activity) {
	if (kind == ENTITY_NET)
		share_network(alert, &activity->source.ip);
	else if (kind == ENTITY_CLIENT && activity->client.grammar)
		share_grammar(alert, activity->client.grammar);
	else
		return false;
	return true;
}

// Beside what most of it went through, the client that links its accounts, if one does.
static void say_client_shared(
	struct text *text,
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *widest
) {
	struct entity *client = campaigns_find(&watch->campaigns, ENTITY_CLIENT, visit->client_key);
	uint32_t grammar = visit->activity->client.grammar;
	if (!client || !grammar || client == widest || client->campaign != widest->campaign
	    || client->n_suspect < 2)
		return;
	if (client->n_suspect >= widest->n_suspect)
		say(text, " by a client with the command grammar %08x", grammar);
	else
		say(text,
		    " (%u of them by a client with the command grammar %08x)",
		    client->n_suspect,
		    grammar);
}

static void list_accounts(
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *entity,
	struct alert *alert
) {
	uint32_t n = entity->n_listed < CAMPAIGN_LISTED ? entity->n_listed : CAMPAIGN_LISTED;
	alert->n_users = 0;
	text_user(alert, visit->activity->account);
	// The newest first: who was told before stands in the alerts before. Nobody is listed twice.
	for (uint32_t i = 0; i < n && alert->n_users < ALERT_RELATED_MAX; i++) {
		uint64_t key = entity->accounts[(entity->n_listed - 1 - i) % CAMPAIGN_LISTED];
		const struct account *account = key == visit->account->node.key
			? NULL
			: table_peek(&watch->accounts, key);
		if (account)
			memcpy(alert->users[alert->n_users++], account->name, sizeof(account->name)
			);
	}
	alert->users_total = fmax(entity->n_suspect, alert->n_users);
	alert->n_ips = entity->n_ips < 8 ? entity->n_ips : 8;
	memcpy(alert->ips, entity->ips, alert->n_ips * sizeof(struct ip));
	alert->ips_total = entity->n_ips;
}

void text_campaign(
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *entity,
	struct alert *alert
) {
	double nats = entity_nats(entity);
	uint64_t since_ns = entity->since_min * 60ull * 1000000000;
	// The more is shared by whomever the more a campaign has to show, and what a visitor did fades: an
	// update states the most there was, and the threshold of the day it was opened.
	bool first = alert->episode.sequence == 0;
	double most = first ? nats : fmax(nats, alert->score);
	double threshold = first ? campaigns_threshold(&watch->campaigns) : alert->threshold;
	text_fill(watch, visit, most, alert);
	alert->account[0] = '\0';
	alert->threshold = threshold;
	alert->scope = ALERT_CAMPAIGN;
	alert->severity = ALERT_CRITICAL;
	alert->rule_id = "campaign";
	alert->rule_name = "Several mailboxes read by the same stranger";
	alert->episode.since_ns = alert->start_ns = since_ns;
	list_accounts(watch, visit, entity, alert);
	alert->campaign.id = entity->campaign;
	alert->campaign.size = alert->users_total;
	alert->campaign.since_ns = since_ns;

	struct text text = {alert->message, sizeof(alert->message)};
	say_number(&text, alert->users_total);
	say_plain(&text, " mailboxes are read by the same stranger since ");
	say_date(&text, since_ns);
	say_plain(&text, entity->kind == ENTITY_CLIENT ? ", all by " : ", all through ");
	say_entity(&text, entity->kind, visit->activity);
	say_client_shared(&text, watch, visit, entity);
	say_plain(&text, ": ");
	say_number(&text, entity->old + entity->fresh);
	say_plain(&text, " messages so far, ");
	say_number(&text, entity->old);
	say_plain(&text, " of them older than 30 days; ");
	say_plain(&text, alert->users_total > NAMED ? "among them " : "they are those of ");
	for (uint8_t i = 0; i < alert->n_users && i < NAMED; i++) {
		say_plain(&text, i ? ", " : "");
		say_name(&text, alert->users[i]);
	}
	say_plain(
		&text,
		". If it is no service of yours, end its sessions, change the passwords and look "
		"at "
		"what was read."
	);
	struct text words;
	struct alert_evidence *e = text_evidence(alert, "campaign", nats, &words);
	say(&words,
	    "%u accounts share %s, %u of them read as by a stranger: together that is %.1f nats, "
	    "and %.1f make a campaign.",
	    entity->n_accounts,
	    kinds[entity->kind],
	    entity->n_suspect,
	    nats,
	    threshold);
	snprintf(e->seen, sizeof(e->seen), "%u accounts", entity->n_suspect);
	strcpy(e->usual, "strangers share nothing");
}

void text_wave(
	const struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n,
	struct alert *alert
) {
	text_fill(watch, visit, watch->nominal, alert);
	alert->account[0] = '\0';
	alert->n_users = 0;
	alert->users_total = 0;
	alert->techniques[0] = NULL;
	alert->techniques[1] = NULL;
	alert->threshold = watch->nominal;
	alert->category = "infrastructure";
	alert->scope = ALERT_INFRASTRUCTURE;
	alert->severity = ALERT_LOW;
	alert->rule_id = "infrastructure-change";
	alert->rule_name = "All accounts take up something new";
	struct text text = {alert->message, sizeof(alert->message)}, words;
	bool renumbered = kind == ENTITY_KINDS;
	if (renumbered) {
		say(&text,
		    "Mailboxes of %u accounts have a new UIDVALIDITY within a week: a server that "
		    "moved, a migration or a backup put back, it seems. Their own clients load all "
		    "of it again, and that is not told of for a week each; if nothing of the kind "
		    "was done, ask who changed the server.",
		    n);
	} else {
		say(&text, "%u accounts were used through ", n);
		say_entity(&text, kind, visit->activity);
		say(&text,
		    " for the first time today: a server that moved, a backup, a migration or an "
		    "upgrade, it seems. It is taken for yours from now on; if it is not, block it "
		    "and change the passwords.");
	}
	const char *when = renumbered ? "within a week" : "on one day";
	struct alert_evidence *e = text_evidence(alert, "fleet", watch->nominal, &words);
	say(&words,
	    "%u accounts %s; %.0f are active on a day, and what 3 %% of them do together is no "
	    "single intruder's.",
	    n,
	    when,
	    watch->fleet->n_active);
	snprintf(e->seen, sizeof(e->seen), "%u accounts %s", n, when);
	snprintf(e->usual, sizeof(e->usual), "below %.0f accounts", fleet_wave(watch->fleet));
}
