// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each vector of the hello is a span of its own: whoever reads inside it cannot get out, whatever lengths
// it finds there. JA4 is the part of that family that FoxIO gave away under BSD-3-Clause.

#include "proto/tls.h"

#include "limits.h"

// Its contexts live on the stack; what took their place allocates.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_HANDSHAKE = 22,
	RECORD_APPLICATION_DATA = 23,
	RECORD_SIZE_LIMIT
	= 16384 + 256, // RFC 5246 6.2.1, with room for compression that nobody uses
	MESSAGE_HEAD_SIZE = 4,
	MESSAGE_CLIENT_HELLO = 1,
	RANDOM_SIZE = 32,
	EXTENSION_SERVER_NAME = 0x0000,
	EXTENSION_SIGNATURE_ALGORITHMS = 0x000d,
	EXTENSION_ALPN = 0x0010,
	EXTENSION_EARLY_DATA = 0x002a,
	EXTENSION_SUPPORTED_VERSIONS = 0x002b,
	EXTENSION_ECH = 0xfe0d,
	VERSION_1_3 = 0x0304,
	JA4_COUNT_MAX = 99,
	JA4_CIPHERS = 11, // where their hash begins
	JA4_HASH_CHARS = 12,
};

struct span {
	const uint8_t *data;
	size_t size;
};

// What JA4 is made of, as slices of the hello.
struct parts {
	struct span ciphers, signatures, alpn;
	bool has_name;
	uint32_t n_extensions; // GREASE left out
	uint16_t extensions[TLS_EXTENSIONS_MAX];
};

// ---- Cursor

static int u8_take(struct span *from, uint8_t *value_r) {
	if (from->size < 1)
		return -1;
	*value_r = from->data[0];
	*from = (struct span){from->data + 1, from->size - 1};
	return 1;
}

static int u16_take(struct span *from, uint16_t *value_r) {
	if (from->size < 2)
		return -1;
	*value_r = (uint16_t)(from->data[0] << 8 | from->data[1]);
	*from = (struct span){from->data + 2, from->size - 2};
	return 1;
}

static int bytes_take(struct span *from, size_t size, struct span *bytes_r) {
	if (from->size < size)
		return -1;
	*bytes_r = (struct span){from->data, size};
	*from = (struct span){from->data + size, from->size - size};
	return 1;
}

// A vector with its length in one or two bytes before it.
static int vector8_take(struct span *from, struct span *vector_r) {
	uint8_t size;

	return u8_take(from, &size) < 0 ? -1 : bytes_take(from, size, vector_r);
}

static int vector16_take(struct span *from, struct span *vector_r) {
	uint16_t size;

	return u16_take(from, &size) < 0 ? -1 : bytes_take(from, size, vector_r);
}

// RFC 8701: 0x0a0a, 0x1a1a … 0xfafa mean nothing, so that servers learn to ignore what they do not know.
static bool is_grease(uint16_t value) {
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

// ---- JA4

static int u16_compare(const void *a, const void *b) {
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void hash_list(SHA256_CTX *hash, const uint16_t *list, uint32_t n) {
	char text[6];

	for (uint32_t i = 0; i < n; i++) {
		int size = snprintf(text, sizeof(text), i > 0 ? ",%04x" : "%04x", list[i]);
		SHA256_Update(hash, text, (size_t)size);
	}
}

static void hash_write(SHA256_CTX *hash, char *text) {
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256_Final(digest, hash);
	for (int i = 0; i < JA4_HASH_CHARS / 2; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
}

static const char *version_text(uint16_t version) {
	switch (version) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	}
	return "00";
}

static bool is_alnum(uint8_t c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The first protocol's first and last characters; where one is no letter or digit, of its hex form.
static void alpn_text(struct span alpn, char text[3]) {
	static const char digits[] = "0123456789abcdef";
	uint8_t first, last;

	strcpy(text, "00");
	if (alpn.size == 0)
		return;
	first = alpn.data[0];
	last = alpn.data[alpn.size - 1];
	bool is_plain = is_alnum(first) && is_alnum(last);
	text[0] = is_plain ? (char)first : digits[first >> 4];
	text[1] = is_plain ? (char)last : digits[last & 15];
}

// The numbers of a vector without GREASE. Returns how many of at most max; the others are left out.
static uint32_t numbers_read(struct span from, uint16_t *list, uint32_t max) {
	uint32_t n = 0;
	uint16_t value;

	while (n < max && u16_take(&from, &value) > 0)
		if (!is_grease(value))
			list[n++] = value;
	return n;
}

static uint32_t count_shown(uint32_t n) {
	return n < JA4_COUNT_MAX ? n : JA4_COUNT_MAX;
}

static void ciphers_hash(uint16_t *ciphers, uint32_t n, char *text) {
	SHA256_CTX hash;

	if (n == 0)
		return;
	qsort(ciphers, n, sizeof(*ciphers), u16_compare);
	SHA256_Init(&hash);
	hash_list(&hash, ciphers, n);
	hash_write(&hash, text);
}

// Extensions but for the server name and ALPN, sorted; then signature algorithms in their order.
static void extensions_hash(struct parts *parts, uint16_t *scratch, char *text) {
	SHA256_CTX hash;
	uint32_t n = 0, n_signatures;

	for (uint32_t i = 0; i < parts->n_extensions; i++)
		if (parts->extensions[i] != EXTENSION_SERVER_NAME
		    && parts->extensions[i] != EXTENSION_ALPN)
			parts->extensions[n++] = parts->extensions[i];
	if (n == 0)
		return;
	qsort(parts->extensions, n, sizeof(*parts->extensions), u16_compare);
	SHA256_Init(&hash);
	hash_list(&hash, parts->extensions, n);
	n_signatures = numbers_read(parts->signatures, scratch, TLS_CIPHERS_MAX);
	if (n_signatures > 0)
		SHA256_Update(&hash, "_", 1);
	hash_list(&hash, scratch, n_signatures);
	hash_write(&hash, text);
}

static void ja4_write(struct parts *parts, struct tls_hello *hello) {
	uint16_t scratch[TLS_CIPHERS_MAX];
	uint32_t n_ciphers = numbers_read(parts->ciphers, scratch, TLS_CIPHERS_MAX);
	char alpn[3];

	alpn_text(parts->alpn, alpn);
	snprintf(
		hello->ja4,
		sizeof(hello->ja4),
		"t%s%c%02u%02u%s_000000000000_000000000000",
		version_text(hello->version),
		parts->has_name ? 'd' : 'i',
		count_shown(n_ciphers),
		count_shown(parts->n_extensions),
		alpn
	);
	ciphers_hash(scratch, n_ciphers, hello->ja4 + JA4_CIPHERS);
	hello->ja4[JA4_CIPHERS + JA4_HASH_CHARS] = '_';
	extensions_hash(parts, scratch, hello->ja4 + JA4_CIPHERS + JA4_HASH_CHARS + 1);
}

// ---- Extensions

static bool is_name(struct span name) {
	if (name.size == 0 || name.size > TLS_NAME_SIZE_MAX)
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] <= 0x20 || name.data[i] >= 0x7f)
			return false;
	return true;
}

// RFC 6066 section 3: a list of at most one name of each type, and one type.
static void server_name_read(struct span value, struct tls_hello *hello) {
	struct span list, name;
	uint8_t type;

	hello->is_name_bad = vector16_take(&value, &list) < 0 || value.size > 0;
	while (!hello->is_name_bad && list.size > 0) {
		if (u8_take(&list, &type) < 0 || vector16_take(&list, &name) < 0) {
			hello->is_name_bad = true;
			return;
		}
		if (type != 0)
			continue;
		hello->is_name_bad = hello->server_name[0] != '\0' || !is_name(name);
		if (hello->is_name_bad)
			return;
		name.size -= name.size > 1 && name.data[name.size - 1] == '.';
		for (size_t i = 0; i < name.size; i++) {
			char c = (char)name.data[i];
			hello->server_name[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
		}
	}
}

static void alpn_read(struct span value, struct parts *parts, struct tls_hello *hello) {
	struct span list, first;

	if (vector16_take(&value, &list) < 0 || vector8_take(&list, &first) < 0)
		return;
	parts->alpn = first;
	if (first.size > TLS_ALPN_SIZE_MAX)
		return;
	for (size_t i = 0; i < first.size; i++)
		if (first.data[i] <= 0x20 || first.data[i] >= 0x7f)
			return;
	memcpy(hello->alpn, first.data, first.size);
}

static void versions_read(struct span value, struct tls_hello *hello) {
	uint16_t highest = 0, version;
	struct span list;

	if (vector8_take(&value, &list) < 0)
		return;
	while (u16_take(&list, &version) > 0)
		if (!is_grease(version) && version > highest)
			highest = version;
	if (highest > 0)
		hello->version = highest;
}

static void
extension_read(uint16_t type, struct span value, struct parts *parts, struct tls_hello *hello) {
	switch (type) {
	case EXTENSION_SERVER_NAME:
		if (!parts->has_name)
			server_name_read(value, hello);
		parts->has_name = true;
		break;
	case EXTENSION_ALPN:
		if (parts->alpn.data == NULL)
			alpn_read(value, parts, hello);
		break;
	case EXTENSION_SUPPORTED_VERSIONS:
		versions_read(value, hello);
		break;
	case EXTENSION_SIGNATURE_ALGORITHMS:
		if (vector16_take(&value, &parts->signatures) < 0)
			parts->signatures = (struct span){0};
		break;
	case EXTENSION_EARLY_DATA:
		hello->has_early_data = true;
		break;
	case EXTENSION_ECH:
		hello->is_ech = true;
		break;
	}
}

int tls_hello_parse(const uint8_t *body, size_t size, struct tls_hello *hello) {
	struct span rest = {body, size}, ignored, extensions = {0}, value;
	struct parts parts = {0};
	uint16_t type;

	memset(hello, 0, sizeof(*hello));
	if (u16_take(&rest, &hello->version) < 0 || bytes_take(&rest, RANDOM_SIZE, &ignored) < 0
	    || vector8_take(&rest, &ignored) < 0 // session id
	    || vector16_take(&rest, &parts.ciphers) < 0
	    || vector8_take(&rest, &ignored) < 0) // compression methods
		return -1;
	// Before TLS 1.3 a hello may end here.
	if (rest.size > 0 && (vector16_take(&rest, &extensions) < 0 || rest.size > 0))
		return -1;
	while (extensions.size > 0) {
		if (u16_take(&extensions, &type) < 0 || vector16_take(&extensions, &value) < 0)
			return -1;
		if (is_grease(type))
			continue;
		if (parts.n_extensions == TLS_EXTENSIONS_MAX)
			return -1;
		parts.extensions[parts.n_extensions++] = type;
		extension_read(type, value, &parts, hello);
	}
	if (hello->is_name_bad)
		hello->server_name[0] = '\0';
	ja4_write(&parts, hello);
	return 1;
}

bool tls_hello_is_same(const struct tls_hello *a, const struct tls_hello *b) {
	return a->version == b->version && strcmp(a->alpn, b->alpn) == 0
		&& memcmp(a->ja4 + JA4_CIPHERS, b->ja4 + JA4_CIPHERS, JA4_HASH_CHARS) == 0;
}

// ---- Records

void tls_reader_free(struct tls_reader *reader, struct slab *slab) {
	slab_put(slab, reader->message, reader->cap);
	*reader = (struct tls_reader){0};
}

// How large the message is, with its head; 0 while that is not known.
static uint32_t message_size(const struct tls_reader *reader) {
	const uint8_t *head = reader->message;

	if (reader->size < MESSAGE_HEAD_SIZE)
		return 0;
	return MESSAGE_HEAD_SIZE + ((uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3]);
}

// What may stand between two hellos: a change_cipher_spec, for the sake of middleboxes (RFC 8446 D.4), and
// early data. None stands before the first.
static bool may_be_between(const struct tls_reader *reader) {
	return reader->head[0] == RECORD_CHANGE_CIPHER_SPEC
		|| reader->head[0] == RECORD_APPLICATION_DATA;
}

// The next byte of a record's head. 0, or -1 when no hello can come in such a record, or behind it.
static int record_head_byte(struct tls_reader *reader, uint8_t c) {
	reader->head[reader->head_size++] = c;
	bool is_between = reader->between_left > 0 && may_be_between(reader);
	if ((reader->head[0] != RECORD_HANDSHAKE && !is_between)
	    || (reader->head_size == 2 && c != 3))
		return -1;
	if (reader->head_size < sizeof(reader->head))
		return 0;
	reader->head_size = 0;
	reader->record_left = (uint16_t)(reader->head[3] << 8 | reader->head[4]);
	if (is_between && reader->record_left > reader->between_left)
		return -1;
	if (is_between)
		reader->between_left -= reader->record_left;
	return reader->record_left == 0 || reader->record_left > RECORD_SIZE_LIMIT ? -1 : 0;
}

// 1: the message is whole; 0: not yet; -1: it is no hello, or too large; or TLS_HELLO_NO_ROOM.
static int
message_add(struct tls_reader *reader, struct slab *slab, const uint8_t *data, size_t size) {
	void *block = reader->message;

	if (reader->size + size > TLS_HELLO_SIZE_MAX)
		return -1;
	if (slab_grow(slab, &block, &reader->cap, reader->size + (uint32_t)size, 0) < 0)
		return TLS_HELLO_NO_ROOM;
	reader->message = block;
	memcpy(reader->message + reader->size, data, size);
	reader->size += (uint32_t)size;
	if (reader->message[0] != MESSAGE_CLIENT_HELLO || message_size(reader) > TLS_HELLO_SIZE_MAX)
		return -1;
	return message_size(reader) > 0 && reader->size >= message_size(reader);
}

// Not more than the message: what stands behind it in the record is not its own.
static size_t message_part(const struct tls_reader *reader, size_t size) {
	uint32_t wanted = message_size(reader);

	if (wanted == 0)
		wanted = MESSAGE_HEAD_SIZE;
	return size < wanted - reader->size ? size : wanted - reader->size;
}

static int
records_read(struct tls_reader *reader, struct slab *slab, const uint8_t **data, size_t *size) {
	int is_whole = 0;

	while (is_whole == 0 && *size > 0) {
		size_t n = 1;
		if (reader->record_left == 0) {
			is_whole = record_head_byte(reader, **data);
		} else {
			n = *size < reader->record_left ? *size : reader->record_left;
			if (reader->head[0] == RECORD_HANDSHAKE) {
				n = message_part(reader, n);
				is_whole = message_add(reader, slab, *data, n);
			}
			reader->record_left = (uint16_t)(reader->record_left - n);
		}
		*data += n;
		*size -= n;
	}
	return is_whole;
}

int tls_hello_read(
	struct tls_reader *reader,
	struct slab *slab,
	const uint8_t **data,
	size_t *size,
	struct tls_hello *hello
) {
	uint16_t record_left;
	int is_whole = records_read(reader, slab, data, size);

	if (is_whole > 0)
		is_whole = tls_hello_parse(
			reader->message + MESSAGE_HEAD_SIZE, reader->size - MESSAGE_HEAD_SIZE, hello
		);
	if (is_whole == 0)
		return 0;
	record_left = reader->record_left;
	tls_reader_free(reader, slab);
	reader->record_left = record_left;
	return is_whole;
}

bool tls_reader_again(struct tls_reader *reader, const struct tls_hello *first) {
	if (first->version < VERSION_1_3 || reader->record_left > 0)
		return false;
	reader->between_left = 1 + (first->has_early_data ? TLS_EARLY_DATA_MAX : 0);
	return true;
}
