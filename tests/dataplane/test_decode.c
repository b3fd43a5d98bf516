// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Frames of every kind, each also cut at every point, in a block of exactly its size.

#include "checksum.h"
#include "decode.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct build {
	uint8_t data[1024];
	uint32_t size;
	uint32_t wire_extra; // bytes on the wire that were not captured
	enum link link;
	uint32_t ip_at, tcp_at;
};

static const struct decode_config config = {.hash_key = {3, 4}, .checksum = true};

static void put(struct build *b, const void *data, size_t size) {
	memcpy(b->data + b->size, data, size);
	b->size += (uint32_t)size;
}

static void put16(struct build *b, uint16_t value) {
	put(b, (uint8_t[2]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void ethernet(struct build *b, uint16_t type) {
	put(b, "\1\2\3\4\5\6\7\10\11\12\13\14", 12);
	put16(b, type);
}

// Header of size bytes of options, payload to come.
static void ipv4(struct build *b, uint8_t protocol, uint32_t options, uint32_t payload) {
	b->ip_at = b->size;
	put(b, (uint8_t[2]){(uint8_t)(0x45 + options / 4), 0}, 2);
	put16(b, (uint16_t)(20 + options + payload));
	put(b, (uint8_t[8]){0, 1, 0x40, 0, 64, protocol, 0, 0}, 8);
	put(b, (uint8_t[8]){10, 0, 0, 1, 192, 168, 1, 2}, 8);
	memset(b->data + b->size, 1, options);
	b->size += options;
}

static void ipv4_sum(struct build *b) {
	uint8_t *ip = b->data + b->ip_at;
	uint16_t sum;

	memset(ip + 10, 0, 2);
	sum = (uint16_t)~checksum_fold(checksum_add(0, ip, (ip[0] & 0xf) * 4u));
	memcpy(ip + 10, &sum, 2);
}

static void ipv6(struct build *b, uint8_t next, uint32_t payload) {
	b->ip_at = b->size;
	put(b, (uint8_t[4]){0x60}, 4);
	put16(b, (uint16_t)payload);
	put(b, (uint8_t[2]){next, 64}, 2);
	for (int i = 0; i < 32; i++)
		put(b, (uint8_t[1]){(uint8_t)(0x20 + i)}, 1);
}

static void
tcp(struct build *b, uint8_t flags, const void *options, uint32_t n, const char *payload) {
	b->tcp_at = b->size;
	put16(b, 40000);
	put16(b, 143);
	put(b, (uint8_t[8]){0, 0, 0, 7, 0, 0, 0, 9}, 8);
	put(b, (uint8_t[2]){(uint8_t)((5 + n / 4) << 4), flags}, 2);
	put(b, (uint8_t[6]){0x12, 0x34}, 6);
	put(b, options, n);
	put(b, payload, strlen(payload));
}

static uint64_t pseudo(const struct build *b, uint32_t end, bool with_length) {
	const uint8_t *ip = b->data + b->ip_at;
	bool is_4 = ip[0] >> 4 == 4;
	uint32_t size = end - b->tcp_at;
	uint64_t sum = checksum_add(0, ip + (is_4 ? 12 : 8), is_4 ? 8 : 32);

	sum += checksum_add(0, (uint8_t[2]){0, 6}, 2);
	if (with_length)
		sum += checksum_add(0, (uint8_t[2]){(uint8_t)(size >> 8), (uint8_t)size}, 2);
	return sum;
}

static void tcp_sum(struct build *b) {
	uint8_t *tcp = b->data + b->tcp_at;
	uint16_t sum;

	memset(tcp + 16, 0, 2);
	sum = (uint16_t
	)~checksum_fold(checksum_add(pseudo(b, b->size, true), tcp, b->size - b->tcp_at));
	memcpy(tcp + 16, &sum, 2);
}

// Ethernet, IPv4, TCP with "hello".
static struct build plain(uint8_t flags) {
	struct build b = {0};

	ethernet(&b, 0x0800);
	ipv4(&b, 6, 0, 25);
	ipv4_sum(&b);
	tcp(&b, flags, "", 0, "hello");
	tcp_sum(&b);
	return b;
}

static enum verdict
run_with(const struct decode_config *c, const struct build *b, struct pkt *pkt) {
	uint8_t *copy = malloc(b->size + !b->size);
	struct frame frame = {
		.data = copy,
		.size = b->size,
		.wire_size = b->size + b->wire_extra,
		.link = (uint8_t)b->link,
	};
	enum verdict verdict;
	static char payload[600];

	memcpy(copy, b->data, b->size);
	verdict = decode(c, &frame, pkt);
	if (verdict == VERDICT_tcp) { // outlives the frame for the test's sake
		memcpy(payload, pkt->payload, pkt->payload_size);
		payload[pkt->payload_size] = 0;
		pkt->payload = (const uint8_t *)payload;
	}
	free(copy);
	return verdict;
}

static enum verdict run(const struct build *b, struct pkt *pkt) {
	return run_with(&config, b, pkt);
}

static void assert_verdict(const struct build *b, enum verdict expected) {
	struct pkt pkt;
	assert_string_equal(verdict_name(run(b, &pkt)), verdict_name(expected));
}

static void assert_hello(const struct build *b) {
	struct pkt pkt;

	assert_string_equal(verdict_name(run(b, &pkt)), "tcp");
	assert_string_equal(pkt.payload, "hello");
	assert_int_equal(pkt.seq, 7);
	assert_int_equal(pkt.ack, 9);
	assert_int_equal(pkt.port[0], 40000);
	assert_int_equal(pkt.port[1], 143);
	assert_int_equal(pkt.window, 0x1234);
	assert_int_equal(pkt.missing_size, 0);
}

static void every_link_type_leads_to_the_segment(void **) {
	static const struct {
		enum link link;
		uint8_t size;
		const char *header;
	} links[] = {
		{LINK_ETHERNET, 14, "\1\2\3\4\5\6\7\10\11\12\13\14\x08\0"},
		{LINK_RAW_IP, 0, ""},
		{LINK_SLL, 16, "\0\0\0\1\0\6abcdef\0\0\x08\0"},
		{LINK_SLL2, 20, "\x08\0\0\0\0\0\0\1\0\1\0\6abcdef\0\0"},
		{LINK_NULL, 4, "\2\0\0\0"},
		{LINK_NULL, 4, "\0\0\0\2"},
		{LINK_LOOP, 4, "\0\0\0\2"},
		{LINK_PPP, 4, "\xff\3\0\x21"},
		{LINK_PPP, 2, "\0\x21"}, // without address and control,
		{LINK_PPP, 1, "\x21"}, // and the protocol in one byte
		{LINK_PPP, 8, "\xff\3\2\x81\0\0\x01\x40"}, // MPLS
		{LINK_PPP, 4, "\x0f\0\x08\0"}, // Cisco HDLC
		{LINK_PPP, 4, "\x8f\0\x08\0"},
		{LINK_ETHERNET, 22, "\1\2\3\4\5\6\7\10\11\12\13\14\0\x35\xaa\xaa\3\0\0\0\x08\0"},
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		struct build b = {.link = links[i].link};

		put(&b, links[i].header, links[i].size);
		ipv4(&b, 6, 0, 25);
		ipv4_sum(&b);
		tcp(&b, TCP_ACK, "", 0, "hello");
		tcp_sum(&b);
		assert_hello(&b);
	}
}

static void a_cut_frame_gives_the_same_bytes_or_a_reason(void **) {
	struct build whole = plain(TCP_ACK);
	struct pkt pkt;

	for (uint32_t size = 0; size < whole.size; size++) {
		struct build b = whole;
		enum verdict expected = size < 14 ? VERDICT_short_frame
			: size < 34		  ? VERDICT_short_ip
			: size < 54		  ? VERDICT_short_tcp
						  : VERDICT_tcp;

		b.size = size;
		b.wire_extra = whole.size - size;
		assert_string_equal(verdict_name(run(&b, &pkt)), verdict_name(expected));
		if (expected != VERDICT_tcp)
			continue;
		assert_int_equal(pkt.payload_size + pkt.missing_size, 5);
		assert_memory_equal(pkt.payload, "hello", size - 54);
	}
}

static void t33_padding_is_never_data(void **) {
	struct build b = plain(TCP_ACK);

	put(&b, "PADDING", 7);
	assert_hello(&b);
}

static void tags_make_realms(void **) {
	uint32_t realms[5];
	struct pkt pkt;
	static const uint16_t tags[5][2] = {{0, 0}, {5, 0}, {6, 0}, {5, 6}, {6, 5}};

	for (int i = 0; i < 5; i++) {
		struct build b = {0};

		ethernet(&b, tags[i][0] ? (tags[i][1] ? 0x88a8 : 0x8100) : 0x0800);
		for (int j = 0; j < 2 && tags[i][j]; j++) {
			put16(&b, 0xe000 | tags[i][j]);
			put16(&b, j == 0 && tags[i][1] ? 0x8100 : 0x0800);
		}
		ipv4(&b, 6, 8, 25);
		ipv4_sum(&b);
		tcp(&b, TCP_ACK, "", 0, "hello");
		tcp_sum(&b);
		assert_hello(&b);
		run(&b, &pkt);
		realms[i] = pkt.realm;
		for (int j = 0; j < i; j++)
			assert_int_not_equal(realms[i], realms[j]);
	}
	assert_int_equal(realms[0], 0);
}

static void f9_the_number_of_layers_is_bounded(void **) {
	for (int n = DECODE_LAYERS_MAX - 3; n <= DECODE_LAYERS_MAX; n++) {
		struct build b = {0};

		ethernet(&b, 0x8100);
		for (int i = 0; i < n; i++) {
			put16(&b, 1);
			put16(&b, i == n - 1 ? 0x0800 : 0x8100);
		}
		ipv4(&b, 6, 0, 25);
		ipv4_sum(&b);
		tcp(&b, TCP_ACK, "", 0, "hello");
		tcp_sum(&b);
		// The tags, IP and TCP.
		if (n + 2 <= DECODE_LAYERS_MAX)
			assert_hello(&b);
		else
			assert_verdict(&b, VERDICT_too_many_layers);
	}
}

static void f10_extension_headers_are_walked_by_their_lengths(void **) {
	struct build b = {0};
	struct pkt pkt;

	ethernet(&b, 0x86dd);
	ipv6(&b, 0, 8 + 16 + 8 + 8 + 12 + 25);
	put(&b, "\x3c\0\1\4\0\0\0", 8); // hop-by-hop, then destination
	put(&b, "\x2b\1\1\14\0\0\0\0\0\0\0\0\0\0\0", 16); // then routing
	put(&b, "\x2c\0\0\0\0\0\0", 8); // no segments left, then fragment
	put(&b, "\x33\0\0\0\0\0\0\1", 8); // atomic, then AH
	put(&b, "\6\1\0\0\0\0\0\1\0\0\0\1", 12);
	tcp(&b, TCP_ACK, "", 0, "hello");
	tcp_sum(&b);
	assert_hello(&b);
	run(&b, &pkt);
	assert_int_equal(pkt.family, 6);
	// More fragments to come.
	b.data[14 + 40 + 8 + 16 + 8 + 3] = 1;
	assert_verdict(&b, VERDICT_fragment);
	b.data[14 + 40 + 8 + 16 + 8 + 3] = 0;
	for (uint32_t size = 14 + 40; size < b.tcp_at; size++) {
		struct build cut = b;
		cut.size = size;
		cut.wire_extra = b.size - size;
		assert_verdict(&cut, VERDICT_short_ip);
	}
}

// IPv6 with a header of options, of one option behind pad bytes of padding.
static struct build
optioned(uint8_t next, uint32_t area, uint32_t pad, uint8_t type, uint8_t length) {
	uint8_t header[64] = {6, (uint8_t)(area / 8 - 1)};
	struct build b = {0};

	header[2 + pad] = type;
	header[3 + pad] = length;
	ethernet(&b, 0x86dd);
	ipv6(&b, next, area + 25);
	put(&b, header, area);
	tcp(&b, TCP_ACK, "", 0, "hello");
	tcp_sum(&b);
	return b;
}

static void f10_an_option_ends_inside_its_area_or_the_packet_is_named(void **) {
	static const uint8_t headers[] = {0, 60}; // hop-by-hop, destination

	for (int h = 0; h < 2; h++)
		for (uint32_t area = 8; area <= 32; area += 8)
			for (uint32_t pad = 0; pad + 4 <= area; pad++) {
				uint32_t room = area - 2 - pad - 2; // for its content
				struct build b = optioned(headers[h], area, pad, 5, (uint8_t)room);

				assert_hello(&b);
				b = optioned(headers[h], area, pad, 5, (uint8_t)(room + 1));
				assert_verdict(&b, VERDICT_bad_ip);
				b = optioned(headers[h], area, pad, 5, 255);
				assert_verdict(&b, VERDICT_bad_ip);
				// Cut inside of its area by the snap length: not known whether.
				b.size = 14 + 40 + area - 1;
				b.wire_extra = 26;
				assert_verdict(&b, VERDICT_short_ip);
			}
	for (int h = 0; h < 2; h++) { // a type in the last byte, its length past the area
		struct build b = optioned(headers[h], 8, 0, 1, 3);

		b.data[14 + 40 + 7] = 1;
		assert_verdict(&b, VERDICT_bad_ip);
		b.data[14 + 40 + 7] = 0;
		assert_hello(&b);
	}
}

// As hosts do (RFC 8200 4.2): what says "discard me where I am not known" is as doubtful as a wrong checksum.
static void f9_options_that_hosts_refuse_make_a_packet_doubtful(void **) {
	for (unsigned type = 1; type < 256; type++) {
		struct build b = optioned(60, 16, 0, (uint8_t)type, 12);
		bool is_known = type == 0xc2 || type == 0xc9 || type == 0x63;
		struct pkt pkt;

		assert_int_equal(run(&b, &pkt), VERDICT_tcp);
		assert_int_equal(
			pkt.checksum,
			type < 64 || is_known ? PKT_CHECKSUM_RIGHT : PKT_CHECKSUM_WRONG
		);
	}
}

static void f12_services_in_services_end_at_the_cap(void **) {
	for (int n = 1; n < 40; n++) {
		struct build b = {0};

		ethernet(&b, 0x88e7);
		for (int i = 1; i <= n; i++) {
			put(&b, (uint8_t[4]){0, 0, 1, (uint8_t)i}, 4);
			ethernet(&b, i < n ? 0x88e7 : 0x0800);
		}
		ipv4(&b, 6, 0, 25);
		ipv4_sum(&b);
		tcp(&b, TCP_ACK, "", 0, "hello");
		tcp_sum(&b);
		// Tag and frame are a layer each, and IP and TCP.
		if (2 * n + 2 <= DECODE_LAYERS_MAX)
			assert_hello(&b);
		else
			assert_verdict(&b, VERDICT_too_many_layers);
	}
}

static void f13_ipv6_in_ipv4_leads_to_the_inner_segment(void **) {
	struct build b = {0}, straight = {0};
	struct pkt pkt, other;

	ethernet(&b, 0x0800);
	ipv4(&b, 41, 0, 40 + 25);
	ipv4_sum(&b);
	ipv6(&b, 6, 25);
	tcp(&b, TCP_ACK, "", 0, "hello");
	tcp_sum(&b);
	assert_hello(&b);
	run(&b, &pkt);
	assert_int_equal(pkt.family, 6);
	assert_int_equal(pkt.checksum, PKT_CHECKSUM_RIGHT);
	ethernet(&straight, 0x86dd);
	put(&straight, b.data + b.ip_at, b.size - b.ip_at);
	run(&straight, &other);
	assert_int_equal(pkt.hash, other.hash);
}

static void ipv4_headers_that_lie_are_named(void **) {
	static const struct {
		uint32_t at;
		uint8_t value;
		enum verdict verdict;
	} cases[] = {
		{0, 0x44, VERDICT_bad_ip}, // header length 16
		{0, 0x55, VERDICT_bad_ip}, // version 5
		{0, 0x4f, VERDICT_bad_ip}, // header longer than the packet
		{3, 19, VERDICT_bad_ip}, // total length below the header's
		{3, 39, VERDICT_short_tcp}, // ends inside TCP
		{6, 0x20, VERDICT_fragment},
		{7, 1, VERDICT_fragment},
		{9, 17, VERDICT_not_tcp},
		{9, 50, VERDICT_not_tcp},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct build b = plain(TCP_ACK);

		b.data[14 + cases[i].at] = cases[i].value;
		if (cases[i].value != 0x4f)
			ipv4_sum(&b);
		assert_verdict(&b, cases[i].verdict);
	}
}

static void assert_checksum(const struct build *b, enum pkt_checksum expected) {
	static const struct decode_config off = {0};
	struct pkt pkt;

	assert_int_equal(run(b, &pkt), VERDICT_tcp);
	assert_int_equal(pkt.checksum, expected);
	assert_int_equal(run_with(&off, b, &pkt), VERDICT_tcp);
	assert_int_equal(pkt.checksum, PKT_CHECKSUM_UNKNOWN);
}

static void t6_checksums_are_told_apart(void **) {
	struct build b = plain(TCP_ACK);

	assert_checksum(&b, PKT_CHECKSUM_RIGHT);
	b.data[b.size - 1] ^= 1;
	assert_checksum(&b, PKT_CHECKSUM_WRONG);
	b = plain(TCP_ACK);
	b.data[14 + 8] = 8; // another TTL
	assert_checksum(&b, PKT_CHECKSUM_WRONG);
	b = plain(TCP_ACK);
	memset(b.data + b.tcp_at + 16, 0, 2);
	assert_checksum(&b, PKT_CHECKSUM_WRONG);
}

// The form for short segments, whose sum is not folded, and the test without a division.
static void short_checksum(const uint8_t *data, size_t size) {
	uint16_t plain = checksum_fold(checksum_add_plain(1, data, size));
	uint64_t sum = checksum_add_short(1, data, size);

	assert_int_equal(sum % 0xffff, plain % 0xffff);
	assert_int_equal(checksum_is_right(sum), plain % 0xffff == 0);
	sum = checksum_add_short(1 + 0xffffu - plain, data, size);
	assert_true(checksum_is_right(sum));
	assert_false(checksum_is_right(sum + 1));
}

// Every size and alignment around the fast form's blocks, in blocks of just that size.
static void the_fast_checksum_equals_the_plain_one(void **) {
	uint32_t state = 1;

	for (size_t size = 0; size < 300; size++) {
		for (size_t offset = 0; offset < 4; offset++) {
			uint8_t *block = malloc(size + offset + !(size + offset));

			for (size_t i = 0; i < size + offset; i++)
				block[i] = size % 7
					? (uint8_t)((state = state * 1664525 + 1013904223) >> 24)
					: 0xff;
			assert_int_equal(
				checksum_fold(checksum_add(size, block + offset, size)),
				checksum_fold(checksum_add_plain(size, block + offset, size))
			);
			if (size >= 8 && size <= CHECKSUM_SHORT_MAX)
				short_checksum(block + offset, size);
			free(block);
		}
	}
	// The largest frame of ones: no carry is lost.
	uint8_t *ones = malloc(FRAME_SIZE_MAX);
	memset(ones, 0xff, FRAME_SIZE_MAX);
	assert_int_equal(checksum_fold(checksum_add(0, ones, FRAME_SIZE_MAX)), 0xffff);
	assert_int_equal(checksum_fold(checksum_add(1, ones, FRAME_SIZE_MAX)), 1);
	free(ones);
}

static void a_length_beyond_the_wire_is_doubtful_and_taken(void **) {
	struct build b = plain(TCP_ACK);
	struct pkt pkt;

	b.data[14 + 3] += 24;
	ipv4_sum(&b);
	assert_hello(&b);
	run(&b, &pkt);
	assert_int_equal(pkt.checksum, PKT_CHECKSUM_WRONG);
	assert_int_equal(pkt.payload_size, 5);
	// With a snap length it is what was cut.
	b.wire_extra = 24;
	run(&b, &pkt);
	assert_int_equal(pkt.checksum, PKT_CHECKSUM_UNKNOWN);
	assert_int_equal(pkt.payload_size, 5);
	assert_int_equal(pkt.missing_size, 24);
	b = (struct build){0};
	ethernet(&b, 0x86dd);
	ipv6(&b, 6, 26);
	tcp(&b, TCP_ACK, "", 0, "hello");
	tcp_sum(&b);
	assert_hello(&b);
	run(&b, &pkt);
	assert_int_equal(pkt.checksum, PKT_CHECKSUM_WRONG);
}

static void what_offload_left_to_the_nic_is_taken(void **) {
	for (int with_length = 0; with_length < 2; with_length++) {
		struct build b = plain(TCP_ACK);
		uint16_t sum = checksum_fold(pseudo(&b, b.size, with_length));

		memcpy(b.data + b.tcp_at + 16, &sum, 2);
		memset(b.data + b.ip_at + 10, 0, 2);
		assert_hello(&b);
		assert_checksum(&b, PKT_CHECKSUM_OFFLOADED);
	}
	// Total length zero: the frame's rest.
	struct build b = plain(TCP_ACK);
	memset(b.data + b.ip_at + 2, 0, 2);
	assert_hello(&b);
}

static void t10_impossible_tcp_headers_are_named(void **) {
	static const uint8_t bad[] = {
		0,
		TCP_SYN | TCP_FIN,
		TCP_SYN | TCP_FIN | TCP_ACK,
		TCP_SYN | TCP_RST,
		0xc0, // ECE and CWR alone
	};
	struct build b;

	for (size_t i = 0; i < sizeof(bad); i++) {
		b = plain(bad[i]);
		assert_verdict(&b, VERDICT_bad_tcp);
	}
	for (uint8_t words = 0; words < 16; words++) {
		b = plain(TCP_ACK);
		b.data[b.tcp_at + 12] = (uint8_t)(words << 4);
		tcp_sum(&b);
		assert_verdict(&b, words < 5 || words > 6 ? VERDICT_bad_tcp : VERDICT_tcp);
	}
}

static void t24_t37_options_are_bounded_and_the_segment_kept(void **) {
	static const struct {
		uint8_t option[8];
		uint8_t wscale;
	} cases[] = {
		{{3, 3, 7, 0}, 7},
		{{1, 3, 3, 14}, 14},
		{{3, 3, 15, 0}, 15}, // T24
		{{3, 3, 255, 0}, 15},
		{{2, 4, 5, 180, 3, 3, 2, 0}, 2},
		{{0, 3, 3, 7}, 0xff}, // after the end
		{{8, 0, 3, 3, 7}, 0xff}, // T37: length 0
		{{8, 1, 3, 3, 7}, 0xff}, // 1
		{{8, 9, 3, 3, 7}, 0xff}, // past the header
		{{3, 2, 3, 3, 7}, 7}, // a window scale without a scale, then one with
		{{1, 1, 1, 1, 1, 1, 1, 3}, 0xff}, // a kind at the very end
		{{1, 1, 1, 1, 1, 1, 3, 3}, 0xff},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct build b = {0};
		struct pkt pkt;

		ethernet(&b, 0x0800);
		ipv4(&b, 6, 0, 28);
		ipv4_sum(&b);
		tcp(&b, TCP_SYN, cases[i].option, 8, "");
		tcp_sum(&b);
		assert_int_equal(run(&b, &pkt), VERDICT_tcp);
		assert_int_equal(pkt.wscale, cases[i].wscale);
	}
}

// A SYN sent again with another timestamp is the same SYN; of any segment the value is found, whatever stands
// before and behind the option, and nothing else changes.
static void t22_t23_timestamps_are_found_wherever_they_stand(void **) {
	static const struct {
		char option[17];
		uint32_t stamp;
		bool has;
	} cases[] = {
		{"\1\1\x08\x0a\0\0\0\1\0\0\0\0", 1, true},
		{"\1\1\x08\x0a\xff\xff\xff\xff\0\0\0\0", 0xffffffff, true},
		{"\x08\x0a\x80\0\0\2\x7f\xff\xff\xff\1\1", 0x80000002, true},
		{"\1\x08\x0a\1\2\3\4\0\0\0\0\1\1\1\1\1", 0x01020304, true},
		{"\x08\x09\x80\0\0\0\x7f\xff\xff\1\1\1", 0, false},
		{"\0\x08\x0a\x80\0\0\0\x7f\xff\xff\xff\1", 0, false},
		{"\1\1\1\x08\x0a\x80\0\0\0\x7f\xff\xff", 0, false}, // past the header
	};
	static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK | TCP_URG};

	for (size_t i = 0; i < sizeof(flags) * 2; i++) {
		bool is_6 = i >= sizeof(flags);

		for (size_t j = 0; j < sizeof(cases) / sizeof(*cases); j++) {
			uint32_t size = j == 3 ? 16 : 12;
			struct build b = {0};
			struct pkt pkt;

			ethernet(&b, is_6 ? 0x86dd : 0x0800);
			if (is_6) {
				ipv6(&b, 6, 25 + size);
			} else {
				ipv4(&b, 6, 0, 25 + size);
				ipv4_sum(&b);
			}
			tcp(&b, flags[i % sizeof(flags)], cases[j].option, size, "hello");
			tcp_sum(&b);
			struct frame frame = {.data = b.data, .size = b.size, .wire_size = b.size};
			assert_int_equal(decode(&config, &frame, &pkt), VERDICT_tcp);
			assert_int_equal(pkt.has_stamp, cases[j].has);
			if (cases[j].has)
				assert_int_equal(pkt_stamp(&pkt), cases[j].stamp);
			if (pkt.flags & TCP_SYN)
				assert_int_equal(pkt.wscale, 0xff);
			assert_int_equal(pkt.ttl, 64);
			assert_hello(&b);
		}
	}
}

static void t5_signatures_are_told_of_resets_alone(void **) {
	static const struct {
		uint8_t flags, option[20];
		bool is_signed;
	} cases[] = {
		{TCP_RST, {19, 18}, true},
		{TCP_RST | TCP_ACK, {1, 1, 29, 16}, true},
		{TCP_RST, {8, 10}, false},
		{TCP_RST, {19, 21}, false}, // past the header
		{TCP_RST, {0, 0, 19, 18}, false},
		{TCP_ACK, {19, 18}, false},
		{TCP_SYN, {19, 18}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct build b = {0};
		struct pkt pkt;

		ethernet(&b, 0x0800);
		ipv4(&b, 6, 0, 40);
		ipv4_sum(&b);
		tcp(&b, cases[i].flags, cases[i].option, 20, "");
		tcp_sum(&b);
		assert_int_equal(run(&b, &pkt), VERDICT_tcp);
		assert_int_equal(!!(pkt.flags & TCP_SIGNED), cases[i].is_signed);
	}
}

static void q3_both_directions_hash_alike_and_keys_matter(void **) {
	struct decode_config other = {.hash_key = {5, 6}};
	struct build b = plain(TCP_ACK);
	struct pkt there, back, keyed;
	uint8_t *ip = b.data + b.ip_at, *t = b.data + b.tcp_at, swap[4];

	run(&b, &there);
	run_with(&other, &b, &keyed);
	memcpy(swap, ip + 12, 4);
	memcpy(ip + 12, ip + 16, 4);
	memcpy(ip + 16, swap, 4);
	memcpy(swap, t, 2);
	memcpy(t, t + 2, 2);
	memcpy(t + 2, swap, 2);
	assert_int_equal(run(&b, &back), VERDICT_tcp);
	assert_int_equal(there.hash, back.hash);
	assert_int_not_equal(there.hash, keyed.hash);
	t[0] ^= 1;
	tcp_sum(&b);
	run(&b, &back);
	assert_int_not_equal(there.hash, back.hash);
}

// ---- Tunnels

enum carrier { BY_ETHERTYPE, BY_PROTOCOL, BY_UDP_PORT };

struct tunnel_case {
	enum carrier carrier;
	uint16_t number;
	uint8_t size;
	const char *header;
	bool is_frame; // what it carries has an Ethernet header
	bool has_realm;
};

static const struct tunnel_case tunnels[] = {
	{BY_ETHERTYPE, 0x8847, 4, "\0\1\1\x40"}, // MPLS
	{BY_ETHERTYPE, 0x8847, 8, "\0\1\0\x40\0\2\1\x40"}, // two labels
	{BY_ETHERTYPE, 0x8847, 4, "\0\1\1\x40", true}, // a pseudowire
	{BY_ETHERTYPE, 0x8847, 8, "\0\1\1\x40\0\0\0\0", true}, // with a control word
	{BY_ETHERTYPE, 0x8864, 8, "\x11\0\0\7\0\x2f\0\x21", false, true}, // PPPoE
	{BY_ETHERTYPE, 0x8864, 7, "\x11\0\0\7\0\x2e\x21", false, true}, // short protocol field
	{BY_ETHERTYPE, 0x88e7, 4, "\0\0\x07\1", true, true}, // PBB
	{BY_PROTOCOL, 4, 0, ""}, // IP in IP
	{BY_PROTOCOL, 137, 4, "\0\1\1\x40"}, // MPLS in IP
	{BY_PROTOCOL, 47, 8, "\0\0\x88\x47\0\1\1\x40"}, // MPLS in GRE
	{BY_PROTOCOL, 47, 12, "\0\0\x88\x47\0\1\0\x40\0\2\1\x40"}, // two labels
	{BY_PROTOCOL, 47, 4, "\0\0\x65\x58", true}, // TEB
	{BY_PROTOCOL, 47, 8, "\x20\0\x65\x58\0\0\7\0", true, true}, // NVGRE
	{BY_PROTOCOL, 47, 4, "\0\0\x88\xbe", true}, // ERSPAN I
	{BY_PROTOCOL, 47, 16, "\x10\0\x88\xbe\0\0\0\1\x10\7\0\1\0\0\0\0", true}, // II
	{BY_PROTOCOL, 47, 20, "\x10\0\x22\xeb\0\0\0\1\x20\7\0\1\0\0\0\0\0\0\0\0", true}, // III
	{BY_PROTOCOL, 47, 20, "\x10\0\x22\xeb\0\0\0\1\x20\7\0\1\0\0\0\0\0\0\x08\0"}, // IP
	{BY_PROTOCOL,
	 47,
	 28,
	 "\x10\0\x22\xeb\0\0\0\1\x20\7\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0",
	 true}, // III with a subheader
	{BY_PROTOCOL, 47, 20, "\x30\x81\x88\x0b\0\x31\0\1\0\0\0\1\0\0\0\1\xff\3\0\x21"}, // PPTP
	{BY_UDP_PORT, 4789, 8, "\x08\0\0\0\0\0\7\0", true, true}, // VXLAN
	{BY_UDP_PORT, 8472, 8, "\x08\0\0\0\0\0\7\0", true, true},
	{BY_UDP_PORT, 4789, 8, "\xff\xff\xff\xff\0\0\7\xff", true, true}, // reserved bits
	{BY_UDP_PORT, 4790, 8, "\x0c\0\0\1\0\0\7\0", false, true}, // VXLAN-GPE, IP
	{BY_UDP_PORT, 4790, 8, "\x0c\0\0\3\0\0\7\0", true, true},
	{BY_UDP_PORT, 6081, 8, "\0\0\x65\x58\0\0\7\0", true, true}, // GENEVE
	{BY_UDP_PORT, 6081, 8, "\0\0\x08\0\0\0\7\0", false, true}, // without Ethernet
	{BY_UDP_PORT, 6081, 16, "\2\0\x65\x58\0\0\7\0optionso", true, true},
	{BY_UDP_PORT, 2152, 8, "\x30\xff\0\x2d\0\0\0\7"}, // GTP-U
	{BY_UDP_PORT, 2152, 12, "\x32\xff\0\x31\0\0\0\7\0\1\0\0"}, // a sequence number
	{BY_UDP_PORT, 2152, 16, "\x34\xff\0\x35\0\0\0\7\0\0\0\x85\1\0\0\0"}, // an extension
};

// The tunnel's header behind what carries it, then a packet that says hello.
static struct build tunnelled(const struct tunnel_case *tunnel) {
	struct build b = {0};
	uint32_t inner = (tunnel->is_frame ? 14 : 0) + 20 + 25;
	uint32_t payload = tunnel->size + inner + (tunnel->carrier == BY_UDP_PORT ? 8 : 0);

	ethernet(&b, tunnel->carrier == BY_ETHERTYPE ? tunnel->number : 0x0800);
	if (tunnel->carrier != BY_ETHERTYPE) {
		ipv4(&b, tunnel->carrier == BY_UDP_PORT ? 17 : (uint8_t)tunnel->number, 0, payload);
		ipv4_sum(&b);
	}
	if (tunnel->carrier == BY_UDP_PORT) {
		put16(&b, 50000);
		put16(&b, tunnel->number);
		put16(&b, (uint16_t)payload);
		put16(&b, 0);
	}
	put(&b, tunnel->header, tunnel->size);
	if (tunnel->is_frame)
		ethernet(&b, 0x0800);
	ipv4(&b, 6, 0, 25);
	b.data[b.ip_at + 12] = 172; // not the outer one's
	ipv4_sum(&b);
	tcp(&b, TCP_ACK, "", 0, "hello");
	tcp_sum(&b);
	return b;
}

static void f13_f14_f15_every_tunnel_leads_to_the_inner_segment(void **) {
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(*tunnels); i++) {
		struct build b = tunnelled(&tunnels[i]), straight = {0};
		struct pkt pkt, other;

		assert_hello(&b);
		run(&b, &pkt);
		assert_int_equal(pkt.checksum, PKT_CHECKSUM_RIGHT);
		assert_int_equal(pkt.realm != 0, tunnels[i].has_realm);
		// The hash is of the inner packet, whatever the tunnel.
		ethernet(&straight, 0x0800);
		put(&straight, b.data + b.ip_at, b.size - b.ip_at);
		run(&straight, &other);
		assert_int_equal(pkt.hash, other.hash);
	}
}

static void f11_decoding_alters_no_byte(void **) {
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(*tunnels); i++) {
		struct build b = tunnelled(&tunnels[i]), before = b;
		struct frame frame = {.data = b.data, .size = b.size, .wire_size = b.size};
		struct pkt pkt;

		assert_int_equal(decode(&config, &frame, &pkt), VERDICT_tcp);
		assert_memory_equal(&b, &before, sizeof(b));
	}
}

// A port is what the configuration says, and nothing else is.
static void tunnels_over_udp_are_known_by_the_ports_configured(void **) {
	static const struct tunnel_ports none = {0};
	struct decode_config with = config;
	struct pkt pkt;

	for (size_t i = 0; i < sizeof(tunnels) / sizeof(*tunnels); i++) {
		struct build b = tunnelled(&tunnels[i]);
		struct tunnel_ports moved = tunnel_ports_default;

		with.tunnels = &none;
		assert_int_equal(
			run_with(&with, &b, &pkt),
			tunnels[i].carrier == BY_UDP_PORT ? VERDICT_not_tcp : VERDICT_tcp
		);
		if (tunnels[i].carrier != BY_UDP_PORT)
			continue;
		for (uint32_t j = 0; j < moved.n; j++)
			moved.of[j].port++;
		with.tunnels = &moved;
		b.data[14 + 20 + 3]++;
		assert_int_equal(run_with(&with, &b, &pkt), VERDICT_tcp);
	}
}

static void f15_a_cut_tunnel_gives_the_same_bytes_or_a_reason(void **) {
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(*tunnels); i++) {
		struct build whole = tunnelled(&tunnels[i]);
		struct pkt pkt;

		for (uint32_t size = 0; size < whole.size; size++) {
			struct build cut = whole;

			cut.size = size;
			cut.wire_extra = whole.size - size;
			if (run(&cut, &pkt) == VERDICT_tcp) {
				assert_true(size >= whole.tcp_at + 20);
				assert_int_equal(pkt.payload_size + pkt.missing_size, 5);
			}
			cut.wire_extra = 0;
			run(&cut, &pkt);
		}
	}
}

static void f15_an_inner_packet_that_is_none_has_its_own_verdict(void **) {
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(*tunnels); i++) {
		struct build b = tunnelled(&tunnels[i]);
		struct pkt pkt;
		enum verdict verdict;

		b.data[b.ip_at] = 0x41;
		verdict = run(&b, &pkt);
		assert_string_equal(verdict_name(verdict), "bad_inner");
	}
}

static void f13_gre_is_as_long_as_its_flags_say(void **) {
	for (int flags = 0; flags < 16; flags++) {
		struct build b = {0};
		uint32_t size
			= 4 + (flags & 12 ? 4 : 0) + (flags & 2 ? 4 : 0) + (flags & 1 ? 4 : 0);

		size += flags & 4 ? 12 : 0;
		ethernet(&b, 0x0800);
		ipv4(&b, 47, 0, size + 45);
		ipv4_sum(&b);
		put16(&b, (uint16_t)(flags << 12));
		put16(&b, 0x0800);
		for (int i = 0; i < (flags & 12 ? 1 : 0) + (flags & 2 ? 1 : 0) + (flags & 1); i++)
			put(&b, "junk", 4);
		if (flags & 4)
			put(&b, "\x08\0\0\4addr\0\0\0\0", 12); // a source route and the end
		ipv4(&b, 6, 0, 25);
		ipv4_sum(&b);
		tcp(&b, TCP_ACK, "", 0, "hello");
		tcp_sum(&b);
		assert_hello(&b);
	}
}

static void f12_one_cap_bounds_any_mixture_of_tunnels(void **) {
	for (int n = DECODE_LAYERS_MAX - 4; n < DECODE_LAYERS_MAX + 4; n++) {
		struct build b = {0};

		ethernet(&b, 0x0800);
		for (int i = 0; i < n; i++) { // IP in IP, an MPLS label for every third
			uint32_t rest = (uint32_t)(n - i - 1) * 20 + 45;
			for (int j = i + 1; j < n; j++)
				rest += j % 3 == 2 ? 4 : 0;
			rest += i % 3 == 2 ? 4 : 0;
			ipv4(&b, i % 3 == 2 ? 137 : 4, 0, rest);
			ipv4_sum(&b);
			if (i % 3 == 2)
				put(&b, "\0\1\1\x40", 4);
		}
		ipv4(&b, 6, 0, 25);
		ipv4_sum(&b);
		tcp(&b, TCP_ACK, "", 0, "hello");
		tcp_sum(&b);
		if (n + n / 3 + 2 <= DECODE_LAYERS_MAX)
			assert_hello(&b);
		else
			assert_verdict(&b, VERDICT_too_many_layers);
	}
}

// ---- The one path of most frames, against the walk through all layers

static bool pkt_equal(const struct pkt *a, const struct pkt *b) {
	return a->payload == b->payload && a->addr == b->addr && a->time_ns == b->time_ns
		&& a->payload_size == b->payload_size && a->missing_size == b->missing_size
		&& a->seq == b->seq && a->ack == b->ack && a->realm == b->realm
		&& a->hash == b->hash && a->window == b->window && a->port[0] == b->port[0]
		&& a->port[1] == b->port[1] && a->urgent == b->urgent && a->flags == b->flags
		&& a->family == b->family && a->checksum == b->checksum
		&& a->is_inconsistent == b->is_inconsistent && a->wscale == b->wscale
		&& a->ttl == b->ttl && a->has_stamp == b->has_stamp;
}

static void the_plain_path_says_what_the_layers_say(void **) {
	static const uint8_t flags[]
		= {0x10, 0x18, 0x02, 0x12, 0x11, 0x30, 0x04, 0x14, 0, 3, 6, 0xd0};
	static const uint8_t scale[4] = {3, 3, 200, 0};
	const struct decode_config unchecked = {.hash_key = {3, 4}};
	const struct decode_config *configs[] = {&config, &unchecked};
	uint64_t random = 88172645463325252u;
	unsigned n_tcp = 0, n_hashed = 0;
	uint32_t hash;

	for (unsigned round = 0; round < 200000; round++) {
		struct build b = {0};
		struct pkt fast, layers;
		enum verdict verdict;
		struct frame frame;

		ethernet(&b, 0x0800);
		ipv4(&b, 6, 0, round & 1 ? 29 : 25);
		ipv4_sum(&b);
		tcp(&b, flags[round / 2 % sizeof(flags)], scale, round & 1 ? 4 : 0, "hello");
		tcp_sum(&b);
		b.size += round % 5; // padding
		for (unsigned i = 0; i < round % 3; i++) { // up to two bytes are others
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			b.data[random % b.size] ^= (uint8_t)(random >> 32);
		}
		if (round % 7 == 0) { // and the header sums right again, whatever it says
			b.data[14] = 0x45;
			ipv4_sum(&b);
		}
		frame = (struct frame){
			.data = b.data,
			.size = b.size - (round % 11 == 0 ? round % 64 : 0),
			.wire_size = b.size,
			.time_ns = round,
		};
		verdict = decode(configs[round & 1], &frame, &fast);
		assert_int_equal(verdict, decode_layers(configs[round & 1], &frame, &layers));
		n_tcp += verdict == VERDICT_tcp;
		if (verdict == VERDICT_tcp)
			assert_true(pkt_equal(&fast, &layers));
		if (!decode_hash(configs[round & 1], &frame, &hash))
			continue;
		n_hashed++;
		assert_int_equal(decode_layers(&unchecked, &frame, &layers), VERDICT_tcp);
		assert_int_equal(layers.hash, hash);
	}
	assert_true(n_hashed > 30000 && n_hashed < 200000);
	assert_true(n_tcp > 50000 && n_tcp < 200000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_link_type_leads_to_the_segment),
		cmocka_unit_test(a_cut_frame_gives_the_same_bytes_or_a_reason),
		cmocka_unit_test(t33_padding_is_never_data),
		cmocka_unit_test(tags_make_realms),
		cmocka_unit_test(f9_the_number_of_layers_is_bounded),
		cmocka_unit_test(f10_extension_headers_are_walked_by_their_lengths),
		cmocka_unit_test(f10_an_option_ends_inside_its_area_or_the_packet_is_named),
		cmocka_unit_test(f9_options_that_hosts_refuse_make_a_packet_doubtful),
		cmocka_unit_test(f12_services_in_services_end_at_the_cap),
		cmocka_unit_test(f13_ipv6_in_ipv4_leads_to_the_inner_segment),
		cmocka_unit_test(ipv4_headers_that_lie_are_named),
		cmocka_unit_test(t6_checksums_are_told_apart),
		cmocka_unit_test(the_fast_checksum_equals_the_plain_one),
		cmocka_unit_test(a_length_beyond_the_wire_is_doubtful_and_taken),
		cmocka_unit_test(what_offload_left_to_the_nic_is_taken),
		cmocka_unit_test(t10_impossible_tcp_headers_are_named),
		cmocka_unit_test(t24_t37_options_are_bounded_and_the_segment_kept),
		cmocka_unit_test(t22_t23_timestamps_are_found_wherever_they_stand),
		cmocka_unit_test(f11_decoding_alters_no_byte),
		cmocka_unit_test(t5_signatures_are_told_of_resets_alone),
		cmocka_unit_test(q3_both_directions_hash_alike_and_keys_matter),
		cmocka_unit_test(f13_f14_f15_every_tunnel_leads_to_the_inner_segment),
		cmocka_unit_test(tunnels_over_udp_are_known_by_the_ports_configured),
		cmocka_unit_test(f15_a_cut_tunnel_gives_the_same_bytes_or_a_reason),
		cmocka_unit_test(f15_an_inner_packet_that_is_none_has_its_own_verdict),
		cmocka_unit_test(f13_gre_is_as_long_as_its_flags_say),
		cmocka_unit_test(the_plain_path_says_what_the_layers_say),
		cmocka_unit_test(f12_one_cap_bounds_any_mixture_of_tunnels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
