// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "channel/deed.h"

#include "hash.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define PRIOR_DAYS 14000.0 // account-days in which one such deed is expected, before any was seen

double deed_nats(const struct fleet *fleet, enum deed deed) {
	return -log((fleet->deeds[deed] + 1.0) / (fleet->account_days + PRIOR_DAYS));
}

void deed_count(struct fleet *fleet, enum deed deed, uint32_t net) {
	uint32_t key = net * 2654435761u + deed;
	uint32_t n = fleet->n_deed_nets < FLEET_SHARED ? fleet->n_deed_nets : FLEET_SHARED;
	for (uint32_t i = 0; i < n; i++)
		if (fleet->deed_nets[i] == key)
			return;
	fleet->deed_nets[fleet->n_deed_nets++ % FLEET_SHARED] = key;
	float lesson = fminf(fleet->lessons[deed], 1);
	fleet->deeds[deed] += lesson;
	fleet->lessons[deed] -= lesson;
}

bool deed_hides(enum deed deed) {
	return deed <= DEED_BURST_LAST && deed & 4;
}

enum deed deed_burst(const struct visitor *visitor, const struct visit *visit) {
	uint32_t read = visitor->today_old + visitor->today_fresh;
	if (read < BURST_MIN || visitor->today_old < BURST_OLD_MIN || visit->at == PLACE_HOME
	    || visitor->committed_days || visit->resync)
		return DEEDS;
	return DEED_BURST + (visit->at >= PLACE_COUNTRY) + 2 * (visit->with != CLIENT_OWN)
		+ 4 * visit_hides(visit);
}

// The part behind the @, or "".
static const char *domain_of(const char *address) {
	const char *at = strrchr(address, '@');
	return at ? at + 1 : "";
}

// Where accounts have no domain, every domain may be another's.
static bool is_outside(const struct account *account, const char *address) {
	const char *own = domain_of(account->name), *other = domain_of(address);
	return other[0] && strcasecmp(own, other) != 0;
}

static struct sink *get_sink(struct account *account, uint32_t address, uint16_t day) {
	struct sink *oldest = &account->sinks[0];
	for (int i = 0; i < ACCOUNT_SINKS; i++) {
		struct sink *sink = &account->sinks[i];
		if (sink->address == address)
			return sink;
		if (sink->seen < oldest->seen
		    || (sink->seen == oldest->seen && sink->messages < oldest->messages))
			oldest = sink;
	}
	*oldest = (struct sink){.address = address, .since = day};
	return oldest;
}

static bool is_strange(const struct visit *visit) {
	return visit->settled && (visit->at >= PLACE_COUNTRY || visit->with != CLIENT_OWN);
}

// How many messages it takes to be no correspondence. A new correspondent may well get ten in a
// fortnight from where the account is at home; from a stranger a few are enough.
static enum deed weigh_sink(const struct visit *visit, const struct sink *sink) {
	const struct account *account = visit->account;
	bool both = visit->at >= PLACE_COUNTRY && visit->with != CLIENT_OWN;
	if (visit->day > sink->since + SINK_DAYS)
		return DEEDS;
	if (sink->strange >= (both ? SINK_STRANGE_MIN : SINK_STRANGER_MIN) && is_strange(visit))
		return DEED_SINK_STRANGER;
	bool old = visit->day >= account->founded + SINK_KNOWN_DAYS;
	return old && sink->messages >= SINK_MIN && sink->messages > 3 * account->usual_sent
		? DEED_SINK
		: DEEDS;
}

// One new address outside that gets a message of its own again and again.
static enum deed take_sink(const struct visit *visit, int i) {
	struct account *account = visit->account;
	uint32_t address = (uint32_t)visit->to[i] | 1;
	bool known = visit->known_to[i];
	if (!is_outside(account, visit->activity->sent[i].to[0]))
		return DEEDS;
	struct sink *sink = NULL;
	for (int k = 0; k < ACCOUNT_SINKS; k++)
		if (account->sinks[k].address == address)
			sink = &account->sinks[k];
	if (!sink && known)
		return DEEDS; // an old correspondent
	if (!sink)
		sink = get_sink(account, address, visit->day);
	sink->seen = visit->day;
	if (sink->messages < UINT16_MAX)
		sink->messages++;
	if (is_strange(visit) && sink->strange < UINT16_MAX)
		sink->strange++;
	return weigh_sink(visit, sink);
}

static enum deed sinks_take(const struct visit *visit, const char **to_r) {
	const struct activity *activity = visit->activity;
	for (int i = 0; i < activity->n_sent && i < ACTIVITY_SENT_MAX; i++) {
		const struct activity_sent *sent = &activity->sent[i];
		if (sent->n_to != 1 || sent->n_recipients > 1 || !visit->account->visits)
			continue;
		*to_r = sent->to[0];
		enum deed deed = take_sink(visit, i);
		if (deed != DEEDS)
			return deed;
	}
	return DEEDS;
}

static const char *forward_of(const struct visit *visit) {
	const struct activity *activity = visit->activity;
	for (int i = 0; i < activity->n_forward && i < ACTIVITY_FORWARDS_MAX; i++)
		if (is_outside(visit->account, activity->forward[i])
		    && !account_knows(visit->account, account_address(activity->forward[i])))
			return activity->forward[i];
	return NULL;
}

// Names by which servers show other people's mailboxes (RFC 2342 and common defaults).
static bool is_others(const char *name) {
	static const char *const prefixes[]
		= {"user/", "user.", "Other Users/", "Other Users.", "#user/", "~", "users/"};
	char first = name[0] | 0x20;
	if (first != 'u' && first != 'o' && first != '#' && first != '~')
		return false; // as nearly always
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

// Whose it is decides; a Bloom filter remembers whom the account has read.
static bool others_add(struct account *account, const char *name) {
	size_t len = strcspn(name, "/."), more = name[len] ? strcspn(name + len + 1, "/") : 0;
	uint64_t hash = hash_bytes(HASH_PUBLIC, name, len + (name[len] != 0) + more);
	bool is_new = false;
	for (int i = 0; i < 2; i++, hash >>= 20) {
		uint8_t *byte = &account->others[hash % (8 * ACCOUNT_OTHERS_BLOOM) / 8];
		is_new |= !(*byte & 1 << hash % 8);
		*byte |= 1 << hash % 8;
	}
	return is_new;
}

static const char *others_take(const struct visit *visit) {
	const struct activity *activity = visit->activity;
	struct account *account = visit->account;
	const char *last = NULL;
	for (int i = 0; i < activity->n_mailboxes && i < ACTIVITY_MAILBOXES_MAX; i++) {
		const struct activity_mailbox *mailbox = &activity->mailboxes[i];
		if (mailbox->n_bodies + mailbox->n_headers == 0 || !is_others(mailbox->name))
			continue;
		if (others_add(account, mailbox->name) && account->today_others < UINT8_MAX) {
			account->today_others++;
			last = mailbox->name;
		}
	}
	return last && account->today_others >= OTHERS_MIN ? last : NULL;
}

bool deed_is_cold(const struct visit *visit) {
	const struct account *account = visit->account;
	return account->today_old >= BURST_MIN && account->committed_days == 0 && !visit->settled
		&& visit->day < account->founded + COLD_DAYS;
}

// Some file into their own inbox; on the road they do it with the program that they use at home.
static bool is_owners_filing(const struct visit *visit) {
	return visit->with == CLIENT_OWN && visit->account->flags & ACCOUNT_FILES;
}

enum deed deed_take(const struct visit *visit, const char **what_r) {
	bool stranger = !visit_is_home(visit);
	*what_r = forward_of(visit);
	if (*what_r)
		return stranger ? DEED_FORWARD_STRANGER : DEED_FORWARD;
	enum deed sink = sinks_take(visit, what_r);
	if (sink != DEEDS)
		return sink;
	*what_r = others_take(visit);
	if (*what_r)
		return DEED_OTHERS;
	*what_r = "";
	if (stranger && visit->inbox_appends && !visit->committed && !is_owners_filing(visit))
		return DEED_FILING;
	if (stranger && visit->activity->n_acl)
		return DEED_RIGHTS;
	return DEEDS;
}
