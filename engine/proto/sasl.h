// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who is behind an authentication exchange (RFC 4422): the mechanism's name, and out of the client's
// messages the identity whose password, key or token it is (authentication), and the one that it wants to
// act for where it names another (authorization). GSSAPI shows the second alone, and only where Kerberos
// does not seal it; EXTERNAL and OAUTHBEARER have no other; ANONYMOUS has none. A message that has not
// exactly its mechanism's form (or whose name is not UTF-8, has a NUL or is too long) gives none. Never
// computes, never keeps a secret: a password is handed back as a slice of the caller's buffer, to be
// hashed and wiped.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slab;

enum sasl_mechanism {
	SASL_NONE,
	SASL_LOGIN_COMMAND, // IMAP's LOGIN command, POP3's USER and PASS: no SASL at all
	SASL_APOP, // POP3's command, which is no SASL either
	SASL_PLAIN, // RFC 4616
	SASL_LOGIN, // draft-murchison-sasl-login
	SASL_CRAM_MD5, // RFC 2195
	SASL_DIGEST_MD5, // RFC 2831
	SASL_SCRAM_SHA_1, // RFC 5802, 7677
	SASL_SCRAM_SHA_1_PLUS,
	SASL_SCRAM_SHA_224,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_256_PLUS,
	SASL_SCRAM_SHA_384,
	SASL_SCRAM_SHA_512,
	SASL_SCRAM_SHA_512_PLUS,
	SASL_SCRAM_SHA3_512,
	SASL_SCRAM_SHA3_512_PLUS,
	SASL_SCRAM, // others of the family
	SASL_NTLM,
	SASL_GSSAPI, // RFC 4752
	SASL_GSS_SPNEGO,
	SASL_GS2_KRB5, // RFC 5801
	SASL_GS2_KRB5_PLUS,
	SASL_EXTERNAL,
	SASL_XOAUTH2,
	SASL_OAUTHBEARER, // RFC 7628
	SASL_ANONYMOUS,
	SASL_OTHER,
	SASL_COUNT,
};

enum { SASL_NAME_SIZE_MAX = 255 };

// One exchange in progress; small enough to live in a protocol's state while it lasts.
struct sasl {
	uint8_t mechanism; // enum sasl_mechanism
	uint8_t n_messages; // client messages so far
	uint8_t n_asked; // of the server's, as far as the protocol counts them
	bool is_bad; // not base64, or not what the mechanism allows
	bool is_bad_base64;
	uint8_t name_size;
	uint8_t authzid_size;
	char name
		[SASL_NAME_SIZE_MAX]; // authentication identity; where there is none, the other one
	char authzid[SASL_NAME_SIZE_MAX]; // authorization identity, where another was named
	uint64_t password_hash; // 0: none seen
};

// As in records: "PLAIN", "SCRAM-SHA-256"; LOGIN for the command too.
const char *sasl_name(enum sasl_mechanism mechanism);
// From the argument of AUTHENTICATE or AUTH; any case.
enum sasl_mechanism sasl_find(const uint8_t *name, size_t size);
bool sasl_is_scram(enum sasl_mechanism mechanism);

// An exchange begins: whatever was in *sasl is gone.
void sasl_open(struct sasl *sasl, enum sasl_mechanism mechanism);
// Gives one back that is the slab's, wiped; *sasl is NULL then, and may be before.
void sasl_put(struct slab *slab, struct sasl **sasl);
// One client message as on the wire: a base64 line, "=" for an empty one, "*" to cancel. Decodes
// into a buffer on the stack, which is wiped. hash turns a password into its keyed hash. Returns 0,
// or -1 when the client cancelled.
int sasl_client(
	struct sasl *sasl,
	const uint8_t *line,
	size_t size,
	uint64_t (*hash)(const void *ctx, const uint8_t *password, size_t size),
	const void *ctx
);
// One whose end is not there, because it is longer than limits.h allows: whatever its beginning says, nobody is named.
void sasl_client_cut(struct sasl *sasl);
// Decodes base64 (RFC 4648, padding optional at the end, no white space). Returns the number of bytes, or -1.
int sasl_base64(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);
