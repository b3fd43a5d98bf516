// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "lines.h"

#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = LINE_READ_SIZE_MAX + 1 }; // with its end

struct lines {
	int fd;
	char *buffer;
	size_t at, searched, end; // of the next line; up to where it has no end; of what was read
	bool is_ended;
	bool is_long; // what there was of the line did not fit, and is gone
};

struct lines *lines_open(const char *path) {
	struct lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return NULL;
	lines->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	lines->buffer = malloc(BUFFER_SIZE);
	if (lines->fd >= 0 && lines->buffer)
		return lines;
	lines_close(lines);
	return NULL;
}

// Makes room behind what is there.
static void make_room(struct lines *lines) {
	if (lines->at > 0) {
		memmove(lines->buffer, lines->buffer + lines->at, lines->end - lines->at);
		lines->end -= lines->at;
		lines->searched -= lines->at;
		lines->at = 0;
	}
	if (lines->end == BUFFER_SIZE) {
		lines->end = lines->searched = 0;
		lines->is_long = true;
	}
}

// 1 when something was read, 0 when nothing came, −1 and errno.
static int fill(struct lines *lines, int wait_ms) {
	struct pollfd pollfd = {.fd = lines->fd, .events = POLLIN};
	ssize_t n;
	int rc;

	make_room(lines);
	rc = poll(&pollfd, 1, wait_ms);
	if (rc <= 0)
		return rc == 0 || errno == EINTR ? 0 : -1;
	n = read(lines->fd, lines->buffer + lines->end, BUFFER_SIZE - lines->end);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	lines->is_ended = n == 0;
	lines->end += (size_t)n;
	return 1;
}

enum lines_result lines_next(struct lines *lines, int wait_ms, char **line_r, size_t *size_r) {
	bool is_long;
	char *lf;
	int rc;

	for (;;) {
		lf = memchr(lines->buffer + lines->searched, '\n', lines->end - lines->searched);
		lines->searched = lines->end;
		if (lf || lines->is_ended)
			break;
		rc = fill(lines, wait_ms);
		if (rc <= 0)
			return rc < 0 ? LINES_FAILED : LINES_NONE;
	}
	if (!lf && lines->at == lines->end && !lines->is_long)
		return LINES_END;
	*line_r = lines->buffer + lines->at;
	*size_r = (size_t)((lf ? lf : lines->buffer + lines->end) - *line_r);
	lines->at = lf ? (size_t)(lf - lines->buffer) + 1 : lines->end;
	lines->searched = lines->at;
	is_long = lines->is_long;
	lines->is_long = false;
	return is_long ? LINES_LONG : LINES_ONE;
}

void lines_close(struct lines *lines) {
	if (!lines)
		return;
	if (lines->fd > STDIN_FILENO)
		close(lines->fd);
	free(lines->buffer);
	free(lines);
}
