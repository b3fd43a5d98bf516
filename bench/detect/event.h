// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What happens in the simulation, in a form small enough to keep a day of it and to sort it, and how it
// becomes struct activity.

#pragma once

#include "person.h"

enum event_flag {
	EVENT_LOGIN = 1 << 0, // the session's first
	EVENT_END = 1 << 1,
	EVENT_IDLE = 1 << 2,
	EVENT_EXAMINE = 1 << 3,
	EVENT_PEEK = 1 << 4,
	EVENT_SCATTERED = 1 << 5, // bodies lie anywhere in first … last
	EVENT_NOBODY = 1 << 6, // the name is none of the population's
	EVENT_NEW_RECIPIENT = 1 << 7,
	EVENT_FORWARD = 1 << 8, // a sieve redirect to sink is set
	EVENT_CROSS = 1 << 9, // the mailbox is other's, in a shared namespace
	EVENT_ACL = 1 << 10, // other gave rights, or was given them
};

enum folder { FOLDER_INBOX, FOLDER_SENT, FOLDER_ARCHIVE, FOLDERS };

struct event {
	uint64_t time_ns;
	uint64_t session;
	uint64_t password; // keyed hash of a refused one
	uint32_t account, attack, campaign;
	struct place place;
	struct client client;
	uint16_t flags; // enum event_flag
	uint8_t protocol;
	uint8_t folder; // enum folder
	uint32_t uidvalidity, uidnext, old; // UIDs below old are old
	uint32_t first, last; // UIDs of the bodies, or where they are scattered
	uint32_t n_bodies; // scattered: at most ACTIVITY_RANGES_MAX
	uint32_t n_headers; // the newest
	uint32_t size; // mean of a body
	uint8_t failures;
	uint8_t search_text, search_header, search_flag;
	uint8_t store, move, copy, append, expunge;
	uint8_t n_sent, n_recipients, attachments;
	uint32_t sink; // number of the recipient or of the redirect's target
	uint32_t other; // account
	bool ja4;
};

struct sim;

// Fills the part of *activity that the event before may have left; *activity was zero at first.
// *n_old_r: how many of the bodies are old.
void event_activity(
	const struct sim *sim,
	const struct event *event,
	struct activity *activity,
	uint32_t *n_old_r
);
