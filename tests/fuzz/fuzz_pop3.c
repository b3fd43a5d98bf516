// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: any conversation of POP3 gives the same facts however it is cut, and no memory is left.

#include "conversation.h"
#include "talk_pop3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	conversation_check(&proto_pop3, pop3_dump, data, size);
	return 0;
}
