// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The Internet checksum (RFC 1071): a sum of 16-bit words in the machine's own byte order, folded.
// Sums of parts that begin at even offsets may be added.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

// sum plus the words of size bytes; a last odd byte counts as if a zero followed. The accumulator is
// wide enough for 16 GiB. The plain form: what the fast one below is tested against.
static inline uint64_t checksum_add_plain(uint64_t sum, const void *data, size_t size) {
	const uint8_t *p = data;
	uint16_t word;

	for (; size >= 2; p += 2, size -= 2) {
		memcpy(&word, p, 2);
		sum += word;
	}
	if (size) {
		word = 0;
		memcpy(&word, p, 1);
		sum += word;
	}
	return sum;
}

// Any width will do, since 2^16 ≡ 1 modulo 0xffff: 32-bit words are summed in 64-bit lanes, where
// no carry is lost. *data and *size are moved to what is left, less than 64 bytes.
static inline uint64_t checksum_add_blocks(uint64_t sum, const uint8_t **data, size_t *size) {
#ifdef __SSE2__
	const __m128i low = _mm_set_epi32(0, -1, 0, -1);
	__m128i even = _mm_setzero_si128(), odd = _mm_setzero_si128();
	uint64_t lanes[2];

	for (; *size >= 64; *data += 64, *size -= 64) {
		for (int i = 0; i < 4; i++) {
			__m128i x = _mm_loadu_si128((const __m128i *)*data + i);
			even = _mm_add_epi64(even, _mm_and_si128(x, low));
			odd = _mm_add_epi64(odd, _mm_srli_epi64(x, 32));
		}
	}
	_mm_storeu_si128((__m128i *)lanes, _mm_add_epi64(even, odd));
	sum += lanes[0] + lanes[1];
#endif
	return sum;
}

// One 64-bit word, its carry brought round: 2^64 ≡ 1 modulo 0xffff, too.
static inline uint64_t checksum_word(uint64_t sum, const uint8_t *p) {
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	sum += word;
	return sum + (sum < word);
}

// The sum returned is less than 2^34, as long as the one given is no more than the sum of a few others.
static inline uint64_t checksum_add(uint64_t sum, const void *data, size_t size) {
	const uint8_t *p = data;
	uint32_t half = 0;

	if (size >= 64)
		sum = checksum_add_blocks(sum, &p, &size);
	for (; size >= 16; p += 16, size -= 16)
		sum = checksum_word(checksum_word(sum, p), p + 8);
	if (size & 8) {
		sum = checksum_word(sum, p);
		p += 8;
	}
	sum = (sum >> 32) + (sum & 0xffffffff);
	if (size & 4) {
		memcpy(&half, p, 4);
		sum += half;
		p += 4;
	}
	return size & 3 ? checksum_add_plain(sum, p, size & 3) : sum;
}

// Folded to 16 bits; 0xffff over a whole header, its field included, means that it is right.
static inline uint16_t checksum_fold(uint64_t sum) {
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

// ---- For headers and short segments

// The last n bytes of the 8 at p, 1 to 7, as if they stood at an even place and zeros behind them.
static inline uint64_t checksum_last(const uint8_t *p, size_t n) {
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word >> (64 - 8 * n)
							 : word << (64 - 8 * n);
}

static inline uint64_t checksum_two(uint64_t sum, const uint8_t *p) {
	return checksum_word(checksum_word(sum, p), p + 8);
}

enum { CHECKSUM_SHORT_MAX = 127 };

// As checksum_add(), of 8 to CHECKSUM_SHORT_MAX bytes; without a loop. Any sum may be given and is returned.
static inline uint64_t checksum_add_short(uint64_t sum, const void *data, size_t size) {
	const uint8_t *p = data, *end = p + size;
	uint64_t last;

	if (size & 64) {
		sum = checksum_two(checksum_two(sum, p), p + 16);
		sum = checksum_two(checksum_two(sum, p + 32), p + 48);
		p += 64;
	}
	if (size & 32) {
		sum = checksum_two(checksum_two(sum, p), p + 16);
		p += 32;
	}
	if (size & 16) {
		sum = checksum_two(sum, p);
		p += 16;
	}
	if (size & 8)
		sum = checksum_word(sum, p);
	if (!(size & 7))
		return sum;
	last = checksum_last(end - 8, size & 7);
	sum += last;
	return sum + (sum < last);
}

// A sum over a header and its field is right when it is 0 modulo 0xffff; it must not be 0 itself. 0xffff has an
// inverse modulo 2^64, and multiples of it are those whose product with that is small (Granlund,
// Montgomery 1994): no division.
static inline bool checksum_is_right(uint64_t sum) {
	return sum * 0xfffefffefffeffff <= UINT64_MAX / 0xffff;
}
