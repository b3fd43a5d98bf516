// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A capture's bytes, mapped or streamed. Streams keep what is not yet consumed at the front of the
// buffer and read behind it; that moves data, so it happens only when no frame is outstanding.

#include "capture_file.h"

#include "registers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The buffer is larger than what lies in it: AddressSanitizer is told, so that a reader that goes too
// far is caught in tests.
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

static void tail_guard(const struct capture_file *file, int on) {
	const uint8_t *tail = file->data + file->size;
	size_t room = file->buffer_size - (size_t)(tail - file->buffer);
	size_t size = room < 4096 ? room : 4096;

	if (on)
		ASAN_POISON_MEMORY_REGION(tail, size);
	else
		ASAN_UNPOISON_MEMORY_REGION(tail, size);
}

static ssize_t fd_read(void *ctx, void *to, size_t size) {
	const struct capture_file *file = ctx;

	registers_wipe();
	return read(file->fd, to, size);
}

// The end of a path is what tells captures apart. Nothing in it may upset a terminal.
static void name_set(struct capture_file *file, const char *path) {
	size_t len = strlen(path), max = sizeof(file->name) - 1;

	if (len > max)
		snprintf(file->name, sizeof(file->name), "...%s", path + len - (max - 3));
	else
		memcpy(file->name, path, len + 1);
	for (char *c = file->name; *c; c++) {
		if ((uint8_t)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

static int error_set(const struct capture_file *file, int code, char *error, int size) {
	const char *text = strerror(code);
	const char *hint = "";

	if (code == ENOENT)
		text = "no such file";
	else if (code == EACCES)
		text = "permission denied", hint = ": run as a user who may read it";
	else if (code == EISDIR)
		text = "is a directory", hint = ": name the captures in it";
	snprintf(error, size, "%s: %s%s", file->name, text, hint);
	return -1;
}

// Raw bytes into to. As capture_read_fn, but the end is for good, and -1 means that problem is set
// unless a signal came (errno EINTR).
static ssize_t raw_read(struct capture_file *file, uint8_t *to, size_t size) {
	ssize_t n;

	if (file->ended)
		return 0;
	n = file->read(file->read_ctx, to, size);
	if (n == 0)
		file->ended = 1;
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		snprintf(file->problem, sizeof(file->problem), "%s", strerror(errno));
	if (n <= 0)
		return n;
	file->n_raw += (uint64_t)n;
	if (file->total && file->total < file->n_raw)
		file->total = file->n_raw; // it has grown meanwhile
	return n;
}

// Reads the first bytes and finds out whether they are compressed.
static int stream_begin(struct capture_file *file, char *error, int size) {
	uint8_t *raw = file->raw;
	size_t n_raw = 0;
	ssize_t n = 1;

	while (n_raw < 4 && n > 0) {
		n = raw_read(file, raw + n_raw, CAPTURE_CHUNK_SIZE - n_raw);
		if (n < 0)
			return error_set(file, errno, error, size);
		n_raw += (size_t)n;
	}
	if (n_raw == 0) {
		snprintf(error, size, "%s: is empty: there is no capture in it", file->name);
		return -1;
	}
	file->compression = capture_codec_detect(raw, n_raw);
	if (!file->compression) {
		memcpy(file->buffer, raw, n_raw);
		file->size = n_raw;
		return 0;
	}
	file->input = (struct capture_input){raw, n_raw};
	file->codec = capture_codec_open(file->compression);
	if (file->codec)
		return 0;
	snprintf(
		error,
		size,
		"%s: %s data, not a capture (pcap or pcapng, plain, gzip or zstd): "
		"decompress it first, or pipe it: ... | postern replay -",
		file->name,
		file->compression
	);
	return -1;
}

static int stream_open(struct capture_file *file, char *error, int size) {
	// Only pages that are used are ever touched: mostly two chunks.
	size_t size_all = CAPTURE_CHUNK_SIZE + CAPTURE_BUFFER_SIZE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *raw = mmap(NULL, size_all, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (raw == MAP_FAILED)
		return error_set(file, errno, error, size);
	madvise(raw, size_all, MADV_DONTDUMP); // other people's mail is no part of a core dump
	file->raw = raw;
	file->buffer = file->raw + CAPTURE_CHUNK_SIZE;
	file->buffer_size = CAPTURE_BUFFER_SIZE;
	file->data = file->buffer;
	return stream_begin(file, error, size);
}

// ---- Mapped files that shrink while they are read

// A read behind the file's new end is SIGBUS: zeros are put there, and the reader is told where. The
// handler runs on whichever thread touched the bytes; a table of fixed size is all it looks at.
enum { MAPS_MAX = 64 };

static _Atomic(struct capture_file *) maps[MAPS_MAX];
static struct sigaction bus_before;

static int map_patch(struct capture_file *file, const uint8_t *at) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE), offset, hole;
	void *zeros;

	if (at < file->map || at >= file->map + file->map_size)
		return -1;
	offset = (size_t)(at - file->map) / page * page;
	hole = atomic_load(&file->hole);
	while (offset < hole && !atomic_compare_exchange_weak(&file->hole, &hole, offset))
		;
	zeros = mmap(
		file->map + offset, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0
	);
	return zeros == MAP_FAILED ? -1 : 0;
}

static void on_bus(int signal, siginfo_t *info, void *) {
	int error = errno;

	for (int i = 0; i < MAPS_MAX; i++) {
		struct capture_file *file = atomic_load(&maps[i]);

		if (file && map_patch(file, info->si_addr) == 0) {
			errno = error;
			return;
		}
	}
	sigaction(signal, &bus_before, NULL); // not ours: as if we had not been there
}

// 0, or -1 when too many are open: then the file is read, not mapped. Maps are made by one thread at a
// time.
static int map_register(struct capture_file *file) {
	struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO}, now;

	// With each map, because libraries set handlers of their own.
	sigaction(SIGBUS, NULL, &now);
	if (now.sa_sigaction != on_bus) {
		bus_before = now;
		sigaction(SIGBUS, &action, NULL);
	}
	for (int i = 0; i < MAPS_MAX; i++) {
		struct capture_file *none = NULL;

		if (atomic_compare_exchange_strong(&maps[i], &none, file))
			return 0;
	}
	return -1;
}

static void map_forget(struct capture_file *file) {
	for (int i = 0; i < MAPS_MAX; i++) {
		struct capture_file *own = file;

		atomic_compare_exchange_strong(&maps[i], &own, NULL);
	}
}

static int map_open(struct capture_file *file, char *error, int size) {
	void *map = mmap(NULL, file->total, PROT_READ, MAP_PRIVATE, file->fd, 0);

	if (map == MAP_FAILED)
		return error_set(file, errno, error, size);
	madvise(map, file->total, MADV_SEQUENTIAL);
	madvise(map, file->total, MADV_DONTDUMP); // for those who let files be dumped (core(5))
	file->map = map;
	file->map_size = file->total;
	file->data = map;
	file->size = file->map_size;
	if (map_register(file) == 0)
		return 0;
	munmap(map, file->map_size);
	file->map = NULL;
	file->data = NULL;
	file->size = 0;
	return stream_open(file, error, size);
}

// Whether a regular file is to be mapped: it is when it is not compressed.
static int is_plain(const struct capture_file *file) {
	uint8_t magic[4];
	ssize_t n = pread(file->fd, magic, sizeof(magic), 0);

	return n > 0 && !capture_codec_detect(magic, (size_t)n);
}

int capture_file_open(
	struct capture_file *file,
	const char *path,
	bool is_mapped,
	char *error,
	int size
) {
	int is_stdin = strcmp(path, "-") == 0;
	struct stat st;

	*file = (struct capture_file
	){.fd = -1, .read = fd_read, .read_ctx = file, .hole = SIZE_MAX};
	name_set(file, is_stdin ? "standard input" : path);
	file->fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st) < 0)
		return error_set(file, errno, error, size);
	if (S_ISDIR(st.st_mode))
		return error_set(file, EISDIR, error, size);
	if (!S_ISREG(st.st_mode))
		return stream_open(file, error, size);
	file->total = (uint64_t)st.st_size;
	// Standard input may stand anywhere in its file, so it is read and not mapped.
	if (!is_mapped || is_stdin || !is_plain(file))
		return stream_open(file, error, size);
	return map_open(file, error, size);
}

int capture_file_open_read(
	struct capture_file *file,
	const char *name,
	capture_read_fn *read,
	void *ctx,
	char *error,
	int size
) {
	*file = (struct capture_file){.fd = -1, .read = read, .read_ctx = ctx, .hole = SIZE_MAX};
	name_set(file, name);
	return stream_open(file, error, size);
}

void capture_file_close(struct capture_file *file) {
	capture_codec_close(file->codec);
	if (file->raw) {
		tail_guard(file, 0);
		munmap(file->raw, CAPTURE_CHUNK_SIZE + file->buffer_size);
	}
	map_forget(file);
	if (file->map)
		munmap(file->map, file->map_size);
	if (file->fd >= 0)
		close(file->fd);
	file->codec = NULL;
	file->raw = file->buffer = file->map = NULL;
	file->fd = -1;
}

// A file that is still being written has grown meanwhile: the map is made to cover it.
static int map_grow(struct capture_file *file, size_t need) {
	size_t done = (size_t)(file->data - file->map);
	struct stat st;
	void *map;

	if (fstat(file->fd, &st) < 0 || (uint64_t)st.st_size <= file->map_size)
		return -1;
	map = mremap(file->map, file->map_size, (size_t)st.st_size, MREMAP_MAYMOVE);
	if (map == MAP_FAILED)
		return -1;
	file->map = map;
	file->map_size = (size_t)st.st_size;
	file->total = file->map_size;
	file->data = file->map + done;
	file->size = file->map_size - done;
	return file->size >= need ? 1 : -1;
}

void capture_file_release(struct capture_file *file) {
	size_t done = (size_t)(file->data - file->map) / CAPTURE_BEHIND_SIZE * CAPTURE_BEHIND_SIZE
		- CAPTURE_BEHIND_SIZE;

	madvise(file->map + file->released, done - file->released, MADV_DONTNEED);
	file->released = done;
}

// Decompresses some bytes. Returns as capture_file_fill().
static int codec_fill(struct capture_file *file, uint8_t *to, size_t size) {
	ssize_t n;
	long got;

	for (;;) {
		got = capture_codec_run(
			file->codec, &file->input, to, size, file->problem, sizeof(file->problem)
		);
		file->size += got > 0 ? (size_t)got : 0;
		if (got != 0)
			return got > 0 ? 1 : -1;
		n = raw_read(file, file->raw, CAPTURE_CHUNK_SIZE);
		if (n < 0)
			return file->problem[0] ? -1 : 0;
		if (n == 0)
			break;
		file->input = (struct capture_input){file->raw, (size_t)n};
	}
	if (!capture_codec_complete(file->codec))
		snprintf(
			file->problem,
			sizeof(file->problem),
			"%s data that ends early",
			file->compression
		);
	return -1;
}

static int plain_fill(struct capture_file *file, uint8_t *to, size_t size) {
	ssize_t n = raw_read(file, to, size);

	if (n < 0)
		return file->problem[0] ? -1 : 0;
	file->size += (size_t)n;
	return n > 0 ? 1 : -1;
}

// Makes room for the largest block. Everything is where it was, relative to raw. 0, or -1 and problem.
static int buffer_grow(struct capture_file *file) {
	size_t begin = (size_t)(file->data - file->raw), input = 0;
	size_t old_size = CAPTURE_CHUNK_SIZE + file->buffer_size;
	void *raw = mremap(
		file->raw, old_size, CAPTURE_CHUNK_SIZE + CAPTURE_BUFFER_SIZE_MAX, MREMAP_MAYMOVE
	);

	if (raw == MAP_FAILED) {
		snprintf(file->problem, sizeof(file->problem), "%s", strerror(errno));
		return -1;
	}
	if (file->input.data)
		input = (size_t)(file->input.data - file->raw);
	file->raw = raw;
	file->buffer = file->raw + CAPTURE_CHUNK_SIZE;
	file->buffer_size = CAPTURE_BUFFER_SIZE_MAX;
	file->data = file->raw + begin;
	file->input.data = file->raw + input;
	return 0;
}

int capture_file_fill(struct capture_file *file, size_t need) {
	int result = 1;

	if (file->size >= need)
		return 1;
	if (file->map)
		return map_grow(file, need);
	tail_guard(file, 0);
	if (need + CAPTURE_CHUNK_SIZE > file->buffer_size && buffer_grow(file) < 0)
		return -1;
	if (file->data != file->buffer) {
		memmove(file->buffer, file->data, file->size);
		file->data = file->buffer;
	}
	while (file->size < need && result > 0) {
		uint8_t *to = file->buffer + file->size;

		result = file->codec ? codec_fill(file, to, CAPTURE_CHUNK_SIZE)
				     : plain_fill(file, to, CAPTURE_CHUNK_SIZE);
	}
	return result;
}
