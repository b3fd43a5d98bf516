// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/sink.h"

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
	bool is_regular;
	bool is_over; // nothing more can be written
	bool is_broken_pipe;
	uint64_t n_lines;
	uint64_t n_lost;
	size_t used;
	int error_number; // the last fault's
	char error[512];
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

struct sink *sink_open(const char *path, char *error, int size) {
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
		sink->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
	if (path && (sink->fd < 0 || fstat(sink->fd, &st) < 0)) {
		snprintf(error, (size_t)size, "%s: %s: %s", path, strerror(errno), advice(errno));
		sink_close(sink);
		return NULL;
	}
	sink->is_regular = path && S_ISREG(st.st_mode);
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
	error_update(sink);
}

void sink_flush(struct sink *sink) {
	size_t written = 0;

	if (sink->fd < 0)
		sink->used = 0;
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
