// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A capture that DPDK's driver net_pcap plays. The driver does not say when it has come to the end, so
// the capture is read once beforehand: how many packets it has, and whether it is whole.

#pragma once

#include "queue.h"

#include <stdbool.h>
#include <stdint.h>

struct playback {
	bool is_finite; // a capture is played, once
	uint64_t n_expected;
	uint8_t link; // enum link
	char error[sizeof(((struct source *)0)->error)]; // how it ends, when not well
};

// Looks at a device's arguments ("net_pcap0,rx_pcap=FILE"), and at the capture if they name one. 0, or −1
// and one line in error.
int playback_scan(struct playback *playback, const char *vdev, char *error, int size);
// For struct queue's idle, with the playback as idle_ctx.
int playback_idle(struct queue *queue);
