// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { TEXTS = 5, TEXT_SIZE_MAX = 5 * SHA256_BATCH_SIZE, PIECE_MAX = 3000 };

static struct text {
	struct sha256 sha256;
	size_t at, size;
	uint8_t data[TEXT_SIZE_MAX];
} texts[TEXTS];

static void text_begin(struct text *text, struct sha256_pair *pair) {
	text->at = 0;
	text->size = (size_t)rand() % (TEXT_SIZE_MAX + 1);
	if (rand() % 4 == 0)
		text->size -= text->size % SHA256_BATCH_SIZE;
	for (size_t i = 0; i < text->size; i++)
		text->data[i] = (uint8_t)rand();
	sha256_begin(&text->sha256, pair);
}

// Its next piece, or its end: then another one begins. Returns whether it was the end.
static int text_go_on(struct text *text, struct sha256_pair *pair) {
	uint8_t hash[SHA256_SIZE], expected[SHA256_SIZE];
	size_t n = (size_t)rand() % PIECE_MAX;

	n = n < text->size - text->at ? n : text->size - text->at;
	sha256_data(&text->sha256, text->data + text->at, n);
	text->at += n;
	if (text->at < text->size)
		return 0;
	sha256_end(&text->sha256, hash);
	SHA256(text->data, text->size, expected);
	assert_memory_equal(hash, expected, SHA256_SIZE);
	text_begin(text, pair);
	return 1;
}

static void many_go_on(struct sha256_pair *pair) {
	uint8_t hash[SHA256_SIZE];
	int n_ended = 0;

	for (int i = 0; i < TEXTS; i++)
		text_begin(&texts[i], pair);
	while (n_ended < 300)
		n_ended += text_go_on(&texts[rand() % TEXTS], pair);
	for (int i = 0; i < TEXTS; i++)
		sha256_end(&texts[i].sha256, hash);
	if (pair)
		assert_null(pair->first);
}

static void texts_at_once_have_the_hashes_they_have_alone(void **) {
	struct sha256_pair pair;

	sha256_pair_init(&pair);
	if (!pair.has_instructions)
		print_message("no SHA instructions here: nothing is hashed side by side\n");
	many_go_on(&pair);
}

static void without_instructions_each_is_hashed_alone(void **) {
	struct sha256_pair pair = {.has_instructions = false};

	many_go_on(&pair);
	many_go_on(NULL);
}

static void a_full_batch_takes_as_much_of_another_with_it(void **) {
	struct sha256_pair pair;
	uint8_t hash[SHA256_SIZE];

	sha256_pair_init(&pair);
	if (!pair.has_instructions)
		skip();
	for (int i = 0; i < 2; i++)
		sha256_begin(&texts[i].sha256, &pair);
	sha256_data(&texts[0].sha256, texts[0].data, 1000);
	sha256_data(&texts[1].sha256, texts[1].data, SHA256_BATCH_SIZE);
	assert_int_equal(texts[0].sha256.n, 1000 % SHA256_CBLOCK);
	assert_int_equal(
		texts[1].sha256.n, SHA256_BATCH_SIZE - 1000 / SHA256_CBLOCK * SHA256_CBLOCK
	);
	for (int i = 0; i < 2; i++)
		sha256_end(&texts[i].sha256, hash);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_at_once_have_the_hashes_they_have_alone),
		cmocka_unit_test(without_instructions_each_is_hashed_alone),
		cmocka_unit_test(a_full_batch_takes_as_much_of_another_with_it),
	};
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
