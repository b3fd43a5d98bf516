// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The verdict on a frame is the same wherever it lies in memory, and a segment handed on lies inside
// the frame; cutting the frame's end off (as a snap length does) never turns bytes into other bytes.

#include "decode.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct decode_config config = {.hash_key = {1, 2}};
	struct frame frame = {0};
	struct pkt whole, cut;
	enum verdict verdict;
	uint8_t *copy;

	if (size < 2)
		return 0;
	frame.link = data[0] % (LINK_PPP + 1);
	config.checksum = data[0] & 0x80;
	frame.size = frame.wire_size = (uint32_t)size - 2;
	frame.data = data + 2;
	verdict = decode(&config, &frame, &whole);
	if (verdict == VERDICT_tcp)
		assert(whole.payload + whole.payload_size <= data + size);
	// The same frame with its end cut off, in a block of just that size.
	frame.size = frame.size * data[1] / 256;
	copy = malloc(frame.size + !frame.size);
	memcpy(copy, data + 2, frame.size);
	frame.data = copy;
	if (decode(&config, &frame, &cut) == VERDICT_tcp && verdict == VERDICT_tcp) {
		assert(cut.seq == whole.seq && cut.hash == whole.hash && cut.flags == whole.flags);
		assert(cut.payload_size + cut.missing_size == whole.payload_size);
		assert(cut.payload - copy == whole.payload - (data + 2));
	}
	free(copy);
	return 0;
}
