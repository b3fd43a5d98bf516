// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "session.h"

static const struct {
	const char *name, *text;
} events[] = {
#define EVENT(name, text) {#name, text},
#include "event.def"
#undef EVENT
};

const char *session_event_name(enum session_event event) {
	return events[event].name;
}

const char *session_event_text(enum session_event event) {
	return events[event].text;
}
