// SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0)
// Copyright (c) 2026, the Postern authors

// The XDP program: TCP on mail ports, fragments that may be of mail and configured tunnels go to the
// AF_XDP socket of their queue, everything else to the kernel. What it is unsure of passes: a host must
// not lose its ssh to us. Headers are looked at once, from the outside, through a cursor.

#include "steer_rules.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

char _license[] SEC("license") = "Dual BSD/GPL";

enum {
	ETHERTYPE_VLAN_OLD = 0x9100, // QinQ before 802.1ad
	MPLS_IN_IP = 137,
	IPV4_MORE_OR_OFFSET = 0x3fff,
	IPV6_OFFSET_OR_MORE = 0xfff9,
};

// The sockets; the map is DPDK's, found by this name.
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

// Seen by both sides. The loader fills the set of rules that is not in use, then switches.
volatile struct steer_rules rules[2];
volatile __u32 active;
volatile __u64 n_unstamped; // frames for whose time the driver left no room
struct steer_counters counters[STEER_CPUS_MAX];

struct cursor {
	void *at, *end;
};

struct vlan_tag {
	__be16 tci, type;
};

struct ipv6_option_head {
	__u8 next, size;
};

struct ipv6_fragment {
	__u8 next, reserved;
	__be16 offset;
	__be32 id;
};

struct addresses {
	__u64 from[2], to[2];
};

// The next size bytes, or NULL where the frame has fewer.
static __always_inline void *take(struct cursor *c, __u32 size) {
	void *here = c->at;

	if (here + size > c->end)
		return NULL;
	c->at = here + size;
	return here;
}

static __always_inline bool in_prefix(const __u64 addr[2], const volatile struct steer_prefix *p) {
	return (addr[0] & p->mask[0]) == p->addr[0] && (addr[1] & p->mask[1]) == p->addr[1];
}

static __always_inline bool
address_wanted(const volatile struct steer_rules *r, const struct addresses *addr) {
	__u32 n = r->n_prefixes;

	if (n == 0)
		return true;
	for (__u32 i = 0; i < STEER_PREFIXES_MAX && i < n; i++)
		if (in_prefix(addr->from, &r->prefixes[i]) || in_prefix(addr->to, &r->prefixes[i]))
			return true;
	return false;
}

static __always_inline bool port_wanted(const volatile struct steer_rules *r, __be16 port) {
	__u16 n = bpf_ntohs(port);

	return r->tcp_ports[n / 64] >> (n % 64) & 1;
}

static __always_inline enum steer_reason
tcp_judge(const volatile struct steer_rules *r, struct cursor *c, const struct addresses *addr) {
	const struct tcphdr *tcp = take(c, sizeof(*tcp));

	if (!tcp)
		return STEER_pass_short;
	if (!port_wanted(r, tcp->source) && !port_wanted(r, tcp->dest))
		return STEER_pass_other_port;
	return address_wanted(r, addr) ? STEER_redirect_mail : STEER_pass_other_address;
}

static __always_inline enum steer_reason
udp_judge(const volatile struct steer_rules *r, struct cursor *c) {
	const struct udphdr *udp = take(c, sizeof(*udp));
	__u32 n = r->n_udp_ports;

	if (!udp)
		return STEER_pass_short;
	for (__u32 i = 0; i < STEER_UDP_PORTS_MAX && i < n; i++)
		if (r->udp_ports[i] == bpf_ntohs(udp->dest))
			return r->udp_taken >> i & 1 ? STEER_redirect_tunnel : STEER_pass_tunnel;
	return STEER_pass_not_tcp;
}

static __always_inline __u32 tunnel_of(__u8 protocol) {
	switch (protocol) {
	case IPPROTO_GRE:
		return STEER_GRE;
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return STEER_IPIP;
	case MPLS_IN_IP:
		return STEER_MPLS;
	default:
		return 0;
	}
}

static __always_inline enum steer_reason
tunnel_judge(const volatile struct steer_rules *r, __u32 tunnel) {
	return r->tunnels & tunnel ? STEER_redirect_tunnel : STEER_pass_tunnel;
}

// Ports stand in a first fragment alone, so all of TCP's are taken: the pieces of one packet must not
// go different ways.
static __always_inline enum steer_reason
fragment_judge(const volatile struct steer_rules *r, __u8 protocol, const struct addresses *addr) {
	bool is_wanted
		= protocol == IPPROTO_UDP ? r->udp_taken != 0 : r->tunnels & tunnel_of(protocol);

	if (protocol == IPPROTO_TCP)
		return address_wanted(r, addr) ? STEER_redirect_fragment : STEER_pass_other_address;
	return is_wanted ? STEER_redirect_fragment : STEER_pass_not_tcp;
}

static __always_inline enum steer_reason transport_judge(
	const volatile struct steer_rules *r,
	struct cursor *c,
	__u8 protocol,
	const struct addresses *addr
) {
	__u32 tunnel;

	if (protocol == IPPROTO_TCP)
		return tcp_judge(r, c, addr);
	if (protocol == IPPROTO_UDP)
		return udp_judge(r, c);
	tunnel = tunnel_of(protocol);
	return tunnel ? tunnel_judge(r, tunnel) : STEER_pass_not_tcp;
}

static __always_inline void mapped(__be32 ip, __u64 addr[2]) {
	addr[0] = 0;
	addr[1] = bpf_cpu_to_be64(0x0000ffff00000000ull | bpf_ntohl(ip));
}

static __always_inline enum steer_reason
ipv4_judge(const volatile struct steer_rules *r, struct cursor *c) {
	const struct iphdr *ip = take(c, sizeof(*ip));
	struct addresses addr;
	__u32 options;

	if (!ip)
		return STEER_pass_short;
	if (ip->version != 4 || ip->ihl < 5)
		return STEER_pass_not_ip;
	mapped(ip->saddr, addr.from);
	mapped(ip->daddr, addr.to);
	if (ip->frag_off & bpf_htons(IPV4_MORE_OR_OFFSET))
		return fragment_judge(r, ip->protocol, &addr);
	options = (__u32)(ip->ihl - 5) * 4;
	if (!take(c, options & 0x3f))
		return STEER_pass_short;
	return transport_judge(r, c, ip->protocol, &addr);
}

static __always_inline bool is_extension(__u8 next) {
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

static __always_inline enum steer_reason
ipv6_judge(const volatile struct steer_rules *r, struct cursor *c) {
	const struct ipv6hdr *ip = take(c, sizeof(*ip));
	const struct ipv6_option_head *head;
	const struct ipv6_fragment *fragment;
	struct addresses addr;
	__u8 next;

	if (!ip)
		return STEER_pass_short;
	if (ip->version != 6)
		return STEER_pass_not_ip;
	__builtin_memcpy(addr.from, &ip->saddr, 16);
	__builtin_memcpy(addr.to, &ip->daddr, 16);
	next = ip->nexthdr;
	for (int i = 0; i < STEER_HEADERS_MAX; i++) {
		if (next == IPPROTO_FRAGMENT) {
			if (!(fragment = take(c, sizeof(*fragment))))
				return STEER_pass_short;
			next = fragment->next;
			// An atomic fragment is whole (RFC 6946).
			if (fragment->offset & bpf_htons(IPV6_OFFSET_OR_MORE))
				return fragment_judge(r, next, &addr);
		} else if (is_extension(next)) {
			if (!(head = take(c, sizeof(*head))))
				return STEER_pass_short;
			next = head->next;
			if (!take(c, ((__u32)head->size << 3) + 6))
				return STEER_pass_short;
		} else {
			return transport_judge(r, c, next, &addr);
		}
	}
	return STEER_pass_too_deep;
}

static __always_inline bool is_tag(__be16 type) {
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)
		|| type == bpf_htons(ETHERTYPE_VLAN_OLD);
}

static __always_inline enum steer_reason
frame_judge(const volatile struct steer_rules *r, struct cursor *c) {
	const struct ethhdr *ether = take(c, sizeof(*ether));
	const struct vlan_tag *tag;
	__be16 type;

	if (!ether)
		return STEER_pass_short;
	type = ether->h_proto;
	for (int i = 0; i < STEER_HEADERS_MAX && is_tag(type); i++) {
		if (!(tag = take(c, sizeof(*tag))))
			return STEER_pass_short;
		type = tag->type;
	}
	if (type == bpf_htons(ETH_P_IP))
		return ipv4_judge(r, c);
	if (type == bpf_htons(ETH_P_IPV6))
		return ipv6_judge(r, c);
	if (type == bpf_htons(ETH_P_MPLS_UC) || type == bpf_htons(ETH_P_MPLS_MC))
		return tunnel_judge(r, STEER_MPLS);
	if (type == bpf_htons(ETH_P_PPP_SES))
		return tunnel_judge(r, STEER_PPPOE);
	return is_tag(type) ? STEER_pass_too_deep : STEER_pass_not_ip;
}

// Packets of several queues are put in order by it, and bear the time at which they came rather than
// that at which they were read.
static __always_inline void stamp(struct xdp_md *ctx) {
	struct steer_stamp *at;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*at)) == 0) {
		at = (void *)(long)ctx->data_meta;
		if ((void *)(at + 1) <= (void *)(long)ctx->data) {
			at->time_ns = bpf_ktime_get_ns();
			return;
		}
	}
	n_unstamped++;
}

SEC("xdp")
int steer(struct xdp_md *ctx) {
	struct cursor c = {.at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end};
	__u32 cpu = bpf_get_smp_processor_id() & (STEER_CPUS_MAX - 1);
	enum steer_reason reason = frame_judge(&rules[active & 1], &c);
	int action = XDP_PASS;

	if (reason <= STEER_redirect_tunnel) {
		stamp(ctx);
		action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
		if (action == XDP_PASS)
			reason = STEER_pass_no_socket;
	}
	counters[cpu].reason[reason & (STEER_COUNTERS - 1)]++;
	return action;
}
