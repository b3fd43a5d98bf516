// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A receive queue of a DPDK port as a source. Frames are used where the driver put them and given back
// at the next burst; only those in several buffers are copied into one piece.

#pragma once

#include "limits.h"
#include "port/event_clock.h"
#include "port/nic_clock.h"
#include "source.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

// How frames of a queue bear the time at which they came.
enum queue_stamps {
	QUEUE_STAMPS_NONE, // the clock is read at each burst
	QUEUE_STAMPS_US, // net_pcap's: µs since 1970 in a field of each buffer
	QUEUE_STAMPS_NIC, // ticks of the NIC's clock in a field of each buffer
	QUEUE_STAMPS_STEER, // struct steer_stamp in front of the frame
};

struct queue {
	struct source source; // first: the source is the queue
	uint16_t port_id, queue_id;
	uint8_t link; // enum link
	uint8_t stamps; // enum queue_stamps
	bool is_shared; // others are polled along with it: who polls them rests when all are idle
	// QUEUE_STAMPS_US, QUEUE_STAMPS_NIC: where they are.
	int stamp_offset;
	uint64_t stamp_flag;
	// QUEUE_STAMPS_STEER: frames without one so far; when there are any, none is believed.
	const volatile uint64_t *n_unstamped;
	// Nothing came: a status of burst. NULL: the queue is live.
	int (*idle)(struct queue *queue);
	void *idle_ctx;

	uint64_t n_received;
	uint32_t n_empty; // polls in a row without a frame
	struct event_clock clock; // what source.now_ns comes from
	struct nic_clock nic_clock;
	uint64_t nic_read_ns; // of the monotonic clock: when nic_clock was read
	struct rte_mbuf *mbufs[BURST_MAX]; // given out with the last burst
	int n_mbufs;
	uint8_t *scratch; // BURST_MAX × FRAME_SIZE_MAX; only what is used is ever touched
};

// 0 or −errno. The caller has set the members up to idle_ctx.
int queue_open(struct queue *queue);
// Gives back what was given out. Before the port is stopped.
void queue_close(struct queue *queue);
// Fills frames from the n_mbufs in queue->mbufs, at event times from last_ns on: what a burst does with
// what the driver gave.
void queue_frames(struct queue *queue, struct frame *frames, uint64_t last_ns);
// What a thread does that polled in vain for n times: after some time it sleeps between polls.
void queue_rest(uint32_t *n_empty);
