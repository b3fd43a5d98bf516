// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Work of a session that is TLS, counted (steps.h; HOSTILE.md section 5, L9).

#include "../../steps.h"
#include "desk.h"
#include "hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ALERTS_MAX = 200 };

// Alerts as the bytes come, or one to a segment, behind a hello or where one should be.
static bool is_greeted;
static size_t alerts_each;

static void alerts_say(size_t n) {
	static struct bytes body, hello;
	struct desk *desk = desk_open(1 << 20, 64);
	struct desk_connection c = desk_connect(desk, 1, 993);
	static uint8_t alerts[7 * ALERTS_MAX];

	for (size_t i = 0; i < alerts_each; i++)
		memcpy(alerts + 7 * i, "\x15\3\3\0\2\1\x5a", 7);
	hello_body(&body, &hello_chrome);
	hello_records(&hello, &body, 16384);
	if (is_greeted)
		desk_say(&c, STREAM_CLIENT, hello.data, hello.size);
	steps_start();
	for (size_t i = 0; i < n; i++)
		desk_say(&c, i % 2 ? STREAM_CLIENT : STREAM_SERVER, alerts, 7 * alerts_each);
	steps_stop();
	desk_end(desk);
	desk_close(desk);
}

static void l9_alerts_cost_in_proportion(void **state) {
	for (int i = 0; i < 4; i++) {
		is_greeted = i & 1;
		alerts_each = i & 2 ? 1 : ALERTS_MAX;
		steps_are_linear(alerts_say, 5000);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l9_alerts_cost_in_proportion),
	};

	return steps_run(tests);
}
