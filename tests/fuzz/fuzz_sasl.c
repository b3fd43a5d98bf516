// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: whatever a client says, a name is text without NUL and a bad exchange has neither name nor
// password. First byte: the mechanism, and 0x80: lines are put into base64 here; then lines.

#include "proto/sasl.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t hash(const void *ctx, const uint8_t *password, size_t size) {
	return 1 + password[size - 1];
}

// In a block of its exact size.
static void line_say(struct sasl *sasl, const uint8_t *data, size_t size, bool is_decoded) {
	size_t line_size = is_decoded ? 4 * ((size + 2) / 3) : size;
	uint8_t *line = malloc(line_size + is_decoded); // and a NUL

	if (is_decoded)
		EVP_EncodeBlock(line, data, (int)size);
	else
		memcpy(line, data, size);
	line = realloc(line, line_size + !line_size);
	sasl_client(sasl, line, line_size, hash, NULL);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct sasl sasl;

	if (size == 0)
		return 0;
	sasl_open(&sasl, (data[0] & 0x7f) % SASL_COUNT);
	for (size_t at = 1; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t line_size = (end == NULL ? size : (size_t)(end - data)) - at;
		line_say(&sasl, data + at, line_size, data[0] & 0x80);
		at += line_size + 1;
		if (memchr(sasl.name, 0, sasl.name_size) != NULL)
			abort();
		if (sasl.is_bad && (sasl.name_size != 0 || sasl.password_hash != 0))
			abort();
	}
	return 0;
}
