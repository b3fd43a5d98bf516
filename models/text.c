// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	NAME_CHARS_MAX = 64, // of an account in a sentence
};

void text_cut(char *text, size_t len) {
	while (len > 0 && (text[len] & 0xc0) == 0x80)
		len--;
	text[len] = '\0';
}

void say_plain(struct text *text, const char *plain) {
	size_t len = strlen(plain);
	if (text->size == 0)
		return;
	if (len >= text->size) {
		len = text->size - 1;
		while (len > 0 && (plain[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(text->at, plain, len);
	text->at += len;
	text->size -= len;
	*text->at = '\0';
}

void say(struct text *text, const char *format, ...) {
	va_list args;
	va_start(args, format);
	char whole[1024];
	int len = vsnprintf(whole, sizeof(whole), format, args);
	va_end(args);
	if (len >= 0)
		say_plain(text, whole);
}

void say_number(struct text *text, uint32_t n) {
	char digits[11], *at = digits + sizeof(digits) - 1;
	*at = '\0';
	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	say_plain(text, at);
}

void say_name(struct text *text, const char *name) {
	char shown[NAME_CHARS_MAX + 4];
	size_t len = strlen(name);
	if (len <= NAME_CHARS_MAX) {
		say_plain(text, name);
		return;
	}
	memcpy(shown, name, NAME_CHARS_MAX + 1);
	text_cut(shown, NAME_CHARS_MAX);
	say_plain(text, shown);
	say_plain(text, "...");
}

void say_span(struct text *text, uint64_t from_ns, uint64_t to_ns) {
	static const struct {
		uint64_t seconds;
		const char *one, *many;
	} units[] = {
		{86400, "a day", "days"},
		{3600, "an hour", "hours"},
		{60, "a minute", "minutes"},
		{1, "a second", "seconds"},
	};
	uint64_t seconds = to_ns > from_ns ? (to_ns - from_ns) / 1000000000 : 0;
	for (size_t i = 0; i < 4; i++) {
		uint64_t n = (seconds + units[i].seconds / 2) / units[i].seconds;
		if (n >= 2) {
			say(text, "%lu %s", (unsigned long)n, units[i].many);
			return;
		}
		if (seconds >= units[i].seconds) {
			say(text, "%s", units[i].one);
			return;
		}
	}
	say(text, "a second");
}

const char *plural(uint64_t n) {
	return n == 1 ? "" : "s";
}

void say_date(struct text *text, uint64_t time_ns) {
	static const char *const months[] = {
		"January",
		"February",
		"March",
		"April",
		"May",
		"June",
		"July",
		"August",
		"September",
		"October",
		"November",
		"December",
	};
	time_t seconds = time_ns / 1000000000;
	struct tm tm;
	gmtime_r(&seconds, &tm);
	say_number(text, (uint32_t)tm.tm_mday);
	say_plain(text, " ");
	say_plain(text, months[tm.tm_mon]);
}

void say_address(struct text *text, const struct ip *ip) {
	char address[INET6_ADDRSTRLEN];
	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->addr, address, sizeof(address));
	say_plain(text, address);
}

struct alert_evidence *
text_evidence(struct alert *alert, const char *channel, double nats, struct text *text) {
	assert(alert->n_evidence < ALERT_EVIDENCE_MAX);
	struct alert_evidence *evidence = &alert->evidence[alert->n_evidence++];
	evidence->channel = channel;
	evidence->nats = nats;
	evidence->text[0] = evidence->seen[0] = evidence->usual[0] = '\0';
	*text = (struct text){evidence->text, sizeof(evidence->text)};
	return evidence;
}

void text_user(struct alert *alert, const char *name) {
	for (uint8_t i = 0; i < alert->n_users; i++)
		if (!strcmp(alert->users[i], name))
			return;
	if (alert->n_users < ALERT_RELATED_MAX)
		strcpy(alert->users[alert->n_users++], name);
}
