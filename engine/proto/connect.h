// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// How a client has a proxy connect it to a server, with whom the connection then goes on: SOCKS4 and 4a,
// SOCKS5 (RFC 1928) without authentication or with a password (RFC 1929), HTTP's CONNECT (RFC 9110 section
// 9.3.6). Other methods and commands of SOCKS are not read.
//
// The name a client gives to the proxy is kept, its password is passed over.

#pragma once

#include "activity.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONNECT_TEXT_SIZE_MAX = 255 }; // RFC 1928 section 5, RFC 1929

enum connect_how {
	CONNECT_SOCKS4,
	CONNECT_SOCKS4A,
	CONNECT_SOCKS5,
	CONNECT_HTTP,
};

enum connect_result {
	CONNECT_NONE, // it is something else
	CONNECT_MORE, // cannot be told yet
	CONNECT_OPEN, // the server's bytes, and the client's, begin behind at
	CONNECT_REFUSED, // by the proxy, or in a way that is not read
};

// Zeroed is the start of a connection, or of what goes on inside another one.
struct connect {
	uint32_t at[2]; // bytes of each direction that are the proxy's
	uint32_t scanned[2]; // of each: where the end of a head was looked for
	uint8_t n_tries; // requests that were refused, and may be made again
	uint8_t how; // enum connect_how
	uint16_t port; // of the server
	struct ip ip; // family 0: its name is host
	uint8_t host_size, user_size; // 0: not said
	char host[CONNECT_TEXT_SIZE_MAX];
	char user[CONNECT_TEXT_SIZE_MAX];
};

// Whether the client's first bytes (at least one) may begin one. O(1).
bool connect_may_begin(const uint8_t *client, size_t size);

// All bytes of each direction so far: the same as in the call before, and more behind them. The result is
// the same for any cut of them; the time is linear in all. Anything but CONNECT_MORE is the last one.
enum connect_result
connect_read(struct connect *connect, const uint8_t *const data[2], const size_t size[2]);
