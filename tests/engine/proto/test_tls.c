// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Hellos built here from their lists (HOSTILE.md section 5, L1 to L9), and what is read of them, however
// they are cut into records and pieces.

#include "limits.h"
#include "play.h"
#include "proto/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bytes {
	uint8_t data[40000];
	size_t size;
};

static void put8(struct bytes *to, unsigned value) {
	to->data[to->size++] = (uint8_t)value;
}

static void put16(struct bytes *to, unsigned value) {
	put8(to, value >> 8);
	put8(to, value & 0xff);
}

static void put(struct bytes *to, const void *data, size_t size) {
	if (size > 0)
		memcpy(to->data + to->size, data, size);
	to->size += size;
}

// Numbers in hex, apart by spaces, with the size of their list before them in so many bytes.
static void put_list(struct bytes *to, const char *numbers, int size_bytes) {
	size_t at = to->size;
	unsigned value;
	int n;

	to->size += (size_t)size_bytes;
	for (; sscanf(numbers, "%x%n", &value, &n) == 1; numbers += n)
		put16(to, value);
	size_t size = to->size - at - (size_t)size_bytes;
	if (size_bytes == 2)
		to->data[at] = (uint8_t)(size >> 8);
	to->data[at + (size_t)size_bytes - 1] = (uint8_t)size;
}

struct hello {
	unsigned version;
	const char *ciphers;
	const char *extensions; // those with a number below are filled from the members
	const char *versions, *signatures;
	const char *alpn;
	size_t alpn_size;
	const char *name;
	size_t name_size;
};

static void put_extension(struct bytes *to, const struct hello *hello, unsigned type) {
	size_t at;

	put16(to, type);
	at = to->size;
	put16(to, 0);
	switch (type) {
	case 0x00:
		put16(to, hello->name_size + 3);
		put8(to, 0);
		put16(to, hello->name_size);
		put(to, hello->name, hello->name_size);
		break;
	case 0x10:
		put16(to, hello->alpn_size + 1);
		put8(to, hello->alpn_size);
		put(to, hello->alpn, hello->alpn_size);
		break;
	case 0x0d:
		put_list(to, hello->signatures, 2);
		break;
	case 0x2b:
		put_list(to, hello->versions, 1);
		break;
	}
	to->data[at] = (uint8_t)((to->size - at - 2) >> 8);
	to->data[at + 1] = (uint8_t)(to->size - at - 2);
}

static void body_make(struct bytes *to, const struct hello *hello) {
	static const uint8_t random[32];
	unsigned type;
	size_t at;
	int n;

	to->size = 0;
	put16(to, hello->version);
	put(to, random, sizeof(random));
	put8(to, 0);
	put_list(to, hello->ciphers, 2);
	put16(to, 0x0100); // no compression
	if (!hello->extensions)
		return;
	at = to->size;
	put16(to, 0);
	for (const char *list = hello->extensions; sscanf(list, "%x%n", &type, &n) == 1; list += n)
		put_extension(to, hello, type);
	to->data[at] = (uint8_t)((to->size - at - 2) >> 8);
	to->data[at + 1] = (uint8_t)(to->size - at - 2);
}

// Records of at most so many bytes.
static void records_make(struct bytes *to, const struct bytes *body, size_t record_size) {
	static struct bytes message;

	message.size = to->size = 0;
	put16(&message, 0x0100 | body->size >> 16);
	put16(&message, body->size & 0xffff);
	put(&message, body->data, body->size);
	for (size_t at = 0; at < message.size;) {
		size_t n = message.size - at < record_size ? message.size - at : record_size;
		put8(to, 22);
		put16(to, 0x0301);
		put16(to, n);
		put(to, message.data + at, n);
		at += n;
	}
}

static struct slab *slab;

struct reading {
	struct tls_reader reader;
	struct tls_hello hello;
	int result;
};

static void *reading_open(const void *) {
	return calloc(1, sizeof(struct reading));
}

static void reading_data(void *ctx, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct reading *r = ctx;

	if (r->result == 0)
		r->result = tls_hello_read(&r->reader, slab, data, size, &r->hello);
}

static char *reading_end(void *ctx) {
	struct reading *r = ctx;
	const struct tls_hello *h = &r->hello;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "%d", r->result);
	if (r->result > 0)
		fprintf(out,
			" %x %d %d %s %s %s",
			h->version,
			h->is_ech,
			h->is_name_bad,
			h->ja4,
			h->alpn,
			h->server_name);
	tls_reader_free(&r->reader, slab);
	fputs(slab_used(slab) > 0 ? " leaked" : "", out);
	fclose(out);
	free(r);
	return text;
}

static enum beside_as reading_as(const void *) {
	return BESIDE_TLS;
}

// In all ways; what is read in the whole.
static int read_all_ways(const struct bytes *bytes, struct tls_hello *hello) {
	static const struct play_reader reader = {
		.as = reading_as, .open = reading_open, .data = reading_data, .end = reading_end};
	struct tls_reader whole = {0};
	char *text = play_check_bytes("hello", &reader, NULL, bytes->data, bytes->size);
	int result = tls_hello_read(&whole, slab, bytes->data, bytes->size, hello);

	assert_non_null(text);
	assert_int_equal(atoi(text), result);
	tls_reader_free(&whole, slab);
	free(text);
	return result;
}

// A hello's body by itself, and in records and in all ways.
static int parse(const struct bytes *body, struct tls_hello *hello) {
	static struct bytes bytes;
	uint8_t *exact = malloc(body->size);
	int result;

	memcpy(exact, body->data, body->size);
	result = tls_hello_parse(exact, body->size, hello);
	free(exact);
	records_make(&bytes, body, 300);
	assert_int_equal(read_all_ways(&bytes, &(struct tls_hello){0}), result);
	return result;
}

// The example of FoxIO's description, with GREASE in every list.
static const struct hello chrome = {
	.version = 0x0303,
	.ciphers
	= "dada 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035",
	.extensions = "8a8a 001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b "
		      "000a 0015 fafa",
	.versions = "6a6a 0304 0303",
	.signatures = "0403 0804 0401 0503 0805 0501 0806 0601",
	.alpn = "h2",
	.alpn_size = 2,
	.name = "Mail.Example.Org.",
	.name_size = 17,
};
static const char *const chrome_ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1";

static void l5_the_published_example_has_its_fingerprint(void **) {
	struct tls_hello hello;
	struct bytes body;

	body_make(&body, &chrome);
	assert_int_equal(parse(&body, &hello), 1);
	assert_string_equal(hello.ja4, chrome_ja4);
	assert_string_equal(hello.server_name, "mail.example.org");
	assert_string_equal(hello.alpn, "h2");
	assert_int_equal(hello.version, 0x0304);
	assert_false(hello.is_ech || hello.is_name_bad);
}

static void l3_records_and_pieces_of_any_size_give_the_same(void **) {
	static const size_t sizes[] = {1, 2, 3, 5, 100, 16384};
	static struct bytes body, bytes;
	struct tls_hello hello;

	body_make(&body, &chrome);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		records_make(&bytes, &body, sizes[i]);
		put(&bytes, "\x17\x03\x03", 3); // what follows is not looked at
		assert_int_equal(read_all_ways(&bytes, &hello), 1);
		assert_string_equal(hello.ja4, chrome_ja4);
	}
}

static void l4_alpn_by_its_first_and_last_byte(void **) {
	static const struct {
		const char *alpn;
		size_t size;
		const char *text, *name;
	} cases[] = {
		{"\xab", 1, "ab", ""},
		{"\xab\xcd", 2, "ad", ""},
		{"\x20\x61", 2, "21", ""},
		{"0\xab\xcd"
		 "1",
		 4,
		 "01",
		 ""},
		{"", 0, "00", ""},
		{"h", 1, "hh", "h"},
		{"imap", 4, "ip", "imap"},
		{"\0", 1, "00", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hello of = chrome;
		struct tls_hello hello;
		struct bytes body;
		of.alpn = cases[i].alpn;
		of.alpn_size = cases[i].size;
		body_make(&body, &of);
		assert_int_equal(parse(&body, &hello), 1);
		assert_memory_equal(hello.ja4 + 8, cases[i].text, 2);
		assert_string_equal(hello.alpn, cases[i].name);
	}
}

static void l5_l6_lists_that_are_missing_empty_or_all_grease(void **) {
	static const struct {
		const char *ciphers, *extensions, *versions, *signatures, *ja4;
		unsigned version;
	} cases[] = {
		{"c02f", NULL, "", "", "t12i010000_f06271c2b022_000000000000", 0x0303},
		{"", NULL, "", "", "ts3i000000_000000000000_000000000000", 0x0300},
		{"", "", "", "", "ts2i000000_000000000000_000000000000", 0x0002},
		{"0a0a 1a1a", "0a0a fafa", "", "", "t10i000000_000000000000_000000000000", 0x0301},
		{"", "0000 0010", "", "", "t12d0002h2_000000000000_000000000000", 0x0303},
		{"", "002b", "0a0a", "", "t12i000100_000000000000_b9a491fefe05", 0x0303},
		{"", "000d", "", "", "t12i000100_000000000000_06540eb5c95f", 0x0303},
		{"", "000d", "", "1a1a 0403", "t11i000100_000000000000_79c50902419d", 0x0302},
		{"", "002b", "7f1c 0304", "", "t00i000100_000000000000_b9a491fefe05", 0x0303},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hello of = chrome;
		struct tls_hello hello;
		struct bytes body;
		of.version = cases[i].version;
		of.ciphers = cases[i].ciphers;
		of.extensions = cases[i].extensions;
		of.versions = cases[i].versions;
		of.signatures = cases[i].signatures;
		body_make(&body, &of);
		assert_int_equal(parse(&body, &hello), 1);
		assert_string_equal(hello.ja4, cases[i].ja4);
	}
}

static void l5_more_than_99_are_99(void **) {
	char ciphers[5 * TLS_CIPHERS_MAX + 20] = "", extensions[5 * 120] = "";
	struct hello of = chrome;
	struct tls_hello hello;
	struct bytes body;

	for (int i = 0; i < TLS_CIPHERS_MAX + 1; i++)
		sprintf(ciphers + 5 * i, "%04x ", 0xc100 + i);
	for (int i = 0; i < 110; i++)
		sprintf(extensions + 5 * i, "%04x ", 0x5000 + i);
	of.ciphers = ciphers;
	of.extensions = extensions;
	body_make(&body, &of);
	assert_int_equal(parse(&body, &hello), 1);
	assert_memory_equal(hello.ja4, "t12i999900_", 11);
}

static void l1_l2_l6_a_hello_cut_anywhere_is_broken(void **) {
	struct tls_hello hello;
	struct bytes body;

	body_make(&body, &chrome);
	size_t whole = body.size, without = 2 + 32 + 1 + 2 + 32 + 2;
	for (body.size = 0; body.size < whole; body.size++)
		assert_int_equal(parse(&body, &hello), body.size == without ? 1 : -1);
}

static void l1_lengths_that_lie_stay_inside_their_extension(void **) {
	struct tls_hello hello;
	struct bytes body;

	body_make(&body, &chrome);
	uint8_t *name = memmem(body.data, body.size, "Mail.Example", 12);
	name[-2] = name[-1] = 0xff;
	assert_int_equal(parse(&body, &hello), 1);
	assert_true(hello.is_name_bad);
	assert_string_equal(hello.server_name, "");
	assert_string_equal(hello.ja4, chrome_ja4);
}

static void l2_l9_messages_and_records_of_wrong_length_are_no_hello(void **) {
	static struct bytes body, bytes;
	struct tls_hello hello;

	body_make(&body, &chrome);
	records_make(&bytes, &body, 16384);
	bytes.data[8]++; // one byte more is announced than comes
	assert_int_equal(read_all_ways(&bytes, &hello), 0);
	records_make(&bytes, &body, 16384);
	bytes.data[8] -= 4;
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	bytes.data[6] = 1; // more than limits.h allows
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	records_make(&bytes, &body, 16384);
	bytes.data[5] = 2; // a server's
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	records_make(&bytes, &body, 16384);
	bytes.data[3] = bytes.data[4] = 0; // L9: an empty record
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	bytes.data[3] = 0x41;
	bytes.data[4] = 1; // L9: one more than 16,384 + 256
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
}

static void l7_names_that_are_none_are_said_to_be(void **) {
	static char large[300];
	static const struct {
		const char *name;
		size_t size;
		const char *expected; // NULL: bad
	} cases[] = {
		{"a\0b", 3, NULL},
		{"", 0, NULL},
		{"a b", 3, NULL},
		{"a\nb", 3, NULL},
		{"\xc3\xa9", 2, NULL},
		{large, 256, NULL},
		{large, 255, large},
		{"a.", 2, "a"},
		{".", 1, "."},
		{"192.0.2.1", 9, "192.0.2.1"},
	};

	memset(large, 'x', 255);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hello of = chrome;
		struct tls_hello hello;
		struct bytes body;
		of.name = cases[i].name;
		of.name_size = cases[i].size;
		body_make(&body, &of);
		assert_int_equal(parse(&body, &hello), 1);
		assert_int_equal(hello.is_name_bad, cases[i].expected == NULL);
		assert_string_equal(hello.server_name, cases[i].expected ?: "");
		assert_string_equal(hello.ja4, chrome_ja4);
	}
}

static void l7_two_names_are_bad(void **) {
	struct hello of = chrome;
	struct tls_hello hello;
	struct bytes body;

	of.name = "a\0\0\1b"; // the first one's length is put right below
	of.name_size = 5;
	body_make(&body, &of);
	uint8_t *name = memmem(body.data, body.size, "\0\0\5a\0\0\1b", 8);
	name[2] = 1;
	assert_int_equal(parse(&body, &hello), 1);
	assert_true(hello.is_name_bad);
	assert_string_equal(hello.server_name, "");
}

static void l8_an_encrypted_hello_marks_the_name_as_the_outer_one(void **) {
	struct hello of = chrome;
	struct tls_hello hello;
	struct bytes body;

	of.extensions = "0000 fe0d";
	body_make(&body, &of);
	assert_int_equal(parse(&body, &hello), 1);
	assert_true(hello.is_ech);
	assert_string_equal(hello.server_name, "mail.example.org");
}

static int set_up(void **state) {
	slab = slab_open(1 << 20);
	return slab == NULL;
}

static int tear_down(void **state) {
	slab_close(slab);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l5_the_published_example_has_its_fingerprint),
		cmocka_unit_test(l3_records_and_pieces_of_any_size_give_the_same),
		cmocka_unit_test(l4_alpn_by_its_first_and_last_byte),
		cmocka_unit_test(l5_l6_lists_that_are_missing_empty_or_all_grease),
		cmocka_unit_test(l5_more_than_99_are_99),
		cmocka_unit_test(l1_l2_l6_a_hello_cut_anywhere_is_broken),
		cmocka_unit_test(l1_lengths_that_lie_stay_inside_their_extension),
		cmocka_unit_test(l2_l9_messages_and_records_of_wrong_length_are_no_hello),
		cmocka_unit_test(l7_names_that_are_none_are_said_to_be),
		cmocka_unit_test(l7_two_names_are_bad),
		cmocka_unit_test(l8_an_encrypted_hello_marks_the_name_as_the_outer_one),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
