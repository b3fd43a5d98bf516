// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An episode is one thing a person should look at, from its first alert to its last: opened once,
// updated when it has grown substantially, closed after silence. It keeps its alert, so that the
// closing one states the final facts.

#pragma once

#include "alert.h"
#include "table.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	EPISODES_MAX = 1024, // open at once; beyond it the one silent longest is closed
	// Of one kind with an alert each; further ones share one alert, so that an attacker with many
	// addresses or targets cannot bury the desk.
	EPISODES_OWN_MAX = 8,
};

#define EPISODE_UPDATE_NS (600ull * 1000000000) // at most one update in so long, unless urgent
// After so much silence it is over. More than a day, so that one attempt a day is one episode, and
// more than the hour of disorder.
#define EPISODE_SILENCE_NS (48 * 3600ull * 1000000000)

enum episode_kind {
	EPISODE_SOURCE, // an address tries many accounts
	EPISODE_NETWORK,
	EPISODE_PASSWORD, // tried on many accounts
	EPISODE_ACCOUNT, // many passwords are tried on it
	EPISODE_TAKEOVER,
	EPISODE_OUTAGE,
	EPISODE_READER, // somebody else reads an account
	EPISODE_DEED, // a single deed of an account (channel/deed.h)
	EPISODE_CAMPAIGN,
	EPISODE_WAVE, // all take up the same
	EPISODE_KINDS,
};

struct episode {
	struct table_node node;
	uint8_t kind; // enum episode_kind
	bool pending; // grown, not yet told
	bool stale; // its words are older than its facts
	uint64_t told_ns; // of the last alert
	uint64_t silence_ns;
	uint32_t told_size, size; // how big it was then, and is
	struct alert alert;
	uint64_t subject; // as it was opened
};

enum { EPISODE_LAYOUT = 3 }; // in the store; 1 had no subject, 2 nothing shared but addresses

struct episodes {
	struct table table;
	uint32_t n_open[EPISODE_KINDS];
	uint64_t due_ns; // none has to be looked at earlier
	void (*raise)(void *ctx, const struct alert *alert);
	void *ctx;
	// Brings the alert of one that is stale up to date, if its subject is still known.
	void (*word)(void *ctx, struct episode *episode);
	void *word_ctx;
};

size_t episodes_memsize(void);
// memory as in table_init.
void episodes_init(struct episodes *episodes, const uint64_t hash_key[2], void *memory);
// NULL when there is none open.
struct episode *
episodes_find(const struct episodes *episodes, enum episode_kind kind, uint64_t subject);
// Opens one that is not open. name_hash and since_ns make its id; nothing in it is secret or random.
// The caller fills the alert (or sets it stale) and calls episode_tell. Valid until it closes.
struct episode *episodes_open(
	struct episodes *episodes,
	enum episode_kind kind,
	uint64_t subject,
	uint64_t name_hash,
	uint64_t since_ns,
	uint64_t now_ns
);
// Its alert says something new, and it is now of that size. Raises an alert if it is the first, if it
// is urgent, or if it has doubled (later, when the last was just told).
void episode_tell(
	struct episodes *episodes,
	struct episode *episode,
	uint32_t size,
	bool urgent,
	uint64_t now_ns
);
// Nothing is told yet; it is looked at when it has fallen silent.
void episode_hold(struct episodes *episodes, const struct episode *episode);
// Raises what waited, closes what fell silent.
void episodes_advance(struct episodes *episodes, uint64_t now_ns);
// The table was put back by the store: they are counted. ctx: struct episodes.
void episodes_restored(void *ctx);
