// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a proxy says of the client, read from its attributes.

#include "proto/xclient.h"

#include "limits.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

// Undoes xtext in place. Returns the size, or -1 when it is none.
static int xtext_decode(char *text) {
	static const char digits[] = "0123456789ABCDEF";
	char *to = text;

	for (const char *from = text; *from; from++, to++) {
		const char *high, *low;
		*to = *from;
		if (*from != '+')
			continue;
		high = from[1] ? strchr(digits, from[1]) : NULL;
		low = high && from[2] ? strchr(digits, from[2]) : NULL;
		if (!low)
			return -1;
		*to = (char)((high - digits) << 4 | (low - digits));
		from += 2;
	}
	*to = '\0';
	return (int)(to - text);
}

// An address as Postfix writes it: 192.0.2.1, or IPV6:2001:db8::1; Dovecot leaves the prefix out.
static bool address_read(const char *text, struct ip *ip_r) {
	if (strncasecmp(text, "IPV6:", 5) == 0)
		text += 5;
	memset(ip_r, 0, sizeof(*ip_r));
	ip_r->family = strchr(text, ':') ? 6 : 4;
	if (inet_pton(ip_r->family == 6 ? AF_INET6 : AF_INET, text, ip_r->addr) == 1)
		return true;
	ip_r->family = 0;
	return false;
}

static uint16_t port_read(const char *text) {
	uint32_t port = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9' || port > UINT16_MAX)
			return 0;
		port = port * 10 + (uint32_t)(*text - '0');
	}
	return port > UINT16_MAX ? 0 : (uint16_t)port;
}

bool xclient_read(struct xclient *r, char *attributes) {
	char *rest = attributes, *word;
	bool is_good = true;

	*r = (struct xclient){.ip = {.family = 0}};
	while ((word = strsep(&rest, " \t")) != NULL) {
		char *value = strchr(word, '=');
		if (!value || value[1] == '[')
			continue;
		*value++ = '\0';
		if (xtext_decode(value) < 0)
			is_good = false;
		else if (strcasecmp(word, "ADDR") == 0)
			is_good &= address_read(value, &r->ip);
		else if (strcasecmp(word, "PORT") == 0)
			r->port = port_read(value);
		else if (strcasecmp(word, "LOGIN") == 0 && *value)
			r->login = value;
	}
	return is_good;
}

bool xclient_read_slice(struct xclient *r, const uint8_t *data, size_t size) {
	char attributes[XCLIENT_SIZE_MAX + 1];
	bool is_good;

	*r = (struct xclient){.ip = {.family = 0}};
	if (size > XCLIENT_SIZE_MAX || memchr(data, 0, size) != NULL)
		return false;
	memcpy(attributes, data, size);
	attributes[size] = '\0';
	is_good = xclient_read(r, attributes);
	r->login = NULL;
	return is_good;
}
