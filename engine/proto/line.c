// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The carry of a long line, in one block:
//
//	0                        HEAD_SIZE       HEAD_SIZE + TAIL_SIZE
//	| beginning, kept as is  | last bytes so far |
//
// Both have room for one byte more than is handed out: the CR, known for one only when LF follows.

#include "proto/line.h"

#include "limits.h"

#include <string.h>

enum {
	HEAD_SIZE = LINE_SIZE_MAX + 1,
	TAIL_SIZE = LINE_TAIL_SIZE + 1,
	CARRY_SIZE_FIRST = 64,
};

static_assert(HEAD_SIZE + TAIL_SIZE <= UINT16_MAX, "a carry fits its fields");

void line_reset(struct line *line, struct slab *slab) {
	bool is_secret = line->is_secret;

	if (line->carry != NULL) {
		if (is_secret)
			explicit_bzero(line->carry, line->carry_cap);
		slab_put(slab, line->carry, line->carry_cap);
	}
	*line = (struct line){.is_secret = is_secret};
}

// Makes room for need bytes, in doubling steps up to what a whole carry takes. Without any the whole
// line is let go, so that its end is still found.
static bool carry_reserve(struct line *line, struct slab *slab, uint32_t need) {
	uint32_t cap = line->carry_cap != 0 ? 2 * line->carry_cap : CARRY_SIZE_FIRST;
	uint8_t *block;

	if (need <= line->carry_cap)
		return true;
	if (cap < need)
		cap = need;
	if (cap > HEAD_SIZE + TAIL_SIZE)
		cap = HEAD_SIZE + TAIL_SIZE;
	block = slab_get(slab, cap);
	if (block == NULL) {
		line_reset(line, slab);
		line->is_full = true;
		return false;
	}
	if (line->carry != NULL) {
		memcpy(block, line->carry, line->carry_size);
		if (line->is_secret)
			explicit_bzero(line->carry, line->carry_cap);
		slab_put(slab, line->carry, line->carry_cap);
	}
	line->carry = block;
	line->carry_cap = cap;
	return true;
}

// The tail is the last TAIL_SIZE bytes of the line so far.
static void tail_feed(uint8_t *tail, const uint8_t *data, size_t size) {
	if (size >= TAIL_SIZE) {
		memcpy(tail, data + size - TAIL_SIZE, TAIL_SIZE);
	} else {
		memmove(tail, tail + size, TAIL_SIZE - size);
		memcpy(tail + TAIL_SIZE - size, data, size);
	}
}

static void carry_feed(struct line *line, struct slab *slab, const uint8_t *data, size_t size) {
	size_t room = HEAD_SIZE - line->carry_size;
	size_t n = size < room ? size : room;

	if (line->is_full || size == 0)
		return;
	if (n > 0) {
		if (!carry_reserve(line, slab, line->carry_size + n))
			return;
		memcpy(line->carry + line->carry_size, data, n);
		line->carry_size += n;
	}
	if (n == size)
		return;
	if (!line->is_long) {
		if (!carry_reserve(line, slab, HEAD_SIZE + TAIL_SIZE))
			return;
		memcpy(line->carry + HEAD_SIZE, line->carry + HEAD_SIZE - TAIL_SIZE, TAIL_SIZE);
		line->is_long = true;
	}
	tail_feed(line->carry + HEAD_SIZE, data + n, size - n);
}

// head and end: the line as far as kept, and its last bytes, both with a CR that may belong to its end.
static void slice_set(
	struct line_slice *slice,
	const uint8_t *head,
	size_t head_size,
	const uint8_t *end,
	size_t end_size
) {
	bool is_crlf = end_size > 0 && end[end_size - 1] == '\r';

	*slice = (struct line_slice){.data = head, .size = head_size, .is_bare = !is_crlf};
	if (is_crlf)
		end_size--;
	if (is_crlf && end + end_size < head + head_size && end + end_size >= head)
		slice->size--; // one piece of memory: the CR is in both
	if (slice->size > LINE_SIZE_MAX) {
		slice->size = LINE_SIZE_MAX;
		slice->is_cut = true;
	}
	slice->tail_size = end_size < LINE_TAIL_SIZE ? end_size : LINE_TAIL_SIZE;
	slice->tail = end + end_size - slice->tail_size;
}

static void slice_carry(struct line *line, struct line_slice *slice) {
	line->is_whole = true;
	if (line->is_full)
		*slice = (struct line_slice
		){.data = (const uint8_t *)"",
		  .tail = (const uint8_t *)"",
		  .is_cut = true,
		  .is_full = true};
	else if (line->is_long)
		slice_set(slice, line->carry, HEAD_SIZE, line->carry + HEAD_SIZE, TAIL_SIZE);
	else
		slice_set(slice, line->carry, line->carry_size, line->carry, line->carry_size);
}

int line_next_slow(
	struct line *line,
	struct slab *slab,
	const uint8_t **data,
	size_t *size,
	const uint8_t *lf,
	struct line_slice *slice
) {
	const uint8_t *start = *data;
	size_t n = lf != NULL ? (size_t)(lf - start) : *size;

	if (line->is_whole)
		line_reset(line, slab);
	*data += lf != NULL ? n + 1 : n;
	*size -= lf != NULL ? n + 1 : n;
	if (lf != NULL && line->carry == NULL && !line->is_full) {
		slice_set(slice, start, n, start, n);
		return 1;
	}
	carry_feed(line, slab, start, n);
	if (lf == NULL)
		return 0;
	slice_carry(line, slice);
	return 1;
}
