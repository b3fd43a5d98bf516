// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Whatever segments come, each byte of a stream is told once, as data or as gap, every segment has
// exactly one fate, every connection one end, and in the end nothing is held.

#define TALK_KEPT 256 // memory to zero for each input
#include "dataplane/talk.h"

#include <assert.h>

enum {
	RECORD_SIZE = 8,
	SIZE_MAX_OF_HOSTS = 65535, // one segment of a host that leaves cutting to its NIC
	HELD_SIZE = 100000, // one of those can be held, and not two
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static char text[SIZE_MAX_OF_HOSTS + 2];
	struct talk *t = talk_with((struct flow_config
	){.n_flows = 4, .held_size = HELD_SIZE, .recent_size = 1 << 19});
	const struct flow_stats *stats = flow_stats(t->table);
	uint64_t n_fates = 0;

	for (size_t i = 0; !text[0] && i < sizeof(text); i++)
		text[sizeof(text) - 1 - i] = (char)('a' + i % 23);
	for (; size >= RECORD_SIZE; data += RECORD_SIZE, size -= RECORD_SIZE) {
		struct seg seg = {
			.dir = data[0] & 1,
			.client = data[0] >> 1 & 7,
			.flags = data[1] & 0x3f,
			.seq = 0xffffffc0u + data[2] + (data[7] & 1 ? data[3] << 12 : 0),
			.ack = 0xffffffc0u + data[4] + (data[7] & 2 ? data[3] << 18 : 0),
			.data = text + (data[7] & 4 ? 1 : 0),
			.size = data[5] % 64,
			.missing = data[7] & 8 ? data[6] : 0,
			.window = data[6],
			.checksum = data[0] >> 4 & 3,
			.ttl = data[7] & 16 ? 5 : 64,
			.stamp = data[7] & 64 ? 1000u + data[6] : 0,
		};

		if (data[7] & 32)
			seg.size = SIZE_MAX_OF_HOSTS - 16 * data[5];
		if (data[7] & 128 && seg.stamp)
			seg.stamp ^= 0x80000000u;
		if (data[1] & 0x40)
			seg.flags = TCP_ACK | (data[1] & TCP_FIN);
		if (!seg.size)
			seg.data = NULL;
		if ((data[0] & 0xf0) == 0xf0)
			t->now_ns += (uint64_t)data[3] * data[4] * 100000000;
		talk_segment(t, &seg);
	}
	flow_end(t->table);
	for (int i = 0; i < 11; i++)
		n_fates += ((const uint64_t *)stats)[i];
	assert(n_fates == t->n_packets && flow_n_open(t->table) == 0);
	for (int i = 0; i < t->n_readers; i++) {
		const struct talk_reader *r = t->reader[i];

		assert(r->n_closes == 1);
		assert(r->n_data_bytes[0] + r->n_gap_bytes[0] == r->n_stream_bytes[0]);
		assert(r->n_data_bytes[1] + r->n_gap_bytes[1] == r->n_stream_bytes[1]);
	}
	talk_free(t);
	return 0;
}
