// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// MITRE ATT&CK techniques that rules may name, with the tactic they serve here.

#pragma once

#include "alert.h"

#include <stddef.h>

// "T1114" or "T1114.002". NULL when it is not in the table. Static.
const struct alert_technique *technique_find(const char *id);
// All known ids with commas between, for mistakes. Returns buffer.
const char *technique_list(char *buffer, size_t size);
