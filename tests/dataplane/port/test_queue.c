// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a driver leaves in its buffers, as frames: flags for checksums, stamps of a NIC's clock, packets over
// several buffers. And the NIC's clock against the host's.

#include "decode.h"
#include "exchange.h"
#include "port/queue.h"
#include "port/rss.h"

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_thash.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	HEADERS = 14 + 20 + 20,
	PAYLOAD = 4,
	N_PARTS = 5,
	JUMBO = 9014,
	STAMP_FLAG_BIT = 40,
};

#define SECOND UINT64_C(1000000000)
#define NOW (UINT64_C(1768204862) * SECOND)

// Ethernet, IPv4, TCP, "data"; of the checksums only that of TCP is wrong by off.
static void packet_make(uint8_t *p, uint8_t off) {
	static const uint8_t right[HEADERS + PAYLOAD]
		= {2,	 0,    0,    0,	  0, 1,	  2,	0,   0,	 0, 0,	  2,	8,    0, // Ethernet
		   0x45, 0,    0,    44,  0, 1,	  0x40, 0,   64, 6, 0x26, 0xc9, 10,   0,    0,
		   1,	 10,   0,    0,	  2, // IPv4
		   0x9c, 0x40, 0,    143, 0, 0,	  0,	1,   0,	 0, 0,	  1,	0x50, 0x18, 0xff,
		   0xff, 0x26, 0x32, 0,	  0, 'd', 'a',	't', 'a'};

	memcpy(p, right, sizeof(right));
	p[14 + 20 + 17] = (uint8_t)(p[14 + 20 + 17] + off);
}

static void mbuf_set(struct rte_mbuf *mbuf, uint8_t *data, uint32_t size) {
	memset(mbuf, 0, sizeof(*mbuf));
	mbuf->buf_addr = data;
	mbuf->data_len = (uint16_t)size;
	mbuf->pkt_len = size;
	mbuf->nb_segs = 1;
}

static enum pkt_checksum judged(uint64_t flags, uint8_t off) {
	static const struct decode_config config = {.hash_key = {1, 2}, .checksum = true};
	struct rte_mbuf mbuf;
	struct queue queue = {.mbufs = {&mbuf}, .n_mbufs = 1};
	uint8_t data[HEADERS + PAYLOAD];
	struct frame frame;
	struct pkt pkt;

	packet_make(data, off);
	mbuf_set(&mbuf, data, sizeof(data));
	mbuf.ol_flags = flags;
	queue_frames(&queue, &frame, NOW);
	assert_int_equal(decode(&config, &frame, &pkt), VERDICT_tcp);
	return pkt.checksum;
}

// That the driver's word is used is seen by a packet that is not what it says.
static void a_checksum_the_nic_found_right_is_not_verified_again(void **) {
	const uint64_t ip = RTE_MBUF_F_RX_IP_CKSUM_GOOD, tcp = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	const struct {
		uint64_t flags;
		bool is_believed;
	} cases[] = {
		{ip | tcp, true},
		{0, false},
		{ip, false},
		{tcp, false},
		{ip | RTE_MBUF_F_RX_L4_CKSUM_BAD, false},
		{ip | RTE_MBUF_F_RX_L4_CKSUM_NONE, false},
		{RTE_MBUF_F_RX_IP_CKSUM_BAD | tcp, false},
		{RTE_MBUF_F_RX_IP_CKSUM_NONE | tcp, false},
		{ip | tcp | RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_VLAN, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case %zu\n", i);
		// Wrong by the NIC and right in truth is right.
		assert_int_equal(judged(cases[i].flags, 0), PKT_CHECKSUM_RIGHT);
		assert_int_equal(
			judged(cases[i].flags, 1),
			cases[i].is_believed ? PKT_CHECKSUM_RIGHT : PKT_CHECKSUM_WRONG
		);
	}
}

// IP in IP: what the NIC says is of the outer packet.
static void a_checksum_inside_a_tunnel_is_verified_in_software(void **) {
	static const struct decode_config config = {.hash_key = {1, 2}, .checksum = true};
	uint8_t data[HEADERS + PAYLOAD + 20], inner[HEADERS + PAYLOAD];
	struct rte_mbuf mbuf;
	struct queue queue = {.mbufs = {&mbuf}, .n_mbufs = 1};
	struct frame frame;
	struct pkt pkt;

	for (uint8_t off = 0; off < 2; off++) {
		packet_make(data, 0);
		packet_make(inner, off);
		memcpy(data + 14 + 20, inner + 14, sizeof(inner) - 14);
		memcpy(data + 16, (uint8_t[2]){0, 64}, 2);
		memcpy(data + 23, (uint8_t[3]){4, 0x26, 0xb7}, 3);
		mbuf_set(&mbuf, data, sizeof(data));
		mbuf.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		queue_frames(&queue, &frame, NOW);
		assert_int_equal(decode(&config, &frame, &pkt), VERDICT_tcp);
		assert_int_equal(pkt.checksum, off ? PKT_CHECKSUM_WRONG : PKT_CHECKSUM_RIGHT);
	}
}

// Drivers chain buffers of 2 KB where a frame is longer.
static void a_jumbo_frame_over_several_buffers_is_one_piece(void **) {
	static uint8_t bytes[JUMBO], scratch[JUMBO];
	struct rte_mbuf mbufs[N_PARTS];
	struct queue queue = {.mbufs = {mbufs}, .n_mbufs = 1, .scratch = scratch};
	const uint32_t part = (JUMBO + N_PARTS - 1) / N_PARTS;
	struct frame frame;

	for (uint32_t i = 0; i < JUMBO; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 24);
	for (uint32_t i = 0; i < N_PARTS; i++) {
		mbuf_set(&mbufs[i], bytes + i * part, RTE_MIN(part, JUMBO - i * part));
		if (i > 0)
			mbufs[i - 1].next = &mbufs[i];
	}
	mbufs[0].nb_segs = N_PARTS;
	mbufs[0].pkt_len = JUMBO;
	queue_frames(&queue, &frame, NOW);
	assert_int_equal(frame.size, JUMBO);
	assert_int_equal(frame.wire_size, JUMBO);
	assert_memory_equal(frame.data, bytes, JUMBO);
}

static uint64_t time_of(struct queue *queue, uint64_t flags, uint64_t ticks) {
	uint8_t data[HEADERS + PAYLOAD];
	struct rte_mbuf mbuf;
	struct frame frame;

	packet_make(data, 0);
	mbuf_set(&mbuf, data, sizeof(data));
	mbuf.ol_flags = flags;
	*RTE_MBUF_DYNFIELD(&mbuf, queue->stamp_offset, rte_mbuf_timestamp_t *) = ticks;
	queue->mbufs[0] = &mbuf;
	queue->n_mbufs = 1;
	queue_frames(queue, &frame, 0);
	queue->n_mbufs = 0;
	return frame.time_ns;
}

// A clock of 156.25 MHz, as of 10 gigabit Ethernet: 6.4 ns a tick.
static void stamps_of_the_nic_are_times(void **) {
	struct queue queue = {
		.stamps = QUEUE_STAMPS_NIC,
		.stamp_offset = RTE_ALIGN(offsetof(struct rte_mbuf, dynfield1), 8),
		.stamp_flag = UINT64_C(1) << STAMP_FLAG_BIT,
	};
	const uint64_t flag = queue.stamp_flag, begin = UINT64_MAX - 1000; // it wraps

	queue.source.now_ns = NOW;
	nic_clock_set(&queue.nic_clock, begin, NOW - SECOND, 5 * SECOND);
	// One reading tells no rate.
	assert_true(time_of(&queue, flag, begin) == NOW);
	queue.nic_clock.first_ticks = 0; // as of a NIC that began at zero
	queue.nic_clock.first_monotonic_ns = 5 * SECOND;
	nic_clock_set(&queue.nic_clock, 156250000, NOW, 6 * SECOND);
	assert_true(time_of(&queue, flag, 156250000 - 156250) == NOW - SECOND / 1000);
	assert_true(time_of(&queue, flag, 156250000 - 78125000) == NOW - SECOND / 2);
	// No stamp, one of the future, one that is too old.
	assert_true(time_of(&queue, 0, 156250000 - 156250) == NOW);
	assert_true(time_of(&queue, flag, 156250000 + 156250) == NOW);
	assert_true(time_of(&queue, flag, 156250000 - UINT64_C(11) * 156250000) == NOW);
}

// 100 ppm fast, read once a second for an hour: each stamp is right to 2 µs.
static void a_nic_clock_that_drifts_is_followed(void **) {
	struct nic_clock clock = {0};
	double rate = 1e9 * 1.0001 / 1e9; // ticks per ns
	uint64_t worst = 0;

	for (uint64_t s = 1; s <= 3600; s++) {
		nic_clock_set(
			&clock,
			(uint64_t)((double)(s * SECOND) * rate),
			NOW + s * SECOND,
			s * SECOND
		);
		for (uint64_t ms = 0; s > 1 && ms < 1000; ms += 111) {
			uint64_t ns = s * SECOND + ms * 1000000;
			uint64_t got = nic_clock_time(
				&clock, (uint64_t)((double)ns * rate), NOW + ns + SECOND
			);
			uint64_t off = got > NOW + ns ? got - NOW - ns : NOW + ns - got;

			worst = off > worst ? off : worst;
		}
	}
	print_message("off by %llu ns at most\n", (unsigned long long)worst);
	assert_in_range(worst, 0, 2000);
}

// rte_softrss() is what DPDK says that NICs compute.
static void the_owner_is_the_queue_that_dpdk_computes(void **) {
	static uint8_t owners[EXCHANGE_OWNERS];
	uint16_t table[128];
	uint8_t key[40], addr[32];
	uint32_t tuple[9];

	srand(7);
	for (int i = 0; i < 128; i++)
		table[i] = (uint16_t)(rand() % 5);
	for (int i = 0; i < 3000; i++) {
		bool is_v6 = i % 2, is_fragment = i % 3 == 0;
		struct pkt pkt = {.addr = addr, .family = (is_v6 ? 6 : 4) & 7};
		unsigned n = is_v6 ? 8 : 2;
		struct exchange *exchange = NULL;

		if (i % 500 == 0) {
			rss_key_make((uint16_t)rand(), key, sizeof(key));
			rss_owners(key, table, 128, owners);
		}
		for (unsigned b = 0; b < sizeof(addr); b++)
			addr[b] = (uint8_t)rand();
		pkt.port[0] = (uint16_t)rand();
		pkt.port[1] = (uint16_t)rand();
		for (unsigned w = 0; w < n; w++) {
			memcpy(&tuple[w], addr + 4 * w, 4);
			tuple[w] = rte_be_to_cpu_32(tuple[w]);
		}
		tuple[n] = (uint32_t)pkt.port[0] << 16 | pkt.port[1];
		exchange = exchange_open(&(struct exchange_config){.n_workers = 5, .owners = owners}
		);
		assert_int_equal(
			exchange_owner(exchange, &pkt, is_fragment),
			table[rte_softrss(tuple, is_fragment ? n : n + 1, key) % 128]
		);
		exchange_close(exchange);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checksum_the_nic_found_right_is_not_verified_again),
		cmocka_unit_test(a_checksum_inside_a_tunnel_is_verified_in_software),
		cmocka_unit_test(a_jumbo_frame_over_several_buffers_is_one_piece),
		cmocka_unit_test(stamps_of_the_nic_are_times),
		cmocka_unit_test(a_nic_clock_that_drifts_is_followed),
		cmocka_unit_test(the_owner_is_the_queue_that_dpdk_computes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
