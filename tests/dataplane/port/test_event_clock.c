// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "port/event_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define HOUR (3600 * SECOND)
#define START (1768204862 * SECOND)
#define BURST (SECOND / 10)

// z1, z4: whatever happens to the wall clock, time goes on, and never faster than it should while it waits.
static void z1_z4_a_clock_that_is_set_back_is_waited_for(void **) {
	static const uint64_t steps[]
		= {1, SECOND, 90 * SECOND, HOUR}; // a leap second is one of them
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct event_clock clock = {0};
		uint64_t wall = START, monotonic = 7, before = 0, n = 0;
		assert_int_equal(event_clock_read(&clock, wall, monotonic), START);
		wall -= steps[i];
		while (clock.now_ns > wall) {
			before = clock.now_ns;
			wall += BURST;
			monotonic += BURST;
			event_clock_read(&clock, wall, monotonic);
			assert_true(clock.now_ns > before || clock.now_ns == wall);
			assert_true(clock.now_ns - before <= BURST);
			n++;
		}
		// It has caught up: in twice the time by which it was set back.
		assert_int_equal(clock.now_ns, wall);
		assert_true(n * BURST <= 2 * steps[i] + 2 * BURST);
	}
}

static void z4_jumps_ahead_and_2038_are_taken(void **) {
	struct event_clock clock = {0};
	const uint64_t y2038 = 2147483648ull * SECOND;
	assert_int_equal(event_clock_read(&clock, START, 1), START);
	assert_int_equal(event_clock_read(&clock, START + HOUR, 2), START + HOUR);
	for (uint64_t wall = y2038 - 5 * SECOND; wall < y2038 + 5 * SECOND; wall += BURST)
		assert_int_equal(event_clock_read(&clock, wall, wall), wall);
}

// z3: there is nothing to drift: readings are the wall clock's own, however many and however far apart.
static void z3_time_does_not_drift_from_the_wall_clock(void **) {
	struct event_clock clock = {0};
	uint64_t wall = START, monotonic = 1;
	unsigned seed = (unsigned)time(NULL);
	print_message("seed %u\n", seed);
	srand(seed);
	for (int i = 0; i < 1000000; i++) {
		uint64_t by = (uint64_t)rand() % BURST;
		wall += by;
		// The other clock runs a thousandth too fast, which must not show.
		monotonic += by + by / 1000;
		assert_int_equal(event_clock_read(&clock, wall, monotonic), wall);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(z1_z4_a_clock_that_is_set_back_is_waited_for),
		cmocka_unit_test(z4_jumps_ahead_and_2038_are_taken),
		cmocka_unit_test(z3_time_does_not_drift_from_the_wall_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
