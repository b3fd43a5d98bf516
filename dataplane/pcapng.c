// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The block format (draft-ietf-opsawg-pcapng): sections, each in its own byte order, with their own
// interfaces. A block says its length at both ends. When the two agree, a packet that cannot be used
// is skipped and counted; when they do not, nothing behind it can be trusted and the reader stops.

#include "capture_private.h"

#include <stdio.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a, // the same in both byte orders
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, // obsolete
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,

	BYTE_ORDER_MAGIC = 0x1a2b3c4d,

	BLOCK_SIZE_MIN = 12, // type, length, length
	SECTION_SIZE_MIN = 28,

	OPTION_END = 0,
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14,

	// 10^19 is the largest power of ten that fits 64 bits; 2^63 the largest shift of a second.
	TSRESOL_DECIMAL_MAX = 19,
	TSRESOL_BINARY_MAX = 63,
};

// A block's content, between its head and its closing length.
struct body {
	const uint8_t *data;
	uint32_t size;
};

// Where a packet lies in its block; the three kinds differ in little else.
struct packet {
	const uint8_t *data;
	uint32_t interface;
	uint32_t present; // bytes of the block that may be packet
	uint32_t size; // bytes it claims to have
	uint32_t wire_size;
	uint64_t units; // time
};

bool pcapng_detect(const uint8_t *data, size_t size) {
	uint32_t magic;

	if (size < 12 || memcmp(data, "\x0a\x0d\x0d\x0a", 4) != 0)
		return false;
	memcpy(&magic, data + 8, sizeof(magic));
	return magic == BYTE_ORDER_MAGIC || __builtin_bswap32(magic) == BYTE_ORDER_MAGIC;
}

static int section_begin(struct capture *capture, struct body body) {
	uint16_t major = capture_u16(capture, body.data + 4);
	uint16_t minor = capture_u16(capture, body.data + 6);

	if (major != 1)
		return capture_broken(
			capture, "a section of version %u.%u, only 1.x is known", major, minor
		);
	capture->n_interfaces = 0;
	return CAPTURE_SKIPPED;
}

static void resolution_set(struct capture_interface *interface, uint8_t value) {
	uint8_t exponent = value & 0x7f;

	if (value & 0x80) {
		interface->unit_per_s = 0;
		interface->unit_shift = exponent;
		if (exponent > TSRESOL_BINARY_MAX)
			interface->unusable = "an impossible time resolution";
		return;
	}
	if (exponent > TSRESOL_DECIMAL_MAX) {
		interface->unusable = "an impossible time resolution";
		return;
	}
	interface->unit_per_s = 1;
	while (exponent-- > 0)
		interface->unit_per_s *= 10;
}

// What is malformed among the options ends them; the interface stays.
static void
options_read(const struct capture *capture, struct body body, struct capture_interface *interface) {
	const uint8_t *p = body.data, *end = body.data + body.size;

	while (end - p >= 4) {
		uint16_t code = capture_u16(capture, p);
		uint16_t size = capture_u16(capture, p + 2);
		uint32_t padded = (size + 3u) & ~3u;
		uint64_t offset;

		p += 4;
		if (code == OPTION_END || padded > end - p)
			return;
		if (code == OPTION_TSRESOL && size >= 1)
			resolution_set(interface, *p);
		if (code == OPTION_TSOFFSET && size >= 8) {
			memcpy(&offset, p, sizeof(offset));
			offset = capture->swapped ? __builtin_bswap64(offset) : offset;
			interface->offset_s = (int64_t)offset;
		}
		p += padded;
	}
}

static int interface_add(struct capture *capture, struct body body) {
	struct capture_interface *interface;
	int link;

	if (body.size < 8)
		return capture_broken(capture, "an interface block that is too short");
	if (capture->n_interfaces >= PCAPNG_INTERFACES_MAX) {
		if (capture->n_interfaces < UINT32_MAX)
			capture->n_interfaces++;
		return CAPTURE_SKIPPED;
	}
	interface = &capture->interfaces[capture->n_interfaces++];
	*interface = (struct capture_interface){
		.unit_per_s = 1000000,
		.link_type = capture_u16(capture, body.data),
		.snaplen = capture_u32(capture, body.data + 4),
	};
	link = capture_link(interface->link_type);
	options_read(capture, (struct body){body.data + 8, body.size - 8}, interface);
	if (link < 0)
		interface->unusable = "link type";
	else
		interface->link = (uint8_t)link;
	return CAPTURE_SKIPPED;
}

// 1, or 0 when the block is too short to hold a packet at all.
static int
packet_find(const struct capture *capture, uint32_t type, struct body body, struct packet *packet) {
	uint32_t head = type == BLOCK_SIMPLE ? 4 : 20;
	const uint8_t *p = body.data;

	if (body.size < head)
		return 0;
	*packet = (struct packet){.data = p + head, .present = body.size - head};
	if (type == BLOCK_SIMPLE) {
		packet->wire_size = capture_u32(capture, p);
		return 1;
	}
	// The obsolete block has 16 bits of interface and a drop counter in the place of 32.
	packet->interface = type == BLOCK_PACKET ? capture_u16(capture, p)
						 : capture_u32(capture, p);
	packet->units = (uint64_t)capture_u32(capture, p + 4) << 32 | capture_u32(capture, p + 8);
	packet->size = capture_u32(capture, p + 12);
	packet->wire_size = capture_u32(capture, p + 16);
	return 1;
}

// Whether the packet's interface can be used; otherwise the packet has been counted as skipped.
static bool interface_usable(struct capture *capture, const struct packet *packet) {
	const struct capture_interface *interface;

	if (packet->interface >= capture->n_interfaces) {
		capture_skip(capture, "interface %u was never described", packet->interface);
		return false;
	}
	if (packet->interface >= PCAPNG_INTERFACES_MAX) {
		capture_skip(
			capture, "more than %u interfaces in one section", PCAPNG_INTERFACES_MAX
		);
		return false;
	}
	interface = &capture->interfaces[packet->interface];
	if (!interface->unusable)
		return true;
	if (capture_link(interface->link_type) < 0)
		capture_skip(
			capture,
			"link type %u is not one Postern reads (" CAPTURE_LINKS ")",
			interface->link_type
		);
	else
		capture_skip(
			capture, "interface %u has %s", packet->interface, interface->unusable
		);
	return false;
}

static int
packet_read(struct capture *capture, uint32_t type, struct body body, struct frame *frame) {
	const struct capture_interface *interface;
	struct packet packet;

	if (!packet_find(capture, type, body, &packet)) {
		capture_skip(capture, "a packet block is too short");
		return CAPTURE_SKIPPED;
	}
	if (!interface_usable(capture, &packet))
		return CAPTURE_SKIPPED;
	interface = &capture->interfaces[packet.interface];
	if (type == BLOCK_SIMPLE) {
		// Its captured length is not written down: the interface's snap length says it.
		packet.size = packet.wire_size;
		if (interface->snaplen && packet.size > interface->snaplen)
			packet.size = interface->snaplen;
	}
	if (packet.size > packet.present || packet.size > FRAME_SIZE_MAX) {
		capture_skip(capture, "a packet claims to have %u bytes", packet.size);
		return CAPTURE_SKIPPED;
	}
	frame->data = packet.data;
	frame->size = packet.size;
	frame->wire_size = packet.wire_size;
	frame->link = interface->link;
	frame->is_checked = false;
	// A simple packet has no time: it came when the one before it did.
	frame->time_ns = type == BLOCK_SIMPLE ? capture->last_ns
					      : capture_time_ns(interface, packet.units);
	capture->n_packets++;
	return CAPTURE_FRAME;
}

static int
block_read(struct capture *capture, uint32_t type, struct body body, struct frame *frame) {
	switch (type) {
	case BLOCK_SECTION:
		return section_begin(capture, body);
	case BLOCK_INTERFACE:
		return interface_add(capture, body);
	case BLOCK_PACKET:
	case BLOCK_SIMPLE:
	case BLOCK_ENHANCED:
		return packet_read(capture, type, body, frame);
	default:
		return CAPTURE_SKIPPED; // name resolution, statistics, secrets, and what is yet to come
	}
}

// The byte order of the block that is next: a section header changes it.
static int byte_order_find(struct capture *capture, bool *swapped) {
	const uint8_t *p = capture->file.data;
	uint32_t magic;

	*swapped = capture->swapped;
	if (memcmp(p, "\x0a\x0d\x0d\x0a", 4) != 0)
		return CAPTURE_FRAME;
	capture->need = BLOCK_SIZE_MIN;
	if (capture->file.size < capture->need)
		return CAPTURE_MORE;
	memcpy(&magic, p + 8, sizeof(magic));
	*swapped = __builtin_bswap32(magic) == BYTE_ORDER_MAGIC;
	if (!*swapped && magic != BYTE_ORDER_MAGIC)
		return capture_broken(capture, "a section without its byte-order mark");
	return CAPTURE_FRAME;
}

static int next(struct capture *capture, struct frame *frame) {
	struct capture_file *file = &capture->file;
	const uint8_t *p = file->data;
	uint32_t type, size;
	bool swapped;
	int result;

	capture->need = 8;
	if (file->size < capture->need)
		return CAPTURE_MORE;
	result = byte_order_find(capture, &swapped);
	if (result != CAPTURE_FRAME)
		return result;
	capture->swapped = swapped;
	type = capture_u32(capture, p);
	size = capture_u32(capture, p + 4);
	if (size % 4 != 0 || size < (type == BLOCK_SECTION ? SECTION_SIZE_MIN : BLOCK_SIZE_MIN)
	    || size > PCAPNG_BLOCK_SIZE_MAX)
		return capture_broken(capture, "a block of impossible length %u", size);
	capture->need = size;
	if (file->size < capture->need)
		return CAPTURE_MORE;
	if (capture_u32(capture, p + size - 4) != size)
		return capture_broken(capture, "a block whose two lengths differ");
	result = block_read(capture, type, (struct body){p + 8, size - BLOCK_SIZE_MIN}, frame);
	if (result != CAPTURE_BROKEN)
		capture_file_skip(file, size);
	return result;
}

int pcapng_begin(struct capture *capture, char *error, int size) {
	struct frame none;
	int result = CAPTURE_MORE;

	capture->next = next;
	// The first section header; with it the file is known to be what it says.
	while ((result = next(capture, &none)) == CAPTURE_MORE) {
		if (capture_file_fill(&capture->file, capture->need) <= 0)
			break;
	}
	if (result == CAPTURE_SKIPPED)
		return 0;
	snprintf(
		error,
		size,
		"%s: not a capture Postern reads: its first pcapng section header is %s",
		capture->file.name,
		result == CAPTURE_BROKEN	   ? "damaged or of an unknown version"
			: capture->file.problem[0] ? capture->file.problem
						   : "cut"
	);
	return -1;
}
