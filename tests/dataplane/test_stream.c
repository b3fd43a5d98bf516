// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "talk.h"

#include <setjmp.h>

#include <cmocka.h>

static void a_plain_dialogue_is_told_in_order(void **) {
	struct talk *t = talk_new(16, 1 << 20);

	talk_handshake(t, 0, 1000, 5000);
	assert_string_equal(t->log, "");
	TALK(t, S, TCP_ACK, 5000, 1000, "* OK");
	TALK(t, C, TCP_ACK, 1000, 5004, "a LOGIN");
	TALK(t, S, TCP_ACK, 5004, 1007, "a OK");
	TALK(t, C, TCP_ACK | TCP_FIN, 1007, 5008);
	TALK(t, S, TCP_ACK | TCP_FIN, 5008, 1008, "bye");
	assert_string_equal(t->log, "open S:* OK C:a LOGIN S:a OK S:bye close ");
	TALK(t, C, TCP_ACK, 1008, 5012);
	assert_int_equal(flow_n_open(t->table), 1);
	flow_advance(t->table, t->now_ns + 11ull * 1000000000);
	assert_int_equal(flow_n_open(t->table), 0);
	talk_free(t);
}

static void a_swapped_pair_is_put_in_order(void **) {
	struct talk *t = talk_new(16, 1 << 20);

	talk_handshake(t, 0, 1000, 5000);
	TALK(t, C, TCP_ACK, 1003, 5000, "def");
	TALK(t, C, TCP_ACK, 1000, 5000, "abc");
	assert_string_equal(t->log, "open C:abc C:def ");
	// An answer before its question.
	TALK(t, S, TCP_ACK, 5000, 1009, "ok");
	TALK(t, C, TCP_ACK, 1006, 5000, "ghi");
	assert_string_equal(t->log, "open C:abc C:def C:ghi S:ok ");
	flow_end(t->table);
	assert_string_equal(t->log, "open C:abc C:def C:ghi S:ok input ");
	talk_free(t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_dialogue_is_told_in_order),
		cmocka_unit_test(a_swapped_pair_is_put_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
