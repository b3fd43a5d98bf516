// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/attachment.h"
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

static struct slab *slab;

struct file {
	struct attachment_facts facts;
	struct attachment attachment;
};

static void *file_open(const void *) {
	struct file *file = calloc(1, sizeof(*file));

	attachment_begin(&file->attachment, &file->facts, NULL);
	return file;
}

static void file_data(void *ctx, enum stream_dir, const uint8_t *data, size_t size) {
	attachment_data(&((struct file *)ctx)->attachment, slab, data, size);
}

// "application/zip: a.txt b.txt of 2, encrypted, odd"
static char *file_end(void *ctx) {
	struct file *file = ctx;
	struct attachment_facts *facts = &file->facts;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	attachment_end(&file->attachment, slab);
	fprintf(out, "%s:", facts->content_type);
	for (int i = 0; i < facts->n_members; i++)
		fprintf(out, " %s", facts->members[i].text);
	fprintf(out, " of %u", facts->members_total);
	fputs(facts->is_encrypted ? ", encrypted" : "", out);
	fputs(file->attachment.is_odd ? ", odd" : "", out);
	attachment_facts_free(facts, slab);
	fputs(slab_used(slab) > 0 ? " leaked" : "", out);
	fclose(out);
	free(file);
	return text;
}

static enum beside_as file_as(const void *) {
	return BESIDE_ZIP;
}

static const struct play_reader file_reader = {
	.as = file_as,
	.open = file_open,
	.data = file_data,
	.end = file_end,
};

static void check(const char *data, size_t size, const char *wanted) {
	char *found = play_check_bytes(wanted, &file_reader, NULL, data, size);

	assert_non_null(found);
	assert_string_equal(found, wanted);
	free(found);
}

static bool is_odd(const char *data, size_t size) {
	char *found = play_check_bytes("odd?", &file_reader, NULL, data, size);
	bool is_odd;

	assert_non_null(found);
	assert_int_equal(strncmp(found, "application/zip: ", 17), 0);
	is_odd = strstr(found, ", odd") != NULL;
	free(found);
	return is_odd;
}

static void m20_members_are_listed_and_nothing_is_unpacked(void **state) {
	check(sized, sizeof(sized) - 1, "application/zip: a.txt dir/č.exe of 2");
	check(streamed, sizeof(streamed) - 1, "application/zip: a.txt b.js of 2");
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
	check(data, sizeof(sized) - 1, "application/zip: a.txt dir/č.exe b.txt of 3, odd");
	free(data);
}

static void an_archive_without_its_end_is_odd(void **state) {
	check(sized, sizeof(sized) - 30, "application/zip: a.txt dir/č.exe of 2, odd");
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

// method 0: stored, as it is.
static char *local_put(char *at, const char *name, uint32_t size, unsigned n_extra) {
	at = put32(at, 0x04034b50);
	memset(at, 0, 22);
	put32(at + 14, size);
	put32(at + 18, size);
	put16(at + 22, (unsigned)strlen(name));
	at = put16(at + 24, n_extra);
	return stpcpy(at, name);
}

static char *central_put(char *at, const char *name, uint32_t size, uint32_t offset) {
	at = put32(at, 0x02014b50);
	memset(at, 0, 42);
	put32(at + 16, size);
	put32(at + 20, size);
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
		at = central_put(at, (char[]){(char)('a' + i), '\0'}, 3, 0);
	at = end_put(at, 20, 0, 0, 0);
	check(zip, (size_t)(at - zip), "application/zip: a b c d e f g h i j k l m n o p of 16, odd"
	);
}

// Sizes of 64 bits stand in an extra field; the data is passed over by them, whatever it looks like.
static char *zip64_put(char *at, uint64_t size, uint64_t packed_size, bool has_others) {
	if (has_others) // as Info-ZIP's user and group
		at = put32(put16(put16(at, 0x7875), 4), 0xffffffff);
	at = put16(put16(at, 1), 16);
	at = put32(put32(at, (uint32_t)size), (uint32_t)(size >> 32));
	return put32(put32(at, (uint32_t)packed_size), (uint32_t)(packed_size >> 32));
}

static void m20_sizes_of_zip64_are_read(void **state) {
	for (int has_others = 0; has_others <= 1; has_others++)
		for (int is_lie = 0; is_lie <= 1; is_lie++) {
			unsigned n_extra = has_others ? 28 : 20;
			char zip[400], inner[40], *at = local_put(zip, "a", UINT32_MAX, n_extra);
			size_t n = (size_t)(local_put(inner, "no", 0, 0) - inner);

			at = zip64_put(at, n, n, has_others);
			memcpy(at, inner, n); // a member's header inside the data
			at += n;
			char *central = at;
			at = central_put(at, "a", is_lie ? UINT32_MAX : (uint32_t)n, 0);
			if (is_lie) { // terabytes, says the directory
				put16(central + 30, 20);
				at = zip64_put(at, UINT64_C(281) << 40, n, false);
			}
			at = put32(at, 0x06064b50); // zip64's end, and the way to it
			memset(at, 0, 72);
			at = end_put(at + 72, 0xffff, UINT32_MAX, UINT32_MAX, 0);
			check(zip,
			      (size_t)(at - zip),
			      is_lie ? "application/zip: a of 1, odd" : "application/zip: a of 1");
		}
	// Announced, and not there: what follows is looked for.
	char zip[200], *at = stpcpy(local_put(zip, "a", UINT32_MAX, 0), "data");
	at = stpcpy(local_put(at, "b", 1, 0), "x");
	check(zip, (size_t)(at - zip), "application/zip: a b of 2, odd");
	// Of more than 4 GiB, which do not come: what looks like a member behind the first bytes is its data.
	at = local_put(zip, "a", UINT32_MAX, 20);
	at = zip64_put(at, (UINT64_C(1) << 32) + 4, (UINT64_C(1) << 32) + 4, false);
	at = local_put(stpcpy(at, "data"), "no", 0, 0);
	check(zip, (size_t)(at - zip), "application/zip: a of 1, odd");
	// A bomb that says so is listed, and nothing of it is made.
	at = local_put(zip, "0", UINT32_MAX, 20);
	at = zip64_put(at, UINT64_C(4500) << 40, 100, false);
	check(zip, (size_t)(at - zip), "application/zip: 0 of 1, odd");
}

static void m21_ends_that_contradict_or_overflow_are_survived(void **state) {
	static const struct {
		const char *name;
		unsigned n, n_comment;
		uint32_t size, offset;
		bool has_second;
	} cases[] = {
		{"honest", 1, 0, 47, 34, false},
		{"offset and size that wrap", 1, 0, 0xfffffff0, 0xfffffff0, false},
		{"as many as can be said", 0xffff, 0, 47, 34, false},
		{"an end in the comment", 1, 22, 47, 34, true},
		{"two ends", 1, 0, 47, 34, true},
		{"a comment that is missing", 1, 0xffff, 47, 34, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char zip[300], *at = stpcpy(local_put(zip, "a", 3, 0), "abc");
		at = central_put(at, "a", 3, 0);
		at = end_put(at, cases[i].n, cases[i].size, cases[i].offset, cases[i].n_comment);
		if (cases[i].has_second)
			at = end_put(at, 0, 0, 0, 0);
		check(zip, (size_t)(at - zip), "application/zip: a of 1");
	}
}

static void m21_lengths_beyond_the_end_and_tiny_archives_are_survived(void **state) {
	char zip[300], *end = stpcpy(local_put(zip, "a", 3, 0xffff), "abc");

	for (size_t size = 4; size <= (size_t)(end - zip); size++) {
		assert_true(is_odd(zip, size));
	}
	// What comes within the 65,535 bytes of an extra field is no member.
	end = local_put(end, "no", 0, 0);
	check(zip, (size_t)(end - zip), "application/zip: a of 1, odd");
	// Sizes of zip64 that are not there.
	end = stpcpy(local_put(zip, "b", UINT32_MAX, 0), "data");
	assert_true(is_odd(zip, (size_t)(end - zip)));
	for (size_t size = 1; size < 22; size++)
		free(play_check_bytes(
			"tiny",
			&file_reader,
			NULL,
			"PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
			size
		));
}

static void m21_members_beyond_the_limit_are_counted(void **state) {
	static const int counts[] = {
		ATTACHMENT_MEMBERS_MAX - 1,
		ATTACHMENT_MEMBERS_MAX,
		ATTACHMENT_MEMBERS_MAX + 1,
		100 * ATTACHMENT_MEMBERS_MAX,
	};
	static char zip[100 * ATTACHMENT_MEMBERS_MAX * 100];

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		char *at = zip, name[20], wanted[200] = "application/zip:", *to = wanted + 16;
		for (int i = 0; i < 2 * counts[c]; i++) {
			sprintf(name, "%x", i % counts[c]);
			at = i < counts[c] ? local_put(at, name, 0, 0)
					   : central_put(at, name, 0, 0);
			if (i < counts[c] && i < ATTACHMENT_MEMBERS_MAX)
				to += sprintf(to, " %s", name);
		}
		at = end_put(at, (unsigned)counts[c], 0, 0, 0);
		sprintf(to, " of %d", counts[c]);
		check(zip, (size_t)(at - zip), wanted);
	}
}

static void m22_sizes_and_methods_that_contradict_are_odd(void **state) {
	static const struct {
		size_t at; // of sized[]
		char value;
	} changes[] = {
		{8, 0}, // stored, says the first local header: "Zombie Zip"
		{8, 12}, // by another method
		{18, 9}, // shorter
		{22, 12}, // longer when unpacked
		{6, 8}, // sizes behind the data
	};
	// The directory's first record, and what of it differs.
	static const struct {
		size_t at;
		char value;
	} of_directory[] = {{10, 0}, {20, 9}, {24, 12}, {8, 8}};
	const char *central = memmem(sized, sizeof(sized), "PK\1\2", 4);
	char data[sizeof(sized)], zip[200], *at;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(data, sized, sizeof(sized));
		data[changes[i].at] = changes[i].value;
		assert_true(is_odd(data, sizeof(sized) - 1));
	}
	for (size_t i = 0; i < sizeof(of_directory) / sizeof(of_directory[0]); i++) {
		memcpy(data, sized, sizeof(sized));
		data[(size_t)(central - sized) + of_directory[i].at] = of_directory[i].value;
		assert_true(is_odd(data, sizeof(sized) - 1));
	}
	// Both say stored, of data that becomes larger.
	at = stpcpy(local_put(zip, "a", 3, 0), "abc");
	put32(zip + 22, 100);
	char *record = at;
	at = central_put(at, "a", 3, 0);
	put32(record + 24, 100);
	at = end_put(at, 1, 0, 0, 0);
	assert_true(is_odd(zip, (size_t)(at - zip)));
	// Honest, with sizes behind the data: the local header has none.
	assert_false(is_odd(streamed, sizeof(streamed) - 1));
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
}

static void an_encrypted_member_is_told(void **state) {
	char *data = malloc(sizeof(sized));

	memcpy(data, sized, sizeof(sized));
	data[6] |= 1; // in the local header alone, so that the directory differs
	check(data, sizeof(sized) - 1, "application/zip: a.txt dir/č.exe of 2, encrypted, odd");
	free(data);
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
		cmocka_unit_test(m20_members_are_listed_and_nothing_is_unpacked),
		cmocka_unit_test(m22_a_directory_that_says_something_else_is_odd),
		cmocka_unit_test(an_archive_without_its_end_is_odd),
		cmocka_unit_test(m20_members_that_share_their_data_are_odd),
		cmocka_unit_test(m20_sizes_of_zip64_are_read),
		cmocka_unit_test(m22_sizes_and_methods_that_contradict_are_odd),
		cmocka_unit_test(m21_ends_that_contradict_or_overflow_are_survived),
		cmocka_unit_test(m21_lengths_beyond_the_end_and_tiny_archives_are_survived),
		cmocka_unit_test(m21_members_beyond_the_limit_are_counted),
		cmocka_unit_test(the_type_is_told_by_the_first_bytes),
		cmocka_unit_test(the_hash_is_of_all_bytes_however_they_come),
		cmocka_unit_test(an_encrypted_member_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
