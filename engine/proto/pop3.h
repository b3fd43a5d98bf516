// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// POP3 (RFC 1939, 2449, 2595, 5034): what the record and the models want to know of a connection. The
// parser's own state extends struct pop3.

#pragma once

#include <stdbool.h>
#include <stdint.h>

// Name, and what its +OK is followed by: nothing, a listing, a message. A listing where LISTING_ALL says
// so comes only without an argument.
#define POP3_COMMANDS                                                                              \
	POP3_COMMAND(OTHER, "other", REPLY_LINE)                                                   \
	POP3_COMMAND(USER, "USER", REPLY_LINE)                                                     \
	POP3_COMMAND(PASS, "PASS", REPLY_LINE)                                                     \
	POP3_COMMAND(APOP, "APOP", REPLY_LINE)                                                     \
	POP3_COMMAND(AUTH, "AUTH", REPLY_LISTING_ALL)                                              \
	POP3_COMMAND(STLS, "STLS", REPLY_LINE)                                                     \
	POP3_COMMAND(CAPA, "CAPA", REPLY_LISTING)                                                  \
	POP3_COMMAND(STAT, "STAT", REPLY_LINE)                                                     \
	POP3_COMMAND(LIST, "LIST", REPLY_LISTING_ALL)                                              \
	POP3_COMMAND(UIDL, "UIDL", REPLY_LISTING_ALL)                                              \
	POP3_COMMAND(RETR, "RETR", REPLY_MESSAGE)                                                  \
	POP3_COMMAND(TOP, "TOP", REPLY_MESSAGE)                                                    \
	POP3_COMMAND(DELE, "DELE", REPLY_LINE)                                                     \
	POP3_COMMAND(RSET, "RSET", REPLY_LINE)                                                     \
	POP3_COMMAND(NOOP, "NOOP", REPLY_LINE)                                                     \
	POP3_COMMAND(LAST, "LAST", REPLY_LINE)                                                     \
	POP3_COMMAND(UTF8, "UTF8", REPLY_LINE)                                                     \
	POP3_COMMAND(LANG, "LANG", REPLY_LISTING_ALL)                                              \
	POP3_COMMAND(XCLIENT, "XCLIENT", REPLY_LINE)                                               \
	POP3_COMMAND(QUIT, "QUIT", REPLY_LINE)

enum pop3_verb {
#define POP3_COMMAND(id, name, reply) POP3_##id,
	POP3_COMMANDS
#undef POP3_COMMAND
		POP3_VERBS,
};

struct pop3 {
	uint32_t commands[POP3_VERBS]; // sent, by enum pop3_verb
	uint32_t n_rejected; // answered with -ERR
	uint32_t n_retr, n_top; // messages sent; with dot-stuffing undone
	uint64_t retr_bytes, top_bytes;
	uint32_t n_dele; // marked, and not unmarked by RSET
	uint32_t n_expunge; // of those: gone with QUIT
	uint32_t n_drop; // messages in the maildrop, as STAT or LIST told last, and their octets
	uint64_t drop_bytes;
	bool has_drop; // they did
	bool is_stls, is_quit;
};
