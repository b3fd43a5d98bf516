// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The facts of struct imap as lines of a talk.

#pragma once

#include "talk.h"

void imap_dump(struct talk *talk, const struct session *s, const void *state);
