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

struct json {
	char *buffer;
	size_t size, used;
	bool is_full;
	bool wants_comma;
};

void json_open(struct json *json, char *buffer, size_t size);
// key NULL inside an array.
void json_begin_object(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *key);
void json_end_array(struct json *json);
// At most max_chars characters (0: all); returns true when it was cut.
bool json_put_string(
	struct json *json,
	const char *key,
	const char *text,
	size_t size,
	size_t max_chars
);
void json_put_text(struct json *json, const char *key, const char *text); // terminated, not cut
// Cut to 2⁶³−1: readers take no more, and some (Elasticsearch's long) refuse the whole line.
void json_put_u64(struct json *json, const char *key, uint64_t value);
void json_put_i64(struct json *json, const char *key, int64_t value);
// At most decimals (1 … 9) digits behind the point, without the zeros at their end but for one:
// 73.0, 0.9996. What is not a number is 0.0, what is beyond ±10⁹ is cut to that.
void json_put_double(struct json *json, const char *key, double value, int decimals);
void json_put_bool(struct json *json, const char *key, bool value);
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
