// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: an attachment's facts (its type, the members of an archive, what is odd about it) do not depend on
// how its bytes are cut; no more members are listed than limits.h allows; all memory comes back. First
// byte: how long the pieces are.

#include "mime/attachment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *facts_of(struct slab *slab, const uint8_t *data, size_t size, size_t n) {
	struct attachment_facts facts = {0};
	struct attachment attachment;
	char *text;
	size_t text_size;
	FILE *out = open_memstream(&text, &text_size);

	attachment_begin(&attachment, &facts, NULL);
	for (size_t at = 0; at < size; at += n) {
		size_t piece = n < size - at ? n : size - at;
		uint8_t *block = malloc(piece);
		memcpy(block, data + at, piece);
		attachment_data(&attachment, slab, block, piece);
		free(block);
	}
	attachment_end(&attachment, slab);
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

	if (slab == NULL)
		slab = slab_open(1 << 24);
	if (size == 0)
		return 0;
	char *whole = facts_of(slab, data + 1, size - 1, size);
	char *cut = facts_of(slab, data + 1, size - 1, 1 + data[0] % 64);
	if (strcmp(whole, cut) != 0 || slab_used(slab) != 0)
		abort();
	free(whole);
	free(cut);
	return 0;
}
