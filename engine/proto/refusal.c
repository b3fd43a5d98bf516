// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/refusal.h"

#include <string.h>
#include <strings.h>

// EXPIRED and CONTACTADMIN are not among them: who met them was looked at.
static const char *const no_verdict[] = {
	"UNAVAILABLE",
	"PRIVACYREQUIRED",
	"SERVERBUG",
	"CLIENTBUG",
	"INUSE",
	"LIMIT",
	"REFERRAL", // with the server's URL
	"SYS/TEMP",
	"SYS/PERM",
	"IN-USE",
	"LOGIN-DELAY",
	"TRYLATER",
	"ENCRYPT-NEEDED",
	"TRANSITION-NEEDED",
	"AUTH-TOO-WEAK",
};

bool refusal_is_verdict(const void *text, size_t size) {
	const char *code = text, *end = code + size;

	while (code < end && *code == ' ')
		code++;
	if (code == end || (*code != '[' && *code != '('))
		return true;
	code++;
	for (size_t i = 0; i < sizeof(no_verdict) / sizeof(no_verdict[0]); i++) {
		size_t n = strlen(no_verdict[i]);
		if ((size_t)(end - code) > n && strncasecmp(code, no_verdict[i], n) == 0
		    && strchr("]) ", code[n]) && code[n])
			return false;
	}
	return true;
}
