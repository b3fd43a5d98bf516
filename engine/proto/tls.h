// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a TLS client says before anything is encrypted: its hello (RFC 8446 4.1.2), collected over records
// and pieces, and the JA4 fingerprint made of it. The only parser of hellos here; nothing of a server's
// side, no certificates.

#pragma once

#include "slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TLS_JA4_SIZE = 37, // terminated
	TLS_ALPN_SIZE_MAX = 32,
	TLS_NAME_SIZE_MAX = 255,
};

struct tls_hello {
	uint16_t version; // the highest offered, as on the wire; GREASE left out
	bool is_ech; // the name stands outside an encrypted hello, which may have another
	bool is_name_bad; // a server name that is none: NUL, control bytes, too long, or more than one
	bool has_early_data; // data of its own may come before the server's answer
	char ja4[TLS_JA4_SIZE];
	char alpn[TLS_ALPN_SIZE_MAX + 1]; // the first offered; empty: none, or not printable
	char server_name[TLS_NAME_SIZE_MAX + 1]; // lower case, without a final dot; empty: none
};

// A client's first bytes. Zeroed is the start of a stream.
struct tls_reader {
	uint8_t *message; // the handshake message so far, with its head; the slab's
	uint32_t cap, size;
	uint32_t between_left; // bytes of records that may stand before a second hello
	uint16_t record_left;
	uint8_t head_size;
	uint8_t head[5]; // of the record
};

enum { TLS_HELLO_NO_ROOM = -2 };

// Takes the client's next bytes. 1: *hello is filled in, *data and *size are what stands behind it; 0: all
// was taken, more are needed; -1: there is no hello, or none that can be read; TLS_HELLO_NO_ROOM: the slab is
// full. Unless it is 0 the reader holds no memory then, and is not called again but as tls_reader_again() says.
int tls_hello_read(
	struct tls_reader *reader,
	struct slab *slab,
	const uint8_t **data,
	size_t *size,
	struct tls_hello *hello
);
// After 1: makes the reader go on to a second hello, which a client sends when the server wants another key
// (HelloRetryRequest, RFC 8446 4.1.4). False: behind this one there can be none.
bool tls_reader_again(struct tls_reader *reader, const struct tls_hello *first);
void tls_reader_free(struct tls_reader *reader, struct slab *slab);

// Whether two hellos have the same version, ciphers and ALPN, which a second one must (RFC 8446 4.1.2); keys
// and tickets, and with them the list of extensions, may be others. Names are the caller's to compare.
bool tls_hello_is_same(const struct tls_hello *a, const struct tls_hello *b);

// The body of a hello, without the message's head. 1, or -1 when it is broken.
int tls_hello_parse(const uint8_t *body, size_t size, struct tls_hello *hello);
