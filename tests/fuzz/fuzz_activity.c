// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: a line that is read is written so that it is read again as the same activity; a line that is
// not read has one line that says why.

#include "limits.h"
#include "output/activity_json.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct activity a, b;
	static char line[ACTIVITY_LINE_SIZE_MAX];
	char error[256] = "";

	if (activity_json_read((const char *)data, size, &a, error, sizeof(error))) {
		if (!error[0] || strchr(error, '\n'))
			abort();
		return 0;
	}
	size = activity_json_write(&a, line, sizeof(line));
	if (activity_json_read(line, size, &b, error, sizeof(error)) || memcmp(&a, &b, sizeof(a)))
		abort();
	return 0;
}
