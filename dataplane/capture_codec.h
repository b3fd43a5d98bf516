// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Captures compressed by gzip (RFC 1952, several members) or Zstandard (RFC 8878, several frames),
// decompressed piece by piece. Memory is bounded by the format's window: 32 KiB, and 128 MiB, which
// is as far as zstd goes unless told otherwise. Private to the capture readers.

#pragma once

#include <stddef.h>
#include <stdint.h>

struct capture_codec;

struct capture_input {
	const uint8_t *data;
	size_t size;
};

// What the first bytes say: the name of the compression, or NULL when there is none that is known.
const char *capture_codec_detect(const uint8_t *magic, size_t size);
// For one of detect's names. NULL when it is one that is recognised but not read, or memory is short.
struct capture_codec *capture_codec_open(const char *name);
// Accepts NULL.
void capture_codec_close(struct capture_codec *codec);
// Decompresses from in (advanced) to at most size bytes. Returns how many, 0 when in is used up
// without any, -1 when the data is damaged or wants more memory: problem (of problem_size) says which.
long capture_codec_run(
	struct capture_codec *codec,
	struct capture_input *in,
	uint8_t *to,
	size_t size,
	char *problem,
	int problem_size
);
// Whether the compressed data may end here.
int capture_codec_complete(const struct capture_codec *codec);
