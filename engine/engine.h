// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the sessions of one worker share: memory, scanner, counters, the way out. One per worker,
// no locks. It is a stream handler; the dataplane never learns more of it.

#pragma once

#include "activity.h"
#include "limits.h"
#include "session.h"
#include "slab.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct charsets;
struct config_prefixes; // config.h
struct scanner;

// Where sessions' results go; called on the worker, borrowed until it returns.
struct engine_out {
	void *ctx;
	// One JSON line without its end.
	void (*record)(void *ctx, const char *line, size_t size);
	void (*activity)(void *ctx, const struct activity *activity);
};

struct engine_config {
	size_t slab_size; // 0: SESSION_SLAB_SIZE_DEFAULT
	uint64_t interim_ns; // 0: INTERIM_DEFAULT_NS
	uint64_t password_key[2]; // drawn at start, memory only
	bool parse; // false: bytes are counted and not parsed (bench)
	bool decode; // contents of messages are read (content.h); false: counted only
	struct scanner *scanner; // NULL: content is not scanned; borrowed
	const char *observer_name; // of this sensor, for records; borrowed
	const struct config_prefixes *trusted_proxies; // NULL: nobody is; borrowed
	bool records; // false: nobody reads records, none are made
	struct engine_out out;
};

struct engine_stats {
	uint64_t sessions[ACTIVITY_PROTOCOLS]; // recognised, by protocol
	uint64_t n_unrecognised;
	uint64_t n_refused; // no memory for the session
	uint64_t n_records, n_activities, n_matches;
	uint64_t content_opened, content_bytes, content_refused;
	uint64_t memory_full;
};

struct engine {
	struct engine_config config;
	struct slab *slab;
	struct charsets *charsets; // NULL unless contents are decoded
	struct engine_stats stats;
	struct {
		struct session *session;
		struct activity *activity;
		uint64_t due_ns;
	} pending[ACTIVITY_PENDING_MAX]; // what is being collected, in a ring by age
	uint32_t pending_next;
	uint64_t events_new; // of the session at hand, not yet shown to rules
	uint32_t n_inflaters; // now in use, of INFLATERS_MAX
	char *line; // RECORD_SIZE_MAX, where records are written
};

// Whether what ip says of clients behind it is believed.
bool engine_trusts(const struct engine *engine, const struct ip *ip);

// Takes all memory. NULL and errno when the system refuses.
struct engine *engine_open(const struct engine_config *config);
struct stream_handler engine_handler(struct engine *engine);
// Every session must have been closed. Accepts NULL.
void engine_close(struct engine *engine);
