// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is promised of every hostile input (HOSTILE.md), shown for one: play_check() gives it to a reader
//
//	whole, byte by byte, in sevens, and cut in two at every place: what is found must be the same
//	only up to some byte: it must end cleanly, and byte by byte find the same
//	the client's bytes alone, and the server's alone: so must they
//	packet by packet beside good connections, in the whole engine: those notice nothing (beside.h)
//
// A reader is whatever takes bytes: a protocol's parser, MIME, a decoder. It says what it found as text.

#pragma once

#include "beside.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct play_part {
	enum { PLAY_DATA, PLAY_GAP, PLAY_EVENT } kind;
	enum stream_dir dir;
	const void *data; // of PLAY_DATA
	size_t size; // or the gap's, or what event() is told
};

struct play_reader {
	enum beside_as (*as)(const void *ctx);
	void *(*open)(const void *ctx);
	// A block of its exact size, so that ASan sees a read past its end.
	void (*data)(void *reader, enum stream_dir dir, const uint8_t *data, size_t size);
	void (*gap)(void *reader, enum stream_dir dir, uint64_t size); // NULL: there are none
	void (*event)(void *reader, size_t event); // so, too
	// What was found, to be freed; with "leaked" in it where memory is not given back. Frees the reader.
	char *(*end)(void *reader);
};

struct play {
	const char *name;
	const struct play_reader *reader;
	const void *ctx; // of open() and as()
	const struct play_part *parts;
	size_t n_parts;
};

enum { PLAY_CLIENT = 1, PLAY_SERVER = 2, PLAY_BOTH = 3 };

struct play_way {
	size_t piece; // most bytes at once; 0: no limit
	size_t cut; // before this byte, of those of all parts
	size_t until; // this byte; 0: the end
	int heard; // 0: both sides
};

char *play(const struct play *play, const struct play_way *way);

// Beside good connections alone, for what cannot be played in all ways. Whether they notice nothing; else
// the difference is printed.
bool play_beside(
	const char *name,
	enum beside_as as,
	const struct play_part *parts,
	size_t n_parts
);

// In all ways; long inputs at fewer places. What was found in the whole, to be freed; NULL: there were
// differences, which are printed.
char *play_check(const struct play *play);

// The bytes of one side, in one part.
char *play_check_bytes(
	const char *name,
	const struct play_reader *reader,
	const void *ctx,
	const void *data,
	size_t size
);
