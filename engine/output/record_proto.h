// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What record.c and the writers of each protocol's object share. A record is written once with every
// list as long as limits.h lets it be; only when that does not fit, again with shorter ones.

#pragma once

#include "limits.h"
#include "output/json.h"

#include <stdbool.h>
#include <stdint.h>

// How much of long lists one attempt shows.
struct record_detail {
	uint32_t uid_ranges; // per mailbox
	uint32_t recipients; // per message
	uint32_t chars; // of mailbox names and addresses
};

struct session;
struct imap;
struct smtp;
struct pop3;
struct sieve;
struct attachment_facts;

// The member named for the protocol, in the open object postern. Returns false when elements of its
// list of mailboxes or messages were left out for want of room; the object is complete in any case.
bool record_imap_write(
	struct json *json,
	const struct session *s,
	const struct imap *imap,
	const struct record_detail *detail
);
bool record_smtp_write(
	struct json *json,
	const struct session *s,
	const struct smtp *smtp,
	const struct record_detail *detail
);
bool record_pop3_write(
	struct json *json,
	const struct session *s,
	const struct pop3 *pop3,
	const struct record_detail *detail
);
void record_sieve_write(struct json *json, const struct session *s, const struct sieve *sieve);

// via: the hop between the real client and the packets, where one was believed.
void record_via_write(struct json *json, const struct session *s);
// The proxy that connected the client to the server, if one did.
void record_proxy_write(struct json *json, const struct session *s);
// login: the last attempt's outcome and mechanism, and how many there were.
void record_login_write(struct json *json, const struct session *s);
// The members of an attachment's object, which is open.
void record_attachment_write(
	struct json *json,
	const struct attachment_facts *facts,
	const struct record_detail *detail
);
// attachments: of what was fetched and stored since the record before, where there are any. As above.
bool record_files_write(
	struct json *json,
	const struct session *s,
	const struct record_detail *detail
);
// Text of the wire, cut at chars characters; then KEY_cut says so (cut_key).
void record_text_write(
	struct json *json,
	const char *key,
	const char *cut_key,
	const char *text,
	uint32_t chars
);
// The same as an element of an array; that it was cut is not said.
void record_item_write(struct json *json, const char *text, uint32_t chars);

// A list whose end may have to give way to what stands behind it.
//
//	struct record_list list = record_list_open(json, "messages");
//	while (more && record_list_next(&list)) …write one element…;
//	n = record_list_close(&list);
//
// An element that does not fit is taken back whole, and the list ends.
struct record_list {
	struct json *json;
	struct json mark; // behind the last element that fits
	size_t tail_size; // kept for what stands behind the list
	uint32_t n; // elements begun
};

struct record_list record_list_open(struct json *json, const char *key);
bool record_list_next(struct record_list *list);
// Ends it. Returns how many elements it has.
uint32_t record_list_close(struct record_list *list);
