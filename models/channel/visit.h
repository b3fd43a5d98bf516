// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One activity of one account, put in relation to what is known of the account: how familiar the
// place and the client are, what was read, and whether its owner has shown himself.

#pragma once

#include "account/account.h"
#include "channel/fleet.h"

enum place_standing {
	PLACE_HOME, // the /24 or /48 is resident
	PLACE_PROVIDER, // its autonomous system (or /16, /32) is
	PLACE_COUNTRY, // only the country is known to be usual
	PLACE_STRANGE,
	PLACE_STANDINGS,
};

enum client_standing {
	CLIENT_OWN, // resident, or nothing is known of the client at all
	CLIENT_SEEN, // on days before, and not resident
	CLIENT_NEW,
	CLIENT_STANDINGS,
};

struct visit {
	const struct activity *activity;
	struct account *account;
	uint64_t time_ns; // as believed
	uint32_t min; // since 1970
	uint16_t day;
	uint8_t hour;
	bool weekend;
	uint32_t ip, net, provider_id; // hashes; ip 0 at home
	uint32_t client_key, id, ja4, family; // hashes; 0 unknown
	struct place *place;
	struct provider *provider;
	struct client *client; // NULL: unknown
	enum place_standing at;
	enum client_standing with;
	bool settled; // enough is known of the account to call somebody a stranger
	bool committed;
	bool vouches; // it commits here for the first time today, by a client of the account
	bool read_only; // read bodies, by EXAMINE alone
	bool mismatch; // says it is a client of this account, and does not behave like it
	bool searched;
	uint32_t old, fresh; // bodies
	uint32_t headers;
	uint32_t kib;
	bool resync; // its own client loads all anew, as the server has numbered a mailbox anew
	bool upgraded; // a new version of a client of this account, as far as ID and JA4 tell
	bool new_net, new_client; // seen with this account for the first time
	bool served; // by what is the organisation's, or only reads and was always there
	bool known_to[ACTIVITY_SENT_MAX]; // the first recipient of each was written to before
	uint64_t to[ACTIVITY_SENT_MAX]; // and is known by this
	uint32_t
		n_renumbered; // accounts, when with this one it has just become the organisation's doing
	uint32_t inbox_appends; // messages put where mail arrives
};

// Fills visit, makes what is not there yet in the account, and learns from it: days, commitments,
// hours. activity and account are borrowed for the life of *visit.
void visit_take(
	struct visit *visit,
	struct fleet *fleet,
	struct account *account,
	const struct activity *activity,
	uint64_t time_ns
);
// A mailbox of it; NULL: not known, and in doubt, so that it is not to be learned.
struct mailbox *visit_mailbox(const struct visit *visit, const struct activity_mailbox *seen);
// Neither the place nor the client give reason to ask who it is.
static inline bool visit_is_home(const struct visit *visit) {
	return visit->at == PLACE_HOME && visit->with == CLIENT_OWN;
}
// The network is known to hide who uses it: hosting, VPN, Tor.
bool visit_hides(const struct visit *visit);
// The key of an address (an IPv6 /64) among what accounts share, of the /24 or /48, and of the provider, as
// accounts know them. Never 0.
uint32_t visit_ip(const struct ip *ip);
uint32_t visit_net(const struct ip *ip);
uint32_t visit_provider(const struct activity *activity);
