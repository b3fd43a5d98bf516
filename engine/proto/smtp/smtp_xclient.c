// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Postfix's XCLIENT and XFORWARD: a proxy or filter says who the client is. Attributes are NAME=value in
// xtext (RFC 3461 section 4), apart by spaces; a value in brackets says that there is none. Dovecot reads
// them from proxies in front of its submission and LMTP, too.

#include "proto/smtp/smtp_private.h"

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

void smtp_xclient(struct smtp_parser *p, char *attributes, bool is_forward) {
	enum session_how how = is_forward ? SESSION_HOW_XFORWARD : SESSION_HOW_XCLIENT;
	struct ip ip = {.family = 0};
	const char *login = NULL;
	uint16_t port = 0;
	char *rest = attributes, *word;

	while ((word = strsep(&rest, " \t")) != NULL) {
		char *value = strchr(word, '=');
		if (!value || value[1] == '[')
			continue;
		*value++ = '\0';
		if (xtext_decode(value) < 0)
			session_event(p->session, EVENT_bad_syntax);
		else if (strcasecmp(word, "ADDR") == 0 && !address_read(value, &ip))
			session_event(p->session, EVENT_bad_syntax);
		else if (strcasecmp(word, "PORT") == 0)
			port = port_read(value);
		else if (strcasecmp(word, "LOGIN") == 0 && *value)
			login = value;
	}
	bool is_believed = ip.family && session_real_client(p->session, &ip, port, how);
	// The proxy has authenticated the client, and says as whom.
	if (is_believed && login && !is_forward)
		session_login(
			p->session, LOGIN_SUCCESS, SASL_EXTERNAL, login, strlen(login), 0, p->now_ns
		);
}
