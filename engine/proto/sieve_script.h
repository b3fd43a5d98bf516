// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where a Sieve script (RFC 5228) sends mail to: the addresses of its redirect commands, found by a
// tokenizer that knows comments, strings and multi-line text, over any pieces. It does not judge whether
// a redirect is ever reached.

#pragma once

#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sieve_targets {
	uint32_t n; // all of them; the first SIEVE_TARGETS_MAX are kept
	char target[SIEVE_TARGETS_MAX][SIEVE_ADDRESS_SIZE_MAX + 1];
};

// Zeroed is the start of a script.
struct sieve_script {
	uint8_t state;
	uint8_t word_size; // of the identifier being read
	bool is_redirect; // inside a redirect command
	bool has_string; // it has had a string
	bool is_escaped; // inside a string
	bool is_cut; // the string is longer than is kept
	uint16_t string_size;
	char word[9];
	char string[SIEVE_ADDRESS_SIZE_MAX + 1]; // the last of the command
};

// The script's next bytes, cut anywhere; what they redirect to is added to targets.
void sieve_script_read(
	struct sieve_script *script,
	const uint8_t *data,
	size_t size,
	struct sieve_targets *targets
);
