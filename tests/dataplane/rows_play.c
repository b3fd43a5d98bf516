// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Segments → frames → what the handler is told.

#include "checksum.h"
#include "rows.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADERS_MAX = 40 + 60,
	TEXT_ROOM = 256,
};

static const uint64_t start_ns = 1700000000ull * 1000000000;

static uint8_t *put16(uint8_t *to, uint32_t value) {
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

static uint8_t *put32(uint8_t *to, uint32_t value) {
	return put16(put16(to, value >> 16), value);
}

// ---- Frames

static uint32_t options_write(const struct row_seg *seg, uint8_t *to) {
	uint8_t *at = to;

	if (seg->wscale) {
		memcpy(at, (uint8_t[4]){1, 3, 3, (uint8_t)(seg->wscale - 1)}, 4);
		at += 4;
	}
	if (seg->stamp) {
		memcpy(at, (uint8_t[4]){1, 1, 8, 10}, 4);
		at = put32(put32(at + 4, seg->stamp), 0);
	}
	if (seg->options) {
		memcpy(at, seg->options, seg->options_size);
		at += seg->options_size;
	}
	return (uint32_t)(at - to);
}

// Both addresses, 4 + 4 or 16 + 16 bytes.
static void addresses_write(const struct row_seg *seg, uint8_t *to) {
	uint32_t size = seg->family == 6 ? 16 : 4, net = seg->is_good ? 0x0a090000 : 0x0a000000;

	memset(to, 0, 2 * size);
	put32(to + seg->dir * size, net + 1);
	put32(to + !seg->dir * size, net + 2);
}

static void checksum_write(uint8_t *at, uint64_t sum, bool is_wrong) {
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	sum = (uint16_t)~sum ^ is_wrong;
	memcpy(at, &(uint16_t){(uint16_t)sum}, 2);
}

// IP and TCP with all of the payload, what is missing included.
static uint32_t packet_write(const struct row_seg *seg, uint8_t *to) {
	bool is_6 = seg->family == 6;
	uint32_t ip = is_6 ? 40 : 20, n_options = options_write(seg, to + ip + 20);
	uint32_t size = 20 + n_options + seg->size + seg->missing;
	uint32_t window = seg->zero_window ? 0 : seg->window ? seg->window : 65535;
	uint8_t *tcp = to + ip, *addr = to + (is_6 ? 8 : 12);
	uint16_t client = (uint16_t)(40000 + seg->client);

	memset(to, 0, ip);
	if (is_6) {
		put16(put32(to, 0x60000000), (uint32_t)((int)size + seg->promised));
		to[6] = 6;
		to[7] = seg->ttl ? seg->ttl : 64;
	} else {
		put16(put16(to, 0x4500), (uint32_t)((int)(ip + size) + seg->promised));
		to[8] = seg->ttl ? seg->ttl : 64;
		to[9] = 6;
	}
	addresses_write(seg, addr);
	put16(put16(tcp, seg->dir == C ? client : 143), seg->dir == C ? 143 : client);
	put32(put32(tcp + 4, seg->seq), seg->ack);
	tcp[12] = (uint8_t)((20 + n_options) / 4 + seg->extra_header) << 4;
	tcp[13] = seg->flags;
	put16(put16(put16(tcp + 14, window), 0), seg->urgent);
	if (seg->size)
		memcpy(tcp + 20 + n_options, seg->data, seg->size);
	memset(tcp + 20 + n_options + seg->size, '?', seg->missing);
	if (!is_6)
		checksum_write(to + 10, checksum_add(0, to, ip), false);
	checksum_write(
		tcp + 16,
		checksum_add(
			checksum_add(htons((uint16_t)size) + htons(6), addr, is_6 ? 32 : 8),
			tcp,
			size
		),
		seg->is_forged
	);
	memset(tcp + size, 'p', seg->padding);
	return ip + size + seg->padding;
}

struct row_frames row_frames_make(const struct row_script *script) {
	struct row_frames f = {.frames = calloc(script->n + 1, sizeof(*f.frames))};
	size_t room = 0;

	for (uint32_t i = 0; i < script->n; i++)
		room += HEADERS_MAX + script->segs[i].size + script->segs[i].missing
			+ script->segs[i].padding;
	f.bytes = malloc(room + 1);
	for (uint32_t i = 0; i < script->n; i++) {
		const struct row_seg *seg = &script->segs[i];
		uint32_t size = packet_write(seg, f.bytes + f.n_bytes);

		f.frames[f.n++] = (struct row_frame){
			.at = f.n_bytes,
			.size = size - seg->missing,
			.wire_size = size,
			.realm = seg->realm,
			.time_ns = start_ns + (seg->time_ns ? seg->time_ns : i * 1000000ull),
		};
		f.n_bytes += size;
	}
	return f;
}

void row_frames_free(struct row_frames *frames) {
	free(frames->frames);
	free(frames->bytes);
}

// ---- What is told

static void __attribute__((format(printf, 2, 3)))
text_put(struct told_text *t, const char *format, ...) {
	va_list args;

	if (t->room - t->size < TEXT_ROOM)
		t->text = realloc(t->text, t->room = 2 * t->room + 2 * TEXT_ROOM);
	va_start(args, format);
	t->size += (size_t)vsnprintf(t->text + t->size, TEXT_ROOM, format, args);
	va_end(args);
}

static void text_bytes(struct told_text *t, const void *data, size_t size) {
	if (t->room - t->size < size + TEXT_ROOM)
		t->text = realloc(t->text, t->room = 2 * t->room + size + 2 * TEXT_ROOM);
	memcpy(t->text + t->size, data, size);
	t->size += size;
	t->text[t->size] = 0;
}

static void *told_open(void *ctx, struct stream *stream, uint64_t now_ns) {
	struct row_play *play = ctx;
	struct told *told = calloc(1, sizeof(*told));
	struct stream_tuple tuple;

	stream_tuple_get(stream, &tuple);
	told->play = play;
	told->client_port = tuple.port[C];
	text_put(
		&told->talk,
		"IPv%d %d.%d ports %d %d:",
		tuple.family,
		tuple.addr[0][1],
		tuple.addr[0][3],
		tuple.port[0],
		tuple.port[1]
	);
	text_put(&told->log, "%" PRIu64 " open %s\n", now_ns, told->talk.text);
	*(play->first ? &play->last->next : &play->first) = told;
	play->last = told;
	return told;
}

static void
told_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns) {
	struct told *told = reader;
	char side = dir ? 'S' : 'C';

	told->n_data[dir] += size;
	if (told->play->is_silent)
		return;
	if (told->open_run != side)
		text_put(&told->talk, " %c:", side);
	told->open_run = side;
	text_bytes(&told->talk, data, size);
	text_put(&told->log, "%" PRIu64 " %c ", now_ns, side);
	text_bytes(&told->log, data, size);
	text_put(&told->log, "\n");
}

static void told_gap(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct told *told = reader;
	char side = dir ? 'S' : 'C';

	if (told->play->is_silent)
		return;
	if (told->open_run != side)
		text_put(&told->talk, " %c:", side);
	told->open_run = side;
	for (uint64_t i = 0; i < size; i++)
		text_bytes(&told->talk, "?", 1);
	text_put(&told->log, "%" PRIu64 " %c gap of %" PRIu64 "\n", now_ns, side, size);
}

static void told_event(void *reader, enum stream_event event, uint64_t now_ns) {
	struct told *told = reader;

	told->n_events[event]++;
	text_put(&told->log, "%" PRIu64 " %s\n", now_ns, stream_event_name(event));
}

static void told_timer(void *reader, uint64_t now_ns) {}

static void told_close(void *reader, enum stream_end end, uint64_t now_ns) {
	struct told *told = reader;

	told->n_closes++;
	for (int i = 0; i < STREAM_EVENT_COUNT; i++)
		if (told->n_events[i])
			text_put(&told->talk, " %s", stream_event_name(i));
	text_put(&told->talk, " end %d", end);
	text_put(&told->log, "%" PRIu64 " end %d\n", now_ns, end);
}

// ---- Playing

void row_play_open(struct row_play *play, const struct row *row, bool is_silent) {
	struct flow_config config = row->config;

	*play = (struct row_play){.is_silent = is_silent, .one_hash = row->one_hash};
	if (!config.n_flows)
		config.n_flows = 64;
	if (!config.held_size)
		config.held_size = 4 << 20;
	if (!config.recent_size)
		config.recent_size = 1 << 20;
	config.handler = (struct stream_handler
	){play, told_open, told_data, told_gap, told_event, told_timer, told_close};
	play->table = flow_open(&config);
	assert(play->table);
}

static void frame_run(
	struct row_play *play,
	const struct row_frame *f,
	const uint8_t *bytes,
	uint32_t size,
	uint32_t wire_size
) {
	static const struct decode_config config = {.hash_key = {3, 4}, .checksum = true};
	struct frame frame = {
		.data = bytes,
		.size = size,
		.wire_size = wire_size,
		.time_ns = f->time_ns,
		.link = LINK_RAW_IP,
	};
	struct pkt pkt;

	if (decode(&config, &frame, &pkt) != VERDICT_tcp)
		return;
	pkt.time_ns = f->time_ns;
	pkt.number = (uint32_t)play->n_packets++;
	pkt.realm = f->realm;
	if (play->one_hash)
		pkt.hash = play->one_hash;
	flow_run(play->table, &pkt, 1);
}

void row_play_cut(
	struct row_play *play,
	const struct row_frames *frames,
	size_t i,
	uint32_t size,
	bool is_snapped
) {
	const struct row_frame *f = &frames->frames[i];
	uint8_t *copy = malloc(size + !size);

	memcpy(copy, frames->bytes + f->at, size);
	frame_run(play, f, copy, size, is_snapped ? f->wire_size : size);
	free(copy);
}

void row_play_frames(
	struct row_play *play,
	const struct row_frames *frames,
	size_t from,
	size_t to
) {
	for (size_t i = from; i < to; i++)
		if (play->is_silent)
			frame_run(
				play,
				&frames->frames[i],
				frames->bytes + frames->frames[i].at,
				frames->frames[i].size,
				frames->frames[i].wire_size
			);
		else
			row_play_cut(play, frames, i, frames->frames[i].size, true);
}

void row_play_end(struct row_play *play) {
	flow_end(play->table);
}

void row_play_close(struct row_play *play) {
	struct told *next;

	flow_close(play->table);
	for (struct told *told = play->first; told; told = next) {
		next = told->next;
		free(told->log.text);
		free(told->talk.text);
		free(told);
	}
}

uint64_t row_play_fates(const struct row_play *play) {
	const struct flow_stats *stats = flow_stats(play->table);

	return stats->segment_in_order + stats->segment_held + stats->segment_no_data
		+ stats->segment_repeated + stats->segment_out_of_window + stats->segment_no_ack
		+ stats->segment_after_close + stats->segment_no_flow + stats->segment_not_held
		+ stats->segment_bad_checksum + stats->segment_old_timestamp;
}
