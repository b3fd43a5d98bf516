// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Base64. Mail programs differ most in what they do with damaged base64: here every character of the alphabet
// counts, padding ends its group and nothing else, and is_bad says that others may see less.

#include "mime/sha256.h"
#include "mime/sha256_lane.h"
#include "mime/transfer_private.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BAD = 0xff, BLANK = 0xfe, PAD = 0xfd };

#define X4 BAD, BAD, BAD, BAD
#define X16 X4, X4, X4, X4
static const uint8_t values[256]
	= {
		X4,  X4,  BAD, BLANK, BLANK, BAD, BAD, BLANK, BAD, BAD, X16, BLANK,
		BAD, BAD, BAD, X4,    BAD,   BAD, BAD, 62,    BAD, BAD, BAD, 63, // space … /
		52,  53,  54,  55,    56,    57,  58,  59,    60,  61,	BAD, BAD,
		BAD, PAD, BAD, BAD, // 0 … ?
		BAD, 0,	  1,   2,     3,     4,	  5,   6,     7,   8,	9,   10,
		11,  12,  13,  14, // @ … O
		15,  16,  17,  18,    19,    20,  21,  22,    23,  24,	25,  BAD,
		BAD, BAD, BAD, BAD, // P … _
		BAD, 26,  27,  28,    29,    30,  31,  32,    33,  34,	35,  36,
		37,  38,  39,  40, // ` … o
		41,  42,  43,  44,    45,    46,  47,  48,    49,  50,	51,  BAD,
		BAD, BAD, BAD, BAD, // p … DEL
		X16, X16, X16, X16,   X16,   X16, X16, X16,
};
#undef X16
#undef X4

size_t transfer_base64_flush(struct transfer *t, uint8_t *out) {
	uint32_t word = t->word << (6 * (4 - t->n));
	size_t n = t->n > 1 ? t->n - 1u : 0;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(word >> (16 - 8 * i));
	t->n = 0;
	t->word = 0;
	return n;
}

static size_t char_read(struct transfer *t, uint8_t c, uint8_t *out) {
	uint8_t value = values[c];

	if (t->state == B64_LOST) {
		if (c == '\n')
			t->state = B64_GROUP;
		return 0;
	}
	if (value < 64) {
		t->is_bad |= t->state == B64_PADDED; // some stop at the padding
		t->state = B64_GROUP;
		t->word = t->word << 6 | value;
		return ++t->n == 4 ? transfer_base64_flush(t, out) : 0;
	}
	if (value == BLANK)
		return 0;
	if (value == BAD) {
		t->is_bad = true;
		return 0;
	}
	if (t->state == B64_PADDED)
		return 0;
	t->is_bad |= t->n < 2;
	t->state = B64_PADDED;
	return transfer_base64_flush(t, out);
}

size_t
transfer_base64_plain(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += char_read(transfer, data[i], out + n);
	return n;
}

// How far a run of whole groups went.
struct progress {
	size_t read, written;
};

// Whole groups without a line end or anything odd among them.
static struct progress groups_plain(const uint8_t *data, size_t size, uint8_t *out) {
	size_t i = 0, n = 0;

	for (; i + 4 <= size; i += 4) {
		uint32_t a = values[data[i]], b = values[data[i + 1]];
		uint32_t c = values[data[i + 2]], d = values[data[i + 3]];

		if ((a | b | c | d) > 63)
			break;
		uint32_t word = a << 18 | b << 12 | c << 6 | d;
		out[n++] = (uint8_t)(word >> 16);
		out[n++] = (uint8_t)(word >> 8);
		out[n++] = (uint8_t)word;
	}
	return (struct progress){i, n};
}

#if defined(__x86_64__)

enum { BLOCK = 32, WIDE_BLOCK = 64 };

// clang-format off
// By half-byte, as Muła and Lemire have them: what is not of the alphabet has a bit in both of the first two.
static const int8_t low_table[16] = {
	0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a,
};
static const int8_t high_table[16] = {
	0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
};
static const int8_t add_table[16] = {0, 16, 19, 4, -65, -65, -71, -71};
static const uint8_t byte_order_64[64] = {
	2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 18, 17, 16, 22, 21, 20, 26, 25, 24, 30, 29, 28,
	34, 33, 32, 38, 37, 36, 42, 41, 40, 46, 45, 44, 50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60,
};
static const int8_t byte_order[16] = {2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1};
// clang-format on

// In both halves of a register: its shuffles work on halves.
__attribute__((target("avx2"))) static inline __m256i table_load(const int8_t table[16]) {
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

// Characters before the first that is none of the alphabet, whose bits are in both a and b; whole groups.
__attribute__((target("avx2"))) static inline uint32_t good_groups(__m256i a, __m256i b) {
	__m256i is_good = _mm256_cmpeq_epi8(_mm256_and_si256(a, b), _mm256_setzero_si256());

	return (uint32_t)__builtin_ctz(~(uint32_t)_mm256_movemask_epi8(is_good)) & ~3u;
}

// 32 characters to 24 bytes at a time. The high half-byte of a character picks what to add to make it
// its value, and the two halves together say whether it is of the alphabet (W. Muła, D. Lemire: Faster
// Base64 Encoding and Decoding using AVX2 Instructions, 2018). Where one is not, the whole groups before it
// are taken, and CR LF between groups is passed over. 32 bytes are written each time, for which there is
// room (TRANSFER_EXTRA_MAX).
__attribute__((target("avx2"))) static struct progress
groups_avx2(const uint8_t *data, size_t size, uint8_t *out) {
	const __m256i low_bits = table_load(low_table), high_bits = table_load(high_table);
	const __m256i add = table_load(add_table), order = table_load(byte_order);
	const __m256i slash = _mm256_set1_epi8('/');
	struct progress done = {0, 0};

	while (done.read + BLOCK <= size) {
		const uint8_t *at = data + done.read;
		__m256i text = _mm256_loadu_si256((const __m256i *)at);
		__m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), slash);
		__m256i low = _mm256_and_si256(text, slash);
		__m256i is_slash = _mm256_cmpeq_epi8(text, slash);
		// The shuffles look at bit 7 and bits 0 … 3: slash's bit 5 does no harm.
		__m256i a = _mm256_shuffle_epi8(low_bits, low);
		__m256i b = _mm256_shuffle_epi8(high_bits, high);
		bool is_whole = _mm256_testz_si256(a, b);

		text = _mm256_add_epi8(
			text, _mm256_shuffle_epi8(add, _mm256_add_epi8(is_slash, high))
		);
		text = _mm256_maddubs_epi16(text, _mm256_set1_epi32(0x01400140));
		text = _mm256_madd_epi16(text, _mm256_set1_epi32(0x00011000));
		text = _mm256_shuffle_epi8(text, order);
		text = _mm256_permutevar8x32_epi32(
			text, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1)
		);
		_mm256_storeu_si256((__m256i *)(out + done.written), text);
		if (is_whole) {
			done.read += BLOCK;
			done.written += BLOCK / 4 * 3;
			continue;
		}
		uint32_t n = good_groups(a, b);
		done.read += n;
		done.written += n / 4 * 3;
		if (at[n] != '\r' || at[n + 1] != '\n')
			break;
		done.read += 2;
	}
	return done;
}

// SHA instructions are used only where something waits.
#define WIDE __attribute__((target("avx512f,avx512bw,avx512vbmi,bmi2," SHA256_TARGET)))

// The same with 64 characters to 48 bytes, and a table of all characters in two registers. Returns whether to
// go on.
WIDE static inline __attribute__((always_inline)) bool
wide_step(const uint8_t *data, size_t size, uint8_t *out, struct progress *done) {
	const __m512i low = _mm512_loadu_si512(values), high = _mm512_loadu_si512(values + 64);
	const __m512i order = _mm512_loadu_si512(byte_order_64);
	const uint8_t *at = data + done->read;
	size_t left = size - done->read;
	__mmask64 there = left < WIDE_BLOCK ? _bzhi_u64(UINT64_MAX, (unsigned)left) : UINT64_MAX;
	__m512i text = _mm512_maskz_loadu_epi8(there, at);
	__m512i value = _mm512_permutex2var_epi8(low, text, high);
	// Bit 7 is set in what is not ASCII, and in the table for what is none of the alphabet.
	uint64_t odd = _mm512_movepi8_mask(_mm512_or_si512(text, value));

	value = _mm512_maddubs_epi16(value, _mm512_set1_epi32(0x01400140));
	value = _mm512_madd_epi16(value, _mm512_set1_epi32(0x00011000));
	value = _mm512_permutexvar_epi8(order, value);
	_mm512_mask_storeu_epi8(out + done->written, (UINT64_C(1) << 48) - 1, value);
	if (odd == 0) {
		done->read += WIDE_BLOCK;
		done->written += WIDE_BLOCK / 4 * 3;
		return done->read < size;
	}
	uint32_t n = (uint32_t)__builtin_ctzll(odd) & ~3u;
	done->read += n;
	done->written += n / 4 * 3;
	if (n + 2 > left || at[n] != '\r' || at[n + 1] != '\n')
		return false;
	done->read += 2;
	return done->read < size;
}

WIDE static struct progress groups_avx512(const uint8_t *data, size_t size, uint8_t *out) {
	struct progress done = {0, 0};

	while (wide_step(data, size, out, &done))
		;
	return done;
}

// The same, and a block is hashed with each two steps: a line of 76 characters is two, and makes 57 bytes.
WIDE static struct progress groups_hashing(
	struct sha256 *sha256,
	size_t waiting,
	const uint8_t *data,
	size_t size,
	uint8_t *out
) {
	const uint8_t *blocks = sha256->batch + sha256->from;
	struct progress done = {0, 0};
	struct sha256_lane lane;
	size_t hashed = 0;
	bool more = true;

	sha256_lane_load(&lane, sha256->ctx.h);
	while (more && hashed < waiting) {
		struct sha256_lane before = lane;

		sha256_lane_words(&lane, blocks + hashed);
		sha256_lane_steps(&lane, 0, 8);
		more = wide_step(data, size, out, &done);
		sha256_lane_steps(&lane, 8, 16);
		sha256_lane_add(&lane, &before);
		hashed += SHA256_CBLOCK;
		more = more && wide_step(data, size, out, &done);
	}
	sha256_lane_store(&lane, sha256->ctx.h);
	sha256_took(sha256, hashed);
	while (more)
		more = wide_step(data, size, out, &done);
	return done;
}

#endif

// Whatever the processor has without AVX-512.
static struct progress
groups_narrow(struct sha256 *, const uint8_t *data, size_t size, uint8_t *out) {
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2")) {
		struct progress done = groups_avx2(data, size, out);
		if (size - done.read >= BLOCK)
			return done;
		// What is left, and behind it NUL, which is of no group.
		uint8_t tail[2 * BLOCK] = {0};
		memcpy(tail, data + done.read, size - done.read);
		struct progress rest = groups_avx2(tail, sizeof(tail), out + done.written);
		return (struct progress){done.read + rest.read, done.written + rest.written};
	}
#endif
	return groups_plain(data, size, out);
}

static struct progress
groups(struct sha256 *sha256, const uint8_t *data, size_t size, uint8_t *out) {
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512vbmi")) {
		size_t waiting = sha256 ? sha256_waiting(sha256) : 0;

		return waiting > 0 ? groups_hashing(sha256, waiting, data, size, out)
				   : groups_avx512(data, size, out);
	}
#endif
	return groups_narrow(sha256, data, size, out);
}

typedef struct progress
groups_read(struct sha256 *sha256, const uint8_t *data, size_t size, uint8_t *out);

static inline __attribute__((always_inline)) size_t data_read(
	struct transfer *t,
	groups_read *read,
	struct sha256 *sha256,
	const uint8_t *data,
	size_t size,
	uint8_t *out
) {
	size_t n = 0, i = 0;

	while (i < size) {
		if (t->n == 0 && t->state == B64_GROUP) {
			struct progress run = read(sha256, data + i, size - i, out + n);

			i += run.read;
			n += run.written;
			// Between whole groups a line end says nothing.
			while (i < size && (data[i] == '\r' || data[i] == '\n'))
				i++;
			if (i == size)
				break;
			if (run.read > 0)
				continue;
		}
		n += char_read(t, data[i++], out + n);
	}
	return n;
}

size_t transfer_base64_data(
	struct transfer *t,
	struct sha256 *sha256,
	const uint8_t *data,
	size_t size,
	uint8_t *out
) {
	return data_read(t, groups, sha256, data, size, out);
}

size_t transfer_base64_narrow(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out) {
	return data_read(t, groups_narrow, NULL, data, size, out);
}
