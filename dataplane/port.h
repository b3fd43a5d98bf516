// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// DPDK ports as a source. The only header that names EAL; no rte_ type crosses it.

#pragma once

#include "source.h"

#include <stdint.h>

struct port;

struct port_config {
	const char *vdev; // "net_pcap0,rx_pcap=FILE", or NULL
	const char *pci; // "0000:3b:00.0", or NULL
	const char *file_prefix; // telemetry and lock files of this process; NULL: by process id
	char **eal_args; // what the user wrote after --; NULL-terminated, may be NULL
	int n_queues; // receive queues; 1 for now
};

// Starts EAL (once per process; without hugepages when there are none) and the port. NULL and one
// line in error: what is wrong and what to do. Needs no root for virtual devices that need none.
struct port *port_open(const struct port_config *config, char *error, int size);
struct source *port_source(struct port *port, int queue);
// One line for people: driver, queues, NUMA node, hugepages or what their absence costs.
const char *port_describe(const struct port *port);
// Received by the driver, missed by the NIC, without a buffer.
void port_stats(const struct port *port, uint64_t *received, uint64_t *missed, uint64_t *no_buffer);
void port_close(struct port *port);
