// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The wheel against a plain array in which the smallest is looked for.

#include "wheel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { N = 500 };

static uint64_t random_state;

static uint64_t random_below(uint64_t n) {
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 20) % n;
}

static uint32_t smallest(const uint64_t due_ns[N + 1], uint64_t now_ns) {
	uint32_t best = 0;

	for (uint32_t i = 1; i <= N; i++)
		if (due_ns[i] && due_ns[i] <= now_ns && (!best || due_ns[i] < due_ns[best]))
			best = i;
	return best;
}

static void what_is_due_comes_by_moment_then_age(void **) {
	static const uint64_t ranges[]
		= {3, WHEEL_TICK_NS / 10, WHEEL_TICK_NS * 5, 3600ull * 1000000000, 1ull << 45};
	struct wheel_node *nodes = calloc(N, sizeof(*nodes));
	struct wheel *wheel = malloc(sizeof(*wheel));
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);
	uint64_t due_ns[N + 1] = {0}, now_ns = 1700000000ull * 1000000000;

	print_message("SEED=%" PRIu64 "\n", seed);
	random_state = seed;
	wheel_init(wheel, nodes, sizeof(*nodes));
	for (uint32_t i = 1; i <= N; i++) {
		nodes[i - 1].slot = WHEEL_NONE;
		nodes[i - 1].age = 0xffffff00 + i;
	}
	assert_int_equal(wheel_pop(wheel, now_ns), 0);
	for (int round = 0; round < 20000; round++) {
		uint32_t i = 1 + (uint32_t)random_below(N), popped;

		if (due_ns[i]) {
			wheel_remove(wheel, i);
			due_ns[i] = 0;
		} else {
			due_ns[i] = now_ns + random_below(ranges[random_below(5)]);
			wheel_add(wheel, i, due_ns[i]);
		}
		if (random_below(4))
			continue;
		now_ns += random_below(ranges[random_below(random_below(50) ? 3 : 4)]);
		do {
			popped = wheel_pop(wheel, now_ns);
			assert_int_equal(popped, smallest(due_ns, now_ns));
			due_ns[popped] = 0;
		} while (popped);
	}
	free(wheel);
	free(nodes);
}

static void a_jump_of_a_century_ends(void **) {
	struct wheel_node node = {.slot = WHEEL_NONE};
	struct wheel *wheel = malloc(sizeof(*wheel));
	uint64_t now_ns = 1ull << 60;

	wheel_init(wheel, &node, sizeof(node));
	assert_int_equal(wheel_pop(wheel, 1), 0);
	wheel_add(wheel, 1, 7200ull * 1000000000);
	assert_int_equal(wheel_pop(wheel, now_ns), 1);
	assert_int_equal(wheel_pop(wheel, now_ns), 0);
	assert_int_equal(wheel->n, 0);
	free(wheel);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_due_comes_by_moment_then_age),
		cmocka_unit_test(a_jump_of_a_century_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
