// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What follows an accepted STARTTLS or STLS.

#pragma once

#include "session.h"

// The client's first bytes behind it (size > 0). True: a handshake, which has been taken; false: plaintext, as
// of a mirror behind the decryption, which is said of the session and stays the caller's.
static inline bool starttls_take(struct session *s, const uint8_t *data, size_t size) {
	// A record of type 22 (RFC 8446 5.1); SSL 2 had the high bit set. No command begins so.
	if (data[0] == 0x16 || data[0] >= 0x80) {
		session_encrypted(s);
		session_ciphertext(s, data, size);
		return true;
	}
	session_event(s, EVENT_plaintext_after_starttls);
	return false;
}
