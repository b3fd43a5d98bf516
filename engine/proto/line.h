// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Framing shared by the line protocols: cuts a direction's bytes into lines, whatever pieces they come
// in. A line inside one piece is a slice of it; one across pieces is collected in the slab, growing
// with the bytes received up to LINE_SIZE_MAX. What is longer is cut, but its last bytes are kept apart,
// because in IMAP they may announce a literal.

#pragma once

#include "slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_TAIL_SIZE = 32 };

struct line {
	uint8_t *carry; // from the slab; NULL between whole lines
	uint32_t carry_cap;
	uint32_t carry_size;
	bool is_long; // past LINE_SIZE_MAX: further bytes only feed tail
	bool is_secret; // wipe the carry when done
	uint8_t tail_size;
	uint8_t tail[LINE_TAIL_SIZE];
};

// A whole line without its end. data is borrowed until the next call on the same struct line.
struct line_slice {
	const uint8_t *data;
	uint32_t size;
	bool is_cut; // longer than LINE_SIZE_MAX (or the slab was full): data is its beginning
	bool is_bare; // ended by LF without CR
	const uint8_t *tail; // its last bytes, also when cut
	uint32_t tail_size;
};

// Takes bytes from *data, *size up to the end of a line. 1: *slice is a line and the bytes taken are
// gone from *data; 0: all bytes are taken and the line goes on.
int line_next(
	struct line *line,
	struct slab *slab,
	const uint8_t **data,
	size_t *size,
	struct line_slice *slice
);
// Forgets the line begun (after a gap), giving its memory back.
void line_reset(struct line *line, struct slab *slab);
