// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// ERF, what Endace's cards write (Extensible Record Format): no file header, each packet with one of 16 bytes, more of
// 8 behind it where its type says so.
//
//	time (8, little endian: seconds in the upper half) | type | flags | size of all (2, big endian as what follows)
//	| packets lost before | size on the wire (2)
//
// Sizes include the frame check sequence: nobody counts on its absence.

#include "capture_private.h"

#include <endian.h>
#include <string.h>

enum {
	RECORD_SIZE = 16,
	EXTENSION_SIZE = 8,
	EXTENSION_FOLLOWS = 0x80, // in a type
	ETHERNET_PAD_SIZE = 2, // so that the IP header is aligned
	TYPE_HDLC_POS = 1,
	TYPE_ETH = 2,
	TYPE_COLOR_HDLC_POS
	= 10, // colour and hash of a filter in place of the count of what was lost
	TYPE_COLOR_ETH = 11,
	TYPE_DSM_COLOR_HDLC_POS = 15,
	TYPE_DSM_COLOR_ETH = 16,
	TYPE_COLOR_HASH_POS = 25,
	TYPE_COLOR_HASH_ETH = 26,
	TYPE_PAD = 48, // no packet
	WEEK_S = 7 * 86400,
};

static uint16_t get16(const uint8_t *p) {
	return (uint16_t)(p[0] << 8 | p[1]);
}

// LINK_ETHERNET, LINK_PPP; -1: packets of this type are not read.
static int type_link(uint8_t type) {
	switch (type & ~EXTENSION_FOLLOWS) {
	case TYPE_ETH:
	case TYPE_COLOR_ETH:
	case TYPE_DSM_COLOR_ETH:
	case TYPE_COLOR_HASH_ETH:
		return LINK_ETHERNET;
	case TYPE_HDLC_POS:
	case TYPE_COLOR_HDLC_POS:
	case TYPE_DSM_COLOR_HDLC_POS:
	case TYPE_COLOR_HASH_POS:
		return LINK_PPP;
	default:
		return -1;
	}
}

static uint64_t time_seconds(const uint8_t *record) {
	uint64_t time;

	memcpy(&time, record, sizeof(time));
	return le64toh(time) >> 32;
}

static uint64_t time_ns(const uint8_t *record) {
	uint64_t time;

	memcpy(&time, record, sizeof(time));
	time = le64toh(time);
	return (time >> 32) * 1000000000 + ((time & UINT32_MAX) * 1000000000 >> 32);
}

static bool may_be_record(const uint8_t *record) {
	return (type_link(record[8]) >= 0 || (record[8] & ~EXTENSION_FOLLOWS) == TYPE_PAD)
		&& get16(record + 10) >= RECORD_SIZE && time_seconds(record) > 0;
}

// The first packet must be whole and of a type that is read, and what follows look like another of the same
// week, where enough of it is there to tell.
bool erf_detect(struct capture *capture) {
	struct capture_file *file = &capture->file;
	uint64_t first, second;
	size_t size;

	if (capture_file_fill(file, RECORD_SIZE) <= 0 || !may_be_record(file->data)
	    || type_link(file->data[8]) < 0)
		return false;
	size = get16(file->data + 10);
	if (capture_file_fill(file, size) <= 0)
		return false;
	if (capture_file_fill(file, size + RECORD_SIZE) <= 0)
		return true;
	first = time_seconds(file->data);
	second = time_seconds(file->data + size);
	return may_be_record(file->data + size) && second + WEEK_S > first
		&& second < first + WEEK_S;
}

// Headers behind the first one, of which each says whether another follows, and an Ethernet's pad. 0: they do
// not fit.
static uint32_t head_size(const uint8_t *record, uint32_t size, int link) {
	uint32_t at = RECORD_SIZE;
	uint8_t type = record[8];

	while (type & EXTENSION_FOLLOWS && at + EXTENSION_SIZE <= size) {
		type = record[at];
		at += EXTENSION_SIZE;
	}
	if (type & EXTENSION_FOLLOWS)
		return 0;
	at += link == LINK_ETHERNET ? ETHERNET_PAD_SIZE : 0;
	return at <= size ? at : 0;
}

static int next(struct capture *capture, struct frame *frame) {
	const uint8_t *record = capture->file.data;
	uint32_t size, head, wire_size;
	int link;

	capture->need = RECORD_SIZE;
	if (capture->file.size < capture->need)
		return CAPTURE_MORE;
	size = get16(record + 10);
	if (size < RECORD_SIZE)
		return capture_broken(capture, "the next one claims to have %u bytes", size);
	capture->need = size;
	if (capture->file.size < capture->need)
		return CAPTURE_MORE;
	link = type_link(record[8]);
	head = head_size(record, size, link);
	wire_size = get16(record + 14);
	capture_file_skip(&capture->file, size);
	if ((record[8] & ~EXTENSION_FOLLOWS) == TYPE_PAD)
		return CAPTURE_SKIPPED;
	if (link < 0 || head == 0) {
		capture_skip(
			capture,
			link < 0 ? "ERF records of type %u are not read (Ethernet, HDLC)"
				 : "an ERF record of type %u has no room for its headers",
			record[8] & ~EXTENSION_FOLLOWS
		);
		return CAPTURE_SKIPPED;
	}
	*frame = (struct frame){
		.data = record + head,
		.time_ns = time_ns(record),
		.size = size - head < wire_size ? size - head : wire_size,
		.wire_size = wire_size,
		.link = (uint8_t)link,
	};
	capture->n_packets++;
	return CAPTURE_FRAME;
}

int erf_begin(struct capture *capture) {
	capture->next = next;
	return 0;
}
