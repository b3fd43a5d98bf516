// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012): with a secret key nobody outside can aim at
// a bucket of a table. With HASH_PUBLIC it names things: the same name in every replay.

#pragma once

#include <stddef.h>
#include <stdint.h>

// The key of everything that must not differ between two runs over the same input.
extern const uint64_t HASH_PUBLIC[2];

uint64_t hash_bytes(const uint64_t key[2], const void *data, size_t size);
// For names that nobody gains by aiming at (a client's, a network's, within one account): a tenth of
// the instructions. The same in every replay.
uint64_t hash_quick(const void *data, size_t size);
