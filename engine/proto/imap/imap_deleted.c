// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which messages of the selected mailbox are marked \Deleted, as far as this session can know: CLOSE
// expunges them without a word (RFC 9051 6.4.1). A message is remembered by its UID, or by its number
// when that is all that was said. Nothing is held while nothing is marked.

#include "proto/imap/imap_private.h"

#include <string.h>

// Sorted ranges, not touching.
struct set {
	struct uid_range *ranges;
	uint8_t *n;
};

static struct set set_of(struct imap_deleted *deleted, bool is_uid) {
	return is_uid ? (struct set){deleted->uids, &deleted->n_uids}
		      : (struct set){deleted->seqs, &deleted->n_seqs};
}

// Takes a range out of the set, and with is_added puts it in as one. false: no room for its pieces,
// the set is as it was.
static bool set_change(struct set set, struct uid_range range, bool is_added) {
	struct uid_range out[2 * IMAP_DELETED_RANGES_MAX + 1];
	unsigned n = 0, at = 0;

	for (; at < *set.n && set.ranges[at].first < range.first; at++) {
		out[n++] = set.ranges[at];
		if (set.ranges[at].last > range.last)
			out[n++] = (struct uid_range){range.last + 1, set.ranges[at].last};
		if (set.ranges[at].last >= range.first)
			out[n - 1 - (set.ranges[at].last > range.last)].last = range.first - 1;
	}
	if (is_added && n > 0 && out[n - 1].first > range.last)
		return true; // it lay within one
	if (is_added)
		out[n++] = range;
	for (; at < *set.n; at++) {
		if (set.ranges[at].last <= range.last)
			continue;
		out[n] = set.ranges[at];
		if (out[n].first <= range.last)
			out[n].first = range.last + 1;
		n++;
	}
	// Neighbours become one.
	for (at = 1; is_added && at < n;) {
		if (out[at - 1].last != UINT32_MAX && out[at - 1].last + 1 != out[at].first) {
			at++;
			continue;
		}
		out[at - 1].last = out[at].last;
		memmove(out + at, out + at + 1, (n - at - 1) * sizeof(*out));
		n--;
	}
	if (n > IMAP_DELETED_RANGES_MAX)
		return false;
	memcpy(set.ranges, out, n * sizeof(*out));
	*set.n = n;
	return true;
}

void imap_deleted_forget(struct imap_ctx *c) {
	if (imap_deleted_of(c) == NULL)
		return;
	slab_put(session_slab(c->s), imap_deleted_of(c), sizeof(struct imap_deleted));
	imap_more(c->imap)->deleted = NULL;
}

void imap_deleted_mark(struct imap_ctx *c, bool is_uid, struct uid_range range, bool is_deleted) {
	struct imap_deleted *deleted = imap_deleted_of(c);

	if (imap_selected(c) == NULL || range.first == 0 || (deleted == NULL && !is_deleted))
		return;
	if (deleted == NULL && imap_more_get(c) != NULL)
		deleted = imap_more(c->imap)->deleted
			= slab_get(session_slab(c->s), sizeof(*deleted));
	if (deleted == NULL) {
		session_event(c->s, EVENT_memory_full);
		return;
	}
	set_change(set_of(deleted, is_uid), range, is_deleted);
	if (deleted->n_uids == 0 && deleted->n_seqs == 0)
		imap_deleted_forget(c);
}

// Numbers above the message move down.
void imap_deleted_expunged(struct imap_ctx *c, uint32_t seq, uint32_t uid) {
	struct imap_deleted *deleted = imap_deleted_of(c);

	if (deleted == NULL)
		return;
	if (uid != 0)
		set_change(set_of(deleted, true), (struct uid_range){uid, uid}, false);
	set_change(set_of(deleted, false), (struct uid_range){seq, seq}, false);
	for (int i = 0; i < deleted->n_seqs; i++) {
		deleted->seqs[i].first -= deleted->seqs[i].first > seq;
		deleted->seqs[i].last -= deleted->seqs[i].last > seq;
	}
	if (deleted->n_uids == 0 && deleted->n_seqs == 0)
		imap_deleted_forget(c);
}

static uint64_t overlap(struct uid_range a, uint64_t first, uint64_t last) {
	uint64_t from = a.first > first ? a.first : first, to = a.last < last ? a.last : last;

	return to >= from ? to - from + 1 : 0;
}

// How many messages have these UIDs: exact where all UIDs are known, else as many as there may be.
static uint64_t uids_count(const struct imap_ctx *c, struct uid_range range, uint32_t exists) {
	uint64_t n_known = 0, n = 0;

	for (int i = 0; i < c->imap->n_runs; i++) {
		const struct imap_run *run = &imap_runs(c->imap)[i];
		n_known += run->n;
		n += overlap(range, run->uid, (uint64_t)run->uid + run->n - 1);
	}
	return n_known == exists ? n : (uint64_t)range.last - range.first + 1;
}

uint32_t imap_deleted_count(struct imap_ctx *c) {
	const struct imap_deleted *deleted = imap_deleted_of(c);
	const struct imap_mailbox *mailbox = imap_selected(c);
	uint64_t n = 0;

	if (deleted == NULL || mailbox == NULL)
		return 0;
	for (int i = 0; i < deleted->n_uids; i++)
		n += uids_count(c, deleted->uids[i], mailbox->exists);
	for (int i = 0; i < deleted->n_seqs; i++)
		n += overlap(deleted->seqs[i], 1, mailbox->exists);
	return n < mailbox->exists ? n : mailbox->exists;
}
