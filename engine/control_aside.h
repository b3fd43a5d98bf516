// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A thread beside the control thread for commands that take long (rules being read and compiled): one at a time, and
// whoever waits for its end can poll(2) for it. Used by control.c alone.

#pragma once

#include <stddef.h>
#include <stdio.h>

struct aside;

// Starts the thread, with the caller's signal mask. NULL and errno.
struct aside *aside_open(void);
// Readable when the command begun last has ended. Owned here.
int aside_fd(const struct aside *aside);
// Begins answer(context, out) on the thread. Only when nothing is being done, or what was done has been taken.
void aside_begin(struct aside *aside, int (*answer)(void *context, FILE *out), void *context);
// Waits for the end of what was begun. Returns what it returned; *text_r is what it wrote, size_r bytes and a NUL;
// free() it. NULL: no memory.
int aside_take(struct aside *aside, char **text_r, size_t *size_r);
// Ends the thread, behind the command it is at. Accepts NULL.
void aside_close(struct aside *aside);
