// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each rule is one map of the YAML tree; each of its keys one row of a table and one small reader.
// What only Hyperscan can say of a pattern, and the test lines, come later (scan.c).

#include "match/rules.h"

#include "content.h"
#include "limits.h"
#include "match/fold.h"
#include "match/technique.h"
#include "siphash.h"
#include "yaml.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	ALL_FIELDS = (1 << RULE_FIELDS) - 1,
	ALL_DIRECTIONS = 1 << CONTENT_SENT | 1 << CONTENT_FETCHED | 1 << CONTENT_APPENDED,
	// After a place that is no YAML, reading goes on at the next rule at most so often per file,
	// because each time reads the rest again.
	RESYNC_MAX = 50,
	PATTERN_SIZE_MAX = 4000,
	REPEAT_MAX = 1000,
	INDEX_SIZE = 1 << 16,
};

static_assert(INDEX_SIZE > 3 * RULES_MAX, "the index has free slots");

// One file that is being read.
struct reader {
	struct rules *rules;
	struct yaml_mistakes *mistakes;
	const char *file;
	struct rule *rule; // now being filled
	const struct yaml_node *key; // now being read
	bool is_bad;
};

struct word {
	const char *name;
	int value;
};

static const struct word severities[] = {
	{"low", ALERT_LOW},
	{"medium", ALERT_MEDIUM},
	{"high", ALERT_HIGH},
	{"critical", ALERT_CRITICAL},
	{NULL, 0},
};
static const struct word looks[] = {
	{"message", ALL_FIELDS},
	{"header", 1 << RULE_HEADER},
	{"body", 1 << RULE_BODY},
	{NULL, 0},
};
static const struct word directions[] = {
	{"sent", 1 << CONTENT_SENT},
	{"fetched", 1 << CONTENT_FETCHED},
	{"appended", 1 << CONTENT_APPENDED},
	{NULL, 0},
};
static const struct word flags[] = {
	{"caseless", RULE_CASELESS},
	{"dotall", RULE_DOTALL},
	{"multiline", RULE_MULTILINE},
	{"fold", RULE_FOLD},
	{NULL, 0},
};

// ---- Mistakes.

__attribute__((format(printf, 3, 4))) static void
wrong(struct reader *reader, const struct yaml_node *node, const char *format, ...) {
	char what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	reader->is_bad = true;
	yaml_mistake(
		reader->mistakes,
		reader->file,
		node->line,
		node->column,
		"rule %s: %s",
		reader->rule->id[0] != '\0' ? reader->rule->id : "without id",
		what
	);
}

static const char *words_list(const struct word *words, char *buffer, size_t size) {
	size_t used = 0;

	for (; words->name != NULL && used < size; words++)
		used += (size_t
		)snprintf(buffer + used, size - used, "%s%s", used > 0 ? ", " : "", words->name);
	return buffer;
}

// ---- Values.

// The text of a scalar; NULL (reported) when it is something else or empty.
static const char *text_read(struct reader *reader, const struct yaml_node *node) {
	const char *name = reader->key->text;

	if (node == NULL || node->kind != YAML_SCALAR)
		wrong(reader,
		      node != NULL ? node : reader->key,
		      "%s is %s; write one value",
		      name,
		      node != NULL ? yaml_kind_text(node->kind) : "without a value");
	else if (node->text[0] == '\0')
		wrong(reader, node, "%s is empty; write a value or leave the key out", name);
	else
		return node->text;
	return NULL;
}

static int
word_read(struct reader *reader, const struct yaml_node *node, const struct word *words) {
	const char *text = text_read(reader, node);
	char known[100];

	if (text == NULL)
		return 0;
	for (const struct word *word = words; word->name != NULL; word++)
		if (strcmp(word->name, text) == 0)
			return word->value;
	if (words == flags && (strcmp(text, "utf8") == 0 || strcmp(text, "ucp") == 0))
		wrong(reader,
		      node,
		      "%s cannot be used: mail is any bytes, not always UTF-8; write letters with "
		      "diacritics as they are and add fold",
		      text);
	else
		wrong(reader,
		      node,
		      "%s: \"%.40s\" is not known; write %s",
		      reader->key->text,
		      text,
		      words_list(words, known, sizeof(known)));
	return 0;
}

// One word, or a list of them.
static int
words_read(struct reader *reader, const struct yaml_node *node, const struct word *words) {
	int value = 0;

	if (node == NULL || node->kind != YAML_LIST)
		return word_read(reader, node, words);
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
		value |= word_read(reader, item, words);
	return value;
}

// ---- Keys: one reader each.

static bool is_id(const char *text) {
	for (; *text != '\0'; text++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			   *text)
		    == NULL)
			return false;
	return true;
}

static void
short_text_read(struct reader *reader, const struct yaml_node *node, char *buffer, size_t size) {
	const char *text = text_read(reader, node);

	if (text == NULL)
		return;
	if (strlen(text) >= size)
		wrong(reader,
		      node,
		      "%s has %zu bytes; at most %zu fit",
		      reader->key->text,
		      strlen(text),
		      size - 1);
	else
		snprintf(buffer, size, "%s", text);
}

static void id_read(struct reader *reader, const struct yaml_node *node) {
	char id[ACTIVITY_RULE_SIZE] = "";

	short_text_read(reader, node, id, sizeof(id));
	if (!is_id(id))
		wrong(reader, node, "id \"%s\"; letters, digits, - _ and . make an id", id);
	else
		memcpy(reader->rule->id, id, sizeof(id));
}

static void name_read(struct reader *reader, const struct yaml_node *node) {
	short_text_read(reader, node, reader->rule->name, sizeof(reader->rule->name));
}

static void category_read(struct reader *reader, const struct yaml_node *node) {
	char *category = reader->rule->category;

	short_text_read(reader, node, category, sizeof(reader->rule->category));
	if (!is_id(category))
		wrong(reader, node, "category \"%s\"; write a word such as exfiltration", category);
}

static void look_read(struct reader *reader, const struct yaml_node *node) {
	reader->rule->fields = (uint8_t)word_read(reader, node, looks);
}

static void direction_read(struct reader *reader, const struct yaml_node *node) {
	reader->rule->directions = (uint8_t)words_read(reader, node, directions);
	if (reader->rule->directions == 0 && !reader->is_bad)
		wrong(reader, node, "direction is an empty list; leave it out for all");
}

static void flags_read(struct reader *reader, const struct yaml_node *node) {
	reader->rule->flags = (uint32_t)words_read(reader, node, flags);
}

static void severity_read(struct reader *reader, const struct yaml_node *node) {
	reader->rule->severity = (enum alert_severity)word_read(reader, node, severities);
}

static void technique_read(struct reader *reader, const struct yaml_node *node) {
	const char *id = text_read(reader, node);
	const struct alert_technique *technique;
	char known[400];

	if (id == NULL)
		return;
	technique = technique_find(id);
	if (technique == NULL) {
		wrong(reader,
		      node,
		      "technique \"%.20s\" is not known; known are %s",
		      id,
		      technique_list(known, sizeof(known)));
		return;
	}
	reader->rule->technique = *technique;
	reader->rule->has_technique = true;
}

static void reference_read(struct reader *reader, const struct yaml_node *node) {
	const char *text = text_read(reader, node);

	if (text != NULL)
		reader->rule->reference = strdup(text);
}

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

static void pattern_read(struct reader *reader, const struct yaml_node *node) {
	const char *text = text_read(reader, node);

	if (text == NULL)
		return;
	if (strlen(text) > PATTERN_SIZE_MAX)
		wrong(reader,
		      node,
		      "pattern has %zu bytes; at most %d",
		      strlen(text),
		      PATTERN_SIZE_MAX);
	else if (repeat_max(text) > REPEAT_MAX)
		wrong(reader,
		      node,
		      "pattern repeats something %ld times; at most %d",
		      repeat_max(text),
		      REPEAT_MAX);
	else
		reader->rule->pattern = strdup(text);
	reader->rule->line = node->line;
	reader->rule->column = node->column;
}

static void test_add(struct reader *reader, const struct yaml_node *node, bool match) {
	struct rule *rule = reader->rule;
	const char *text = text_read(reader, node);
	struct rule_test *tests;

	if (text == NULL)
		return;
	tests = realloc(rule->tests, (rule->n_tests + 1) * sizeof(*tests));
	if (tests == NULL)
		return;
	rule->tests = tests;
	tests[rule->n_tests++] = (struct rule_test){
		.text = strdup(text),
		.match = match,
		.line = node->line,
		.column = node->column,
	};
}

static void test_read(struct reader *reader, const struct yaml_node *node) {
	if (node == NULL || node->kind != YAML_MAP) {
		wrong(reader,
		      node != NULL ? node : reader->key,
		      "test needs match: [...] and no_match: [...] below it");
		return;
	}
	for (const struct yaml_node *key = node->first; key != NULL; key = key->next) {
		bool match = strcmp(key->text, "match") == 0;

		reader->key = key;
		if (!match && strcmp(key->text, "no_match") != 0) {
			wrong(reader,
			      key,
			      "test: unknown key %.40s; known are match, no_match",
			      key->text);
			continue;
		}
		if (key->value == NULL || key->value->kind != YAML_LIST) {
			test_add(reader, key->value, match);
			continue;
		}
		for (const struct yaml_node *item = key->value->first; item != NULL;
		     item = item->next)
			test_add(reader, item, match);
	}
}

static const struct {
	const char *name;
	void (*read)(struct reader *reader, const struct yaml_node *node);
} keys[] = {
	{"id", id_read},
	{"name", name_read},
	{"look", look_read},
	{"direction", direction_read},
	{"pattern", pattern_read},
	{"flags", flags_read},
	{"severity", severity_read},
	{"category", category_read},
	{"technique", technique_read},
	{"reference", reference_read},
	{"test", test_read},
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

// ---- Rules.

static void rule_free(struct rule *rule) {
	for (uint32_t i = 0; i < rule->n_tests; i++)
		free(rule->tests[i].text);
	free(rule->tests);
	free(rule->pattern);
	free(rule->reference);
}

static void key_read(struct reader *reader, const struct yaml_node *key) {
	char known[160];
	size_t used = 0;

	reader->key = key;
	for (int i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, key->text) == 0) {
			keys[i].read(reader, key->value);
			return;
		}
	for (int i = 0; i < KEYS && used < sizeof(known); i++)
		used += (size_t)snprintf(
			known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", keys[i].name
		);
	wrong(reader, key, "unknown key %.40s; known are %s", key->text, known);
}

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

// What can only be said when all keys have been read.
static void rule_finish(struct reader *reader, const struct yaml_node *node) {
	struct rule *rule = reader->rule;
	uint32_t twin;
	int at;

	if (rule->id[0] == '\0' && !reader->is_bad)
		wrong(reader, node, "no id; write id: and a name for it");
	if (rule->pattern == NULL && !reader->is_bad)
		wrong(reader, node, "no pattern; write pattern: and what to look for");
	if (reader->is_bad)
		return;
	twin = *rule_slot(reader->rules, rule->id);
	if (twin != 0)
		wrong(reader,
		      node,
		      "the id is taken by %s:%d; choose another",
		      reader->rules->rules[twin - 1].file,
		      reader->rules->rules[twin - 1].line);
	if (rule->name[0] == '\0')
		snprintf(rule->name, sizeof(rule->name), "%s", rule->id);
	if ((rule->flags & RULE_FOLD) == 0)
		return;
	char *folded = fold_pattern(rule->pattern, &at);
	if (folded == NULL) {
		wrong(reader,
		      node,
		      "fold: a letter with diacritics in [ ] at byte %d of the pattern; "
		      "write alternatives, such as (?:a|á)",
		      at);
		return;
	}
	free(rule->pattern);
	rule->pattern = folded;
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

static void rule_add(struct rules *rules, const struct rule *rule) {
	uint32_t *slot = rule_slot(rules, rule->id);

	rules->rules[rules->n++] = *rule;
	*slot = rules->n;
}

// 0, or -1: no more rules can be taken.
static int rule_read(struct reader *reader, const struct yaml_node *node) {
	struct rule rule = {
		.fields = ALL_FIELDS,
		.directions = ALL_DIRECTIONS,
		.severity = ALERT_MEDIUM,
		.category = "content",
		.file = reader->file,
	};

	if (node->is_cut)
		return 0; // the mistake in it was reported
	reader->rule = &rule;
	reader->is_bad = false;
	if (reader->rules->n >= RULES_MAX || rules_grow(reader->rules) < 0) {
		wrong(reader, node, "more than %d rules; the rest is not used", RULES_MAX);
		return -1;
	}
	if (node->kind != YAML_MAP) {
		wrong(reader,
		      node,
		      "%s; a rule is lines of KEY: VALUE behind a dash",
		      yaml_kind_text(node->kind));
		return 0;
	}
	// The id first, so that every mistake can name the rule.
	for (const struct yaml_node *key = node->first; key != NULL; key = key->next)
		if (strcmp(key->text, "id") == 0)
			key_read(reader, key);
	for (const struct yaml_node *key = node->first; key != NULL; key = key->next)
		if (strcmp(key->text, "id") != 0)
			key_read(reader, key);
	rule_finish(reader, node);
	if (reader->is_bad)
		rule_free(&rule);
	else
		rule_add(reader->rules, &rule);
	return 0;
}

static int list_read(struct reader *reader, const struct yaml_node *list) {
	int rc = 0;

	for (const struct yaml_node *item = list->first; item != NULL && rc == 0; item = item->next)
		rc = rule_read(reader, item);
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
		else if (key->value != NULL && key->value->text[0] != '\0')
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
