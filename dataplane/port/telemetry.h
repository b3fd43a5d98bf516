// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Counters by name through DPDK's telemetry socket (dpdk-telemetry.py -f postern), beside the drivers' own.
// Its folder is root's alone; what a program that became somebody else leaves there, the next replaces.

#pragma once

#include <stdint.h>

enum {
	TELEMETRY_NAME_SIZE = 64, // [a-z0-9_], with its end
	TELEMETRY_COUNTERS_MAX = 256,
};

struct telemetry_counter {
	char name[TELEMETRY_NAME_SIZE];
	uint64_t value;
};

// Answers the command (like "/postern/stats") with what counters returns: how many it wrote, at most
// max. Called on threads of DPDK's, perhaps several at once. After EAL was started. 0 or −errno.
int telemetry_add(
	const char *command,
	const char *help,
	int (*counters)(void *ctx, struct telemetry_counter *counters, int max),
	void *ctx
);
// No answers from here on.
void telemetry_end(void);
