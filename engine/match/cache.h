// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Compiled rule databases kept in files, so that a start compiles only what has changed. Nothing here
// can fail a start: without a usable folder there is no cache, and a file that is damaged, strange or
// somebody else's is as good as none.
//
// A database is a program for Hyperscan's machine and trusted as such: only files and folders that are
// this user's, and that nobody else may write, are read.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	CACHE_KEY_SIZE = 32, // SHA-256
	CACHE_FILES_MAX = 64, // the ones not used for longest go first
	CACHE_SIZE_MAX = 256 << 20, // bytes, all files together; a larger one is not kept
};

struct cache;

// What a database was made of, hashed: equal keys mean equal databases.
struct cache_key {
	uint8_t hash[CACHE_KEY_SIZE];
};

// path NULL: the first that can be used of $XDG_CACHE_HOME/postern, ~/.cache/postern and
// /var/cache/postern; "none", or nothing usable: NULL. The last two folders of the path are made when
// they are missing. *error_r (NULL: all is well) says in one static line why the path that was given
// cannot be used.
struct cache *cache_open(const char *path, const char **error_r);
// The bytes kept under key, in a block the caller frees; NULL when there are none.
void *cache_get(struct cache *cache, const struct cache_key *key, size_t *size_r);
// Keeps bytes under key, in place of what was there. Appears whole or not at all. Accepts NULL.
void cache_put(struct cache *cache, const struct cache_key *key, const void *bytes, size_t size);
// Forgets what is kept under key: it proved to be useless. Accepts NULL.
void cache_drop(struct cache *cache, const struct cache_key *key);
// Accepts NULL.
void cache_close(struct cache *cache);
