// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: an attachment's facts (its type, the members of an archive, what is odd about it) do not depend on
// how its bytes are cut; its hash is right, alone and beside another one's; no more members are listed than
// limits.h allows; all memory comes back. First byte: how long the pieces are.

#include "mime/attachment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
facts_of(struct slab *slab, struct sha256_pair *pair, const uint8_t *data, size_t size, size_t n) {
	struct attachment_facts facts = {0};
	uint8_t hash[SHA256_SIZE];
	struct attachment attachment;
	char *text;
	size_t text_size;
	FILE *out = open_memstream(&text, &text_size);

	attachment_begin(&attachment, &facts, pair);
	for (size_t at = 0; at < size; at += n) {
		size_t piece = n < size - at ? n : size - at;
		uint8_t *block = malloc(piece);
		memcpy(block, data + at, piece);
		attachment_data(&attachment, slab, block, piece);
		free(block);
	}
	attachment_end(&attachment, slab);
	SHA256(data, size, hash);
	if (memcmp(facts.sha256, hash, sizeof(hash)) != 0)
		abort();
	if (facts.n_members > ATTACHMENT_MEMBERS_MAX || facts.members_total < facts.n_members
	    || facts.bytes != size || attachment_type(data, size) == NULL)
		abort();
	fprintf(out,
		"%s %u %d %d",
		facts.content_type,
		facts.members_total,
		attachment.is_odd,
		facts.is_encrypted);
	for (int i = 0; i < facts.n_members; i++) {
		if (facts.members[i].size > ATTACHMENT_MEMBER_SIZE_MAX + 1)
			abort();
		fprintf(out, " %s", facts.members[i].text);
	}
	fclose(out);
	attachment_facts_free(&facts, slab);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct slab *slab;
	static struct sha256_pair pair;
	struct sha256 other; // open all the while
	uint8_t hash[2][SHA256_SIZE];

	if (slab == NULL)
		slab = slab_open(1 << 24);
	if (size == 0)
		return 0;
	sha256_pair_init(&pair);
	sha256_begin(&other, &pair);
	sha256_data(&other, data, size);
	char *whole = facts_of(slab, NULL, data + 1, size - 1, size);
	char *cut = facts_of(slab, &pair, data + 1, size - 1, 1 + data[0] % 64);
	sha256_data(&other, data, size);
	sha256_end(&other, hash[0]);
	sha256_begin(&other, NULL);
	sha256_data(&other, data, size);
	sha256_data(&other, data, size);
	sha256_end(&other, hash[1]);
	if (memcmp(hash[0], hash[1], SHA256_SIZE) != 0)
		abort();
	if (strcmp(whole, cut) != 0 || slab_used(slab) != 0)
		abort();
	free(whole);
	free(cut);
	return 0;
}
