// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Frames from a DPDK port. They are used where the driver put them and given back at the next burst;
// only those in several buffers are copied into one piece. The one file that knows EAL.
//
// The driver net_pcap plays a capture and does not say when it has come to the end, so a capture
// named in the device is read once beforehand: how many packets it has, and whether it is whole.

#include "port.h"

#include "capture_private.h"
#include "limits.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	// A burst of the longest frames net_pcap makes takes 64 × 33 buffers, which must be there: it
	// drops what it finds no buffer for. The rest is for the receive ring and the pool's cache.
	N_BUFFERS = 8191,
	N_DESCRIPTORS = 1024,
	EAL_MEMORY_MB = 64, // N_BUFFERS of 2.3 KiB, and what EAL wants for itself
	EAL_ARGS_MAX = 64,
	// Jumbo frames, where the NIC takes them.
	MTU_WANTED = 9216,
	// Once idle for so many polls a live port sleeps between them: short enough that the ring
	// holds what comes meanwhile even at 10 Gbit/s of the shortest frames.
	IDLE_POLLS = 1000,
	IDLE_SLEEP_US = 50,
	// Empty polls after which a driver that owes packets of a file is taken to have none left.
	FILE_POLLS = 1000,
};

struct port {
	struct source source; // first: the source is the port
	uint16_t id;
	bool started;
	struct rte_mempool *pool;
	struct rte_mbuf *mbufs[BURST_MAX]; // given out with the last burst
	int n_mbufs;
	uint8_t *scratch; // BURST_MAX × FRAME_SIZE_MAX; only what is used is ever touched
	uint64_t n_received;
	uint32_t n_empty; // polls in a row without a packet
	uint8_t link;

	// Timestamps in µs that net_pcap leaves in each packet; -1: the clock is read.
	int stamp_offset;
	uint64_t stamp_flag;
	uint64_t clock_ns; // CLOCK_MONOTONIC when source.now_ns was last set

	// A capture played by net_pcap.
	bool finite;
	uint64_t n_expected;
	char file_error[sizeof(((struct source *)0)->error)]; // how it ends, when not well

	bool no_huge;
	char description[256];
};

static uint64_t clock_get(clockid_t id) {
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Event time of a port without timestamps: the wall clock. When that is set back, time goes on at
// half its speed until the clock has caught up, so that timers neither stop nor repeat.
static void clock_read(struct port *port) {
	uint64_t wall_ns = clock_get(CLOCK_REALTIME);
	uint64_t clock_ns = clock_get(CLOCK_MONOTONIC);

	if (wall_ns >= port->source.now_ns)
		port->source.now_ns = wall_ns;
	else
		port->source.now_ns += (clock_ns - port->clock_ns) / 2;
	port->clock_ns = clock_ns;
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

static uint64_t stamp_get(const struct port *port, struct rte_mbuf *mbuf) {
	uint64_t us;

	if (port->stamp_offset < 0 || !(mbuf->ol_flags & port->stamp_flag))
		return port->source.now_ns;
	us = *RTE_MBUF_DYNFIELD(mbuf, port->stamp_offset, rte_mbuf_timestamp_t *);
	// libpcap reads the seconds as signed, which turns 2038 into 1901.
	if ((int64_t)us < 0)
		us += (1ull << 32) * 1000000;
	return us * 1000;
}

static void frames_fill(struct port *port, struct frame *frames, int n) {
	uint64_t last_ns = port->source.now_ns;
	uint8_t *scratch = port->scratch;

	for (int i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = port->mbufs[i];
		struct frame *frame = &frames[i];

		*frame = (struct frame){
			.data = rte_pktmbuf_mtod(mbuf, const uint8_t *),
			.time_ns = RTE_MAX(stamp_get(port, mbuf), last_ns),
			.size = mbuf->data_len,
			.wire_size = mbuf->pkt_len,
			.link = port->link,
		};
		if (mbuf->nb_segs > 1) {
			frame->data = scratch;
			frame->size = linearise(mbuf, scratch);
			scratch += frame->size;
		}
		last_ns = frame->time_ns;
	}
	port->source.now_ns = last_ns;
}

// Nothing came from a file: it is over, or, as the driver cannot tell us, taken to be.
static int file_idle(struct port *port) {
	struct rte_eth_stats stats = {0};

	if (port->n_received < port->n_expected) {
		if (++port->n_empty < FILE_POLLS)
			return 0;
		rte_eth_stats_get(port->id, &stats);
		snprintf(
			port->source.error,
			sizeof(port->source.error),
			"net_pcap gave only %llu of %llu packets (%llu without a buffer, %llu "
			"errors): "
			"postern replay reads the capture itself",
			(unsigned long long)port->n_received,
			(unsigned long long)port->n_expected,
			(unsigned long long)stats.rx_nombuf,
			(unsigned long long)stats.ierrors
		);
		return SOURCE_BROKEN;
	}
	if (!port->file_error[0])
		return SOURCE_END;
	memcpy(port->source.error, port->file_error, sizeof(port->source.error));
	return SOURCE_BROKEN;
}

static int live_idle(struct port *port) {
	if (++port->n_empty >= IDLE_POLLS)
		usleep(IDLE_SLEEP_US);
	return 0;
}

static int burst(struct source *source, struct frame *frames, int max) {
	struct port *port = (struct port *)source;

	rte_pktmbuf_free_bulk(port->mbufs, (unsigned)port->n_mbufs);
	port->n_mbufs = rte_eth_rx_burst(port->id, 0, port->mbufs, (uint16_t)max);
	if (!port->finite)
		clock_read(port);
	if (port->n_mbufs == 0)
		return port->finite ? file_idle(port) : live_idle(port);
	port->n_empty = 0;
	port->n_received += (uint64_t)port->n_mbufs;
	frames_fill(port, frames, port->n_mbufs);
	return port->n_mbufs;
}

// The value of key in "driver,key=value,…", at most size - 1 bytes. Whether it is there.
static bool vdev_get(const char *vdev, const char *key, char *value, size_t size) {
	size_t len = strlen(key);
	const char *at = vdev;

	while ((at = strchr(at, ','))) {
		at++;
		if (strncmp(at, key, len) == 0 && at[len] == '=') {
			at += len + 1;
			snprintf(value, size, "%.*s", (int)strcspn(at, ","), at);
			return true;
		}
	}
	return false;
}

// Reads the whole capture that net_pcap is to play. 0, or -1 and error.
static int file_scan(struct port *port, const char *path, char *error, int size) {
	struct frame frames[BURST_MAX];
	struct capture *capture;
	struct stat st;
	int n;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		snprintf(
			error,
			size,
			"%s: rx_pcap wants a plain file; postern replay reads pipes",
			path
		);
		return -1;
	}
	capture = capture_open(path, error, size);
	if (!capture)
		return -1;
	port->finite = true;
	while ((n = source_burst(capture_source(capture), frames, BURST_MAX)) >= 0) {
		port->n_expected += (uint64_t)n;
		if (n > 0)
			port->link = frames[0].link;
	}
	if (n == SOURCE_BROKEN)
		memcpy(port->file_error, capture_source(capture)->error, sizeof(port->file_error));
	n = capture->file.compression ? -1 : 0;
	if (n < 0)
		snprintf(
			error,
			size,
			"%s: net_pcap cannot read a %s file; postern replay does",
			capture->file.name,
			capture->file.compression
		);
	capture_close(capture);
	return n;
}

// 0, or -1 and error.
static int vdev_check(struct port *port, const char *vdev, char *error, int size) {
	char path[4096], flag[8];

	if (strncmp(vdev, "net_pcap", 8) != 0 || !vdev_get(vdev, "rx_pcap", path, sizeof(path)))
		return 0;
	// Played again and again it has no end, and no times of its own.
	if (vdev_get(vdev, "infinite_rx", flag, sizeof(flag)) && strcmp(flag, "0") != 0)
		return 0;
	return file_scan(port, path, error, size);
}

static int pci_check(const char *pci, char *error, int size) {
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci);
	if (strpbrk(pci, "/,") == NULL && access(path, F_OK) == 0)
		return 0;
	snprintf(
		error,
		size,
		"%s: no such PCI device: write it as lspci -D does, like 0000:3b:00.0",
		pci
	);
	return -1;
}

// Megabytes in free hugepages of all sizes.
static uint64_t hugepages_free_mb(void) {
	const char *root = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(root);
	const struct dirent *entry;
	unsigned long kb, n;
	char path[512];
	uint64_t mb = 0;
	FILE *file;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", root, entry->d_name);
		if (sscanf(entry->d_name, "hugepages-%lukB", &kb) != 1
		    || !(file = fopen(path, "r")))
			continue;
		if (fscanf(file, "%lu", &n) == 1)
			mb += (uint64_t)n * kb / 1024;
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return mb;
}

struct args {
	char *argv[EAL_ARGS_MAX + 1];
	int n;
};

static void args_add(struct args *args, const char *arg) {
	if (args->n < EAL_ARGS_MAX)
		args->argv[args->n++]
			= (char *)arg; // EAL reorders the pointers and leaves the text
}

// Whether the user's words already say what one of these options would.
static bool user_says(char **user, const char *const *options) {
	for (; user && *user; user++) {
		for (int i = 0; options[i]; i++) {
			if (strncmp(*user, options[i], strlen(options[i])) == 0)
				return true;
		}
	}
	return false;
}

static void
args_build(const struct port *port, const struct port_config *config, struct args *args) {
	static const char *const cores[] = {"-l", "-c", "--lcores", NULL};
	static const char *const memory[] = {
		"-m",
		"--no-huge",
		"--socket-mem",
		"--in-memory",
		"--huge-dir",
		NULL,
	};
	static const char *const prefix[] = {"--file-prefix", NULL};
	static char core[32], name[96], megabytes[16];
	cpu_set_t cpus;
	int cpu = 0;

	args_add(args, "postern");
	args_add(args, "--log-level=*:error");
	args_add(args, "--no-telemetry");
	if (!user_says(config->eal_args, cores)) {
		sched_getaffinity(0, sizeof(cpus), &cpus);
		while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
			cpu++;
		snprintf(core, sizeof(core), "0@%d", cpu);
		args_add(args, "--lcores");
		args_add(args, core);
	}
	if (!user_says(config->eal_args, memory)) {
		snprintf(megabytes, sizeof(megabytes), "%d", EAL_MEMORY_MB);
		args_add(args, "-m");
		args_add(args, megabytes);
		args_add(args, port->no_huge ? "--no-huge" : "--in-memory");
		if (port->no_huge)
			args_add(args, "--no-shconf"); // --in-memory means it already
	}
	if (!user_says(config->eal_args, prefix)) {
		if (config->file_prefix)
			snprintf(name, sizeof(name), "--file-prefix=%s", config->file_prefix);
		else
			snprintf(name, sizeof(name), "--file-prefix=postern%d", (int)getpid());
		args_add(args, name);
	}
	if (config->pci) {
		args_add(args, "-a");
		args_add(args, config->pci);
	} else if (!config->eal_args) {
		args_add(args, "--no-pci");
	}
	for (char **user = config->eal_args; user && *user; user++)
		args_add(args, *user);
}

// What EAL and the drivers say while they start, of which the first line goes into our error: it is
// nearest to the cause.
struct listener {
	FILE *stream;
	char *text;
	size_t size;
};

static void listen_begin(struct listener *listener) {
	*listener = (struct listener){0};
	listener->stream = open_memstream(&listener->text, &listener->size);
	rte_openlog_stream(listener->stream);
}

// The first line, without the trailing newline. Valid until listen_end().
static const char *listen_line(struct listener *listener) {
	if (!listener->stream || fflush(listener->stream) != 0 || !listener->text)
		return "";
	listener->text[strcspn(listener->text, "\n")] = '\0';
	return listener->text;
}

static void listen_end(struct listener *listener) {
	rte_openlog_stream(stderr);
	if (listener->stream)
		fclose(listener->stream);
	free(listener->text);
}

// 0, or -1 and why on the listener. EAL pins the calling thread; that is taken back, since who runs
// where is not the source's business. Its usage text would go to standard output, which is for JSON.
static int eal_begin(const struct port *port, const struct port_config *config) {
	static bool started;
	struct args args = {0};
	cpu_set_t cpus;
	int result, out;

	if (started)
		return 0;
	args_build(port, config, &args);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	result = rte_eal_init(args.n, args.argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	started = result >= 0;
	return started ? 0 : -1;
}

// Finds or makes the port the configuration names. 0 or -errno.
static int device_begin(struct port *port, const struct port_config *config) {
	char name[RTE_ETH_NAME_MAX_LEN];
	int result;

	if (config->vdev) {
		result = rte_dev_probe(config->vdev);
		if (result < 0)
			return result;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(config->vdev, ","), config->vdev);
		return rte_eth_dev_get_port_by_name(name, &port->id);
	}
	if (config->pci)
		return rte_eth_dev_get_port_by_name(config->pci, &port->id);
	port->id = (uint16_t)rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER);
	return port->id < RTE_MAX_ETHPORTS ? 0 : -ENODEV;
}

static int queue_begin(struct port *port, struct rte_eth_dev_info *info) {
	struct rte_eth_conf conf = {0};
	uint16_t n_rx = N_DESCRIPTORS, n_tx = 64;
	int socket = rte_eth_dev_socket_id(port->id), n_tx_queues = 0, result;

	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) {
		conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER;
		conf.rxmode.mtu = RTE_MIN((uint16_t)MTU_WANTED, info->max_mtu);
	}
	// Nothing is ever sent, but some drivers (AF_XDP) want queues in pairs.
	result = rte_eth_dev_configure(port->id, 1, 0, &conf);
	if (result < 0) {
		n_tx_queues = 1;
		result = rte_eth_dev_configure(port->id, 1, 1, &conf);
	}
	if (result == 0)
		result = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rx, &n_tx);
	if (result < 0)
		return result;
	port->pool = rte_pktmbuf_pool_create(
		"postern", N_BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY
	);
	if (!port->pool)
		return -rte_errno;
	result = rte_eth_rx_queue_setup(port->id, 0, n_rx, (unsigned)socket, NULL, port->pool);
	if (result == 0 && n_tx_queues > 0)
		result = rte_eth_tx_queue_setup(port->id, 0, n_tx, (unsigned)socket, NULL);
	return result;
}

// 0 or -errno.
static int port_start(struct port *port) {
	struct rte_eth_dev_info info;
	int result = rte_eth_dev_info_get(port->id, &info), bit;

	if (result == 0)
		result = queue_begin(port, &info);
	if (result == 0)
		result = rte_eth_dev_start(port->id);
	if (result < 0)
		return result;
	port->started = true;
	rte_eth_promiscuous_enable(port->id); // what cannot, shows all anyway
	port->stamp_offset = -1;
	if (strcmp(info.driver_name, "net_pcap") == 0) {
		port->stamp_offset
			= rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
		bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
		port->stamp_flag = bit < 0 ? 0 : 1ull << bit;
	}
	snprintf(
		port->description,
		sizeof(port->description),
		"port %u: driver %s, 1 queue, NUMA node %d, %s",
		port->id,
		info.driver_name,
		rte_eth_dev_socket_id(port->id),
		port->no_huge ? "no hugepages (each packet may cost a few more cache misses)"
			      : "hugepages"
	);
	return 0;
}

static int
memory_begin(struct port *port, const struct port_config *config, char *error, int size) {
	void *scratch;

	port->no_huge = port->finite || hugepages_free_mb() < 2 * EAL_MEMORY_MB;
	if (config->pci && port->no_huge) {
		snprintf(
			error,
			size,
			"%s: a NIC needs hugepages and there are none: sysctl vm.nr_hugepages=512",
			config->pci
		);
		return -1;
	}
	scratch
		= mmap(NULL,
		       (size_t)BURST_MAX * FRAME_SIZE_MAX,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1,
		       0);
	if (scratch == MAP_FAILED) {
		snprintf(error, size, "no memory for a port: %s", strerror(errno));
		return -1;
	}
	port->scratch = scratch;
	return 0;
}

// Everything that can be checked without EAL comes first: its own messages are for its developers.
static int checks(struct port *port, const struct port_config *config, char *error, int size) {
	if (config->n_queues > 1) {
		snprintf(error, size, "%d receive queues: only one for now", config->n_queues);
		return -1;
	}
	if (config->vdev && vdev_check(port, config->vdev, error, size) < 0)
		return -1;
	if (config->pci && pci_check(config->pci, error, size) < 0)
		return -1;
	return memory_begin(port, config, error, size);
}

static void source_close(struct source *source) {
	port_close((struct port *)source);
}

struct port *port_open(const struct port_config *config, char *error, int size) {
	const char *name = config->vdev ? config->vdev : config->pci ? config->pci : "DPDK port";
	struct port *port = calloc(1, sizeof(*port));
	struct listener listener;
	int result;

	if (!port) {
		snprintf(error, size, "no memory for a port");
		return NULL;
	}
	port->source.burst = burst;
	port->source.close = source_close;
	port->link = LINK_ETHERNET;
	if (checks(port, config, error, size) < 0) {
		port_close(port);
		return NULL;
	}
	listen_begin(&listener);
	result = eal_begin(port, config);
	if (result == 0)
		result = device_begin(port, config);
	if (result == 0)
		result = port_start(port);
	if (result < 0) {
		const char *line = listen_line(&listener);

		snprintf(
			error,
			size,
			"%s: cannot be opened: %s",
			name,
			line[0] ? line : strerror(-result)
		);
		port_close(port);
		port = NULL;
	}
	listen_end(&listener);
	return port;
}

struct source *port_source(struct port *port, int queue) {
	return queue == 0 ? &port->source : NULL;
}

const char *port_describe(const struct port *port) {
	return port->description;
}

void port_stats(
	const struct port *port,
	uint64_t *received,
	uint64_t *missed,
	uint64_t *no_buffer
) {
	struct rte_eth_stats stats = {0};

	rte_eth_stats_get(port->id, &stats);
	*received = port->n_received;
	*missed = stats.imissed + stats.ierrors;
	*no_buffer = stats.rx_nombuf;
}

void port_close(struct port *port) {
	if (!port)
		return;
	rte_pktmbuf_free_bulk(port->mbufs, (unsigned)port->n_mbufs);
	if (port->started) {
		rte_eth_dev_stop(port->id);
		rte_eth_dev_close(port->id);
	}
	rte_mempool_free(port->pool);
	if (port->scratch)
		munmap(port->scratch, (size_t)BURST_MAX * FRAME_SIZE_MAX);
	free(port);
}
