// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "match/cache.h"
#include "match/database.h"
#ifdef HAVE_HYPERSCAN
#include "match/database_private.h"
#endif

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// A folder of its own for each test, emptied behind it.
static int folder_make(void **state) {
	char *path = strdup("/tmp/postern-cache-XXXXXX");

	*state = mkdtemp(path);
	return *state == NULL;
}

// The only file whose name ends in this, as a path; returns how many there are.
static int files(const char *folder, const char *ending, char path[PATH_MAX]) {
	DIR *dir = opendir(folder);
	int n = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (strlen(entry->d_name) > strlen(ending)
		    && strcmp(entry->d_name + strlen(entry->d_name) - strlen(ending), ending)
			    == 0) {
			snprintf(path, PATH_MAX, "%s/%s", folder, entry->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

static int folder_remove(void **state) {
	char path[PATH_MAX];

	while (files(*state, "", path) > 2)
		for (DIR *dir = opendir(*state); dir != NULL; closedir(dir), dir = NULL)
			for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
				snprintf(
					path, sizeof(path), "%s/%s", (char *)*state, entry->d_name
				);
				if (entry->d_name[0] != '.')
					unlink(path);
			}
	rmdir(*state);
	free(*state);
	return 0;
}

static struct cache *cache_at(const char *path) {
	const char *error;
	struct cache *cache = cache_open(path, &error);

	assert_null(error);
	assert_non_null(cache);
	return cache;
}

static void what_was_put_is_got_and_under_its_key_alone(void **state) {
	struct cache *cache = cache_at(*state);
	struct cache_key a = {{1}}, b = {{2}};
	size_t size = 0;
	char *bytes;

	assert_null(cache_get(cache, &a, &size));
	cache_put(cache, &a, "first", 5);
	cache_put(cache, &a, "second", 6);
	bytes = cache_get(cache, &a, &size);
	assert_int_equal(size, 6);
	assert_memory_equal(bytes, "second", 6);
	free(bytes);
	assert_null(cache_get(cache, &b, &size));
	cache_drop(cache, &a);
	assert_null(cache_get(cache, &a, &size));
	cache_close(cache);
}

// Every byte of the file, each wrong in its turn; and every length.
static void a_damaged_file_is_as_good_as_none(void **state) {
	struct cache *cache = cache_at(*state);
	struct cache_key key = {{7}};
	uint8_t file[200];
	char path[PATH_MAX];
	size_t size, n;

	cache_put(cache, &key, "twelve bytes", 12);
	assert_int_equal(files(*state, ".hsdb", path), 1);
	int fd = open(path, O_RDWR);
	n = (size_t)read(fd, file, sizeof(file));
	assert_in_range(n, 13, sizeof(file) - 1);
	for (size_t i = 0; i < n; i++) {
		uint8_t wrong = file[i] ^ 0x10;

		assert_int_equal(pwrite(fd, &wrong, 1, (off_t)i), 1);
		assert_null(cache_get(cache, &key, &size));
		assert_int_equal(pwrite(fd, &file[i], 1, (off_t)i), 1);
	}
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ftruncate(fd, (off_t)i), 0);
		assert_null(cache_get(cache, &key, &size));
	}
	assert_int_equal(pwrite(fd, file, n, 0), n);
	assert_int_equal(pwrite(fd, "x", 1, (off_t)n), 1);
	assert_null(cache_get(cache, &key, &size));
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	free(cache_get(cache, &key, &size));
	assert_int_equal(size, 12);
	close(fd);
	cache_close(cache);
}

static void what_others_may_write_is_not_trusted(void **state) {
	struct cache *cache = cache_at(*state);
	struct cache_key key = {{7}};
	char path[PATH_MAX], link[PATH_MAX];
	const char *error;
	size_t size;

	cache_put(cache, &key, "bytes", 5);
	assert_int_equal(files(*state, ".hsdb", path), 1);
	chmod(path, 0622);
	assert_null(cache_get(cache, &key, &size));
	chmod(path, 0600);
	snprintf(link, sizeof(link), "%s/x", (char *)*state);
	assert_int_equal(rename(path, link), 0);
	assert_int_equal(symlink(link, path), 0);
	assert_null(cache_get(cache, &key, &size));
	cache_close(cache);
	chmod(*state, 0777);
	assert_null(cache_open(*state, &error));
	assert_non_null(error);
	chmod(*state, 0700);
	assert_null(cache_open("/dev/null", &error));
	assert_non_null(error);
	assert_null(cache_open("none", &error));
	assert_null(error);
}

static void so_many_files_are_kept_and_the_idle_go_first(void **state) {
	struct cache *cache = cache_at(*state);
	struct cache_key key = {{0}};
	char path[PATH_MAX];
	size_t size;

	for (int i = 0; i < CACHE_FILES_MAX + 1; i++) {
		key.hash[0] = (uint8_t)i;
		cache_put(cache, &key, "x", 1);
		// Key 0 is used again and again.
		key.hash[0] = 0;
		free(cache_get(cache, &key, &size));
		assert_int_equal(
			files(*state, ".hsdb", path), i < CACHE_FILES_MAX ? i + 1 : CACHE_FILES_MAX
		);
	}
	key.hash[0] = 1;
	assert_null(cache_get(cache, &key, &size));
	key.hash[0] = CACHE_FILES_MAX;
	void *bytes = cache_get(cache, &key, &size);
	assert_non_null(bytes);
	free(bytes);
	cache_close(cache);
}

// ---- Through the compiler

#ifdef HAVE_HYPERSCAN
static const char two_rules[] = "rules:\n- {id: a, pattern: 'ab+'}\n- {id: b, pattern: 'cd'}\n";

static int n_cached(struct cache *cache, const char *text) {
	int n_bad;
	struct rules *rules = rules_parse("f.yaml", text, strlen(text), NULL, NULL, &n_bad);
	struct database *db = database_open(rules, cache, NULL, NULL, NULL, &n_bad);

	assert_non_null(db);
	assert_int_equal(n_bad, 0);
	assert_int_equal(database_n(db), rules->n);
	int n = database_n_cached(db);
	database_close(db);
	rules_close(rules);
	return n;
}

static void a_set_is_compiled_once_and_again_when_it_changes(void **state) {
	static const char *const others[] = {
		"rules:\n- {id: a, pattern: 'ab+'}\n- {id: b, pattern: 'ce'}\n",
		"rules:\n- {id: a, pattern: 'ab+'}\n- {id: b, pattern: 'cd', flags: caseless}\n",
		"rules:\n- {id: b, pattern: 'cd'}\n- {id: a, pattern: 'ab+'}\n",
		"rules:\n- {id: a, pattern: 'ab+'}\n",
	};
	struct cache *cache = cache_at(*state);

	assert_int_equal(n_cached(cache, two_rules), 0);
	assert_true(n_cached(cache, two_rules) > 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(n_cached(cache, others[i]), 0);
	cache_close(cache);
}

static void what_is_no_database_is_compiled_anew_and_replaced(void **state) {
	struct cache *cache = cache_at(*state);
	char path[PATH_MAX];
	struct stat before, after;

	n_cached(cache, two_rules);
	assert_true(files(*state, ".hsdb", path) > 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(n_cached(cache, two_rules), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(n_cached(cache, two_rules) > 0);
	cache_close(cache);
}

// Another machine or another Hyperscan would make another database of the same patterns.
static void the_key_holds_all_that_a_database_depends_on(void **state) {
	const char *text[] = {"ab+", "cd"}, *other[] = {"ab+", "ce"};
	unsigned none[] = {0, 0}, caseless[] = {0, HS_FLAG_CASELESS}, ids[] = {0, 1},
		 swapped[] = {1, 0};
	hs_platform_info_t here = {0}, family = {0}, features = {0};
	struct database_patterns same = {text, none, ids, 2};
	const struct {
		const char *version;
		const hs_platform_info_t *platform;
		unsigned mode;
		struct database_patterns patterns;
	} cases[] = {
		{"5.4.1", &here, HS_MODE_BLOCK, same},
		{"5.4.0", &family, HS_MODE_BLOCK, same},
		{"5.4.0", &features, HS_MODE_BLOCK, same},
		{"5.4.0", &here, HS_MODE_STREAM, same},
		{"5.4.0", &here, HS_MODE_BLOCK, {other, none, ids, 2}},
		{"5.4.0", &here, HS_MODE_BLOCK, {text, caseless, ids, 2}},
		{"5.4.0", &here, HS_MODE_BLOCK, {text, none, swapped, 2}},
		{"5.4.0", &here, HS_MODE_BLOCK, {text, none, ids, 1}},
	};
	struct cache_key key, again;

	family.tune = HS_TUNE_FAMILY_SKX;
	features.cpu_features = HS_CPU_FEATURES_AVX2;
	assert_true(database_key("5.4.0", &here, HS_MODE_BLOCK, &same, &key));
	assert_true(database_key("5.4.0", &here, HS_MODE_BLOCK, &same, &again));
	assert_memory_equal(&key, &again, sizeof(key));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(database_key(
			cases[i].version,
			cases[i].platform,
			cases[i].mode,
			&cases[i].patterns,
			&again
		));
		assert_memory_not_equal(&key, &again, sizeof(key));
	}
}

// Reads the whole of a file, as it is.
static size_t file_get(const char *path, char **bytes_r) {
	struct stat st;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*bytes_r = malloc((size_t)st.st_size);
	assert_int_equal(fread(*bytes_r, 1, (size_t)st.st_size, file), st.st_size);
	fclose(file);
	return (size_t)st.st_size;
}

static void file_set(const char *path, const char *bytes, size_t size) {
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

// A good database of other patterns under this one's name; one that was cut; one with a wrong byte in its
// middle: each is made anew, and the file after it is the right one again.
static void a_file_that_is_not_this_database_is_replaced(void **state) {
	static const char other_rules[]
		= "rules:\n- {id: a, pattern: 'xy+'}\n- {id: b, pattern: 'zz'}\n";
	struct cache *cache = cache_at(*state);
	char path[PATH_MAX], *other, *right, *found;
	size_t other_size, size;

	n_cached(cache, other_rules);
	assert_int_equal(files(*state, ".hsdb", path), 1);
	other_size = file_get(path, &other);
	unlink(path);
	n_cached(cache, two_rules);
	assert_int_equal(files(*state, ".hsdb", path), 1);
	size = file_get(path, &right);
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			file_set(path, other, other_size);
		else if (i == 1)
			file_set(path, right, size / 2);
		right[size / 2] ^= i == 2;
		if (i == 2)
			file_set(path, right, size);
		right[size / 2] ^= i == 2;
		assert_int_equal(n_cached(cache, two_rules), 0);
		assert_int_equal(file_get(path, &found), size);
		assert_memory_equal(found, right, size);
		free(found);
		assert_true(n_cached(cache, two_rules) > 0);
	}
	free(other);
	free(right);
	cache_close(cache);
}

// The file is whole, and what it holds is none of Hyperscan's.
static void rubbish_under_the_right_key_is_dropped(void **state) {
	struct cache *cache = cache_at(*state);
	struct cache_key key = {{0}};
	char path[PATH_MAX];

	n_cached(cache, two_rules);
	assert_true(files(*state, ".hsdb", path) > 0);
	const char *name = strrchr(path, '/') + 1;
	for (int i = 0; i < CACHE_KEY_SIZE; i++) {
		unsigned byte;
		assert_int_equal(sscanf(name + 2 * i, "%2x", &byte), 1);
		key.hash[i] = (uint8_t)byte;
	}
	cache_put(cache, &key, "no database", 11);
	assert_int_equal(n_cached(cache, two_rules), 0);
	assert_true(n_cached(cache, two_rules) > 0);
	cache_close(cache);
}
#endif

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_got_and_under_its_key_alone),
		TEST(a_damaged_file_is_as_good_as_none),
		TEST(what_others_may_write_is_not_trusted),
		TEST(so_many_files_are_kept_and_the_idle_go_first),
#ifdef HAVE_HYPERSCAN
		TEST(a_set_is_compiled_once_and_again_when_it_changes),
		TEST(what_is_no_database_is_compiled_anew_and_replaced),
		TEST(the_key_holds_all_that_a_database_depends_on),
		TEST(a_file_that_is_not_this_database_is_replaced),
		TEST(rubbish_under_the_right_key_is_dropped),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
