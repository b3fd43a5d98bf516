// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where frames come from: one small interface over captures and DPDK ports, so that the worker's
// loop is the same for both.

#pragma once

#include <stdbool.h>
#include <stdint.h>

// What the first byte of a frame belongs to. Values are ours; readers translate LINKTYPE_ numbers.
enum link {
	LINK_ETHERNET,
	LINK_RAW_IP, // first nibble says 4 or 6
	LINK_SLL, // Linux cooked capture v1
	LINK_SLL2, // Linux cooked capture v2
	LINK_NULL, // BSD loopback: address family in the capturing host's byte order
	LINK_LOOP, // the same in network byte order
	LINK_PPP, // PPP, with or without address and control (RFC 1662), or Cisco HDLC
	LINK_DATAGRAM, // none: made by defrag of fragments (defrag.h); in no capture
};

// One frame where it lies. Borrowed: valid until the next source_burst() on the same source.
struct frame {
	const uint8_t *data;
	uint64_t time_ns; // event time, nanoseconds since 1970; never less than the frame before it
	uint32_t size; // bytes present at data
	uint32_t wire_size; // bytes it had on the wire; larger than size when a snap length cut it
	uint8_t link; // enum link
	// The NIC has verified the checksums of the outermost IP header and of TCP behind it, and both are
	// right. False: not known; they may be right or wrong.
	uint8_t is_checked;
	uint32_t number; // since the start, may wrap; sources leave it to who reads them (worker.h)
};

enum { SOURCE_END = -1, SOURCE_BROKEN = -2 };

struct source {
	// Fills up to max (≤ BURST_MAX) frames, releasing those of the call before. Returns how many;
	// 0 when none are there now (a live source); SOURCE_END after the last; SOURCE_BROKEN when
	// the input ends where it should not or cannot be read on: error then says what, where and
	// what to do. All frames before the damage have been given.
	int (*burst)(struct source *source, struct frame *frames, int max);
	void (*close)(struct source *source);
	// Live sources: the event time of the last burst, which goes on while nothing arrives. 0: not
	// live; time passes only with frames.
	uint64_t now_ns;
	// Frames stay where they are beyond the next call of burst, until the source asks for them
	// back by release, which returns when nobody reads them any more. May change with each burst.
	bool frames_stay;
	void (*release)(void *ctx); // set by who keeps frames; NULL: nobody does
	void *release_ctx;
	// A distributor's: frames are numbered, and number and now_ns hold for every burst: all frames
	// of this reader up to there have been given.
	bool is_numbered;
	uint32_t number;
	char error[320];
};

static inline int source_burst(struct source *source, struct frame *frames, int max) {
	return source->burst(source, frames, max);
}

// For sources whose frames stay, before bytes that were given move or go.
static inline void source_release(struct source *source) {
	if (source->release)
		source->release(source->release_ctx);
}
