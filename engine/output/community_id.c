// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The one-shot functions of OpenSSL 3 allocate; the old ones, which work on a context of the caller's,
// do not. They are deprecated for new protocols, not for a hash that is an identifier.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "output/community_id.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

enum { PROTOCOL_TCP = 6 };

// The end with the lower address goes first, by port where they are equal.
static bool is_server_first(const struct stream_tuple *tuple, size_t addr_size) {
	int order = memcmp(tuple->addr[STREAM_SERVER], tuple->addr[STREAM_CLIENT], addr_size);

	return order < 0 || (order == 0 && tuple->port[STREAM_SERVER] < tuple->port[STREAM_CLIENT]);
}

void community_id(const struct stream_tuple *tuple, char text[COMMUNITY_ID_SIZE]) {
	size_t addr_size = tuple->family == 4 ? 4 : 16;
	int first = is_server_first(tuple, addr_size) ? STREAM_SERVER : STREAM_CLIENT;
	int ends[2] = {first, !first};
	uint8_t hash[SHA_DIGEST_LENGTH], input[2 + 16 + 16 + 2 + 4] = {0, 0}, *p = input + 2;
	SHA_CTX sha;

	for (int i = 0; i < 2; i++, p += addr_size)
		memcpy(p, tuple->addr[ends[i]], addr_size);
	*p++ = PROTOCOL_TCP;
	*p++ = 0;
	for (int i = 0; i < 2; i++) {
		*p++ = (uint8_t)(tuple->port[ends[i]] >> 8);
		*p++ = (uint8_t)tuple->port[ends[i]];
	}
	SHA1_Init(&sha);
	SHA1_Update(&sha, input, (size_t)(p - input));
	SHA1_Final(hash, &sha);
	memcpy(text, "1:", 2);
	EVP_EncodeBlock((unsigned char *)text + 2, hash, sizeof(hash));
}
