// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What struct pop3 says at the end, for test_pop3.c and fuzz_pop3.c.

#pragma once

#include "talk.h"

void pop3_dump(struct talk *talk, const struct session *s, const void *state);
