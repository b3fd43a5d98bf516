// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Sentences of fixed size: what alerts are worded with.

#pragma once

#include "alert.h"

#include <stddef.h>
#include <stdint.h>

// A text that sentences are appended to. It ends at a whole UTF-8 character.
struct text {
	char *at;
	size_t size;
};

// Cuts text at len or before it, so that no character is torn.
void text_cut(char *text, size_t len);
// A sentence as it is; a tenth of what say() costs.
void say_plain(struct text *text, const char *plain);
__attribute__((format(printf, 2, 3))) void say(struct text *text, const char *format, ...);
void say_number(struct text *text, uint32_t n);
// An account's name, cut when it is long: the list beside it has all of it.
void say_name(struct text *text, const char *name);
// "3 days", "an hour".
void say_span(struct text *text, uint64_t from_ns, uint64_t to_ns);
// "12 February".
void say_date(struct text *text, uint64_t time_ns);
// "s", unless there is one.
const char *plural(uint64_t n);
// An address without its prefix length.
void say_address(struct text *text, const struct ip *ip);

// A further piece of evidence, with text set to write its sentence. Asserts that there is room.
struct alert_evidence *
text_evidence(struct alert *alert, const char *channel, double nats, struct text *text);
// A further related account, unless it is listed or the list is full.
void text_user(struct alert *alert, const char *name);
