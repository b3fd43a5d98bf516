// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Event time of what a NIC's own clock has stamped: ticks of unknown rate and beginning, held against the
// host's clocks now and then.

#pragma once

#include <stdint.h>

struct nic_clock {
	uint64_t ticks; // at the last reading, when event time was …
	uint64_t ns;
	uint64_t first_ticks,
		first_monotonic_ns; // of the first reading: what the rate is measured from
	double ns_per_tick; // 0: not known before a second reading
};

enum {
	// Between readings: a clock that is 100 ppm off is then wrong by 0.1 ms at most.
	NIC_CLOCK_READ_MS = 1000,
	// A stamp that is older than this is none: no frame waits that long in a queue.
	NIC_CLOCK_AGE_MAX_S = 10,
};

// The NIC's clock was read: ticks, at ns of event time and monotonic_ns of the host's monotonic clock.
// The rate is that since the first reading, so that how long a reading takes matters less and less.
static inline void
nic_clock_set(struct nic_clock *clock, uint64_t ticks, uint64_t ns, uint64_t monotonic_ns) {
	if (clock->first_monotonic_ns == 0) {
		clock->first_ticks = ticks;
		clock->first_monotonic_ns = monotonic_ns;
	} else if (ticks > clock->first_ticks && monotonic_ns > clock->first_monotonic_ns) {
		clock->ns_per_tick = (double)(monotonic_ns - clock->first_monotonic_ns)
			/ (double)(ticks - clock->first_ticks);
	}
	clock->ticks = ticks;
	clock->ns = ns;
}

// When it was stamped; now_ns where that is not known, would be in the future, or too long ago.
static inline uint64_t
nic_clock_time(const struct nic_clock *clock, uint64_t stamp, uint64_t now_ns) {
	double since_ns = (double)(int64_t)(stamp - clock->ticks) * clock->ns_per_tick;
	const double age_max_ns = NIC_CLOCK_AGE_MAX_S * 1e9;
	uint64_t ns;

	if (clock->ns_per_tick <= 0 || since_ns > age_max_ns || since_ns < -age_max_ns)
		return now_ns;
	ns = clock->ns + (uint64_t)(int64_t)since_ns;
	return ns > now_ns || now_ns - ns > (uint64_t)age_max_ns ? now_ns : ns;
}
