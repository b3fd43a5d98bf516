// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// gzip by zlib and Zstandard by libzstd behind one call. Both know that a file may hold several
// compressed pieces one after another, as rotated and concatenated captures do.

#include "capture_codec.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	BLOCK_HEADER_SIZE = 3, // RFC 8878, 3.1.1.2
	BLOCK_SIZE_MAX = 128 << 10, // RFC 8878, 3.1.1.2.4
};

struct capture_codec {
	ZSTD_DStream *zstd; // NULL: gzip
	size_t first,
		wanted; // zstd: bytes of input that a frame's beginning, and its next step, take
	uint8_t *step; // zstd: what has come of them, when they come in pieces
	size_t n_step, n_step_used;
	bool may_hold; // zstd: the last call filled its output: there may be more
	z_stream gzip;
	int between; // a piece has ended and no byte of another has been seen
	long failed; // what went wrong after the output already given; 0: nothing
	int padded; // gzip: zeros after the last member, as tapes and block devices leave them
};

static const struct {
	const char *name;
	uint8_t size;
	uint8_t magic[4];
} magics[] = {
	{"gzip", 2, {0x1f, 0x8b}},
	{"zstd", 4, {0x28, 0xb5, 0x2f, 0xfd}},
	{"xz", 4, {0xfd, '7', 'z', 'X'}},
	{"bzip2", 3, {'B', 'Z', 'h'}},
	{"lz4", 4, {0x04, 0x22, 0x4d, 0x18}},
	{"zip", 4, {'P', 'K', 3, 4}},
};

const char *capture_codec_detect(const uint8_t *magic, size_t size) {
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		if (size >= magics[i].size && memcmp(magic, magics[i].magic, magics[i].size) == 0)
			return magics[i].name;
	}
	// A skippable frame, which parallel compressors put in front.
	if (size >= 4 && (magic[0] & 0xf0) == 0x50 && memcmp(magic + 1, "\x2a\x4d\x18", 3) == 0)
		return "zstd";
	return NULL;
}

struct capture_codec *capture_codec_open(const char *name) {
	struct capture_codec *codec;

	if (strcmp(name, "gzip") != 0 && strcmp(name, "zstd") != 0)
		return NULL;
	codec = calloc(1, sizeof(*codec));
	if (!codec)
		return NULL;
	codec->between = 1;
	if (strcmp(name, "zstd") == 0) {
		codec->zstd = ZSTD_createDStream();
		codec->step = malloc(BLOCK_SIZE_MAX + BLOCK_HEADER_SIZE);
		if (codec->zstd && codec->step) {
			codec->first = codec->wanted = ZSTD_initDStream(codec->zstd);
			return codec;
		}
	} else if (inflateInit2(&codec->gzip, 15 + 16) == Z_OK) {
		return codec;
	}
	ZSTD_freeDStream(codec->zstd);
	free(codec->step);
	free(codec);
	return NULL;
}

void capture_codec_close(struct capture_codec *codec) {
	if (!codec)
		return;
	if (codec->zstd)
		ZSTD_freeDStream(codec->zstd);
	else
		inflateEnd(&codec->gzip);
	free(codec->step);
	free(codec);
}

// What is given to libzstd next: just what it wants for one step, or nothing before all of that has come.
// Of a block without compression it would hand out what there is, and damage behind that would
// cost more bytes, or fewer, by how the input was cut. Content that is skipped may be longer than any block.
static ZSTD_inBuffer step_input(struct capture_codec *codec, struct capture_input *in) {
	size_t n;

	if (codec->wanted > BLOCK_SIZE_MAX + BLOCK_HEADER_SIZE
	    || (codec->n_step == 0 && in->size >= codec->wanted)) {
		n = in->size < codec->wanted ? in->size : codec->wanted;
		return (ZSTD_inBuffer){in->data, n, 0};
	}
	if (codec->n_step < codec->wanted) {
		n = codec->wanted - codec->n_step;
		n = in->size < n ? in->size : n;
		memcpy(codec->step + codec->n_step, in->data, n);
		codec->n_step += n;
		in->data += n;
		in->size -= n;
		codec->between &= n == 0;
	}
	return (ZSTD_inBuffer
	){codec->step, codec->n_step < codec->wanted ? 0 : codec->n_step, codec->n_step_used};
}

// It took what is in front of from.pos.
static void
step_used(struct capture_codec *codec, struct capture_input *in, const ZSTD_inBuffer *from) {
	if (from->src != codec->step) {
		in->data += from->pos;
		in->size -= from->pos;
	} else if (from->size > 0 && from->pos == from->size) {
		codec->n_step = codec->n_step_used = 0;
	} else {
		codec->n_step_used = from->pos;
	}
}

// Both return bytes written; codec->failed says whether that is all there will ever be.
static long
zstd_run(struct capture_codec *codec, struct capture_input *in, uint8_t *to, size_t size) {
	ZSTD_outBuffer out = {to, size, 0};
	ZSTD_inBuffer from;
	size_t before, hint;

	// Without input only when libzstd may still hold output: it takes too many calls for nothing for an
	// error. Block by block, and each block's header
	// apart, which its hints count with the block before: a call that ends in damage gives nothing of what it
	// decoded, and a frame given whole is one call.
	do {
		from = step_input(codec, in);
		if (from.pos == from.size && !codec->may_hold)
			continue;
		before = out.pos + from.pos;
		hint = ZSTD_decompressStream(codec->zstd, &out, &from);
		if (ZSTD_isError(hint)) {
			codec->failed = (long)ZSTD_getErrorCode(hint);
			break;
		}
		if (out.pos + from.pos > before)
			codec->between = hint == 0;
		codec->may_hold = out.pos == size;
		step_used(codec, in, &from);
		// Of what is left of a step the rest is given before more is wanted.
		if (codec->n_step == 0)
			codec->wanted = hint == 0	   ? codec->first
				: hint > BLOCK_HEADER_SIZE ? hint - BLOCK_HEADER_SIZE
							   : hint;
	} while (out.pos < size && in->size > 0);
	return (long)out.pos;
}

// Between two members. 1: another begins, 0: the input is used up, -1: something else is there.
static int member_begin(struct capture_codec *codec, struct capture_input *in) {
	while (in->size > 0 && *in->data == 0) {
		codec->padded = 1;
		in->data++;
		in->size--;
	}
	if (in->size == 0)
		return 0;
	if (codec->padded || inflateReset(&codec->gzip) != Z_OK)
		return -1;
	codec->between = 0;
	return 1;
}

static long
gzip_run(struct capture_codec *codec, struct capture_input *in, uint8_t *to, size_t size) {
	z_stream *z = &codec->gzip;
	int result;

	z->next_out = to;
	z->avail_out = (unsigned)size;
	while (z->avail_out > 0 && !codec->failed) {
		if (codec->between) {
			result = member_begin(codec, in);
			if (result < 0)
				codec->failed = Z_DATA_ERROR;
			if (result <= 0)
				break;
		}
		z->next_in = (uint8_t *)in->data; // zlib does not write to it
		z->avail_in = (unsigned)in->size;
		result = inflate(z, Z_NO_FLUSH);
		in->data = z->next_in;
		in->size = z->avail_in;
		codec->between = result == Z_STREAM_END;
		if (result == Z_BUF_ERROR)
			break; // no input left: not an error
		if (result != Z_OK && result != Z_STREAM_END)
			codec->failed = result;
	}
	return (long)(size - z->avail_out);
}

long capture_codec_run(
	struct capture_codec *codec,
	struct capture_input *in,
	uint8_t *to,
	size_t size,
	char *problem,
	int problem_size
) {
	long n = 0;

	if (!codec->failed)
		n = codec->zstd ? zstd_run(codec, in, to, size) : gzip_run(codec, in, to, size);
	if (n > 0 || !codec->failed)
		return n;
	if (codec->zstd && codec->failed == ZSTD_error_frameParameter_windowTooLarge)
		snprintf(
			problem,
			problem_size,
			"zstd data that needs more than 128 MiB of memory: decompress it first"
		);
	else
		snprintf(problem, problem_size, "damaged %s data", codec->zstd ? "zstd" : "gzip");
	return -1;
}

int capture_codec_complete(const struct capture_codec *codec) {
	return codec->between;
}
