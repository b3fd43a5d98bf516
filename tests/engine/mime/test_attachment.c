// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/attachment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// a.txt and dir/č.exe, with sizes before the data.
static const char sized[]
	= "\120\113\003\004\024\000\000\000\010\000\232\025\170\135\100\246\055\001\012\000"
	  "\000\000\013\000\000\000\005\000\000\000\141\056\164\170\164\313\110\315\311\311"
	  "\127\310\000\221\000\120\113\003\004\024\000\000\010\010\000\232\025\170\135\154"
	  "\103\361\074\007\000\000\000\074\000\000\000\012\000\000\000\144\151\162\057\304"
	  "\215\056\145\170\145\363\215\362\045\033\002\000\120\113\001\002\024\003\024\000"
	  "\000\000\010\000\232\025\170\135\100\246\055\001\012\000\000\000\013\000\000\000"
	  "\005\000\000\000\000\000\000\000\000\000\000\000\200\001\000\000\000\000\141\056"
	  "\164\170\164\120\113\001\002\024\003\024\000\000\010\010\000\232\025\170\135\154"
	  "\103\361\074\007\000\000\000\074\000\000\000\012\000\000\000\000\000\000\000\000"
	  "\000\000\000\200\001\055\000\000\000\144\151\162\057\304\215\056\145\170\145\120"
	  "\113\005\006\000\000\000\000\002\000\002\000\153\000\000\000\134\000\000\000\000"
	  "\000";
// a.txt and b.js, written without seeking: sizes behind the data, which has signatures' beginnings in it.
static const char streamed[]
	= "\120\113\003\004\024\000\010\000\010\000\232\025\170\135\000\000\000\000\000\000"
	  "\000\000\000\000\000\000\005\000\000\000\141\056\164\170\164\313\110\315\311\311"
	  "\127\310\000\221\000\120\113\007\010\100\246\055\001\012\000\000\000\013\000\000"
	  "\000\120\113\003\004\024\000\010\000\010\000\232\025\170\135\000\000\000\000\000"
	  "\000\000\000\000\000\000\000\004\000\000\000\142\056\152\163\013\360\146\016\360"
	  "\146\254\010\360\016\040\202\001\000\120\113\007\010\213\043\310\050\016\000\000"
	  "\000\055\000\000\000\120\113\001\002\024\003\024\000\010\000\010\000\232\025\170"
	  "\135\100\246\055\001\012\000\000\000\013\000\000\000\005\000\000\000\000\000\000"
	  "\000\000\000\000\000\200\001\000\000\000\000\141\056\164\170\164\120\113\001\002"
	  "\024\003\024\000\010\000\010\000\232\025\170\135\213\043\310\050\016\000\000\000"
	  "\055\000\000\000\004\000\000\000\000\000\000\000\000\000\000\000\200\001\075\000"
	  "\000\000\142\056\152\163\120\113\005\006\000\000\000\000\002\000\002\000\145\000"
	  "\000\000\175\000\000\000\000\000";

struct result {
	char members[100];
	const char *type;
	uint32_t total;
	bool is_odd, is_encrypted;
};

static struct result read_in_pieces(const char *data, size_t size, size_t a, size_t b) {
	struct slab *slab = slab_open(1 << 20);
	struct attachment_facts facts = {0};
	struct attachment attachment;
	struct result result = {0};

	attachment_begin(&attachment, &facts, NULL);
	for (size_t at = 0, piece = a; at < size; at += piece, piece = b) {
		piece = piece > size - at ? size - at : piece;
		uint8_t *block = malloc(piece + !piece);
		memcpy(block, data + at, piece);
		attachment_data(&attachment, slab, block, piece);
		free(block);
	}
	attachment_end(&attachment, slab);
	for (int i = 0; i < facts.n_members; i++) {
		strcat(result.members, facts.members[i].text);
		strcat(result.members, " ");
	}
	result.type = facts.content_type;
	result.total = facts.members_total;
	result.is_odd = attachment.is_odd;
	result.is_encrypted = facts.is_encrypted;
	attachment_facts_free(&facts, slab);
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
	return result;
}

static void
check(const char *data, size_t size, const char *members, bool is_odd, bool is_encrypted) {
	for (size_t a = 1; a <= size; a++) {
		struct result result = read_in_pieces(data, size, a, a == 1 ? 1 : size);

		assert_string_equal(result.type, "application/zip");
		assert_string_equal(result.members, members);
		assert_int_equal(result.is_odd, is_odd);
		assert_int_equal(result.is_encrypted, is_encrypted);
	}
}

static void m20_members_are_listed_and_nothing_is_unpacked(void **state) {
	check(sized, sizeof(sized) - 1, "a.txt dir/č.exe ", false, false);
	check(streamed, sizeof(streamed) - 1, "a.txt b.js ", false, false);
}

static void m22_a_directory_that_says_something_else_is_odd(void **state) {
	char *data = malloc(sizeof(sized));
	char *last;

	memcpy(data, sized, sizeof(sized));
	// The name in the directory, which comes last.
	last = data + sizeof(sized) - 6;
	while (memcmp(last, "a.txt", 5) != 0)
		last--;
	*last = 'b';
	check(data, sizeof(sized) - 1, "a.txt dir/č.exe b.txt ", true, false);
	assert_int_equal(
		read_in_pieces(data, sizeof(sized) - 1, 7, 7).total, 3
	); // as many as are listed
	free(data);
}

static void an_archive_without_its_end_is_odd(void **state) {
	check(sized, sizeof(sized) - 30, "a.txt dir/č.exe ", true, false);
}

// Little-endian fields of a zip made on the spot.
static char *put16(char *at, unsigned value) {
	at[0] = (char)value;
	at[1] = (char)(value >> 8);
	return at + 2;
}

static char *put32(char *at, uint32_t value) {
	return put16(put16(at, value & 0xffff), value >> 16);
}

static char *local_put(char *at, const char *name, uint32_t size, unsigned n_extra) {
	at = put32(at, 0x04034b50);
	memset(at, 0, 22);
	put32(at + 14, size);
	put16(at + 22, (unsigned)strlen(name));
	at = put16(at + 24, n_extra);
	return stpcpy(at, name);
}

static char *central_put(char *at, const char *name, uint32_t offset) {
	at = put32(at, 0x02014b50);
	memset(at, 0, 42);
	put16(at + 24, (unsigned)strlen(name));
	put32(at + 38, offset);
	return stpcpy(at + 42, name);
}

static char *end_put(char *at, unsigned n, uint32_t size, uint32_t offset, unsigned n_comment) {
	at = put32(at, 0x06054b50);
	memset(at, 0, 4);
	put16(at + 4, n);
	put16(at + 6, n);
	put32(at + 8, size);
	put32(at + 12, offset);
	return put16(at + 16, n_comment);
}

static void m20_members_that_share_their_data_are_odd(void **state) {
	char zip[2000], *at = local_put(zip, "a", 3, 0);

	at = stpcpy(at, "abc");
	for (int i = 0; i < 20; i++) // twenty names for one member
		at = central_put(at, (char[]){(char)('a' + i), '\0'}, 0);
	at = end_put(at, 20, 0, 0, 0);
	struct result result = read_in_pieces(zip, (size_t)(at - zip), 7, 7);
	assert_true(result.is_odd);
	assert_string_equal(result.members, "a b c d e f g h i j k l m n o p ");
}

static void m21_ends_that_contradict_or_overflow_are_survived(void **state) {
	static const struct {
		const char *name;
		unsigned n, n_comment;
		uint32_t size, offset;
		bool has_second, is_odd;
	} cases[] = {
		{"honest", 1, 0, 47, 34, false, false},
		{"offset and size that wrap", 1, 0, 0xfffffff0, 0xfffffff0, false, false},
		{"as many as can be said", 0xffff, 0, 47, 34, false, false},
		{"an end in the comment", 1, 22, 47, 34, true, false},
		{"two ends", 1, 0, 47, 34, true, false},
		{"a comment that is missing", 1, 0xffff, 47, 34, false, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char zip[300], *at = stpcpy(local_put(zip, "a", 3, 0), "abc");
		at = central_put(at, "a", 0);
		at = end_put(at, cases[i].n, cases[i].size, cases[i].offset, cases[i].n_comment);
		if (cases[i].has_second)
			at = end_put(at, 0, 0, 0, 0);
		for (size_t piece = 1; piece < 40; piece++) {
			struct result result
				= read_in_pieces(zip, (size_t)(at - zip), piece, piece);
			assert_string_equal(result.members, "a ");
			assert_int_equal(result.is_odd, cases[i].is_odd);
		}
	}
}

static void m21_lengths_beyond_the_end_and_tiny_archives_are_survived(void **state) {
	char zip[300], *end = stpcpy(local_put(zip, "a", 3, 0xffff), "abc");

	for (size_t size = 4; size <= (size_t)(end - zip); size++) {
		struct result result = read_in_pieces(zip, size, 1, 5);
		assert_string_equal(result.type, "application/zip");
		assert_true(result.is_odd);
	}
	// An extra field of 65,535 bytes that are not there; then sizes of zip64.
	end = stpcpy(local_put(zip, "b", UINT32_MAX, 0), "data");
	assert_true(read_in_pieces(zip, (size_t)(end - zip), 3, 3).is_odd);
	for (size_t size = 1; size < 22; size++)
		read_in_pieces("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", size, 1, 1);
}

static void members_beyond_the_limit_are_counted(void **state) {
	for (int n = ATTACHMENT_MEMBERS_MAX - 1; n <= ATTACHMENT_MEMBERS_MAX + 1; n++) {
		char zip[4000], *at = zip;
		for (int i = 0; i < n; i++)
			at = local_put(at, (char[]){(char)('a' + i), '\0'}, 0, 0);
		for (int i = 0; i < n; i++)
			at = central_put(at, (char[]){(char)('a' + i), '\0'}, 0);
		at = end_put(at, (unsigned)n, 0, 0, 0);
		struct result result = read_in_pieces(zip, (size_t)(at - zip), 100, 1);
		assert_int_equal(result.total, n);
		assert_int_equal(
			strlen(result.members),
			2 * (n < ATTACHMENT_MEMBERS_MAX ? n : ATTACHMENT_MEMBERS_MAX)
		);
		assert_false(result.is_odd);
	}
}

static void the_type_is_told_by_the_first_bytes(void **state) {
	static const struct {
		const char *data, *type;
	} cases[] = {
		{"%PDF-1.7", "application/pdf"},
		{"MZ\x90\x01", "application/x-dosexec"},
		{"MZV \xc4\x8cR, zpr\xc3\xa1va", "text/plain"},
		{"BMW, offer", "text/plain"},
		{"\x7f"
		 "ELF",
		 "application/x-elf"},
		{"Rar!\x1a\7", "application/vnd.rar"},
		{"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
		{"\x1f\x8b\x08", "application/gzip"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"},
		{"{\\rtf1", "application/rtf"},
		{"\x89PNG\r\n\x1a\n", "image/png"},
		{"\xff\xd8\xff\xe0", "image/jpeg"},
		{"  <!DOCTYPE HTML>", "text/html"},
		{"<Script>", "text/html"},
		{"hello", "text/plain"},
		{"\x01\x02", "application/octet-stream"},
		{"", "text/plain"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			attachment_type((const uint8_t *)cases[i].data, strlen(cases[i].data)),
			cases[i].type
		);
}

static void the_hash_is_of_all_bytes_however_they_come(void **state) {
	static uint8_t data[3 * SHA256_BATCH_SIZE + 1];
	struct slab *slab = slab_open(1 << 20);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t size = SHA256_BATCH_SIZE - 1; size <= sizeof(data);
	     size += SHA256_BATCH_SIZE + 1)
		for (size_t piece = 1; piece < 10000; piece = 3 * piece + 1) {
			struct attachment_facts facts = {0};
			struct attachment attachment;
			uint8_t expected[SHA256_SIZE];
			attachment_begin(&attachment, &facts, NULL);
			for (size_t at = 0; at < size; at += piece)
				attachment_data(
					&attachment,
					slab,
					data + at,
					piece < size - at ? piece : size - at
				);
			attachment_end(&attachment, slab);
			SHA256(data, size, expected);
			assert_memory_equal(facts.sha256, expected, SHA256_SIZE);
			assert_int_equal(facts.bytes, size);
		}
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
}

static void an_encrypted_member_is_told(void **state) {
	char *data = malloc(sizeof(sized));

	memcpy(data, sized, sizeof(sized));
	data[6] |= 1; // in the local header alone, so that the directory differs
	check(data, sizeof(sized) - 1, "a.txt dir/č.exe ", true, true);
	free(data);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m20_members_are_listed_and_nothing_is_unpacked),
		cmocka_unit_test(m22_a_directory_that_says_something_else_is_odd),
		cmocka_unit_test(an_archive_without_its_end_is_odd),
		cmocka_unit_test(m20_members_that_share_their_data_are_odd),
		cmocka_unit_test(m21_ends_that_contradict_or_overflow_are_survived),
		cmocka_unit_test(m21_lengths_beyond_the_end_and_tiny_archives_are_survived),
		cmocka_unit_test(members_beyond_the_limit_are_counted),
		cmocka_unit_test(the_type_is_told_by_the_first_bytes),
		cmocka_unit_test(the_hash_is_of_all_bytes_however_they_come),
		cmocka_unit_test(an_encrypted_member_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
