// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// IMAP4rev1 and rev2 (RFC 3501, 9051): what the record and the models want to know of a connection.
// The parser's own state is in imap.c; it extends struct imap.

#pragma once

#include "activity.h"

#include <stdbool.h>
#include <stdint.h>

// Commands that are counted by name; everything else is "other".
enum imap_command {
#define IMAP_COMMAND(id, name, verb) IMAP_##id,
#include "imap_command.def"
#undef IMAP_COMMAND
	IMAP_COMMANDS,
};

const char *imap_command_name(enum imap_command command);

struct imap_command_count {
	uint32_t command : 8; // enum imap_command
	uint32_t count : 24; // stays at its greatest value
};

enum imap_mode {
	IMAP_SELECTED,
	IMAP_EXAMINED,
};

// One mailbox that was selected and what was fetched there. Lists are the slab's.
struct imap_mailbox {
	// UTF-8, terminated, at most TEXT_CHARS_MAX characters; a short one lies here (imap_mailbox_name).
	union {
		char *name;
		char short_name[8];
	};
	uint16_t name_size; // of its block; 0: short
	uint8_t mode; // enum imap_mode, the last
	bool is_cut; // uids is not complete: IMAP_UID_RANGES_MAX, or stands for several mailboxes
	uint32_t uidvalidity, uidnext, exists;
	// Of messages whose header or body was fetched; sorted, apart; a single one lies here
	// (imap_mailbox_uids).
	union {
		struct uid_range *uids;
		struct uid_range uid;
	};
	uint16_t n_uids;
	uint16_t uids_cap; // 0: uid
	uint32_t n_bodies, n_headers, n_peek; // FETCH responses that carried one: bodies first
	uint64_t bytes; // of bodies and headers
};

static inline const char *imap_mailbox_name(const struct imap_mailbox *mailbox) {
	return mailbox->name_size ? mailbox->name : mailbox->short_name;
}

static inline const struct uid_range *imap_mailbox_uids(const struct imap_mailbox *mailbox) {
	return mailbox->uids_cap ? mailbox->uids : &mailbox->uid;
}

// What few connections do, and those that only wait never.
struct imap_deeds {
	uint32_t n_search, n_store, n_copy, n_move; // commands that succeeded
	uint32_t n_append, n_expunge; // messages; expunged by this session, not by others beside it
	uint64_t append_bytes;
};

// The facts of one connection; totals since its start.
struct imap {
	struct imap_command_count *commands; // in the order of first use
	struct imap_mailbox *mailboxes; // the one past IMAP_MAILBOXES_MAX stands for all others
	char *client_id; // "name version" out of ID (RFC 2971), UTF-8, in a block of its size; or NULL
	uint32_t n_commands : 7;
	uint32_t commands_cap : 8;
	uint32_t n_mailboxes : 6;
	uint32_t mailboxes_cap : 7;
	uint32_t is_compressed : 1, is_starttls : 1, is_logout : 1;
	uint32_t is_idle : 1; // waits in IDLE now
	uint32_t grammar; // 0: not computed yet
	// As Dovecot's logout line counts: one for each part sent in a FETCH response. Parts that
	// are header alone (HEADER, HEADER.FIELDS) are headers, all others, MIME too, are bodies;
	// NIL is none. Bytes are those of the literals.
	uint32_t header_count, body_count;
	uint64_t header_bytes, body_bytes;
	struct imap_deeds *deeds; // NULL: none
};
