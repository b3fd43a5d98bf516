// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The command grammar: one number for how a client's software speaks, whatever its ID says. It is made of
// the session's opening, which a program's code decides and not its user:
//
//	the form of the first tag behind the login, which no proxy made: "A001" and "A002" are A000,
//	"KJHD4" is AAAA0
//	the set of command templates before the login
//	the set of those behind it, up to the first command that touches messages
//	that command's template: for most programs how they synchronise
//
// A template is a command's name and arguments as written, without what is the user's own: mailboxes,
// names, passwords, numbers, sets, words searched for. Sets, not sequences: a program's threads may
// change places, folders make it repeat itself, and neither makes it another. Commands that are due to
// the mailbox's state or the user's doing (NOOP, APPEND, CREATE, CLOSE ...) are left out, and so is how
// often a client idles: the number is to be known early and never to change.
//
// What a program says as the server has it is left out, too, or the same program would be another one on
// each server: CAPABILITY (where none came unasked), NAMESPACE (which a program with several sessions asks
// for in one of them), STARTTLS, COMPRESS, ENABLE, rights and quotas; what stands before a wildcard, and
// where a list begins (INBOX., where folders stand below it); a FETCH of UID alone (where SELECT tells no
// UIDNEXT); and a login is a login, by whatever command and mechanism. So is the ID of a proxy.
//
// A program's own ID stays in, though a server that knows no ID gets none: whether, where and with which
// fields it stands tells programs apart that say all else alike. So such a program has two numbers.
//
// A session that ends before it touches messages has a number of what there was.

#include "proto/imap/imap_private.h"
#include "siphash.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	VERSION = 2, // another one, and all known grammars are other numbers
	TAG_SHAPE_SIZE = 11,
	WORD_SIZE = 256, // of an argument that is looked at
	TEMPLATES_MAX = 16, // different ones in an opening; further ones are left out
};

// What of a command makes its template.
enum template {
	TEMPLATE_NONE, // it is none
	TEMPLATE_NAME, // its name alone
	TEMPLATE_LOGIN, // the same for all; behind it is another set
	TEMPLATE_LIST, // patterns only where they are wildcards alone
	TEMPLATE_MAILBOX, // all arguments but the first
	TEMPLATE_ID, // the names of its fields, but a proxy's
	TEMPLATE_FETCH, // all arguments but the first, and it ends the opening
	TEMPLATE_SEARCH, // the keys, and it ends the opening
	TEMPLATE_IDLE, // it ends the opening
};

static const uint8_t kinds[IMAP_COMMANDS] = {
	[IMAP_AUTHENTICATE] = TEMPLATE_LOGIN,
	[IMAP_LOGIN] = TEMPLATE_LOGIN,
	[IMAP_ID] = TEMPLATE_ID,
	[IMAP_NOTIFY] = TEMPLATE_NAME,
	[IMAP_LIST] = TEMPLATE_LIST,
	[IMAP_LSUB] = TEMPLATE_LIST,
	[IMAP_XLIST] = TEMPLATE_LIST,
	[IMAP_SELECT] = TEMPLATE_MAILBOX,
	[IMAP_EXAMINE] = TEMPLATE_MAILBOX,
	[IMAP_STATUS] = TEMPLATE_MAILBOX,
	[IMAP_FETCH] = TEMPLATE_FETCH,
	[IMAP_UID_FETCH] = TEMPLATE_FETCH,
	[IMAP_SEARCH] = TEMPLATE_SEARCH,
	[IMAP_UID_SEARCH] = TEMPLATE_SEARCH,
	[IMAP_SORT] = TEMPLATE_SEARCH,
	[IMAP_UID_SORT] = TEMPLATE_SEARCH,
	[IMAP_THREAD] = TEMPLATE_SEARCH,
	[IMAP_UID_THREAD] = TEMPLATE_SEARCH,
	[IMAP_IDLE] = TEMPLATE_IDLE,
};

// An opening so far. A session that waits without IDLE keeps it: it is small.
struct imap_grammar {
	char tag[TAG_SHAPE_SIZE]; // form of the first behind the login; until then, of the last
	uint8_t n; // templates
	uint8_t kind; // enum template of the command being read
	uint8_t side; // 0: before the login, 1: behind it
	bool has_tag;
	bool is_uid_alone; // what a FETCH asks for, so far
	uint8_t n_words; // of an ID, a LIST or a FETCH, up to 255
	bool is_a_proxys; // an ID, so far
	uint64_t now; // its template so far
	uint32_t templates[TEMPLATES_MAX]; // with the side they stand on; sorted
};

static_assert(sizeof(struct imap_grammar) <= 96, "what a session costs until it reads mail");

// The key is no secret: a grammar is the same on every sensor.
static uint64_t mix(uint64_t h, const void *data, size_t size) {
	const uint64_t key[2] = {h, VERSION};

	return siphash(key, data, size);
}

static bool is_letter(uint8_t c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

// ---- The first tag

// Letters by their case, counters by their width where zeros make it up. A tag that goes from digits to
// letters is drawn by chance: it has no form.
static void tag_shape(const uint8_t *tag, size_t size, char shape[TAG_SHAPE_SIZE]) {
	size_t n = 0, at = 0, start;

	while (at < size && n < TAG_SHAPE_SIZE - 1) {
		start = at;
		while (at < size && is_digit(tag[at]))
			at++;
		if (at == start) {
			shape[n++] = !is_letter(tag[at]) ? tag[at] : tag[at] & 0x20 ? 'a' : 'A';
			at++;
			continue;
		}
		if (at < size && is_letter(tag[at])) {
			memcpy(shape, "?", 2);
			return;
		}
		for (shape[n++] = '0'; tag[start] == '0' && ++start < at && n < TAG_SHAPE_SIZE - 1;)
			shape[n++] = '0';
	}
	shape[n] = '\0';
}

// ---- Words

// A set, a number, or wildcards, which stand for no words.
static bool is_only(const uint8_t *data, size_t size, const char *of) {
	for (size_t i = 0; i < size; i++)
		if (memchr(of, data[i], strlen(of)) == NULL)
			return false;
	return true;
}

static void word_add(struct imap_grammar *g, const char *word, size_t size) {
	g->now = mix(g->now, word, size);
}

// As written, but that a number is any number: of a part ("1.2"), an offset, a state.
static void word_written(struct imap_grammar *g, const struct imap_token *arg) {
	char word[WORD_SIZE];
	size_t n = 0;

	if (arg->data == NULL
	    || (arg->size > 0 && is_only(arg->data, arg->size, "0123456789:*,"))) {
		word_add(g, "#", 1);
		return;
	}
	word[n++] = arg->kind == TOKEN_STRING ? '"' : 'a';
	for (uint32_t i = 0; i < arg->size && n < sizeof(word); i++) {
		if (!is_digit(arg->data[i]))
			word[n++] = arg->data[i];
		else if (word[n - 1] == '.' && n > 1 && word[n - 2] == '0')
			n--; // "0.0" is "0"
		else if (word[n - 1] != '0')
			word[n++] = '0';
	}
	word_add(g, word, n);
}

// Where the list begins is nothing or the server's folder for all others. Of a pattern the wildcards at its
// end count; behind a folder's name they are as if quoted, since the name decides whether they are.
static void word_list(struct imap_grammar *g, const struct imap_token *arg) {
	char word[WORD_SIZE];
	size_t from = arg->size, n = 0;

	if (arg->depth > 0 || imap_token_is(arg, "RETURN")) {
		word_written(g, arg);
		return;
	}
	g->n_words += g->n_words < UINT8_MAX;
	if (g->n_words == 1) {
		word_add(g, "\"", 1);
		return;
	}
	while (arg->data != NULL && from > 0 && is_only(arg->data + from - 1, 1, "*%"))
		from--;
	if (arg->data == NULL || (from == arg->size && from > 0)
	    || arg->size - from >= sizeof(word)) {
		word_add(g, "?", 1); // somebody's folder
		return;
	}
	word[n++] = arg->kind == TOKEN_STRING || from > 0 ? '"' : 'a';
	memcpy(word + n, arg->data + from, arg->size - from);
	word_add(g, word, n + arg->size - from);
}

static void word_fetch(struct imap_grammar *g, const struct imap_token *arg) {
	g->n_words += g->n_words < UINT8_MAX;
	g->is_uid_alone = g->n_words == 1 && imap_token_is(arg, "UID");
	word_written(g, arg);
}

// Every other string; those that begin with "x-" are a proxy's.
static void word_id(struct imap_grammar *g, const struct imap_token *arg) {
	bool is_name = g->n_words % 2 == 0;

	g->n_words += g->n_words < UINT8_MAX;
	if (!is_name || arg->data == NULL)
		return;
	if (arg->size >= 2 && memcmp(arg->data, "x-", 2) == 0) {
		g->is_a_proxys |= g->n_words == 1;
		return;
	}
	g->is_a_proxys = false;
	word_add(g, (const char *)arg->data, arg->size);
}

static void word_search(struct imap_grammar *g, const struct imap_token *arg) {
	// Which messages are searched is the mailbox's matter: Alpine names the only one there is, or none.
	if (arg->data != NULL && arg->kind == TOKEN_ATOM
	    && is_only(arg->data, arg->size, "0123456789:*,"))
		return;
	if (imap_search_is_key(arg))
		word_written(g, arg);
	else
		word_add(g, "?", 1);
}

// ---- Commands

static void template_add(struct imap_grammar *g, uint64_t h) {
	uint32_t template = h >> 32 ^ h;
	int at = 0;

	while (at < g->n && g->templates[at] < template)
		at++;
	if ((at < g->n && g->templates[at] == template) || g->n == TEMPLATES_MAX)
		return;
	memmove(g->templates + at + 1, g->templates + at, (g->n - at) * sizeof(*g->templates));
	g->templates[at] = template;
	g->n++;
}

// The opening is over; last: the template of what ended it, 0: nothing did.
static void settle(struct imap_ctx *c, uint64_t last) {
	struct imap_grammar *g = c->imap->grammar;
	uint64_t h
		= mix(mix(last, g->tag, strlen(g->tag)), g->templates, g->n * sizeof(*g->templates)
		);
	uint32_t grammar = h >> 32 ^ h;
	char text[9];

	if (grammar == 0)
		grammar = 1;
	if (session_token_wanted(c->s, RULE_GRAMMAR)) {
		snprintf(text, sizeof(text), "%08x", grammar);
		session_token(c->s, RULE_GRAMMAR, text, 8, c->now_ns);
	}
	c->imap->facts.grammar = grammar;
	imap_grammar_free(c);
}

void imap_grammar_command(
	struct imap_ctx *c,
	struct imap_cursor tag,
	enum imap_command command,
	struct imap_cursor name
) {
	struct imap_grammar *g = c->imap->grammar;

	if (c->imap->facts.grammar != 0 || c->imap->is_unsure)
		return;
	if (g == NULL) {
		g = c->imap->grammar = slab_get(session_slab(c->s), sizeof(*g));
		if (g == NULL) {
			session_event(c->s, EVENT_memory_full);
			return;
		}
	}
	if (!g->has_tag) {
		tag_shape(tag.at, tag.end - tag.at, g->tag);
		g->has_tag = g->side == 1;
	}
	g->kind = kinds[command];
	g->n_words = 0;
	g->is_a_proxys = false;
	g->is_uid_alone = false;
	g->now = g->kind == TEMPLATE_LOGIN ? 0 : mix(0, name.at, name.end - name.at);
}

void imap_grammar_arg(
	struct imap_ctx *c,
	const struct imap_flight *flight,
	const struct imap_token *arg
) {
	struct imap_grammar *g = c->imap->grammar;

	if (g == NULL)
		return;
	if (arg->kind == TOKEN_OPEN || arg->kind == TOKEN_CLOSE) {
		if (g->kind != TEMPLATE_NAME && g->kind != TEMPLATE_ID)
			g->now = mix(g->now, arg->kind == TOKEN_OPEN ? "(" : ")", 1);
		return;
	}
	switch ((enum template)g->kind) {
	case TEMPLATE_MAILBOX:
		if (flight->n_args > 0)
			word_written(g, arg);
		break;
	case TEMPLATE_FETCH:
		if (flight->n_args > 0)
			word_fetch(g, arg);
		break;
	case TEMPLATE_LIST:
		word_list(g, arg);
		break;
	case TEMPLATE_ID:
		word_id(g, arg);
		break;
	case TEMPLATE_SEARCH:
		word_search(g, arg);
		break;
	case TEMPLATE_NONE:
	case TEMPLATE_NAME:
	case TEMPLATE_LOGIN:
	case TEMPLATE_IDLE:
		break;
	}
}

void imap_grammar_complete(struct imap_ctx *c, const struct imap_flight *flight) {
	struct imap_grammar *g = c->imap->grammar;

	if (g == NULL || g->kind == TEMPLATE_NONE || g->is_a_proxys || g->is_uid_alone)
		return;
	if (g->kind >= TEMPLATE_FETCH) {
		settle(c, g->now);
		return;
	}
	if (g->kind == TEMPLATE_LOGIN)
		g->side = 0; // one more attempt
	template_add(g, mix(g->now, &g->side, 1));
	if (g->kind == TEMPLATE_LOGIN)
		g->side = 1;
}

void imap_grammar_end(struct imap_ctx *c) {
	if (c->imap->grammar != NULL && !c->imap->is_unsure && c->imap->grammar->n > 0)
		settle(c, 0);
}

void imap_grammar_free(struct imap_ctx *c) {
	slab_put(session_slab(c->s), c->imap->grammar, sizeof(*c->imap->grammar));
	c->imap->grammar = NULL;
}
