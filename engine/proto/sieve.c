// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Bytes in, on both sides lines made of words, quoted strings and literals, whose bytes are counted through
// whatever they hold; and the server's replies, with what they make of the commands that wait.

#include "activity.h"
#include "content.h"
#include "proto/offer.h"
#include "proto/proto.h"
#include "proto/refusal.h"
#include "proto/sieve_private.h"
#include "proto/starttls.h"
#include "proto/tls_unasked.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

// ---- Memory

void sieve_text_free(struct sieve_parser *p) {
	if (p->text)
		explicit_bzero(p->text, p->text_size);
	slab_put(session_slab(p->session), p->text, p->text_cap);
	p->text = NULL;
	p->text_cap = p->text_size = 0;
	p->is_text_cut = false;
}

void sieve_sasl_free(struct sieve_parser *p, struct sasl **sasl) {
	sasl_put(session_slab(p->session), sasl);
}

void sieve_targets_free(struct sieve_parser *p, struct sieve_targets **targets) {
	slab_put(session_slab(p->session), *targets, sizeof(**targets));
	*targets = NULL;
}

void sieve_script_free(struct sieve_parser *p) {
	slab_put(session_slab(p->session), p->script, sizeof(*p->script));
	p->script = NULL;
	sieve_targets_free(p, &p->targets);
	content_close(p->content, p->now_ns);
	p->content = NULL;
}

static struct sieve_pending pending_take(struct sieve_parser *p) {
	struct sieve_pending pending = p->ring[p->ring_head];

	p->ring_head = (p->ring_head + 1) % SIEVE_INFLIGHT_MAX;
	if (--p->n_pending == 0) {
		slab_put(session_slab(p->session), p->ring, SIEVE_INFLIGHT_MAX * sizeof(*p->ring));
		p->ring = NULL;
		p->ring_head = 0;
	}
	return pending;
}

static void pending_clear(struct sieve_parser *p) {
	while (p->n_pending > 0) {
		struct sieve_pending pending = pending_take(p);
		sieve_targets_free(p, &pending.targets);
		sieve_sasl_free(p, &pending.sasl);
	}
	p->n_overflow = 0;
}

int sieve_literal_read(const struct line_slice *line, uint64_t *size_r, bool *is_plus_r) {
	const uint8_t *end = line->tail + line->tail_size, *at = end;
	uint64_t size = 0;

	if (line->tail_size < 3 || end[-1] != '}')
		return 0;
	while (at > line->tail && at[-1] != '{')
		at--;
	if (at == line->tail)
		return 0;
	end--;
	*is_plus_r = end > at && end[-1] == '+';
	end -= *is_plus_r;
	if (at == end)
		return -1;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9' || size > SIEVE_LITERAL_MAX)
			return -1;
		size = size * 10 + (uint64_t)(*at - '0');
	}
	*size_r = size;
	return size > SIEVE_LITERAL_MAX ? -1 : 1;
}

// ---- Replies

static void forward_tell(struct sieve_parser *p, const struct sieve_targets *targets) {
	for (uint32_t i = 0; i < targets->n && i < SIEVE_TARGETS_MAX; i++) {
		struct activity *a = session_activity(p->session, p->now_ns);
		if (a->n_forward == ACTIVITY_FORWARDS_MAX) {
			session_activity_flush(p->session, p->now_ns);
			a = session_activity(p->session, p->now_ns);
		}
		strncpy(a->forward[a->n_forward++], targets->target[i], ACTIVITY_ADDRESS_SIZE - 1);
	}
}

static void put_ok(struct sieve_parser *p, struct sieve_pending *c) {
	struct sieve_targets *all = p->facts.targets, *targets = c->targets;

	p->facts.n_put++;
	if (!targets || targets->n == 0)
		return;
	forward_tell(p, targets);
	if (!all) {
		p->facts.targets = targets;
		c->targets = NULL;
		return;
	}
	for (uint32_t i = 0; i < targets->n; i++, all->n++)
		if (all->n < SIEVE_TARGETS_MAX && i < SIEVE_TARGETS_MAX)
			memcpy(all->target[all->n], targets->target[i], sizeof(*all->target));
}

// The oldest command's, which is AUTHENTICATE.
static struct sasl **sasl_of(struct sieve_parser *p, struct sieve_pending *c) {
	return c->is_kept ? &c->sasl : &p->sasl;
}

static void sasl_unanswered(struct sieve_parser *p, const struct sasl *sasl) {
	if (sasl->name_size > 0)
		session_login_unanswered(
			p->session, sasl->mechanism, sasl->name, sasl->name_size, p->now_ns
		);
}

// Where the server asked for more and got none, or says that it did not look, nobody judged what had been said.
static void authenticate_end(struct sieve_parser *p, struct sieve_pending *c, bool is_ok) {
	struct sasl **sasl = sasl_of(p, c);
	bool is_cancelled = c->is_kept ? c->is_cancelled : p->is_cancelled;

	if (*sasl && !is_cancelled) {
		if (is_ok)
			session_login_sasl(p->session, LOGIN_SUCCESS, *sasl, p->now_ns);
		else if (!p->is_verdict || (*sasl)->n_messages < (*sasl)->n_asked)
			sasl_unanswered(p, *sasl);
		else if ((*sasl)->n_messages > 0)
			session_login_sasl(p->session, LOGIN_FAILURE, *sasl, p->now_ns);
	}
	sieve_sasl_free(p, sasl);
}

// A line of the server before its answer to AUTHENTICATE asks for a message.
static void sasl_asked(struct sieve_parser *p) {
	struct sieve_pending *c = p->n_pending > 0 ? &p->ring[p->ring_head] : NULL;
	struct sasl *sasl = c && c->verb == SIEVE_AUTHENTICATE ? *sasl_of(p, c) : NULL;

	if (sasl)
		sasl->n_asked += sasl->n_asked < UINT8_MAX;
}

// RFC 5804 1.7: "NAME" or "NAME" "VALUE"; SASL may name no mechanism.
static void capability_line(struct sieve_parser *p, const struct line_slice *line) {
	const uint8_t *name = line->data + 1, *end = line->data + line->size, *quote;

	if (line->size < 3 || line->data[0] != '"')
		return;
	quote = memchr(name, '"', (size_t)(end - name));
	if (!quote || (end - quote == 4 && memcmp(quote, "\" \"\"", 4) == 0))
		return;
	p->is_list
		|= quote - name == 14 && strncasecmp((const char *)name, "IMPLEMENTATION", 14) == 0;
	p->offers |= offer_word(name, (size_t)(quote - name));
}

static void capabilities_end(struct sieve_parser *p) {
	if (!p->is_list)
		return;
	p->is_list = false;
	session_offers(p->session, p->offers, p->now_ns);
	p->offers |= OFFER_LISTED;
}

static void starttls_ok(struct sieve_parser *p) {
	if ((p->offers & (OFFER_LISTED | OFFER_TLS)) == OFFER_LISTED)
		session_event(p->session, EVENT_capability_stripped);
	p->facts.is_starttls = true;
	p->is_tls_next = true;
	if (p->n_pending > 0 || !line_is_start(&p->lines[STREAM_CLIENT])
	    || p->is_inside[STREAM_CLIENT])
		session_event(p->session, EVENT_starttls_injection);
	pending_clear(p);
	sieve_script_free(p);
	sieve_text_free(p);
	line_reset(&p->lines[STREAM_CLIENT], session_slab(p->session));
	p->literal_left[STREAM_CLIENT] = 0;
	p->is_inside[STREAM_CLIENT] = false;
}

static void result(struct sieve_parser *p, bool is_ok) {
	struct sieve_pending c;

	if (!p->is_greeted && is_ok && p->n_pending == 0)
		capabilities_end(p);
	if (!p->is_greeted && p->n_pending == 0) {
		p->is_greeted = true;
		return;
	}
	p->is_greeted = true;
	if (p->n_pending == 0) {
		p->n_overflow -= p->n_overflow > 0; // else a greeting, or capabilities after TLS
		return;
	}
	c = pending_take(p);
	p->facts.n_rejected += !is_ok;
	if (c.verb == SIEVE_AUTHENTICATE)
		authenticate_end(p, &c, is_ok);
	else if (is_ok && c.verb == SIEVE_PUTSCRIPT)
		put_ok(p, &c);
	else if (is_ok && c.verb == SIEVE_SETACTIVE)
		p->facts.n_active++;
	else if (is_ok && c.verb == SIEVE_XCLIENT && p->claim.ip.family)
		session_real_client(p->session, &p->claim.ip, p->claim.port, SESSION_HOW_XCLIENT);
	else if (is_ok && c.verb == SIEVE_STARTTLS)
		starttls_ok(p);
	else if (is_ok && c.verb == SIEVE_CAPABILITY)
		capabilities_end(p);
	sieve_targets_free(p, &c.targets);
}

static bool begins(const struct line_slice *line, const char *word) {
	size_t size = strlen(word);

	return line->size >= size && strncasecmp((const char *)line->data, word, size) == 0
		&& (line->size == size || line->data[size] == ' ');
}

static void server_line(struct sieve_parser *p, const struct line_slice *line) {
	bool is_plus;
	uint64_t literal = 0;
	int has_literal = sieve_literal_read(line, &literal, &is_plus);
	bool is_inside = p->is_inside[STREAM_SERVER];

	if (line->is_cut)
		session_event(p->session, EVENT_line_too_long);
	if (has_literal < 0)
		session_event(p->session, EVENT_bad_literal);
	if (!is_inside) {
		p->is_ok = begins(line, "OK");
		p->is_result = p->is_ok || begins(line, "NO") || begins(line, "BYE");
		p->is_verdict
			= !begins(line, "NO") || refusal_is_verdict(line->data + 2, line->size - 2);
	}
	if (!is_inside && !p->is_result) {
		sasl_asked(p);
		if (p->offers & OFFER_LISTED)
			p->offers = 0; // another list begins
		capability_line(p, line);
	}
	p->is_inside[STREAM_SERVER] = has_literal > 0;
	p->literal_left[STREAM_SERVER] = literal;
	if (!is_inside && p->is_result
	    && !(p->n_pending > 0 && p->ring[p->ring_head].verb == SIEVE_AUTHENTICATE))
		session_token(p->session, RULE_RESPONSE, line->data, line->size, p->now_ns);
	if (has_literal <= 0 && p->is_result) {
		p->is_result = false;
		result(p, p->is_ok);
	}
}

// ---- Bytes in

// Whether the client's bytes are taken, as they may be TLS.
static bool is_unasked_tls(struct sieve_parser *p, const uint8_t *data, size_t size) {
	bool is_server_start = p->literal_left[STREAM_SERVER] == 0 && !p->is_inside[STREAM_SERVER]
		&& line_is_start(&p->lines[STREAM_SERVER]);

	return data[0] == TLS_RECORD_HANDSHAKE && !p->is_inside[STREAM_CLIENT]
		&& line_is_start(&p->lines[STREAM_CLIENT])
		&& tls_unasked(p->session, data, size, is_server_start);
}

static void
side_read(struct sieve_parser *p, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct slab *slab = session_slab(p->session);
	struct line_slice line;

	while (size > 0 && !p->session->is_deaf) {
		if (p->is_tls_next && dir == STREAM_SERVER) {
			session_event(p->session, EVENT_starttls_response_injection);
			break;
		}
		if (p->literal_left[dir] > 0) {
			size_t n = size < p->literal_left[dir] ? size : p->literal_left[dir];
			p->literal_left[dir] -= n;
			if (dir == STREAM_CLIENT)
				sieve_client_literal(p, data, n);
			data += n;
			size -= n;
			continue;
		}
		if (dir == STREAM_CLIENT && is_unasked_tls(p, data, size))
			return;
		if (line_next(&p->lines[dir], slab, &data, &size, &line) == 0)
			return;
		if (dir == STREAM_CLIENT)
			sieve_client_line(p, &line);
		else
			server_line(p, &line);
	}
	session_unparsed(p->session, size);
}

static void *parser_open(struct session *s) {
	struct sieve_parser *p = slab_get(session_slab(s), sizeof(*p));

	if (!p)
		return NULL;
	p->session = s;
	p->lines[STREAM_CLIENT].is_secret = true;
	return p;
}

static void parser_data(
	struct session *,
	void *state,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	struct sieve_parser *p = state;

	p->now_ns = now_ns;
	if (dir == STREAM_CLIENT && p->is_tls_next) {
		p->is_tls_next = false;
		if (starttls_take(p->session, data, size))
			return;
	}
	side_read(p, dir, data, size);
}

static void
parser_gap(struct session *s, void *state, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct sieve_parser *p = state;

	p->now_ns = now_ns;
	if (p->literal_left[dir] > size) {
		if (dir == STREAM_CLIENT)
			content_gap(p->content, size);
		p->literal_left[dir] -= size; // counted, so the place is not lost
		return;
	}
	session_event(s, EVENT_lost_place);
	line_reset(&p->lines[dir], session_slab(s));
	p->literal_left[dir] = 0;
	p->is_inside[dir] = p->is_result = false;
	pending_clear(p);
	sieve_script_free(p);
	sieve_text_free(p);
	sieve_sasl_free(p, &p->sasl);
}

static void parser_end(struct session *, void *state, uint64_t now_ns) {
	struct sieve_parser *p = state;
	struct sieve_pending *c = p->n_pending > 0 ? &p->ring[p->ring_head] : NULL;
	struct sasl *sasl = c && c->verb == SIEVE_AUTHENTICATE ? *sasl_of(p, c) : NULL;

	p->now_ns = now_ns;
	if (sasl && !(c->is_kept ? c->is_cancelled : p->is_cancelled))
		sasl_unanswered(p, sasl);
}

static void parser_free(struct session *s, void *state) {
	struct sieve_parser *p = state;
	struct slab *slab = session_slab(s);

	pending_clear(p);
	sieve_script_free(p);
	sieve_text_free(p);
	session_argument_free(p->session, &p->argument);
	sieve_sasl_free(p, &p->sasl);
	sieve_targets_free(p, &p->facts.targets);
	line_reset(&p->lines[STREAM_CLIENT], slab);
	line_reset(&p->lines[STREAM_SERVER], slab);
	slab_put(slab, p, sizeof(*p));
}

const struct proto proto_sieve = {
	.name = "sieve",
	.activity = ACTIVITY_SIEVE,
	.open = parser_open,
	.data = parser_data,
	.gap = parser_gap,
	.end = parser_end,
	.free = parser_free,
};
