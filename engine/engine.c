// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "engine.h"

#include "config.h"
#include "mime/charset.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct engine *engine_open(const struct engine_config *config) {
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->config = *config;
	sha256_pair_init(&engine->hashes);
	atomic_init(&engine->scanner_offered, config->scanner);
	atomic_init(&engine->scanner_taken, config->scanner);
	if (!engine->config.slab_size)
		engine->config.slab_size = SESSION_SLAB_SIZE_DEFAULT;
	if (!engine->config.interim_ns)
		engine->config.interim_ns = INTERIM_DEFAULT_NS;
	engine->slab = slab_open(engine->config.slab_size);
	engine->line = malloc(RECORD_SIZE_MAX);
	if (config->decode)
		engine->charsets
			= charsets_open(config->raw_charset ? config->raw_charset : "windows-1250");
	if (!engine->slab || !engine->line || (config->decode && !engine->charsets)
	    || pending_open(&engine->pending) < 0) {
		int error = errno;
		engine_close(engine);
		errno = error;
		return NULL;
	}
	return engine;
}

static bool prefix_covers(const uint8_t *prefix, const uint8_t *addr, unsigned bits) {
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(prefix, addr, bytes) != 0)
		return false;
	return rest == 0 || (prefix[bytes] ^ addr[bytes]) >> (8 - rest) == 0;
}

bool engine_trusts(const struct engine *engine, const struct ip *ip) {
	const struct config_prefixes *trusted = engine->config.trusted_proxies;

	for (uint32_t i = 0; trusted && i < trusted->n; i++)
		if (trusted->prefix[i].ip.family == ip->family
		    && prefix_covers(trusted->prefix[i].ip.addr, ip->addr, trusted->prefix[i].bits))
			return true;
	return false;
}

void engine_scanner_offer(struct engine *engine, struct scanner *scanner) {
	atomic_store_explicit(&engine->scanner_offered, scanner, memory_order_release);
}

bool engine_scanner_is_taken(const struct engine *engine) {
	return atomic_load_explicit(&engine->scanner_taken, memory_order_acquire)
		== atomic_load_explicit(&engine->scanner_offered, memory_order_relaxed);
}

void engine_close(struct engine *engine) {
	if (!engine)
		return;
	assert(!engine->hashes.first);
	slab_close(engine->slab);
	pending_close(&engine->pending);
	charsets_close(engine->charsets);
	free(engine->line);
	free(engine);
}
