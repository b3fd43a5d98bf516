// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/uid_ranges.h"

#include <stdbool.h>
#include <string.h>

int uid_ranges_add(struct uid_range *ranges, unsigned *n, unsigned cap, uint32_t uid) {
	unsigned low = 0, high = *n, middle;
	bool joins_left, joins_right;

	while (low < high) { // the first range that ends at uid - 1 or later
		middle = (low + high) / 2;
		if (ranges[middle].last < uid - 1)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < *n && ranges[low].first <= uid && uid <= ranges[low].last)
		return 0;
	joins_left = low < *n && ranges[low].last == uid - 1;
	high = joins_left ? low + 1 : low;
	joins_right = high < *n && uid < UINT32_MAX && ranges[high].first == uid + 1;
	if (high < *n && ranges[high].first <= uid && uid <= ranges[high].last)
		return 0;
	if (joins_left && joins_right) {
		ranges[low].last = ranges[high].last;
		memmove(ranges + high, ranges + high + 1, (*n - high - 1) * sizeof(*ranges));
		(*n)--;
	} else if (joins_left) {
		ranges[low].last = uid;
	} else if (joins_right) {
		ranges[high].first = uid;
	} else {
		if (*n == cap)
			return -1;
		memmove(ranges + low + 1, ranges + low, (*n - low) * sizeof(*ranges));
		ranges[low] = (struct uid_range){uid, uid};
		(*n)++;
	}
	return 1;
}
