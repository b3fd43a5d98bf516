// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/uid_set.h"

#include <stdbool.h>
#include <string.h>

static char *put_u32(char *p, uint32_t value) {
	char digits[10], *end = digits + sizeof(digits), *begin = end;

	do
		*--begin = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	memcpy(p, begin, (size_t)(end - begin));
	return p + (end - begin);
}

size_t uid_set_write(
	const struct uid_range *ranges,
	uint32_t n,
	char *text,
	size_t size,
	uint32_t *written_r
) {
	char *p = text;
	uint32_t i;

	for (i = 0; i < n && size - (size_t)(p - text) >= UID_RANGE_TEXT_SIZE; i++) {
		if (i > 0)
			*p++ = ',';
		p = put_u32(p, ranges[i].first);
		if (ranges[i].last != ranges[i].first) {
			*p++ = ':';
			p = put_u32(p, ranges[i].last);
		}
	}
	*written_r = i;
	return (size_t)(p - text);
}

// nz-number: 1 … 2³²−1. Advances *text. 0, or -1 when there is none.
static int read_uid(const char **text, const char *end, uint32_t *uid_r) {
	const char *p = *text;
	uint64_t value = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (uint64_t)(*p - '0');
		if (value > UINT32_MAX)
			return -1;
	}
	*text = p;
	*uid_r = (uint32_t)value;
	return value > 0 ? 0 : -1;
}

// Adds a range: swallows those it overlaps or touches, and takes its place in the order. When all
// places are taken a range that joins none is left out: returns false.
static bool add(struct uid_ranges *ranges, struct uid_range range) {
	struct uid_range *list = ranges->range;
	int begin = 0, end;

	while (begin < ranges->n && (uint64_t)list[begin].last + 1 < range.first)
		begin++;
	for (end = begin; end < ranges->n && list[end].first <= (uint64_t)range.last + 1; end++) {
		if (list[end].first < range.first)
			range.first = list[end].first;
		if (list[end].last > range.last)
			range.last = list[end].last;
	}
	if (begin == end && ranges->n == ACTIVITY_RANGES_MAX)
		return false;
	memmove(list + begin + 1, list + end, (size_t)(ranges->n - end) * sizeof(*list));
	list[begin] = range;
	ranges->n = (uint8_t)(ranges->n + 1 - (end - begin));
	return true;
}

static uint64_t n_listed(const struct uid_ranges *ranges) {
	uint64_t n = 0;

	for (int i = 0; i < ranges->n; i++)
		n += (uint64_t)ranges->range[i].last - ranges->range[i].first + 1;
	return n;
}

int uid_set_read(const char *text, size_t size, struct uid_ranges *ranges, uint32_t *n_uids_r) {
	const char *p = text, *end = text + size;
	uint64_t n = 0;
	struct uid_range range;

	ranges->n = 0;
	while (p < end) {
		if (read_uid(&p, end, &range.first))
			return -1;
		range.last = range.first;
		if (p < end && *p == ':' && (p++, read_uid(&p, end, &range.last)))
			return -1;
		if (range.last < range.first) // 9:1 is 1:9
			range = (struct uid_range){range.last, range.first};
		if (!add(ranges, range))
			n += (uint64_t)range.last - range.first + 1;
		if (p < end && (*p++ != ',' || p == end))
			return -1;
	}
	n += n_listed(ranges);
	*n_uids_r = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return 0;
}
