// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The classic format (draft-ietf-opsawg-pcap): a 24-byte header, then packets with a header of 16
// bytes each (24 in the modified format of 1999). There is no way to find the next packet after a
// damaged one, so the reader stops there.

#include "capture_private.h"

#include <stdio.h>
#include <string.h>

enum {
	FILE_HEADER_SIZE = 24,
	RECORD_SIZE = 16,
	// Interface index, protocol and packet type follow in each header.
	RECORD_SIZE_MODIFIED = 24,
	// The number is in the lower 26 bits; the upper ones tell of a frame check sequence.
	LINK_TYPE_MASK = 0x03ffffff,
};

static const struct {
	uint32_t magic;
	uint32_t time_scale;
	uint32_t record_size;
} magics[] = {
	{0xa1b2c3d4, 1000, RECORD_SIZE},
	{0xa1b23c4d, 1, RECORD_SIZE},
	{0xa1b2cd34, 1000, RECORD_SIZE_MODIFIED},
};

// Index in magics, or -1.
static int magic_find(const uint8_t *data, size_t size, bool *swapped) {
	uint32_t magic;

	if (size < sizeof(magic))
		return -1;
	memcpy(&magic, data, sizeof(magic));
	for (int i = 0; i < (int)(sizeof(magics) / sizeof(magics[0])); i++) {
		*swapped = __builtin_bswap32(magic) == magics[i].magic;
		if (*swapped || magic == magics[i].magic)
			return i;
	}
	return -1;
}

bool pcap_detect(const uint8_t *data, size_t size) {
	bool swapped;

	return magic_find(data, size, &swapped) >= 0;
}

// How far ahead of the packet being read memory is asked for.
enum { CACHE_LINE = 64, AHEAD = 4096 };

static int next(struct capture *capture, struct frame *frame) {
	const uint8_t *p = capture->file.data;
	uint32_t size, wire_size, swap;

	capture->need = capture->record_size;
	if (capture->file.size < capture->need)
		return CAPTURE_MORE;
	size = capture_u32(capture, p + 8);
	wire_size = capture_u32(capture, p + 12);
	// Before version 2.3 the two lengths stood the other way round; some 2.3 writers did it too.
	if (capture->minor < 3 || (capture->minor == 3 && size > wire_size)) {
		swap = size;
		size = wire_size;
		wire_size = swap;
	}
	if (size > FRAME_SIZE_MAX)
		return capture_broken(capture, "the next one claims to have %u bytes", size);
	capture->need += size;
	if (capture->file.size < capture->need)
		return CAPTURE_MORE;
	// Where the next record begins is only known when this one has been read, so that the memory is not
	// fetched ahead by itself. Behind the end of the file this asks for nothing. What was read into the
	// buffer is in the cache.
	for (uint32_t i = 0; capture->file.map && i < capture->need; i += CACHE_LINE)
		__builtin_prefetch(p + AHEAD + i);
	frame->data = p + capture->record_size;
	frame->size = size;
	frame->wire_size = wire_size;
	frame->link = capture->interfaces[0].link;
	frame->is_checked = false;
	frame->time_ns = capture_u32(capture, p) * 1000000000ull
		+ (uint64_t)capture_u32(capture, p + 4) * capture->time_scale;
	capture_file_skip(&capture->file, capture->need);
	capture->n_packets++;
	return CAPTURE_FRAME;
}

int pcap_begin(struct capture *capture, char *error, int size) {
	const uint8_t *p;
	uint32_t link_type;
	int i, link;

	if (capture_file_fill(&capture->file, FILE_HEADER_SIZE) <= 0) {
		snprintf(
			error,
			size,
			"%s: not a capture: it ends inside the file header%s%s",
			capture->file.name,
			capture->file.problem[0] ? ": " : "",
			capture->file.problem
		);
		return -1;
	}
	p = capture->file.data;
	i = magic_find(p, capture->file.size, &capture->swapped);
	capture->time_scale = magics[i].time_scale;
	capture->record_size = magics[i].record_size;
	capture->minor = capture_u16(capture, p + 6);
	if (capture_u16(capture, p + 4) != 2) {
		snprintf(
			error,
			size,
			"%s: not a capture Postern reads: pcap version %u.%u, only 2.x is known",
			capture->file.name,
			capture_u16(capture, p + 4),
			capture->minor
		);
		return -1;
	}
	link_type = capture_u32(capture, p + 20) & LINK_TYPE_MASK;
	link = capture_link(link_type);
	if (link < 0) {
		snprintf(
			error,
			size,
			"%s: link type %u is not one Postern reads (" CAPTURE_LINKS ")",
			capture->file.name,
			link_type
		);
		return -1;
	}
	capture->interfaces[0] = (struct capture_interface){.link = (uint8_t)link};
	capture->n_interfaces = 1;
	capture->next = next;
	capture_file_skip(&capture->file, FILE_HEADER_SIZE);
	return 0;
}
