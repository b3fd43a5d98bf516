// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// PROXY protocol, versions 1 and 2 (HAProxy's specification of 2020): what a proxy puts before the
// client's first byte to say who the client is. Read from pieces of any size; of a header its addresses
// are kept and what proxy_tlv.h names, whatever else follows is counted through.
//
// This says what the header claims. Whether it is believed is the session's decision.

#pragma once

#include "activity.h"
#include "proto/proxy_tlv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROXY_V1_SIZE_MAX = 107, // the longest line the specification knows, with its CR LF
	PROXY_V2_HEAD_SIZE = 16, // signature, version and command, family, length
	// Kept: a line of version 1, or a head and the addresses of IPv6.
	PROXY_KEPT_SIZE_MAX = PROXY_V1_SIZE_MAX,
};

enum proxy_kind {
	PROXY_BAD, // it is one, and not as the specification demands: receivers refuse it
	PROXY_LOCAL, // the proxy speaks for itself, or does not know: no address
	PROXY_CLIENT, // address and port are the client's
};

// Zeroed is the start of a stream.
struct proxy {
	uint8_t kind; // enum proxy_kind, when it is over
	uint8_t version; // 1 or 2
	uint16_t port;
	struct ip ip;

	uint8_t size; // of kept
	uint8_t tlv_at; // bytes of the present TLV's head
	uint8_t tlv_type;
	bool is_crc_seen;
	bool is_tlv_bad;
	uint16_t left; // of the declared length
	uint16_t address_left; // of the address block
	uint16_t tlv_left; // of the present TLV's value
	uint16_t tlv_keep; // and of that to be kept
	uint16_t tlvs_size; // of tlvs
	uint32_t crc, crc_claimed;
	uint8_t kept[PROXY_KEPT_SIZE_MAX];
	uint8_t tlvs[PROXY_TLVS_SIZE_MAX]; // as proxy_tlv_next() walks them; with PROXY_CLIENT
};

// Takes the header's bytes from *data, *size. 1: it is over, kind says what it was, and what is left
// belongs to the session; 0: all bytes are taken and more are needed; -1: it is none. Then the bytes
// taken so far, in this call and before, stand in kept, and the others are still in *data.
int proxy_read(struct proxy *proxy, const uint8_t **data, size_t *size);
