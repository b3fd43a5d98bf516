// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the sessions of one worker share: memory, scanner, counters, the way out. One per worker,
// no locks. It is a stream handler; the dataplane never learns more of it.

#pragma once

#include "account_name.h"
#include "activity.h"
#include "limits.h"
#include "mime/sha256.h"
#include "networks.h"
#include "pending.h"
#include "session.h"
#include "slab.h"
#include "stream.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct charsets;
struct clients; // clients.h
struct config_prefixes; // config.h
struct offer_heard; // offers.h
struct scanner;

// Where sessions' results go; called on the worker, borrowed until it returns.
struct engine_out {
	void *ctx;
	// One JSON line without its end.
	void (*record)(void *ctx, const char *line, size_t size);
	void (*activity)(void *ctx, const struct activity *activity); // NULL: nobody hears them
	void (*offer)(void *ctx, const struct offer_heard *heard); // NULL: the same
};

struct engine_config {
	size_t slab_size; // 0: SESSION_SLAB_SIZE_DEFAULT
	uint64_t interim_ns; // 0: INTERIM_DEFAULT_NS
	uint64_t password_key[2]; // drawn at start, memory only
	bool parse; // false: bytes are counted and not parsed (bench)
	bool decode; // contents of messages are read (content.h); false: counted only
	struct scanner *scanner; // the first; NULL: content is not scanned; borrowed
	const char *
		raw_charset; // of bytes that say none and are no UTF-8; NULL: Windows-1250; borrowed
	const char *observer_name; // of this sensor, for records; borrowed
	const struct config_prefixes *trusted_proxies; // NULL: nobody is; borrowed
	struct account_names accounts; // how their names are written
	const struct clients *clients; // names of software, NULL: none is known; borrowed
	const struct networks *networks; // NULL: nothing is known of addresses; borrowed
	bool records; // false: nobody reads records, none are made
	struct engine_out out;
};

enum { ENGINE_PLACES = 256 };

// An address and what is known of it. of: by whom, so that another database is asked anew.
struct engine_place {
	const struct networks *of;
	struct ip ip;
	struct network network;
};

struct engine_stats {
	uint64_t sessions[ACTIVITY_PROTOCOLS]; // recognised, by protocol
	uint64_t n_lmtp; // of those of SMTP
	uint64_t n_unrecognised;
	uint64_t n_proxied; // of those recognised: through a proxy that connected them
	uint64_t
		n_proxy_refused; // of those not: a proxy refused to connect them, or in a way not read
	uint64_t n_refused; // no memory for the session
	uint64_t n_records, n_activities, n_matches;
	uint64_t content_opened, content_bytes, content_refused;
	uint64_t attachments, attachment_bytes; // hashed
	uint64_t memory_full;
};

struct engine {
	struct engine_config config;
	struct slab *slab;
	struct charsets *charsets; // NULL unless contents are decoded
	struct engine_stats stats;
	struct pending pending; // activities being collected
	struct activity nowhere; // where they go when nobody hears them: written, never read
	_Atomic(struct scanner *) scanner_offered; // w: control, r: worker
	_Atomic(struct scanner *) scanner_taken; // w: worker, r: control; config.scanner for others
	uint64_t events_new; // of the session at hand, not yet shown to rules
	const struct session *id_of; // whose id is below; NULL: nobody's
	uint8_t id[16];
	struct sha256_pair hashes; // its attachments are hashed side by side
	uint32_t n_inflaters; // now in use, of INFLATERS_MAX
	struct engine_place places[ENGINE_PLACES]; // by hash of the address, the last asked for
	char *line; // RECORD_SIZE_MAX, where records are written
};

// Whether what ip says of clients behind it is believed.
bool engine_trusts(const struct engine *engine, const struct ip *ip);

// Takes all memory. NULL and errno when the system refuses.
struct engine *engine_open(const struct engine_config *config);
struct stream_handler engine_handler(struct engine *engine);
// Another scanner is to be used for what begins from now on; what has begun is read to its end with the one
// it began with, so that one must stay until scanner_is_held() is over, too. Any one thread.
void engine_scanner_offer(struct engine *engine, struct scanner *scanner);
// Whether the worker uses what was offered last, and will never again begin anything with an older one. The
// same thread.
bool engine_scanner_is_taken(const struct engine *engine);
// Takes what is offered. The worker's call, between bursts: nothing is being scanned then.
static inline void engine_quiesce(struct engine *engine) {
	struct scanner *offered
		= atomic_load_explicit(&engine->scanner_offered, memory_order_acquire);

	if (offered == engine->config.scanner)
		return;
	engine->config.scanner = offered;
	atomic_store_explicit(&engine->scanner_taken, offered, memory_order_release);
}
// Every session must have been closed. Accepts NULL.
void engine_close(struct engine *engine);
