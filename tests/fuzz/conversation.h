// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An input as a conversation, for the targets of protocols: pieces of both sides, each behind a byte of its own
//
//	0x80  the server's; else the client's
//	0x40  missing: as many bytes, and one, as the rest of it says
//	0x3f  bytes in the piece

#pragma once

#include "talk.h"

// Plays it twice, the second time in pieces of 1, 2 or 3 bytes: aborts when the facts are not the same, or memory
// is left.
void conversation_check(
	const struct proto *proto,
	talk_dump *dump,
	const uint8_t *data,
	size_t size
);
