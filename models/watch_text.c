// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "watch_text.h"

#include "channel/visitor.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_NS (60ull * 1000000000)

enum {
	ID_SIZE = 40,
	DAY_MINUTES = 1440,
	FEW = 5, // messages that are not worth a rule's name
};

const struct alert_technique TECHNIQUE_COLLECTION
	= {"TA0009",
	   "Collection",
	   "T1114",
	   "Email Collection",
	   "T1114.002",
	   "Remote Email Collection"};
const struct alert_technique TECHNIQUE_VALID
	= {"TA0001", "Initial Access", "T1078", "Valid Accounts", NULL, NULL};

// Cut at a whole character.
static void copy_id(const struct visit *visit, char id[ID_SIZE]) {
	const char *whole = visit->activity->client.id;
	size_t len = strnlen(whole, ID_SIZE - 1);
	memcpy(id, whole, len + 1);
	text_cut(id, len);
}

static double part(const struct visitor *visitor, enum meter_part part) {
	return visitor->part[part] * METER_UNIT;
}

// The visitor the alert is about: of today's, the one who scores; else the one who read most.
const struct visitor *text_suspect(const struct account *account, enum meter_id by) {
	const struct visitor *worst = NULL;
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		const struct visitor *visitor = &account->visitors[i];
		if (visitor->first_min == 0 || visitor->day != account->day)
			continue;
		if (!worst || visitor->score > worst->score)
			worst = visitor;
	}
	bool tells = worst && worst->score
		&& (by != METER_VOLUME || worst->today_old >= FEW
		    || watch_volume_is_foreign(account));
	return tells ? worst : NULL;
}

// It was there before he was taken for a stranger.
static bool is_older(const struct residence *residence, const struct visitor *visitor) {
	return residence->days > 0 && residence->since < visitor->first_min / DAY_MINUTES;
}

static void say_since(struct text *text, const struct residence *residence) {
	say(text, ", used since ");
	say_date(text, residence->since * DAY_MINUTES * MINUTE_NS);
}

static void
say_places(struct text *text, const struct visit *visit, const struct visitor *visitor) {
	const struct place *place = account_place(visit->account, visitor->last_net);
	bool far = visitor->flags & VISITOR_FAR;
	if (far && place && is_older(&place->residence, visitor)) {
		say(text,
		    " from %u network%s where its owner never shows himself",
		    visitor->n_nets,
		    plural(visitor->n_nets));
		say_since(text, &place->residence);
	} else if (far)
		say(text,
		    " from %u network%s never used with this account",
		    visitor->n_nets,
		    plural(visitor->n_nets));
	else
		say(text,
		    " from %u network%s of a provider that it uses",
		    visitor->n_nets,
		    plural(visitor->n_nets));
}

static void
say_client(struct text *text, const struct visitor *visitor, const struct visit *visit) {
	char id[ID_SIZE];
	copy_id(visit, id);
	if (visitor->flags & VISITOR_MISMATCH)
		say(text,
		    ", by a client that says %s and does not behave like it",
		    id[0] ? id : "it is one of the account's own");
	else if (visitor->flags & VISITOR_NEW_CLIENT) {
		const struct client *client = account_client(visit->account, visitor->client);
		say(text, ", by a client that is not its own");
		if (client && visitor->client && is_older(&client->residence, visitor))
			say_since(text, &client->residence);
	}
}

// It is about old mail; else about new.
static bool tells_old(const struct visitor *visitor) {
	return visitor->old >= FEW || visitor->old >= visitor->fresh;
}

static void
say_message(const struct visit *visit, const struct visitor *visitor, struct text *text) {
	bool old = tells_old(visitor);
	say_name(text, visit->activity->account);
	say(text,
	    ": %u message%s%s read on %u day%s since ",
	    old ? visitor->old : visitor->fresh,
	    plural(old ? visitor->old : visitor->fresh),
	    old ? " older than 30 days" : "",
	    visitor->days,
	    plural(visitor->days));
	say_date(text, visitor->first_min * MINUTE_NS);
	say_places(text, visit, visitor);
	say_client(text, visitor, visit);
	if (visitor->committed_days == 0)
		say(text, "; nothing was answered, flagged or moved from there");
	say(text,
	    ". Ask its owner; if it was somebody else, end the sessions, change the password and "
	    "look "
	    "at what was read.");
}

// "22-05 h", the shortest span of hours that holds all.
static void say_hours(struct text *text, uint32_t hours) {
	int best = 0, longest = -1;
	for (int from = 0; from < 24; from++) {
		int gap = 0;
		while (gap < 24 && !(hours >> (from + gap) % 24 & 1))
			gap++;
		if (gap > longest)
			longest = gap, best = from;
	}
	say(text, "%02d-%02d h", (best + longest) % 24, best);
}

// The share of the residents' visits in those hours.
static double usual_share(const struct account *account, uint32_t hours) {
	double in = 0, all = 0;
	for (int i = 0; i < 48; i++) {
		all += account->hours[i / 24][i % 24];
		in += hours >> i % 24 & 1 ? account->hours[i / 24][i % 24] : 0;
	}
	return all ? in / all : 0;
}

#define PUT(field, ...) snprintf(field, sizeof(field), __VA_ARGS__)

static void evidence_collection(
	const struct account *account,
	const struct visitor *visitor,
	struct alert *alert
) {
	struct text text;
	struct alert_evidence *e
		= text_evidence(alert, "collection", part(visitor, PART_COLLECTION), &text);
	say(&text,
	    "%u message%s older than 30 days and %u newer one%s, %.*f %s, on %u day%s; its "
	    "residents "
	    "read %.1f old ones a day.",
	    visitor->old,
	    plural(visitor->old),
	    visitor->fresh,
	    plural(visitor->fresh),
	    visitor->kib < 1024 ? 0 : 1,
	    visitor->kib < 1024 ? visitor->kib : visitor->kib / 1024.0,
	    visitor->kib < 1024 ? "KB" : "MB",
	    visitor->days,
	    plural(visitor->days),
	    account->usual_old);
	PUT(e->seen, "%.1f old messages a day", visitor->old / fmax(visitor->days, 1));
	PUT(e->usual, "%.1f old messages a day", account->usual_old);
}

static void
evidence_place(const struct account *account, const struct visitor *visitor, struct alert *alert) {
	static const char *const kinds[] = {
		[NETWORK_UNKNOWN] = "",
		[NETWORK_ACCESS] = ", an access network",
		[NETWORK_MOBILE] = ", a mobile network",
		[NETWORK_HOSTING] = ", a hosting network",
		[NETWORK_VPN] = ", a VPN's network",
		[NETWORK_TOR] = ", the Tor network",
		[NETWORK_OFFICE] = ", an office's network",
	};
	struct text text;
	struct alert_evidence *e = text_evidence(alert, "place", part(visitor, PART_PLACE), &text);
	struct ip ip = {.family = visitor->family};
	memcpy(ip.addr, visitor->ip, sizeof(ip.addr));
	say(&text, "Last from ");
	say_address(&text, &ip);
	if (visitor->asn)
		say(&text, " (AS%u)", visitor->asn);
	if (visitor->country[0])
		say(&text, " in %.2s", visitor->country);
	if (visitor->network <= NETWORK_OFFICE)
		say(&text, "%s", kinds[visitor->network]);
	say(&text,
	    "; %u of the account's %u visits (one a day and place) were to a strange place seen "
	    "once.",
	    account->n_once,
	    account->visits);
	PUT(e->seen, "%u strange network%s", visitor->n_nets, plural(visitor->n_nets));
	PUT(e->usual, "%u of %u visits", account->n_once, account->visits);
}

static void
evidence_hours(const struct account *account, const struct visitor *visitor, struct alert *alert) {
	struct text text;
	struct alert_evidence *e = text_evidence(alert, "hours", part(visitor, PART_HOURS), &text);
	double share = usual_share(account, visitor->hours);
	int n = __builtin_popcount(visitor->hours);
	say(&text, "Reads in %d hour%s of the day, within ", n, plural(n));
	say_hours(&text, visitor->hours);
	say(&text, " (UTC); %.1f %% of its residents' visits are in those hours.", 100 * share);
	PUT(e->seen, "1.00");
	PUT(e->usual, "%.3f", share);
}

static void
evidence_client(const struct visit *visit, const struct visitor *visitor, struct alert *alert) {
	struct text text;
	struct alert_evidence *e
		= text_evidence(alert, "client", part(visitor, PART_CLIENT), &text);
	uint32_t grammar = visitor->grammar, n_own = 0;
	char id[ID_SIZE];
	copy_id(visit, id);
	for (int i = 0; i < ACCOUNT_CLIENTS; i++)
		n_own += visit->account->clients[i].residence.commits > 0;
	say(&text,
	    "Command grammar %08x %s%s; ",
	    grammar,
	    id[0] ? "under the ID " : "without an ID",
	    id);
	say(&text, "none of the %u clients of this account behaves so.", n_own);
	PUT(e->seen, "%08x", grammar);
	PUT(e->usual, "%u other clients", n_own);
}

static void
evidence_rest(const struct account *account, const struct visitor *visitor, struct alert *alert) {
	struct text text;
	struct alert_evidence *e;
	if (part(visitor, PART_COVERAGE) >= 0.5) {
		unsigned n_read = 0;
		for (int i = 0; i < ACCOUNT_MAILBOXES; i++)
			n_read = fmax(n_read, account->mailboxes[i].n_read);
		e = text_evidence(alert, "coverage", part(visitor, PART_COVERAGE), &text);
		say(&text,
		    "Of 256 equal stretches of one mailbox's old mail strangers have read in %.0f "
		    "%%.",
		    100 * n_read / 256.0);
		PUT(e->seen, "%.2f", n_read / 256.0);
		PUT(e->usual, "0.00");
	}
	if (part(visitor, PART_GAP) >= 0.5) {
		e = text_evidence(alert, "gap", part(visitor, PART_GAP), &text);
		say(&text,
		    "On %u of %u day%s something was flagged, moved or sent from there%s.",
		    visitor->committed_days,
		    visitor->days,
		    plural(visitor->days),
		    visitor->flags & VISITOR_WROTE ? "" : "; mailboxes were opened read-only");
		PUT(e->seen, "%u of %u days", visitor->committed_days, visitor->days);
		PUT(e->usual, "%u of %u days", account->committed_days, account->active_days);
	}
	if (part(visitor, PART_SEARCH) > 0) {
		e = text_evidence(alert, "search", part(visitor, PART_SEARCH), &text);
		say(&text, "Searched for words, and fetched old messages after it.");
		PUT(e->seen, "search, then old mail");
		PUT(e->usual, "new mail");
	}
	if (part(visitor, PART_ABSENCE) > 0) {
		e = text_evidence(alert, "absence", part(visitor, PART_ABSENCE), &text);
		say(&text, "Its residents were silent for days when this reader came.");
		PUT(e->seen, "residents absent");
		PUT(e->usual, "residents present");
	}
}

void text_frame(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	struct alert *alert
) {
	// Field by field: an alert is 9 KB, most of it lists and texts that end where they say, and a
	// campaign's is worded with each of its visits.
	alert->start_ns = alert->episode.since_ns;
	alert->end_ns = visit->time_ns;
	alert->category = "account-takeover";
	memset(alert->techniques, 0, sizeof(alert->techniques));
	alert->techniques[0] = &TECHNIQUE_COLLECTION;
	alert->techniques[1] = &TECHNIQUE_VALID;
	alert->severity = ALERT_HIGH;
	alert->scope = ALERT_ACCOUNT;
	alert->message[0] = '\0';
	alert->source = visit->activity->source.ip;
	alert->asn = visit->activity->source.asn;
	alert->country[0] = alert->as_name[0] = '\0';
	alert->score = nats;
	alert->threshold = watch_threshold(watch);
	alert->n_evidence = 0;
}

void text_fill(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	struct alert *alert
) {
	text_frame(watch, visit, nats, alert);
	alert->n_ips = alert->ips_total = 1;
	alert->ips[0] = alert->source;
	alert->n_users = 0;
	alert->users_total = 1;
	strcpy(alert->account, visit->activity->account);
	text_user(alert, visit->activity->account);
}

static void text_volume(const struct visit *visit, double nats, struct alert *alert) {
	const struct account *account = visit->account;
	alert->rule_id = "unusual-reading";
	alert->rule_name = "More old mail read than usual";
	alert->severity = ALERT_MEDIUM;
	struct text text = {alert->message, sizeof(alert->message)};
	say_name(&text, visit->activity->account);
	say(&text,
	    ": far more old mail than usual is read day after day, %u messages today (usually "
	    "%.1f), "
	    "from places and clients that are known. Ask its owner; somebody may use his computer "
	    "or his connection.",
	    account->today_old,
	    account->usual_old);
	struct text words;
	struct alert_evidence *e = text_evidence(alert, "volume", nats, &words);
	say(&words,
	    "%u messages older than 30 days today; %.1f a day over the last month.",
	    account->today_old,
	    account->usual_old);
	PUT(e->seen, "%u old messages", account->today_old);
	PUT(e->usual, "%.1f old messages a day", account->usual_old);
}

static void
visitor_evidence(const struct visit *visit, const struct visitor *visitor, struct alert *alert) {
	const struct account *account = visit->account;
	evidence_collection(account, visitor, alert);
	if (part(visitor, PART_PLACE) >= 0.5)
		evidence_place(account, visitor, alert);
	if (part(visitor, PART_CLIENT) >= 0.5)
		evidence_client(visit, visitor, alert);
	if (part(visitor, PART_HOURS) >= 0.5)
		evidence_hours(account, visitor, alert);
	evidence_rest(account, visitor, alert);
}

uint32_t text_reader(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	enum meter_id most,
	struct alert *alert
) {
	const struct account *account = visit->account;
	const struct visitor *visitor = text_suspect(account, most);
	text_fill(watch, visit, nats, alert);
	if (!visitor) {
		text_volume(visit, nats, alert);
		return account->today_old;
	}
	alert->episode.since_ns = alert->start_ns = visitor->first_min * MINUTE_NS;
	bool slow = tells_old(visitor);
	alert->rule_id = slow ? "slow-collection" : "foreign-reader";
	alert->rule_name
		= slow ? "Mailbox read slowly by somebody else" : "Mail read by somebody else";
	struct text text = {alert->message, sizeof(alert->message)};
	say_message(visit, visitor, &text);
	visitor_evidence(visit, visitor, alert);
	return visitor->old + visitor->fresh;
}

uint32_t text_burst(
	const struct watch *watch,
	const struct visit *visit,
	const struct visitor *visitor,
	double nats,
	struct alert *alert
) {
	text_fill(watch, visit, nats, alert);
	alert->threshold = watch->nominal;
	alert->episode.since_ns = alert->start_ns = visitor->first_min * MINUTE_NS;
	alert->rule_id = "mailbox-burst";
	alert->rule_name = "Mailbox copied by somebody else";
	struct text text = {alert->message, sizeof(alert->message)};
	say_message(visit, visitor, &text);
	visitor_evidence(visit, visitor, alert);
	return visitor->old + visitor->fresh;
}
