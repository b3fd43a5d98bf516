// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Nothing is ever sent, but some drivers (AF_XDP) want queues in pairs.

#define ALLOW_EXPERIMENTAL_API // rte_eth_read_clock(), in DPDK since 2019
#include "nic.h"

#include "rss.h"

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	// What may wait for its reader: 20 ms at 100,000 frames a second. AF_XDP fills no more ahead.
	N_DESCRIPTORS = 2048,
	N_DESCRIPTORS_TX = 64,
	POOL_CACHE = 256,
	// Jumbo frames, where the NIC takes them.
	MTU_WANTED = 9216,
};

static const uint64_t rss_wanted = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4
	| RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6
	| RTE_ETH_RSS_NONFRAG_IPV6_TCP;
static const uint64_t rss_needed = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;

// ---- Finding

int nic_find_vdev(struct nic *nic, const char *vdev) {
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_devargs args;
	int result;

	if (rte_devargs_parse(&args, vdev) < 0)
		return -ENODEV;
	rte_devargs_reset(&args);
	result = rte_dev_probe(vdev);
	if (result < 0)
		return result;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(vdev, ","), vdev);
	return rte_eth_dev_get_port_by_name(name, &nic->id);
}

int nic_find_pci(struct nic *nic, const char *pci) {
	return rte_eth_dev_get_port_by_name(pci, &nic->id);
}

int nic_find_any(struct nic *nic) {
	nic->id = (uint16_t)rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER);
	return nic->id < RTE_MAX_ETHPORTS ? 0 : -ENODEV;
}

// ---- Spreading over queues

// Whether the device can be asked at all; else why not.
static const char *rss_lacks(const struct rte_eth_dev_info *info) {
	if ((info->flow_type_rss_offloads & rss_needed) != rss_needed)
		return "the driver does not hash the ports of TCP over IPv4 and IPv6";
	if (info->hash_key_size < 40 || info->hash_key_size > RSS_KEY_MAX)
		return "the driver takes no key for its hash";
	return NULL;
}

static void rss_ask(const struct rte_eth_dev_info *info, uint8_t *key, struct rte_eth_conf *conf) {
	uint16_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = 0x6d5a;
	rss_key_make(random, key, info->hash_key_size);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = key,
		.rss_key_len = info->hash_key_size,
		.rss_hf = rss_wanted & info->flow_type_rss_offloads,
	};
}

// Asks for all queues alike; some drivers begin with others, and some take none but their own.
static void owners_ask(const struct nic *nic, struct rte_eth_rss_reta_entry64 *table, uint16_t n) {
	for (int i = 0; i < n; i++)
		table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE]
			= (uint16_t)(i % nic->n_queues);
	rte_eth_dev_rss_reta_update(nic->id, table, n);
}

// Which queue each hash goes to, as the device says. NULL, or why it is not known.
static const char *
owners_find(struct nic *nic, const struct rte_eth_dev_info *info, const uint8_t *key) {
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
	uint16_t queues[RTE_ETH_RSS_RETA_SIZE_512];
	uint16_t n = info->reta_size;

	memset(table, 0xff, sizeof(table)); // all masks: of every entry
	if (n == 0 || n > RTE_ETH_RSS_RETA_SIZE_512 || (n & (n - 1)) != 0)
		return "the driver does not tell which queue a hash goes to";
	owners_ask(nic, table, n);
	if (rte_eth_dev_rss_reta_query(nic->id, table, n) < 0)
		return "the driver does not tell which queue a hash goes to";
	for (int i = 0; i < n; i++) {
		queues[i] = table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
		if (queues[i] >= nic->n_queues)
			return "the driver spreads over queues that were not asked for";
	}
	nic->owners = malloc(RSS_OWNERS);
	if (!nic->owners)
		return "no memory for what spreads packets";
	rss_owners(key, queues, n, nic->owners);
	return NULL;
}

// What the device says that it does now. NULL when both directions land together.
static const char *rss_fails(struct nic *nic, const struct rte_eth_dev_info *info) {
	size_t key_size = info->hash_key_size;
	uint8_t key[RSS_KEY_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = (uint8_t)key_size};

	if (rte_eth_dev_rss_hash_conf_get(nic->id, &conf) < 0)
		return "the driver does not tell its hash's key";
	if ((conf.rss_hf & rss_needed) != rss_needed)
		return "the driver did not take the hash over the ports of TCP";
	if (!rss_key_repeats(key, key_size))
		return "the driver did not take the symmetric key";
	return owners_find(nic, info, key);
}

// ---- Starting

// What a driver calls its longest frame has the header, and sometimes tags, before the MTU.
uint16_t nic_mtu_choose(const struct rte_eth_dev_info *info) {
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	uint32_t mtu = RTE_MIN((uint32_t)MTU_WANTED, info->max_mtu);

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		overhead = info->max_rx_pktlen - info->max_mtu;
	if (info->max_rx_pktlen > overhead)
		mtu = RTE_MIN(mtu, info->max_rx_pktlen - overhead);
	return (uint16_t)mtu;
}

enum { CHECKSUMS = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM };

// Of what helps, what the device offers.
static void
rx_mode(struct nic *nic, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf) {
	nic->has_checksums = (info->rx_offload_capa & CHECKSUMS) == CHECKSUMS;
	if (nic->has_checksums)
		conf->rxmode.offloads |= CHECKSUMS;
	if (nic->stamps_are_ticks)
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) {
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
		conf->rxmode.mtu = nic_mtu_choose(info);
	}
}

// Bytes of a frame that one buffer holds. Drivers that do not chain buffers (net_af_packet) refuse those
// that are smaller than their frames; then the next larger are tried.
static const uint16_t buffer_sizes[] = {2048, 9344, 16384, UINT16_MAX - RTE_PKTMBUF_HEADROOM};

enum { BUFFER_SIZES = sizeof(buffer_sizes) / sizeof(buffer_sizes[0]) };

// Other people's mail is no part of a core dump. Whole pages, of whatever size: a huge one cannot be split.
static void memory_hide(struct rte_mempool *, void *, struct rte_mempool_memhdr *memory, unsigned) {
	const struct rte_memseg *segment = rte_mem_virt2memseg(memory->addr, NULL);
	size_t page = segment ? segment->hugepage_sz : (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = RTE_ALIGN_FLOOR((uintptr_t)memory->addr, page);
	uintptr_t end = RTE_ALIGN_CEIL((uintptr_t)memory->addr + memory->len, page);

	madvise((void *)start, end - start, MADV_DONTDUMP);
}

static int pool_make(struct nic *nic, int queue, uint16_t size) {
	unsigned n = NIC_BUFFERS * (unsigned)buffer_sizes[0] / size;
	char name[RTE_MEMPOOL_NAMESIZE];
	int node = nic->node < 0 ? SOCKET_ID_ANY : nic->node;

	snprintf(name, sizeof(name), "postern_%u_%d", nic->id, queue);
	nic->pools[queue] = rte_pktmbuf_pool_create(
		name,
		n,
		RTE_MIN((unsigned)POOL_CACHE, n / 2),
		0,
		(uint16_t)(size + RTE_PKTMBUF_HEADROOM),
		node
	);
	if (!nic->pools[queue])
		return -rte_errno;
	rte_mempool_mem_iter(nic->pools[queue], memory_hide, NULL);
	return 0;
}

static int queue_make(struct nic *nic, int queue, uint16_t n_desc) {
	unsigned node = nic->node < 0 ? 0 : (unsigned)nic->node;
	int result = -EINVAL;

	for (int size = 0; size < BUFFER_SIZES && (size == 0 || result == -ENOMEM); size++) {
		result = nic->pools[queue]
			? 0
			: pool_make(
				nic, queue, nic->buffer_size ? nic->buffer_size : buffer_sizes[size]
			);
		if (result == 0)
			result = rte_eth_rx_queue_setup(
				nic->id, (uint16_t)queue, n_desc, node, NULL, nic->pools[queue]
			);
		if (result < 0) {
			rte_mempool_free(nic->pools[queue]);
			nic->pools[queue] = NULL;
		}
	}
	return result;
}

static int queues_make(struct nic *nic, int n_tx) {
	uint16_t n_rx_desc = N_DESCRIPTORS, n_tx_desc = N_DESCRIPTORS_TX;
	unsigned node = nic->node < 0 ? 0 : (unsigned)nic->node;
	int result = rte_eth_dev_adjust_nb_rx_tx_desc(nic->id, &n_rx_desc, &n_tx_desc);

	for (int i = 0; i < nic->n_queues && result == 0; i++) {
		result = queue_make(nic, i, n_rx_desc);
		if (result == 0 && i < n_tx)
			result = rte_eth_tx_queue_setup(
				nic->id, (uint16_t)i, n_tx_desc, node, NULL
			);
	}
	return result;
}

static int configure(struct nic *nic, const struct rte_eth_dev_info *info, int n_queues) {
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_conf conf = {0};
	uint16_t n_rx = (uint16_t)n_queues;
	int n_tx = 0, result;

	nic->n_queues = n_queues;
	rx_mode(nic, info, &conf);
	if (n_queues > 1)
		rss_ask(info, key, &conf);
	result = rte_eth_dev_configure(nic->id, n_rx, 0, &conf);
	if (result < 0) {
		n_tx = n_queues;
		result = rte_eth_dev_configure(nic->id, n_rx, n_rx, &conf);
	}
	if (result == 0)
		result = queues_make(nic, n_tx);
	if (result == 0)
		result = rte_eth_dev_start(nic->id);
	nic->is_started = result == 0;
	return result;
}

// Configures for several queues; when that does not hold, for one.
static int configure_spread(struct nic *nic, const struct rte_eth_dev_info *info, int n_queues) {
	nic->why_not = rss_lacks(info);
	if (!nic->why_not && n_queues > info->max_rx_queues)
		nic->why_not = "the driver has fewer receive queues";
	if (!nic->why_not) {
		if (configure(nic, info, n_queues) < 0)
			nic->why_not = "the driver refused to spread over queues";
		else
			nic->why_not = rss_fails(nic, info);
		if (!nic->why_not) {
			nic->is_symmetric = true;
			return 0;
		}
		if (nic->is_started)
			rte_eth_dev_stop(nic->id);
		nic->is_started = false;
	}
	return configure(nic, info, 1);
}

// Before it is configured. A clock that cannot be read cannot be held against the host's.
static void stamps_ask(struct nic *nic, const struct rte_eth_dev_info *info) {
	nic->stamp_offset = -1;
	nic->stamps_are_ticks = false;
	if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP))
		return;
	if (rte_mbuf_dyn_rx_timestamp_register(&nic->stamp_offset, &nic->stamp_flag) < 0) {
		nic->stamp_offset = -1;
		nic->why_no_stamps = "no place for it in packet buffers";
		return;
	}
	nic->stamps_are_ticks = true;
}

// Once it is started: some drivers only then know.
static void stamps_check(struct nic *nic) {
	uint64_t ticks;

	if (!nic->stamps_are_ticks || rte_eth_read_clock(nic->id, &ticks) == 0)
		return;
	nic->stamps_are_ticks = false;
	nic->stamp_offset = -1;
	nic->why_no_stamps = "the driver does not tell its clock";
}

// net_pcap stamps without being asked.
static void stamps_find(struct nic *nic) {
	int bit;

	if (strcmp(nic->driver, "net_pcap") != 0)
		return;
	nic->stamp_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	nic->stamp_flag = bit < 0 ? 0 : 1ull << bit;
}

int nic_start(struct nic *nic, int n_queues, bool promiscuous) {
	struct rte_eth_dev_info info;
	uint16_t mtu = 0;
	int result = rte_eth_dev_info_get(nic->id, &info);

	if (result < 0)
		return result;
	snprintf(nic->driver, sizeof(nic->driver), "%s", info.driver_name);
	nic->node = rte_eth_dev_socket_id(nic->id);
	stamps_ask(nic, &info);
	result = n_queues > 1 ? configure_spread(nic, &info, n_queues) : configure(nic, &info, 1);
	if (result < 0)
		return result;
	if (promiscuous)
		rte_eth_promiscuous_enable(nic->id); // what cannot, shows all anyway
	rte_eth_dev_get_mtu(nic->id, &mtu);
	nic->mtu = mtu;
	stamps_check(nic);
	stamps_find(nic);
	return 0;
}

void nic_stop(struct nic *nic) {
	if (nic->is_started) {
		rte_eth_dev_stop(nic->id);
		rte_eth_dev_close(nic->id);
	}
	for (int i = 0; i < NIC_QUEUES_MAX; i++)
		rte_mempool_free(nic->pools[i]);
	free(nic->owners);
	*nic = (struct nic){0};
}
