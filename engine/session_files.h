// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What was attached to the messages that a session has fetched and stored, until its next record tells it:
// a connection that waits holds nothing for longer than the interim.

#pragma once

#include "content.h"
#include "limits.h"
#include "mime/attachment.h"
#include "session.h"

struct mime_summary;

struct session_file {
	uint8_t kind; // CONTENT_FETCHED or CONTENT_APPENDED
	int8_t mailbox; // where it was fetched: index of IMAP's; −1: not known
	bool is_placed;
	uint32_t uid; // 0: not known
	struct attachment_facts *facts;
	struct attachment_text target; // mailbox where it was stored; NULL: not known
};

struct session_files {
	uint32_t n_since; // since the record before
	uint8_t n; // listed
	struct session_file file[SESSION_FILES_MAX];
};

// NULL: none.
static inline const struct session_files *session_files(const struct session *s) {
	return s->client ? s->client->files : NULL;
}

// A message is over: what was attached to it is taken out of its summary. Nothing where nobody reads records.
void session_files_take(struct session *s, enum content_kind kind, struct mime_summary *summary);
// Those of that kind that came since the last call were in this message, of this mailbox (−1: not known); or (target, of
// size bytes, not NULL) are stored there. Their place is not known without a call.
void session_files_place(
	struct session *s,
	enum content_kind kind,
	int mailbox,
	uint32_t uid,
	const char *target,
	size_t size
);
// A record has told them.
void session_files_clear(struct session *s);
