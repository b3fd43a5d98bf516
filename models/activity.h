// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The door from engine to models: what one account did in one session over at most one minute of
// event time. Fixed size, no pointers: it crosses a ring between threads and stands as one JSON line
// in --activity files (docs: README, "Activity"). It has no place for content, but for the masked excerpts
// that rules allow, nor for secrets.
//
// Where more ranges, recipients or mailboxes were touched than fit, a further activity follows.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	ACCOUNT_SIZE = 256, // normal form of an account, with its final NUL
	ACTIVITY_MAILBOXES_MAX = 4,
	ACTIVITY_MAILBOX_NAME_SIZE = 128,
	ACTIVITY_RANGES_MAX = 24,
	ACTIVITY_SENT_MAX = 2,
	ACTIVITY_RECIPIENTS_MAX = 4,
	ACTIVITY_ADDRESS_SIZE = 128,
	ACTIVITY_FORWARDS_MAX = 2,
	ACTIVITY_ACL_MAX = 2,
	ACTIVITY_MATCHES_MAX = 8,
	ACTIVITY_RULE_SIZE = 48,
	ACTIVITY_VALUES_MAX = 8,
};

enum activity_protocol {
	ACTIVITY_IMAP,
	ACTIVITY_SMTP,
	ACTIVITY_POP3,
	ACTIVITY_SIEVE,
	ACTIVITY_LMTP,
	ACTIVITY_TLS,
	ACTIVITY_PROTOCOLS, // how many there are
};

// What kind of network a source is in, as far as a network database or a list says.
enum activity_network {
	NETWORK_UNKNOWN,
	NETWORK_ACCESS,
	NETWORK_MOBILE,
	NETWORK_HOSTING,
	NETWORK_VPN,
	NETWORK_TOR,
	NETWORK_OFFICE,
};

// An IP address; family 0 is none. IPv4 takes the first four bytes, the rest is zero.
struct ip {
	uint8_t addr[16];
	uint8_t family; // 0, 4 or 6
};

// UIDs from first to last, both included; sorted and not touching within a set.
struct uid_range {
	uint32_t first;
	uint32_t last;
};

struct uid_ranges {
	uint8_t n;
	struct uid_range range[ACTIVITY_RANGES_MAX];
};

struct activity_mailbox {
	char name[ACTIVITY_MAILBOX_NAME_SIZE]; // UTF-8; longer names end in a hash of the whole
	uint32_t uidvalidity;
	uint32_t uidnext; // as of SELECT; 0 unknown
	bool examine; // opened read-only
	struct uid_ranges bodies;
	struct uid_ranges headers;
	uint64_t bytes; // of bodies
	uint32_t peek; // bodies read without setting \Seen
	uint32_t n_bodies; // messages, also those whose UID is not known
	uint32_t n_headers;
	uint32_t dated; // bodies whose date is known
	uint32_t old; // of those: older than 30 days
	struct {
		uint32_t text, header, flag, date;
	} search;
	uint32_t store, move, copy, append, expunge;
};

struct activity_sent {
	uint8_t n_to;
	uint32_t n_recipients; // all of them, n_to are listed
	char to[ACTIVITY_RECIPIENTS_MAX][ACTIVITY_ADDRESS_SIZE];
	uint64_t bytes;
	uint32_t attachments;
};

struct activity_match {
	char rule[ACTIVITY_RULE_SIZE];
	uint32_t count;
	uint8_t n_values;
	uint32_t values
		[ACTIVITY_VALUES_MAX]; // keyed hashes of different ones, of rules that count those
	char field[16]; // where the first was: see engine/match/field.def; empty: not known
	char part[24]; // of the message, as IMAP numbers parts; empty: none
	uint64_t offset; // of its end in that text
	char excerpt[72]; // of rules that allow one, with secrets masked
};

struct activity {
	uint64_t time_ns; // event time of the last thing in it
	uint8_t session[16]; // as in postern.session
	uint8_t protocol; // enum activity_protocol
	char account
		[ACCOUNT_SIZE]; // normal form; empty: nobody logged in (mail from another server)

	struct {
		struct ip ip;
		uint32_t asn; // 0 unknown
		char country[3]; // ISO 3166, empty when unknown
		uint8_t network; // enum activity_network
	} source;

	struct {
		char id[96]; // what it says of itself (IMAP ID, X-Mailer is not used)
		char ja4[40];
		uint32_t grammar; // 0 unknown
		char helo[96];
	} client;

	struct {
		uint16_t success;
		uint16_t failure;
		char mechanism[20]; // as in SASL; LOGIN for the IMAP command's
		uint64_t password; // keyed hash of a failed password; 0 none
	} auth;

	uint8_t n_mailboxes;
	struct activity_mailbox mailboxes[ACTIVITY_MAILBOXES_MAX];
	uint8_t n_sent;
	struct activity_sent sent[ACTIVITY_SENT_MAX];
	uint8_t n_forward;
	char forward[ACTIVITY_FORWARDS_MAX][ACTIVITY_ADDRESS_SIZE];
	uint8_t n_acl;
	char acl[ACTIVITY_ACL_MAX][ACCOUNT_SIZE];
	uint8_t n_matches;
	struct activity_match matches[ACTIVITY_MATCHES_MAX];

	bool idle; // the session waits in IDLE
	// Hosts disagree what bytes of the session were: it is judged, and nothing is learned from it. A login is told at
	// once, before what comes behind it can be in doubt, because an attack on passwords is told by the order of
	// attempts. That is no loss: the server has answered the login's own bytes, and a login alone teaches no more
	// than that the account is in use.
	bool ambiguous;
	float seen; // share of the session's bytes that were parsed, 0 … 1
	bool end; // the session's last
};
