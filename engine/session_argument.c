// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "session_argument.h"

#include "limits.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>

void session_argument_add(
	struct session *s,
	struct session_argument *argument,
	const void *data,
	size_t size
) {
	void *block = argument->data;

	if (size > LINE_SIZE_MAX - argument->size)
		size = LINE_SIZE_MAX - argument->size;
	if (size == 0 || !session_token_wanted(s, RULE_ARGUMENT))
		return;
	if (slab_grow(session_slab(s), &block, &argument->cap, argument->size + (uint32_t)size, 0)
	    < 0) {
		session_event(s, EVENT_memory_full);
		return;
	}
	argument->data = block;
	memcpy(argument->data + argument->size, data, size);
	argument->size += (uint32_t)size;
}

void session_argument_end(struct session *s, struct session_argument *argument, uint64_t now_ns) {
	while (argument->size > 0 && argument->data[argument->size - 1] == ' ')
		argument->size--; // in front of a literal that is not for rules
	if (argument->size > 0)
		session_token(s, RULE_ARGUMENT, argument->data, argument->size, now_ns);
	session_argument_free(s, argument);
}

void session_argument_free(struct session *s, struct session_argument *argument) {
	slab_put(session_slab(s), argument->data, argument->cap);
	*argument = (struct session_argument){0};
}
