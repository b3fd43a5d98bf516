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

void text_name(struct alert *alert, const char *account) {
	uint8_t at = 0;
	// As far as an account's name is kept.
	while (at < alert->n_users && strncmp(alert->users[at], account, ACCOUNT_NAME_SIZE - 1) != 0
	)
		at++;
	if (at == ALERT_RELATED_MAX)
		at--; // who was told first stands in the alerts before
	else if (at == alert->n_users)
		alert->n_users++;
	memmove(alert->users[1], alert->users[0], at * sizeof(alert->users[0]));
	snprintf(alert->users[0], sizeof(alert->users[0]), "%s", account);
}

void text_ip(struct alert *alert, const struct ip *ip) {
	for (uint8_t i = 0; i < alert->n_ips; i++)
		if (memcmp(&alert->ips[i], ip, sizeof(*ip)) == 0)
			return;
	if (alert->n_ips < ALERT_RELATED_MAX)
		alert->ips[alert->n_ips++] = *ip;
}

static bool has(const struct entity *entity, const char *account) {
	uint32_t n = entity->n_listed < CAMPAIGN_LISTED ? entity->n_listed : CAMPAIGN_LISTED;
	uint64_t key = account_key(account);
	for (uint32_t i = 0; i < n; i++)
		if (entity->accounts[i] == key)
			return true;
	return false;
}

// Those who were read by what the visit goes through come first. Where not all can be named, others are no more than they: it
// may go on through another place with others, and who was told before stands in the alerts before.
static void order_names(const struct entity *widest, struct alert *alert) {
	char rest[ALERT_RELATED_MAX][sizeof(alert->users[0])];
	uint8_t n = 0, n_rest = 0;
	for (uint8_t i = 0; i < alert->n_users; i++)
		if (i == 0 || has(widest, alert->users[i]))
			memmove(alert->users[n++], alert->users[i], sizeof(alert->users[0]));
		else
			memcpy(rest[n_rest++], alert->users[i], sizeof(alert->users[0]));
	if (n_rest > n && alert->users_total > ALERT_RELATED_MAX)
		n_rest = n;
	memcpy(alert->users[n], rest, n_rest * sizeof(rest[0]));
	alert->n_users = n + n_rest;
}

static uint32_t max_of(uint32_t a, uint32_t b) {
	return a > b ? a : b;
}

// A program that is known by its ID alone has no place among what is shared.
static void say_client_id(
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *whole,
	struct alert *alert
) {
	const struct activity *activity = visit->activity;
	struct entity *client = campaigns_find(&watch->campaigns, ENTITY_CLIENT, visit->client_key);
	struct text words;
	if (!client || activity->client.grammar || client->campaign != whole->campaign)
		return;
	struct alert_evidence *e = text_evidence(alert, "campaign", entity_nats(client), &words);
	say(&words, "%u of the accounts were read by ", client->n_suspect);
	say_entity(&words, ENTITY_CLIENT, activity);
	say_plain(&words, ", which hardly anybody else uses.");
	snprintf(e->seen, sizeof(e->seen), "%u accounts", client->n_suspect);
	strcpy(e->usual, "strangers share nothing");
}

// "7 mailboxes are read by the same stranger since 9 March, 5 of them through 5.101.7.9: …"
static void say_campaign(
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *whole,
	const struct entity *widest,
	struct alert *alert
) {
	struct text text = {alert->message, sizeof(alert->message)};
	bool by = widest->kind == ENTITY_CLIENT;
	say_number(&text, alert->users_total);
	say_plain(&text, " mailboxes are read by the same stranger since ");
	say_date(&text, alert->campaign.since_ns);
	if (widest->n_suspect < alert->users_total)
		say(&text, ", %u of them %s ", widest->n_suspect, by ? "by" : "through");
	else
		say_plain(&text, by ? ", all by " : ", all through ");
	say_entity(&text, widest->kind, visit->activity);
	say_client_shared(&text, watch, visit, widest);
	say_plain(&text, ": ");
	say_number(&text, whole->old + whole->fresh);
	say_plain(&text, " messages so far, ");
	say_number(&text, whole->old);
	say_plain(&text, " of them older than 30 days; ");
	say_plain(&text, alert->users_total > NAMED ? "among them " : "they are those of ");
	for (uint8_t i = 0; i < alert->n_users && i < NAMED; i++) {
		say_plain(&text, i ? ", " : "");
		say_name(&text, alert->users[i]);
	}
	say_plain(
		&text,
		". If it is no service of yours, end its sessions, change the passwords and look "
		"at what was read."
	);
}

void text_campaign(
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *whole,
	const struct entity *widest,
	struct alert *alert
) {
	double nats = entity_nats(widest);
	// The more is shared by whomever the more a campaign has to show, and what a visitor did fades: an
	// update states the most there was, and the threshold of the day it was opened.
	bool first = alert->episode.sequence == 0;
	double most = first ? nats : fmax(nats, alert->score);
	double threshold = first ? campaigns_threshold(&watch->campaigns) : alert->threshold;
	text_frame(watch, visit, most, alert);
	alert->account[0] = '\0';
	alert->threshold = threshold;
	alert->scope = ALERT_CAMPAIGN;
	alert->severity = ALERT_CRITICAL;
	alert->rule_id = "campaign";
	alert->rule_name = "Several mailboxes read by the same stranger";
	alert->campaign.id = whole->campaign;
	alert->campaign.size = alert->users_total = max_of(whole->n_suspect, alert->campaign.size);
	alert->campaign.since_ns = whole->since_min * 60ull * 1000000000;
	if (widest->n_suspect < alert->users_total)
		order_names(widest, alert);
	alert->episode.since_ns = alert->start_ns = alert->campaign.since_ns;
	alert->ips_total = max_of(alert->n_ips, max_of(widest->n_ips, alert->ips_total));
	say_campaign(watch, visit, whole, widest, alert);

	struct text words;
	struct alert_evidence *e = text_evidence(alert, "campaign", nats, &words);
	say(&words,
	    "%u accounts share %s, %u of them read as by a stranger: together that is %.1f nats, "
	    "and %.1f make a campaign.",
	    widest->n_accounts,
	    kinds[widest->kind],
	    widest->n_suspect,
	    nats,
	    threshold);
	snprintf(e->seen, sizeof(e->seen), "%u accounts", widest->n_suspect);
	strcpy(e->usual, "strangers share nothing");
	say_client_id(watch, visit, whole, alert);
}

void text_campaign_over(
	const struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n,
	struct alert *alert
) {
	struct text text = {alert->message, sizeof(alert->message)}, words;
	alert->end_ns = visit->time_ns;
	alert->severity
		= ALERT_MEDIUM; // whoever takes that many accounts in a day looks the same: to be confirmed
	say_plain(&text, "No campaign after all, it seems: what links these ");
	say_number(&text, alert->campaign.size);
	say_plain(&text, " mailboxes, ");
	say_entity(&text, kind, visit->activity);
	say(&text,
	    ", was taken up by %u accounts on one day, as with a change of your own: a backup, a "
	    "migration, a webmail server. Nobody is a stranger for it from now on; what speaks "
	    "against one of them otherwise still counts. If it is no service of yours, somebody "
	    "reads all of them: block it and change the passwords.",
	    n);
	alert->n_evidence = 0;
	struct alert_evidence *e = text_evidence(alert, "fleet", watch->nominal, &words);
	say(&words,
	    "%u accounts on one day; what 3 %% of those active do together is no single "
	    "intruder's.",
	    n);
	snprintf(e->seen, sizeof(e->seen), "%u accounts on one day", n);
	snprintf(e->usual, sizeof(e->usual), "below %.0f accounts", fleet_wave(watch->fleet));
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
