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

	attachment_begin(&attachment, &facts);
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
	check(data, sizeof(sized) - 1, "a.txt dir/č.exe ", true, false);
	free(data);
}

static void an_archive_without_its_end_is_odd(void **state) {
	check(sized, sizeof(sized) - 30, "a.txt dir/č.exe ", true, false);
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
		cmocka_unit_test(an_encrypted_member_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
