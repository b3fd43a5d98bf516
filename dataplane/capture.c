// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What all captures have in common: recognising them, filling bursts, keeping time from going back,
// and saying where and why a capture ends too early.

#include "capture_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	// Blocks without a packet passed in one burst, so that a capture full of them cannot keep the
	// worker from noticing that it shall stop.
	SKIPS_PER_BURST = 4096,
	// Of a packet: damage there may be zeros in place of a mapped file's lost end.
	HEADER_SIZE_MAX = 32,
};

// LINKTYPE_ numbers, www.tcpdump.org/linktypes.html.
static const struct {
	uint32_t type;
	enum link link;
} links[] = {
	{0, LINK_NULL},
	{1, LINK_ETHERNET},
	{9, LINK_PPP},
	{12, LINK_RAW_IP}, // DLT_RAW as most systems write it
	{14, LINK_RAW_IP}, // and OpenBSD
	{50, LINK_PPP}, // or Cisco HDLC: the first byte tells
	{101, LINK_RAW_IP},
	{104, LINK_PPP}, // Cisco HDLC
	{108, LINK_LOOP},
	{113, LINK_SLL},
	{228, LINK_RAW_IP}, // IPv4 only
	{229, LINK_RAW_IP}, // IPv6 only
	{276, LINK_SLL2},
};

int capture_link(uint32_t link_type) {
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (links[i].type == link_type)
			return (int)links[i].link;
	}
	return -1;
}

uint64_t capture_time_ns(const struct capture_interface *interface, uint64_t units) {
	const uint64_t billion = 1000000000;
	unsigned __int128 part; // of a second, in units × 10^9
	__int128 ns;

	if (interface->unit_per_s) {
		ns = (__int128)(units / interface->unit_per_s);
		part = (unsigned __int128)(units % interface->unit_per_s) * billion
			/ interface->unit_per_s;
	} else {
		ns = (__int128)(units >> interface->unit_shift);
		part = units & ((1ull << interface->unit_shift) - 1);
		part = part * billion >> interface->unit_shift;
	}
	ns = (ns + interface->offset_s) * (__int128)billion + (__int128)part;
	if (ns < 0)
		return 0;
	return ns > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

int capture_broken(struct capture *capture, const char *format, ...) {
	char what[96];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(
		capture->source.error,
		sizeof(capture->source.error),
		"%s: damaged after packet %llu (byte %llu): %s; everything before it was processed",
		capture->file.name,
		(unsigned long long)capture->n_packets,
		(unsigned long long)capture->file.offset,
		what
	);
	return CAPTURE_BROKEN;
}

void capture_skip(struct capture *capture, const char *format, ...) {
	va_list args;

	capture->n_packets++;
	if (capture->n_skipped++ > 0)
		return;
	va_start(args, format);
	vsnprintf(capture->skipped, sizeof(capture->skipped), format, args);
	va_end(args);
}

// The bytes have come to an end. It is a good one when nothing is left over, and something was used.
static int end(struct capture *capture) {
	const struct capture_file *file = &capture->file;
	char *error = capture->source.error;
	size_t size = sizeof(capture->source.error);

	if (file->problem[0])
		snprintf(
			error,
			size,
			"%s: %s, after packet %llu (byte %llu); everything before it was processed",
			file->name,
			file->problem,
			(unsigned long long)capture->n_packets,
			(unsigned long long)file->offset
		);
	else if (file->size > 0)
		snprintf(
			error,
			size,
			"%s ends in the middle of packet %llu (byte %llu): the capture is cut; "
			"everything before it was processed",
			file->name,
			(unsigned long long)capture->n_packets + 1,
			(unsigned long long)(file->offset + file->size)
		);
	else if (capture->n_frames == 0 && capture->n_skipped > 0)
		snprintf(
			error,
			size,
			"%s: %s: none of its %llu packets could be used",
			file->name,
			capture->skipped,
			(unsigned long long)capture->n_skipped
		);
	else
		return SOURCE_END;
	return SOURCE_BROKEN;
}

// What every frame is held to, whatever the file says.
static void frame_finish(struct capture *capture, struct frame *frame) {
	if (frame->wire_size < frame->size)
		frame->wire_size = frame->size;
	capture->n_cut += frame->wire_size > frame->size;
	if (frame->time_ns < capture->last_ns) {
		capture->n_backward++;
		frame->time_ns = capture->last_ns;
	}
	capture->last_ns = frame->time_ns;
	capture->n_frames++;
}

// Frames whose bytes were lost while they were looked at are not given. Returns how many are left.
static int whole_frames(const struct capture *capture, const struct frame *frames, int n) {
	int whole = 0;

	while (whole < n
	       && capture_file_is_whole(&capture->file, frames[whole].data + frames[whole].size))
		whole++;
	return whole;
}

static int shrunk(struct capture *capture) {
	snprintf(
		capture->source.error,
		sizeof(capture->source.error),
		"%s: was made shorter while it was read, about packet %llu (byte %zu): do not "
		"truncate a capture that is replayed; everything before it was processed",
		capture->file.name,
		(unsigned long long)capture->n_packets,
		(size_t)atomic_load(&capture->file.hole)
	);
	return SOURCE_BROKEN;
}

// What is given, of n frames read.
static int burst_end(struct capture *capture, const struct frame *frames, int n) {
	int whole = whole_frames(capture, frames, n);

	if (whole == 0 && !capture_file_is_whole(&capture->file, capture->file.data))
		return shrunk(capture);
	return whole;
}

// Bytes move only when no frame is outstanding: what lies complete in the buffer is given first.
static int burst(struct source *source, struct frame *frames, int max) {
	struct capture *capture = (struct capture *)source;
	int n = 0, n_skips = 0, result;

	if (!capture_file_is_whole(&capture->file, capture->file.data))
		return shrunk(capture);
	while (n < max && n_skips < SKIPS_PER_BURST) {
		result = capture->next(capture, &frames[n]);
		if (result == CAPTURE_FRAME) {
			frame_finish(capture, &frames[n++]);
		} else if (result == CAPTURE_SKIPPED) {
			n_skips++;
		} else if (n > 0) {
			break;
		} else if (!capture_file_is_whole(
				   &capture->file, capture->file.data + HEADER_SIZE_MAX
			   )) {
			return shrunk(capture);
		} else if (result == CAPTURE_BROKEN) {
			return SOURCE_BROKEN;
		} else {
			if (capture->file.map)
				source_release(source); // the map may move
			result = capture_file_fill(&capture->file, capture->need);
			if (result <= 0)
				return result < 0 ? end(capture) : 0;
		}
	}
	return burst_end(capture, frames, n);
}

static void source_close(struct source *source) {
	capture_close((struct capture *)source);
}

static int format_begin(struct capture *capture, char *error, int size) {
	struct capture_file *file = &capture->file;
	int more = capture_file_fill(file, 12);

	if (pcap_detect(file->data, file->size))
		return pcap_begin(capture, error, size);
	if (pcapng_detect(file->data, file->size))
		return pcapng_begin(capture, error, size);
	if (erf_detect(capture))
		return erf_begin(capture);
	if (more <= 0 && file->problem[0])
		snprintf(error, size, "%s: not a capture: %s", file->name, file->problem);
	else if (more == 0)
		snprintf(error, size, "%s: interrupted", file->name);
	else if (file->size == 0)
		snprintf(error, size, "%s: is empty: there is no capture in it", file->name);
	else
		snprintf(
			error,
			size,
			"%s: not a capture: neither pcap nor pcapng nor ERF (plain, gzip or zstd)",
			file->name
		);
	return -1;
}

// Takes over capture, whose bytes are open when result is 0.
static struct capture *begin(struct capture *capture, int result, char *error, int size) {
	if (result == 0)
		result = format_begin(capture, error, size);
	capture->source.frames_stay = capture->file.map != NULL;
	if (result == 0)
		return capture;
	capture_close(capture);
	return NULL;
}

static struct capture *create(char *error, int size) {
	struct capture *capture = calloc(1, sizeof(*capture));

	if (capture) {
		capture->file.fd = -1;
		capture->source.burst = burst;
		capture->source.close = source_close;
		capture->interfaces = calloc(PCAPNG_INTERFACES_MAX, sizeof(*capture->interfaces));
		if (capture->interfaces)
			return capture;
	}
	free(capture);
	snprintf(error, size, "no memory to read a capture");
	return NULL;
}

static struct capture *open_path(const char *path, bool is_mapped, char *error, int size) {
	struct capture *capture = create(error, size);
	int result;

	if (!capture)
		return NULL;
	result = capture_file_open(&capture->file, path, is_mapped, error, size);
	return begin(capture, result, error, size);
}

struct capture *capture_open(const char *path, char *error, int size) {
	return open_path(path, false, error, size);
}

struct capture *capture_open_mapped(const char *path, char *error, int size) {
	return open_path(path, true, error, size);
}

struct capture *
capture_open_read(const char *name, capture_read_fn *read, void *ctx, char *error, int size) {
	struct capture *capture = create(error, size);
	int result;

	if (!capture)
		return NULL;
	result = capture_file_open_read(&capture->file, name, read, ctx, error, size);
	return begin(capture, result, error, size);
}

struct source *capture_source(struct capture *capture) {
	return &capture->source;
}

void capture_position(const struct capture *capture, uint64_t *done, uint64_t *total) {
	const struct capture_file *file = &capture->file;

	*done = file->map ? file->offset : file->n_raw;
	*total = file->total;
}

uint64_t capture_n_cut(const struct capture *capture) {
	return capture->n_cut;
}

uint64_t capture_n_backward(const struct capture *capture) {
	return capture->n_backward;
}

const char *capture_skipped(const struct capture *capture, uint64_t *n) {
	*n = capture->n_skipped;
	return capture->n_skipped ? capture->skipped : NULL;
}

void capture_close(struct capture *capture) {
	if (!capture)
		return;
	capture_file_close(&capture->file);
	free(capture->interfaces);
	free(capture);
}
