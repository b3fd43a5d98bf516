// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: in one piece or byte by byte, a header ends at the same place and says the same, and what it says
// of the connection stays within what is kept.

#include "proto/proxy.h"

#include <stdlib.h>
#include <string.h>

// Walks what is kept in a block of its own size. It ends where it does.
static void tlvs_walk(const struct proxy *proxy) {
	size_t left = proxy->tlvs_size;
	uint8_t *kept = malloc(left ? left : 1);
	const uint8_t *at = kept;
	struct proxy_ssl ssl;
	struct proxy_tlv tlv;

	memcpy(kept, proxy->tlvs, left);
	while (proxy_tlv_next(&at, &left, &tlv))
		if (tlv.type == PROXY_TLV_SSL && proxy_ssl_read(&tlv, &ssl) && ssl.common_name.value
		    && ssl.common_name.value + ssl.common_name.size > tlv.value + tlv.size)
			abort();
	if (left > 0 && proxy->kind == PROXY_CLIENT)
		abort();
	free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct proxy whole = {0}, bytes = {0};
	const uint8_t *rest = data;
	size_t left = size, used = 0;
	int over = proxy_read(&whole, &rest, &left), over_bytes = 0;

	while (used < size && over_bytes == 0) {
		uint8_t *byte = malloc(1);
		const uint8_t *at = byte;
		size_t n = 1;
		*byte = data[used];
		over_bytes = proxy_read(&bytes, &at, &n);
		used += 1 - n;
		free(byte);
	}
	if (over != over_bytes || used != size - left || memcmp(&whole, &bytes, sizeof(whole)) != 0)
		abort();
	if (over > 0)
		tlvs_walk(&whole);
	// Nothing is lost of what is no header.
	if (over < 0 && (whole.size != used || memcmp(whole.kept, data, used) != 0))
		abort();
	return 0;
}
