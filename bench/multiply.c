// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// multiply CAPTURE COPIES OUT: the capture so many times over, one after another in time, each copy
// between hosts of its own (addresses changed, checksums kept right). Makes a large capture of real
// traffic out of a small one; Ethernet only.

#include "capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
	uint32_t seconds, fraction, size, wire_size;
};

static void die(const char *what) {
	fprintf(stderr, "multiply: %s\n", what);
	exit(1);
}

// RFC 1624: what changing one 16-bit word does to a checksum over it.
static void checksum_update(uint8_t *checksum, uint16_t before, uint16_t after) {
	uint32_t sum = (uint16_t) ~(checksum[0] << 8 | checksum[1]);

	sum += (uint16_t)~before;
	sum += after;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	checksum[0] = (uint8_t)(~sum >> 8);
	checksum[1] = (uint8_t)~sum;
}

// Adds the copy's number to the 16 bits at addr.
static void
address_change(uint8_t *addr, uint16_t copy, uint8_t *ip_checksum, uint8_t *tcp_checksum) {
	uint16_t before = (uint16_t)(addr[0] << 8 | addr[1]), after = (uint16_t)(before + copy);

	addr[0] = (uint8_t)(after >> 8);
	addr[1] = (uint8_t)after;
	if (ip_checksum)
		checksum_update(ip_checksum, before, after);
	if (tcp_checksum)
		checksum_update(tcp_checksum, before, after);
}

static void frame_change(uint8_t *frame, uint32_t size, uint16_t copy) {
	if (size < 14 + 40)
		return;
	uint8_t *ip = frame + 14;
	if (frame[12] == 0x08 && frame[13] == 0x00) {
		uint32_t header = (uint32_t)(ip[0] & 15) * 4;
		uint8_t *tcp = ip[9] == 6 && size >= 14 + header + 20 ? ip + header + 16 : NULL;
		address_change(ip + 12, copy, ip + 10, tcp);
		address_change(ip + 16, copy, ip + 10, tcp);
	} else if (frame[12] == 0x86 && frame[13] == 0xdd) {
		uint8_t *tcp = ip[6] == 6 && size >= 14 + 60 ? ip + 40 + 16 : NULL;
		address_change(ip + 10, copy, NULL, tcp);
		address_change(ip + 26, copy, NULL, tcp);
	}
}

// One pass over the capture; returns its length in nanoseconds.
static uint64_t copy_write(const char *path, uint16_t copy, uint64_t shift_ns, FILE *out) {
	static uint8_t buffer[262144];
	struct frame frames[64];
	uint64_t first = 0, last = 0;
	char error[512];
	struct capture *capture = capture_open(path, error, sizeof(error));
	int n;

	if (!capture)
		die(error);
	while ((n = source_burst(capture_source(capture), frames, 64)) > 0) {
		for (int i = 0; i < n; i++) {
			if (frames[i].link != LINK_ETHERNET || frames[i].size > sizeof(buffer))
				die("only Ethernet captures can be multiplied");
			uint64_t time = frames[i].time_ns + shift_ns;
			struct record record = {
				(uint32_t)(time / 1000000000),
				(uint32_t)(time % 1000000000),
				frames[i].size,
				frames[i].wire_size,
			};
			first = first ? first : frames[i].time_ns;
			last = frames[i].time_ns;
			memcpy(buffer, frames[i].data, frames[i].size);
			frame_change(buffer, frames[i].size, copy);
			fwrite(&record, sizeof(record), 1, out);
			fwrite(buffer, frames[i].size, 1, out);
		}
	}
	if (n == SOURCE_BROKEN)
		die(capture_source(capture)->error);
	capture_close(capture);
	return last - first + 1000000000;
}

int main(int argc, char **argv) {
	static const uint32_t header[6] = {0xa1b23c4d, 4u << 16 | 2, 0, 0, 262144, 1};
	int copies = argc == 4 ? atoi(argv[2]) : 0;
	uint64_t shift_ns = 0;

	if (copies < 1 || copies > 30000)
		die("usage: multiply CAPTURE COPIES OUT");
	FILE *out = fopen(argv[3], "wb");
	if (!out)
		die("cannot write the output");
	fwrite(header, sizeof(header), 1, out);
	for (int copy = 0; copy < copies; copy++)
		shift_ns += copy_write(argv[1], (uint16_t)(copy * 2), shift_ns, out);
	if (ferror(out) | fclose(out))
		die("cannot write the output");
	return 0;
}
