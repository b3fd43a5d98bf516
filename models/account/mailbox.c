// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is old in a mailbox, and how much of it strangers have read.

#include "account/account.h"
#include "hash.h"

#include <string.h>

enum {
	PAST_STEP = 10, // days between two snapshots of UIDNEXT
	COVER_BITS = 256,
};

static uint32_t highest(const struct activity_mailbox *seen) {
	uint32_t next = seen->uidnext;
	const struct uid_ranges *sets[] = {&seen->bodies, &seen->headers};
	for (int i = 0; i < 2; i++)
		if (sets[i]->n) {
			uint32_t last = sets[i]->range[sets[i]->n - 1].last;
			if (last >= next && last < UINT32_MAX)
				next = last + 1;
		}
	return next;
}

static void snapshot(struct mailbox *mailbox, uint16_t day) {
	if (day < mailbox->past_day + PAST_STEP)
		return;
	memmove(&mailbox->past[1], &mailbox->past[0], sizeof(mailbox->past) - sizeof(uint32_t));
	mailbox->past[0] = mailbox->uidnext;
	mailbox->past_day = day;
}

static struct mailbox *find(struct account *account, uint32_t name) {
	for (int i = 0; i < ACCOUNT_MAILBOXES; i++)
		if (account->mailboxes[i].name == name)
			return &account->mailboxes[i];
	return NULL;
}

// The fullest mailboxes are worth remembering.
static struct mailbox *replace(struct account *account, uint32_t name) {
	struct mailbox *least = &account->mailboxes[0];
	for (int i = 1; i < ACCOUNT_MAILBOXES; i++)
		if (account->mailboxes[i].uidnext < least->uidnext)
			least = &account->mailboxes[i];
	*least = (struct mailbox){.name = name};
	return least;
}

uint32_t mailbox_hash(const char *name, size_t size) {
	return (uint32_t)hash_quick(name, size) | 1;
}

static uint32_t seen_hash(const struct activity_mailbox *seen) {
	return mailbox_hash(seen->name, strnlen(seen->name, sizeof(seen->name)));
}

struct mailbox *account_find_mailbox(struct account *account, const struct activity_mailbox *seen) {
	struct mailbox *mailbox = find(account, seen_hash(seen));
	bool is_same = mailbox && (!seen->uidvalidity || mailbox->uidvalidity == seen->uidvalidity);
	return is_same ? mailbox : NULL;
}

struct mailbox *
account_get_mailbox(struct account *account, const struct activity_mailbox *seen, uint16_t day) {
	uint32_t name = seen_hash(seen);
	struct mailbox *mailbox = find(account, name);
	uint32_t next = highest(seen);
	if (!mailbox)
		mailbox = replace(account, name);
	if (mailbox->uidvalidity && mailbox->uidvalidity != seen->uidvalidity && seen->uidvalidity)
		account->renumbered_day = day;
	if (mailbox->uidvalidity != seen->uidvalidity && seen->uidvalidity)
		*mailbox = (struct mailbox){.name = name, .uidvalidity = seen->uidvalidity};
	if (mailbox->past_day == 0) {
		mailbox->past_day = day;
		mailbox->past[0] = next;
	}
	snapshot(mailbox, day);
	if (next > mailbox->uidnext)
		mailbox->uidnext = next;
	return mailbox;
}

uint32_t mailbox_old_limit(const struct mailbox *mailbox) {
	for (int i = ACCOUNT_PAST - 1; i >= 0; i--)
		if (mailbox->past[i])
			return mailbox->past[i];
	return 0;
}

static uint64_t n_listed(const struct uid_ranges *set) {
	uint64_t n = 0;
	for (uint8_t i = 0; i < set->n; i++)
		n += (uint64_t)set->range[i].last - set->range[i].first + 1;
	return n;
}

static uint32_t below(const struct uid_ranges *set, uint32_t limit) {
	uint32_t n = 0;
	for (uint8_t i = 0; i < set->n && set->range[i].first < limit; i++) {
		uint32_t last = set->range[i].last < limit ? set->range[i].last : limit - 1;
		n += last - set->range[i].first + 1;
	}
	return n;
}

uint32_t mailbox_old(const struct mailbox *mailbox, const struct activity_mailbox *seen) {
	uint32_t n = seen->n_bodies, undated = n > seen->dated ? n - seen->dated : 0;
	if (undated == 0)
		return seen->old;
	// Those without a date share the fate of their UIDs, and those whose UIDs found no place in the list
	// that of those which did.
	uint64_t listed = n_listed(&seen->bodies);
	uint64_t old = below(&seen->bodies, mailbox ? mailbox_old_limit(mailbox) : 0);
	return seen->old + (listed ? (uint32_t)(old * undated / listed) : 0);
}

void mailbox_cover(struct mailbox *mailbox, const struct uid_ranges *bodies) {
	uint32_t limit = mailbox_old_limit(mailbox);
	if (!mailbox)
		return;
	if (mailbox->n_read == 0)
		mailbox->span = limit;
	if (mailbox->span < 2)
		return;
	for (uint8_t i = 0; i < bodies->n && bodies->range[i].first < mailbox->span; i++) {
		uint64_t last = bodies->range[i].last;
		last = last < mailbox->span ? last : mailbox->span - 1;
		unsigned from = (uint64_t)bodies->range[i].first * COVER_BITS / mailbox->span;
		unsigned to = last * COVER_BITS / mailbox->span;
		for (unsigned bit = from; bit <= to && bit < COVER_BITS; bit++) {
			uint8_t *byte = &mailbox->read[bit / 8], mask = 1 << bit % 8;
			mailbox->n_read += !(*byte & mask);
			*byte |= mask;
		}
	}
}
