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

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_table_lets_go_who_was_seen_longest_ago),
		cmocka_unit_test(strangers_without_end_leave_the_proven_in),
		cmocka_unit_test(the_proven_leave_strangers_their_share_and_no_more),
		cmocka_unit_test(it_agrees_with_a_list_whatever_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
