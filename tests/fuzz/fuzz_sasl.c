// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: whatever a client says, a name is text without NUL and a bad exchange has neither name nor
// password. First byte: the mechanism; then lines.

#include "proto/sasl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t hash(const void *ctx, const uint8_t *password, size_t size) {
	return 1 + password[size - 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct sasl sasl;

	if (size == 0)
		return 0;
	sasl_open(&sasl, data[0] % SASL_COUNT);
	for (size_t at = 1; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t line_size = (end == NULL ? size : (size_t)(end - data)) - at;
		uint8_t *line = malloc(line_size);
		memcpy(line, data + at, line_size);
		sasl_client(&sasl, line, line_size, hash, NULL);
		free(line);
		at += line_size + 1;
		if (memchr(sasl.name, 0, sasl.name_size) != NULL)
			abort();
		if (sasl.is_bad && (sasl.name_size != 0 || sasl.password_hash != 0))
			abort();
	}
	return 0;
}
