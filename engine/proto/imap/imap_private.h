// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The IMAP parser's own state, shared by its files and nobody else.
//
//	imap.c           both directions' bytes into lines and literals; commands in flight
//	imap_token.c     what a line consists of
//	imap_compress.c  what comes inflated
//	imap_grammar.c   whose software it is
//	imap_command.c   a client's commands: names, arguments, answers
//	imap_login.c imap_id.c imap_select.c imap_append.c imap_store.c imap_search.c imap_verb.c
//	                 what the arguments and the success of each command mean
//	imap_response.c  a server's responses
//	imap_fetch.c     FETCH responses
//	imap_envelope.c  headers that a server sums up
//	imap_part.c      parts fetched alone and in pieces
//	imap_structure.c what BODYSTRUCTURE says of them
//	imap_mailbox.c   mailboxes, messages' numbers, and what models are told of them
//	imap_deleted.c   which messages CLOSE will expunge
//	imap_name.c      mailbox names as people read them
//
// What an idle connection costs: struct imap_state, a mailbox and its name, the counters of its
// commands, and IDLE in flight; struct imap_busy only lives while something is half read.

#pragma once

#include "content.h"
#include "limits.h"
#include "proto/imap/imap.h"
#include "proto/imap/imap_part.h"
#include "proto/line.h"
#include "proto/proto.h"
#include "proto/sasl.h"
#include "proto/word.h"
#include "session_argument.h"
#include "session_files.h"
#include "session_match.h"

#include <assert.h>

// ---- Tokens

enum imap_token_kind {
	TOKEN_ATOM,
	TOKEN_STRING, // quoted: data is what stands between the quotes, escapes and all
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_LITERAL, // its octets, or data NULL when they were counted through or are lost
};

struct imap_token {
	uint8_t kind; // enum imap_token_kind
	uint16_t depth; // parentheses around it
	const uint8_t *data;
	uint32_t size;
};

struct imap_cursor {
	const uint8_t *at, *end;
};

// The end of a line that announces a literal: "{12}", "{12+}", "~{12}".
struct imap_literal {
	uint64_t size;
	uint32_t spec_size; // of the announcement
	bool is_sync; // the sender waits for a continuation
};

// 1: a token; 0: the end; -1: an unterminated string, or a NUL or CR in it.
int imap_token_next(struct imap_cursor *cursor, struct imap_token *token);
// Looks at a line's end. 1: announces a literal; 0: does not; -1: tries to, but not with a number.
int imap_literal_find(const uint8_t *line, size_t size, struct imap_literal *literal);
// Where a name belongs, a list is none: neither of its parentheses, nor what they hold.
bool imap_token_is_name(const struct imap_token *token);
// Both in any case.
static inline __attribute__((always_inline)) bool
imap_token_is(const struct imap_token *token, const char *word) {
	return token->kind == TOKEN_ATOM && token->size == strlen(word)
		&& word_is(token->data, word);
}
static inline __attribute__((always_inline)) bool
imap_text_starts(struct imap_cursor text, const char *word) {
	return word_starts(text.at, text.end, word);
}
// [CODE arguments] at the start of a response's text: arguments go to *args.
static inline __attribute__((always_inline)) bool
imap_code_is(struct imap_cursor text, const char *code, struct imap_cursor *args) {
	if (text.at >= text.end || *text.at != '[')
		return false;
	text.at++;
	if (!imap_text_starts(text, code))
		return false;
	text.at += strlen(code);
	if (text.at >= text.end || (*text.at != ' ' && *text.at != ']'))
		return false;
	text.at += *text.at == ' ';
	*args = text;
	return true;
}
// A string's or atom's bytes without escapes, at most size of them. Returns how many.
uint32_t imap_token_text(const struct imap_token *token, uint8_t *text, uint32_t size);
// A decimal number at the cursor, which moves past it; false: none. Up to UINT32_MAX; octets up to INT64_MAX.
bool imap_octets(struct imap_cursor *cursor, uint64_t *number);
bool imap_number(struct imap_cursor *cursor, uint32_t *number);
// The next range of a set ("4", "4:9", "9:4", "4:*"); * is star. 1: *range; 0: the end; -1: no set.
int imap_set_next(struct imap_cursor *cursor, uint32_t star, struct uid_range *range);

// ---- Commands in flight

enum {
	FLIGHT_UNLISTED = 1, // answered, or beyond the limit, while still being read
	FLIGHT_BROKEN = 2, // something of it is missing or wrong: its arguments say nothing
	FLIGHT_DOUBTFUL = 4, // its answer may have been in a hole
	FLIGHT_COMPLETE = 8, // its last line was read
	FLIGHT_SEEN = 16, // FETCH: asks for a part in a way that sets \Seen
	FLIGHT_EMPTIED = 32, // what its arguments owned was given back
};

enum {
	SEARCH_TEXT = 1,
	SEARCH_HEADER = 2,
	SEARCH_FLAG = 4,
	SEARCH_DATE = 8,
	SEARCH_BEGUN = 128, // SORT: behind the criteria, which have the names of keys
};

// In one block with its arguments, of the command's own struct (imap_command.c), and its tag.
struct imap_flight {
	struct imap_flight *next; // younger
	uint8_t command; // enum imap_command
	uint8_t flags; // FLIGHT_*
	uint8_t search; // SEARCH_*
	uint8_t skip; // SEARCH: arguments that are no keys, still to come
	uint16_t n_args; // so far, at depth 0; the command's name is none
	uint16_t tag_size; // as sent; IMAP_TAG_SIZE_MAX bytes are kept
};

static_assert(sizeof(struct imap_flight) == 16, "IDLE is in flight while an idle session waits");

// Of a command that has a struct of its own.
static inline void *imap_args(const struct imap_flight *flight) {
	return (void *)(flight + 1);
}

// Arguments of SELECT, EXAMINE, and what the server says of the mailbox before its tagged response.
struct imap_select {
	char *name;
	uint16_t name_size;
	uint32_t exists, uidvalidity, uidnext;
};

struct imap_append {
	char *name;
	uint16_t name_size;
	bool is_parts; // inside CATENATE or UTF8: literals are parts of a message already counted
	bool is_joined; // inside CATENATE: its texts are one message
	bool has_hole; // of which something that the server has comes here
	bool is_due; // a literal was announced, its first byte has not come
	uint32_t n;
	uint64_t bytes;
	struct content *content; // of the literal being read
};

// Arguments of STORE and UID EXPUNGE.
struct imap_store {
	uint8_t n;
	char sign; // '+', '-', or 0: the flags are replaced
	bool is_flags; // the flags come
	bool is_silent; // the server does not answer with them
	bool is_deleted; // \Deleted is one
	struct uid_range ranges[IMAP_STORE_RANGES_MAX];
};

// Arguments of FETCH.
struct imap_pieces {
	uint64_t size; // octets asked for at once: "<0.16384>"
	bool is_mixed; // not the same for all items
};

enum imap_keep {
	KEEP_NOTHING, // counted through
	KEEP_VALUE, // a token of at most IMAP_LITERAL_KEPT_MAX bytes
	KEEP_CONTENT, // of a message
};

// What every function here needs.
struct imap_ctx {
	struct session *s;
	struct imap_state *imap;
	uint64_t now_ns;
};

// What a command wants of its arguments and its answer; all may be NULL.
struct imap_verb {
	uint16_t args_size; // of its struct, 0: none
	uint8_t keep; // enum imap_keep, of literals
	void (*arg)(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg);
	// A literal was announced: what is to be kept of it, instead of keep.
	enum imap_keep (*literal)(struct imap_ctx *c, struct imap_flight *flight);
	// Its next octets where that was KEEP_CONTENT; data NULL: they are missing.
	void (*content
	)(struct imap_ctx *c, struct imap_flight *flight, const uint8_t *data, size_t size);
	// It is over, or the connection is.
	void (*end)(struct imap_ctx *c, struct imap_flight *flight);
	void (*complete)(struct imap_ctx *c, struct imap_flight *flight); // its last line was read
	void (*ok)(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text);
	void (*no)(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text);
	void (*free)(struct imap_ctx *c, struct imap_flight *flight); // what its struct owns
};

#define IMAP_COMMAND(id, name, verb) extern const struct imap_verb imap_verb_##verb;
#include "proto/imap/imap_command.def"
#undef IMAP_COMMAND

// ---- Responses

enum imap_part {
	PART_NONE, // an item that is no content
	PART_UID,
	PART_DATE,
	PART_FLAGS,
	PART_HEADER,
	PART_MIME, // a part's header: counts as a body
	PART_BODY,
	PART_STRUCTURE,
	PART_ENVELOPE,
};

// A FETCH response, from its first line to its last.
struct imap_fetch {
	bool is_open;
	bool is_broken; // nested too deeply or not the grammar: only framing goes on
	bool is_counted; // somebody was allowed to ask for it
	bool is_value; // an item's name was read, its value comes
	bool is_rest; // continues a part (partial, and not from its start)
	bool is_subset; // of a header: some of its fields
	bool is_header_lost; // some of it is missing
	bool is_section; // the section of an item's name goes on behind a literal
	bool is_peek;
	bool has_no_seq; // seq is its UID, too (UIDONLY)
	bool is_by_number; // the command asked by sequence number
	uint8_t part; // enum imap_part of the item
	bool has_date;
	bool has_flags, is_deleted;
	uint16_t depth;
	uint16_t n_literals;
	uint32_t seq, uid;
	uint32_t n_headers, n_bodies, n_rests;
	uint64_t header_bytes, body_bytes;
	int64_t date; // INTERNALDATE, seconds since 1970
	int64_t origin; // of a piece, -1: it is none
	uint64_t requested; // octets of each piece that were asked for, 0: not known
	struct imap_section section;
	struct imap_reading reading;
	struct content *listed; // a header that comes alone, for rules; NULL: none
	uint8_t envelope_at, address_at; // fields and strings of ENVELOPE so far
	struct imap_header *header; // that comes, or NULL
	struct imap_structure *structure; // likewise
};

// ---- The connection

enum imap_place {
	PLACE_LINE,
	PLACE_ANNOUNCED, // a literal that the sender may yet not send
	PLACE_LITERAL,
	PLACE_HOLE, // in the middle of a line, after a gap
	PLACE_LOST, // at the start of a line that may be anything
};

struct imap_side {
	struct line line;
	uint64_t literal_left;
	uint8_t *kept;
	uint32_t kept_cap, kept_size;
	uint8_t keep; // enum imap_keep
	bool is_kept_lost; // too long, or a hole in it
	bool is_inside; // the next line goes on with something that is only framed
	uint16_t n_literals; // of the command or response
};

// Only while something is half read. Where all lines end with their pieces that is within one call, and it
// lies on that call's stack.
struct imap_busy {
	struct imap_side side[2];
	struct imap_flight *command; // being read; in flight too unless FLIGHT_UNLISTED
	uint16_t depth; // of it
	struct session_argument argument; // of it, when it goes on behind a literal
	bool is_token; // the literal is kept for rules alone
	struct imap_fetch fetch; // last: nothing of it is set until it is open
};

// Messages seq … seq + n - 1 have UIDs uid … uid + n - 1.
struct imap_run {
	uint32_t seq, uid, n;
};

struct imap_deleted {
	uint8_t n_uids, n_seqs;
	struct uid_range uids[IMAP_DELETED_RANGES_MAX];
	struct uid_range seqs[IMAP_DELETED_RANGES_MAX];
};

// Behind facts.deeds.
struct imap_more {
	struct imap_deeds deeds; // first
	struct imap_deleted *deleted; // of the selected mailbox; NULL: none
	struct imap_compress *compress; // from COMPRESS on; NULL: none
	struct imap_parts *parts; // while mail is read in pieces; NULL: nothing is known
};

struct imap_state {
	struct imap facts; // first: who reads facts reads the state
	struct imap_flight *flights; // oldest first
	struct imap_busy *busy; // NULL: between lines in both directions
	struct imap_grammar *grammar; // while it is being learned
	union { // imap_runs(): sorted, of the selected mailbox
		struct imap_run *runs;
		struct imap_run run; // when it is the only one
	};
	uint8_t n_runs;
	uint8_t runs_cap; // 0: run
	uint8_t n_flights;
	int8_t selected; // index of the mailbox, -1: none
	uint8_t place[2]; // enum imap_place, by direction
	uint8_t offers; // of the server's last list (proto/offer.h), 0: none seen
	bool is_tls_next : 1; // STARTTLS was accepted, what follows is not seen yet
	bool is_unsure : 1; // commands may have gone by unseen
	bool is_utf8 : 1; // mailbox names are UTF-8 (RFC 6855)
	bool is_notified : 1; // the server may send parts of new messages unasked (RFC 5465)
	bool is_preauth : 1;
	bool is_greeted : 1; // the server has spoken
	bool is_asked : 1; // the client has
	bool is_switched : 1; // the bytes that follow are to be read another way
};

static_assert(sizeof(struct imap) == 64, "what an idle session costs");
static_assert(sizeof(struct imap_state) == 112, "what an idle session costs");
static_assert(sizeof(struct imap_mailbox) == 56, "what an idle session costs");
static_assert(IMAP_COMMANDS < 1 << 7, "n_commands; commands_cap is at most the next power of two");
static_assert(IMAP_MAILBOXES_MAX < 1 << 6 && 2 * IMAP_MAILBOXES_MAX < 1 << 7, "mailboxes");

static inline struct imap_run *imap_runs(struct imap_state *imap) {
	return imap->runs_cap ? imap->runs : &imap->run;
}

// NULL: there is none, and never was.
static inline struct imap_more *imap_more(const struct imap_state *imap) {
	return (struct imap_more *)imap->facts.deeds;
}

static inline struct imap_compress *imap_compress_of(const struct imap_ctx *c) {
	return imap_more(c->imap) ? imap_more(c->imap)->compress : NULL;
}

static inline struct imap_deleted *imap_deleted_of(const struct imap_ctx *c) {
	return imap_more(c->imap) ? imap_more(c->imap)->deleted : NULL;
}

static inline struct imap_parts *imap_parts_of(const struct imap_ctx *c) {
	return imap_more(c->imap) ? imap_more(c->imap)->parts : NULL;
}

// What few connections need, made when it is not there; NULL (stated) without memory.
struct imap_more *imap_more_get(struct imap_ctx *c);
// What was done, to be added to; never NULL.
struct imap_deeds *imap_deeds(struct imap_ctx *c);

// imap.c
void imap_flight_free(struct imap_ctx *c, struct imap_flight *flight);
// The oldest with this tag, or NULL.
struct imap_flight *imap_flight_find(struct imap_ctx *c, const uint8_t *tag, size_t size);
// Takes it off the list; it is the caller's then.
void imap_flight_unlink(struct imap_ctx *c, struct imap_flight *flight);
// The oldest that is one of these commands, or NULL.
struct imap_flight *
imap_flight_oldest(struct imap_ctx *c, enum imap_command a, enum imap_command b);
// Whether what the server sends was asked for by somebody it let in, as far as can be known.
bool imap_is_access(const struct imap_ctx *c);
// Reads bytes as they came, and (layer) as they came out of what they were wrapped in.
void imap_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size);
void imap_layer_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size);
// The literal that ends this line follows now (or, is_sync, when the peer agrees).
void imap_literal_begin(
	struct imap_ctx *c,
	enum stream_dir dir,
	const struct imap_literal *literal,
	enum imap_keep keep
);

// imap_command.c
void imap_client_line(struct imap_ctx *c, const struct line_slice *line);
void imap_client_content(struct imap_ctx *c, const uint8_t *data, size_t size); // NULL: missing
// The literal is over; value: what was kept, data NULL when it is not known.
void imap_client_literal_end(struct imap_ctx *c, const struct imap_token *value);
// Whether the line is beyond doubt the first of a command.
bool imap_client_is_sure(struct imap_cursor line);
// A tagged response to this command, which is freed.
void imap_command_answered(
	struct imap_ctx *c,
	struct imap_flight *flight,
	bool is_ok,
	struct imap_cursor text
);
// What its arguments own; once.
void imap_args_free(struct imap_ctx *c, struct imap_flight *flight);
uint32_t imap_args_size(const struct imap_flight *flight);
// The connection is over, or a literal: content being read is complete.
// A mailbox's name out of an argument; NULL: none, or memory_full.
char *imap_name_take(struct imap_ctx *c, const struct imap_token *arg, uint16_t *size);

// imap_compress.c
// Whether this direction's bytes belong to it.
bool imap_compress_takes(const struct imap_ctx *c, enum stream_dir dir);
void imap_compress_data(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size);
// The answer has come: reads what was held until then.
void imap_compress_settle(struct imap_ctx *c);
void imap_compress_gap(struct imap_ctx *c); // something is missing: the reading ends
void imap_compress_end(struct imap_ctx *c); // the connection is over
void imap_compress_free(struct imap_ctx *c);

// imap_id.c
// The server's answer to ID, behind "* ID ".
void imap_id_received(struct imap_ctx *c, struct imap_cursor args);
void imap_ids_free(struct imap_ctx *c);

// imap_envelope.c
// A token of ENVELOPE's value: told to rules as the header fields it was made of. A literal's octets come
// through imap_envelope_text().
void imap_envelope_token(
	struct imap_ctx *c,
	struct imap_fetch *fetch,
	const struct imap_token *token
);
void imap_envelope_text(struct imap_fetch *fetch, const uint8_t *data, size_t size);
void imap_envelope_literal_end(struct imap_fetch *fetch);
void imap_envelope_close(struct imap_ctx *c, struct imap_fetch *fetch); // whole or not

// imap_search.c
bool imap_search_is_key(const struct imap_token *arg);

// imap_grammar.c
// A command begins; name: as written.
void imap_grammar_command(
	struct imap_ctx *c,
	struct imap_cursor tag,
	enum imap_command command,
	struct imap_cursor name
);
void imap_grammar_arg(
	struct imap_ctx *c,
	const struct imap_flight *flight,
	const struct imap_token *arg
);
void imap_grammar_complete(struct imap_ctx *c, const struct imap_flight *flight);
void imap_grammar_end(struct imap_ctx *c); // the connection is over
void imap_grammar_free(struct imap_ctx *c);

// imap_login.c
// Whether a line can be part of an exchange: no command is a single word.
bool imap_is_sasl_message(struct imap_cursor line);
void imap_sasl_asked(struct imap_flight *flight); // by the server, for another message
void imap_sasl_message(
	struct imap_ctx *c,
	struct imap_flight *flight,
	const struct line_slice *line
);

// imap_response.c
void imap_server_line(struct imap_ctx *c, const struct line_slice *line);
bool imap_server_is_sure(struct imap_ctx *c, struct imap_cursor line);

// imap_fetch.c
void imap_fetch_open(struct imap_ctx *c, uint32_t number, bool is_uid);
// The rest of a line of the response, without a literal's announcement.
// is_cut: it went on beyond LINE_SIZE_MAX.
void imap_fetch_items(struct imap_ctx *c, struct imap_cursor items, bool is_cut);
// The last bytes before a literal's announcement, of a line that was cut.
void imap_fetch_cut(struct imap_ctx *c, struct imap_cursor tail);
void imap_fetch_literal(struct imap_ctx *c, const struct imap_literal *literal);
void imap_fetch_content(struct imap_ctx *c, const uint8_t *data, size_t size); // NULL: missing
void imap_fetch_literal_end(struct imap_ctx *c);
void imap_fetch_close(struct imap_ctx *c);

// imap_structure.c
struct imap_structure *imap_structure_open(struct imap_ctx *c); // or NULL
void imap_structure_token(
	struct imap_ctx *c,
	struct imap_structure *s,
	uint32_t seq,
	const struct imap_token *token
); // s: or NULL
void imap_structure_close(struct imap_ctx *c, struct imap_structure *s);

// imap_mailbox.c
struct imap_mailbox *imap_selected(struct imap_ctx *c); // or NULL
// Takes the name out of select.
void imap_mailbox_select(struct imap_ctx *c, struct imap_select *select, enum imap_mode mode);
void imap_mailbox_unselect(struct imap_ctx *c);
void imap_mailbox_exists(struct imap_ctx *c, uint32_t n);
void imap_mailbox_expunged(struct imap_ctx *c, uint32_t seq);
void imap_uid_learn(struct imap_ctx *c, uint32_t seq, uint32_t uid);
uint32_t imap_uid_of(const struct imap_ctx *c, uint32_t seq); // 0: unknown
void imap_uids_forget(struct imap_ctx *c);
// A message's parts were sent to the client.
void imap_mailbox_fetched(struct imap_ctx *c, const struct imap_fetch *fetch);
// This session has expunged n messages.
void imap_expunge_count(struct imap_ctx *c, uint64_t n);
// Where activity in the selected mailbox is noted, or NULL: none is selected.
struct activity_mailbox *imap_activity(struct imap_ctx *c);
struct activity_mailbox *imap_activity_named(
	struct imap_ctx *c,
	const char *name,
	uint32_t uidvalidity,
	uint32_t uidnext,
	bool examine
);
void imap_mailboxes_free(struct imap_ctx *c);

// imap_deleted.c
// These messages have the flag \Deleted, or have it no more.
void imap_deleted_mark(struct imap_ctx *c, bool is_uid, struct uid_range range, bool is_deleted);
void imap_deleted_expunged(struct imap_ctx *c, uint32_t seq, uint32_t uid); // uid 0: unknown
// How many messages CLOSE expunges.
uint32_t imap_deleted_count(struct imap_ctx *c);
void imap_deleted_forget(struct imap_ctx *c);

// imap_name.c
// A mailbox name from the wire as UTF-8, terminated, in a block of *size bytes; NULL: memory_full.
// What is not modified UTF-7 (or, is_utf8, UTF-8) is left as it is, other bytes are escaped.
char *imap_name_new(struct imap_ctx *c, const uint8_t *name, size_t name_size, uint16_t *size);
// Any bytes as UTF-8, what is none is escaped; terminated, at most size with the NUL. Returns the length.
size_t imap_utf8_clean(char *out, size_t size, const uint8_t *in, size_t in_size);
