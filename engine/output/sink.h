// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where lines go: a file, standard output, or nowhere. Whole lines only: after an error (disk full, reader
// gone) the last line is whole and the loss is counted. A sink goes on trying, so that what comes after
// the fault is written; only a reader that has gone, or a pipe in which half a line stands, ends it.
// SIGPIPE and SIGXFSZ must be ignored by the program.
//
// Files may be rotated while they are written, by renaming or removing them: before each write a sink looks
// whether its path still names its file, and if not makes the file anew. When that fails it goes on in the
// file it has, says so, and tries again with the next write. Lines are never split over two files.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink;

enum sink_mode {
	SINK_ANEW, // the file is made empty: a run's output is that run's
	SINK_APPEND, // behind what is there; half a line at its end, of a writer that was killed, is cut off
};

// path "-": standard output; NULL: nowhere. NULL and one line in error: what, where, what to do.
struct sink *sink_open(const char *path, enum sink_mode mode, char *error, int size);
// Buffers a line and its end; writes when the buffer is full. size without the line end.
void sink_write(struct sink *sink, const char *line, size_t size);
void sink_flush(struct sink *sink);
// NULL while all went well; else one line: "PATH: No space left on device: 12 lines lost; free space or
// write elsewhere". Holds until the next call of sink_write or sink_flush.
const char *sink_error(const struct sink *sink);
// The last write failed; false again once one went well.
bool sink_is_failing(const struct sink *sink);
// NULL while the file is where its path says; else one line: "PATH: Permission denied: the file was moved
// and cannot be made anew; lines go on into the moved one". Holds as sink_error does.
const char *sink_notice(const struct sink *sink);
// The reader of a pipe has gone away.
int sink_is_broken_pipe(const struct sink *sink);
// Lines taken (written, or still in the buffer), and lines lost; together, all there were.
uint64_t sink_n_lines(const struct sink *sink);
uint64_t sink_n_lost(const struct sink *sink);
// Flushes and closes. Read sink_error() after sink_flush() first. Accepts NULL.
void sink_close(struct sink *sink);
