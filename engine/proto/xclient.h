// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The attributes of XCLIENT and XFORWARD, by which a proxy or filter says who the client is: Postfix's in
// SMTP, and what Dovecot's proxies send to its POP3, ManageSieve, submission and LMTP servers. NAME=value in
// xtext (RFC 3461 section 4), apart by spaces; a value in brackets says that there is none.

#pragma once

#include "activity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xclient {
	struct ip ip; // family 0: none was said
	uint16_t port; // 0: none was said
	const char *
		login; // into the attributes: the account that the proxy has let in; NULL: none was said
};

// Decodes attributes in place. Returns whether all of them were well-formed; those that were are in *r
// either way.
bool xclient_read(struct xclient *r, char *attributes);
// The same of bytes that are borrowed for the call; login is not kept. False, too, when they are more than
// XCLIENT_SIZE_MAX, of which nothing is read.
bool xclient_read_slice(struct xclient *r, const uint8_t *data, size_t size);
