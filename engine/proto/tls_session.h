// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// TLS as part of a session: whose hello is read, and whether a connection that is all TLS is mail.

#pragma once

#include "session.h"

// Whether a connection that began with TLS is mail: by its server's port, or by the protocol that the
// client asked for.
bool tls_session_is_mail(const struct session *s);
// The client's hello has a hole: it is not read on.
void tls_session_drop(struct session *s);
// Gives back what is known of TLS.
void tls_session_free(struct session *s);
