// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An excerpt is for the eyes of analysts who may not read the mail: it shows why the rule fired, and nothing
// that could be used.

#include "match/found.h"

#include "match/validate.h"
#include "output/utf8.h"
#include "siphash.h"

#include <string.h>

enum {
	SHOWN_FIRST = 2, // characters of what is masked
	SHOWN_LAST = 2,
	DIGITS_MAX = 4, // in a row that are shown
	WORD_MAX = 15, // characters of a word of letters and digits mixed that are shown
};

bool found_values_add(struct found_values *values, uint32_t hash) {
	for (uint32_t i = 0; i < values->n; i++)
		if (values->hash[i] == hash)
			return false;
	if (values->n == RULE_DISTINCT_MAX)
		return false;
	values->hash[values->n++] = hash;
	return true;
}

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

// Numbers are the same however they are grouped; of words every byte counts.
uint32_t found_value(const struct rule *rule, const struct scan_hit *hit, const uint64_t key[2]) {
	uint8_t text[VALIDATE_WINDOW], value[VALIDATE_WINDOW];
	size_t size = scan_hit_text(hit, text), n = 0;
	struct validate_span span;

	if (validate(rule->validate, text, size, &span) < VALIDATE_RIGHT)
		return 0;
	for (size_t i = span.from; i < span.to; i++)
		if (rule->validate == VALIDATE_NOTHING || is_digit(text[i]) || is_letter(text[i]))
			value[n++] = text[i];
	return (uint32_t)siphash(key, value, n);
}

static void stars(uint8_t *text, size_t from, size_t to) {
	for (size_t i = from; i < to; i++)
		if (text[i] > ' ')
			text[i] = '*';
}

// All but the ends; of what is short, all.
static void mask(uint8_t *text, struct validate_span span) {
	if (span.to - span.from <= 2 * (SHOWN_FIRST + SHOWN_LAST))
		stars(text, span.from, span.to);
	else
		stars(text, span.from + SHOWN_FIRST, span.to - SHOWN_LAST);
}

// The end of the run of letters and digits that begins at from.
static size_t run_end(const uint8_t *text, size_t from, size_t size, bool *is_mixed_r) {
	size_t n_digits = 0, n_letters = 0, to = from;

	for (; to < size && (is_digit(text[to]) || is_letter(text[to])); to++) {
		n_digits += is_digit(text[to]);
		n_letters += is_letter(text[to]);
	}
	*is_mixed_r = n_digits > 1 && n_letters > 1;
	return to;
}

static void secrets_mask(uint8_t *text, size_t size) {
	for (size_t from = 0; from < size;) {
		size_t n = 0, to = from;
		bool is_mixed;

		while (to < size && (is_digit(text[to]) || text[to] == ' ' || text[to] == '-'))
			n += is_digit(text[to++]);
		if (n > DIGITS_MAX) {
			mask(text, (struct validate_span){from, to});
			from = to;
			continue;
		}
		to = run_end(text, from, size, &is_mixed);
		if (is_mixed && to - from > WORD_MAX)
			mask(text, (struct validate_span){from, to});
		from = to > from ? to : from + 1;
	}
}

// UTF-8 of what is any bytes: what is neither text nor a character becomes a question mark.
static void text_write(const uint8_t *text, size_t size, char excerpt_r[FOUND_EXCERPT_SIZE]) {
	size_t used = 0;

	for (size_t i = 0; i < size && used + 5 < FOUND_EXCERPT_SIZE;) {
		int n = utf8_next(text + i, size - i);

		if (n <= 0 || utf8_is_control(utf8_value(text + i, n))) {
			excerpt_r[used++] = text[i] == '\t' ? ' ' : '?';
			i += (size_t)(n > 0 ? n : -n);
			continue;
		}
		memcpy(excerpt_r + used, text + i, (size_t)n);
		used += (size_t)n;
		i += (size_t)n;
	}
	excerpt_r[used] = '\0';
}

void found_excerpt(
	const struct rule *rule,
	const struct scan_hit *hit,
	char excerpt_r[FOUND_EXCERPT_SIZE]
) {
	uint8_t text[VALIDATE_WINDOW];
	size_t size = scan_hit_text(hit, text), from;
	struct validate_span span;

	excerpt_r[0] = '\0';
	if (!rule->has_excerpt || validate(rule->validate, text, size, &span) < VALIDATE_RIGHT)
		return;
	if (strcmp(rule->category, "credential-access") == 0)
		stars(text, span.from, span.to);
	else if (rule->validate != VALIDATE_NOTHING)
		mask(text, span);
	while (size > 0 && text[size - 1] <= ' ')
		size--;
	from = size > FOUND_EXCERPT_WINDOW ? size - FOUND_EXCERPT_WINDOW : 0;
	for (size_t i = size; i > from; i--)
		if (text[i - 1] == '\n' || text[i - 1] == '\r')
			from = i;
	// A word whose beginning is not shown could be any part of a secret.
	if (from > 0 && text[from - 1] > ' ')
		while (from < size && text[from] > ' ')
			from++;
	secrets_mask(text + from, size - from);
	text_write(text + from, size - from, excerpt_r);
}

bool found_is_enough(const struct rule *rule, uint64_t count, uint32_t n_values) {
	return count >= rule->count && n_values >= rule->distinct;
}
