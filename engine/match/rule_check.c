// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Mistakes that no key has alone: what is missing, what says nothing beside the others, and what could
// never match.

#include "match/fold.h"
#include "match/rule_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEAT_MAX = 1000 };

// ---- The pattern alone

// The largest number in a repeat such as {2,5}; they cost state in each stream and may stall the
// compiler. Braces in classes are taken for repeats too: such a class is rare, and \{ helps it.
static long repeat_max(const char *pattern) {
	long max = 0;

	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
			// \x{…} is a character.
			if (*p == 'x' && p[1] == '{')
				p++;
			continue;
		}
		if (*p != '{')
			continue;
		for (char *end; *p != '\0' && *p != '}'; p = end) {
			long number = strtol(++p, &end, 10);

			max = number > max ? number : max;
			end += strcspn(end, ",}");
		}
		if (*p == '\0')
			break;
	}
	return max;
}

// "/…/i", as other languages write patterns.
static bool is_slashed(const char *text) {
	const char *last = strrchr(text, '/');

	return text[0] == '/' && last > text && last[1] != '\0'
		&& last[1 + strspn(last + 1, "ims")] == '\0';
}

bool rule_check_pattern(
	struct rule_reader *reader,
	const struct yaml_node *node,
	const char *text
) {
	if (repeat_max(text) > REPEAT_MAX)
		rule_wrong(
			reader,
			node,
			"pattern repeats something %ld times; at most %d",
			repeat_max(text),
			REPEAT_MAX
		);
	else if (is_slashed(text))
		rule_wrong(
			reader,
			node,
			"pattern is written as /…/%s; leave the slashes out and write flags: (or "
			"\\/ for a slash)",
			strrchr(text, '/') + 1
		);
	else
		return true;
	return false;
}

static void pattern_fold(struct rule_reader *reader) {
	struct rule *rule = reader->rule;
	int at;
	char *folded = fold_pattern(rule->pattern, &at);

	if (folded == NULL) {
		rule_wrong(
			reader,
			rule_key(reader, "pattern")->value,
			"fold: a letter with diacritics in [ ] at byte %d of the pattern; "
			"write alternatives, such as (?:a|á)",
			at
		);
		return;
	}
	free(rule->pattern);
	rule->pattern = folded;
}

// ---- The rule

// Keys that say nothing here would be taken for something by who wrote them.
static void refuse(struct rule_reader *reader, const char *const *names, const char *why) {
	for (; *names != NULL; names++)
		if (rule_key(reader, *names) != NULL)
			rule_wrong(
				reader, rule_key(reader, *names), "%s %s; leave it out", *names, why
			);
}

static void combination_check(struct rule_reader *reader) {
	static const char *const ours[] = {
		"pattern",
		"flags",
		"look",
		"direction",
		"protocol",
		"validate",
		"count",
		"distinct",
		"window",
		"excerpt",
		NULL,
	};
	struct rule *rule = reader->rule;

	refuse(reader, ours, "is for rules with a pattern; a combination's members have theirs");
	if (rule->scope == RULE_ACCOUNT)
		rule_wrong(
			reader,
			rule_key(reader, "within"),
			"within: a combination is within message or session"
		);
	rule->fields = 0;
}

// What only some protocols have.
static void protocol_check(struct rule_reader *reader) {
	static const struct {
		enum rule_field field;
		int protocols;
		const char *names;
	} some[] = {
		{RULE_HELO, 1 << ACTIVITY_SMTP | 1 << ACTIVITY_LMTP, "smtp, lmtp"},
		{RULE_CLIENT_ID, 1 << ACTIVITY_IMAP, "imap"},
		{RULE_SIEVE, 1 << ACTIVITY_SIEVE, "sieve"},
	};
	const struct rule *rule = reader->rule;

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (rule->fields == UINT32_C(1) << some[i].field
		    && (rule->protocols & some[i].protocols) == 0)
			rule_wrong(
				reader,
				rule_key(reader, "protocol"),
				"protocol: none of these has a %s; write %s",
				rule_field_name(some[i].field),
				some[i].names
			);
}

static void pattern_check(struct rule_reader *reader, const struct yaml_node *node) {
	static const char *const of_messages[] = {"direction", NULL},
				 *const of_accounts[] = {"window", NULL};
	struct rule *rule = reader->rule;
	bool is_message = false;

	if (rule->pattern == NULL) {
		rule_wrong(reader, node, "no pattern; write pattern: and what to look for");
		return;
	}
	for (int i = 0; i < RULE_FIELDS; i++)
		is_message |= (rule->fields >> i & 1) != 0 && rule_field_is_message(i);
	if (!is_message)
		refuse(reader, of_messages, "says nothing of what is no message");
	if (rule->scope != RULE_ACCOUNT)
		refuse(reader, of_accounts, "is for within: account");
	protocol_check(reader);
	if (rule->distinct > 0 && rule_key(reader, "count") == NULL)
		rule->count = rule->distinct;
	if (!reader->is_bad && rule->flags & RULE_FOLD)
		pattern_fold(reader);
}

void rule_check(struct rule_reader *reader, const struct yaml_node *node) {
	struct rule *rule = reader->rule;

	if (reader->is_bad)
		return;
	if (rule->id[0] == '\0')
		rule_wrong(reader, node, "no id; write id: and a name for it");
	else if (rule->kind != RULE_PATTERN)
		combination_check(reader);
	else
		pattern_check(reader, node);
	if (rule->name[0] == '\0')
		snprintf(rule->name, sizeof(rule->name), "%s", rule->id);
}
