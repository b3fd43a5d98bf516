// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

// Of each size that is compared another way, with characters that differ from others in a letter's case bit.
#define WORDS(WORD)                                                                                \
	WORD("*")                                                                                  \
	WORD("OK")                                                                                 \
	WORD("UID")                                                                                \
	WORD("BODY")                                                                               \
	WORD("BODY[")                                                                              \
	WORD("[@`{}~")                                                                             \
	WORD("FETCH (")                                                                            \
	WORD("PREAUTH ")                                                                           \
	WORD("BODY.PEEK")                                                                          \
	WORD("READ-WRITE")                                                                         \
	WORD("AUTHENTICATE")                                                                       \
	WORD("UTF8=ACCEPT_[2]")                                                                    \
	WORD("SIXTEEN {LETTERS")                                                                   \
	WORD("more than sixteen letters")

static bool oracle(const uint8_t *at, const uint8_t *end, const char *word) {
	return (size_t)(end - at) >= strlen(word)
		&& strncasecmp((const char *)at, word, strlen(word)) == 0;
}

// The word itself in some case, mostly with one byte of it another.
static void text_make(uint8_t *text, const char *word) {
	size_t size = strlen(word);

	memcpy(text, word, size);
	for (size_t i = 0; i < size; i++)
		if (((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z') && rand() % 2)
			text[i] ^= 0x20;
	if (rand() % 4)
		text[(size_t)rand() % size] ^= (uint8_t)(1 << rand() % 8);
}

static void words_are_compared_as_strncasecmp_does(void **) {
#define WORD(word)                                                                                 \
	for (int i = 0; i < 2000; i++) {                                                           \
		size_t size = rand() % 8 ? strlen(word) : (size_t)rand() % (strlen(word) + 1);     \
		uint8_t whole[64], *text = malloc(size + !size);                                   \
		text_make(whole, word);                                                            \
		memcpy(text, whole, size); /* ASan sees a read past its end */                     \
		assert_int_equal(                                                                  \
			word_starts(text, text + size, word), oracle(text, text + size, word)      \
		);                                                                                 \
		free(text);                                                                        \
	}
	WORDS(WORD)
#undef WORD
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_compared_as_strncasecmp_does),
	};
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
