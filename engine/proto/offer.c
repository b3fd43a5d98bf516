// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/offer.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

// Firewalls that take a capability out leave the line as long as it was (Cisco's "fixup": X for each
// octet, the last one A when the line is not the list's last).
static bool is_garbled(const char *word, size_t size) {
	size_t n = 0;

	while (n < size && word[n] == 'X')
		n++;
	return n >= 4 && (n == size || (n + 1 == size && word[n] == 'A'));
}

static bool is_word(const char *word, size_t size, const char *name) {
	return size == strlen(name) && strncasecmp(word, name, size) == 0;
}

uint8_t offer_word(const void *data, size_t size) {
	const char *word = data;

	if (is_word(word, size, "STARTTLS") || is_word(word, size, "STLS"))
		return OFFER_TLS;
	if (is_word(word, size, "AUTH") || is_word(word, size, "SASL")
	    || (size > 5 && strncasecmp(word, "AUTH=", 5) == 0))
		return OFFER_AUTH;
	return is_garbled(word, size) ? OFFER_GARBLED : 0;
}

uint8_t offer_words(const void *text, size_t size) {
	const char *at = text, *end = at + size;
	uint8_t offers = 0;

	while (at < end) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		const char *stop = space ? space : end;
		offers |= offer_word(at, (size_t)(stop - at));
		at = stop + 1;
	}
	return offers;
}
