// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Writing; activity_read.c reads. What is zero, empty or unknown is left out, so that most lines are
// short; a list has its place as soon as it has one element.

#include "output/activity_json.h"

#include "limits.h"
#include "output/activity_members.h"
#include "output/json.h"
#include "output/uid_set.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void number_write(struct json *json, const char *key, uint64_t value) {
	if (value)
		json_put_u64(json, key, value);
}

static void text_write(struct json *json, const char *key, const char *text) {
	if (text[0])
		json_put_text(json, key, text);
}

static void
numbers_write(struct json *json, const struct member *members, size_t n, const void *object) {
	for (size_t i = 0; i < n; i++) {
		uint32_t value;

		memcpy(&value, (const char *)object + members[i].offset, sizeof(value));
		number_write(json, members[i].name, value);
	}
}

// An object that is left out when nothing was put into it: take a mark before it is begun.
static void end_unless_empty(struct json *json, const struct json *mark) {
	if (json->wants_comma)
		json_end_object(json);
	else
		*json = *mark;
}

static void source_write(struct json *json, const struct activity *activity) {
	struct json mark = *json;

	json_begin_object(json, "source");
	if (activity->source.ip.family)
		json_put_ip(json, "ip", activity->source.ip.addr, activity->source.ip.family);
	number_write(json, "asn", activity->source.asn);
	text_write(json, "country", activity->source.country);
	text_write(json, "network", network_kinds[activity->source.network]);
	end_unless_empty(json, &mark);
}

static void client_write(struct json *json, const struct activity *activity) {
	struct json mark = *json;
	char grammar[9];

	json_begin_object(json, "client");
	text_write(json, "id", activity->client.id);
	text_write(json, "ja4", activity->client.ja4);
	if (activity->client.grammar) {
		snprintf(grammar, sizeof(grammar), "%08x", activity->client.grammar);
		json_put_word(json, "grammar", grammar);
	}
	text_write(json, "helo", activity->client.helo);
	end_unless_empty(json, &mark);
}

static void auth_write(struct json *json, const struct activity *activity) {
	struct json mark = *json;
	char password[17];

	json_begin_object(json, "auth");
	number_write(json, "success", activity->auth.success);
	number_write(json, "failure", activity->auth.failure);
	text_write(json, "mechanism", activity->auth.mechanism);
	if (activity->auth.password) {
		snprintf(password, sizeof(password), "%016" PRIx64, activity->auth.password);
		json_put_text(json, "password", password);
	}
	end_unless_empty(json, &mark);
}

// A set, and how many messages it stands for where that is not how many UIDs it names.
static void uids_write(
	struct json *json,
	const char *key,
	const char *count_key,
	const struct uid_ranges *ranges,
	uint32_t count
) {
	char text[ACTIVITY_RANGES_MAX * UID_RANGE_TEXT_SIZE];
	uint32_t n_written;
	uint64_t n = 0;
	size_t size = uid_set_write(ranges->range, ranges->n, text, sizeof(text), &n_written);

	for (int i = 0; i < ranges->n; i++)
		n += (uint64_t)ranges->range[i].last - ranges->range[i].first + 1;
	if (size > 0)
		json_put_string(json, key, text, size, 0);
	if (n != count)
		json_put_u64(json, count_key, count);
}

static void mailboxes_write(struct json *json, const struct activity *activity) {
	struct json mark;

	if (!activity->n_mailboxes)
		return;
	json_begin_array(json, "mailboxes");
	for (int i = 0; i < activity->n_mailboxes; i++) {
		const struct activity_mailbox *mailbox = &activity->mailboxes[i];

		json_begin_object(json, NULL);
		json_put_text(json, "name", mailbox->name);
		json_put_text(json, "mode", mode_names[mailbox->examine]);
		uids_write(json, "bodies", "body_count", &mailbox->bodies, mailbox->n_bodies);
		uids_write(json, "headers", "header_count", &mailbox->headers, mailbox->n_headers);
		number_write(json, "bytes", mailbox->bytes);
		numbers_write(json, mailbox_numbers, COUNT_OF(mailbox_numbers), mailbox);
		mark = *json;
		json_begin_object(json, "search");
		numbers_write(json, search_numbers, COUNT_OF(search_numbers), mailbox);
		end_unless_empty(json, &mark);
		json_end_object(json);
	}
	json_end_array(json);
}

static void sent_write(struct json *json, const struct activity *activity) {
	if (!activity->n_sent)
		return;
	json_begin_array(json, "sent");
	for (int i = 0; i < activity->n_sent; i++) {
		const struct activity_sent *sent = &activity->sent[i];

		json_begin_object(json, NULL);
		json_begin_array(json, "to");
		for (int k = 0; k < sent->n_to; k++)
			json_put_text(json, NULL, sent->to[k]);
		json_end_array(json);
		if (sent->n_recipients != sent->n_to)
			json_put_u64(json, "recipients", sent->n_recipients);
		number_write(json, "bytes", sent->bytes);
		number_write(json, "attachments", sent->attachments);
		json_end_object(json);
	}
	json_end_array(json);
}

static void
texts_write(struct json *json, const char *key, const char *texts, size_t stride, int n) {
	if (!n)
		return;
	json_begin_array(json, key);
	for (int i = 0; i < n; i++)
		json_put_text(json, NULL, texts + (size_t)i * stride);
	json_end_array(json);
}

static void match_write(struct json *json, const struct activity_match *match) {
	json_begin_object(json, NULL);
	json_put_text(json, "rule", match->rule);
	json_put_u64(json, "count", match->count);
	if (match->n_values > 0) {
		json_begin_array(json, "values");
		for (int i = 0; i < match->n_values; i++)
			json_put_u64(json, NULL, match->values[i]);
		json_end_array(json);
	}
	if (match->field[0]) {
		json_put_text(json, "field", match->field);
		json_put_u64(json, "offset", match->offset);
	}
	if (match->part[0])
		json_put_text(json, "part", match->part);
	if (match->excerpt[0])
		json_put_text(json, "excerpt", match->excerpt);
	json_end_object(json);
}

static void matches_write(struct json *json, const struct activity *activity) {
	if (!activity->n_matches)
		return;
	json_begin_array(json, "matches");
	for (int i = 0; i < activity->n_matches; i++)
		match_write(json, &activity->matches[i]);
	json_end_array(json);
}

// With as few decimals as give the same value back.
static void seen_write(struct json *json, float seen) {
	double power = 10;
	int decimals;

	for (decimals = 1; decimals < 9; decimals++, power *= 10)
		if ((float)(floor((double)seen * power + 0.5) / power) == seen)
			break;
	json_put_double(json, "seen", seen, decimals);
}

size_t activity_json_write(const struct activity *activity, char *buffer, size_t size) {
	struct json json;

	json_open(&json, buffer, size);
	json_begin_object(&json, NULL);
	json_put_time_ns(&json, "time", activity->time_ns);
	json_put_text(&json, "kind", "activity");
	json_put_uuid(&json, "session", activity->session);
	json_put_text(&json, "protocol", protocol_names[activity->protocol]);
	text_write(&json, "account", activity->account);
	source_write(&json, activity);
	client_write(&json, activity);
	auth_write(&json, activity);
	mailboxes_write(&json, activity);
	sent_write(&json, activity);
	texts_write(
		&json,
		"forward",
		activity->forward[0],
		sizeof(activity->forward[0]),
		activity->n_forward
	);
	texts_write(&json, "acl", activity->acl[0], sizeof(activity->acl[0]), activity->n_acl);
	matches_write(&json, activity);
	if (activity->idle)
		json_put_bool(&json, "idle", true);
	if (activity->ambiguous)
		json_put_bool(&json, "ambiguous", true);
	seen_write(&json, activity->seen);
	if (activity->end)
		json_put_bool(&json, "end", true);
	json_end_object(&json);
	// Everything in it is bounded by activity.h, far below ACTIVITY_LINE_SIZE_MAX.
	assert(!json.is_full);
	return json.used;
}
