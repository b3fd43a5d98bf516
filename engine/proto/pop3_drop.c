// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which message is which in the maildrop. Numbers are of one session; what UIDL calls a message is its name in
// all of them (RFC 1939 section 7). Servers that have IMAP, too, make it of the message's UID and the mailbox's
// UIDVALIDITY; then RETR 3 here and UID FETCH 1017 there are one message. Other names are counted, not followed.

#include "proto/pop3_private.h"
#include "proto/uid_ranges.h"
#include "slab.h"

#include <string.h>

// UIDVALIDITY is the time a mailbox was made, on all servers that these forms are of: 1990 to 2038.
enum { VALIDITY_MIN = 631152000, VALIDITY_MAX = INT32_MAX };

struct pop3_run {
	uint32_t number, uid, n;
};

struct pop3_name {
	uint32_t uid, validity;
};

// ---- Names

static bool is_name(struct pop3_name *name, uint64_t uid, uint64_t validity) {
	*name = (struct pop3_name){(uint32_t)uid, (uint32_t)validity};
	return uid > 0 && uid <= POP3_UID_MAX && validity >= VALIDITY_MIN
		&& validity <= VALIDITY_MAX;
}

// Digits up to the end or stop, at most ten. -1: there are others, or none.
static int64_t decimal(const uint8_t **at, const uint8_t *end, char stop) {
	int64_t value = 0;
	int n = 0;

	for (; *at < end && **at != stop; (*at)++, n++) {
		if (**at < '0' || **at > '9' || n == 10)
			return -1;
		value = value * 10 + **at - '0';
	}
	*at += *at < end;
	return n > 0 ? value : -1;
}

static int64_t hexadecimal(const uint8_t *at, size_t size) {
	int64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		uint8_t c = at[i] | 0x20;
		if (at[i] >= '0' && at[i] <= '9')
			value = value << 4 | (at[i] - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return value;
}

// 000003f94f3a1b2c: UID and UIDVALIDITY (Dovecot), or the other way round (UW); 1329207084.1017 (Cyrus);
// UID1017-1329207084 (Courier).
static bool name_read(const uint8_t *at, size_t size, struct pop3_name *name) {
	const uint8_t *end = at + size;
	int64_t first, second;

	if (size == 16) {
		first = hexadecimal(at, 8);
		second = hexadecimal(at + 8, 8);
		if (first >= 0 && second >= 0)
			return is_name(name, (uint64_t)first, (uint64_t)second)
				|| is_name(name, (uint64_t)second, (uint64_t)first);
	}
	if (size > 3 && memcmp(at, "UID", 3) == 0) {
		at += 3;
		first = decimal(&at, end, '-');
		second = decimal(&at, end, '\0');
		return first >= 0 && second >= 0
			&& is_name(name, (uint64_t)first, (uint64_t)second);
	}
	first = decimal(&at, end, '.');
	second = decimal(&at, end, '\0');
	return first >= 0 && second >= 0 && is_name(name, (uint64_t)second, (uint64_t)first);
}

// ---- Numbers

uint32_t pop3_uid_of(const struct pop3_parser *p, uint32_t number) {
	for (int i = 0; i < p->n_runs; i++)
		if (number >= p->runs[i].number && number - p->runs[i].number < p->runs[i].n)
			return p->runs[i].uid + (number - p->runs[i].number);
	return 0;
}

static void run_add(struct pop3_parser *p, uint32_t number, uint32_t uid) {
	struct pop3_run *last = p->n_runs > 0 ? &p->runs[p->n_runs - 1] : NULL;
	void *block = p->runs;

	if (last && number == last->number + last->n && uid == last->uid + last->n) {
		last->n++;
		return;
	}
	if (p->n_runs == POP3_RUNS_MAX || pop3_uid_of(p, number) != 0)
		return;
	if (slab_grow(
		    session_slab(p->session),
		    &block,
		    &p->runs_size,
		    (uint32_t)((p->n_runs + 1) * sizeof(*p->runs)),
		    0
	    )
	    < 0) {
		session_event(p->session, EVENT_memory_full);
		return;
	}
	p->runs = block;
	p->runs[p->n_runs++] = (struct pop3_run){number, uid, 1};
}

void pop3_drop_free(struct pop3_parser *p) {
	slab_put(session_slab(p->session), p->runs, p->runs_size);
	p->runs = NULL;
	p->n_runs = 0;
}

// "3 000003f94f3a1b2c". All names of a maildrop have one UIDVALIDITY.
void pop3_uidl_line(struct pop3_parser *p, const uint8_t *at, size_t size) {
	const uint8_t *end = at + size;
	int64_t number = decimal(&at, end, ' ');
	struct pop3_name name = {0};

	if (number <= 0 || number > UINT32_MAX || !name_read(at, (size_t)(end - at), &name))
		return;
	if (p->n_runs == 0)
		p->uidvalidity = name.validity;
	if (name.validity == p->uidvalidity)
		run_add(p, (uint32_t)number, name.uid);
}

// ---- Sizes

// "2 320": of STAT, all messages and their octets; of a line of LIST, one and its. More may follow.
static bool numbers_read(const uint8_t *at, size_t size, uint64_t numbers[2]) {
	const uint8_t *end = at + size;
	int64_t first = decimal(&at, end, ' ');
	const uint8_t *space = memchr(at, ' ', (size_t)(end - at));
	int64_t second = decimal(&at, space ? space : end, '\0');

	if (first < 0 || second < 0)
		return false;
	numbers[0] = (uint64_t)first;
	numbers[1] = (uint64_t)second;
	return true;
}

void pop3_stat_reply(struct pop3_parser *p, const uint8_t *at, size_t size) {
	uint64_t numbers[2];

	if (!numbers_read(at, size, numbers))
		return;
	p->facts.has_drop = true;
	p->facts.n_drop = (uint32_t)(numbers[0] < UINT32_MAX ? numbers[0] : UINT32_MAX);
	p->facts.drop_bytes = numbers[1];
}

void pop3_list_line(struct pop3_parser *p, const uint8_t *at, size_t size) {
	uint64_t numbers[2];

	if (!numbers_read(at, size, numbers))
		return;
	p->facts.n_drop += p->facts.n_drop < UINT32_MAX;
	p->facts.drop_bytes += numbers[1];
}

// ---- What models are told

// POP3 has one mailbox.
struct activity_mailbox *pop3_inbox(struct pop3_parser *p) {
	struct activity *a = session_activity(p->session, p->now_ns);

	if (a->n_mailboxes > 0
	    && (a->mailboxes[0].bodies.n == ACTIVITY_RANGES_MAX
		|| a->mailboxes[0].headers.n == ACTIVITY_RANGES_MAX)) {
		session_activity_flush(p->session, p->now_ns);
		a = session_activity(p->session, p->now_ns);
	}
	if (a->n_mailboxes == 0)
		strcpy(a->mailboxes[a->n_mailboxes++].name, "INBOX");
	a->mailboxes[0].uidvalidity = p->uidvalidity;
	return &a->mailboxes[0];
}

// Whether it is the first that is heard of the message in this set.
static bool is_new(struct uid_ranges *set, uint32_t uid) {
	unsigned n = set->n;
	bool is_added = uid == 0 || uid_ranges_add(set->range, &n, ACTIVITY_RANGES_MAX, uid) != 0;

	set->n = (uint8_t)n;
	return is_added;
}

void pop3_message_tell(struct pop3_parser *p) {
	struct activity_mailbox *inbox = pop3_inbox(p);
	uint32_t uid = pop3_uid_of(p, p->number);

	if (p->is_headers) {
		inbox->n_headers += is_new(&inbox->headers, uid);
		return;
	}
	inbox->n_bodies += is_new(&inbox->bodies, uid);
	inbox->bytes += p->message_bytes;
}
