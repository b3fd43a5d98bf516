// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a talk of SMTP says at its end: struct smtp, line by line.

#pragma once

#include "talk.h"

void talk_smtp_dump(struct talk *talk, const struct session *s, const void *state);
