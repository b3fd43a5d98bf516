// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// PROXY protocol headers (HOSTILE.md section 5, X1 to X9): each in all the ways of play.h,
// with bytes of the session right behind, which must come out untouched.

#include "play.h"
#include "proto/proxy.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\xcb\0\x71\x1f\x0a\x4d\0\x01\xb0\x43\0\x8f" // 203.0.113.31:45123 to 10.77.0.1:143
#define IPV6                                                                                       \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                               \
	"\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xb0\x43\0\x8f"
#define UNIX108                                                                                    \
	"123456789012345678901234567890123456789012345678901234567890"                             \
	"123456789012345678901234567890123456789012345678"

struct header {
	const char *name;
	const char *data;
	size_t size;
	const char *expected;
};
#define HEADER(name, text, expected)                                                               \
	{ name, text, sizeof(text) - 1, expected }

static const struct header headers[] = {
	HEADER("TCP4", "PROXY TCP4 203.0.113.31 10.77.0.1 45123 143\r\n", "1 203.0.113.31 45123"),
	HEADER("TCP6", "PROXY TCP6 2001:db8::7 fd77::1 45123 143\r\n", "1 2001:db8::7 45123"),
	HEADER("x5 unknown", "PROXY UNKNOWN\r\n", "1 local"),
	HEADER("x5 unknown with more", "PROXY UNKNOWN ffff::1 ffff::2 99999 x\r\n", "1 local"),
	HEADER("x5 leading zero", "PROXY TCP4 203.0.113.31 10.77.0.1 045123 143\r\n", "1 bad"),
	HEADER("x5 zeros in address", "PROXY TCP4 203.0.113.031 10.77.0.1 45123 143\r\n", "1 bad"),
	HEADER("x5 port 65535", "PROXY TCP4 1.2.3.4 10.77.0.1 65535 143\r\n", "1 1.2.3.4 65535"),
	HEADER("x5 port 65536", "PROXY TCP4 1.2.3.4 10.77.0.1 65536 143\r\n", "1 bad"),
	HEADER("x5 port 0", "PROXY TCP4 1.2.3.4 10.77.0.1 0 0\r\n", "1 1.2.3.4 0"),
	HEADER("x5 family mismatch", "PROXY TCP4 2001:db8::7 fd77::1 45123 143\r\n", "1 bad"),
	HEADER("x5 families mixed", "PROXY TCP6 2001:db8::7 10.77.0.1 45123 143\r\n", "1 bad"),
	HEADER("no such family", "PROXY TCP5 1.2.3.4 10.77.0.1 1 2\r\n", "1 bad"),
	HEADER("two spaces", "PROXY TCP4  1.2.3.4 10.77.0.1 1 2\r\n", "1 bad"),
	HEADER("a space at the end", "PROXY TCP4 1.2.3.4 10.77.0.1 1 2 \r\n", "1 bad"),
	HEADER("a word too many", "PROXY TCP4 1.2.3.4 10.77.0.1 1 2 3\r\n", "1 bad"),
	HEADER("a word too few", "PROXY TCP4 1.2.3.4 10.77.0.1 1\r\n", "1 bad"),
	HEADER("nothing", "PROXY \r\n", "1 bad"),
	HEADER("NUL", "PROXY TCP4 1.2.3.4 10.77.0.1 1 2\0\r\n", "1 bad"),
	HEADER("LF alone", "PROXY TCP4 1.2.3.4 10.77.0.1 1 2\n", "1 bad"),
	HEADER("v2 IPv4", SIGNATURE "\x21\x11\0\x0c" IPV4, "2 203.0.113.31 45123"),
	HEADER("v2 IPv6", SIGNATURE "\x21\x21\0\x24" IPV6, "2 2001:db8::7 45123"),
	HEADER("x1 TLVs",
	       SIGNATURE "\x21\x11\0\x17" IPV4 "\x01\0\x04imap\x04\0\x01-",
	       "2 203.0.113.31 45123"),
	HEADER("x1 TLV past the header", SIGNATURE "\x21\x11\0\x13" IPV4 "\x01\0\x05imap", "2 bad"),
	HEADER("x1 TLV far past the header",
	       SIGNATURE "\x21\x11\0\x13" IPV4 "\x01\xff\xffimap",
	       "2 bad"),
	HEADER("x1 stray byte", SIGNATURE "\x21\x11\0\x14" IPV4 "\x01\0\x04imap\x01", "2 bad"),
	HEADER("x1 two stray bytes", SIGNATURE "\x21\x11\0\x15" IPV4 "\x01\0\x04imap\x01\0", "2 bad"
	),
	HEADER("empty TLV", SIGNATURE "\x21\x11\0\x0f" IPV4 "\x04\0\0", "2 203.0.113.31 45123"),
	HEADER("x3 local", SIGNATURE "\x20\0\0\0", "2 local"),
	HEADER("x3 local with TLVs", SIGNATURE "\x20\0\0\x07\x01\0\x04imap", "2 local"),
	HEADER("x3 local with addresses", SIGNATURE "\x20\x11\0\x0c" IPV4, "2 local"),
	HEADER("x4 version 1", SIGNATURE "\x11\x11\0\x0c" IPV4, "2 bad"),
	HEADER("x4 command 2", SIGNATURE "\x22\x11\0\x0c" IPV4, "2 bad"),
	HEADER("x4 family", SIGNATURE "\x21\x41\0\x0c" IPV4, "2 bad"),
	HEADER("x4 transport", SIGNATURE "\x21\x13\0\x0c" IPV4, "2 bad"),
	HEADER("x4 length 0", SIGNATURE "\x21\x11\0\0", "2 bad"),
	HEADER("x4 length 11",
	       SIGNATURE "\x21\x11\0\x0b"
			 "\xcb\0\x71\x1f\x0a\x4d\0\x01\xb0\x43\0",
	       "2 bad"),
	HEADER("x4 IPv6 in the room of IPv4", SIGNATURE "\x21\x21\0\x0c" IPV4, "2 bad"),
	HEADER("x4 unix", SIGNATURE "\x21\x31\0\xd8" UNIX108 UNIX108, "2 local"),
	HEADER("unspecified", SIGNATURE "\x21\0\0\0", "2 local"),
	HEADER("a datagram's", SIGNATURE "\x21\x12\0\x0c" IPV4, "2 local"),
	HEADER("x7 authority of any bytes",
	       SIGNATURE "\x21\x11\0\x15" IPV4 "\x02\0\x06\xff\0\r\n\"\x1b",
	       "2 203.0.113.31 45123"),
	HEADER("x9 not a header", "a1 LOGIN", "none"),
	HEADER("x9 nearly version 1", "PROXI TCP4", "none"),
	HEADER("an empty line", "\r\na1 NOOP\r\n", "none"),
};

// What a reading says, and the bytes behind it.
struct start {
	struct proxy proxy;
	int over;
	FILE *out;
	char *text;
	size_t size;
};

static void *start_open(const void *) {
	struct start *start = calloc(1, sizeof(*start));

	start->out = open_memstream(&start->text, &start->size);
	return start;
}

static void over_write(FILE *out, const struct proxy *proxy) {
	char ip[INET6_ADDRSTRLEN];

	if (proxy->kind == PROXY_CLIENT)
		fprintf(out,
			"%u %s %u|",
			proxy->version,
			inet_ntop(
				proxy->ip.family == 4 ? AF_INET : AF_INET6,
				proxy->ip.addr,
				ip,
				sizeof(ip)
			),
			proxy->port);
	else
		fprintf(out, "%u %s|", proxy->version, proxy->kind == PROXY_BAD ? "bad" : "local");
}

static void start_data(void *ctx, enum stream_dir, const uint8_t *data, size_t size) {
	struct start *start = ctx;

	if (start->over == 0) {
		start->over = proxy_read(&start->proxy, &data, &size);
		if (start->over < 0)
			fprintf(start->out,
				"none|%.*s",
				start->proxy.size,
				(char *)start->proxy.kept);
		else if (start->over > 0)
			over_write(start->out, &start->proxy);
	}
	fwrite(data, 1, size, start->out);
}

static char *start_end(void *ctx) {
	struct start *start = ctx;
	char *text;

	if (start->over == 0)
		fputs("more", start->out);
	fclose(start->out);
	text = start->text;
	free(start);
	return text;
}

static enum beside_as start_as(const void *) {
	return BESIDE_PROXY;
}

static void check(const char *name, const uint8_t *data, size_t size, const char *expected) {
	static const struct play_reader reader
		= {.as = start_as, .open = start_open, .data = start_data, .end = start_end};
	char *found = play_check_bytes(name, &reader, NULL, data, size);

	assert_non_null(found);
	assert_string_equal(found, expected);
	free(found);
}

static void x1_to_x9_headers_are_read_and_only_they_are_taken(void **) {
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const struct header *header = &headers[i];
		bool is_none = strcmp(header->expected, "none") == 0;
		char expected[300];
		uint8_t data[600];
		int n = snprintf(expected, sizeof(expected), "%s|", header->expected);

		memcpy(data, header->data, header->size);
		memcpy(data + header->size, "PROXY more", 10);
		snprintf(
			expected + n,
			sizeof(expected) - (size_t)n,
			"%.*sPROXY more",
			is_none ? (int)header->size : 0,
			header->data
		);
		check(header->name, data, header->size + 10, expected);
	}
}

static void a_refused_start_gives_every_byte_back(void **) {
	static const uint8_t data[] = "\r\n\r\n\0\r\nQUIX\n";
	struct proxy proxy = {0};
	const uint8_t *rest = data;
	size_t left = sizeof(data) - 1;

	assert_int_equal(proxy_read(&proxy, &rest, &left), -1);
	assert_int_equal(proxy.size + left, sizeof(data) - 1);
	assert_memory_equal(proxy.kept, data, proxy.size);
	assert_ptr_equal(rest, data + proxy.size);
}

static void x5_a_line_of_107_bytes_is_one_and_of_108_none(void **) {
	char line[120] = "PROXY UNKNOWN ";

	memset(line + 14, 'x', sizeof(line) - 14);
	memcpy(line + 105, "\r\n", 2);
	check("107", (uint8_t *)line, 107, "1 local|");
	char expected[130];
	memcpy(line + 105, "x\r\n", 3);
	snprintf(expected, sizeof(expected), "none|%.108s", line);
	check("108", (uint8_t *)line, 108, expected);
	memset(line + 105, 'x', 3);
	snprintf(expected, sizeof(expected), "none|%.120s", line);
	check("without an end", (uint8_t *)line, sizeof(line), expected);
}

static uint32_t crc_plain(const uint8_t *data, size_t size) {
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void x6_a_wrong_checksum_is_not_trusted(void **) {
	uint8_t data[] = SIGNATURE "\x21\x11\0\x1a" IPV4 "\x01\0\x04imap\x03\0\x04\0\0\0\0";
	size_t size = sizeof(data) - 1;

	assert_int_equal(crc_plain((const uint8_t *)"123456789", 9), 0xe3069283); // RFC 3720
	uint32_t crc = htonl(crc_plain(data, size));
	memcpy(data + size - 4, &crc, 4);
	check("right", data, size, "2 203.0.113.31 45123|");
	data[size - 1] ^= 1;
	check("wrong", data, size, "2 bad|");
	data[size - 1] ^= 1;
	data[20] ^= 1; // the address
	check("another address", data, size, "2 bad|");
}

static void x6_two_checksums_or_a_short_one_are_bad(void **) {
	static const uint8_t two[]
		= SIGNATURE "\x21\x11\0\x1a" IPV4 "\x03\0\x04\0\0\0\0\x03\0\x04\0\0\0\0";
	static const uint8_t brief[] = SIGNATURE "\x21\x11\0\x12" IPV4 "\x03\0\x03\0\0\0";

	uint8_t large[] = SIGNATURE "\x21\x11\0\x14" IPV4 "\x03\0\x05\0\0\0\0\0";
	size_t size = sizeof(large) - 1;

	// Five bytes, the last four of which would be right.
	uint32_t crc = htonl(crc_plain(large, size));
	memcpy(large + size - 4, &crc, 4);
	check("large", large, size, "2 bad|");
	check("two", two, sizeof(two) - 1, "2 bad|");
	check("short", brief, sizeof(brief) - 1, "2 bad|");
}

static void x7_the_session_begins_behind_the_declared_length(void **) {
	size_t size = 16 + 65535;
	uint8_t *data = calloc(1, size + 4);

	memcpy(data, SIGNATURE "\x21\x11\xff\xff" IPV4 "\xea\xff\xf0", 12 + 4 + 12 + 3);
	memcpy(data + size, "a1 N", 4);
	check("64 KiB", data, size + 4, "2 203.0.113.31 45123|a1 N");
	check("64 KiB without its last byte", data, size - 1, "more");
	free(data);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x1_to_x9_headers_are_read_and_only_they_are_taken),
		cmocka_unit_test(a_refused_start_gives_every_byte_back),
		cmocka_unit_test(x5_a_line_of_107_bytes_is_one_and_of_108_none),
		cmocka_unit_test(x6_a_wrong_checksum_is_not_trusted),
		cmocka_unit_test(x6_two_checksums_or_a_short_one_are_bad),
		cmocka_unit_test(x7_the_session_begins_behind_the_declared_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
