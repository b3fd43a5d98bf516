// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each rule is one map of the YAML tree; each of its keys one row of a table and one small reader.
// What only Hyperscan can say of a pattern, and the test lines, come later (scan.c).

#include "content.h"
#include "match/rule_private.h"
#include "match/technique.h"
#include "match/validate.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	MESSAGE = 1 << RULE_HEADER | 1 << RULE_BODY | 1 << RULE_ATTACHMENT,
	ALL_PROTOCOLS = (1 << ACTIVITY_PROTOCOLS) - 1,
	ALL_DIRECTIONS = 1 << CONTENT_SENT | 1 << CONTENT_FETCHED | 1 << CONTENT_APPENDED,
	PATTERN_SIZE_MAX = 4000,
	WINDOW_S_MAX = 86400, // an episode without matches is over then
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
	{"message", MESSAGE},
#define FIELD(name, text, ...) {text, 1 << RULE_##name},
#include "match/field.def"
#undef FIELD
	{NULL, 0},
};
static const struct word protocols[] = {
	{"imap", 1 << ACTIVITY_IMAP},
	{"smtp", 1 << ACTIVITY_SMTP},
	{"lmtp", 1 << ACTIVITY_LMTP},
	{"pop3", 1 << ACTIVITY_POP3},
	{"sieve", 1 << ACTIVITY_SIEVE},
	{"tls", 1 << ACTIVITY_TLS},
	{NULL, 0},
};
static const struct word scopes[] = {
	{"message", RULE_MESSAGE},
	{"session", RULE_SESSION},
	{"account", RULE_ACCOUNT},
	{NULL, 0},
};
static const struct word answers[] = {
	{"yes", 1},
	{"no", 0},
	{"true", 1},
	{"false", 0},
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

void rule_wrong(struct rule_reader *reader, const struct yaml_node *node, const char *format, ...) {
	char what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	reader->is_bad = true;
	yaml_mistake(
		reader->mistakes,
		reader->rule->file,
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
static const char *text_read(struct rule_reader *reader, const struct yaml_node *node) {
	const char *name = reader->key->text;

	if (node == NULL || node->kind != YAML_SCALAR)
		rule_wrong(
			reader,
			node != NULL ? node : reader->key,
			"%s is %s; write one value",
			name,
			node != NULL ? yaml_kind_text(node->kind) : "without a value"
		);
	else if (node->text[0] == '\0')
		rule_wrong(reader, node, "%s is empty; write a value or leave the key out", name);
	else
		return node->text;
	return NULL;
}

static int
word_read(struct rule_reader *reader, const struct yaml_node *node, const struct word *words) {
	const char *text = text_read(reader, node);
	char known[300];

	if (text == NULL)
		return 0;
	for (const struct word *word = words; word->name != NULL; word++)
		if (strcmp(word->name, text) == 0)
			return word->value;
	if (words == flags && (strcmp(text, "utf8") == 0 || strcmp(text, "ucp") == 0))
		rule_wrong(
			reader,
			node,
			"%s cannot be used: mail is any bytes, not always UTF-8; write letters "
			"with "
			"diacritics as they are and add fold",
			text
		);
	else
		rule_wrong(
			reader,
			node,
			"%s: \"%.40s\" is not known; write %s",
			reader->key->text,
			text,
			words_list(words, known, sizeof(known))
		);
	return 0;
}

// One word, or a list of them.
static int
words_read(struct rule_reader *reader, const struct yaml_node *node, const struct word *words) {
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

static void short_text_read(
	struct rule_reader *reader,
	const struct yaml_node *node,
	char *buffer,
	size_t size
) {
	const char *text = text_read(reader, node);

	if (text == NULL)
		return;
	if (strlen(text) >= size)
		rule_wrong(
			reader,
			node,
			"%s has %zu bytes; at most %zu fit",
			reader->key->text,
			strlen(text),
			size - 1
		);
	else
		snprintf(buffer, size, "%s", text);
}

static void id_read(struct rule_reader *reader, const struct yaml_node *node) {
	char id[ACTIVITY_RULE_SIZE] = "";

	short_text_read(reader, node, id, sizeof(id));
	if (!is_id(id))
		rule_wrong(reader, node, "id \"%s\"; letters, digits, - _ and . make an id", id);
	else
		memcpy(reader->rule->id, id, sizeof(id));
}

static void name_read(struct rule_reader *reader, const struct yaml_node *node) {
	short_text_read(reader, node, reader->rule->name, sizeof(reader->rule->name));
}

static void category_read(struct rule_reader *reader, const struct yaml_node *node) {
	char *category = reader->rule->category;

	short_text_read(reader, node, category, sizeof(reader->rule->category));
	if (!is_id(category))
		rule_wrong(
			reader, node, "category \"%s\"; write a word such as exfiltration", category
		);
}

// "header:NAME": a field of that name, letters in lower case.
static bool header_read(struct rule_reader *reader, const struct yaml_node *node) {
	char *header = reader->rule->header;
	const char *name = node->text + strlen("header:");
	size_t size = strlen(name);

	if (strncmp(node->text, "header:", strlen("header:")) != 0)
		return false;
	if (size == 0 || size >= RULE_HEADER_NAME_SIZE || strcmp(name, "NAME") == 0
	    || name[strcspn(name, " \t:\"()<>")] != '\0')
		rule_wrong(
			reader,
			node,
			"look: \"%.80s\"; write the name of a header field, such as "
			"header:X-Mailer",
			node->text
		);
	else if (header[0] != '\0')
		rule_wrong(reader, node, "look: one header:NAME for a rule; write another rule");
	for (size_t i = 0; i <= size && size < RULE_HEADER_NAME_SIZE; i++)
		header[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
	reader->rule->fields |= 1 << RULE_VALUE;
	return true;
}

static void look_one(struct rule_reader *reader, const struct yaml_node *node) {
	if (node == NULL || node->kind != YAML_SCALAR || !header_read(reader, node))
		reader->rule->fields |= (uint32_t)word_read(reader, node, looks);
}

static void look_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->fields = 0;
	if (node == NULL || node->kind != YAML_LIST) {
		look_one(reader, node);
		return;
	}
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
		look_one(reader, item);
	if (reader->rule->fields == 0 && !reader->is_bad)
		rule_wrong(
			reader, node, "look is an empty list; leave it out for the whole message"
		);
}

static void protocol_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->protocols = (uint8_t)words_read(reader, node, protocols);
	if (reader->rule->protocols == 0 && !reader->is_bad)
		rule_wrong(reader, node, "protocol is an empty list; leave it out for all");
}

static void within_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->scope = (uint8_t)word_read(reader, node, scopes);
}

static void excerpt_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->has_excerpt = word_read(reader, node, answers) != 0;
}

static void alert_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->is_silent = word_read(reader, node, answers) == 0 && !reader->is_bad;
}

static uint32_t number_read(struct rule_reader *reader, const struct yaml_node *node, long max) {
	const char *text = text_read(reader, node);
	char *end = NULL;
	long number = text != NULL && text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;

	if (text != NULL && (number < 1 || number > max || *end != '\0'))
		rule_wrong(
			reader,
			node,
			"%s: \"%.40s\"; write a whole number from 1 to %ld",
			reader->key->text,
			text,
			max
		);
	return (uint32_t)number;
}

static void count_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->count = number_read(reader, node, RULE_COUNT_MAX);
}

static void distinct_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->distinct = number_read(reader, node, RULE_DISTINCT_MAX);
}

static void window_read(struct rule_reader *reader, const struct yaml_node *node) {
	static const struct word units[]
		= {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};
	const char *text = text_read(reader, node);
	char *end = NULL;
	long number = text != NULL && text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;

	if (text == NULL)
		return;
	for (const struct word *unit = units; unit->name != NULL && number > 0; unit++)
		if (strcmp(end, unit->name) == 0 && number <= WINDOW_S_MAX / unit->value) {
			reader->rule->window_ns
				= (uint64_t)number * (uint64_t)unit->value * 1000000000;
			return;
		}
	rule_wrong(
		reader,
		node,
		"window: \"%.40s\"; write a time such as 24h (s, m, h, d), at most 1d",
		text
	);
}

static void direction_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->directions = (uint8_t)words_read(reader, node, directions);
	if (reader->rule->directions == 0 && !reader->is_bad)
		rule_wrong(reader, node, "direction is an empty list; leave it out for all");
}

static void flags_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->flags = (uint32_t)words_read(reader, node, flags);
}

static void validate_read(struct rule_reader *reader, const struct yaml_node *node) {
	struct word words[VALIDATES];

	for (int i = 1; i < VALIDATES; i++)
		words[i - 1] = (struct word){validate_names[i], i};
	words[VALIDATES - 1] = (struct word){0};
	reader->rule->validate = (uint8_t)word_read(reader, node, words);
}

static void severity_read(struct rule_reader *reader, const struct yaml_node *node) {
	reader->rule->severity = (enum alert_severity)word_read(reader, node, severities);
}

static void technique_read(struct rule_reader *reader, const struct yaml_node *node) {
	const char *id = text_read(reader, node);
	const struct alert_technique *technique;
	char known[400];

	if (id == NULL)
		return;
	technique = technique_find(id);
	if (technique == NULL) {
		rule_wrong(
			reader,
			node,
			"technique \"%.20s\" is not known; known are %s",
			id,
			technique_list(known, sizeof(known))
		);
		return;
	}
	reader->rule->technique = *technique;
	reader->rule->has_technique = true;
}

static void reference_read(struct rule_reader *reader, const struct yaml_node *node) {
	const char *text = text_read(reader, node);

	if (text != NULL)
		reader->rule->reference = strdup(text);
}

static void pattern_read(struct rule_reader *reader, const struct yaml_node *node) {
	const char *text = text_read(reader, node);

	if (text == NULL)
		return;
	if (strlen(text) > PATTERN_SIZE_MAX)
		rule_wrong(
			reader,
			node,
			"pattern has %zu bytes; at most %d",
			strlen(text),
			PATTERN_SIZE_MAX
		);
	else if (rule_check_pattern(reader, node, text))
		reader->rule->pattern = strdup(text);
	reader->rule->line = node->line;
	reader->rule->column = node->column;
}

// The ids of a combination; whether they are rules is known when all files have been read (rules.c).
static void member_add(struct rule_reader *reader, const struct yaml_node *node) {
	struct rule *rule = reader->rule;
	char id[ACTIVITY_RULE_SIZE] = "";

	short_text_read(reader, node, id, sizeof(id));
	if (rule->n_members == RULE_MEMBERS_MAX) {
		rule_wrong(
			reader,
			node,
			"%s has more than %d rules",
			reader->key->text,
			RULE_MEMBERS_MAX
		);
		return;
	}
	if (rule->member_ids == NULL)
		rule->member_ids = calloc(RULE_MEMBERS_MAX, sizeof(*rule->member_ids));
	if (rule->member_ids != NULL)
		memcpy(rule->member_ids[rule->n_members++], id, sizeof(id));
}

static void
members_read(struct rule_reader *reader, const struct yaml_node *node, enum rule_kind kind) {
	struct rule *rule = reader->rule;

	if (rule->kind != RULE_PATTERN) {
		rule_wrong(reader, reader->key, "all and any together; write two rules");
		return;
	}
	if (node == NULL || node->kind != YAML_LIST || node->first == NULL) {
		rule_wrong(
			reader,
			node != NULL ? node : reader->key,
			"%s needs a list of the ids of other rules",
			reader->key->text
		);
		return;
	}
	rule->kind = (uint8_t)kind;
	rule->line = node->line;
	rule->column = node->column;
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
		member_add(reader, item);
}

static void all_read(struct rule_reader *reader, const struct yaml_node *node) {
	members_read(reader, node, RULE_ALL);
}

static void any_read(struct rule_reader *reader, const struct yaml_node *node) {
	members_read(reader, node, RULE_ANY);
}

static void test_add(struct rule_reader *reader, const struct yaml_node *node, bool match) {
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

static void test_read(struct rule_reader *reader, const struct yaml_node *node) {
	if (node == NULL || node->kind != YAML_MAP) {
		rule_wrong(
			reader,
			node != NULL ? node : reader->key,
			"test needs match: [...] and no_match: [...] below it"
		);
		return;
	}
	for (const struct yaml_node *key = node->first; key != NULL; key = key->next) {
		bool match = strcmp(key->text, "match") == 0;

		reader->key = key;
		if (!match && strcmp(key->text, "no_match") != 0) {
			rule_wrong(
				reader,
				key,
				"test: unknown key %.40s; known are match, no_match",
				key->text
			);
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
	void (*read)(struct rule_reader *reader, const struct yaml_node *node);
} keys[] = {
	{"id", id_read},
	{"name", name_read},
	{"look", look_read},
	{"direction", direction_read},
	{"protocol", protocol_read},
	{"pattern", pattern_read},
	{"flags", flags_read},
	{"all", all_read},
	{"any", any_read},
	{"validate", validate_read},
	{"count", count_read},
	{"distinct", distinct_read},
	{"within", within_read},
	{"window", window_read},
	{"severity", severity_read},
	{"category", category_read},
	{"technique", technique_read},
	{"reference", reference_read},
	{"excerpt", excerpt_read},
	{"alert", alert_read},
	{"test", test_read},
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static_assert((int)KEYS <= (int)RULE_KEYS_MAX, "each has its place");

const struct yaml_node *rule_key(const struct rule_reader *reader, const char *name) {
	for (int i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return reader->given[i];
	return NULL;
}

// Where one letter is wrong, missing or too many, or the case is, this is the key that was meant; or NULL.
static const char *key_meant(const char *text) {
	for (int i = 0; i < KEYS; i++) {
		const char *a = text, *b = keys[i].name;

		while (*a != '\0' && (*a | 0x20) == *b)
			a++, b++;
		if (strcasecmp(a, b) == 0
		    || (*a != '\0' && *b != '\0' && strcasecmp(a + 1, b + 1) == 0)
		    || (*a != '\0' && strcasecmp(a + 1, b) == 0)
		    || (*b != '\0' && strcasecmp(a, b + 1) == 0))
			return keys[i].name;
	}
	return NULL;
}

// ---- The rule.

void rule_free(struct rule *rule) {
	for (uint32_t i = 0; i < rule->n_tests; i++)
		free(rule->tests[i].text);
	free(rule->tests);
	free(rule->pattern);
	free(rule->reference);
	free(rule->member_ids);
}

static void key_read(struct rule_reader *reader, const struct yaml_node *key) {
	const char *meant = key_meant(key->text);
	char known[260];
	size_t used = 0;

	reader->key = key;
	for (int i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, key->text) == 0) {
			reader->given[i] = key;
			keys[i].read(reader, key->value);
			return;
		}
	if (meant != NULL) {
		rule_wrong(reader, key, "unknown key %.40s; write %s", key->text, meant);
		return;
	}
	for (int i = 0; i < KEYS && used < sizeof(known); i++)
		used += (size_t)snprintf(
			known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", keys[i].name
		);
	rule_wrong(reader, key, "unknown key %.40s; known are %s", key->text, known);
}

int rule_read(
	const char *file,
	const struct yaml_node *node,
	struct yaml_mistakes *mistakes,
	struct rule *rule
) {
	struct rule_reader reader = {.rule = rule, .mistakes = mistakes};

	*rule = (struct rule){
		.fields = MESSAGE,
		.directions = ALL_DIRECTIONS,
		.protocols = ALL_PROTOCOLS,
		.count = 1,
		.severity = ALERT_MEDIUM,
		.category = "content",
		.file = file,
	};
	if (node->kind != YAML_MAP) {
		rule_wrong(
			&reader,
			node,
			"%s; a rule is lines of KEY: VALUE behind a dash",
			yaml_kind_text(node->kind)
		);
		return -1;
	}
	// The id first, so that every mistake can name the rule.
	for (const struct yaml_node *key = node->first; key != NULL; key = key->next)
		if (strcmp(key->text, "id") == 0)
			key_read(&reader, key);
	for (const struct yaml_node *key = node->first; key != NULL; key = key->next)
		if (strcmp(key->text, "id") != 0)
			key_read(&reader, key);
	rule_check(&reader, node);
	if (!reader.is_bad)
		return 0;
	rule_free(rule);
	return -1;
}
