// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "distinct.h"

#include <math.h>

bool distinct_has(const struct distinct *set, uint64_t key) {
	for (uint32_t i = 0; i < set->n_exact; i++)
		if (set->key[i] == key)
			return true;
	return false;
}

// Six bits choose the register, the rank of the first one bit in the others is what it remembers.
static bool sketch_add(struct distinct *set, uint64_t key) {
	uint8_t *reg = &set->reg[key >> 58];
	uint64_t rest = key << 6;
	uint8_t rank = rest ? __builtin_clzll(rest) + 1 : 59;
	if (*reg >= rank)
		return false;
	*reg = rank;
	return true;
}

bool distinct_add(struct distinct *set, uint64_t key) {
	if (distinct_has(set, key))
		return false;
	bool risen = sketch_add(set, key);
	if (set->n_exact == DISTINCT_EXACT_MAX) {
		set->more = true;
		return risen;
	}
	set->key[set->n_exact++] = key;
	return true;
}

uint32_t distinct_count(const struct distinct *set) {
	if (!set->more)
		return set->n_exact;
	// In units of 2^-59, the least of all: exact, and without a call for each.
	double sum = 0;
	int n_zero = 0;
	for (int i = 0; i < DISTINCT_REGISTERS; i++) {
		sum += (double)(1ull << (59 - set->reg[i]));
		n_zero += set->reg[i] == 0;
	}
	sum /= (double)(1ull << 59);
	double m = DISTINCT_REGISTERS;
	double n = 0.709 * m * m / sum; // alpha of 64 registers
	if (n <= 2.5 * m && n_zero > 0)
		n = m * log(m / n_zero);
	return n > DISTINCT_EXACT_MAX ? lround(n) : DISTINCT_EXACT_MAX + 1;
}
