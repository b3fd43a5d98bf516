// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a server says it offers before anybody has logged in, as far as somebody on the way gains by
// taking it out: TLS, and mechanisms to log in. Told by words that all mail protocols share.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum offer {
	OFFER_TLS = 1, // STARTTLS, STLS
	OFFER_AUTH = 2, // AUTH, AUTH=…, SASL
	OFFER_GARBLED = 4, // a word somebody has written over: XXXXXXXX, XXXXXXXA
	OFFER_LISTED = 8, // set by protocols: a list was seen
};

// One word of a list; OFFER_* bits. Any case.
uint8_t offer_word(const void *word, size_t size);
// All words of a text, parted by blanks.
uint8_t offer_words(const void *text, size_t size);
