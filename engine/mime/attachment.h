// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The decoded bytes of one attachment as they pass: how many, their SHA-256, what they are by their
// first bytes, whether they are encrypted, and for zip the names of the members, from the local
// headers and the directory. Nothing is inflated and nothing is kept but names.

#pragma once

#include "limits.h"
#include "mime/sealed.h"
#include "mime/sha256.h"
#include "slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text in a block of the slab, terminated; NULL: none.
struct attachment_text {
	char *text;
	uint32_t size; // of the block
};

// What stays known when the message is over.
struct attachment_facts {
	struct attachment_text name; // UTF-8 as far as the sender made it so
	struct attachment_text other_name; // Content-Type's, where it says something else
	struct attachment_text type; // as claimed, lower case: "application/pdf"
	const char *content_type; // by its first bytes; NULL: not told
	uint64_t bytes;
	uint8_t sha256[SHA256_SIZE];
	bool has_sha256; // false when bytes are missing, or it is a message, which is not hashed
	bool is_holed;
	bool is_encrypted;
	uint8_t n_members; // listed
	uint32_t members_total;
	struct attachment_text members[ATTACHMENT_MEMBERS_MAX];
};

struct zip; // attachment.c

struct attachment {
	struct attachment_facts *facts;
	struct sha256 sha256;
	uint8_t n_first;
	uint8_t first[ATTACHMENT_FIRST_SIZE];
	bool is_told; // the type by content
	bool is_odd; // what stands in an archive contradicts itself
	struct sealed sealed;
	struct zip *zip; // NULL: none, or no room
};

// pair: with which others it is hashed (sha256.h), or NULL.
void attachment_begin(
	struct attachment *attachment,
	struct attachment_facts *facts,
	struct sha256_pair *pair
);
void attachment_data(
	struct attachment *attachment,
	struct slab *slab,
	const uint8_t *data,
	size_t size
);
void attachment_gap(struct attachment *attachment, struct slab *slab, uint64_t size);
// Facts are complete; facts->content_type too.
void attachment_end(struct attachment *attachment, struct slab *slab);

// What data of a beginning (size bytes; is_all: there is no more) is: a MIME type in static memory.
const char *attachment_type(const uint8_t *data, size_t size);

// A copy in the slab, any bytes but NUL (which become blanks); empty when there is no room.
struct attachment_text attachment_text_copy(struct slab *slab, const uint8_t *data, size_t size);
void attachment_facts_free(struct attachment_facts *facts, struct slab *slab);
