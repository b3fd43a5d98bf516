// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A header of version 1 is one line, kept until it is whole. Of version 2 the head and the addresses are
// kept; the TLVs behind them are walked byte run by byte run inside the declared length, which alone
// says where the client's bytes begin, whatever a TLV claims of itself.

#include "proto/proxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

enum {
	SIGNATURE_SIZE = 12,
	ADDRESSES_IPV4 = 12,
	ADDRESSES_IPV6 = 36,
	ADDRESSES_UNIX = 216,
	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,
};

static_assert(
	PROXY_V2_HEAD_SIZE + ADDRESSES_IPV6 <= PROXY_KEPT_SIZE_MAX,
	"a head and its addresses are kept"
);

static const uint8_t signature[SIGNATURE_SIZE] = "\r\n\r\n\0\r\nQUIT\n";

// ---- Version 1: "PROXY" SP ("TCP4" / "TCP6") SP address SP address SP port SP port CRLF

// The next word of a line, terminated in word. Words stand apart by exactly one space. false: none.
static bool word_next(const char **at, char *word, size_t size) {
	const char *space = strchrnul(*at, ' ');
	size_t n = (size_t)(space - *at);

	if (n == 0 || n >= size)
		return false;
	memcpy(word, *at, n);
	word[n] = '\0';
	*at = *space ? space + 1 : space;
	return true;
}

// 0 … 65535 in decimal, without leading zeros. false: it is not.
static bool port_read(const char *text, uint16_t *port_r) {
	uint32_t port = 0;

	if (text[0] == '0' && text[1] != '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + (uint32_t)(*text - '0');
		if (port > UINT16_MAX)
			return false;
	}
	*port_r = (uint16_t)port;
	return true;
}

static bool v1_addresses_read(struct proxy *proxy, const char *at, uint8_t family) {
	char word[INET6_ADDRSTRLEN];
	uint8_t destination[16];
	uint16_t port;
	int af = family == 4 ? AF_INET : AF_INET6;

	if (!word_next(&at, word, sizeof(word)) || inet_pton(af, word, proxy->ip.addr) != 1
	    || !word_next(&at, word, sizeof(word)) || inet_pton(af, word, destination) != 1
	    || !word_next(&at, word, sizeof(word)) || !port_read(word, &proxy->port))
		return false;
	if (!word_next(&at, word, sizeof(word)) || !port_read(word, &port) || *at)
		return false;
	proxy->ip.family = family;
	return at[-1] != ' ';
}

// line: terminated, without its CR LF, begins with "PROXY ".
static enum proxy_kind v1_line_read(struct proxy *proxy, const char *line) {
	const char *at = line + 6;

	// What follows UNKNOWN is to be ignored.
	if (strncmp(at, "UNKNOWN", 7) == 0 && (at[7] == '\0' || at[7] == ' '))
		return PROXY_LOCAL;
	if (strncmp(at, "TCP4 ", 5) == 0 && v1_addresses_read(proxy, at + 5, 4))
		return PROXY_CLIENT;
	if (strncmp(at, "TCP6 ", 5) == 0 && v1_addresses_read(proxy, at + 5, 6))
		return PROXY_CLIENT;
	memset(&proxy->ip, 0, sizeof(proxy->ip));
	proxy->port = 0;
	return PROXY_BAD;
}

static int v1_end(struct proxy *proxy) {
	char line[PROXY_V1_SIZE_MAX + 1];
	size_t size = proxy->size - 1u;

	bool is_crlf = proxy->kept[size - 1] == '\r';
	size -= is_crlf;
	memcpy(line, proxy->kept, size);
	line[size] = '\0';
	proxy->version = 1;
	proxy->kind = PROXY_BAD;
	if (is_crlf && strlen(line) == size)
		proxy->kind = v1_line_read(proxy, line);
	return 1;
}

static int v1_read(struct proxy *proxy, const uint8_t **data, size_t *size) {
	static const char begin[] = "PROXY ";

	while (*size > 0) {
		uint8_t c = **data;
		if (proxy->size == PROXY_V1_SIZE_MAX)
			return -1; // no line end where one had to be
		if (proxy->size < sizeof(begin) - 1 && c != (uint8_t)begin[proxy->size])
			return -1;
		proxy->kept[proxy->size++] = c;
		(*data)++;
		(*size)--;
		if (c == '\n')
			return v1_end(proxy);
	}
	return 0;
}

// ---- Version 2

// CRC32C (RFC 3720 appendix B.4), four bits at a time: headers are short.
static uint32_t crc_add(uint32_t crc, const uint8_t *data, size_t size) {
	static const uint32_t table[16] = {
		0x00000000,
		0x105ec76f,
		0x20bd8ede,
		0x30e349b1,
		0x417b1dbc,
		0x5125dad3,
		0x61c69362,
		0x7198540d,
		0x82f63b78,
		0x92a8fc17,
		0xa24bb5a6,
		0xb21572c9,
		0xc38d26c4,
		0xd3d3e1ab,
		0xe330a81a,
		0xf36e6f75,
	};

	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

static uint16_t u16_get(const uint8_t *data) {
	return (uint16_t)(data[0] << 8 | data[1]);
}

// The size of the address block by family and transport. -1: the specification knows no such.
static int addresses_size(uint8_t family) {
	switch (family) {
	case 0x00: // AF_UNSPEC
		return 0;
	case 0x11: // TCP over IPv4
	case 0x12: // UDP over IPv4
		return ADDRESSES_IPV4;
	case 0x21:
	case 0x22:
		return ADDRESSES_IPV6;
	case 0x31: // AF_UNIX, stream and datagram
	case 0x32:
		return ADDRESSES_UNIX;
	}
	return -1;
}

// The head is whole: what the rest of the header is.
static void v2_head_end(struct proxy *proxy) {
	uint8_t command = proxy->kept[SIGNATURE_SIZE], family = proxy->kept[SIGNATURE_SIZE + 1];
	int size = addresses_size(family);

	proxy->version = 2;
	proxy->left = u16_get(proxy->kept + SIGNATURE_SIZE + 2);
	proxy->crc = crc_add(UINT32_MAX, proxy->kept, PROXY_V2_HEAD_SIZE);
	proxy->kind = PROXY_LOCAL;
	// LOCAL: the rest is to be skipped by its length, be it addresses or anything.
	if (command == COMMAND_LOCAL)
		return;
	if (command != COMMAND_PROXY || size < 0 || size > proxy->left) {
		proxy->kind = PROXY_BAD;
		return;
	}
	if (family == 0x11 || family == 0x21)
		proxy->kind = PROXY_CLIENT;
	proxy->address_left = (uint16_t)size;
}

// Addresses are kept as far as there is room: those of AF_UNIX are no client's.
static size_t address_take(struct proxy *proxy, const uint8_t *data, size_t size) {
	size_t n = size < proxy->address_left ? size : proxy->address_left;

	if (proxy->kind == PROXY_CLIENT) {
		memcpy(proxy->kept + proxy->size, data, n);
		proxy->size = (uint8_t)(proxy->size + n);
	}
	proxy->crc = crc_add(proxy->crc, data, n);
	proxy->address_left = (uint16_t)(proxy->address_left - n);
	return n;
}

// Whether one of its type is kept already.
static bool tlv_is_known(const struct proxy *proxy) {
	const uint8_t *at = proxy->tlvs;
	size_t left = proxy->tlvs_size;
	struct proxy_tlv tlv;

	while (proxy_tlv_next(&at, &left, &tlv))
		if (tlv.type == proxy->tlv_type)
			return true;
	return false;
}

// Its head is whole: what of its value is to be kept.
static void tlv_keep(struct proxy *proxy) {
	size_t n = proxy_tlv_kept(proxy->tlv_type, proxy->tlv_left);
	uint8_t *head = proxy->tlvs + proxy->tlvs_size;

	proxy->tlv_keep = 0;
	if (n == 0 || tlv_is_known(proxy))
		return;
	head[0] = proxy->tlv_type;
	head[1] = (uint8_t)(proxy->tlv_left >> 8);
	head[2] = (uint8_t)proxy->tlv_left;
	proxy->tlvs_size += PROXY_TLV_HEAD_SIZE;
	proxy->tlv_keep = (uint16_t)n;
}

static void tlv_kept_add(struct proxy *proxy, const uint8_t *data, size_t size) {
	size_t n = size < proxy->tlv_keep ? size : proxy->tlv_keep;

	memcpy(proxy->tlvs + proxy->tlvs_size, data, n);
	proxy->tlvs_size = (uint16_t)(proxy->tlvs_size + n);
	proxy->tlv_keep = (uint16_t)(proxy->tlv_keep - n);
}

static void tlv_head_byte(struct proxy *proxy, uint8_t c) {
	if (proxy->tlv_at == 0)
		proxy->tlv_type = c;
	else
		proxy->tlv_left = (uint16_t)(proxy->tlv_left << 8 | c);
	if (++proxy->tlv_at < PROXY_TLV_HEAD_SIZE)
		return;
	proxy->tlv_at = 0;
	// proxy->left still counts this byte.
	if (proxy->tlv_left > proxy->left - 1)
		proxy->is_tlv_bad = true;
	if (proxy->tlv_type == PROXY_TLV_CRC32C) {
		proxy->is_tlv_bad |= proxy->is_crc_seen || proxy->tlv_left != 4;
		proxy->is_crc_seen = true;
	}
	tlv_keep(proxy);
}

// Of the value of a TLV, or one byte of its head. The checksum is taken with its own value as zeros.
static size_t tlv_take(struct proxy *proxy, const uint8_t *data, size_t size) {
	static const uint8_t zero[1];
	size_t n = size < proxy->tlv_left ? size : proxy->tlv_left;

	if (proxy->tlv_at > 0 || proxy->tlv_left == 0) {
		tlv_head_byte(proxy, data[0]);
		proxy->crc = crc_add(proxy->crc, data, 1);
		return 1;
	}
	if (proxy->tlv_type == PROXY_TLV_CRC32C) {
		for (size_t i = 0; i < n; i++) {
			proxy->crc_claimed = proxy->crc_claimed << 8 | data[i];
			proxy->crc = crc_add(proxy->crc, zero, 1);
		}
	} else {
		proxy->crc = crc_add(proxy->crc, data, n);
		tlv_kept_add(proxy, data, n);
	}
	proxy->tlv_left = (uint16_t)(proxy->tlv_left - n);
	return n;
}

static bool is_ssl_bad(const struct proxy *proxy) {
	const uint8_t *at = proxy->tlvs;
	size_t left = proxy->tlvs_size;
	struct proxy_ssl ssl;
	struct proxy_tlv tlv;

	while (proxy_tlv_next(&at, &left, &tlv))
		if (tlv.type == PROXY_TLV_SSL)
			return !proxy_ssl_read(&tlv, &ssl);
	return false;
}

static int v2_end(struct proxy *proxy) {
	const uint8_t *addresses = proxy->kept + PROXY_V2_HEAD_SIZE;
	bool is_ipv4 = proxy->kept[SIGNATURE_SIZE + 1] == 0x11;

	if (proxy->kind != PROXY_CLIENT)
		return 1;
	if (proxy->is_tlv_bad || proxy->tlv_at > 0 || is_ssl_bad(proxy)
	    || (proxy->is_crc_seen && proxy->crc_claimed != ~proxy->crc)) {
		proxy->kind = PROXY_BAD;
		return 1;
	}
	proxy->ip.family = is_ipv4 ? 4 : 6;
	memcpy(proxy->ip.addr, addresses, is_ipv4 ? 4 : 16);
	proxy->port = u16_get(addresses + (is_ipv4 ? 8 : 32));
	return 1;
}

static int v2_read(struct proxy *proxy, const uint8_t **data, size_t *size) {
	while (proxy->version == 0) {
		if (*size == 0)
			return 0;
		if (proxy->size < SIGNATURE_SIZE && **data != signature[proxy->size])
			return -1;
		proxy->kept[proxy->size++] = **data;
		(*data)++;
		(*size)--;
		if (proxy->size == PROXY_V2_HEAD_SIZE)
			v2_head_end(proxy);
	}
	while (proxy->left > 0) {
		size_t n = *size < proxy->left ? *size : proxy->left;
		if (n == 0)
			return 0;
		if (proxy->address_left > 0)
			n = address_take(proxy, *data, n);
		else if (proxy->kind == PROXY_CLIENT)
			n = tlv_take(proxy, *data, n);
		proxy->left = (uint16_t)(proxy->left - n);
		*data += n;
		*size -= n;
	}
	return v2_end(proxy);
}

int proxy_read(struct proxy *proxy, const uint8_t **data, size_t *size) {
	if (*size == 0)
		return 0;
	uint8_t first = proxy->size > 0 ? proxy->kept[0] : **data;
	if (first == 'P')
		return v1_read(proxy, data, size);
	return first == '\r' ? v2_read(proxy, data, size) : -1;
}
