// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Any way of cutting a text, with another text's pieces in between, gives the same matches in the same places with
// the same bytes in front of them. The first byte says how it is cut.

#include "match/scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HITS_MAX = 4096 };

static const char rules_text[]
	= "rules:\n"
	  "- {id: word, look: body, pattern: 'SECRET', severity: low}\n"
	  "- {id: line, look: body, pattern: '(?:^|\\n)ab+c(?:\\r|\\n|\\z)', severity: low}\n"
	  "- {id: digits, look: body, pattern: '[0-9]{3,20}', severity: low}\n"
	  "- {id: wide, look: body, pattern: 'x.{0,300}y', flags: [dotall], severity: low}\n"
	  "- {id: card, look: body, pattern: '(?:[0-9]{15,16}|(?:[0-9]{4} ){3}[0-9]{4})', "
	  "validate: luhn, severity: low}\n";

struct hits {
	size_t n;
	struct {
		uint32_t rule;
		uint64_t offset;
		size_t size;
		uint8_t text[VALIDATE_WINDOW];
	} hit[HITS_MAX];
};

static bool hear(void *ctx, const struct scan_hit *hit) {
	struct hits *hits = ctx;

	hits->hit[hits->n].rule = hit->rule;
	hits->hit[hits->n].offset = hit->offset;
	memset(hits->hit[hits->n].text, 0, VALIDATE_WINDOW);
	hits->hit[hits->n].size = scan_hit_text(hit, hits->hit[hits->n].text);
	return ++hits->n < HITS_MAX;
}

static bool ignore(void *, const struct scan_hit *) {
	return true;
}

static void piece_scan(struct scan_stream *stream, const uint8_t *data, size_t size) {
	uint8_t *exact = malloc(size > 0 ? size : 1); // so that ASan sees a read past the end

	memcpy(exact, data, size);
	scan_data(stream, exact, size);
	free(exact);
}

static void scan_cut(
	struct scanner *scanner,
	const uint8_t *data,
	size_t size,
	unsigned how,
	struct hits *hits
) {
	struct scan_stream *stream = scan_open(scanner, RULE_BODY, hear, hits);
	struct scan_stream *other = scan_open(scanner, RULE_BODY, ignore, NULL);
	unsigned state = how * 2654435761u + 1;

	hits->n = 0;
	for (size_t at = 0, n; at < size; at += n) {
		state = state * 1664525 + 1013904223;
		n = how == 0 ? size : 1 + (state >> 16) % (how < 128 ? how : 40 * how);
		n = n < size - at ? n : size - at;
		piece_scan(stream, data + at, n);
		if (how & 1)
			piece_scan(other, data + at, n);
		if (how & 2)
			scan_flush(scanner);
	}
	scan_close(other, false);
	scan_close(stream, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct hits whole, cut;
	static struct scanner *scanner;
	int n_bad;

	if (scanner == NULL) {
		struct rules *rules = rules_parse(
			"f.yaml", rules_text, sizeof(rules_text) - 1, NULL, NULL, &n_bad
		);
		if (n_bad != 0)
			abort();
		scanner = scanner_open(database_open(rules, NULL, NULL, NULL, NULL, &n_bad), 2);
		if (n_bad != 0 || scanner == NULL)
			abort();
	}
	if (size < 2)
		return 0;
	scan_cut(scanner, data + 1, size - 1, 0, &whole);
	scan_cut(scanner, data + 1, size - 1, data[0] | 1, &cut);
	if (whole.n != cut.n || memcmp(whole.hit, cut.hit, whole.n * sizeof(whole.hit[0])) != 0)
		abort();
	return 0;
}
