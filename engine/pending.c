// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "pending.h"

#include "reserve.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static_assert(ACTIVITY_PENDING_MAX <= UINT16_MAX, "free");

size_t pending_memsize(void) {
	return ACTIVITY_PENDING_MAX * sizeof(struct activity);
}

int pending_open(struct pending *pending) {
	pending->blocks = reserve_open(pending_memsize());
	if (!pending->blocks)
		return -1;
	pending->n_free = ACTIVITY_PENDING_MAX;
	for (uint32_t i = 0; i < ACTIVITY_PENDING_MAX; i++)
		pending->free[i] = (uint16_t)(ACTIVITY_PENDING_MAX - 1 - i);
	return 0;
}

void pending_close(struct pending *pending) {
	if (pending->blocks)
		reserve_close(pending->blocks, pending_memsize());
	pending->blocks = NULL;
}

struct activity *pending_take(struct pending *pending, struct session *session, uint64_t due_ns) {
	uint32_t place = pending_place(pending);
	struct activity *activity;

	assert(!pending->places[place].session && pending->n_free > 0);
	activity = &pending->blocks[pending->free[--pending->n_free]];
	pending->places[place].session = session;
	pending->places[place].activity = activity;
	pending->places[place].due_ns = due_ns;
	pending->next++;
	return activity;
}

static bool __attribute__((unused)) is_clear(const struct activity *activity) {
	const uint8_t *bytes = (const uint8_t *)activity;

	return bytes[0] == 0 && memcmp(bytes, bytes + 1, sizeof(*activity) - 1) == 0;
}

// Lists are filled from their beginning: what is behind their last element was never written.
void pending_empty(struct activity *activity) {
	memset(activity->mailboxes, 0, activity->n_mailboxes * sizeof(*activity->mailboxes));
	if (activity->n_sent)
		memset(activity->sent, 0, activity->n_sent * sizeof(*activity->sent));
	if (activity->n_forward)
		memset(activity->forward, 0, activity->n_forward * sizeof(*activity->forward));
	if (activity->n_acl)
		memset(activity->acl, 0, activity->n_acl * sizeof(*activity->acl));
	if (activity->n_matches)
		memset(activity->matches, 0, activity->n_matches * sizeof(*activity->matches));
	activity->n_mailboxes = activity->n_sent = activity->n_forward = 0;
	activity->n_acl = activity->n_matches = 0;
}

static void clear(struct activity *activity) {
	pending_empty(activity);
	memset(activity, 0, offsetof(struct activity, mailboxes));
	activity->idle = activity->ambiguous = activity->end = false;
	activity->seen = 0;
	assert(is_clear(activity));
}

void pending_give(struct pending *pending, uint32_t place) {
	struct activity *activity = pending->places[place].activity;

	clear(activity);
	pending->places[place].session = NULL;
	pending->free[pending->n_free++] = (uint16_t)(activity - pending->blocks);
}
