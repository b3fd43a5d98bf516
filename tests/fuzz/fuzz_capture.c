// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Arbitrary bytes read as a mapped file and as a stream in pieces of any length give the same
// frames and the same end; time never goes back, and no frame is longer than limits.h says.

#include "../dataplane/capture_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct facts *facts) {
	uint64_t last_ns = 0, time_ns;
	uint32_t frame_size;

	for (size_t at = 0; at < facts->frames.size; at += 17 + frame_size) {
		memcpy(&time_ns, facts->frames.data + at, 8);
		memcpy(&frame_size, facts->frames.data + at + 8, 4);
		if (time_ns < last_ns || frame_size > FRAME_SIZE_MAX)
			abort();
		last_ns = time_ns;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	size_t piece = size ? 1 + data[size - 1] : 1;
	struct facts file = facts_file(data, size), stream = facts_stream(data, size, piece);

	check(&file);
	if (!facts_equal(&file, &stream))
		abort();
	facts_free(&file);
	facts_free(&stream);
	return 0;
}
