// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SMTP (RFC 5321), submission (6409) and LMTP (2033): what the record and the models want to know of a
// connection. The parser's own state is in smtp.c; it extends struct smtp.

#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mime_summary;

// One message that was offered up to its content. All strings are the slab's, terminated, as on the
// wire without angle brackets; NULL when absent. cap: size of the block.
struct smtp_text {
	char *text;
	uint32_t cap;
};

struct smtp_message {
	struct smtp_text from; // reverse path; "" for the null sender
	struct smtp_text *to; // forward paths the server accepted
	uint16_t n_to;
	uint16_t to_cap;
	uint32_t n_recipients; // accepted, all of them; n_to are listed
	uint32_t n_rejected; // refused by the server
	uint64_t
		bytes; // content as the receiver stores it: dot-stuffing undone, final dot not counted
	uint16_t outcome; // code of the final reply; 0: none was seen
	bool is_holed; // bytes are missing in it
	bool is_bdat;
	char enhanced[12]; // enhanced status code of the final reply (RFC 3463), or empty
	struct smtp_text queue_id; // out of the final reply, when it has one
	struct mime_summary *content; // what it was, NULL: not known
};

struct smtp {
	struct smtp_text helo; // argument of EHLO, HELO or LHLO
	bool is_lmtp, is_esmtp, is_starttls, is_quit;
	struct smtp_message *messages;
	uint16_t n_messages; // listed
	uint16_t messages_cap;
	uint32_t messages_total;
	uint32_t n_commands, n_rejected_commands;
	uint32_t n_etrn; // queues that the server agreed to run (RFC 1985)
};
