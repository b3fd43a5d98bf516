// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Looks at a data file of LMDB 0.9 before LMDB does. LMDB has no checksums and follows whatever number
// it finds in a page: a truncated file or a flipped bit there is a signal in the middle of a run. A file
// that is sound here holds nothing that leads LMDB astray: every page that is in use lies in the file, is
// of its kind, is used once, and orders its keys; the list of free pages names none of them.
//
// Costs one pass over the pages in use, in time and memory linear in the file (a bit for each page).

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum page_state {
	PAGE_SOUND, // or not there yet
	PAGE_BROKEN, // why says where
	PAGE_UNREADABLE, // the system gives no access, or no memory; why says which
};

enum page_state page_check_file(const char *path, char *why, size_t why_size);
// The same for a file that lies in memory, aligned to 8.
enum page_state page_check(const uint8_t *file, size_t size, char *why, size_t why_size);

// Calls each for every value that can still be reached in a broken file: what lies on sound pages of the
// last transaction. value is borrowed until each returns. *n_r: how many there were once, or 0 when that
// cannot be read. Returns 0 or −errno.
int page_rescue_file(
	const char *path,
	void (*each)(void *ctx, const void *key, size_t key_size, const void *value, size_t size),
	void *ctx,
	uint64_t *n_r
);
