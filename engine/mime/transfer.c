// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One state machine per encoding, a byte at a time where something is odd, and runs where nothing is.
// Mail programs differ most in what they do with damaged base64: here every character of the
// alphabet counts, padding ends its group and nothing else, and is_bad says that others may see less.

#include "mime/transfer.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
	// base64
	B64_GROUP, // in a group
	B64_PADDED, // behind padding
	B64_LOST, // after a hole: up to the next line
	// quoted-printable
	QP_TEXT = 0,
	QP_EQUAL, // behind =
	QP_HIGH, // and a first digit
	QP_BLANK, // = and blanks, which makes a soft line break if the line ends
	QP_CR, // … and CR
	// uuencode
	UU_BEGIN = 0, // looking for "begin " at the start of a line
	UU_NAME, // in that line
	UU_LENGTH, // at the start of a line
	UU_DATA,
	UU_REST, // of the line
	UU_END,
};

// ---- base64

enum { BAD = 0xff, BLANK = 0xfe, PAD = 0xfd };

#define X4 BAD, BAD, BAD, BAD
#define X16 X4, X4, X4, X4
static const uint8_t base64_values[256]
	= {
		X4,  X4,  BAD, BLANK, BLANK, BAD, BAD, BLANK, BAD, BAD, X16, BLANK,
		BAD, BAD, BAD, X4,    BAD,   BAD, BAD, 62,    BAD, BAD, BAD, 63, // space … /
		52,  53,  54,  55,    56,    57,  58,  59,    60,  61,	BAD, BAD,
		BAD, PAD, BAD, BAD, // 0 … ?
		BAD, 0,	  1,   2,     3,     4,	  5,   6,     7,   8,	9,   10,
		11,  12,  13,  14, // @ … O
		15,  16,  17,  18,    19,    20,  21,  22,    23,  24,	25,  BAD,
		BAD, BAD, BAD, BAD, // P … _
		BAD, 26,  27,  28,    29,    30,  31,  32,    33,  34,	35,  36,
		37,  38,  39,  40, // ` … o
		41,  42,  43,  44,    45,    46,  47,  48,    49,  50,	51,  BAD,
		BAD, BAD, BAD, BAD, // p … DEL
		X16, X16, X16, X16,   X16,   X16, X16, X16,
};
#undef X16
#undef X4

// What of a group is there: 1 character says nothing, 2 give a byte, 3 give two.
static size_t group_flush(struct transfer *t, uint8_t *out) {
	uint32_t word = t->word << (6 * (4 - t->n));
	size_t n = t->n > 1 ? t->n - 1u : 0;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(word >> (16 - 8 * i));
	t->n = 0;
	t->word = 0;
	return n;
}

static size_t base64_char(struct transfer *t, uint8_t c, uint8_t *out) {
	uint8_t value = base64_values[c];

	if (t->state == B64_LOST) {
		if (c == '\n')
			t->state = B64_GROUP;
		return 0;
	}
	if (value < 64) {
		t->is_bad |= t->state == B64_PADDED; // some stop at the padding
		t->state = B64_GROUP;
		t->word = t->word << 6 | value;
		return ++t->n == 4 ? group_flush(t, out) : 0;
	}
	if (value == BLANK)
		return 0;
	if (value == BAD) {
		t->is_bad = true;
		return 0;
	}
	if (t->state == B64_PADDED)
		return 0;
	t->is_bad |= t->n < 2;
	t->state = B64_PADDED;
	return group_flush(t, out);
}

size_t
transfer_base64_plain(struct transfer *transfer, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += base64_char(transfer, data[i], out + n);
	return n;
}

// Whole groups without a line end or anything odd among them. Returns characters read, a multiple of 4.
static size_t base64_groups(const uint8_t *data, size_t size, uint8_t *out) {
	size_t i = 0;

	for (; i + 4 <= size; i += 4, out += 3) {
		uint32_t a = base64_values[data[i]], b = base64_values[data[i + 1]];
		uint32_t c = base64_values[data[i + 2]], d = base64_values[data[i + 3]];

		if ((a | b | c | d) > 63)
			break;
		uint32_t word = a << 18 | b << 12 | c << 6 | d;
		out[0] = (uint8_t)(word >> 16);
		out[1] = (uint8_t)(word >> 8);
		out[2] = (uint8_t)word;
	}
	return i;
}

#if defined(__x86_64__)

// 32 characters to 24 bytes at a time. The high half-byte of a character picks what to add to make it
// its value, and the two halves together say whether it is of the alphabet (W. Muła, D. Lemire: Faster
// Base64 Encoding and Decoding using AVX2 Instructions, 2018). 32 bytes are written, so that it stops
// while at least 44 characters are left. Returns characters read.
__attribute__((target("avx2"))) static size_t
base64_groups_avx2(const uint8_t *data, size_t size, uint8_t *out) {
	const __m256i low_table = _mm256_setr_epi8(
		0x15,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x13,
		0x1a,
		0x1b,
		0x1b,
		0x1b,
		0x1a,
		0x15,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x11,
		0x13,
		0x1a,
		0x1b,
		0x1b,
		0x1b,
		0x1a
	);
	const __m256i high_table = _mm256_setr_epi8(
		0x10,
		0x10,
		0x01,
		0x02,
		0x04,
		0x08,
		0x04,
		0x08,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x01,
		0x02,
		0x04,
		0x08,
		0x04,
		0x08,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10,
		0x10
	);
	const __m256i add_table = _mm256_setr_epi8(
		0,
		16,
		19,
		4,
		-65,
		-65,
		-71,
		-71,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		16,
		19,
		4,
		-65,
		-65,
		-71,
		-71,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0
	);
	const __m256i order = _mm256_setr_epi8(
		2,
		1,
		0,
		6,
		5,
		4,
		10,
		9,
		8,
		14,
		13,
		12,
		-1,
		-1,
		-1,
		-1,
		2,
		1,
		0,
		6,
		5,
		4,
		10,
		9,
		8,
		14,
		13,
		12,
		-1,
		-1,
		-1,
		-1
	);
	const __m256i slash = _mm256_set1_epi8('/');
	size_t i = 0;

	for (; i + 44 <= size; i += 32, out += 24) {
		__m256i text = _mm256_loadu_si256((const __m256i *)(data + i));
		__m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), slash);
		__m256i low = _mm256_and_si256(text, slash);
		__m256i is_slash = _mm256_cmpeq_epi8(text, slash);
		// The shuffles look at bit 7 and bits 0 … 3: slash's bit 5 does no harm.
		__m256i a = _mm256_shuffle_epi8(low_table, low);
		__m256i b = _mm256_shuffle_epi8(high_table, high);

		if (!_mm256_testz_si256(a, b))
			break;
		text = _mm256_add_epi8(
			text, _mm256_shuffle_epi8(add_table, _mm256_add_epi8(is_slash, high))
		);
		text = _mm256_maddubs_epi16(text, _mm256_set1_epi32(0x01400140));
		text = _mm256_madd_epi16(text, _mm256_set1_epi32(0x00011000));
		text = _mm256_shuffle_epi8(text, order);
		text = _mm256_permutevar8x32_epi32(
			text, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1)
		);
		_mm256_storeu_si256((__m256i *)out, text);
	}
	return i;
}

#endif

static size_t groups(const uint8_t *data, size_t size, uint8_t *out) {
	size_t i = 0;

#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		i = base64_groups_avx2(data, size, out);
#endif
	return i + base64_groups(data + i, size - i, out + i / 4 * 3);
}

static size_t base64_data(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0, i = 0;

	while (i < size) {
		if (t->n == 0 && t->state == B64_GROUP) {
			size_t run = groups(data + i, size - i, out + n);

			i += run;
			n += run / 4 * 3;
			// Between whole groups a line end says nothing.
			while (i < size && (data[i] == '\r' || data[i] == '\n'))
				i++;
			if (i == size)
				break;
			if (run > 0)
				continue;
		}
		n += base64_char(t, data[i++], out + n);
	}
	return n;
}

// ---- quoted-printable

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
static size_t qp_text(struct transfer *t, uint8_t c, uint8_t *out) {
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

// The = was no escape: it stands for itself, and so does what came behind it.
static size_t qp_literal(struct transfer *t, uint8_t *out) {
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
static bool qp_escape(struct transfer *t, uint8_t c, uint8_t *out, size_t *n) {
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
	*n += qp_literal(t, out + *n);
	return false;
}

// What needs no thought: everything but =, blanks and line ends.
static size_t qp_run(const uint8_t *data, size_t size) {
	size_t i = 0;

	while (i < size && data[i] > ' ' && data[i] != '=')
		i++;
	return i;
}

static size_t qp_data(struct transfer *t, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size;) {
		size_t run = 0;

		if (t->state != QP_TEXT) {
			i += qp_escape(t, data[i], out, &n);
			continue;
		}
		if ((run = qp_run(data + i, size - i)) > 0) {
			n += blanks_flush(t, out + n);
			memcpy(out + n, data + i, run);
			n += run;
			i += run;
		} else {
			n += qp_text(t, data[i++], out + n);
		}
	}
	return n;
}

// ---- uuencode

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
		return base64_data(transfer, data, size, out);
	case TRANSFER_QUOTED_PRINTABLE:
		return qp_data(transfer, data, size, out);
	case TRANSFER_UUENCODE:
		return uu_data(transfer, data, size, out);
	}
	memcpy(out, data, size);
	return size;
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
		n = group_flush(transfer, out);
	} else if (transfer->kind == TRANSFER_QUOTED_PRINTABLE && transfer->state != QP_TEXT && transfer->state != QP_CR) {
		n = qp_literal(transfer, out);
	}
	is_bad = transfer->is_bad;
	transfer_begin(transfer, transfer->kind);
	transfer->is_bad = is_bad;
	return n;
}
