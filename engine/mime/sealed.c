// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/sealed.h"

#include <string.h>

// The first byte of a mark stands nowhere else in it, so that what does not go on can only begin anew.
static const struct {
	const char *type, *mark;
	uint8_t size;
} marks[] = {
	{"application/pdf", "/Encrypt", 8},
	// UTF-16, as directories of OLE have names
	{"application/x-ole-storage", "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e", 31},
};

void sealed_begin(struct sealed *sealed, const char *type) {
	*sealed = (struct sealed){0};
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcmp(type, marks[i].type) == 0)
			*sealed = (struct sealed){.mark = marks[i].mark, .size = marks[i].size};
}

bool sealed_data(struct sealed *sealed, const uint8_t *data, size_t size) {
	const uint8_t *end = data + size;

	if (sealed->mark == NULL)
		return false;
	while (data < end) {
		if (sealed->at == 0) {
			data = memchr(data, sealed->mark[0], (size_t)(end - data));
			if (data == NULL)
				return false;
		}
		if (*data == (uint8_t)sealed->mark[sealed->at]) {
			data++;
			if (++sealed->at < sealed->size)
				continue;
			*sealed = (struct sealed){0};
			return true;
		}
		sealed->at = 0; // the byte is looked at again, as a first one
	}
	return false;
}

// ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER 1.2.840.113549.1.7.n, … }: n 3 is enveloped, 6 encrypted,
// 2 signed (clear, but opaque to mail programs); 1.2.840.113549.1.9.16.1.23 is authenticated and enveloped.
bool sealed_is_cms(const uint8_t *data, size_t size, bool *is_enveloped_r) {
	static const uint8_t pkcs7[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7};
	static const uint8_t auth[] = {6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23};
	size_t at = 2;

	if (size < 2 || data[0] != 0x30)
		return false;
	if (data[1] > 0x80) // so many octets of length; 0x80: indefinite
		at += data[1] & 0x7f;
	if (at > 6 || size < at + sizeof(auth))
		return false;
	*is_enveloped_r = true;
	if (memcmp(data + at, auth, sizeof(auth)) == 0)
		return true;
	*is_enveloped_r = data[at + sizeof(pkcs7)] == 3 || data[at + sizeof(pkcs7)] == 6;
	return memcmp(data + at, pkcs7, sizeof(pkcs7)) == 0 && data[at + sizeof(pkcs7)] >= 1
		&& data[at + sizeof(pkcs7)] <= 6;
}
