// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A session as one JSON line: ECS 8.17, our own fields under postern (schema/session.schema.json).

#pragma once

#include "session.h"

#include <stddef.h>
#include <stdint.h>

// Why this record is written: event.reason.
enum record_reason {
	RECORD_LOGOUT, // the client said goodbye and the connection closed
	RECORD_CLOSE,
	RECORD_RESET,
	RECORD_TIMEOUT,
	RECORD_EVICTED,
	RECORD_INTERIM,
	RECORD_END_OF_INPUT,
};

// Writes the record of a session whose protocol is known into buffer (≥ RECORD_SIZE_MAX bytes), without
// a line end. Returns its length; lists that would not fit are cut and say so. time_ns becomes
// @timestamp and event.end. s->sequence has been counted up already. No allocation.
size_t record_write(
	const struct session *s,
	enum record_reason reason,
	uint64_t time_ns,
	char *buffer,
	size_t size
);
