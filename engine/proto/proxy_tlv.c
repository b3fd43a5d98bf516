// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/proxy_tlv.h"

#include <string.h>

enum {
	// Of PROXY_TLV_SSL: client (1), verify (4), then TLVs.
	SSL_HEAD_SIZE = 5,
	SSL_CLIENT_TLS = 0x01,
	SSL_CLIENT_CERTIFICATE = 0x02 | 0x04, // of this connection, of this TLS session
	SSL_VERSION = 0x21,
	SSL_COMMON_NAME = 0x22,
	SSL_CIPHER = 0x23,
};

size_t proxy_tlv_kept(uint8_t type, size_t size) {
	size_t max = 0;

	switch (type) {
	case PROXY_TLV_ALPN:
		max = PROXY_ALPN_SIZE_MAX;
		break;
	case PROXY_TLV_AUTHORITY:
		max = PROXY_AUTHORITY_SIZE_MAX;
		break;
	case PROXY_TLV_UNIQUE_ID:
		max = PROXY_UNIQUE_ID_SIZE_MAX;
		break;
	case PROXY_TLV_SSL:
		max = PROXY_SSL_SIZE_MAX;
		break;
	case PROXY_TLV_NETNS:
		max = PROXY_NETNS_SIZE_MAX;
		break;
	}
	return size < max ? size : max;
}

static size_t declared(const uint8_t *head) {
	return (size_t)(head[1] << 8 | head[2]);
}

bool proxy_tlv_next(const uint8_t **at, size_t *left, struct proxy_tlv *tlv_r) {
	if (*left < PROXY_TLV_HEAD_SIZE)
		return false;
	size_t size = declared(*at), kept = proxy_tlv_kept(**at, size);

	if (kept > *left - PROXY_TLV_HEAD_SIZE)
		return false;
	*tlv_r = (struct proxy_tlv){
		.type = **at,
		.is_cut = kept < size,
		.value = *at + PROXY_TLV_HEAD_SIZE,
		.size = kept,
	};
	*at += PROXY_TLV_HEAD_SIZE + kept;
	*left -= PROXY_TLV_HEAD_SIZE + kept;
	return true;
}

// The first of a type counts, as outside.
static void ssl_take(struct proxy_ssl *ssl, const struct proxy_tlv *tlv) {
	struct proxy_tlv *to = NULL;

	if (tlv->type == SSL_VERSION)
		to = &ssl->version;
	else if (tlv->type == SSL_COMMON_NAME)
		to = &ssl->common_name;
	else if (tlv->type == SSL_CIPHER)
		to = &ssl->cipher;
	if (to && !to->value)
		*to = *tlv;
}

bool proxy_ssl_read(const struct proxy_tlv *tlv, struct proxy_ssl *ssl_r) {
	static const uint8_t good[4];
	const uint8_t *at = tlv->value + SSL_HEAD_SIZE, *end = tlv->value + tlv->size;

	memset(ssl_r, 0, sizeof(*ssl_r));
	if (tlv->size < SSL_HEAD_SIZE)
		return false;
	ssl_r->is_tls = tlv->value[0] & SSL_CLIENT_TLS;
	ssl_r->has_certificate = tlv->value[0] & SSL_CLIENT_CERTIFICATE;
	ssl_r->is_verified = ssl_r->has_certificate && memcmp(tlv->value + 1, good, 4) == 0;
	ssl_r->is_cut = tlv->is_cut;
	while (end - at >= PROXY_TLV_HEAD_SIZE) {
		size_t size = declared(at), left = (size_t)(end - at) - PROXY_TLV_HEAD_SIZE;
		struct proxy_tlv inner
			= {.type = *at, .value = at + PROXY_TLV_HEAD_SIZE, .size = size};
		if (size > left) {
			if (!tlv->is_cut)
				return false;
			inner.is_cut = true;
			inner.size = left;
		}
		ssl_take(ssl_r, &inner);
		at = inner.value + inner.size;
	}
	return at == end || tlv->is_cut;
}
