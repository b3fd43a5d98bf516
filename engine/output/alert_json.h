// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An alert as one JSON line of at most ALERT_SIZE_MAX bytes: ECS 8.17 (schema/alert.schema.json).

#pragma once

#include "alert.h"

#include <stddef.h>

// Writes it without a line end; long lists are cut and carry their full count. Returns its length.
size_t
alert_json_write(const struct alert *alert, const char *observer_name, char *buffer, size_t size);
// The same for a person, one or two lines: time, severity, the sentence, the evidence.
size_t alert_text_write(const struct alert *alert, char *buffer, size_t size);
