// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The mailboxes of a session, which message is which in the selected one, and what models are told of
// the reading.

#include "proto/imap/imap_private.h"
#include "proto/uid_ranges.h"

#include <string.h>

#define OLD_NS (30 * 86400 * UINT64_C(1000000000))

static void uids_add(struct imap_ctx *c, struct imap_mailbox *mailbox, uint32_t uid) {
	uint32_t size = mailbox->uids_cap * sizeof(*mailbox->uids);
	void *block = mailbox->uids_cap ? mailbox->uids : NULL;
	unsigned n = mailbox->n_uids, cap = mailbox->uids_cap ? mailbox->uids_cap : 1;
	struct uid_range only = mailbox->uid;

	if (n == cap && n < IMAP_UID_RANGES_MAX
	    && slab_grow(session_slab(c->s), &block, &size, (n + 1) * sizeof(*mailbox->uids), false)
		    == 0) {
		if (!mailbox->uids_cap)
			*(struct uid_range *)block = only;
		mailbox->uids = block;
		mailbox->uids_cap = cap = size / sizeof(*mailbox->uids);
	}
	if (uid_ranges_add(
		    mailbox->uids_cap ? mailbox->uids : &mailbox->uid,
		    &n,
		    cap < IMAP_UID_RANGES_MAX ? cap : IMAP_UID_RANGES_MAX,
		    uid
	    )
	    < 0)
		mailbox->is_cut = true;
	mailbox->n_uids = n;
}

// ---- Which message is which: runs of numbers and UIDs that rise together

static struct imap_run *run_find(struct imap_state *imap, uint32_t seq) {
	struct imap_run *runs = imap_runs(imap);

	for (int i = 0; i < imap->n_runs; i++)
		if (seq >= runs[i].seq && seq - runs[i].seq < runs[i].n)
			return &runs[i];
	return NULL;
}

uint32_t imap_uid_of(const struct imap_ctx *c, uint32_t seq) {
	const struct imap_run *run = run_find(c->imap, seq);

	return run != NULL ? run->uid + (seq - run->seq) : 0;
}

void imap_uids_forget(struct imap_ctx *c) {
	if (c->imap->runs_cap)
		slab_put(
			session_slab(c->s),
			c->imap->runs,
			c->imap->runs_cap * sizeof(*c->imap->runs)
		);
	c->imap->n_runs = c->imap->runs_cap = 0;
}

static bool runs_reserve(struct imap_ctx *c, unsigned n) {
	uint32_t size = c->imap->runs_cap * sizeof(*c->imap->runs);
	void *block = c->imap->runs_cap ? c->imap->runs : NULL;

	if (n == 1 && !c->imap->runs_cap)
		return true;
	if (n > IMAP_SEQUENCE_RUNS_MAX
	    || slab_grow(session_slab(c->s), &block, &size, n * sizeof(*c->imap->runs), false) < 0)
		return false;
	if (!c->imap->runs_cap)
		*(struct imap_run *)block = c->imap->run;
	c->imap->runs = block;
	size /= sizeof(*c->imap->runs);
	c->imap->runs_cap = size < UINT8_MAX ? size : UINT8_MAX;
	return true;
}

void imap_uid_learn(struct imap_ctx *c, uint32_t seq, uint32_t uid) {
	struct imap_run *run = run_find(c->imap, seq), *runs;
	int at = 0;

	if (imap_selected(c) == NULL)
		return;
	if (run != NULL) {
		if (run->uid + (seq - run->seq) != uid)
			imap_uids_forget(c); // what was known is wrong
		return;
	}
	while (at < c->imap->n_runs && imap_runs(c->imap)[at].seq < seq)
		at++;
	run = at > 0 ? &imap_runs(c->imap)[at - 1] : NULL;
	if (run != NULL && run->seq + run->n == seq && run->uid + run->n == uid) {
		run->n++;
		return;
	}
	if (!runs_reserve(c, c->imap->n_runs + 1))
		return;
	runs = imap_runs(c->imap);
	memmove(runs + at + 1, runs + at, (c->imap->n_runs - at) * sizeof(*runs));
	runs[at] = (struct imap_run){seq, uid, 1};
	c->imap->n_runs++;
}

// Message seq is gone: those above it move down (RFC 9051 7.5.1).
static void runs_expunge(struct imap_ctx *c, uint32_t seq) {
	struct imap_run *run = run_find(c->imap, seq), *runs;
	uint32_t before;
	int at;

	if (run != NULL && run->seq < seq && seq - run->seq < run->n - 1) { // splits it
		at = run - imap_runs(c->imap);
		if (!runs_reserve(c, c->imap->n_runs + 1)) {
			imap_uids_forget(c);
			return;
		}
		runs = imap_runs(c->imap);
		before = seq - runs[at].seq;
		memmove(runs + at + 1, runs + at, (c->imap->n_runs - at) * sizeof(*runs));
		runs[at].n = before;
		runs[at + 1] = (struct imap_run
		){seq + 1, runs[at + 1].uid + before + 1, runs[at + 1].n - before - 1};
		c->imap->n_runs++;
	} else if (run != NULL) {
		run->uid += run->seq == seq;
		run->seq += run->seq == seq;
		run->n--;
	}
	for (at = 0; at < c->imap->n_runs; at++)
		if (imap_runs(c->imap)[at].seq > seq)
			imap_runs(c->imap)[at].seq--;
}

// ---- The selected mailbox

struct imap_mailbox *imap_selected(struct imap_ctx *c) {
	return c->imap->selected >= 0 ? &c->imap->facts.mailboxes[c->imap->selected] : NULL;
}

void imap_mailbox_unselect(struct imap_ctx *c) {
	c->imap->selected = -1;
	imap_uids_forget(c);
	imap_parts_forget(c);
	imap_deleted_forget(c);
}

void imap_mailbox_exists(struct imap_ctx *c, uint32_t n) {
	if (imap_selected(c) != NULL)
		imap_selected(c)->exists = n;
}

void imap_mailbox_expunged(struct imap_ctx *c, uint32_t seq) {
	struct imap_mailbox *mailbox = imap_selected(c);

	imap_parts_expunged(c, seq);
	if (seq == 0 || seq > mailbox->exists) {
		imap_uids_forget(c);
		return;
	}
	mailbox->exists--;
	imap_deleted_expunged(c, seq, imap_uid_of(c, seq));
	runs_expunge(c, seq);
}

static int mailbox_find(const struct imap *facts, const struct imap_select *select) {
	for (int i = 0; i < facts->n_mailboxes; i++)
		if (strcmp(imap_mailbox_name(&facts->mailboxes[i]), select->name) == 0
		    && (select->uidvalidity == 0 || facts->mailboxes[i].uidvalidity == 0
			|| facts->mailboxes[i].uidvalidity == select->uidvalidity))
			return i;
	return -1;
}

// Its name and its set.
static void mailbox_clear(struct imap_ctx *c, struct imap_mailbox *mailbox) {
	if (mailbox->name_size)
		slab_put(session_slab(c->s), mailbox->name, mailbox->name_size);
	if (mailbox->uids_cap)
		slab_put(
			session_slab(c->s),
			mailbox->uids,
			mailbox->uids_cap * sizeof(*mailbox->uids)
		);
	mailbox->name = NULL;
	mailbox->uids = NULL;
	mailbox->n_uids = mailbox->uids_cap = mailbox->name_size = 0;
}

// Room for twice as many: mostly it stays at one.
static bool mailboxes_grow(struct imap_ctx *c) {
	struct imap *facts = &c->imap->facts;
	unsigned cap = facts->mailboxes_cap ? 2 * facts->mailboxes_cap : 1;
	struct imap_mailbox *more = slab_get(session_slab(c->s), cap * sizeof(*more));

	if (more == NULL)
		return false;
	if (facts->mailboxes_cap) {
		memcpy(more, facts->mailboxes, facts->n_mailboxes * sizeof(*more));
		slab_put(
			session_slab(c->s), facts->mailboxes, facts->mailboxes_cap * sizeof(*more)
		);
	}
	facts->mailboxes = more;
	facts->mailboxes_cap = cap;
	return true;
}

// A place for another mailbox: the last one is shared by all that came too late. -1: no memory.
static int mailbox_new(struct imap_ctx *c) {
	struct imap *facts = &c->imap->facts;

	if (facts->n_mailboxes > IMAP_MAILBOXES_MAX) {
		struct imap_mailbox *shared = &facts->mailboxes[IMAP_MAILBOXES_MAX];
		session_event(c->s, EVENT_too_many_mailboxes);
		mailbox_clear(c, shared);
		shared->is_cut = true;
		return IMAP_MAILBOXES_MAX;
	}
	if (facts->n_mailboxes == facts->mailboxes_cap && !mailboxes_grow(c)) {
		session_event(c->s, EVENT_memory_full);
		return -1;
	}
	facts->mailboxes[facts->n_mailboxes] = (struct imap_mailbox){};
	return facts->n_mailboxes++;
}

static void
name_take(struct imap_ctx *c, struct imap_mailbox *mailbox, struct imap_select *select) {
	size_t size = strlen(select->name) + 1;

	if (size > sizeof(mailbox->short_name)) {
		mailbox->name = select->name;
		mailbox->name_size = select->name_size;
	} else {
		memcpy(mailbox->short_name, select->name, size);
		slab_put(session_slab(c->s), select->name, select->name_size);
	}
	select->name = NULL;
}

void imap_mailbox_select(struct imap_ctx *c, struct imap_select *select, enum imap_mode mode) {
	int at = mailbox_find(&c->imap->facts, select);
	struct imap_mailbox *mailbox;

	if (at < 0) {
		at = mailbox_new(c);
		if (at < 0)
			return;
		mailbox = &c->imap->facts.mailboxes[at];
		name_take(c, mailbox, select);
	}
	mailbox = &c->imap->facts.mailboxes[at];
	mailbox->mode = mode;
	mailbox->exists = select->exists;
	if (select->uidvalidity != 0)
		mailbox->uidvalidity = select->uidvalidity;
	mailbox->uidnext = select->uidnext;
	c->imap->selected = at;
	// As many messages as there were UIDs: each has its own number (RFC 9051 2.3.1.1).
	if (select->exists > 0 && select->exists == select->uidnext - 1 && runs_reserve(c, 1)) {
		imap_runs(c->imap)[0] = (struct imap_run){1, 1, select->exists};
		c->imap->n_runs = 1;
	}
}

// ---- What models are told

// Names that do not fit end in a hash of the whole (FNV-1a), so that two of them stay two.
static void activity_name(char out[ACTIVITY_MAILBOX_NAME_SIZE], const char *name) {
	static const char hex[] = "0123456789abcdef";
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t size = strlen(name);

	memset(out, 0, ACTIVITY_MAILBOX_NAME_SIZE);
	if (size < ACTIVITY_MAILBOX_NAME_SIZE) {
		memcpy(out, name, size);
		return;
	}
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	size = ACTIVITY_MAILBOX_NAME_SIZE - 1 - 17;
	while (size > 0 && ((uint8_t)name[size] & 0xc0) == 0x80)
		size--; // whole characters
	memcpy(out, name, size);
	out[size++] = '~';
	for (int i = 60; i >= 0; i -= 4)
		out[size++] = hex[hash >> i & 15];
}

struct activity_mailbox *imap_activity_named(
	struct imap_ctx *c,
	const char *name,
	uint32_t uidvalidity,
	uint32_t uidnext,
	bool examine
) {
	struct activity *activity = session_activity(c->s, c->now_ns);
	char key[ACTIVITY_MAILBOX_NAME_SIZE];
	struct activity_mailbox *mailbox;

	activity_name(key, name);
	for (int i = 0; i < activity->n_mailboxes; i++) {
		mailbox = &activity->mailboxes[i];
		if (strcmp(mailbox->name, key) == 0 && mailbox->examine == examine
		    && (mailbox->uidvalidity == uidvalidity || mailbox->uidvalidity == 0
			|| uidvalidity == 0)) {
			mailbox->uidvalidity |= uidvalidity; // one of them is 0, or both are equal
			return mailbox;
		}
	}
	if (activity->n_mailboxes == ACTIVITY_MAILBOXES_MAX) {
		session_activity_flush(c->s, c->now_ns);
		activity = session_activity(c->s, c->now_ns);
	}
	mailbox = &activity->mailboxes[activity->n_mailboxes++];
	memcpy(mailbox->name, key, sizeof(key));
	mailbox->uidvalidity = uidvalidity;
	mailbox->uidnext = uidnext;
	mailbox->examine = examine;
	return mailbox;
}

struct activity_mailbox *imap_activity(struct imap_ctx *c) {
	const struct imap_mailbox *mailbox = imap_selected(c);

	if (mailbox == NULL)
		return NULL;
	return imap_activity_named(
		c,
		imap_mailbox_name(mailbox),
		mailbox->uidvalidity,
		mailbox->uidnext,
		mailbox->mode == IMAP_EXAMINED
	);
}

void imap_expunge_count(struct imap_ctx *c, uint64_t n) {
	struct activity_mailbox *activity = n > 0 ? imap_activity(c) : NULL;
	uint32_t *total;

	if (n == 0)
		return;
	total = &imap_deeds(c)->n_expunge;
	*total = n < UINT32_MAX - *total ? *total + n : UINT32_MAX;
	if (activity != NULL)
		activity->expunge += n;
}

// Room for one more range in a set of the activity's: a full one is sent and another begun.
static struct activity_mailbox *activity_room(struct imap_ctx *c) {
	struct activity_mailbox *activity = imap_activity(c);

	if (activity != NULL
	    && (activity->bodies.n == ACTIVITY_RANGES_MAX
		|| activity->headers.n == ACTIVITY_RANGES_MAX)) {
		session_activity_flush(c->s, c->now_ns);
		activity = imap_activity(c);
	}
	return activity;
}

// Whether this is the first that is heard of the message in this set. Further pieces of one whose UID
// is unknown are taken for the same message's.
static bool activity_uid(struct uid_ranges *set, const struct imap_fetch *fetch, uint32_t n_parts) {
	unsigned n = set->n;
	int added;

	if (fetch->uid == 0)
		return n_parts > fetch->n_rests;
	added = uid_ranges_add(set->range, &n, ACTIVITY_RANGES_MAX, fetch->uid);
	set->n = n;
	return added != 0;
}

static void activity_fetched(struct imap_ctx *c, const struct imap_fetch *fetch) {
	struct activity_mailbox *activity = activity_room(c);
	bool is_new;

	if (activity == NULL)
		return;
	activity->bytes += fetch->body_bytes;
	if (fetch->n_bodies == 0) {
		activity->n_headers += activity_uid(&activity->headers, fetch, fetch->n_headers);
		return;
	}
	is_new = activity_uid(&activity->bodies, fetch, fetch->n_bodies);
	activity->n_bodies += is_new;
	activity->peek += is_new && fetch->is_peek;
	if (is_new && fetch->has_date) {
		activity->dated++;
		activity->old += fetch->date < (int64_t)((c->now_ns - OLD_NS) / 1000000000);
	}
}

void imap_mailbox_fetched(struct imap_ctx *c, const struct imap_fetch *fetch) {
	struct imap_mailbox *mailbox = imap_selected(c);

	if (mailbox == NULL)
		return;
	mailbox->n_bodies += fetch->n_bodies > 0;
	mailbox->n_headers += fetch->n_bodies == 0;
	mailbox->n_peek += fetch->n_bodies > 0 && fetch->is_peek;
	mailbox->bytes += fetch->body_bytes + fetch->header_bytes;
	if (fetch->uid != 0)
		uids_add(c, mailbox, fetch->uid);
	activity_fetched(c, fetch);
}

void imap_mailboxes_free(struct imap_ctx *c) {
	struct imap *facts = &c->imap->facts;

	imap_uids_forget(c);
	imap_deleted_forget(c);
	for (int i = 0; i < facts->n_mailboxes; i++)
		mailbox_clear(c, &facts->mailboxes[i]);
	slab_put(
		session_slab(c->s),
		facts->mailboxes,
		facts->mailboxes_cap * sizeof(*facts->mailboxes)
	);
}
