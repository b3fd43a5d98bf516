// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Reading times as other programs write them: RFC 3339, and what is close to it.

#pragma once

#include <stdint.h>

enum rfc3339_result {
	RFC3339_TIME,
	RFC3339_LOCAL, // without an offset: it was taken for UTC
	RFC3339_NONE,
};

// 1970 to 2553, as "2026-01-12T08:01:02.123456Z": any number of digits in the fraction, after a point or
// a comma (those beyond nanoseconds are dropped); a blank for the T; any offset from UTC, as +01:00,
// +0100 or +01. *time_ns_r is set but for RFC3339_NONE: nanoseconds since 1970.
enum rfc3339_result rfc3339_read(const char *text, uint64_t *time_ns_r);
