// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The POP3 parser's own state, shared by pop3.c (bytes in, the server's side, messages) and
// pop3_command.c (the client's lines, and what the replies make of them).
//
// Commands wait in a ring for their replies, which come in order (RFC 2449 section 6.6). The command, not
// the text, says what form its reply has.

#pragma once

#include "limits.h"
#include "proto/line.h"
#include "proto/pop3.h"
#include "proto/sasl.h"
#include "proto/xclient.h"
#include "session.h"

struct content;

enum pop3_reply {
	REPLY_LINE,
	REPLY_LISTING,
	REPLY_LISTING_ALL, // only when asked for all
	REPLY_MESSAGE,
};

struct pop3_pending {
	uint8_t verb; // enum pop3_verb
	bool has_arg;
	bool is_headers; // TOP n 0
	uint32_t number; // of the message; 0: none is named
	bool is_kept; // AUTH with another one behind it: what it said is in this entry
	bool is_cancelled; // it was taken back
	uint16_t name_size; // of the account named, terminated
	char *name; // PASS, APOP; the slab's
	struct sasl *sasl; // AUTH kept; NULL: it said nothing
	uint64_t password_hash;
};

enum pop3_server {
	POP3_SERVER_GREETING,
	POP3_SERVER_REPLY,
	POP3_SERVER_LISTING, // lines up to a lone dot
	POP3_SERVER_MESSAGE, // the same, kept by bytes
};

// Where in a message. Lines end with CR LF, or with LF where the server's own replies do.
enum pop3_place {
	POP3_START, // of a line
	POP3_START_LOOSE, // the line before ended with LF alone
	POP3_DOT, // the first of a line
	POP3_DOT_CR,
	POP3_DOT_LOOSE,
	POP3_TEXT,
	POP3_TEXT_CR,
};

struct pop3_parser {
	struct pop3 facts; // first: what record.c sees

	struct session *session;
	uint64_t now_ns;
	struct line lines[2]; // by enum stream_dir
	struct pop3_pending *ring;
	uint16_t ring_cap, ring_head, n_pending;
	uint32_t n_overflow; // further commands that are only counted

	uint8_t server; // enum pop3_server
	uint8_t place; // enum pop3_place
	uint8_t n_unknown; // commands in a row that are none
	bool is_top, is_headers; // the message is TOP's, and its header alone
	bool is_lf; // the server ends its lines with LF alone
	bool is_holed; // the reply being read has a hole
	uint8_t listing; // enum pop3_verb: whose it is
	uint8_t offers; // of the listing so far, then of the last one (proto/offer.h); 0: none seen
	bool is_exchange; // "+ " was seen: the client's next line is SASL's
	bool is_cancelled;
	bool is_tls_next; // +OK to STLS was seen: the client's next bytes decide

	uint16_t user_size; // of user's block
	char *user; // USER's argument, for the PASS to come
	struct sasl *sasl; // while AUTH goes on
	struct xclient claim; // of XCLIENT, until its reply
	struct content *content;
	uint64_t message_bytes;
	uint32_t number; // of the message

	struct pop3_run *runs; // which UID messages have, as UIDL told
	uint32_t runs_size;
	uint8_t n_runs;
	uint32_t uidvalidity; // 0: UIDL did not tell
};

static_assert(POP3_RUNS_MAX <= UINT8_MAX, "n_runs");

// A whole line of the client.
void pop3_command_line(struct pop3_parser *p, const struct line_slice *line);
// A whole reply line of the server, outside listings and messages.
void pop3_reply_line(struct pop3_parser *p, const struct line_slice *line);
// Forgets all commands not yet answered.
void pop3_pending_clear(struct pop3_parser *p);
void pop3_sasl_free(struct pop3_parser *p);
// The connection ends before the server has said what it thinks of a login.
void pop3_login_unanswered(struct pop3_parser *p);
void pop3_user_free(struct pop3_parser *p);

// pop3_drop.c. A line of UIDL and one of LIST, without what stands around; what follows +OK to STAT.
void pop3_uidl_line(struct pop3_parser *p, const uint8_t *at, size_t size);
void pop3_list_line(struct pop3_parser *p, const uint8_t *at, size_t size);
void pop3_stat_reply(struct pop3_parser *p, const uint8_t *at, size_t size);
// 0: not known.
uint32_t pop3_uid_of(const struct pop3_parser *p, uint32_t number);
// The mailbox in the activity, with room for one more message.
struct activity_mailbox *pop3_inbox(struct pop3_parser *p);
// The message that is over.
void pop3_message_tell(struct pop3_parser *p);
void pop3_drop_free(struct pop3_parser *p);

void pop3_message_begin(struct pop3_parser *p, const struct pop3_pending *command);
void pop3_message_end(struct pop3_parser *p);
