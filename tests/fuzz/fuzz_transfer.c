// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: base64, quoted-printable and uuencode give the same bytes however they are cut, no more than
// transfer.h allows; the fast decoders give what the plain ones give; and what is hashed on the way has its hash.
// First byte: which one, and how long the pieces are.

#include "mime/sha256.h"
#include "mime/transfer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef size_t decoder(struct transfer *, const uint8_t *, size_t, uint8_t *);

// What has come out already is hashed while the next is decoded.
static struct sha256 hashed;

static size_t hashing(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = transfer_data_hashing(transfer, &hashed, data, size, out);

	sha256_data(&hashed, out, n);
	return n;
}

// In pieces of n bytes, each in a block of its size. Returns how many bytes came out.
static size_t
run(decoder *decode,
    enum transfer_kind kind,
    const uint8_t *data,
    size_t size,
    size_t n,
    uint8_t *out,
    bool *is_bad) {
	struct transfer transfer;
	size_t used = 0;

	transfer_begin(&transfer, kind);
	for (size_t at = 0; at < size; at += n) {
		size_t piece = n < size - at ? n : size - at;
		uint8_t *in = malloc(piece), *to = malloc(piece + TRANSFER_EXTRA_MAX);
		memcpy(in, data + at, piece);
		size_t got = decode(&transfer, in, piece, to);
		memcpy(out + used, to, got);
		used += got;
		free(in);
		free(to);
	}
	size_t rest = transfer_end(&transfer, out + used);
	if (decode == hashing)
		sha256_data(&hashed, out + used, rest);
	*is_bad = transfer.is_bad;
	return used + rest;
}

static void hashing_check(enum transfer_kind kind, const uint8_t *data, size_t size, size_t n) {
	uint8_t *out = malloc(size + 2 * TRANSFER_EXTRA_MAX);
	uint8_t hash[SHA256_SIZE], expected[SHA256_SIZE];
	struct sha256_pair pair;
	bool is_bad;

	sha256_pair_init(&pair);
	sha256_begin(&hashed, &pair);
	n = run(hashing, kind, data, size, n, out, &is_bad);
	sha256_end(&hashed, hash);
	SHA256(out, n, expected);
	if (memcmp(hash, expected, sizeof(hash)) != 0)
		abort();
	free(out);
}

static decoder *plain_of(enum transfer_kind kind) {
	return kind == TRANSFER_BASE64		    ? transfer_base64_plain
		: kind == TRANSFER_QUOTED_PRINTABLE ? transfer_qp_plain
						    : transfer_data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0)
		return 0;
	enum transfer_kind kind = TRANSFER_BASE64 + data[0] % 3;
	size_t n = 1 + data[0] / 3, room = size + 2 * TRANSFER_EXTRA_MAX;
	uint8_t *whole = malloc(room), *other = malloc(room);
	bool is_bad, is_bad_too;
	size_t n_whole = run(transfer_data, kind, data + 1, size - 1, size, whole, &is_bad);

	hashing_check(kind, data + 1, size - 1, n);
	for (int round = 0; round < 4; round++) {
		size_t got = round == 0
			? run(transfer_data, kind, data + 1, size - 1, n, other, &is_bad_too)
			: round == 3 && kind == TRANSFER_BASE64
			? run(transfer_base64_narrow,
			      kind,
			      data + 1,
			      size - 1,
			      n,
			      other,
			      &is_bad_too)
			: run(plain_of(kind),
			      kind,
			      data + 1,
			      size - 1,
			      round == 1 ? size : n,
			      other,
			      &is_bad_too);
		if (got != n_whole || memcmp(whole, other, got) != 0 || is_bad != is_bad_too)
			abort();
	}
	if (n_whole > size - 1 || (kind == TRANSFER_BASE64 && n_whole > (size - 1) / 4 * 3 + 3))
		abort();
	free(whole);
	free(other);
	return 0;
}
