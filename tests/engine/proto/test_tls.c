// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Hellos built here from their lists (HOSTILE.md section 5, L1 to L9), and what is read of them, however
// they are cut into records and pieces.

#include "hello.h"
#include "limits.h"
#include "play.h"
#include "proto/tls.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct slab *slab;

// Up to two hellos of one client.
struct reading {
	struct tls_reader reader;
	struct tls_hello hellos[2];
	int n;
	bool is_over;
	int result; // of the last that was looked for
};

static void *reading_open(const void *) {
	return calloc(1, sizeof(struct reading));
}

static void reading_data(void *ctx, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct reading *r = ctx;

	while (!r->is_over) {
		r->result = tls_hello_read(&r->reader, slab, &data, &size, &r->hellos[r->n]);
		if (r->result == 0)
			return;
		r->is_over = r->result < 0 || ++r->n == 2
			|| !tls_reader_again(&r->reader, &r->hellos[0]);
	}
}

static char *reading_end(void *ctx) {
	struct reading *r = ctx;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "%d %d", r->n, r->result);
	for (const struct tls_hello *h = r->hellos; h < r->hellos + r->n; h++)
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

// In all ways; how many hellos were read in the whole: of two the second, of one, or none, what came of it.
static int hellos_read(const struct bytes *bytes, struct tls_hello *hello, int *result_r) {
	static const struct play_reader reader = {
		.as = reading_as, .open = reading_open, .data = reading_data, .end = reading_end};
	char *text = play_check_bytes("hello", &reader, NULL, bytes->data, bytes->size);
	struct reading *whole = reading_open(NULL);
	int n;

	assert_non_null(text);
	free(text);
	reading_data(whole, STREAM_CLIENT, bytes->data, bytes->size);
	n = whole->n;
	*hello = whole->hellos[n > 0 ? n - 1 : 0];
	*result_r = whole->result;
	free(reading_end(whole));
	return n;
}

// Of a client with one hello: 1, and what is read of it; else as tls_hello_read().
static int read_all_ways(const struct bytes *bytes, struct tls_hello *hello) {
	int result, n = hellos_read(bytes, hello, &result);

	assert_true(n < 2);
	return n == 1 ? 1 : result;
}

// A hello's body by itself, and in records and in all ways.
static int parse(const struct bytes *body, struct tls_hello *hello) {
	static struct bytes bytes;
	uint8_t *exact = malloc(body->size);
	int result;

	memcpy(exact, body->data, body->size);
	result = tls_hello_parse(exact, body->size, hello);
	free(exact);
	hello_records(&bytes, body, 300);
	assert_int_equal(read_all_ways(&bytes, &(struct tls_hello){0}), result);
	return result;
}

static void l5_the_published_example_has_its_fingerprint(void **) {
	struct tls_hello hello;
	struct bytes body;

	hello_body(&body, &hello_chrome);
	assert_int_equal(parse(&body, &hello), 1);
	assert_string_equal(hello.ja4, hello_chrome_ja4);
	assert_string_equal(hello.server_name, "mail.example.org");
	assert_string_equal(hello.alpn, "h2");
	assert_int_equal(hello.version, 0x0304);
	assert_false(hello.is_ech || hello.is_name_bad);
}

static void l3_records_and_pieces_of_any_size_give_the_same(void **) {
	static const size_t sizes[] = {1, 2, 3, 5, 100, 16384};
	static struct bytes body, bytes;
	struct tls_hello hello;

	hello_body(&body, &hello_chrome);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		hello_records(&bytes, &body, sizes[i]);
		bytes_put(&bytes, "\x17\x03\x03", 3); // what follows is not looked at
		assert_int_equal(read_all_ways(&bytes, &hello), 1);
		assert_string_equal(hello.ja4, hello_chrome_ja4);
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
		struct hello of = hello_chrome;
		struct tls_hello hello;
		struct bytes body;
		of.alpn = cases[i].alpn;
		of.alpn_size = cases[i].size;
		hello_body(&body, &of);
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
		struct hello of = hello_chrome;
		struct tls_hello hello;
		struct bytes body;
		of.version = cases[i].version;
		of.ciphers = cases[i].ciphers;
		of.extensions = cases[i].extensions;
		of.versions = cases[i].versions;
		of.signatures = cases[i].signatures;
		hello_body(&body, &of);
		assert_int_equal(parse(&body, &hello), 1);
		assert_string_equal(hello.ja4, cases[i].ja4);
	}
}

static void l5_more_than_99_are_99(void **) {
	char ciphers[5 * TLS_CIPHERS_MAX + 20] = "", extensions[5 * 120] = "";
	struct hello of = hello_chrome;
	struct tls_hello hello;
	struct bytes body;

	for (int i = 0; i < TLS_CIPHERS_MAX + 1; i++)
		sprintf(ciphers + 5 * i, "%04x ", 0xc100 + i);
	for (int i = 0; i < 110; i++)
		sprintf(extensions + 5 * i, "%04x ", 0x5000 + i);
	of.ciphers = ciphers;
	of.extensions = extensions;
	hello_body(&body, &of);
	assert_int_equal(parse(&body, &hello), 1);
	assert_memory_equal(hello.ja4, "t12i999900_", 11);
}

static void l1_l2_l6_a_hello_cut_anywhere_is_broken(void **) {
	struct tls_hello hello;
	struct bytes body;

	hello_body(&body, &hello_chrome);
	size_t whole = body.size, without = 2 + 32 + 1 + 2 + 32 + 2;
	for (body.size = 0; body.size < whole; body.size++)
		assert_int_equal(parse(&body, &hello), body.size == without ? 1 : -1);
}

// A plain reckoning of JA4 over lists: each as its description says it, one word after the other.
struct words {
	uint16_t word[200];
	size_t n;
};

static int word_compare(const void *a, const void *b) {
	return *(const uint16_t *)a < *(const uint16_t *)b ? -1 : 1;
}

static void words_hash(const struct words *list, const struct words *behind, char hash[13]) {
	char text[3000] = "";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	size_t size = 0;

	for (size_t i = 0; i < list->n; i++)
		size += (size_t)sprintf(text + size, i > 0 ? ",%04x" : "%04x", list->word[i]);
	for (size_t i = 0; behind && i < behind->n; i++)
		size += (size_t)sprintf(text + size, i > 0 ? ",%04x" : "_%04x", behind->word[i]);
	SHA256((const uint8_t *)text, size, digest);
	for (int i = 0; i < 6; i++)
		sprintf(hash + 2 * i, "%02x", digest[i]);
	if (list->n == 0)
		strcpy(hash, "000000000000");
}

// At most max words, some of them GREASE; spelled into text with it, and kept without.
static struct words words_draw(unsigned *seed, size_t max, unsigned from, char *text) {
	struct words words = {0};
	size_t size = 0, n = (size_t)rand_r(seed) % (max + 1);

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		unsigned grease = (unsigned)rand_r(seed) % 16 * 0x1010 + 0x0a0a;
		bool is_grease = rand_r(seed) % 6 == 0;
		unsigned word = is_grease ? grease : from + (unsigned)rand_r(seed) % 0x900;
		size += (size_t)sprintf(text + size, "%04x ", word);
		// What looks alike only by half is a word like any other.
		if ((word & 0x0f0f) != 0x0a0a || word >> 8 != (word & 0xff))
			words.word[words.n++] = (uint16_t)word;
	}
	return words;
}

static void l5_drawn_lists_have_the_fingerprint_of_a_plain_reckoning(void **) {
	char ciphers[1000], extensions[1200], signatures[1000], hash[2][13], expected[TLS_JA4_SIZE];
	unsigned seed = 20261129;

	for (int i = 0; i < 300; i++) {
		struct words cipher = words_draw(&seed, 120, 0x1300, ciphers);
		struct words extension = words_draw(&seed, 120, 0x2a01, extensions);
		struct words signature = words_draw(&seed, 20, 0x0401, signatures);
		struct hello of = hello_chrome;
		struct tls_hello hello;
		static struct bytes body;

		// The name and ALPN are counted and not hashed; the versions are where TLS 1.3 comes from.
		strcat(extensions, "0000 002b 0010 000d");
		of.extensions = extensions;
		of.ciphers = ciphers;
		of.signatures = signatures;
		extension.word[extension.n++] = 0x002b;
		extension.word[extension.n++] = 0x000d;
		qsort(cipher.word, cipher.n, sizeof(cipher.word[0]), word_compare);
		qsort(extension.word, extension.n, sizeof(extension.word[0]), word_compare);
		words_hash(&cipher, NULL, hash[0]);
		words_hash(&extension, &signature, hash[1]);
		snprintf(
			expected,
			sizeof(expected),
			"t13d%02zu%02zuh2_%s_%s",
			cipher.n < 99 ? cipher.n : 99,
			extension.n + 2 < 99 ? extension.n + 2 : 99,
			hash[0],
			hash[1]
		);
		hello_body(&body, &of);
		assert_int_equal(tls_hello_parse(body.data, body.size, &hello), 1);
		assert_string_equal(hello.ja4, expected);
	}
}

// Behind a hello of TLS 1.3 a second one is read where a server's wish for another key may have come: next, or
// after what RFC 8446 lets stand between them, and nowhere else.
static void l6_a_second_hello_is_read_where_one_may_stand(void **) {
	static const char change[] = "\x14\3\3\0\1\1", alert[] = "\x15\3\3\0\2\2\x28";
	static char early[5 + 16384] = "\x17\3\3\x40", more[5 + 2] = "\x17\3\3\0\2";
	static const char part[] = "\x17\3\3\x40";
	static const struct {
		const char *between[2];
		size_t size[2];
		unsigned version;
		bool is_early, is_read;
	} cases[] = {
		{{""}, {0}, 0x0304, false, true},
		{{""}, {0}, 0x0304, true, true},
		{{change}, {6}, 0x0304, false, true},
		{{change, early}, {6, sizeof(early)}, 0x0304, true, true},
		{{early, change}, {sizeof(early), 6}, 0x0304, true, true},
		{{change, change}, {6, 6}, 0x0304, false, false},
		{{change, more}, {6, sizeof(more)}, 0x0304, false, false},
		{{early, more}, {sizeof(early), sizeof(more)}, 0x0304, true, false},
		{{part}, {4}, 0x0304, true, false},
		{{alert}, {7}, 0x0304, false, false},
		{{""}, {0}, 0x0303, false, false},
	};
	static struct bytes body, first, second, bytes;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hello of = hello_chrome;
		struct tls_hello hello;
		int result;

		of.versions = cases[i].version == 0x0304 ? "6a6a 0304 0303" : "0303";
		of.extensions = cases[i].is_early ? "0000 002b 002a" : "0000 002b";
		hello_body(&body, &of);
		hello_records(&first, &body, 300);
		of.extensions = "0000 002b 002c"; // with a cookie
		of.name = "second.example.org";
		of.name_size = strlen(of.name);
		hello_body(&body, &of);
		hello_records(&second, &body, 60);
		bytes.size = 0;
		bytes_put(&bytes, first.data, first.size);
		for (int at = 0; at < 2; at++)
			bytes_put(&bytes, cases[i].between[at], cases[i].size[at]);
		bytes_put(&bytes, second.data, second.size);
		assert_int_equal(hellos_read(&bytes, &hello, &result), cases[i].is_read ? 2 : 1);
		assert_string_equal(
			hello.server_name,
			cases[i].is_read ? "second.example.org" : "mail.example.org"
		);
	}
}

static void l1_lengths_that_lie_stay_inside_their_extension(void **) {
	struct tls_hello hello;
	struct bytes body;

	hello_body(&body, &hello_chrome);
	uint8_t *name = memmem(body.data, body.size, "Mail.Example", 12);
	name[-2] = name[-1] = 0xff;
	assert_int_equal(parse(&body, &hello), 1);
	assert_true(hello.is_name_bad);
	assert_string_equal(hello.server_name, "");
	assert_string_equal(hello.ja4, hello_chrome_ja4);
}

static void l2_l9_messages_and_records_of_wrong_length_are_no_hello(void **) {
	static struct bytes body, bytes, records;
	struct tls_hello hello;

	hello_body(&body, &hello_chrome);
	hello_records(&bytes, &body, 16384);
	bytes.data[8]++; // one byte more is announced than comes
	assert_int_equal(read_all_ways(&bytes, &hello), 0);
	hello_records(&bytes, &body, 16384);
	bytes.data[8] -= 4;
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	bytes.data[6] = 1; // more than limits.h allows
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	hello_records(&bytes, &body, 16384);
	bytes.data[5] = 2; // a server's
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	hello_records(&bytes, &body, 16384);
	bytes.data[3] = bytes.data[4] = 0; // L9: an empty record
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	bytes.data[3] = 0x41;
	bytes.data[4] = 1; // L9: one more than 16,384 + 256
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
	bytes.size = 0; // L9: an empty record in front of a good one
	bytes_put(&bytes, "\x16\3\1\0\0", 5);
	hello_records(&records, &body, 16384);
	bytes_put(&bytes, records.data, records.size);
	assert_int_equal(read_all_ways(&bytes, &hello), -1);
}

static void l7_names_that_are_none_are_said_to_be(void **) {
	static char large[256], larger[256];
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
		{larger, 256, NULL},
		{large, 255, large},
		{"a.", 2, "a"},
		{".", 1, "."},
		{"192.0.2.1", 9, "192.0.2.1"},
	};

	memset(large, 'x', 255);
	memset(larger, 'x', 256);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hello of = hello_chrome;
		struct tls_hello hello;
		struct bytes body;
		of.name = cases[i].name;
		of.name_size = cases[i].size;
		hello_body(&body, &of);
		assert_int_equal(parse(&body, &hello), 1);
		assert_int_equal(hello.is_name_bad, cases[i].expected == NULL);
		assert_string_equal(hello.server_name, cases[i].expected ?: "");
		assert_string_equal(hello.ja4, hello_chrome_ja4);
	}
}

static void l7_two_names_are_bad(void **) {
	struct hello of = hello_chrome;
	struct tls_hello hello;
	struct bytes body;

	of.name = "a\0\0\1b"; // the first one's length is put right below
	of.name_size = 5;
	hello_body(&body, &of);
	uint8_t *name = memmem(body.data, body.size, "\0\0\5a\0\0\1b", 8);
	name[2] = 1;
	assert_int_equal(parse(&body, &hello), 1);
	assert_true(hello.is_name_bad);
	assert_string_equal(hello.server_name, "");
}

static void l8_an_encrypted_hello_marks_the_name_as_the_outer_one(void **) {
	struct hello of = hello_chrome;
	struct tls_hello hello;
	struct bytes body;

	of.extensions = "0000 fe0d";
	hello_body(&body, &of);
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
		cmocka_unit_test(l5_drawn_lists_have_the_fingerprint_of_a_plain_reckoning),
		cmocka_unit_test(l6_a_second_hello_is_read_where_one_may_stand),
		cmocka_unit_test(l1_l2_l6_a_hello_cut_anywhere_is_broken),
		cmocka_unit_test(l1_lengths_that_lie_stay_inside_their_extension),
		cmocka_unit_test(l2_l9_messages_and_records_of_wrong_length_are_no_hello),
		cmocka_unit_test(l7_names_that_are_none_are_said_to_be),
		cmocka_unit_test(l7_two_names_are_bad),
		cmocka_unit_test(l8_an_encrypted_hello_marks_the_name_as_the_outer_one),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
