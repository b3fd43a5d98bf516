// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A client's commands: found by name, their arguments handed one by one to the command's verb, their
// meaning drawn only when the server has agreed. imap_command.def says which command wants what.

#include "proto/imap/imap_private.h"

#include <string.h>

static const struct {
	const char *name;
	const struct imap_verb *verb;
} commands[IMAP_COMMANDS] = {
#define IMAP_COMMAND(id, name, verb) [IMAP_##id] = {name, &imap_verb_##verb},
#include "proto/imap/imap_command.def"
#undef IMAP_COMMAND
};

const char *imap_command_name(enum imap_command command) {
	return commands[command < IMAP_COMMANDS ? command : IMAP_OTHER].name;
}

static const struct imap_verb *verb_of(const struct imap_flight *flight) {
	return commands[flight->command].verb;
}

char *imap_name_take(struct imap_ctx *c, const struct imap_token *arg, uint16_t *size) {
	uint8_t text[IMAP_LITERAL_KEPT_MAX];

	if (arg->data == NULL)
		return NULL;
	return imap_name_new(c, text, imap_token_text(arg, text, sizeof(text)), size);
}

// ---- What a command's arguments own

uint32_t imap_args_size(const struct imap_flight *flight) {
	return verb_of(flight)->args_size;
}

void imap_args_free(struct imap_ctx *c, struct imap_flight *flight) {
	if (verb_of(flight)->free != NULL && !(flight->flags & FLIGHT_EMPTIED))
		verb_of(flight)->free(c, flight);
	flight->flags |= FLIGHT_EMPTIED;
}

static void command_end(struct imap_ctx *c, struct imap_flight *flight) {
	if (verb_of(flight)->end != NULL && !(flight->flags & FLIGHT_EMPTIED))
		verb_of(flight)->end(c, flight);
}

// ---- The first line

// tag = 1*<any ASTRING-CHAR except "+">
static bool is_tag(const uint8_t *tag, size_t size) {
	static const uint8_t others[0x80] = {
		['('] = 1,
		[')'] = 1,
		['{'] = 1,
		['%'] = 1,
		['*'] = 1,
		['"'] = 1,
		['\\'] = 1,
		['+'] = 1,
	};

	for (size_t i = 0; i < size; i++)
		if (tag[i] <= ' ' || tag[i] >= 0x7f || others[tag[i]])
			return false;
	return size > 0;
}

// Called with a size that is known when compiled: only the names of that size are compared.
static inline __attribute__((always_inline)) enum imap_command
name_find(const uint8_t *at, size_t size, bool is_uid) {
#define IS_UID(name) (strncmp(name, "UID ", 4) == 0)
#define IMAP_COMMAND(id, name, verb)                                                               \
	if (IS_UID(name) == is_uid && strlen(name) == size + 4 * is_uid                            \
	    && word_is(at, (name) + (IS_UID(name) ? 4 : 0)))                                       \
		return IMAP_##id;
#include "proto/imap/imap_command.def"
#undef IMAP_COMMAND
#undef IS_UID
	return IMAP_OTHER;
}

static inline __attribute__((always_inline)) enum imap_command
sized_find(const uint8_t *name, size_t size, bool is_uid) {
	switch (size) {
#define SIZE(n)                                                                                    \
	case n:                                                                                    \
		return name_find(name, n, is_uid);
		SIZE(2)
		SIZE(4)
		SIZE(5)
		SIZE(6)
		SIZE(7)
		SIZE(8)
		SIZE(9)
		SIZE(10)
		SIZE(11)
		SIZE(12)
		SIZE(13)
		SIZE(14)
#undef SIZE
	}
	return IMAP_OTHER;
}

static enum imap_command command_lookup(const uint8_t *name, size_t size) {
	return sized_find(name, size, false);
}

static enum imap_command uid_command_lookup(const uint8_t *name, size_t size) {
	return sized_find(name, size, true);
}

// A name that is longer or shorter would not be found.
#define IMAP_COMMAND(id, name, verb)                                                               \
	static_assert(                                                                             \
		IMAP_##id == IMAP_OTHER || sizeof(name) == 3                                       \
			|| (sizeof(name) >= 5 && sizeof(name) <= 15),                              \
		"SIZE"                                                                             \
	);
#include "proto/imap/imap_command.def"
#undef IMAP_COMMAND

// The tag, and the command's name ("UID FETCH" is one): the cursor moves past both. false: no tag.
static bool
command_parse(struct imap_cursor *line, struct imap_cursor *tag, enum imap_command *command) {
	struct imap_token name = {};

	tag->at = line->at;
	while (line->at < line->end && *line->at != ' ')
		line->at++;
	tag->end = line->at;
	*command = IMAP_OTHER;
	if (!is_tag(tag->at, tag->end - tag->at) || imap_token_next(line, &name) <= 0
	    || name.kind != TOKEN_ATOM)
		return false;
	if (!imap_token_is(&name, "UID"))
		*command = command_lookup(name.data, name.size);
	else if (imap_token_next(line, &name) == 1)
		*command = uid_command_lookup(name.data, name.size);
	return true;
}

bool imap_client_is_sure(struct imap_cursor line) {
	enum imap_command command;
	struct imap_cursor tag;

	return command_parse(&line, &tag, &command) && command != IMAP_OTHER
		&& (line.at == line.end || *line.at == ' ');
}

enum { IMAP_COMMANDS_STEP = 4 }; // hardly a session has fewer different ones

static void command_count(struct imap_ctx *c, enum imap_command command) {
	struct imap *facts = &c->imap->facts;
	uint32_t size = facts->commands_cap * sizeof(*facts->commands);
	void *block = facts->commands;

	for (int i = 0; i < facts->n_commands; i++) {
		if (facts->commands[i].command == command) {
			facts->commands[i].count += facts->commands[i].count < (1u << 24) - 1;
			return;
		}
	}
	if (facts->n_commands == facts->commands_cap
	    && slab_grow(
		       session_slab(c->s),
		       &block,
		       &size,
		       (facts->n_commands + IMAP_COMMANDS_STEP) * sizeof(*facts->commands),
		       false
	       ) < 0) {
		session_event(c->s, EVENT_memory_full);
		return;
	}
	facts->commands = block;
	facts->commands_cap = size / sizeof(*facts->commands);
	facts->commands[facts->n_commands++] = (struct imap_command_count){command, 1};
}

static void flight_append(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_flight **at = &c->imap->flights;

	// What is beyond the limit is read, but its answer will mean nothing.
	if (c->imap->n_flights == IMAP_INFLIGHT_MAX) {
		session_event(c->s, EVENT_too_many_commands);
		flight->flags |= FLIGHT_UNLISTED;
		return;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = flight;
	c->imap->n_flights++;
}

static struct imap_flight *
command_open(struct imap_ctx *c, struct imap_cursor tag, enum imap_command command) {
	uint32_t size = tag.end - tag.at;
	uint32_t kept = size < IMAP_TAG_SIZE_MAX ? size : IMAP_TAG_SIZE_MAX;
	uint16_t args_size = commands[command].verb->args_size;
	struct imap_flight *flight
		= slab_get(session_slab(c->s), sizeof(*flight) + args_size + kept);

	if (flight == NULL)
		return NULL;
	flight->command = command;
	flight->tag_size = size;
	memcpy((uint8_t *)(flight + 1) + args_size, tag.at, kept);
	flight_append(c, flight);
	return flight;
}

// ---- All its lines

static void command_arg(struct imap_ctx *c, struct imap_flight *flight, struct imap_token *token) {
	struct imap_busy *busy = c->imap->busy;

	if (token->kind == TOKEN_CLOSE)
		busy->depth -= busy->depth > 0;
	token->depth = busy->depth;
	if (token->kind == TOKEN_OPEN && ++busy->depth > IMAP_NESTING_MAX) {
		flight->flags |= FLIGHT_BROKEN;
		session_event(c->s, EVENT_bad_syntax);
	}
	if (flight->flags & FLIGHT_BROKEN)
		return;
	imap_grammar_arg(c, flight, token);
	if (verb_of(flight)->arg != NULL)
		verb_of(flight)->arg(c, flight, token);
	if (busy->depth == 0 && flight->n_args < UINT16_MAX)
		flight->n_args++;
}

static void
command_args(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text, bool is_cut) {
	struct imap_token token = {};
	int status = 0;

	while (!(flight->flags & FLIGHT_BROKEN) && (status = imap_token_next(&text, &token)) == 1) {
		if (is_cut && text.at == text.end)
			return; // half a token says nothing
		command_arg(c, flight, &token);
	}
	if (status < 0 && !is_cut) {
		session_event(c->s, EVENT_bad_syntax);
		flight->flags |= FLIGHT_BROKEN;
	}
}

// ---- What rules see of it

// What carries credentials, or is no command and may be part of them.
static bool is_secret(const struct imap_flight *flight) {
	return flight->command == IMAP_LOGIN || flight->command == IMAP_AUTHENTICATE
		|| flight->command == IMAP_OTHER;
}

static void command_token(struct imap_ctx *c, enum imap_command command) {
	const char *name;

	if (!session_token_wanted(c->s, RULE_COMMAND))
		return;
	name = command == IMAP_OTHER ? "OTHER" : imap_command_name(command);

	session_token(c->s, RULE_COMMAND, name, strlen(name), c->now_ns);
}

// The argument's next line; is_whole: nothing follows.
static void argument_token(
	struct imap_ctx *c,
	struct imap_flight *flight,
	struct imap_cursor text,
	bool is_whole
) {
	struct session_argument *argument = &c->imap->busy->argument;

	while (text.at < text.end && *text.at == ' ' && argument->size == 0)
		text.at++;
	if (is_secret(flight))
		return;
	if (is_whole && argument->size == 0) {
		session_token(
			c->s, RULE_ARGUMENT, text.at, (size_t)(text.end - text.at), c->now_ns
		);
		return;
	}
	session_argument_add(c->s, argument, text.at, (size_t)(text.end - text.at));
	if (is_whole)
		session_argument_end(c->s, argument, c->now_ns);
}

// A short literal that no verb wants is kept for rules.
static bool literal_is_token(struct imap_ctx *c, struct imap_flight *flight, uint64_t size) {
	return size <= IMAP_LITERAL_KEPT_MAX && !is_secret(flight)
		&& !(flight->flags & FLIGHT_BROKEN) && session_token_wanted(c->s, RULE_ARGUMENT);
}

static enum imap_keep literal_keep(struct imap_ctx *c, struct imap_flight *flight) {
	if (c->imap->busy->side[STREAM_CLIENT].n_literals == IMAP_LITERALS_PER_COMMAND_MAX
	    || (flight->flags & FLIGHT_BROKEN))
		return KEEP_NOTHING;
	return verb_of(flight)->literal != NULL ? verb_of(flight)->literal(c, flight)
						: verb_of(flight)->keep;
}

static void command_complete(struct imap_ctx *c) {
	struct imap_busy *busy = c->imap->busy;
	struct imap_flight *flight = busy->command;

	busy->command = NULL;
	flight->flags |= FLIGHT_COMPLETE;
	if (!(flight->flags & FLIGHT_BROKEN))
		imap_grammar_complete(c, flight);
	if (verb_of(flight)->complete != NULL && !(flight->flags & FLIGHT_BROKEN))
		verb_of(flight)->complete(c, flight);
	if (flight->flags & FLIGHT_UNLISTED)
		imap_flight_free(c, flight);
}

// The end of a line: a literal, or of the command. flight NULL: it is only framed.
static void line_end(struct imap_ctx *c, const struct imap_literal *literal, int has_literal) {
	struct imap_side *side = &c->imap->busy->side[STREAM_CLIENT];
	struct imap_flight *flight = c->imap->busy->command;

	if (has_literal < 0) {
		session_event(c->s, EVENT_bad_literal);
		if (flight != NULL)
			flight->flags |= FLIGHT_BROKEN;
	}
	side->is_inside = has_literal > 0;
	if (has_literal > 0) {
		enum imap_keep keep = flight != NULL ? literal_keep(c, flight) : KEEP_NOTHING;

		c->imap->busy->is_token = keep == KEEP_NOTHING && flight != NULL
			&& literal_is_token(c, flight, literal->size);
		imap_literal_begin(
			c, STREAM_CLIENT, literal, c->imap->busy->is_token ? KEEP_VALUE : keep
		);
		return;
	}
	side->n_literals = 0;
	if (flight != NULL)
		command_complete(c);
}

// Lines that are no commands: the client's part of an exchange it began.
static bool is_exchange(struct imap_ctx *c, const struct line_slice *line) {
	struct imap_cursor text = {line->data, line->data + line->size};
	struct imap_flight *last = c->imap->flights;

	while (last != NULL && last->next != NULL)
		last = last->next;
	if (last != NULL && last->command == IMAP_AUTHENTICATE && imap_is_sasl_message(text)) {
		imap_sasl_message(c, last, line);
		return true;
	}
	if (line->size == 4 && imap_text_starts(text, "DONE")) {
		c->imap->facts.is_idle = false;
		return true;
	}
	return line->size == 0;
}

void imap_client_line(struct imap_ctx *c, const struct line_slice *line) {
	struct imap_cursor text = {line->data, line->data + line->size}, tag;
	struct imap_busy *busy = c->imap->busy;
	struct imap_literal literal;
	enum imap_command command;
	int has_literal;

	if (!busy->side[STREAM_CLIENT].is_inside && is_exchange(c, line))
		return;
	if (line->is_cut)
		has_literal = imap_literal_find(line->tail, line->tail_size, &literal);
	else if ((has_literal = imap_literal_find(line->data, line->size, &literal)) > 0)
		text.end -= literal.spec_size;
	if (!busy->side[STREAM_CLIENT].is_inside) {
		busy->depth = 0;
		session_argument_free(c->s, &busy->argument);
		if (command_parse(&text, &tag, &command)) {
			command_count(c, command);
			command_token(c, command);
			imap_grammar_command(
				c, tag, command, (struct imap_cursor){tag.end, text.at}
			);
			busy->command = command_open(c, tag, command);
			if (busy->command == NULL)
				session_event(c->s, EVENT_memory_full);
		} else {
			session_event(c->s, EVENT_bad_syntax);
		}
	}
	if (busy->command != NULL) {
		command_args(c, busy->command, text, line->is_cut);
		argument_token(c, busy->command, text, has_literal <= 0);
	}
	line_end(c, &literal, has_literal);
}

void imap_client_content(struct imap_ctx *c, const uint8_t *data, size_t size) {
	struct imap_flight *flight = c->imap->busy->command;

	if (flight != NULL && verb_of(flight)->content != NULL)
		verb_of(flight)->content(c, flight, data, size);
}

void imap_client_literal_end(struct imap_ctx *c, const struct imap_token *value) {
	struct imap_flight *flight = c->imap->busy->command;
	struct imap_token token = *value;

	if (flight == NULL)
		return;
	if (token.data != NULL && !is_secret(flight))
		session_argument_add(c->s, &c->imap->busy->argument, token.data, token.size);
	if (c->imap->busy->is_token) {
		token.data = NULL;
		token.size = 0;
	}
	command_end(c, flight);
	command_arg(c, flight, &token);
}

// ---- Its answer

// The answer came before the command was whole. With a refused literal nothing more of it will come;
// one sent without waiting still does, if the server reads as it should (RFC 7888 section 4).
static void answered_early(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_busy *busy = c->imap->busy;

	flight->flags |= FLIGHT_UNLISTED | FLIGHT_BROKEN;
	if (c->imap->place[STREAM_CLIENT] != PLACE_ANNOUNCED) {
		if (c->imap->place[STREAM_CLIENT] == PLACE_LITERAL)
			session_event(c->s, EVENT_literal_refused);
		return;
	}
	c->imap->place[STREAM_CLIENT] = PLACE_LINE;
	busy->side[STREAM_CLIENT].is_inside = false;
	busy->side[STREAM_CLIENT].n_literals = 0;
	busy->command = NULL;
	imap_flight_free(c, flight);
}

void imap_command_answered(
	struct imap_ctx *c,
	struct imap_flight *flight,
	bool is_ok,
	struct imap_cursor text
) {
	const struct imap_verb *verb = verb_of(flight);

	if (c->imap->busy->command == flight) {
		// Nobody can agree to what was not said yet: stays in flight.
		if (is_ok) {
			session_event(c->s, EVENT_server_response_as_attack);
			return;
		}
		imap_flight_unlink(c, flight);
		answered_early(c, flight);
		return;
	}
	imap_flight_unlink(c, flight);
	if (flight->command == IMAP_IDLE)
		c->imap->facts.is_idle = false;
	if (is_ok && verb->ok != NULL)
		verb->ok(c, flight, text);
	else if (!is_ok && verb->no != NULL)
		verb->no(c, flight, text);
	imap_flight_free(c, flight);
}
