// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The faults of HOSTILE.md section 7 that concern the store, by their ids.

#include "fault.h"
#include "store/disk.h"
#include "store/page.h"
#include "store/view.h"
#include "world.h"

#include <dlfcn.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STEPS = 600 };

// A directory with the state after so many steps.
static const char *dir_with(uint64_t steps) {
	const char *dir = dir_new();
	struct world world;
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	world_run(&world, steps);
	assert_int_equal(world_sync(&world), 0);
	world_close(&world);
	return dir;
}

static uint8_t *file_read(const char *path, size_t *size_r) {
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	*size_r = file_size(path);
	uint8_t *data = malloc(*size_r + 1);
	assert_int_equal(fread(data, 1, *size_r, file), *size_r);
	fclose(file);
	return data;
}

static void file_write(const char *path, const uint8_t *data, size_t size) {
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

// How many entries are as in the other world; none is anything else.
static uint32_t assert_same_or_gone(const struct world *found, const struct world *plain) {
	uint32_t n = 0;
	for (uint32_t i = 0; i < found->table.n; i++) {
		const struct thing *thing = (const struct thing *)table_at(&found->table, i);
		if (!thing->node.used)
			continue;
		const struct thing *was = table_peek(&plain->table, thing->node.key);
		assert_non_null(was);
		assert_int_equal(thing->count, was->count);
		assert_memory_equal(thing->body, was->body, sizeof(was->body));
		n++;
	}
	bool is_zero = found->blob.steps == 0;
	if (!is_zero)
		assert_memory_equal(&found->blob, &plain->blob, sizeof(found->blob));
	return n;
}

// ---- Full, failing

// LMDB's calls, ours in front of them: how many transactions and cursors are open in each environment. Its
// thread writes while this one opens another.
static struct live {
	MDB_env *env;
	int n_open;
	int n_resized;
} live[8];
static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;

static void *next_of(const char *name) {
	void *symbol = dlsym(RTLD_NEXT, name);
	assert_non_null(symbol);
	return symbol;
}

// Adds to what is open in an environment, and says how much there is.
static struct live live_add(MDB_env *env, int n_open, int n_resized) {
	enum { N = sizeof(live) / sizeof(live[0]) };
	int at = 0;
	pthread_mutex_lock(&live_lock);
	while (at < N && live[at].env != env)
		at++;
	for (int i = 0; at == N && i < N; i++)
		if (live[i].n_open == 0) {
			live[i] = (struct live){.env = env};
			at = i;
			break;
		}
	if (at == N)
		abort();
	live[at].n_open += n_open;
	live[at].n_resized += n_resized;
	struct live now = live[at];
	pthread_mutex_unlock(&live_lock);
	return now;
}

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn_r) {
	int (*next)(MDB_env *, MDB_txn *, unsigned, MDB_txn **) = next_of("mdb_txn_begin");
	int rc = next(env, parent, flags, txn_r);
	if (rc == 0)
		live_add(env, 1, 0);
	return rc;
}

void mdb_txn_abort(MDB_txn *txn) {
	void (*next)(MDB_txn *) = next_of("mdb_txn_abort");
	if (txn)
		live_add(mdb_txn_env(txn), -1, 0);
	next(txn);
}

int mdb_txn_commit(MDB_txn *txn) {
	int (*next)(MDB_txn *) = next_of("mdb_txn_commit");
	live_add(mdb_txn_env(txn), -1, 0);
	return next(txn);
}

int mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor_r) {
	int (*next)(MDB_txn *, MDB_dbi, MDB_cursor **) = next_of("mdb_cursor_open");
	int rc = next(txn, dbi, cursor_r);
	if (rc == 0)
		live_add(mdb_txn_env(txn), 1, 0);
	return rc;
}

void mdb_cursor_close(MDB_cursor *cursor) {
	void (*next)(MDB_cursor *) = next_of("mdb_cursor_close");
	live_add(mdb_txn_env(mdb_cursor_txn(cursor)), -1, 0);
	next(cursor);
}

static atomic_bool is_short_of_space; // the system refuses a larger map

int mdb_env_set_mapsize(MDB_env *env, size_t size) {
	int (*next)(MDB_env *, size_t) = next_of("mdb_env_set_mapsize");
	if (live_add(env, 0, 1).n_open != 0)
		abort(); // d10
	return is_short_of_space ? ENOMEM : next(env, size);
}

void mdb_env_close(MDB_env *env) {
	void (*next)(MDB_env *) = next_of("mdb_env_close");
	pthread_mutex_lock(&live_lock);
	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
		if (env && live[i].env == env)
			live[i] = (struct live){0};
	pthread_mutex_unlock(&live_lock);
	next(env);
}

static atomic_uint_fast64_t n_put; // values written, by the store's thread

int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags) {
	static int (*next)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);
	if (!next)
		next = next_of("mdb_put");
	n_put++;
	return next(txn, dbi, key, value, flags);
}

static int n_resized(void) {
	int n = 0;
	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
		n += live[i].n_resized;
	return n;
}

// d10: the map is made larger only while no transaction and no cursor of ours looks into it: the calls above
// look, in this test and in all others of this file. A reader of another process goes on with its old snapshot.
static void d10_the_map_is_never_resized_under_a_transaction(void **) {
	const char *dir = dir_new();
	struct world world;
	char error[512];
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.map_size = 1 << 16;
	assert_int_equal(world_open_with(&world, &config), 0);
	int before = n_resized();
	world_run(&world, STEPS);
	assert_int_equal(world_sync(&world), 0);
	assert_true(n_resized() >= before + 2);
	int status, ready[2], go[2];
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	size_t size = file_size(path_in(dir, "data.mdb"));
	// It looks at the store, waits while that outgrows its map, and looks again.
	pid_t child = fork();
	if (child == 0) {
		struct view *view = view_open(dir, error, sizeof(error));
		uint64_t before = view ? view_mark(view)->n_activities : 0;
		char c;
		if (!before || write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		bool is_same = view_mark(view)->n_activities == before;
		view_close(view);
		view = view_open(dir, error, sizeof(error));
		_exit(is_same && view && view_mark(view)->n_activities > before ? 0 : 2);
	}
	char c;
	assert_int_equal(read(ready[0], &c, 1), 1);
	world_run(&world, STEPS + 20000);
	assert_int_equal(world_sync(&world), 0);
	assert_true(file_size(path_in(dir, "data.mdb")) > size);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	world_close(&world);
	dir_remove(dir);
}

static void d1_a_full_map_loses_nothing_and_grows(void **) {
	const char *dir = dir_new();
	struct world world, plain;
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.map_size = 1 << 16;
	assert_int_equal(world_open_with(&world, &config), 0);
	is_short_of_space = true;
	world_run(&world, STEPS);
	assert_true(store_stats(world.store)->n_failed > 0);
	assert_int_equal(world.n_said, 1);
	assert_non_null(strstr(world.said, "MDB_MAP_FULL"));
	is_short_of_space = false;
	assert_int_equal(world_sync(&world), 0);
	assert_non_null(strstr(world.said, "can be written again"));
	world_close(&world);
	world_plain(&plain, STEPS);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	assert_same_world(&world, &plain);
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

// Each error at each call of a transaction, for a while.
static void d2_r4_a_disk_that_fails_is_said_once_and_made_up_for(void **) {
	static const int errors[] = {ENOSPC, EIO, EDQUOT, EROFS};
	for (int e = 0; e < 4; e++)
		for (uint64_t from = 1; from <= 8; from++) {
			const char *dir = dir_new();
			struct world world, plain;
			world_init(&world, WORLD_ACCOUNTS);
			assert_int_equal(world_open(&world, dir), 0);
			world_run(&world, 100);
			assert_int_equal(world_sync(&world), 0);
			memset(&fault, 0, sizeof(fault));
			fault.is_on = true;
			fault.error = errors[e];
			fault.fail_from = from;
			fault.fail_n = 12;
			world_run(&world, STEPS);
			// Meanwhile what is on the disk is some whole state.
			fault.error = 0;
			fault.is_on = false;
			assert_true(store_stats(world.store)->n_failed > 0);
			assert_true(
				store_stats(world.store)->n_failed >= (uint64_t)world.n_said / 2
			);
			assert_int_equal(world_sync(&world), 0);
			world_close(&world);
			world_plain(&plain, STEPS);
			world_init(&world, WORLD_ACCOUNTS);
			assert_int_equal(world_open(&world, dir), 0);
			assert_same_world(&world, &plain);
			world_close(&world);
			world_close(&plain);
			dir_remove(dir);
		}
}

static void d2_a_disk_that_stays_full_leaves_the_last_whole_snapshot(void **) {
	const char *dir = dir_new();
	struct world world, plain;
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	world_run(&world, 100);
	assert_int_equal(world_sync(&world), 0);
	memset(&fault, 0, sizeof(fault));
	fault.is_on = true;
	fault.error = ENOSPC;
	fault.fail_from = 1;
	fault.fail_n = UINT64_MAX / 2;
	world_run(&world, STEPS);
	assert_int_equal(world_sync(&world), -1);
	assert_int_equal(world.n_said, 1);
	assert_non_null(strstr(world.said, "No space left on device"));
	world_close(&world);
	fault.is_on = false;
	world_plain(&plain, 100);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	assert_same_world(&world, &plain);
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

// ---- Truncated, flipped

static void d3_a_truncated_file_is_set_aside_and_what_it_still_holds_is_used(void **) {
	const char *dir = dir_with(STEPS);
	struct world world, plain;
	size_t size, n_some = 0;
	uint8_t *file = file_read(path_in(dir, "data.mdb"), &size);
	world_plain(&plain, STEPS);
	for (size_t cut = 0; cut < size; cut += cut < 20000 ? 1021 : 16381) {
		file_write(path_in(dir, "data.mdb"), file, cut);
		unlink(path_in(dir, "data.mdb.broken-1"));
		world_init(&world, WORLD_ACCOUNTS);
		assert_int_equal(world_open(&world, dir), 0);
		n_some += assert_same_or_gone(&world, &plain) > 0;
		if (cut > 0 && access(path_in(dir, "data.mdb.broken-1"), F_OK) == 0) {
			assert_true(world.n_said >= 1);
			assert_int_equal(file_size(path_in(dir, "data.mdb.broken-1")), cut);
		}
		// It can be written again at once.
		world_run(&world, world.step + 50);
		assert_int_equal(world_sync(&world), 0);
		world_close(&world);
	}
	print_message("  %zu of the cut files still held something\n", n_some);
	free(file);
	world_close(&plain);
	dir_remove(dir);
}

static void d11_a_flipped_bit_anywhere_is_at_most_something_learnt_anew(void **) {
	enum { FLIPS = 400 };
	const char *dir = dir_with(STEPS);
	struct world world, plain;
	size_t size;
	uint64_t random = 5, n_all = 0, n_fewer = 0, n_aside = 0;
	uint8_t *file = file_read(path_in(dir, "data.mdb"), &size);
	world_plain(&plain, STEPS);
	for (int i = 0; i < FLIPS; i++) {
		// The first pages more often: they lead to all others.
		size_t at = random_below(&random, (uint32_t)(i % 4 ? size : 16384));
		uint8_t bit = 1 << random_below(&random, 8);
		file[at] ^= bit;
		file_write(path_in(dir, "data.mdb"), file, size);
		file[at] ^= bit;
		unlink(path_in(dir, "data.mdb.broken-1"));
		world_init(&world, WORLD_ACCOUNTS);
		if (world_open(&world, dir) < 0) {
			assert_non_null(strstr(world.said, "description is broken"));
			world_close(&world);
			continue;
		}
		// The older of two snapshots is what a broken number of the newer one leaves.
		if (world.step == STEPS) {
			uint32_t n = assert_same_or_gone(&world, &plain);
			n_all += n == plain.table.n;
			n_fewer += n < plain.table.n;
			assert_true(n == plain.table.n || world.n_said > 0);
		} else {
			assert_true(world.n_said > 0 || world.step < STEPS);
		}
		n_aside += access(path_in(dir, "data.mdb.broken-1"), F_OK) == 0;
		world_run(&world, world.step + 50);
		assert_int_equal(world_sync(&world), 0);
		world_close(&world);
	}
	print_message(
		"  %d flips: %lu without a loss, %lu with entries learnt anew, %lu files set "
		"aside\n",
		FLIPS,
		n_all,
		n_fewer,
		n_aside
	);
	free(file);
	world_close(&plain);
	dir_remove(dir);
}

// ---- Readers

// d4: a million values are written after a reader was killed in the middle of its transaction. Its slot stands in the
// way of every page that was freed since, until it is found dead. Synced by nobody: disks are d8's matter.
static void d4_a_reader_that_died_does_not_keep_the_file_growing(void **) {
	enum { WRITES = 1000000 };
	const char *dir = dir_with(100);
	struct world world;
	int ready[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		MDB_env *env;
		MDB_txn *txn;
		if (mdb_env_create(&env) || mdb_env_open(env, dir, MDB_RDONLY, 0)
		    || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	world_init(&world, WORLD_ACCOUNTS);
	struct store_config config = world_config(&world, dir);
	config.interval_ns = 3 * MINUTE;
	assert_int_equal(world_open_with(&world, &config), 0);
	fault = (typeof(fault)){.is_on = true, .skips_sync = true};
	// While it lives the file must grow: no page of what it looks at may be used anew.
	size_t before = file_size(path_in(dir, "data.mdb"));
	world_run(&world, 20000);
	assert_int_equal(world_sync(&world), 0);
	size_t held = file_size(path_in(dir, "data.mdb"));
	assert_true(held > before);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	uint64_t first = n_put;
	size_t largest = 0, halfway = 0;
	while (n_put - first < WRITES) {
		if (n_put - first < WRITES / 2)
			halfway = largest;
		world_run(&world, world.step + 20000);
		assert_int_equal(world_sync(&world), 0);
		size_t size = file_size(path_in(dir, "data.mdb"));
		largest = size > largest ? size : largest;
	}
	fault = (typeof(fault)){0};
	print_message(
		"  %zu KB while the reader lived, after its death %zu KB at most in %lu values and "
		"%lu transactions\n",
		held >> 10,
		largest >> 10,
		n_put - first,
		store_stats(world.store)->generation
	);
	assert_true(largest <= held + held / 4);
	assert_int_equal(largest, halfway); // and it has stopped growing
	world_close(&world);
	close(ready[0]);
	close(ready[1]);
	dir_remove(dir);
}

// mdb_copy is mdb_env_copy2 in a process of its own.
static void d5_a_copy_made_while_it_is_written_is_one_whole_snapshot(void **) {
	const char *dir = dir_with(100), *copy = dir_new();
	struct world world;
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(mkdir(copy, 0700), 0);
		pid_t child = fork();
		if (child == 0) {
			MDB_env *env;
			int rc = mdb_env_create(&env);
			rc = rc ? rc : mdb_env_open(env, dir, MDB_RDONLY, 0);
			rc = rc ? rc : mdb_env_copy2(env, copy, i % 2 ? MDB_CP_COMPACT : 0);
			_exit(rc);
		}
		int status;
		while (waitpid(child, &status, WNOHANG) == 0)
			world_run(&world, world.step + 1);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		struct world found, plain;
		world_init(&found, WORLD_ACCOUNTS);
		assert_int_equal(world_open(&found, copy), 0);
		assert_int_equal(found.n_said, 0);
		assert_true(found.step >= 100);
		world_plain(&plain, found.step);
		assert_same_world(&found, &plain);
		world_close(&found);
		world_close(&plain);
		dir_remove(copy);
	}
	world_close(&world);
	dir_remove(dir);
}

// ---- Power cut: what was not synced is on the disk or not, in any order

enum { WRITES_MAX = 4096 };

static struct {
	struct {
		off_t at;
		size_t size;
		uint8_t *data;
	} write[WRITES_MAX];
	size_t n, n_synced;
} tape;

static void tape_wrote(off_t at, const void *data, size_t size) {
	assert_true(tape.n < WRITES_MAX);
	tape.write[tape.n].at = at;
	tape.write[tape.n].size = size;
	tape.write[tape.n].data = memcpy(malloc(size), data, size);
	tape.n++;
	// The meta page is written through (O_DSYNC): it is on the disk when the call returns.
	if (at < 8192)
		tape.n_synced = tape.n;
}

static void tape_synced(void) {
	tape.n_synced = tape.n;
}

static void d8_d9_after_a_power_cut_a_whole_snapshot_is_there(void **) {
	enum { CUTS = 150 };
	const char *dir = dir_with(100);
	struct world world, plain;
	size_t size;
	uint64_t random = 3;
	uint8_t *before = file_read(path_in(dir, "data.mdb"), &size), *image;
	size_t synced_at[WRITES_MAX];
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	memset(&fault, 0, sizeof(fault));
	fault.wrote = tape_wrote;
	fault.synced = tape_synced;
	fault.is_on = true;
	while (tape.n < 300) {
		size_t n = tape.n;
		world_run(&world, world.step + 1);
		store_sync(
			world.store,
			&(struct store_mark){START + world.step * WORLD_STEP_NS, 0, world.step}
		);
		for (; n < tape.n; n++)
			synced_at[n] = 0;
	}
	fault.is_on = false;
	world_close(&world);
	// Replayed: where the meta pages are, everything before was synced.
	size_t last = 0;
	for (size_t i = 0; i < tape.n; i++) {
		if (tape.write[i].at < 8192)
			last = i;
		synced_at[i] = last;
	}
	for (int cut = 0; cut < CUTS; cut++) {
		size_t upto = random_below(&random, (uint32_t)tape.n);
		image = calloc(1, 8 << 20);
		memcpy(image, before, size);
		size_t end = size;
		for (size_t i = 0; i <= upto; i++) {
			if (i > synced_at[upto] && random_chance(&random, 0.5))
				continue; // never came to the disk
			memcpy(image + tape.write[i].at, tape.write[i].data, tape.write[i].size);
			size_t to = (size_t)tape.write[i].at + tape.write[i].size;
			end = to > end ? to : end;
		}
		file_write(path_in(dir, "data.mdb"), image, end);
		free(image);
		world_init(&world, WORLD_ACCOUNTS);
		assert_int_equal(world_open(&world, dir), 0);
		if (world.n_said)
			fail_msg("%s", world.said);
		assert_true(world.step >= 100);
		world_plain(&plain, world.step);
		assert_same_world(&world, &plain);
		world_close(&world);
		world_close(&plain);
	}
	for (size_t i = 0; i < tape.n; i++)
		free(tape.write[i].data);
	free(before);
	dir_remove(dir);
}

// ---- Versions

static bool migrate(void *ctx, uint16_t version, const void *image, size_t size, void *entry) {
	struct thing *thing = entry;
	if (version != 1 || size != sizeof(*thing) - sizeof(thing->node))
		return false;
	memcpy(&thing->node + 1, image, size);
	thing->count += 1000;
	return true;
}

static void an_older_layout_is_migrated_or_learnt_anew_a_newer_one_refused(void **) {
	const char *dir = dir_with(STEPS);
	struct world world, plain;
	world_plain(&plain, STEPS);
	world_init(&world, WORLD_ACCOUNTS);
	world.parts[0].version = 2;
	world.parts[0].unpack = migrate;
	assert_int_equal(world_open(&world, dir), 0);
	for (uint64_t key = 0; key < WORLD_KEYS; key++) {
		struct thing *now = table_peek(&world.table, key),
			     *was = table_peek(&plain.table, key);
		assert_int_equal(now != NULL, was != NULL);
		if (now)
			assert_int_equal(now->count, was->count + 1000);
	}
	assert_int_equal(store_stats(world.store)->n_bad, 0);
	// The next snapshot has all of it in the new layout, also what nobody touched.
	assert_int_equal(world_sync(&world), 0);
	world_close(&world);
	world_init(&world, WORLD_ACCOUNTS);
	world.parts[0].version = 2;
	assert_int_equal(world_open(&world, dir), 0);
	for (uint64_t key = 0; key < WORLD_KEYS; key++) {
		struct thing *now = table_peek(&world.table, key),
			     *was = table_peek(&plain.table, key);
		assert_int_equal(now != NULL, was != NULL);
		if (now)
			assert_int_equal(now->count, was->count + 1000);
	}
	world_close(&world);
	// Nobody understands it: learnt anew, and said.
	world_init(&world, WORLD_ACCOUNTS);
	world.parts[0].version = 3;
	assert_int_equal(world_open(&world, dir), 0);
	assert_int_equal(store_stats(world.store)->n_entries, 0);
	assert_non_null(strstr(world.said, "learnt anew"));
	world_run(&world, STEPS + 100);
	assert_int_equal(world_sync(&world), 0);
	world_close(&world);
	// The program before that.
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), -1);
	assert_non_null(strstr(world.said, "a newer postern wrote its things"));
	world_close(&world);
	world_close(&plain);
	dir_remove(dir);
}

static void somebody_elses_lmdb_is_refused_and_left_alone(void **) {
	const char *dir = dir_new();
	struct world world;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val key = {6, "abcdef"}, value = {5, "hello"};
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), -1);
	assert_non_null(strstr(world.said, "not Postern's"));
	world_close(&world);
	dir_remove(dir);
}

static void into_smaller_tables_go_those_seen_last(void **) {
	enum { FEWER = 150 };
	const char *dir = dir_with(STEPS);
	struct world world, plain;
	world_plain(&plain, STEPS);
	for (int again = 0; again < 2; again++) {
		world_init(&world, FEWER);
		assert_int_equal(world_open(&world, dir), 0);
		assert_int_equal(store_stats(world.store)->n_entries, FEWER);
		uint64_t least = UINT64_MAX, n_later = 0;
		for (uint32_t i = 0; i < FEWER; i++)
			if (table_at(&world.table, i)->seen < least)
				least = table_at(&world.table, i)->seen;
		for (uint32_t i = 0; i < plain.table.n; i++) {
			const struct table_node *node = table_at(&plain.table, i);
			n_later += node->used && node->seen >= least;
		}
		assert_int_equal(n_later, FEWER);
		assert_same_or_gone(&world, &plain);
		assert_int_equal(store_stats(world.store)->n_left_out > 0, again == 0);
		assert_int_equal(world_sync(&world), 0);
		world_close(&world);
	}
	world_close(&plain);
	dir_remove(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(d1_a_full_map_loses_nothing_and_grows),
		cmocka_unit_test(d10_the_map_is_never_resized_under_a_transaction),
		cmocka_unit_test(d2_r4_a_disk_that_fails_is_said_once_and_made_up_for),
		cmocka_unit_test(d2_a_disk_that_stays_full_leaves_the_last_whole_snapshot),
		cmocka_unit_test(d3_a_truncated_file_is_set_aside_and_what_it_still_holds_is_used),
		cmocka_unit_test(d11_a_flipped_bit_anywhere_is_at_most_something_learnt_anew),
		cmocka_unit_test(d4_a_reader_that_died_does_not_keep_the_file_growing),
		cmocka_unit_test(d5_a_copy_made_while_it_is_written_is_one_whole_snapshot),
		cmocka_unit_test(d8_d9_after_a_power_cut_a_whole_snapshot_is_there),
		cmocka_unit_test(an_older_layout_is_migrated_or_learnt_anew_a_newer_one_refused),
		cmocka_unit_test(somebody_elses_lmdb_is_refused_and_left_alone),
		cmocka_unit_test(into_smaller_tables_go_those_seen_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
