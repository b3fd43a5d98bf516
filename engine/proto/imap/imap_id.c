// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// ID (RFC 2971): what a client calls itself, and whom a proxy speaks for.

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

static void id_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	struct imap_id *id = imap_args(flight);
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
	struct imap_id *id = imap_args(flight);
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
	session_token(c->s, RULE_CLIENT_ID, text, size, c->now_ns);
	if (facts->client_id != NULL)
		slab_put(session_slab(c->s), facts->client_id, strlen(facts->client_id) + 1);
	facts->client_id = text;
}

const struct imap_verb imap_verb_id = {
	.args_size = sizeof(struct imap_id),
	.keep = KEEP_VALUE,
	.arg = id_arg,
	.complete = id_complete,
};
