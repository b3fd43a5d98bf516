// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The decoders behind transfer.c, a file for each encoding. Each takes any bytes in any state, writes at most
// size + TRANSFER_EXTRA_MAX and returns how many.

#pragma once

#include "mime/transfer.h"

enum {
	// base64
	B64_GROUP = 0, // in a group
	B64_PADDED, // behind padding
	B64_LOST, // after a hole: up to the next line
	// quoted-printable
	QP_TEXT = 0,
	QP_EQUAL, // behind =
	QP_HIGH, // and a first digit
	QP_BLANK, // = and blanks, which makes a soft line break if the line ends
	QP_CR, // … and CR
};

// sha256: transfer_data_hashing()'s, or NULL.
size_t transfer_base64_data(
	struct transfer *t,
	struct sha256 *sha256,
	const uint8_t *data,
	size_t size,
	uint8_t *out
);
// What of a group is there: 1 character says nothing, 2 give a byte, 3 give two.
size_t transfer_base64_flush(struct transfer *t, uint8_t *out);

size_t transfer_qp_data(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out);
// The = was no escape: it stands for itself, and so does what came behind it.
size_t transfer_qp_literal(struct transfer *t, uint8_t *out);
