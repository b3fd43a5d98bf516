// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// idle SESSIONS OUT: a capture of so many IMAP sessions open at once: each logs in, selects INBOX, fetches
// one small message and waits in IDLE. Every step is taken by all of them before the next, so that no
// two packets in a row belong to one connection: the worst case for caches.

#include "idle_frames.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void packet_write(FILE *out, uint32_t session, int step, uint32_t seq[2], uint64_t time_us) {
	uint8_t frame[IDLE_FRAME_SIZE];
	uint32_t size = idle_frame(frame, false, session, step, seq);
	uint32_t record[4]
		= {(uint32_t)(time_us / 1000000), (uint32_t)(time_us % 1000000), size, size};

	fwrite(record, sizeof(record), 1, out);
	fwrite(frame, size, 1, out);
}

int main(int argc, char **argv) {
	static const uint32_t header[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	uint32_t n = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	FILE *out = n ? fopen(argv[2], "wb") : NULL;
	uint32_t(*seq)[2] = calloc(n ? n : 1, sizeof(*seq));
	uint64_t time_us = 1768204800ull * 1000000;

	if (!out || !seq) {
		fprintf(stderr, "usage: idle SESSIONS OUT\n");
		return 2;
	}
	fwrite(header, sizeof(header), 1, out);
	for (int step = 0; step < IDLE_STEPS; step++)
		for (uint32_t session = 0; session < n; session++)
			packet_write(out, session, step, seq[session], time_us += 2);
	free(seq);
	return ferror(out) | fclose(out) ? 1 : 0;
}
