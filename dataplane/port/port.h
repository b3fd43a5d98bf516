// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where live packets come from: a DPDK device, or network interfaces through AF_XDP. As many sources as
// workers where the NIC sends both directions of a connection the same way, else one, to be distributed.
// No rte_ type crosses this header.

#pragma once

#include "source.h"
#include "steer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { PORT_DEVICES_MAX = 16 };

struct port;

struct port_config {
	// One of these, or a device that eal_args bring.
	const char *vdev; // "net_pcap0,rx_pcap=FILE"
	const char *pci; // "0000:3b:00.0"
	const char *xdp; // "eth1,eth2": interfaces
	const struct steer_rules *steer; // what xdp takes
	const char *file_prefix; // the folder of the telemetry socket; NULL: postern
	char **eal_args; // what the user wrote after --; NULL-terminated, may be NULL
	int n_workers;
	bool has_tunnels; // the mirror comes in them: no NIC looks into all, so one queue is distributed
};

struct port_stats {
	uint64_t received;
	uint64_t missed; // by the NIC, or because they were not read in time
	uint64_t no_buffer;
};

// Starts EAL (once per process; without hugepages when there are none) and the port. NULL and one
// line in error: what is wrong and what to do. Needs no root for virtual devices that need none.
struct port *port_open(const struct port_config *config, char *error, int size);
// 1, or n_workers.
int port_n_sources(const struct port *port);
struct source *port_source(struct port *port, int i);
// With several sources: which of them a connection's packets come from, by the sum of its 16-bit words (exchange.h);
// borrowed. NULL with one source.
const uint8_t *port_owners(const struct port *port);
// Lines for people: driver, queues, NUMA node, RSS, hugepages or what their absence costs. Each begins
// with prefix.
void port_describe(const struct port *port, const char *prefix, FILE *out);
// NUMA node of the (first) device; −1: none.
int port_node(const struct port *port);
void port_close(struct port *port);

// ---- Counters; any thread

int port_n_devices(const struct port *port);
// Interface or device, and its driver.
const char *port_device_name(const struct port *port, int device);
const char *port_device_driver(const struct port *port, int device);
void port_device_stats(const struct port *port, int device, struct port_stats *stats);
// Frames of each queue of a device, at most max; returns how many queues it has.
int port_device_queues(const struct port *port, int device, uint64_t *n_frames, int max);
// Of the XDP program in front of it; NULL: none.
struct steer *port_device_steer(const struct port *port, int device);
