// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A small JSON writer into a fixed buffer: keys are ours, strings are anybody's. Output is always
// valid JSON in valid UTF-8 (RFC 8259): bytes that are not UTF-8 become U+FFFD, control characters
// are escaped, also those that only a terminal or a line splitter would obey (utf8_is_control).
//
// It never writes past its buffer: the first thing that does not fit sets is_full, and from then on
// nothing more is written. A copy of the struct is a mark: assigning it back takes back everything
// written since, which is how lists end before the buffer does.
//
// Names keep clear of jansson's (json_object, json_string …), which lives in the same program.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json {
	char *buffer;
	size_t size, used;
	bool is_full;
	bool wants_comma;
};

// ---- Where there is room for the longest that a call may write, it is written without a look at each
// piece; json_…_tight() are the same for where there is not.

static inline bool json_has_room(const struct json *json, size_t size) {
	return !json->is_full && json->size - json->used >= size;
}

// What stands in front of every value. Returns where the value begins.
static inline __attribute__((always_inline)) char *json_key(struct json *json, const char *key) {
	char *p = json->buffer + json->used;

	*p = ',';
	p += json->wants_comma;
	json->wants_comma = true;
	if (key) {
		*p++ = '"';
		memcpy(p, key, strlen(key));
		p += strlen(key);
		memcpy(p, "\":", 2);
		p += 2;
	}
	return p;
}

static inline __attribute__((always_inline)) size_t json_key_size(const char *key) {
	return 1 + (key ? strlen(key) + 3 : 0);
}

static inline void json_wrote(struct json *json, const char *end) {
	json->used = (size_t)(end - json->buffer);
}

void json_begin_tight(struct json *json, const char *key, char c);
void json_put_bare_tight(struct json *json, const char *key, const char *text, size_t size);
void json_put_u64_tight(struct json *json, const char *key, uint64_t value);
// Writes value at p, at most 19 digits. Returns their end.
char *json_digits(char *p, uint64_t value);

static inline __attribute__((always_inline)) void
json_begin(struct json *json, const char *key, char c) {
	char *p;

	if (!json_has_room(json, json_key_size(key) + 1)) {
		json_begin_tight(json, key, c);
		return;
	}
	p = json_key(json, key);
	*p = c;
	json_wrote(json, p + 1);
	json->wants_comma = false;
}

static inline void json_end(struct json *json, char c) {
	if (json_has_room(json, 1))
		json->buffer[json->used++] = c;
	else
		json->is_full = true;
	json->wants_comma = true;
}

// ---- For everybody.

void json_open(struct json *json, char *buffer, size_t size);
// key NULL inside an array.
static inline __attribute__((always_inline)) void
json_begin_object(struct json *json, const char *key) {
	json_begin(json, key, '{');
}
static inline void json_end_object(struct json *json) {
	json_end(json, '}');
}
static inline __attribute__((always_inline)) void
json_begin_array(struct json *json, const char *key) {
	json_begin(json, key, '[');
}
static inline void json_end_array(struct json *json) {
	json_end(json, ']');
}
// At most max_chars characters (0: all); returns true when it was cut.
bool json_put_string(
	struct json *json,
	const char *key,
	const char *text,
	size_t size,
	size_t max_chars
);
void json_put_text(struct json *json, const char *key, const char *text); // terminated, not cut
// A word of ours, of characters that stand for themselves in JSON.
static inline __attribute__((always_inline)) void
json_put_word(struct json *json, const char *key, const char *word) {
	size_t size = strlen(word);
	char *p;

	if (!json_has_room(json, json_key_size(key) + size + 2)) {
		json_put_text(json, key, word);
		return;
	}
	p = json_key(json, key);
	*p++ = '"';
	memcpy(p, word, size);
	p[size] = '"';
	json_wrote(json, p + size + 1);
}
// Cut to 2⁶³−1: readers take no more, and some (Elasticsearch's long) refuse the whole line.
static inline __attribute__((always_inline)) void
json_put_u64(struct json *json, const char *key, uint64_t value) {
	char *p;

	if (!json_has_room(json, json_key_size(key) + 19)) {
		json_put_u64_tight(json, key, value);
		return;
	}
	p = json_key(json, key);
	if (value < 10)
		*p++ = (char)('0' + value);
	else
		p = json_digits(p, value);
	json_wrote(json, p);
}
void json_put_i64(struct json *json, const char *key, int64_t value);
// At most decimals (1 … 9) digits behind the point, without the zeros at their end but for one:
// 73.0, 0.9996. What is not a number is 0.0, what is beyond ±10⁹ is cut to that.
void json_put_double(struct json *json, const char *key, double value, int decimals);
static inline __attribute__((always_inline)) void
json_put_bool(struct json *json, const char *key, bool value) {
	const char *text = value ? "true" : "false";
	char *p;

	if (!json_has_room(json, json_key_size(key) + 8)) {
		json_put_bare_tight(json, key, text, value ? 4 : 5);
		return;
	}
	p = json_key(json, key);
	memcpy(p, value ? "true    " : "false   ", 8);
	json_wrote(json, p + (value ? 4 : 5));
}
void json_put_time(
	struct json *json,
	const char *key,
	uint64_t time_ns
); // "2026-01-12T08:01:02.123456Z"
// The same with nine digits where six would lose some.
void json_put_time_ns(struct json *json, const char *key, uint64_t time_ns);
void json_put_ip(struct json *json, const char *key, const uint8_t *addr, int family);
void json_put_uuid(struct json *json, const char *key, const uint8_t id[16]);
// The same as terminated text.
void json_uuid_text(const uint8_t id[16], char text[37]);
