// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The SMTP parser's own state, shared by its files: smtp.c (bytes in, states), smtp_command.c (the
// client's lines), smtp_data.c (message content), smtp_reply.c (the server's lines, and what they
// decide), smtp_message.c (envelopes and messages).
//
// The server's reply decides what the client's bytes were. Commands whose reply only says yes or no go
// into a ring and take effect when answered. After DATA, AUTH and STARTTLS the reply decides how the next
// bytes are read: the client's side waits, and bytes that come before the reply are held (bounded) until
// it is there. The same holds before the greeting. So facts follow from the order of the bytes of each
// direction and of replies against commands, never from how the bytes are cut.

#pragma once

#include "limits.h"
#include "proto/line.h"
#include "proto/sasl.h"
#include "proto/smtp/smtp.h"
#include "session.h"

struct content;

enum smtp_verb {
	SMTP_NOTHING,
	SMTP_GREETING, // what the client waits for at first
	SMTP_HELLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_DATA_END, // the final dot, which is answered like a command
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_AUTH,
	SMTP_STARTTLS,
	SMTP_QUIT,
	SMTP_XCLIENT,
	SMTP_XFORWARD,
	SMTP_ETRN,
	SMTP_BURL,
	SMTP_OTHER,
	SMTP_UNKNOWN, // also an empty line: servers answer it
};

enum smtp_client {
	SMTP_CLIENT_WAIT, // for the reply to ->waiting; bytes are held
	SMTP_CLIENT_COMMAND, // a command line comes
	SMTP_CLIENT_LOST, // after a hole: looking for a sure command line
	SMTP_CLIENT_AUTH, // after 334: a line of the exchange comes
	SMTP_CLIENT_DATA, // after 354: content up to the final dot
	SMTP_CLIENT_CHUNK, // after BDAT: chunk_left octets of content
	SMTP_CLIENT_TLS, // after 220 to STARTTLS: the next bytes decide
};

// A command sent and not yet answered.
struct smtp_pending {
	uint8_t verb;
	bool is_last; // BDAT LAST
	bool is_holed; // BDAT: octets of the chunk are missing
	bool is_lhlo, is_ehlo;
	uint32_t n_replies; // still to come; more than one only at the end of LMTP's data
	uint64_t size; // of a BDAT chunk
	// MAIL, RCPT: the address; NULL when it was not exact. XCLIENT, XFORWARD: the attributes.
	struct smtp_text text;
	struct mime_summary *content; // BDAT LAST: what the message was, NULL: not known
};

// Client bytes that are kept to be read later.
struct smtp_held {
	uint8_t *data;
	uint32_t cap, size;
	uint32_t at; // before it all has been read
};

// Where, inside DATA. A line here ends with CR LF, or with CR or LF alone for receivers that are not strict.
enum smtp_data_state {
	SMTP_DATA_START, // at the beginning of a line
	SMTP_DATA_NUL, // only NUL so far
	SMTP_DATA_DOT, // a dot, and NUL
	SMTP_DATA_DOT_CR, // and CR
	SMTP_DATA_TEXT, // in the middle
	SMTP_DATA_TEXT_CR,
};

enum { SMTP_ENDS_MAX = 4 };

// The other reading: a lone dot was seen that some servers take as the end. What follows it is kept, up
// to SMTP_HELD_SIZE_MAX, until the replies tell what this server took it for.
struct smtp_shadow {
	struct smtp_held after; // all client bytes since the first such dot
	bool is_cut; // more came than is kept
	bool is_answered; // the strict end was seen and has been answered
	uint8_t n_ends;
	struct {
		uint32_t at; // in after
		uint64_t bytes; // of the message up to there
	} ends[SMTP_ENDS_MAX];
};

struct smtp_parser {
	struct smtp facts; // first: what record.c sees

	struct session *session;
	uint64_t now_ns; // of the bytes being read
	struct line lines[2]; // by enum stream_dir
	struct smtp_held held;
	uint64_t gap_held; // size of a hole behind the bytes held, 0: none

	uint8_t client; // enum smtp_client
	uint8_t waiting; // enum smtp_verb
	bool is_assumed; // the server is not seen at all: commands count as accepted
	bool is_given_up; // the server has said so unasked, as it does before it closes
	bool is_unsure; // after a hole: replies may belong to commands not seen
	bool has_server; // anything of it has been seen
	uint8_t offers; // of the server's last list (proto/offer.h), 0: none seen
	uint8_t offers_now; // of the one that comes
	bool is_coming; // the bytes being read are the client's as they come, and were not held
	bool is_tls_byte; // 0x16 has been seen, waiting for 0x03
	bool is_refused_tls; // STARTTLS was refused: S16

	uint16_t reply_code; // of the lines of the reply so far, 0 between replies
	uint16_t reply_lines;

	struct smtp_pending *ring;
	uint16_t ring_cap, ring_head, n_pending;
	uint32_t n_overflow; // further commands that are only counted
	uint32_t n_owed; // replies still to come to what was given up: before all others

	struct smtp_message *envelope; // what MAIL and RCPT have built up, NULL: nothing
	struct smtp_message *spare; // the open message when it is not listed
	bool is_open; // a message is offered and not final
	bool is_open_listed;
	uint32_t n_prdr; // replies for one recipient each that still come (PRDR)
	uint16_t lmtp_at; // recipient the next final reply is about

	struct content *content;
	uint8_t data_state; // enum smtp_data_state
	uint8_t data_term; // what ended the line before: '\r', '\n', or both as 0
	bool data_is_odd; // NUL beside the dot
	bool data_is_answered; // the final reply came before the end was seen
	bool data_is_assumed; // content began without a reply to DATA
	bool is_end_doubtful; // a lone dot was the end for some, and nothing has come behind it
	bool is_empty_behind; // but an empty line, which has no answer yet
	struct smtp_shadow *shadow;

	uint64_t chunk_left;
	bool chunk_is_last;

	struct sasl *sasl; // while an exchange goes on
	bool sasl_is_cancelled;
};

// ---- smtp.c

// Keeps bytes; returns how many (fewer when the limit or the slab is reached).
size_t
smtp_held_add(struct smtp_parser *p, struct smtp_held *held, const uint8_t *data, size_t size);
void smtp_held_free(struct smtp_parser *p, struct smtp_held *held);
// The client stops reading until the reply to verb.
void smtp_wait(struct smtp_parser *p, enum smtp_verb verb);
// The wait is over: what is held, and what comes, is read in that state. The caller of both sides' lines
// reads what is held, once the line is done with.
void smtp_resume(struct smtp_parser *p, enum smtp_client client);
// Reads what is held and then data, unless the client waits; then data is held, too. For smtp_reply.c,
// when the server turns out to have read the client's bytes in another way.
void smtp_client_read(struct smtp_parser *p, const uint8_t *data, size_t size);

// ---- smtp_command.c

// One line of the client, in the states COMMAND, LOST and AUTH.
void smtp_command_line(struct smtp_parser *p, const struct line_slice *line);
// Whether a line stands at data that is a command from its beginning to its end.
bool smtp_command_is_sure(const uint8_t *data, size_t size);
// Finds the address in the argument of MAIL FROM: or RCPT TO: (the colon gone). 1: *size_r bytes at
// *address_r, without angle brackets and source route, size 0 for <>; -1: not exactly an address.
int smtp_address(const uint8_t *arg, size_t arg_size, const uint8_t **address_r, size_t *size_r);

// ---- smtp_data.c

// Content begins.
void smtp_data_begin(struct smtp_parser *p);
// Content bytes. Returns how many are read: all, or up to the end of data or a doubtful one.
size_t smtp_data_read(struct smtp_parser *p, const uint8_t *data, size_t size);
// A reply has come: a lone dot and CR, on which nothing has followed yet, may be the end.
void smtp_data_doubt(struct smtp_parser *p);
void smtp_data_gap(struct smtp_parser *p, uint64_t size);
// Octets of a BDAT chunk. Returns how many are read.
size_t smtp_chunk_read(struct smtp_parser *p, const uint8_t *data, size_t size);
// A chunk of size octets comes.
void smtp_chunk_begin(struct smtp_parser *p, uint64_t size, bool is_last);
// size ≤ chunk_left octets of it are missing.
void smtp_chunk_gap(struct smtp_parser *p, uint64_t size);
void smtp_content_close(struct smtp_parser *p);
void smtp_shadow_free(struct smtp_parser *p);

// ---- smtp_reply.c

// One line of the server.
void smtp_reply_line(struct smtp_parser *p, const struct line_slice *line);
// A command was sent: it waits for its reply. The text is taken over.
void smtp_pending_add(struct smtp_parser *p, const struct smtp_pending *pending);
void smtp_pending_clear(struct smtp_parser *p);
// The newest, or NULL.
struct smtp_pending *smtp_pending_last(struct smtp_parser *p);
// Replies were lost: what waits for one counts as accepted.
void smtp_reply_gap(struct smtp_parser *p);
// The reply will not come: goes on as if it had been good.
void smtp_assume(struct smtp_parser *p);
// The exchange going on will not be answered any more.
void smtp_auth_unanswered(struct smtp_parser *p);
// Tells the outcome of the exchange, unless nothing was said in it or the client took it back.
void smtp_auth_tell(struct smtp_parser *p, enum login_outcome outcome);

// ---- smtp_message.c

// A copy in the slab; text NULL when that is full.
struct smtp_text smtp_text_copy(struct smtp_parser *p, const uint8_t *data, size_t size);
void smtp_text_free(struct smtp_parser *p, struct smtp_text *text);
// MAIL was accepted; from is taken over. RCPT was; to is taken over.
void smtp_envelope_open(struct smtp_parser *p, struct smtp_text *from);
void smtp_envelope_add(struct smtp_parser *p, struct smtp_text *to);
void smtp_envelope_reject(struct smtp_parser *p);
void smtp_envelope_reset(struct smtp_parser *p);
// The envelope becomes a message that is offered.
void smtp_message_begin(struct smtp_parser *p, bool is_bdat);
// The one offered now, or NULL.
struct smtp_message *smtp_message_open(struct smtp_parser *p);
// Its final reply. In LMTP one of several.
void smtp_message_reply(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size);
// No more is to come for it: activity when it was accepted.
void smtp_message_end(struct smtp_parser *p);
// What the content of the open message was; taken over, and set to NULL. Accepts NULL.
void smtp_message_content(struct smtp_parser *p, struct mime_summary **content);
void smtp_summary_free(struct smtp_parser *p, struct mime_summary **content);
// It was none after all.
void smtp_message_drop(struct smtp_parser *p);
void smtp_message_free(struct smtp_parser *p, struct smtp_message *message);

// The server has accepted XCLIENT or XFORWARD: who the client is, if the speaker is trusted. attributes:
// terminated, is taken apart.
void smtp_xclient(struct smtp_parser *p, char *attributes, bool is_forward);
