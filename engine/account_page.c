// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account_page.h"

#include "channel/visitor.h"
#include "output/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LINE_SIZE = 65536,
	PLOT_SIZE = 256, // bytes of one plot: three for each of its columns
	NO_ASN_BIT = 31, // of a provider's number: it is a hash (account.h)
};

#define DAY_S 86400
#define MINUTE_NS (60ull * 1000000000)

static const char *const meter_names[METERS] = {
	[METER_VISITOR] = "visitors",
	[METER_VOLUME] = "volume",
};

static const char *const meter_words[METERS] = {
	[METER_VISITOR] = "somebody who does not belong there reads",
	[METER_VOLUME] = "old mail is read by strangers, or more of it than usual",
};

static const char *const part_names[METER_PARTS] = {
	[PART_PLACE] = "place",
	[PART_CLIENT] = "client",
	[PART_HOURS] = "hours",
	[PART_COLLECTION] = "collection",
	[PART_COVERAGE] = "coverage",
	[PART_GAP] = "no commitment",
	[PART_SEARCH] = "searching",
	[PART_ABSENCE] = "owner absent",
};

static const char *const network_names[] = {
	[NETWORK_UNKNOWN] = "",
	[NETWORK_ACCESS] = "access",
	[NETWORK_MOBILE] = "mobile",
	[NETWORK_HOSTING] = "hosting",
	[NETWORK_VPN] = "vpn",
	[NETWORK_TOR] = "tor",
	[NETWORK_OFFICE] = "office",
};

// Mailboxes are known by hashes too: the usual ones can be told.
static const char *const mailbox_names[] = {
	"INBOX",
	"Sent",
	"Drafts",
	"Trash",
	"Junk",
	"Archive",
	"INBOX.Sent",
	"INBOX.Trash",
	"Spam",
	"Sent Items",
	"Sent Messages",
	"Deleted Items",
	"Archives",
	"Odeslan\xc3\xa9",
	"Ko\xc5\xa1",
};

// One of both is written.
struct out {
	FILE *text; // NULL: JSON
	struct json json;
	char line[LINE_SIZE];
};

// ---- Both ways of writing

__attribute__((format(printf, 2, 3))) static void say(struct out *out, const char *format, ...) {
	va_list args;

	if (!out->text)
		return;
	va_start(args, format);
	vfprintf(out->text, format, args);
	va_end(args);
}

static void begin(struct out *out, const char *key, const char *title) {
	say(out, "\n%s\n", title);
	if (!out->text)
		json_begin_array(&out->json, key);
}

static void end(struct out *out) {
	if (!out->text)
		json_end_array(&out->json);
}

static void item(struct out *out) {
	if (!out->text)
		json_begin_object(&out->json, NULL);
}

static void item_end(struct out *out) {
	say(out, "\n");
	if (!out->text)
		json_end_object(&out->json);
}

static void put_number(struct out *out, const char *key, uint64_t value) {
	if (!out->text)
		json_put_u64(&out->json, key, value);
}

static void put_double(struct out *out, const char *key, double value) {
	if (!out->text)
		json_put_double(&out->json, key, isfinite(value) ? value : 0, 2);
}

static void put_text(struct out *out, const char *key, const char *text) {
	if (!out->text && text[0])
		json_put_string(&out->json, key, text, strlen(text), 300);
}

static void put_bool(struct out *out, const char *key, bool value) {
	if (!out->text)
		json_put_bool(&out->json, key, value);
}

static const char *day_text(uint32_t day) {
	static char texts[4][16];
	static int n;
	char *text = texts[n++ % 4];
	time_t seconds = (time_t)day * DAY_S;

	strftime(text, sizeof(texts[0]), "%e %b %Y", gmtime(&seconds));
	return text + (text[0] == ' ');
}

static void put_day(struct out *out, const char *key, uint32_t day) {
	if (!out->text && day)
		json_put_time(&out->json, key, (uint64_t)day * DAY_S * 1000000000);
}

static const char *minute_text(uint64_t minutes) {
	static char texts[4][24];
	static int n;
	char *text = texts[n++ % 4];
	time_t seconds = (time_t)minutes * 60;

	strftime(text, sizeof(texts[0]), "%Y-%m-%d %H:%M", gmtime(&seconds));
	return text;
}

static void put_minute(struct out *out, const char *key, uint32_t minutes) {
	if (!out->text && minutes)
		json_put_time(&out->json, key, minutes * MINUTE_NS);
}

static const char *s(uint64_t n) {
	return n == 1 ? "" : "s";
}

// ---- Plots

static const char *const bars[] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// A column of eight steps for each value; most: the highest of the scale.
static const char *plot(const double *value, int n, double most) {
	static char text[PLOT_SIZE];
	size_t used = 0;

	for (int i = 0; i < n && used + 4 < sizeof(text); i++) {
		int step = value[i] > 0 && most > 0 ? 1 + (int)(7 * value[i] / most) : 0;
		const char *bar = bars[step > 8 ? 8 : step];
		memcpy(text + used, bar, strlen(bar));
		used += strlen(bar);
	}
	text[used] = '\0';
	return text;
}

static void put_values(struct out *out, const char *key, const double *value, int n, int decimals) {
	if (out->text)
		return;
	json_begin_array(&out->json, key);
	for (int i = 0; i < n; i++)
		if (decimals)
			json_put_double(&out->json, NULL, value[i], decimals);
		else
			json_put_u64(&out->json, NULL, (uint64_t)value[i]);
	json_end_array(&out->json);
}

// ---- Alerts

static size_t n_listed(const struct account_page *page) {
	return page->n_alerts < ACCOUNT_PAGE_ALERTS_MAX ? page->n_alerts : ACCOUNT_PAGE_ALERTS_MAX;
}

static void alerts_write(struct out *out, const struct account_page *page) {
	begin(out, "alerts", "Open alerts that name it");
	for (size_t i = 0; i < n_listed(page); i++) {
		const struct alert *alert = &page->alerts[i];
		item(out);
		say(out,
		    "  %s, since %s\n    %s",
		    alert->rule_id,
		    minute_text(alert->episode.since_ns / MINUTE_NS),
		    alert->message);
		put_text(out, "rule", alert->rule_id);
		put_text(out, "message", alert->message);
		put_double(out, "nats", alert->score);
		put_minute(out, "since", (uint32_t)(alert->episode.since_ns / MINUTE_NS));
		item_end(out);
	}
	if (page->n_alerts == 0)
		say(out, "  none\n");
	else if (page->n_alerts > n_listed(page))
		say(out, "  and %zu more\n", page->n_alerts - n_listed(page));
	end(out);
}

// ---- Evidence

static void evidence_write(struct out *out, const struct account_page *page) {
	const struct account *account = page->account;
	double weeks[METER_WEEKS], most = 0;

	begin(out,
	      "evidence",
	      "Evidence, in nats: the tests as they stand, and the highest score of a day in each "
	      "of "
	      "eight weeks, this one last");
	for (int m = 0; m < METERS; m++)
		for (int w = 0; w < METER_WEEKS; w++)
			most = fmax(most, account->meters[m].week_max[w] * METER_UNIT);
	for (int m = 0; m < METERS; m++) {
		const struct meter *meter = &account->meters[m];
		double nats
			= meter_nats(meter, &page->watch->fleet->meters[m], account_weeks(account));
		for (int w = 0; w < METER_WEEKS; w++)
			weeks[w] = meter->week_max[METER_WEEKS - 1 - w] * METER_UNIT;
		item(out);
		say(out,
		    "  %-18s %6.1f  %s %5.1f this week   %s",
		    meter_names[m],
		    nats > 0 ? nats : 0,
		    plot(weeks, METER_WEEKS, most > 10 ? most : 10),
		    weeks[METER_WEEKS - 1],
		    meter_words[m]);
		put_text(out, "channel", meter_names[m]);
		put_double(out, "nats", nats > 0 ? nats : 0);
		put_values(out, "highest_by_week", weeks, METER_WEEKS, 2);
		item_end(out);
	}
	end(out);
}

// ---- Where, with what

static const char *net_text(const struct account_page *page, uint32_t hash) {
	static char texts[2][64];
	static int n;
	char *text = texts[n++ % 2];

	for (size_t i = 0; i < page->n_nets; i++)
		if (page->nets[i].hash == hash) {
			origin_print(&page->nets[i].ip, page->nets[i].bits, sizeof(texts[0]), text);
			return text;
		}
	snprintf(text, sizeof(texts[0]), "network #%08x", hash);
	return text;
}

// Without a database a provider is what its addresses begin with, of which some network may be known.
static const char *provider_text(const struct account_page *page, uint32_t id) {
	static char text[64];

	if (!(id >> NO_ASN_BIT)) {
		snprintf(text, sizeof(text), "AS%u", id);
		return text;
	}
	for (size_t i = 0; i < page->n_nets; i++) {
		struct activity activity = {.source.ip = page->nets[i].ip};
		uint8_t bytes = activity.source.ip.family == 4 ? 2 : 4;

		if (visit_provider(&activity) != id)
			continue;
		memset(activity.source.ip.addr + bytes, 0, sizeof(activity.source.ip.addr) - bytes);
		origin_print(&activity.source.ip, 8 * bytes, sizeof(text), text);
		return text;
	}
	snprintf(text, sizeof(text), "provider #%08x", id);
	return text;
}

// Lists begin with what was seen last.
struct order {
	const struct residence *residence;
	int index;
};

static int latest_first(const void *a, const void *b) {
	const struct order *x = a, *y = b;

	if (x->residence->seen != y->residence->seen)
		return x->residence->seen > y->residence->seen ? -1 : 1;
	return x->index - y->index;
}

// Which visitor, above, came through it: the way from what is suspected to where and with what.
static void visitor_note(struct out *out, bool is_visitors) {
	if (is_visitors)
		say(out, "  <- a visitor's");
	put_bool(out, "visitor", is_visitors);
}

static bool is_visitors_net(const struct account *account, uint32_t net) {
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		const struct visitor *visitor = &account->visitors[i];

		if (!visitor->first_min)
			continue;
		for (int k = 0; k < ACCOUNT_VISITOR_NETS; k++)
			if (visitor->net[k] == net)
				return true;
		if (visitor->last_net == net)
			return true;
	}
	return false;
}

static bool is_visitors_client(const struct account *account, uint32_t client) {
	for (int i = 0; i < ACCOUNT_VISITORS; i++)
		if (account->visitors[i].first_min && account->visitors[i].client == client)
			return true;
	return false;
}

static const char *country_text(const char country[2]) {
	static char text[3];

	memcpy(text, country, 2);
	return text;
}

// True when it is at home there.
static bool residence_write(
	struct out *out,
	const struct account_page *page,
	const struct residence *residence
) {
	bool is = residence_is(
		residence, page->account->founded, fleet_is_ageing(page->watch->fleet)
	);
	say(out,
	    "%s, %u day%s from %s to %s, committed on %u",
	    is ? "at home" : "not (yet) at home",
	    residence->days,
	    s(residence->days),
	    day_text(residence->since),
	    day_text(residence->seen),
	    residence->commits);
	if (residence->together)
		say(out,
		    ", beside a resident %u time%s",
		    residence->together,
		    s(residence->together));
	put_bool(out, "resident", is);
	put_number(out, "days", residence->days);
	put_number(out, "committed_days", residence->commits);
	put_day(out, "since", residence->since);
	put_day(out, "last", residence->seen);
	return is;
}

static void places_write(struct out *out, const struct account_page *page) {
	const struct account *account = page->account;
	struct order order[ACCOUNT_PROVIDERS + ACCOUNT_PLACES];
	int n = 0;

	begin(out, "providers", "Providers it came from, the latest first");
	for (int i = 0; i < ACCOUNT_PROVIDERS; i++)
		if (account->providers[i].id)
			order[n++] = (struct order){&account->providers[i].residence, i};
	qsort(order, (size_t)n, sizeof(*order), latest_first);
	for (int i = 0; i < n; i++) {
		const struct provider *provider = &account->providers[order[i].index];
		item(out);
		say(out,
		    provider->country[0] || provider->network ? "  %s %s %s: " : "  %s: ",
		    provider_text(page, provider->id),
		    country_text(provider->country),
		    network_names[provider->network]);
		put_text(out, "provider", provider_text(page, provider->id));
		put_text(out, "country", country_text(provider->country));
		put_text(out, "network", network_names[provider->network]);
		residence_write(out, page, &provider->residence);
		item_end(out);
	}
	end(out);
	begin(out, "places", "Networks it came from, the latest first");
	n = 0;
	for (int i = 0; i < ACCOUNT_PLACES; i++)
		if (account->places[i].net)
			order[n++] = (struct order){&account->places[i].residence, i};
	qsort(order, (size_t)n, sizeof(*order), latest_first);
	for (int i = 0; i < n; i++) {
		const struct place *place = &account->places[order[i].index];
		item(out);
		say(out, "  %s: ", net_text(page, place->net));
		put_text(out, "network", net_text(page, place->net));
		put_minute(out, "seen", place->last_min);
		bool is_home = residence_write(out, page, &place->residence);
		visitor_note(out, !is_home && is_visitors_net(account, place->net));
		item_end(out);
	}
	end(out);
}

static void clients_write(struct out *out, const struct account_page *page) {
	const struct account *account = page->account;
	struct order order[ACCOUNT_CLIENTS];
	char text[16];
	int n = 0;

	begin(out,
	      "clients",
	      "Clients, by the order of their commands (or their ID and JA4), the latest first");
	for (int i = 0; i < ACCOUNT_CLIENTS; i++)
		if (account->clients[i].key)
			order[n++] = (struct order){&account->clients[i].residence, i};
	qsort(order, (size_t)n, sizeof(*order), latest_first);
	for (int i = 0; i < n; i++) {
		const struct client *client = &account->clients[order[i].index];
		snprintf(text, sizeof(text), "#%08x", client->key);
		item(out);
		say(out, "  %s: ", text);
		put_text(out, "client", text);
		bool is_own = residence_write(out, page, &client->residence);
		visitor_note(out, !is_own && is_visitors_client(account, client->key));
		item_end(out);
	}
	end(out);
}

// ---- Who does not belong there

static void visitor_parts(struct out *out, const struct visitor *visitor) {
	const char *before = "; speaks for it: ";

	if (!out->text)
		json_begin_object(&out->json, "nats");
	for (int i = 0; i < METER_PARTS; i++) {
		if (!visitor->part[i])
			continue;
		say(out, "%s%s %.1f", before, part_names[i], visitor->part[i] * METER_UNIT);
		put_double(out, part_names[i], visitor->part[i] * METER_UNIT);
		before = ", ";
	}
	if (!out->text)
		json_end_object(&out->json);
}

static void visitor_write(struct out *out, const struct visitor *visitor) {
	char ip[64], client[16];
	struct ip address = {.family = visitor->family};
	double hours[24];

	memcpy(address.addr, visitor->ip, sizeof(address.addr));
	origin_print(&address, visitor->family == 4 ? 32 : 128, sizeof(ip), ip);
	snprintf(client, sizeof(client), "#%08x", visitor->client);
	for (int h = 0; h < 24; h++)
		hours[h] = visitor->hours >> h & 1;
	// What is known of the network: "AS64500 CZ hosting".
	char asn[16] = "", network[48];
	if (visitor->asn)
		snprintf(asn, sizeof(asn), "AS%u", visitor->asn);
	snprintf(
		network,
		sizeof(network),
		"%s %s %s",
		asn,
		country_text(visitor->country),
		network_names[visitor->network]
	);
	bool is_known = strspn(network, " ") < strlen(network);
	item(out);
	say(out,
	    "  %s%s%s%s, client %s%s\n"
	    "    %u day%s from %s to %s, %u network%s, hours %s (0 to 23 UTC)\n"
	    "    read %u old and %u new message%s, %u KB; committed on %u day%s%s",
	    ip,
	    is_known ? " (" : "",
	    is_known ? network : "",
	    is_known ? ")" : "",
	    client,
	    visitor->flags & VISITOR_MISMATCH ? ", which does not behave like what it says it is"
					      : "",
	    visitor->days,
	    s(visitor->days),
	    minute_text(visitor->first_min),
	    minute_text(visitor->last_min),
	    visitor->n_nets,
	    s(visitor->n_nets),
	    plot(hours, 24, 1),
	    visitor->old,
	    visitor->fresh,
	    s(visitor->fresh),
	    visitor->kib,
	    visitor->committed_days,
	    s(visitor->committed_days),
	    visitor->flags & VISITOR_WROTE ? "" : ", opened read-only");
	put_text(out, "ip", ip);
	put_number(out, "asn", visitor->asn);
	put_text(out, "country", country_text(visitor->country));
	put_text(out, "network", network_names[visitor->network]);
	put_text(out, "client", client);
	put_bool(out, "client_mismatch", visitor->flags & VISITOR_MISMATCH);
	put_number(out, "days", visitor->days);
	put_minute(out, "first", visitor->first_min);
	put_minute(out, "last", visitor->last_min);
	put_number(out, "networks", visitor->n_nets);
	put_values(out, "hours", hours, 24, 0);
	put_number(out, "old", visitor->old);
	put_number(out, "new", visitor->fresh);
	put_number(out, "kib", visitor->kib);
	put_number(out, "committed_days", visitor->committed_days);
	visitor_parts(out, visitor);
	item_end(out);
}

static void visitors_write(struct out *out, const struct account_page *page) {
	int n = 0;

	begin(out, "visitors", "Visitors: who came and is not at home there");
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		const struct visitor *visitor = &page->account->visitors[i];
		if (!visitor->days || !visitor->family)
			continue;
		visitor_write(out, visitor);
		n++;
	}
	if (n == 0)
		say(out, "  none\n");
	end(out);
}

// ---- Habits

static void hours_write(struct out *out, const struct account_page *page) {
	static const char *const names[] = {"weekdays", "weekends"};
	double hours[24];

	begin(out, "hours", "Hours at which its residents are seen, 0 to 23 UTC");
	for (int weekend = 0; weekend < 2; weekend++) {
		double most = 0;
		for (int h = 0; h < 24; h++) {
			hours[h] = page->account->hours[weekend][h];
			most = fmax(most, hours[h]);
		}
		item(out);
		say(out, "  %s %s", names[weekend], plot(hours, 24, most));
		put_text(out, "days", names[weekend]);
		put_values(out, "seen", hours, 24, 0);
		item_end(out);
	}
	end(out);
}

static const char *mailbox_text(uint32_t hash) {
	static char text[32];

	for (size_t i = 0; i < sizeof(mailbox_names) / sizeof(mailbox_names[0]); i++)
		if (mailbox_hash(mailbox_names[i], strlen(mailbox_names[i])) == hash)
			return mailbox_names[i];
	snprintf(text, sizeof(text), "mailbox #%08x", hash);
	return text;
}

static void mailboxes_write(struct out *out, const struct account_page *page) {
	double read[32];

	begin(out,
	      "mailboxes",
	      "Mailboxes, and which of the mail that is old visitors have read (oldest first)");
	for (int i = 0; i < ACCOUNT_MAILBOXES; i++) {
		const struct mailbox *mailbox = &page->account->mailboxes[i];
		if (!mailbox->name)
			continue;
		for (int b = 0; b < 32; b++)
			read[b] = __builtin_popcount(mailbox->read[b]);
		item(out);
		say(out,
		    "  %-14s %s %4.1f %%, ",
		    mailbox_text(mailbox->name),
		    plot(read, 32, 8),
		    mailbox->n_read / 2.56);
		say(out,
		    mailbox->uidnext ? "next UID %u" : "how many are in it was never seen",
		    mailbox->uidnext);
		put_text(out, "mailbox", mailbox_text(mailbox->name));
		put_double(out, "read_share", mailbox->n_read / 256.0);
		put_number(out, "uidnext", mailbox->uidnext);
		item_end(out);
	}
	end(out);
}

static void
guessing_write(struct out *out, const struct target *target, const struct facts *refused) {
	uint32_t n = refused ? refused->attempts : 0,
		 n_ips = refused ? distinct_count(&refused->ips) : 0;
	double nats = evidence_nats(&target->evidence);

	begin(out, "guessing", "Refused logins");
	item(out);
	if (n)
		say(out,
		    "  %u in the present series, from %u address%s; evidence of guessing %.1f nats",
		    n,
		    n_ips,
		    n_ips == 1 ? "" : "es",
		    nats > 0 ? nats : 0);
	else
		say(out, "  none that matter");
	put_number(out, "attempts", n);
	put_number(out, "addresses", n_ips);
	put_double(out, "nats", nats > 0 ? nats : 0);
	item_end(out);
	end(out);
}

// ---- The page

static void head_write(struct out *out, const struct account_page *page) {
	const struct account *account = page->account;
	enum meter_id most;
	double threshold = watch_threshold(page->watch);
	double nats = account ? watch_nats(page->watch, account, &most) : 0;
	bool is_alarmed = page->n_alerts > 0 || (account && account->flags & ACCOUNT_ALARMED);

	nats = nats > 0 ? nats : 0;
	say(out, "%s, as of %s UTC\n", page->name, minute_text(page->now_ns / MINUTE_NS));
	put_text(out, "account", page->name);
	if (!out->text)
		json_put_time(&out->json, "time", page->now_ns);
	if (!account) {
		say(out, "Nobody was ever seen logged in to it.\n");
		return;
	}
	// An alert of many accounts needs less of each: why it is one says the alert.
	say(out,
	    is_alarmed			    ? "ALARM: see its alerts below"
		    : nats >= threshold / 2 ? "Watch it"
					    : "Quiet");
	say(out,
	    ". Evidence in this account alone that somebody else reads it: %.1f nats; %.1f raise "
	    "an "
	    "alert%s%s.\n",
	    nats,
	    threshold,
	    nats > 1 ? ". Most of it: " : "",
	    nats > 1 ? meter_words[most] : "");
	say(out,
	    "Known since %s, active on %u day%s, last seen %s. Its owner committed something "
	    "(flags, moves, sends) on %u day%s.\n",
	    day_text(account->founded),
	    account->active_days,
	    s(account->active_days),
	    minute_text(account->last_min),
	    account->committed_days,
	    s(account->committed_days));
	say(out,
	    "Usually %.1f old messages are read and %.1f sent a day.\n",
	    (double)account->usual_old,
	    (double)account->usual_sent);
	put_double(out, "nats", nats);
	put_double(out, "threshold", threshold);
	put_bool(out, "alarm", is_alarmed);
	put_day(out, "since", account->founded);
	put_minute(out, "seen", account->last_min);
	put_number(out, "active_days", account->active_days);
	put_number(out, "committed_days", account->committed_days);
	put_double(out, "usual_old", (double)account->usual_old);
	put_double(out, "usual_sent", (double)account->usual_sent);
}

static void page_write(struct out *out, const struct account_page *page) {
	static void (*const sections[])(struct out *, const struct account_page *) = {
		evidence_write,
		visitors_write,
		places_write,
		clients_write,
		hours_write,
		mailboxes_write,
	};

	head_write(out, page);
	alerts_write(out, page);
	for (size_t i = 0; page->account && i < sizeof(sections) / sizeof(sections[0]); i++)
		sections[i](out, page);
	if (page->target)
		guessing_write(out, page->target, page->refused);
}

void account_page_text(const struct account_page *page, FILE *file) {
	struct out *out = calloc(1, sizeof(*out));

	if (!out)
		return;
	out->text = file;
	page_write(out, page);
	free(out);
}

void account_page_json(const struct account_page *page, FILE *file) {
	struct out *out = calloc(1, sizeof(*out));

	if (!out)
		return;
	json_open(&out->json, out->line, sizeof(out->line));
	json_begin_object(&out->json, NULL);
	page_write(out, page);
	json_end_object(&out->json);
	fprintf(file, "%.*s\n", (int)out->json.used, out->line);
	free(out);
}
