// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/rfc3339.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static uint64_t days_from_civil(unsigned year, unsigned month, unsigned day) {
	unsigned shifted = year - (month <= 2), era = shifted / 400, of_era = shifted % 400;
	unsigned from_march = month > 2 ? month - 3 : month + 9;
	unsigned of_year = (153 * from_march + 2) / 5 + day - 1;

	return (uint64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_date(unsigned year, unsigned month, unsigned day) {
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month >= 1 && month <= 12 && day >= 1
		&& day <= days[month - 1] + (unsigned)(month == 2 && is_leap);
}

// Exactly n digits. Returns what follows them, or NULL.
static const char *digits(const char *p, int n, unsigned *value_r) {
	*value_r = 0;
	for (; n > 0; n--, p++) {
		if (*p < '0' || *p > '9')
			return NULL;
		*value_r = *value_r * 10 + (unsigned)(*p - '0');
	}
	return p;
}

// n digits and the character behind them, one of ends.
static const char *field(const char *p, int n, const char *ends, unsigned *value_r) {
	p = p ? digits(p, n, value_r) : NULL;
	return p && *p && strchr(ends, *p) ? p + 1 : NULL;
}

static const char *fraction(const char *p, unsigned *ns_r) {
	unsigned weight = 100000000;

	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++, weight /= 10)
		*ns_r += weight * (unsigned)(*p - '0');
	return p;
}

// Minutes east of UTC, and the end of the text behind it. 0, or -1.
static int read_offset(const char *p, int *minutes_r) {
	unsigned hours, minutes = 0;
	int sign = *p == '-' ? -1 : 1;

	*minutes_r = 0;
	if (*p == 'Z' || *p == 'z')
		return p[1] ? -1 : 0;
	if (*p != '+' && *p != '-')
		return -1;
	p = digits(p + 1, 2, &hours);
	if (p && *p)
		p = digits(p + (*p == ':'), 2, &minutes);
	if (!p || *p || hours > 23 || minutes > 59)
		return -1;
	*minutes_r = sign * (int)(hours * 60 + minutes);
	return 0;
}

enum rfc3339_result rfc3339_read(const char *text, uint64_t *time_ns_r) {
	unsigned year, month, day, hour, minute, second, ns = 0;
	const char *p = field(text, 4, "-", &year);
	int64_t seconds;
	int offset = 0;

	p = field(p, 2, "-", &month);
	p = field(p, 2, "Tt ", &day);
	p = field(p, 2, ":", &hour);
	p = field(p, 2, ":", &minute);
	p = p ? digits(p, 2, &second) : NULL;
	if (p && (*p == '.' || *p == ','))
		p = fraction(p + 1, &ns);
	if (!p || (*p && read_offset(p, &offset)) || year < 1970 || year > 2553
	    || !is_date(year, month, day) || hour > 23 || minute > 59 || second > 60)
		return RFC3339_NONE;
	seconds = (int64_t
		  )(days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)
		- offset * 60;
	if (seconds < 0)
		return RFC3339_NONE;
	*time_ns_r = (uint64_t)seconds * 1000000000 + ns;
	return *p ? RFC3339_TIME : RFC3339_LOCAL;
}
