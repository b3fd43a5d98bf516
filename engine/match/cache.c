// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One file per database, named by its key: a head that tells what it is, with the digest of the rest, then
// the bytes. Written under another name and renamed, so that any number of programs may share the folder.

#include "match/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	NAME_SIZE = 2 * CACHE_KEY_SIZE + 8,
	LISTED_MAX = 4096, // files looked at when tidying up; a folder with more is not ours alone
	STALE_S = 3600, // a half-written file this old was left behind
};

static const char ending[] = ".hsdb";
static const char magic[8] = "PSTRNDB1";

struct cache {
	int fd; // of the folder
	unsigned n_put; // makes temporary names differ
};

struct head {
	char magic[8];
	uint64_t size; // of what follows
	struct cache_key key;
	uint8_t digest[32]; // of what follows
};

// ---- The folder

static bool is_ours(int fd, mode_t kind) {
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind && st.st_uid == geteuid()
		&& (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int folder_open(const char *path) {
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd;

	if (strlen(path) >= sizeof(parent))
		return -1;
	if (slash != NULL && slash > path) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
		mkdir(parent, 0700);
	}
	mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && is_ours(fd, S_IFDIR) && faccessat(fd, ".", W_OK, AT_EACCESS) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int default_open(void) {
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int fd = -1;

	// The specification of these folders: a path that is not absolute is none.
	if (cache != NULL && cache[0] == '/'
	    && snprintf(path, sizeof(path), "%s/postern", cache) < (int)sizeof(path))
		fd = folder_open(path);
	if (fd < 0 && home != NULL && home[0] == '/'
	    && snprintf(path, sizeof(path), "%s/.cache/postern", home) < (int)sizeof(path))
		fd = folder_open(path);
	return fd >= 0 ? fd : folder_open("/var/cache/postern");
}

struct cache *cache_open(const char *path, const char **error_r) {
	struct cache *cache;
	int fd;

	*error_r = NULL;
	if (path != NULL && strcmp(path, "none") == 0)
		return NULL;
	fd = path != NULL ? folder_open(path) : default_open();
	if (fd < 0 && path != NULL)
		*error_r = "not a folder that this user owns and alone may write; rules are "
			   "compiled at every start";
	cache = fd >= 0 ? calloc(1, sizeof(*cache)) : NULL;
	if (cache == NULL && fd >= 0)
		close(fd);
	if (cache != NULL)
		cache->fd = fd;
	return cache;
}

void cache_close(struct cache *cache) {
	if (cache == NULL)
		return;
	close(cache->fd);
	free(cache);
}

// ---- One file

static void name_write(const struct cache_key *key, char name[NAME_SIZE]) {
	for (int i = 0; i < CACHE_KEY_SIZE; i++)
		snprintf(name + 2 * i, 3, "%02x", key->hash[i]);
	strcpy(name + 2 * CACHE_KEY_SIZE, ending);
}

static bool digest(const void *bytes, size_t size, uint8_t digest_r[32]) {
	return EVP_Digest(bytes, size, digest_r, NULL, EVP_sha256(), NULL) == 1;
}

static bool read_all(int fd, void *bytes, size_t size) {
	for (uint8_t *p = bytes; size > 0;) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *bytes, size_t size) {
	for (const uint8_t *p = bytes; size > 0;) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static void *file_read(int fd, const struct cache_key *key, size_t *size_r) {
	struct head head;
	uint8_t found[32];
	struct stat st;
	void *bytes;

	if (!is_ours(fd, S_IFREG) || fstat(fd, &st) < 0 || !read_all(fd, &head, sizeof(head)))
		return NULL;
	if (memcmp(head.magic, magic, sizeof(magic)) != 0
	    || memcmp(&head.key, key, sizeof(*key)) != 0 || head.size == 0
	    || head.size > CACHE_SIZE_MAX || (uint64_t)st.st_size != sizeof(head) + head.size)
		return NULL;
	bytes = malloc(head.size);
	if (bytes != NULL
	    && (!read_all(fd, bytes, head.size) || !digest(bytes, head.size, found)
		|| memcmp(found, head.digest, sizeof(found)) != 0)) {
		free(bytes);
		bytes = NULL;
	}
	*size_r = head.size;
	return bytes;
}

void *cache_get(struct cache *cache, const struct cache_key *key, size_t *size_r) {
	char name[NAME_SIZE];
	void *bytes;
	int fd;

	if (cache == NULL)
		return NULL;
	name_write(key, name);
	fd = openat(cache->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	bytes = file_read(fd, key, size_r);
	if (bytes != NULL)
		futimens(fd, NULL); // used just now
	close(fd);
	return bytes;
}

void cache_drop(struct cache *cache, const struct cache_key *key) {
	char name[NAME_SIZE];

	if (cache == NULL)
		return;
	name_write(key, name);
	unlinkat(cache->fd, name, 0);
}

// ---- Tidying up

struct kept {
	char name[NAME_SIZE];
	uint64_t size;
	struct timespec used;
};

static int by_use(const void *a, const void *b) {
	const struct timespec *x = &((const struct kept *)a)->used;
	const struct timespec *y = &((const struct kept *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

// Whether an entry is ours to count; what an interrupted program left half-written is taken away.
static bool entry_read(int fd, const char *name, struct kept *kept) {
	size_t size = strlen(name);
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (strncmp(name, "tmp-", 4) == 0 && st.st_mtime < time(NULL) - STALE_S)
		unlinkat(fd, name, 0);
	if (size != NAME_SIZE - 3 || strcmp(name + size - 5, ending) != 0)
		return false;
	memcpy(kept->name, name, size + 1);
	kept->size = (uint64_t)st.st_size;
	kept->used = st.st_mtim;
	return true;
}

static int list_read(int fd, struct kept *list) {
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

	if (dir == NULL) {
		if (copy >= 0)
			close(copy);
		return 0;
	}
	for (struct dirent *entry; n < LISTED_MAX && (entry = readdir(dir)) != NULL;)
		n += entry_read(fd, entry->d_name, &list[n]);
	closedir(dir);
	return n;
}

static void tidy(const struct cache *cache) {
	struct kept *list = malloc(LISTED_MAX * sizeof(*list));
	uint64_t size = 0;
	int n = list != NULL ? list_read(cache->fd, list) : 0;

	if (n > 0)
		qsort(list, (size_t)n, sizeof(*list), by_use);
	for (int i = 0; i < n; i++) {
		size += list[i].size;
		if (i >= CACHE_FILES_MAX || size > CACHE_SIZE_MAX)
			unlinkat(cache->fd, list[i].name, 0);
	}
	free(list);
}

void cache_put(struct cache *cache, const struct cache_key *key, const void *bytes, size_t size) {
	struct head head = {.size = size, .key = *key};
	char name[NAME_SIZE], temporary[64];
	int fd;

	if (cache == NULL || size == 0 || size > CACHE_SIZE_MAX - sizeof(head)
	    || !digest(bytes, size, head.digest))
		return;
	memcpy(head.magic, magic, sizeof(magic));
	name_write(key, name);
	snprintf(temporary, sizeof(temporary), "tmp-%d-%u", (int)getpid(), cache->n_put++);
	fd = openat(
		cache->fd,
		temporary,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		S_IRUSR | S_IWUSR
	);
	if (fd < 0)
		return;
	bool whole = write_all(fd, &head, sizeof(head)) && write_all(fd, bytes, size);
	if (close(fd) < 0 || !whole || renameat(cache->fd, temporary, cache->fd, name) < 0) {
		unlinkat(cache->fd, temporary, 0);
		return;
	}
	tidy(cache);
}
