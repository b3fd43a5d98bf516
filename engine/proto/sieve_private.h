// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The ManageSieve parser's own state, shared by sieve.c (bytes in, the server's side) and sieve_command.c (the
// client's lines).

#pragma once

#include "limits.h"
#include "proto/line.h"
#include "proto/sasl.h"
#include "proto/sieve.h"
#include "proto/xclient.h"
#include "session.h"
#include "session_argument.h"

struct content;

struct sieve_pending {
	uint8_t verb; // enum sieve_verb
	bool is_kept; // AUTHENTICATE with another one behind it: what it said is in this entry
	bool is_cancelled; // it was taken back
	struct sieve_targets *targets; // PUTSCRIPT: found in its script
	struct sasl *sasl; // AUTHENTICATE kept; NULL: it said nothing
};

struct sieve_parser {
	struct sieve facts; // first: what record.c sees

	struct session *session;
	uint64_t now_ns;
	struct line lines[2]; // by enum stream_dir
	uint64_t literal_left[2];
	bool is_inside[2]; // a line goes on behind a literal
	bool is_result; // the server's line began with OK, NO or BYE
	bool is_ok;
	bool is_verdict; // a refusal that judges the credentials (proto/refusal.h)
	bool is_greeted;
	bool is_list; // of capabilities, which has IMPLEMENTATION for certain
	uint8_t offers; // of the list that comes, then of the last one (proto/offer.h)
	bool is_tls_next; // OK to STARTTLS was seen: the client's next bytes decide
	bool is_cancelled;
	bool is_message; // the client's line is a message of AUTHENTICATE, and no command
	uint8_t verb; // of the client's present command
	uint8_t n_args; // strings of it so far
	uint8_t n_literals; // likewise
	uint8_t n_unknown; // commands in a row that are none

	struct sieve_pending *ring; // SIEVE_INFLIGHT_MAX of them
	uint8_t ring_head, n_pending;
	uint32_t n_overflow;

	struct sasl *sasl; // while AUTHENTICATE goes on
	struct xclient claim; // of XCLIENT, until its answer
	struct sieve_script *script; // while a script comes
	struct sieve_targets *targets;
	struct content *content; // of the script, for rules
	struct session_argument argument; // of the command, for rules
	uint8_t *text; // the argument being collected
	uint32_t text_cap, text_size;
	bool is_text_cut; // not all of it is there
};

// A whole line of the client.
void sieve_client_line(struct sieve_parser *p, const struct line_slice *line);
// Bytes of its literal, of which literal_left are still to come.
void sieve_client_literal(struct sieve_parser *p, const uint8_t *data, size_t size);
// literal = "{" number [ "+" ] "}" at the end of a line. 1: *size_r follows; 0: there is none; -1: it
// is no number.
int sieve_literal_read(const struct line_slice *line, uint64_t *size_r, bool *is_plus_r);

// These give back what is kept, wiped where it may hold a secret.
void sieve_text_free(struct sieve_parser *p);
void sieve_sasl_free(struct sieve_parser *p, struct sasl **sasl);
void sieve_targets_free(struct sieve_parser *p, struct sieve_targets **targets);
void sieve_script_free(struct sieve_parser *p);
