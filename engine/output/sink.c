// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/sink.h"

#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Some eight of the longest lines, some hundred usual ones, per write().
enum { BUFFER_SIZE = 1 << 18 };

struct sink {
	char *path; // as people know it
	int fd; // -1: nowhere
	bool is_regular; // can be cut where half a line stands
	bool is_named; // and it has a path
	bool is_over; // nothing more can be written
	bool is_broken_pipe;
	bool is_failing; // the last write did
	uint64_t n_lines;
	uint64_t n_lost;
	size_t used;
	int error_number; // the last fault's
	char error[512];
	char notice[512];
	char buffer[BUFFER_SIZE];
};

// What a person can do about an error of open() or write().
static const char *advice(int error) {
	switch (error) {
	case ENOENT:
		return "make the folder first";
	case EISDIR:
		return "name a file in it";
	case EACCES:
	case EPERM:
	case EROFS:
		return "choose a place you may write to";
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "free space or write elsewhere";
	case EIO:
		return "check the disk or write elsewhere";
	case EPIPE:
		return "its reader has gone";
	default:
		return "write elsewhere";
	}
}

// Cuts off what follows the last line end: half a line, whose writer was killed. True when the file ends
// with a line's end now.
static bool cut_half_line(const char *path) {
	char block[2 * RECORD_SIZE_MAX]; // no line is longer than half of it
	int fd = open(path, O_RDWR | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(block) ? size - (off_t)sizeof(block) : 0;
	ssize_t n = size < 0 ? -1 : pread(fd, block, sizeof(block), from);
	const char *last = n > 0 ? memrchr(block, '\n', (size_t)n) : NULL;
	bool is_cut = n == size - from && (last || from == 0)
		&& (size == 0 || ftruncate(fd, last ? from + (last + 1 - block) : 0) == 0);

	if (fd >= 0)
		close(fd);
	return is_cut;
}

// A file descriptor, or -1 and errno. Written only: a pipe must know when its reader goes.
static int file_open(const char *path, enum sink_mode mode) {
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
	int fd = open(path, mode == SINK_ANEW ? flags | O_TRUNC : flags, 0640);
	struct stat st;

	// An empty line is harmless, half a line in front of a whole one is not.
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0
	    && !cut_half_line(path) && write(fd, "\n", 1) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

struct sink *sink_open(const char *path, enum sink_mode mode, char *error, int size) {
	bool is_stdout = path && strcmp(path, "-") == 0;
	struct sink *sink = calloc(1, sizeof(*sink));
	struct stat st;

	if (!sink || !(sink->path = strdup(is_stdout ? "standard output" : path ? path : ""))) {
		snprintf(error, (size_t)size, "%s: out of memory", path ? path : "output");
		free(sink);
		return NULL;
	}
	if (!path)
		sink->fd = -1;
	else if (is_stdout)
		sink->fd = STDOUT_FILENO;
	else
		sink->fd = file_open(path, mode);
	if (path && (sink->fd < 0 || fstat(sink->fd, &st) < 0)) {
		snprintf(error, (size_t)size, "%s: %s: %s", path, strerror(errno), advice(errno));
		sink_close(sink);
		return NULL;
	}
	sink->is_regular = path && S_ISREG(st.st_mode);
	sink->is_named = sink->is_regular && !is_stdout;
	return sink;
}

static void error_update(struct sink *sink) {
	snprintf(
		sink->error,
		sizeof(sink->error),
		"%s: %s: %llu line%s lost; %s",
		sink->path,
		strerror(sink->error_number),
		(unsigned long long)sink->n_lost,
		sink->n_lost == 1 ? "" : "s",
		advice(sink->error_number)
	);
}

// Whole lines of the buffer that went out before the fault stay; the rest is lost and counted.
static void lose_rest(struct sink *sink, size_t written, int error) {
	const char *last = memrchr(sink->buffer, '\n', written);
	size_t whole = last ? (size_t)(last + 1 - sink->buffer) : 0;
	off_t at = sink->is_regular ? lseek(sink->fd, 0, SEEK_CUR) : -1;
	uint64_t n_lost = 0;

	if (written > whole) {
		off_t back = at - (off_t)(written - whole);
		// Where half a line cannot be taken back, what comes next would be read as its end.
		if (at < 0 || ftruncate(sink->fd, back) < 0 || lseek(sink->fd, back, SEEK_SET) < 0)
			sink->is_over = true;
	}
	for (size_t i = whole; i < sink->used; i++)
		n_lost += sink->buffer[i] == '\n';
	sink->n_lines -= n_lost;
	sink->n_lost += n_lost;
	sink->used = 0;
	if (error == EPIPE)
		sink->is_over = sink->is_broken_pipe = true;
	sink->error_number = error;
	sink->is_failing = true;
	error_update(sink);
}

// Somebody has moved or removed the file: what is written from here on goes into a new one of that name.
// 0, or the error for which what would be written is lost: the old file is gone and there is no new one.
static int follow_path(struct sink *sink) {
	struct stat named, ours;
	int fd;

	if (fstat(sink->fd, &ours) < 0
	    || (stat(sink->path, &named) == 0 && named.st_ino == ours.st_ino
		&& named.st_dev == ours.st_dev)) {
		sink->notice[0] = '\0';
		return 0;
	}
	fd = file_open(sink->path, SINK_APPEND);
	if (fd >= 0) {
		close(sink->fd);
		sink->fd = fd;
		sink->notice[0] = '\0';
		return 0;
	}
	if (ours.st_nlink == 0)
		return errno;
	snprintf(
		sink->notice,
		sizeof(sink->notice),
		"%s: %s: the file was moved and cannot be made anew; lines go on into the moved "
		"one",
		sink->path,
		strerror(errno)
	);
	return 0;
}

void sink_flush(struct sink *sink) {
	size_t written = 0;
	int gone;

	if (sink->fd < 0)
		sink->used = 0;
	if (sink->is_named && sink->used > 0 && (gone = follow_path(sink)) != 0) {
		lose_rest(sink, 0, gone);
		return;
	}
	while (written < sink->used) {
		ssize_t n = write(sink->fd, sink->buffer + written, sink->used - written);
		if (n > 0) {
			written += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			// Somebody made the pipe non-blocking; the reader is only slow.
			poll(&(struct pollfd){.fd = sink->fd, .events = POLLOUT}, 1, -1);
		} else if (n == 0 || errno != EINTR) {
			lose_rest(sink, written, n == 0 ? ENOSPC : errno);
			return;
		}
	}
	sink->is_failing &= sink->used == 0;
	sink->used = 0;
}

void sink_write(struct sink *sink, const char *line, size_t size) {
	if (sink->used + size + 1 > BUFFER_SIZE)
		sink_flush(sink);
	if (sink->is_over || size + 1 > BUFFER_SIZE) {
		sink->n_lost++;
		sink->error_number = sink->is_over ? sink->error_number : EMSGSIZE;
		error_update(sink);
		return;
	}
	memcpy(sink->buffer + sink->used, line, size);
	sink->used += size;
	sink->buffer[sink->used++] = '\n';
	sink->n_lines++;
}

const char *sink_error(const struct sink *sink) {
	return sink->error[0] ? sink->error : NULL;
}

bool sink_is_failing(const struct sink *sink) {
	return sink->is_failing;
}

const char *sink_notice(const struct sink *sink) {
	return sink->notice[0] ? sink->notice : NULL;
}

int sink_is_broken_pipe(const struct sink *sink) {
	return sink->is_broken_pipe;
}

uint64_t sink_n_lines(const struct sink *sink) {
	return sink->n_lines;
}

uint64_t sink_n_lost(const struct sink *sink) {
	return sink->n_lost;
}

void sink_close(struct sink *sink) {
	if (!sink)
		return;
	sink_flush(sink);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	free(sink->path);
	free(sink);
}
