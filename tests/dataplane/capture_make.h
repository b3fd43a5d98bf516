// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Captures made by tests, byte by byte, in either byte order; and what was read from one, as bytes
// that can be compared: for each frame its time, sizes, link and content.

#pragma once

#include "capture_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct bytes {
	uint8_t *data;
	size_t size;
};

// Room grows in powers of two: whether it must is seen from the size.
static inline uint8_t *put_room(struct bytes *b, size_t size) {
	size_t old = 64, new = 64;

	while (old < b->size)
		old *= 2;
	while (new < b->size + size)
		new *= 2;
	if (!b->data || new > old)
		b->data = realloc(b->data, new);
	b->size += size;
	return b->data + b->size - size;
}

static inline void put(struct bytes *b, const void *data, size_t size) {
	uint8_t *to = put_room(b, size);

	if (size > 0)
		memcpy(to, data, size);
}

static inline void put_zeros(struct bytes *b, size_t size) {
	memset(put_room(b, size), 0, size);
}

static inline void put16(struct bytes *b, bool big, uint16_t v) {
	put(b, (uint8_t[]){v >> (big ? 8 : 0), v >> (big ? 0 : 8)}, 2);
}

static inline void put32(struct bytes *b, bool big, uint32_t v) {
	put16(b, big, big ? v >> 16 : v & 0xffff);
	put16(b, big, big ? v & 0xffff : v >> 16);
}

static inline void pcap_head(struct bytes *b, bool big, uint32_t magic, uint32_t link) {
	put32(b, big, magic);
	put16(b, big, 2);
	put16(b, big, 4);
	put_zeros(b, 8);
	put32(b, big, 65535);
	put32(b, big, link);
}

static inline void
pcap_packet(struct bytes *b, bool big, uint32_t sec, uint32_t part, uint32_t size, uint32_t wire) {
	put32(b, big, sec);
	put32(b, big, part);
	put32(b, big, size);
	put32(b, big, wire);
}

static inline void ng_block(struct bytes *b, bool big, uint32_t type, struct bytes body) {
	uint32_t padded = (uint32_t)(body.size + 3) & ~3u;

	put32(b, big, type);
	put32(b, big, padded + 12);
	put(b, body.data, body.size);
	put_zeros(b, padded - body.size);
	put32(b, big, padded + 12);
	free(body.data);
}

static inline void ng_section(struct bytes *b, bool big) {
	struct bytes body = {0};

	put32(&body, big, 0x1a2b3c4d);
	put16(&body, big, 1);
	put16(&body, big, 0);
	put(&body, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	ng_block(b, big, 0x0a0d0d0a, body);
}

// resol < 0: no option. An offset of 0 is not written.
static inline void ng_interface(
	struct bytes *b,
	bool big,
	uint16_t link,
	uint32_t snaplen,
	int resol,
	int64_t offset
) {
	struct bytes body = {0};

	put16(&body, big, link);
	put16(&body, big, 0);
	put32(&body, big, snaplen);
	if (resol >= 0) {
		put16(&body, big, 9);
		put16(&body, big, 1);
		put(&body, (uint8_t[]){(uint8_t)resol, 0, 0, 0}, 4);
	}
	if (offset != 0) {
		put16(&body, big, 14);
		put16(&body, big, 8);
		put32(&body, big, (uint64_t)offset >> (big ? 32 : 0) & 0xffffffff);
		put32(&body, big, (uint64_t)offset >> (big ? 0 : 32) & 0xffffffff);
	}
	if (resol >= 0 || offset != 0)
		put32(&body, big, 0);
	ng_block(b, big, 1, body);
}

static inline void ng_packet(
	struct bytes *b,
	bool big,
	uint32_t interface,
	uint64_t units,
	const void *data,
	uint32_t size,
	uint32_t wire
) {
	struct bytes body = {0};

	put32(&body, big, interface);
	put32(&body, big, units >> 32);
	put32(&body, big, units & 0xffffffff);
	put32(&body, big, size);
	put32(&body, big, wire);
	put(&body, data, size);
	ng_block(b, big, 6, body);
}

// Bytes handed out in pieces, as a slow pipe would.
struct pieces {
	const uint8_t *data;
	size_t size;
	size_t piece;
};

static inline ssize_t pieces_read(void *ctx, void *to, size_t size) {
	struct pieces *pieces = ctx;
	size_t n = pieces->piece < size ? pieces->piece : size;

	n = n < pieces->size ? n : pieces->size;
	if (n > 0)
		memcpy(to, pieces->data, n);
	pieces->data += n;
	pieces->size -= n;
	return (ssize_t)n;
}

struct facts {
	struct bytes frames;
	uint64_t n_frames;
	uint64_t n_cut, n_backward, n_skipped;
	int end; // SOURCE_END, SOURCE_BROKEN; 1: not opened
	char error[320];
};

static inline void facts_take(struct facts *facts, struct capture *capture) {
	struct frame frames[BURST_MAX];
	int n;

	while ((n = source_burst(capture_source(capture), frames, BURST_MAX)) >= 0) {
		for (int i = 0; i < n; i++) {
			put(&facts->frames, &frames[i].time_ns, 8);
			put(&facts->frames, &frames[i].size, 4);
			put(&facts->frames, &frames[i].wire_size, 4);
			put(&facts->frames, &frames[i].link, 1);
			put(&facts->frames, frames[i].data, frames[i].size);
		}
		facts->n_frames += (uint64_t)n;
	}
	facts->end = n;
	facts->n_cut = capture_n_cut(capture);
	facts->n_backward = capture_n_backward(capture);
	capture_skipped(capture, &facts->n_skipped);
	snprintf(facts->error, sizeof(facts->error), "%s", capture_source(capture)->error);
}

// Reads a file of these bytes, mapped or into a buffer (decompressed when they are compressed).
static inline struct facts facts_opened(
	const void *data,
	size_t size,
	struct capture *(*open)(const char *path, char *error, int size)
) {
	struct facts facts = {.end = 1};
	struct capture *capture;
	char path[64];
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	capture = open(path, facts.error, sizeof(facts.error));
	if (capture)
		facts_take(&facts, capture);
	capture_close(capture);
	close(fd);
	return facts;
}

static inline struct facts facts_file(const void *data, size_t size) {
	return facts_opened(data, size, capture_open_mapped);
}

static inline struct facts facts_read(const void *data, size_t size) {
	return facts_opened(data, size, capture_open);
}

// Reads a stream of them that comes in pieces.
static inline struct facts facts_stream(const void *data, size_t size, size_t piece) {
	struct pieces pieces = {data, size, piece};
	struct facts facts = {.end = 1};
	struct capture *capture;

	capture = capture_open_read(
		"stream", pieces_read, &pieces, facts.error, sizeof(facts.error)
	);
	if (capture)
		facts_take(&facts, capture);
	capture_close(capture);
	return facts;
}

static inline bool facts_equal(const struct facts *a, const struct facts *b) {
	return a->end == b->end && a->n_frames == b->n_frames && a->n_cut == b->n_cut
		&& a->n_backward == b->n_backward && a->n_skipped == b->n_skipped
		&& a->frames.size == b->frames.size
		&& (a->frames.size == 0
		    || memcmp(a->frames.data, b->frames.data, a->frames.size) == 0);
}

static inline void facts_free(struct facts *facts) {
	free(facts->frames.data);
	facts->frames = (struct bytes){0};
}
