// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the client asked for, and what the server's replies make of it.

#include "proto/offer.h"
#include "proto/pop3_private.h"
#include "proto/refusal.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

enum { RING_CAP_MIN = 4 };

struct word {
	const uint8_t *data;
	size_t size;
};

static const struct {
	const char *name;
	uint8_t reply; // enum pop3_reply
} verbs[POP3_VERBS] = {
#define POP3_COMMAND(id, name, reply) [POP3_##id] = {name, reply},
	POP3_COMMANDS
#undef POP3_COMMAND
};

static struct word word_next(struct word *rest) {
	struct word word = {rest->data, 0};

	while (word.size < rest->size && word.data[word.size] != ' ')
		word.size++;
	rest->data += word.size;
	rest->size -= word.size;
	while (rest->size > 0 && rest->data[0] == ' ') {
		rest->data++;
		rest->size--;
	}
	return word;
}

static bool word_is(struct word word, const char *text) {
	return word.size == strlen(text)
		&& strncasecmp((const char *)word.data, text, word.size) == 0;
}

static enum pop3_verb verb_find(struct word word) {
	for (int verb = POP3_OTHER + 1; verb < POP3_VERBS; verb++)
		if (word_is(word, verbs[verb].name))
			return verb;
	return POP3_OTHER;
}

// ---- The ring

static struct pop3_pending *ring_at(struct pop3_parser *p, uint32_t i) {
	return &p->ring[(p->ring_head + i) & (p->ring_cap - 1)];
}

static void name_free(struct pop3_parser *p, struct pop3_pending *pending) {
	slab_put(session_slab(p->session), pending->name, pending->name_size);
	pending->name = NULL;
	sasl_put(session_slab(p->session), &pending->sasl);
}

static int ring_grow(struct pop3_parser *p) {
	struct slab *slab = session_slab(p->session);
	uint16_t cap = p->ring_cap ? p->ring_cap * 2 : RING_CAP_MIN;
	struct pop3_pending *ring;

	if (p->n_pending < p->ring_cap)
		return 0;
	ring = cap <= POP3_INFLIGHT_MAX ? slab_get(slab, cap * sizeof(*ring)) : NULL;
	if (!ring)
		return -1;
	for (uint32_t i = 0; i < p->n_pending; i++)
		ring[i] = *ring_at(p, i);
	slab_put(slab, p->ring, p->ring_cap * sizeof(*ring));
	p->ring = ring;
	p->ring_cap = cap;
	p->ring_head = 0;
	return 0;
}

static void pending_add(struct pop3_parser *p, struct pop3_pending *pending) {
	// Behind commands that are only counted none can be kept: replies come in order.
	if (p->n_overflow > 0 || ring_grow(p) != 0) {
		session_event(p->session, EVENT_too_many_commands);
		name_free(p, pending);
		p->n_overflow += p->n_overflow < UINT32_MAX;
		return;
	}
	*ring_at(p, p->n_pending++) = *pending;
}

static struct pop3_pending pending_take(struct pop3_parser *p) {
	struct pop3_pending pending = *ring_at(p, 0);

	p->ring_head = (p->ring_head + 1) & (p->ring_cap - 1);
	if (--p->n_pending == 0) {
		slab_put(session_slab(p->session), p->ring, p->ring_cap * sizeof(*p->ring));
		p->ring = NULL;
		p->ring_cap = p->ring_head = 0;
	}
	return pending;
}

void pop3_pending_clear(struct pop3_parser *p) {
	while (p->n_pending > 0) {
		struct pop3_pending pending = pending_take(p);
		name_free(p, &pending);
	}
	p->n_overflow = 0;
}

void pop3_sasl_free(struct pop3_parser *p) {
	sasl_put(session_slab(p->session), &p->sasl);
}

void pop3_user_free(struct pop3_parser *p) {
	slab_put(session_slab(p->session), p->user, p->user_size);
	p->user = NULL;
}

// ---- The client

static uint64_t password_hash(const void *ctx, const uint8_t *password, size_t size) {
	return session_password_hash(ctx, password, size);
}

static void sasl_line(struct pop3_parser *p, struct word line, bool is_cut) {
	p->is_exchange = false;
	if (!p->sasl)
		return;
	if (is_cut)
		sasl_client_cut(p->sasl);
	else if (sasl_client(p->sasl, line.data, line.size, password_hash, p->session) < 0)
		p->is_cancelled = true;
	if (p->sasl->is_bad_base64)
		session_event(p->session, EVENT_bad_base64);
}

// RFC 5034: AUTH mechanism [initial-response].
static void auth_command(struct pop3_parser *p, struct word arg, bool is_cut) {
	struct word mechanism = word_next(&arg);

	pop3_sasl_free(p);
	p->is_cancelled = false;
	if (mechanism.size == 0)
		return; // asks which there are
	p->sasl = slab_get(session_slab(p->session), sizeof(*p->sasl));
	if (!p->sasl) {
		session_event(p->session, EVENT_memory_full);
		return;
	}
	sasl_open(p->sasl, sasl_find(mechanism.data, mechanism.size));
	if (arg.size > 0)
		sasl_line(p, arg, is_cut);
}

// A copy of an account's name, terminated; NULL when it is none.
static char *name_copy(struct pop3_parser *p, struct word name, uint16_t *size_r) {
	char *copy;

	*size_r = 0;
	if (name.size == 0)
		return NULL;
	if (name.size > ACCOUNT_NAME_SIZE_MAX || memchr(name.data, 0, name.size)) {
		session_event(p->session, EVENT_bad_syntax);
		return NULL;
	}
	copy = slab_get(session_slab(p->session), name.size + 1);
	if (!copy) {
		session_event(p->session, EVENT_memory_full);
		return NULL;
	}
	memcpy(copy, name.data, name.size);
	*size_r = (uint16_t)(name.size + 1);
	return copy;
}

// Behind an AUTH that is not answered comes another: what the first said waits with its entry.
static void auth_keep(struct pop3_parser *p) {
	int i = p->n_pending;

	while (p->sasl && --i >= 0) {
		struct pop3_pending *c = ring_at(p, i);
		if (c->verb != POP3_AUTH)
			continue;
		if (c->is_kept)
			return; // it is of one that is only counted
		c->is_kept = true;
		c->is_cancelled = p->is_cancelled;
		c->sasl = p->sasl;
		p->sasl = NULL;
		return;
	}
}

// A message's number; 0: it is none.
static uint32_t number_read(struct word word) {
	uint64_t number = 0;

	for (size_t i = 0; i < word.size && number <= UINT32_MAX; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return 0;
		number = number * 10 + (word.data[i] - '0');
	}
	return number <= UINT32_MAX ? (uint32_t)number : 0;
}

static void
argument_read(struct pop3_parser *p, struct pop3_pending *c, struct word arg, bool is_cut) {
	struct word user = {(const uint8_t *)p->user, p->user ? strlen(p->user) : 0};

	switch (c->verb) {
	case POP3_RETR:
	case POP3_UIDL:
		c->number = number_read(arg);
		break;
	case POP3_USER:
		pop3_user_free(p);
		p->user = name_copy(p, arg, &p->user_size);
		break;
	case POP3_PASS: // the rest of the line, spaces and all
		c->name = name_copy(p, user, &c->name_size);
		c->password_hash = session_password_hash(p->session, arg.data, arg.size);
		break;
	case POP3_APOP:
		c->name = name_copy(p, word_next(&arg), &c->name_size);
		break;
	case POP3_AUTH:
		auth_keep(p);
		auth_command(p, arg, is_cut);
		break;
	case POP3_TOP:
		c->number = number_read(word_next(&arg));
		c->is_headers = word_is(arg, "0");
		break;
	case POP3_XCLIENT:
		if (!xclient_read_slice(&p->claim, arg.data, arg.size))
			session_event(p->session, EVENT_bad_syntax);
		break;
	case POP3_QUIT:
		p->facts.is_quit = true;
		break;
	}
}

static bool is_auth_pending(struct pop3_parser *p) {
	return p->n_pending > 0 && ring_at(p, p->n_pending - 1)->verb == POP3_AUTH && p->sasl;
}

// What rules see of it. A word that is no command may be part of a refused AUTH.
static void tokens(struct pop3_parser *p, uint8_t verb, struct word arg) {
	const char *name = verb == POP3_OTHER ? "OTHER" : verbs[verb].name;

	session_token(p->session, RULE_COMMAND, name, strlen(name), p->now_ns);
	if (verb != POP3_OTHER && verb != POP3_USER && verb != POP3_PASS && verb != POP3_APOP
	    && verb != POP3_AUTH)
		session_token(p->session, RULE_ARGUMENT, arg.data, arg.size, p->now_ns);
}

// Nobody has said what he thinks of it.
static void sasl_unanswered(struct pop3_parser *p, const struct sasl *sasl, bool is_cancelled) {
	if (sasl && sasl->name_size && !is_cancelled)
		session_login_unanswered(
			p->session, sasl->mechanism, sasl->name, sasl->name_size, p->now_ns
		);
}

// No message of an exchange is a whole AUTH command: the client begins anew, and nobody judges what it gave
// up. One reply answers both.
static bool auth_anew(struct pop3_parser *p, struct word line, bool is_cut) {
	if (verb_find(word_next(&line)) != POP3_AUTH)
		return false;
	struct word arg = line, mechanism = word_next(&arg);
	if (sasl_find(mechanism.data, mechanism.size) % SASL_OTHER == SASL_NONE)
		return false;
	p->is_exchange = false;
	p->facts.commands[POP3_AUTH]++;
	session_token(p->session, RULE_COMMAND, "AUTH", 4, p->now_ns);
	sasl_unanswered(p, p->sasl, p->is_cancelled);
	auth_command(p, line, is_cut);
	return true;
}

void pop3_command_line(struct pop3_parser *p, const struct line_slice *line) {
	struct word rest = {line->data, line->size}, all = rest;
	struct pop3_pending c = {0};

	if (p->is_exchange) {
		if (!auth_anew(p, all, line->is_cut))
			sasl_line(p, all, line->is_cut);
		return;
	}
	c.verb = (uint8_t)verb_find(word_next(&rest));
	c.has_arg = rest.size > 0;
	if (c.verb == POP3_OTHER && is_auth_pending(p)) {
		sasl_line(p, all, line->is_cut); // sent without waiting for "+ "
		return;
	}
	p->facts.commands[c.verb]++;
	if (c.verb != POP3_OTHER) {
		p->n_unknown = 0;
	} else {
		session_event(p->session, EVENT_bad_syntax);
		if (++p->n_unknown == POP3_UNKNOWN_MAX) {
			session_deafen(p->session, EVENT_not_the_protocol);
			return;
		}
	}
	tokens(p, c.verb, rest);
	argument_read(p, &c, rest, line->is_cut);
	pending_add(p, &c);
}

// ---- The server

static void login_tell(
	struct pop3_parser *p,
	enum login_outcome outcome,
	uint8_t mechanism,
	const struct pop3_pending *c
) {
	session_login(
		p->session,
		outcome,
		mechanism,
		c->name,
		c->name ? (size_t)c->name_size - 1 : 0,
		c->password_hash,
		p->now_ns
	);
}

static void
auth_tell(struct pop3_parser *p, enum login_outcome outcome, const struct pop3_pending *c) {
	const struct sasl *sasl = c->is_kept ? c->sasl : p->sasl;
	bool is_cancelled = c->is_kept ? c->is_cancelled : p->is_cancelled;

	if (sasl && !is_cancelled && (sasl->n_messages > 0 || outcome == LOGIN_SUCCESS))
		session_login_sasl(p->session, outcome, sasl, p->now_ns);
	if (!c->is_kept)
		pop3_sasl_free(p);
}

static void login_unanswered(struct pop3_parser *p, const struct pop3_pending *c) {
	if ((c->verb == POP3_PASS || c->verb == POP3_APOP) && c->name)
		session_login_unanswered(
			p->session,
			c->verb == POP3_PASS ? SASL_LOGIN_COMMAND : SASL_APOP,
			c->name,
			c->name_size - 1u,
			p->now_ns
		);
	else if (c->is_kept)
		sasl_unanswered(p, c->sasl, c->is_cancelled);
	else if (c->verb == POP3_AUTH)
		sasl_unanswered(p, p->sasl, p->is_cancelled);
}

void pop3_login_unanswered(struct pop3_parser *p) {
	if (p->n_pending > 0)
		login_unanswered(p, ring_at(p, 0));
}

static void stls_ok(struct pop3_parser *p) {
	if ((p->offers & (OFFER_LISTED | OFFER_TLS)) == OFFER_LISTED)
		session_event(p->session, EVENT_capability_stripped);
	p->offers = 0;
	p->facts.is_stls = true;
	p->is_tls_next = true;
	// What was sent behind STLS came in clear, from anybody (S14's twin).
	if (p->n_pending > 0 || !line_is_start(&p->lines[STREAM_CLIENT]))
		session_event(p->session, EVENT_starttls_injection);
	pop3_pending_clear(p);
	line_reset(&p->lines[STREAM_CLIENT], session_slab(p->session));
}

// RFC 1939 section 6: what was marked goes now, and only now.
static void quit_ok(struct pop3_parser *p) {
	if (p->facts.n_dele == 0)
		return;
	p->facts.n_expunge += p->facts.n_dele;
	pop3_inbox(p)->expunge += p->facts.n_dele;
}

static void listing_begin(struct pop3_parser *p, uint8_t verb) {
	p->server = POP3_SERVER_LISTING;
	p->listing = verb;
	if (verb == POP3_CAPA)
		p->offers = 0;
	if (verb != POP3_LIST)
		return;
	p->facts.has_drop = false;
	p->facts.n_drop = 0;
	p->facts.drop_bytes = 0;
}

static void ok_reply(struct pop3_parser *p, const struct pop3_pending *c, struct word text) {
	uint8_t reply = verbs[c->verb].reply;

	switch (c->verb) {
	case POP3_PASS:
		login_tell(p, LOGIN_SUCCESS, SASL_LOGIN_COMMAND, c);
		break;
	case POP3_APOP:
		login_tell(p, LOGIN_SUCCESS, SASL_APOP, c);
		break;
	case POP3_AUTH:
		auth_tell(p, LOGIN_SUCCESS, c);
		break;
	case POP3_XCLIENT:
		if (p->claim.ip.family)
			session_real_client(
				p->session, &p->claim.ip, p->claim.port, SESSION_HOW_XCLIENT
			);
		break;
	case POP3_STLS:
		stls_ok(p);
		break;
	case POP3_DELE:
		p->facts.n_dele++;
		break;
	case POP3_RSET:
		p->facts.n_dele = 0;
		break;
	case POP3_STAT:
		pop3_stat_reply(p, text.data, text.size);
		break;
	case POP3_UIDL:
		if (c->number > 0)
			pop3_uidl_line(p, text.data, text.size);
		break;
	case POP3_QUIT:
		quit_ok(p);
		break;
	}
	p->is_holed = false;
	if (reply == REPLY_LISTING || (reply == REPLY_LISTING_ALL && !c->has_arg))
		listing_begin(p, c->verb);
	if (reply == REPLY_MESSAGE)
		pop3_message_begin(p, c);
}

static void err_reply(struct pop3_parser *p, const struct pop3_pending *c, struct word text) {
	p->facts.n_rejected++;
	if (!refusal_is_verdict(text.data, text.size)) {
		login_unanswered(p, c);
		if (c->verb == POP3_AUTH && !c->is_kept)
			pop3_sasl_free(p);
	} else if (c->verb == POP3_AUTH) {
		auth_tell(p, LOGIN_FAILURE, c);
	} else if (c->verb == POP3_PASS) {
		login_tell(p, LOGIN_FAILURE, SASL_LOGIN_COMMAND, c);
	} else if (c->verb == POP3_APOP) {
		login_tell(p, LOGIN_FAILURE, SASL_APOP, c);
	}
}

void pop3_reply_line(struct pop3_parser *p, const struct line_slice *line) {
	struct word rest = {line->data, line->size};
	struct word status = word_next(&rest);
	bool is_ok = word_is(status, "+OK");
	struct pop3_pending c;

	if (word_is(status, "+") && p->n_pending > 0 && ring_at(p, 0)->verb == POP3_AUTH) {
		// Where the client did not wait, its line has been read already.
		p->is_exchange = p->n_pending == 1;
		return;
	}
	if (!is_ok && !word_is(status, "-ERR")) {
		session_event(p->session, EVENT_bad_syntax);
		session_unparsed(p->session, line->size);
		return;
	}
	session_token(p->session, RULE_RESPONSE, line->data, line->size, p->now_ns);
	if (p->n_pending == 0) {
		if (p->n_overflow > 0)
			p->n_overflow--;
		else
			session_event(p->session, EVENT_unmatched_response);
		return;
	}
	c = pending_take(p);
	p->is_exchange = p->is_exchange && c.verb != POP3_AUTH;
	if (is_ok)
		ok_reply(p, &c, rest);
	else
		err_reply(p, &c, rest);
	name_free(p, &c);
}
