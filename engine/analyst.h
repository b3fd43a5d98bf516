// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The thread behind the workers: activity into the models and into content alerts, and every line to
// its sink. It owns what it writes to; workers reach it through rings only, one each.
//
// What several workers say is merged by the moments in which one worker alone would have said it: what
// the models hear, and in which order, does not depend on how many there are or how they run. For that
// each worker marks how far it has come. Records need no order and are written as they come.

#pragma once

#include "activity.h"
#include "config.h"
#include "flow.h"
#include "match/rules.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct analyst;
struct networks;
struct offer_heard; // offers.h
struct ring;

struct analyst_stats {
	uint64_t n_activities;
	uint64_t n_alerts; // lines, updates included
	uint64_t n_records;
	uint64_t n_lost; // lines that could not be written
	uint64_t n_known; // activities that were known already: sent twice, or learnt before
	bool is_unkept; // the store does not have what was learnt last
	bool has_store;
	struct store_stats store; // zeros without one
	uint64_t store_interval_ns;
};

// Opens the sinks that the configuration names (sessions, alerts, activity), the models, and the store if
// there is one: then they go on where they were. What the store has to say goes to standard error. rules:
// for content alerts, borrowed, may be NULL. NULL and one line in error.
struct analyst *
analyst_open(const struct config *config, const struct rules *rules, char *error, int size);

// Alerts say what is known of their addresses. Borrowed; the caller sees to it that no alert is on its way
// when it is changed.
void analyst_set_networks(struct analyst *analyst, const struct networks *networks);

// These rules are in force from now on, too: returns when the analyst's thread knows them, so that what is
// found by them may be sent. Borrowed until then. Another thread's call, between start and join; one at a
// time. 0; −1: there are too many, or no memory.
int analyst_rules(struct analyst *analyst, const struct rules *rules);

// One activity or one record line; what a thread without a ring calls.
void analyst_activity(struct analyst *analyst, const struct activity *activity);
void analyst_record(struct analyst *analyst, const char *line, size_t size);

// Nothing has come for a moment: what waited for its turn is seen to.
void analyst_idle(struct analyst *analyst);

// Every interval_ns of event time (0: never) asks for a line that goes to the sessions' sink, borrowed.
// Before the start.
void analyst_on_stats(
	struct analyst *analyst,
	uint64_t interval_ns,
	const char *(*line)(void *ctx, uint64_t now_ns, size_t *size_r),
	void *ctx
);

// Starts the thread, which reads messages from n rings until all are finished. 0 or −errno.
int analyst_start(struct analyst *analyst, struct ring **rings, int n);
// Waits for the rings' end.
void analyst_join(struct analyst *analyst);

// The kinds of messages; lists of offers are in their order as activities are, written into the ring by a worker. With wait they block while the ring is
// full (a replay loses nothing); without, they return −1 and the caller counts the loss.
int analyst_send_activity(
	struct ring *ring,
	const struct activity *activity,
	const struct flow_moment *moment,
	int wait
);
int analyst_send_offer(
	struct ring *ring,
	const struct offer_heard *heard,
	const struct flow_moment *moment,
	int wait
);
int analyst_send_record(struct ring *ring, const char *line, size_t size, int wait);
// No activity of a moment up to this one follows on this ring. Without wait a mark that does not fit
// is left out: the next will do.
void analyst_send_mark(struct ring *ring, const struct flow_moment *moment, int wait);

// Writes out what is buffered, and into the store what was learnt; after that analyst_error() is final.
void analyst_flush(struct analyst *analyst);
// NULL, or one line about the first sink that failed. Any thread.
const char *analyst_error(const struct analyst *analyst);
// A sink has failed, or its reader has gone: going on makes no sense. Any thread.
int analyst_is_broken(const struct analyst *analyst);
// The reader of a pipe has gone: what it did not want is no error. After analyst_flush().
int analyst_reader_is_gone(const struct analyst *analyst);
// Bytes its models and alert tables have reserved.
size_t analyst_memsize(const struct analyst *analyst);
const struct analyst_stats *analyst_stats(const struct analyst *analyst);
// Accepts NULL.
void analyst_close(struct analyst *analyst);
