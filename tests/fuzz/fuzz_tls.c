// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: in one piece or byte by byte, a client's first bytes say the same, a second hello's too, and no memory
// is left.

#include "proto/tls.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
	struct tls_reader reader;
	struct tls_hello hellos[2];
	int n; // of them
	int result; // of the last
};

static void reading_add(struct reading *r, struct slab *slab, const uint8_t *data, size_t size) {
	while (r->result == 0) {
		r->result = tls_hello_read(&r->reader, slab, &data, &size, &r->hellos[r->n]);
		if (r->result == 0)
			return;
		if (r->result > 0 && r->n++ == 0 && tls_reader_again(&r->reader, &r->hellos[0]))
			r->result = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct slab *slab;
	struct reading whole = {0}, bytes = {0};

	if (!slab)
		slab = slab_open(64 << 20);
	reading_add(&whole, slab, data, size);
	for (size_t i = 0; i < size; i++) {
		uint8_t *byte = malloc(1);
		*byte = data[i];
		reading_add(&bytes, slab, byte, 1);
		free(byte);
	}
	tls_reader_free(&whole.reader, slab);
	tls_reader_free(&bytes.reader, slab);
	if (memcmp(&whole, &bytes, sizeof(whole)) != 0 || slab_used(slab) != 0)
		abort();
	for (int i = 0; i < whole.n; i++)
		if (strlen(whole.hellos[i].ja4) != TLS_JA4_SIZE - 1)
			abort();
	return 0;
}
