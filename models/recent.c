// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "recent.h"

#include <stddef.h>
#include <string.h>

// Words are stirred as Murmur3 finishes (Appleby, public domain): quick, and enough against chance. Who
// wanted to hit a print on purpose would have to foresee his packets' nanoseconds.
static uint64_t stir(uint64_t print, uint64_t word) {
	print ^= word;
	print ^= print >> 33;
	print *= 0xff51afd7ed558ccdull;
	print ^= print >> 29;
	return print * 0xc4ceb9fe1a85ec53ull;
}

static uint64_t stir_bytes(uint64_t print, const void *data, size_t size) {
	const uint8_t *at = data;
	uint64_t word;
	for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		print = stir(print, word);
	}
	word = size; // so that an end is not a zero
	for (size_t i = 0; i < size; i++)
		word = word << 8 | at[i];
	return stir(print, word);
}

static uint64_t stir_text(uint64_t print, const char *text, size_t size_max) {
	return stir_bytes(print, text, strnlen(text, size_max));
}

static uint64_t stir_ranges(uint64_t print, const struct uid_ranges *ranges) {
	return stir_bytes(print, ranges->range, ranges->n * sizeof(ranges->range[0]));
}

static uint64_t stir_mailbox(uint64_t print, const struct activity_mailbox *mailbox) {
	size_t rest = offsetof(struct activity_mailbox, bytes);
	print = stir_text(print, mailbox->name, sizeof(mailbox->name));
	print = stir(print, mailbox->uidvalidity | (uint64_t)mailbox->uidnext << 32);
	print = stir_ranges(print, &mailbox->bodies);
	print = stir_ranges(print, &mailbox->headers);
	return stir_bytes(print, (const uint8_t *)mailbox + rest, sizeof(*mailbox) - rest);
}

static uint64_t stir_rest(uint64_t print, const struct activity *activity) {
	for (uint8_t i = 0; i < activity->n_sent; i++) {
		print = stir(print, activity->sent[i].bytes);
		print = stir_text(print, activity->sent[i].to[0], ACTIVITY_ADDRESS_SIZE);
	}
	for (uint8_t i = 0; i < activity->n_forward; i++)
		print = stir_text(print, activity->forward[i], ACTIVITY_ADDRESS_SIZE);
	for (uint8_t i = 0; i < activity->n_acl; i++)
		print = stir_text(print, activity->acl[i], ACCOUNT_SIZE);
	for (uint8_t i = 0; i < activity->n_matches; i++) {
		print = stir_text(print, activity->matches[i].rule, ACTIVITY_RULE_SIZE);
		print = stir(print, activity->matches[i].count);
	}
	return print;
}

static uint64_t print_of(const struct activity *activity) {
	uint64_t print = stir(activity->time_ns, activity->protocol);
	print = stir_bytes(print, activity->session, sizeof(activity->session));
	print = stir_text(print, activity->account, sizeof(activity->account));
	print = stir_bytes(print, activity->source.ip.addr, sizeof(activity->source.ip.addr));
	print = stir(print, activity->auth.success | (uint64_t)activity->auth.failure << 16);
	print = stir(print, activity->auth.password);
	for (uint8_t i = 0; i < activity->n_mailboxes; i++)
		print = stir_mailbox(print, &activity->mailboxes[i]);
	print = stir_rest(print, activity);
	return stir(print, activity->end);
}

static bool names_session(const struct activity *activity) {
	for (size_t i = 0; i < sizeof(activity->session); i++)
		if (activity->session[i] != 0)
			return true;
	return false;
}

bool recent_has(struct recent *recent, const struct activity *activity) {
	if (!names_session(activity))
		return false;
	uint64_t print = print_of(activity) | 1; // never 0; the set is of other bits
	uint64_t *set = recent->print[print >> 32 & (RECENT_SETS - 1)];
	for (int i = 0; i < RECENT_WAYS; i++)
		if (set[i] == print)
			return true;
	memmove(set + 1, set, (RECENT_WAYS - 1) * sizeof(set[0]));
	set[0] = print;
	return false;
}
