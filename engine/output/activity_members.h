// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the writer and the reader of activity lines must agree on: names of members and values.

#pragma once

#include "activity.h"
#include "networks.h"

#include <stddef.h>

struct member {
	const char *name;
	size_t offset; // of a uint32_t
};

static const struct member mailbox_numbers[] = {
	{"uidvalidity", offsetof(struct activity_mailbox, uidvalidity)},
	{"uidnext", offsetof(struct activity_mailbox, uidnext)},
	{"peek", offsetof(struct activity_mailbox, peek)},
	{"dated", offsetof(struct activity_mailbox, dated)},
	{"old", offsetof(struct activity_mailbox, old)},
	{"store", offsetof(struct activity_mailbox, store)},
	{"move", offsetof(struct activity_mailbox, move)},
	{"copy", offsetof(struct activity_mailbox, copy)},
	{"append", offsetof(struct activity_mailbox, append)},
	{"delete", offsetof(struct activity_mailbox, expunge)},
};

static const struct member search_numbers[] = {
	{"text", offsetof(struct activity_mailbox, search.text)},
	{"header", offsetof(struct activity_mailbox, search.header)},
	{"flag", offsetof(struct activity_mailbox, search.flag)},
	{"date", offsetof(struct activity_mailbox, search.date)},
};

static const char *const protocol_names[] = {
	[ACTIVITY_IMAP] = "imap",
	[ACTIVITY_SMTP] = "smtp",
	[ACTIVITY_POP3] = "pop3",
	[ACTIVITY_SIEVE] = "sieve",
	[ACTIVITY_LMTP] = "lmtp",
	[ACTIVITY_TLS] = "tls",
};

static const char *const mode_names[] = {"select", "examine"};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))
