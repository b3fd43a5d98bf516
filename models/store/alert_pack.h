// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An open episode in the store, so that after a restart it goes on and is not told anew. Its alert
// points at names that are part of the program: they are kept as text, and found or made again.

#pragma once

#include "episode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EPISODE_PACKED_MAX = sizeof(struct episode) + 4096 };

// For struct store_part: an episode behind its node, then the texts. One that names more than fits is
// kept without the last ones.
size_t episode_pack(const void *episode, void *image);
// False when it is not one that episode_pack made.
bool episode_unpack(void *ctx, uint16_t version, const void *image, size_t size, void *episode);
