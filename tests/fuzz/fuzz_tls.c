// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: in one piece or byte by byte, a client's first bytes say the same, and no memory is left.

#include "proto/tls.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct slab *slab;
	struct tls_reader whole = {0}, bytes = {0};
	struct tls_hello hello = {0}, again = {0};
	int is_whole, is_whole_again = 0;

	if (!slab)
		slab = slab_open(64 << 20);
	is_whole = tls_hello_read(&whole, slab, data, size, &hello);
	for (size_t i = 0; i < size && is_whole_again == 0; i++) {
		uint8_t *byte = malloc(1);
		*byte = data[i];
		is_whole_again = tls_hello_read(&bytes, slab, byte, 1, &again);
		free(byte);
	}
	if (is_whole != is_whole_again || memcmp(&hello, &again, sizeof(hello)) != 0)
		abort();
	if (is_whole > 0 && strlen(hello.ja4) != TLS_JA4_SIZE - 1)
		abort();
	tls_reader_free(&whole, slab);
	tls_reader_free(&bytes, slab);
	if (slab_used(slab) != 0)
		abort();
	return 0;
}
