// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Whether a document is encrypted, told from its bytes as they pass, wherever they are cut: a PDF has /Encrypt in its
// trailer or its cross-reference stream (ISO 32000-2 7.6), an encrypted Office document is an OLE container with a
// stream EncryptedPackage (MS-OFFCRYPTO 2.3.4.4), an S/MIME message says at its beginning that it is enveloped
// (RFC 5652). Nothing is decrypted or kept.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sealed {
	const char *mark; // what is looked for; NULL: nothing
	uint8_t size, at; // of the mark; how much of it was the last seen
};

// type: by content (attachment_type()), of whose bytes nothing has passed yet.
void sealed_begin(struct sealed *sealed, const char *type);
// Whether the mark ended in these bytes; asked no more after it. One look at each byte.
bool sealed_data(struct sealed *sealed, const uint8_t *data, size_t size);
// Whether these first bytes are a CMS message (application/pkcs7-mime, binary), and an enveloped one.
bool sealed_is_cms(const uint8_t *data, size_t size, bool *is_enveloped_r);
