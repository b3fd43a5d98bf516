// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#define OPENSSL_SUPPRESS_DEPRECATED // SHA256_Update and its like: they do not allocate

#include "mime/sha256.h"

#include "mime/sha256_lane.h"

#include <assert.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static_assert(SHA256_BATCH_SIZE % SHA256_CBLOCK == 0, "whole blocks");

enum {
	LOOK = 8, // so many others are looked at for one to be hashed with
	BLOCKS_MIN = 8, // fewer are not worth it
};

#if defined(__x86_64__)

// FIPS 180-4, 4.2.2
const uint32_t sha256_constants[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

// Whole blocks of two texts: the one's rounds fill the time in which the other's wait.
SHA256_CODE static void
blocks_hash(uint32_t a[8], uint32_t b[8], const uint8_t *of_a, const uint8_t *of_b, size_t size) {
	struct sha256_lane lane_a, lane_b;

	sha256_lane_load(&lane_a, a);
	sha256_lane_load(&lane_b, b);
	for (size_t at = 0; at < size; at += SHA256_CBLOCK) {
		struct sha256_lane before_a = lane_a, before_b = lane_b;

		sha256_lane_words(&lane_a, of_a + at);
		sha256_lane_words(&lane_b, of_b + at);
#pragma GCC unroll 16
		for (int step = 0; step < 16; step++) {
			sha256_lane_step(&lane_a, step);
			sha256_lane_step(&lane_b, step);
		}
		lane_a.abef = _mm_add_epi32(lane_a.abef, before_a.abef);
		lane_a.cdgh = _mm_add_epi32(lane_a.cdgh, before_a.cdgh);
		lane_b.abef = _mm_add_epi32(lane_b.abef, before_b.abef);
		lane_b.cdgh = _mm_add_epi32(lane_b.cdgh, before_b.cdgh);
	}
	sha256_lane_store(&lane_a, a);
	sha256_lane_store(&lane_b, b);
}

static bool has_sha(void) {
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA)
		&& __builtin_cpu_supports("sse4.1");
}

#else

static void blocks_hash(uint32_t *, uint32_t *, const uint8_t *, const uint8_t *, size_t) {}

static bool has_sha(void) {
	return false;
}

#endif

void sha256_pair_init(struct sha256_pair *pair) {
	pair->first = NULL;
	pair->has_instructions = has_sha();
}

// As SHA256_Update() would leave it.
void sha256_took(struct sha256 *sha256, size_t size) {
	uint32_t before = sha256->ctx.Nl;

	sha256->ctx.Nl += (uint32_t)size * 8;
	sha256->ctx.Nh += sha256->ctx.Nl < before;
	sha256->n -= (uint16_t)size;
	sha256->from = sha256->n > 0 ? sha256->from + (uint16_t)size : 0;
}

static void batch_alone(struct sha256 *sha256) {
	SHA256_Update(&sha256->ctx, sha256->batch + sha256->from, sha256->n);
	sha256->from = sha256->n = 0;
}

// Another text, with the most in its batch; NULL: none that is worth it.
static struct sha256 *other_find(const struct sha256 *sha256) {
	struct sha256 *best = NULL, *other = sha256->pair->first;
	uint16_t most = BLOCKS_MIN * SHA256_CBLOCK - 1;

	for (int i = 0; i < LOOK && other; i++, other = other->next)
		if (other != sha256 && other->n > most) {
			best = other;
			most = other->n;
		}
	return best;
}

// Whether nobody is there to be hashed with.
static bool is_alone(const struct sha256 *sha256) {
	const struct sha256_pair *pair = sha256->pair;

	return pair && pair->has_instructions && pair->first == sha256 && !sha256->next;
}

size_t sha256_waiting(const struct sha256 *sha256) {
	return is_alone(sha256) ? sha256->n / SHA256_CBLOCK * SHA256_CBLOCK : 0;
}

// What waits goes to the batch's beginning.
static void batch_move(struct sha256 *sha256) {
	memmove(sha256->batch, sha256->batch + sha256->from, sha256->n);
	sha256->from = 0;
}

static void batch_full(struct sha256 *sha256) {
	struct sha256 *other
		= sha256->pair && sha256->pair->has_instructions ? other_find(sha256) : NULL;
	size_t size;

	if (is_alone(sha256) && sha256->n <= SHA256_BATCH_SIZE / 2) {
		batch_move(sha256);
		return;
	}
	if (!other || sha256->n < BLOCKS_MIN * SHA256_CBLOCK) {
		batch_alone(sha256);
		return;
	}
	size = (other->n < sha256->n ? other->n : sha256->n) / SHA256_CBLOCK * SHA256_CBLOCK;
	blocks_hash(
		sha256->ctx.h,
		other->ctx.h,
		sha256->batch + sha256->from,
		other->batch + other->from,
		size
	);
	sha256_took(sha256, size);
	sha256_took(other, size);
	batch_move(sha256);
}

void sha256_begin(struct sha256 *sha256, struct sha256_pair *pair) {
	SHA256_Init(&sha256->ctx);
	sha256->from = sha256->n = 0;
	sha256->pair = pair;
	sha256->next = sha256->prev = NULL;
	if (!pair)
		return;
	sha256->next = pair->first;
	if (pair->first)
		pair->first->prev = sha256;
	pair->first = sha256;
}

void sha256_data(struct sha256 *sha256, const uint8_t *data, size_t size) {
	while (size > 0) {
		size_t end = (size_t)sha256->from + sha256->n, n = SHA256_BATCH_SIZE - end;

		n = n < size ? n : size;
		memcpy(sha256->batch + end, data, n);
		sha256->n += (uint16_t)n;
		data += n;
		size -= n;
		if (end + n == SHA256_BATCH_SIZE)
			batch_full(sha256);
	}
}

void sha256_drop(struct sha256 *sha256) {
	if (!sha256->pair)
		return;
	if (sha256->prev)
		sha256->prev->next = sha256->next;
	else
		sha256->pair->first = sha256->next;
	if (sha256->next)
		sha256->next->prev = sha256->prev;
	sha256->pair = NULL;
}

void sha256_end(struct sha256 *sha256, uint8_t hash[SHA256_SIZE]) {
	sha256_drop(sha256);
	batch_alone(sha256);
	SHA256_Final(hash, &sha256->ctx);
}
