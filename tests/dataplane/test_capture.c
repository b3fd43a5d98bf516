// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Captures of every kind, whole, cut and damaged. What is read must not depend on how it is stored.

#include "capture_make.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { N_FRAMES = 150 }; // more than two bursts

// The frames every good capture here holds: sizes from 0 up, times half a millisecond apart.
static uint32_t frame_size(int i) {
	return (uint32_t)(i * 7 % 200);
}

static uint8_t *frame_data(int i) {
	static uint8_t data[200];

	for (int j = 0; j < 200; j++)
		data[j] = (uint8_t)(i * 31 + j);
	return data;
}

static uint64_t frame_us(int i) {
	return 1700000000000000ull + (uint64_t)i * 500;
}

// The part of a second in units of 2^-20 s.
static uint64_t binary_part(uint64_t us) {
	return (us % 1000000 << 20) / 1000000;
}

static struct facts expected(uint8_t link, bool binary) {
	struct facts facts = {.end = SOURCE_END, .n_frames = N_FRAMES};

	for (int i = 0; i < N_FRAMES; i++) {
		uint64_t us = frame_us(i), ns = us * 1000;
		uint32_t size = frame_size(i), wire = size + (i % 10 == 0);

		if (binary)
			ns = us / 1000000 * 1000000000 + binary_part(us) * 1000000000 / (1 << 20);
		put(&facts.frames, &ns, 8);
		put(&facts.frames, &size, 4);
		put(&facts.frames, &wire, 4);
		put(&facts.frames, &link, 1);
		put(&facts.frames, frame_data(i), size);
		facts.n_cut += wire > size;
	}
	return facts;
}

enum format { PCAP_US, PCAP_NS, PCAP_MODIFIED, PCAPNG_US, PCAPNG_NS, PCAPNG_BINARY, N_FORMATS };

static void make_pcap(struct bytes *b, enum format format, bool big, uint16_t link, int n) {
	static const uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34};

	pcap_head(b, big, magics[format], link);
	for (int i = 0; i < n; i++) {
		uint32_t part = frame_us(i) % 1000000 * (format == PCAP_NS ? 1000 : 1);
		uint32_t size = frame_size(i);

		pcap_packet(
			b, big, (uint32_t)(frame_us(i) / 1000000), part, size, size + (i % 10 == 0)
		);
		if (format == PCAP_MODIFIED)
			put_zeros(b, 8);
		put(b, frame_data(i), size);
	}
}

static void make_pcapng(struct bytes *b, enum format format, bool big, uint16_t link, int n) {
	struct bytes name = {0};

	ng_section(b, big);
	// Interface 1 is the one used; 0 is there to be told apart.
	ng_interface(b, big, 147, 96, -1, 0);
	ng_interface(b, big, link, 0, format == PCAPNG_US ? -1 : format == PCAPNG_NS ? 9 : 0x94, 0);
	put_zeros(&name, 7);
	ng_block(b, big, 4, name);
	for (int i = 0; i < n; i++) {
		uint64_t us = frame_us(i), units = us * (format == PCAPNG_NS ? 1000 : 1);

		if (format == PCAPNG_BINARY)
			units = (us / 1000000 << 20) + binary_part(us);
		ng_packet(
			b,
			big,
			1,
			units,
			frame_data(i),
			frame_size(i),
			frame_size(i) + (i % 10 == 0)
		);
	}
}

static struct bytes make(enum format format, bool big, uint16_t link, int n) {
	struct bytes b = {0};

	if (format <= PCAP_MODIFIED)
		make_pcap(&b, format, big, link, n);
	else
		make_pcapng(&b, format, big, link, n);
	return b;
}

static struct bytes gzipped(const void *data, size_t size) {
	struct bytes b = {malloc(size + 1000), size + 1000};
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (void *)data;
	z.avail_in = (unsigned)size;
	z.next_out = b.data;
	z.avail_out = (unsigned)b.size;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.size = z.total_out;
	deflateEnd(&z);
	return b;
}

static struct bytes zstded(const void *data, size_t size) {
	struct bytes b = {malloc(ZSTD_compressBound(size)), 0};

	b.size = ZSTD_compress(b.data, ZSTD_compressBound(size), data, size, 3);
	return b;
}

static void facts_check(const struct facts *got, const struct facts *want, const char *what) {
	if (!facts_equal(got, want))
		fail_msg(
			"%s: %llu frames, end %d (%s); wanted %llu, end %d",
			what,
			(unsigned long long)got->n_frames,
			got->end,
			got->error,
			(unsigned long long)want->n_frames,
			want->end
		);
}

// Reads data in every way there is: mapped, into a buffer, from streams, compressed.
static void all_ways(struct bytes b, const struct facts *want, const char *what) {
	struct bytes forms[] = {b, gzipped(b.data, b.size), zstded(b.data, b.size)};
	size_t pieces[] = {1, 4096};

	for (int i = 0; i < 3; i++) {
		struct facts facts = facts_file(forms[i].data, forms[i].size);

		facts_check(&facts, want, what);
		facts_free(&facts);
		facts = facts_read(forms[i].data, forms[i].size);
		facts_check(&facts, want, what);
		facts_free(&facts);
		for (int j = 0; j < 2; j++) {
			facts = facts_stream(forms[i].data, forms[i].size, pieces[j]);
			facts_check(&facts, want, what);
			facts_free(&facts);
		}
		free(forms[i].data);
	}
}

static void every_format_link_byte_order_and_compression_gives_the_same_frames(void **) {
	static const struct {
		uint16_t type;
		enum link link;
	} links[] = {
		{1, LINK_ETHERNET},
		{12, LINK_RAW_IP},
		{14, LINK_RAW_IP},
		{101, LINK_RAW_IP},
		{228, LINK_RAW_IP},
		{229, LINK_RAW_IP},
		{113, LINK_SLL},
		{276, LINK_SLL2},
		{0, LINK_NULL},
		{108, LINK_LOOP},
		{9, LINK_PPP},
		{50, LINK_PPP},
		{104, LINK_PPP},
	};
	char what[64];

	for (int format = 0; format < N_FORMATS; format++) {
		for (size_t i = 0; i < 2 * sizeof(links) / sizeof(*links); i++) {
			struct facts want
				= expected((uint8_t)links[i / 2].link, format == PCAPNG_BINARY);
			struct bytes b = make(format, i % 2, links[i / 2].type, N_FRAMES);

			snprintf(
				what,
				sizeof(what),
				"format %d, link %u, big %zu",
				format,
				links[i / 2].type,
				i % 2
			);
			all_ways(b, &want, what);
			facts_free(&want);
		}
	}
}

// ---- ERF

enum { ERF_ETHERNET = 2, ERF_HDLC = 1, ERF_PAD = 48, ERF_ATM = 3 };

// extensions: headers of 8 bytes, of which each says in its first bit whether another follows.
static void erf_record(
	struct bytes *b,
	uint8_t type,
	int extensions,
	uint64_t us,
	const void *data,
	uint16_t size,
	uint16_t wire_size
) {
	uint64_t time = us / 1000000 << 32 | ((us % 1000000 << 32) + 999999) / 1000000;
	uint16_t pad = (type & 0x7f) == ERF_ETHERNET ? 2 : 0;

	put32(b, false, (uint32_t)time);
	put32(b, false, (uint32_t)(time >> 32));
	put(b, (uint8_t[]){extensions ? type | 0x80 : type, 4}, 2);
	put16(b, true, (uint16_t)(16 + 8 * extensions + pad + size));
	put16(b, true, 0);
	put16(b, true, wire_size);
	for (; extensions > 0; extensions--) {
		put(b, (uint8_t[]){extensions > 1 ? 0x83 : 3}, 1);
		put_zeros(b, 7);
	}
	put_zeros(b, pad);
	put(b, data, size);
}

static void erf_is_read_with_all_its_headers(void **) {
	for (uint8_t type = ERF_HDLC; type <= ERF_ETHERNET; type++) {
		struct facts want = expected(type == ERF_HDLC ? LINK_PPP : LINK_ETHERNET, false);
		struct bytes b = {0};

		for (int i = 0; i < N_FRAMES; i++) {
			uint32_t size = frame_size(i);

			erf_record(
				&b,
				type,
				i % 3,
				frame_us(i),
				frame_data(i),
				(uint16_t)size,
				(uint16_t)(size + (i % 10 == 0))
			);
			if (i % 7 == 0)
				erf_record(&b, ERF_PAD, 0, frame_us(i), "", 0, 0);
		}
		all_ways(b, &want, "erf");
		facts_free(&want);
	}
}

static struct facts erf_facts(struct bytes *b) {
	struct facts facts = facts_file(b->data, b->size);

	free(b->data);
	*b = (struct bytes){0};
	return facts;
}

static void p7_damaged_erf_is_told(void **) {
	struct bytes b = {0};
	struct facts facts;

	// A size that is less than the header's.
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	b.data[2 * 22 + 10] = 0;
	b.data[2 * 22 + 11] = 15;
	facts = erf_facts(&b);
	assert_int_equal(facts.n_frames, 2);
	assert_non_null(strstr(facts.error, "damaged after packet 2"));
	facts_free(&facts);
	// One whose extensions go on beyond it, and one of another kind, among good ones.
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	erf_record(&b, ERF_ETHERNET | 0x80, 0, 1e15, "\x83zzzzzz", 7, 7);
	erf_record(&b, ERF_ATM, 0, 1e15, "abcd", 4, 4);
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	facts = erf_facts(&b);
	assert_int_equal(facts.n_frames, 2);
	assert_int_equal(facts.n_skipped, 2);
	facts_free(&facts);
	// The end of the file within a packet.
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	b.size--;
	facts = erf_facts(&b);
	assert_int_equal(facts.n_frames, 1);
	assert_non_null(strstr(facts.error, "in the middle of packet 2"));
	facts_free(&facts);
	// Something behind the first that is no packet: it was none either.
	erf_record(&b, ERF_ETHERNET, 0, 1e15, "abcd", 4, 4);
	put(&b, "From: somebody\r\n\r\n", 18);
	facts = erf_facts(&b);
	assert_non_null(strstr(facts.error, "not a capture"));
	facts_free(&facts);
}

static void p3_times_of_all_resolutions_and_offsets(void **) {
	static const struct {
		int resol;
		int64_t offset;
		uint64_t units, ns;
		uint64_t n_skipped;
	} cases[] = {
		{-1, 0, 1700000000123456, 1700000000123456000, 0},
		{6, 0, 1700000000123456, 1700000000123456000, 0},
		{0, 0, 1700000000, 1700000000000000000, 0},
		{3, 0, 1700000000123, 1700000000123000000, 0},
		{9, 0, 1700000000123456789, 1700000000123456789, 0},
		{10, 0, 17000000001234567899ull, 1700000000123456789, 0},
		{19, 0, UINT64_MAX, 1844674407, 0},
		{0x80, 0, 1700000000, 1700000000000000000, 0},
		{0x80 | 20, 0, (1700000000ull << 20) + (1 << 19), 1700000000500000000, 0},
		{0x80 | 32, 0, (1700000000ull << 32) + (1u << 31), 1700000000500000000, 0},
		{0x80 | 63, 0, UINT64_MAX, 1999999999, 0},
		{6, 1700000000, 123456, 1700000000123456000, 0},
		{6, -100, 1700000100123456, 1700000000123456000, 0},
		{6, INT64_MIN, 5, 0, 0},
		{6, INT64_MAX, 5, UINT64_MAX, 0},
		{0, 0, UINT64_MAX, UINT64_MAX, 0},
		{0, INT64_MAX, UINT64_MAX, UINT64_MAX, 0},
		{20, 0, 5, 0, 1},
		{127, 0, 5, 0, 1},
		{0x80 | 64, 0, 5, 0, 1},
		{0xff, 0, 5, 0, 1},
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = {0};
		struct facts facts;
		uint64_t ns = 0;
		bool big = i % 2;

		ng_section(&b, big);
		ng_interface(&b, big, 1, 0, cases[i / 2].resol, cases[i / 2].offset);
		ng_packet(&b, big, 0, cases[i / 2].units, "x", 1, 1);
		facts = facts_file(b.data, b.size);
		assert_int_equal(facts.n_skipped, cases[i / 2].n_skipped);
		assert_int_equal(facts.end, cases[i / 2].n_skipped ? SOURCE_BROKEN : SOURCE_END);
		if (facts.n_frames > 0)
			memcpy(&ns, facts.frames.data, 8);
		if (ns != cases[i / 2].ns)
			fail_msg("case %zu: %llu", i / 2, (unsigned long long)ns);
		facts_free(&facts);
		free(b.data);
	}
}

// Offsets at which a capture may end without a packet being cut, by a slow walk of the format.
static bool
ends_between_packets(const struct bytes *b, size_t size, enum format format, uint64_t *n) {
	size_t at = format <= PCAP_MODIFIED ? 24 : 0, head = format == PCAP_MODIFIED ? 24 : 16;
	uint32_t length, type;

	*n = 0;
	while (at < size) {
		if (format <= PCAP_MODIFIED) {
			if (at + head > size)
				return false;
			memcpy(&length, b->data + at + 8, 4);
			length += (uint32_t)head;
			type = 6;
		} else {
			if (at + 8 > size)
				return false;
			memcpy(&type, b->data + at, 4);
			memcpy(&length, b->data + at + 4, 4);
		}
		if (at + length > size)
			return false;
		*n += type == 6;
		at += length;
	}
	return true;
}

static void p7_a_cut_at_any_byte_leaves_all_whole_packets(void **) {
	for (int format = 0; format < N_FORMATS; format++) {
		struct bytes b = make(format, false, 1, 3);
		size_t first = format <= PCAP_MODIFIED ? 24 : 28;
		uint64_t n_whole;

		for (size_t size = 1; size <= b.size; size++) {
			struct facts facts = facts_file(b.data, size);
			struct facts stream = facts_stream(b.data, size, 3);
			bool whole = ends_between_packets(&b, size, format, &n_whole);

			if (size < first) {
				assert_int_equal(facts.end, 1);
				assert_non_null(strstr(facts.error, "not a capture"));
			} else {
				assert_int_equal(facts.n_frames, n_whole);
				assert_int_equal(facts.end, whole ? SOURCE_END : SOURCE_BROKEN);
				if (!whole)
					assert_non_null(
						strstr(facts.error, "ends in the middle of packet")
					);
			}
			assert_true(facts_equal(&facts, &stream));
			facts_free(&facts);
			facts_free(&stream);
		}
		free(b.data);
	}
}

static void p7_compressed_data_that_ends_early_is_told(void **) {
	struct bytes b = make(PCAP_US, false, 1, N_FRAMES);
	struct bytes forms[] = {gzipped(b.data, b.size), zstded(b.data, b.size)};
	struct facts whole = facts_file(b.data, b.size);

	for (int i = 0; i < 2; i++) {
		for (size_t size = 4; size < forms[i].size; size += 1 + size / 8) {
			struct facts facts = facts_stream(forms[i].data, size, 100);

			assert_true(facts.end == SOURCE_BROKEN || facts.end == 1);
			assert_non_null(strstr(facts.error, "ends early"));
			assert_true(facts.frames.size <= whole.frames.size);
			if (facts.frames.size > 0)
				assert_memory_equal(
					facts.frames.data, whole.frames.data, facts.frames.size
				);
			facts_free(&facts);
		}
		free(forms[i].data);
	}
	facts_free(&whole);
	free(b.data);
}

// Where a frame is in memory as a whole, libzstd decodes all of it or nothing.
static void p7_damage_late_in_a_frame_costs_what_follows_alone(void **) {
	struct bytes b = make(PCAP_US, false, 1, 20 * N_FRAMES), packed = zstded(b.data, b.size);
	struct facts whole = facts_file(b.data, b.size), file, stream;

	assert_true(b.size > 2 * 128 * 1024); // several blocks
	memset(packed.data + packed.size - 40, 0xff, 40);
	file = facts_file(packed.data, packed.size);
	stream = facts_stream(packed.data, packed.size, 100);
	assert_int_equal(file.end, SOURCE_BROKEN);
	assert_non_null(strstr(file.error, "damaged zstd data"));
	assert_true(file.n_frames > whole.n_frames / 3 && file.n_frames < whole.n_frames);
	facts_check(&file, &stream, "as a file and by pieces");
	assert_memory_equal(file.frames.data, whole.frames.data, file.frames.size);
	facts_free(&file);
	facts_free(&stream);
	facts_free(&whole);
	free(packed.data);
	free(b.data);
}

static void compressed_captures_may_be_of_several_pieces(void **) {
	struct bytes b = make(PCAP_US, false, 1, N_FRAMES), many = {0}, part;
	struct facts want = expected(LINK_ETHERNET, false), facts;

	for (int i = 0; i < 2; i++) {
		many = (struct bytes){0};
		for (size_t at = 0; at < b.size; at += 1000) {
			size_t size = b.size - at < 1000 ? b.size - at : 1000;

			part = i ? zstded(b.data + at, size) : gzipped(b.data + at, size);
			put(&many, part.data, part.size);
			free(part.data);
		}
		if (i == 0)
			put_zeros(&many, 700); // as a tape or a block device pads it
		for (size_t piece = 1; piece < 4000; piece *= 3) {
			facts = facts_stream(many.data, many.size, piece);
			facts_check(&facts, &want, "several pieces");
			facts_free(&facts);
		}
		put(&many, "rubbish", 7);
		facts = facts_stream(many.data, many.size, 100);
		assert_int_equal(facts.end, SOURCE_BROKEN);
		assert_int_equal(facts.n_frames, N_FRAMES);
		assert_non_null(strstr(facts.error, "damaged"));
		facts_free(&facts);
		free(many.data);
	}
	facts_free(&want);
	free(b.data);
}

static void mutated_captures_read_the_same_from_file_and_stream(void **) {
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 300; round++) {
		struct bytes b = make(round % N_FORMATS, rand() % 2, 1, 5);
		struct facts facts, stream;

		for (int i = rand() % 4; i >= 0; i--)
			b.data[(size_t)rand() % b.size]
				^= (uint8_t)(rand() % 2 ? 1 << rand() % 8 : rand());
		facts = facts_file(b.data, b.size);
		stream = facts_stream(b.data, b.size, (size_t)(1 + rand() % 300));
		if (!facts_equal(&facts, &stream))
			fail_msg("seed %u, round %d: file and stream differ", seed, round);
		facts_free(&facts);
		facts_free(&stream);
		free(b.data);
	}
}

static void p4_lengths_of_packets_are_bounded(void **) {
	static const struct {
		uint32_t size, wire;
		int end;
		uint32_t given, wire_given;
	} cases[] = {
		{0, 0, SOURCE_END, 0, 0},
		{0, 60, SOURCE_END, 0, 60},
		{60, 0, SOURCE_END, 60, 60}, // longer than on the wire: the bytes are there
		{60, 59, SOURCE_END, 60, 60},
		{70000,
		 70000,
		 SOURCE_END,
		 70000,
		 70000}, // more than the file's snap length of 65,535
		{FRAME_SIZE_MAX - 1,
		 FRAME_SIZE_MAX,
		 SOURCE_END,
		 FRAME_SIZE_MAX - 1,
		 FRAME_SIZE_MAX},
		{FRAME_SIZE_MAX, FRAME_SIZE_MAX, SOURCE_END, FRAME_SIZE_MAX, FRAME_SIZE_MAX},
		{FRAME_SIZE_MAX + 1, FRAME_SIZE_MAX + 1, SOURCE_BROKEN, 0, 0},
		{0x7fffffff, 60, SOURCE_BROKEN, 0, 0},
		{0xffffffff, 0xffffffff, SOURCE_BROKEN, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = {0};
		struct facts facts, stream;
		uint32_t got[2];

		pcap_head(&b, false, 0xa1b2c3d4, 1);
		pcap_packet(&b, false, 1, 0, cases[i].size, cases[i].wire);
		put_zeros(&b, cases[i].size <= FRAME_SIZE_MAX + 1 ? cases[i].size : 1000);
		facts = facts_file(b.data, b.size);
		stream = facts_stream(b.data, b.size, 50000);
		assert_int_equal(facts.end, cases[i].end);
		assert_true(facts_equal(&facts, &stream));
		if (facts.n_frames > 0) {
			memcpy(got, facts.frames.data + 8, 8);
			assert_int_equal(got[0], cases[i].given);
			assert_int_equal(got[1], cases[i].wire_given);
		}
		assert_int_equal(facts.n_frames, cases[i].end == SOURCE_END);
		facts_free(&facts);
		facts_free(&stream);
		free(b.data);
	}
}

// A good packet, the block in question, a good packet.
static struct facts block_between(uint32_t type, uint32_t size, uint32_t first, uint32_t last) {
	struct bytes b = {0};
	struct facts facts, stream;

	ng_section(&b, false);
	ng_interface(&b, false, 1, 0, -1, 0);
	ng_packet(&b, false, 0, 1, "ab", 2, 2);
	put32(&b, false, type);
	put32(&b, false, first);
	put_zeros(&b, size - 12);
	put32(&b, false, last);
	ng_packet(&b, false, 0, 2, "cd", 2, 2);
	facts = facts_file(b.data, b.size);
	stream = facts_stream(b.data, b.size, 65536);
	assert_true(facts_equal(&facts, &stream));
	facts_free(&stream);
	free(b.data);
	return facts;
}

static void p1_p2_block_lengths_are_checked_before_they_are_used(void **) {
	static const struct {
		uint32_t type, size, first, last;
		uint64_t n_frames;
		int end;
	} cases[] = {
		{4, 12, 12, 12, 2, SOURCE_END},
		{0x80000001, 40, 40, 40, 2, SOURCE_END}, // a type that is not known
		{4, 40, 41, 40, 1, SOURCE_BROKEN},
		{4, 40, 42, 40, 1, SOURCE_BROKEN},
		{4, 40, 40, 44, 1, SOURCE_BROKEN},
		{4, 40, 8, 8, 1, SOURCE_BROKEN},
		{4, 40, 0, 0, 1, SOURCE_BROKEN},
		{4, 40, 0xfffffffc, 40, 1, SOURCE_BROKEN},
		{1, 16, 16, 16, 1, SOURCE_BROKEN}, // an interface needs 20
		{4,
		 PCAPNG_BLOCK_SIZE_MAX,
		 PCAPNG_BLOCK_SIZE_MAX,
		 PCAPNG_BLOCK_SIZE_MAX,
		 2,
		 SOURCE_END},
		{4,
		 PCAPNG_BLOCK_SIZE_MAX + 4,
		 PCAPNG_BLOCK_SIZE_MAX + 4,
		 PCAPNG_BLOCK_SIZE_MAX + 4,
		 1,
		 SOURCE_BROKEN},
		{6, 12, 12, 12, 2, SOURCE_END}, // packets without room for one are passed over
		{2, 28, 28, 28, 2, SOURCE_END},
		{3, 12, 12, 12, 2, SOURCE_END},
		{6, 32, 32, 32, 3, SOURCE_END}, // interface 0, no bytes
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct facts facts = block_between(
			cases[i].type, cases[i].size, cases[i].first, cases[i].last
		);

		if (facts.n_frames != cases[i].n_frames || facts.end != cases[i].end)
			fail_msg(
				"case %zu: %llu, %d",
				i,
				(unsigned long long)facts.n_frames,
				facts.end
			);
		if (facts.end == SOURCE_BROKEN)
			assert_non_null(strstr(facts.error, "damaged after packet 1"));
		facts_free(&facts);
	}
}

static void sections_and_interfaces_differ_in_everything(void **) {
	struct bytes b = {0}, body = {0};
	struct facts facts, stream;
	static const uint8_t links[] = {LINK_ETHERNET, LINK_SLL, LINK_SLL, LINK_RAW_IP};
	static const uint64_t times[] = {5000, 7000000000, 7000000000, 9000000000};
	size_t at = 0;

	ng_section(&b, false);
	ng_interface(&b, false, 1, 0, -1, 0);
	ng_packet(&b, false, 0, 5, "a", 1, 1);
	ng_section(&b, true);
	ng_interface(&b, true, 113, 3, 0, 0);
	put16(&body, true, 0); // the obsolete packet block: interface, drops
	put16(&body, true, 9);
	put32(&body, true, 0);
	put32(&body, true, 7);
	put32(&body, true, 2);
	put32(&body, true, 2);
	put(&body, "bc", 2);
	ng_block(&b, true, 2, body);
	body = (struct bytes){0};
	put32(&body, true, 60); // the simple one: cut by the interface's snap length, no time
	put(&body, "def", 3);
	ng_block(&b, true, 3, body);
	ng_section(&b, false);
	ng_interface(&b, false, 147, 0, -1, 0);
	ng_interface(&b, false, 101, 0, 3, 0);
	ng_packet(&b, false, 0, 1, "x", 1, 1); // a link type that is not read
	ng_packet(&b, false, 2, 1, "x", 1, 1); // an interface that is not there
	ng_packet(&b, false, 1, 9000, "g", 1, 1);
	facts = facts_file(b.data, b.size);
	stream = facts_stream(b.data, b.size, 1);
	assert_true(facts_equal(&facts, &stream));
	assert_int_equal(facts.n_frames, 4);
	assert_int_equal(facts.n_skipped, 2);
	assert_int_equal(facts.n_cut, 1);
	assert_int_equal(facts.end, SOURCE_END);
	for (int i = 0; i < 4; i++) {
		uint64_t ns;
		uint32_t size;

		memcpy(&ns, facts.frames.data + at, 8);
		memcpy(&size, facts.frames.data + at + 8, 4);
		assert_int_equal(ns, times[i]);
		assert_int_equal(facts.frames.data[at + 16], links[i]);
		at += 17 + size;
	}
	facts_free(&facts);
	facts_free(&stream);
	free(b.data);
}

static void p6_packets_before_any_interface_are_an_error_of_their_own(void **) {
	struct bytes b = {0};
	struct facts facts;

	ng_section(&b, false);
	ng_packet(&b, false, 0, 1, "ab", 2, 2);
	facts = facts_file(b.data, b.size);
	assert_int_equal(facts.end, SOURCE_BROKEN);
	assert_int_equal(facts.n_frames, 0);
	assert_non_null(strstr(facts.error, "never described"));
	facts_free(&facts);
	free(b.data);
}

static void interfaces_beyond_the_limit_are_passed_over(void **) {
	for (uint32_t n = PCAPNG_INTERFACES_MAX - 1; n <= PCAPNG_INTERFACES_MAX + 1; n++) {
		struct bytes b = {0};
		struct facts facts;

		ng_section(&b, false);
		for (uint32_t i = 0; i < n; i++)
			ng_interface(&b, false, 1, 0, -1, 0);
		ng_packet(&b, false, n - 1, 1, "ab", 2, 2);
		ng_packet(&b, false, 0, 2, "cd", 2, 2);
		facts = facts_file(b.data, b.size);
		assert_int_equal(facts.end, SOURCE_END);
		assert_int_equal(facts.n_frames, n > PCAPNG_INTERFACES_MAX ? 1 : 2);
		assert_int_equal(facts.n_skipped, n > PCAPNG_INTERFACES_MAX ? 1 : 0);
		facts_free(&facts);
		free(b.data);
	}
}

static void p5_time_never_goes_back(void **) {
	static const uint32_t seconds[] = {100, 50, 0, 200, 199, 0x80000000, 0xffffffff, 0};
	static const uint64_t want[]
		= {100, 100, 100, 200, 200, 0x80000000, 0xffffffff, 0xffffffff};
	struct bytes b = {0};
	struct facts facts;
	uint64_t ns;

	pcap_head(&b, false, 0xa1b2c3d4, 1);
	for (int i = 0; i < 8; i++)
		pcap_packet(&b, false, seconds[i], 0, 0, 0);
	facts = facts_file(b.data, b.size);
	assert_int_equal(facts.n_frames, 8);
	assert_int_equal(facts.n_backward, 4);
	for (int i = 0; i < 8; i++) {
		memcpy(&ns, facts.frames.data + 17 * i, 8);
		assert_int_equal(ns, want[i] * 1000000000);
	}
	facts_free(&facts);
	free(b.data);
}

static void old_pcap_versions_have_their_lengths_swapped(void **) {
	for (uint8_t minor = 0; minor <= 4; minor++) {
		struct bytes b = {0};
		struct facts facts;
		uint32_t got[2];

		pcap_head(&b, false, 0xa1b2c3d4, 1);
		b.data[6] = minor;
		pcap_packet(&b, false, 1, 0, minor < 4 ? 60 : 4, minor < 4 ? 4 : 60);
		put(&b, "abcd", 4);
		facts = facts_file(b.data, b.size);
		assert_int_equal(facts.n_frames, 1);
		memcpy(got, facts.frames.data + 8, 8);
		assert_int_equal(got[0], 4);
		assert_int_equal(got[1], 60);
		facts_free(&facts);
		free(b.data);
	}
}

static void what_is_no_capture_gets_one_clear_line(void **) {
	struct bytes linktype = {0}, version = {0}, ng = {0};
	char error[256];
	struct facts facts;
	const struct {
		const void *data;
		size_t size;
		const char *word;
	} cases[] = {
		{"", 0, "is empty"},
		{"x", 1, "not a capture"},
		{"From: somebody\r\n\r\nHello", 24, "not a capture"},
		{"\xfd"
		 "7zXZ\0\0\0\0\0\0\0",
		 12,
		 "xz"},
		{"BZh91AY&SY\0\0", 12, "bzip2"},
		{"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff", 13, "not a capture"},
		{"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff", 12, "not a capture"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		facts = facts_file(cases[i].data, cases[i].size);
		assert_int_equal(facts.end, 1);
		if (!strstr(facts.error, cases[i].word))
			fail_msg("case %zu: %s", i, facts.error);
		facts = facts_stream(cases[i].data, cases[i].size, 1);
		assert_int_equal(facts.end, 1);
		assert_non_null(strstr(facts.error, cases[i].word));
	}
	pcap_head(&linktype, true, 0xa1b2c3d4, 147);
	facts = facts_file(linktype.data, linktype.size);
	assert_non_null(strstr(facts.error, "link type 147"));
	pcap_head(&version, false, 0xa1b2c3d4, 1);
	version.data[4] = 3;
	facts = facts_file(version.data, version.size);
	assert_non_null(strstr(facts.error, "version 3.4"));
	ng_section(&ng, true);
	ng_interface(&ng, true, 147, 0, -1, 0);
	ng_packet(&ng, true, 0, 1, "ab", 2, 2);
	facts = facts_file(ng.data, ng.size);
	assert_int_equal(facts.end, SOURCE_BROKEN);
	assert_non_null(strstr(facts.error, "link type 147"));
	free(linktype.data);
	free(version.data);
	free(ng.data);
	assert_null(capture_open("/no/such/capture", error, sizeof(error)));
	assert_non_null(strstr(error, "no such file"));
	assert_null(capture_open("/", error, sizeof(error)));
	assert_non_null(strstr(error, "is a directory"));
}

static void p7_a_pipe_is_read_as_it_fills(void **) {
	struct bytes b = make(PCAP_US, false, 1, 2);
	struct frame frames[BURST_MAX];
	struct capture *capture;
	char path[64], error[256];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	// The header, the first packet (no bytes) and half of the second one's header.
	assert_int_equal(write(fds[1], b.data, 24 + 16 + 8), 24 + 16 + 8);
	capture = capture_open(path, error, sizeof(error));
	assert_non_null(capture);
	// The one that is there is given without waiting for the other.
	assert_int_equal(source_burst(capture_source(capture), frames, BURST_MAX), 1);
	assert_true(write(fds[1], b.data + 48, b.size - 48) > 0);
	assert_int_equal(source_burst(capture_source(capture), frames, BURST_MAX), 1);
	assert_int_equal(frames[0].size, frame_size(1));
	close(fds[1]);
	assert_int_equal(source_burst(capture_source(capture), frames, BURST_MAX), SOURCE_END);
	capture_close(capture);
	close(fds[0]);
	free(b.data);
}

static void grows(struct capture *(*open_capture)(const char *path, char *error, int size)) {
	struct bytes b = make(PCAP_US, false, 1, N_FRAMES);
	struct facts facts = {0}, want = expected(LINK_ETHERNET, false);
	int fd = memfd_create("growing", 0);
	struct capture *capture;
	struct frame frame;
	char path[64];
	uint64_t done, total;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(write(fd, b.data, 24 + 16 + 5), 24 + 16 + 5);
	capture = open_capture(path, facts.error, sizeof(facts.error));
	assert_non_null(capture);
	assert_int_equal(source_burst(capture_source(capture), &frame, 1), 1);
	assert_true(write(fd, b.data + 45, b.size - 45) > 0);
	facts_take(&facts, capture);
	assert_int_equal(facts.end, SOURCE_END);
	assert_int_equal(facts.n_frames, want.n_frames - 1);
	assert_int_equal(facts.frames.size, want.frames.size - 17);
	assert_memory_equal(facts.frames.data, want.frames.data + 17, facts.frames.size);
	capture_position(capture, &done, &total);
	assert_int_equal(done, b.size);
	assert_int_equal(total, b.size);
	capture_close(capture);
	close(fd);
	facts_free(&facts);
	facts_free(&want);
	free(b.data);
}

static void p7_a_file_that_grows_is_read_to_its_new_end(void **) {
	grows(capture_open);
	grows(capture_open_mapped);
}

static void a_mapped_file_that_shrinks_is_damage_and_not_death(void **) {
	enum { N = 4000, SIZE = 100 };
	struct bytes b = {0};
	struct frame frames[BURST_MAX];
	struct capture *capture;
	char path[64], error[256];
	int n, n_frames = 0;

	pcap_head(&b, false, 0xa1b2c3d4, 1);
	for (int i = 0; i < N; i++) {
		pcap_packet(&b, false, 1000 + (uint32_t)i, 0, SIZE, SIZE);
		memset(put_room(&b, SIZE), 0x5a, SIZE);
	}
	// Cut at a page's border, and inside one (its rest then reads as zeros without a signal).
	for (off_t size = 81920; size < 81920 + 4096; size += 1000) {
		int fd = memfd_create("shrinking", 0), n_before = n_frames = 0;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		assert_int_equal(write(fd, b.data, b.size), b.size);
		capture = capture_open_mapped(path, error, sizeof(error));
		assert_non_null(capture);
		assert_true(capture_source(capture)->frames_stay);
		while ((n = source_burst(capture_source(capture), frames, BURST_MAX)) > 0) {
			for (int i = 0; i < n && n_frames * 116 < (int)size - 200; i++, n_frames++)
				for (int j = 0; j < SIZE; j++)
					assert_int_equal(frames[i].data[j], 0x5a);
			if (n_before++ == 2)
				assert_int_equal(ftruncate(fd, size), 0);
		}
		assert_int_equal(n, SOURCE_BROKEN);
		assert_non_null(strstr(capture_source(capture)->error, "processed"));
		assert_true(n_frames * 116 >= (int)size - 4096 - 400);
		assert_true(n_frames < N / 2);
		capture_close(capture);
		close(fd);
	}
	free(b.data);
}

// The number after "packets": in a truth file, -1 when it is not one to compare with.
static long truth_packets(const char *path) {
	static char text[1 << 20];
	FILE *file = fopen(path, "r");
	const char *at;
	size_t n;

	if (!file)
		return -1;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	at = strstr(text, "\"encap_types\": [");
	// An encapsulation without a name is a record that is no packet.
	if (!at || memmem(at, strcspn(at, "]"), "\"\"", 2))
		return -1;
	at = strstr(text, "\"packets\": ");
	return at ? atol(at + 11) : -1;
}

static void captures_of_other_projects_have_the_packets_that_tshark_counts(void **) {
	DIR *dir = opendir("../shared/captures/open");
	int n_read = 0, n_compared = 0, n_refused = 0;
	const struct dirent *entry;
	struct capture *capture;
	char path[600], truth[600], error[320];
	long n;

	if (!dir) {
		print_message("../shared/captures/open is not there: not compared\n");
		skip();
	}
	while ((entry = readdir(dir))) {
		struct facts facts = {0};

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "../shared/captures/open/%s", entry->d_name);
		snprintf(
			truth, sizeof(truth), "../shared/captures/open-truth/%s.json", entry->d_name
		);
		capture = capture_open(path, error, sizeof(error));
		if (!capture) {
			// Other formats and link types, and said so.
			assert_true(strstr(error, "link type") || strstr(error, "not a capture"));
			n_refused++;
			continue;
		}
		facts_take(&facts, capture);
		n = truth_packets(truth);
		if (n >= 0 && (uint64_t)n != facts.n_frames + facts.n_skipped)
			fail_msg("%s: %llu, not %ld", path, (unsigned long long)facts.n_frames, n);
		n_compared += n >= 0;
		n_read++;
		facts_free(&facts);
		capture_close(capture);
	}
	closedir(dir);
	print_message("%d read, %d compared, %d refused\n", n_read, n_compared, n_refused);
	assert_true(n_compared > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_link_byte_order_and_compression_gives_the_same_frames
		),
		cmocka_unit_test(erf_is_read_with_all_its_headers),
		cmocka_unit_test(p7_damaged_erf_is_told),
		cmocka_unit_test(p3_times_of_all_resolutions_and_offsets),
		cmocka_unit_test(p7_a_cut_at_any_byte_leaves_all_whole_packets),
		cmocka_unit_test(p7_compressed_data_that_ends_early_is_told),
		cmocka_unit_test(p7_damage_late_in_a_frame_costs_what_follows_alone),
		cmocka_unit_test(compressed_captures_may_be_of_several_pieces),
		cmocka_unit_test(mutated_captures_read_the_same_from_file_and_stream),
		cmocka_unit_test(p4_lengths_of_packets_are_bounded),
		cmocka_unit_test(p1_p2_block_lengths_are_checked_before_they_are_used),
		cmocka_unit_test(sections_and_interfaces_differ_in_everything),
		cmocka_unit_test(p6_packets_before_any_interface_are_an_error_of_their_own),
		cmocka_unit_test(interfaces_beyond_the_limit_are_passed_over),
		cmocka_unit_test(p5_time_never_goes_back),
		cmocka_unit_test(old_pcap_versions_have_their_lengths_swapped),
		cmocka_unit_test(what_is_no_capture_gets_one_clear_line),
		cmocka_unit_test(p7_a_pipe_is_read_as_it_fills),
		cmocka_unit_test(p7_a_file_that_grows_is_read_to_its_new_end),
		cmocka_unit_test(a_mapped_file_that_shrinks_is_damage_and_not_death),
		cmocka_unit_test(captures_of_other_projects_have_the_packets_that_tshark_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
