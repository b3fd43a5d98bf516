// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: any conversation of SMTP gives the same facts however it is cut, and no memory is left.

#include "conversation.h"
#include "talk_smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	conversation_check(&proto_smtp, talk_smtp_dump, data, size);
	return 0;
}
