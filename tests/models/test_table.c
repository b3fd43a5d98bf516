// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "desk.h"
#include "table.h"

enum { N = 64, SEED = 7 };

struct thing {
	struct table_node node;
	uint64_t value;
};

struct bench {
	struct table table;
	void *memory;
};

static void bench_open(struct bench *b, uint32_t n) {
	const uint64_t key[2] = {1, 2};
	b->memory = calloc(1, table_memsize(n, sizeof(struct thing)));
	table_init(&b->table, key, n, sizeof(struct thing), b->memory);
}

static void a_full_table_lets_go_who_was_seen_longest_ago(void **) {
	struct bench b;
	bench_open(&b, N);
	for (uint64_t key = 0; key < N; key++)
		table_add(&b.table, key);
	assert_non_null(table_find(&b.table, 0));
	table_add(&b.table, N); // one more than it holds
	assert_non_null(table_peek(&b.table, 0));
	assert_null(table_peek(&b.table, 1));
	assert_int_equal(b.table.n_evicted, 1);
	free(b.memory);
}

static void strangers_without_end_leave_the_proven_in(void **) {
	struct bench b;
	bench_open(&b, N);
	for (uint64_t key = 0; key < N / 2; key++)
		table_prove(&b.table, table_add(&b.table, key));
	for (uint64_t key = N; key < 100 * N; key++)
		table_add(&b.table, key);
	for (uint64_t key = 0; key < N / 2; key++)
		assert_non_null(table_peek(&b.table, key));
	free(b.memory);
}

static void the_proven_leave_strangers_their_share_and_no_more(void **) {
	struct bench b;
	bench_open(&b, N);
	for (uint64_t key = 0; key < 10 * N; key++)
		table_prove(&b.table, table_add(&b.table, key));
	assert_true(b.table.n_strangers <= 1);
	for (uint64_t key = 100 * N; key < 110 * N; key++)
		table_add(&b.table, key);
	assert_int_equal(b.table.n_strangers, N / TABLE_STRANGERS_SHARE + 1);
	free(b.memory);
}

// The oracle: an array in the order of being seen, the newest last.
struct oracle {
	size_t n;
	uint64_t key[N], value[N];
};

static bool oracle_take(struct oracle *o, uint64_t key, uint64_t *value) {
	for (size_t i = 0; i < o->n; i++)
		if (o->key[i] == key) {
			*value = o->value[i];
			memmove(&o->key[i], &o->key[i + 1], (o->n - i - 1) * sizeof(o->key[0]));
			memmove(&o->value[i], &o->value[i + 1], (o->n - i - 1) * sizeof(o->key[0]));
			o->n--;
			return true;
		}
	return false;
}

static void oracle_put(struct oracle *o, uint64_t key, uint64_t value) {
	uint64_t gone;
	if (o->n == N)
		oracle_take(o, o->key[0], &gone);
	o->key[o->n] = key;
	o->value[o->n++] = value;
}

static void it_agrees_with_a_list_whatever_is_done(void **) {
	struct bench b;
	bench_open(&b, N);
	struct oracle o = {0};
	uint64_t random = SEED;
	print_message("  seed %d\n", SEED);
	for (int step = 0; step < 100000; step++) {
		uint64_t key = random_below(&random, 2 * N), value = 0;
		struct thing *thing = table_find(&b.table, key);
		bool there = oracle_take(&o, key, &value);
		assert_int_equal(thing != NULL, there);
		if (thing)
			assert_int_equal(thing->value, value);
		if (thing && random_chance(&random, 0.2)) {
			table_remove(&b.table, thing);
			continue;
		}
		if (!thing) {
			thing = table_add(&b.table, key);
			assert_int_equal(thing->value, 0);
			thing->value = value = step;
		}
		oracle_put(&o, key, value);
	}
	free(b.memory);
}

// ---- Aging

static void an_entry_unseen_for_a_year_goes(void **) {
	struct bench b;
	bench_open(&b, N);
	table_pass(&b.table, START);
	table_add(&b.table, 1);
	table_prove(&b.table, table_add(&b.table, 2));
	for (int day = 1; day <= TABLE_DAYS_MAX; day++) {
		table_pass(&b.table, START + day * DAY);
		if (day == 100)
			table_find(&b.table, 2);
	}
	assert_non_null(table_peek(&b.table, 1));
	table_pass(&b.table, START + (TABLE_DAYS_MAX + 1) * DAY);
	assert_null(table_peek(&b.table, 1));
	assert_non_null(table_peek(&b.table, 2));
	free(b.memory);
}

static void z4_a_clock_that_is_years_ahead_for_a_moment_ages_nobody(void **) {
	struct bench b;
	bench_open(&b, N);
	table_pass(&b.table, START);
	table_add(&b.table, 1);
	for (int i = 0; i < 20; i++) {
		table_pass(&b.table, START + 4000 * DAY);
		table_pass(&b.table, START);
	}
	assert_non_null(table_peek(&b.table, 1));
	free(b.memory);
}

// And afterwards days count again, not only when that future has come.
static void z4_after_a_clock_was_years_ahead_days_count_again(void **) {
	struct bench b;
	bench_open(&b, N);
	table_pass(&b.table, START);
	table_pass(&b.table, START + 4000 * DAY);
	uint16_t before = b.table.today;
	for (int day = 0; day <= 100; day++)
		table_pass(&b.table, START + day * DAY);
	assert_int_equal(b.table.today, before + 100);
	free(b.memory);
}

static void around_midnight_disorder_is_no_new_day(void **) {
	struct bench b;
	bench_open(&b, N);
	table_pass(&b.table, START);
	for (int i = 0; i < 1000; i++)
		table_pass(&b.table, START + DAY * (i % 2));
	assert_int_equal(b.table.today, 1);
	free(b.memory);
}

// ---- Snapshots

// What a snapshot was given: by slot, as it was when the snapshot began.
struct copies {
	struct thing thing[N];
	int n[N];
};

static void copies_take(void *ctx, const struct table *table, uint32_t slot) {
	struct copies *copies = ctx;
	copies->thing[slot] = *(const struct thing *)table_at(table, slot);
	copies->n[slot]++;
}

static void change_something(struct bench *b, uint64_t *random) {
	uint64_t key = random_below(random, 2 * N);
	struct thing *thing = table_find(&b->table, key);
	if (!thing)
		thing = table_add(&b->table, key);
	thing->value = random_next(random);
	thing = table_peek(&b->table, random_below(random, 2 * N));
	if (thing && random_chance(random, 0.3))
		table_prove(&b->table, thing);
	else if (thing && random_chance(random, 0.1))
		table_remove(&b->table, thing);
	else if (thing) {
		table_touch(&b->table, thing);
		thing->value++;
	}
}

// What is kept of an entry.
static void assert_same_thing(const struct thing *a, const struct thing *b) {
	assert_int_equal(a->node.used, b->node.used);
	if (!a->node.used)
		return;
	assert_int_equal(a->node.key, b->node.key);
	assert_int_equal(a->node.seen, b->node.seen);
	assert_int_equal(a->node.proven, b->node.proven);
	assert_int_equal(a->value, b->value);
}

static void a_snapshot_is_the_table_as_it_was_whatever_changes_meanwhile(void **) {
	static struct copies copies;
	static struct thing then[N], kept[N];
	struct bench b;
	uint64_t random = SEED;
	bench_open(&b, N);
	b.table.copy = copies_take;
	b.table.ctx = &copies;
	memset(kept, 0, sizeof(kept));
	for (int round = 0; round < 2000; round++) {
		uint32_t changes = random_below(&random, 40);
		for (uint32_t i = 0; i < changes; i++)
			change_something(&b, &random);
		memset(&copies, 0, sizeof(copies));
		memcpy(then, b.table.entries, sizeof(then));
		table_freeze(&b.table);
		do
			change_something(&b, &random);
		while (table_copy(&b.table, 1 + random_below(&random, 9)) != 0);
		if (random_chance(&random, 0.1)) { // it could not be written
			table_refreeze(&b.table);
			continue;
		}
		for (uint32_t i = 0; i < N; i++) {
			assert_true(copies.n[i] <= 1);
			if (copies.n[i])
				kept[i] = copies.thing[i];
			assert_same_thing(&kept[i], &then[i]);
		}
	}
	free(b.memory);
}

static void copy_mark(void *ctx, const struct table *table, uint32_t slot) {
	*(uint32_t *)ctx = slot;
	assert_false(table_at(table, slot)->used);
}

// What could be read but not understood must not be there again after the next restart.
static void what_was_put_back_and_taken_out_again_is_in_the_next_snapshot(void **) {
	struct bench b;
	uint32_t slot = TABLE_NONE;
	bench_open(&b, N);
	void *entry = table_restore(&b.table, 5, &(struct table_node){.key = 7, .seen = 1});
	assert_non_null(entry);
	table_unrestore(&b.table, entry);
	assert_int_equal(table_restored(&b.table), 0);
	assert_null(table_peek(&b.table, 7));
	b.table.copy = copy_mark;
	b.table.ctx = &slot;
	table_freeze(&b.table);
	assert_int_equal(table_copy(&b.table, 10), 1);
	assert_int_equal(slot, 5);
	free(b.memory);
}

// Two tables go on alike: one that was restored from the other's entries, and the other.
static void a_restored_table_goes_on_as_the_one_that_was_kept(void **) {
	static struct thing things[N];
	struct bench b, again;
	uint64_t random = SEED;
	bench_open(&b, N);
	bench_open(&again, N);
	for (int i = 0; i < 1000; i++)
		change_something(&b, &random);
	memcpy(things, b.table.entries, sizeof(things));
	for (uint32_t i = 0; i < N; i++) {
		if (!things[i].node.used)
			continue;
		struct thing *thing = table_restore(&again.table, i, &things[i].node);
		assert_non_null(thing);
		assert_null(table_restore(&again.table, i, &things[i].node));
		thing->value = things[i].value;
	}
	assert_null(table_restore(&again.table, N, &(struct table_node){.key = 12345}));
	assert_int_equal(table_restored(&again.table), 0);
	uint64_t random_again = random;
	for (int i = 0; i < 5000; i++) {
		change_something(&b, &random);
		change_something(&again, &random_again);
	}
	for (uint64_t key = 0; key < 2 * N; key++) {
		struct thing *x = table_peek(&b.table, key), *y = table_peek(&again.table, key);
		assert_int_equal(x != NULL, y != NULL);
		if (x)
			assert_int_equal(x->value, y->value);
	}
	free(b.memory);
	free(again.memory);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_table_lets_go_who_was_seen_longest_ago),
		cmocka_unit_test(strangers_without_end_leave_the_proven_in),
		cmocka_unit_test(the_proven_leave_strangers_their_share_and_no_more),
		cmocka_unit_test(it_agrees_with_a_list_whatever_is_done),
		cmocka_unit_test(an_entry_unseen_for_a_year_goes),
		cmocka_unit_test(z4_a_clock_that_is_years_ahead_for_a_moment_ages_nobody),
		cmocka_unit_test(z4_after_a_clock_was_years_ahead_days_count_again),
		cmocka_unit_test(around_midnight_disorder_is_no_new_day),
		cmocka_unit_test(a_snapshot_is_the_table_as_it_was_whatever_changes_meanwhile),
		cmocka_unit_test(what_was_put_back_and_taken_out_again_is_in_the_next_snapshot),
		cmocka_unit_test(a_restored_table_goes_on_as_the_one_that_was_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
