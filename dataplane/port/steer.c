// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Skeleton, link and sockets. libbpf's messages are kept for our one line of error.

#include "steer.h"

#include "steer.skel.h"
#include "steer_rules.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct steer {
	char iface[IF_NAMESIZE];
	unsigned ifindex;
	int object_fd; // the program's file, in memory
	char object[32];
	int sockets[STEER_QUEUES_MAX]; // the driver's
	int n_sockets;
	int packet_socket; // holds the promiscuous mode; −1: none
	struct steer_bpf *skeleton;
	char mode[48];
};

// ---- What libbpf says

static char said[200];

static int hear(enum libbpf_print_level level, const char *format, va_list args) {
	if (level == LIBBPF_WARN && !said[0]) {
		vsnprintf(said, sizeof(said), format, args);
		said[strcspn(said, "\n")] = '\0';
	}
	return 0;
}

static int
refused(const struct steer *steer, const char *what, int problem, char *error, int size) {
	snprintf(
		error,
		(size_t)size,
		"%s: %s: %s%s%s",
		steer->iface,
		what,
		strerror(problem),
		said[0] ? ": " : "",
		said
	);
	return -1;
}

// ---- Interfaces

static uint32_t program_on(unsigned ifindex) {
	uint32_t id = 0;

	return bpf_xdp_query_id((int)ifindex, 0, &id) == 0 ? id : 0;
}

static int ioctl_on(const char *iface, unsigned long request, struct ifreq *ifr) {
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result, problem;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", iface);
	result = ioctl(fd, request, ifr);
	problem = errno;
	close(fd);
	return result < 0 ? -problem : 0;
}

static int kernel_check(char *error, int size) {
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		return close(fd);
	if (errno == EPERM || errno == EACCES)
		snprintf(
			error,
			(size_t)size,
			"AF_XDP needs root: start it as root, it becomes --user NAME before the "
			"first "
			"packet"
		);
	else
		snprintf(
			error,
			(size_t)size,
			"this kernel has no AF_XDP (%s): it needs 5.4 or later with "
			"CONFIG_XDP_SOCKETS; --vdev net_af_packet0,iface=IFACE works without",
			strerror(errno)
		);
	return -1;
}

int steer_check(const char *iface, char *error, int size) {
	unsigned ifindex = strlen(iface) < IF_NAMESIZE ? if_nametoindex(iface) : 0;
	struct ifreq ifr = {0};

	if (!ifindex) {
		snprintf(error, (size_t)size, "%s: no such interface: ip link lists them", iface);
		return -1;
	}
	if (kernel_check(error, size) < 0)
		return -1;
	if (geteuid() != 0) {
		snprintf(
			error,
			(size_t)size,
			"%s: an XDP program needs root: start it as root, it becomes --user NAME "
			"before the first packet",
			iface
		);
		return -1;
	}
	if (ioctl_on(iface, SIOCGIFFLAGS, &ifr) == 0 && !(ifr.ifr_flags & IFF_UP)) {
		snprintf(error, (size_t)size, "%s is down: ip link set %s up", iface, iface);
		return -1;
	}
	if (program_on(ifindex) != 0) {
		snprintf(
			error,
			(size_t)size,
			"%s has an XDP program already (id %u, perhaps of another postern): ip "
			"link "
			"set %s xdp off removes it",
			iface,
			program_on(ifindex),
			iface
		);
		return -1;
	}
	return 0;
}

int steer_n_queues(const char *iface) {
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (void *)&channels};
	uint32_t n;

	if (ioctl_on(iface, SIOCETHTOOL, &ifr) < 0)
		return 1;
	n = channels.combined_count + channels.rx_count;
	return n < 1 ? 1 : n > STEER_QUEUES_MAX ? STEER_QUEUES_MAX : (int)n;
}

int steer_node(const char *iface) {
	char path[64 + IF_NAMESIZE];
	FILE *file;
	int node = -1;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", iface);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

// ---- Opening

struct steer *steer_open(const char *iface, char *error, int size) {
	struct steer *steer = calloc(1, sizeof(*steer));
	const void *bytes;
	size_t n_bytes;

	if (!steer) {
		snprintf(error, (size_t)size, "out of memory");
		return NULL;
	}
	libbpf_set_print(hear);
	snprintf(steer->iface, sizeof(steer->iface), "%s", iface);
	steer->ifindex = if_nametoindex(iface);
	steer->packet_socket = -1;
	bytes = steer_bpf__elf_bytes(&n_bytes);
	steer->object_fd = memfd_create("steer.bpf.o", MFD_CLOEXEC);
	if (steer->object_fd < 0 || write(steer->object_fd, bytes, n_bytes) != (ssize_t)n_bytes) {
		refused(steer, "the XDP program's file", errno, error, size);
		steer_close(steer);
		return NULL;
	}
	snprintf(steer->object, sizeof(steer->object), "/proc/self/fd/%d", steer->object_fd);
	return steer;
}

const char *steer_object(const struct steer *steer) {
	return steer->object;
}

static bool is_xdp_socket(int fd) {
	int domain;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP;
}

// Of all interfaces: each socket is adopted once, right after it was made.
static int adopted[STEER_QUEUES_MAX * 16];
static int n_adopted;

static bool is_adopted(int fd) {
	for (int i = 0; i < n_adopted; i++)
		if (adopted[i] == fd)
			return true;
	return false;
}

// The driver tells nobody its sockets: the one that was not there before is looked for. −1: none.
static int socket_find(void) {
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int found = -1;

	while (dir && found < 0 && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && is_xdp_socket(fd) && !is_adopted(fd))
			found = fd;
	}
	if (dir)
		closedir(dir);
	return found;
}

// Removes the driver's copy, and nothing else that may have come meanwhile.
static int copy_remove(const struct steer *steer) {
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int result;

	opts.old_prog_fd = bpf_prog_get_fd_by_id(program_on(steer->ifindex));
	if (opts.old_prog_fd < 0)
		return opts.old_prog_fd;
	result = bpf_xdp_detach((int)steer->ifindex, XDP_FLAGS_REPLACE, &opts);
	close(opts.old_prog_fd);
	return result;
}

int steer_adopt(struct steer *steer, char *error, int size) {
	int fd = socket_find(), result;

	if (fd < 0 || steer->n_sockets == STEER_QUEUES_MAX
	    || n_adopted == sizeof(adopted) / sizeof(adopted[0]))
		return refused(steer, "the driver's socket", ENOENT, error, size);
	adopted[n_adopted++] = fd;
	steer->sockets[steer->n_sockets++] = fd;
	result = copy_remove(steer);
	if (result < 0)
		return refused(steer, "the driver's XDP program", -result, error, size);
	return 0;
}

// A membership goes with its socket, so that a crash leaves the interface as it was.
static int promiscuous_begin(struct steer *steer) {
	struct packet_mreq request
		= {.mr_ifindex = (int)steer->ifindex, .mr_type = PACKET_MR_PROMISC};

	steer->packet_socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (steer->packet_socket < 0)
		return -errno;
	return setsockopt(
		       steer->packet_socket,
		       SOL_PACKET,
		       PACKET_ADD_MEMBERSHIP,
		       &request,
		       sizeof(request)
	       ) < 0
		? -errno
		: 0;
}

static void mode_find(struct steer *steer) {
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct xdp_options options = {0};
	socklen_t size = sizeof(options);
	bool is_native = bpf_xdp_query((int)steer->ifindex, 0, &query) == 0
		&& query.attach_mode != XDP_ATTACHED_SKB;
	bool is_zero_copy
		= getsockopt(steer->sockets[0], SOL_XDP, XDP_OPTIONS, &options, &size) == 0
		&& options.flags & XDP_OPTIONS_ZEROCOPY;

	snprintf(
		steer->mode,
		sizeof(steer->mode),
		"%s, %s",
		is_native ? "native" : "generic (slow)",
		is_zero_copy ? "zero copy" : "one copy"
	);
}

static int sockets_insert(struct steer *steer) {
	int map = bpf_map__fd(steer->skeleton->maps.xsks_map), result = 0;

	for (uint32_t queue = 0; queue < (uint32_t)steer->n_sockets && result == 0; queue++)
		result = bpf_map_update_elem(map, &queue, &steer->sockets[queue], BPF_ANY);
	return result;
}

int steer_attach(
	struct steer *steer,
	const struct steer_rules *rules,
	bool promiscuous,
	char *error,
	int size
) {
	int result;

	said[0] = '\0';
	steer->skeleton = steer_bpf__open_and_load();
	if (!steer->skeleton)
		return refused(steer, "the XDP program was not taken", errno, error, size);
	memcpy((void *)&steer->skeleton->bss->rules[0], rules, sizeof(*rules));
	result = sockets_insert(steer);
	if (result < 0)
		return refused(steer, "a socket's place in the map", -result, error, size);
	steer->skeleton->links.steer
		= bpf_program__attach_xdp(steer->skeleton->progs.steer, (int)steer->ifindex);
	if (!steer->skeleton->links.steer)
		return refused(steer, "the XDP program was not attached", errno, error, size);
	result = promiscuous ? promiscuous_begin(steer) : 0;
	if (result < 0)
		return refused(steer, "promiscuous mode", -result, error, size);
	mode_find(steer);
	return 0;
}

void steer_close(struct steer *steer) {
	if (!steer)
		return;
	steer_bpf__destroy(steer->skeleton);
	if (steer->packet_socket >= 0)
		close(steer->packet_socket);
	if (steer->object_fd >= 0)
		close(steer->object_fd);
	for (int i = 0; i < steer->n_sockets; i++)
		for (int k = 0; k < n_adopted; k++)
			if (adopted[k] == steer->sockets[i])
				adopted[k--] = adopted[--n_adopted];
	free(steer);
}

// ---- While it runs

// A frame is judged by one set from its first byte to its last: whoever began before the switch is done
// within microseconds, long before a set is filled again.
void steer_set(struct steer *steer, const struct steer_rules *rules) {
	const struct timespec grace = {.tv_nsec = 10000000};
	struct steer_bpf__bss *bss = steer->skeleton->bss;
	uint32_t next = !bss->active;

	memcpy((void *)&bss->rules[next], rules, sizeof(*rules));
	__atomic_store_n(&bss->active, next, __ATOMIC_RELEASE);
	nanosleep(&grace, NULL);
}

void steer_counts(const struct steer *steer, uint64_t counts[STEER_REASONS]) {
	const struct steer_counters *cpus = steer->skeleton->bss->counters;

	memset(counts, 0, STEER_REASONS * sizeof(counts[0]));
	for (int cpu = 0; cpu < STEER_CPUS_MAX; cpu++)
		for (int reason = 0; reason < STEER_REASONS; reason++)
			counts[reason] += cpus[cpu].reason[reason];
}

void steer_sockets(const struct steer *steer, struct steer_sockets *sockets) {
	struct xdp_statistics stats;
	socklen_t size;

	*sockets = (struct steer_sockets){0};
	for (int i = 0; i < steer->n_sockets; i++) {
		memset(&stats, 0, sizeof(stats));
		size = sizeof(stats);
		if (getsockopt(steer->sockets[i], SOL_XDP, XDP_STATISTICS, &stats, &size) < 0)
			continue;
		sockets->n_ring_full += stats.rx_ring_full;
		sockets->n_no_buffer += stats.rx_dropped;
	}
}

const volatile uint64_t *steer_n_unstamped(const struct steer *steer) {
	// The kernel's __u64 has another name than uint64_t, and is the same.
	const volatile void *n = &steer->skeleton->bss->n_unstamped;

	return n;
}

const char *steer_iface(const struct steer *steer) {
	return steer->iface;
}

const char *steer_mode(const struct steer *steer) {
	return steer->mode;
}
