// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The Internet checksum (RFC 1071): a sum of 16-bit words in the machine's own byte order, folded.
// Sums of parts that begin at even offsets may be added.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// sum plus the words of size bytes; a last odd byte counts as if a zero followed. The accumulator is
// wide enough for 16 GiB.
static inline uint64_t checksum_add(uint64_t sum, const void *data, size_t size) {
	const uint8_t *p = data;
	uint32_t word;
	uint16_t half = 0;

	// 32 bits at a time into 64: no carry to look after, and compilers make vectors of it.
	for (; size >= 4; p += 4, size -= 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (size & 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
	}
	if (size & 1) {
		half = 0;
		memcpy(&half, p, 1);
		sum += half;
	}
	return sum;
}

// Folded to 16 bits; 0xffff over a whole header, its field included, means that it is right.
static inline uint16_t checksum_fold(uint64_t sum) {
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}
