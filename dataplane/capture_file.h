// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The bytes of a capture, whatever they lie in: a plain regular file is mapped if asked for; pipes and
// compressed files are read into one bounded buffer. The format readers see a cursor: data, and
// size bytes there now. Private to the capture readers.

#pragma once

#include "capture_codec.h"
#include "limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	// How much of a pipe or compressed file is asked for at once: it stays in the second-level cache.
	CAPTURE_CHUNK_SIZE = 256 << 10,
	// What must lie in one piece, and a chunk behind it: a packet, or the largest block allowed. The
	// buffer is of the first size until a larger block comes.
	CAPTURE_BUFFER_SIZE = 2 * FRAME_SIZE_MAX + CAPTURE_CHUNK_SIZE,
	CAPTURE_BUFFER_SIZE_MAX = PCAPNG_BLOCK_SIZE_MAX + CAPTURE_CHUNK_SIZE,
	// What lies behind the cursor of a mapped file is let go of in steps of this size: a large capture
	// must not count as memory of this process. Whoever still reads there gets it from the page cache.
	CAPTURE_BEHIND_SIZE = 8 << 20,
};

// Where raw bytes come from: read(2) in all but tests, which cut their input as they like.
// Returns bytes read, 0 at the end, -1 and errno.
typedef ssize_t capture_read_fn(void *ctx, void *to, size_t size);

struct capture_file {
	const uint8_t *data; // the next byte not yet consumed; valid until capture_file_fill()
	size_t size; // bytes there
	uint64_t offset; // of data in the plain (decompressed) bytes

	int fd; // -1: none
	uint64_t total; // size of the file; 0: not known
	uint64_t n_raw; // bytes read from it (not used when mapped)
	uint8_t *map; // mapped file, or NULL
	size_t map_size;
	size_t released; // bytes at its start that were let go of
	// Where a mapped file has lost its end while it was read: from there on zeros lie in the map.
	// Written by the handler of SIGBUS, on any thread; the first offset, or SIZE_MAX.
	_Atomic size_t hole;

	uint8_t *raw; // otherwise: CAPTURE_CHUNK_SIZE bytes of input, and behind them
	uint8_t *buffer; // the plain bytes
	size_t buffer_size;
	struct capture_input input; // what of raw is not yet decompressed
	struct capture_codec *codec; // NULL: not compressed
	const char *compression; // its name, or NULL
	int ended; // no more raw bytes will come
	capture_read_fn *read;
	void *read_ctx;

	char name[96]; // for people: the path, shortened at the front; or "standard input"
	char problem[96]; // why no more bytes can be had, when that is not simply the end
};

// Opens path ("-": standard input). is_mapped: maps a plain regular file. 0, or -1 and one line in error.
int capture_file_open(
	struct capture_file *file,
	const char *path,
	bool is_mapped,
	char *error,
	int size
);
// The same bytes from a function: for tests.
int capture_file_open_read(
	struct capture_file *file,
	const char *name,
	capture_read_fn *read,
	void *ctx,
	char *error,
	int size
);
// Accepts what open left half-built.
void capture_file_close(struct capture_file *file);

// Makes at least need ≤ PCAPNG_BLOCK_SIZE_MAX bytes lie at data, which may move. 1: done; 0: a signal
// came first, ask again; -1: the input ends before, problem says why if that is not its plain end.
int capture_file_fill(struct capture_file *file, size_t need);

// Whether frames that end at this byte or before are as they were in the file.
static inline int capture_file_is_whole(const struct capture_file *file, const uint8_t *end) {
	return !file->map
		|| (size_t)(end - file->map)
		<= atomic_load_explicit(&file->hole, memory_order_acquire);
}

// Lets go of the pages of a mapped file that lie behind the cursor.
void capture_file_release(struct capture_file *file);

static inline void capture_file_skip(struct capture_file *file, size_t size) {
	file->data += size;
	file->size -= size;
	file->offset += size;
	if (file->map
	    && (size_t)(file->data - file->map) - file->released >= 2 * CAPTURE_BEHIND_SIZE)
		capture_file_release(file);
}
