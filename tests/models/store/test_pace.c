// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is lost at most, where the map has to grow again and again and where the disk is slower than snapshots
// are due.

#include "fault.h"
#include "world.h"

#include <lmdb.h>
#include <pthread.h>
#include <sys/wait.h>

enum {
	INTERVAL_STEPS = 60,
	SMALL_MAP = 64 << 10,
};

// Somebody who looks at the store and never looks away: no page can be used again, and the file only grows.
static pid_t reader_start(const char *dir, int *go_w) {
	int ready[2], go[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		MDB_env *env;
		MDB_txn *txn;
		close(go[1]);
		int rc = mdb_env_create(&env);
		rc = rc ? rc : mdb_env_open(env, dir, MDB_RDONLY, 0);
		rc = rc ? rc : mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
		rc = rc || write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 0;
		_exit(rc);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	*go_w = go[1];
	return child;
}

static void a_map_that_doubles_again_and_again_costs_no_snapshot(void **) {
	const char *dir = dir_new();
	struct world world, plain;
	int go, status;
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.map_size = SMALL_MAP;
	assert_int_equal(world_open_with(&world, &config), 0);
	pid_t reader = reader_start(dir, &go);
	uint64_t steps = 0, behind_ns = 0;
	fault = (typeof(fault)){.is_on = true, .skips_sync = true};
	while (file_size(path_in(dir, "data.mdb")) < SMALL_MAP << 9) {
		world_run(&world, ++steps);
		const struct store_stats *stats = store_stats(world.store);
		assert_int_equal(stats->n_failed, 0);
		behind_ns = stats->behind_ns > behind_ns ? stats->behind_ns : behind_ns;
	}
	assert_int_equal(world.n_said, 0);
	assert_true(behind_ns <= INTERVAL_STEPS * WORLD_STEP_NS);
	assert_int_equal(world_sync(&world), 0);
	assert_int_equal(store_stats(world.store)->behind_ns, 0);
	fault.is_on = false;
	world_close(&world);
	close(go);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	world_plain(&plain, steps);
	assert_same_world(&world, &plain);
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

// ---- A slow disk: each sync lasts until it is let go

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint64_t n_come, n_let; // syncs
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static void gate_pass(void) {
	pthread_mutex_lock(&gate.mutex);
	uint64_t mine = ++gate.n_come;
	pthread_cond_broadcast(&gate.changed);
	while (gate.n_let < mine)
		pthread_cond_wait(&gate.changed, &gate.mutex);
	pthread_mutex_unlock(&gate.mutex);
}

static void gate_let(uint64_t n) {
	pthread_mutex_lock(&gate.mutex);
	gate.n_let += n;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.mutex);
}

static void gate_await(uint64_t n) {
	pthread_mutex_lock(&gate.mutex);
	while (gate.n_come < n)
		pthread_cond_wait(&gate.changed, &gate.mutex);
	pthread_mutex_unlock(&gate.mutex);
}

// Lives on until what is being copied has come to the disk's door.
static void run_until_it_waits(struct world *world, uint64_t n) {
	uint64_t due = world->step + INTERVAL_STEPS;
	while (world->step < due)
		world_run(world, world->step + 1);
	gate_await(n);
}

// What a kill at this moment would leave: LMDB's file as it lies there, which is copied.
static uint64_t found_now(const char *dir) {
	const char *copy = dir_new();
	char command[600];
	struct world world;
	snprintf(command, sizeof(command), "mkdir %s && cp %s/data.mdb %s/", copy, dir, copy);
	assert_int_equal(system(command), 0);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, copy), 0);
	uint64_t step = world.step;
	world_close(&world);
	dir_remove(copy);
	return step;
}

// Lets the snapshot on its way come to its end, and waits until the store knows.
static void let_one_end(struct world *world) {
	uint64_t generation = store_stats(world->store)->generation;
	struct store_mark mark = world_mark(world);
	gate_let(1);
	while (store_stats(world->store)->generation == generation)
		store_tick(world->store, &mark);
}

static void on_a_slow_disk_what_passes_while_two_are_written_is_lost_and_told(void **) {
	enum { SLOW_STEPS = 5 * INTERVAL_STEPS };
	const char *dir = dir_new();
	struct world world, plain;
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.wait = false;
	assert_int_equal(world_open_with(&world, &config), 0);
	fault = (typeof(fault)){.is_on = true, .skips_sync = true, .synced = gate_pass};
	run_until_it_waits(&world, 1);
	const struct store_stats *stats = store_stats(world.store);
	for (uint64_t n = 1; n <= 3; n++) {
		uint64_t found = found_now(dir);
		world_run(&world, world.step + SLOW_STEPS);
		assert_int_equal(found_now(dir), found); // nobody waited, nothing was written
		assert_int_equal(stats->n_late, n); // snapshots, not attempts
		// Before the first one is there it is counted from the first moment on.
		uint64_t lost = world.step - found, behind = stats->behind_ns / WORLD_STEP_NS;
		assert_true(n == 1 || behind == lost);
		assert_true(lost <= 2 * (SLOW_STEPS + INTERVAL_STEPS));
		let_one_end(&world);
		assert_true(found_now(dir) > found);
		// The next begins at once.
		run_until_it_waits(&world, n + 1);
	}
	gate_let(1000);
	assert_int_equal(world_sync(&world), 0);
	assert_int_equal(stats->behind_ns, 0);
	assert_int_equal(stats->n_failed, 0);
	fault = (typeof(fault)){0};
	uint64_t steps = world.step;
	assert_int_equal(found_now(dir), steps);
	world_close(&world);
	world_plain(&plain, steps);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	assert_same_world(&world, &plain);
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_that_doubles_again_and_again_costs_no_snapshot),
		cmocka_unit_test(on_a_slow_disk_what_passes_while_two_are_written_is_lost_and_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
