// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Whatever a rule file holds: each mistake is told, none is told that is not counted, and every
// rule that is taken is whole: id, pattern, and test lines with text.

#include "match/rules.h"

#include <stdlib.h>
#include <string.h>

// libfyaml loses 512 bytes on some broken documents; rules are read once and not on the packet path.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
	return "leak:libfyaml\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(void *ctx, const char *text) {
	if (strlen(text) == 0)
		abort();
	++*(int *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	int n_told = 0, n_bad = -1;
	struct rules *rules
		= rules_parse("f.yaml", (const char *)data, size, hear, &n_told, &n_bad);

	if (rules == NULL || n_told != n_bad)
		abort();
	for (uint32_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];

		if (rule->id[0] == '\0' || rule->directions == 0)
			abort();
		if (rule->kind == RULE_PATTERN && (rule->pattern == NULL || rule->fields == 0))
			abort();
		if (rule->kind != RULE_PATTERN && rule->n_members == 0)
			abort();
		for (uint32_t m = 0; m < rule->n_members; m++)
			if (rule->members[m] >= rules->n)
				abort();
		for (uint32_t t = 0; t < rule->n_tests; t++)
			if (rule->tests[t].text == NULL)
				abort();
	}
	rules_close(rules);
	return 0;
}
