// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void exactly_n_objects_are_handed_out(void **) {
	struct pool *pool = pool_open(64, 7);

	for (uint32_t i = 1; i <= 7; i++) {
		void *object = pool_get(pool);
		assert_non_null(object);
		assert_int_equal((uintptr_t)object % 64, 0);
		assert_int_equal(pool_index(pool, object), i);
		assert_ptr_equal(pool_at(pool, i), object);
	}
	assert_null(pool_get(pool));
	assert_int_equal(pool_used(pool), 7);
	assert_int_equal(pool_memsize(pool), 7 * 64);
	pool_close(pool);
}

static void the_last_put_is_the_first_got_and_is_zeroed(void **) {
	struct pool *pool = pool_open(40, 3);
	uint8_t *a = pool_get(pool), *b = pool_get(pool);

	memset(a, 0xff, 40);
	memset(b, 0xff, 40);
	pool_put(pool, a);
	pool_put(pool, b);
	pool_put(pool, NULL);
	assert_ptr_equal(pool_get(pool), b);
	assert_ptr_equal(pool_get(pool), a);
	for (int i = 0; i < 40; i++)
		assert_int_equal(a[i] | b[i], 0);
	assert_int_equal(pool_used(pool), 2);
	pool_close(pool);
}

static void an_empty_pool_is_refused(void **) {
	assert_null(pool_open(64, 0));
	assert_int_equal(errno, EINVAL);
	pool_close(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_n_objects_are_handed_out),
		cmocka_unit_test(the_last_put_is_the_first_got_and_is_zeroed),
		cmocka_unit_test(an_empty_pool_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
