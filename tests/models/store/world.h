// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the store's tests keep: a table and a blob that change with every step in a way that a seed
// decides, so that a step repeated after a restart does what it did before.

#pragma once

#include "../desk.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WORLD_ACCOUNTS = 400,
	WORLD_KEYS = 500, // more than fit: some are displaced
	WORLD_SEED = 11,
};

#define WORLD_STEP_NS SECOND

struct thing {
	struct table_node node;
	uint64_t count;
	char name[40];
	uint8_t body[1000];
};

struct fleet_blob {
	uint64_t steps;
	double sum;
	uint8_t sketch[10000];
};

struct world {
	struct table table;
	void *memory;
	struct fleet_blob blob;
	struct store_part parts[2];
	struct store *store;
	uint64_t step; // the next one
	int n_said;
	char said[1024]; // the last line
};

static inline void world_hear(void *ctx, const char *text) {
	struct world *world = ctx;
	world->n_said++;
	snprintf(world->said, sizeof(world->said), "%s", text);
}

static inline void world_init(struct world *world, uint32_t n) {
	const uint64_t key[2] = {1, 2};
	memset(world, 0, sizeof(*world));
	world->memory = calloc(1, table_memsize(n, sizeof(struct thing)));
	table_init(&world->table, key, n, sizeof(struct thing), world->memory);
	world->parts[0] = (struct store_part){
		.name = "things",
		.id = 1,
		.version = 1,
		.table = &world->table,
	};
	world->parts[1] = (struct store_part){
		.name = "fleet",
		.id = 2,
		.version = 1,
		.blob = &world->blob,
		.size = sizeof(world->blob),
	};
}

static inline struct store_config world_config(struct world *world, const char *dir) {
	return (struct store_config){
		.dir = dir,
		.interval_ns = MINUTE,
		.wait = true,
		.say = world_hear,
		.ctx = world,
	};
}

// 0, or −1 and the error in world->said.
static inline int world_open_with(struct world *world, const struct store_config *config) {
	char error[1024];
	world->store = store_open(config, world->parts, 2, error, sizeof(error));
	if (!world->store) {
		snprintf(world->said, sizeof(world->said), "%s", error);
		return -1;
	}
	world->step = store_found(world->store)->n_activities;
	return 0;
}

static inline int world_open(struct world *world, const char *dir) {
	struct store_config config = world_config(world, dir);
	return world_open_with(world, &config);
}

static inline struct store_mark world_mark(const struct world *world) {
	return (struct store_mark){
		.now_ns = START + world->step * WORLD_STEP_NS,
		.n_activities = world->step,
	};
}

// What step number world->step does, whenever it is done.
static inline void world_step(struct world *world) {
	uint64_t random = WORLD_SEED + world->step * 1000003;
	table_pass(&world->table, world_mark(world).now_ns);
	for (int i = 0; i < 3; i++) {
		uint64_t key = random_below(&random, WORLD_KEYS);
		struct thing *thing = table_find(&world->table, key);
		if (!thing)
			thing = table_add(&world->table, key);
		snprintf(thing->name, sizeof(thing->name), "u%lu@example.org", key);
		thing->count++;
		thing->body[random_below(&random, sizeof(thing->body))]++;
		if (random_chance(&random, 0.1))
			table_prove(&world->table, thing);
		if (random_chance(&random, 0.02))
			table_remove(&world->table, thing);
	}
	world->blob.steps++;
	world->blob.sum += 0.1 * random_below(&random, 100);
	world->blob.sketch[random_below(&random, sizeof(world->blob.sketch))]++;
	world->step++;
}

static inline void world_run(struct world *world, uint64_t until) {
	while (world->step < until) {
		world_step(world);
		struct store_mark mark = world_mark(world);
		if (world->store)
			store_tick(world->store, &mark);
	}
}

static inline int world_sync(struct world *world) {
	struct store_mark mark = world_mark(world);
	return store_sync(world->store, &mark);
}

static inline void world_close(struct world *world) {
	store_close(world->store);
	free(world->memory);
	world->store = NULL;
	world->memory = NULL;
}

static inline int thing_order(const void *a, const void *b) {
	const struct thing *x = *(const struct thing *const *)a,
			   *y = *(const struct thing *const *)b;
	return x->node.key < y->node.key ? -1 : x->node.key > y->node.key;
}

// All that is kept, byte by byte, but not where it lies. The caller frees it.
static inline uint8_t *world_dump(const struct world *world, size_t *size_r) {
	const struct thing **things = calloc(world->table.n + 1, sizeof(*things));
	uint32_t n = 0;
	for (uint32_t i = 0; i < world->table.n; i++)
		if (table_at(&world->table, i)->used)
			things[n++] = (const struct thing *)table_at(&world->table, i);
	qsort(things, n, sizeof(*things), thing_order);
	*size_r = n * sizeof(struct thing) + sizeof(world->blob) + 24;
	uint8_t *dump = calloc(1, *size_r), *at = dump;
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct thing)) {
		struct thing thing = *things[i];
		thing.node.chain = thing.node.older = thing.node.newer = 0;
		memcpy(at, &thing, sizeof(thing));
	}
	memcpy(at, &world->blob, sizeof(world->blob));
	uint64_t counters[] = {world->step, world->table.n_seen, world->table.today};
	memcpy(at + sizeof(world->blob), counters, sizeof(counters));
	free(things);
	return dump;
}

static inline void assert_same_world(const struct world *a, const struct world *b) {
	size_t size_a, size_b;
	uint8_t *dump_a = world_dump(a, &size_a), *dump_b = world_dump(b, &size_b);
	assert_int_equal(size_a, size_b);
	assert_memory_equal(dump_a, dump_b, size_a);
	free(dump_a);
	free(dump_b);
}

// The world after so many steps, without a store. One: it is compared with often.
static inline void world_plain(struct world *world, uint64_t steps) {
	world_init(world, WORLD_ACCOUNTS);
	world_run(world, steps);
}

// ---- Directories

static inline int remove_one(const char *path, const struct stat *, int, struct FTW *) {
	return remove(path);
}

static inline void dir_remove(const char *dir) {
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// A new directory's name under the build directory, or TMPDIR; not made.
static inline const char *dir_new(void) {
	static char dirs[64][128];
	static int n;
	const char *tmp = getenv("TMPDIR");
	char *dir = dirs[n++ % 64];
	snprintf(
		dir,
		sizeof(dirs[0]),
		"%s/postern-store-%ld-%d",
		tmp ? tmp : "/tmp",
		(long)getpid(),
		n
	);
	dir_remove(dir);
	return dir;
}

static inline char *path_in(const char *dir, const char *name) {
	static char paths[8][512];
	static int n;
	char *path = paths[n++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static inline size_t file_size(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}
