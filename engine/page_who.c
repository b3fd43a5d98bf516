// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where an account is at home, with what, and who came that does not belong there.

#include "channel/visitor.h"
#include "networks.h"
#include "page_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_ASN_BIT = 31 }; // of a provider's number: it is a hash (account.h)

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
static void visitor_note(struct page_out *out, bool is_visitors) {
	if (is_visitors)
		page_say(out, "  <- a visitor's");
	page_bool(out, "visitor", is_visitors);
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

// A network or client that so many took up on one day that it is taken for the organisation's own.
static void ours_write(struct page_out *out, const struct account_page *page, uint32_t key) {
	bool is_ours = fleet_is_shared(page->watch->fleet, key);
	if (is_ours)
		page_say(out, ", taken for the organisation's own (many took it up on one day)");
	page_bool(out, "organisation", is_ours);
}

// True when it is at home there.
static bool residence_write(
	struct page_out *out,
	const struct account_page *page,
	const struct residence *residence
) {
	bool is = residence_is(
		residence, page->account->founded, fleet_is_ageing(page->watch->fleet)
	);
	page_say(
		out,
		"%s, %u day%s from %s to %s, committed on %u",
		is ? "at home" : "not (yet) at home",
		residence->days,
		page_s(residence->days),
		page_day_text(residence->since),
		page_day_text(residence->seen),
		residence->commits
	);
	if (residence->together)
		page_say(
			out,
			", beside a resident %u time%s",
			residence->together,
			page_s(residence->together)
		);
	page_bool(out, "resident", is);
	page_number(out, "days", residence->days);
	page_number(out, "committed_days", residence->commits);
	page_day(out, "since", residence->since);
	page_day(out, "last", residence->seen);
	return is;
}

void page_places(struct page_out *out, const struct account_page *page) {
	const struct account *account = page->account;
	struct order order[ACCOUNT_PROVIDERS + ACCOUNT_PLACES];
	int n = 0;

	page_begin(out, "providers", "Providers it came from, the latest first");
	for (int i = 0; i < ACCOUNT_PROVIDERS; i++)
		if (account->providers[i].id)
			order[n++] = (struct order){&account->providers[i].residence, i};
	qsort(order, (size_t)n, sizeof(*order), latest_first);
	for (int i = 0; i < n; i++) {
		const struct provider *provider = &account->providers[order[i].index];
		page_item(out);
		page_say(
			out,
			provider->country[0] || provider->network ? "  %s %s %s: " : "  %s: ",
			provider_text(page, provider->id),
			country_text(provider->country),
			network_kinds[provider->network]
		);
		page_text(out, "provider", provider_text(page, provider->id));
		page_text(out, "country", country_text(provider->country));
		page_text(out, "network", network_kinds[provider->network]);
		residence_write(out, page, &provider->residence);
		page_item_end(out);
	}
	page_end(out);
	page_begin(out, "places", "Networks it came from, the latest first");
	n = 0;
	for (int i = 0; i < ACCOUNT_PLACES; i++)
		if (account->places[i].net)
			order[n++] = (struct order){&account->places[i].residence, i};
	qsort(order, (size_t)n, sizeof(*order), latest_first);
	for (int i = 0; i < n; i++) {
		const struct place *place = &account->places[order[i].index];
		page_item(out);
		page_say(out, "  %s: ", net_text(page, place->net));
		page_text(out, "network", net_text(page, place->net));
		page_minute(out, "seen", place->last_min);
		bool is_home = residence_write(out, page, &place->residence);
		ours_write(out, page, place->net);
		visitor_note(out, !is_home && is_visitors_net(account, place->net));
		page_item_end(out);
	}
	page_end(out);
}

void page_clients(struct page_out *out, const struct account_page *page) {
	const struct account *account = page->account;
	struct order order[ACCOUNT_CLIENTS];
	char text[16];
	int n = 0;

	page_begin(
		out,
		"clients",
		"Clients, by the order of their commands (or their ID and JA4), the latest first"
	);
	for (int i = 0; i < ACCOUNT_CLIENTS; i++)
		if (account->clients[i].key)
			order[n++] = (struct order){&account->clients[i].residence, i};
	qsort(order, (size_t)n, sizeof(*order), latest_first);
	for (int i = 0; i < n; i++) {
		const struct client *client = &account->clients[order[i].index];
		snprintf(text, sizeof(text), "#%08x", client->key);
		page_item(out);
		page_say(out, "  %s: ", text);
		page_text(out, "client", text);
		bool is_own = residence_write(out, page, &client->residence);
		ours_write(out, page, client->key);
		visitor_note(out, !is_own && is_visitors_client(account, client->key));
		page_item_end(out);
	}
	page_end(out);
}

// ---- Who does not belong there

static void visitor_parts(struct page_out *out, const struct visitor *visitor) {
	const char *before = "; speaks for it: ";

	if (!out->text)
		json_begin_object(&out->json, "nats");
	for (int i = 0; i < METER_PARTS; i++) {
		if (!visitor->part[i])
			continue;
		page_say(out, "%s%s %.1f", before, part_names[i], visitor->part[i] * METER_UNIT);
		page_double(out, part_names[i], visitor->part[i] * METER_UNIT);
		before = ", ";
	}
	if (!out->text)
		json_end_object(&out->json);
}

// What is known of the visitor's network: "AS64500 CZ hosting", or blanks.
static void visitor_network(const struct visitor *visitor, size_t size, char *text) {
	char asn[16] = "";

	if (visitor->asn)
		snprintf(asn, sizeof(asn), "AS%u", visitor->asn);
	snprintf(
		text,
		size,
		"%s %s %s",
		asn,
		country_text(visitor->country),
		network_kinds[visitor->network]
	);
}

// What a visitor is called, in words and as members.
struct visitor_names {
	char ip[64], client[16];
	char grammar[16]; // what alerts know it by; "": none
	double hours[24];
};

static void visitor_names(const struct visitor *visitor, struct visitor_names *names) {
	struct ip address = {.family = visitor->family};

	memcpy(address.addr, visitor->ip, sizeof(address.addr));
	origin_print(&address, visitor->family == 4 ? 32 : 128, sizeof(names->ip), names->ip);
	snprintf(names->client, sizeof(names->client), "#%08x", visitor->client);
	names->grammar[0] = '\0';
	if (visitor->grammar)
		snprintf(names->grammar, sizeof(names->grammar), "%08x", visitor->grammar);
	for (int h = 0; h < 24; h++)
		names->hours[h] = visitor->hours >> h & 1;
}

static void visitor_say(
	struct page_out *out,
	const struct visitor *visitor,
	const struct visitor_names *names
) {
	char network[48];

	visitor_network(visitor, sizeof(network), network);
	bool is_known = strspn(network, " ") < strlen(network);
	page_say(
		out,
		"  %s%s%s%s, client %s%s%s%s%s\n"
		"    read on %u day%s; there from %s to %s, %u network%s, hours %s (0 to 23 UTC)\n"
		"    %u old and %u new message%s, %u KB; committed on %u day%s%s",
		names->ip,
		is_known ? " (" : "",
		is_known ? network : "",
		is_known ? ")" : "",
		names->client,
		visitor->grammar ? " (command grammar " : "",
		names->grammar,
		visitor->grammar ? ")" : "",
		visitor->flags & VISITOR_MISMATCH
			? ", which does not behave like what it says it is"
			: "",
		visitor->days,
		page_s(visitor->days),
		page_minute_text(visitor->first_min),
		page_minute_text(visitor->last_min),
		visitor->n_nets,
		page_s(visitor->n_nets),
		page_plot(names->hours, 24, 1),
		visitor->old,
		visitor->fresh,
		page_s(visitor->fresh),
		visitor->kib,
		visitor->committed_days,
		page_s(visitor->committed_days),
		visitor->flags & VISITOR_WROTE ? "" : ", opened read-only"
	);
}

static void visitor_write(
	struct page_out *out,
	const struct account_page *page,
	const struct visitor *visitor
) {
	const struct fleet *fleet = page->watch->fleet;
	struct visitor_names names;

	visitor_names(visitor, &names);
	page_item(out);
	visitor_say(out, visitor, &names);
	page_text(out, "ip", names.ip);
	page_number(out, "asn", visitor->asn);
	page_text(out, "country", country_text(visitor->country));
	page_text(out, "network", network_kinds[visitor->network]);
	page_text(out, "client", names.client);
	page_text(out, "grammar", names.grammar);
	page_bool(out, "client_mismatch", visitor->flags & VISITOR_MISMATCH);
	page_number(out, "days", visitor->days);
	page_minute(out, "first", visitor->first_min);
	page_minute(out, "last", visitor->last_min);
	page_number(out, "networks", visitor->n_nets);
	page_values(out, "hours", names.hours, 24, 0);
	page_number(out, "old", visitor->old);
	page_number(out, "new", visitor->fresh);
	page_number(out, "kib", visitor->kib);
	page_number(out, "committed_days", visitor->committed_days);
	visitor_parts(out, visitor);
	ours_write(
		out,
		page,
		fleet_is_shared(fleet, visitor->client) ? visitor->client : visitor->last_net
	);
	page_item_end(out);
}

void page_visitors(struct page_out *out, const struct account_page *page) {
	int n = 0;

	page_begin(out, "visitors", "Visitors: who came and is not at home there");
	for (int i = 0; i < ACCOUNT_VISITORS; i++) {
		const struct visitor *visitor = &page->account->visitors[i];
		if (!visitor->days || !visitor->family)
			continue;
		visitor_write(out, page, visitor);
		n++;
	}
	if (n == 0)
		page_say(out, "  none\n");
	page_end(out);
}
