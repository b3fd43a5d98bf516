// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// With AVX2 32 bytes at a time, looking at each byte beside its neighbours by loading them one byte
// earlier and later; the plain versions do what is left at the end, and everything elsewhere.

#include "find.h"

#include <stdbool.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 32 };

// ---- Plain

static bool is_odd_line_end(const uint8_t *data, size_t size, size_t at) {
	bool has_next = at + 1 < size;

	if (data[at] == '\r')
		return !has_next || data[at + 1] != '\n';
	if (data[at] != '\n')
		return false;
	return at == 0 || data[at - 1] != '\r' || !has_next || data[at + 1] == '.'
		|| data[at + 1] == 0;
}

static size_t odd_line_end_from(const uint8_t *data, size_t size, size_t at) {
	while (at < size && !is_odd_line_end(data, size, at))
		at++;
	return at;
}

static size_t qp_special_from(const uint8_t *data, size_t size, size_t at) {
	while (at < size && data[at] != '=' && data[at] != '\r' && data[at] != '\n')
		at++;
	return at;
}

static size_t line_dash_from(const uint8_t *data, size_t size, size_t at) {
	while (at < size && (at == 0 || data[at] != '-' || data[at - 1] != '\n'))
		at++;
	return at;
}

size_t find_odd_line_end_plain(const uint8_t *data, size_t size) {
	return odd_line_end_from(data, size, 0);
}

size_t find_qp_special_plain(const uint8_t *data, size_t size) {
	return qp_special_from(data, size, 0);
}

size_t find_line_dash_plain(const uint8_t *data, size_t size) {
	return line_dash_from(data, size, 0);
}

// ---- AVX2

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i block(const uint8_t *data) {
	return _mm256_loadu_si256((const __m256i *)data);
}

AVX2 static inline __m256i is(__m256i bytes, char c) {
	return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c));
}

// From the second byte on, so that there is one before; up to the last block that has a byte behind it.
AVX2 static size_t odd_line_end_avx2(const uint8_t *data, size_t size) {
	size_t at = 1;

	for (; at + BLOCK + 1 <= size; at += BLOCK) {
		__m256i here = block(data + at), next = block(data + at + 1);
		__m256i cr = is(here, '\r'), lf = is(here, '\n');
		__m256i lone_cr = _mm256_andnot_si256(is(next, '\n'), cr);
		__m256i odd_lf = _mm256_or_si256(
			_mm256_or_si256(is(next, '.'), is(next, 0)),
			_mm256_xor_si256(is(block(data + at - 1), '\r'), _mm256_set1_epi8(-1))
		);
		__m256i odd = _mm256_or_si256(lone_cr, _mm256_and_si256(lf, odd_lf));
		uint32_t mask = (uint32_t)_mm256_movemask_epi8(odd);
		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
	return odd_line_end_from(data, size, at);
}

AVX2 static size_t qp_special_avx2(const uint8_t *data, size_t size) {
	size_t at = 0;

	for (; at + BLOCK <= size; at += BLOCK) {
		__m256i here = block(data + at);
		__m256i special = _mm256_or_si256(
			_mm256_or_si256(is(here, '\r'), is(here, '\n')), is(here, '=')
		);
		uint32_t mask = (uint32_t)_mm256_movemask_epi8(special);
		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
	return qp_special_from(data, size, at);
}

AVX2 static size_t line_dash_avx2(const uint8_t *data, size_t size) {
	size_t at = 1;

	for (; at + BLOCK <= size; at += BLOCK) {
		__m256i dash = _mm256_and_si256(
			is(block(data + at), '-'), is(block(data + at - 1), '\n')
		);
		uint32_t mask = (uint32_t)_mm256_movemask_epi8(dash);
		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
	return line_dash_from(data, size, at);
}

size_t find_odd_line_end(const uint8_t *data, size_t size) {
	if (!__builtin_cpu_supports("avx2"))
		return odd_line_end_from(data, size, 0);
	return size == 0 || is_odd_line_end(data, size, 0) ? 0 : odd_line_end_avx2(data, size);
}

size_t find_qp_special(const uint8_t *data, size_t size) {
	return __builtin_cpu_supports("avx2") ? qp_special_avx2(data, size)
					      : qp_special_from(data, size, 0);
}

size_t find_line_dash(const uint8_t *data, size_t size) {
	if (!__builtin_cpu_supports("avx2"))
		return line_dash_from(data, size, 0);
	return size == 0 ? 0 : line_dash_avx2(data, size);
}

#else

size_t find_odd_line_end(const uint8_t *data, size_t size) {
	return odd_line_end_from(data, size, 0);
}

size_t find_qp_special(const uint8_t *data, size_t size) {
	return qp_special_from(data, size, 0);
}

size_t find_line_dash(const uint8_t *data, size_t size) {
	return line_dash_from(data, size, 0);
}

#endif
