// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Content-Transfer-Encoding undone, streaming: base64 and quoted-printable (RFC 2045 section 6), and
// uuencode. Total: whatever comes is decoded as far as it makes sense, and what did not is said.
// Any cut of the bytes gives the same output.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transfer_kind {
	TRANSFER_PLAIN, // 7bit, 8bit, binary: nothing to undo
	TRANSFER_BASE64,
	TRANSFER_QUOTED_PRINTABLE,
	TRANSFER_UUENCODE,
};

enum {
	// White space of quoted-printable that a line end may yet take away (RFC 2045 6.7 (3)); a longer
	// run is content.
	TRANSFER_BLANKS_MAX = 76,
	// What a call may give beyond the bytes it was given.
	TRANSFER_EXTRA_MAX = TRANSFER_BLANKS_MAX + 4,
};

struct sha256;

struct transfer {
	uint8_t kind; // enum transfer_kind
	uint8_t state;
	uint8_t n; // base64, uuencode: characters in word; uuencode's first line: bytes matched
	uint8_t left; // uuencode: bytes still to come of this line
	bool is_bad; // something was there that the encoding does not allow
	uint8_t n_blanks;
	uint8_t high; // quoted-printable: the first digit behind =, as it came
	uint32_t word;
	uint8_t blanks[TRANSFER_BLANKS_MAX];
};

// A body begins: whatever was in *transfer is gone.
void transfer_begin(struct transfer *transfer, enum transfer_kind kind);
// Decodes size bytes into out, which has room for size + TRANSFER_EXTRA_MAX. Returns how many it wrote.
size_t transfer_data(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out);
// The same, and on the way hashes what waits in the text's batch, in the time in which SHA-256 waits for itself.
size_t transfer_data_hashing(
	struct transfer *transfer,
	struct sha256 *sha256,
	const uint8_t *data,
	size_t size,
	uint8_t *out
);
// Bytes are missing here: decoding goes on at the next line.
void transfer_gap(struct transfer *transfer);
// The end: what was held goes to out (room for TRANSFER_EXTRA_MAX). Returns how many bytes.
size_t transfer_end(struct transfer *transfer, uint8_t *out);

// The plain versions that the fast ones are tested against: the same, one character at a time.
size_t
transfer_base64_plain(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out);
// As transfer_data(), on processors without AVX-512.
size_t
transfer_base64_narrow(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out);
size_t transfer_qp_plain(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out);
