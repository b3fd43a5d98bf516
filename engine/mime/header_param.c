// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Parameters of a structured field, "; name=value", with what RFC 2231 does to them: pieces, character sets,
// percent escapes.

#include "mime/header_private.h"

#include <string.h>
#include <strings.h>

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
	while (param->value.size > 0 && header_is_space(from[param->value.size - 1]))
		param->value.size--;
	for (size_t i = 0; i < param->value.size; i++)
		if (from[i] <= ' ' || from[i] == '"')
			*flaws |= HEADER_OFF_GRAMMAR;
}

// The next parameter behind a semicolon. 1: *param, 0: no more.
static int param_next(struct cursor *at, struct param *param, uint32_t *flaws) {
	const uint8_t *from;

	*param = (struct param){0};
	while (at->at < at->end && (*at->at == ';' || header_is_space(*at->at)))
		at->at++;
	header_comments_skip(at, flaws);
	if (at->at == at->end)
		return 0;
	from = at->at;
	while (at->at < at->end && *at->at != '=' && *at->at != ';' && !header_is_space(*at->at)
	       && *at->at != '(')
		at->at++;
	param->name = (struct header_slice){from, (size_t)(at->at - from)};
	param->value = (struct header_slice){at->at, 0};
	header_comments_skip(at, flaws);
	if (at->at == at->end || *at->at != '=') {
		// No value: to the next semicolon.
		if (at->at < at->end && *at->at != ';')
			*flaws |= HEADER_OFF_GRAMMAR;
		while (at->at < at->end && *at->at != ';')
			at->at++;
		return 1;
	}
	at->at++;
	header_comments_skip(at, flaws);
	if (at->at < at->end && *at->at == '"')
		quoted_read(at, param, flaws);
	else
		token_read(at, param, flaws);
	header_comments_skip(at, flaws);
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

		header_comments_skip(&at, &(uint32_t){0});
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
	bool is_raw = header_is_raw(text, in);
	size_t from = 0;

	for (size_t i = 0; i < in.size; i++) {
		if (!param->is_quoted || in.data[i] != '\\' || i + 1 == in.size)
			continue;
		header_put_plain(text, in.data + from, i - from, is_raw);
		from = ++i;
	}
	header_put_plain(text, in.data + from, in.size - from, is_raw);
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
	header_put_escaped(
		text, is_first ? extended_begin(text, in) : in, '%', ' ', HEADER_BAD_PARAM
	);
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
	header_charset_leave(text);
}

// A plain value: names of files may hold encoded words, though no grammar allows it.
static void value_put(struct text *text, const struct param *param, bool has_words) {
	uint8_t out[HEADER_NAME_SIZE_MAX];
	struct text unescaped
		= {.out = out, .size = sizeof(out), .flaws = text->flaws, .is_octets = true};

	if (!has_words) {
		plain_put(text, param);
		return;
	}
	plain_put(&unescaped, param);
	header_put_words(text, (struct header_slice){out, unescaped.n});
}

int header_param(
	struct charsets *charsets,
	struct header_slice value,
	const char *name,
	uint8_t *out,
	size_t out_size,
	uint32_t *flaws
) {
	struct text text = {
		.charsets = charsets,
		.out = out,
		.size = out_size,
		.flaws = flaws,
		.is_octets = strcmp(name, "boundary") == 0,
	};
	bool has_words = strcmp(name, "filename") == 0 || strcmp(name, "name") == 0;
	uint32_t ignored = 0;
	struct found found;

	// What is wrong elsewhere in the field is for the caller to hear once, from any name.
	params_find(value, name, &found, flaws);
	if (found.n_pieces > 0)
		pieces_put(&text, &found);
	else if (found.has_extended) {
		extended_put(&text, &found.extended, true);
		header_charset_leave(&text);
	} else if (found.has_plain) {
		value_put(&text, &found.plain, has_words);
	} else {
		return -1;
	}
	header_text_end(&text);
	if (found.has_plain && (found.n_pieces > 0 || found.has_extended)) {
		uint8_t other[HEADER_NAME_SIZE_MAX];
		struct text second = {
			.charsets = charsets,
			.out = other,
			.size = sizeof(other),
			.flaws = &ignored,
			.is_octets = text.is_octets,
		};

		value_put(&second, &found.plain, has_words);
		header_text_end(&second);
		if (second.n != text.n || memcmp(other, out, text.n) != 0)
			*flaws |= HEADER_TWICE;
	}
	if (found.n_pieces > 0 && found.has_extended)
		*flaws |= HEADER_TWICE;
	return (int)text.n;
}
