// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Whatever fragments come in whatever order, each is counted once, a datagram made of them lies in its
// frame with the bytes of the fragment that has them, and after the timeout nothing is left.

#include "datagram.h"
#include "defrag.h"
#include "limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_SIZE = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const struct decode_config config = {.hash_key = {1, 2}};
	struct defrag *d = defrag_open(&(struct defrag_config
	){.n_datagrams = 4, .n_slots = 1, .n_chunks = 6, .overlap = size ? data[0] & 3 : 0});
	const struct defrag_stats *stats = defrag_stats(d);
	uint64_t n = 0, now_ns = 1;

	for (; size >= RECORD_SIZE; data += RECORD_SIZE, size -= RECORD_SIZE) {
		bool is_6 = data[0] & 4;
		uint32_t header = is_6 ? 48 : 20, offset = (data[2] & 0x1f) << (data[0] >> 5);
		uint32_t payload = data[3] & 0x80 ? data[3] & 0x7f : (data[3] & 0x7f) * 8;
		uint32_t total = (is_6 ? 8 : 20) + payload, more = data[0] >> 4 & 1;
		struct frame frame
			= {.time_ns = now_ns += data[4] * 1000000000ull,
			   .size = header + payload,
			   .wire_size = header + payload,
			   .link = LINK_RAW_IP};
		uint8_t *ip = calloc(1, frame.size);
		struct frame whole = {0};
		struct pkt pkt;

		memset(ip + header, data[1], payload);
		if (is_6)
			memcpy(ip,
			       (uint8_t[]
			       ){0x60, 0, 0, 0, (uint8_t)(total >> 8), (uint8_t)total, 44},
			       7),
				memcpy(ip + 40,
				       (uint8_t[]
				       ){data[1] & 0x40 ? 44 : 6,
					 0,
					 (uint8_t)(offset >> 5),
					 (uint8_t)(offset << 3 | more)},
				       4),
				ip[47] = data[0] >> 3 & 1;
		else
			memcpy(ip,
			       (uint8_t[]
			       ){0x45,
				 0,
				 (uint8_t)(total >> 8),
				 (uint8_t)total,
				 0,
				 data[0] >> 3 & 1,
				 (uint8_t)(more << 5 | offset >> 8),
				 (uint8_t)offset,
				 64,
				 data[1] & 0x40 ? 4 : 6},
			       10);
		frame.data = ip;
		if (decode(&config, &frame, &pkt) == VERDICT_fragment) {
			n++;
			if (defrag_decode(d, &config, &frame, &pkt, &whole) == VERDICT_tcp)
				assert(pkt.payload + pkt.payload_size == whole.data + whole.size);
		}
		assert(whole.size <= sizeof(struct datagram) + 65535);
		free(ip);
	}
	assert(n <= stats->fragment_kept + stats->fragment_repeated + stats->fragment_bad
		       + stats->fragment_contradicts + stats->fragment_overlap
		       + stats->fragment_no_room);
	defrag_close(d);
	return 0;
}
