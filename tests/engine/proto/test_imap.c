// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/imap.h"
#include "proto/imap_private.h"
#include "talk.h"
#include "talk_imap.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void talks_give_their_facts_however_they_are_cut(void **) {
	assert_in_range(talk_check("imap_", &proto_imap, imap_dump), 1, 1000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talks_give_their_facts_however_they_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
