// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Event time of live packets, from two clocks that are read once per burst: no clock but this makes it.

#pragma once

#include <stdint.h>

struct event_clock {
	uint64_t now_ns; // since 1970; never goes back
	uint64_t monotonic_ns; // at the last reading; 0: there was none
};

// The wall clock's time. When that is set back (NTP, a leap second, a person), time goes on at half its
// speed until the clock has caught up, so that timers neither stop nor repeat. Returns it.
static inline uint64_t
event_clock_read(struct event_clock *clock, uint64_t wall_ns, uint64_t monotonic_ns) {
	if (wall_ns >= clock->now_ns)
		clock->now_ns = wall_ns;
	else
		clock->now_ns += (monotonic_ns - clock->monotonic_ns) / 2;
	clock->monotonic_ns = monotonic_ns;
	return clock->now_ns;
}
