// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Files and folders of rules: the list in each, the next rule behind a place that is no YAML, and the
// set of all that were right.

#include "match/rules.h"

#include "limits.h"
#include "match/rule.h"
#include "siphash.h"
#include "yaml.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	// After a place that is no YAML, reading goes on at the next rule at most so often per file,
	// because each time reads the rest again.
	RESYNC_MAX = 50,
	INDEX_SIZE = 1 << 16,
};

static_assert(INDEX_SIZE > 3 * RULES_MAX, "the index has free slots");

// One file that is being read.
struct reader {
	struct rules *rules;
	struct yaml_mistakes *mistakes;
	const char *file;
};

// ---- The set.

// Where the rule of this id is, or would be, in the index: open addressing, at most a third full.
static uint32_t *rule_slot(const struct rules *rules, const char *id) {
	static const uint64_t key[2] = {0};
	uint32_t at = (uint32_t)siphash(key, id, strlen(id));

	for (;; at++) {
		uint32_t *slot = &rules->index[at % INDEX_SIZE];

		if (*slot == 0 || strcmp(rules->rules[*slot - 1].id, id) == 0)
			return slot;
	}
}

static int rules_grow(struct rules *rules) {
	uint32_t size = rules->size == 0 ? 32 : rules->size * 2;
	struct rule *more;

	if (rules->n < rules->size)
		return 0;
	more = realloc(rules->rules, size * sizeof(*more));
	if (more == NULL)
		return -1;
	rules->rules = more;
	rules->size = size;
	return 0;
}

// Takes the rule over.
static void rule_add(struct reader *reader, const struct yaml_node *node, struct rule *rule) {
	struct rules *rules = reader->rules;
	uint32_t *slot = rule_slot(rules, rule->id);

	if (*slot != 0) {
		yaml_mistake(
			reader->mistakes,
			reader->file,
			node->line,
			node->column,
			"rule %s: the id is taken by %s:%d; choose another",
			rule->id,
			rules->rules[*slot - 1].file,
			rules->rules[*slot - 1].line
		);
		rule_free(rule);
		return;
	}
	rules->rules[rules->n++] = *rule;
	*slot = rules->n;
}

// 0, or -1: no more rules can be taken.
static int item_read(struct reader *reader, const struct yaml_node *node) {
	struct rule rule;

	if (node->is_cut)
		return 0; // the mistake in it was reported
	if (reader->rules->n >= RULES_MAX || rules_grow(reader->rules) < 0) {
		yaml_mistake(
			reader->mistakes,
			reader->file,
			node->line,
			node->column,
			"more than %d rules; this one and the rest are not used",
			RULES_MAX
		);
		return -1;
	}
	if (rule_read(reader->file, node, reader->mistakes, &rule) == 0)
		rule_add(reader, node, &rule);
	return 0;
}

static int list_read(struct reader *reader, const struct yaml_node *list) {
	int rc = 0;

	for (const struct yaml_node *item = list->first; item != NULL && rc == 0; item = item->next)
		rc = item_read(reader, item);
	return rc;
}

// The list of rules in what was read, or NULL.
static const struct yaml_node *list_find(struct reader *reader, const struct yaml_node *root) {
	const struct yaml_node *list = NULL;

	if (root == NULL || root->kind != YAML_MAP) {
		if (root != NULL && root->kind != YAML_MAP)
			yaml_mistake(
				reader->mistakes,
				reader->file,
				root->line,
				root->column,
				"%s; a rule file begins with rules: and a list below it",
				yaml_kind_text(root->kind)
			);
		return NULL;
	}
	for (const struct yaml_node *key = root->first; key != NULL; key = key->next) {
		if (strcmp(key->text, "rules") != 0)
			yaml_mistake(
				reader->mistakes,
				reader->file,
				key->line,
				key->column,
				"%.60s: unknown key; known is rules",
				key->text
			);
		else if (key->value != NULL && key->value->kind == YAML_LIST)
			list = key->value;
		else if (key->value != NULL && (key->value->kind == YAML_MAP || key->value->text[0] != '\0'))
			yaml_mistake(
				reader->mistakes,
				reader->file,
				key->line,
				key->column,
				"rules: %s; a list is needed, each rule behind a dash",
				yaml_kind_text(key->value->kind)
			);
	}
	return list;
}

// ---- Going on after a place that is no YAML.

// Where reading stands in a file's text.
struct place {
	const char *text;
	size_t size, at;
	int line; // of at
};

static void place_next_line(struct place *place) {
	const char *end = memchr(place->text + place->at, '\n', place->size - place->at);

	place->at = end != NULL ? (size_t)(end - place->text) + 1 : place->size;
	place->line++;
}

// Moves to the first line behind line "after" that begins as a rule of this list does: a dash in
// this column.
static bool place_next_rule(struct place *place, int after, int column) {
	while (place->at < place->size) {
		const char *p = place->text + place->at;
		size_t left = place->size - place->at, spaces = 0;

		while (spaces < left && p[spaces] == ' ')
			spaces++;
		if (place->line > after && (int)spaces + 1 == column && spaces + 1 < left
		    && p[spaces] == '-' && p[spaces + 1] == ' ')
			return true;
		place_next_line(place);
	}
	return false;
}

// The line at which the last rule that was not read to its end begins.
static int broken_line(const struct yaml_node *list) {
	int line = list->line;

	for (const struct yaml_node *item = list->first; item != NULL; item = item->next)
		line = item->line;
	return line;
}

static void file_parse(struct reader *reader, const char *text, size_t size) {
	struct place place = {.text = text, .size = size, .line = 1};
	int column = 0;

	for (int i = 0; i <= RESYNC_MAX; i++) {
		struct yaml *yaml = yaml_open(
			reader->file, text + place.at, size - place.at, place.line, reader->mistakes
		);
		const struct yaml_node *list;
		int rc = 0, broken = 0;

		if (yaml == NULL)
			return;
		// Behind the first time, the text begins with the list itself.
		list = i == 0 ? list_find(reader, yaml_root(yaml)) : yaml_root(yaml);
		if (list != NULL && list->kind == YAML_LIST) {
			rc = list_read(reader, list);
			column = list->column;
			broken = broken_line(list);
		}
		bool is_broken = yaml_is_broken(yaml);
		yaml_close(yaml);
		broken = broken > place.line ? broken : place.line;
		if (rc < 0 || !is_broken || column == 0 || !place_next_rule(&place, broken, column))
			return;
	}
	yaml_mistake(
		reader->mistakes,
		reader->file,
		place.line,
		1,
		"too many places that are no YAML; the rest of the file is not read"
	);
}

// ---- Combinations, when all rules are known.

long rules_find(const struct rules *rules, const char *id) {
	return (long)*rule_slot(rules, id) - 1;
}

// Why the combination cannot be, or NULL; at_r: the member it is about.
static const char *
members_fault(const struct rules *rules, const struct rule *rule, const char **at_r) {
	for (uint32_t i = 0; i < rule->n_members; i++) {
		long number = rules_find(rules, rule->member_ids[i]);
		const struct rule *member = number >= 0 ? &rules->rules[number] : NULL;
		bool is_message = false;

		*at_r = rule->member_ids[i];
		if (member == NULL)
			return "is no rule of this set; write the id of one";
		if (member->kind != RULE_PATTERN)
			return "is a combination itself; write its members";
		if (member->scope == RULE_ACCOUNT)
			return "is counted per account, so never seen within one session";
		for (int field = 0; field < RULE_FIELDS; field++)
			is_message |= (member->fields >> field & 1) != 0
				&& rule_field_is_message(field);
		if (rule->scope == RULE_MESSAGE && (!is_message || member->scope != RULE_MESSAGE))
			return "is not seen within one message; write within: session";
	}
	return NULL;
}

static void index_fill(struct rules *rules) {
	memset(rules->index, 0, INDEX_SIZE * sizeof(*rules->index));
	for (uint32_t i = 0; i < rules->n; i++)
		*rule_slot(rules, rules->rules[i].id) = i + 1;
}

static void members_link(struct rules *rules) {
	for (uint32_t i = 0; i < rules->n; i++) {
		struct rule *rule = &rules->rules[i];

		rules->n_combinations += rule->n_members > 0;
		for (uint32_t j = 0; j < rule->n_members; j++) {
			rule->members[j] = (uint32_t)rules_find(rules, rule->member_ids[j]);
			rules->rules[rule->members[j]].is_member = true;
		}
	}
}

static bool member_is_asked(const struct rules *rules, const char *id) {
	for (uint32_t i = 0; i < rules->n; i++)
		for (uint32_t j = 0; j < rules->rules[i].n_members; j++)
			if (strcmp(rules->rules[i].member_ids[j], id) == 0)
				return true;
	return false;
}

// Leaves out combinations that cannot be, and gives the others their members' numbers.
static void rules_link(struct rules *rules, struct yaml_mistakes *mistakes) {
	const char *at = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < rules->n; i++) {
		struct rule *rule = &rules->rules[i];
		const char *fault = members_fault(rules, rule, &at);

		if (fault != NULL)
			yaml_mistake(
				mistakes,
				rule->file,
				rule->line,
				rule->column,
				"rule %s: %s %s",
				rule->id,
				at,
				fault
			);
		rule->is_member = fault != NULL; // for now: to be left out
		if (fault == NULL && rule->is_silent && !member_is_asked(rules, rule->id))
			yaml_mistake(
				mistakes,
				rule->file,
				rule->line,
				rule->column,
				"rule %s: alert: no, and no all or any asks for it, so it is never "
				"told; leave alert out, or name it in a combination",
				rule->id
			);
	}
	for (uint32_t i = 0; i < rules->n; i++) {
		if (rules->rules[i].is_member)
			rule_free(&rules->rules[i]);
		else
			rules->rules[n++] = rules->rules[i];
	}
	rules->n = n;
	index_fill(rules);
	members_link(rules);
}

const char *rule_field_name(enum rule_field field) {
	static const char *const names[RULE_FIELDS] = {
#define FIELD(name, text, ...) [RULE_##name] = text,
#include "match/field.def"
#undef FIELD
	};
	return field == RULE_VALUE ? "header" : names[field];
}

bool rule_field_is_message(enum rule_field field) {
	static const bool are[RULE_FIELDS] = {
#define FIELD(name, text, is_message, ...) [RULE_##name] = is_message,
#include "match/field.def"
#undef FIELD
	};
	return are[field];
}

// ---- Files.

static int file_add(struct rules *rules, const char *path) {
	char **files = realloc(rules->files, (rules->n_files + 1) * sizeof(*files));
	char *copy = strdup(path);

	if (files != NULL)
		rules->files = files;
	if (files == NULL || copy == NULL) {
		free(copy);
		return -1;
	}
	files[rules->n_files++] = copy;
	return 0;
}

static int file_read(struct rules *rules, const char *path, struct yaml_mistakes *mistakes) {
	struct reader reader = {.rules = rules, .mistakes = mistakes};
	size_t size = 0;
	char *text = yaml_file(path, RULE_FILE_SIZE_MAX, &size, mistakes);

	if (text == NULL || file_add(rules, path) < 0) {
		free(text);
		return -1;
	}
	reader.file = rules->files[rules->n_files - 1];
	file_parse(&reader, text, size);
	free(text);
	return 0;
}

static int is_rule_file(const struct dirent *entry) {
	size_t size = strlen(entry->d_name);

	return entry->d_name[0] != '.'
		&& ((size > 5 && strcmp(entry->d_name + size - 5, ".yaml") == 0)
		    || (size > 4 && strcmp(entry->d_name + size - 4, ".yml") == 0));
}

static int by_name(const struct dirent **a, const struct dirent **b) {
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int folder_read(struct rules *rules, const char *path, struct yaml_mistakes *mistakes) {
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_rule_file, by_name), rc = -1;
	char file[4096];

	if (n <= 0)
		yaml_mistake(
			mistakes,
			path,
			0,
			0,
			"%s",
			n < 0 ? strerror(errno)
			      : "no *.yaml in this folder; name a file, or the folder of the rules"
		);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (file_read(rules, file, mistakes) == 0)
			rc = 0;
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static struct rules *rules_new(void) {
	struct rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return NULL;
	rules->index = calloc(INDEX_SIZE, sizeof(*rules->index));
	if (rules->index == NULL) {
		free(rules);
		return NULL;
	}
	return rules;
}

struct rules *rules_open(const char *path, rules_report *report, void *ctx, int *n_bad_r) {
	struct yaml_mistakes mistakes = {.report = report, .ctx = ctx};
	struct rules *rules = rules_new();
	struct stat st;
	int rc = -1;

	if (rules != NULL && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		rc = folder_read(rules, path, &mistakes);
	else if (rules != NULL)
		rc = file_read(rules, path, &mistakes);
	if (rc == 0)
		rules_link(rules, &mistakes);
	*n_bad_r = mistakes.n;
	if (rc < 0) {
		rules_close(rules);
		return NULL;
	}
	return rules;
}

struct rules *rules_parse(
	const char *file,
	const char *text,
	size_t size,
	rules_report *report,
	void *ctx,
	int *n_bad_r
) {
	struct yaml_mistakes mistakes = {.report = report, .ctx = ctx};
	struct rules *rules = rules_new();
	struct reader reader = {.rules = rules, .mistakes = &mistakes};

	if (rules == NULL || file_add(rules, file) < 0) {
		rules_close(rules);
		return NULL;
	}
	reader.file = rules->files[0];
	file_parse(&reader, text, size);
	rules_link(rules, &mistakes);
	*n_bad_r = mistakes.n;
	return rules;
}

void rules_close(struct rules *rules) {
	if (rules == NULL)
		return;
	for (uint32_t i = 0; i < rules->n; i++)
		rule_free(&rules->rules[i]);
	for (uint32_t i = 0; i < rules->n_files; i++)
		free(rules->files[i]);
	free(rules->files);
	free(rules->index);
	free(rules->rules);
	free(rules);
}
