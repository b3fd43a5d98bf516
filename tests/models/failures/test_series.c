// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "../desk.h"
#include "failures/failures.h"
#include "failures/older.h"
#include "failures/series.h"

enum { SERIES = 16, SUBJECTS = 64 };

struct bench {
	struct table table;
	void *memory;
	struct origin origins[SUBJECTS];
	struct target account;
};

static int set_up(void **state) {
	static const uint64_t key[2] = {1, 2};
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->memory = calloc(1, table_memsize(SERIES, sizeof(struct series)));
	assert_non_null(bench->memory);
	table_init(&bench->table, key, SERIES, sizeof(struct series), bench->memory);
	for (uint64_t i = 0; i < SUBJECTS; i++)
		bench->origins[i].node.key = hash_bytes(HASH_PUBLIC, &i, sizeof(i));
	*state = bench;
	return 0;
}

static int tear_down(void **state) {
	struct bench *bench = *state;
	free(bench->memory);
	free(bench);
	return 0;
}

static void refuse(struct bench *bench, struct origin *origin, uint64_t account) {
	static const struct ip ip = {{10, 77, 1, 8}, 4};
	struct attempt attempt = {
		.time_ns = START,
		.account = account,
		.ip = 7,
		.net = 8,
		.count = 1,
		.address = &ip,
	};
	facts_add(series_note_origin(&bench->table, origin), &attempt);
}

static void who_was_never_refused_has_no_series(void **state) {
	struct bench *bench = *state;
	assert_int_equal(series_of_origin(&bench->table, &bench->origins[0])->attempts, 0);
	assert_true(series_holds_origin(&bench->table, &bench->origins[0]));
	assert_int_equal(bench->table.n, 0);
}

static void a_series_is_added_to_until_it_ends(void **state) {
	struct bench *bench = *state;
	struct origin *origin = &bench->origins[0];
	refuse(bench, origin, 1);
	refuse(bench, origin, 2);
	assert_int_equal(series_of_origin(&bench->table, origin)->attempts, 2);
	assert_int_equal(series_of_origin(&bench->table, &bench->origins[1])->attempts, 0);
	series_end_origin(&bench->table, origin);
	assert_int_equal(series_of_origin(&bench->table, origin)->attempts, 0);
	refuse(bench, origin, 3);
	assert_int_equal(series_of_origin(&bench->table, origin)->attempts, 1);
}

static void whose_series_made_room_is_under_no_suspicion(void **state) {
	struct bench *bench = *state;
	struct origin *first = &bench->origins[0];
	refuse(bench, first, 1);
	evidence_add(&first->evidence, 5);
	for (int i = 1; i <= SERIES; i++)
		refuse(bench, &bench->origins[i], 1);
	assert_false(series_holds_origin(&bench->table, first));
	assert_false(first->noted);
	assert_true(evidence_is_low(&first->evidence));
	assert_true(series_holds_origin(&bench->table, &bench->origins[SERIES]));
}

static void what_was_told_makes_room_last(void **state) {
	struct bench *bench = *state;
	struct origin *told = &bench->origins[0];
	refuse(bench, told, 1);
	series_told(&bench->table, series_of_origin(&bench->table, told));
	for (int i = 1; i < SUBJECTS; i++)
		refuse(bench, &bench->origins[i], 1);
	assert_true(series_holds_origin(&bench->table, told));
	assert_int_equal(series_of_origin(&bench->table, told)->attempts, 1);
}

// Its entry in the table of addresses was evicted, and came back without a series.
static void who_was_forgotten_takes_no_series_over(void **state) {
	struct bench *bench = *state;
	struct origin *origin = &bench->origins[0];
	refuse(bench, origin, 1);
	*origin = (struct origin){.node.key = origin->node.key};
	assert_int_equal(series_of_origin(&bench->table, origin)->attempts, 0);
	refuse(bench, origin, 2);
	assert_int_equal(series_of_origin(&bench->table, origin)->attempts, 1);
}

static void an_account_and_an_address_of_one_hash_are_two(void **state) {
	struct bench *bench = *state;
	bench->account.node.key = bench->origins[0].node.key;
	refuse(bench, &bench->origins[0], 1);
	bench->account.noted = true;
	assert_int_equal(series_of_target(&bench->table, &bench->account)->attempts, 0);
}

// ---- Layout 1 of the store

struct target_1 {
	struct target target; // up to its series, which stood behind it
	struct facts facts;
};

static void an_older_account_keeps_its_homes(void **) {
	struct target_1 was = {
		.target = {
			.name = "u1@example.org",
			.n_homes = 1,
			.n_wrong = 1,
			.visits = 40,
			.alarmed = true,
			.home = {{.net = 77, .days = 12}},
			.wrong = {{.password = 5, .home = true}},
			.evidence = {.m_log1p = 9},
		},
		.facts = {.attempts = 12, .since_ns = START},
	};
	struct target now = {.node.key = 3};
	const uint8_t *image = (uint8_t *)&was + sizeof(struct table_node);
	size_t size = sizeof(was) - sizeof(struct table_node);
	assert_true(older_target(NULL, 1, image, size, &now));
	assert_string_equal(now.name, "u1@example.org");
	assert_int_equal(now.node.key, 3);
	assert_int_equal(now.home[0].net, 77);
	assert_int_equal(now.home[0].days, 12);
	assert_true(now.wrong[0].home);
	assert_int_equal(now.visits, 40);
	assert_false(now.alarmed);
	assert_true(evidence_is_low(&now.evidence));
	assert_false(older_target(NULL, 1, image, size - 8, &now));
	was.target.n_homes = TARGET_HOMES_MAX + 1;
	assert_false(older_target(NULL, 1, image, size, &now));
}

static void an_older_address_keeps_its_friends(void **) {
	enum { BEFORE = offsetof(struct origin, win), NODE = sizeof(struct table_node) };
	uint8_t image[sizeof(struct origin) + sizeof(struct facts)] = {0};
	struct origin was = {
		.ip = {{192, 0, 2, 7}, 4},
		.prefix = 32,
		.n_ok = 9,
		.win = {{.account = 4, .time_ns = START}},
		.n_wins = 1,
	};
	memcpy(image, &was, BEFORE);
	memset(image + BEFORE, 0xaa, sizeof(struct facts));
	memcpy(image + BEFORE + sizeof(struct facts), was.win, sizeof(was) - BEFORE);
	struct origin now = {0};
	assert_true(older_origin(NULL, 1, image + NODE, sizeof(image) - NODE, &now));
	assert_int_equal(now.n_ok, 9);
	assert_int_equal(now.prefix, 32);
	assert_int_equal(now.win[0].account, 4);
	assert_int_equal(now.n_wins, 1);
	assert_false(now.noted);
	assert_false(older_origin(NULL, 3, image + NODE, sizeof(image) - NODE, &now));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_was_never_refused_has_no_series, set_up, tear_down
		),
		cmocka_unit_test_setup_teardown(
			a_series_is_added_to_until_it_ends, set_up, tear_down
		),
		cmocka_unit_test_setup_teardown(
			whose_series_made_room_is_under_no_suspicion, set_up, tear_down
		),
		cmocka_unit_test_setup_teardown(what_was_told_makes_room_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_was_forgotten_takes_no_series_over, set_up, tear_down
		),
		cmocka_unit_test_setup_teardown(
			an_account_and_an_address_of_one_hash_are_two, set_up, tear_down
		),
		cmocka_unit_test(an_older_account_keeps_its_homes),
		cmocka_unit_test(an_older_address_keeps_its_friends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
