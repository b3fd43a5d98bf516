// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An alert as one JSON line of at most ALERT_SIZE_MAX bytes: ECS 8.17 (schema/alert.schema.json).

#pragma once

#include "alert.h"

#include <stddef.h>

// Writes it without a line end into buffer (≥ ALERT_SIZE_MAX bytes); long lists are cut and carry their
// full count, then texts. event.id is the episode's id and the sequence in it: the same input gives the
// same ids. Returns its length.
size_t
alert_json_write(const struct alert *alert, const char *observer_name, char *buffer, size_t size);
// The same for a person, a few lines without the last one's end: time, severity and the sentence; what
// rule and technique; the evidence. Nothing in it acts on a terminal. What does not fit is left out.
size_t alert_text_write(const struct alert *alert, char *buffer, size_t size);
