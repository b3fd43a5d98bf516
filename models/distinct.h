// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// How many different things there were: exactly while they are few, which is where decisions are
// made, and by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with 64 registers of a byte
// after that, for the figure in the text. Below 160 it reads by linear counting (Whang 1990).
//
//   different things   1 … 20   40       160      1,000    10,000
//   standard error     0        10 %     12 %     13 %     13 %     (1.04 / sqrt 64)
//
// The keys are taken from a public hash: a replay gives the same figures. Whoever aims at registers
// makes the figure smaller, down to 20, not the alert later.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	DISTINCT_EXACT_MAX = 20, // as many as an alert lists
	DISTINCT_REGISTERS = 64,
};

struct distinct {
	uint64_t key[DISTINCT_EXACT_MAX]; // in the order of arrival
	uint32_t n_exact;
	bool more; // than are listed: from here on it is an estimate
	uint8_t reg[DISTINCT_REGISTERS];
};

// True when it is new, beyond 20 when it seems so (some new ones then look old).
bool distinct_add(struct distinct *set, uint64_t key);
bool distinct_has(const struct distinct *set, uint64_t key); // among the first 20
uint32_t distinct_count(const struct distinct *set);
