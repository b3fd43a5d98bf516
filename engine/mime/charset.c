// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A short list of the sets met so far, searched by name; converters are lent to texts and come back.

#include "mime/charset.h"

#include "limits.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_SIZE = 24 };

enum set_kind {
	SET_UNKNOWN, // iconv does not know it
	SET_PASS,
	SET_TABLE,
	SET_CONVERTER,
};

struct set {
	char name[NAME_SIZE]; // as iconv wants it, capitals
	uint8_t kind; // enum set_kind
	uint8_t unit; // bytes that are passed over where there is no character
	// What iconv makes of broken UTF-7 depends on how the bytes are cut: it gets them one by one.
	bool is_bytewise;
	uint8_t (*table)[4];
};

struct charset_converter {
	iconv_t handle;
	const struct set *set;
	bool is_lent;
};

struct charsets {
	struct set sets[CHARSETS_MAX];
	int n_sets;
	struct charset_converter converters[CHARSET_CONVERTERS_MAX];
	int n_converters;
	char raw[NAME_SIZE]; // what says no set and is no UTF-8
};

static const uint8_t replacement[] = {0xef, 0xbf, 0xbd}; // U+FFFD

// Names that mail programs write and iconv does not know, or reads too narrowly: what is called ISO 8859-1
// or US-ASCII has always been Windows-1252, and readers show it so (WHATWG Encoding).
static const struct {
	const char *name, *meant; // NULL: pass
} aliases[] = {
	{"UTF-8", NULL},
	{"UTF8", NULL},
	{"US-ASCII", NULL},
	{"ASCII", NULL},
	{"ANSI_X3.4-1968", NULL},
	{"UNKNOWN-8BIT", NULL},
	{"X-UNKNOWN", NULL},
	{"BINARY", NULL},
	{"ISO-8859-1", "WINDOWS-1252"},
	{"ISO8859-1", "WINDOWS-1252"},
	{"LATIN1", "WINDOWS-1252"},
	{"X-CP1250", "WINDOWS-1250"},
	{"X-CP1251", "WINDOWS-1251"},
	{"X-CP1252", "WINDOWS-1252"},
	{"ISO-8859-8-I", "ISO-8859-8"},
	{"KS_C_5601-1987", "CP949"},
	{"GB2312", "GB18030"},
	{"GBK", "GB18030"},
	{"SHIFT_JIS", "CP932"},
	{"X-SJIS", "CP932"},
	{"UNICODE-1-1-UTF-7", "UTF-7"},
};

// Opened at start: what mail has.
static const char *const usual[] = {
	"WINDOWS-1252", "WINDOWS-1250", "ISO-8859-2", "WINDOWS-1251", "KOI8-R",	     "ISO-8859-15",
	"ISO-8859-5",	"WINDOWS-1253", "ISO-8859-7", "WINDOWS-1254", "ISO-8859-9",  "WINDOWS-1255",
	"WINDOWS-1256", "WINDOWS-1257", "ISO-8859-4", "KOI8-U",	      "ISO-8859-16", "CP852",
	"UTF-16",	"UTF-16LE",	"UTF-16BE",   "UTF-7",	      "ISO-2022-JP", "GB18030",
	"BIG5",		"CP949",	"CP932",      "EUC-JP",	      "EUC-KR",
};

// ---- Sets

static bool is_name_char(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		|| (c != '\0' && strchr("-_.:", c) != NULL);
}

// Capitals, without what iconv would take for options, or would pass over: one set must not come under
// two names of which but one is known below. False: no such name is known.
static bool name_read(const char *name, size_t size, char out[static NAME_SIZE]) {
	if (size == 0 || size >= NAME_SIZE)
		return false;
	memset(out, 0, NAME_SIZE);
	for (size_t i = 0; i < size; i++) {
		if (!is_name_char(name[i]))
			return false;
		out[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 0x20 : name[i]);
	}
	return true;
}

static size_t
convert(iconv_t handle, const uint8_t **in, size_t *in_size, uint8_t *out, size_t size) {
	char *from = (char *)(uintptr_t)*in, *to = (char *)out;
	size_t room = size;

	iconv(handle, &from, in_size, &to, &room);
	*in = (const uint8_t *)from;
	return size - room;
}

// SET_TABLE when every byte by itself is a character, or none at all: then table says which. One byte that
// becomes more than CHARSET_GROWTH bytes makes a set that is not read.
static enum set_kind table_make(iconv_t handle, uint8_t (*table)[4]) {
	for (int c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c, text[16];
		const uint8_t *in = &byte;
		size_t left = 1;

		iconv(handle, NULL, NULL, NULL, NULL);
		errno = 0;
		size_t n = convert(handle, &in, &left, text, sizeof(text));
		if (left > 0 && errno != EILSEQ)
			return SET_CONVERTER; // the beginning of a longer one
		if (left == 0 && n > CHARSET_GROWTH)
			return SET_UNKNOWN;
		if (left == 0 && (n == 0 || n > 3))
			return SET_CONVERTER;
		memcpy(table[c], left == 0 ? text : replacement, left == 0 ? n : 3);
		table[c][3] = (uint8_t)(left == 0 ? n : 3);
	}
	return SET_TABLE;
}

static struct charset_converter *converter_open(struct charsets *charsets, const struct set *set) {
	struct charset_converter *converter = &charsets->converters[charsets->n_converters];

	if (charsets->n_converters == CHARSET_CONVERTERS_MAX)
		return NULL;
	converter->handle = iconv_open("UTF-8", set->name);
	if (converter->handle == (iconv_t)-1)
		return NULL;
	converter->set = set;
	charsets->n_converters++;
	return converter;
}

// Whether a name begins so, whatever stands between its letters and digits: iconv knows most sets by many.
static bool is_called(const char *name, const char *begin) {
	for (; *begin != '\0'; name++)
		if ((*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9')) {
			if (*name != *begin++)
				return false;
		} else if (*name == '\0') {
			return false;
		}
	return true;
}

// Where a character is broken, the next one must not be looked for in the middle of a unit: all that
// follows would be another text.
static uint8_t unit_of(const char *name) {
	static const char *const of_two[]
		= {"UTF16",
		   "UCS2",
		   "UNICODE",
		   "CSUNICODE",
		   "ISO10646UCS2",
		   "OSF00010100",
		   "OSF00010101"};
	static const char *const of_four[]
		= {"UTF32",
		   "UCS4",
		   "CSUCS4",
		   "ISO10646",
		   "10646",
		   "WCHART",
		   "INTERNAL",
		   "OSF00010104"};

	for (size_t i = 0; i < sizeof(of_two) / sizeof(of_two[0]); i++)
		if (is_called(name, of_two[i]))
			return 2;
	for (size_t i = 0; i < sizeof(of_four) / sizeof(of_four[0]); i++)
		if (is_called(name, of_four[i]))
			return 4;
	return 1;
}

static void set_read(struct charsets *charsets, struct set *set) {
	struct charset_converter *converter = converter_open(charsets, set);
	uint8_t(*table)[4];

	if (converter == NULL)
		return;
	set->kind = SET_CONVERTER;
	set->unit = unit_of(set->name);
	set->is_bytewise = is_called(set->name, "UTF7") || is_called(set->name, "CSUTF7");
	table = calloc(256, sizeof(*table));
	if (table != NULL)
		set->kind = table_make(converter->handle, table);
	if (set->kind == SET_TABLE)
		set->table = table;
	else
		free(table);
	if (set->kind == SET_CONVERTER)
		return;
	iconv_close(converter->handle);
	charsets->n_converters--;
}

static const struct set *set_find(struct charsets *charsets, const char name[static NAME_SIZE]) {
	struct set *set;

	for (int i = 0; i < charsets->n_sets; i++)
		if (memcmp(charsets->sets[i].name, name, NAME_SIZE) == 0)
			return &charsets->sets[i];
	if (charsets->n_sets == CHARSETS_MAX)
		return NULL;
	set = &charsets->sets[charsets->n_sets++];
	memcpy(set->name, name, NAME_SIZE);
	set_read(charsets, set);
	return set;
}

struct charsets *charsets_open(const char *raw) {
	struct charsets *charsets = calloc(1, sizeof(*charsets));
	char name[NAME_SIZE];
	uint8_t text[CHARSET_EXTRA_MAX];

	if (charsets == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (name_read(usual[i], strlen(usual[i]), name))
			set_find(charsets, name);
	struct charset opened;
	strncpy(charsets->raw, raw, sizeof(charsets->raw) - 1);
	if (charset_begin_raw(&opened, charsets)) // so that it is met now
		charset_end(&opened, text);
	return charsets;
}

void charsets_close(struct charsets *charsets) {
	if (charsets == NULL)
		return;
	for (int i = 0; i < charsets->n_converters; i++)
		iconv_close(charsets->converters[i].handle);
	for (int i = 0; i < charsets->n_sets; i++)
		free(charsets->sets[i].table);
	free(charsets);
}

// ---- Texts

static struct charset_converter *converter_lend(struct charsets *charsets, const struct set *set) {
	struct charset_converter *converter = NULL;

	for (int i = 0; i < charsets->n_converters && converter == NULL; i++)
		if (charsets->converters[i].set == set && !charsets->converters[i].is_lent)
			converter = &charsets->converters[i];
	if (converter == NULL)
		converter = converter_open(charsets, set);
	if (converter == NULL)
		return NULL;
	iconv(converter->handle, NULL, NULL, NULL, NULL);
	converter->is_lent = true;
	return converter;
}

// What a name stands for, as iconv wants it; "": bytes pass as they are. False: none is called so.
static bool name_resolve(const char *name, size_t name_size, char wanted[static NAME_SIZE]) {
	if (!name_read(name, name_size, wanted))
		return false;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(wanted, aliases[i].name) != 0)
			continue;
		if (aliases[i].meant == NULL)
			wanted[0] = '\0';
		else
			name_read(aliases[i].meant, strlen(aliases[i].meant), wanted);
		break;
	}
	return true;
}

bool charset_is_known(const char *name, size_t name_size) {
	char wanted[NAME_SIZE];
	iconv_t handle;

	if (!name_resolve(name, name_size, wanted))
		return false;
	if (wanted[0] == '\0')
		return true;
	handle = iconv_open("UTF-8", wanted);
	if (handle == (iconv_t)-1)
		return false;
	iconv_close(handle);
	return true;
}

bool charset_begin(
	struct charset *charset,
	struct charsets *charsets,
	const char *name,
	size_t name_size
) {
	char wanted[NAME_SIZE];
	const struct set *set;

	*charset = (struct charset){.charsets = charsets};
	if (charsets == NULL || !name_resolve(name, name_size, wanted))
		return false;
	if (wanted[0] == '\0')
		return true;
	set = set_find(charsets, wanted);
	if (set == NULL || set->kind == SET_UNKNOWN)
		return false;
	charset->table = (const uint8_t(*)[4])set->table;
	if (set->kind == SET_CONVERTER)
		charset->converter = converter_lend(charsets, set);
	return charset->table != NULL || charset->converter != NULL;
}

bool charset_begin_raw(struct charset *charset, struct charsets *charsets) {
	*charset = (struct charset){.charsets = charsets};
	return charsets != NULL
		&& charset_begin(charset, charsets, charsets->raw, strlen(charsets->raw));
}

bool charset_raw_is_usual(const struct charsets *charsets) {
	char wanted[NAME_SIZE];

	return !name_resolve(charsets->raw, strlen(charsets->raw), wanted) || wanted[0] == '\0'
		|| strcmp(wanted, "WINDOWS-1250") == 0 || strcmp(wanted, "ISO-8859-2") == 0;
}

static size_t
table_data(const uint8_t (*table)[4], const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	// Three bytes are always written: what is beyond the length is written over by the next.
	for (size_t i = 0; i < size; i++) {
		memcpy(out + n, table[data[i]], 3);
		n += table[data[i]][3];
	}
	return n;
}

// Converts what is whole; *in and *size are what is left, at most CHARSET_CARRY_MAX bytes.
static size_t converter_run(
	const struct charset_converter *converter,
	const uint8_t **in,
	size_t *size,
	uint8_t *out,
	size_t room
) {
	size_t n = 0;

	while (*size > 0 && n + 16 < room) {
		errno = 0;
		n += convert(converter->handle, in, size, out + n, room - n);
		if (*size < converter->set->unit)
			break;
		if (errno == EINVAL && *size <= CHARSET_CARRY_MAX)
			break; // the rest of the character comes
		// Not text in this set: it is passed over, and what follows is text again.
		if (n + 16 >= room)
			break;
		memcpy(out + n, replacement, sizeof(replacement));
		n += sizeof(replacement);
		*in += converter->set->unit;
		*size -= converter->set->unit;
	}
	return n;
}

// One byte at a time until the carry is used up, so that it holds whatever a character needs.
static size_t
converter_data(struct charset *charset, const uint8_t *data, size_t size, uint8_t *out) {
	size_t room = CHARSET_GROWTH * size + CHARSET_EXTRA_MAX, n = 0;

	while (size > 0 && (charset->n_carry > 0 || charset->converter->set->is_bytewise)) {
		uint8_t text[CHARSET_CARRY_MAX + 1];
		const uint8_t *at = text;
		size_t left = charset->n_carry + 1u;

		memcpy(text, charset->carry, charset->n_carry);
		text[charset->n_carry] = *data++;
		size--;
		n += converter_run(charset->converter, &at, &left, out + n, room - n);
		charset->n_carry = (uint8_t)(left < CHARSET_CARRY_MAX ? left : CHARSET_CARRY_MAX);
		memcpy(charset->carry, at, charset->n_carry);
	}
	if (size == 0)
		return n;
	n += converter_run(charset->converter, &data, &size, out + n, room - n);
	charset->n_carry = (uint8_t)(size < CHARSET_CARRY_MAX ? size : CHARSET_CARRY_MAX);
	memcpy(charset->carry, data, charset->n_carry);
	return n;
}

size_t charset_data(struct charset *charset, const uint8_t *data, size_t size, uint8_t *out) {
	if (charset->table != NULL)
		return table_data(charset->table, data, size, out);
	if (charset->converter != NULL)
		return converter_data(charset, data, size, out);
	memcpy(out, data, size);
	return size;
}

void charset_gap(struct charset *charset) {
	if (charset->converter == NULL)
		return;
	charset->n_carry = 0;
	iconv(charset->converter->handle, NULL, NULL, NULL, NULL);
}

size_t charset_end(struct charset *charset, uint8_t *out) {
	size_t n = 0;

	if (charset->n_carry > 0) {
		memcpy(out, replacement, sizeof(replacement));
		n = sizeof(replacement);
	}
	if (charset->converter != NULL)
		charset->converter->is_lent = false;
	*charset = (struct charset){0};
	return n;
}
