// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "mime/attachment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Whether an attachment of head, filling and tail is encrypted, in pieces of a bytes and then of b.
static bool is_encrypted(const char *data, size_t size, size_t a, size_t b, const char *type) {
	struct slab *slab = slab_open(1 << 20);
	struct attachment_facts facts = {0};
	struct attachment attachment;

	attachment_begin(&attachment, &facts, NULL);
	for (size_t at = 0, piece = a; at < size; at += piece, piece = b) {
		piece = piece > size - at ? size - at : piece;
		uint8_t *block = malloc(piece + !piece);
		memcpy(block, data + at, piece);
		attachment_data(&attachment, slab, block, piece);
		free(block);
	}
	attachment_end(&attachment, slab);
	if (type)
		assert_string_equal(facts.content_type, type);
	attachment_facts_free(&facts, slab);
	assert_int_equal(slab_used(slab), 0);
	slab_close(slab);
	return facts.is_encrypted;
}

static void check(const char *data, size_t size, const char *type, bool wanted) {
	assert_int_equal(is_encrypted(data, size, size, 1, type), wanted);
	assert_int_equal(is_encrypted(data, size, 1, 1, type), wanted);
	for (size_t cut = 1; cut < size; cut++)
		assert_int_equal(is_encrypted(data, size, cut, size, type), wanted);
}

#define CHECK(text, type, wanted) check(text, sizeof(text) - 1, type, wanted)

#define UTF16_MARK "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"
#define OLE "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#define FILLING "0123456789012345678901234567890123456789012345678901234567890123456789"

static void a_pdf_is_encrypted_where_its_trailer_says_so(void **) {
	CHECK("%PDF-1.7\n" FILLING "trailer\n<</Root 1 0 R/Encrypt 9 0 R>>", "application/pdf", true
	);
	CHECK("%PDF-1.7 /Encrypt 9 0 R", "application/pdf", true);
	CHECK("%PDF-1.7\n" FILLING "//Encry/E/Encrypt<<", "application/pdf", true);
	CHECK("%PDF-1.7\n" FILLING "/Encryp /encrypt /Encrypy /Encry", "application/pdf", false);
	CHECK(FILLING "/Encrypt", "text/plain", false);
}

static void an_office_document_is_encrypted_where_it_has_such_a_stream(void **) {
	CHECK(OLE FILLING UTF16_MARK, "application/x-ole-storage", true);
	CHECK(OLE FILLING "E\0nE\0E\0n\0" UTF16_MARK FILLING, "application/x-ole-storage", true);
	CHECK(OLE UTF16_MARK, "application/x-ole-storage", true);
	CHECK(OLE FILLING "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0",
	      "application/x-ole-storage",
	      false);
	CHECK(OLE FILLING "EncryptedPackage", "application/x-ole-storage", false);
	CHECK("\1" FILLING UTF16_MARK, "application/octet-stream", false);
}

static void a_cms_message_is_encrypted_where_it_is_enveloped(void **) {
	static const char pkcs7[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";

	for (int kind = 0; kind < 9; kind++) {
		static const char *const lengths[]
			= {"\x30\x80", "\x30\x82\x01\x05", "\x30\x83\x01\x02\x03", "\x30\x22"};
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			char data[100];
			size_t size = strlen(lengths[i]);
			memset(data, 0xa0, sizeof(data));
			memcpy(data, lengths[i], size);
			memcpy(data + size, pkcs7, sizeof(pkcs7) - 1);
			data[size + sizeof(pkcs7) - 1] = (char)kind;
			check(data,
			      sizeof(data),
			      kind >= 1 && kind <= 6 ? "application/pkcs7-mime"
						     : "application/octet-stream",
			      kind == 3 || kind == 6);
		}
	}
	CHECK("\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17\xa0\x80",
	      "application/pkcs7-mime",
	      true);
	CHECK("\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01",
	      "application/octet-stream",
	      false);
	CHECK("\x30\x8f\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17\xa0\x80",
	      "application/octet-stream",
	      false);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pdf_is_encrypted_where_its_trailer_says_so),
		cmocka_unit_test(an_office_document_is_encrypted_where_it_has_such_a_stream),
		cmocka_unit_test(a_cms_message_is_encrypted_where_it_is_enveloped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
