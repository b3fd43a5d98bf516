// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Reading activity lines, from whomever: what is absent (or null) is zero, empty or unknown, what is not
// known is passed over, what is too long is cut, and what is wrong is named with its place and left out:
// the rest of the line counts.

#include "output/activity_json.h"
#include "output/activity_members.h"
#include "output/json_line.h"
#include "output/rfc3339.h"
#include "output/uid_set.h"
#include "output/utf8.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WHAT_SIZE = 200 };

struct reader {
	const struct activity_reader *to;
	size_t part; // of the line: which of the activities that its lists make
	char where[64]; // in front of the names of members: "mailboxes[0]."
};

// What is quoted of a line must not act on a terminal, nor end the line it is told in.
static void make_harmless(char *text) {
	uint8_t *p = (uint8_t *)text, *end = p + strlen(text);
	int len;

	for (; p < end; p += len < 0 ? -len : len) {
		len = utf8_next(p, (size_t)(end - p));
		if (len < 0 || utf8_is_control(utf8_value(p, len)))
			memset(p, ' ', (size_t)(len < 0 ? -len : len));
	}
}

static void wrong(const struct reader *r, const char *key, const char *what) {
	char member[128], harmless[WHAT_SIZE];

	if (!r->to->wrong)
		return;
	snprintf(member, sizeof(member), "%s%s", r->where, key);
	snprintf(harmless, sizeof(harmless), "%s", what);
	make_harmless(harmless);
	r->to->wrong(r->to->ctx, member, harmless);
}

// The member, or NULL when it is absent or null.
static const json_t *member(const json_t *object, const char *key) {
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

enum number_result { NUMBER, NUMBER_TOO_LARGE, NUMBER_NONE };

// Also one that is written 5.0 or 1e5, as programs do whose only numbers are floating ones, and true for 1.
static enum number_result whole_number(const json_t *value, uint64_t max, uint64_t *value_r) {
	const double exact_max = 9007199254740992; // 2^53

	*value_r = max;
	if (json_is_boolean(value)) {
		*value_r = json_is_true(value);
		return NUMBER;
	}
	if (json_is_integer(value)) {
		if (json_integer_value(value) < 0)
			return NUMBER_NONE;
		if ((uint64_t)json_integer_value(value) > max)
			return NUMBER_TOO_LARGE;
		*value_r = (uint64_t)json_integer_value(value);
		return NUMBER;
	}
	double real = json_is_real(value) ? json_real_value(value) : -1;
	if (!(real >= 0))
		return NUMBER_NONE;
	if (real > exact_max || real > (double)max)
		return NUMBER_TOO_LARGE;
	if (real != (double)(uint64_t)real)
		return NUMBER_NONE;
	*value_r = (uint64_t)real;
	return NUMBER;
}

static void
read_u64(struct reader *r, const json_t *object, const char *key, uint64_t max, uint64_t *value_r) {
	const json_t *value = member(object, key);
	enum number_result result;
	char what[WHAT_SIZE];
	uint64_t number;

	if (!value)
		return;
	result = whole_number(value, max, &number);
	if (result != NUMBER_NONE)
		*value_r = number;
	snprintf(
		what,
		sizeof(what),
		result == NUMBER_TOO_LARGE ? "too large: taken as %" PRIu64
					   : "not a whole number from 0 to %" PRIu64,
		max
	);
	if (result != NUMBER)
		wrong(r, key, what);
}

static void read_u32(struct reader *r, const json_t *object, const char *key, uint32_t *value_r) {
	uint64_t value = *value_r;

	read_u64(r, object, key, UINT32_MAX, &value);
	*value_r = (uint32_t)value;
}

static void read_u16(struct reader *r, const json_t *object, const char *key, uint16_t *value_r) {
	uint64_t value = *value_r;

	read_u64(r, object, key, UINT16_MAX, &value);
	*value_r = (uint16_t)value;
}

static void read_bool(struct reader *r, const json_t *object, const char *key, bool *value_r) {
	const json_t *value = member(object, key);

	if (value && !json_is_boolean(value))
		wrong(r, key, "neither true nor false");
	*value_r = json_is_true(value);
}

// NULL and told when the value is no text.
static const char *text_of(struct reader *r, const char *key, const json_t *value) {
	const char *text = json_string_value(value);

	if (!text)
		wrong(r, key, "not a string");
	else if (strlen(text) == json_string_length(value))
		return text;
	else
		wrong(r, key, "has a NUL character in it");
	return NULL;
}

// NULL when the member is absent, or no text. Borrowed from the object.
static const char *read_string(struct reader *r, const json_t *object, const char *key) {
	const json_t *value = member(object, key);

	return value ? text_of(r, key, value) : NULL;
}

static void copy_text(char *text, size_t text_size, const char *from) {
	size_t size = utf8_cut(from, strlen(from), text_size - 1);

	memcpy(text, from, size);
	text[size] = '\0';
}

static void
read_text(struct reader *r, const json_t *object, const char *key, char *text, size_t size) {
	const char *from = read_string(r, object, key);

	copy_text(text, size, from ? from : "");
}

// An account as all that models learn of it is kept under.
static void
copy_account(struct reader *r, const char *key, char account[ACCOUNT_SIZE], const char *from) {
	const struct account_names *names = r->to->names;

	if (!names || !*from)
		copy_text(account, ACCOUNT_SIZE, from);
	else if (account_name(names, from, strlen(from), account) == 0)
		wrong(r, key, "no name of an account: too long, or with control characters");
}

// A member that must be an object; NULL when it is absent or none.
static const json_t *read_object(struct reader *r, const json_t *object, const char *key) {
	const json_t *value = member(object, key);

	if (!value || json_is_object(value))
		return value;
	wrong(r, key, "not an object");
	return NULL;
}

// The elements of an array that belong to this part of the line: as many as an activity has room for.
struct window {
	const json_t *array; // NULL: none
	size_t from, to;
};

static struct window
read_array(struct reader *r, const json_t *object, const char *key, size_t max) {
	const json_t *array = member(object, key);
	struct window window = {array, r->part * max, (r->part + 1) * max};
	size_t n = json_array_size(array);

	if (array && !json_is_array(array) && r->part == 0)
		wrong(r, key, "not an array");
	window.from = window.from < n ? window.from : n;
	window.to = window.to < n ? window.to : n;
	return window;
}

// The element if it is an object, with its place in front of its members' names; else NULL and told.
static const json_t *element(struct reader *r, const char *key, const json_t *array, size_t i) {
	const json_t *value = json_array_get(array, i);

	snprintf(r->where, sizeof(r->where), "%s[%zu]", key, i);
	if (!json_is_object(value)) {
		wrong(r, "", "not an object");
		r->where[0] = '\0';
		return NULL;
	}
	strcat(r->where, ".");
	return value;
}

// Texts of an array into rows of size bytes.
static void read_texts(
	struct reader *r,
	const json_t *object,
	const char *key,
	int max,
	char *texts,
	size_t size,
	uint8_t *n_r
) {
	struct window window = read_array(r, object, key, (size_t)max);

	for (size_t i = window.from; i < window.to; i++) {
		const char *text = text_of(r, key, json_array_get(window.array, i));
		if (text)
			copy_text(texts + (*n_r)++ * size, size, text);
	}
}

// One of n names; absent is the first.
static void read_name(
	struct reader *r,
	const json_t *object,
	const char *key,
	const char *const *names,
	size_t n,
	uint8_t *value_r
) {
	const char *text = read_string(r, object, key);
	char what[WHAT_SIZE] = "none of";

	*value_r = 0;
	for (size_t i = 0; text && i < n; i++) {
		if (strcasecmp(text, names[i]) == 0) {
			*value_r = (uint8_t)i;
			return;
		}
		if (names[i][0])
			snprintf(what + strlen(what), sizeof(what) - strlen(what), " %s", names[i]);
	}
	if (text)
		wrong(r, key, what);
}

static int hex_digit(char c) {
	return c >= '0' && c <= '9'		     ? c - '0'
		: (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						     : -1;
}

// FNV-1a.
static uint64_t text_hash(const char *text) {
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

// A name for something in up to max hexadecimal digits. Whoever names it otherwise means one thing by one
// text all the same.
static uint64_t read_hex(struct reader *r, const json_t *object, const char *key, size_t max) {
	const char *text = read_string(r, object, key);
	uint64_t value = 0;
	bool is_hex = text && strlen(text) <= max;

	for (const char *p = text; is_hex && *p; p++) {
		is_hex = hex_digit(*p) >= 0;
		value = value << 4 | (uint64_t)(hex_digit(*p) & 15);
	}
	if (is_hex || !text)
		return value;
	value = text_hash(text);
	return max < 16 ? (value ^ value >> 4 * max) & ((UINT64_C(1) << 4 * max) - 1) : value;
}

static bool read_time(struct reader *r, const json_t *root, uint64_t *time_ns_r) {
	const json_t *value = member(root, "time");
	const char *text = value ? text_of(r, "time", value) : NULL;
	enum rfc3339_result result = text ? rfc3339_read(text, time_ns_r) : RFC3339_NONE;

	if (!value)
		wrong(r, "time", "missing");
	else if (text && result == RFC3339_NONE)
		wrong(r, "time", "not a time like 2026-01-12T08:01:02.123456Z, 1970 to 2553");
	else if (text && result == RFC3339_LOCAL)
		wrong(r, "time", "without Z or an offset: taken for UTC");
	return result != RFC3339_NONE;
}

// 16 bytes from a UUID, with or without its dashes. False: it is none.
static bool read_uuid(const char *text, uint8_t id[16]) {
	for (int i = 0; i < 16; i++, text += 2) {
		text += *text == '-';
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return false;
		id[i] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
	}
	return !*text;
}

// Whatever names a session, one text is one session.
static void read_session(struct reader *r, const json_t *root, uint8_t id[16]) {
	const char *text = read_string(r, root, "session");
	uint64_t hash;

	if (!text || !*text || read_uuid(text, id))
		return;
	hash = text_hash(text);
	memcpy(id, &hash, sizeof(hash));
	hash = ~hash * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(id + sizeof(hash), &hash, sizeof(hash));
}

// ---- Parts

// Also in brackets, as in URLs and in mail (RFC 5321), and with the name of an interface behind it.
static void read_ip(struct reader *r, const json_t *object, struct ip *ip) {
	const char *text = read_string(r, object, "ip");
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char bare[INET6_ADDRSTRLEN] = "";
	bool in_brackets;
	size_t size;

	if (!text || !*text)
		return;
	in_brackets = text[0] == '[' && text[strlen(text) - 1] == ']';
	text += in_brackets;
	size = strcspn(text, "%]");
	if (size < sizeof(bare))
		memcpy(bare, text, size);
	if (!strchr(text, '%') && text[size] == ']' && !in_brackets)
		bare[0] = '\0';
	if (inet_pton(AF_INET, bare, ip->addr) == 1)
		ip->family = 4;
	else if (inet_pton(AF_INET6, bare, ip->addr) == 1)
		ip->family = 6;
	else
		wrong(r, "ip", "not an IPv4 or IPv6 address");
	// ::ffff:192.0.2.1 is how a dual-stack socket calls 192.0.2.1 (RFC 4291, 2.5.5.2).
	if (ip->family == 6 && memcmp(ip->addr, mapped, sizeof(mapped)) == 0) {
		memmove(ip->addr, ip->addr + sizeof(mapped), 4);
		memset(ip->addr + 4, 0, sizeof(ip->addr) - 4);
		ip->family = 4;
	}
}

static bool is_letter(char c) {
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

// "CZ" and "cz" are one; a name in full is no code.
static void read_country(struct reader *r, const json_t *source, char country[3]) {
	const char *text = read_string(r, source, "country");

	if (!text || !*text)
		return;
	if (strlen(text) != 2 || !is_letter(text[0]) || !is_letter(text[1])) {
		wrong(r, "country", "not a country's two letters (ISO 3166)");
		return;
	}
	country[0] = (char)(text[0] & ~32);
	country[1] = (char)(text[1] & ~32);
}

static void read_source(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *source = read_object(r, root, "source");

	strcpy(r->where, "source.");
	read_ip(r, source, &a->source.ip);
	read_u32(r, source, "asn", &a->source.asn);
	read_country(r, source, a->source.country);
	read_name(r, source, "network", network_kinds, NETWORK_KINDS, &a->source.network);
	r->where[0] = '\0';
}

static void read_client(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *client = read_object(r, root, "client");

	strcpy(r->where, "client.");
	read_text(r, client, "id", a->client.id, sizeof(a->client.id));
	read_text(r, client, "ja4", a->client.ja4, sizeof(a->client.ja4));
	read_text(r, client, "helo", a->client.helo, sizeof(a->client.helo));
	a->client.grammar = (uint32_t)read_hex(r, client, "grammar", 8);
	r->where[0] = '\0';
}

static void read_auth(struct reader *r, const json_t *root, struct activity *a) {
	const json_t *auth = read_object(r, root, "auth");

	strcpy(r->where, "auth.");
	read_u16(r, auth, "success", &a->auth.success);
	read_u16(r, auth, "failure", &a->auth.failure);
	read_text(r, auth, "mechanism", a->auth.mechanism, sizeof(a->auth.mechanism));
	a->auth.password = read_hex(r, auth, "password", 16);
	r->where[0] = '\0';
}

static void read_uids(
	struct reader *r,
	const json_t *object,
	const char *key,
	const char *count_key,
	struct uid_ranges *ranges,
	uint32_t *count_r
) {
	const char *text = read_string(r, object, key);

	if (text && uid_set_read(text, strlen(text), ranges, count_r)) {
		wrong(r, key, "not a UID set like 1:9,12");
		*ranges = (struct uid_ranges){0};
		*count_r = 0;
	}
	read_u32(r, object, count_key, count_r);
}

// A name that is too long ends in a hash of the whole, so that two of them stay two; as the IMAP parser
// does.
static void copy_name(char name[ACTIVITY_MAILBOX_NAME_SIZE], const char *from) {
	enum { HASH_SIZE = 1 + 16 };
	size_t size = strlen(from), cut;

	if (size < ACTIVITY_MAILBOX_NAME_SIZE) {
		memcpy(name, from, size + 1);
		return;
	}
	cut = utf8_cut(from, size, ACTIVITY_MAILBOX_NAME_SIZE - 1 - HASH_SIZE);
	memcpy(name, from, cut);
	snprintf(name + cut, HASH_SIZE + 1, "~%016" PRIx64, text_hash(from));
}

static void read_numbers(
	struct reader *r,
	const json_t *json,
	const struct member *members,
	size_t n,
	void *object
) {
	for (size_t i = 0; i < n; i++) {
		uint32_t value = 0;

		read_u32(r, json, members[i].name, &value);
		memcpy((char *)object + members[i].offset, &value, sizeof(value));
	}
}

static void read_mailbox(struct reader *r, const json_t *json, struct activity_mailbox *mailbox) {
	const char *name = read_string(r, json, "name");
	const json_t *search = read_object(r, json, "search");
	uint8_t mode;

	read_name(r, json, "mode", mode_names, COUNT_OF(mode_names), &mode);
	read_uids(r, json, "bodies", "body_count", &mailbox->bodies, &mailbox->n_bodies);
	read_uids(r, json, "headers", "header_count", &mailbox->headers, &mailbox->n_headers);
	read_u64(r, json, "bytes", INT64_MAX, &mailbox->bytes);
	read_numbers(r, json, mailbox_numbers, COUNT_OF(mailbox_numbers), mailbox);
	strcat(r->where, "search.");
	read_numbers(r, search, search_numbers, COUNT_OF(search_numbers), mailbox);
	copy_name(mailbox->name, name ? name : "");
	mailbox->examine = mode;
}

static void read_mailboxes(struct reader *r, const json_t *root, struct activity *a) {
	struct window window = read_array(r, root, "mailboxes", ACTIVITY_MAILBOXES_MAX);

	for (size_t i = window.from; i < window.to; i++) {
		const json_t *mailbox = element(r, "mailboxes", window.array, i);

		if (mailbox)
			read_mailbox(r, mailbox, &a->mailboxes[a->n_mailboxes++]);
		r->where[0] = '\0';
	}
}

static void read_message(struct reader *r, const json_t *json, struct activity_sent *sent) {
	// Of the recipients beyond the room there is a count.
	size_t part = r->part;

	r->part = 0;
	read_texts(
		r,
		json,
		"to",
		ACTIVITY_RECIPIENTS_MAX,
		sent->to[0],
		sizeof(sent->to[0]),
		&sent->n_to
	);
	r->part = part;
	sent->n_recipients = (uint32_t)json_array_size(json_object_get(json, "to"));
	read_u32(r, json, "recipients", &sent->n_recipients);
	read_u64(r, json, "bytes", INT64_MAX, &sent->bytes);
	read_u32(r, json, "attachments", &sent->attachments);
}

static void read_sent(struct reader *r, const json_t *root, struct activity *a) {
	struct window window = read_array(r, root, "sent", ACTIVITY_SENT_MAX);

	for (size_t i = window.from; i < window.to; i++) {
		const json_t *sent = element(r, "sent", window.array, i);

		if (sent)
			read_message(r, sent, &a->sent[a->n_sent++]);
		r->where[0] = '\0';
	}
}

static void read_values(struct reader *r, const json_t *json, struct activity_match *match) {
	const json_t *array = member(json, "values");
	uint64_t number;

	if (array && !json_is_array(array))
		wrong(r, "values", "not an array");
	for (size_t i = 0; i < json_array_size(array) && match->n_values < ACTIVITY_VALUES_MAX;
	     i++) {
		if (whole_number(json_array_get(array, i), UINT32_MAX, &number) == NUMBER)
			match->values[match->n_values++] = (uint32_t)number;
		else
			wrong(r, "values", "not numbers of 32 bits");
	}
}

static void read_match(struct reader *r, const json_t *json, struct activity_match *match) {
	read_text(r, json, "rule", match->rule, sizeof(match->rule));
	read_u32(r, json, "count", &match->count);
	read_values(r, json, match);
	read_text(r, json, "field", match->field, sizeof(match->field));
	read_u64(r, json, "offset", INT64_MAX, &match->offset);
	read_text(r, json, "part", match->part, sizeof(match->part));
	read_text(r, json, "excerpt", match->excerpt, sizeof(match->excerpt));
	// An offset into nothing that is named is none.
	if (!match->field[0])
		match->offset = 0;
}

static void read_matches(struct reader *r, const json_t *root, struct activity *a) {
	struct window window = read_array(r, root, "matches", ACTIVITY_MATCHES_MAX);

	for (size_t i = window.from; i < window.to; i++) {
		const json_t *match = element(r, "matches", window.array, i);

		if (match)
			read_match(r, match, &a->matches[a->n_matches++]);
		r->where[0] = '\0';
	}
}

static void read_acl(struct reader *r, const json_t *root, struct activity *a) {
	struct window window = read_array(r, root, "acl", ACTIVITY_ACL_MAX);

	for (size_t i = window.from; i < window.to; i++) {
		const char *text = text_of(r, "acl", json_array_get(window.array, i));

		if (text)
			copy_account(r, "acl", a->acl[a->n_acl++], text);
	}
}

static float read_seen(struct reader *r, const json_t *root) {
	const json_t *value = member(root, "seen");
	double seen = json_number_value(value);

	if (value && (!json_is_number(value) || !(seen >= 0 && seen <= 1))) {
		wrong(r, "seen", "not a number from 0 to 1");
		return 0;
	}
	return (float)seen;
}

// All but the lists. False: the line is no activity.
static bool read_once(struct reader *r, const json_t *root, struct activity *a) {
	const char *account, *kind;

	if (!json_is_object(root)) {
		wrong(r, "line", "not a JSON object");
		return false;
	}
	kind = read_string(r, root, "kind");
	if (kind && strcasecmp(kind, "activity") != 0) {
		wrong(r, "kind", "not activity");
		return false;
	}
	if (!read_time(r, root, &a->time_ns))
		return false;
	read_session(r, root, a->session);
	read_name(r, root, "protocol", protocol_names, COUNT_OF(protocol_names), &a->protocol);
	account = read_string(r, root, "account");
	copy_account(r, "account", a->account, account ? account : "");
	read_source(r, root, a);
	read_client(r, root, a);
	read_auth(r, root, a);
	read_bool(r, root, "idle", &a->idle);
	read_bool(r, root, "ambiguous", &a->ambiguous);
	a->seen = read_seen(r, root);
	read_bool(r, root, "end", &a->end);
	return true;
}

static void read_lists(struct reader *r, const json_t *root, struct activity *a) {
	read_mailboxes(r, root, a);
	read_sent(r, root, a);
	read_texts(
		r,
		root,
		"forward",
		ACTIVITY_FORWARDS_MAX,
		a->forward[0],
		sizeof(a->forward[0]),
		&a->n_forward
	);
	read_acl(r, root, a);
	read_matches(r, root, a);
}

// How many activities the longest list needs.
static size_t n_parts(const json_t *root) {
	static const struct {
		const char *key;
		size_t max;
	} lists[] = {
		{"mailboxes", ACTIVITY_MAILBOXES_MAX},
		{"sent", ACTIVITY_SENT_MAX},
		{"forward", ACTIVITY_FORWARDS_MAX},
		{"acl", ACTIVITY_ACL_MAX},
		{"matches", ACTIVITY_MATCHES_MAX},
	};
	size_t n = 1;

	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		size_t size = json_array_size(member(root, lists[i].key));
		size_t needed = (size + lists[i].max - 1) / lists[i].max;
		n = needed > n ? needed : n;
	}
	return n;
}

// What a further activity of the same line does not have of the one before: its lists, and the login.
static void clear_lists(struct activity *a) {
	a->n_mailboxes = a->n_sent = a->n_forward = a->n_acl = a->n_matches = 0;
	memset(a->mailboxes, 0, sizeof(a->mailboxes));
	memset(a->sent, 0, sizeof(a->sent));
	memset(a->forward, 0, sizeof(a->forward));
	memset(a->acl, 0, sizeof(a->acl));
	memset(a->matches, 0, sizeof(a->matches));
	memset(&a->auth, 0, sizeof(a->auth));
}

static int read_root(struct reader *r, const json_t *root) {
	struct activity activity = {0};
	size_t n = n_parts(root);
	bool ends;

	if (!read_once(r, root, &activity))
		return 0;
	ends = activity.end;
	for (r->part = 0; r->part < n; r->part++) {
		if (r->part > 0)
			clear_lists(&activity);
		activity.end = ends && r->part + 1 == n;
		read_lists(r, root, &activity);
		r->to->take(r->to->ctx, &activity);
	}
	return (int)n;
}

static void line_wrong(void *ctx, const char *what) {
	wrong(ctx, "line", what);
}

int activity_json_read(const struct activity_reader *reader, const char *line, size_t size) {
	struct reader r = {.to = reader};
	json_t *root = json_line_read(line, size, line_wrong, &r);
	int n = root ? read_root(&r, root) : 0;

	json_decref(root);
	return n;
}
