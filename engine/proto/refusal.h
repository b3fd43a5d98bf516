// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Why a server refused a login, by the response code in front of its words: IMAP's "NO [UNAVAILABLE] …" (RFC 5530),
// POP3's "-ERR [SYS/TEMP] …" (RFC 2449, 3206), ManageSieve's "NO (TRYLATER) …" (RFC 5804 1.3). SMTP says it by its
// reply code (proto/smtp/smtp_reply.c).

#pragma once

#include <stdbool.h>
#include <stddef.h>

// Whether a refusal with this text, from behind NO or -ERR and blanks, judges the credentials: false where the
// server could not or would not look at them (out of order, TLS first, too many connections, another server's), so that
// nobody has failed. Text without a code, or with one that is not known here, judges them.
bool refusal_is_verdict(const void *text, size_t size);
