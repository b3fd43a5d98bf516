// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 1 << 18 }; // grows for a longer line

struct lines {
	int fd;
	char *buffer;
	size_t size;
	size_t at, searched, end; // of the next line; up to where it has no end; of what was read
	bool is_ended;
};

struct lines *lines_open(const char *path) {
	struct lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return NULL;
	lines->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	lines->size = BUFFER_SIZE;
	lines->buffer = malloc(lines->size);
	if (lines->fd >= 0 && lines->buffer)
		return lines;
	lines_close(lines);
	return NULL;
}

// Makes room behind what is there. 0, or −1 and errno.
static int make_room(struct lines *lines) {
	char *larger;

	if (lines->at > 0) {
		memmove(lines->buffer, lines->buffer + lines->at, lines->end - lines->at);
		lines->end -= lines->at;
		lines->searched -= lines->at;
		lines->at = 0;
	}
	if (lines->end < lines->size)
		return 0;
	larger = realloc(lines->buffer, 2 * lines->size);
	if (!larger)
		return -1;
	lines->buffer = larger;
	lines->size *= 2;
	return 0;
}

// 1 when something was read, 0 when nothing came, −1 and errno.
static int fill(struct lines *lines, int wait_ms) {
	struct pollfd pollfd = {.fd = lines->fd, .events = POLLIN};
	int rc = make_room(lines);
	ssize_t n;

	if (rc < 0)
		return -1;
	rc = poll(&pollfd, 1, wait_ms);
	if (rc <= 0)
		return rc == 0 || errno == EINTR ? 0 : -1;
	n = read(lines->fd, lines->buffer + lines->end, lines->size - lines->end);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	lines->is_ended = n == 0;
	lines->end += (size_t)n;
	return 1;
}

enum lines_result lines_next(struct lines *lines, int wait_ms, char **line_r, size_t *size_r) {
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
	if (!lf && lines->at == lines->end)
		return LINES_END;
	*line_r = lines->buffer + lines->at;
	*size_r = (size_t)((lf ? lf : lines->buffer + lines->end) - *line_r);
	lines->at = lf ? (size_t)(lf - lines->buffer) + 1 : lines->end;
	lines->searched = lines->at;
	return LINES_ONE;
}

void lines_close(struct lines *lines) {
	if (!lines)
		return;
	if (lines->fd > STDIN_FILENO)
		close(lines->fd);
	free(lines->buffer);
	free(lines);
}
