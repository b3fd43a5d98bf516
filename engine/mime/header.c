// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A cursor over the field, small readers on top of it. No recursion: comments nest by a counter.

#include "mime/header.h"

#include "mime/transfer.h"

#include <string.h>
#include <strings.h>

struct cursor {
	const uint8_t *at, *end;
};

static bool is_space(uint8_t c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name_char(uint8_t c) {
	return c > 0x20 && c < 0x7f && c != ':'; // RFC 5322 3.6.8, ftext
}

int header_split(
	struct header_slice field,
	struct header_slice *name,
	struct header_slice *value,
	uint32_t *flaws
) {
	const uint8_t *at = field.data, *end = field.data + field.size;

	while (at < end && is_name_char(*at))
		at++;
	*name = (struct header_slice){field.data, (size_t)(at - field.data)};
	if (at < end && is_space(*at))
		*flaws |= HEADER_OFF_GRAMMAR;
	while (at < end && is_space(*at))
		at++;
	if (name->size == 0 || at == end || *at != ':')
		return -1;
	at++;
	while (at < end && is_space(*at))
		at++;
	while (end > at && is_space(end[-1]))
		end--;
	*value = (struct header_slice){at, (size_t)(end - at)};
	return 1;
}

static bool slice_is(const uint8_t *data, size_t size, const char *word) {
	return size == strlen(word) && strncasecmp((const char *)data, word, size) == 0;
}

bool header_is(struct header_slice name, const char *word) {
	return slice_is(name.data, name.size, word);
}

// ---- Encoded words (RFC 2047)

// Text on its way out.
struct text {
	struct charsets *charsets;
	uint8_t *out;
	size_t n, size;
	uint32_t *flaws;
	struct charset charset; // of the last word, while further words may continue its text
	struct header_slice charset_name;
};

static void put(struct text *text, const uint8_t *data, size_t size) {
	if (size > text->size - text->n) {
		size = text->size - text->n;
		*text->flaws |= HEADER_CUT;
	}
	memcpy(text->out + text->n, data, size);
	text->n += size;
}

// =?charset?B?text?=
struct word {
	struct header_slice charset, text;
	bool is_base64;
	const uint8_t *end;
};

// 1: *word; 0: none begins here; -1: and none will end from here on.
static int word_find(struct cursor at, struct word *word) {
	const uint8_t *p = at.at + 2, *star, *close;
	size_t n = 0;

	if (at.end - at.at < 8 || at.at[0] != '=' || at.at[1] != '?')
		return 0;
	while (p + n < at.end && n <= HEADER_WORD_MAX && p[n] > ' ' && p[n] != '?')
		n++;
	if (n == 0 || p + n + 3 > at.end || p[n] != '?' || p[n + 2] != '?')
		return 0;
	star = memchr(p, '*', n); // RFC 2231 section 5: a language
	word->charset = (struct header_slice){p, star != NULL ? (size_t)(star - p) : n};
	if ((p[n + 1] | 0x20) != 'b' && (p[n + 1] | 0x20) != 'q')
		return 0;
	word->is_base64 = (p[n + 1] | 0x20) == 'b';
	p += n + 3;
	close = memmem(p, (size_t)(at.end - p), "?=", 2);
	if (close == NULL)
		return -1;
	word->text = (struct header_slice){p, (size_t)(close - p)};
	word->end = close + 2;
	return 1;
}

static void charset_leave(struct text *text) {
	uint8_t out[CHARSET_EXTRA_MAX];

	put(text, out, charset_end(&text->charset, out));
	text->charset_name = (struct header_slice){0};
}

enum { PIECE = 256 };

static void piece_put(struct text *text, const uint8_t *data, size_t size) {
	uint8_t out[(PIECE + TRANSFER_EXTRA_MAX) * CHARSET_GROWTH + CHARSET_EXTRA_MAX];

	put(text, out, charset_data(&text->charset, data, size, out));
}

// Q is quoted-printable with _ for a blank.
static void word_q(struct text *text, struct header_slice in) {
	uint8_t out[PIECE];
	size_t n = 0;

	for (size_t i = 0; i < in.size; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *high = NULL, *low = NULL;

		if (in.data[i] == '=' && i + 2 < in.size && in.data[i + 1] != 0
		    && in.data[i + 2] != 0) {
			high = strchr(digits, in.data[i + 1] | 0x20);
			low = strchr(digits, in.data[i + 2] | 0x20);
		}
		if (high != NULL && low != NULL) {
			out[n++] = (uint8_t)((high - digits) << 4 | (low - digits));
			i += 2;
		} else {
			if (in.data[i] == '=')
				*text->flaws |= HEADER_BAD_WORD;
			out[n++] = in.data[i] == '_' ? ' ' : in.data[i];
		}
		if (n == PIECE) {
			piece_put(text, out, n);
			n = 0;
		}
	}
	piece_put(text, out, n);
}

static void word_b(struct text *text, struct header_slice in) {
	struct transfer transfer;
	uint8_t out[PIECE + TRANSFER_EXTRA_MAX];

	transfer_begin(&transfer, TRANSFER_BASE64);
	for (size_t i = 0; i < in.size; i += PIECE) {
		size_t size = in.size - i < PIECE ? in.size - i : PIECE;

		piece_put(text, out, transfer_data(&transfer, in.data + i, size, out));
	}
	if (transfer.is_bad)
		*text->flaws |= HEADER_BAD_WORD;
	piece_put(text, out, transfer_end(&transfer, out));
}

// False: its character set is not known, it stands as it is.
static bool word_put(struct text *text, const struct word *word) {
	bool is_same = word->charset.size == text->charset_name.size && word->charset.size > 0
		&& strncasecmp(
			   (const char *)word->charset.data,
			   (const char *)text->charset_name.data,
			   word->charset.size
		   ) == 0;

	if (!is_same) {
		charset_leave(text);
		if (!charset_begin(
			    &text->charset,
			    text->charsets,
			    (const char *)word->charset.data,
			    word->charset.size
		    )) {
			*text->flaws |= HEADER_BAD_WORD;
			return false;
		}
		text->charset_name = word->charset;
	}
	if (word->is_base64)
		word_b(text, word->text);
	else
		word_q(text, word->text);
	return true;
}

// How many blanks stand before the next encoded word: they are not shown between two of them.
static const uint8_t *blanks_skip(struct cursor at) {
	while (at.at < at.end && is_space(*at.at))
		at.at++;
	return at.at;
}

static void text_put(struct text *text, struct header_slice value) {
	struct cursor at = {value.data, value.data + value.size};
	bool can_end = true;

	while (at.at < at.end) {
		const uint8_t *next = memchr(at.at, '=', (size_t)(at.end - at.at));
		struct word word;
		int found;

		if (next == NULL || !can_end)
			next = at.end;
		if (next > at.at) {
			// Blanks alone, after a word and before another, are no text.
			bool is_between = text->charset_name.size > 0 && blanks_skip(at) == next
				&& word_find((struct cursor){next, at.end}, &word) == 1;

			if (!is_between) {
				charset_leave(text);
				put(text, at.at, (size_t)(next - at.at));
			}
			at.at = next;
			continue;
		}
		found = word_find(at, &word);
		can_end = found >= 0;
		if (found == 1 && word_put(text, &word)) {
			at.at = word.end;
			continue;
		}
		if (found < 0)
			*text->flaws |= HEADER_BAD_WORD;
		charset_leave(text);
		put(text, at.at, found == 1 ? (size_t)(word.end - at.at) : 1);
		at.at = found == 1 ? word.end : at.at + 1;
	}
	charset_leave(text);
}

size_t header_text(
	struct charsets *charsets,
	struct header_slice value,
	uint8_t *out,
	size_t out_size,
	uint32_t *flaws
) {
	struct text text = {.charsets = charsets, .out = out, .size = out_size, .flaws = flaws};

	text_put(&text, value);
	return text.n;
}

// ---- Structured values

// Past blanks and comments (RFC 5322 3.2.2).
static void comments_skip(struct cursor *at, uint32_t *flaws) {
	size_t depth = 0;

	for (; at->at < at->end; at->at++) {
		uint8_t c = *at->at;

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0 && at->end - at->at > 1)
			at->at++;
		else if (depth == 0 && !is_space(c))
			return;
	}
	if (depth > 0)
		*flaws |= HEADER_OFF_GRAMMAR;
}

struct header_word header_first(struct header_slice value, bool has_params, uint32_t *flaws) {
	struct cursor at = {value.data, value.data + value.size};
	struct header_word word = {0};
	size_t n = 0;

	comments_skip(&at, flaws);
	for (; at.at < at.end && *at.at != ';' && *at.at != '(' && !is_space(*at.at); at.at++) {
		uint8_t c = *at.at;

		if (c < ' ' || c > '~' || c == '"' || n == HEADER_WORD_MAX - 1)
			*flaws |= HEADER_OFF_GRAMMAR;
		else
			word.text[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	comments_skip(&at, flaws);
	if (at.at < at.end && (*at.at != ';' || !has_params))
		*flaws |= HEADER_OFF_GRAMMAR;
	return word;
}

// name=value
struct param {
	struct header_slice name, value;
	bool is_quoted; // value stands between quotes, escapes and all
};

// A quoted string, the cursor at its first quote. Left behind the second.
static void quoted_read(struct cursor *at, struct param *param, uint32_t *flaws) {
	const uint8_t *from = ++at->at;

	while (at->at < at->end && *at->at != '"')
		at->at += *at->at == '\\' && at->end - at->at > 1 ? 2 : 1;
	param->value = (struct header_slice){from, (size_t)(at->at - from)};
	param->is_quoted = true;
	if (at->at == at->end)
		*flaws |= HEADER_OFF_GRAMMAR;
	else
		at->at++;
}

static void token_read(struct cursor *at, struct param *param, uint32_t *flaws) {
	const uint8_t *from = at->at;

	// Blanks do not belong into a value without quotes; names of files have them all the same.
	while (at->at < at->end && *at->at != ';' && *at->at != '(')
		at->at++;
	param->value = (struct header_slice){from, (size_t)(at->at - from)};
	while (param->value.size > 0 && is_space(from[param->value.size - 1]))
		param->value.size--;
	for (size_t i = 0; i < param->value.size; i++)
		if (from[i] <= ' ' || from[i] == '"')
			*flaws |= HEADER_OFF_GRAMMAR;
}

// The next parameter behind a semicolon. 1: *param, 0: no more.
static int param_next(struct cursor *at, struct param *param, uint32_t *flaws) {
	const uint8_t *from;

	*param = (struct param){0};
	while (at->at < at->end && (*at->at == ';' || is_space(*at->at)))
		at->at++;
	comments_skip(at, flaws);
	if (at->at == at->end)
		return 0;
	from = at->at;
	while (at->at < at->end && *at->at != '=' && *at->at != ';' && !is_space(*at->at)
	       && *at->at != '(')
		at->at++;
	param->name = (struct header_slice){from, (size_t)(at->at - from)};
	param->value = (struct header_slice){at->at, 0};
	comments_skip(at, flaws);
	if (at->at == at->end || *at->at != '=') {
		// No value: to the next semicolon.
		if (at->at < at->end && *at->at != ';')
			*flaws |= HEADER_OFF_GRAMMAR;
		while (at->at < at->end && *at->at != ';')
			at->at++;
		return 1;
	}
	at->at++;
	comments_skip(at, flaws);
	if (at->at < at->end && *at->at == '"')
		quoted_read(at, param, flaws);
	else
		token_read(at, param, flaws);
	comments_skip(at, flaws);
	if (at->at < at->end && *at->at != ';') {
		*flaws |= HEADER_OFF_GRAMMAR;
		// "a"b: what stands between is skipped.
		while (at->at < at->end && *at->at != ';')
			at->at++;
	}
	return 1;
}

// What was found of one name.
struct found {
	struct param plain, extended; // name=, name*=
	struct param pieces[HEADER_PARAMS_MAX]; // name*N=, name*N*=
	bool is_extended[HEADER_PARAMS_MAX];
	uint8_t has_plain, has_extended, n_pieces; // n_pieces: the highest number plus one
};

static bool is_same(const struct param *a, const struct param *b) {
	return a->value.size == b->value.size
		&& memcmp(a->value.data, b->value.data, a->value.size) == 0;
}

// A piece's number: digits behind the star. -1: none, or one that no mail has.
static int piece_number(struct header_slice text) {
	int number = 0;

	if (text.size == 0 || text.size > 3)
		return -1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		number = 10 * number + (text.data[i] - '0');
	}
	return number < HEADER_PARAMS_MAX ? number : -1;
}

static void
one_found(struct found *found, const struct param *param, size_t base, uint32_t *flaws) {
	struct header_slice rest = {param->name.data + base, param->name.size - base};
	bool is_extended;
	int number;

	if (rest.size <= 1) { // name, name*
		struct param *place = rest.size == 0 ? &found->plain : &found->extended;
		uint8_t *has = rest.size == 0 ? &found->has_plain : &found->has_extended;

		if (*has && !is_same(place, param))
			*flaws |= HEADER_TWICE;
		if (!*has)
			*place = *param;
		*has = 1;
		return;
	}
	is_extended = rest.data[rest.size - 1] == '*';
	rest = (struct header_slice){rest.data + 1, rest.size - 1 - is_extended};
	number = piece_number(rest);
	if (number < 0 || found->pieces[number].name.size > 0) {
		*flaws |= HEADER_BAD_PARAM;
		return;
	}
	if (number + 1 < found->n_pieces)
		*flaws |= HEADER_BAD_PARAM; // not in order
	found->pieces[number] = *param;
	found->is_extended[number] = is_extended;
	if (number + 1 > found->n_pieces)
		found->n_pieces = (uint8_t)(number + 1);
}

static void
params_find(struct header_slice value, const char *name, struct found *found, uint32_t *flaws) {
	struct cursor at = {value.data, value.data + value.size};
	size_t base = strlen(name);
	struct param param;

	*found = (struct found){0};
	// The word before the first semicolon, which a comment may hold.
	while (at.at < at.end && *at.at != ';') {
		const uint8_t *from = at.at;

		comments_skip(&at, &(uint32_t){0});
		at.at += at.at == from || (at.at < at.end && *at.at != ';');
	}
	for (int i = 0; param_next(&at, &param, flaws) == 1; i++) {
		if (i == HEADER_PARAMS_MAX) {
			*flaws |= HEADER_CUT;
			break;
		}
		if (param.name.size < base
		    || strncasecmp((const char *)param.name.data, name, base) != 0
		    || (param.name.size > base && param.name.data[base] != '*'))
			continue;
		one_found(found, &param, base, flaws);
	}
}

// A value without its escapes goes through, in pieces.
static void plain_put(struct text *text, const struct param *param) {
	struct header_slice in = param->value;
	size_t from = 0;

	for (size_t i = 0; i < in.size; i++) {
		if (!param->is_quoted || in.data[i] != '\\' || i + 1 == in.size)
			continue;
		put(text, in.data + from, i - from);
		from = ++i;
	}
	put(text, in.data + from, in.size - from);
}

static void percent_put(struct text *text, struct header_slice in) {
	uint8_t out[PIECE];
	size_t n = 0;

	for (size_t i = 0; i < in.size; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *high = NULL, *low = NULL;

		if (in.data[i] == '%' && i + 2 < in.size && in.data[i + 1] != 0
		    && in.data[i + 2] != 0) {
			high = strchr(digits, in.data[i + 1] | 0x20);
			low = strchr(digits, in.data[i + 2] | 0x20);
		}
		if (high != NULL && low != NULL) {
			out[n++] = (uint8_t)((high - digits) << 4 | (low - digits));
			i += 2;
		} else {
			if (in.data[i] == '%')
				*text->flaws |= HEADER_BAD_PARAM;
			out[n++] = in.data[i];
		}
		if (n == PIECE) {
			piece_put(text, out, n);
			n = 0;
		}
	}
	piece_put(text, out, n);
}

// charset'language'text: the set is begun, the text returned.
static struct header_slice extended_begin(struct text *text, struct header_slice in) {
	const uint8_t *first = memchr(in.data, '\'', in.size), *second = NULL;

	if (first != NULL)
		second = memchr(first + 1, '\'', in.size - (size_t)(first + 1 - in.data));
	if (second == NULL) {
		*text->flaws |= HEADER_BAD_PARAM;
		return in;
	}
	if (!charset_begin(
		    &text->charset, text->charsets, (const char *)in.data, (size_t)(first - in.data)
	    ))
		*text->flaws |= HEADER_BAD_PARAM;
	return (struct header_slice){second + 1, in.size - (size_t)(second + 1 - in.data)};
}

static void extended_put(struct text *text, const struct param *param, bool is_first) {
	struct header_slice in = param->value;

	if (in.size == 0)
		return;
	percent_put(text, is_first ? extended_begin(text, in) : in);
}

static void pieces_put(struct text *text, const struct found *found) {
	for (int i = 0; i < found->n_pieces; i++) {
		if (found->pieces[i].name.size == 0)
			*text->flaws |= HEADER_BAD_PARAM; // one is missing
		else if (found->is_extended[i])
			extended_put(text, &found->pieces[i], i == 0);
		else
			plain_put(text, &found->pieces[i]);
	}
	charset_leave(text);
}

// A plain value: names of files may hold encoded words, though no grammar allows it.
static void value_put(struct text *text, const struct param *param, bool has_words) {
	uint8_t out[HEADER_NAME_SIZE_MAX];
	struct text unescaped = {.out = out, .size = sizeof(out), .flaws = text->flaws};

	if (!has_words) {
		plain_put(text, param);
		return;
	}
	plain_put(&unescaped, param);
	text_put(text, (struct header_slice){out, unescaped.n});
}

int header_param(
	struct charsets *charsets,
	struct header_slice value,
	const char *name,
	uint8_t *out,
	size_t out_size,
	uint32_t *flaws
) {
	struct text text = {.charsets = charsets, .out = out, .size = out_size, .flaws = flaws};
	bool has_words = strcmp(name, "filename") == 0 || strcmp(name, "name") == 0;
	uint32_t ignored = 0;
	struct found found;

	// What is wrong elsewhere in the field is for the caller to hear once, from any name.
	params_find(value, name, &found, flaws);
	if (found.n_pieces > 0)
		pieces_put(&text, &found);
	else if (found.has_extended) {
		extended_put(&text, &found.extended, true);
		charset_leave(&text);
	} else if (found.has_plain) {
		value_put(&text, &found.plain, has_words);
	} else {
		return -1;
	}
	if (found.has_plain && (found.n_pieces > 0 || found.has_extended)) {
		uint8_t other[HEADER_NAME_SIZE_MAX];
		struct text second = {
			.charsets = charsets,
			.out = other,
			.size = sizeof(other),
			.flaws = &ignored,
		};

		value_put(&second, &found.plain, has_words);
		if (second.n != text.n || memcmp(other, out, text.n) != 0)
			*flaws |= HEADER_TWICE;
	}
	if (found.n_pieces > 0 && found.has_extended)
		*flaws |= HEADER_TWICE;
	return (int)text.n;
}

// ---- Date

static bool number_read(struct cursor *at, int *number) {
	int n = 0, value = 0;

	for (; at->at < at->end && *at->at >= '0' && *at->at <= '9' && n < 4; n++)
		value = 10 * value + (*at->at++ - '0');
	*number = value;
	return n > 0;
}

// A number and the colon before it.
static bool colon_number(struct cursor *at, int *number) {
	if (at->at == at->end || *at->at != ':')
		return false;
	at->at++;
	return number_read(at, number);
}

static int month_read(struct cursor *at) {
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (at->end - at->at < 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (strncasecmp(months + 3 * i, (const char *)at->at, 3) == 0) {
			at->at += 3;
			return i + 1;
		}
	return 0;
}

// Days since 1970, counted from 1 March so that leap days come last.
static int64_t days_from(int64_t year, int month, int day) {
	int64_t y = month > 2 ? year : year - 1;
	int from_march = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

bool header_date(struct header_slice value, int64_t *seconds) {
	struct cursor at = {value.data, value.data + value.size};
	int day, month, year, hour, minute, second = 0, zone = 0;
	uint32_t flaws = 0;
	bool is_west = false;

	comments_skip(&at, &flaws);
	while (at.at < at.end && (is_space(*at.at) || *at.at == ',' || (*at.at | 0x20) >= 'a'))
		at.at++; // the day of the week
	if (!number_read(&at, &day))
		return false;
	comments_skip(&at, &flaws);
	month = month_read(&at);
	comments_skip(&at, &flaws);
	if (month == 0 || !number_read(&at, &year))
		return false;
	comments_skip(&at, &flaws);
	if (!number_read(&at, &hour) || !colon_number(&at, &minute))
		return false;
	colon_number(&at, &second);
	comments_skip(&at, &flaws);
	if (at.at < at.end && (*at.at == '+' || *at.at == '-')) {
		is_west = *at.at++ == '-';
		number_read(&at, &zone);
	}
	if (day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60)
		return false;
	year += year < 50 ? 2000 : year < 1000 ? 1900 : 0; // RFC 5322 4.3
	zone = (zone / 100 * 3600 + zone % 100 * 60) * (is_west ? -1 : 1);
	*seconds = days_from(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
	return true;
}
