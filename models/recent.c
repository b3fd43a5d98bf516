// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "recent.h"

#include <stddef.h>
#include <string.h>

// Quick, and enough against chance. Who wanted to hit a print on purpose would have to foresee his packets'
// nanoseconds.
static inline uint64_t stir(uint64_t print, uint64_t word) {
	print = (print ^ word) * 0xff51afd7ed558ccdull;
	return print ^ print >> 29;
}

// Two words at once: both halves of a product of 128 bits.
static inline uint64_t stir_two(uint64_t print, uint64_t a, uint64_t b) {
	unsigned __int128 product = (unsigned __int128)(print ^ a ^ 0x9e3779b97f4a7c15ull)
		* (b ^ 0xff51afd7ed558ccdull);
	return print * 0xd6e8feb86659fd93ull ^ (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load(const uint8_t *at, size_t size) {
	uint64_t word = 0;
	memcpy(&word, at, size);
	return word;
}

// The last bytes by loads that may overlap those before; with the size no two texts look alike.
static inline uint64_t stir_bytes(uint64_t print, const void *data, size_t size) {
	const uint8_t *at = data, *end = at + size;
	uint64_t word = 0;
#pragma GCC unroll 8
	for (; end - at > 16; at += 16)
		print = stir_two(print, load(at, 8), load(at + 8, 8));
	for (; end - at > 8; at += 8)
		print = stir(print, load(at, 8));
	if (size >= 8)
		word = load(end - 8, 8);
	else if (size >= 4)
		word = load(at, 4) | load(end - 4, 4) << 32;
	else if (size > 0)
		word = at[0] | (uint64_t)at[size / 2] << 8 | (uint64_t)end[-1] << 16;
	return stir(print, word ^ (uint64_t)size << 56);
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

static uint64_t print_of(const struct activity *activity, uint64_t account, uint64_t password) {
	const uint8_t *session = activity->session, *ip = activity->source.ip.addr;
	uint64_t print = stir(activity->time_ns, activity->protocol);
	print = stir_two(print, load(session, 8), load(session + 8, 8));
	print = stir_two(print, load(ip, 8), load(ip + 8, 8));
	print = stir_two(
		print,
		account,
		activity->auth.success | (uint64_t)activity->auth.failure << 16
			| (uint64_t)activity->end << 32
	);
	print = stir(print, password);
	for (uint8_t i = 0; i < activity->n_mailboxes; i++)
		print = stir_mailbox(print, &activity->mailboxes[i]);
	return stir_rest(print, activity);
}

static bool names_session(const struct activity *activity) {
	return (load(activity->session, 8) | load(activity->session + 8, 8)) != 0;
}

// Whether the print is there; if not, it is now.
static bool has(struct recent *recent, uint64_t print) {
	print = print * 0xc4ceb9fe1a85ec53ull | 1; // never 0; the set is of other bits
	uint64_t *set = recent->print[print >> 32 & (RECENT_SETS - 1)];
	for (int i = 0; i < RECENT_WAYS; i++)
		if (set[i] == print)
			return true;
	memmove(set + 1, set, (RECENT_WAYS - 1) * sizeof(set[0]));
	set[0] = print;
	return false;
}

// Passwords of one moment come one behind the other, so that few need to be counted at once.
static bool has_guess(
	struct recent *recent,
	struct recent_guesses *guesses,
	const struct activity *activity,
	uint64_t account
) {
	uint64_t print = print_of(activity, account, 0);
	size_t at = print >> 32 & (RECENT_GUESSES - 1);
	if (guesses->print[at] != print)
		guesses->n[at] = 0;
	guesses->print[at] = print;
	return has(recent, stir(print, ++guesses->n[at]));
}

bool recent_has(
	struct recent *recent,
	struct recent_guesses *guesses,
	const struct activity *activity,
	uint64_t account
) {
	if (!names_session(activity))
		return false;
	if (has(recent, print_of(activity, account, activity->auth.password)))
		return true;
	return activity->auth.password && has_guess(recent, guesses, activity, account);
}
