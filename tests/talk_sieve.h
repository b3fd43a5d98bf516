// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What struct sieve says at the end, for test_sieve.c and fuzz_sieve.c.

#pragma once

#include "talk.h"

void sieve_dump(struct talk *talk, const struct session *s, const void *state);
