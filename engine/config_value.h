// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Values of options as people write them: numbers, sizes, durations, addresses.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CONFIG_ERROR_SIZE = 300 };

enum config_type {
	CONFIG_VALUE_string,
	CONFIG_VALUE_path,
	CONFIG_VALUE_charset,
	CONFIG_VALUE_count,
	CONFIG_VALUE_size,
	CONFIG_VALUE_duration,
	CONFIG_VALUE_flag,
	CONFIG_VALUE_prefixes,
	CONFIG_VALUE_numbers, // "25,143,990-995"
	CONFIG_VALUE_overlap,
	CONFIG_VALUE_urgent,
	CONFIG_VALUE_tunnel_ports,
	CONFIG_VALUE_milli, // a decimal number, kept in thousandths: "0.1" is 100
};

// Reads text into value, whose type is the CONFIG_TYPE_… of that name; what it held is freed. min and
// max bound numbers. 0, or -1: error then says what is wrong and what would be right, and value is
// as it was.
int config_value_set(
	enum config_type type,
	const char *text,
	uint64_t min,
	uint64_t max,
	void *value,
	char *error,
	size_t error_size
);
void config_value_free(enum config_type type, void *value);
// Writes it as it could be read again; "none" when there is none.
void config_value_text(enum config_type type, const void *value, char *buffer, size_t size);
