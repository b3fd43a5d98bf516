// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// COMPRESS=DEFLATE (RFC 4978). The server's bytes are deflate right behind its tagged OK, the client's
// right behind its command: what it sends there is held until the answer says how to read it. A hole in
// a deflated stream, or what is none, ends the reading of the connection: nothing is guessed.

#include "proto/imap/imap_private.h"
#include "proto/inflate.h"

#include <string.h>

enum { OUT_SIZE = 16384 };

struct imap_compress {
	struct inflater *inflaters[2]; // NULL: not agreed to yet
	uint8_t *held; // the client's, behind its command
	uint32_t held_cap, held_size;
	bool is_refused;
};

static bool is_on(const struct imap_ctx *c) {
	return imap_compress_of(c) != NULL && imap_compress_of(c)->inflaters[STREAM_SERVER] != NULL;
}

static void held_free(struct imap_ctx *c) {
	struct imap_compress *compress = imap_compress_of(c);

	if (compress->held != NULL)
		explicit_bzero(compress->held, compress->held_size);
	slab_put(session_slab(c->s), compress->held, compress->held_cap);
	compress->held = NULL;
	compress->held_cap = compress->held_size = 0;
}

void imap_compress_free(struct imap_ctx *c) {
	struct imap_compress *compress = imap_compress_of(c);

	if (compress == NULL)
		return;
	for (int dir = 0; dir < 2; dir++) {
		if (compress->inflaters[dir] == NULL)
			continue;
		inflater_close(compress->inflaters[dir]);
		session_inflater_end(c->s);
	}
	held_free(c);
	slab_put(session_slab(c->s), compress, sizeof(*compress));
	imap_more(c->imap)->compress = NULL;
}

// ---- The command

static void
compress_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	if (flight->n_args == 0 && !imap_token_is(arg, "DEFLATE"))
		flight->flags |= FLIGHT_BROKEN;
}

static void compress_complete(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_more *more;

	if (imap_compress_of(c) != NULL || (flight->flags & FLIGHT_UNLISTED))
		return; // a second one is refused (RFC 4978 section 3)
	more = imap_more_get(c);
	if (more != NULL) {
		more->compress = slab_get(session_slab(c->s), sizeof(*more->compress));
		if (more->compress == NULL)
			session_event(c->s, EVENT_memory_full);
	}
	c->imap->is_switched = true;
}

static struct inflater *inflater_new(struct imap_ctx *c) {
	struct inflater *inflater;

	if (!session_inflater_begin(c->s))
		return NULL;
	inflater = inflater_open(session_slab(c->s));
	if (inflater == NULL) {
		session_event(c->s, EVENT_memory_full);
		session_inflater_end(c->s);
	}
	return inflater;
}

static void compress_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_compress *compress = imap_compress_of(c);

	c->imap->is_switched = true;
	if (is_on(c)) {
		session_event(c->s, EVENT_bad_compression); // nothing can be compressed twice
		return;
	}
	c->imap->facts.is_compressed = true;
	for (int dir = 0; compress != NULL && dir < 2; dir++)
		compress->inflaters[dir] = inflater_new(c);
	if (compress == NULL || compress->inflaters[0] == NULL || compress->inflaters[1] == NULL)
		session_deafen(c->s, EVENT_compressed);
}

static void compress_no(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	if (imap_compress_of(c) == NULL || is_on(c))
		return;
	imap_compress_of(c)->is_refused = true;
	c->imap->is_switched = true;
}

const struct imap_verb imap_verb_compress = {
	.arg = compress_arg,
	.complete = compress_complete,
	.ok = compress_ok,
	.no = compress_no,
};

// ---- The bytes

bool imap_compress_takes(const struct imap_ctx *c, enum stream_dir dir) {
	return is_on(c) || (imap_compress_of(c) != NULL && dir == STREAM_CLIENT);
}

static void give_up(struct imap_ctx *c, enum session_event why, size_t size) {
	session_deafen(c->s, why);
	session_unparsed(c->s, size);
}

// What the layer inside has not read is told in its own bytes: never more than came.
static void unparsed_limit(struct imap_ctx *c, uint64_t before, size_t size) {
	if (c->s->n_unparsed - before > size)
		c->s->n_unparsed = before + size;
}

static void
inflate_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct inflater *inflater = imap_compress_of(c)->inflaters[dir];
	uint64_t n_unparsed = c->s->n_unparsed;
	size_t n_wire = size;
	uint8_t out[OUT_SIZE];
	int n = 0;

	do {
		n = inflater_run(inflater, &data, &size, out, sizeof(out));
		if (n > 0)
			imap_layer_feed(c, dir, out, n);
	} while (!c->s->is_deaf && (n > 0 || (n == 0 && size > 0)));
	explicit_bzero(out, sizeof(out));
	unparsed_limit(c, n_unparsed, n_wire);
	if (n < 0)
		session_deafen(
			c->s, n == INFLATE_BOMB ? EVENT_compression_bomb : EVENT_bad_compression
		);
	if (c->s->is_deaf)
		session_unparsed(c->s, size);
}

// Bytes that were no deflate after all.
static void held_plain(struct imap_ctx *c) {
	struct imap_compress held = *imap_compress_of(c);

	imap_compress_of(c)->held = NULL; // it is ours now
	imap_compress_free(c);
	if (held.held != NULL) {
		imap_feed(c, STREAM_CLIENT, held.held, held.held_size);
		explicit_bzero(held.held, held.held_size);
	}
	slab_put(session_slab(c->s), held.held, held.held_cap);
}

// So much is held without an answer that none will come, or somebody wants it not to be read: what begins
// with a command, as no deflate does, is read as what it is.
static void held_overflow(struct imap_ctx *c, const uint8_t *data, size_t size) {
	const struct imap_compress *compress = imap_compress_of(c);
	const uint8_t *end = memchr(compress->held, '\r', compress->held_size);

	if (end != NULL && imap_client_is_sure((struct imap_cursor){compress->held, end})) {
		held_plain(c);
		imap_feed(c, STREAM_CLIENT, data, size);
	} else {
		give_up(c, EVENT_compressed, compress->held_size + size);
	}
}

static void hold(struct imap_ctx *c, const uint8_t *data, size_t size) {
	struct imap_compress *compress = imap_compress_of(c);
	size_t room = IMAP_HELD_SIZE_MAX - compress->held_size, n = size < room ? size : room;
	void *block = compress->held;

	if (slab_grow(
		    session_slab(c->s), &block, &compress->held_cap, compress->held_size + n, true
	    )
	    < 0) {
		session_event(c->s, EVENT_memory_full);
		give_up(c, EVENT_compressed, compress->held_size + size);
		return;
	}
	compress->held = block;
	memcpy(compress->held + compress->held_size, data, n);
	compress->held_size += n;
	if (n < size)
		held_overflow(c, data + n, size - n);
}

void imap_compress_data(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size) {
	if (is_on(c))
		inflate_feed(c, dir, data, size);
	else
		hold(c, data, size);
}

void imap_compress_settle(struct imap_ctx *c) {
	struct imap_compress *compress = imap_compress_of(c);

	if (compress == NULL)
		return;
	if (compress->is_refused) {
		held_plain(c);
	} else if (is_on(c) && compress->held != NULL) {
		inflate_feed(c, STREAM_CLIENT, compress->held, compress->held_size);
		held_free(c);
	}
}

void imap_compress_gap(struct imap_ctx *c) {
	give_up(c, EVENT_bad_compression, imap_compress_of(c)->held_size);
}

void imap_compress_end(struct imap_ctx *c) {
	if (imap_compress_of(c) != NULL && !c->s->is_deaf)
		session_unparsed(c->s, imap_compress_of(c)->held_size);
}
