// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// ClientHellos (RFC 8446 4.1.2) built from their lists, for tests.

#pragma once

#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t data[40000];
	size_t size;
};

struct hello {
	unsigned version;
	const char *ciphers;
	const char *extensions; // those with a number below are filled from the members
	const char *versions, *signatures;
	const char *alpn;
	size_t alpn_size;
	const char *name;
	size_t name_size;
};

// The example of FoxIO's description, with GREASE in every list; and its fingerprint.
extern const struct hello hello_chrome;
extern const char *const hello_chrome_ja4;

void bytes_put(struct bytes *to, const void *data, size_t size);
// The message without its head; what to held before is written over.
void hello_body(struct bytes *to, const struct hello *hello);
// The message in records of at most so many bytes; written over, too.
void hello_records(struct bytes *to, const struct bytes *body, size_t record_size);
