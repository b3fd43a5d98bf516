// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Behind COMPRESS, deflated, a conversation has the facts that it has in plain, however it is cut; bytes
// that are no deflate break nothing. Input: as fuzz_imap's; an odd size: the bytes as they are.

#include "proto/imap/imap.h"
#include "proto/proto.h"
#include "talk_imap.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct talk *begin(bool is_compressed) {
	static const char greeting[] = "* OK hi\r\n", ask[] = "c COMPRESS DEFLATE\r\n";
	struct talk *talk = talk_open(&proto_imap, 1 << 20);

	talk_data(talk, STREAM_SERVER, greeting, sizeof(greeting) - 1);
	talk_data(talk, STREAM_CLIENT, ask, sizeof(ask) - 1);
	talk_data(talk, STREAM_SERVER, is_compressed ? "c OK\r\n" : "c NO\r\n", 6);
	return talk;
}

// deflate NULL: as they are.
static void
feed(struct talk *talk, const uint8_t *data, size_t size, z_stream *deflates, size_t piece) {
	for (size_t at = 0; at < size;) {
		enum stream_dir dir = data[at] & 0x80 ? STREAM_SERVER : STREAM_CLIENT;
		size_t n = data[at++] & 0x7f, done = 0, some;
		uint8_t wire[512];

		n = n < size - at ? n : size - at;
		memcpy(wire, data + at, n);
		at += n;
		if (deflates != NULL) {
			deflates[dir].next_in = (uint8_t *)data + at - n;
			deflates[dir].avail_in = n;
			deflates[dir].next_out = wire;
			deflates[dir].avail_out = sizeof(wire);
			deflate(&deflates[dir], Z_SYNC_FLUSH);
			n = sizeof(wire) - deflates[dir].avail_out;
		}
		for (; done < n; done += some) {
			some = n - done < piece ? n - done : piece;
			talk_data(talk, dir, wire + done, some);
		}
	}
}

static struct talk *play_deflated(const uint8_t *data, size_t size, size_t piece) {
	struct talk *talk = begin(true);
	z_stream deflates[2] = {};

	for (int dir = 0; dir < 2; dir++)
		deflateInit2(&deflates[dir], 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	feed(talk, data, size, size % 2 ? NULL : deflates, piece);
	for (int dir = 0; dir < 2; dir++)
		deflateEnd(&deflates[dir]);
	return talk;
}

// What differs by nature: that it is compressed, and the bytes that were not read.
static void dump(struct talk *talk, const struct session *s, const void *state) {
	((struct imap *)(uintptr_t)state)->is_compressed = false;
	((struct session *)(uintptr_t)s)->n_unparsed = 0;
	imap_dump(talk, s, state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct talk *whole = play_deflated(data, size, SIZE_MAX);
	struct talk *bytes = play_deflated(data, size, 1 + size % 3);
	struct talk *plain = begin(false);
	const char *facts = talk_end(whole, dump);

	if (strcmp(facts, talk_end(bytes, dump)) != 0 || strstr(facts, "leaked ") != NULL)
		abort();
	feed(plain, data, size, NULL, SIZE_MAX);
	// What switches the bytes' reading itself has no such property.
	if (size % 2 == 0 && strstr(facts, "COMPRESS=1") != NULL
	    && strstr(facts, "starttls") == NULL && strcmp(facts, talk_end(plain, dump)) != 0)
		abort();
	talk_close(whole);
	talk_close(bytes);
	talk_close(plain);
	return 0;
}
