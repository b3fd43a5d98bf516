// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A progress bar on a terminal: share, rate, time left. On anything else it shows nothing.

#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress;

// quiet: never show. NULL shows nothing, and all functions accept it.
struct progress *progress_open(bool quiet);
// done and total in bytes; total 0: unknown. Draws at most four times a second.
void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total);
// Takes the bar off the screen, so that a line can be printed.
void progress_clear(struct progress *progress);
void progress_close(struct progress *progress);
