// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SMTP's bytes in: which state each direction is in, what is held until a reply decides, holes, and
// the end. Meaning is in smtp_command.c, smtp_data.c and smtp_reply.c.

#include "content.h"
#include "proto/proto.h"
#include "proto/smtp/smtp_private.h"
#include "proto/tls_unasked.h"
#include "slab.h"

#include <string.h>

// What is enough to keep of bytes that came before the reply that decides over them.
static_assert((int)SMTP_HELD_SIZE_MAX <= (int)SLAB_BLOCK_SIZE_MAX, "held bytes are one block");

size_t
smtp_held_add(struct smtp_parser *p, struct smtp_held *held, const uint8_t *data, size_t size) {
	struct slab *slab = session_slab(p->session);

	// Moved only when half is free, so that moving costs no more than reading did.
	if (held->at >= SMTP_HELD_SIZE_MAX / 2) {
		held->size -= held->at;
		memmove(held->data, held->data + held->at, held->size);
		held->at = 0;
	}
	if (size > SMTP_HELD_SIZE_MAX - held->size)
		size = SMTP_HELD_SIZE_MAX - held->size;
	void *block = held->data;
	if (size > held->cap - held->size
	    && slab_grow(slab, &block, &held->cap, held->size + size, 1) != 0) {
		session_event(p->session, EVENT_memory_full);
		size = held->cap - held->size;
	}
	held->data = block;
	if (size > 0)
		memcpy(held->data + held->size, data, size);
	held->size += size;
	return size;
}

void smtp_held_free(struct smtp_parser *p, struct smtp_held *held) {
	if (held->data != NULL)
		explicit_bzero(held->data, held->size);
	slab_put(session_slab(p->session), held->data, held->cap);
	*held = (struct smtp_held){0};
}

void smtp_wait(struct smtp_parser *p, enum smtp_verb verb) {
	p->client = SMTP_CLIENT_WAIT;
	p->waiting = verb;
}

// After the client's answer to 220: TLS, or plaintext on a mirror behind the decryption. 1 decided, 0 more.
static int tls_decide(struct smtp_parser *p, uint8_t byte) {
	if (!p->is_tls_byte && byte == 0x16) {
		p->is_tls_byte = true;
		return 0;
	}
	// Anything that is not text is no command either, be it TLS of a kind not known here.
	bool is_text = byte == '\r' || byte == '\n' || (byte >= 0x20 && byte < 0x7f);
	if (p->is_tls_byte ? byte == 3 : !is_text) {
		session_encrypted(p->session);
		if (p->is_tls_byte)
			session_ciphertext(p->session, (const uint8_t[]){0x16}, 1);
		session_ciphertext(p->session, &byte, 1);
	} else {
		session_event(p->session, EVENT_plaintext_after_starttls);
		p->client = SMTP_CLIENT_COMMAND;
	}
	p->is_tls_byte = false;
	return 1;
}

// Whether the client's bytes are taken, as they may be TLS. Those that waited for a reply are none: nobody pipelines it.
static bool is_unasked_tls(struct smtp_parser *p, const uint8_t *data, size_t size) {
	return data[0] == TLS_RECORD_HANDSHAKE && p->is_coming && p->shadow == NULL
		&& line_is_start(&p->lines[STREAM_CLIENT])
		&& tls_unasked(p->session, data, size, line_is_start(&p->lines[STREAM_SERVER]));
}

static size_t line_read(struct smtp_parser *p, const uint8_t *data, size_t size) {
	struct line_slice slice;
	size_t left = size;

	if (is_unasked_tls(p, data, size))
		return size;
	if (line_next(&p->lines[STREAM_CLIENT], session_slab(p->session), &data, &left, &slice)
	    > 0) {
		if (slice.is_cut)
			session_event(p->session, EVENT_line_too_long);
		smtp_command_line(p, &slice);
	}
	return size - left;
}

// One step in the present state; returns the bytes taken, 0 only when the state changed.
static size_t step(struct smtp_parser *p, const uint8_t *data, size_t size) {
	switch (p->client) {
	case SMTP_CLIENT_COMMAND:
	case SMTP_CLIENT_LOST:
	case SMTP_CLIENT_AUTH:
		return line_read(p, data, size);
	case SMTP_CLIENT_DATA:
		return smtp_data_read(p, data, size);
	case SMTP_CLIENT_CHUNK:
		return smtp_chunk_read(p, data, size);
	case SMTP_CLIENT_TLS:
		tls_decide(p, data[0]);
		// A first byte of plaintext belongs to the command.
		return p->client == SMTP_CLIENT_COMMAND ? 0 : 1;
	}
	return size;
}

// What comes behind a lone dot that is the end for some are commands to them; empty lines are none, as of a person or
// a script that ends its message so and says no more.
static void behind_doubtful_end(struct smtp_parser *p, const uint8_t *data, size_t size) {
	for (; size > 0 && (*data == '\r' || *data == '\n'); data++, size--)
		p->is_empty_behind = true;
	if (size == 0)
		return;
	p->is_end_doubtful = false;
	session_event(p->session, EVENT_smtp_smuggling);
}

// Reads until the client waits. Returns the bytes read.
static size_t consume(struct smtp_parser *p, const uint8_t *data, size_t size) {
	size_t used = 0;

	while (used < size && p->client != SMTP_CLIENT_WAIT && !p->session->is_deaf) {
		bool is_shadowed = p->shadow != NULL;
		if (p->is_end_doubtful)
			behind_doubtful_end(p, data + used, size - used);
		size_t n = step(p, data + used, size - used);
		if (is_shadowed && p->shadow != NULL && !p->shadow->is_cut
		    && smtp_held_add(p, &p->shadow->after, data + used, n) < n)
			p->shadow->is_cut = true;
		used += n;
	}
	if (!p->session->is_deaf)
		return used;
	session_ciphertext(p->session, data + used, size - used);
	return size;
}

static void client_gap(struct smtp_parser *p, uint64_t size);

// Comes to the hole behind what was held.
static void gap_release(struct smtp_parser *p) {
	uint64_t size = p->gap_held;

	if (size == 0 || p->client == SMTP_CLIENT_WAIT || p->held.at < p->held.size)
		return;
	p->gap_held = 0;
	client_gap(p, size);
}

static void drain(struct smtp_parser *p) {
	struct smtp_held *held = &p->held;
	bool is_coming = p->is_coming;

	p->is_coming = false;
	while (held->at < held->size && p->client != SMTP_CLIENT_WAIT)
		held->at += consume(p, held->data + held->at, held->size - held->at);
	if (held->at == held->size)
		smtp_held_free(p, held);
	p->is_coming = is_coming;
	gap_release(p);
}

void smtp_client_read(struct smtp_parser *p, const uint8_t *data, size_t size) {
	for (;;) {
		drain(p);
		if (size > 0 && p->client != SMTP_CLIENT_WAIT) {
			size_t n = consume(p, data, size);
			data += n;
			size -= n;
		}
		if (size == 0)
			return;
		size_t n = p->gap_held > 0 ? 0 : smtp_held_add(p, &p->held, data, size);
		data += n;
		size -= n;
		if (size == 0)
			return;
		smtp_assume(p);
	}
}

void smtp_resume(struct smtp_parser *p, enum smtp_client client) {
	p->waiting = SMTP_NOTHING;
	p->client = client;
	gap_release(p);
}

static void server_read(struct smtp_parser *p, const uint8_t *data, size_t size) {
	struct session *s = p->session;
	struct line_slice slice;

	p->has_server = true;
	while (size > 0 && !s->is_deaf) {
		if (p->client == SMTP_CLIENT_TLS) {
			// Nothing may follow 220 before the client's hello (S15). A client that believes it
			// takes it for what came inside TLS.
			session_event(s, EVENT_starttls_response_injection);
			session_unparsed(s, size);
			return;
		}
		if (line_next(&p->lines[STREAM_SERVER], session_slab(s), &data, &size, &slice) <= 0)
			return;
		if (slice.is_cut)
			session_event(s, EVENT_line_too_long);
		smtp_reply_line(p, &slice);
		drain(p);
	}
	session_unparsed(s, size);
}

static void *parser_open(struct session *s) {
	struct smtp_parser *p = slab_get(session_slab(s), sizeof(*p));

	if (p == NULL)
		return NULL;
	p->session = s;
	// Any line of a client may be one of AUTH.
	p->lines[STREAM_CLIENT].is_secret = true;
	smtp_wait(p, SMTP_GREETING);
	return p;
}

static void parser_data(
	struct session *s,
	void *state,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	struct smtp_parser *p = state;

	p->now_ns = now_ns;
	p->is_coming = dir == STREAM_CLIENT;
	if (dir == STREAM_CLIENT)
		smtp_client_read(p, data, size);
	else
		server_read(p, data, size);
}

static void client_gap(struct smtp_parser *p, uint64_t size) {
	if (p->client == SMTP_CLIENT_CHUNK) {
		// Octets are counted, so the place is not lost with them (S22).
		uint64_t n = size < p->chunk_left ? size : p->chunk_left;
		smtp_chunk_gap(p, n);
		if (n == size)
			return;
	}
	smtp_shadow_free(p);
	if (p->client == SMTP_CLIENT_DATA) {
		smtp_data_gap(p, size);
		return;
	}
	if (p->client == SMTP_CLIENT_WAIT) {
		p->gap_held += size;
		return;
	}
	line_reset(&p->lines[STREAM_CLIENT], session_slab(p->session));
	session_event(p->session, EVENT_lost_place);
	p->is_unsure = true;
	p->client = SMTP_CLIENT_LOST;
}

static void
parser_gap(struct session *s, void *state, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct smtp_parser *p = state;

	p->now_ns = now_ns;
	if (dir == STREAM_CLIENT) {
		client_gap(p, size);
		return;
	}
	p->has_server = true;
	line_reset(&p->lines[STREAM_SERVER], session_slab(s));
	smtp_reply_gap(p);
	drain(p);
}

// What the client sent while it waited for a reply that never came is all there is to know, and was offered
// all the same. Behind STARTTLS it is nobody's.
static void unanswered_read(struct smtp_parser *p) {
	if (p->client != SMTP_CLIENT_WAIT || p->waiting == SMTP_STARTTLS)
		return;
	if (p->held.size > p->held.at) {
		p->is_assumed = true;
		smtp_assume(p);
		drain(p);
	}
	if (p->client == SMTP_CLIENT_WAIT && p->waiting == SMTP_AUTH)
		smtp_auth_unanswered(p);
}

static void parser_end(struct session *s, void *state, uint64_t now_ns) {
	struct smtp_parser *p = state;

	p->now_ns = now_ns;
	unanswered_read(p);
	session_unparsed(s, p->held.size - p->held.at);
	smtp_pending_clear(p);
	smtp_content_close(p);
	struct smtp_message *message = smtp_message_open(p);
	if (message != NULL) {
		if (message->is_holed || p->client == SMTP_CLIENT_DATA
		    || p->client == SMTP_CLIENT_CHUNK)
			session_event(s, EVENT_message_cut);
		smtp_message_end(p);
	}
}

static void parser_free(struct session *s, void *state) {
	struct smtp_parser *p = state;
	struct slab *slab = session_slab(s);

	smtp_pending_clear(p);
	smtp_content_close(p);
	smtp_shadow_free(p);
	smtp_held_free(p, &p->held);
	smtp_message_drop(p);
	smtp_envelope_reset(p);
	for (uint32_t i = 0; i < p->facts.n_messages; i++)
		smtp_message_free(p, &p->facts.messages[i]);
	slab_put(slab, p->facts.messages, p->facts.messages_cap * sizeof(struct smtp_message));
	smtp_text_free(p, &p->facts.helo);
	slab_put(slab, p->ring, p->ring_cap * sizeof(struct smtp_pending));
	sasl_put(slab, &p->sasl);
	line_reset(&p->lines[STREAM_CLIENT], slab);
	line_reset(&p->lines[STREAM_SERVER], slab);
	slab_put(slab, p, sizeof(*p));
}

const struct proto proto_smtp = {
	.name = "smtp",
	.activity = ACTIVITY_SMTP,
	.open = parser_open,
	.data = parser_data,
	.gap = parser_gap,
	.end = parser_end,
	.free = parser_free,
};
