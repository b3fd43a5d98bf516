// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/disk.h"

#include "store/page.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	READERS_MAX = 126,
	ASIDE_MAX = 1000, // broken files kept beside each other
	CHECK_READERS_EVERY = 64, // transactions: a reader that died keeps the file growing
	PAGES_OWN = 64, // of LMDB in each transaction: the root, the list of free pages
};

#define CIFS_MAGIC 0xff534d42

struct disk {
	struct disk_config config;
	int lock_fd; // -1: a reader
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn; // being written
	int failed; // the first error in it
	size_t map_size, page_size;
	uint64_t n_begun;
	// A broken file that was set aside, and what it held that could be read; aside[0] 0: none.
	char aside[PATH_MAX + 32];
	char why[200];
	uint64_t n_rescued;
	bool is_described; // the store's own description was among it
};

__attribute__((format(printf, 3, 4))) static void
fail(char *error, size_t size, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(error, size, format, args);
	va_end(args);
}

const char *disk_strerror(int error) {
	return mdb_strerror(error);
}

// ---- The directory

static bool is_remote(const char *dir) {
	struct statfs fs;
	return statfs(dir, &fs) == 0
		&& (fs.f_type == NFS_SUPER_MAGIC || fs.f_type == SMB_SUPER_MAGIC
		    || (uint32_t)fs.f_type == CIFS_MAGIC
		    || (uint32_t)fs.f_type == SMB2_SUPER_MAGIC);
}

// The kernel lets go of the lock when its holder dies, however it dies.
static int lock_take(const char *dir, char *error, size_t error_size) {
	char path[PATH_MAX], holder[64] = "";
	snprintf(path, sizeof(path), "%s/postern.lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		fail(error, error_size, "store %s: %s", dir, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		int n = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
		if (ftruncate(fd, 0) < 0 || pwrite(fd, holder, (size_t)n, 0) != n)
			holder[0] = '\0'; // only a courtesy
		return fd;
	}
	if (errno != EWOULDBLOCK) {
		fail(error, error_size, "store %s: cannot be locked: %s", dir, strerror(errno));
	} else {
		ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
		long pid = n > 0 ? strtol(holder, NULL, 10) : 0;
		fail(error,
		     error_size,
		     "store %s: another postern writes it (its process %ld): give this one a "
		     "directory of its own",
		     dir,
		     pid);
	}
	close(fd);
	return -1;
}

// ---- A broken file

// It is kept for whoever wants to look, and its place is empty again.
static int set_aside(struct disk *disk, char *error, size_t error_size) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/data.mdb", disk->config.dir);
	for (int i = 1; i <= ASIDE_MAX; i++) {
		snprintf(disk->aside, sizeof(disk->aside), "%s.broken-%d", path, i);
		if (access(disk->aside, F_OK) == 0)
			continue;
		if (rename(path, disk->aside) == 0)
			return 0;
		break;
	}
	fail(error,
	     error_size,
	     "store %s: data.mdb is broken (%s) and cannot be set aside: %s",
	     disk->config.dir,
	     disk->why,
	     strerror(errno));
	return -1;
}

// LMDB believes every page it reads: what is broken would end the process. So it is looked at first.
static int file_check(struct disk *disk, char *error, size_t error_size) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/data.mdb", disk->config.dir);
	switch (page_check_file(path, disk->why, sizeof(disk->why))) {
	case PAGE_SOUND:
		return 0;
	case PAGE_BROKEN:
		return set_aside(disk, error, error_size);
	default:
		fail(error, error_size, "store %s: %s", disk->config.dir, disk->why);
		return -1;
	}
}

static void
rescue_one(void *ctx, const void *key, size_t key_size, const void *value, size_t size) {
	struct disk *disk = ctx;
	struct value_key ours;
	if (key_size != sizeof(ours))
		return;
	memcpy(&ours, key, sizeof(ours));
	disk->n_rescued += disk_put(disk, &ours, value, size) == 0;
	disk->is_described |= ours.kind == VALUE_META;
}

static size_t file_size(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

// What lies on sound pages goes into the new file; each value's own checksum is looked at when it is
// loaded.
static int rescue(struct disk *disk) {
	char text[2 * PATH_MAX + 500];
	uint64_t n = 0;
	int rc = disk_begin(disk, 2 * file_size(disk->aside));
	if (rc != 0)
		return rc;
	page_rescue_file(disk->aside, rescue_one, disk, &n);
	if (!disk->is_described)
		disk->failed = MDB_INVALID;
	rc = disk_commit(disk);
	if (rc == MDB_INVALID)
		rc = 0;
	snprintf(
		text,
		sizeof(text),
		"store %s: data.mdb is broken (%s) and is kept as %s. %llu of its %llu values "
		"could "
		"be read and are used; the rest is learnt anew",
		disk->config.dir,
		disk->why,
		disk->aside,
		(unsigned long long)(disk->is_described ? disk->n_rescued : 0),
		(unsigned long long)n
	);
	if (rc == 0 && disk->config.say)
		disk->config.say(disk->config.ctx, text);
	return rc;
}

static int dir_take(struct disk *disk, char *error, size_t error_size) {
	const struct disk_config *config = &disk->config;
	if (mkdir(config->dir, 0700) < 0 && errno != EEXIST) {
		fail(error, error_size, "store %s: %s", config->dir, strerror(errno));
		return -1;
	}
	if (is_remote(config->dir)) {
		fail(error,
		     error_size,
		     "store %s: this is a network file system, where LMDB is not safe: use a "
		     "local directory",
		     config->dir);
		return -1;
	}
	disk->lock_fd = lock_take(config->dir, error, error_size);
	return disk->lock_fd < 0 ? -1 : file_check(disk, error, error_size);
}

// ---- LMDB

static int env_open(struct disk *disk, unsigned flags) {
	MDB_txn *txn;
	int rc = mdb_env_create(&disk->env);
	if (rc != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(disk->env, disk->map_size)) != 0
	    || (rc = mdb_env_set_maxreaders(disk->env, READERS_MAX)) != 0
	    || (rc = mdb_env_open(disk->env, disk->config.dir, flags | MDB_NOTLS, 0600)) != 0)
		return rc;
	if ((rc = mdb_txn_begin(disk->env, NULL, flags & MDB_RDONLY, &txn)) != 0)
		return rc;
	if ((rc = mdb_dbi_open(txn, NULL, 0, &disk->dbi)) != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	MDB_stat stat;
	mdb_stat(txn, disk->dbi, &stat);
	disk->page_size = stat.ms_psize;
	return mdb_txn_commit(txn);
}

static void env_close(struct disk *disk) {
	if (disk->txn)
		mdb_txn_abort(disk->txn);
	if (disk->env)
		mdb_env_close(disk->env);
	disk->txn = NULL;
	disk->env = NULL;
}

static int reader_open(struct disk *disk) {
	int rc = env_open(disk, MDB_RDONLY);
	if (rc != EROFS && rc != EACCES)
		return rc;
	// A backup on a medium that cannot be written has no writer to beware of.
	env_close(disk);
	return env_open(disk, MDB_RDONLY | MDB_NOLOCK);
}

struct disk *disk_open(const struct disk_config *config, char *error, size_t error_size) {
	struct disk *disk = calloc(1, sizeof(*disk));
	if (!disk) {
		fail(error, error_size, "out of memory");
		return NULL;
	}
	disk->config = *config;
	disk->lock_fd = -1;
	disk->map_size = config->map_size;
	if (!config->is_reader && dir_take(disk, error, error_size) < 0)
		goto err;
	int rc = config->is_reader ? reader_open(disk) : env_open(disk, 0);
	if (rc == 0 && disk->aside[0])
		rc = rescue(disk);
	if (rc != 0) {
		fail(error, error_size, "store %s: %s", config->dir, mdb_strerror(rc));
		goto err;
	}
	return disk;
err:
	disk_close(disk);
	return NULL;
}

void disk_close(struct disk *disk) {
	if (!disk)
		return;
	env_close(disk);
	if (disk->lock_fd >= 0)
		close(disk->lock_fd);
	free(disk);
}

// ---- Writing

// No transaction and no cursor is open here: the map may move. Where the system has no address space left it
// stays as it is.
static void map_grow(struct disk *disk, size_t size) {
	MDB_envinfo info;
	if (mdb_env_info(disk->env, &info) != 0)
		return;
	size_t to = info.me_mapsize;
	while (to < size && to <= SIZE_MAX / 2)
		to *= 2;
	if (to > info.me_mapsize && mdb_env_set_mapsize(disk->env, to) == 0)
		disk->map_size = to;
}

size_t disk_room(const struct disk *disk, size_t n, size_t value_size) {
	// A large value has pages of its own; each can have its leaf and the branch above it written anew, or split.
	return n * (value_size / disk->page_size + 4) * disk->page_size;
}

// As if no page could be used again, which a reader that stays can bring about.
static int txn_begin(struct disk *disk, size_t size) {
	MDB_envinfo info;
	if (!disk->env)
		return MDB_PANIC;
	if (mdb_env_info(disk->env, &info) == 0)
		map_grow(disk, (info.me_last_pgno + 1 + PAGES_OWN) * disk->page_size + size);
	return mdb_txn_begin(disk->env, NULL, 0, &disk->txn);
}

int disk_begin(struct disk *disk, size_t size) {
	int n_dead;
	disk->failed = 0;
	if (disk->env && disk->n_begun++ % CHECK_READERS_EVERY == 0)
		mdb_reader_check(disk->env, &n_dead);
	int rc = txn_begin(disk, size);
	if (rc != MDB_PANIC)
		return rc;
	// LMDB could not write its meta page and trusts itself no more. Opened again it may.
	env_close(disk);
	rc = env_open(disk, 0);
	if (rc == 0)
		rc = txn_begin(disk, size);
	else
		env_close(disk);
	return rc;
}

static int remember(struct disk *disk, int rc) {
	if (disk->failed == 0)
		disk->failed = rc;
	return rc;
}

int disk_put(struct disk *disk, const struct value_key *key, const void *value, size_t size) {
	MDB_val k = {sizeof(*key), (void *)key}, v = {size, (void *)value};
	return disk->failed ? disk->failed
			    : remember(disk, mdb_put(disk->txn, disk->dbi, &k, &v, 0));
}

int disk_delete(struct disk *disk, const struct value_key *key) {
	MDB_val k = {sizeof(*key), (void *)key};
	if (disk->failed)
		return disk->failed;
	int rc = mdb_del(disk->txn, disk->dbi, &k, NULL);
	return remember(disk, rc == MDB_NOTFOUND ? 0 : rc);
}

int disk_commit(struct disk *disk) {
	if (disk->failed)
		mdb_txn_abort(disk->txn);
	else
		disk->failed = mdb_txn_commit(disk->txn);
	disk->txn = NULL;
	if (disk->failed == MDB_MAP_FULL)
		map_grow(disk, disk->map_size + 1);
	return disk->failed;
}

// ---- Reading

int disk_each(
	struct disk *disk,
	bool (*each)(void *ctx, const struct value_key *key, const uint8_t *value, size_t size),
	void *ctx
) {
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_txn_begin(disk->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, disk->dbi, &cursor);
	if (rc != 0)
		goto abort;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct value_key ours;
		if (key.mv_size != sizeof(ours))
			continue; // none of ours
		memcpy(&ours, key.mv_data, sizeof(ours));
		if (!each(ctx, &ours, value.mv_data, value.mv_size))
			break;
	}
	mdb_cursor_close(cursor);
abort:
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int disk_get(struct disk *disk, const struct value_key *key, uint8_t **value_r, size_t *size_r) {
	MDB_val k = {sizeof(*key), (void *)key}, v;
	MDB_txn *txn;
	int rc = mdb_txn_begin(disk->env, NULL, MDB_RDONLY, &txn);
	*value_r = NULL;
	if (rc != 0)
		return rc;
	rc = mdb_get(txn, disk->dbi, &k, &v);
	if (rc == 0 && (*value_r = malloc(v.mv_size))) {
		memcpy(*value_r, v.mv_data, v.mv_size);
		*size_r = v.mv_size;
	} else if (rc == 0) {
		rc = ENOMEM;
	}
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}
