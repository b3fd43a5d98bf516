// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// ID (RFC 2971): what a client and a server call themselves, and whom a proxy speaks for.

#include "proto/imap/imap_private.h"

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

// One string of the list, in the order of name, value, name, value.
static void id_string(struct imap_id *id, const struct imap_token *arg) {
	char *to = id->is_name ? id->name : id->is_version ? id->version : NULL;
	uint8_t text[CLIENT_ID_SIZE_MAX];
	uint32_t size;

	if (id->n >= 2 * ID_PAIRS_MAX)
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

static void id_arg(struct imap_ctx *, struct imap_flight *flight, const struct imap_token *arg) {
	if (arg->depth == 1 && arg->kind != TOKEN_OPEN && arg->kind != TOKEN_CLOSE)
		id_string(imap_args(flight), arg);
}

// "name version", cut to CLIENT_ID_SIZE_MAX; text has room for one more. Returns its size.
static size_t id_text(const struct imap_id *id, char *text) {
	size_t name = strlen(id->name), version = strlen(id->version);

	memcpy(text, id->name, name);
	if (name > 0 && version > 0 && name + 1 + version <= CLIENT_ID_SIZE_MAX) {
		text[name++] = ' ';
		memcpy(text + name, id->version, version);
		name += version;
	}
	text[name] = '\0';
	return name;
}

void imap_ids_free(struct imap_ctx *c) {
	struct imap *facts = &c->imap->facts;

	if (facts->ids != NULL)
		slab_put(
			session_slab(c->s),
			facts->ids,
			strlen(facts->ids) + strlen(facts->ids + strlen(facts->ids) + 1) + 2
		);
	facts->ids = NULL;
}

// Both sides' in one block.
static void ids_set(struct imap_ctx *c, const char *client, const char *server) {
	size_t client_size = strlen(client) + 1, server_size = strlen(server) + 1;
	char *text = slab_get(session_slab(c->s), client_size + server_size);

	if (text == NULL) {
		session_event(c->s, EVENT_memory_full);
		return;
	}
	memcpy(text, client, client_size);
	memcpy(text + client_size, server, server_size);
	imap_ids_free(c);
	c->imap->facts.ids = text;
}

static void id_complete(struct imap_ctx *c, struct imap_flight *flight) {
	const char *server = imap_server_id(&c->imap->facts);
	struct imap_id *id = imap_args(flight);
	char text[CLIENT_ID_SIZE_MAX + 1];
	size_t size = id_text(id, text);

	// Servers listen to it only until somebody has logged in.
	if (id->ip.family && c->s->login != LOGIN_SUCCESS)
		session_real_client(c->s, &id->ip, id->port, SESSION_HOW_IMAP_ID);
	if (size == 0)
		return;
	session_token(c->s, RULE_CLIENT_ID, text, size, c->now_ns);
	ids_set(c, text, server != NULL ? server : "");
}

// id-response = "ID" SP ("NIL" / "(" list ")")
void imap_id_received(struct imap_ctx *c, struct imap_cursor args) {
	const char *client = imap_client_id(&c->imap->facts);
	char text[CLIENT_ID_SIZE_MAX + 1];
	struct imap_id id = {0};
	struct imap_token token;

	if (imap_token_next(&args, &token) != 1 || token.kind != TOKEN_OPEN)
		return;
	while (imap_token_next(&args, &token) == 1 && token.kind != TOKEN_OPEN
	       && token.kind != TOKEN_CLOSE)
		id_string(&id, &token);
	if (id_text(&id, text) > 0)
		ids_set(c, client != NULL ? client : "", text);
}

const struct imap_verb imap_verb_id = {
	.args_size = sizeof(struct imap_id),
	.keep = KEEP_VALUE,
	.arg = id_arg,
	.complete = id_complete,
};
