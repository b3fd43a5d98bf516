// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A queue of messages of any size from one thread to one other, without locks: how results leave a
// worker. The writer never waits unless it asks to.

#pragma once

#include <stddef.h>
#include <stdint.h>

struct ring;

// size: bytes of the queue, rounded up to a power of two. NULL and errno when refused.
struct ring *ring_open(size_t size);
// Accepts NULL.
void ring_close(struct ring *ring);

// Writer. Room for a message of size bytes, or NULL when it does not fit now. What is written there
// is sent by ring_send(), which must follow before the next reserve.
void *ring_reserve(struct ring *ring, size_t size);
void ring_send(struct ring *ring);
// The writer sends no more.
void ring_finish(struct ring *ring);
// Share of the queue in use, 0 … 1.
double ring_fill(const struct ring *ring);

// Reader. The oldest message and its size, or NULL when there is none; borrowed until ring_drop().
const void *ring_peek(struct ring *ring, size_t *size_r);
void ring_drop(struct ring *ring);
// The writer has finished and everything has been read.
int ring_is_finished(const struct ring *ring);
