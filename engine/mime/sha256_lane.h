// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SHA-256 by the processor's instructions (FIPS 180-4), one text a lane, in pieces that a caller can put between
// other work: each round waits for the one before, and what stands beside it costs next to nothing.

#pragma once

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define SHA256_TARGET "sha,sse4.1,ssse3"
#define SHA256_CODE __attribute__((target(SHA256_TARGET)))

// FIPS 180-4, 4.2.2
extern const uint32_t sha256_constants[64];

// The state as the instructions have it: A B E F and C D G H.
struct sha256_lane {
	__m128i abef, cdgh;
	__m128i words[4]; // of the message, the next sixteen
};

SHA256_CODE static inline void sha256_lane_load(struct sha256_lane *lane, const uint32_t h[8]) {
	__m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1);
	__m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);

	lane->abef = _mm_alignr_epi8(low, high, 8);
	lane->cdgh = _mm_blend_epi16(high, low, 0xf0);
}

SHA256_CODE static inline void sha256_lane_store(const struct sha256_lane *lane, uint32_t h[8]) {
	__m128i low = _mm_shuffle_epi32(lane->abef, 0x1b);
	__m128i high = _mm_shuffle_epi32(lane->cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)h, _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(high, low, 8));
}

SHA256_CODE static inline __attribute__((always_inline)) void
sha256_lane_words(struct sha256_lane *lane, const uint8_t *block) {
	const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	for (int i = 0; i < 4; i++)
		lane->words[i] = _mm_shuffle_epi8(
			_mm_loadu_si128((const __m128i *)(block + 16 * i)), order
		);
}

// Four rounds, the step-th of sixteen, and the words that are needed four steps later.
SHA256_CODE static inline __attribute__((always_inline)) void
sha256_lane_step(struct sha256_lane *lane, int step) {
	__m128i *words = lane->words;
	__m128i *now = &words[step & 3], *last = &words[(step + 3) & 3];
	__m128i sum = _mm_add_epi32(
		*now, _mm_load_si128((const __m128i *)(sha256_constants + 4 * step))
	);

	lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, sum);
	sum = _mm_shuffle_epi32(sum, 0x0e);
	lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, sum);
	if (step >= 12)
		return;
	*now = _mm_sha256msg1_epu32(*now, words[(step + 1) & 3]);
	*now = _mm_add_epi32(*now, _mm_alignr_epi8(*last, words[(step + 2) & 3], 4));
	*now = _mm_sha256msg2_epu32(*now, *last);
}

// Steps of a block from one on to another.
SHA256_CODE static inline __attribute__((always_inline)) void
sha256_lane_steps(struct sha256_lane *lane, int from, int to) {
#pragma GCC unroll 16
	for (int step = from; step < to; step++)
		sha256_lane_step(lane, step);
}

// Behind its last step: the state before it is added.
SHA256_CODE static inline __attribute__((always_inline)) void
sha256_lane_add(struct sha256_lane *lane, const struct sha256_lane *before) {
	lane->abef = _mm_add_epi32(lane->abef, before->abef);
	lane->cdgh = _mm_add_epi32(lane->cdgh, before->cdgh);
}

#endif
