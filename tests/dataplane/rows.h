// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The TCP rows of the list of hostile inputs as data: each writes the segments of its construction, n times
// over, and whatever is promised of every row is then shown for all of them (test_rows.c, test_linear.c).
// What a row must lead to besides stands in the tests named after it.
//
// Segments become frames, IP and TCP headers and checksums and all, and go through decode.h to flow.h.

#pragma once

#include "decode.h"
#include "flow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define C STREAM_CLIENT
#define S STREAM_SERVER

// Between client port 40000 + client and server port 143.
struct row_seg {
	enum stream_dir dir;
	uint8_t flags;
	uint32_t seq, ack;
	const char *data; // lives as long as the program
	uint32_t size; // 0: strlen(data)
	uint32_t missing; // further bytes that the snap length cuts
	uint16_t window; // 0: 65535
	bool zero_window;
	uint8_t wscale; // 0: absent, else plus one
	uint16_t urgent;
	uint8_t ttl; // 0: 64
	uint32_t stamp; // 0: no timestamp
	const char *options; // more of them, as they are
	uint8_t options_size;
	bool is_forged; // its checksum is wrong
	uint8_t padding; // bytes behind the IP packet
	int16_t promised; // the IP length says so many more than there are
	uint8_t extra_header; // the data offset says so many words more
	uint16_t client;
	uint8_t family; // 0: 4
	uint32_t realm;
	bool is_good; // of the connection beside the row's
	uint64_t time_ns; // 0: a millisecond for each segment
};

struct row_script {
	struct row_seg *segs;
	uint32_t n, room;
	uint32_t at[2]; // of the connection that row_say() goes on with: what each side sends next
	uint32_t stamp; // of what row_say() says next, 0: none
};

// Which of what is promised of all rows makes no sense for one; why stands in hostile_packets.md.
enum row_leave {
	ROW_CUTS = 1, // segments may be cut anywhere
	ROW_TAIL = 2, // the connection goes on
};

struct row {
	const char *id;
	void (*write)(struct row_script *script, uint32_t n);
	unsigned leave; // enum row_leave
	struct flow_config config; // where it is not of no importance
	bool one_hash; // all connections collide
	// A bound that the row reaches with cap of its constructions: the counter at this place in struct flow_stats
	// moves with cap + 1 and no sooner.
	uint32_t cap;
	size_t counter;
};

extern const struct row rows[];
extern const size_t n_rows;

void row_put(struct row_script *script, const struct row_seg *seg);
// In order, and the next thing that dir says; size bytes of its own.
void row_say(struct row_script *script, enum stream_dir dir, uint32_t size);
// A handshake.
void row_open(struct row_script *script);
// What any row's connection can be asked at its end.
void row_tail(struct row_script *script);
void row_free(struct row_script *script);

// A connection whose bytes, answers and end must not depend on what goes on beside it.
void row_write_good(struct row_script *script);

// ---- Playing

struct row_frames {
	struct row_frame {
		size_t at;
		uint32_t size, wire_size;
		uint32_t realm;
		uint64_t time_ns;
	} * frames;
	uint8_t *bytes;
	size_t n, n_bytes;
};

struct row_frames row_frames_make(const struct row_script *script);
void row_frames_free(struct row_frames *frames);

// What was told, of each connection in the order of their opening. log: every call, its time and its bytes.
// talk: bytes, gaps and end alone, what was told in pieces as one: the same however segments were cut.
struct told_text {
	char *text;
	size_t size, room;
};

struct told {
	struct told *next;
	struct row_play *play;
	struct told_text log, talk;
	uint16_t client_port;
	int n_events[STREAM_EVENT_COUNT];
	uint64_t n_data[2];
	int n_closes;
	char open_run; // 'C', 'S' or 0: whose bytes the talk ends in
	uint64_t gap_run;
};

struct row_play {
	struct flow_table *table;
	struct told *first, *last;
	uint64_t n_packets; // that decode handed on
	bool is_silent; // nothing is written down
	uint32_t one_hash;
};

void row_play_open(struct row_play *play, const struct row *row, bool is_silent);
// Each frame lies in a block of its own size and is gone afterwards. cut < size: the last frame ends there, on
// the wire as well or by snap length.
void row_play_frames(
	struct row_play *play,
	const struct row_frames *frames,
	size_t from,
	size_t to
);
void row_play_cut(
	struct row_play *play,
	const struct row_frames *frames,
	size_t i,
	uint32_t size,
	bool is_snapped
);
void row_play_end(struct row_play *play);
void row_play_close(struct row_play *play);
// Segments that have met their fate.
uint64_t row_play_fates(const struct row_play *play);
