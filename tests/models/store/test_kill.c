// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// kill −9 at random and at every named point: what is found afterwards is one snapshot, whole, at most
// the interval old, and from there the same steps lead to the same state. With a number as argument: so
// many random kills (./dev kill).

#include "fault.h"
#include "world.h"

#include <lmdb.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum {
	STEPS = 2400,
	KILLS_DEFAULT = 50,
	INTERVAL_STEPS = 60,
	SMALL_MAP = 64 << 10, // doubled many times until all fits
};

static size_t map_size; // that stores begin with; 0: enough
static unsigned n_kills = KILLS_DEFAULT;
static uint64_t seed;
static volatile uint64_t *progress; // shared: the step the child has come to

// The child's life: on from where the store is, to the end if it is let.
static void child_run(const char *dir, uint64_t until) {
	struct world world;
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.map_size = map_size;
	if (world_open_with(&world, &config) < 0)
		_exit(3);
	*progress = world.step;
	fault.is_on = true;
	while (world.step < until) {
		world_run(&world, world.step + 1);
		*progress = world.step;
	}
	if (world_sync(&world) < 0)
		_exit(4);
	world_close(&world);
	_exit(0);
}

static double now_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

// What lies in the directory is the state after some step, exactly, and which. *ms_r: how long it took
// to open.
static uint64_t found_whole(const char *dir, double *ms_r) {
	struct world world, plain;
	double from = now_ms();
	world_init(&world, WORLD_ACCOUNTS);
	if (world_open(&world, dir) < 0)
		fail_msg("%s", world.said);
	*ms_r = now_ms() - from;
	assert_int_equal(world.n_said, 0); // nothing broken, nothing set aside
	world_plain(&plain, world.step);
	assert_same_world(&world, &plain);
	uint64_t step = world.step;
	world_close(&world);
	world_close(&plain);
	return step;
}

// Runs a child that a fault or a kill after so many microseconds ends. True: it came to its end.
static bool child_ends(const char *dir, uint64_t until, int64_t kill_us) {
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		child_run(dir, until);
	if (kill_us >= 0) {
		usleep((useconds_t)kill_us);
		kill(child, SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFEXITED(status);
}

// Somebody who copies the directory while it is written, by LMDB's own means.
static pid_t copier_start(const char *dir, const char *copy) {
	assert_int_equal(mkdir(copy, 0700), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		MDB_env *env;
		int rc = mdb_env_create(&env);
		rc = rc ? rc : mdb_env_open(env, dir, MDB_RDONLY, 0);
		rc = rc ? rc : mdb_env_copy(env, copy);
		if (rc == MDB_MAP_RESIZED) // it has grown since it was opened
			rc = mdb_env_set_mapsize(env, 0) || mdb_env_copy(env, copy);
		_exit(rc ? 6 : 0);
	}
	return child;
}

// The writer was killed meanwhile: the copy is a snapshot all the same.
static void copier_end(pid_t child, const char *copy, uint64_t from, uint64_t to) {
	int status;
	double ms;
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status != 0)
		fail_msg("seed %lu: the copy ended with %x", seed, (unsigned)status);
	uint64_t step = found_whole(copy, &ms);
	assert_true(from <= step && step <= to);
	dir_remove(copy);
}

// In every other store the map is too small at first, and grows; in every fourth life somebody copies.
static void after_a_kill_at_a_random_moment_one_snapshot_is_there(void **) {
	uint64_t n_copies = 0, random = seed, n_ended = 0, n_lost_max = 0, before = 0;
	double ms, ms_max = 0, took_ms = 0;
	size_t size_max = 0;
	const char *dir = dir_new(), *copy = dir_new();
	// How long an undisturbed run takes: kills fall anywhere in it.
	took_ms = now_ms();
	assert_true(child_ends(dir, STEPS, -1));
	took_ms = now_ms() - took_ms;
	dir_remove(dir);
	for (unsigned i = 0; i < n_kills; i++) {
		*progress = before;
		if (before == 0)
			map_size = random_chance(&random, 0.5) ? SMALL_MAP : 0;
		bool is_copied = before > 0 && random_chance(&random, 0.25);
		pid_t copier = is_copied ? copier_start(dir, copy) : 0;
		n_copies += is_copied;
		bool is_ended = child_ends(
			dir, STEPS, (int64_t)random_below(&random, (uint32_t)(300 * took_ms) + 1)
		);
		uint64_t reached = *progress, step = found_whole(dir, &ms);
		assert_true(step >= before && step <= reached + 1);
		if (is_copied)
			copier_end(copier, copy, before, step);
		uint64_t n_lost = reached - (step < reached ? step : reached);
		if (n_lost > INTERVAL_STEPS)
			fail_msg("seed %lu, kill %u: %lu steps lost", seed, i, n_lost);
		n_lost_max = n_lost > n_lost_max ? n_lost : n_lost_max;
		ms_max = ms > ms_max ? ms : ms_max;
		before = step;
		if (is_ended || step == STEPS) {
			n_ended++;
			assert_int_equal(step, STEPS);
			size_t size = file_size(path_in(dir, "data.mdb"));
			assert_true(size < 8 << 20);
			size_max = size > size_max ? size : size_max;
			dir_remove(dir);
			before = 0;
		}
	}
	map_size = 0;
	print_message(
		"  %u kills, seed %lu, %lu beside a copy: %lu runs came to their end over several "
		"lives; at most "
		"%lu steps of %d lost; %zu KB at most, opened in %.0f ms\n",
		n_kills,
		seed,
		n_copies,
		n_ended,
		n_lost_max,
		INTERVAL_STEPS,
		size_max >> 10,
		ms_max
	);
	assert_true(n_ended == 0 || size_max > SMALL_MAP); // it had to grow
	dir_remove(dir);
}

// Between put and commit, and inside the commit before and after each write, the sync and the meta page:
// every call of some transactions, the process ends before it and after it.
static void after_a_kill_at_every_named_point_one_snapshot_is_there(void **) {
	const char *dir = dir_new();
	unsigned n_points = 0;
	double ms;
	// A few transactions' worth of calls after the store was made.
	for (uint64_t call = 1; call <= 40; call++)
		for (int after = 0; after < 2; after++) {
			dir_remove(dir);
			assert_true(child_ends(dir, 200, -1)); // something is there
			fault.kill_before = after ? 0 : call;
			fault.kill_after = after ? call : 0;
			bool is_ended = child_ends(dir, 600, -1);
			fault.kill_before = fault.kill_after = 0;
			uint64_t step = found_whole(dir, &ms);
			assert_true(step >= 200);
			n_points += !is_ended;
			// Whoever comes next goes on to the same end.
			assert_true(child_ends(dir, 600, -1));
			assert_int_equal(found_whole(dir, &ms), 600);
		}
	print_message("  %u points\n", n_points);
	assert_true(n_points >= 60);
	dir_remove(dir);
}

// While the map grows: every call of a store that begins with too little room, until it has enough. Wherever it
// ends no more than the interval is lost.
static void after_a_kill_while_the_map_grows_one_snapshot_is_there(void **) {
	unsigned n_points = 0;
	double ms;
	map_size = SMALL_MAP;
	for (uint64_t call = 1; call <= 40; call++) {
		const char *dir = dir_new();
		fault.kill_after = call;
		*progress = 0;
		n_points += !child_ends(dir, 300, -1);
		fault.kill_after = 0;
		assert_true(found_whole(dir, &ms) + INTERVAL_STEPS >= *progress);
		assert_true(child_ends(dir, 600, -1));
		assert_int_equal(found_whole(dir, &ms), 600);
		dir_remove(dir);
	}
	map_size = 0;
	print_message("  %u points\n", n_points);
	assert_true(n_points >= 30);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_kill_at_a_random_moment_one_snapshot_is_there),
		cmocka_unit_test(after_a_kill_at_every_named_point_one_snapshot_is_there),
		cmocka_unit_test(after_a_kill_while_the_map_grows_one_snapshot_is_there),
	};
	if (argc > 1)
		n_kills = (unsigned)strtoul(argv[1], NULL, 10);
	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
