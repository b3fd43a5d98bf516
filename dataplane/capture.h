// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Captures as a source: pcap (both byte orders, µs and ns, also the modified-format magic), ERF, pcapng
// (several sections and interfaces, any resolution), plain or compressed by gzip or Zstandard, from
// a file or from standard input. File format: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

#pragma once

#include "source.h"

#include <stdint.h>

struct capture;

// Opens path ("-": standard input) and reads as far as the first header. Returns NULL and one line
// in error (size bytes): what is wrong, with which path, and what to do. Wordings that users and
// tests rely on: "no such file", "is a directory", "is empty", "not a capture", "link type".
struct capture *capture_open(const char *path, char *error, int size);
// The same; but a plain regular file is mapped, so that its frames stay (source.h) for readers on other cores. A single
// one is faster without: what was just read into a small buffer lies in its cache.
struct capture *capture_open_mapped(const char *path, char *error, int size);
// The source the capture is read through; lives as long as the capture.
struct source *capture_source(struct capture *capture);
// Bytes of the file consumed and its whole size (0 when unknown, as for a pipe): for progress.
void capture_position(const struct capture *capture, uint64_t *done, uint64_t *total);
// Frames whose bytes were cut by the snap length so far, and those whose timestamp went backward
// (they are given the time of the frame before).
uint64_t capture_n_cut(const struct capture *capture);
uint64_t capture_n_backward(const struct capture *capture);
// Packets that were passed over because they could not be used though the capture goes on behind
// them (pcapng: unknown link type of their interface, impossible length). Returns why the first of
// them was, or NULL when there are none.
const char *capture_skipped(const struct capture *capture, uint64_t *n);
// Accepts NULL.
void capture_close(struct capture *capture);
