// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A cursor over the field, small readers on top of it. No recursion: comments nest by a counter.

#include "mime/header_private.h"

#include <string.h>
#include <strings.h>

static bool is_name_char(uint8_t c) {
	return c > 0x20 && c < 0x7f && c != ':'; // RFC 5322 3.6.8, ftext
}

int header_split(
	struct header_slice field,
	struct header_slice *name,
	struct header_slice *value,
	uint32_t *flaws
) {
	const uint8_t *at = field.data, *end = field.data + field.size;

	while (at < end && is_name_char(*at))
		at++;
	*name = (struct header_slice){field.data, (size_t)(at - field.data)};
	if (at < end && header_is_space(*at))
		*flaws |= HEADER_OFF_GRAMMAR;
	while (at < end && header_is_space(*at))
		at++;
	if (name->size == 0 || at == end || *at != ':')
		return -1;
	at++;
	while (at < end && header_is_space(*at))
		at++;
	while (end > at && header_is_space(end[-1]))
		end--;
	*value = (struct header_slice){at, (size_t)(end - at)};
	return 1;
}

static bool slice_is(const uint8_t *data, size_t size, const char *word) {
	return size == strlen(word) && strncasecmp((const char *)data, word, size) == 0;
}

bool header_is(struct header_slice name, const char *word) {
	return slice_is(name.data, name.size, word);
}

// ---- Structured values

void header_comments_skip(struct cursor *at, uint32_t *flaws) {
	size_t depth = 0;

	for (; at->at < at->end; at->at++) {
		uint8_t c = *at->at;

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0 && at->end - at->at > 1)
			at->at++;
		else if (depth == 0 && !header_is_space(c))
			return;
	}
	if (depth > 0)
		*flaws |= HEADER_OFF_GRAMMAR;
}

struct header_word header_first(struct header_slice value, bool has_params, uint32_t *flaws) {
	struct cursor at = {value.data, value.data + value.size};
	struct header_word word = {0};
	size_t n = 0;

	header_comments_skip(&at, flaws);
	for (; at.at < at.end && *at.at != ';' && *at.at != '(' && !header_is_space(*at.at);
	     at.at++) {
		uint8_t c = *at.at;

		if (c < ' ' || c > '~' || c == '"' || n == HEADER_WORD_MAX - 1)
			*flaws |= HEADER_OFF_GRAMMAR;
		else
			word.text[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	header_comments_skip(&at, flaws);
	if (at.at < at.end && (*at.at != ';' || !has_params))
		*flaws |= HEADER_OFF_GRAMMAR;
	return word;
}

// ---- Date

static bool number_read(struct cursor *at, int *number) {
	int n = 0, value = 0;

	for (; at->at < at->end && *at->at >= '0' && *at->at <= '9' && n < 4; n++)
		value = 10 * value + (*at->at++ - '0');
	*number = value;
	return n > 0;
}

// A number and the colon before it.
static bool colon_number(struct cursor *at, int *number) {
	if (at->at == at->end || *at->at != ':')
		return false;
	at->at++;
	return number_read(at, number);
}

static int month_read(struct cursor *at) {
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (at->end - at->at < 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (strncasecmp(months + 3 * i, (const char *)at->at, 3) == 0) {
			at->at += 3;
			return i + 1;
		}
	return 0;
}

// Days since 1970, counted from 1 March so that leap days come last.
static int64_t days_from(int64_t year, int month, int day) {
	int64_t y = month > 2 ? year : year - 1;
	int from_march = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

bool header_date(struct header_slice value, int64_t *seconds) {
	struct cursor at = {value.data, value.data + value.size};
	int day, month, year, hour, minute, second = 0, zone = 0;
	uint32_t flaws = 0;
	bool is_west = false;

	header_comments_skip(&at, &flaws);
	while (at.at < at.end
	       && (header_is_space(*at.at) || *at.at == ',' || (*at.at | 0x20) >= 'a'))
		at.at++; // the day of the week
	if (!number_read(&at, &day))
		return false;
	header_comments_skip(&at, &flaws);
	month = month_read(&at);
	header_comments_skip(&at, &flaws);
	if (month == 0 || !number_read(&at, &year))
		return false;
	header_comments_skip(&at, &flaws);
	if (!number_read(&at, &hour) || !colon_number(&at, &minute))
		return false;
	colon_number(&at, &second);
	header_comments_skip(&at, &flaws);
	if (at.at < at.end && (*at.at == '+' || *at.at == '-')) {
		is_west = *at.at++ == '-';
		number_read(&at, &zone);
	}
	if (day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60)
		return false;
	year += year < 50 ? 2000 : year < 1000 ? 1900 : 0; // RFC 5322 4.3
	zone = (zone / 100 * 3600 + zone % 100 * 60) * (is_west ? -1 : 1);
	*seconds = days_from(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
	return true;
}
