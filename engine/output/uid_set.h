// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// UID sets as text, as IMAP writes them (RFC 9051 sequence-set without "*"): "1:9,12".

#pragma once

#include "activity.h"

#include <stddef.h>
#include <stdint.h>

enum { UID_RANGE_TEXT_SIZE = 10 + 1 + 10 + 1 }; // the longest range and its comma

// Writes as many of the n ranges as size allows, not terminated. Returns the length; *written_r is
// how many ranges stand there.
size_t uid_set_write(
	const struct uid_range *ranges,
	uint32_t n,
	char *text,
	size_t size,
	uint32_t *written_r
);
// Reads a set of any order and overlap into sorted ranges that do not touch. What does not fit into
// the fixed number of ranges is left out of them, and counted in *n_uids_r all the same (UIDs named
// twice count twice where they are not seen to be; never above UINT32_MAX). 0, or -1: not a UID set.
int uid_set_read(const char *text, size_t size, struct uid_ranges *ranges, uint32_t *n_uids_r);
