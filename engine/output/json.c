// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/json.h"

#include "output/utf8.h"

#include <arpa/inet.h>
#include <math.h>
#include <string.h>

enum { IP_TEXT_SIZE = INET6_ADDRSTRLEN };

static void put(struct json *json, const void *bytes, size_t size) {
	if (!json->is_full && size <= json->size - json->used) {
		memcpy(json->buffer + json->used, bytes, size);
		json->used += size;
	} else {
		json->is_full = true;
	}
}

static void put_char(struct json *json, char c) {
	put(json, &c, 1);
}

// What stands in front of every value.
static void put_key(struct json *json, const char *key) {
	if (json->wants_comma)
		put_char(json, ',');
	json->wants_comma = true;
	if (key) {
		put_char(json, '"');
		put(json, key, strlen(key));
		put(json, "\":", 2);
	}
}

void json_open(struct json *json, char *buffer, size_t size) {
	*json = (struct json){.buffer = buffer, .size = size};
}

void json_begin_tight(struct json *json, const char *key, char c) {
	put_key(json, key);
	put_char(json, c);
	json->wants_comma = false;
}

void json_put_bare_tight(struct json *json, const char *key, const char *text, size_t size) {
	put_key(json, key);
	put(json, text, size);
}

// 0x80 in each byte of the word that cannot be copied as it is: below space, quote, backslash, DEL
// and everything that is not ASCII. A borrow may also mark the byte above such a one; never a lower
// one, so the lowest mark is right.
static uint64_t special_bytes(uint64_t word) {
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\',
		 del = word ^ ones * 0x7f;

	return ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones) | word)
		& tops;
}

// How many bytes from the start need no look: eight at a time, as nearly all text is plain.
static size_t plain_size(const uint8_t *text, size_t size) {
	size_t i = 0;

	for (uint64_t word; size - i >= 8; i += 8) {
		memcpy(&word, text + i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		word = special_bytes(word);
		if (word)
			return i + __builtin_ctzll(word) / 8;
	}
	while (i < size && text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\')
		i++;
	return i;
}

static void put_escaped(struct json *json, uint32_t value) {
	static const char short_form[] = {
		['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't',
	};
	static const char digits[] = "0123456789abcdef";
	char escape[6] = {'\\', 'u'};

	if (value < sizeof(short_form) && short_form[value]) {
		escape[1] = short_form[value];
		put(json, escape, 2);
		return;
	}
	for (int i = 0; i < 4; i++)
		escape[2 + i] = digits[value >> (12 - 4 * i) & 15];
	put(json, escape, 6);
}

// One character that is not plain. Returns the bytes it took.
static size_t put_special(struct json *json, const uint8_t *text, size_t left) {
	int len = utf8_next(text, left);
	uint32_t value;

	if (len < 0) {
		put(json, "\xef\xbf\xbd", 3); // U+FFFD
		return (size_t)-len;
	}
	value = utf8_value(text, len);
	if (value == '"' || value == '\\' || utf8_is_control(value))
		put_escaped(json, value);
	else
		put(json, text, (size_t)len);
	return (size_t)len;
}

// Marks of eight bytes, the first one's lowest; copies them.
static uint64_t copy_word(char *to, const uint8_t *text) {
	uint64_t word;

	memcpy(&word, text, 8);
	memcpy(to, &word, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return special_bytes(word);
}

// The plain beginning of a text, copied; what is behind it may be written, too. Returns its size: all of
// it, mostly. There is room for all of it.
static size_t copy_plain(char *to, const uint8_t *text, size_t size) {
	size_t i = 0;
	uint64_t marks;

	for (; size - i >= 8; i += 8)
		if ((marks = copy_word(to + i, text + i)) != 0)
			return i + __builtin_ctzll(marks) / 8;
	if (size >= 8 && i < size) { // the last eight once more: those in front of i are plain
		marks = copy_word(to + size - 8, text + size - 8);
		return marks ? size - 8 + __builtin_ctzll(marks) / 8 : size;
	}
	for (; i < size && text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\';
	     i++)
		to[i] = (char)text[i];
	return i;
}

bool json_put_string(
	struct json *json,
	const char *key,
	const char *text,
	size_t size,
	size_t max_chars
) {
	const uint8_t *p = (const uint8_t *)text, *end = p + size;
	size_t chars = max_chars ? max_chars : SIZE_MAX;

	if (json_has_room(json, json_key_size(key) + size + 2)) {
		char *to = json_key(json, key);

		*to++ = '"';
		p += copy_plain(to, p, size < chars ? size : chars);
		chars -= (size_t)(p - (const uint8_t *)text);
		json_wrote(json, to + (p - (const uint8_t *)text));
	} else {
		put_key(json, key);
		put_char(json, '"');
	}
	while (p < end && chars > 0 && !json->is_full) {
		size_t left = (size_t)(end - p), plain = plain_size(p, left < chars ? left : chars);

		if (plain > 0) {
			put(json, p, plain);
			p += plain;
			chars -= plain;
		} else {
			p += put_special(json, p, left);
			chars--;
		}
	}
	put_char(json, '"');
	return p < end;
}

void json_put_text(struct json *json, const char *key, const char *text) {
	json_put_string(json, key, text, strlen(text), 0);
}

#define DIGITS_10(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"

// 00 to 99
static const char pairs[] = DIGITS_10("0") DIGITS_10("1") DIGITS_10("2") DIGITS_10("3")
	DIGITS_10("4") DIGITS_10("5") DIGITS_10("6") DIGITS_10("7") DIGITS_10("8") DIGITS_10("9");

static void put_pair(char *p, unsigned value) {
	memcpy(p, pairs + 2 * value, 2);
}

// Writes value backwards from end, at least min digits. Returns where it begins.
static char *digits_before(char *end, uint64_t value, int min) {
	for (; value >= 10; value /= 100, min -= 2)
		put_pair(end -= 2, (unsigned)(value % 100));
	for (; value > 0 || min > 0; value = 0, min--)
		*--end = (char)('0' + value);
	return end;
}

char *json_digits(char *p, uint64_t value) {
	char text[20], *end = text + sizeof(text), *begin;

	if (value < 100) {
		put_pair(p, (unsigned)value);
		return p + 2;
	}
	begin = digits_before(end, value < INT64_MAX ? value : INT64_MAX, 1);
	memcpy(p, begin, (size_t)(end - begin));
	return p + (end - begin);
}

void json_put_u64_tight(struct json *json, const char *key, uint64_t value) {
	char text[20], *end = value < 10 ? text + 1 : json_digits(text, value);

	text[0] = value < 10 ? (char)('0' + value) : text[0];
	json_put_bare_tight(json, key, text, (size_t)(end - text));
}

// A value that is ready, of at most 64 bytes.
static void put_bare(struct json *json, const char *key, const char *text, size_t size) {
	char *p;

	if (!json_has_room(json, json_key_size(key) + size)) {
		json_put_bare_tight(json, key, text, size);
		return;
	}
	p = json_key(json, key);
	memcpy(p, text, size);
	json_wrote(json, p + size);
}

void json_put_i64(struct json *json, const char *key, int64_t value) {
	char text[20], *end = text + sizeof(text);
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char *begin = digits_before(end, magnitude, 1);

	if (value < 0)
		*--begin = '-';
	put_bare(json, key, begin, (size_t)(end - begin));
}

void json_put_double(struct json *json, const char *key, double value, int decimals) {
	char text[24], *end = text + sizeof(text), *begin, *point;
	uint64_t power = 1, scaled;

	if (isnan(value))
		value = 0;
	if (value > 1e9)
		value = 1e9;
	if (value < -1e9)
		value = -1e9;
	for (int i = 0; i < decimals; i++)
		power *= 10;
	scaled = (uint64_t)(fabs(value) * (double)power + 0.5);

	begin = digits_before(end, scaled % power, decimals);
	*--begin = '.';
	point = begin;
	while (end > point + 2 && end[-1] == '0')
		end--;
	begin = digits_before(begin, scaled / power, 1);
	if (value < 0 && scaled > 0)
		*--begin = '-';
	put_bare(json, key, begin, (size_t)(end - begin));
}

// Days since 1970 to year, month, day: years begin in March, so that the leap day is their last
// (Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
static void civil_date(uint64_t days, unsigned *year, unsigned *month, unsigned *day) {
	uint64_t shifted = days + 719468;
	unsigned era = (unsigned)(shifted / 146097), of_era = (unsigned)(shifted % 146097);
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned from_march = (5 * of_year + 2) / 153;

	*day = of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = year_of_era + era * 400 + (*month <= 2);
}

static void put_time(struct json *json, const char *key, uint64_t time_ns, int decimals) {
	static const char form[] = "\"0000-00-00T00:00:00.";
	uint64_t seconds = time_ns / 1000000000;
	unsigned of_day = (unsigned)(seconds % 86400), year, month, day;
	unsigned fraction = (unsigned)(time_ns % 1000000000);
	char text[sizeof(form) - 1 + 9 + 2];

	civil_date(seconds / 86400, &year, &month, &day);
	memcpy(text, form, sizeof(form) - 1);
	put_pair(text + 1, year / 100 % 100);
	put_pair(text + 3, year % 100);
	put_pair(text + 6, month);
	put_pair(text + 9, day);
	put_pair(text + 12, of_day / 3600);
	put_pair(text + 15, of_day / 60 % 60);
	put_pair(text + 18, of_day % 60);
	put_pair(text + 21, fraction / 10000000);
	put_pair(text + 23, fraction / 100000 % 100);
	put_pair(text + 25, fraction / 1000 % 100);
	if (decimals == 9)
		digits_before(text + 30, fraction % 1000, 3);
	memcpy(text + 21 + decimals, "Z\"", 2);
	put_bare(json, key, text, (size_t)(21 + decimals + 2));
}

void json_put_time(struct json *json, const char *key, uint64_t time_ns) {
	put_time(json, key, time_ns, 6);
}

void json_put_time_ns(struct json *json, const char *key, uint64_t time_ns) {
	put_time(json, key, time_ns, time_ns % 1000 ? 9 : 6);
}

void json_put_ip(struct json *json, const char *key, const uint8_t *addr, int family) {
	char text[IP_TEXT_SIZE + 2], *p = text;

	*p++ = '"';
	if (family == 4) {
		for (int i = 0; i < 4; i++) {
			if (addr[i] < 10)
				*p++ = (char)('0' + addr[i]);
			else
				p = json_digits(p, addr[i]);
			*p++ = i < 3 ? '.' : '"';
		}
	} else {
		inet_ntop(AF_INET6, addr, p, IP_TEXT_SIZE);
		p += strlen(p);
		*p++ = '"';
	}
	put_bare(json, key, text, (size_t)(p - text));
}

void json_uuid_text(const uint8_t id[16], char text[37]) {
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[id[i] >> 4];
		*text++ = digits[id[i] & 15];
	}
	*text = '\0';
}

void json_put_uuid(struct json *json, const char *key, const uint8_t id[16]) {
	char text[37];

	json_uuid_text(id, text);
	json_put_word(json, key, text);
}
