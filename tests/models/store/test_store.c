// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "world.h"

enum { STEPS = 1500 };

static void what_was_kept_is_there_again_byte_by_byte(void **) {
	struct world plain, world;
	const char *dir = dir_new();
	world_plain(&plain, STEPS);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	world_run(&world, STEPS);
	assert_int_equal(world_sync(&world), 0);
	world_close(&world);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	assert_int_equal(world.step, STEPS);
	assert_int_equal(store_found(world.store)->now_ns, START + STEPS * WORLD_STEP_NS);
	assert_same_world(&world, &plain);
	// And both go on alike, whoever is displaced.
	world_run(&world, 2 * STEPS);
	world_run(&plain, 2 * STEPS);
	assert_same_world(&world, &plain);
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

// Whatever was learnt after the last snapshot is learnt again from the same steps.
static void after_a_loss_of_at_most_the_interval_the_missing_steps_lead_to_the_same(void **) {
	struct world plain, world;
	world_plain(&plain, STEPS);
	for (uint64_t stop = 1; stop < STEPS; stop += 97) {
		const char *dir = dir_new();
		world_init(&world, WORLD_ACCOUNTS);
		assert_int_equal(world_open(&world, dir), 0);
		world_run(&world, stop);
		world_close(&world); // without a sync
		world_init(&world, WORLD_ACCOUNTS);
		assert_int_equal(world_open(&world, dir), 0);
		assert_true(world.step <= stop && world.step + 60 >= stop);
		world_run(&world, STEPS);
		assert_same_world(&world, &plain);
		world_close(&world);
		dir_remove(dir);
	}
	world_close(&plain);
}

static void live_nothing_waits_and_what_was_late_is_counted(void **) {
	struct world plain, world;
	const char *dir = dir_new();
	world_plain(&plain, 20 * STEPS);
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.wait = false;
	config.interval_ns = 2 * WORLD_STEP_NS;
	assert_int_equal(world_open_with(&world, &config), 0);
	world_run(&world, 20 * STEPS);
	print_message(
		"  %lu snapshots, late %lu times\n",
		store_stats(world.store)->generation,
		store_stats(world.store)->n_late
	);
	assert_int_equal(world_sync(&world), 0);
	assert_true(store_stats(world.store)->generation > 0); // how many hangs on the disk
	world_close(&world);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	assert_same_world(&world, &plain);
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

static void d6_d7_a_second_writer_is_told_who_the_first_is(void **) {
	struct world first, second;
	const char *dir = dir_new();
	char pid[32];
	world_init(&first, WORLD_ACCOUNTS);
	world_init(&second, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&first, dir), 0);
	assert_int_equal(world_open(&second, dir), -1);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	assert_non_null(strstr(second.said, "another postern writes it"));
	assert_non_null(strstr(second.said, pid));
	// The first is none the worse for it.
	world_run(&first, 200);
	assert_int_equal(world_sync(&first), 0);
	store_close(first.store);
	first.store = NULL;
	assert_int_equal(world_open(&second, dir), 0);
	assert_same_world(&first, &second);
	world_close(&first);
	world_close(&second);
	dir_remove(dir);
}

// z4: a clock that was set back is no reason to keep nothing until it has come so far again.
static void z4_after_a_clock_was_set_back_snapshots_go_on(void **) {
	struct world world;
	const char *dir = dir_new();
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	world_run(&world, 200);
	assert_int_equal(world_sync(&world), 0);
	uint64_t generation = store_stats(world.store)->generation;
	for (uint64_t i = 0; i < 200; i++) {
		struct store_mark mark = {.now_ns = START - DAY + i * SECOND, .n_activities = i};
		world_step(&world);
		store_tick(world.store, &mark);
	}
	assert_true(store_stats(world.store)->generation >= generation + 3);
	world_close(&world);
	dir_remove(dir);
}

// n1: days are counted over restarts, too: who was not seen for a year goes, though nobody ran for longer than a day.
static void n1_with_a_restart_every_day_a_year_is_as_long(void **) {
	const char *dir = dir_new();
	uint32_t gone = 0;
	for (uint32_t day = 0; day <= TABLE_DAYS_MAX + 1; day++) {
		struct world world;
		world_init(&world, 16);
		assert_int_equal(world_open(&world, dir), 0);
		struct store_mark mark = {.now_ns = START + day * DAY, .n_activities = day};
		table_pass(&world.table, mark.now_ns);
		if (day == 0)
			table_add(&world.table, 1);
		if (!table_peek(&world.table, 1) && !gone)
			gone = day;
		assert_int_equal(store_sync(world.store, &mark), 0);
		world_close(&world);
	}
	assert_int_equal(gone, TABLE_DAYS_MAX + 1);
	dir_remove(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_kept_is_there_again_byte_by_byte),
		cmocka_unit_test(
			after_a_loss_of_at_most_the_interval_the_missing_steps_lead_to_the_same
		),
		cmocka_unit_test(live_nothing_waits_and_what_was_late_is_counted),
		cmocka_unit_test(z4_after_a_clock_was_set_back_snapshots_go_on),
		cmocka_unit_test(n1_with_a_restart_every_day_a_year_is_as_long),
		cmocka_unit_test(d6_d7_a_second_writer_is_told_who_the_first_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
