// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which protocol a connection speaks, from its first bytes in either direction; never from its port.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum detect {
	DETECT_MORE, // cannot be told yet
	DETECT_IMAP,
	DETECT_SMTP, // also submission and LMTP
	DETECT_POP3,
	DETECT_SIEVE, // ManageSieve
	DETECT_TLS,
	DETECT_NONE, // none of ours, and more bytes will not change that
};

// client and server hold the first bytes of each direction (sizes may be 0). hint_port is the
// server's port: it only breaks ties between protocols that speak alike (220 of SMTP and FTP, QUIT),
// and says where a server is worth waiting for.
// Also recognises a connection picked up midway, when its lines can only be one protocol's.
enum detect
detect(const uint8_t *client,
       size_t client_size,
       const uint8_t *server,
       size_t server_size,
       uint16_t hint_port);
