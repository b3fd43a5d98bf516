// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The n-th allocation fails, n = 1, 2, … to the last one, once and from there on: whoever asked says so, or does
// without; nothing is leaked (the sanitizer looks), and what lies in the directory stays whole.

#include "models.h"
#include "store/view.h"
#include "world.h"

static struct {
	bool is_on;
	uint64_t n, fail_at;
	bool for_ever;
} allocator;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void) {
	if (!allocator.is_on)
		return false;
	allocator.n++;
	bool is_it = allocator.for_ever ? allocator.n >= allocator.fail_at
					: allocator.n == allocator.fail_at;
	if (is_it)
		errno = ENOMEM;
	return is_it;
}

void *__wrap_malloc(size_t size) {
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t size) {
	return fails() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text) {
	size_t size = strlen(text) + 1;
	char *copy = __wrap_malloc(size);
	return copy ? memcpy(copy, text, size) : NULL;
}

static void fail_from(uint64_t n, bool for_ever) {
	allocator.is_on = n > 0;
	allocator.n = 0;
	allocator.fail_at = n;
	allocator.for_ever = for_ever;
}

// Runs what is given with the n-th allocation failing until none did. Returns how many there were.
static uint64_t each_failure(void (*run)(void *ctx, bool fails), void *ctx) {
	uint64_t n_most = 0;
	for (int for_ever = 0; for_ever < 2; for_ever++)
		for (uint64_t n = 1;; n++) {
			assert_true(n < 10000);
			fail_from(n, for_ever);
			run(ctx, true);
			bool is_over = allocator.n < n;
			fail_from(0, false);
			n_most = n > n_most ? n : n_most;
			if (is_over)
				break;
		}
	return n_most - 1;
}

// The directory of a store that has come so far.
static const char *store_with(uint64_t steps) {
	const char *dir = dir_new();
	struct world world;
	world_init(&world, WORLD_ACCOUNTS);
	assert_int_equal(world_open(&world, dir), 0);
	world_run(&world, steps);
	assert_int_equal(world_sync(&world), 0);
	world_close(&world);
	return dir;
}

// A store is opened, written and closed. What was there before is there afterwards, or what was written.
static void store_once(void *ctx, bool) {
	const char *dir = ctx;
	struct world world, found, plain;
	bool was_on = allocator.is_on;
	allocator.is_on = false; // the tables' memory is the caller's
	world_init(&world, WORLD_ACCOUNTS);
	allocator.is_on = was_on;
	int opened = world_open(&world, dir);
	if (opened < 0)
		assert_true(strlen(world.said) > 0);
	if (opened == 0) {
		world_run(&world, world.step + 70);
		world_sync(&world);
	}
	allocator.is_on = false;
	world_close(&world);
	world_init(&found, WORLD_ACCOUNTS);
	if (world_open(&found, dir) < 0)
		fail_msg("%s", found.said);
	assert_int_equal(found.n_said, 0);
	assert_true(found.step >= 100);
	world_plain(&plain, found.step);
	assert_same_world(&found, &plain);
	world_close(&found);
	world_close(&plain);
	allocator.is_on = was_on;
}

static void n2_a_store_without_memory_says_so_and_stays_whole(void **) {
	const char *dir = store_with(100);
	uint64_t n = each_failure(store_once, (void *)dir);
	print_message("  %lu allocations\n", n);
	assert_true(n >= 5);
	dir_remove(dir);
}

static void view_once(void *ctx, bool) {
	char error[512] = "";
	struct view *view = view_open(ctx, error, sizeof(error));
	assert_true(view || error[0]);
	view_close(view);
}

// Opened with tables that are too small: all that fits, or nothing.
static void smaller_once(void *ctx, bool) {
	struct world world;
	bool was_on = allocator.is_on;
	allocator.is_on = false;
	world_init(&world, WORLD_ACCOUNTS / 2);
	allocator.is_on = was_on;
	if (world_open(&world, ctx) < 0)
		assert_true(strlen(world.said) > 0);
	else
		assert_int_equal(store_stats(world.store)->n_entries, WORLD_ACCOUNTS / 2);
	allocator.is_on = false;
	world_close(&world);
	allocator.is_on = was_on;
}

static void n2_into_smaller_tables_goes_all_that_fits_or_nothing(void **) {
	const char *dir = store_with(1000);
	assert_true(each_failure(smaller_once, (void *)dir) >= 5);
	dir_remove(dir);
}

static void n2_a_look_without_memory_says_so(void **) {
	const char *dir = store_with(100);
	assert_true(each_failure(view_once, (void *)dir) >= 1);
	dir_remove(dir);
}

static void models_once(void *ctx, bool) {
	struct models_config config
		= {.n_accounts = 100, .hash_key = {1, 2}, .alert = desk_put, .ctx = ctx};
	struct models *models = models_open(&config);
	struct activity activity = {.account = "a", .auth.success = 1, .source.ip.family = 4};
	for (int i = 0; models && i < 100; i++) {
		activity.time_ns = START + (uint64_t)i * HOUR;
		models_run(models, &activity);
	}
	models_close(models);
}

static void n2_models_take_their_memory_at_once_or_not_at_all(void **) {
	struct desk desk = {.alert = calloc(DESK_MAX, sizeof(struct alert))};
	uint64_t n = each_failure(models_once, &desk);
	print_message("  %lu allocations\n", n);
	assert_true(n >= 1);
	free(desk.alert);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(n2_models_take_their_memory_at_once_or_not_at_all),
		cmocka_unit_test(n2_a_store_without_memory_says_so_and_stays_whole),
		cmocka_unit_test(n2_into_smaller_tables_goes_all_that_fits_or_nothing),
		cmocka_unit_test(n2_a_look_without_memory_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
