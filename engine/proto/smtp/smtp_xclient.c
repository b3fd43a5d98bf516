// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Postfix's XCLIENT and XFORWARD: a proxy or filter says who the client is.

#include "proto/smtp/smtp_private.h"
#include "proto/xclient.h"

#include <string.h>

void smtp_xclient(struct smtp_parser *p, char *attributes, bool is_forward) {
	enum session_how how = is_forward ? SESSION_HOW_XFORWARD : SESSION_HOW_XCLIENT;
	struct xclient x;

	if (!xclient_read(&x, attributes))
		session_event(p->session, EVENT_bad_syntax);
	bool is_believed = x.ip.family && session_real_client(p->session, &x.ip, x.port, how);
	// The proxy has authenticated the client, and says as whom.
	if (is_believed && x.login && !is_forward)
		session_login(
			p->session,
			LOGIN_SUCCESS,
			SASL_EXTERNAL,
			x.login,
			strlen(x.login),
			0,
			p->now_ns
		);
}
