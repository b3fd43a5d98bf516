// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Both sides speak in lines made of words, quoted strings and literals, whose bytes are counted through
// whatever they hold. A client's line that begins with a letter is a command; one that begins with a
// string is its part of an AUTHENTICATE going on. Commands wait in a ring for OK, NO or BYE.

#include "proto/sieve.h"

#include "activity.h"
#include "content.h"
#include "proto/line.h"
#include "proto/offer.h"
#include "proto/proto.h"
#include "proto/refusal.h"
#include "proto/sasl.h"
#include "proto/starttls.h"
#include "proto/xclient.h"
#include "session_argument.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

struct pending {
	uint8_t verb; // enum sieve_verb
	bool is_kept; // AUTHENTICATE with another one behind it: what it said is in this entry
	bool is_cancelled; // it was taken back
	struct sieve_targets *targets; // PUTSCRIPT: found in its script
	struct sasl *sasl; // AUTHENTICATE kept; NULL: it said nothing
};

struct parser {
	struct sieve facts; // first: what record.c sees

	struct session *session;
	uint64_t now_ns;
	struct line lines[2]; // by enum stream_dir
	uint64_t literal_left[2];
	bool is_inside[2]; // a line goes on behind a literal
	bool is_result; // the server's line began with OK, NO or BYE
	bool is_ok;
	bool is_verdict; // a refusal that judges the credentials (proto/refusal.h)
	bool is_greeted;
	bool is_list; // of capabilities, which has IMPLEMENTATION for certain
	uint8_t offers; // of the list that comes, then of the last one (proto/offer.h)
	bool is_tls_next; // OK to STARTTLS was seen: the client's next bytes decide
	bool is_cancelled;
	bool is_message; // the client's line is a message of AUTHENTICATE, and no command
	uint8_t verb; // of the client's present command
	uint8_t n_args; // strings of it so far
	uint8_t n_literals; // likewise
	uint8_t n_unknown; // commands in a row that are none

	struct pending *ring; // SIEVE_INFLIGHT_MAX of them
	uint8_t ring_head, n_pending;
	uint32_t n_overflow;

	struct sasl *sasl; // while AUTHENTICATE goes on
	struct xclient claim; // of XCLIENT, until its answer
	struct sieve_script *script; // while a script comes
	struct sieve_targets *targets;
	struct content *content; // of the script, for rules
	struct session_argument argument; // of the command, for rules
	uint8_t *text; // the argument being collected
	uint32_t text_cap, text_size;
	bool is_text_cut; // not all of it is there
};

static const char *const verbs[SIEVE_VERBS] = {
#define SIEVE_COMMAND(id, name) [SIEVE_##id] = name,
	SIEVE_COMMANDS
#undef SIEVE_COMMAND
};

// ---- Memory

static void text_free(struct parser *p) {
	if (p->text)
		explicit_bzero(p->text, p->text_size);
	slab_put(session_slab(p->session), p->text, p->text_cap);
	p->text = NULL;
	p->text_cap = p->text_size = 0;
	p->is_text_cut = false;
}

static void sasl_free(struct parser *p, struct sasl **sasl) {
	sasl_put(session_slab(p->session), sasl);
}

static void targets_free(struct parser *p, struct sieve_targets **targets) {
	slab_put(session_slab(p->session), *targets, sizeof(**targets));
	*targets = NULL;
}

static void script_free(struct parser *p) {
	slab_put(session_slab(p->session), p->script, sizeof(*p->script));
	p->script = NULL;
	targets_free(p, &p->targets);
	content_close(p->content, p->now_ns);
	p->content = NULL;
}

static struct pending pending_take(struct parser *p) {
	struct pending pending = p->ring[p->ring_head];

	p->ring_head = (p->ring_head + 1) % SIEVE_INFLIGHT_MAX;
	if (--p->n_pending == 0) {
		slab_put(session_slab(p->session), p->ring, SIEVE_INFLIGHT_MAX * sizeof(*p->ring));
		p->ring = NULL;
		p->ring_head = 0;
	}
	return pending;
}

static void pending_clear(struct parser *p) {
	while (p->n_pending > 0) {
		struct pending pending = pending_take(p);
		targets_free(p, &pending.targets);
		sasl_free(p, &pending.sasl);
	}
	p->n_overflow = 0;
}

static void pending_add(struct parser *p, struct pending *pending) {
	if (!p->ring)
		p->ring = slab_get(session_slab(p->session), SIEVE_INFLIGHT_MAX * sizeof(*p->ring));
	if (!p->ring || p->n_overflow > 0 || p->n_pending == SIEVE_INFLIGHT_MAX) {
		session_event(p->session, EVENT_too_many_commands);
		targets_free(p, &pending->targets);
		p->n_overflow += p->n_overflow < UINT32_MAX;
		return;
	}
	p->ring[(p->ring_head + p->n_pending++) % SIEVE_INFLIGHT_MAX] = *pending;
}

// ---- The client's strings

static void arg_begin(struct parser *p) {
	text_free(p);
	if (p->verb != SIEVE_PUTSCRIPT || p->n_args != 1)
		return;
	script_free(p);
	p->content = content_open(p->session, CONTENT_SCRIPT);
	p->script = slab_get(session_slab(p->session), sizeof(*p->script));
	p->targets = slab_get(session_slab(p->session), sizeof(*p->targets));
	if (!p->script || !p->targets) {
		session_event(p->session, EVENT_memory_full);
		script_free(p);
	}
}

static void arg_data(struct parser *p, const uint8_t *data, size_t size) {
	void *block = p->text;

	content_data(p->content, data, size);
	if (p->script) {
		sieve_script_read(p->script, data, size, p->targets);
		return;
	}
	// Only AUTHENTICATE's are looked at; they grow with the bytes received, up to a limit.
	if (p->verb != SIEVE_AUTHENTICATE || size == 0)
		return;
	if (p->is_text_cut || p->text_size + size > SIEVE_TEXT_SIZE_MAX) {
		session_event(p->session, EVENT_literal_too_long);
		p->is_text_cut = true;
		return;
	}
	if (slab_grow(
		    session_slab(p->session), &block, &p->text_cap, p->text_size + (uint32_t)size, 1
	    )
	    < 0) {
		session_event(p->session, EVENT_memory_full);
		p->is_text_cut = true;
		return;
	}
	p->text = block;
	memcpy(p->text + p->text_size, data, size);
	p->text_size += (uint32_t)size;
}

static uint64_t password_hash(const void *ctx, const uint8_t *password, size_t size) {
	return session_password_hash(ctx, password, size);
}

static void sasl_string(struct parser *p) {
	static const uint8_t empty[] = "=";
	const uint8_t *text = p->text_size ? p->text : empty;

	if (!p->sasl)
		return;
	if (p->is_text_cut)
		sasl_client_cut(p->sasl);
	else if (sasl_client(p->sasl, text, p->text_size ?: 1, password_hash, p->session) < 0)
		p->is_cancelled = true;
	if (p->sasl->is_bad_base64)
		session_event(p->session, EVENT_bad_base64);
}

// Behind an AUTHENTICATE that is not answered comes another: what the first said waits with its entry.
static void sasl_keep(struct parser *p) {
	for (int i = p->n_pending; p->sasl && --i >= 0;) {
		struct pending *c = &p->ring[(p->ring_head + i) % SIEVE_INFLIGHT_MAX];
		if (c->verb != SIEVE_AUTHENTICATE)
			continue;
		if (c->is_kept)
			return; // it is of one that is only counted
		c->is_kept = true;
		c->is_cancelled = p->is_cancelled;
		c->sasl = p->sasl;
		p->sasl = NULL;
	}
}

static void arg_end(struct parser *p) {
	if (p->verb == SIEVE_AUTHENTICATE && p->n_args == 0) {
		sasl_keep(p);
		sasl_free(p, &p->sasl);
		p->is_cancelled = false;
		p->sasl = slab_get(session_slab(p->session), sizeof(*p->sasl));
		if (p->sasl)
			sasl_open(p->sasl, sasl_find(p->text, p->text_size));
		else
			session_event(p->session, EVENT_memory_full);
	} else if (p->verb == SIEVE_AUTHENTICATE) {
		if (p->sasl && !p->is_message)
			p->sasl->n_asked += p->sasl->n_asked
				< UINT8_MAX; // the initial response, which the client asks itself
		sasl_string(p);
	}
	if (p->script) {
		slab_put(session_slab(p->session), p->script, sizeof(*p->script));
		p->script = NULL;
	}
	content_close(p->content, p->now_ns);
	p->content = NULL;
	text_free(p);
	p->n_args += p->n_args < UINT8_MAX;
}

// ---- Lines

// literal = "{" number [ "+" ] "}" at the end of a line. 1: *size_r follows; 0: there is none; -1: it
// is no number.
static int literal_read(const struct line_slice *line, uint64_t *size_r, bool *is_plus_r) {
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

// quoted = <"> *( QUOTED-CHAR / "\" <"> / "\" "\" ) <">. Returns the bytes read, from behind the first
// quote to behind the last; -1 when that is missing.
static int quoted_read(struct parser *p, const uint8_t *data, size_t size) {
	size_t from = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] != '"' && data[i] != '\\')
			continue;
		arg_data(p, data + from, i - from);
		if (data[i] == '"')
			return (int)i + 1;
		from = ++i; // the byte behind a backslash is itself
	}
	return -1;
}

// What carries credentials, or is no command and may be part of them, is not for rules.
static bool is_secret(const struct parser *p) {
	return p->is_message || p->verb == SIEVE_AUTHENTICATE || p->verb == SIEVE_OTHER;
}

static void argument_add(struct parser *p, const uint8_t *data, size_t size) {
	while (size > 0 && *data == ' ' && p->argument.size == 0)
		data++, size--;
	if (!is_secret(p))
		session_argument_add(p->session, &p->argument, data, size);
}

static void command_begin(struct parser *p, const uint8_t *word, size_t size) {
	struct pending c = {.verb = SIEVE_OTHER};

	for (int verb = SIEVE_OTHER + 1; verb < SIEVE_VERBS; verb++)
		if (strlen(verbs[verb]) == size
		    && strncasecmp((const char *)word, verbs[verb], size) == 0)
			c.verb = (uint8_t)verb;
	script_free(p);
	p->verb = c.verb;
	p->n_args = 0;
	p->facts.commands[c.verb]++;
	session_argument_free(p->session, &p->argument);
	const char *name = c.verb == SIEVE_OTHER ? "OTHER" : verbs[c.verb];
	session_token(p->session, RULE_COMMAND, name, strlen(name), p->now_ns);
	p->n_unknown = c.verb == SIEVE_OTHER ? p->n_unknown + 1 : 0;
	if (c.verb == SIEVE_OTHER)
		session_event(p->session, EVENT_bad_syntax);
	if (c.verb == SIEVE_LOGOUT)
		p->facts.is_logout = true;
	if (p->n_unknown == SIEVE_UNKNOWN_MAX)
		session_deafen(p->session, EVENT_not_the_protocol);
}

// The command is whole: its reply is to come.
static void command_end(struct parser *p) {
	struct pending c = {.verb = p->verb, .targets = p->targets};

	session_argument_end(p->session, &p->argument, p->now_ns);
	p->targets = NULL;
	pending_add(p, &c);
}

// What stands in a line but for a literal at its end.
static void words_read(struct parser *p, const uint8_t *data, size_t size) {
	size_t at = 0;

	while (at < size) {
		if (data[at] == ' ') {
			at++;
		} else if (data[at] == '"') {
			arg_begin(p);
			int n = quoted_read(p, data + at + 1, size - at - 1);
			p->is_text_cut |= n < 0;
			arg_end(p);
			if (n < 0) {
				session_event(p->session, EVENT_bad_syntax);
				return;
			}
			at += 1 + (size_t)n;
		} else {
			while (at < size && data[at] != ' ')
				at++; // a number, as of HAVESPACE
		}
	}
}

static void client_line(struct parser *p, const struct line_slice *line) {
	bool is_inside = p->is_inside[STREAM_CLIENT], is_plus = false;
	const uint8_t *data = line->data;
	size_t size = line->size, word = 0;
	uint64_t literal = 0;
	int has_literal = literal_read(line, &literal, &is_plus);
	bool is_string = size > 0 && (data[0] == '"' || data[0] == '{');

	if (!is_inside) {
		p->is_message = is_string && p->sasl;
		p->n_literals = 0;
	}

	if (line->is_cut)
		session_event(p->session, EVENT_line_too_long);
	if (has_literal < 0)
		session_event(p->session, EVENT_bad_literal);
	if (has_literal > 0 && !line->is_cut)
		size = (size_t)((const uint8_t *)memrchr(data, '{', size) - data);
	if (!is_inside && p->is_message) {
		p->verb = SIEVE_AUTHENTICATE;
		p->n_args = 1;
	} else if (!is_inside) {
		while (word < size && data[word] != ' ')
			word++;
		command_begin(p, data, word);
		if (p->verb == SIEVE_XCLIENT
		    && !xclient_read_slice(&p->claim, data + word, size - word))
			session_event(p->session, EVENT_bad_syntax);
	}
	argument_add(p, data + word, size - word);
	words_read(p, data + word, size - word);
	p->is_inside[STREAM_CLIENT] = has_literal > 0;
	if (has_literal > 0) {
		if (!is_plus)
			session_event(p->session, EVENT_bad_literal);
		if (p->n_literals == SIEVE_LITERALS_PER_COMMAND_MAX)
			session_event(p->session, EVENT_too_many_literals);
		else
			p->n_literals++;
		arg_begin(p);
		p->literal_left[STREAM_CLIENT] = literal;
		if (literal == 0)
			arg_end(p);
	} else if (!p->is_message) {
		command_end(p);
	}
}

// ---- Replies

static void forward_tell(struct parser *p, const struct sieve_targets *targets) {
	for (uint32_t i = 0; i < targets->n && i < SIEVE_TARGETS_MAX; i++) {
		struct activity *a = session_activity(p->session, p->now_ns);
		if (a->n_forward == ACTIVITY_FORWARDS_MAX) {
			session_activity_flush(p->session, p->now_ns);
			a = session_activity(p->session, p->now_ns);
		}
		strncpy(a->forward[a->n_forward++], targets->target[i], ACTIVITY_ADDRESS_SIZE - 1);
	}
}

static void put_ok(struct parser *p, struct pending *c) {
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
static struct sasl **sasl_of(struct parser *p, struct pending *c) {
	return c->is_kept ? &c->sasl : &p->sasl;
}

static void sasl_unanswered(struct parser *p, const struct sasl *sasl) {
	if (sasl->name_size > 0)
		session_login_unanswered(
			p->session, sasl->mechanism, sasl->name, sasl->name_size, p->now_ns
		);
}

// Where the server asked for more and got none, or says that it did not look, nobody judged what had been said.
static void authenticate_end(struct parser *p, struct pending *c, bool is_ok) {
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
	sasl_free(p, sasl);
}

// A line of the server before its answer to AUTHENTICATE asks for a message.
static void sasl_asked(struct parser *p) {
	struct pending *c = p->n_pending > 0 ? &p->ring[p->ring_head] : NULL;
	struct sasl *sasl = c && c->verb == SIEVE_AUTHENTICATE ? *sasl_of(p, c) : NULL;

	if (sasl)
		sasl->n_asked += sasl->n_asked < UINT8_MAX;
}

// RFC 5804 1.7: "NAME" or "NAME" "VALUE"; SASL may name no mechanism.
static void capability_line(struct parser *p, const struct line_slice *line) {
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

static void capabilities_end(struct parser *p) {
	if (!p->is_list)
		return;
	p->is_list = false;
	session_offers(p->session, p->offers, p->now_ns);
	p->offers |= OFFER_LISTED;
}

static void starttls_ok(struct parser *p) {
	if ((p->offers & (OFFER_LISTED | OFFER_TLS)) == OFFER_LISTED)
		session_event(p->session, EVENT_capability_stripped);
	p->facts.is_starttls = true;
	p->is_tls_next = true;
	if (p->n_pending > 0 || !line_is_start(&p->lines[STREAM_CLIENT])
	    || p->is_inside[STREAM_CLIENT])
		session_event(p->session, EVENT_starttls_injection);
	pending_clear(p);
	script_free(p);
	text_free(p);
	line_reset(&p->lines[STREAM_CLIENT], session_slab(p->session));
	p->literal_left[STREAM_CLIENT] = 0;
	p->is_inside[STREAM_CLIENT] = false;
}

static void result(struct parser *p, bool is_ok) {
	struct pending c;

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
	targets_free(p, &c.targets);
}

static bool begins(const struct line_slice *line, const char *word) {
	size_t size = strlen(word);

	return line->size >= size && strncasecmp((const char *)line->data, word, size) == 0
		&& (line->size == size || line->data[size] == ' ');
}

static void server_line(struct parser *p, const struct line_slice *line) {
	bool is_plus;
	uint64_t literal = 0;
	int has_literal = literal_read(line, &literal, &is_plus);
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

static void side_read(struct parser *p, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct slab *slab = session_slab(p->session);
	struct line_slice line;

	while (size > 0 && !p->session->is_deaf) {
		if (p->is_tls_next && dir == STREAM_SERVER) {
			session_event(p->session, EVENT_starttls_response_injection);
			break;
		}
		if (p->literal_left[dir] > 0) {
			size_t n = size < p->literal_left[dir] ? size : p->literal_left[dir];
			if (dir == STREAM_CLIENT && !p->content)
				argument_add(p, data, n);
			if (dir == STREAM_CLIENT)
				arg_data(p, data, n);
			p->literal_left[dir] -= n;
			data += n;
			size -= n;
			if (p->literal_left[dir] == 0 && dir == STREAM_CLIENT)
				arg_end(p);
			continue;
		}
		if (line_next(&p->lines[dir], slab, &data, &size, &line) == 0)
			return;
		if (dir == STREAM_CLIENT)
			client_line(p, &line);
		else
			server_line(p, &line);
	}
	session_unparsed(p->session, size);
}

static void *parser_open(struct session *s) {
	struct parser *p = slab_get(session_slab(s), sizeof(*p));

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
	struct parser *p = state;

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
	struct parser *p = state;

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
	script_free(p);
	text_free(p);
	sasl_free(p, &p->sasl);
}

static void parser_end(struct session *, void *state, uint64_t now_ns) {
	struct parser *p = state;
	struct pending *c = p->n_pending > 0 ? &p->ring[p->ring_head] : NULL;
	struct sasl *sasl = c && c->verb == SIEVE_AUTHENTICATE ? *sasl_of(p, c) : NULL;

	p->now_ns = now_ns;
	if (sasl && !(c->is_kept ? c->is_cancelled : p->is_cancelled))
		sasl_unanswered(p, sasl);
}

static void parser_free(struct session *s, void *state) {
	struct parser *p = state;
	struct slab *slab = session_slab(s);

	pending_clear(p);
	script_free(p);
	text_free(p);
	session_argument_free(p->session, &p->argument);
	sasl_free(p, &p->sasl);
	targets_free(p, &p->facts.targets);
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
