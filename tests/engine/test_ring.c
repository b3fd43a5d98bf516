// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void a_message_comes_out_as_it_went_in(void **) {
	struct ring *ring = ring_open(1);
	size_t size;

	assert_null(ring_peek(ring, &size));
	memcpy(ring_reserve(ring, 5), "hello", 5);
	assert_null(ring_peek(ring, &size)); // not sent yet
	ring_send(ring);
	assert_memory_equal(ring_peek(ring, &size), "hello", 5);
	assert_int_equal(size, 5);
	ring_drop(ring);
	assert_false(ring_is_finished(ring));
	ring_finish(ring);
	assert_true(ring_is_finished(ring));
	ring_close(ring);
}

static void a_full_ring_refuses_and_loses_nothing(void **) {
	struct ring *ring = ring_open(4096);
	size_t size;
	int n = 0;
	void *room;

	while ((room = ring_reserve(ring, 100))) {
		memset(room, n++, 100);
		ring_send(ring);
	}
	assert_int_equal(n, 4096 / 112);
	assert_true(ring_fill(ring) > 0.9);
	assert_null(ring_reserve(ring, 5000)); // never fits
	for (int i = 0; i < n; i++) {
		const uint8_t *message = ring_peek(ring, &size);
		assert_int_equal(size, 100);
		assert_int_equal(message[99], i);
		ring_drop(ring);
	}
	assert_null(ring_peek(ring, &size));
	ring_close(ring);
}

static void *write_many(void *arg) {
	struct ring *ring = arg;
	unsigned seed = 1;

	for (uint32_t i = 0; i < 200000; i++) {
		size_t size = 4 + (size_t)rand_r(&seed) % 900;
		uint8_t *room;
		while (!(room = ring_reserve(ring, size)))
			sched_yield();
		memcpy(room, &i, 4);
		memset(room + 4, (int)i, size - 4);
		ring_send(ring);
	}
	ring_finish(ring);
	return NULL;
}

static void two_threads_agree_on_every_byte(void **) {
	struct ring *ring = ring_open(16384);
	unsigned seed = 1;
	uint32_t expected = 0;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_many, ring), 0);
	while (!ring_is_finished(ring)) {
		size_t size;
		const uint8_t *message = ring_peek(ring, &size);
		if (!message) {
			sched_yield();
			continue;
		}
		uint32_t number;
		memcpy(&number, message, 4);
		assert_int_equal(number, expected);
		assert_int_equal(size, 4 + (size_t)rand_r(&seed) % 900);
		for (size_t i = 4; i < size; i++)
			assert_int_equal(message[i], (uint8_t)expected);
		expected++;
		ring_drop(ring);
	}
	assert_int_equal(expected, 200000);
	pthread_join(writer, NULL);
	ring_close(ring);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_out_as_it_went_in),
		cmocka_unit_test(a_full_ring_refuses_and_loses_nothing),
		cmocka_unit_test(two_threads_agree_on_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
