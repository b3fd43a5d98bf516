// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Lists of offers of many sessions held against each other, and what becomes of a session whose list lacks one.

#include "offers.h"
#include "proto/offer.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define START (1768204800ull * SECOND)

static struct offer_heard list(int session, uint8_t server, uint16_t port, uint8_t offers) {
	struct offer_heard heard;

	memset(&heard, 0, sizeof(heard));
	heard.time_ns = START;
	memcpy(heard.session, &session, sizeof(session));
	heard.server = (struct ip){.addr = {10, 0, 0, server}, .family = 4};
	heard.client = (struct ip){.addr = {10, 0, 9, 9}, .family = 4};
	heard.port = port;
	heard.offers = offers;
	if ((offers & (OFFER_TLS | OFFER_AUTH)) != (OFFER_TLS | OFFER_AUTH)) {
		heard.n_rules = 1;
		strcpy(heard.rules[0].id, "capability-stripping");
		heard.rules[0].offset = 19;
	}
	return heard;
}

static bool hear(struct offers *o, int session, uint8_t server, uint16_t port, uint8_t offers) {
	struct offer_heard heard = list(session, server, port, offers);

	return offers_hear(o, &heard);
}

// For a week, by address and port.
static void what_a_server_offers_in_one_session_and_not_in_another_is_said(void **) {
	struct offers *o = offers_open();
	struct offer_heard later;

	assert_false(hear(o, 0, 1, 143, OFFER_AUTH)); // nothing is known of it
	assert_false(hear(o, 1, 1, 143, OFFER_TLS | OFFER_AUTH));
	assert_true(hear(o, 2, 1, 143, OFFER_AUTH));
	assert_true(hear(o, 3, 1, 143, OFFER_TLS));
	assert_false(hear(o, 4, 1, 144, OFFER_AUTH)); // another server
	assert_false(hear(o, 5, 2, 143, OFFER_AUTH));
	later = list(6, 1, 143, OFFER_AUTH);
	later.time_ns += OFFER_KNOWN_NS - 1;
	assert_true(offers_hear(o, &later));
	later.time_ns += 1;
	assert_false(offers_hear(o, &later)); // it has given it up
	offers_close(o);
}

static void its_next_activity_has_what_rules_make_of_it_once(void **) {
	struct offers *o = offers_open();
	struct activity *a = calloc(1, sizeof(*a));
	const struct activity *found;

	hear(o, 1, 1, 143, OFFER_TLS | OFFER_AUTH);
	hear(o, 2, 1, 143, OFFER_AUTH);
	a->time_ns = START + SECOND;
	a->session[0] = 1;
	assert_ptr_equal(offers_activity(o, a), a);
	a->session[0] = 2;
	strcpy(a->account, "u1");
	found = offers_activity(o, a);
	assert_ptr_not_equal(found, a);
	assert_string_equal(found->account, "u1");
	assert_int_equal(found->n_matches, 1);
	assert_string_equal(found->matches[0].rule, "capability-stripping");
	assert_string_equal(found->matches[0].field, "event");
	assert_int_equal(found->matches[0].count, 1);
	assert_int_equal(found->matches[0].offset, 19);
	assert_ptr_equal(offers_activity(o, a), a);
	assert_null(offers_due(o, UINT64_MAX));
	free(a);
	offers_close(o);
}

static void who_says_nothing_more_is_told_of_by_itself(void **) {
	struct offers *o = offers_open();
	const struct activity *found;

	hear(o, 1, 1, 143, OFFER_TLS | OFFER_AUTH);
	hear(o, 2, 1, 143, OFFER_AUTH);
	assert_null(offers_due(o, START + OFFER_TOLD_NS - 1));
	found = offers_due(o, START + OFFER_TOLD_NS);
	assert_non_null(found);
	assert_int_equal(found->time_ns, START + OFFER_TOLD_NS);
	assert_int_equal(found->session[0], 2);
	assert_int_equal(found->source.ip.addr[2], 9);
	assert_int_equal(found->n_matches, 1);
	assert_null(offers_due(o, UINT64_MAX));
	hear(o, 3, 1, 143, OFFER_AUTH);
	found = offers_due(o, UINT64_MAX);
	assert_int_equal(found->time_ns, START); // the end: nothing came after it
	assert_null(offers_due(o, UINT64_MAX));
	offers_close(o);
}

// The record of a session, with these events and matches.
static const char *record(struct offers *o, int session, const char *events, const char *matches) {
	static char line[2000];
	uint8_t id[16] = {0};
	int n;

	memcpy(id, &session, sizeof(session));
	n = snprintf(
		line,
		sizeof(line),
		"{\"source\":\"\\\"events\\\":[\",\"postern\":{\"session\":"
		"\"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\","
		"\"via\":{\"authority\":\"\\\"matches\\\":[\"},\"events\":[%s],\"matches\":[%s]}}",
		id[0],
		id[1],
		id[2],
		id[3],
		id[4],
		id[5],
		id[6],
		id[7],
		id[8],
		id[9],
		id[10],
		id[11],
		id[12],
		id[13],
		id[14],
		id[15],
		events,
		matches
	);
	size_t size = (size_t)n;
	char *copy = malloc(size); // of the exact size: reading past it is seen
	memcpy(copy, line, size);
	const char *found = offers_record(o, copy, &size);
	memcpy(line, found, size);
	line[size] = '\0';
	free(copy);
	return strstr(line, "\"events\":[");
}

#define MATCH "{\"rule\":\"capability-stripping\",\"count\":1,\"field\":\"event\",\"offset\":19}"

static void its_records_have_the_event(void **) {
	struct offers *o = offers_open();

	assert_string_equal(record(o, 2, "", ""), "\"events\":[],\"matches\":[]}}");
	hear(o, 1, 1, 143, OFFER_TLS | OFFER_AUTH);
	hear(o, 2, 1, 143, OFFER_AUTH);
	assert_string_equal(record(o, 1, "", ""), "\"events\":[],\"matches\":[]}}");
	for (int i = 0; i < 2; i++) { // each of them
		assert_string_equal(
			record(o, 2, "", ""),
			"\"events\":[\"capability_stripped\"],\"matches\":[" MATCH "]}}"
		);
		assert_string_equal(
			record(o, 2, "\"a\",\"b\"", "{\"rule\":\"x\"}"),
			"\"events\":[\"capability_stripped\",\"a\",\"b\"],"
			"\"matches\":[" MATCH ",{\"rule\":\"x\"}]}}"
		);
	}
	// It came in another way, too: once is enough.
	assert_string_equal(
		record(o, 2, "\"capability_stripped\"", "{}"),
		"\"events\":[\"capability_stripped\"],\"matches\":[{}]}}"
	);
	offers_close(o);
}

static void no_line_makes_a_record_longer_than_its_bound(void **) {
	struct offers *o = offers_open();
	static char line[RECORD_SIZE_MAX];
	char id[] = "02000000-0000-0000-0000-000000000000";

	hear(o, 1, 1, 143, OFFER_TLS | OFFER_AUTH);
	hear(o, 2, 1, 143, OFFER_AUTH);
	for (size_t size = RECORD_SIZE_MAX - 200; size <= RECORD_SIZE_MAX; size++) {
		char begin[200], end[] = "\"},\"events\":[],\"matches\":[]}}";
		int n = snprintf(
			begin,
			sizeof(begin),
			"{\"postern\":{\"session\":\"%s\",\"via\":{\"a\":\"",
			id
		);
		size_t found_size = size;
		json_error_t error;

		memset(line, 'x', size);
		memcpy(line, begin, (size_t)n);
		memcpy(line + size - strlen(end), end, strlen(end));
		const char *found = offers_record(o, line, &found_size);
		assert_true(found_size <= RECORD_SIZE_MAX);
		json_t *root = json_loadb(found, found_size, 0, &error);
		assert_non_null(root);
		json_decref(root);
	}
	offers_close(o);
}

// What is remembered is bounded; who is forgotten has been told of, or is.
static void more_sessions_than_are_remembered_forget_the_oldest(void **) {
	struct offers *o = offers_open();
	int n = 0;

	hear(o, 0, 1, 143, OFFER_TLS | OFFER_AUTH);
	for (int i = 1; i <= 3 * OFFER_STRIPPED_MAX; i++)
		assert_true(hear(o, i, 1, 143, OFFER_AUTH));
	while (offers_due(o, UINT64_MAX))
		n++;
	assert_int_equal(n, OFFER_STRIPPED_MAX);
	assert_null(strstr(record(o, 1, "", ""), "capability"));
	assert_non_null(strstr(record(o, 3 * OFFER_STRIPPED_MAX, "", ""), "capability"));
	offers_close(o);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_server_offers_in_one_session_and_not_in_another_is_said),
		cmocka_unit_test(its_next_activity_has_what_rules_make_of_it_once),
		cmocka_unit_test(who_says_nothing_more_is_told_of_by_itself),
		cmocka_unit_test(its_records_have_the_event),
		cmocka_unit_test(no_line_makes_a_record_longer_than_its_bound),
		cmocka_unit_test(more_sessions_than_are_remembered_forget_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
