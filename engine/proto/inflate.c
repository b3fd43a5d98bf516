// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// zlib asks for two blocks per direction, its state and its window, and gives them back without their
// sizes: both are noted here.

#include "proto/inflate.h"

#include "limits.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

enum {
	BLOCKS = 2,
	CHECK_SIZE = 65536, // the ratio is looked at so often, wherever the input is cut
};

struct inflater {
	z_stream z;
	struct slab *slab;
	struct {
		void *data;
		size_t size;
	} blocks[BLOCKS];
	uint64_t n_in, n_out;
	bool is_over;
};

static_assert(
	sizeof(struct inflater) + 8192 + 32768 <= INFLATER_SIZE,
	"what a direction costs, with the blocks of zlib 1.2.13"
);

static void *block_get(void *opaque, unsigned items, unsigned size) {
	struct inflater *inflater = opaque;
	size_t bytes = (size_t)items * size;
	int at = 0;

	while (at < BLOCKS && inflater->blocks[at].data != NULL)
		at++;
	if (at == BLOCKS)
		return NULL;
	inflater->blocks[at].data = slab_get(inflater->slab, bytes);
	inflater->blocks[at].size = bytes;
	return inflater->blocks[at].data;
}

static void block_put(void *opaque, void *block) {
	struct inflater *inflater = opaque;

	for (int at = 0; at < BLOCKS; at++) {
		if (inflater->blocks[at].data != block)
			continue;
		explicit_bzero(block, inflater->blocks[at].size); // a LOGIN may have been in it
		slab_put(inflater->slab, block, inflater->blocks[at].size);
		inflater->blocks[at].data = NULL;
	}
}

struct inflater *inflater_open(struct slab *slab) {
	struct inflater *inflater = slab_get(slab, sizeof(*inflater));

	if (inflater == NULL)
		return NULL;
	inflater->slab = slab;
	inflater->z.zalloc = block_get;
	inflater->z.zfree = block_put;
	inflater->z.opaque = inflater;
	// Raw deflate, the window as large as it may be: RFC 4978 section 4 leaves it to the sender.
	if (inflateInit2(&inflater->z, -MAX_WBITS) == Z_OK)
		return inflater;
	slab_put(slab, inflater, sizeof(*inflater));
	return NULL;
}

// At each multiple of CHECK_SIZE, so that the answer does not hang on how the bytes were cut.
static bool is_bomb(const struct inflater *inflater) {
	return inflater->n_out % CHECK_SIZE == 0 && inflater->n_out > INFLATE_FREE_SIZE
		&& inflater->n_out - INFLATE_FREE_SIZE > INFLATE_RATIO_MAX * inflater->n_in;
}

int inflater_run(
	struct inflater *inflater,
	const uint8_t **data,
	size_t *size,
	uint8_t *out,
	size_t out_size
) {
	size_t room = CHECK_SIZE - inflater->n_out % CHECK_SIZE;
	z_stream *z = &inflater->z;
	int status;

	if (inflater->is_over)
		return *size > 0 ? INFLATE_BAD : 0;
	if (is_bomb(inflater))
		return INFLATE_BOMB;
	z->next_in = (uint8_t *)(uintptr_t)*data; // zlib only reads there
	z->avail_in = *size;
	z->next_out = out;
	z->avail_out = room = room < out_size ? room : out_size;
	status = inflate(z, Z_SYNC_FLUSH);
	inflater->n_in += *size - z->avail_in;
	inflater->n_out += room - z->avail_out;
	*data += *size - z->avail_in;
	*size = z->avail_in;
	if (status == Z_STREAM_END)
		inflater->is_over = true;
	else if (status != Z_OK && status != Z_BUF_ERROR && z->avail_out == room)
		return INFLATE_BAD; // else what came before it is told first, and this the next time
	return room - z->avail_out;
}

void inflater_close(struct inflater *inflater) {
	if (inflater == NULL)
		return;
	inflateEnd(&inflater->z);
	slab_put(inflater->slab, inflater, sizeof(*inflater));
}
