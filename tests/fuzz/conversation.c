// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "conversation.h"

#include <stdlib.h>
#include <string.h>

// A piece in a block of its exact size.
static void say(void *talk, enum stream_dir dir, const uint8_t *data, size_t size) {
	uint8_t *exact = malloc(size);

	memcpy(exact, data, size);
	talk_reader.data(talk, dir, exact, size);
	free(exact);
}

static char *
facts_of(const struct talk_reading *reading, const uint8_t *data, size_t size, size_t piece) {
	void *talk = talk_reader.open(reading);

	for (size_t at = 0; at < size;) {
		enum stream_dir dir = data[at] & 0x80 ? STREAM_SERVER : STREAM_CLIENT;
		size_t n = data[at] & 0x3f;
		bool is_gap = data[at++] & 0x40;
		if (is_gap) {
			talk_reader.gap(talk, dir, n + 1);
			continue;
		}
		n = n < size - at ? n : size - at;
		for (size_t some; n > 0; n -= some, at += some) {
			some = n < piece ? n : piece;
			say(talk, dir, data + at, some);
		}
	}
	return talk_reader.end(talk);
}

// The last fact says so. One before it may be words of the input.
static bool is_leaked(const char *facts) {
	size_t size = strlen(facts);

	while (size > 1 && facts[size - 2] != '\n')
		size--;
	return size > 0 && strncmp(facts + size - 1, "leaked ", 7) == 0;
}

void conversation_check(
	const struct proto *proto,
	talk_dump *dump,
	const uint8_t *data,
	size_t size
) {
	const struct talk_reading reading = {proto, dump, true, true, 0};
	char *whole = facts_of(&reading, data, size, SIZE_MAX);
	char *cut = facts_of(&reading, data, size, 1 + size % 3);

	if (strcmp(whole, cut) != 0 || is_leaked(whole))
		abort();
	free(whole);
	free(cut);
}
