// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Fragments through decode and defrag, each in a block of exactly its size, held against a datagram kept
// byte by byte.

#include "checksum.h"
#include "datagram.h"
#include "defrag.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { BYTES_MAX = 65535, SECOND = 1000000000, TCP = 6, UDP = 17, IPIP = 4, GRE = 47 };

static const struct decode_config decode_config = {.hash_key = {3, 4}, .checksum = true};

// One fragment of a datagram, on the wire.
struct piece {
	uint8_t family; // 0: 4
	uint8_t protocol; // 0: TCP
	uint8_t host; // last byte of the source
	uint32_t id;
	uint32_t offset, size;
	bool more;
	bool is_wrong; // its header's checksum
	uint32_t cut; // bytes that the snap length cut off
	const uint8_t *data; // of the datagram; NULL: zeros
};

struct bench {
	struct defrag *defrag;
	uint64_t now_ns;
	struct pkt pkt;
	struct frame whole;
	uint8_t *frame; // the last one, gone with the next
};

static void bench_open(struct bench *b, struct defrag_config config) {
	config.hash_key[0] = 1;
	*b = (struct bench){.defrag = defrag_open(&config), .now_ns = 100ull * SECOND};
	assert_non_null(b->defrag);
}

static void bench_close(struct bench *b) {
	defrag_close(b->defrag);
	free(b->frame);
}

static uint32_t header_4(const struct piece *p, uint8_t *to) {
	uint16_t field = (uint16_t)(p->offset / 8 | (p->more ? 0x2000 : 0)), sum;
	uint32_t total = 20 + p->size;

	memcpy(to,
	       (uint8_t[20]
	       ){0x45,
		 0,
		 (uint8_t)(total >> 8),
		 (uint8_t)total,
		 (uint8_t)(p->id >> 8),
		 (uint8_t)p->id,
		 (uint8_t)(field >> 8),
		 (uint8_t)field,
		 64,
		 p->protocol ? p->protocol : TCP,
		 0,
		 0,
		 10,
		 0,
		 0,
		 p->host,
		 192,
		 168,
		 1,
		 2},
	       20);
	sum = (uint16_t)~checksum_fold(checksum_add(0, to, 20));
	if (p->is_wrong)
		sum ^= 0x1111;
	memcpy(to + 10, &sum, 2);
	return 20;
}

static uint32_t header_6(const struct piece *p, uint8_t *to) {
	uint16_t field = (uint16_t)(p->offset | (p->more ? 1 : 0)), total = (uint16_t)(p->size + 8);

	memset(to, 0, 48);
	to[0] = 0x60;
	to[4] = (uint8_t)(total >> 8);
	to[5] = (uint8_t)total;
	to[6] = 44;
	to[8] = to[24] = 0x20;
	to[23] = p->host;
	to[39] = 2;
	to[40] = p->protocol ? p->protocol : TCP;
	to[42] = (uint8_t)(field >> 8);
	to[43] = (uint8_t)field;
	for (int i = 0; i < 4; i++)
		to[44 + i] = (uint8_t)(p->id >> (24 - 8 * i));
	return 48;
}

// The verdict on what the frame leads to.
static enum verdict frame_take(struct bench *b, const struct frame *frame) {
	enum verdict verdict = decode(&decode_config, frame, &b->pkt);

	if (verdict != VERDICT_fragment)
		return verdict;
	return defrag_decode(b->defrag, &decode_config, frame, &b->pkt, &b->whole);
}

static enum verdict take(struct bench *b, const struct piece *p) {
	uint8_t header[48];
	uint32_t n = p->family == 6 ? header_6(p, header) : header_4(p, header);
	struct frame frame = {
		.time_ns = b->now_ns,
		.size = n + p->size - p->cut,
		.wire_size = n + p->size,
		.link = LINK_RAW_IP,
		.number = 7,
	};

	free(b->frame);
	frame.data = b->frame = malloc(frame.size);
	memcpy(b->frame, header, n);
	if (p->data)
		memcpy(b->frame + n, p->data + p->offset, p->size - p->cut);
	else
		memset(b->frame + n, 0, p->size - p->cut);
	b->now_ns += 1000;
	return frame_take(b, &frame);
}

#define TAKE(b, ...) take(b, &(struct piece){__VA_ARGS__})

static const struct defrag_stats *stats(const struct bench *b) {
	return defrag_stats(b->defrag);
}

static uint64_t random_state;

static uint32_t draw(uint32_t n) {
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20) % n;
}

static void seed_draw(void) {
	random_state = (uint64_t)time(NULL) * 2654435761u | 1;
	print_message("seed %llu\n", (unsigned long long)random_state);
}

// A TCP segment with a right checksum: size bytes in all, at least 20.
static void segment_make(uint8_t *to, uint32_t size, uint8_t family, uint8_t host) {
	uint8_t addr[32] = {10, 0, 0, host, 192, 168, 1, 2};
	uint8_t length[4] = {0, 0, (uint8_t)(size >> 8), (uint8_t)size};
	uint64_t sum;
	uint16_t field;

	for (uint32_t i = 20; i < size; i++)
		to[i] = (uint8_t)draw(256);
	memcpy(to, "\x9c\x40\0\x8f\0\0\0\7\0\0\0\11\x50\x10\xff\xff\0\0\0\0", 20);
	if (family == 6) {
		memset(addr, 0, sizeof(addr));
		addr[0] = addr[16] = 0x20;
		addr[15] = host;
		addr[31] = 2;
	}
	sum = checksum_add(0, addr, family == 6 ? 32 : 8);
	sum += checksum_add(0, length, 4) + checksum_add(0, (uint8_t[2]){0, TCP}, 2);
	field = (uint16_t)~checksum_fold(checksum_add(sum, to, size));
	memcpy(to + 16, &field, 2);
}

static void assert_segment(const struct bench *b, const uint8_t *segment, uint32_t size) {
	assert_int_equal(b->pkt.payload_size, size - 20);
	assert_memory_equal(b->pkt.payload, segment + 20, size - 20);
	assert_int_equal(b->pkt.checksum, PKT_CHECKSUM_RIGHT);
	assert_int_equal(b->pkt.missing_size, 0);
	assert_int_equal(b->pkt.port[0], 40000);
}

// ---- Whole again

// Cuts a segment into pieces of random size; the last one is pieces[return - 1].
static int cut(struct piece *pieces, int max, struct piece like, uint32_t size) {
	uint32_t step = (uint32_t)size / (uint32_t)max / 8 * 8 + 8, at = 0;
	int n = 0;

	while (at < size) {
		uint32_t part = n == max - 1 ? size - at : (1 + draw(2 * step / 8)) * 8;

		pieces[n] = like;
		pieces[n].offset = at;
		pieces[n].more = at + part < size;
		pieces[n].size = pieces[n].more ? part : size - at;
		at += pieces[n++].size;
	}
	return n;
}

static void fragments_in_any_order_and_number_make_the_datagram(void **) {
	enum { PIECES = 40 };
	static uint8_t segment[BYTES_MAX];
	struct piece pieces[PIECES];
	struct bench b;

	seed_draw();
	bench_open(&b, (struct defrag_config){0});
	for (int round = 0; round < 2000; round++) {
		uint8_t family = draw(2) ? 4 : 6;
		uint32_t size = 20 + draw(draw(4) ? 3000 : BYTES_MAX - 20 - 20);
		struct piece like = {.family = family, .id = (uint32_t)round, .data = segment};
		int n = cut(pieces, 1 + (int)draw(PIECES), like, size);

		segment_make(segment, size, family, 0);
		for (int i = n - 1; i > 0; i--) {
			int j = (int)draw((uint32_t)i + 1);
			struct piece swap = pieces[i];
			pieces[i] = pieces[j];
			pieces[j] = swap;
		}
		if (n == 1) {
			pieces[0].more = false;
			// A fragment without others is a whole packet.
			assert_int_equal(take(&b, &pieces[0]), VERDICT_tcp);
			assert_segment(&b, segment, size);
			continue;
		}
		for (int i = 0; i < n - 1; i++) {
			assert_int_equal(take(&b, &pieces[i]), VERDICT_fragment);
			if (!draw(5)) // again
				assert_int_equal(
					take(&b, &pieces[draw((uint32_t)i + 1)]), VERDICT_fragment
				);
		}
		assert_int_equal(take(&b, &pieces[n - 1]), VERDICT_tcp);
		assert_segment(&b, segment, size);
		assert_false(b.pkt.is_inconsistent);
		assert_int_equal(b.whole.number, 7);
		assert_int_equal(defrag_n_open(b.defrag), 0);
	}
	assert_int_equal(stats(&b)->overlap_differs_ip + stats(&b)->fragment_no_room, 0);
	bench_close(&b);
}

static void what_the_snap_length_cut_is_missing_from_the_datagram(void **) {
	uint8_t segment[1000];
	struct bench b;

	segment_make(segment, 1000, 4, 0);
	bench_open(&b, (struct defrag_config){0});
	assert_int_equal(
		TAKE(&b, .offset = 400, .size = 400, .more = true, .cut = 100, .data = segment),
		VERDICT_fragment
	);
	assert_int_equal(TAKE(&b, .offset = 800, .size = 200, .data = segment), VERDICT_fragment);
	assert_int_equal(TAKE(&b, .size = 400, .more = true, .data = segment), VERDICT_tcp);
	assert_int_equal(b.pkt.payload_size, 680);
	assert_int_equal(b.pkt.missing_size, 300);
	assert_memory_equal(b.pkt.payload, segment + 20, 680);
	bench_close(&b);
}

static void forged_fragments_with_wrong_headers_touch_no_right_ones(void **) {
	uint8_t segment[104], forged[104];
	struct bench b;

	segment_make(segment, 104, 4, 0);
	memset(forged, 'x', sizeof(forged));
	bench_open(&b, (struct defrag_config){0});
	TAKE(&b, .size = 48, .more = true, .data = forged, .is_wrong = true);
	TAKE(&b, .size = 48, .more = true, .data = segment);
	TAKE(&b, .offset = 48, .size = 48, .data = forged, .is_wrong = true);
	assert_int_equal(TAKE(&b, .offset = 48, .size = 56, .data = segment), VERDICT_tcp);
	assert_segment(&b, segment, 104);
	assert_false(b.pkt.is_inconsistent);
	// Alone they are a packet, as doubtful as one with a wrong checksum.
	TAKE(&b, .id = 2, .size = 48, .more = true, .data = segment, .is_wrong = true);
	assert_int_equal(
		TAKE(&b, .id = 2, .offset = 48, .size = 56, .data = segment, .is_wrong = true),
		VERDICT_tcp
	);
	assert_int_equal(b.pkt.checksum, PKT_CHECKSUM_WRONG);
	bench_close(&b);
}

// ---- Rows of HOSTILE.md

static void f1_the_contiguous_right_edge_decides(void **) {
	static const uint8_t families[] = {4, 6};
	uint8_t data[400] = {0};

	for (int i = 0; i < 2; i++) {
		struct bench b;
		uint8_t f = families[i];

		bench_open(&b, (struct defrag_config){0});
		// Their lengths add up to the datagram's, and a hole is left.
		TAKE(&b, f, .size = 104, .more = true, .data = data);
		TAKE(&b, f, .offset = 0, .size = 104, .more = true, .data = data);
		assert_int_equal(
			TAKE(&b, f, .offset = 208, .size = 104, .data = data), VERDICT_fragment
		);
		assert_int_equal(defrag_n_open(b.defrag), 1);
		assert_int_equal(
			TAKE(&b, f, .offset = 104, .size = 104, .more = true, .data = data),
			VERDICT_bad_tcp
		);
		bench_close(&b);
	}
}

static void f2_an_empty_fragment_is_refused(void **) {
	uint8_t data[304] = {0};
	struct bench b;

	bench_open(&b, (struct defrag_config){0});
	TAKE(&b, .size = 104, .more = true, .data = data);
	TAKE(&b, .offset = 96, .size = 104, .more = true, .data = data);
	TAKE(&b, .offset = 200, .size = 0, .more = true, .data = data);
	assert_int_equal(stats(&b)->fragment_bad, 1);
	assert_int_equal(TAKE(&b, .offset = 200, .size = 104, .data = data), VERDICT_bad_tcp);
	TAKE(&b, .id = 3, .offset = 8, .size = 0, .data = data);
	TAKE(&b, .family = 6, .offset = 8, .size = 0, .data = data);
	assert_int_equal(stats(&b)->fragment_bad, 3);
	// An odd size with more to come: no host cuts so.
	TAKE(&b, .id = 4, .size = 13, .more = true, .data = data);
	TAKE(&b, .family = 6, .id = 4, .size = 13, .more = true, .data = data);
	assert_int_equal(stats(&b)->fragment_bad, 5);
	assert_int_equal(defrag_n_open(b.defrag), 0);
	bench_close(&b);
}

static void f3_a_datagram_expires_to_the_nanosecond_and_its_id_is_free(void **) {
	uint8_t old[104], segment[104];
	struct bench b;

	memset(old, 'x', sizeof(old));
	segment_make(segment, 104, 4, 0);
	for (int late = 0; late < 2; late++) {
		bench_open(&b, (struct defrag_config){0});
		TAKE(&b, .size = 48, .more = true, .data = old);
		b.now_ns = 100ull * SECOND + DEFRAG_TIMEOUT_NS - !late;
		TAKE(&b, .size = 48, .more = true, .data = segment);
		assert_int_equal(stats(&b)->datagram_timeout, late);
		TAKE(&b, .offset = 48, .size = 56, .data = segment);
		assert_int_equal(stats(&b)->overlap_differs_ip, late ? 0 : 6);
		if (late)
			assert_segment(&b, segment, 104);
		bench_close(&b);
	}
}

static void f4_f6_f17_every_part_of_the_key_counts_in_a_single_slot(void **) {
	static const struct piece others[] = {
		{.family = 6},
		{.protocol = UDP},
		{.host = 1},
		{.id = 1},
		{.id = 0x8000},
		{.family = 6, .id = 0x80000000},
		{.family = 6, .host = 1},
		{.is_wrong = true},
	};
	uint8_t segment[104];
	struct bench b;

	segment_make(segment, 104, 4, 0);
	bench_open(&b, (struct defrag_config){.n_slots = 1});
	TAKE(&b, .size = 48, .more = true, .data = segment);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct piece piece = others[i];

		piece.offset = 48;
		piece.size = 56;
		assert_int_equal(take(&b, &piece), VERDICT_fragment);
		assert_int_equal(defrag_n_open(b.defrag), i + 2);
	}
	assert_int_equal(TAKE(&b, .offset = 48, .size = 56, .data = segment), VERDICT_tcp);
	assert_segment(&b, segment, 104);
	// Unfinished ones go with the table; AddressSanitizer looks.
	bench_close(&b);
}

// In IPv6 the first fragment alone says what is inside (RFC 8200 4.5).
static void the_protocol_of_ipv6_is_the_first_fragments(void **) {
	uint8_t segment[104];
	struct bench b;

	segment_make(segment, 104, 6, 0);
	bench_open(&b, (struct defrag_config){0});
	TAKE(&b, .family = 6, .protocol = UDP, .offset = 48, .size = 56, .data = segment);
	assert_int_equal(
		TAKE(&b, .family = 6, .size = 48, .more = true, .data = segment), VERDICT_tcp
	);
	assert_segment(&b, segment, 104);
	bench_close(&b);
}

// A GRE datagram of two fragments whose content is a fragment with the same key.
static void f5_a_fragment_inside_its_own_twin_ends(void **) {
	uint8_t outer[4 + 20 + 48], segment[104];
	struct piece inner = {.protocol = GRE, .size = 48, .more = true};
	struct bench b;

	segment_make(segment, 104, 4, 0);
	memcpy(outer, "\0\0\x08\0", 4);
	header_4(&inner, outer + 4);
	memset(outer + 24, 0, 48);
	bench_open(&b, (struct defrag_config){.n_slots = 1});
	TAKE(&b, .protocol = GRE, .size = 24, .more = true, .data = outer);
	assert_int_equal(
		TAKE(&b, .protocol = GRE, .offset = 24, .size = 48, .data = outer), VERDICT_fragment
	);
	assert_int_equal(defrag_n_open(b.defrag), 1); // the inner one
	assert_int_equal(stats(&b)->datagram_whole, 1);
	bench_close(&b);
}

// IP in IP in IP …: the headers and the segment, as one packet.
static uint32_t nest(uint8_t *to, int levels, const uint8_t *segment, uint32_t size) {
	struct piece header = {.protocol = levels == 1 ? TCP : IPIP};

	if (!levels) {
		memcpy(to, segment, size);
		return size;
	}
	header.size = nest(to + 20, levels - 1, segment, size);
	header_4(&header, to);
	return header.size + 20;
}

static void f12_the_cap_on_layers_is_the_same_with_and_without_fragments(void **) {
	uint8_t segment[104], data[1024];
	int n_segments = 0;

	segment_make(segment, 104, 4, 0);
	for (int levels = 2; levels <= DECODE_LAYERS_MAX; levels++) {
		uint32_t size = nest(data, levels, segment, 104), first = 24;
		struct frame plain
			= {.data = data, .size = size, .wire_size = size, .link = LINK_RAW_IP};
		struct bench b;
		enum verdict verdict;

		bench_open(&b, (struct defrag_config){0});
		verdict = frame_take(&b, &plain);
		n_segments += verdict == VERDICT_tcp;
		// The outermost IP header of data is the fragments' own.
		TAKE(&b, .protocol = IPIP, .size = first, .more = true, .data = data + 20);
		assert_int_equal(
			TAKE(&b,
			     .protocol = IPIP,
			     .offset = first,
			     .size = size - 20 - first,
			     .data = data + 20),
			verdict
		);
		bench_close(&b);
	}
	assert_in_range(n_segments, 1, DECODE_LAYERS_MAX - 3);
}

static void f7_a_datagram_shorter_than_its_inner_header_is_freed(void **) {
	struct bench b;

	bench_open(&b, (struct defrag_config){0});
	// Of IPv4 (20) and IPv6 (40), its first fragment shorter than that header, too.
	for (uint32_t size = 9; size < 40; size++) {
		uint8_t data[40] = {0x45}, data_6[40] = {0x60};

		if (size < 20) {
			TAKE(&b, .protocol = IPIP, .id = size, .size = 8, .more = true, .data = data
			);
			assert_int_equal(
				TAKE(&b,
				     .protocol = IPIP,
				     .id = size,
				     .offset = 8,
				     .size = size - 8,
				     .data = data),
				VERDICT_bad_inner
			);
		}
		TAKE(&b, .protocol = 41, .id = size, .size = 8, .more = true, .data = data_6);
		assert_int_equal(
			TAKE(&b,
			     .protocol = 41,
			     .id = size,
			     .offset = 8,
			     .size = size - 8,
			     .data = data_6),
			VERDICT_bad_inner
		);
		assert_int_equal(defrag_n_open(b.defrag), 0);
	}
	bench_close(&b);
}

// Address space of this process, in KB.
static size_t space(void) {
	char line[256];
	size_t size = 0;
	FILE *file = fopen("/proc/self/status", "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmSize: %zu", &size);
	fclose(file);
	return size;
}

// Nothing stays of what was half built, in memory that AddressSanitizer does not see, either.
static void f17_a_table_goes_with_half_built_datagrams(void **) {
	size_t before = 0, table = 0;

	for (int round = 0; round < 40; round++) {
		struct bench b;

		bench_open(&b, (struct defrag_config){0});
		table = defrag_memsize(b.defrag) / 1024;
		for (uint32_t i = 0; i < 500; i++)
			TAKE(&b,
			     .host = (uint8_t)i,
			     .id = i,
			     .offset = 8 * draw(8000),
			     .size = 64,
			     .more = true);
		assert_int_equal(defrag_n_open(b.defrag), 500);
		bench_close(&b);
		if (round == 3)
			before = space();
	}
	assert_true(space() < before + 10 * table);
}

static void f8_unfinished_datagrams_stop_at_their_limit_and_the_oldest_goes(void **) {
	enum { N = 64 };
	uint8_t segment[104];
	struct bench b;

	segment_make(segment, 104, 4, 77);
	for (int more = -1; more <= 1; more++) {
		bench_open(&b, (struct defrag_config){.n_datagrams = N, .n_chunks = 8 * N});
		TAKE(&b, .host = 77, .size = 48, .more = true, .data = segment);
		for (uint32_t i = 1; i < (uint32_t)(N + more); i++)
			TAKE(&b, .family = 6, .host = (uint8_t)i, .id = i, .size = 8, .more = true);
		assert_int_equal(stats(&b)->datagram_evicted, more == 1);
		assert_int_equal(defrag_n_open(b.defrag), more == -1 ? N - 1 : N);
		// The one that was first is still there unless it had to go.
		assert_int_equal(
			TAKE(&b, .host = 77, .offset = 48, .size = 56, .data = segment),
			more == 1 ? VERDICT_fragment : VERDICT_tcp
		);
		bench_close(&b);
	}
}

static void f8_one_source_does_not_crowd_out_the_others(void **) {
	enum { N = 64 };
	uint8_t segment[104];
	struct bench b;

	segment_make(segment, 104, 4, 77);
	bench_open(&b, (struct defrag_config){.n_datagrams = N, .n_chunks = N});
	TAKE(&b, .host = 77, .size = 48, .more = true, .data = segment);
	for (uint32_t i = 0; i < 100 * N; i++)
		TAKE(&b, .host = 1, .id = i, .offset = 8 * draw(8000), .size = 8, .more = true);
	assert_int_equal(stats(&b)->datagram_evicted, 0);
	assert_int_equal(stats(&b)->datagram_of_source, 100 * N - N / 8);
	assert_int_equal(defrag_n_open(b.defrag), N / 8 + 1);
	// Nor by one datagram's bytes.
	for (uint32_t i = 0; i < 8000; i++)
		TAKE(&b, .host = 1, .offset = 8 * draw(8000), .size = 8, .more = true);
	assert_int_equal(
		TAKE(&b, .host = 77, .offset = 48, .size = 56, .data = segment), VERDICT_tcp
	);
	assert_segment(&b, segment, 104);
	bench_close(&b);
}

static void t36_without_chunks_the_fragment_is_refused_and_counted(void **) {
	struct bench b;

	bench_open(&b, (struct defrag_config){.n_datagrams = 4, .n_chunks = 2});
	TAKE(&b, .size = DEFRAG_CHUNK_SIZE, .more = true);
	TAKE(&b, .offset = DEFRAG_CHUNK_SIZE, .size = DEFRAG_CHUNK_SIZE, .more = true);
	assert_int_equal(stats(&b)->fragment_no_room, 0);
	TAKE(&b, .offset = 2 * DEFRAG_CHUNK_SIZE, .size = 8, .more = true);
	assert_int_equal(stats(&b)->fragment_no_room, 1);
	// Another datagram makes the oldest go.
	TAKE(&b, .host = 1, .size = 8, .more = true);
	assert_int_equal(stats(&b)->datagram_evicted, 1);
	assert_int_equal(defrag_n_open(b.defrag), 1);
	bench_close(&b);
}

static void f9_overlapping_ipv6_discards_the_datagram_whatever_the_policy(void **) {
	for (enum overlap policy = OVERLAP_FIRST; policy <= OVERLAP_WINDOWS; policy++) {
		uint8_t segment[104];
		struct bench b;

		segment_make(segment, 104, 6, 0);
		bench_open(&b, (struct defrag_config){.overlap = policy});
		TAKE(&b, .family = 6, .size = 48, .more = true, .data = segment);
		TAKE(&b, .family = 6, .offset = 40, .size = 16, .more = true, .data = segment);
		assert_int_equal(stats(&b)->fragment_overlap, 1);
		assert_int_equal(defrag_n_open(b.defrag), 0);
		assert_int_equal(
			TAKE(&b, .family = 6, .offset = 56, .size = 48, .data = segment),
			VERDICT_fragment
		);
		bench_close(&b);
	}
}

static void f9_an_atomic_fragment_is_a_packet_of_its_own(void **) {
	uint8_t segment[104], other[104] = {0};
	struct bench b;

	segment_make(segment, 104, 6, 0);
	bench_open(&b, (struct defrag_config){0});
	// One with the same identification in the making is not touched (RFC 6946).
	TAKE(&b, .family = 6, .size = 48, .more = true, .data = segment);
	assert_int_equal(TAKE(&b, .family = 6, .size = 104, .data = segment), VERDICT_tcp);
	assert_segment(&b, segment, 104);
	assert_int_equal(TAKE(&b, .family = 6, .size = 104, .data = other), VERDICT_bad_tcp);
	assert_int_equal(
		TAKE(&b, .family = 6, .offset = 48, .size = 56, .data = segment), VERDICT_tcp
	);
	assert_segment(&b, segment, 104);
	bench_close(&b);
}

static void f16_lengths_stop_at_what_a_datagram_can_have(void **) {
	static uint8_t segment[BYTES_MAX];
	struct bench b;

	bench_open(&b, (struct defrag_config){0});
	// 65,535 with the header in IPv4, without it in IPv6; one more is the ping of death.
	TAKE(&b, .id = 2, .offset = 65512, .size = 3);
	assert_int_equal(stats(&b)->fragment_bad, 0);
	TAKE(&b, .id = 2, .offset = 65512, .size = 4);
	assert_int_equal(stats(&b)->fragment_bad, 1);
	TAKE(&b, .family = 6, .offset = 65528, .size = 7);
	assert_int_equal(stats(&b)->fragment_bad, 1);
	TAKE(&b, .family = 6, .offset = 65528, .size = 8);
	assert_int_equal(stats(&b)->fragment_bad, 2);
	// The largest of all, in two.
	segment_make(segment, 65515, 4, 0);
	TAKE(&b, .id = 9, .size = 32768, .more = true, .data = segment);
	assert_int_equal(
		TAKE(&b, .id = 9, .offset = 32768, .size = 32747, .data = segment), VERDICT_tcp
	);
	assert_segment(&b, segment, 65515);
	bench_close(&b);
}

// ---- Overlaps against a datagram kept byte by byte

struct model {
	uint8_t bytes[256];
	bool has[256];
	uint32_t size, top;
	bool is_open, is_inconsistent;
};

static bool model_is_whole(const struct model *m) {
	for (uint32_t i = 0; i < m->size; i++)
		if (!m->has[i])
			return false;
	return m->size > 0;
}

// Whether the datagram is whole with it.
static bool model_take(struct model *m, const struct piece *p, enum overlap policy) {
	bool discards = p->family == 6 || policy == OVERLAP_LINUX, is_new = false, is_old = false;
	uint32_t end = p->offset + p->size;

	if (!m->is_open)
		*m = (struct model){.is_open = true};
	if (p->more ? m->size && end > m->size : m->size ? end != m->size : m->top > end) {
		if (discards)
			m->is_open = false;
		m->is_inconsistent = true;
		return false;
	}
	for (uint32_t i = p->offset; i < end; i++) {
		is_new |= !m->has[i];
		is_old |= m->has[i];
	}
	if (discards && is_new && is_old) {
		m->is_open = false;
		return false;
	}
	for (uint32_t i = p->offset; i < end; i++) {
		if (m->has[i] && m->bytes[i] != p->data[i])
			m->is_inconsistent = true;
		if (!m->has[i] || (policy == OVERLAP_LAST && p->family != 6))
			m->bytes[i] = p->data[i];
		m->has[i] = true;
	}
	if (!p->more)
		m->size = end;
	if (m->top < end)
		m->top = end;
	return model_is_whole(m);
}

// Random fragments of one small datagram, so that nearly all overlap, each with bytes of its own.
static void t31_overlapping_fragments_are_as_the_policy_says_and_marked(void **) {
	uint64_t n_whole[4] = {0};

	seed_draw();
	for (int round = 0; round < 100000; round++) {
		enum overlap policy = (enum overlap)draw(4);
		uint8_t family = draw(4) ? 4 : 6;
		struct model model = {0};
		struct bench b;

		bench_open(
			&b,
			(struct defrag_config){.overlap = policy, .n_datagrams = 2, .n_chunks = 4}
		);
		for (int i = 0; i < 12; i++) {
			uint8_t data[256];
			uint32_t offset = draw(6) * 8, n = 1 + draw(4);
			bool more = draw(3);
			struct piece piece = {
				.family = family,
				.protocol = 99,
				.offset = offset,
				.size = more ? n * 8 : n * 8 - draw(8),
				.more = more,
				.data = data,
			};
			bool is_whole;

			if (family == 6 && !offset && !more)
				continue; // atomic
			memset(data, draw(3) ? 'a' : 'a' + i, sizeof(data));
			if (family == 4 && !offset && !more)
				continue; // a packet
			is_whole = model_take(&model, &piece, policy);
			assert_int_equal(
				take(&b, &piece), is_whole ? VERDICT_not_tcp : VERDICT_fragment
			);
			assert_int_equal(defrag_n_open(b.defrag), model.is_open && !is_whole);
			if (!is_whole)
				continue;
			n_whole[policy]++;
			assert_int_equal(b.whole.size, sizeof(struct datagram) + model.size);
			assert_memory_equal(
				b.whole.data + sizeof(struct datagram), model.bytes, model.size
			);
			assert_int_equal(b.pkt.is_inconsistent, model.is_inconsistent);
			break;
		}
		bench_close(&b);
	}
	for (int i = 0; i < 4; i++)
		assert_true(n_whole[i] > 100);
}

// The same fragments, and who wins.
static void t31_the_policies_differ_where_hosts_do(void **) {
	static const char *const results[] = {
		[OVERLAP_FIRST] = "aaaaaaaaaaaaaaaabbbbbbbbcccccccc",
		[OVERLAP_LAST] = "aaaaaaaabbbbbbbbbbbbbbbbcccccccc",
		[OVERLAP_LINUX] = "",
		[OVERLAP_WINDOWS] = "aaaaaaaaaaaaaaaabbbbbbbbcccccccc",
	};
	uint8_t letters[3][32];

	for (int i = 0; i < 3; i++)
		memset(letters[i], 'a' + i, 32);
	for (enum overlap policy = OVERLAP_FIRST; policy <= OVERLAP_WINDOWS; policy++) {
		size_t size = strlen(results[policy]);
		struct bench b;
		enum verdict verdict;

		bench_open(&b, (struct defrag_config){.overlap = policy});
		TAKE(&b, .protocol = 99, .size = 16, .more = true, .data = letters[0]);
		TAKE(&b, .protocol = 99, .offset = 8, .size = 16, .more = true, .data = letters[1]);
		verdict = TAKE(&b, .protocol = 99, .offset = 24, .size = 8, .data = letters[2]);
		assert_int_equal(verdict, size ? VERDICT_not_tcp : VERDICT_fragment);
		if (size) {
			assert_memory_equal(
				b.whole.data + sizeof(struct datagram), results[policy], size
			);
			assert_true(b.pkt.is_inconsistent);
			assert_int_equal(stats(&b)->overlap_differs_ip, 1);
		}
		bench_close(&b);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_in_any_order_and_number_make_the_datagram),
		cmocka_unit_test(what_the_snap_length_cut_is_missing_from_the_datagram),
		cmocka_unit_test(forged_fragments_with_wrong_headers_touch_no_right_ones),
		cmocka_unit_test(f1_the_contiguous_right_edge_decides),
		cmocka_unit_test(f2_an_empty_fragment_is_refused),
		cmocka_unit_test(f3_a_datagram_expires_to_the_nanosecond_and_its_id_is_free),
		cmocka_unit_test(f4_f6_f17_every_part_of_the_key_counts_in_a_single_slot),
		cmocka_unit_test(the_protocol_of_ipv6_is_the_first_fragments),
		cmocka_unit_test(f5_a_fragment_inside_its_own_twin_ends),
		cmocka_unit_test(f7_a_datagram_shorter_than_its_inner_header_is_freed),
		cmocka_unit_test(f17_a_table_goes_with_half_built_datagrams),
		cmocka_unit_test(f8_unfinished_datagrams_stop_at_their_limit_and_the_oldest_goes),
		cmocka_unit_test(f8_one_source_does_not_crowd_out_the_others),
		cmocka_unit_test(f9_overlapping_ipv6_discards_the_datagram_whatever_the_policy),
		cmocka_unit_test(f9_an_atomic_fragment_is_a_packet_of_its_own),
		cmocka_unit_test(f12_the_cap_on_layers_is_the_same_with_and_without_fragments),
		cmocka_unit_test(f16_lengths_stop_at_what_a_datagram_can_have),
		cmocka_unit_test(t31_overlapping_fragments_are_as_the_policy_says_and_marked),
		cmocka_unit_test(t31_the_policies_differ_where_hosts_do),
		cmocka_unit_test(t36_without_chunks_the_fragment_is_refused_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
