// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Content-Transfer-Encoding by its kind, and uuencode. One state machine per encoding, a byte at a time where
// something is odd, and runs where nothing is.

#include "mime/transfer_private.h"

#include <string.h>

// ---- uuencode

enum {
	UU_BEGIN = 0, // looking for "begin " at the start of a line
	UU_NAME, // in that line
	UU_LENGTH, // at the start of a line
	UU_DATA,
	UU_REST, // of the line
	UU_END,
};

// "begin 644 name", lines of a length and its groups, "end". Lines around that are not decoded.
static size_t uu_char(struct transfer *t, uint8_t c, uint8_t *out) {
	static const char begin[] = "begin ";
	size_t n = 0;

	switch (t->state) {
	case UU_BEGIN:
		t->n = c == '\n' ? 0 : t->n < 6 && c == begin[t->n] ? t->n + 1 : 7;
		if (t->n == 6) {
			t->state = UU_NAME;
			t->n = 0;
		}
		break;
	case UU_NAME:
	case UU_REST:
		if (c == '\n')
			t->state = UU_LENGTH;
		break;
	case UU_LENGTH:
		if (c == '\r' || c == '\n')
			break;
		t->left = (uint8_t)((c - ' ') & 0x3f);
		if (c < ' ' || c > '`' || t->left == 0) {
			// "end" follows a line of length 0.
			t->state = c == '`' || c == ' ' ? UU_REST : UU_END;
			t->is_bad |= t->state == UU_END && c != 'e';
			break;
		}
		t->state = UU_DATA;
		break;
	case UU_DATA:
		if (c == '\n' || c == '\r') {
			t->is_bad = true;
			t->n = 0;
			t->word = 0;
			t->state = c == '\n' ? UU_LENGTH : UU_REST;
			break;
		}
		t->is_bad |= c < ' ' || c > '`';
		t->word = t->word << 6 | ((uint32_t)(c - ' ') & 0x3f);
		if (++t->n < 4)
			break;
		for (; n < 3 && t->left > 0; n++, t->left--)
			out[n] = (uint8_t)(t->word >> (16 - 8 * n));
		t->n = 0;
		t->word = 0;
		if (t->left == 0)
			t->state = UU_REST;
		break;
	case UU_END:
		break;
	}
	return n;
}

static size_t uu_data(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += uu_char(t, data[i], out + n);
	return n;
}

// ----

void transfer_begin(struct transfer *transfer, enum transfer_kind kind) {
	transfer->kind = (uint8_t)kind;
	transfer->state = 0;
	transfer->n = 0;
	transfer->left = 0;
	transfer->is_bad = false;
	transfer->n_blanks = 0;
	transfer->word = 0;
}

size_t transfer_data(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out) {
	switch (transfer->kind) {
	case TRANSFER_BASE64:
		return transfer_base64_data(transfer, NULL, data, size, out);
	case TRANSFER_QUOTED_PRINTABLE:
		return transfer_qp_data(transfer, data, size, out);
	case TRANSFER_UUENCODE:
		return uu_data(transfer, data, size, out);
	}
	memcpy(out, data, size);
	return size;
}

size_t transfer_data_hashing(
	struct transfer *transfer,
	struct sha256 *sha256,
	const uint8_t *data,
	size_t size,
	uint8_t *out
) {
	if (transfer->kind == TRANSFER_BASE64)
		return transfer_base64_data(transfer, sha256, data, size, out);
	return transfer_data(transfer, data, size, out);
}

void transfer_gap(struct transfer *transfer) {
	bool is_bad = transfer->is_bad;
	uint8_t state = transfer->state;

	transfer_begin(transfer, transfer->kind);
	transfer->is_bad = is_bad;
	if (transfer->kind == TRANSFER_BASE64)
		transfer->state = B64_LOST;
	else if (transfer->kind == TRANSFER_UUENCODE && state != UU_END)
		transfer->state = UU_REST;
}

size_t transfer_end(struct transfer *transfer, uint8_t *out) {
	size_t n = 0;
	bool is_bad;

	if (transfer->kind == TRANSFER_BASE64) {
		transfer->is_bad |= transfer->n > 0;
		n = transfer_base64_flush(transfer, out);
	} else if (transfer->kind == TRANSFER_QUOTED_PRINTABLE && transfer->state != QP_TEXT && transfer->state != QP_CR) {
		n = transfer_qp_literal(transfer, out);
	}
	is_bad = transfer->is_bad;
	transfer_begin(transfer, transfer->kind);
	transfer->is_bad = is_bad;
	return n;
}
