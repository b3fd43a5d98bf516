// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// gzip by zlib and Zstandard by libzstd behind one call. Both know that a file may hold several
// compressed pieces one after another, as rotated and concatenated captures do.

#include "capture_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { BLOCK_HEADER_SIZE = 3 }; // RFC 8878, 3.1.1.2

struct capture_codec {
	ZSTD_DStream *zstd; // NULL: gzip
	size_t first,
		wanted; // zstd: bytes of input that a frame's beginning, and its next step, take
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
		if (codec->zstd) {
			codec->first = codec->wanted = ZSTD_initDStream(codec->zstd);
			return codec;
		}
	} else if (inflateInit2(&codec->gzip, 15 + 16) == Z_OK) {
		return codec;
	}
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
	free(codec);
}

// Both return bytes written; codec->failed says whether that is all there will ever be.
static long
zstd_run(struct capture_codec *codec, struct capture_input *in, uint8_t *to, size_t size) {
	ZSTD_inBuffer from = {in->data, 0, 0};
	ZSTD_outBuffer out = {to, size, 0};
	size_t before, hint;

	// Also called without input: libzstd may still hold output. Block by block, and each block's header
	// apart, which its hints count with the block before: a call that ends in damage gives nothing of what it
	// decoded, and a frame given whole is one call.
	do {
		before = out.pos + from.pos;
		from.size
			= in->size - from.pos > codec->wanted ? from.pos + codec->wanted : in->size;
		hint = ZSTD_decompressStream(codec->zstd, &out, &from);
		if (ZSTD_isError(hint)) {
			codec->failed = (long)ZSTD_getErrorCode(hint);
			break;
		}
		if (out.pos + from.pos > before)
			codec->between = hint == 0;
		codec->wanted = hint == 0	   ? codec->first
			: hint > BLOCK_HEADER_SIZE ? hint - BLOCK_HEADER_SIZE
						   : hint;
	} while (out.pos < size && from.pos < in->size);
	in->data += from.pos;
	in->size -= from.pos;
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
