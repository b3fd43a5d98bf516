// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Looks single things up in a store, also while another process writes it: what is seen is the last
// snapshot. Changes nothing.

#pragma once

#include "store/part.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view;

// NULL and one line in error.
struct view *view_open(const char *dir, char *error, size_t error_size);
void view_close(struct view *view);
// Up to when it has learnt.
const struct store_mark *view_mark(const struct view *view);
// The entry of a table's part with that key, its node included; entry has room for size bytes. False when
// there is none of that version and size. Costs a pass over the part.
bool view_entry(
	struct view *view,
	enum store_kept part,
	uint16_t version,
	uint64_t key,
	void *entry,
	size_t size
);
// Calls each for every entry of a part, of at most size_max bytes; entry is borrowed until it returns. Of a
// part that packs its entries (part.h) it is the node and the image.
void view_each(
	struct view *view,
	enum store_kept part,
	uint16_t version,
	size_t size_max,
	void (*each)(void *ctx, const void *entry, size_t size),
	void *ctx
);
// A whole blob; false as above.
bool view_blob(struct view *view, enum store_kept part, uint16_t version, void *blob, size_t size);
