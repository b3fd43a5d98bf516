// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Community ID flow hash, version 1, seed 0 (github.com/corelight/community-id-spec): the same text for
// the same connection in every sensor that knows it, whichever end is seen as the first.

#pragma once

#include "stream.h"

enum { COMMUNITY_ID_SIZE = 2 + 28 + 1 }; // "1:", base64 of a SHA-1, NUL

// No allocation; about a quarter of a microsecond.
void community_id(const struct stream_tuple *tuple, char text[COMMUNITY_ID_SIZE]);
