// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: each activity of a line is written so that it is read again as the same one, with nothing
// wrong; a line of which none is taken, but for an empty one, is told why in one harmless line.

#include "limits.h"
#include "output/activity_json.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int n_wrong;

static void wrong(void *, const char *member, const char *what) {
	for (const char *p = member; *p; p++)
		if (iscntrl((unsigned char)*p))
			abort();
	for (const char *p = what; *p; p++)
		if (iscntrl((unsigned char)*p))
			abort();
	if (!member[0] || !what[0])
		abort();
	n_wrong++;
}

static void same(void *ctx, const struct activity *again) {
	if (memcmp(ctx, again, sizeof(*again)))
		abort();
}

static void take(void *ctx, const struct activity *activity) {
	static char line[ACTIVITY_LINE_SIZE_MAX];
	struct activity copy = *activity;
	const struct activity_reader reader = {.take = same, .wrong = wrong, .ctx = &copy};
	int before = n_wrong;
	size_t size = activity_json_write(activity, line, sizeof(line));

	if (activity_json_read(&reader, line, size) != 1 || n_wrong != before)
		abort();
	++*(int *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	int n_taken = 0;
	const struct activity_reader reader = {.take = take, .wrong = wrong, .ctx = &n_taken};
	size_t n_white = 0;

	n_wrong = 0;
	if (activity_json_read(&reader, (const char *)data, size) != n_taken)
		abort();
	while (n_white < size && memchr(" \t\r\n", data[n_white], 4))
		n_white++;
	if (n_taken == 0 && n_wrong == 0 && n_white < size
	    && !(size - n_white >= 3 && memcmp(data + n_white, "\xef\xbb\xbf", 3) == 0))
		abort();
	return 0;
}
