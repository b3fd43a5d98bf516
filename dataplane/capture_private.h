// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What capture.c and the formats' readers share. A reader looks at the bytes that are there and
// either consumes one packet or block of them, or says how many it needs; it never waits.

#pragma once

#include "capture.h"
#include "capture_file.h"
#include "limits.h"
#include "source.h"

#include <stdbool.h>

// What next() says.
enum {
	CAPTURE_BROKEN = -1, // the capture cannot be read on: source.error says why
	CAPTURE_MORE = 0, // nothing consumed: capture.need bytes are wanted in one piece
	CAPTURE_FRAME = 1, // one frame, borrowed from the file's bytes
	CAPTURE_SKIPPED = 2, // something else was consumed
};

struct capture_interface {
	// Timestamps are in units of which unit_per_s make a second: 10^n, or 2^n (unit_shift).
	uint64_t unit_per_s; // 0: binary
	uint8_t unit_shift;
	uint8_t link; // enum link
	uint32_t snaplen; // 0: none
	int64_t offset_s;
	const char *unusable; // why its packets cannot be used, or NULL
	uint32_t link_type; // as in the file, for people
};

struct capture {
	struct source source; // first: the source is the capture
	struct capture_file file;
	int (*next)(struct capture *capture, struct frame *frame);
	size_t need;
	bool swapped; // the file's byte order is not ours

	// pcap
	uint32_t record_size; // of a packet's header
	uint32_t time_scale; // nanoseconds in one unit of the lower time word
	uint16_t minor; // old versions swapped the two lengths
	// both; pcap has one
	struct capture_interface *interfaces;
	uint32_t n_interfaces; // described in this section so far, kept or not

	uint64_t n_packets; // seen, used or not
	uint64_t n_frames; // given
	uint64_t n_cut;
	uint64_t n_backward;
	uint64_t n_skipped; // packets that could not be used
	char skipped[96]; // why the first of them
	uint64_t last_ns;
};

// LINKTYPE_ number → enum link; -1: not one we read.
int capture_link(uint32_t link_type);
// What is read, for messages.
#define CAPTURE_LINKS "Ethernet, raw IP, Linux cooked, BSD loopback, PPP, Cisco HDLC"
// Units of an interface → nanoseconds since 1970, held between 0 and the largest that fits.
uint64_t capture_time_ns(const struct capture_interface *interface, uint64_t units);
// Says in source.error what is wrong with the bytes that come next. Returns CAPTURE_BROKEN.
__attribute__((format(printf, 2, 3))) int
capture_broken(struct capture *capture, const char *format, ...);
// Counts a packet that cannot be used; the first one's reason is kept.
__attribute__((format(printf, 2, 3))) void
capture_skip(struct capture *capture, const char *format, ...);

// Whether data begins as the format does; then reads the file's header. 0, or -1 and error.
bool pcap_detect(const uint8_t *data, size_t size);
int pcap_begin(struct capture *capture, char *error, int size);
bool pcapng_detect(const uint8_t *data, size_t size);
int pcapng_begin(struct capture *capture, char *error, int size);
// ERF begins with no mark of its own: its first packets are looked at.
bool erf_detect(struct capture *capture);
int erf_begin(struct capture *capture); // 0

// As capture_open(), from a function: for tests.
struct capture *
capture_open_read(const char *name, capture_read_fn *read, void *ctx, char *error, int size);

static inline uint16_t capture_u16(const struct capture *capture, const uint8_t *p) {
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return capture->swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t capture_u32(const struct capture *capture, const uint8_t *p) {
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return capture->swapped ? __builtin_bswap32(v) : v;
}
