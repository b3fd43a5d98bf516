// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The activities that came last, each as 64 bits, so that one that comes twice counts once: a sensor
// that sends again, or an input that is read again after a restart. As many as fit into 2 MB; in each set
// the oldest makes room. What is forgotten too early counts twice, never the other way round but by
// chance: one in 10^13 of different ones is taken for a known one.

#pragma once

#include "activity.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	RECENT_SETS = 32768,
	RECENT_WAYS = 8, // one cache line
	RECENT_LAYOUT
	= 3, // in the store; prints of older layouts were made otherwise, and are forgotten
};

// Zeroed is empty. Plain data, the same in every run.
struct recent {
	uint64_t print[RECENT_SETS][RECENT_WAYS]; // newest first; 0: none
};

// A password's hash is another in each run of a sensor (activity.h), so a refused login has a second print:
// without the hash, but with how many other passwords the same session tried at the same moment. Not kept.
enum { RECENT_GUESSES = 1024 };
struct recent_guesses {
	uint64_t print[RECENT_GUESSES];
	uint32_t n[RECENT_GUESSES];
};

// Whether this activity was there before; if not, it is now. One that names no session is never known.
bool recent_has(
	struct recent *recent,
	struct recent_guesses *guesses,
	const struct activity *activity,
	uint64_t account
);
