// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Framing shared by the line protocols: cuts a direction's bytes into lines, whatever pieces they come
// in. A line inside one piece is a slice of it; one across pieces is collected in the slab, growing
// with the bytes received up to LINE_SIZE_MAX. What is longer is cut, but its last bytes are kept apart,
// because in IMAP they may announce a literal.

#pragma once

#include "limits.h"
#include "slab.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LINE_TAIL_SIZE = 32 };

// Small, because every idle connection has two. Zeroed is the start of a stream.
struct line {
	uint8_t *carry; // from the slab; NULL between whole lines
	uint16_t carry_cap;
	uint16_t carry_size;
	bool is_long; // past LINE_SIZE_MAX: further bytes only feed the tail, behind the carry
	bool is_full; // the slab was: nothing of this line is kept
	bool is_whole; // what is carried was handed out by the last call
	bool is_secret; // set by the owner: the carry is wiped before it is given back
};

static_assert(sizeof(struct line) == 16, "two per idle connection");

// A whole line without its end. data is borrowed until the next call on the same struct line.
struct line_slice {
	const uint8_t *data;
	uint32_t size;
	bool is_cut; // longer than LINE_SIZE_MAX (or the slab was full): data is its beginning
	bool is_full; // the slab was full: data and tail are empty
	bool is_bare; // ended by LF without CR
	const uint8_t *tail; // its last bytes, at most LINE_TAIL_SIZE, also when cut
	uint32_t tail_size;
};

// What line_next() does where the line is not all in one piece, or is too long.
int line_next_slow(
	struct line *line,
	struct slab *slab,
	const uint8_t **data,
	size_t *size,
	const uint8_t *lf,
	struct line_slice *slice
);
// Takes bytes from *data, *size up to the end of a line. 1: *slice is a line and the bytes taken are
// gone from *data; 0: all bytes are taken and the line goes on. After 0 memory is held only if a line
// is begun: so call it until then. Cost: linear in the bytes.
static inline int line_next(
	struct line *line,
	struct slab *slab,
	const uint8_t **data,
	size_t *size,
	struct line_slice *slice
) {
	const uint8_t *start = *data;
	const uint8_t *lf = *size > 0 ? memchr(start, '\n', *size) : NULL;
	size_t n = lf != NULL ? (size_t)(lf - start) : 0;

	if (lf == NULL || line->carry != NULL || line->is_full || n > LINE_SIZE_MAX)
		return line_next_slow(line, slab, data, size, lf, slice);
	line->is_whole = false;
	*data += n + 1;
	*size -= n + 1;
	slice->is_cut = slice->is_full = false;
	slice->is_bare = n == 0 || start[n - 1] != '\r';
	n -= !slice->is_bare;
	slice->data = start;
	slice->size = (uint32_t)n;
	slice->tail_size = n < LINE_TAIL_SIZE ? (uint32_t)n : LINE_TAIL_SIZE;
	slice->tail = start + n - slice->tail_size;
	return 1;
}
// Whether the next byte begins a line.
static inline bool line_is_start(const struct line *line) {
	return line->is_whole || (line->carry == NULL && !line->is_full);
}
// Forgets the line begun (after a gap), giving its memory back.
void line_reset(struct line *line, struct slab *slab);
