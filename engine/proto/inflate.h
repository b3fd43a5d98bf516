// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One direction of a compressed connection (RFC 1951, by zlib): its bytes inflated as they come, in memory
// of the session's slab and never more than INFLATER_SIZE of it. What grows beyond INFLATE_RATIO_MAX is
// not inflated on: a few bytes of an attacker's must not cost a thousand times their time.

#pragma once

#include "slab.h"

#include <stdint.h>

struct inflater;

enum inflate_end {
	INFLATE_BAD = -1, // no deflate, or more bytes behind its end
	INFLATE_BOMB = -2,
};

// NULL: no room.
struct inflater *inflater_open(struct slab *slab);
// Takes bytes from *data, *size and puts what they become to out. Returns how much that is; 0: all bytes
// are taken and nothing is left to be put; or enum inflate_end: the inflater is of no use any more, and
// what stands in out before that was handed out by earlier calls. Where the bytes are cut makes no
// difference to what comes out before an end.
int inflater_run(
	struct inflater *inflater,
	const uint8_t **data,
	size_t *size,
	uint8_t *out,
	size_t out_size
);
// Wipes and gives back all memory. Accepts NULL.
void inflater_close(struct inflater *inflater);
