// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: any way of cutting the bytes gives the same facts, and all memory is given back. Input:
// lines of the server begin with O, N, B or +, all others are the client's; a line "~" is a hole.

#include "talk_sieve.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_server(uint8_t c) {
	return c == 'O' || c == 'N' || c == 'B' || c == '+';
}

static struct talk *feed(const uint8_t *data, size_t size, size_t piece, const char **facts_r) {
	struct talk *talk = talk_open(&proto_sieve, 1 << 20);

	for (size_t at = 0, n; at < size; at += n) {
		const uint8_t *lf = memchr(data + at, '\n', size - at);
		n = lf == NULL ? size - at : (size_t)(lf + 1 - data - at);
		enum stream_dir dir = is_server(data[at]) ? STREAM_SERVER : STREAM_CLIENT;
		if (data[at] == '~') {
			talk_gap(talk, n % 3 == 0 ? STREAM_SERVER : STREAM_CLIENT, n);
			continue;
		}
		for (size_t done = 0, part; done < n; done += part) {
			part = n - done < piece ? n - done : piece;
			talk_data(talk, dir, data + at + done, part);
		}
	}
	*facts_r = talk_end(talk, sieve_dump);
	return talk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const char *whole, *cut;
	struct talk *a = feed(data, size, SIZE_MAX, &whole);

	for (size_t piece = 1; piece <= 3; piece += 2) {
		struct talk *b = feed(data, size, piece, &cut);
		if (strcmp(whole, cut) != 0 || talk_memory(b) != 0)
			abort();
		talk_close(b);
	}
	talk_close(a);
	return 0;
}
