// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Reading activity lines, from whomever: what is absent (or null) is zero, empty or unknown, what is not
// known is passed over, what is too long is cut, and what is wrong is named with its place.

#include "output/activity_json.h"
#include "output/activity_members.h"
#include "output/uid_set.h"
#include "output/utf8.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct reader {
	char where[64]; // in front of the names of members: "mailboxes[0]."
	char *error;
	int error_size;
};

static int wrong(struct reader *r, const char *key, const char *what) {
	snprintf(r->error, (size_t)r->error_size, "%s%s: %s", r->where, key, what);
	return -1;
}

// The member, or NULL when it is absent or null.
static const json_t *member(const json_t *object, const char *key) {
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

// Also one that is written 5.0 or 1e5, as programs do whose only numbers are floating ones.
static bool whole_number(const json_t *value, uint64_t max, uint64_t *value_r) {
	const double exact_max = 9007199254740992; // 2^53

	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*value_r = (uint64_t)json_integer_value(value);
		return *value_r <= max;
	}
	double real = json_is_real(value) ? json_real_value(value) : -1;
	if (real < 0 || real > exact_max || real != (double)(uint64_t)real)
		return false;
	*value_r = (uint64_t)real;
	return *value_r <= max;
}

static int
read_u64(struct reader *r, const json_t *object, const char *key, uint64_t max, uint64_t *value_r) {
	const json_t *value = member(object, key);
	char what[64];

	uint64_t number;

	if (!value)
		return 0;
	if (whole_number(value, max, &number)) {
		*value_r = number;
		return 0;
	}
	snprintf(what, sizeof(what), "not a whole number from 0 to %" PRIu64, max);
	return wrong(r, key, what);
}

static int read_u32(struct reader *r, const json_t *object, const char *key, uint32_t *value_r) {
	uint64_t value = *value_r;

	if (read_u64(r, object, key, UINT32_MAX, &value))
		return -1;
	*value_r = (uint32_t)value;
	return 0;
}

static int read_u16(struct reader *r, const json_t *object, const char *key, uint16_t *value_r) {
	uint64_t value = *value_r;

	if (read_u64(r, object, key, UINT16_MAX, &value))
		return -1;
	*value_r = (uint16_t)value;
	return 0;
}

static int read_bool(struct reader *r, const json_t *object, const char *key, bool *value_r) {
	const json_t *value = member(object, key);

	if (value && !json_is_boolean(value))
		return wrong(r, key, "neither true nor false");
	*value_r = value && json_is_true(value);
	return 0;
}

// *text_r is NULL when the member is absent. Borrowed from the object.
static int
read_string(struct reader *r, const json_t *object, const char *key, const char **text_r) {
	const json_t *value = member(object, key);

	if (value && !json_is_string(value))
		return wrong(r, key, "not a string");
	*text_r = value ? json_string_value(value) : NULL;
	return 0;
}

static void copy_text(char *text, size_t text_size, const char *from) {
	size_t size = utf8_cut(from, strlen(from), text_size - 1);

	memcpy(text, from, size);
	text[size] = '\0';
}

static int
read_text(struct reader *r, const json_t *object, const char *key, char *text, size_t size) {
	const char *from;

	if (read_string(r, object, key, &from))
		return -1;
	copy_text(text, size, from ? from : "");
	return 0;
}

// A member that must be an object or an array; *value_r is NULL when it is absent.
static int
read_object(struct reader *r, const json_t *object, const char *key, const json_t **value_r) {
	*value_r = member(object, key);
	return *value_r && !json_is_object(*value_r) ? wrong(r, key, "not an object") : 0;
}

// As many elements of the array as there is room for.
static int read_array(
	struct reader *r,
	const json_t *object,
	const char *key,
	int max,
	const json_t **array_r,
	uint8_t *n_r
) {
	const json_t *array = member(object, key);

	if (array && !json_is_array(array))
		return wrong(r, key, "not an array");
	*array_r = array;
	*n_r = (uint8_t
	)(json_array_size(array) < (size_t)max ? json_array_size(array) : (size_t)max);
	return 0;
}

// Texts of an array into rows of size bytes.
static int read_texts(
	struct reader *r,
	const json_t *object,
	const char *key,
	int max,
	char *texts,
	size_t size,
	uint8_t *n_r
) {
	const json_t *array;

	if (read_array(r, object, key, max, &array, n_r))
		return -1;
	for (size_t i = 0; i < *n_r; i++) {
		const json_t *value = json_array_get(array, i);
		if (!json_is_string(value))
			return wrong(r, key, "not an array of strings");
		copy_text(texts + i * size, size, json_string_value(value));
	}
	return 0;
}

// One of n names; absent is the first.
static int read_name(
	struct reader *r,
	const json_t *object,
	const char *key,
	const char *const *names,
	size_t n,
	uint8_t *value_r
) {
	const char *text;
	char what[120] = "none of";

	if (read_string(r, object, key, &text))
		return -1;
	*value_r = 0;
	for (size_t i = 0; text && i < n; i++) {
		if (strcasecmp(text, names[i]) == 0) {
			*value_r = (uint8_t)i;
			return 0;
		}
		if (names[i][0])
			snprintf(what + strlen(what), sizeof(what) - strlen(what), " %s", names[i]);
	}
	return text ? wrong(r, key, what) : 0;
}

// Hexadecimal digits, one to max of them.
static int
read_hex(struct reader *r, const json_t *object, const char *key, size_t max, uint64_t *value_r) {
	const char *text;
	char what[64];

	*value_r = 0;
	if (read_string(r, object, key, &text))
		return -1;
	if (!text)
		return 0;
	if (strlen(text) == 0 || strlen(text) > max
	    || strspn(text, "0123456789abcdefABCDEF") < strlen(text)) {
		snprintf(what, sizeof(what), "not one to %zu hexadecimal digits", max);
		return wrong(r, key, what);
	}
	for (; *text; text++)
		*value_r = *value_r << 4 | (uint64_t)((*text & 15) + (*text > '9' ? 9 : 0));
	return 0;
}

// ---- Time, RFC 3339: any number of digits in the fraction (those beyond nanoseconds are dropped), any
// offset from UTC.

static uint64_t days_from_civil(unsigned year, unsigned month, unsigned day) {
	unsigned shifted = year - (month <= 2), era = shifted / 400, of_era = shifted % 400;
	unsigned from_march = month > 2 ? month - 3 : month + 9;
	unsigned of_year = (153 * from_march + 2) / 5 + day - 1;

	return (uint64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_date(unsigned year, unsigned month, unsigned day) {
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month >= 1 && month <= 12 && day >= 1
		&& day <= days[month - 1] + (unsigned)(month == 2 && is_leap);
}

// Exactly n digits. Returns what follows them, or NULL.
static const char *digits(const char *p, int n, unsigned *value_r) {
	*value_r = 0;
	for (; n > 0; n--, p++) {
		if (*p < '0' || *p > '9')
			return NULL;
		*value_r = *value_r * 10 + (unsigned)(*p - '0');
	}
	return p;
}

// n digits and the character behind them, one of ends.
static const char *field(const char *p, int n, const char *ends, unsigned *value_r) {
	p = p ? digits(p, n, value_r) : NULL;
	return p && *p && strchr(ends, *p) ? p + 1 : NULL;
}

static const char *fraction(const char *p, unsigned *ns_r) {
	unsigned weight = 100000000;

	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++, weight /= 10)
		*ns_r += weight * (unsigned)(*p - '0');
	return p;
}

// Minutes east of UTC, and the end of the text behind it. 0, or -1.
static int read_offset(const char *p, int *minutes_r) {
	unsigned hours, minutes;
	int sign = *p == '-' ? -1 : 1;

	*minutes_r = 0;
	if (*p == 'Z' || *p == 'z')
		return p[1] ? -1 : 0;
	if (*p != '+' && *p != '-')
		return -1;
	p = field(p + 1, 2, ":", &hours);
	p = p ? digits(p, 2, &minutes) : NULL;
	if (!p || *p || hours > 23 || minutes > 59)
		return -1;
	*minutes_r = sign * (int)(hours * 60 + minutes);
	return 0;
}

static int parse_time(const char *text, uint64_t *time_ns_r) {
	unsigned year, month, day, hour, minute, second, ns = 0;
	const char *p = field(text, 4, "-", &year);
	int64_t seconds;
	int offset;

	p = field(p, 2, "-", &month);
	p = field(p, 2, "Tt ", &day);
	p = field(p, 2, ":", &hour);
	p = field(p, 2, ":", &minute);
	p = p ? digits(p, 2, &second) : NULL;
	if (p && *p == '.')
		p = fraction(p + 1, &ns);
	if (!p || read_offset(p, &offset) || year < 1970 || year > 2553
	    || !is_date(year, month, day) || hour > 23 || minute > 59 || second > 60)
		return -1;
	seconds = (int64_t
		  )(days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)
		- offset * 60;
	if (seconds < 0)
		return -1;
	*time_ns_r = (uint64_t)seconds * 1000000000 + ns;
	return 0;
}

static int read_time(struct reader *r, const json_t *root, uint64_t *time_ns_r) {
	const char *text;

	if (read_string(r, root, "time", &text))
		return -1;
	if (!text)
		return wrong(r, "time", "missing");
	if (parse_time(text, time_ns_r))
		return wrong(
			r, "time", "not a time like 2026-01-12T08:01:02.123456Z, 1970 to 2553"
		);
	return 0;
}

static int hex_digit(char c) {
	return c >= '0' && c <= '9'		     ? c - '0'
		: (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						     : -1;
}

static int read_session(struct reader *r, const json_t *root, uint8_t id[16]) {
	const char *text;

	if (read_string(r, root, "session", &text))
		return -1;
	if (!text)
		return 0;
	for (int i = 0; i < 16; i++, text += 2) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return wrong(r, "session", "not a UUID");
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return wrong(r, "session", "not a UUID");
		id[i] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
	}
	return *text ? wrong(r, "session", "not a UUID") : 0;
}

// ---- Parts

static int read_ip(struct reader *r, const json_t *object, struct ip *ip) {
	const char *text;

	if (read_string(r, object, "ip", &text))
		return -1;
	if (!text || !*text)
		return 0;
	if (inet_pton(AF_INET, text, ip->addr) == 1)
		ip->family = 4;
	else if (inet_pton(AF_INET6, text, ip->addr) == 1)
		ip->family = 6;
	else
		return wrong(r, "ip", "not an IPv4 or IPv6 address");
	// ::ffff:192.0.2.1 is how a dual-stack socket calls 192.0.2.1 (RFC 4291, 2.5.5.2).
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	if (ip->family == 6 && memcmp(ip->addr, mapped, sizeof(mapped)) == 0) {
		memmove(ip->addr, ip->addr + sizeof(mapped), 4);
		memset(ip->addr + 4, 0, sizeof(ip->addr) - 4);
		ip->family = 4;
	}
	return 0;
}

static int read_source(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *source;

	if (read_object(r, root, "source", &source))
		return -1;
	strcpy(r->where, "source.");
	if (read_ip(r, source, &a->source.ip) || read_u32(r, source, "asn", &a->source.asn)
	    || read_text(r, source, "country", a->source.country, sizeof(a->source.country))
	    || read_name(
		    r, source, "network", network_names, COUNT_OF(network_names), &a->source.network
	    ))
		return -1;
	r->where[0] = '\0';
	return 0;
}

static int read_client(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *client;
	uint64_t grammar;

	if (read_object(r, root, "client", &client))
		return -1;
	strcpy(r->where, "client.");
	if (read_text(r, client, "id", a->client.id, sizeof(a->client.id))
	    || read_text(r, client, "ja4", a->client.ja4, sizeof(a->client.ja4))
	    || read_text(r, client, "helo", a->client.helo, sizeof(a->client.helo))
	    || read_hex(r, client, "grammar", 8, &grammar))
		return -1;
	a->client.grammar = (uint32_t)grammar;
	r->where[0] = '\0';
	return 0;
}

static int read_auth(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *auth;

	if (read_object(r, root, "auth", &auth))
		return -1;
	strcpy(r->where, "auth.");
	if (read_u16(r, auth, "success", &a->auth.success)
	    || read_u16(r, auth, "failure", &a->auth.failure)
	    || read_text(r, auth, "mechanism", a->auth.mechanism, sizeof(a->auth.mechanism))
	    || read_hex(r, auth, "password", 16, &a->auth.password))
		return -1;
	r->where[0] = '\0';
	return 0;
}

static int read_uids(
	struct reader *r,
	const json_t *object,
	const char *key,
	const char *count_key,
	struct uid_ranges *ranges,
	uint32_t *count_r
) {
	const char *text;

	if (read_string(r, object, key, &text))
		return -1;
	if (text && uid_set_read(text, strlen(text), ranges, count_r))
		return wrong(r, key, "not a UID set like 1:9,12");
	return read_u32(r, object, count_key, count_r);
}

// A name that is too long ends in a hash of the whole (FNV-1a), so that two of them stay two; as the IMAP
// parser does.
static void copy_name(char name[ACTIVITY_MAILBOX_NAME_SIZE], const char *from) {
	enum { HASH_SIZE = 1 + 16 };
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t size = strlen(from), cut;

	if (size < ACTIVITY_MAILBOX_NAME_SIZE) {
		memcpy(name, from, size + 1);
		return;
	}
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)from[i]) * UINT64_C(0x100000001b3);
	cut = utf8_cut(from, size, ACTIVITY_MAILBOX_NAME_SIZE - 1 - HASH_SIZE);
	memcpy(name, from, cut);
	snprintf(name + cut, HASH_SIZE + 1, "~%016" PRIx64, hash);
}

static int read_numbers(
	struct reader *r,
	const json_t *json,
	const struct member *members,
	size_t n,
	void *object
) {
	for (size_t i = 0; i < n; i++) {
		uint32_t value = 0;

		if (read_u32(r, json, members[i].name, &value))
			return -1;
		memcpy((char *)object + members[i].offset, &value, sizeof(value));
	}
	return 0;
}

static int read_mailbox(struct reader *r, const json_t *json, struct activity_mailbox *mailbox) {
	const json_t *search;
	const char *name;
	uint8_t mode;

	if (read_string(r, json, "name", &name)
	    || read_name(r, json, "mode", mode_names, COUNT_OF(mode_names), &mode)
	    || read_uids(r, json, "bodies", "body_count", &mailbox->bodies, &mailbox->n_bodies)
	    || read_uids(r, json, "headers", "header_count", &mailbox->headers, &mailbox->n_headers)
	    || read_u64(r, json, "bytes", INT64_MAX, &mailbox->bytes)
	    || read_numbers(r, json, mailbox_numbers, COUNT_OF(mailbox_numbers), mailbox)
	    || read_object(r, json, "search", &search))
		return -1;
	strcat(r->where, "search.");
	if (read_numbers(r, search, search_numbers, COUNT_OF(search_numbers), mailbox))
		return -1;
	copy_name(mailbox->name, name ? name : "");
	mailbox->examine = mode;
	return 0;
}

static int read_mailboxes(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *array;

	if (read_array(r, root, "mailboxes", ACTIVITY_MAILBOXES_MAX, &array, &a->n_mailboxes))
		return -1;
	for (int i = 0; i < a->n_mailboxes; i++) {
		const json_t *mailbox = json_array_get(array, (size_t)i);

		if (!json_is_object(mailbox))
			return wrong(r, "mailboxes", "not an array of objects");
		snprintf(r->where, sizeof(r->where), "mailboxes[%d].", i);
		if (read_mailbox(r, mailbox, &a->mailboxes[i]))
			return -1;
		r->where[0] = '\0';
	}
	return 0;
}

static int read_sent(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *array;

	if (read_array(r, root, "sent", ACTIVITY_SENT_MAX, &array, &a->n_sent))
		return -1;
	for (int i = 0; i < a->n_sent; i++) {
		const json_t *json = json_array_get(array, (size_t)i);
		struct activity_sent *sent = &a->sent[i];

		if (!json_is_object(json))
			return wrong(r, "sent", "not an array of objects");
		snprintf(r->where, sizeof(r->where), "sent[%d].", i);
		if (read_texts(
			    r,
			    json,
			    "to",
			    ACTIVITY_RECIPIENTS_MAX,
			    sent->to[0],
			    sizeof(sent->to[0]),
			    &sent->n_to
		    ))
			return -1;
		sent->n_recipients = (uint32_t)json_array_size(json_object_get(json, "to"));
		if (read_u32(r, json, "recipients", &sent->n_recipients)
		    || read_u64(r, json, "bytes", INT64_MAX, &sent->bytes)
		    || read_u32(r, json, "attachments", &sent->attachments))
			return -1;
		r->where[0] = '\0';
	}
	return 0;
}

static int read_values(struct reader *r, const json_t *json, struct activity_match *match) {
	const json_t *array;

	if (read_array(r, json, "values", ACTIVITY_VALUES_MAX, &array, &match->n_values))
		return -1;
	for (size_t i = 0; i < match->n_values; i++) {
		const json_t *value = json_array_get(array, i);

		uint64_t number;

		if (!whole_number(value, UINT32_MAX, &number))
			return wrong(r, "values", "not numbers of 32 bits");
		match->values[i] = (uint32_t)number;
	}
	return 0;
}

static int read_match(struct reader *r, const json_t *json, struct activity_match *match) {
	return read_text(r, json, "rule", match->rule, sizeof(match->rule))
			|| read_u32(r, json, "count", &match->count) || read_values(r, json, match)
			|| read_text(r, json, "field", match->field, sizeof(match->field))
			|| read_u64(r, json, "offset", INT64_MAX, &match->offset)
			|| read_text(r, json, "part", match->part, sizeof(match->part))
			|| read_text(r, json, "excerpt", match->excerpt, sizeof(match->excerpt))
		? -1
		: 0;
}

static int read_matches(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *array;

	if (read_array(r, root, "matches", ACTIVITY_MATCHES_MAX, &array, &a->n_matches))
		return -1;
	for (int i = 0; i < a->n_matches; i++) {
		const json_t *match = json_array_get(array, (size_t)i);

		if (!json_is_object(match))
			return wrong(r, "matches", "not an array of objects");
		snprintf(r->where, sizeof(r->where), "matches[%d].", i);
		if (read_match(r, match, &a->matches[i]))
			return -1;
		r->where[0] = '\0';
	}
	return 0;
}

static int read_seen(struct reader *r, const json_t *root, float *seen_r) {
	const json_t *value = member(root, "seen");
	double seen = json_number_value(value);

	if (value && (!json_is_number(value) || seen < 0 || seen > 1))
		return wrong(r, "seen", "not a number from 0 to 1");
	*seen_r = (float)seen;
	return 0;
}

static int read_root(struct reader *r, const json_t *root, struct activity *a) {
	const char *kind;

	if (!json_is_object(root))
		return wrong(r, "line", "not a JSON object");
	if (read_string(r, root, "kind", &kind))
		return -1;
	if (kind && strcmp(kind, "activity"))
		return wrong(r, "kind", "not activity");
	if (read_time(r, root, &a->time_ns) || read_session(r, root, a->session)
	    || read_name(
		    r, root, "protocol", protocol_names, COUNT_OF(protocol_names), &a->protocol
	    )
	    || read_text(r, root, "account", a->account, sizeof(a->account))
	    || read_source(r, root, a) || read_client(r, root, a) || read_auth(r, root, a)
	    || read_mailboxes(r, root, a) || read_sent(r, root, a))
		return -1;
	return read_texts(
		       r,
		       root,
		       "forward",
		       ACTIVITY_FORWARDS_MAX,
		       a->forward[0],
		       sizeof(a->forward[0]),
		       &a->n_forward
	       )
			|| read_texts(
				r,
				root,
				"acl",
				ACTIVITY_ACL_MAX,
				a->acl[0],
				sizeof(a->acl[0]),
				&a->n_acl
			)
			|| read_matches(r, root, a) || read_bool(r, root, "idle", &a->idle)
			|| read_seen(r, root, &a->seen) || read_bool(r, root, "end", &a->end)
		? -1
		: 0;
}

// jansson quotes the line where it failed: what would act on a terminal or end the line becomes a space.
static void make_harmless(char *text) {
	uint8_t *p = (uint8_t *)text, *end = p + strlen(text);
	int len;

	for (; p < end; p += len < 0 ? -len : len) {
		len = utf8_next(p, (size_t)(end - p));
		if (len < 0 || utf8_is_control(utf8_value(p, len)))
			memset(p, ' ', (size_t)(len < 0 ? -len : len));
	}
}

int activity_json_read(
	const char *line,
	size_t size,
	struct activity *activity,
	char *error,
	int error_size
) {
	struct reader r = {.error = error, .error_size = error_size};
	json_error_t json_error;
	json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &json_error);
	int rc;

	memset(activity, 0, sizeof(*activity));
	if (!root) {
		snprintf(error, (size_t)error_size, "not JSON: %s", json_error.text);
		make_harmless(error);
		return -1;
	}
	rc = read_root(&r, root, activity);
	json_decref(root);
	return rc;
}
