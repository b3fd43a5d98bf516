// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each reads its number from the end of the text backwards, as far as the pattern's separators go.

#include "match/validate.h"

#include <string.h>
#include <strings.h>

const char *const validate_names[VALIDATES] = {
	[VALIDATE_NOTHING] = "",
	[VALIDATE_LUHN] = "luhn",
	[VALIDATE_IBAN] = "iban",
	[VALIDATE_BIRTH_NUMBER] = "czech-birth-number",
	[VALIDATE_LUHN_TOLD] = "luhn-told",
	[VALIDATE_BIRTH_NUMBER_TOLD] = "czech-birth-number-told",
};

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

static bool is_capital(uint8_t c) {
	return c >= 'A' && c <= 'Z';
}

// The digits at the end of text, blanks and hyphens left out; at most max. Returns how many; they stand
// in order at digits + max - n, and their places in text at places + max - n.
static int digits_before(
	const uint8_t *text,
	size_t size,
	int max,
	uint8_t *digits,
	uint8_t places[VALIDATE_WINDOW]
) {
	int n = 0;

	for (size_t i = size; i > 0 && n < max; i--) {
		if (is_digit(text[i - 1])) {
			digits[max - ++n] = text[i - 1] - '0';
			places[max - n] = (uint8_t)(i - 1);
		} else if (text[i - 1] != ' ' && text[i - 1] != '-') {
			break;
		}
	}
	return n;
}

static bool is_luhn(const uint8_t *digits, int n) {
	int sum = 0;

	for (int i = 0; i < n; i++) {
		int value = digits[n - 1 - i] << (i & 1);

		sum += value > 9 ? value - 9 : value;
	}
	return sum % 10 == 0;
}

// First digits that payment networks have given out (ISO/IEC 7812), of 16.
static bool is_issuer(const uint8_t digits[16]) {
	int four = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3];

	return digits[0] == 4 || (four >= 5100 && four <= 5599) || (four >= 2221 && four <= 2720)
		|| four == 6011 || (four >= 6440 && four <= 6599);
}

static bool has_luhn(const uint8_t *text, size_t size, size_t *from_r) {
	uint8_t digits[16], places[VALIDATE_WINDOW];
	int n = digits_before(text, size, 16, digits, places);

	*from_r = n > 0 ? places[16 - n] : size;
	// American Express has 15, and begins with 34 or 37; no 16 begin so.
	if (n == 16 && is_issuer(digits) && is_luhn(digits, 16)) {
		*from_r = places[0];
		return true;
	}
	// A sixteenth right in front belongs to the number: it is none.
	if (n == 16 && places[1] == places[0] + 1)
		return false;
	if (n < 15 || digits[1] != 3 || (digits[2] != 4 && digits[2] != 7)
	    || !is_luhn(digits + 1, 15))
		return false;
	*from_r = places[1];
	return true;
}

// Countries' lengths are the pattern's business: every beginning of two letters and two digits is tried.
static bool iban_at(const uint8_t *text, size_t size) {
	uint8_t number[34];
	size_t n = 0;
	unsigned rest = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == ' ')
			continue;
		if (n == sizeof(number) || (!is_digit(text[i]) && !is_capital(text[i])))
			return false;
		number[n++] = text[i];
	}
	// 00, 01 and 99 are no check digits: they leave the same rest as 97, 98 and 02, the right ones.
	if (n < 15 || (number[2] == '0' && number[3] < '2')
	    || (number[2] == '9' && number[3] == '9'))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = number[(i + 4) % n];

		rest = is_digit(c) ? rest * 10 + c - '0' : rest * 100 + c - 'A' + 10;
		rest %= 97;
	}
	return rest == 1;
}

// What may stand in front of one: it does not go on there.
static bool is_edge(uint8_t c) {
	return !is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c < 0x80
		&& strchr("_+/=", c) == NULL;
}

static enum validate_result iban(const uint8_t *text, size_t size, size_t *from_r) {
	for (size_t i = 0; i + 15 <= size; i++) {
		*from_r = i;
		if (is_capital(text[i]) && is_capital(text[i + 1]) && is_digit(text[i + 2])
		    && is_digit(text[i + 3]) && (i == 0 || is_edge(text[i - 1]))
		    && iban_at(text + i, size - i))
			return VALIDATE_RIGHT;
	}
	return VALIDATE_NONE; // one in 97 is right by chance: a wrong one beside says nothing
}

// ---- What a number is called

static bool is_word(uint8_t c) {
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80;
}

// The word in front of a place on its line, at most three bytes away: where it begins. *to_r: where it ends.
static size_t word_before(const uint8_t *text, size_t from, size_t *to_r) {
	size_t at = from;

	while (at > 0 && from - at < 4 && !is_word(text[at - 1]) && text[at - 1] != '\n')
		at--;
	*to_r = at;
	while (at > 0 && is_word(text[at - 1]))
		at--;
	return at;
}

// A word without combining marks (U+0300 to U+036F), which follow a letter's plain form. Returns its size.
static size_t marks_drop(const uint8_t *word, size_t size, char plain_r[VALIDATE_WINDOW]) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		if (i + 1 < size
		    && ((word[i] == 0xcc && word[i + 1] >= 0x80)
			|| (word[i] == 0xcd && word[i + 1] >= 0x80 && word[i + 1] < 0xb0)))
			i++;
		else
			plain_r[n++] = (char)word[i];
	return n;
}

// Whether the word in front of a number is one of n.
static bool is_called(const uint8_t *text, size_t from, const char *const *words, size_t n) {
	size_t to, at = word_before(text, from, &to);
	char word[VALIDATE_WINDOW];
	size_t size = marks_drop(text + at, to - at, word);

	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == size && strncasecmp(word, words[i], size) == 0)
			return true;
	return false;
}

// 15 in 1,000 numbers of 16 digits, and 14 in 1,000 of 123456/2023, have the right check digits: where the word in
// front says what else it is, it is that.
static bool is_called_otherwise(const uint8_t *text, size_t from) {
	static const char *const words[] = {
		"order",    "objednavka", "objednávka", "zasilka", "zásilka", "tracking", "parcel",
		"shipment", "invoice",	  "faktura",	"spis",	   "j",	      "zn",	  "vs",
		"ref",	    "id",	  "serial",	"sn",	   "ticket",  "no",	  "nr",
		"balik",    "balík",	  "imei",	"ean",
	};

	return is_called(text, from, words, sizeof(words) / sizeof(words[0]));
}

// "r. č.", "RČ", "rodné číslo".
static bool is_called_birth_number(const uint8_t *text, size_t from) {
	static const char *const words[] = {"rč", "rČ", "rc", "číslo", "cislo"},
				 *const after_r[] = {"č", "Č", "c"};
	size_t at = from;

	if (is_called(text, from, words, sizeof(words) / sizeof(words[0])))
		return true;
	if (!is_called(text, from, after_r, sizeof(after_r) / sizeof(after_r[0])))
		return false;
	while (at > 0 && text[at - 1] != 'c' && text[at - 1] != 'C' && text[at - 1] < 0x80)
		at--;
	while (at > 0 && (text[at - 1] >= 0x80 || strchr("cC. ", text[at - 1]) != NULL))
		at--;
	return at > 0 && (text[at - 1] | 0x20) == 'r' && (at == 1 || !is_word(text[at - 2]));
}

static bool is_called_card(const uint8_t *text, size_t from) {
	static const char *const words[] = {
		"karta",      "karty", "kartu",	   "kartou",   "card",	   "cards", "visa",
		"mastercard", "mc",    "amex",	   "express",  "diners",   "pan",   "cc",
		"maestro",    "debit", "kreditní", "kreditni", "discover",
	};
	static const char *const between[]
		= {"č", "c", "číslo", "cislo", "number", "no", "nr", "is", "je"};
	size_t to;

	// "karta č. 4111 …", "card number is 4111 …"
	for (int i = 0; i < 3; i++) {
		if (is_called(text, from, words, sizeof(words) / sizeof(words[0])))
			return true;
		if (!is_called(text, from, between, sizeof(between) / sizeof(between[0])))
			return false;
		from = word_before(text, from, &to);
	}
	return false;
}

// Nothing but blanks in front of it on its line, and the line's end behind it.
static bool is_alone(const uint8_t *text, size_t from, size_t to, size_t size) {
	while (from > 0 && (text[from - 1] == ' ' || text[from - 1] == '\t'))
		from--;
	return (from == 0 || text[from - 1] == '\n')
		&& (to == size || text[to] == '\r' || text[to] == '\n');
}

// ---- Cards

static enum validate_result luhn(const uint8_t *text, size_t size, size_t *from_r) {
	bool is_right = has_luhn(text, size, from_r);

	if (is_called_otherwise(text, *from_r))
		return VALIDATE_NONE;
	if (!is_right)
		return VALIDATE_WRONG;
	return is_called_card(text, *from_r) ? VALIDATE_CERTAIN : VALIDATE_RIGHT;
}

// ---- Birth numbers

// A day that is in a year. Months are 50 more of women, and from 2004 on 20 more where a day's numbers ran out
// (law 133/2000 Sb., section 13, as changed by 53/2004).
static bool is_birth_day(unsigned year, unsigned month, unsigned day) {
	month -= month > 50 ? 50 : 0;
	month -= month > 20 && year >= 4 && year < 54 ? 20 : 0;
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// The number before the end, YYMMDD/SSS or YYMMDD/SSSC. Returns how many digits it has after the slash, 0: no such.
static size_t birth_read(const uint8_t *text, size_t size, size_t *from_r, uint64_t *number_r) {
	size_t n = 0;

	while (n < 4 && n < size && is_digit(text[size - 1 - n]))
		n++;
	if (n < 3 || size < n + 7 || text[size - n - 1] != '/')
		return 0;
	*from_r = size - n - 7;
	*number_r = 0;
	for (size_t i = *from_r; i < size; i++)
		if (i != size - n - 1) {
			if (!is_digit(text[i]))
				return 0;
			*number_r = *number_r * 10 + text[i] - '0';
		}
	return n;
}

// Until 1953 there was no check digit, and one number less: then it is called one in front, because
// 230512/001 is anything. From 1954 on the whole is divisible by 11; until 1985 a rest of 10 in the first nine was
// written as 0.
static enum validate_result birth_number(const uint8_t *text, size_t size, size_t *from_r) {
	uint64_t number = 0;
	size_t n = birth_read(text, size, from_r, &number);
	uint64_t day = number / (n == 3 ? 1000 : 10000);
	uint64_t year = day / 10000;
	bool is_day
		= is_birth_day((unsigned)year, (unsigned)(day / 100 % 100), (unsigned)(day % 100));

	if (n == 0)
		return VALIDATE_NONE;
	if (n == 3)
		return is_day && year <= 53 && is_called_birth_number(text, *from_r)
			? VALIDATE_CERTAIN
			: VALIDATE_NONE;
	// 123456/2023 is an office's reference: there are far more of those than people with such a number.
	if ((number % 10000 >= 1990 && number % 10000 <= 2039)
	    || is_called_otherwise(text, *from_r))
		return VALIDATE_NONE;
	if (!is_day
	    || (number % 11 != 0
		&& (year > 85 || year < 54 || number / 10 % 11 != 10 || number % 10 != 0)))
		return VALIDATE_WRONG;
	return is_called_birth_number(text, *from_r) ? VALIDATE_CERTAIN : VALIDATE_RIGHT;
}

// A letter's first byte, and whether it is a capital (ASCII, Latin-1, Latin Extended-A in UTF-8).
static bool is_capital_at(const uint8_t *text, size_t size) {
	unsigned c = size > 1 && text[0] >= 0xc3 && text[0] <= 0xc5
		? (text[0] & 0x1fu) << 6 | (text[1] & 0x3fu)
		: text[0];

	if (c < 0x80)
		return is_capital((uint8_t)c);
	if (c < 0x100)
		return c >= 0xc0 && c < 0xdf;
	return ((c > 0x138 && c < 0x149) || c > 0x178 ? c & 1 : !(c & 1)) != 0;
}

// "Jan Novák, ": two words that begin with a capital and go on in small letters.
static bool is_behind_name(const uint8_t *text, size_t from) {
	for (int i = 0; i < 2; i++) {
		size_t to, at = word_before(text, from, &to);

		if (to - at < 3 || from - to > 2 || !is_capital_at(text + at, to - at)
		    || is_digit(text[to - 1]) || is_capital(text[to - 1]))
			return false;
		from = at;
	}
	return true;
}

// In running text: behind a word and one blank, and before a blank or the line's end.
static bool is_in_text(const uint8_t *text, size_t from, size_t to, size_t size) {
	return (to == size || text[to] == '\r' || text[to] == '\n' || text[to] == ' ') && from > 1
		&& text[from - 1] == ' ' && is_word(text[from - 2]) && !is_digit(text[from - 2]);
}

// One of 200 numbers of that form is right by chance, and offices have far more of them than people are told of in
// mail: it is called one, stands behind a name, between words or alone. Years are those of people: not from 2012 to
// 2049, because offices number by the day and nobody before 1954 has ten digits.
static bool is_told(const uint8_t *text, size_t from, size_t to, size_t size) {
	int year = (text[from] - '0') * 10 + text[from + 1] - '0';

	return (year < 12 || year > 49)
		&& (is_alone(text, from, to, size) || is_in_text(text, from, to, size)
		    || is_behind_name(text, from));
}

// Any number is right: the word at the end.
static enum validate_result last_word(const uint8_t *text, size_t size, size_t *from_r) {
	*from_r = size;
	while (*from_r > 0 && text[*from_r - 1] > ' '
	       && strchr("\"'<>()[]{},;=", text[*from_r - 1]) == NULL)
		--*from_r;
	return VALIDATE_RIGHT;
}

enum validate_result
validate(enum validate kind, const uint8_t *text, size_t size, struct validate_span *span_r) {
	static enum validate_result (*const kinds[VALIDATES]
	)(const uint8_t *text, size_t size, size_t *from_r)
		= {
			[VALIDATE_NOTHING] = last_word,
			[VALIDATE_LUHN] = luhn,
			[VALIDATE_IBAN] = iban,
			[VALIDATE_BIRTH_NUMBER] = birth_number,
			[VALIDATE_LUHN_TOLD] = luhn,
			[VALIDATE_BIRTH_NUMBER_TOLD] = birth_number,
		};
	size_t whole = size;
	enum validate_result result;

	// One byte behind the number may belong to the match; behind a word, which may end in anything, what
	// cannot be one's end.
	if (kind == VALIDATE_NOTHING)
		while (size > 0
		       && (text[size - 1] <= ' '
			   || strchr("\"'<>()[]{},;=.:!?", text[size - 1]) != NULL))
			size--;
	else if (size > 0 && !is_digit(text[size - 1]) && !is_capital(text[size - 1]))
		size--;
	*span_r = (struct validate_span){0, size};
	result = kinds[kind](text, size, &span_r->from);
	if (kind == VALIDATE_LUHN_TOLD && result == VALIDATE_RIGHT
	    && !is_alone(text, span_r->from, size, whole))
		return VALIDATE_NONE;
	if (kind == VALIDATE_BIRTH_NUMBER_TOLD && result == VALIDATE_RIGHT
	    && !is_told(text, span_r->from, size, whole))
		return VALIDATE_NONE;
	return result;
}

int validate_form(enum validate kind) {
	static const int8_t forms[VALIDATES] = {
		[VALIDATE_NOTHING] = -1,
		[VALIDATE_LUHN] = 0,
		[VALIDATE_IBAN] = -1,
		[VALIDATE_BIRTH_NUMBER] = 1,
		[VALIDATE_LUHN_TOLD] = 0,
		[VALIDATE_BIRTH_NUMBER_TOLD] = 1,
	};

	return forms[kind];
}

// Of what a check of eleven lets pass by chance, 1, against half of all being meant: each right one is
// log(6/11 / (1/11)) = 1.8 for that, each wrong one log(5/11 / (10/11)) = -0.7. One alone is taken.
bool validate_is_chance(uint32_t n_right, uint32_t n_wrong) {
	return (uint64_t)n_right * 5 < (uint64_t)n_wrong * 2 + 4;
}
