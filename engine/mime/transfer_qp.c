// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Quoted-printable. What is no escape stands for itself, and is_bad says so; blanks wait for what stands
// behind them, since a line end takes them away (RFC 2045 6.7 (3)).

#include "find.h"
#include "mime/transfer_private.h"

#include <string.h>

static int hex_value(uint8_t c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t blanks_flush(struct transfer *t, uint8_t *out) {
	size_t n = t->n_blanks;

	memcpy(out, t->blanks, n);
	t->n_blanks = 0;
	return n;
}

static bool is_blank(uint8_t c) {
	return c == ' ' || c == '\t';
}

// In text. Blanks wait for what stands behind them.
static size_t text_char(struct transfer *t, uint8_t c, uint8_t *out) {
	size_t n = 0;

	if (is_blank(c)) {
		if (t->n_blanks == TRANSFER_BLANKS_MAX)
			n = blanks_flush(t, out);
		t->blanks[t->n_blanks++] = c;
		return n;
	}
	if (c == '\r' || c == '\n')
		t->n_blanks = 0;
	else
		n = blanks_flush(t, out);
	if (c == '=')
		t->state = QP_EQUAL;
	else
		out[n++] = c;
	return n;
}

size_t transfer_qp_literal(struct transfer *t, uint8_t *out) {
	size_t n = 0;

	t->is_bad = true;
	out[n++] = '=';
	if (t->state == QP_HIGH)
		out[n++] = t->high;
	n += blanks_flush(t, out + n);
	t->state = QP_TEXT;
	return n;
}

// Behind = : 1 when c is taken, 0 when it is to be read again in the new state.
static bool escape_char(struct transfer *t, uint8_t c, uint8_t *out, size_t *n) {
	int value = hex_value(c);

	if (t->state == QP_CR) {
		t->state = QP_TEXT;
		t->is_bad |= c != '\n';
		return c == '\n';
	}
	if (t->state == QP_HIGH && value >= 0) {
		out[(*n)++] = (uint8_t)(hex_value(t->high) << 4 | value);
		t->state = QP_TEXT;
		return true;
	}
	if (t->state == QP_EQUAL && value >= 0) {
		t->high = c;
		t->state = QP_HIGH;
		return true;
	}
	if (t->state != QP_HIGH && is_blank(c) && t->n_blanks < TRANSFER_BLANKS_MAX) {
		t->blanks[t->n_blanks++] = c;
		t->state = QP_BLANK;
		return true;
	}
	if (t->state != QP_HIGH && (c == '\n' || c == '\r')) {
		t->n_blanks = 0;
		t->state = c == '\n' ? QP_TEXT : QP_CR;
		return true;
	}
	*n += transfer_qp_literal(t, out + *n);
	return false;
}

// One character at a time.
static size_t char_read(struct transfer *t, uint8_t c, uint8_t *out) {
	size_t n = 0;

	while (t->state != QP_TEXT)
		if (escape_char(t, c, out, &n))
			return n;
	return n + text_char(t, c, out + n);
}

size_t
transfer_qp_plain(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += char_read(transfer, data[i], out + n);
	return n;
}

// A run without =, CR and LF: its last blanks wait, the rest is as it is.
static size_t run_read(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0, n_text = size;

	while (n_text > 0 && is_blank(data[n_text - 1]))
		n_text--;
	if (n_text > 0) {
		n = blanks_flush(t, out);
		memcpy(out + n, data, n_text);
		n += n_text;
	}
	for (; n_text < size; n_text++)
		n += text_char(t, data[n_text], out + n);
	return n;
}

// =XX, whole, in text. Returns whether it is one, and then has written its byte.
static bool
escape_read(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out, size_t *n) {
	int high = size > 2 ? hex_value(data[1]) : -1, low = high >= 0 ? hex_value(data[2]) : -1;

	if (low < 0 || data[0] != '=')
		return false;
	*n += blanks_flush(t, out + *n);
	out[(*n)++] = (uint8_t)(high << 4 | low);
	return true;
}

size_t transfer_qp_data(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size;) {
		size_t run = t->state == QP_TEXT ? find_qp_special(data + i, size - i) : 0;

		if (run > 0) {
			n += run_read(t, data + i, run, out + n);
			i += run;
		} else if (t->state == QP_TEXT && escape_read(t, data + i, size - i, out, &n)) {
			i += 3;
		} else {
			n += char_read(t, data[i++], out + n);
		}
	}
	return n;
}
