// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Every number that bounds what a peer can make the dataplane hold or do, with its reason.
// When a limit is reached the answer is counted under the name given here; it is never a failed
// allocation.

#pragma once

enum {
	// Frames walked per call of the worker's loop: enough to hide a cache miss behind the others,
	// few enough that their headers stay in the first-level cache.
	BURST_MAX = 64,

	// Headers of any kind in front of TCP (VLAN tags, IPv6 extension headers …). One count for
	// all of them, so that no mixture gets around it. Verdict: too_many_layers.
	DECODE_LAYERS_MAX = 16,

	// A frame as captured on a host with segmentation offload can exceed 64 KiB; what is
	// longer than this is no frame. The capture readers refuse it.
	FRAME_SIZE_MAX = 262144,

	// pcapng blocks other than packets (options, name resolution) and interfaces per section.
	PCAPNG_BLOCK_SIZE_MAX = 16 << 20,
	PCAPNG_INTERFACES_MAX = 256,

	// Unfinished datagrams of IP fragments, and memory for their bytes in chunks: 36 MB. What is
	// fragmented on the way of mail is a tunnel whose ends misjudge the MTU; its datagrams are whole within
	// milliseconds, and the oldest goes when there is no room (datagram_evicted; of one source:
	// datagram_of_source).
	DEFRAG_CHUNK_SIZE = 1024,
	DEFRAG_CHUNKS_DEFAULT = 32768,
	DEFRAG_DATAGRAMS_DEFAULT = 8192,

	// Between each two workers that have a NIC's queue each: packets on their way to the worker of their
	// connection (exchange.h). The longest frame several times, and 500 µs of a full link at 16 Gbit/s.
	// Beyond: ring_full.
	EXCHANGE_RING_SIZE = 1 << 20,

	// Connections tracked at once, unless the configuration says otherwise.
	FLOWS_DEFAULT = 1 << 20,

	// SYNs of one side with numbers of their own that compete while a connection opens, and are remembered beside
	// the first: the latest. Beyond: syn_forgotten.
	FLOW_ISN_MAX = 2,

	// Out-of-order data held for one direction of one flow: segments, so that tiny ones cannot
	// grow a long list, and bytes. When reached, the oldest hole is given up (a gap).
	STREAM_SEGMENTS_MAX = 256,
	STREAM_HELD_SIZE_MAX = 1 << 20,

	// The same for all flows of a worker together.
	STREAM_POOL_SIZE_DEFAULT = 256 << 20,

	// Delivered bytes of clients kept by each worker, to be compared with retransmissions: a second
	// of 64 Mbit/s. And segments of one connection that are looked at for one that comes again.
	// Beyond: repeat_not_compared.
	STREAM_RECENT_SIZE_DEFAULT = 8 << 20,
	RECENT_LOOKS = 64,

	// Urgent bytes of one connection that are left out of its streams as out of band. Mail has none; beyond so many
	// each is a hole, so that no word is made of what stands around it: urgent_limit.
	STREAM_URGENT_MAX = 4096,

	// A peer's acknowledgement of bytes not seen means that the capture lost them, unless the
	// capture swapped neighbours: so many further packets of the flow are waited for them. In 359
	// captures of others eight lose no bytes that more would find; three lose those of one stream.
	STREAM_REORDER_PACKETS = 8,

	// Where only one direction is captured nobody acknowledges; a hole there is given up after
	// so many further packets: more than a retransmission takes on a busy connection.
	STREAM_ONE_SIDED_PACKETS = 64,
};

// A hole that will not be filled by a retransmission is given up after so long at the latest, so that
// an answer is not kept from its reader: one that is acknowledged after what a capture may delay one
// packet behind another; one of which only one direction is seen after what a retransmission takes.
#define STREAM_ACKED_HOLE_NS (200ull * 1000000)
#define STREAM_HOLE_NS (5ull * 1000000000)

// A datagram is given up so long after its first fragment, as Linux does (RFC 1122 3.3.2 wants 60 to
// 120 s, which only helps those who send fragments to be kept).
#define DEFRAG_TIMEOUT_NS (30ull * 1000000000)

// Idle times in nanoseconds of event time, after which a flow in that state is given up.
#define FLOW_TIMEOUT_OPENING_NS (30ull * 1000000000) // SYN seen, nothing established
#define FLOW_TIMEOUT_ESTABLISHED_NS                                                                \
	(7200ull * 1000000000                                                                      \
	) // IDLE may be silent for 29 minutes (RFC 2177); two hours is TCP's keep-alive
#define FLOW_TIMEOUT_CLOSING_NS (120ull * 1000000000) // one side has closed
#define FLOW_TIMEOUT_CLOSED_NS (10ull * 1000000000) // both have: late retransmissions are absorbed
