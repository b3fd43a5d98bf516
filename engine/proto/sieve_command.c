// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The client's side. A line that begins with a letter is a command; one that begins with a string is its part
// of an AUTHENTICATE going on. Commands wait in a ring for OK, NO or BYE.

#include "content.h"
#include "proto/proto.h"
#include "proto/sieve_private.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

static const char *const verbs[SIEVE_VERBS] = {
#define SIEVE_COMMAND(id, name) [SIEVE_##id] = name,
	SIEVE_COMMANDS
#undef SIEVE_COMMAND
};

static void pending_add(struct sieve_parser *p, struct sieve_pending *pending) {
	if (!p->ring)
		p->ring = slab_get(session_slab(p->session), SIEVE_INFLIGHT_MAX * sizeof(*p->ring));
	if (!p->ring || p->n_overflow > 0 || p->n_pending == SIEVE_INFLIGHT_MAX) {
		session_event(p->session, EVENT_too_many_commands);
		sieve_targets_free(p, &pending->targets);
		p->n_overflow += p->n_overflow < UINT32_MAX;
		return;
	}
	p->ring[(p->ring_head + p->n_pending++) % SIEVE_INFLIGHT_MAX] = *pending;
}

static void arg_begin(struct sieve_parser *p) {
	sieve_text_free(p);
	if (p->verb != SIEVE_PUTSCRIPT || p->n_args != 1)
		return;
	sieve_script_free(p);
	p->content = content_open(p->session, CONTENT_SCRIPT);
	p->script = slab_get(session_slab(p->session), sizeof(*p->script));
	p->targets = slab_get(session_slab(p->session), sizeof(*p->targets));
	if (!p->script || !p->targets) {
		session_event(p->session, EVENT_memory_full);
		sieve_script_free(p);
	}
}

static void arg_data(struct sieve_parser *p, const uint8_t *data, size_t size) {
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

static void sasl_string(struct sieve_parser *p) {
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
static void sasl_keep(struct sieve_parser *p) {
	for (int i = p->n_pending; p->sasl && --i >= 0;) {
		struct sieve_pending *c = &p->ring[(p->ring_head + i) % SIEVE_INFLIGHT_MAX];
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

static void arg_end(struct sieve_parser *p) {
	if (p->verb == SIEVE_AUTHENTICATE && p->n_args == 0) {
		sasl_keep(p);
		sieve_sasl_free(p, &p->sasl);
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
	sieve_text_free(p);
	p->n_args += p->n_args < UINT8_MAX;
}

// quoted = <"> *( QUOTED-CHAR / "\" <"> / "\" "\" ) <">. Returns the bytes read, from behind the first
// quote to behind the last; -1 when that is missing.
static int quoted_read(struct sieve_parser *p, const uint8_t *data, size_t size) {
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
static bool is_secret(const struct sieve_parser *p) {
	return p->is_message || p->verb == SIEVE_AUTHENTICATE || p->verb == SIEVE_OTHER;
}

static void argument_add(struct sieve_parser *p, const uint8_t *data, size_t size) {
	while (size > 0 && *data == ' ' && p->argument.size == 0)
		data++, size--;
	if (!is_secret(p))
		session_argument_add(p->session, &p->argument, data, size);
}

static void command_begin(struct sieve_parser *p, const uint8_t *word, size_t size) {
	struct sieve_pending c = {.verb = SIEVE_OTHER};

	for (int verb = SIEVE_OTHER + 1; verb < SIEVE_VERBS; verb++)
		if (strlen(verbs[verb]) == size
		    && strncasecmp((const char *)word, verbs[verb], size) == 0)
			c.verb = (uint8_t)verb;
	sieve_script_free(p);
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
static void command_end(struct sieve_parser *p) {
	struct sieve_pending c = {.verb = p->verb, .targets = p->targets};

	session_argument_end(p->session, &p->argument, p->now_ns);
	p->targets = NULL;
	pending_add(p, &c);
}

// What stands in a line but for a literal at its end.
static void words_read(struct sieve_parser *p, const uint8_t *data, size_t size) {
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

void sieve_client_line(struct sieve_parser *p, const struct line_slice *line) {
	bool is_inside = p->is_inside[STREAM_CLIENT], is_plus = false;
	const uint8_t *data = line->data;
	size_t size = line->size, word = 0;
	uint64_t literal = 0;
	int has_literal = sieve_literal_read(line, &literal, &is_plus);
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

void sieve_client_literal(struct sieve_parser *p, const uint8_t *data, size_t size) {
	if (!p->content)
		argument_add(p, data, size);
	arg_data(p, data, size);
	if (p->literal_left[STREAM_CLIENT] == 0)
		arg_end(p);
}
