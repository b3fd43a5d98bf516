// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: in one piece or byte by byte, a header ends at the same place and says the same, and what it says
// of the connection stays within what is kept. The same of what a client and a proxy say to each other before it
// connects them.

#include "limits.h"
#include "proto/connect.h"
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

// Of each direction so many bytes, in a block of that size.
static enum connect_result
connect_next(struct connect *connect, const uint8_t *const data[2], const size_t size[2]) {
	uint8_t *block[2];
	enum connect_result result;

	for (int dir = 0; dir < 2; dir++) {
		block[dir] = malloc(size[dir] ? size[dir] : 1);
		memcpy(block[dir], data[dir], size[dir]);
	}
	result = connect_read(connect, (const uint8_t *const *)block, size);
	free(block[0]);
	free(block[1]);
	return result;
}

// All that the client says, and then all of the proxy's: in one piece each, and byte by byte.
static void connect_check(const uint8_t *const data[2], const size_t size[2]) {
	struct connect whole = {0}, bytes = {0};
	const size_t client_alone[2] = {size[STREAM_CLIENT]};
	enum connect_result result = connect_next(&whole, data, client_alone),
			    by_bytes = CONNECT_MORE;
	size_t at[2] = {0};

	if (result == CONNECT_MORE)
		result = connect_next(&whole, data, size);
	for (int dir = 0; dir < 2; dir++)
		while (by_bytes == CONNECT_MORE && at[dir] < size[dir]) {
			at[dir]++;
			by_bytes = connect_next(&bytes, data, at);
		}
	if (result != by_bytes || whole.at[0] > size[0] || whole.at[1] > size[1])
		abort();
	if (result == CONNECT_OPEN
	    && (memcmp(whole.at, bytes.at, sizeof(whole.at)) != 0 || whole.port != bytes.port
		|| whole.how != bytes.how || memcmp(&whole.ip, &bytes.ip, sizeof(whole.ip)) != 0
		|| whole.host_size != bytes.host_size || whole.user_size != bytes.user_size
		|| memcmp(whole.host, bytes.host, whole.host_size) != 0
		|| memcmp(whole.user, bytes.user, whole.user_size) != 0))
		abort();
}

// The first two bytes say how many are the client's.
static void connect_split(const uint8_t *data, size_t size) {
	size_t n = size < 2 ? 0 : (size_t)(data[0] << 8 | data[1]);

	if (size <= 2 || size > CONNECT_SIZE_MAX)
		return;
	n = n < size - 2 ? n : size - 2;
	connect_check(
		(const uint8_t *const[2]){data + 2, data + 2 + n},
		(const size_t[2]){n, size - 2 - n}
	);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct proxy whole = {0}, bytes = {0};
	const uint8_t *rest = data;
	size_t left = size, used = 0;
	int over = proxy_read(&whole, &rest, &left), over_bytes = 0;

	connect_split(data, size);
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
