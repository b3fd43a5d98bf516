// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Puts together what eal, nic, queue, steer and merge do. An interface under AF_XDP is one device here
// and one of DPDK's for each of its queues: its driver opens several only where the kernel calls them
// "combined", which veth pairs and some NICs do not.

#include "port.h"

#include "eal.h"
#include "limits.h"
#include "merge.h"
#include "nic.h"
#include "playback.h"
#include "queue.h"
#include "vdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	EAL_MEMORY_MB = 40, // for EAL itself and the drivers' rings
	NAME_SIZE = 64,
	DEVARGS_SIZE = 256,
	VDEV_SIZE = 1024,
	// AF_XDP: the page that holds a frame begins with 64 bytes of the pool's, the buffer's head
	// (128) and room in front (128); 64 are lost to the pool's spreading over memory channels. Of the
	// rest 256 are the XDP program's.
	XDP_BUFFER_SIZE = 4096 - 64 - 128 - 128 - 64,
	XDP_FRAME_SIZE_MAX = XDP_BUFFER_SIZE - 256,
	XDP_MTU_MAX = XDP_FRAME_SIZE_MAX - 14 - 4, // Ethernet, one tag
	// What ordinary buffers take there.
	XDP_MTU_ORDINARY = 2048 - 256 - 14 - 4,
};

struct device {
	char name[NAME_SIZE];
	struct steer *steer; // NULL: none
	int first, n; // of nics
	int n_kernel_queues; // of an interface: what it has, before anything is opened
};

struct port {
	struct device devices[PORT_DEVICES_MAX];
	int n_devices;
	struct nic nics[NIC_QUEUES_MAX];
	int n_nics;
	struct queue *queues; // of all nics, in their order
	int n_queues;
	struct merge *merge; // NULL: each queue is a source, or there is one
	struct playback playback;
	bool is_tunnelled; // and there are several workers: not spread by the NIC
};

// ---- What can be checked without EAL comes first: its own messages are for its developers.

static int pci_check(const char *pci, char *error, int size) {
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci);
	if (strpbrk(pci, "/,") != NULL || access(path, F_OK) != 0) {
		snprintf(
			error,
			(size_t)size,
			"%s: no such PCI device: write it as lspci -D does, like 0000:3b:00.0",
			pci
		);
		return -1;
	}
	if (geteuid() != 0) {
		snprintf(
			error,
			(size_t)size,
			"%s: taking a NIC needs root: start it as root, it becomes --user NAME "
			"before "
			"the first packet",
			pci
		);
		return -1;
	}
	if (eal_huge_free_mb() > 0)
		return 0;
	snprintf(
		error,
		(size_t)size,
		"%s: a NIC needs hugepages and there are none: sysctl vm.nr_hugepages=512",
		pci
	);
	return -1;
}

static int device_add(struct port *port, const char *name, size_t len, char *error, int size) {
	struct device *device = &port->devices[port->n_devices];

	if (port->n_devices == PORT_DEVICES_MAX) {
		snprintf(error, (size_t)size, "more than %d interfaces", PORT_DEVICES_MAX);
		return -1;
	}
	snprintf(device->name, sizeof(device->name), "%.*s", (int)len, name);
	port->n_devices++;
	return 0;
}

static int xdp_check(struct port *port, const char *names, char *error, int size) {
	int n = 0;

	for (size_t len; *names; names += len + (names[len] == ',')) {
		struct device *device = &port->devices[port->n_devices];

		len = strcspn(names, ",");
		if (device_add(port, names, len, error, size) < 0
		    || steer_check(device->name, error, size) < 0)
			return -1;
		for (const struct device *other = port->devices; other < device; other++)
			if (strcmp(other->name, device->name) == 0) {
				snprintf(error, (size_t)size, "%s is named twice", device->name);
				return -1;
			}
		device->n_kernel_queues = steer_n_queues(device->name);
		n += device->n_kernel_queues;
	}
	if (n > NIC_QUEUES_MAX) {
		snprintf(
			error,
			(size_t)size,
			"%d receive queues are more than %d: lower them with ethtool -L IFACE "
			"combined N",
			n,
			NIC_QUEUES_MAX
		);
		return -1;
	}
	return 0;
}

// The kernel spreads over its queues, and over to the next when one is nearly full; the driver does not tell
// when frames came, so nobody could put them into order again.
static int pairs_check(const char *vdev, char *error, int size) {
	char pairs[8];

	if (strncmp(vdev, "net_af_packet", 13) != 0
	    || !vdev_get(vdev, "qpairs", pairs, sizeof(pairs)) || atoi(pairs) <= 1)
		return 0;
	snprintf(
		error,
		(size_t)size,
		"%s: several queues of net_af_packet would give packets in the wrong order: leave "
		"qpairs out; --workers N shares the work all the same",
		vdev
	);
	return -1;
}

// Of a driver that takes an interface there is.
static int interface_check(const char *vdev, char *error, int size) {
	char iface[64];

	if (strncmp(vdev, "net_af_", 7) != 0 || !vdev_get(vdev, "iface", iface, sizeof(iface))
	    || vdev_interface_mtu(iface) > 0)
		return 0;
	snprintf(error, (size_t)size, "%s: no such interface: ip link lists them", iface);
	return -1;
}

static int checks(struct port *port, const struct port_config *config, char *error, int size) {
	const char *name = config->vdev ? config->vdev : config->pci ? config->pci : "DPDK port";

	if (config->xdp)
		return xdp_check(port, config->xdp, error, size);
	if (config->vdev && playback_scan(&port->playback, config->vdev, error, size) < 0)
		return -1;
	if (config->vdev
	    && (pairs_check(config->vdev, error, size) < 0
		|| interface_check(config->vdev, error, size) < 0))
		return -1;
	if (config->pci && pci_check(config->pci, error, size) < 0)
		return -1;
	return device_add(port, name, strcspn(name, ","), error, size);
}

// ---- Opening

static int n_queues_wanted(const struct port *port, const struct port_config *config) {
	int n = 0;

	if (!config->xdp)
		return port->playback.is_finite || config->has_tunnels ? 1 : config->n_workers;
	for (int i = 0; i < port->n_devices; i++)
		n += port->devices[i].n_kernel_queues;
	return n;
}

static int
eal_begin(const struct port *port, const struct port_config *config, char *error, int size) {
	struct eal_config eal = {
		.memory_mb = EAL_MEMORY_MB + NIC_BUFFERS_MB * n_queues_wanted(port, config),
		.no_huge = port->playback.is_finite,
		.node = config->xdp ? steer_node(port->devices[0].name) : EAL_NODE_ANY,
		.pci = config->pci,
		.file_prefix = config->file_prefix,
		.args = config->eal_args,
	};

	return eal_start(&eal, error, size);
}

// 0, or −1 and one line: the driver's own, if it said anything.
static int
explain(const char *name, int result, struct eal_listener *listener, char *error, int size) {
	const char *line = eal_listen_line(listener);

	if (result < 0)
		snprintf(
			error,
			(size_t)size,
			"%s: cannot be opened: %s%s",
			name,
			line[0] ? line : strerror(-result),
			geteuid() != 0 ? " (it may need root)" : ""
		);
	eal_listen_end(listener);
	return result < 0 ? -1 : 0;
}

static int no_driver(const char *vdev, struct eal_listener *listener, char *error, int size) {
	eal_listen_end(listener);
	snprintf(
		error,
		(size_t)size,
		"%s: cannot be opened: no driver for packets has this name: write one of DPDK's "
		"and "
		"a number, as in net_af_packet0,iface=IFACE or net_pcap0,rx_pcap=FILE",
		vdev
	);
	return -1;
}

static int nic_open(struct port *port, const struct port_config *config, char *error, int size) {
	struct nic *nic = &port->nics[port->n_nics++];
	struct device *device = &port->devices[0];
	struct eal_listener listener;
	char vdev[VDEV_SIZE];
	int result;

	if (config->vdev)
		vdev_complete(config->vdev, vdev, sizeof(vdev));
	eal_listen_begin(&listener);
	result = config->vdev ? nic_find_vdev(nic, vdev)
		: config->pci ? nic_find_pci(nic, config->pci)
			      : nic_find_any(nic);
	if (result == 0)
		result = nic_start(nic, n_queues_wanted(port, config), true);
	device->n = 1;
	if (config->vdev && result == -ENODEV)
		return no_driver(config->vdev, &listener, error, size);
	return explain(config->vdev ? config->vdev : device->name, result, &listener, error, size);
}

// Why the kernel refuses a program it says to nobody; mostly it is this.
static void xdp_hint(const char *iface, char *error, int size) {
	size_t len = strlen(error);

	snprintf(
		error + len,
		(size_t)size - len,
		"; its MTU is %u: when that, or the MTU at the other end of a veth pair, is above "
		"%d, lower it (ip link set %s mtu 1500) or use --vdev net_af_packet0,iface=%s",
		vdev_interface_mtu(iface),
		XDP_MTU_MAX,
		iface,
		iface
	);
}

// One queue of an interface. The driver's devices are named by interface and queue.
static int
xdp_queue_open(struct port *port, struct device *device, int queue, char *error, int size) {
	struct nic *nic = &port->nics[port->n_nics++];
	struct eal_listener listener;
	char devargs[DEVARGS_SIZE];
	int result;

	snprintf(
		devargs,
		sizeof(devargs),
		"net_af_xdp_%d_%d,iface=%s,start_queue=%d,queue_count=1,xdp_prog=%s",
		(int)(device - port->devices),
		queue,
		device->name,
		queue,
		steer_object(device->steer)
	);
	if (vdev_interface_mtu(device->name) > XDP_MTU_ORDINARY)
		nic->buffer_size = XDP_BUFFER_SIZE;
	eal_listen_begin(&listener);
	result = nic_find_vdev(nic, devargs);
	if (result == 0)
		result = nic_start(nic, 1, false);
	device->n++;
	if (explain(device->name, result, &listener, error, size) < 0) {
		xdp_hint(device->name, error, size);
		return -1;
	}
	return steer_adopt(device->steer, error, size);
}

static int xdp_open(
	struct port *port,
	struct device *device,
	const struct steer_rules *rules,
	char *error,
	int size
) {
	device->first = port->n_nics;
	device->steer = steer_open(device->name, error, size);
	if (!device->steer)
		return -1;
	for (int queue = 0; queue < device->n_kernel_queues; queue++)
		if (xdp_queue_open(port, device, queue, error, size) < 0)
			return -1;
	return steer_attach(device->steer, rules, true, error, size);
}

static void
queue_set(struct port *port, const struct device *device, const struct nic *nic, int i) {
	struct queue *queue = &port->queues[port->n_queues++];

	queue->port_id = nic->id;
	queue->queue_id = (uint16_t)i;
	queue->link = port->playback.link; // of LINK_ETHERNET when nothing is played
	if (device->steer) {
		queue->stamps = QUEUE_STAMPS_STEER;
		queue->n_unstamped = steer_n_unstamped(device->steer);
	} else if (nic->stamp_offset >= 0) {
		queue->stamps = nic->stamps_are_ticks ? QUEUE_STAMPS_NIC : QUEUE_STAMPS_US;
		queue->stamp_offset = nic->stamp_offset;
		queue->stamp_flag = nic->stamp_flag;
	}
	if (port->playback.is_finite) {
		queue->idle = playback_idle;
		queue->idle_ctx = &port->playback;
	}
}

// Several queues are sources of their own only where the NIC keeps connections together.
static int sources_open(struct port *port) {
	struct source *sources[NIC_QUEUES_MAX];
	int n = 0, result = 0;

	for (int i = 0; i < port->n_nics; i++)
		n += port->nics[i].n_queues;
	port->queues = calloc((size_t)n, sizeof(*port->queues));
	if (!port->queues)
		return -ENOMEM;
	for (int d = 0; d < port->n_devices; d++)
		for (int i = 0; i < port->devices[d].n; i++) {
			const struct nic *nic = &port->nics[port->devices[d].first + i];

			for (int q = 0; q < nic->n_queues; q++)
				queue_set(port, &port->devices[d], nic, q);
		}
	for (int i = 0; i < n && result == 0; i++) {
		sources[i] = &port->queues[i].source;
		port->queues[i].is_shared = n > 1 && !port->nics[0].is_symmetric;
		result = queue_open(&port->queues[i]);
	}
	if (result == 0 && port->queues[0].is_shared) {
		port->merge = merge_open(sources, n, queue_rest);
		result = port->merge ? 0 : -errno;
	}
	return result;
}

struct port *port_open(const struct port_config *config, char *error, int size) {
	struct port *port = calloc(1, sizeof(*port));
	int result;

	if (!port) {
		snprintf(error, (size_t)size, "no memory for a port");
		return NULL;
	}
	port->is_tunnelled = config->has_tunnels && !config->xdp && config->n_workers > 1;
	if (checks(port, config, error, size) < 0 || eal_begin(port, config, error, size) < 0)
		goto err;
	if (!config->xdp && nic_open(port, config, error, size) < 0)
		goto err;
	for (int i = 0; config->xdp && i < port->n_devices; i++)
		if (xdp_open(port, &port->devices[i], config->steer, error, size) < 0)
			goto err;
	result = sources_open(port);
	if (result == 0)
		return port;
	snprintf(error, (size_t)size, "no memory for a port: %s", strerror(-result));
err:
	port_close(port);
	return NULL;
}

int port_n_sources(const struct port *port) {
	return port->merge ? 1 : port->n_queues;
}

struct source *port_source(struct port *port, int i) {
	return port->merge ? merge_source(port->merge) : &port->queues[i].source;
}

const uint8_t *port_owners(const struct port *port) {
	return port_n_sources(port) > 1 ? port->nics[0].owners : NULL;
}

// What is printed as it stops is of no use: the process ends, without the rights it began with.
void port_close(struct port *port) {
	struct eal_listener listener;

	if (!port)
		return;
	eal_listen_begin(&listener);
	merge_close(port->merge);
	for (int i = 0; i < port->n_queues; i++)
		queue_close(&port->queues[i]);
	for (int i = 0; i < port->n_devices; i++)
		steer_close(port->devices[i].steer);
	for (int i = 0; i < port->n_nics; i++)
		nic_stop(&port->nics[i]);
	eal_listen_end(&listener);
	free(port->queues);
	free(port);
}

// ---- What it is

static void describe_spread(const struct port *port, const struct nic *nic, FILE *out) {
	if (port->is_tunnelled && !port->merge) {
		fprintf(out, "spread by a core of its own, by what is inside the tunnels");
		return;
	}
	if (port->merge)
		fprintf(out, "merged by time");
	else if (nic->is_symmetric)
		fprintf(out, "spread by the NIC: symmetric RSS, random key, checked");
	else if (nic->why_not)
		fprintf(out, "not spread by the NIC (%s): spread by a core of its own", nic->why_not
		);
	else
		fprintf(out, "no RSS");
}

// Who verifies checksums, and whose clock tells when a packet came.
static void describe_offloads(
	const struct port *port,
	const struct device *device,
	const char *prefix,
	FILE *out
) {
	const struct nic *nic = &port->nics[device->first];

	fprintf(out,
		"%s%s: checksums %s, times %s%s%s%s\n",
		prefix,
		device->name,
		nic->has_checksums
			? "verified by the driver, in software where it does not say right"
			: "verified in software (the driver does not)",
		device->steer			   ? "of the XDP program"
			: port->playback.is_finite ? "of the capture"
			: nic->stamps_are_ticks	   ? "of the NIC's clock"
						   : "of this host's clock at each poll",
		nic->why_no_stamps ? " (the NIC could stamp: " : "",
		nic->why_no_stamps ? nic->why_no_stamps : "",
		nic->why_no_stamps ? ")" : "");
}

// A socket's buffer is one page: no frame is longer.
static void describe_xdp_mtu(const struct device *device, const char *prefix, FILE *out) {
	unsigned mtu = vdev_interface_mtu(device->name);

	fprintf(out, ", MTU %u (AF_XDP takes up to %d)\n", mtu, XDP_MTU_MAX);
	if (mtu > XDP_MTU_MAX)
		fprintf(out,
			"%s%s: packets of more than %d bytes are lost: lower the MTU of what it "
			"mirrors, or use --vdev net_af_packet0,iface=%s\n",
			prefix,
			device->name,
			XDP_MTU_MAX,
			device->name);
}

static void describe_device(
	const struct port *port,
	const struct device *device,
	const char *prefix,
	FILE *out
) {
	const struct nic *nic = &port->nics[device->first];
	int n = device->n > 1 ? device->n : nic->n_queues;

	fprintf(out, "%sport %s: driver %s, ", prefix, device->name, nic->driver);
	if (device->steer)
		fprintf(out, "own XDP program (%s), ", steer_mode(device->steer));
	fprintf(out, "%d queue%s, ", n, n == 1 ? "" : "s");
	describe_spread(port, nic, out);
	if (nic->node >= 0)
		fprintf(out, ", NUMA node %d", nic->node);
	if (device->steer)
		describe_xdp_mtu(device, prefix, out);
	else
		fprintf(out, ", MTU %u\n", nic->mtu);
	describe_offloads(port, device, prefix, out);
	if (!port->merge && nic->is_symmetric)
		fprintf(out,
			"%s%s: fragments and what is in tunnels go on from queue to queue, to the "
			"worker of their connection\n",
			prefix,
			device->name);
}

static bool is_ours(const struct port *port, uint16_t id) {
	for (int i = 0; i < port->n_nics; i++)
		if (port->nics[i].id == id)
			return true;
	return false;
}

// EAL options may bring devices that nobody polls.
static void describe_others(const struct port *port, const char *prefix, FILE *out) {
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;

	RTE_ETH_FOREACH_DEV (id) {
		if (!is_ours(port, id) && rte_eth_dev_get_name_by_port(id, name) == 0)
			fprintf(out,
				"%sport %s is not read: one run reads one DPDK port; start another "
				"for it, with a --file-prefix of its own\n",
				prefix,
				name);
	}
}

void port_describe(const struct port *port, const char *prefix, FILE *out) {
	for (int i = 0; i < port->n_devices; i++)
		describe_device(port, &port->devices[i], prefix, out);
	describe_others(port, prefix, out);
	fprintf(out,
		"%spacket buffers: %d MB of %s\n",
		prefix,
		port->n_queues * NIC_BUFFERS_MB,
		eal_has_huge() ? "hugepages"
			       : "ordinary pages: a few more cache misses per packet than with "
				 "hugepages (sysctl vm.nr_hugepages=512)");
}

int port_node(const struct port *port) {
	return port->nics[0].node;
}

// ---- Counters

int port_n_devices(const struct port *port) {
	return port->n_devices;
}

const char *port_device_name(const struct port *port, int device) {
	return port->devices[device].name;
}

const char *port_device_driver(const struct port *port, int device) {
	return port->nics[port->devices[device].first].driver;
}

struct steer *port_device_steer(const struct port *port, int device) {
	return port->devices[device].steer;
}

static int queue_index(const struct port *port, const struct device *device) {
	int index = 0;

	for (int i = 0; i < device->first; i++)
		index += port->nics[i].n_queues;
	return index;
}

int port_device_queues(const struct port *port, int number, uint64_t *n_frames, int max) {
	const struct device *device = &port->devices[number];
	int first = queue_index(port, device), n = 0;

	for (int i = 0; i < device->n; i++)
		n += port->nics[device->first + i].n_queues;
	for (int i = 0; i < n && i < max; i++)
		n_frames[i] = port->queues[first + i].n_received;
	return n;
}

void port_device_stats(const struct port *port, int number, struct port_stats *stats) {
	const struct device *device = &port->devices[number];
	uint64_t n_frames[NIC_QUEUES_MAX];
	int n = port_device_queues(port, number, n_frames, NIC_QUEUES_MAX);
	struct steer_sockets sockets;

	*stats = (struct port_stats){0};
	for (int i = 0; i < n; i++)
		stats->received += n_frames[i];
	// What the driver says of AF_XDP sockets lacks the frames that were not read in time.
	if (device->steer) {
		steer_sockets(device->steer, &sockets);
		stats->missed = sockets.n_ring_full;
		stats->no_buffer = sockets.n_no_buffer;
		return;
	}
	for (int i = 0; i < device->n; i++) {
		struct rte_eth_stats eth = {0};

		rte_eth_stats_get(port->nics[device->first + i].id, &eth);
		stats->missed += eth.imissed + eth.ierrors;
		stats->no_buffer += eth.rx_nombuf;
	}
}
