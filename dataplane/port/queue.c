// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#define ALLOW_EXPERIMENTAL_API // rte_eth_read_clock()
#include "queue.h"

#include "reserve.h"
#include "steer_rules.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	// Once idle for so many polls a live port sleeps between them: short enough that the ring
	// holds what comes meanwhile even at 10 Gbit/s of the shortest frames.
	IDLE_POLLS = 1000,
	IDLE_SLEEP_US = 50,
	// A stamp that is older than this is none of ours: no frame waits that long in a queue.
	STAMP_AGE_S = NIC_CLOCK_AGE_MAX_S,
};

static const size_t scratch_size = (size_t)BURST_MAX * FRAME_SIZE_MAX;

static uint64_t clock_get(clockid_t id) {
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void clock_read(struct queue *queue) {
	queue->clock.now_ns = queue->source.now_ns; // frames' stamps may be ahead
	queue->source.now_ns = event_clock_read(
		&queue->clock, clock_get(CLOCK_REALTIME), clock_get(CLOCK_MONOTONIC)
	);
}

// The NIC's clock is read seldom: that goes over its bus.
static void nic_clock_read(struct queue *queue) {
	uint64_t ticks, now_ns = queue->clock.monotonic_ns;

	if (queue->nic_read_ns
	    && now_ns - queue->nic_read_ns < NIC_CLOCK_READ_MS * UINT64_C(1000000))
		return;
	if (rte_eth_read_clock(queue->port_id, &ticks) < 0)
		return;
	queue->nic_read_ns = now_ns;
	nic_clock_set(&queue->nic_clock, ticks, queue->source.now_ns, now_ns);
}

// Copies a packet that lies in several buffers to scratch. A driver's packet length may promise more
// than its buffers hold (net_pcap beyond 64 KiB): what is there is counted.
static uint32_t linearise(const struct rte_mbuf *mbuf, uint8_t *to) {
	uint32_t size = 0, part;

	for (; mbuf; mbuf = mbuf->next) {
		part = RTE_MIN((uint32_t)mbuf->data_len, FRAME_SIZE_MAX - size);
		memcpy(to + size, rte_pktmbuf_mtod(mbuf, const uint8_t *), part);
		size += part;
	}
	return size;
}

static uint64_t stamp_us(const struct queue *queue, struct rte_mbuf *mbuf) {
	uint64_t us;

	if (!(mbuf->ol_flags & queue->stamp_flag))
		return queue->source.now_ns;
	us = *RTE_MBUF_DYNFIELD(mbuf, queue->stamp_offset, rte_mbuf_timestamp_t *);
	// libpcap reads the seconds as signed, which turns 2038 into 1901.
	if ((int64_t)us < 0)
		us += (1ull << 32) * 1000000;
	return us * 1000;
}

static uint64_t stamp_nic(const struct queue *queue, struct rte_mbuf *mbuf) {
	if (!(mbuf->ol_flags & queue->stamp_flag))
		return queue->source.now_ns;
	return nic_clock_time(
		&queue->nic_clock,
		*RTE_MBUF_DYNFIELD(mbuf, queue->stamp_offset, rte_mbuf_timestamp_t *),
		queue->source.now_ns
	);
}

// The XDP program read the monotonic clock: so long before the burst's reading, so long before its time.
static uint64_t stamp_steer(const struct queue *queue, const struct rte_mbuf *mbuf) {
	struct steer_stamp stamp;
	uint64_t age_ns;

	if (*queue->n_unstamped)
		return queue->source.now_ns;
	memcpy(&stamp, rte_pktmbuf_mtod(mbuf, const uint8_t *) - sizeof(stamp), sizeof(stamp));
	age_ns = queue->clock.monotonic_ns - stamp.time_ns;
	return age_ns < STAMP_AGE_S * 1000000000ull ? queue->source.now_ns - age_ns
						    : queue->source.now_ns;
}

static uint64_t stamp_get(const struct queue *queue, struct rte_mbuf *mbuf) {
	switch (queue->stamps) {
	case QUEUE_STAMPS_US:
		return stamp_us(queue, mbuf);
	case QUEUE_STAMPS_NIC:
		return stamp_nic(queue, mbuf);
	case QUEUE_STAMPS_STEER:
		return stamp_steer(queue, mbuf);
	default:
		return queue->source.now_ns;
	}
}

// Wrong, unknown, or left to the NIC of the sending host (both bits): software will see.
static bool is_checked(const struct rte_mbuf *mbuf) {
	const uint64_t care = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return (mbuf->ol_flags & care)
		== (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
}

void queue_frames(struct queue *queue, struct frame *frames, uint64_t last_ns) {
	uint8_t *scratch = queue->scratch;

	for (int i = 0; i < queue->n_mbufs; i++) {
		struct rte_mbuf *mbuf = queue->mbufs[i];
		struct frame *frame = &frames[i];

		*frame = (struct frame){
			.data = rte_pktmbuf_mtod(mbuf, const uint8_t *),
			.time_ns = RTE_MAX(stamp_get(queue, mbuf), last_ns),
			.size = mbuf->data_len,
			.wire_size = mbuf->pkt_len,
			.link = queue->link,
			.is_checked = is_checked(mbuf),
		};
		if (mbuf->nb_segs > 1) {
			frame->data = scratch;
			frame->size = linearise(mbuf, scratch);
			scratch += frame->size;
		}
		last_ns = frame->time_ns;
	}
	if (queue->idle)
		queue->source.now_ns = last_ns; // a capture's own time
	else if (queue->source.now_ns < last_ns)
		queue->source.now_ns = last_ns;
}

void queue_rest(uint32_t *n_empty) {
	if (++*n_empty >= IDLE_POLLS)
		usleep(IDLE_SLEEP_US);
}

static int nothing_came(struct queue *queue) {
	if (queue->idle)
		return queue->idle(queue);
	if (!queue->is_shared)
		queue_rest(&queue->n_empty);
	return 0;
}

static int burst(struct source *source, struct frame *frames, int max) {
	struct queue *queue = (struct queue *)source;
	uint64_t last_ns = source->now_ns; // what the reader may have been told

	rte_pktmbuf_free_bulk(queue->mbufs, (unsigned)queue->n_mbufs);
	queue->n_mbufs
		= rte_eth_rx_burst(queue->port_id, queue->queue_id, queue->mbufs, (uint16_t)max);
	if (!queue->idle)
		clock_read(queue);
	if (queue->stamps == QUEUE_STAMPS_NIC)
		nic_clock_read(queue);
	if (queue->n_mbufs == 0)
		return nothing_came(queue);
	queue->n_empty = 0;
	queue->n_received += (uint64_t)queue->n_mbufs;
	queue_frames(queue, frames, queue->is_shared ? 0 : last_ns);
	return queue->n_mbufs;
}

int queue_open(struct queue *queue) {
	queue->source.burst = burst;
	queue->scratch = reserve_open(scratch_size);
	return queue->scratch ? 0 : -errno;
}

void queue_close(struct queue *queue) {
	rte_pktmbuf_free_bulk(queue->mbufs, (unsigned)queue->n_mbufs);
	queue->n_mbufs = 0;
	if (queue->scratch)
		reserve_close(queue->scratch, scratch_size);
	queue->scratch = NULL;
}
