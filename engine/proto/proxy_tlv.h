// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a proxy says of the client's connection behind the addresses of a version 2 header: type, length,
// value (HAProxy's specification, section 2.2.1 on). Those of the types below are kept, the first of each,
// as far as they may be long; what a server would use none of is passed over.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proxy_tlv_type {
	PROXY_TLV_ALPN = 0x01,
	PROXY_TLV_AUTHORITY = 0x02, // the name the client asked for
	PROXY_TLV_CRC32C = 0x03, // checked, not kept
	PROXY_TLV_UNIQUE_ID = 0x05,
	PROXY_TLV_SSL = 0x20,
	PROXY_TLV_NETNS = 0x30,
};

enum {
	PROXY_TLV_HEAD_SIZE = 3,
	PROXY_ALPN_SIZE_MAX = 32,
	PROXY_AUTHORITY_SIZE_MAX = 255,
	PROXY_UNIQUE_ID_SIZE_MAX = 128, // the specification's bound
	PROXY_SSL_SIZE_MAX
	= 320, // its version, common name and cipher, and the algorithms between them
	PROXY_NETNS_SIZE_MAX = 64,
	// All of them, each once and with its head.
	PROXY_TLVS_SIZE_MAX = PROXY_ALPN_SIZE_MAX + PROXY_AUTHORITY_SIZE_MAX
		+ PROXY_UNIQUE_ID_SIZE_MAX + PROXY_SSL_SIZE_MAX + PROXY_NETNS_SIZE_MAX
		+ 5 * PROXY_TLV_HEAD_SIZE,
};

// Borrowed from the bytes that are walked.
struct proxy_tlv {
	uint8_t type;
	bool is_cut; // the value was longer
	const uint8_t *value;
	size_t size;
};

struct proxy_ssl {
	bool is_tls; // the client spoke TLS to the proxy
	bool has_certificate; // and showed a certificate, now or when the TLS session began
	bool is_verified; // which the proxy found to be good
	bool is_cut;
	struct proxy_tlv version, common_name, cipher; // value NULL: not said
};

// How many bytes of a value are kept, of one of size; 0: it is of no type that is.
size_t proxy_tlv_kept(uint8_t type, size_t size);
// The next of kept TLVs: head as on the wire, then the value as far as it is kept. Moves *at and *left
// behind it; false: there is none.
bool proxy_tlv_next(const uint8_t **at, size_t *left, struct proxy_tlv *tlv_r);
// What the value of PROXY_TLV_SSL says. false: it is too short, or the ones inside do not fill it.
bool proxy_ssl_read(const struct proxy_tlv *tlv, struct proxy_ssl *ssl_r);
