// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One DPDK device: found, configured with its queues and their buffers, started and stopped.

#pragma once

#include <rte_ethdev.h>

#include <stdbool.h>
#include <stdint.h>

enum {
	NIC_QUEUES_MAX = 64,
	// Per queue. A burst of the longest frames net_pcap makes takes 64 × 33 buffers, which must be
	// there: it drops what it finds no buffer for. AF_XDP's rings hold 2 × 2,048. The rest is for
	// the pool's caches.
	NIC_BUFFERS = 8191,
	NIC_BUFFERS_MB = 24, // memory they take, roughly; fewer where a driver wants larger ones
};

struct nic {
	uint16_t id;
	uint16_t
		buffer_size; // bytes of a frame in each; set before the start, 0: as the driver wants
	bool is_started;
	char driver[32];
	int node; // NUMA; −1: none
	int n_queues;
	uint32_t mtu; // largest frame's payload it takes
	bool is_symmetric; // the NIC spreads over the queues, both directions of a connection alike
	uint8_t *owners; // which queue by what it hashes (rss.h); NULL: one queue
	const char *why_not; // it does not, when that was asked for
	struct rte_mempool *pools[NIC_QUEUES_MAX];
	bool has_checksums; // it verifies those of IPv4 and TCP, and says so of each packet
	// Timestamps in each packet: µs that net_pcap leaves there, or ticks of the NIC's clock; −1: none.
	int stamp_offset;
	uint64_t stamp_flag;
	bool stamps_are_ticks; // rte_eth_read_clock() tells that clock
	const char *why_no_stamps; // it could stamp, and is not asked to
};

// Each returns 0 or −errno; what drivers say goes to the listener of eal.h.

// vdev: "driver0,key=value…", made here. −ENODEV: no driver for packets has that name.
int nic_find_vdev(struct nic *nic, const char *vdev);
int nic_find_pci(struct nic *nic, const char *pci);
// The first that nobody owns: what the user's EAL options brought.
int nic_find_any(struct nic *nic);
// Configures and starts it, with n_queues when it spreads over them symmetrically, else with one.
// promiscuous: frames for all stations.
int nic_start(struct nic *nic, int n_queues, bool promiscuous);
// The MTU to ask of a device that gives frames over several buffers: jumbo frames, as far as it takes them.
uint16_t nic_mtu_choose(const struct rte_eth_dev_info *info);
void nic_stop(struct nic *nic);
