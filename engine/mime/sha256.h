// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SHA-256 of texts that come in small pieces, many of them open at once. One SHA-256 waits for itself:
// each round needs the one before. Where the processor has instructions for it, two texts side by side
// take hardly longer than one. So each keeps a batch, and when it is full as much of another one's batch is
// hashed with it.

#pragma once

#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SHA256_SIZE = 32,
	// Hashed at once: pieces of a packet each take a third longer than some kilobytes.
	SHA256_BATCH_SIZE = 4096,
};

struct sha256;

// What the texts of one worker share.
struct sha256_pair {
	struct sha256 *first; // of those that are open
	bool has_instructions; // false: two take twice as long as one
};

struct sha256 {
	SHA256_CTX ctx;
	struct sha256_pair *pair; // NULL: by itself
	struct sha256 *next, *prev; // of the pair's
	uint16_t from, n; // in batch: of what is not hashed yet, its beginning and size
	uint8_t batch[SHA256_BATCH_SIZE];
};

void sha256_pair_init(struct sha256_pair *pair);

// pair: borrowed until the end; NULL: none. The struct stays where it is until its end.
void sha256_begin(struct sha256 *sha256, struct sha256_pair *pair);
void sha256_data(struct sha256 *sha256, const uint8_t *data, size_t size);
// Bytes at batch + from that whoever has other work may hash between it (sha256_lane.h, transfer_base64.c): whole
// blocks. 0 where two texts can be hashed side by side, and where the processor has no instructions.
size_t sha256_waiting(const struct sha256 *sha256);
// The first size of them are in ctx.h.
void sha256_took(struct sha256 *sha256, size_t size);
// This or sha256_drop() must be called for each text begun.
void sha256_end(struct sha256 *sha256, uint8_t hash[SHA256_SIZE]);
// Nobody wants the hash. Accepts one that is over.
void sha256_drop(struct sha256 *sha256);
