// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: any cut of a message's bytes gives the same fields, text, hashes and number of the part, and all memory
// comes back. First byte: how long the pieces are; 0x20: it is a part of another message, without its encoding;
// 0x40: bytes are missing in the middle; 0x80: it has no header.

#include "mime/mime.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct said {
	uint64_t hash[MIME_TEXTS], events;
};

static void add(uint64_t *hash, const uint8_t *data, size_t size) {
	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ data[i]) * 0x100000001b3;
}

static void on_header(void *ctx, const uint8_t *data, size_t size) {
	add(((struct said *)ctx)->hash, data, size);
}

static void on_text(void *ctx, enum mime_text kind, const uint8_t *data, size_t size) {
	add(((struct said *)ctx)->hash + kind, data, size);
}

static void on_event(void *ctx, enum session_event event) {
	((struct said *)ctx)->events |= UINT64_C(1) << event;
}

static void feed(struct mime *mime, const uint8_t *data, size_t size, size_t n) {
	for (size_t at = 0; at < size; at += n) {
		size_t piece = n < size - at ? n : size - at;
		uint8_t *block = malloc(piece);
		memcpy(block, data + at, piece);
		mime_data(mime, block, piece);
		free(block);
	}
}

static struct said
run(struct slab *slab,
    struct charsets *sets,
    uint8_t how,
    const uint8_t *data,
    size_t size,
    size_t n) {
	struct said said = {0};
	struct mime_handler handler
		= {.ctx = &said, .header = on_header, .text = on_text, .event = on_event};
	struct mime *mime = mime_open(slab, sets, how & 0x80 ? MIME_BODY : MIME_MESSAGE, &handler);
	size_t until_gap = how & 0x40 ? size / 2 : size;
	struct mime_summary summary;
	char part[64];

	if (how & 0x20) {
		mime_decoded(mime);
		mime_number(mime, "2.1", 3, how & 1);
	}
	feed(mime, data, until_gap, n);
	if (how & 0x40)
		mime_gap(mime, 1 + how % 4);
	feed(mime, data + until_gap, size - until_gap, n);
	mime_part(mime, part, sizeof(part));
	add(said.hash, (uint8_t *)part, strlen(part));
	mime_close(mime, &summary);
	for (int i = 0; i < summary.n_attachments; i++) {
		add(said.hash, summary.attachments[i]->sha256, SHA256_SIZE);
		add(said.hash, (uint8_t *)&summary.attachments[i]->bytes, sizeof(uint64_t));
		add(said.hash, &summary.attachments[i]->n_members, 1);
	}
	mime_summary_free(&summary, slab);
	return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct slab *slab;
	static struct charsets *sets;

	if (slab == NULL) {
		slab = slab_open(1 << 27);
		sets = charsets_open("windows-1250");
	}
	if (size == 0)
		return 0;
	struct said whole = run(slab, sets, data[0], data + 1, size - 1, size);
	struct said cut = run(slab, sets, data[0], data + 1, size - 1, 1 + data[0] % 32);
	if (memcmp(&whole, &cut, sizeof(cut)) != 0 || slab_used(slab) != 0)
		abort();
	return 0;
}
