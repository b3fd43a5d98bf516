// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Any way of cutting both directions' bytes gives the same facts, and no memory is left behind.
// Input: steps of one byte (direction, gap, length) and so many bytes, so that the directions mix.

#include "proto/proto.h"
#include "talk_imap.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct talk *talk, const uint8_t *data, size_t size, size_t piece) {
	for (size_t at = 0; at < size;) {
		enum stream_dir dir = data[at] & 0x80 ? STREAM_SERVER : STREAM_CLIENT;
		size_t n = data[at] & 0x3f, done = 0, some;
		if (data[at++] & 0x40)
			talk_gap(talk, dir, n + 1);
		else
			for (n = n < size - at ? n : size - at; done < n;
			     done += some, at += some) {
				some = n - done < piece ? n - done : piece;
				talk_data(talk, dir, data + at, some);
			}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct talk *whole = talk_open(&proto_imap, 1 << 20),
		    *bytes = talk_open(&proto_imap, 1 << 20);

	feed(whole, data, size, SIZE_MAX);
	feed(bytes, data, size, 1 + size % 3);
	const char *facts = talk_end(whole, imap_dump);
	if (strcmp(facts, talk_end(bytes, imap_dump)) != 0 || strstr(facts, "\nleaked ") != NULL)
		abort();
	talk_close(whole);
	talk_close(bytes);
	return 0;
}
