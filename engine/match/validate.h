// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Check digits of numbers that a pattern has found: what a rule names in validate. The form is the
// pattern's; these only look at the number itself, and say where it stands, so that numbers can be told
// apart and masked.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	// Bytes before the end of a match that are looked at: the longest number, with its separators,
	// and what a pattern may ask for behind it.
	VALIDATE_WINDOW = 64,
};

enum validate {
	VALIDATE_NOTHING,
	VALIDATE_LUHN, // payment cards (ISO/IEC 7812): 15 or 16 digits, first digits as given out
	VALIDATE_IBAN, // ISO 13616: modulo 97, and nothing that goes on in front of it
	VALIDATE_BIRTH_NUMBER, // Czech and Slovak: a day, and modulo 11; none before 1954, where "r. č." must
	// stand in front
	// Luhn, and it stands alone on its line or a word in front calls it a card (karta, visa): one of ten
	// numbers of 16 digits has the right check digit, and tables are full of them.
	VALIDATE_LUHN_TOLD,
	// The same of birth numbers: called so, behind a name, alone on a line or between words; and not of a day from
	// 2012 to 2049 unless called so, because offices number by the day (230512/1234).
	VALIDATE_BIRTH_NUMBER_TOLD,
	VALIDATES,
};

// Of one check, so that it can be told from chance.
enum validate_result {
	VALIDATE_NONE, // something else: called so, or of no form that is looked for
	VALIDATE_WRONG, // the form, and not the check digits (or no day): as most numbers of that form by chance
	VALIDATE_RIGHT,
	VALIDATE_CERTAIN, // right, and a word in front says what it is
};

// The names in rule files, by enum validate.
extern const char *const validate_names[VALIDATES];

// Bytes from … to of a text.
struct validate_span {
	size_t from, to;
};

// Whether the number at the end of text (a match's last size ≤ VALIDATE_WINDOW bytes; what the pattern
// wants behind the number may follow it, of one byte) has the right check digits, and, of cards and birth
// numbers, no word in front that says what else it is (order, č. j., ID …). span_r (set when it
// is right): where it stands; of VALIDATE_NOTHING the last word.
enum validate_result
validate(enum validate kind, const uint8_t *text, size_t size, struct validate_span *span_r);
// Forms whose numbers are right by chance often enough to matter.
enum { VALIDATE_FORMS = 2 };
// Which of them a check is of: 0 cards, 1 birth numbers; -1: none.
int validate_form(enum validate kind);
// Whether so many right and wrong ones of one form in one message are what chance gives: one of ten or eleven numbers is
// right by chance, so that beside wrong ones a right one says little.
bool validate_is_chance(uint32_t n_right, uint32_t n_wrong);
