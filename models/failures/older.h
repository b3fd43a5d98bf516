// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Layout 1 of accounts, addresses and passwords in the store had their series inside. Where an account is
// at home and which wrong passwords it has seen goes on; a series that was under way is begun anew.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// For struct store_part.
bool older_target(void *ctx, uint16_t version, const void *image, size_t size, void *entry);
bool older_origin(void *ctx, uint16_t version, const void *image, size_t size, void *entry);
bool older_password(void *ctx, uint16_t version, const void *image, size_t size, void *entry);
