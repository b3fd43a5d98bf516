// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A client's commands: found by name, their arguments handed one by one to the command's own function,
// their meaning drawn only when the server has agreed. A table says which command wants what.

#include "proto/imap_private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ID_PAIRS_MAX = 30 }; // RFC 2971 section 3.3

struct imap_id {
	uint16_t n; // strings so far
	uint8_t is_name, is_version, is_ip, is_port; // the next string is this one
	uint16_t port; // x-originating-port
	struct ip ip; // x-originating-ip; family 0: not said
	char name[CLIENT_ID_SIZE_MAX + 1];
	char version[CLIENT_ID_SIZE_MAX + 1];
};

struct imap_acl {
	char who[ACCOUNT_SIZE];
};

struct verb {
	uint16_t args_size; // of its struct, 0: none
	uint8_t keep; // enum imap_keep, of literals
	void (*arg)(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg);
	void (*complete)(struct imap_ctx *c, struct imap_flight *flight);
	void (*ok)(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text);
	void (*no)(struct imap_ctx *c, struct imap_flight *flight);
};

static const char *const names[IMAP_COMMANDS] = {
#define IMAP_COMMAND(id, name) [IMAP_##id] = name,
#include "proto/imap_command.def"
#undef IMAP_COMMAND
};

static const struct verb verbs[IMAP_COMMANDS];

const char *imap_command_name(enum imap_command command) {
	return command < IMAP_COMMANDS ? names[command] : names[IMAP_OTHER];
}

static uint64_t password_hash(const void *ctx, const uint8_t *password, size_t size) {
	return session_password_hash(ctx, password, size);
}

static char *name_take(struct imap_ctx *c, const struct imap_token *arg, uint16_t *size) {
	uint8_t text[IMAP_LITERAL_KEPT_MAX];

	if (arg->data == NULL)
		return NULL;
	return imap_name_new(c, text, imap_token_text(arg, text, sizeof(text)), size);
}

// ---- LOGIN and AUTHENTICATE

static void
login_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct sasl *sasl = flight->args;
	uint8_t text[IMAP_LITERAL_KEPT_MAX];
	uint32_t size = arg->data != NULL ? imap_token_text(arg, text, sizeof(text)) : 0;

	sasl->mechanism = SASL_LOGIN_COMMAND;
	sasl->n_messages = 1;
	if (arg->data == NULL || size > SASL_NAME_SIZE_MAX)
		sasl->is_bad |= flight->n_args == 0;
	else if (flight->n_args == 0)
		memcpy(sasl->name, text, sasl->name_size = size);
	else if (flight->n_args == 1)
		sasl->password_hash = session_password_hash(c->s, text, size);
	explicit_bzero(text, size);
}

static void
authenticate_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct sasl *sasl = flight->args;

	if (arg->data == NULL) // a literal, which no server takes here
		flight->flags |= FLIGHT_BROKEN;
	else if (flight->n_args == 0)
		sasl_open(sasl, sasl_find(arg->data, arg->size));
	else if (flight->n_args == 1 && sasl_client(sasl, arg->data, arg->size, password_hash, c->s) < 0)
		flight->flags |= FLIGHT_BROKEN;
}

// A line of the exchange: what no command can be, a single word of base64 (RFC 9051 6.2.2).
static bool is_sasl_message(struct imap_cursor line) {
	for (; line.at < line.end; line.at++)
		if (*line.at <= ' ' || *line.at >= 0x7f)
			return false;
	return true;
}

static void
sasl_message(struct imap_ctx *c, struct imap_flight *flight, const struct line_slice *line) {
	struct sasl *sasl = flight->args;

	if (flight->flags & FLIGHT_BROKEN)
		return;
	// A cut message must not be half decoded: what it says is not known.
	if (line->is_cut)
		sasl->is_bad = true;
	else if (sasl_client(sasl, line->data, line->size, password_hash, c->s) < 0)
		flight->flags |= FLIGHT_BROKEN;
}

static void
login_outcome(struct imap_ctx *c, struct imap_flight *flight, enum login_outcome outcome) {
	struct sasl *sasl = flight->args;
	bool is_known = sasl != NULL && !sasl->is_bad && !(flight->flags & FLIGHT_BROKEN);

	if (sasl != NULL && sasl->is_bad && sasl->mechanism != SASL_LOGIN_COMMAND)
		session_event(c->s, EVENT_bad_base64);
	session_login(
		c->s,
		outcome,
		sasl != NULL ? sasl->mechanism : SASL_NONE,
		is_known && sasl->name_size > 0 ? sasl->name : NULL,
		is_known ? sasl->name_size : 0,
		is_known ? sasl->password_hash : 0,
		c->now_ns
	);
}

static void login_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	login_outcome(c, flight, LOGIN_SUCCESS);
}

// A refusal before anything was said, or a cancelled exchange, is no attempt.
static void login_no(struct imap_ctx *c, struct imap_flight *flight) {
	const struct sasl *sasl = flight->args;

	if (sasl != NULL && sasl->n_messages > 0 && !(flight->flags & FLIGHT_BROKEN))
		login_outcome(c, flight, LOGIN_FAILURE);
}

// ---- SELECT, EXAMINE, CLOSE

// A list where a name belongs is no name: neither of its parentheses, nor what they hold.
static bool is_name(const struct imap_token *arg) {
	return arg->depth == 0 && arg->kind != TOKEN_OPEN && arg->kind != TOKEN_CLOSE;
}

static void
select_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_select *select = flight->args;

	if (flight->n_args == 0 && is_name(arg))
		select->name = name_take(c, arg, &select->name_size);
}

static void select_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_cursor code;
	bool is_examine = flight->command == IMAP_EXAMINE || imap_code_is(text, "READ-ONLY", &code);

	imap_mailbox_unselect(c);
	if (flight->args != NULL && ((struct imap_select *)flight->args)->name != NULL)
		imap_mailbox_select(c, flight->args, is_examine ? IMAP_EXAMINED : IMAP_SELECTED);
}

// A mailbox that cannot be opened leaves none selected (RFC 9051 6.3.2).
static void select_no(struct imap_ctx *c, struct imap_flight *flight) {
	imap_mailbox_unselect(c);
}

static void unselect_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	imap_mailbox_unselect(c);
}

// Expunges what is marked, and does not say what (RFC 9051 6.4.1); EXAMINE keeps it.
static void close_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	const struct imap_mailbox *mailbox = imap_selected(c);

	if (mailbox != NULL && mailbox->mode == IMAP_SELECTED)
		imap_expunge_count(c, imap_deleted_count(c));
	imap_mailbox_unselect(c);
}

// ---- APPEND, REPLACE

// Where the mailbox name stands: REPLACE has a message number in front (RFC 8508).
static unsigned append_name_at(const struct imap_flight *flight) {
	return flight->command == IMAP_APPEND ? 0 : 1;
}

static void
append_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_append *append = flight->args;

	if (flight->n_args == append_name_at(flight) && is_name(arg))
		append->name = name_take(c, arg, &append->name_size);
	else if (imap_token_is(arg, "CATENATE") || imap_token_is(arg, "UTF8"))
		append->is_parts = true;
	else if (arg->kind == TOKEN_CLOSE && arg->depth == 0 && append->is_parts)
		append->n++, append->is_parts = false;
}

static void append_literal(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = flight->args;

	if (!append->is_parts)
		append->n++;
	append->is_due = true;
}

static void append_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_append *append = flight->args;
	struct activity_mailbox *activity;
	struct imap_cursor args;
	uint32_t uidvalidity = 0;

	c->imap->facts.n_append += append->n;
	c->imap->facts.append_bytes += append->bytes;
	if (append->name == NULL)
		return;
	if (imap_code_is(text, "APPENDUID", &args))
		imap_number(&args, &uidvalidity);
	activity = imap_activity_named(c, append->name, uidvalidity, 0, false);
	activity->append += append->n;
}

// ---- ID, ENABLE, SETACL

// Dovecot's proxies say in ID, before the login, who their client is.
static void id_origin(struct imap_id *id, const uint8_t *text, uint32_t size) {
	char value[INET6_ADDRSTRLEN];
	char *end;

	if (size >= sizeof(value))
		return;
	memcpy(value, text, size);
	value[size] = '\0';
	if (id->is_ip) {
		id->ip.family = strchr(value, ':') ? 6 : 4;
		if (inet_pton(id->ip.family == 6 ? AF_INET6 : AF_INET, value, id->ip.addr) != 1)
			id->ip.family = 0;
		return;
	}
	unsigned long port = strtoul(value, &end, 10);
	id->port = *end == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void id_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_id *id = flight->args;
	char *to = id->is_name ? id->name : id->is_version ? id->version : NULL;
	uint8_t text[CLIENT_ID_SIZE_MAX];
	uint32_t size;

	if (arg->depth != 1 || arg->kind == TOKEN_OPEN || arg->kind == TOKEN_CLOSE
	    || id->n >= 2 * ID_PAIRS_MAX)
		return;
	size = arg->data != NULL ? imap_token_text(arg, text, sizeof(text)) : 0;
	if (id->n++ % 2 == 0) {
		id->is_name = size == 4 && strncasecmp((char *)text, "name", 4) == 0;
		id->is_version = size == 7 && strncasecmp((char *)text, "version", 7) == 0;
		id->is_ip = size == 16 && strncasecmp((char *)text, "x-originating-ip", 16) == 0;
		id->is_port
			= size == 18 && strncasecmp((char *)text, "x-originating-port", 18) == 0;
	} else if (id->is_ip || id->is_port) {
		id_origin(id, text, size);
	} else if (to != NULL && !imap_token_is(arg, "NIL")) {
		imap_utf8_clean(to, CLIENT_ID_SIZE_MAX + 1, text, size);
	}
}

static void id_complete(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap *facts = &c->imap->facts;
	struct imap_id *id = flight->args;
	size_t name = strlen(id->name), version = strlen(id->version);
	size_t size = name + (version > 0) + version;
	char *text;

	// Servers listen to it only until somebody has logged in.
	if (id->ip.family && c->s->login != LOGIN_SUCCESS)
		session_real_client(c->s, &id->ip, id->port, SESSION_HOW_IMAP_ID);
	if (name == 0)
		return;
	if (size > CLIENT_ID_SIZE_MAX)
		size = name, version = 0;
	text = slab_get(session_slab(c->s), size + 1);
	if (text == NULL) {
		session_event(c->s, EVENT_memory_full);
		return;
	}
	memcpy(text, id->name, name);
	if (version > 0) {
		text[name] = ' ';
		memcpy(text + name + 1, id->version, version);
	}
	text[size] = '\0';
	slab_put(session_slab(c->s), facts->client_id, facts->client_id_size);
	facts->client_id = text;
	facts->client_id_size = size + 1;
}

static void
enable_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	if (imap_token_is(arg, "UTF8=ACCEPT") || imap_token_is(arg, "IMAP4rev2"))
		flight->skip = 1;
}

static void enable_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	c->imap->is_utf8 |= flight->skip;
}

static void
setacl_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_acl *acl = flight->args;
	uint8_t text[ACCOUNT_SIZE - 1];

	if (flight->n_args == 1 && arg->data != NULL)
		imap_utf8_clean(
			acl->who, sizeof(acl->who), text, imap_token_text(arg, text, sizeof(text))
		);
}

static void setacl_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity *activity = session_activity(c->s, c->now_ns);
	struct imap_acl *acl = flight->args;

	if (activity->n_acl == ACTIVITY_ACL_MAX) {
		session_activity_flush(c->s, c->now_ns);
		activity = session_activity(c->s, c->now_ns);
	}
	memcpy(activity->acl[activity->n_acl++], acl->who, sizeof(acl->who));
}

// ---- FETCH, STORE, SEARCH, COPY, MOVE

// Parts that set \Seen (RFC 9051 6.4.5): BODY[…], BINARY[…], RFC822 and RFC822.TEXT.
static void
fetch_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_cursor text;

	if (flight->n_args == 0 || arg->kind != TOKEN_ATOM)
		return;
	text = (struct imap_cursor){arg->data, arg->data + arg->size};
	if (imap_text_starts(text, "BODY[") || imap_text_starts(text, "BINARY[")
	    || imap_token_is(arg, "RFC822") || imap_token_is(arg, "RFC822.TEXT"))
		flight->flags |= FLIGHT_SEEN;
}

static void
search_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	imap_search_arg(flight, arg);
}

static void search_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	c->imap->facts.n_search++;
	if (activity == NULL)
		return;
	activity->search.text += (flight->search & SEARCH_TEXT) != 0;
	activity->search.header += (flight->search & SEARCH_HEADER) != 0;
	activity->search.flag += (flight->search & SEARCH_FLAG) != 0;
	activity->search.date += (flight->search & SEARCH_DATE) != 0;
}

static void
store_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_store *store = flight->args;
	const struct imap_mailbox *mailbox = imap_selected(c);
	struct imap_cursor text;
	uint32_t star = UINT32_MAX;

	if (mailbox != NULL && flight->command == IMAP_STORE)
		star = mailbox->exists;
	if (arg->kind != TOKEN_ATOM)
		return;
	text = (struct imap_cursor){arg->data, arg->data + arg->size};
	if (flight->n_args == 0) {
		while (store->n < IMAP_STORE_RANGES_MAX
		       && imap_set_next(&text, star, &store->ranges[store->n]) == 1)
			store->n++;
	} else if (store->is_flags) {
		store->is_deleted |= imap_token_is(arg, "\\Deleted");
	} else {
		if (text.at < text.end && (*text.at == '+' || *text.at == '-'))
			store->sign = *text.at++;
		store->is_flags = imap_text_starts(text, "FLAGS");
		store->is_silent = imap_text_starts(text, "FLAGS.SILENT");
	}
}

// A server told to be silent does not say which messages are marked now: the command does.
static void store_mark(struct imap_ctx *c, const struct imap_flight *flight) {
	const struct imap_store *store = flight->args;

	if (!store->is_silent || (store->sign != 0 && !store->is_deleted))
		return;
	for (int i = 0; i < store->n; i++)
		imap_deleted_mark(
			c,
			flight->command == IMAP_UID_STORE,
			store->ranges[i],
			store->is_deleted && store->sign != '-'
		);
}

static void
uid_expunge_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	if (flight->n_args == 0)
		store_arg(c, flight, arg);
}

static void expunge_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	const struct imap_store *store = flight->args;

	if (flight->command == IMAP_EXPUNGE)
		imap_deleted_forget(c);
	for (int i = 0; store != NULL && i < store->n; i++)
		imap_deleted_mark(c, true, store->ranges[i], false);
}

static void store_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	c->imap->facts.n_store++;
	store_mark(c, flight);
	if (activity != NULL)
		activity->store++;
}

static void copy_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	c->imap->facts.n_copy++;
	if (activity != NULL)
		activity->copy++;
}

static void move_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	c->imap->facts.n_move++;
	if (activity != NULL)
		activity->move++;
}

// ---- STARTTLS, COMPRESS, LOGOUT

// What the client sent behind STARTTLS came in clear, from anybody: a careful server discards it
// (RFC 9051 6.2.1), a careless one runs it later as if it had been protected. Neither is an access.
static void starttls_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct imap_busy *busy = c->imap->busy;
	struct imap_flight *behind;

	c->imap->facts.is_starttls = true;
	c->imap->is_tls_next = true;
	if (c->imap->flights != NULL || busy->command != NULL
	    || !line_is_start(&busy->side[STREAM_CLIENT].line))
		session_event(c->s, EVENT_starttls_injection);
	if (busy->command != NULL && (busy->command->flags & FLIGHT_UNLISTED))
		imap_flight_free(c, busy->command);
	busy->command = NULL;
	while ((behind = c->imap->flights) != NULL) {
		imap_flight_unlink(c, behind);
		imap_flight_free(c, behind);
	}
	line_reset(&busy->side[STREAM_CLIENT].line, session_slab(c->s));
	busy->side[STREAM_CLIENT].is_inside = false;
	c->imap->place[STREAM_CLIENT] = PLACE_LINE;
}

static void compress_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	c->imap->facts.is_compressed = true;
	session_deafen(c->s, EVENT_compressed);
}

static void logout_complete(struct imap_ctx *c, struct imap_flight *flight) {
	c->imap->facts.is_logout = true;
}

static const struct verb verbs[IMAP_COMMANDS] = {
	[IMAP_LOGIN] = {sizeof(struct sasl), KEEP_VALUE, login_arg, NULL, login_ok, login_no},
	[IMAP_AUTHENTICATE]
	= {sizeof(struct sasl), KEEP_NOTHING, authenticate_arg, NULL, login_ok, login_no},
	[IMAP_SELECT]
	= {sizeof(struct imap_select), KEEP_VALUE, select_arg, NULL, select_ok, select_no},
	[IMAP_EXAMINE]
	= {sizeof(struct imap_select), KEEP_VALUE, select_arg, NULL, select_ok, select_no},
	[IMAP_CLOSE] = {.ok = close_ok},
	[IMAP_UNSELECT] = {.ok = unselect_ok},
	[IMAP_UNAUTHENTICATE] = {.ok = unselect_ok},
	[IMAP_APPEND] = {sizeof(struct imap_append), KEEP_VALUE, append_arg, NULL, append_ok, NULL},
	[IMAP_REPLACE]
	= {sizeof(struct imap_append), KEEP_VALUE, append_arg, NULL, append_ok, NULL},
	[IMAP_UID_REPLACE]
	= {sizeof(struct imap_append), KEEP_VALUE, append_arg, NULL, append_ok, NULL},
	[IMAP_ID] = {sizeof(struct imap_id), KEEP_VALUE, id_arg, id_complete, NULL, NULL},
	[IMAP_ENABLE] = {.arg = enable_arg, .ok = enable_ok},
	[IMAP_SETACL] = {sizeof(struct imap_acl), KEEP_VALUE, setacl_arg, NULL, setacl_ok, NULL},
	[IMAP_FETCH] = {.arg = fetch_arg},
	[IMAP_UID_FETCH] = {.arg = fetch_arg},
	[IMAP_SEARCH] = {.arg = search_arg, .ok = search_ok},
	[IMAP_UID_SEARCH] = {.arg = search_arg, .ok = search_ok},
	[IMAP_SORT] = {.arg = search_arg, .ok = search_ok},
	[IMAP_UID_SORT] = {.arg = search_arg, .ok = search_ok},
	[IMAP_THREAD] = {.arg = search_arg, .ok = search_ok},
	[IMAP_UID_THREAD] = {.arg = search_arg, .ok = search_ok},
	[IMAP_STORE] = {sizeof(struct imap_store), KEEP_NOTHING, store_arg, NULL, store_ok, NULL},
	[IMAP_UID_STORE]
	= {sizeof(struct imap_store), KEEP_NOTHING, store_arg, NULL, store_ok, NULL},
	[IMAP_EXPUNGE] = {.ok = expunge_ok},
	[IMAP_UID_EXPUNGE]
	= {sizeof(struct imap_store), KEEP_NOTHING, uid_expunge_arg, NULL, expunge_ok, NULL},
	[IMAP_COPY] = {.ok = copy_ok},
	[IMAP_UID_COPY] = {.ok = copy_ok},
	[IMAP_MOVE] = {.ok = move_ok},
	[IMAP_UID_MOVE] = {.ok = move_ok},
	[IMAP_STARTTLS] = {.ok = starttls_ok},
	[IMAP_COMPRESS] = {.ok = compress_ok},
	[IMAP_LOGOUT] = {.complete = logout_complete},
};

// ---- What a command's arguments own

static bool is_append(const struct imap_flight *flight) {
	return verbs[flight->command].arg == append_arg;
}

void imap_args_free(struct imap_ctx *c, struct imap_flight *flight) {
	struct slab *slab = session_slab(c->s);

	if (flight->args == NULL)
		return;
	if (verbs[flight->command].arg == select_arg) {
		struct imap_select *select = flight->args;
		slab_put(slab, select->name, select->name_size);
	} else if (is_append(flight)) {
		struct imap_append *append = flight->args;
		content_close(append->content, c->now_ns);
		slab_put(slab, append->name, append->name_size);
	}
	slab_put(slab, flight->args, verbs[flight->command].args_size);
	flight->args = NULL;
}

void imap_command_end(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_append *append = flight->args;

	if (!is_append(flight) || append == NULL)
		return;
	content_close(append->content, c->now_ns);
	append->content = NULL;
}

// ---- The first line

// tag = 1*<any ASTRING-CHAR except "+">
static bool is_tag(const uint8_t *tag, size_t size) {
	for (size_t i = 0; i < size; i++)
		if (tag[i] <= ' ' || tag[i] >= 0x7f || memchr("(){%*\"\\+", tag[i], 8) != NULL)
			return false;
	return size > 0;
}

static enum imap_command command_lookup(const uint8_t *name, size_t size, size_t skip) {
	for (int i = IMAP_OTHER + 1; i < IMAP_COMMANDS; i++)
		if (strncmp(names[i], "UID ", 4) == 0 ? skip == 4 : skip == 0)
			if (strlen(names[i] + skip) == size
			    && strncasecmp(names[i] + skip, (const char *)name, size) == 0)
				return i;
	return IMAP_OTHER;
}

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
		*command = command_lookup(name.data, name.size, 0);
	else if (imap_token_next(line, &name) == 1)
		*command = command_lookup(name.data, name.size, 4);
	return true;
}

bool imap_client_is_sure(struct imap_cursor line) {
	enum imap_command command;
	struct imap_cursor tag;

	return command_parse(&line, &tag, &command) && command != IMAP_OTHER
		&& (line.at == line.end || *line.at == ' ');
}

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
	if (slab_grow(
		    session_slab(c->s),
		    &block,
		    &size,
		    (facts->n_commands + 1) * sizeof(*facts->commands),
		    false
	    )
	    < 0) {
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
	struct imap_flight *flight = slab_get(session_slab(c->s), sizeof(*flight) + kept);
	uint16_t args_size = verbs[command].args_size;

	if (flight == NULL)
		return NULL;
	flight->command = command;
	flight->tag_size = size;
	memcpy(flight->tag, tag.at, kept);
	flight->args = args_size > 0 ? slab_get(session_slab(c->s), args_size) : NULL;
	if (args_size > 0 && flight->args == NULL) {
		imap_flight_free(c, flight);
		return NULL;
	}
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
	if (verbs[flight->command].arg != NULL)
		verbs[flight->command].arg(c, flight, token);
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

static enum imap_keep literal_keep(struct imap_ctx *c, struct imap_flight *flight) {
	if (c->imap->busy->side[STREAM_CLIENT].n_literals == IMAP_LITERALS_PER_COMMAND_MAX
	    || (flight->flags & FLIGHT_BROKEN))
		return KEEP_NOTHING;
	if (!is_append(flight) || flight->n_args <= append_name_at(flight))
		return verbs[flight->command].keep;
	append_literal(c, flight);
	return KEEP_CONTENT;
}

static void command_complete(struct imap_ctx *c) {
	struct imap_busy *busy = c->imap->busy;
	struct imap_flight *flight = busy->command;

	busy->command = NULL;
	flight->flags |= FLIGHT_COMPLETE;
	if (verbs[flight->command].complete != NULL && !(flight->flags & FLIGHT_BROKEN))
		verbs[flight->command].complete(c, flight);
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
		imap_literal_begin(
			c,
			STREAM_CLIENT,
			literal,
			flight != NULL ? literal_keep(c, flight) : KEEP_NOTHING
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
	if (last != NULL && last->command == IMAP_AUTHENTICATE && is_sasl_message(text)) {
		sasl_message(c, last, line);
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
		if (command_parse(&text, &tag, &command)) {
			command_count(c, command);
			busy->command = command_open(c, tag, command);
			if (busy->command == NULL)
				session_event(c->s, EVENT_memory_full);
		} else {
			session_event(c->s, EVENT_bad_syntax);
		}
	}
	if (busy->command != NULL)
		command_args(c, busy->command, text, line->is_cut);
	line_end(c, &literal, has_literal);
}

void imap_client_content(struct imap_ctx *c, const uint8_t *data, size_t size) {
	struct imap_flight *flight = c->imap->busy->command;
	struct imap_append *append;

	if (flight == NULL || !is_append(flight))
		return;
	append = flight->args;
	if (append->is_due) { // not before: the server may refuse it
		append->content = content_open(c->s, CONTENT_APPENDED);
		append->is_due = false;
	}
	append->bytes += size;
	if (data != NULL)
		content_data(append->content, data, size);
	else
		content_gap(append->content, size);
}

void imap_client_literal_end(struct imap_ctx *c, const struct imap_token *value) {
	struct imap_flight *flight = c->imap->busy->command;
	struct imap_token token = *value;

	if (flight == NULL)
		return;
	imap_command_end(c, flight);
	command_arg(c, flight, &token);
}

// ---- Its answer

bool imap_code_is(struct imap_cursor text, const char *code, struct imap_cursor *args) {
	size_t size = strlen(code);

	if (text.at >= text.end || *text.at != '[')
		return false;
	text.at++;
	if (!imap_text_starts(text, code))
		return false;
	text.at += size;
	if (text.at >= text.end || (*text.at != ' ' && *text.at != ']'))
		return false;
	if (*text.at == ' ')
		text.at++;
	*args = text;
	return true;
}

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
	const struct verb *verb = &verbs[flight->command];

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
		verb->no(c, flight);
	imap_flight_free(c, flight);
}
