// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "hello.h"

#include <stdio.h>
#include <string.h>

const struct hello hello_chrome = {
	.version = 0x0303,
	.ciphers
	= "dada 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035",
	.extensions = "8a8a 001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b "
		      "000a 0015 fafa",
	.versions = "6a6a 0304 0303",
	.signatures = "0403 0804 0401 0503 0805 0501 0806 0601",
	.alpn = "h2",
	.alpn_size = 2,
	.name = "Mail.Example.Org.",
	.name_size = 17,
};
const char *const hello_chrome_ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1";

static void put8(struct bytes *to, unsigned value) {
	to->data[to->size++] = (uint8_t)value;
}

static void put16(struct bytes *to, unsigned value) {
	put8(to, value >> 8);
	put8(to, value & 0xff);
}

void bytes_put(struct bytes *to, const void *data, size_t size) {
	if (size > 0)
		memcpy(to->data + to->size, data, size);
	to->size += size;
}

// Numbers in hex, apart by spaces, with the size of their list before them in so many bytes.
static void put_list(struct bytes *to, const char *numbers, int size_bytes) {
	size_t at = to->size;
	unsigned value;
	int n;

	to->size += (size_t)size_bytes;
	for (; sscanf(numbers, "%x%n", &value, &n) == 1; numbers += n)
		put16(to, value);
	size_t size = to->size - at - (size_t)size_bytes;
	if (size_bytes == 2)
		to->data[at] = (uint8_t)(size >> 8);
	to->data[at + (size_t)size_bytes - 1] = (uint8_t)size;
}

static void put_extension(struct bytes *to, const struct hello *hello, unsigned type) {
	size_t at;

	put16(to, type);
	at = to->size;
	put16(to, 0);
	switch (type) {
	case 0x00:
		put16(to, hello->name_size + 3);
		put8(to, 0);
		put16(to, hello->name_size);
		bytes_put(to, hello->name, hello->name_size);
		break;
	case 0x10:
		put16(to, hello->alpn_size + 1);
		put8(to, hello->alpn_size);
		bytes_put(to, hello->alpn, hello->alpn_size);
		break;
	case 0x0d:
		put_list(to, hello->signatures, 2);
		break;
	case 0x2b:
		put_list(to, hello->versions, 1);
		break;
	}
	to->data[at] = (uint8_t)((to->size - at - 2) >> 8);
	to->data[at + 1] = (uint8_t)(to->size - at - 2);
}

void hello_body(struct bytes *to, const struct hello *hello) {
	static const uint8_t random[32];
	unsigned type;
	size_t at;
	int n;

	to->size = 0;
	put16(to, hello->version);
	bytes_put(to, random, sizeof(random));
	put8(to, 0);
	put_list(to, hello->ciphers, 2);
	put16(to, 0x0100); // no compression
	if (!hello->extensions)
		return;
	at = to->size;
	put16(to, 0);
	for (const char *list = hello->extensions; sscanf(list, "%x%n", &type, &n) == 1; list += n)
		put_extension(to, hello, type);
	to->data[at] = (uint8_t)((to->size - at - 2) >> 8);
	to->data[at + 1] = (uint8_t)(to->size - at - 2);
}

// Records of at most so many bytes.
void hello_records(struct bytes *to, const struct bytes *body, size_t record_size) {
	static struct bytes message;

	message.size = to->size = 0;
	put16(&message, 0x0100 | body->size >> 16);
	put16(&message, body->size & 0xffff);
	bytes_put(&message, body->data, body->size);
	for (size_t at = 0; at < message.size;) {
		size_t n = message.size - at < record_size ? message.size - at : record_size;
		put8(to, 22);
		put16(to, 0x0301);
		put16(to, n);
		bytes_put(to, message.data + at, n);
		at += n;
	}
}
