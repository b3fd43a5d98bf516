// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What stands beside every hostile input (beside.h): that it says a lot, and that a difference is seen.

#include "beside.h"
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void good_connections_are_read_to_their_end(void **) {
	static const char *const said[] = {
		"\"id\":\"anna@good.example\"",
		"\"id\":\"boris@good.example\"",
		"\"id\":\"cyril@good.example\"",
		"\"id\":\"dana@good.example\"",
		"\"server_name\":\"mx1.good.example\"",
		"\"compress\":true",
		"\"ip\":\"203.0.113.31\"", // whom the trusted proxy named
		"\"subject\":\"zpr\u00e1va\"",
		"\"mime_type\":\"application/pdf\"",
		"\"queue_id\":\"4ABC\"",
		"d@far.example", // of the script
		"\"reason\":\"logout\"",
#ifdef HAVE_HYPERSCAN
		"\"rule\":\"secret\"",
#endif
	};
	char *alone = beside(BESIDE_IMAP, NULL, 0);

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (!strstr(alone, said[i]))
			fail_msg("%s", said[i]);
	assert_null(strstr(alone, "leaked"));
	free(alone);
}

// What a server says to one client is held against what it says to others: the one difference there may be.
static void a_difference_beside_it_is_seen(void **) {
	static const char greeting[] = "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hi\r\n";
	static char says[4000]; // the greeting is over before the good one's is
	const struct play_part part = {PLAY_DATA, STREAM_SERVER, says, sizeof(says)};
	char *told;

	memset(says, 'x', sizeof(says));
	memcpy(says, greeting, sizeof(greeting) - 1);
	told = beside(BESIDE_SAME_SERVER, &part, 1);
	assert_non_null(told);
	assert_non_null(strstr(told, "capability_stripped"));
	free(told);
	assert_null(beside(BESIDE_IMAP, &part, 1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_connections_are_read_to_their_end),
		cmocka_unit_test(a_difference_beside_it_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
