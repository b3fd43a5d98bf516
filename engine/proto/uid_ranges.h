// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Sets of UIDs as sorted ranges that do not touch.

#pragma once

#include "activity.h"

#include <stdint.h>

// Adds uid (not 0) to n ranges, of which there is room for cap. 1: added; 0: it was in; -1: no room.
int uid_ranges_add(struct uid_range *ranges, unsigned *n, unsigned cap, uint32_t uid);
